"""Addresses of the made-up city: doors along streets, buildings of compounds, farmsteads, parts of units, crossings.

House numbers rise along a road from its southern or western end, odd on the left and even on the right, a step for
each 8 m; so a number that was never given out can be found between its neighbours.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely

from geo_service.demo import buildings, names, places, streets
from geo_service.demo.plan import CLASSES

COLUMNS = (
    "address_id", "kind", "text", "district", "town", "road", "crossroad", "number", "place", "building", "zone_id",
    "unit_id",
    "x", "y",
)  # fmt: skip
KINDS = ("building", "farmstead", "door", "unit", "unit_part", "gate", "crossing")
_CITY = names.CITY["zh"].removesuffix("市")
_STEP_M = 8.0  # of street for each house number of one side
_NEAR_M = 190.0  # from the middle of a place to a larger street that it counts itself to
_PARTS = {
    "hospital": ("门诊楼", "住院部", "停车场"),
    "school": ("教学楼", "操场", "北门"),
    "station": ("候车厅", "出站口", "广场"),
    "scenic": ("游客中心", "停车场", "东门"),
    "market": ("东区", "西区", "停车场"),
    "bank": ("营业厅", "自助银行", "门前"),
    "venue": ("大厅", "停车场", "南门"),
}

Objects = npt.NDArray[np.object_]
Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]


@dataclass(frozen=True)
class _Fronts:
    """Points with the street they front on: edges and house numbers, of one length with the points."""

    edges: Whole
    numbers: Whole


def address(
    where: places.Places, network: streets.Streets, built: buildings.Buildings, rng: np.random.Generator
) -> pd.DataFrame:
    """Give every address of the city as a frame of COLUMNS; x, y are metres."""
    doors = np.flatnonzero((built.number == 0) & (built.unit < 0))
    gates = _gates(where.communities, network)
    at = np.vstack([gates, places.centroids(where.units.areas), places.centroids(built.shapes[doors])])
    doors_edge = shapely.STRtree(network.lines).query_nearest(shapely.points(at[-len(doors) :]), all_matches=False)[1]
    fronts = _fronts(at, np.concatenate([_streets(at[: -len(doors)], network), doors_edge]), network)
    roads, numbers = network.roads[fronts.edges], fronts.numbers
    homes, units = len(gates), len(where.units.ids)
    parts = [
        _buildings(where, built, roads[:homes], numbers[:homes]),
        _gate_rows(where, gates),
        _unit_rows(where, roads[homes : homes + units], numbers[homes : homes + units], rng),
        _door_rows(where, built, doors, roads[homes + units :], numbers[homes + units :]),
        crossings(network),
    ]
    found = pd.concat(parts, ignore_index=True)
    town = where.towns.of(found[["x", "y"]].to_numpy())
    found["town"], found["district"] = where.towns.names[town], where.towns.districts[town]
    found["zone_id"] = found["zone_id"].where(found["zone_id"].notna(), _holders(where.communities, found))
    found["unit_id"] = found["unit_id"].where(found["unit_id"].notna(), _holders(where.units, found))
    found["text"] = _texts(found)
    found["address_id"] = np.array([f"A{number:06d}" for number in range(1, len(found) + 1)], dtype=object)
    return found[list(COLUMNS)]


def _rows(kind: str, xy: Floats, **columns: object) -> pd.DataFrame:
    """Make address rows of one kind; text columns not given are missing, numbers 0."""
    empty = dict.fromkeys(("road", "crossroad", "place", "building", "zone_id", "unit_id"))
    values = {**empty, "number": 0, **columns}
    frame = pd.DataFrame({"kind": kind, "x": xy[:, 0], "y": xy[:, 1]})
    for name, value in values.items():
        frame[name] = pd.Series([None] * len(xy), dtype=object) if value is None else value
    return frame


def _gates(communities: places.Zoned, network: streets.Streets) -> Floats:
    """Give each community's gate: the point of its wall nearest to a street."""
    edge = _streets(places.centroids(communities.areas), network)
    wall = shapely.get_exterior_ring(communities.areas)
    return shapely.get_coordinates(shapely.get_point(shapely.shortest_line(wall, network.lines[edge]), 0))


def _streets(xy: Floats, network: streets.Streets) -> Whole:
    """Give the edge each place is reached from: the nearest of a larger street where one is near, else the nearest."""
    points, main = shapely.points(xy), np.flatnonzero(np.isin(network.kinds, ("ring", "arterial", "secondary")))
    edge = shapely.STRtree(network.lines).query_nearest(points, all_matches=False)[1]
    near, larger = shapely.STRtree(network.lines[main]).query_nearest(points, max_distance=_NEAR_M, all_matches=False)
    edge[near] = main[larger]
    return edge


