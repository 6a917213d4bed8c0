"""Points to polygons: ours beside geopandas.sjoin, shapely's STRtree, SedonaDB and DuckDB, ids compared one by one.

join/reused    the index is kept (ours, geopandas and STRtree can; SedonaDB and DuckDB build theirs inside the query)
join/oneshot   everything from polygons to ids, the index built anew
join/ties      a net of squares, most points on borders and corners: the lowest id counts
join/sectors   overlapping camera sectors, every one that sees a point
All take points that are ready for them: arrays for us, shapely points, geometry columns.
"""

import sys
import tempfile
from pathlib import Path

import geopandas
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import shapely

from benchmarks._peers import Engines
from benchmarks._race import Row, arguments, race, report
from geo_service.geography import zones as zone_geometry
from geo_service.geography.zones import Zones

WEST, SOUTH, EAST, NORTH = 115.9, 34.4, 117.6, 36.0  # Jining's bounds [deg]
DEG_PER_M = 1 / 111_000


def city(count: int, rng: np.random.Generator) -> np.ndarray:
    """Give polygons of 20 to 200 ragged corners side by side: compounds with streets between them."""
    across = int(np.ceil(np.sqrt(count)))
    step = np.array([EAST - WEST, NORTH - SOUTH]) / across
    shapes = np.empty(count, dtype=object)
    for i in range(count):
        corners = int(rng.integers(20, 200))
        turn = np.linspace(0, 2 * np.pi, corners, endpoint=False)
        radius = step * rng.uniform(0.36, 0.49, corners)[:, None]
        middle = np.array([WEST, SOUTH]) + (np.array([i % across, i // across]) + 0.5) * step
        shapes[i] = shapely.Polygon(middle + radius * np.column_stack([np.cos(turn), np.sin(turn)]))
    return shapes


def squares(across: int) -> np.ndarray:
    """Give a net of squares on whole numbers that share every side."""
    x, y = (axis.ravel() for axis in np.meshgrid(np.arange(across), np.arange(across)))
    return np.array([shapely.box(a, b, a + 1, b + 1) for a, b in zip(x, y, strict=True)], dtype=object)


def sectors(count: int, rng: np.random.Generator) -> np.ndarray:
    """Give camera sectors, 60 m far and 60 degrees wide, crowded into a tenth of the city as cameras are."""
    side = np.sqrt(0.1)
    middle = np.array([WEST, SOUTH]) + rng.random((count, 1, 2)) * side * np.array([EAST - WEST, NORTH - SOUTH])
    turn = rng.uniform(0, 2 * np.pi, (count, 1)) + np.linspace(-np.pi / 6, np.pi / 6, 9)
    arc = middle + 60 * DEG_PER_M * np.stack([np.cos(turn) / np.cos(np.radians(SOUTH)), np.sin(turn)], axis=-1)
    return np.array(shapely.polygons(np.concatenate([middle, arc], axis=1)), dtype=object)


def zoned(shapes: np.ndarray) -> Zones:
    """Give polygons ids that sort as their positions do."""
    ids = np.array([f"{i:07d}" for i in range(len(shapes))], dtype=object)
    return Zones("communities", ids, ids, ids, shapes)


def lowest(point: np.ndarray, zone: np.ndarray, count: int) -> np.ndarray:
    """Give the lowest zone of each point, -1 where there is none."""
    found = np.full(count, np.iinfo(np.int64).max)
    np.minimum.at(found, point, zone)
    return np.where(found == np.iinfo(np.int64).max, -1, found)


def same_ids(ours: np.ndarray, theirs: np.ndarray) -> str:
    """Compare zone by zone."""
    different = int((ours != theirs).sum())
    assert len(ours) == len(theirs), f"{len(ours)} answers, theirs {len(theirs)}"
    assert different == 0, f"{different} of {len(ours)} points differ"
    return f"{len(ours)} points, zone by zone; {int((ours >= 0).sum())} inside one"


def points_of(count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Give points all over the city."""
    return rng.uniform(WEST, EAST, count), rng.uniform(SOUTH, NORTH, count)


def race_all(what: str, shapes: np.ndarray, lon: np.ndarray, lat: np.ndarray, *, reused: bool) -> list[Row]:
    """Race with every peer over the lowest zone of each point."""
    kept = zoned(shapes)
    tree, points = shapely.STRtree(shapes), shapely.points(lon, lat)
    frame = geopandas.GeoDataFrame(geometry=points)
    places = geopandas.GeoDataFrame(geometry=shapes)
    count = len(lon)

    def ours() -> np.ndarray:
        return zone_geometry.assign(kept if reused else zoned(shapes), lon, lat)

    def strtree() -> np.ndarray:
        index = tree if reused else shapely.STRtree(shapes)
        point, zone = index.query(points, predicate="covered_by")
        return lowest(point, zone, count)

    def sjoin() -> np.ndarray:
        right = places if reused else geopandas.GeoDataFrame(geometry=shapes.copy())
        hits = frame.sjoin(right, predicate="intersects")
        return lowest(hits.index.to_numpy(), hits["index_right"].to_numpy(), count)

    zone_geometry.assign(kept, lon, lat)  # compiled and, where it is kept, built before the clock runs
    rows = [race(what, name, ours, peer, same_ids) for name, peer in (("strtree", strtree), ("geopandas", sjoin))]
    with tempfile.TemporaryDirectory() as folder:
        pq.write_table(pa.table({"id": np.arange(count), "x": lon, "y": lat}), f"{folder}/points.parquet")
        pq.write_table(
            pa.table({"zone": np.arange(len(shapes)), "wkb": shapely.to_wkb(shapes)}), f"{folder}/zones.parquet"
        )
        engines = Engines(Path(folder))
        for engine in ("sedonadb", "duckdb"):
            found = race(what, engine, ours, lambda engine=engine: engines.join(engine), lambda *_: "")
            pairs = pq.read_table(engines.saved())
            answer = lowest(pairs["id"].to_numpy(), pairs["zone"].to_numpy(), count)
            rows.append(checked(found, ours(), answer))
        engines.close()
    return rows


def checked(row: Row, ours: np.ndarray, theirs: np.ndarray) -> Row:
    """Put the comparison into a row whose peer answered elsewhere."""
    try:
        return {**row, "check": same_ids(ours, theirs), "equal": True}
    except AssertionError as difference:
        return {**row, "check": str(difference), "equal": False}


def on_borders(across: int, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Give points of which two thirds lie on a side or corner of a net of squares."""
    lon, lat = rng.uniform(0, across, (2, count))
    lon[::3], lat[::2] = np.round(lon[::3]), np.round(lat[::2])
    return lon, lat


def race_sectors(count: int, points: int, rng: np.random.Generator) -> Row:
    """Race over every pair of a point and a sector that sees it."""
    shapes = sectors(count, rng)
    side = np.sqrt(0.1)
    lon = WEST + side * (EAST - WEST) * rng.random(points)
    lat = SOUTH + side * (NORTH - SOUTH) * rng.random(points)
    kept, tree, ready = zoned(shapes), shapely.STRtree(shapes), shapely.points(lon, lat)
    zone_geometry.holders(kept, lon, lat)

    def strtree() -> np.ndarray:
        point, zone = tree.query(ready, predicate="covered_by")
        order = np.lexsort((zone, point))
        return np.stack([point[order], zone[order]])

    def ours() -> np.ndarray:
        return np.stack(zone_geometry.holders(kept, lon, lat))

    def same(a: np.ndarray, b: np.ndarray) -> str:
        assert a.shape == b.shape, f"{a.shape[1]} pairs, theirs {b.shape[1]}"
        assert (a == b).all(), f"{int((a != b).any(axis=0).sum())} pairs differ"
        return f"{a.shape[1]} pairs of point and sector, one by one"

    return race("join/sectors", "strtree", ours, strtree, same)


def main() -> int:
    """Run all and print them."""
    wishes = arguments(__doc__ or "")
    rng = np.random.default_rng(7)
    shapes = city(1_000 if wishes.small else 11_000, rng)
    many, few = (100_000, 50_000) if wishes.small else (10_000_000, 1_000_000)
    across = 30 if wishes.small else 100
    rows = [
        *race_all("join/reused", shapes, *points_of(many, rng), reused=True),
        *race_all("join/oneshot", shapes, *points_of(few, rng), reused=False),
        *race_all("join/ties", squares(across), *on_borders(across, few, rng), reused=True),
        race_sectors(20_000 if wishes.small else 200_000, few, rng),
    ]
    return report(rows, as_json=wishes.json)


if __name__ == "__main__":
    sys.exit(main())
