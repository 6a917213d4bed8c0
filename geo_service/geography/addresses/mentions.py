"""Mentions: which places the words of an address may mean, by their exact names or by names that resemble them.

Pure.  A name of the gazetteer found in the text is an exact mention; what lies uncovered between them is compared
with all names once more, together with the words beside it, since a typing error inside a long name often leaves a
shorter one standing.  Only there, so a clean address never pays for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from geo_service.geography.addresses import grammar
from geo_service.geography.addresses.grammar import Part
from geo_service.geography.addresses.places import AREA, Gazetteer
from geo_service.geography.addresses.similar import Similar, SimilarNames

_LEAST = 0.55  # similarity of a name that is considered
_BESIDE = 8  # letters of the words beside what is uncovered that are compared along with it
_BEHIND = 1.5  # letters of the text less twice the repairs behind the best, beyond which a name is not considered
_MOST = 12  # names that a piece of text may stand for

# Parts beside what is uncovered that may belong to the same name.
_JOINABLE = frozenset(
    (grammar.NAME, grammar.UNKNOWN, "class", "gate", "side", "relation", "crossing", "join", "floor", "bare")
)


class Option(NamedTuple):
    """A place that a mention may mean: by which name, how alike, and text[begin:end] that says so."""

    place: int
    name: int
    alike: float  # 1 for the name itself, less for short forms and repaired ones
    begin: int
    end: int


@dataclass(slots=True)
class Mention:
    """A piece of the text that names a place, and the places it may mean, the likeliest first."""

    begin: int
    end: int
    options: list[Option]
    is_exact: bool
    roles: int


def exact(part: Part, gazetteer: Gazetteer) -> Mention:
    """Give the mention that a name part is."""
    begin, end, number = part.begin, part.end, part.number
    options = [Option(place, number, trust, begin, end) for place, trust in gazetteer.meanings[number]]
    return Mention(begin, end, options, True, gazetteer.roles[number])


def resembling(
    text: str, parts: Sequence[Part], met: Sequence[int], gazetteer: Gazetteer, similar: SimilarNames
) -> list[Mention]:
    """Give a mention for each uncovered piece that some names resemble.

    `met` are the names, by number, of streets that cross one that the text names rightly: each of them is compared.
    """
    found: list[Mention] = []
    for at, part in enumerate(parts):
        if part.kind != grammar.UNKNOWN or _is_idle(text[part.begin : part.end]):
            continue
        begin, end = _region(parts, at, gazetteer)
        alike = similar.find(text, begin, end, most=_MOST, least=_LEAST)
        if met:
            alike += [
                one for one in similar.find(text, begin, end, most=_MOST, least=_LEAST, among=met) if one not in alike
            ]
        alike = [one for one in alike if one.begin < part.end and one.end > part.begin]
        best = max((one.end - one.begin - 2.0 * one.cost for one in alike), default=0.0)
        alike = [one for one in alike if one.end - one.begin - 2.0 * one.cost >= best - _BEHIND]
        if alike:
            found.append(_mention(alike, gazetteer))
    return found


def _mention(alike: Sequence[Similar], gazetteer: Gazetteer) -> Mention:
    options: list[Option] = []
    roles = 0
    for name, cost, begin, end in alike:
        likeness = 1.0 - cost / len(gazetteer.names[name])
        roles |= gazetteer.roles[name]
        options += [Option(place, name, likeness * trust, begin, end) for place, trust in gazetteer.meanings[name]]
    return Mention(min(one.begin for one in alike), max(one.end for one in alike), options, False, roles)


def _region(parts: Sequence[Part], at: int, gazetteer: Gazetteer) -> tuple[int, int]:
    """Give where to look: the uncovered piece and the words beside it, up to numbers and the areas before it."""
    begin, end = parts[at].begin, parts[at].end
    before = parts[at - 1] if at else None
    if before and before.kind in _JOINABLE and before.end - before.begin <= _BESIDE and not _is_area(before, gazetteer):
        begin = before.begin
    after = at + 1
    while after < len(parts) and parts[after].kind in _JOINABLE and parts[after].end - parts[at].end <= _BESIDE:
        end = parts[after].end
        after += 1
    return begin, end


def _is_area(part: Part, gazetteer: Gazetteer) -> bool:
    """Tell whether a part is an area's full name; 任城 may be the beginning of 任城花园, 任城区 of nothing."""
    if part.kind != grammar.NAME or gazetteer.roles[part.number] != AREA:
        return False
    return any(trust == 1.0 for _, trust in gazetteer.meanings[part.number])


def _is_idle(piece: str) -> bool:
    return all(letter in "在的了啊呢吧我是从到于这那" for letter in piece)
