"""Hypotheses: every place an address may mean, scored by how much of what was said it explains.

Pure.  A score counts letters: those of the names that mean the place, of areas, roads and places beside it that agree
with where it lies, and of numbers that exist there; what contradicts it or stays unexplained is taken off.  Scores of
one address can be compared with each other, and with no others.
"""

from collections.abc import Iterator
from typing import NamedTuple

from geo_service.geography import streets
from geo_service.geography.addresses.grammar import Part
from geo_service.geography.addresses.mentions import Mention, Option
from geo_service.geography.addresses.places import AREA, AREAS, ROAD, ROLE, SPOT, VILLAGE, Gazetteer, Places
from geo_service.geography.addresses.reading import Reading

# Weights, in letters explained.  Set on made-up dispatch calls (benchmarks/dispatch); figures are reported of others.
_REPAIR = 1.6  # what a letter's worth of repairs takes off
_AGREES, _DISAGREES = 0.8, 0.6  # of an area's letters, when it holds the place or does not
_SAME_COUNTY = 0.5  # of a town's letters, when the place is in no town but in the town's county
_NEAR, _FAR = 0.6, 0.35  # of the letters of another place beside it
_UNEXPLAINED = 0.45  # a letter that nothing explains
_MOST_UNEXPLAINED = 3.0
_SPOT, _CROSSING, _VILLAGE, _ROAD = 1.7, 2.9, 0.6, 0.0  # the more a kind of place says, the less likely by chance
_NUMBER, _BETWEEN, _NO_NUMBER = 2.6, 1.6, -0.4  # a number or label that exists, lies between two that do, or neither
_NOT_THERE = 3.0  # what takes off a place that was not there yet, or no longer, on the day of the call
_BESIDE_M = {ROAD: 400.0, SPOT: 800.0, VILLAGE: 2500.0}  # how near another place must be to agree
_CONSIDERED = 10  # hypotheses whose surroundings are looked at
_BEHIND = 6.0  # letters behind the best beyond which none is looked at


class Hypothesis(NamedTuple):
    """A place an address may mean: an option, with the entry of a number or label, -1 for none; or a crossing.

    A crossing is two roads and which of their meetings: a ring road and a radial one meet twice.
    """

    score: float
    role: int
    core: Option
    other: Option | None
    entry: int
    nth: int = 0


def all_of(reading: Reading, gazetteer: Gazetteer, day: int | None = None) -> list[Hypothesis]:
    """Give the hypotheses of a reading, the best first; places that were not there on the (ordinal) day come later."""
    found = _named(reading, gazetteer)
    if day is not None:
        found = [_dated(one, gazetteer.places, day) for one in found]
    if len(found) > 1:
        found.sort(key=_by_score)
        if len(reading.places) > 1:
            least = found[0].score - _BEHIND
            near = [one for one in found[:_CONSIDERED] if one.score > least]
            near = [one._replace(score=one.score + _beside(one, reading, gazetteer)) for one in near]
            found[: len(near)] = sorted(near, key=_by_score)
    return found


def _dated(one: Hypothesis, places: Places, day: int) -> Hypothesis:
    """Take off what speaks against a place that was not there; people go on using names of what is gone."""
    return one if places.stood(one.core.place, day) else one._replace(score=one.score - _NOT_THERE)


def _by_score(one: Hypothesis) -> float:
    return -one.score


def _named(reading: Reading, gazetteer: Gazetteer) -> list[Hypothesis]:
    stated = [_stated(mention, gazetteer) for mention in reading.areas]
    found: list[Hypothesis] = []
    if not reading.places:
        for option in (option for mention in reading.areas for option in mention.options):
            score = worth(option) + AREAS.index(gazetteer.places.kind[option.place])  # the finest that was said
            score += _agreement(stated, gazetteer.places, option.place) - _unexplained(reading, option)
            found.append(Hypothesis(score, AREA, option, None, -1))
        return found
    kinds, places = gazetteer.places.kind, gazetteer.places
    for mention in reading.places:
        for option in mention.options:
            role = ROLE[kinds[option.place]]
            if role != AREA:
                entry, extra = _detail(reading, gazetteer, option, role)
                score = worth(option) + extra + _agreement(stated, places, option.place) - _unexplained(reading, option)
                found.append(Hypothesis(score, role, option, None, entry))
    for one, two in _crossings(reading, gazetteer):
        score = worth(one) + worth(two) + _CROSSING + _agreement(stated, places, one.place)
        score -= _unexplained(reading, one, two)
        met = len(gazetteer.crossings(one.place, two.place))
        found += [Hypothesis(score, ROAD, one, two, -1, nth) for nth in range(met)]
    return found


def of_code(part: Part, gazetteer: Gazetteer) -> Hypothesis:
    """Give the hypothesis that a code of a lamp post or door plate is: exact, of the place it stands at or of none."""
    entry = gazetteer.codes[part.value]
    at = Option(int(gazetteer.entries.place[entry]), -1, 1.0, part.begin, part.end)
    return Hypothesis(2.0 * (part.end - part.begin), SPOT, at, None, entry)


def left_over(reading: Reading, one: Hypothesis) -> int:
    """Give how many letters nothing explains."""
    cores = (one.core, one.other) if one.other else (one.core,)
    return round(_unexplained(reading, *cores) / _UNEXPLAINED)


def worth(option: Option) -> float:
    """Give the letters that an option explains."""
    return (option.end - option.begin) * (1.0 - _REPAIR * (1.0 - option.alike))


def _crossings(reading: Reading, gazetteer: Gazetteer) -> Iterator[tuple[Option, Option]]:
    named = [mention for mention in reading.places if mention.roles & ROAD]
    for at, mention in enumerate(named):
        for other in named[at + 1 :]:
            for one in mention.options:
                for two in other.options:
                    if one.end <= two.begin and gazetteer.crossings(one.place, two.place):
                        yield one, two


