import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from geo_service.geography import zones as zone_geometry
from tests.geography.drawing import Place, draw, polygon, zones


def assign(at: dict[str, Place], polygons: dict[str, shapely.Geometry]) -> dict[str, str | None]:
    """Give the id that holds each small letter from o on."""
    letters = [letter for letter in at if letter in "opqrstuvwxyz"]
    lon, lat = np.array([at[i] for i in letters]).T
    held = zones(polygons)
    which = zone_geometry.assign(held, lon, lat)
    return {i: (held.ids[w] if w >= 0 else None) for i, w in zip(letters, which, strict=True)}


def test_a_point_on_a_shared_border_belongs_to_one_zone_only():
    at = draw("""
a   b   c
  x y z     o
d   e   f
    """)
    both = {"west": polygon(at, "abed"), "east": polygon(at, "bcfe")}
    assert assign(at, both) == {"x": "west", "y": "east", "z": "east", "o": None}


def test_a_corner_and_a_hole_edge_belong_a_hole_does_not():
    at = draw("""
a       b
  i   j
    x
  k   l
d       c
    """)
    ring = shapely.Polygon([at[i] for i in "abcd"], [[at[i] for i in "ijlk"]])
    held = zones({"ring": ring})
    lon, lat = np.array([at["a"], at["i"], at["x"]]).T
    assert zone_geometry.assign(held, lon, lat).tolist() == [0, 0, zone_geometry.OUTSIDE]


def test_the_lowest_id_is_the_lowest_as_text():
    at = draw("""
a    b
  x
d    c
    """)
    same = polygon(at, "abcd")
    assert assign(at, {"9": same, "10": same, "2": same}) == {"x": "10"}


def test_no_zones_no_points_and_nan_are_outside():
    at = draw("""
a b
d c
    """)
    held = zones({"only": polygon(at, "abcd")})
    nan, some = np.array([np.nan, 116.0]), np.array([35.0, np.nan])
    assert zone_geometry.assign(held, nan, some).tolist() == [-1, -1]
    assert zone_geometry.assign(zones({}), np.array([116.0]), np.array([35.0])).tolist() == [-1]
    assert zone_geometry.assign(held, np.empty(0), np.empty(0)).tolist() == []


def test_a_point_outside_has_a_reason():
    at = draw("""
a   b   i   j
  x   y
d   c   l   k     o
    """)
    held = zones({"a": polygon(at, "abcd"), "b": polygon(at, "ijkl")})
    lon = np.array([at["x"][0], at["y"][0], at["o"][0], np.nan, at["x"][0], np.inf, 35.0])
    lat = np.array([at["x"][1], at["y"][1], at["o"][1], 35.0, np.nan, 35.0, 116.0])
    assert zone_geometry.why_outside(held, lon, lat).tolist() == [
        "",
        "between_zones",
        "outside_bounds",
        "no_coordinates",
        "no_coordinates",
        "out_of_range",
        "out_of_range",
    ]
    assert zone_geometry.why_outside(zones({}), np.array([116.0]), np.array([35.0])).tolist() == ["outside_bounds"]


corner = st.tuples(st.integers(0, 6), st.integers(0, 6))


@given(st.lists(st.tuples(corner, corner), min_size=1, max_size=6), st.lists(corner, min_size=1, max_size=20))
def test_agrees_with_shapely_covers_point_by_point(boxes: list[tuple[Place, Place]], places: list[Place]):
    drawn = {str(i): shapely.box(*a, b[0] + 1, b[1] + 1) for i, (a, b) in enumerate(boxes)}
    drawn = {i: box for i, box in drawn.items() if box.area > 0}
    held = zones(drawn)
    lon, lat = np.array(places, dtype=float).T
    expected = [
        next((n for n, i in enumerate(held.ids) if drawn[i].covers(shapely.Point(p))), zone_geometry.OUTSIDE)
        for p in places
    ]
    assert zone_geometry.assign(held, lon, lat).tolist() == expected


def test_bounds_are_west_south_east_north():
    held = zones({"a": shapely.box(1, 2, 3, 4), "b": shapely.box(5, 6, 7, 8)})
    assert held.bounds() == pytest.approx((1, 2, 7, 8))
