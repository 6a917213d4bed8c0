"""The index against shapely, point by point: borders, vertices, holes, overlaps, touching and nested polygons."""

import itertools
from fractions import Fraction

import numpy as np
import pyproj
import pytest
import shapely
from hypothesis import assume, given
from hypothesis import strategies as st

from geo_service.geography import polygon_index, polygon_kernels
from geo_service.geography import zones as zone_geometry
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


def stepped(value: float, steps: int) -> float:
    """Go some rounding steps up or down; from 0, where they would underflow, small steps."""
    if value == 0:
        return steps * 1e-20
    for _ in range(abs(steps)):
        value = float(np.nextafter(value, np.inf if steps > 0 else -np.inf))
    return value


few_steps = st.integers(-2, 2)
STEPS = [(i, j) for i in range(-2, 3) for j in range(-2, 3)]


@st.composite
def awkward(draw: st.DrawFn) -> list[shapely.Geometry]:
    """Draw slivers and ragged rings whose corners lie a few rounding steps off a fine lattice far from (0, 0)."""
    size = draw(st.sampled_from([1e-9, 1e-7, 1e-3, 1.0, 30.0]))
    west, south = draw(st.sampled_from([(0.0, 0.0), (116.5, 35.4), (-179.9, -89.9)]))
    place = st.tuples(st.integers(0, 4), st.integers(0, 4), few_steps, few_steps)

    def at(x: float, y: float, right: int, up: int) -> tuple[float, float]:
        return stepped(west + size * x, right), stepped(south + size * y, up)

    shapes: list[shapely.Geometry] = []
    for _ in range(draw(st.integers(1, 4))):
        if draw(st.booleans()):  # a third corner on the side between two others, or a rounding step beside it
            (x1, y1, *a), (x2, y2, *b) = draw(place), draw(place)
            t = draw(st.sampled_from([-0.7, 0.1, 1 / 3, 0.5, 1.3]))
            third = at(x1 + t * (x2 - x1), y1 + t * (y2 - y1), draw(few_steps), draw(few_steps))
            shape = shapely.Polygon([at(x1, y1, *a), at(x2, y2, *b), third])
        else:
            shape = shapely.Polygon([at(*corner) for corner in draw(st.lists(place, min_size=3, max_size=7))])
        assume(shape.is_valid)
        shapes.append(shape)
    return shapes


def exact_turn(*numbers: float) -> int:
    x1, y1, x2, y2, x, y = (Fraction(number) for number in numbers)
    area = (x2 - x1) * (y - y1) - (y2 - y1) * (x - x1)
    return (area > 0) - (area < 0)


def holds_exactly(shape: shapely.Geometry, x: float, y: float) -> bool:
    odd = False
    for ring in shapely.get_rings(shapely.get_parts(shape)):
        corners = shapely.get_coordinates(ring).tolist()
        for (x1, y1), (x2, y2) in itertools.pairwise(corners):
            turn = exact_turn(x1, y1, x2, y2, x, y)
            if turn == 0 and min(x1, x2) <= x <= max(x1, x2) and min(y1, y2) <= y <= max(y1, y2):
                return True
            odd ^= (y1 <= y) != (y2 <= y) and (turn > 0) == (y2 > y1)
    return odd


def assert_every_answer(shapes: list[shapely.Geometry], side: int | None, lon: np.ndarray, lat: np.ndarray):
    """Ours is shapely's; where shapely takes a point a rounding step beside an edge for one on it, ours is exact."""
    held = zones({str(i): shape for i, shape in enumerate(shapes)})
    held.__dict__["index"] = polygon_index.build(held.geometry, side)
    table = shapely.covers(held.geometry[None, :], shapely.points(lon, lat)[:, None])
    point, zone = zone_geometry.holders(held, lon, lat)
    ours = np.zeros_like(table)
    ours[point, zone] = True
    for i, j in np.argwhere(ours != table):
        assert ours[i, j] == holds_exactly(held.geometry[j], lon[i], lat[i])
    assert (point.tolist(), zone.tolist()) == tuple(side.tolist() for side in np.nonzero(ours))
    lowest = np.where(ours.any(axis=1), ours.argmax(axis=1), zone_geometry.OUTSIDE)
    assert zone_geometry.assign(held, lon, lat).tolist() == lowest.tolist()
    group = (np.arange(len(lon)) % 4 - 1).astype(np.int32)
    counted = zone_geometry.tally(held, lon, lat, group, 3)
    assert counted.tolist() == [[int(((lowest == z) & (group == g)).sum()) for g in range(3)] for z in range(len(held))]


SIDES = st.sampled_from([1, 2, 7, 64, None])


@given(st.lists(polygons(), min_size=1, max_size=6), SIDES)
def test_every_answer_is_shapelys(shapes: list[shapely.Geometry], side: int | None):
    assert_every_answer(shapes, side, *on_and_off(shapes))


