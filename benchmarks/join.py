"""Points to polygons: ours beside geopandas, shapely's STRtree, SedonaDB, DuckDB, dask-geopandas and PostGIS.

join/reused        a city of 11,000 polygons, 10 million points; what was built over the polygons is kept
join/reused_1m     the same, 1 million points
join/oneshot       the same, from polygons to ids: everything is built anew
join/philadelphia  1.5 million calls of ten years, 1,692 ward divisions; left out where the data is not
join/ties          a net of squares, most points on borders and corners
join/sectors       overlapping camera sectors, every one that sees a point
join/tally         counts per polygon, month and category, no ids written down; geopandas joins and counts
join/build         the time for the index over the city
join/memory        the memory it holds

Elsewhere the lowest polygon of each point counts.  All answers are compared point by point (pair by pair).

All take points that are ready for them: arrays for us, shapely points, geometry columns, a table.  A peer has answered
when it has every pair of point and polygon; finding the lowest of them is off its clock, and on ours.  What a side
builds over the points is always on its clock, for points are new.  SedonaDB and DuckDB build their index inside the
query, reused or not.  geopandas and STRtree join from the polygons to a tree of the points, which prepares each
polygon once: 0.73 s a million points, tree included; from the points to a kept tree of polygons took 1.03 s.  How the
others are tuned stands in _peers.py and peers/engines.py.
"""

import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import geopandas
import numpy as np
import pandas as pd
import shapely

from benchmarks import _race
from benchmarks._peers import CRIME, Engines, Pairs, PostGIS, postgis
from geo_service.geography import zones as zone_geometry
from geo_service.geography.zones import Zones

WEST, SOUTH, EAST, NORTH = 115.9, 34.4, 117.6, 36.0  # Jining's bounds [deg]
DEG_PER_M = 1 / 111_000

Read = Callable[[], Pairs]  # off the clock


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


@dataclass(frozen=True)
class Task:
    """Points to be joined to polygons."""

    what: str
    shapes: np.ndarray
    lon: np.ndarray
    lat: np.ndarray
    reused: bool = True

    def race(self, server: PostGIS) -> list[_race.Row]:
        """Race over the lowest polygon of each point."""
        kept = zoned(self.shapes)
        zone_geometry.assign(kept, self.lon, self.lat)  # compiled and built before the clock runs
        return self._race(
            lambda: zone_geometry.assign(kept if self.reused else zoned(self.shapes), self.lon, self.lat),
            lambda ours, read: same_ids(ours, lowest(*read(), len(ours))),
            server,
        )

    def race_pairs(self, server: PostGIS) -> list[_race.Row]:
        """Race over every pair of a point and a polygon that holds it."""
        kept = zoned(self.shapes)
        zone_geometry.holders(kept, self.lon, self.lat)
        return self._race(lambda: zone_geometry.holders(kept, self.lon, self.lat), same_pairs, server)

    def _race(
        self, ours: Callable[[], _race.T], same: Callable[[_race.T, Read], str], server: PostGIS
    ) -> list[_race.Row]:
        with ExitStack() as after:
            print(f"{self.what}: the peers load", file=sys.stderr, flush=True)
            folder = Path(after.enter_context(tempfile.TemporaryDirectory()))
            engines = Engines(folder, self.shapes, self.lon, self.lat)
            after.callback(engines.close)
            server.load(self.shapes, self.lon, self.lat)
            return _race.race_all(self.what, ours, self._peers(engines, server), same)

    def _peers(self, engines: Engines, server: PostGIS) -> dict[str, Callable[[], Read]]:
        points = np.asarray(shapely.points(self.lon, self.lat))
        frame, places = (geopandas.GeoDataFrame(geometry=these) for these in (points, self.shapes))

        def strtree() -> Read:
            zone, point = shapely.STRtree(points).query(self.shapes, predicate="covers")
            return lambda: (point, zone)

        def sjoin() -> Read:
            hits = places.sjoin(frame.iloc[:])  # of a view the tree is not kept in the frame
            return lambda: (hits["index_right"].to_numpy(), hits.index.to_numpy())

        def engine(name: str) -> Read:
            engines.join(name)
            return lambda: engines.pairs(name)

        def database() -> Read:
            if not self.reused:
                server.index()
            server.join()
            return server.pairs

        return {
            "strtree": strtree,
            "geopandas": sjoin,
            **{name: lambda name=name: engine(name) for name in Engines.NAMES},
            "postgis": database,
        }


