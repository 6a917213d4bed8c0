"""The plan of the made-up city: water, settlements, villages and street lines, drawn straight and then bent.

Everything is drawn in a frame of metres with the centre at 0, 0 and streets along its axes, where splitting blocks is
cheap and exact.  streets.py cuts the lines at their crossings and `Bend` gives the whole a natural run.  Sizes grow
with the root of `scale`, so that density stays the same.
"""

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry.base import BaseGeometry

from geo_service.demo import names

CLASSES = ("ring", "arterial", "secondary", "lane", "country")
HALF_WIDTH_M = {"ring": 24.0, "arterial": 19.0, "secondary": 11.0, "lane": 5.5, "country": 5.0}

_CITY_HALF_M = 4750.0  # half the side of the built-up area at scale 1
_REGION_M = 14_000.0  # radius of the municipality at scale 1
_RIVER_HALF_M = 42.0
_BANK_M = 38.0  # from the water's edge to the middle of the riverside road
_VILLAGE_STEP_M = 1020.0  # mean distance of neighbouring villages
_TOWN_HALF_M = 640.0
OVERSHOT_M = 4.0  # by which lines cross the street they end at; streets.py cuts the stubs off

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Line:
    """A street before it is cut: its run in the frame, its class and name, and where along the road it begins [m]."""

    geometry: shapely.LineString
    kind: str
    name: str
    start_m: float = 0.0


@dataclass(frozen=True)
class Settlement:
    """The city (the first) or a small town: a rounded rectangle with its lattice of main streets."""

    x: float
    y: float
    half_x: float
    half_y: float
    edge: shapely.Polygon

    @property
    def is_city(self) -> bool:
        """Tell the city from the towns around it: it lies at the origin."""
        return self.x == 0.0 and self.y == 0.0


@dataclass(frozen=True)
class Plan:
    """The drawing: lines, settlements (the city first), water, village centres (n, 2), the municipality's edge."""

    scale: float
    lines: list[Line]
    settlements: list[Settlement]
    river: shapely.Polygon
    corridor: shapely.Polygon
    lake: shapely.Polygon
    shore: shapely.Polygon
    villages: Floats
    edge: shapely.Polygon
    bend: "Bend"


@dataclass(frozen=True)
class Bend:
    """A smooth shift of the plane that gives straight streets a natural run.

    It never folds: the slopes of its waves add up to 0.51 at worst.
    """

    waves: Floats  # rows of (wave number x, wave number y, phase, shift x [m], shift y [m])
    turn: float  # [rad]

    def __call__(self, xy: Floats) -> Floats:
        """Take points (n, 2) of the frame to the ground."""
        at = xy @ self.waves[:, :2].T + self.waves[:, 2]
        moved = xy + np.sin(at) @ self.waves[:, 3:]
        c, s = np.cos(self.turn), np.sin(self.turn)
        return moved @ np.array([[c, s], [-s, c]])


def draw(scale: float, villages: int, rng: np.random.Generator, naming: names.Names) -> Plan:
    """Draw the plan of a city `scale` times Jining's size with a number of villages around it."""
    root = float(np.sqrt(scale))
    half = _CITY_HALF_M * root
    river, corridor, banks = _river(half, _REGION_M * root * 1.4, rng)
    lake, shore = _lake(half, rng)
    city = _settlement(0.0, 0.0, half, half * 0.86, 0.3)
    towns = _towns(max(1, round(8 * scale)), half, [shore, corridor], rng)
    water = shapely.union_all([corridor, shore])
    centres = _villages(villages, [city, *towns], water, rng)
    edge = _edge(np.vstack([centres, *((s.x, s.y) for s in towns)]), root, rng)
    river = max(pieces(river.intersection(edge), shapely.Polygon), key=lambda part: part.area)
    settled = [city, *towns]
    lines = [*_city_lines(city, water, shore, rng, naming), *banks, _line(shore.exterior, "secondary", "环湖路")]
    lines += _highways(lines, settled, edge, shore, naming)
    for town in towns:
        lines += _town_lines(town, rng, naming)
    lines = [*lines, *_lanes(lines, settled, water, rng, naming)]
    lines = [*lines, *_country(centres, settled, shore)]
    return Plan(scale, lines, settled, river, corridor, lake, shore, centres, edge, _bend(rng))


def pieces(geometry: BaseGeometry, kind: type[BaseGeometry]) -> list:
    """Give the parts of a geometry that are of one kind, empty ones left out."""
    return [part for part in shapely.get_parts(geometry).tolist() if isinstance(part, kind) and not part.is_empty]


