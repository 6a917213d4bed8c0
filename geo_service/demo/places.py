"""The places of the made-up city: towns, communities (compounds and villages), units and patrol zones, in metres.

Compounds stand on the blocks between streets, two of them sharing a wall where a block was large; villages lie in the
country. Units stand on blocks of their own beside communities, or inside one, as a school does in its compound.  No
two communities overlap, no two units, no two patrol zones; patrol zones tile the built-up area.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely
from shapely import affinity, ops

from geo_service.demo import names, streets
from geo_service.demo.plan import Plan, pieces

# share of each class among the units; share of those that stand inside a community
_UNITS = {
    "hospital": (0.10, 0.3),
    "school": (0.30, 0.5),
    "station": (0.05, 0.0),
    "scenic": (0.05, 0.0),
    "market": (0.18, 0.7),
    "bank": (0.22, 1.0),
    "venue": (0.10, 0.2),
}
_SHARED_BLOCK_M2 = 72_000.0  # a residential block of about this size and more is divided between two compounds
_SMALLEST_M2 = 7_500.0

Objects = npt.NDArray[np.object_]
Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Towns:
    """Street offices, towns and townships: codes (9 digits), police stations (12 digits), areas, seats (n, 2)."""

    codes: Objects
    names: Objects
    districts: Objects
    district_codes: Objects
    stations: Objects
    areas: Objects
    seats: Floats

    def of(self, xy: Floats) -> Whole:
        """Give the number of the town each point lies in: the one whose seat is nearest."""
        return np.hypot(xy[:, None, 0] - self.seats[:, 0], xy[:, None, 1] - self.seats[:, 1]).argmin(axis=1)


@dataclass(frozen=True)
class Zoned:
    """Places of one kind: areas, names, classes, town numbers, ids; all of one length."""

    areas: Objects
    names: Objects
    classes: Objects
    towns: Whole
    ids: Objects


@dataclass(frozen=True)
class Places:
    """All places, and the blocks that are none: their areas and what they are used for."""

    towns: Towns
    communities: Zoned
    units: Zoned
    patrol_zones: Zoned
    blocks: Objects
    uses: Objects


def settle(
    drawing: Plan, network: streets.Streets, counts: dict[str, int], rng: np.random.Generator, naming: names.Names
) -> Places:
    """Put the places on the plan: as many of each kind as `counts` says (communities, units, patrol_zones)."""
    dry, wet = streets.faces(network, drawing)
    blocks = streets.blocks(network, dry)
    centres = centroids(dry)
    centrality = _centrality(centres, drawing)
    villages = _villages(drawing, network, rng)
    homes, others, uses = _compounds(blocks, centrality, counts["communities"] - len(villages), rng)
    seats = drawing.bend(np.array([(s.x, s.y) for s in drawing.settlements if s.half_y < 1000.0]).reshape(-1, 2))
    towns = _towns(drawing, centres, seats[1:] if drawing.scale < 0.06 else seats, centroids(villages), rng, naming)
    areas = np.concatenate([homes, villages])
    labels = [naming.compound() for _ in homes] + naming.villages(len(villages))
    classes = ["residential"] * len(homes) + ["village"] * len(villages)
    communities = _communities(areas, labels, classes, towns)
    units, others, uses = _units(counts["units"], communities, others, uses, drawing, rng, naming)
    zones = _patrol_zones(np.concatenate([dry, wet]), drawing, network, towns, counts["patrol_zones"], rng)
    return Places(towns, communities, _units_of(units, towns), zones, others, uses)


def centroids(areas: Objects) -> Floats:
    """Give the centroids of areas as points (n, 2)."""
    return shapely.get_coordinates(shapely.centroid(areas)).reshape(-1, 2)


def _centrality(xy: Floats, drawing: Plan) -> Floats:
    """Give the distance from the city's middle, 1 at its edge; a small town's middle counts as half-way out."""
    found = np.hypot(*xy.T) / drawing.settlements[0].half_x
    for town in drawing.settlements[1:]:
        x, y = drawing.bend(np.array([[town.x, town.y]]))[0]
        found = np.minimum(found, 0.5 + 0.4 * np.hypot(xy[:, 0] - x, xy[:, 1] - y) / town.half_y)
    return found


def _villages(drawing: Plan, network: streets.Streets, rng: np.random.Generator) -> Objects:
    """Draw villages: a few joined rows of farmsteads each, along the country roads but clear of the large ones."""
    found = []
    for x, y in drawing.bend(drawing.villages).tolist():
        width, height = rng.uniform(150.0, 320.0), rng.uniform(120.0, 250.0)
        parts = [shapely.box(-width / 2, -height / 2, width / 2, height / 2)]
        for _ in range(int(rng.integers(1, 4))):
            w, h = rng.uniform(70.0, 150.0, 2)
            cx, cy = rng.uniform(-0.5, 0.5, 2) * (width, height)
            parts.append(shapely.box(cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2))
        shape = shapely.union_all(parts).buffer(-9.0).buffer(9.0, quad_segs=1).simplify(4.0)
        found.append(affinity.translate(affinity.rotate(shape, float(rng.normal(0.0, 7.0))), x, y))
    villages = np.array(found, dtype=object)
    large = np.isin(network.kinds, ("ring", "arterial", "secondary"))
    village, road = shapely.STRtree(network.lines[large]).query(villages, "intersects")
    for i, line in zip(village.tolist(), network.lines[large][road].tolist(), strict=True):
        villages[i] = max(
            pieces(villages[i].difference(line.buffer(24.0)), shapely.Polygon), key=lambda part: part.area
        )
    return villages


def _compounds(
    blocks: Objects, centrality: Floats, count: int, rng: np.random.Generator
) -> tuple[Objects, Objects, Objects]:
    """Choose the residential blocks; give the compounds, the other blocks and their uses.

    The centre keeps more of its blocks for shops, the fringe for works and fields.
    """
    area, round_ = shapely.area(blocks), _compactness(blocks)
    weight = np.where(centrality < 0.18, 0.45, np.where(centrality > 0.92, 0.4, 1.0))
    usable = (area > _SMALLEST_M2) & (round_ > 0.4)
    key = np.where(usable, rng.random(len(blocks)) ** (1.0 / weight), -1.0)
    homes: list[shapely.Polygon] = []
    taken = np.zeros(len(blocks), dtype=bool)
    for i in np.argsort(-key, kind="stable").tolist():
        if len(homes) >= count or key[i] < 0.0:
            break
        halves = _halved(blocks[i], rng) if area[i] > _SHARED_BLOCK_M2 * rng.uniform(0.85, 1.3) else [blocks[i]]
        homes += halves if len(homes) + len(halves) <= count else [blocks[i]]
        taken[i] = True
    while len(homes) < count:
        largest = max(range(len(homes)), key=lambda i: homes[i].area)
        homes += _halved(homes.pop(largest), rng)
    rest = ~taken & (area > 900.0)
    return np.array(homes, dtype=object), blocks[rest], _uses(centrality[rest], area[rest], rng)


def _uses(centrality: Floats, area: Floats, rng: np.random.Generator) -> Objects:
    draw = rng.random(len(area))
    uses = np.where(draw < np.clip(1.15 - 0.9 * centrality, 0.2, 0.9), "commercial", "industrial").astype(object)
    uses[(draw > 0.87) | (area < 4000.0)] = "park"
    uses[(centrality > 0.85) & (rng.random(len(area)) < 0.45)] = "field"
    return uses


def _compactness(areas: Objects) -> Floats:
    """Give 4 pi area / perimeter squared: 1 for a circle, 0.785 for a square, 0 for nothing."""
    return 4.0 * np.pi * shapely.area(areas) / np.maximum(shapely.length(areas), 1.0) ** 2


def _halved(block: shapely.Polygon, rng: np.random.Generator) -> list[shapely.Polygon]:
    """Divide a block across its longer side by a wall with a jog; both halves keep the wall's corners."""
    origin, along, across = axes(block)
    at, jog, turn = rng.uniform(0.42, 0.58), rng.uniform(-0.07, 0.07), rng.uniform(0.35, 0.65)
    wall = [(at, -0.1), (at, turn), (at + jog, turn), (at + jog, 1.1)]
    parts = pieces(
        ops.split(block, shapely.LineString([origin + u * along + v * across for u, v in wall])), shapely.Polygon
    )
    return parts if len(parts) == 2 else _halved_straight(block, origin, along, across)


