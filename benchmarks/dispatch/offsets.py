"""Points first, words second: where something happened near a crossing or a place, and how far and where that is.

A point is drawn from what stands there (a door, a shop, the street itself) and measured with the code below alone:
along the street or straight, compass octant of the displacement, rounded as people round.
"""

import math
from dataclasses import dataclass

import numpy as np
import shapely

from benchmarks.dispatch.judge import Judge

OCTANTS = ("东", "东北", "北", "西北", "西", "西南", "南", "东南")
SIDES = ("东", "北", "西", "南")
_FARTHEST_M = 400.0
_SEEN_ASIDE_M = 6.0  # from the middle of a street: nearer than this nobody says which side

Point = tuple[float, float]


@dataclass(frozen=True)
class Offset:
    """A drawn point [m] and what is said of it: how far, in which direction, and on which side of the street ("")."""

    at: Point
    distance_m: int
    direction: str
    side: str = ""


def rounded_m(distance: float, rng: np.random.Generator) -> int:
    """Round a distance as people do: to 10 m below 100 m, else to 10, 20 or 50 m."""
    step = 10 if distance < 100.0 else int(rng.choice([10, 20, 50]))
    return max(step, round(distance / step) * step)


def octant(start: Point, end: Point) -> str:
    """Name the compass direction from one point to another.

    >>> octant((0, 0), (0, 5)), octant((0, 0), (-3, -3)), octant((0, 0), (9, 1))
    ('北', '西南', '东')
    """
    return OCTANTS[round(math.atan2(end[1] - start[1], end[0] - start[0]) / (math.pi / 4)) % 8]


class Surveyor:
    """Draws and measures points near the crossings and places of a world."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._plane = judge.world.plane
        rows = [row for row, kind in enumerate(judge.kinds) if kind in {"door", "poi"}]
        self._stands = np.array(rows)
        self._tree = shapely.STRtree(self._plane[self._stands])
        self._streets: dict[tuple[str, str], list[int]] = {}
        for row, kind in enumerate(judge.kinds):
            if kind == "road":
                self._streets.setdefault((judge.county[row], judge.names[row]), []).append(row)
        roads = [row for rows in self._streets.values() for row in rows]
        self._roads = np.array(roads)
        self._road_tree = shapely.STRtree(self._plane[self._roads])
        self._width: list[float] = judge.world.entries["width_m"].fillna(0.0).tolist()

    def near_crossing(
        self, node: Point, county: str, roads: tuple[str, str], rng: np.random.Generator
    ) -> Offset | None:
        """Draw a point on or beside one of two streets that meet; None where the street ends too soon."""
        name = roads[int(rng.random() < 0.4)]
        here = shapely.Point(node)
        row = min(self._streets[county, name], key=lambda row: self._plane[row].distance(here))
        line, width = self._plane[row], self._width[row]
        start = line.project(here)
        run = start + float(rng.choice([-1.0, 1.0])) * float(np.clip(rng.gamma(2.0, 70.0), 20.0, _FARTHEST_M))
        if not 0.0 < run < line.length:
            return None
        at = self._spot(line, run, width, rng)
        run = line.project(shapely.Point(at))
        along, straight = abs(run - start), math.dist(node, at)
        if along < 12.0 or along > _FARTHEST_M:
            return None
        distance = along if rng.random() < 0.5 else straight
        foot = line.interpolate(run)
        aside = (at[0] - foot.x, at[1] - foot.y)
        side = ""
        if math.hypot(*aside) > _SEEN_ASIDE_M and rng.random() < 0.35:
            side = SIDES[round(math.atan2(aside[1], aside[0]) / (math.pi / 2)) % 4]
        return Offset(at, rounded_m(distance, rng), octant(node, at), side)

    def _spot(self, line: shapely.LineString, run: float, width: float, rng: np.random.Generator) -> Point:
        """Give the door or shop nearest to a point of a street, or, half the time, a spot on its ground."""
        foot, ahead = line.interpolate(run), line.interpolate(run + 1.0)
        if rng.random() < 0.5:
            near = self._tree.query(foot.buffer(width / 2 + 30.0))
            if len(near):
                row = self._stands[near[int(rng.integers(len(near)))]]
                return tuple(self._judge.xy[row].tolist())
        aside = rng.uniform(-1.0, 1.0) * (width / 2 + 3.0)
        dx, dy = ahead.x - foot.x, ahead.y - foot.y
        long = math.hypot(dx, dy) or 1.0
        return foot.x - aside * dy / long, foot.y + aside * dx / long

    def beside(self, row: int, rng: np.random.Generator) -> Offset | None:
        """Draw a door or shop 15 to 250 m from a place and measure it from the place's edge."""
        shape = self._plane[row]
        near = self._stands[self._tree.query(shape.buffer(250.0), "intersects")]
        if not len(near):
            return None
        at: Point = tuple(self._judge.xy[near[int(rng.integers(len(near)))]].tolist())
        distance = shape.distance(shapely.Point(at))
        middle = shape.centroid
        return Offset(at, rounded_m(distance, rng), octant((middle.x, middle.y), at)) if distance >= 15.0 else None

    def opposite(self, row: int, rng: np.random.Generator) -> Point | None:
        """Give a spot across the street from a gate or a place; None where no street is near."""
        shape = self._plane[row]
        nearest = self._roads[self._road_tree.query_nearest(shape, all_matches=False)[0]]
        door, foot = shapely.get_coordinates(shapely.shortest_line(shape, self._plane[nearest]))
        gap = math.dist(door, foot)
        if not 0.5 < gap < 80.0:
            return None
        across = (self._width[nearest] / 2 + rng.uniform(2.0, 12.0)) / gap
        return tuple((foot + (foot - door) * across).tolist())

    def around(self, row: int, reach: float, rng: np.random.Generator) -> Point:
        """Give a spot outside a place, no farther than `reach` from its edge, or from it where it is a point."""
        shape = self._plane[row]
        middle = shape.point_on_surface()
        turn = rng.uniform(0.0, 2.0 * math.pi)
        far = shapely.LineString(
            [middle, (middle.x + 5000.0 * math.cos(turn), middle.y + 5000.0 * math.sin(turn))]
        ).difference(shape)
        parts = shapely.get_parts(far)
        spot = parts[-1].interpolate(rng.uniform(1.0, reach))
        return spot.x, spot.y

    def doorstep(self, row: int, rng: np.random.Generator) -> Point:
        """Give a spot before a place, on the side of the nearest street."""
        shape = self._plane[row]
        nearest = self._roads[self._road_tree.query_nearest(shape, all_matches=False)[0]]
        door = shapely.get_coordinates(shapely.shortest_line(shape, self._plane[nearest]))[0]
        x, y = (door + rng.normal(0.0, 5.0, 2)).tolist()
        return x, y
