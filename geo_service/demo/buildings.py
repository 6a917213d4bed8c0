"""Buildings of the made-up city: slabs in rows inside compounds, shops along streets, farmsteads, works; in metres.

Buildings stand inside their ground and do not overlap.  Those of one community are numbered row by row from the
north-west, as compounds are.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely

from geo_service.demo import places, streets

# kind: length, depth of a footprint; pitch along and across a row; share that is built; floors from, to  [m]
_STYLES = {
    "slab": (52.0, 12.5, 62.0, 31.0, 0.96, 5, 7),
    "mid-rise": (44.0, 14.0, 58.0, 43.0, 0.93, 9, 18),
    "tower": (27.0, 21.0, 54.0, 58.0, 0.92, 18, 33),
    "farmstead": (27.0, 10.5, 33.0, 25.0, 0.86, 1, 2),
    "commercial": (48.0, 30.0, 68.0, 54.0, 0.85, 3, 24),
    "industrial": (96.0, 38.0, 118.0, 62.0, 0.8, 1, 3),
    "public": (62.0, 20.0, 84.0, 50.0, 0.8, 2, 12),
}
_FLOOR_M = 3.0
_WALL_M = 8.0  # from a compound's wall to its slabs, at least
_MARGIN_M = 15.0  # the same where there is room, behind the shops
_SHOP_M = (46.0, 11.0, 9.0, 2.0)  # length, depth, gap between two, distance from the block's edge

Objects = npt.NDArray[np.object_]
Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Buildings:
    """Footprints with kind and floors, and the ground they stand on: `community`, `unit` and `block` are numbers or -1.

    `number` counts the buildings of a community from 1; 0 where a building stands in none, and for shops.
    """

    shapes: Objects
    kinds: Objects
    floors: Whole
    community: Whole
    unit: Whole
    number: Whole

    def heights_m(self) -> Floats:
        """Give each building's height [m]."""
        return self.floors * _FLOOR_M + np.where(self.kinds == "industrial", 5.0, 0.6)


def build(where: places.Places, network: streets.Streets, rng: np.random.Generator) -> Buildings:
    """Put buildings on communities, on units with ground of their own, and on the blocks that are neither."""
    homes, units = where.communities, where.units
    host = _hosts(units, homes)
    grounds = np.concatenate(
        [homes.areas, units.areas[host < 0], where.blocks[np.isin(where.uses, ("commercial", "industrial"))]]
    )
    style = np.concatenate(
        [
            _home_styles(homes, rng),
            np.full((host < 0).sum(), "public", dtype=object),
            where.uses[np.isin(where.uses, ("commercial", "industrial"))],
        ]
    )
    shops, shop_ground = _shops(grounds, style, network, rng)
    rows, row_ground = _rows(grounds, style, rng)
    roads = network.lines[np.isin(network.kinds, ("country", "arterial"))]
    in_way = [
        shapely.STRtree(other).query(rows, "dwithin", reach)[0]
        for other, reach in ((shops, 5.0), (roads, 8.0))
        if len(other)
    ]
    blocked = np.unique(np.concatenate(in_way))
    rows, row_ground = np.delete(rows, blocked), np.delete(row_ground, blocked)
    shapes, ground = np.concatenate([rows, shops]), np.concatenate([row_ground, shop_ground])
    kinds = np.concatenate([style[row_ground], np.full(len(shops), "shop", dtype=object)])
    low = np.array([_STYLES[kind][5] if kind in _STYLES else 2 for kind in kinds.tolist()])
    high = np.array([_STYLES[kind][6] if kind in _STYLES else 3 for kind in kinds.tolist()])
    floors = rng.integers(low, high, endpoint=True)
    community = np.where(ground < len(homes.ids), ground, -1)
    return Buildings(shapes, kinds, floors, community, _units_at(units, shapes), _numbers(shapes, kinds, community))


def _hosts(units: places.Zoned, homes: places.Zoned) -> Whole:
    """Give the community each unit stands inside, -1 for one on a block of its own."""
    unit, community = shapely.STRtree(homes.areas).query(shapely.point_on_surface(units.areas), "within")
    host = np.full(len(units.ids), -1, dtype=np.int64)
    host[unit] = community
    return host


def _units_at(units: places.Zoned, shapes: Objects) -> Whole:
    building, unit = shapely.STRtree(units.areas).query(shapely.centroid(shapes), "within")
    found = np.full(len(shapes), -1, dtype=np.int64)
    found[building] = unit
    return found


def _home_styles(homes: places.Zoned, rng: np.random.Generator) -> Objects:
    drawn = rng.choice(np.array(["slab", "mid-rise", "tower"], dtype=object), size=len(homes.ids), p=[0.58, 0.27, 0.15])
    return np.where(homes.classes == "village", "farmstead", drawn)


def _rows(grounds: Objects, style: Objects, rng: np.random.Generator) -> tuple[Objects, Whole]:
    """Fill each ground with rows of its style; give the footprints that stand wholly inside it, and their ground."""
    corners, owner = [], []
    for i, (ground, kind) in enumerate(zip(grounds.tolist(), style.tolist(), strict=True)):
        found = _row_corners(ground, kind, rng)
        corners.append(found)
        owner.append(np.full(len(found), i))
    shapes, ground = shapely.polygons(np.concatenate(corners)), np.concatenate(owner)
    inner = shapely.buffer(grounds, -np.where(style == "farmstead", 3.0, _WALL_M), join_style="mitre")
    shapely.prepare(inner)
    inside = shapely.contains(inner[ground], shapes)
    return shapes[inside], ground[inside]