def _halved_straight(block: shapely.Polygon, origin: Floats, along: Floats, across: Floats) -> list[shapely.Polygon]:
    wall = shapely.LineString([origin + 0.5 * along - 0.1 * across, origin + 0.5 * along + 1.1 * across])
    parts = sorted(pieces(ops.split(block, wall), shapely.Polygon), key=lambda part: -part.area)
    return parts[:2]


def axes(area: shapely.Polygon) -> tuple[Floats, Floats, Floats]:
    """Give the smallest rectangle around an area as its corner, its longer side and its shorter side (vectors) [m]."""
    corners = shapely.get_coordinates(shapely.oriented_envelope(area))
    sides = corners[1] - corners[0], corners[3] - corners[0]
    long = int(np.hypot(*sides[1]) > np.hypot(*sides[0]))
    return corners[0], sides[long], sides[1 - long]


def _spread(points: Floats, count: int, start: int) -> Floats:
    """Choose points far from each other, beginning with one: each next is the farthest from those chosen."""
    chosen = [start]
    far = np.hypot(*(points - points[start]).T)
    while len(chosen) < min(count, len(points)):
        chosen.append(int(far.argmax()))
        far = np.minimum(far, np.hypot(*(points - points[chosen[-1]]).T))
    return points[chosen]