@given(awkward(), SIDES)
def test_slivers_and_rounding_steps_are_told_apart(shapes: list[shapely.Geometry], side: int | None):
    xy = shapely.get_coordinates(shapes)
    ends = np.concatenate([xy, (xy[1:] + xy[:-1]) / 2, xy[:-1] + (xy[1:] - xy[:-1]) / 3])
    near = np.array([[stepped(x, i), stepped(y, j)] for x, y in ends for i, j in STEPS])
    assert_every_answer(shapes, side, *near.T)


degree = st.floats(-180, 180).filter(lambda value: value == 0 or abs(value) > 1e-100)  # no product underflows


@given(degree, degree, degree, degree, st.floats(-1, 2), few_steps, few_steps)
def test_the_side_of_an_edge_is_exact(x1: float, y1: float, x2: float, y2: float, t: float, right: int, up: int):
    """Points on a line as near as doubles come, some steps beside, and beside the steps of its ends."""
    x, y = stepped(x1 + t * (x2 - x1), right), stepped(y1 + t * (y2 - y1), up)
    assume(all(value == 0 or abs(value) > 1e-100 for value in (x, y)))
    for corners in ((x1, y1, x2, y2, x, y), (x2, y2, x, y, x1, y1), (x, y, x, y, x1, y1)):
        assert polygon_kernels.turn(*corners) == exact_turn(*corners)


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


def test_deep_overlaps_do_not_take_more_memory_than_said(monkeypatch: pytest.MonkeyPatch):
    middles = shapely.points(RNG.uniform(0, 1, (200, 2)))
    held = zones({f"{i:03d}": disc for i, disc in enumerate(shapely.buffer(middles, 0.5, quad_segs=60))})
    free = polygon_index.build(held.geometry)
    monkeypatch.setattr(polygon_index, "_MOST_ENTRIES", 1 << 16)
    bound = polygon_index.build(held.geometry)
    vertices = len(bound.vertex)
    assert bound.nbytes < 16 * (1 << 16) + 60 * vertices < free.nbytes
    lon, lat = RNG.uniform(-0.5, 1.5, (2, 2000))
    assert (polygon_index.first_hit(bound, lon, lat) == polygon_index.first_hit(free, lon, lat)).all()


def test_nan_infinity_and_far_away_are_outside():
    held = zones({"a": shapely.box(0, 0, 2, 2)})
    lon = np.array([np.nan, 1.0, np.inf, -np.inf, 1e300, 1.0])
    lat = np.array([1.0, np.nan, 1.0, 1.0, 1.0, 1.0])
    assert held.index.side > 1
    assert zone_geometry.assign(held, lon, lat).tolist() == [-1, -1, -1, -1, -1, 0]
    assert zone_geometry.holders(held, lon, lat)[0].tolist() == [5]


def test_read_only_and_strided_coordinates_are_taken():
    held = zones({"a": shapely.box(0, 0, 2, 2)})
    assert held.index.side > 1
    at = np.array([[1.0, 1.0], [3.0, 1.0]])
    at.setflags(write=False)
    assert zone_geometry.assign(held, *at.T).tolist() == [0, -1]


def test_warming_up_leaves_no_kernel_to_compile():
    polygon_index.warm_up()
    compiled = {name: len(kernel.signatures) for name, kernel in vars(polygon_kernels).items() if is_kernel(kernel)}
    held = zones({"a": shapely.box(0, 0, 2, 2), "b": shapely.box(1, 1, 3, 3)})
    lon, lat = RNG.uniform(0, 3, (2, 100_000))
    which = zone_geometry.assign(held, lon, lat)
    zone_geometry.holders(held, lon, lat)
    zone_geometry.tally(held, lon, lat, np.zeros(100_000, dtype=np.int32), 1)
    zone_geometry.edge_distance_m(held, which, lon, lat)
    assert {name: len(vars(polygon_kernels)[name].signatures) for name in compiled} == compiled


def is_kernel(value: object) -> bool:
    return hasattr(value, "signatures")


def test_no_polygons_hold_nothing():
    held = zones({})
    assert len(held.index) == 0
    assert zone_geometry.holders(held, np.array([1.0]), np.array([1.0]))[0].tolist() == []


@given(st.floats(-60, 60), st.floats(0.01, 0.19), st.floats(0.01, 0.19))
def test_the_distance_to_the_edge_is_the_geodesic_one(south: float, right: float, up: float):
    held = zones({"a": shapely.box(10, south, 10.2, south + 0.2)})
    found = zone_geometry.edge_distance_m(held, np.array([0]), np.array([10 + right]), np.array([south + up]))[0]
    at = (10 + right, south + up)
    feet = [(10, at[1]), (10.2, at[1]), (at[0], south), (at[0], south + 0.2)]
    geodesic = min(pyproj.Geod(ellps="WGS84").inv(*at, *foot)[2] for foot in feet)
    assert found == pytest.approx(geodesic, rel=2e-3)
