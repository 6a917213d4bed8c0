"""Roads: the network that lines make where they meet, how long ways on it take, and what one reaches in some minutes.

Pure.  x, y are metres in the city's projected zone, never degrees; a measure is metres along an edge as it was drawn.
One drives both ways unless told otherwise, turns anywhere at no cost, and is put on the nearest road without cost; how
far that is, `locate` tells.  Streets, for addresses, are told in streets.py.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Self, cast

import numpy as np
import numpy.typing as npt
import shapely
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from geo_service.errors import BadParameter
from geo_service.geography import road_kernels as kernels
from geo_service.geography import road_lines, streets
from geo_service.geography.road_lines import TOLERANCE_M, Metres, Objects, Whole

SPEED_KMH = 30.0  # what a patrol car makes in a city, lights and turns included; a patrol on foot makes 5

_AT_END_M = 1e-6

Seconds = npt.NDArray[np.float64]
Speeds = float | npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Network:
    """Nodes, and the edges between them.

    `nodes` rows x, y [m]; edge i runs from tail[i] to head[i] and is a part of line row[i], whose name, width and class
    are the caller's.  `vertex` rows x, y [m] with `along`, their measures [m]; edge i has those from lines[i] to
    lines[i + 1].  `onward` and `back` tell whether it may be driven as drawn, and against it.
    """

    nodes: Metres
    tail: Whole
    head: Whole
    row: Whole
    vertex: Metres
    along: Metres
    lines: Whole
    onward: Flags
    back: Flags

    @classmethod
    def of(
        cls,
        lines: Objects,
        *,
        one_way: npt.NDArray[np.integer] | None = None,
        cut: bool = False,
        tolerance_m: float = TOLERANCE_M,
    ) -> Self:
        """Make a network of LineStrings or MultiLineStrings [m]: nodes are where ends meet, within the tolerance.

        `cut` makes nodes also where lines cross or touch in between, for a file that was not drawn so; bridges become
        crossings then, and where a line crosses itself none is made.  `one_way`, one a line: 1 as drawn, -1 against it,
        0 both.  20,000 lines take 0.1 s, and to cut them 0.8 s more.  Raises BadInput for what is no line.

        >>> lines = shapely.linestrings([[(0, 0), (100, 0)], [(50, -50), (50, 50)]])
        >>> len(Network.of(lines).length_m), Network.of(lines, cut=True).length_m.tolist()
        (2, [50.0, 50.0, 50.0, 50.0])
        """
        part, row = road_lines.single(lines)
        if cut:
            part, of = _cut(part, tolerance_m)
            row = row[of]
        met = road_lines.joined(part, tolerance_m)
        row = row[met.kept]
        way = np.zeros(len(row), dtype=np.int64) if one_way is None else one_way[row]
        along = cast(Metres, kernels.measures(met.vertex, met.lines))
        tail, head = met.node.reshape(-1, 2).T
        return cls(met.nodes, tail, head, row, met.vertex, along, met.lines, way >= 0, way <= 0)

    def __len__(self) -> int:
        return len(self.row)

    @cached_property
    def length_m(self) -> Metres:
        """The length of each edge [m]."""
        return self.along[self.lines[1:] - 1]

    @cached_property
    def geometry(self) -> Objects:
        """The edges as LineStrings."""
        return _lines(self.vertex, np.diff(self.lines))

    @cached_property
    def _tree(self) -> shapely.STRtree:
        return shapely.STRtree(self.geometry)

    def locate(self, x: Metres, y: Metres) -> tuple[Whole, Metres, Metres]:
        """Give the nearest edge of each point, the measure along it and how far away it is [m]; -1 and NaN for NaN.

        >>> network = Network.of(shapely.linestrings([[(0, 0), (100, 0)]]))
        >>> [found.tolist() for found in network.locate(np.array([30.0]), np.array([4.0]))]
        [[0], [30.0], [4.0]]
        """
        edge, measure, away = np.full(len(x), -1), np.full(len(x), np.nan), np.full(len(x), np.nan)
        known = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
        if len(known) and len(self):
            points = shapely.points(x[known], y[known])
            (point, near), distance = self._tree.query_nearest(points, return_distance=True)
            order = np.lexsort((near, point))
            first = order[np.unique(point[order], return_index=True)[1]]
            edge[known], away[known] = near[first], distance[first]
            measure[known] = shapely.line_locate_point(self.geometry[edge[known]], points)
        return edge, measure, away


class Reach(NamedTuple):
    """What is reached: seconds to each node (inf beyond), and parts of edges, each with its two measures and line."""

    seconds: Seconds
    edge: Whole
    from_m: Metres
    to_m: Metres
    lines: Objects

    def polygon(self, aside_m: float) -> shapely.Geometry:
        """The ground no farther than so many metres from a road that is reached."""
        return shapely.union_all(shapely.buffer(self.lines, aside_m, quad_segs=4))


def reach(network: Network, x: float, y: float, minutes: float, speed_kmh: Speeds = SPEED_KMH) -> Reach:
    """Find what can be reached from a point in so many minutes, edges in part where the time runs out on them.

    An edge is reached from its tail up to v (T - t(tail)), from its head as far, and on the edge of the point to either
    side; t is the shortest time (Dijkstra 1959).  `speed_kmh` is one number or one an edge.
    Raises BadParameter for a speed or time that is not positive, or a point that is not finite.

    >>> network = Network.of(shapely.linestrings([[(0, 0), (1000, 0)], [(1000, 0), (1000, 900)]]))
    >>> found = reach(network, 500.0, 20.0, minutes=2, speed_kmh=36)
    >>> [line.wkt for line in found.lines], found.seconds.tolist()
    (['LINESTRING (0 0, 1000 0)', 'LINESTRING (1000 0, 1000 700)'], [50.0, 50.0, inf])
    """
    speed, limit = _speeds(network, speed_kmh), minutes * 60.0
    if not (minutes > 0.0 and np.isfinite([x, y, minutes]).all()):
        raise BadParameter(f"a reach needs finite x and y and minutes > 0; came {x=}, {y=}, {minutes=}")
    edge, measure, _ = network.locate(np.array([x]), np.array([y]))
    seconds = _seconds(network, edge, measure, speed, limit)[0]
    length = network.length_m
    ahead = np.where(network.onward, np.clip((limit - seconds[network.tail]) * speed, 0.0, length), 0.0)
    behind = np.where(network.back, np.clip((limit - seconds[network.head]) * speed, 0.0, length), 0.0)
    far, every = limit * speed[edge], np.arange(len(network))
    which = np.concatenate([every, every, edge])
    from_m = np.concatenate([np.zeros(len(every)), length - behind, measure - far * network.back[edge]])
    to_m = np.concatenate([ahead, length, measure + far * network.onward[edge]])
    from_m, to_m = np.maximum(from_m, 0.0), np.minimum(to_m, length[which])
    order = np.lexsort((from_m, which))
    order = order[(to_m > from_m)[order]]
    which, from_m, to_m = which[order], from_m[order], to_m[order]
    n = kernels.united(which, from_m, to_m)
    parts = kernels.cuts(which[:n], from_m[:n], to_m[:n], network.vertex, network.along, network.lines)
    return Reach(seconds, which[:n], from_m[:n], to_m[:n], _lines(*parts))


def seconds_between(
    network: Network,
    origins: tuple[Metres, Metres],
    destinations: tuple[Metres, Metres],
    speed_kmh: Speeds = SPEED_KMH,
) -> Seconds:
    """Give the shortest time from each origin to each destination [s], each of the two as arrays x and y.

    Rows are origins.  inf where there is no way, NaN where a point is not finite.
    Raises BadParameter for a speed that is not positive.

    >>> network = Network.of(shapely.linestrings([[(0, 0), (1000, 0)], [(1000, 0), (1000, 900)]]))
    >>> here, there = (np.array([0.0, 400.0]), np.array([0.0, 9.0])), (np.array([1000.0]), np.array([600.0]))
    >>> seconds_between(network, here, there, speed_kmh=36).tolist()
    [[160.0], [120.0]]
    """
    speed = _speeds(network, speed_kmh)
    edge, measure, _ = network.locate(*origins)
    to_edge, to_measure, _ = network.locate(*destinations)
    known, asked = np.flatnonzero(edge >= 0), np.flatnonzero(to_edge >= 0)
    found = np.full((len(edge), len(to_edge)), np.nan)
    edge, measure, to_edge, to_measure = edge[known], measure[known], to_edge[asked], to_measure[asked]
    seconds = _seconds(network, edge, measure, speed, np.inf)
    rest = network.length_m[to_edge] - to_measure
    ahead = _driven(to_measure, network.onward[to_edge]) / speed[to_edge]
    behind = _driven(rest, network.back[to_edge]) / speed[to_edge]
    best = np.minimum(seconds[:, network.tail[to_edge]] + ahead, seconds[:, network.head[to_edge]] + behind)
    step = to_measure[None, :] - measure[:, None]
    may = np.where(step > 0, network.onward[to_edge], network.back[to_edge] | (step == 0))
    direct = np.where(may & (edge[:, None] == to_edge), np.abs(step) / speed[to_edge], np.inf)
    found[np.ix_(known, asked)] = np.minimum(best, direct)
    return found


def warm_up() -> None:
    """Compile every kernel of roads and streets, or load it from disk, by using it once: for an installer to call.

    10 s the first time, then 1 s.
    """
    lines = shapely.linestrings([[(0, 0), (9, 0)], [(9, 0), (9, 9)]])
    reach(Network.of(lines), 1.0, 1.0, 1.0)
    (street,) = streets.Streets.of(lines, np.array(["", ""]), group=np.array(["a", "a"]))
    streets.at(street, *streets.position(street, 1.0, 1.0))
    streets.stretch(street, 0, 0.0, 1.0)
    streets.walk(street, 0.0, 0.0, 0.0, 1.0)


def _speeds(network: Network, speed_kmh: Speeds) -> Metres:
    """Give the speed on each edge [m/s]."""
    speed = np.broadcast_to(np.asarray(speed_kmh, dtype=np.float64), len(network)) / 3.6
    if not (np.isfinite(speed) & (speed > 0)).all():
        raise BadParameter("a speed is not positive; close a road by leaving its line out")
    return speed


def _seconds(network: Network, edge: Whole, measure: Metres, speed: Metres, limit: float) -> Seconds:
    """Give the shortest time from places on edges to each node [s], a row a place; inf beyond the limit."""
    back = _driven(measure, network.back[edge]) / speed[edge]
    onward = _driven(network.length_m[edge] - measure, network.onward[edge]) / speed[edge]
    start, which = np.unique(np.concatenate([network.tail[edge], network.head[edge]]), return_inverse=True)
    if not len(start):
        return np.empty((0, len(network.nodes)))
    found = cast(Seconds, dijkstra(_graph(network, speed), indices=start, limit=limit))
    tail, head = which.reshape(2, -1)
    best = np.minimum(found[tail] + back[:, None], found[head] + onward[:, None])
    return np.where(best <= limit, best, np.inf)


def _driven(metres: Metres, may: Flags) -> Metres:
    """Give the metres where one may drive them, and inf where not; at an end of an edge one stands on its node."""
    return np.where(may | (metres <= _AT_END_M), metres, np.inf)


def _graph(network: Network, speed: Metres) -> csr_array:
    """Give the seconds from node to node; of several edges between two the quickest counts."""
    seconds = network.length_m / speed
    on, back = network.onward, network.back
    start = np.concatenate([network.tail[on], network.head[back]])
    end = np.concatenate([network.head[on], network.tail[back]])
    cost = np.concatenate([seconds[on], seconds[back]])
    order = np.lexsort((cost, end, start))
    start, end, cost = start[order], end[order], cost[order]
    first = np.ones(len(start), dtype=bool)
    first[1:] = (start[1:] != start[:-1]) | (end[1:] != end[:-1])
    return csr_array((cost[first], (start[first], end[first])), shape=(len(network.nodes), len(network.nodes)))


def _lines(vertex: Metres, sizes: Whole) -> Objects:
    return cast(Objects, shapely.linestrings(vertex, indices=np.repeat(np.arange(len(sizes)), sizes)))


def _cut(part: Objects, tolerance_m: float) -> tuple[Objects, Whole]:
    """Cut lines where they cross, touch or share a stretch; give the pieces and the line each is of."""
    tree = shapely.STRtree(part)
    one, two = tree.query(part, "intersects")
    one, two = one[one < two], two[one < two]
    shared = shapely.intersection(part[one], part[two])
    several = shapely.get_type_id(shared) == shapely.GeometryType.MULTILINESTRING
    shared[several] = shapely.line_merge(shared[several])
    shared, pair = shapely.get_parts(shared, return_index=True)
    ends = np.concatenate([shapely.get_point(shared, 0), shapely.get_point(shared, -1), shared])
    pair = np.tile(pair, 3)
    point = shapely.get_type_id(ends) == 0
    ends, pair = ends[point], pair[point]
    tip = np.concatenate([shapely.get_point(part, 0), shapely.get_point(part, -1)])
    touching, touched = tree.query(tip, "dwithin", tolerance_m)
    line = np.concatenate([one[pair], two[pair], touched, np.arange(len(part)), np.arange(len(part))])
    at = np.concatenate([ends, ends, tip[touching], tip])
    measure = shapely.line_locate_point(part[line], at)
    length = shapely.length(part)
    measure[-len(part) :] = length
    inner = (measure > tolerance_m) & (measure < length[line] - tolerance_m)
    inner[-2 * len(part) :] = True  # its own beginning and end
    line, measure = line[inner], measure[inner]
    order = np.lexsort((measure, line))
    line, measure = line[order], measure[order]
    piece = np.flatnonzero((line[1:] == line[:-1]) & (np.diff(measure) > 0))
    vertex, of = shapely.get_coordinates(part, return_index=True)
    lines = np.concatenate([[0], np.cumsum(np.bincount(of, minlength=len(part)))])
    along = kernels.measures(vertex, lines)
    parts = kernels.cuts(line[piece], measure[piece], measure[piece + 1], vertex, along, lines)
    return _lines(*parts), line[piece]