def _towns(
    drawing: Plan, blocks: Floats, seats: Floats, villages: Floats, rng: np.random.Generator, naming: names.Names
) -> Towns:
    """Divide the municipality: street offices in the city, towns and townships around it."""
    inner = _spread(blocks[rng.permutation(len(blocks))], max(2, round(11 * drawing.scale)), 0)
    around = np.vstack([seats, _spread(villages, max(2, round(9 * drawing.scale)), 0)]) if len(villages) else seats
    every = np.vstack([inner, around])
    limit = streets.bent(np.array([drawing.edge], dtype=object), drawing.bend, 5.0)[0]
    cells = shapely.voronoi_polygons(shapely.multipoints(every), extend_to=limit.envelope, ordered=True)
    areas = shapely.intersection(np.array(shapely.get_parts(cells).tolist(), dtype=object), limit)
    district, kind = _districts(every, len(inner), drawing)
    codes, labels, serial = [], [], dict.fromkeys(((d, k) for d in range(5) for k in range(3)), 0)
    for d, k in zip(district.tolist(), kind.tolist(), strict=True):
        serial[d, k] += 1
        codes.append(f"{names.CITY_CODE}{d + 1:02d}{k * 100 + serial[d, k]:03d}")
        labels.append(naming.stem() + ("街道", "镇", "乡")[k])
    parents = [f"{names.CITY_CODE}{d + 1:02d}" for d in district.tolist()]
    stations = [f"{parent}{50 + number:02d}0000" for number, parent in enumerate(parents, 1)]
    texts = [
        np.array(text, dtype=object)
        for text in (codes, labels, [names.DISTRICTS[d] for d in district.tolist()], parents, stations)
    ]
    return Towns(*texts, areas, every)


def _districts(seats: Floats, inner: int, drawing: Plan) -> tuple[Whole, Whole]:
    """Give each town its district (position in names.DISTRICTS) and kind: 0 street office, 1 town, 2 township."""
    half = drawing.settlements[0].half_x
    district = np.where(seats[:, 0] < -0.62 * half, 2, np.where(seats[:, 0] > 0.22 * half, 1, 0))
    outside = np.arange(len(seats)) >= inner
    district = np.where(outside, np.where(seats[:, 1] > 0.0, 3, 4), district)
    kind = np.where(outside, 1 + (np.arange(len(seats)) % 4 == 3), 0)
    return district.astype(np.int64), kind.astype(np.int64)


def _communities(areas: Objects, labels: list[str], classes: list[str], towns: Towns) -> Zoned:
    """Give communities their town and their code of 12 digits: the town's nine and a number within it."""
    town = towns.of(centroids(areas))
    order = np.lexsort((-centroids(areas)[:, 1], town))
    ids = np.empty(len(areas), dtype=object)
    starts = np.searchsorted(town[order], town[order], side="left")
    for place, rank in zip(order.tolist(), (np.arange(len(order)) - starts).tolist(), strict=True):
        ids[place] = f"{towns.codes[town[place]]}{rank + 1:03d}"
    by_id = np.argsort(ids)
    columns = (areas, np.array(labels, dtype=object), np.array(classes, dtype=object), town, ids)
    return Zoned(*(column[by_id] for column in columns))


