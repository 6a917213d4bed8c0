"""Reading: one address, cut and understood word by word, before anybody decides which place it is.

Pure.  A reading knows what was said (mentions of places, numbers, gates, offsets) and in which order; what it means is
the work of hypotheses.py.
"""

from dataclasses import dataclass

from geo_service.geography.addresses import grammar, mentions
from geo_service.geography.addresses.grammar import Part
from geo_service.geography.addresses.mentions import Mention
from geo_service.geography.addresses.places import AREA, ROAD, Gazetteer
from geo_service.geography.addresses.similar import SimilarNames

_STREETS = 6  # of one name whose crossings are looked through


@dataclass(frozen=True, slots=True)
class Reading:
    """What an address says.

    `places`: mentions of roads, compounds, units and villages; `areas`: those of city, county and town; `said`: the
    other parts by kind, the first of each; `labels`: words such as 门诊楼 that may name a part of a place; `unknown`:
    letters nobody understands.
    """

    plain: str
    parts: list[Part]
    places: list[Mention]
    areas: list[Mention]
    said: dict[str, Part]
    labels: list[Part]
    unknown: list[Part]

    def first(self, kinds: tuple[str, ...], after: int) -> Part | None:
        """Give the first part of these kinds that begins at `after` or later."""
        for part in self.parts:
            if part.begin >= after and part.kind in kinds:
                return part
        return None


def read(plain: str, gazetteer: Gazetteer, similar: SimilarNames) -> Reading:
    """Read a plain text (normalise.plain)."""
    parts = grammar.cut(plain, gazetteer.automaton, gazetteer.codes)
    places: list[Mention] = []
    areas: list[Mention] = []
    said: dict[str, Part] = {}
    labels: list[Part] = []
    unknown: list[Part] = []
    for part in parts:
        if part.kind == grammar.NAME:
            if gazetteer.is_label[part.number]:
                labels.append(part)
            if gazetteer.meanings[part.number]:
                mention = mentions.exact(part, gazetteer)
                (areas if mention.roles == AREA else places).append(mention)
        elif part.kind == grammar.UNKNOWN:
            unknown.append(part)
        else:
            said.setdefault(part.kind, part)
    if unknown:
        met = _met(places, said, gazetteer)
        for mention in mentions.resembling(plain, parts, met, gazetteer, similar):
            if mention.roles & AREA:
                areas.append(mention)
            if mention.roles & ~AREA:
                places.append(mention)
        places.sort(key=lambda mention: mention.begin)
    return Reading(plain, parts, places, areas, said, labels, unknown)


def _met(places: list[Mention], said: dict[str, Part], gazetteer: Gazetteer) -> list[int]:
    """Give the names of the streets that cross one that was named, when the text speaks of a crossing."""
    if not (said.keys() & {"join", "crossing", "offset"}):
        return []
    streets = [option.place for mention in places if mention.roles & ROAD for option in mention.options[:_STREETS]]
    return sorted({name for street in streets for name in gazetteer.crossing_names.get(street, ())})