def race_tally(shapes: np.ndarray, lon: np.ndarray, lat: np.ndarray, rng: np.random.Generator) -> list[_race.Row]:
    """Race over the counts of each polygon in 12 months and 5 categories."""
    groups = 12 * 5
    group = rng.integers(0, groups, len(lon)).astype(np.int32)
    kept = zoned(shapes)
    frame, places = (geopandas.GeoDataFrame(geometry=these) for these in (shapely.points(lon, lat), shapes))

    def theirs() -> np.ndarray:
        hits = places.sjoin(frame.iloc[:])
        cell = hits.index.to_numpy() * groups + group[hits["index_right"].to_numpy()]
        return np.bincount(cell, minlength=len(shapes) * groups).reshape(-1, groups)

    def same(ours: np.ndarray, counted: np.ndarray) -> str:
        assert (ours == counted).all(), f"{int((ours != counted).sum())} of {ours.size} counts differ"
        return f"{ours.size} counts, one by one; {int(ours.sum())} points in all"

    zone_geometry.tally(kept, lon, lat, group, groups)
    ours = partial(zone_geometry.tally, kept, lon, lat, group, groups)
    return _race.race_all("join/tally", ours, {"geopandas": theirs}, same)


def same_ids(ours: np.ndarray, theirs: np.ndarray) -> str:
    """Compare point by point."""
    different = int((ours != theirs).sum())
    assert different == 0, f"{different} of {len(ours)} points differ"
    return f"{len(ours)} points, zone by zone; {int((ours >= 0).sum())} inside one"


def same_pairs(ours: Pairs, read: Read) -> str:
    """Compare pair by pair."""
    point, zone = read()
    order = np.lexsort((zone, point))
    left, right = np.stack(ours), np.stack([point[order], zone[order]])
    assert left.shape == right.shape, f"{left.shape[1]} pairs, theirs {right.shape[1]}"
    assert (left == right).all(), f"{int((left != right).any(axis=0).sum())} pairs differ"
    return f"{left.shape[1]} pairs of point and sector, one by one"


def points_of(count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Give points all over the city."""
    return rng.uniform(WEST, EAST, count), rng.uniform(SOUTH, NORTH, count)


def on_borders(across: int, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Give points of which two thirds lie on a side or corner of a net of squares."""
    lon, lat = rng.uniform(0, across, (2, count))
    lon[::3], lat[::2] = np.round(lon[::3]), np.round(lat[::2])
    return lon, lat


def amid_sectors(count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Give points where the sectors are."""
    side = np.sqrt(0.1)
    return WEST + side * (EAST - WEST) * rng.random(count), SOUTH + side * (NORTH - SOUTH) * rng.random(count)


def philadelphia(*, small: bool) -> list[Task]:
    """Give the real calls and ward divisions, where they are."""
    years = "robbery_burglary_theft_2018_2019" if small else "incidents_2016_2025"
    calls = CRIME / f"philadelphia_{years}.csv.gz"
    if not calls.exists():
        print(f"join/philadelphia is left out: no {calls}", file=sys.stderr)
        return []
    at = pd.read_csv(calls, usecols=["lon", "lat"]).dropna()
    divisions = geopandas.read_file(CRIME / "philadelphia_polygons" / "2018-08-ward-divisions.geojson")
    places = np.asarray(divisions.sort_values("DIVISION_N").geometry)
    return [Task("join/philadelphia", places, at["lon"].to_numpy(), at["lat"].to_numpy())]


def main() -> int:
    """Run all and print them."""
    wishes = _race.arguments(__doc__ or "")
    rng = np.random.default_rng(7)
    shapes = city(1_000 if wishes.small else 11_000, rng)
    many, few = (100_000, 50_000) if wishes.small else (10_000_000, 1_000_000)
    across, cameras = (30, 20_000) if wishes.small else (100, 200_000)
    at = points_of(few, rng)
    lowest_of = [
        Task("join/reused", shapes, *points_of(many, rng)),
        Task("join/reused_1m", shapes, *at),
        Task("join/oneshot", shapes, *at, reused=False),
        *philadelphia(small=wishes.small),
        Task("join/ties", squares(across), *on_borders(across, few, rng)),
    ]
    with postgis() as server:
        rows = [row for task in lowest_of for row in task.race(server)]
        rows += Task("join/sectors", sectors(cameras, rng), *amid_sectors(few, rng)).race_pairs(server)
    rows += race_tally(shapes, *at, rng)
    rows += [
        _race.figure("join/build", lambda: zoned(shapes).index, "ms", 1000),
        _race.measured("join/memory", zoned(shapes).index.nbytes / 1e6, "MB", 200),
    ]
    return _race.report(rows, as_json=wishes.json)


if __name__ == "__main__":
    sys.exit(main())