def _detail(reading: Reading, gazetteer: Gazetteer, option: Option, role: int) -> tuple[int, float]:
    """Give the entry of the number or label that belongs to a place, -1 for none, and what it explains."""
    if role == ROAD:
        return _door(reading, gazetteer, option)
    base = _SPOT if role == SPOT else _VILLAGE
    wanted = list(_wanted(reading, option))
    for label in wanted:
        entry = gazetteer.labelled(option.place, label)
        if entry >= 0:
            return entry, base + _NUMBER
    return -1, base + (_NO_NUMBER if wanted else 0.0)


def _wanted(reading: Reading, option: Option) -> Iterator[str]:
    """Give the labels that the words after a place ask for, the finest first."""
    for part in reading.labels:
        if part.begin >= option.end:
            yield "p" + reading.plain[part.begin : part.end]
    building = reading.first(("building", "dashed", "door", "bare", "group"), option.end)
    if building:
        yield "b" + building.value.partition("-")[0]
    gate = reading.said.get("gate")
    if gate and gate.begin >= option.begin:
        yield "g" + (gate.value.replace("大门", "门") if len(gate.value) > 2 else gate.value)  # 东大门 is 东门


def _door(reading: Reading, gazetteer: Gazetteer, option: Option) -> tuple[int, float]:
    part = reading.first(("door", "bare"), option.end)
    number = number_of(part)
    if part is None or number is None:
        return -1, _ROAD
    numbers, entries = gazetteer.doors_of(option.place)
    at = int(numbers.searchsorted(number))
    if at < len(numbers) and numbers[at] == number:
        return int(entries[at]), _ROAD + _NUMBER
    return -1, _ROAD + (_BETWEEN if 0 < at < len(numbers) else _NO_NUMBER)


def number_of(part: Part | None) -> int | None:
    """Give the number of a door; of a range its first."""
    digits = part.value.partition("~")[0].partition("-")[0].partition("之")[0] if part else ""
    return int(digits) if digits.isdigit() and len(digits) < 8 else None


class _Stated(NamedTuple):
    """An area that was named: what a place that lies in one of these explains of it, and what is taken off else."""

    inside: dict[int, float]
    townless: dict[int, float]  # by county, of places that lie in no town: roads
    anywhere: float
    outside: float


def _stated(mention: Mention, gazetteer: Gazetteer) -> _Stated:
    places, inside, townless, anywhere = gazetteer.places, dict[int, float](), dict[int, float](), 0.0
    for option in mention.options:
        kind, agrees = places.kind[option.place], _AGREES * worth(option)
        if kind == "city":
            anywhere = max(anywhere, agrees)
            continue
        for area in (option.place, places.successor[option.place]):
            inside[area] = max(agrees, inside.get(area, 0.0))
        if kind == "town":
            county = places.county[option.place]
            townless[county] = max(_SAME_COUNTY * agrees, townless.get(county, 0.0))
    inside.pop(-1, None)
    outside = _DISAGREES * (mention.end - mention.begin) * (1.0 if mention.is_exact else 0.5)
    return _Stated(inside, townless, anywhere, outside)


def _agreement(stated: list[_Stated], places: Places, place: int) -> float:
    """Give what the areas said of a place explain, or contradict."""
    town, county = places.town[place], places.county[place]
    total = 0.0
    for one in stated:
        inside = one.inside
        best = max(inside.get(town, 0.0), inside.get(county, 0.0), inside.get(place, 0.0), one.anywhere)
        if town < 0 and best <= 0.0:
            best = one.townless.get(county, 0.0)
        if best > 0.0:
            total += best
        elif town >= 0 or county >= 0:  # of a road that belongs to the whole city nobody knows
            total -= one.outside
    return total


def _beside(one: Hypothesis, reading: Reading, gazetteer: Gazetteer) -> float:
    """Give what other places in the text explain, when they are near, or contradict."""
    total = 0.0
    cores = (one.core, one.other) if one.other else (one.core,)
    for mention in reading.places:
        if any(mention.begin < core.end and core.begin < mention.end for core in cores):
            continue
        best = -_FAR * (mention.end - mention.begin) if mention.is_exact else 0.0
        for option in mention.options:
            if _is_near(gazetteer, one.core.place, option.place):
                best = max(best, _NEAR * worth(option))
        total += best
    return total


def _is_near(gazetteer: Gazetteer, place: int, other: int) -> bool:
    places = gazetteer.places
    if place == other or places.parent[place] == other:
        return True
    role = ROLE[places.kind[other]]
    if role == AREA:
        return False
    x, y = places.x[place], places.y[place]
    limit = _BESIDE_M[role]
    street = gazetteer.street(other)
    if street is None:
        return (places.x[other] - x) ** 2 + (places.y[other] - y) ** 2 < limit**2
    if gazetteer.street(place) is not None:
        return bool(gazetteer.crossings(place, other))
    return abs(float(streets.position(street, x, y).aside_m)) < limit + places.radius_m[place]


def _unexplained(reading: Reading, *cores: Option) -> float:
    """Give what is taken off for letters that neither a word nor the place's name explains."""
    if not reading.unknown:
        return 0.0
    letters = 0
    for part in reading.unknown:
        letters += part.end - part.begin
        for core in cores:
            letters -= max(0, min(core.end, part.end) - max(core.begin, part.begin))
        for mention in reading.areas:
            if not mention.is_exact:
                letters -= max(0, min(mention.end, part.end) - max(mention.begin, part.begin))
    return min(max(letters, 0) * _UNEXPLAINED, _MOST_UNEXPLAINED)
