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

_STREETS = 24  # of one name whose crossings are looked through


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
    found = Reading(plain, grammar.cut(plain, gazetteer.automaton, gazetteer.codes), [], [], {}, [], [])
    for part in found.parts:
        _sort(part, found, gazetteer)
    if found.unknown:
        met = _met(found, gazetteer)
        for mention in mentions.resembling(plain, found.parts, met, gazetteer, similar):
            if mention.roles & AREA:
                found.areas.append(mention)
            if mention.roles & ~AREA:
                found.places.append(mention)
        found.places.sort(key=lambda mention: mention.begin)
    return found


def _sort(part: Part, found: Reading, gazetteer: Gazetteer) -> None:
    """Put a part where it belongs."""
    if part.kind == grammar.UNKNOWN:
        found.unknown.append(part)
    elif part.kind != grammar.NAME:
        found.said.setdefault(part.kind, part)
    else:
        if gazetteer.is_label[part.number]:
            found.labels.append(part)
        if gazetteer.meanings[part.number]:
            mention = mentions.exact(part, gazetteer)
            (found.areas if mention.roles == AREA else found.places).append(mention)


def _met(found: Reading, gazetteer: Gazetteer) -> list[int]:
    """Give the names of the streets that cross one that was named, when the text speaks of a crossing."""
    if not (found.said.keys() & {"join", "crossing", "offset"}):
        return []
    streets = [
        option.place for mention in found.places if mention.roles & ROAD for option in mention.options[:_STREETS]
    ]
    return sorted({name for street in streets for name in gazetteer.crossing_names.get(street, ())})
