"""Streets: the lines of one name that touch, and what an address says of them: positions, walks, widths.

Pure.  x, y are metres in the city's projected zone, never degrees; a measure is metres along one line of a street, from
where most of it was drawn to begin; aside is metres at a right angle to it, left positive.  A street has as many lines
as it has branches, carriageways and loops, the longest first; where it branches, a line goes on in the straightest.

Where roads meet is told in crossings.py, how long ways take in roads.py.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Self, cast, overload

import numpy as np
import numpy.typing as npt
import shapely

from geo_service.errors import BadParameter
from geo_service.geography import road_kernels as kernels
from geo_service.geography import road_lines
from geo_service.geography.road_lines import TOLERANCE_M, Joined, Metres, Objects, Whole

GAP_M = 60.0  # a roundabout without a name, a bridge drawn apart: 20-50 m; two roads of one name lie farther apart


class Position(NamedTuple):
    """Where points lie along a street: line, metres along it, metres aside (left positive); arrays of one shape."""

    line: Whole
    measure_m: Metres
    aside_m: Metres


class Walk(NamedTuple):
    """Where one ends after walking along a street.

    x, y
        the end [m]
    path
        the way, rows x, y from the foot of where one began to the end [m]
    left_m
        metres not walked, because the road ended
    foot_m
        distance from where one was said to begin to the road [m]
    apart_deg
        angle between the stated bearing and the chord of the path, 0 to 180; NaN for a path without length
    """

    x: float
    y: float
    path: Metres
    left_m: float
    foot_m: float
    apart_deg: float

    @property
    def line(self) -> shapely.LineString:
        """The path as a line; a path without length is a point twice."""
        return shapely.LineString(self.path if len(self.path) > 1 else np.repeat(self.path, 2, axis=0))


@dataclass(frozen=True, eq=False)
class Street:
    """One street: its lines one after the other.

    `vertex` rows x, y [m], `along` their measures [m]; line i has those from lines[i] to lines[i + 1].  `next_line`,
    `next_m`, `next_d` tell what comes after each end (road_kernels.py).  `half_width_m` is NaN where nobody knows it.
    """

    name: str
    half_width_m: float
    vertex: Metres
    along: Metres
    lines: Whole
    next_line: Whole
    next_m: Metres
    next_d: Whole

    @property
    def lengths_m(self) -> Metres:
        """The length of each line [m]."""
        return self.along[self.lines[1:] - 1]

    @property
    def geometry(self) -> shapely.MultiLineString:
        """The lines as one geometry."""
        parts = np.split(self.vertex, self.lines[1:-1])
        return shapely.MultiLineString(list(parts))

    @property
    def links(self) -> Objects:
        """Straight lines over the gaps that one crosses when walking on, roundabouts included."""
        end = np.flatnonzero(self.next_line >= 0)
        a = self.vertex[np.where(end % 2, self.lines[end // 2 + 1] - 1, self.lines[end // 2])]
        b = np.stack(at(self, self.next_line[end], self.next_m[end]), axis=-1)
        apart = np.hypot(*(b - a).T) > TOLERANCE_M
        return cast(Objects, shapely.linestrings(np.stack([a[apart], b[apart]], axis=1)))


@dataclass(frozen=True, eq=False)
class Streets(Sequence[Street]):
    """The streets of a city; `member` is the street of each line they were made of, -1 for a line without a name."""

    streets: tuple[Street, ...]
    member: Whole

    @classmethod
    def of(
        cls,
        lines: Objects,
        names: Objects,
        half_width_m: Metres | None = None,
        *,
        group: npt.NDArray[np.generic] | None = None,
        gap_m: float = GAP_M,
    ) -> Self:
        """Make streets of road lines: lines of one `group` that lie at most `gap_m` apart are one street.

        `lines` LineStrings or MultiLineStrings [m], drawn in one piece or in many; `names`, `half_width_m` [m] and
        `group`, the name where not given, are one a line.  A line whose group is "" or None, or that is shorter than
        TOLERANCE_M, within which ends are joined, is in no street.  A street's half width is the mean of its lines' by
        length, NaN where it is not known.  Streets come in the order of their first line.

        Raises BadInput for what is no line.

        >>> lines = shapely.linestrings([[(0, 0), (100, 0)], [(100, 0), (100, 50)], [(0, 900), (9, 900)]])
        >>> made = Streets.of(lines, np.array(["Oak", "Oak", "Oak"], dtype=object), np.array([4.0, 7.0, 5.0]))
        >>> [(street.name, street.lengths_m.tolist(), street.half_width_m) for street in made]
        [('Oak', [150.0], 5.0), ('Oak', [9.0], 5.0)]
        >>> made.member.tolist()
        [0, 0, 1]
        """
        key = np.asarray(names if group is None else group)
        part, row = road_lines.single(lines)
        named = np.array([k is not None and k != "" for k in key.tolist()], dtype=bool)[row]
        met = road_lines.joined(part[named])
        part, row = part[named][met.kept], row[named][met.kept]
        street = _together(part, key[row], gap_m)
        member = np.full(len(lines), -1)
        member[row[::-1]] = street[::-1]
        width = np.full(len(lines), np.nan) if half_width_m is None else half_width_m
        return cls(tuple(_strung(met, street, names[row], width[row], gap_m)), member)

    def __len__(self) -> int:
        return len(self.streets)

    @overload
    def __getitem__(self, index: int) -> Street: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Street, ...]: ...
    def __getitem__(self, index: int | slice) -> Street | tuple[Street, ...]:
        return self.streets[index]

    @cached_property
    def _near(self) -> tuple[shapely.STRtree, Whole]:
        lines, street = pieces(self)
        return shapely.STRtree(lines), street

    def nearest(self, x: Metres, y: Metres) -> tuple[Whole, Metres]:
        """Give for each point the nearest street and how far away it is [m]; -1 and NaN for NaN or without streets.

        The lowest street where two are equally near.

        >>> lines = shapely.linestrings([[(0, 0), (100, 0)], [(0, 30), (100, 30)]])
        >>> street, away_m = Streets.of(lines, np.array(["Oak", "Elm"])).nearest(np.array([50.0]), np.array([22.0]))
        >>> street.tolist(), away_m.tolist()
        ([1], [8.0])
        """
        found, away_m = np.full(len(x), -1), np.full(len(x), np.nan)
        known = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
        if len(self) and len(known):
            tree, street = self._near
            (point, piece), distance = tree.query_nearest(shapely.points(x[known], y[known]), return_distance=True)
            order = np.lexsort((street[piece], point))
            first = order[np.unique(point[order], return_index=True)[1]]
            found[known], away_m[known] = street[piece[first]], distance[first]
        return found, away_m

    def facing(self, shape: shapely.Geometry) -> tuple[int, Metres]:
        """Give the street nearest to a shape, and the way there: rows x, y, from the shape to the street [m].

        -1 and no rows without streets.

        >>> oak = Streets.of(shapely.linestrings([[(0, 0), (100, 0)]]), np.array(["Oak"]))
        >>> street, way = oak.facing(shapely.box(20, 30, 60, 90))
        >>> street, way[:, 1].tolist()
        (0, [30.0, 0.0])
        """
        if not len(self):
            return -1, np.empty((0, 2))
        tree, street = self._near
        piece = int(tree.query_nearest(shape, all_matches=False)[0])
        return int(street[piece]), shapely.get_coordinates(shapely.shortest_line(shape, tree.geometries[piece]))


def position(street: Street, x: float | Metres, y: float | Metres) -> Position:
    """Give the foot of points on a street: the nearest line, the measure along it and the distance aside.

    Linear referencing: measure = sum of |v(k+1) - v(k)| before the foot, plus t |v(k+1) - v(k)| with
    t = (p - v(k)) . (v(k+1) - v(k)) / |v(k+1) - v(k)|^2, held within 0 and 1.  aside is the whole distance to the foot,
    also beyond an end.  Any shape, kept; NaN gives line -1 and NaN.

    >>> oak = Streets.of(shapely.linestrings([[(0, 0), (100, 0), (100, 50)]]), np.array(["Oak"]))[0]
    >>> [found.tolist() for found in position(oak, np.array([40.0, 97.0]), np.array([6.0, 20.0]))]
    [[0, 0], [40.0, 120.0], [6.0, 3.0]]
    """
    xs, ys = np.require(x, np.float64, ["C", "W"]), np.require(y, np.float64, ["C", "W"])
    found = Position(np.empty(xs.shape, dtype=np.int64), np.empty(xs.shape), np.empty(xs.shape))
    flat = (array.ravel() for array in found)
    kernels.positions(xs.ravel(), ys.ravel(), street.vertex, street.along, street.lines, *flat)
    return found


def at(
    street: Street, line: int | Whole, measure_m: float | Metres, aside_m: float | Metres = 0.0
) -> tuple[Metres, Metres]:
    """Give the points at measures along lines of a street, moved aside (left positive): what `position` undoes.

    A measure beyond an end is the end.  Shapes are broadcast; line -1 gives NaN.

    >>> oak = Streets.of(shapely.linestrings([[(0, 0), (100, 0), (100, 50)]]), np.array(["Oak"]))[0]
    >>> [found.tolist() for found in at(oak, 0, np.array([40.0, 120.0, 500.0]), 6.0)]
    [[40.0, 94.0, 94.0], [6.0, 20.0, 50.0]]
    """
    shape = np.broadcast_shapes(np.shape(line), np.shape(measure_m), np.shape(aside_m))
    which, measure, aside = np.empty(shape, dtype=np.int64), np.empty(shape), np.empty(shape)
    which[...], measure[...], aside[...] = line, measure_m, aside_m
    x, y = np.empty(shape), np.empty(shape)
    asked = which.ravel(), measure.ravel(), aside.ravel()
    kernels.places(*asked, street.vertex, street.along, street.lines, x.ravel(), y.ravel())
    return x, y


def stretch(street: Street, line: int, from_m: float, to_m: float) -> shapely.LineString:
    """Give the part of a line between two measures, in the order they are named; beyond an end is the end.

    >>> oak = Streets.of(shapely.linestrings([[(0, 0), (100, 0), (100, 50)]]), np.array(["Oak"]))[0]
    >>> stretch(oak, 0, 120, 80)
    <LINESTRING (100 20, 100 0, 80 0)>
    """
    low, high = np.clip(sorted((from_m, to_m)), 0.0, street.lengths_m[line])
    found = cast(Metres, kernels.cut(line, low, high, street.vertex, street.along, street.lines))
    return shapely.LineString(found if from_m <= to_m else found[::-1])


def walk(street: Street, x: float, y: float, bearing_deg: float, metres: float) -> Walk:
    """Walk so many metres along a street from the foot of a point, setting out towards a compass bearing.

    `bearing_deg` 0 is north, 90 east.  One sets out in the direction that gains most towards the bearing over the next
    80 m (or `metres`, within 20 and 80), on the nearest line or on one up to 40 m farther: a branch, the other
    carriageway.  Where the street branches one goes straight on; gaps are crossed straight, and so are roundabouts.

    Raises BadParameter when a number is not finite or `metres` is negative.

    >>> oak = Streets.of(shapely.linestrings([[(0, 0), (100, 0), (100, 50)]]), np.array(["Oak"]))[0]
    >>> there = walk(oak, 40.0, 3.0, bearing_deg=90, metres=80)
    >>> there.x, there.y, there.left_m, round(there.apart_deg, 1)
    (100.0, 20.0, 0.0, 18.4)
    >>> walk(oak, 40.0, 3.0, bearing_deg=270, metres=100).left_m
    60.0
    """
    if not (metres >= 0.0 and math.isfinite(x + y + bearing_deg + metres)):
        raise BadParameter(f"a walk needs finite numbers and metres >= 0; came {x=}, {y=}, {bearing_deg=}, {metres=}")
    network = street.vertex, street.along, street.lines, street.next_line, street.next_m, street.next_d
    path, way = np.empty((64, 2)), (float(x), float(y), math.radians(bearing_deg), float(metres))
    n, left_m, foot_m = kernels.walk(*way, *network, path)
    if n > len(path):
        path = np.empty((n, 2))
        kernels.walk(*way, *network, path)
    path = path[:n]
    (x0, y0), (x1, y1) = path[0].tolist(), path[-1].tolist()
    chord = math.degrees(math.atan2(x1 - x0, y1 - y0))
    apart = abs((chord - bearing_deg + 180.0) % 360.0 - 180.0) if (x0, y0) != (x1, y1) else math.nan
    return Walk(x1, y1, path, left_m, foot_m, apart)


def pieces(streets: Sequence[Street], vertices: int = 12) -> tuple[Objects, Whole]:
    """Give the lines of streets in short pieces, whose boxes are small, and the street of each piece."""
    points: list[Metres] = [np.empty((0, 2))]
    sizes: list[int] = []
    owner: list[int] = []
    for number, street in enumerate(streets):
        for a, b in itertools.pairwise(street.lines.tolist()):
            for begin in range(a, b - 1, vertices - 1):
                points.append(street.vertex[begin : min(begin + vertices, b)])
                sizes.append(len(points[-1]))
                owner.append(number)
    found = shapely.linestrings(np.concatenate(points), indices=np.repeat(np.arange(len(sizes)), sizes))
    return cast(Objects, found), np.array(owner, dtype=np.int64)


def _together(part: Objects, key: npt.NDArray[np.generic], gap_m: float) -> Whole:
    """Give the street of each line: those of one key, no farther apart than the gap."""
    same = np.unique(np.array([str(k) for k in key.tolist()], dtype=np.str_), return_inverse=True)[1]
    one, two = shapely.STRtree(part).query(part, "dwithin", gap_m)
    tied = (one < two) & (same[one] == same[two])
    return road_lines.components(len(part), np.stack([one[tied], two[tied]], axis=1))


def _strung(met: Joined, street: Whole, names: Objects, width: Metres, gap_m: float) -> list[Street]:
    """Put the lines of each street end to end, the straightest first, and tell what comes after each end."""
    if not len(street):
        return []
    along = kernels.measures(met.vertex, met.lines)
    length = along[met.lines[1:] - 1]
    meeting = np.unique(np.stack([np.repeat(street, 2), met.node]), axis=1, return_inverse=True)[1].ravel()
    groups = np.concatenate([[0], np.cumsum(np.bincount(meeting))])
    outward = kernels.outward(met.vertex, along, met.lines)
    chain, back, starts = kernels.chains(kernels.partners(np.argsort(meeting, kind="stable"), groups, outward), length)
    owner, long = street[chain[starts[:-1]]], np.add.reduceat(length[chain], starts[:-1])
    order = np.lexsort((-long, owner))
    vertex, lines = kernels.strung(chain, back, starts, order, met.vertex, met.lines)
    along, first = kernels.measures(vertex, lines), np.concatenate([[0], np.cumsum(np.bincount(owner))])
    next_line, next_m, next_d = kernels.onward(first, vertex, along, lines, TOLERANCE_M, gap_m)
    half, title = _means(width, length, street), names[np.unique(street, return_index=True)[1]]
    found: list[Street] = []
    for s, (a, b) in enumerate(itertools.pairwise(first.tolist())):
        v, w, ends = lines[a], lines[b], slice(2 * a, 2 * b)
        line = vertex[v:w], along[v:w], lines[a : b + 1] - v
        found.append(Street(str(title[s]), float(half[s]), *line, next_line[ends], next_m[ends], next_d[ends]))
    return found


def _means(width: Metres, length: Metres, street: Whole) -> Metres:
    """Give the mean width of each street by length, of the lines whose width is known; NaN for none."""
    known = np.isfinite(width)
    weight = np.bincount(street[known], length[known], minlength=street.max() + 1)
    total = np.bincount(street[known], (width * length)[known], minlength=len(weight))
    return np.divide(total, weight, out=np.full(len(weight), np.nan), where=weight > 0)