def _row_corners(ground: shapely.Polygon, kind: str, rng: np.random.Generator) -> Floats:
    """Give the corners (n, 4, 2) of a raster of footprints over a ground, laid along its side nearest to east-west."""
    length, depth, pitch_x, pitch_y, share, _, _ = _STYLES[kind]
    _, along, across = places.axes(ground)
    side = along if abs(along[0]) / np.hypot(*along) > 0.7071 else across
    angle = np.arctan(side[1] / side[0])
    c, s = np.cos(angle), np.sin(angle)
    turned = shapely.get_coordinates(ground) @ np.array([[c, -s], [s, c]])
    (west, south), (east, north) = turned.min(axis=0), turned.max(axis=0)
    margin = {"farmstead": 4.0, "industrial": 9.0, "public": 9.0}.get(kind, _MARGIN_M)
    x, y = np.meshgrid(
        _spaced(west + margin, east - margin, length, pitch_x * rng.uniform(0.92, 1.1)),
        _spaced(south + margin, north - margin, depth, pitch_y * rng.uniform(0.92, 1.1))[::-1],
    )
    low = np.column_stack([x.ravel(), y.ravel()])[rng.random(x.size) < share]
    low = low + rng.normal(0.0, 0.6, low.shape)
    size = np.array([[0.0, 0.0], [length, 0.0], [length, depth], [0.0, depth]])
    return (low[:, None, :] + size) @ np.array([[c, s], [-s, c]])


def _spaced(low: float, high: float, size: float, pitch: float) -> Floats:
    """Give the starts of as many things of a size as fit at a pitch between two ends that share the slack."""
    count = max(1, int((high - low - size) / pitch) + 1)
    return low + (high - low - size - (count - 1) * pitch) / 2.0 + pitch * np.arange(count)


def _shops(
    grounds: Objects, style: Objects, network: streets.Streets, rng: np.random.Generator
) -> tuple[Objects, Whole]:
    """Line the larger streets with shops: a row along each side of a compound or shopping block that faces one."""
    chosen = np.flatnonzero(np.isin(style, ("slab", "mid-rise", "tower", "commercial")))
    exterior = shapely.get_exterior_ring(shapely.normalize(grounds[chosen]))
    at, ring = shapely.get_coordinates(exterior, return_index=True)
    same = ring[1:] == ring[:-1]
    first, last, owner = at[:-1][same], at[1:][same], chosen[ring[:-1][same]]
    long = np.hypot(*(last - first).T)
    main = np.isin(network.kinds, ("ring", "arterial", "secondary"))
    middle = shapely.points((first + last) / 2.0)
    faced = np.zeros(len(long), dtype=bool)
    faced[np.unique(shapely.STRtree(network.lines[main]).query(middle, "dwithin", 36.0)[0])] = True
    keep = (long > 62.0) & faced & (rng.random(len(long)) < 0.62)
    shapes, owner = _along(first[keep], last[keep], long[keep], owner[keep])
    inner = grounds[owner]
    inside = shapely.contains(inner, shapes)
    shapes, owner = shapes[inside], owner[inside]
    a, b = shapely.STRtree(shapes).query(shapes, "intersects")
    clash = np.unique(a[a > b])
    return np.delete(shapes, clash), np.delete(owner, clash)


def _along(first: Floats, last: Floats, long: Floats, owner: Whole) -> tuple[Objects, Whole]:
    """Set shops along sides from `first` to `last`; rings run clockwise, so the inside is to the right."""
    length, depth, gap, edge = _SHOP_M
    count = np.maximum(1, ((long - 14.0) // (length + gap)).astype(np.int64))
    side = np.repeat(np.arange(len(long)), count)
    nth = np.arange(len(side)) - np.repeat(np.cumsum(count) - count, count)
    run = (last - first) / long[:, None]
    inward = np.column_stack([run[:, 1], -run[:, 0]])[side]
    slack = (long - count * (length + gap) + gap) / 2.0
    origin = first[side] + run[side] * (slack[side] + nth * (length + gap))[:, None] + inward * edge
    ahead, inward = run[side] * length, inward * depth
    corners = np.stack([origin, origin + ahead, origin + ahead + inward, origin + inward], axis=1)
    return shapely.polygons(corners), owner[side]


def _numbers(shapes: Objects, kinds: Objects, community: Whole) -> Whole:
    """Number the buildings of each community by rows from the north-west, from 1; shops have street numbers instead."""
    xy = places.centroids(shapes)
    counted = np.flatnonzero((community >= 0) & (kinds != "shop"))
    order = counted[np.lexsort((xy[counted, 0], -(xy[counted, 1] // 20.0), community[counted]))]
    starts = np.searchsorted(community[order], community[order], side="left")
    number = np.zeros(len(shapes), dtype=np.int64)
    number[order] = np.arange(len(order)) - starts + 1
    return number