def _fronts(xy: Floats, edge: Whole, network: streets.Streets) -> _Fronts:
    """Give each point a house number on its street that nobody else has."""
    lines, points = network.lines[edge], shapely.points(xy)
    run = shapely.line_locate_point(lines, points)
    foot = shapely.get_coordinates(shapely.line_interpolate_point(lines, run))
    ahead = shapely.get_coordinates(shapely.line_interpolate_point(lines, run + 1.0))
    behind = shapely.get_coordinates(shapely.line_interpolate_point(lines, np.maximum(run - 1.0, 0.0)))
    along, aside = ahead - behind, xy - foot
    right = along[:, 0] * aside[:, 1] - along[:, 1] * aside[:, 0] < 0.0
    share = run / np.maximum(shapely.length(lines), 1.0)
    measure = network.start_m[edge] + share * (network.end_m[edge] - network.start_m[edge])
    return _Fronts(edge, _unique(network.roads[edge], right, 2 * (measure // _STEP_M).astype(np.int64) + 1 + right))


def _unique(roads: Objects, right: npt.NDArray[np.bool_], wished: Whole) -> Whole:
    """Move numbers that are taken already up to the next free one of their side."""
    found = wished.copy()
    last: dict[tuple[str, bool], int] = {}
    for i in np.argsort(wished, kind="stable").tolist():
        side = roads[i], bool(right[i])
        found[i] = max(int(wished[i]), last.get(side, -2) + 2)
        last[side] = int(found[i])
    return found


def _buildings(where: places.Places, built: buildings.Buildings, roads: Objects, numbers: Whole) -> pd.DataFrame:
    chosen = np.flatnonzero(built.number > 0)
    home = built.community[chosen]
    village = where.communities.classes[home] == "village"
    frame = _rows(
        "building",
        places.centroids(built.shapes[chosen]),
        place=where.communities.names[home],
        building=built.number[chosen].astype(str).astype(object),
        zone_id=where.communities.ids[home],
        road=np.where(village, None, roads[home]),
        number=np.where(village, 0, numbers[home]),
    )
    frame["kind"] = np.where(village, "farmstead", "building")
    return frame


def _gate_rows(where: places.Places, gates: Floats) -> pd.DataFrame:
    """Give the gates of communities; where one stands on a shared wall or open ground, its community keeps it."""
    homes = where.communities
    away = gates - places.centroids(homes.areas)
    side = np.array(["东门", "北门", "西门", "南门"], dtype=object)[
        np.round(np.arctan2(away[:, 1], away[:, 0]) / (np.pi / 2)).astype(int) % 4
    ]
    return _rows("gate", gates, place=homes.names, building=side, zone_id=homes.ids)


def _unit_rows(where: places.Places, roads: Objects, numbers: Whole, rng: np.random.Generator) -> pd.DataFrame:
    units = where.units
    seat = shapely.get_coordinates(shapely.point_on_surface(units.areas))
    found = [_rows("unit", seat, place=units.names, unit_id=units.ids, road=roads, number=numbers)]
    inner = shapely.buffer(units.areas, -4.0)
    names = [_PARTS[kind] for kind in units.classes.tolist()]
    for nth in range(3):
        spot = np.array([inside(area, rng) for area in np.where(shapely.is_empty(inner), units.areas, inner).tolist()])
        part = np.array([three[nth] for three in names], dtype=object)
        found.append(_rows("unit_part", spot, place=units.names, building=part, unit_id=units.ids))
    return pd.concat(found, ignore_index=True)


def inside(area: shapely.Polygon, rng: np.random.Generator) -> tuple[float, float]:
    """Draw a point inside an area."""
    west, south, east, north = area.bounds
    x, y = rng.uniform(west, east, 24), rng.uniform(south, north, 24)
    inside = np.flatnonzero(shapely.contains_xy(area, x, y))
    at = area.point_on_surface()
    return (float(x[inside[0]]), float(y[inside[0]])) if len(inside) else (at.x, at.y)


def _door_rows(
    where: places.Places, built: buildings.Buildings, doors: Whole, roads: Objects, numbers: Whole
) -> pd.DataFrame:
    home = built.community[doors]
    zone = np.where(home >= 0, where.communities.ids[home], None)
    return _rows("door", places.centroids(built.shapes[doors]), road=roads, number=numbers, zone_id=zone)


def crossings(network: streets.Streets) -> pd.DataFrame:
    """Give the crossings of streets with different names as address rows, the larger street first."""
    ends = np.concatenate([network.tails, network.heads])
    rank = np.array([CLASSES.index(kind) for kind in network.kinds.tolist()])
    order = np.lexsort((np.tile(rank, 2), ends))
    road = np.tile(network.roads, 2)
    meeting: dict[int, dict[str, None]] = {}
    for node, name in zip(ends[order].tolist(), road[order].tolist(), strict=True):
        meeting.setdefault(node, {})[name] = None
    chosen = [(node, *list(names)[:2]) for node, names in meeting.items() if len(names) > 1]
    nodes = np.array([node for node, _, _ in chosen], dtype=np.int64)
    first, second = (np.array([row[i] for row in chosen], dtype=object) for i in (1, 2))
    return _rows("crossing", network.nodes[nodes].reshape(-1, 2), road=first, crossroad=second)


def _holders(zones: places.Zoned, frame: pd.DataFrame) -> Objects:
    """Give the id of the zone that holds each address, the lowest where two do; None in none."""
    address_, zone = shapely.STRtree(zones.areas).query(shapely.points(frame[["x", "y"]].to_numpy()), "intersects")
    found = np.full(len(frame), None, dtype=object)
    for i, identity in sorted(zip(address_.tolist(), zones.ids[zone].tolist(), strict=True), reverse=True):
        found[i] = identity
    return found


def _texts(frame: pd.DataFrame) -> list[str]:
    """Write each address as a dispatcher would."""
    columns = ("kind", "district", "town", "road", "crossroad", "number", "place", "building")
    found = []
    for kind, district, town, road, crossroad, number, place, building in zip(
        *(frame[c].tolist() for c in columns), strict=True
    ):
        street = f"{district}{road}{number}号"
        lead = "" if place and place.startswith(_CITY) else district
        found.append(
            {
                "building": f"{street}{place}{building}号楼",
                "farmstead": f"{district}{town}{place}{building}号",
                "door": street,
                "unit": f"{street}{place}",
                "unit_part": f"{lead}{place}{building}",
                "gate": f"{district}{place}{building}",
                "crossing": f"{district}{road}与{crossroad}交叉口",
            }[kind]
        )
    return found