def _line(geometry: BaseGeometry, kind: str, name: str) -> Line:
    return Line(shapely.LineString(shapely.get_coordinates(geometry)), kind, name)


def _bend(rng: np.random.Generator) -> Bend:
    length = rng.uniform(2200.0, 8500.0, 6)
    heading = rng.uniform(0.0, 2.0 * np.pi, 6)
    size = 0.085 * length / (2.0 * np.pi)  # each wave bends a street by at most 0.085 rad
    push = rng.uniform(0.0, 2.0 * np.pi, 6)
    k = 2.0 * np.pi / length
    waves = [
        k * np.cos(heading),
        k * np.sin(heading),
        rng.uniform(0.0, 2.0 * np.pi, 6),
        size * np.cos(push),
        size * np.sin(push),
    ]
    return Bend(np.column_stack(waves), float(rng.uniform(-0.06, 0.06)))


def _river(half: float, reach: float, rng: np.random.Generator) -> tuple[shapely.Polygon, shapely.Polygon, list[Line]]:
    """Draw a river from north to south past the centre, with a road on either bank."""
    y = np.arange(-reach, reach, 60.0)
    phase = rng.uniform(0.0, 2.0 * np.pi, 3)
    x = 0.3 * half + 0.16 * y
    for share, length, shift in zip((0.12, 0.05, 0.02), (2.9, 1.15, 0.55), phase, strict=True):
        x = x + share * half * np.sin(2.0 * np.pi * y / (length * half) + shift)
    middle = shapely.LineString(np.column_stack([x, y]))
    water, corridor = middle.buffer(_RIVER_HALF_M, quad_segs=2), middle.buffer(_RIVER_HALF_M + _BANK_M, quad_segs=2)
    near = shapely.box(-reach, -1.25 * half, reach, 1.25 * half)
    banks = []
    for side, name in ((1.0, "西路"), (-1.0, "东路")):
        road = middle.offset_curve(side * (_RIVER_HALF_M + _BANK_M)).intersection(near)
        banks += [_line(part, "secondary", names.RIVER + name) for part in pieces(road, shapely.LineString)]
    return water, corridor, banks


def _lake(half: float, rng: np.random.Generator) -> tuple[shapely.Polygon, shapely.Polygon]:
    angle = np.linspace(0.0, 2.0 * np.pi, 72, endpoint=False)
    radius = (
        0.40
        * half
        * (1.0 + 0.16 * np.sin(2 * angle + rng.uniform(0, 6)) + 0.09 * np.sin(3 * angle + rng.uniform(0, 6)))
    )
    ring = np.column_stack([-1.05 * half + 1.25 * radius * np.cos(angle), -0.92 * half + radius * np.sin(angle)])
    lake = shapely.Polygon(ring)
    return lake, lake.buffer(55.0, quad_segs=3).simplify(2.0)


def _settlement(x: float, y: float, half_x: float, half_y: float, roundness: float) -> Settlement:
    return Settlement(
        x, y, half_x, half_y, _rounded(x - half_x, y - half_y, x + half_x, y + half_y, roundness * half_y)
    )


def _rounded(west: float, south: float, east: float, north: float, radius: float) -> shapely.Polygon:
    core = shapely.box(west + radius, south + radius, east - radius, north - radius)
    return core.buffer(radius, quad_segs=8)


def _towns(count: int, half: float, water: list[shapely.Polygon], rng: np.random.Generator) -> list[Settlement]:
    """Place a suburb at a large city's western gate, and small towns in a wreath around, clear of the water."""
    wet = shapely.union_all(water)
    suburb = _settlement(-1.24 * half, 0.30 * half, 0.24 * half, 0.34 * half, 0.3)
    found = [suburb] if count > 3 else []
    start = rng.uniform(0.0, 2.0 * np.pi)
    for i in range(count - len(found)):
        for attempt in range(60):
            angle = start + 2.0 * np.pi * (i + rng.uniform(-0.25, 0.25)) / count + attempt * 0.1
            far = 1.25 * half + _TOWN_HALF_M + half * rng.uniform(0.35, 0.95) + 900.0
            town = _settlement(
                far * np.cos(angle), far * np.sin(angle), *(_TOWN_HALF_M * rng.uniform(0.85, 1.15, 2)), 0.2
            )
            clear = all(town.edge.distance(other.edge) > 900.0 for other in found)
            if clear and wet.distance(town.edge) > 250.0:
                found.append(town)
                break
    return found