@dataclass(frozen=True)
class _Unit:
    area: shapely.Polygon
    name: str
    kind: str


def _units(
    count: int,
    communities: Zoned,
    blocks: Objects,
    uses: Objects,
    drawing: Plan,
    rng: np.random.Generator,
    naming: names.Names,
) -> tuple[list[_Unit], Objects, Objects]:
    """Place the units; give them and the blocks that are left with their uses."""
    hosts = rng.permutation(
        np.flatnonzero((communities.classes == "residential") | (rng.random(len(communities.ids)) < 0.2))
    ).tolist()
    free = np.ones(len(blocks), dtype=bool)
    area, centre = shapely.area(blocks), np.hypot(*centroids(blocks).T) / drawing.settlements[0].half_x
    water = shapely.union_all(streets.bent(np.array([drawing.river, drawing.lake], dtype=object), drawing.bend, 0.0))
    pull = {
        "scenic": -shapely.distance(blocks, water) / 300.0,
        "station": -6.0 * np.abs(centre - 0.75),
        "venue": -3.0 * centre,
    }
    found: list[_Unit] = []
    for kind, nth in _wanted(count):
        fits = free & (area > 7000.0) & (area < 95_000.0) & (_compactness(blocks) > 0.35)
        if fits.any() and rng.random() >= _UNITS[kind][1]:
            liking = np.where(fits, pull.get(kind, 0.0) + rng.gumbel(size=len(blocks)), -np.inf)
            chosen = int(liking.argmax())
            free[chosen] = False
            shape = blocks[chosen]
        else:
            shape = _corner(communities.areas[hosts.pop()], kind, rng)
        found.append(_Unit(shape, naming.unit(kind, nth), kind))
    return found, blocks[free], uses[free]


def _wanted(count: int) -> list[tuple[str, int]]:
    """Give the class and number within its class of every unit; each class has one before any has its share."""
    shares = {kind: share for kind, (share, _) in _UNITS.items()}
    sizes = {kind: int(share * count) for kind, share in shares.items()}
    order = sorted(shares, key=lambda kind: (sizes[kind] > 0, int(shares[kind] * count) - shares[kind] * count))
    for i in range(count - sum(sizes.values())):
        sizes[order[i % len(order)]] += 1
    return [(kind, nth) for kind, size in sizes.items() for nth in range(size)]


def _corner(host: shapely.Polygon, kind: str, rng: np.random.Generator) -> shapely.Polygon:
    """Cut a unit's ground out of a corner of a community's; it stays inside the community."""
    origin, along, across = axes(host)
    long, short = np.hypot(*along), np.hypot(*across)
    if kind == "bank":
        u, v = min(0.5, 46.0 / long), min(0.5, 34.0 / short)
    else:
        u, v = rng.uniform(0.30, 0.46), rng.uniform(0.36, 0.5)
    for inset in np.linspace(0.0, 0.4, 9).tolist():
        corner = (inset if rng.random() < 0.5 else 1.0 - inset - u, inset if rng.random() < 0.5 else 1.0 - inset - v)
        corners = [(0, 0), (u, 0), (u, v), (0, v)]
        box = shapely.Polygon([origin + (corner[0] + a) * along + (corner[1] + b) * across for a, b in corners])
        parts = pieces(host.intersection(box), shapely.Polygon)
        if parts and sum(part.area for part in parts) > 0.7 * box.area:
            return max(parts, key=lambda part: part.area)
    return host


def _units_of(units: list[_Unit], towns: Towns) -> Zoned:
    areas = np.array([unit.area for unit in units], dtype=object)
    labels, kinds = (
        np.array(list(text), dtype=object) for text in zip(*((u.name, u.kind) for u in units), strict=True)
    )
    ids = np.array([f"{names.CITY_CODE}NB{number:05d}" for number in range(1, len(units) + 1)], dtype=object)
    return Zoned(areas, labels, kinds, towns.of(centroids(areas)), ids)


