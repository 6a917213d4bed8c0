"""Pinpoint: the place of a hypothesis becomes a point, with how far from it the truth may lie, and a shape.

Pure.  Metres of the city's projected zone.  An uncertainty is the radius that holds the place with 90 % [m].  An offset
is walked along the road's own geometry from the crossing, not along the compass; "about 100 metres" is a stretch of
road, so its shape is that stretch and its sides.  A door number that nobody listed lies between its neighbours, on its
own side of the road.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
import shapely.ops

from geo_service.geography import streets
from geo_service.geography.addresses import grammar
from geo_service.geography.addresses.hypotheses import Hypothesis, number_of
from geo_service.geography.addresses.mentions import Option
from geo_service.geography.addresses.places import AREA, KINDS, ROAD, Gazetteer
from geo_service.geography.addresses.reading import Reading
from geo_service.geography.streets import Street, Walk

_POINT_M = {"building": 25.0, "gate": 20.0, "part": 40.0, "door": 20.0, "post": 5.0, "plate": 10.0}
_CROSSING_M = 20.0  # half a large crossing
_ABOUT = 0.15  # of a distance that a caller estimates
_ACROSS_M = 8.0  # from the middle of a road to the building line, beyond its half width
_ASIDE_M = 12.0  # from the middle of a crossing or road to where 路北 or 西北角 is
_NEARBY_M = {
    "附近": 60.0, "旁边": 40.0, "旁": 40.0, "边上": 40.0, "隔壁": 40.0, "路边": 20.0,
    "一带": 100.0, "周边": 80.0, "周围": 80.0,
}  # fmt: skip
_FRONT = frozenset(("门口", "大门口", "门前", "前面", "前边", "前", "楼前"))
_FACING_M = 40.0  # between two buildings that face each other
_SIDES = 2.4  # of a place's reach: nobody said which of its sides is the front, 90 % lie within (benchmarks/addresses)
_RIM = 1.4  # of a place's reach: its corners, which something near it may lie beyond
_RAY_M = 5000.0  # longer than any place
_OPPOSITE = frozenset(("对面", "斜对面", "正对面", "马路对面", "路对面", "对过", "对门"))
_FRONT_M = 80.0  # a street farther away is not the one that a gate opens to
_WIDTH_M = 6.0  # half of a road nobody measured


@dataclass(frozen=True, slots=True)
class Pin:
    """Where a hypothesis lies: x, y, uncertainty [m], level, the entry it is (-1: none), and the way walked to it."""

    x: float
    y: float
    level: str
    uncertainty_m: float
    entry: int = -1
    way: Walk | None = None


def pin(one: Hypothesis, reading: Reading, gazetteer: Gazetteer) -> Pin:
    """Pin a hypothesis to a point."""
    place = one.core.place
    if one.other is not None:
        return _crossing(one, one.other, reading, gazetteer)
    if one.role == ROAD:
        return _on_road(one, reading, gazetteer)
    kind = gazetteer.places.kind[place]
    at = of_entry(one.entry, gazetteer) if one.entry >= 0 else None
    if at is None or math.isnan(at.x):  # a building that nobody has drawn is somewhere in its compound
        entry, x, y = gazetteer.places.entry[place], gazetteer.places.x[place], gazetteer.places.y[place]
        at = Pin(x, y, kind, gazetteer.places.radius_m[place], entry)
    if one.role == AREA:
        return at
    return _around(at, place, reading, gazetteer)


def of_entry(entry: int, gazetteer: Gazetteer) -> Pin:
    """Pin an entry of the gazetteer to where it is."""
    entries = gazetteer.entries
    kind = KINDS[entries.kind[entry]]
    level = "code" if kind in ("post", "plate") else kind
    radius = max(float(entries.radius_m[entry]), _POINT_M[kind])
    return Pin(float(entries.x[entry]), float(entries.y[entry]), level, radius, entry)


def _crossing(one: Hypothesis, other: Option, reading: Reading, gazetteer: Gazetteer) -> Pin:
    met = gazetteer.crossings(one.core.place, other.place)[one.nth]
    start = Pin(met.x, met.y, "crossing", _CROSSING_M + met.gap_m / 2.0)
    offset = reading.said.get("offset")
    if offset:
        both = [street for option in (one.core, other) if (street := gazetteer.street(option.place))]
        return _walked(start, both, offset, "crossing_offset", reading)
    return _beside(start, reading)


def _on_road(one: Hypothesis, reading: Reading, gazetteer: Gazetteer) -> Pin:
    place = one.core.place
    street = gazetteer.street(place)
    if street is None:
        return Pin(
            gazetteer.places.x[place], gazetteer.places.y[place], "road", gazetteer.places.radius_m[place],
            gazetteer.places.entry[place],
        )  # fmt: skip
    if one.entry >= 0:
        at = of_entry(one.entry, gazetteer)
    else:
        at = _between(one, street, reading, gazetteer) or _whole(street, gazetteer.places.entry[place])
    offset = reading.said.get("offset")
    if offset and at.level != "road":
        return _walked(at, [street], offset, "place_offset", reading)
    return _beside(at, reading) if at.level != "road" else at


def _whole(street: Street, entry: int) -> Pin:
    line = int(np.argmax(street.lengths_m))
    length = float(street.lengths_m[line])
    x, y = streets.at(street, line, length / 2.0)
    return Pin(float(x), float(y), "road", 0.45 * float(street.lengths_m.sum()), entry)


def _between(one: Hypothesis, street: Street, reading: Reading, gazetteer: Gazetteer) -> Pin | None:
    """Interpolate a door number between its nearest neighbours of the same parity, else of the other."""
    number = number_of(reading.first(("door", "bare"), one.core.end))
    numbers, entries = gazetteer.doors_of(one.core.place)
    if number is None or len(numbers) < 2:
        return None
    same = np.flatnonzero(numbers % 2 == number % 2)
    use = same if len(same) >= 2 else np.arange(len(numbers))
    at = int(numbers[use].searchsorted(number))
    if at in (0, len(use)):
        return _beyond(number, numbers[use], entries[use], gazetteer)
    low, high = int(use[at - 1]), int(use[at])
    x, y = gazetteer.entries.x[entries[[low, high]]], gazetteer.entries.y[entries[[low, high]]]
    found = streets.position(street, x, y)
    share = (number - int(numbers[low])) / (int(numbers[high]) - int(numbers[low]))
    apart = math.hypot(float(x[1] - x[0]), float(y[1] - y[0]))
    if found.line[0] != found.line[1] or abs(float(found.measure_m[1] - found.measure_m[0])) > 3.0 * apart + 100.0:
        px, py = float(x[0] + share * (x[1] - x[0])), float(y[0] + share * (y[1] - y[0]))
        return Pin(px, py, "door_interpolated", 20.0 + apart)
    measure = float(found.measure_m[0] + share * (found.measure_m[1] - found.measure_m[0]))
    aside = float(found.aside_m[0] + share * (found.aside_m[1] - found.aside_m[0]))
    px, py = streets.at(street, int(found.line[0]), measure, aside)
    gap = abs(float(found.measure_m[1] - found.measure_m[0]))
    return Pin(float(px), float(py), "door_interpolated", 20.0 + 0.3 * gap)


def _beyond(number: int, numbers: Any, entries: Any, gazetteer: Gazetteer) -> Pin | None:
    """Take a number a little beyond the last one listed as near that one."""
    end = 0 if number < int(numbers[0]) else len(numbers) - 1
    step = abs(number - int(numbers[end]))
    if step > 40:
        return None
    entry = int(entries[end])
    return Pin(
        float(gazetteer.entries.x[entry]), float(gazetteer.entries.y[entry]), "door_interpolated", 30.0 + 6.0 * step
    )


def _around(at: Pin, place: int, reading: Reading, gazetteer: Gazetteer) -> Pin:
    """Follow what is said around a compound, unit or village: its gate, an offset, the other side of the road."""
    offset, gate, relation, side = (reading.said.get(kind) for kind in ("offset", "gate", "relation", "side"))
    outline = gazetteer.outlines.get(place) if at.level not in ("gate", "building", "part") else None
    if gate and at.level in ("compound", "unit", "village") and gate.value[0] in grammar.DIRECTIONS:
        x, y = _edge(at, outline, gate.value[0])  # nobody drew the gate: it lies on that side
        at, outline = Pin(x, y, at.level, 0.5 * at.uncertainty_m, at.entry), None
    if offset:
        return _off(at, outline, offset)
    if relation and relation.value in _OPPOSITE:
        return _opposite(at, outline, gazetteer)
    if relation and relation.value in _FRONT:
        which, way = _front(at, outline, gazetteer)
        x, y = way[0].tolist()
        level, least = ("place_offset", 30.0) if which >= 0 else ("nearby", at.uncertainty_m)
        return Pin(x, y, level, least if outline is None else max(least, _SIDES * at.uncertainty_m), at.entry)
    if side and at.level in ("compound", "unit", "village", "poi"):
        x, y = _edge(at, outline, side.value)
        return Pin(x, y, "nearby", 40.0 + 0.5 * at.uncertainty_m, at.entry)
    return _nearby(at, reading)


def _edge(at: Pin, outline: shapely.Geometry | None, direction: str) -> tuple[float, float]:
    """Give where a place ends in a direction: on its outline, or as far as it reaches."""
    angle = math.radians(grammar.DIRECTIONS[direction])
    east, north = math.sin(angle), math.cos(angle)
    if outline is None:
        reach = 0.9 * at.uncertainty_m if at.level in ("compound", "unit", "village") else 0.0
        return at.x + reach * east, at.y + reach * north
    ray = shapely.LineString([(at.x, at.y), (at.x + _RAY_M * east, at.y + _RAY_M * north)])
    inside = shapely.intersection(ray, outline)
    ends = shapely.get_coordinates(inside) if not shapely.is_empty(inside) else np.array([[at.x, at.y]])
    far = ends[np.argmax((ends[:, 0] - at.x) * east + (ends[:, 1] - at.y) * north)]
    return float(far[0]), float(far[1])


def _off(at: Pin, outline: shapely.Geometry | None, offset: grammar.Part) -> Pin:
    """Go so many metres from the edge of a place, straight: from a place there is no road to go along."""
    x, y = _edge(at, outline, offset.value)
    angle = math.radians(grammar.DIRECTIONS[offset.value])
    x, y = x + offset.metres * math.sin(angle), y + offset.metres * math.cos(angle)
    turn = 0.35 * (math.hypot(x - at.x, y - at.y))  # half an eighth of a circle, which is as well as people say it
    return Pin(x, y, "place_offset", 20.0 + turn + _ABOUT * offset.metres, at.entry)


def _front(at: Pin, outline: shapely.Geometry | None, gazetteer: Gazetteer) -> tuple[int, np.ndarray]:
    """Give the street that a place faces, and the way there, from its edge; -1 where none is near."""
    which, way = gazetteer.streets.facing(outline or shapely.Point(at.x, at.y))
    if which < 0 or math.dist(*way.tolist()) > _FRONT_M:
        return -1, np.array([[at.x, at.y]])
    return which, way


def _opposite(at: Pin, outline: shapely.Geometry | None, gazetteer: Gazetteer) -> Pin:
    """Cross the road in front; a building or part inside a compound is faced by another one, not by a road."""
    if at.level in ("building", "part"):
        return Pin(at.x, at.y, "nearby", at.uncertainty_m + _FACING_M, at.entry)
    which, way = _front(at, outline, gazetteer)
    if which < 0:
        return Pin(at.x, at.y, "nearby", at.uncertainty_m + 40.0, at.entry)
    half = gazetteer.streets[which].half_width_m
    beyond = (_WIDTH_M if math.isnan(half) else half) + _ACROSS_M
    (x, y), (fx, fy) = way.tolist()
    away = math.hypot(fx - x, fy - y)
    share = beyond / max(away, 1.0)
    own = 0.0 if outline is None else _SIDES * at.uncertainty_m
    return Pin(
        fx + (fx - x) * share,
        fy + (fy - y) * share,
        "place_offset",
        max(own, 35.0 + 0.3 * away),
        at.entry,
    )


def _nearby(at: Pin, reading: Reading) -> Pin:
    """Widen for words such as 附近: near a place is not in it."""
    relation = reading.said.get("relation")
    more = _NEARBY_M.get(relation.value, 0.0) if relation else 0.0
    if not more:
        return at
    if at.level not in ("compound", "unit", "poi", "village", "place_offset"):
        return Pin(at.x, at.y, at.level, at.uncertainty_m + more, at.entry)  # near a door is still the door
    return Pin(at.x, at.y, "nearby", _RIM * at.uncertainty_m + more + 20.0, at.entry)


def _beside(at: Pin, reading: Reading) -> Pin:
    """Step aside from a crossing or door for 路北 or 西北角, and widen for 附近."""
    side = reading.said.get("side")
    if side and at.level in ("crossing", "door", "door_interpolated"):
        angle = math.radians(grammar.DIRECTIONS[side.value])
        x, y = at.x + _ASIDE_M * math.sin(angle), at.y + _ASIDE_M * math.cos(angle)
        at = Pin(x, y, at.level, at.uncertainty_m, at.entry)
    return _nearby(at, reading)


def _walked(at: Pin, along: list[Street], offset: grammar.Part, level: str, reading: Reading) -> Pin:
    """Walk an offset along the street that leads that way, or straight where none does."""
    bearing = grammar.DIRECTIONS[offset.value]
    ways = [streets.walk(street, at.x, at.y, bearing, offset.metres) for street in along]
    ways = [way for way in ways if way.left_m < 0.5 * offset.metres and way.apart_deg <= 60.0]
    about = 12.0 + _ABOUT * offset.metres
    if not ways:
        angle = math.radians(bearing)
        x, y = at.x + offset.metres * math.sin(angle), at.y + offset.metres * math.cos(angle)
        return Pin(x, y, level, at.uncertainty_m + 2.0 * about, at.entry)
    way = min(ways, key=lambda way: way.apart_deg)
    x, y = way.x, way.y
    side = reading.said.get("side")
    if side:
        angle = math.radians(grammar.DIRECTIONS[side.value])
        x, y = x + _ASIDE_M * math.sin(angle), y + _ASIDE_M * math.cos(angle)
    return Pin(x, y, level, at.uncertainty_m + about, at.entry, way)


def shape(at: Pin, street: Street | None) -> shapely.Geometry:
    """Give the area that holds the place with 90 %: a disc, or for an offset the stretch of road and its sides."""
    if at.way is None:
        return shapely.Point(at.x, at.y).buffer(at.uncertainty_m, quad_segs=8)
    length = at.way.line.length
    line = shapely.ops.substring(at.way.line, max(0.0, length - at.uncertainty_m), length)
    half = street.half_width_m if street and not math.isnan(street.half_width_m) else _WIDTH_M
    return shapely.union(line.buffer(half + _ACROSS_M), shapely.Point(at.x, at.y).buffer(half + _ACROSS_M))