def _villages(count: int, settled: list[Settlement], water: BaseGeometry, rng: np.random.Generator) -> Floats:
    """Scatter village centres on a loosened honeycomb around the settlements, nearest to the city first."""
    built = shapely.union_all([s.edge for s in settled])
    reach = float(np.sqrt(built.area)) + _VILLAGE_STEP_M * (np.sqrt(count) + 4.0)
    n = int(reach / _VILLAGE_STEP_M) + 1
    i, j = np.meshgrid(np.arange(-n, n + 1), np.arange(-n, n + 1))
    xy = np.column_stack([(i + 0.5 * (j % 2)).ravel(), (0.87 * j).ravel()]) * _VILLAGE_STEP_M
    xy = xy + rng.uniform(-0.24, 0.24, xy.shape) * _VILLAGE_STEP_M
    points = shapely.points(xy)
    clear = (
        (shapely.distance(points, built) > 420.0)
        & (shapely.distance(points, water) > 330.0)
        & (rng.random(len(xy)) > 0.12)
    )
    order = np.argsort(np.hypot(*xy[clear].T) * rng.uniform(0.93, 1.07, clear.sum()), kind="stable")
    return xy[clear][order[:count]]


def _edge(settled: Floats, root: float, rng: np.random.Generator) -> shapely.Polygon:
    """Draw the municipality's border around everything settled."""
    reach = max(float(np.hypot(*settled.T).max(initial=0.0)), _CITY_HALF_M * root * 1.5) + 900.0
    angle = np.linspace(0.0, 2.0 * np.pi, 90, endpoint=False)
    wobble = 1.04 + 0.03 * np.sin(3 * angle + rng.uniform(0, 6)) + 0.015 * np.sin(11 * angle + rng.uniform(0, 6))
    return shapely.Polygon(np.column_stack([np.cos(angle), np.sin(angle)]) * (reach * wobble)[:, None])


def _lattice(half: float, step: float, rng: np.random.Generator) -> Floats:
    """Place main streets across one axis, from -half to half, closer together near the middle [m]."""
    count = max(1, round(half / step))
    sides = []
    for _ in range(2):
        widths = np.linspace(0.74, 1.26, count) * rng.uniform(0.86, 1.14, count)
        sides.append(half * np.cumsum(widths) / widths.sum())
    return np.concatenate([-sides[0][::-1], [0.0], sides[1]])


