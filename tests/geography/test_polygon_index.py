"""The index against shapely, point by point: borders, vertices, holes, overlaps, touching and nested polygons."""

import numpy as np
import pyproj
import pytest
import shapely
from hypothesis import assume, given
from hypothesis import strategies as st

from geo_service.geography import polygon_index
from geo_service.geography import zones as zone_geometry
from geo_service.geography.zones import Zones
from tests.geography.drawing import zones

RNG = np.random.Generator(np.random.PCG64(7))
whole = st.integers(0, 12)
corner = st.tuples(whole, whole)


@st.composite
def polygons(draw: st.DrawFn) -> shapely.Geometry:
    """Draw a polygon on whole numbers, so that borders touch: ragged, with holes, or several parts."""
    shape = shapely.make_valid(shapely.Polygon(draw(st.lists(corner, min_size=3, max_size=9))))
    if draw(st.booleans()):
        shape = shape.difference(shapely.box(*draw(corner), *draw(corner)))
    parts = [part for part in shapely.get_parts(shape) if part.geom_type == "Polygon"]
    assume(parts)
    return shapely.MultiPolygon(parts) if len(parts) > 1 else parts[0]


def on_and_off(shapes: list[shapely.Geometry]) -> tuple[np.ndarray, np.ndarray]:
    """Give vertices, middles and thirds of edges, points one rounding step beside them, and a lattice over all."""
    xy = shapely.get_coordinates(shapes)
    ends = np.concatenate([xy, (xy[1:] + xy[:-1]) / 2, xy[:-1] + (xy[1:] - xy[:-1]) / 3])
    beside = np.concatenate([np.nextafter(ends, ends + 1), np.nextafter(ends, ends - 1)])
    lattice = np.stack(np.meshgrid(np.arange(-1, 14, 0.5), np.arange(-1, 14, 0.5)), axis=-1).reshape(-1, 2)
    every = np.concatenate([ends, beside, lattice])
    return every[:, 0].copy(), every[:, 1].copy()


def held_by_shapely(held: Zones, lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """Give the table (points x zones) of what covers what."""
    return shapely.covers(held.geometry[None, :], shapely.points(lon, lat)[:, None])


@given(st.lists(polygons(), min_size=1, max_size=6), st.sampled_from([1, 2, 7, 64, None]))
def test_every_answer_is_shapelys(shapes: list[shapely.Geometry], side: int | None):
    held = zones({str(i): shape for i, shape in enumerate(shapes)})
    held.__dict__["index"] = polygon_index.build(held.geometry, side)
    lon, lat = on_and_off(shapes)
    table = held_by_shapely(held, lon, lat)
    lowest = np.where(table.any(axis=1), table.argmax(axis=1), zone_geometry.OUTSIDE)
    assert zone_geometry.assign(held, lon, lat).tolist() == lowest.tolist()
    point, zone = zone_geometry.holders(held, lon, lat)
    assert (point.tolist(), zone.tolist()) == tuple(side.tolist() for side in np.nonzero(table))
    group = (np.arange(len(lon)) % 4 - 1).astype(np.int32)
    counted = zone_geometry.tally(held, lon, lat, group, 3)
    assert counted.tolist() == [[int(((lowest == z) & (group == g)).sum()) for g in range(3)] for z in range(len(held))]


def test_few_points_are_looked_up_without_an_index_and_alike():
    held = zones({"a": shapely.box(0, 0, 2, 2), "b": shapely.box(1, 1, 3, 3)})
    lon, lat = on_and_off(list(held.geometry))
    without = zone_geometry.assign(held, lon, lat)
    assert "index" not in vars(held)
    assert held.index.nbytes > 0
    assert zone_geometry.assign(held, lon, lat).tolist() == without.tolist()


def test_a_hundred_thousand_points_in_threads():
    """Blobs with ragged borders side by side; enough points for every thread, one in ten on a vertex."""
    turn = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    middle = np.stack(np.meshgrid(np.arange(50), np.arange(50)), axis=-1).reshape(-1, 1, 2)
    radius = RNG.uniform(0.3, 0.7, (2500, 40, 1))
    shapes = shapely.polygons(middle + radius * np.stack([np.cos(turn), np.sin(turn)], axis=-1))
    held = zones({f"{i:04d}": shape for i, shape in enumerate(shapes)})
    lon, lat = RNG.uniform(-1, 51, (2, 100_000))
    lon[::10], lat[::10] = RNG.choice(shapely.get_coordinates(shapes), 10_000).T
    point, zone = shapely.STRtree(held.geometry).query(shapely.points(lon, lat), predicate="covered_by")
    order = np.lexsort((zone, point))
    assert (zone_geometry.holders(held, lon, lat)[0] == point[order]).all()
    assert (zone_geometry.holders(held, lon, lat)[1] == zone[order]).all()
    lowest = np.full(len(lon), len(held))
    np.minimum.at(lowest, point, zone)
    assert (zone_geometry.assign(held, lon, lat) == np.where(lowest == len(held), -1, lowest)).all()


def test_nan_infinity_and_far_away_are_outside():
    held = zones({"a": shapely.box(0, 0, 2, 2)})
    lon = np.array([np.nan, 1.0, np.inf, -np.inf, 1e300, 1.0])
    lat = np.array([1.0, np.nan, 1.0, 1.0, 1.0, 1.0])
    assert held.index.side > 1
    assert zone_geometry.assign(held, lon, lat).tolist() == [-1, -1, -1, -1, -1, 0]
    assert zone_geometry.holders(held, lon, lat)[0].tolist() == [5]


def test_no_polygons_hold_nothing():
    held = zones({})
    assert held.index.polygons == 0
    assert zone_geometry.holders(held, np.array([1.0]), np.array([1.0]))[0].tolist() == []


@given(st.floats(-60, 60), st.floats(0.01, 0.19), st.floats(0.01, 0.19))
def test_the_distance_to_the_edge_is_the_geodesic_one(south: float, right: float, up: float):
    held = zones({"a": shapely.box(10, south, 10.2, south + 0.2)})
    found = zone_geometry.edge_distance_m(held, np.array([0]), np.array([10 + right]), np.array([south + up]))[0]
    at = (10 + right, south + up)
    feet = [(10, at[1]), (10.2, at[1]), (at[0], south), (at[0], south + 0.2)]
    geodesic = min(pyproj.Geod(ellps="WGS84").inv(*at, *foot)[2] for foot in feet)
    assert found == pytest.approx(geodesic, rel=2e-3)