def _patrol_zones(
    faces: Objects, drawing: Plan, network: streets.Streets, towns: Towns, count: int, rng: np.random.Generator
) -> Zoned:
    """Tile the built-up area: small towns are zones of their own, the city's faces are joined to zones of like work.

    Zones are smaller towards the centre, where the work is; their borders run along the middle of streets.
    """
    xy = centroids(faces)
    small = streets.bent(
        np.array([s.edge for s in drawing.settlements if s.half_y < 1000.0 and not s.is_city], dtype=object),
        drawing.bend,
        0.0,
    )
    town, held = (
        shapely.STRtree(small).query(shapely.points(xy), "within")
        if len(small) and count > 2 * len(small)
        else (np.empty(0, int),) * 2
    )
    zone = np.full(len(faces), -1, dtype=np.int64)
    zone[town] = held
    own = len(np.unique(held))
    city = np.flatnonzero(zone < 0)
    zone[city] = own + _alike(
        xy[city],
        shapely.area(faces[city]) / (0.3 + np.hypot(*xy[city].T) / drawing.settlements[0].half_x),
        count - own,
        rng,
    )
    zone = _joined(zone, faces)
    areas = np.array([shapely.coverage_union_all(faces[zone == z]) for z in range(int(zone.max()) + 1)], dtype=object)
    areas = shapely.coverage_simplify(areas, 4.0)
    ids = np.array([f"{names.CITY_CODE}XF{number:03d}" for number in range(1, len(areas) + 1)], dtype=object)
    kinds = np.full(len(areas), "patrol_zone", dtype=object)
    return Zoned(areas, _zone_names(areas, network), kinds, towns.of(centroids(areas)), ids)


def _alike(xy: Floats, work: Floats, count: int, rng: np.random.Generator) -> Whole:
    """Group faces into `count` compact groups of about the same work (Lloyd's rounds from spread-out seeds)."""
    seeds = xy[rng.choice(len(xy), size=count, replace=False, p=work / work.sum())]
    group = np.zeros(len(xy), dtype=np.int64)
    for _ in range(25):
        group = np.hypot(xy[:, None, 0] - seeds[:, 0], xy[:, None, 1] - seeds[:, 1]).argmin(axis=1)
        mass = np.bincount(group, work, count)
        held = mass > 0.0
        seeds[held] = (
            np.column_stack([np.bincount(group, work * xy[:, axis], count) for axis in (0, 1)])[held] / mass[held, None]
        )
    return np.unique(group, return_inverse=True)[1]


def _joined(zone: Whole, faces: Objects) -> Whole:
    """Hand faces that are cut off from their zone's largest part to a neighbour, so that each zone is one piece."""
    a, b = shapely.STRtree(faces).query(faces, "touches")
    along = shapely.length(shapely.intersection(faces[a], faces[b])) > 1.0
    a, b = a[along], b[along]
    for _ in range(6):
        loose = np.zeros(len(faces), dtype=bool)
        for z in np.unique(zone).tolist():
            parts = pieces(shapely.coverage_union_all(faces[zone == z]), shapely.Polygon)
            if len(parts) > 1:
                main = max(parts, key=lambda part: part.area)
                loose |= (zone == z) & ~shapely.covers(main, shapely.point_on_surface(faces))
        for i in np.flatnonzero(loose).tolist():
            around = b[(a == i) & (zone[b] != zone[i])]
            zone[i] = zone[around[0]] if len(around) else zone[i]
        if not loose.any():
            break
    return zone


def _zone_names(areas: Objects, network: streets.Streets) -> Objects:
    """Name each zone after the largest street that runs through its middle; the second of a name gets a number."""
    main = np.flatnonzero(np.isin(network.kinds, ("arterial", "secondary")))
    nearest = shapely.STRtree(network.lines[main]).query_nearest(shapely.centroid(areas), all_matches=False)[1]
    found, used = [], dict[str, int]()
    for road in network.roads[main[nearest]].tolist():
        used[road] = used.get(road, 0) + 1
        found.append(f"{road}巡区" if used[road] == 1 else f"{road}第{used[road]}巡区")
    return np.array(found, dtype=object)