def _city_lines(
    city: Settlement, water: BaseGeometry, shore: BaseGeometry, rng: np.random.Generator, naming: names.Names
) -> list[Line]:
    """Draw the city's rings, main streets (they bridge the river) and secondary streets; none enters the lake."""
    xs, ys = _lattice(city.half_x, 930.0, rng), _lattice(city.half_y, 930.0, rng)
    drawn = [Line(ring, "ring", name) for ring, name in _rings(xs, ys, city)]
    ends = [([(x, -city.half_y), (x, city.half_y)], "路") for x in xs[1:-1]]
    ends += [([(-city.half_x, y), (city.half_x, y)], "大街") for y in ys[1:-1]]
    drawn += [Line(shapely.LineString(pair), "arterial", naming.stem() + word) for pair, word in ends]
    if len(xs) > 7:
        corner = (xs[len(xs) // 2 + 2], ys[len(ys) // 2 + 2])
        drawn.append(Line(shapely.LineString([corner, (city.half_x, city.half_y)]), "arterial", naming.stem() + "大道"))
    lines = [part for line in drawn for part in _clipped(line, city.edge, shore)]
    for across, along, upright in ((xs, ys, True), (ys, xs, False)):
        for line in _secondary(across, along, upright, rng, naming):
            lines += _clipped(line, city.edge, water)
    return lines


def _clipped(line: Line, within: BaseGeometry, without: BaseGeometry) -> list[Line]:
    inside = line.geometry if line.geometry.is_ring else line.geometry.intersection(within)
    kept = shapely.line_merge(inside.difference(without))
    parts = pieces(kept, shapely.LineString)
    starts = [float(line.geometry.line_locate_point(shapely.Point(part.coords[0]))) for part in parts]
    longest = [(part, start) for part, start in zip(parts, starts, strict=True) if part.length > 40.0]
    return [Line(_overshot(part), line.kind, line.name, start) for part, start in longest]


def _overshot(line: shapely.LineString) -> shapely.LineString:
    """Lengthen an open line a little at both ends, so that it surely crosses the street it is to meet."""
    at = shapely.get_coordinates(line)
    if line.is_ring:
        return line
    ahead, behind = at[-1] - at[-2], at[0] - at[1]
    first = at[0] + behind / np.hypot(*behind) * OVERSHOT_M
    last = at[-1] + ahead / np.hypot(*ahead) * OVERSHOT_M
    return shapely.LineString(np.vstack([first, at, last]))


def _rings(xs: Floats, ys: Floats, city: Settlement) -> list[tuple[shapely.LineString, str]]:
    """Give the ring roads: on main streets of the lattice, with rounded corners; the outermost is the city's edge."""
    rings = [(shapely.LineString(city.edge.exterior.coords), "外环路")]
    middle_x, middle_y = len(xs) // 2, len(ys) // 2
    for share, name in ((0.34, "内环路"), (0.68, "中环路")):
        steps_x, steps_y = round(share * middle_x), round(share * middle_y)
        if 0 < steps_x < middle_x and 0 < steps_y < middle_y and name not in [n for _, n in rings]:
            west, east = xs[middle_x - steps_x], xs[middle_x + steps_x]
            south, north = ys[middle_y - steps_y], ys[middle_y + steps_y]
            ring = _rounded(west, south, east, north, min(330.0, 0.3 * (east - west), 0.3 * (north - south)))
            rings.append((shapely.LineString(ring.exterior.coords), name))
    return rings


def _secondary(
    across: Floats, along: Floats, upright: bool, rng: np.random.Generator, naming: names.Names
) -> list[Line]:
    """Halve the gaps between main streets; each street runs through some cells and stops at others."""
    found = []
    for low, high in itertools.pairwise(across.tolist()):
        at = low + (high - low) * rng.uniform(0.42, 0.58)
        runs = rng.random(len(along) - 1) < 0.88
        if high - low < 560.0:
            continue
        for first, last in _runs(runs):
            ends = [(at, along[first]), (at, along[last])]
            name = naming.stem() + ("路" if upright else "街")
            found.append(Line(shapely.LineString(ends if upright else [p[::-1] for p in ends]), "secondary", name))
    return found


def _runs(flags: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Give the stretches of true flags as (first, past the last).

    >>> _runs(np.array([True, True, False, True]))
    [(0, 2), (3, 4)]
    """
    steps = np.diff(np.concatenate([[0], flags.astype(np.int8), [0]]))
    return list(zip(np.flatnonzero(steps == 1).tolist(), np.flatnonzero(steps == -1).tolist(), strict=True))


def _town_lines(town: Settlement, rng: np.random.Generator, naming: names.Names) -> list[Line]:
    step = 330.0 if town.half_y < 2.0 * _TOWN_HALF_M else 640.0
    xs, ys = _lattice(town.half_x, step, rng) + town.x, _lattice(town.half_y, step, rng) + town.y
    lines = [_line(town.edge.exterior, "secondary", naming.stem() + "环路")]
    for x in xs[1:-1]:
        kind = "arterial" if x == town.x else "secondary"
        lines.append(Line(shapely.LineString([(x, ys[0]), (x, ys[-1])]), kind, naming.stem() + "路"))
    for y in ys[1:-1]:
        kind = "arterial" if y == town.y else "secondary"
        lines.append(Line(shapely.LineString([(xs[0], y), (xs[-1], y)]), kind, naming.stem() + "街"))
    return [part for line in lines for part in _clipped(line, town.edge, shapely.Point())]


def _highways(
    city_lines: list[Line], settled: list[Settlement], edge: shapely.Polygon, shore: BaseGeometry, naming: names.Names
) -> list[Line]:
    """Draw the roads that leave the city where a main street ends: to each town, and to the border."""
    city, reach = settled[0], float(np.hypot(*shapely.get_coordinates(edge).T).max())
    streets = [line.geometry for line in city_lines if line.kind == "arterial"]
    tips = np.vstack([np.array(street.coords)[[0, -1]] for street in streets])
    tips = tips[shapely.distance(shapely.points(tips), city.edge.exterior) < 2.0 * OVERSHOT_M]
    ends = [(town.x, town.y) for town in settled[1:] if town.edge.distance(city.edge) > 1.0]
    for end in ((reach, 0.4 * reach), (-reach, 0.2 * reach), (-0.2 * reach, reach), (0.1 * reach, -reach)):
        if all(_angle_between(end, other) > 0.3 for other in ends):
            ends.append(end)
    built = shapely.union_all([s.edge for s in settled]).union(shore)
    found = []
    for end in ends:
        tip = tips[np.hypot(*(tips - end).T).argmin()]
        road = shapely.LineString([tip, end]).intersection(edge).difference(built)
        name = naming.stem() + "大道"
        found += [Line(part, "arterial", name) for part in pieces(road, shapely.LineString) if part.length > 60.0]
    return found


def _angle_between(a: tuple[float, float], b: tuple[float, float]) -> float:
    """Give the angle between two directions seen from the centre, 0 to pi."""
    return abs(float(np.angle(complex(*a) * complex(*b).conjugate())))


def _lanes(
    lines: list[Line], settled: list[Settlement], water: BaseGeometry, rng: np.random.Generator, naming: names.Names
) -> list[Line]:
    """Split the blocks between the larger streets with lanes until they are as small as blocks are there."""
    noded = shapely.union_all(np.array([line.geometry for line in lines], dtype=object), grid_size=0.01)
    faces = np.array(pieces(shapely.polygonize([noded]), shapely.Polygon), dtype=object)
    inside = shapely.point_on_surface(faces)
    built = shapely.union_all([s.edge for s in settled])
    urban = shapely.contains(built, inside) & ~shapely.intersects(water, inside)
    found = []
    for face in faces[urban]:
        x, y = face.centroid.coords[0]
        centrality = float(np.hypot(x, y)) / settled[0].half_x
        target = 34_000.0 + 34_000.0 * min(1.0, centrality)  # [m2]
        found += [Line(chord, "lane", naming.stem() + "巷") for chord in _chords(face, target, rng)]
    return found


def _chords(face: shapely.Polygon, target: float, rng: np.random.Generator) -> list[shapely.LineString]:
    """Cut a block across its longer side again and again; give the cuts."""
    found, waiting = [], [face]
    while waiting:
        block = waiting.pop()
        if block.area < 1.55 * target * rng.uniform(0.75, 1.35):
            continue
        west, south, east, north = block.bounds
        upright = east - west > north - south
        low, high = (west, east) if upright else (south, north)
        at = low + (high - low) * rng.uniform(0.40, 0.60)
        cut = shapely.LineString([(at, south), (at, north)] if upright else [(west, at), (east, at)])
        halves = (
            [(west, south, at, north), (at, south, east, north)]
            if upright
            else [(west, south, east, at), (west, at, east, north)]
        )
        chords = pieces(cut.intersection(block), shapely.LineString)
        if not chords:
            continue
        found.append(_overshot(max(chords, key=lambda chord: chord.length)))
        for half in halves:
            waiting += pieces(shapely.clip_by_rect(block, *half), shapely.Polygon)
    return found


def _country(villages: Floats, settled: list[Settlement], shore: BaseGeometry) -> list[Line]:
    """Join villages and the towns' edges by country roads, neighbour to neighbour."""
    gates = np.vstack([_gates(s) for s in settled])
    xy = np.vstack([villages, gates])
    pairs = _neighbours(xy)
    near = np.hypot(*(xy[pairs[:, 0]] - xy[pairs[:, 1]]).T) < 2.4 * _VILLAGE_STEP_M
    pairs = pairs[near & (pairs.min(axis=1) < len(villages))]
    lines = shapely.linestrings(xy[pairs])
    built = shapely.union_all([s.edge for s in settled]).buffer(-1.0)
    free = ~shapely.intersects(built, lines) & ~shapely.intersects(shore, lines)
    return [Line(line, "country", f"乡道Y{number:03d}") for number, line in enumerate(lines[free].tolist(), 1)]


def _gates(settlement: Settlement) -> Floats:
    """Give the ends of the settlement's middle axes and four points between them, on its edge."""
    at = np.linspace(0.0, 1.0, 8 if not settlement.is_city else 24, endpoint=False)
    return shapely.get_coordinates(shapely.line_interpolate_point(settlement.edge.exterior, at, normalized=True))


def _neighbours(xy: Floats) -> npt.NDArray[np.int64]:
    """Give the neighbours of a triangulation with no third point near the middle between them, each pair once."""
    edges = shapely.get_parts(shapely.delaunay_triangles(shapely.multipoints(xy), only_edges=True))
    ends = shapely.get_coordinates(edges).reshape(-1, 2, 2)
    index = {tuple(point): i for i, point in enumerate(xy.tolist())}
    pairs = np.array([sorted((index[tuple(a)], index[tuple(b)])) for a, b in ends.tolist()], dtype=np.int64).reshape(
        -1, 2
    )
    pairs = np.unique(pairs, axis=0)
    first, second = xy[pairs[:, 0]], xy[pairs[:, 1]]
    reach = 0.6 * np.hypot(*(first - second).T)
    pair, _ = shapely.STRtree(shapely.points(xy)).query(shapely.points((first + second) / 2.0), "dwithin", reach)
    return pairs[np.bincount(pair, minlength=len(pairs)) <= 2]  # the two ends themselves
