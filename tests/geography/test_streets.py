import math
from datetime import UTC, datetime

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from geo_service.demo import city
from geo_service.errors import BadInput, BadParameter
from geo_service.geography import streets
from geo_service.geography.streets import Street, Streets
from tests.geography.drawing import Place, draw_m

NORTH, EAST, SOUTH, WEST = 0.0, 90.0, 180.0, 270.0


def made(at: dict[str, Place], *ways: str) -> Streets:
    """Make streets of words "Oak abc": a name and the letters a line runs through."""
    named = [way.split() for way in ways]
    lines = np.array([shapely.LineString([at[i] for i in letters]) for _, letters in named], dtype=object)
    return Streets.of(lines, np.array([name for name, _ in named], dtype=object))


def arc(radius: float, from_deg: float, to_deg: float) -> list[Place]:
    """Draw an arc around 0, 0 with a vertex each degree, by compass bearing."""
    steps = np.radians(np.linspace(from_deg, to_deg, round(abs(to_deg - from_deg)) + 1))
    return list(zip((radius * np.sin(steps)).tolist(), (radius * np.cos(steps)).tolist(), strict=True))


def only(*lines: list[Place]) -> Street:
    (street,) = Streets.of(np.array([shapely.LineString(i) for i in lines]), np.array(["Oak"] * len(lines)))
    return street


def ends(walk: streets.Walk) -> Place:
    return round(walk.x, 6), round(walk.y, 6)


# --- lines that make a street --------------------------------------------------------------------------------------


def test_lines_of_one_name_that_touch_are_one_street():
    at = draw_m("""
a   b   c     e   f
        d
    """)
    city = made(at, "Oak ab", "Oak bc", "Elm cd", "Oak ef", "Oak cd")
    assert [s.name for s in city] == ["Oak", "Elm", "Oak"]
    assert city.member.tolist() == [0, 0, 1, 2, 0]
    assert city[0].lengths_m.tolist() == [900.0]
    assert [s.lengths_m.tolist() for s in city[1:]] == [[100.0], [400.0]]


def test_lines_no_farther_apart_than_the_gap_are_one_street():
    a, b = shapely.linestrings([[(0, 0), (100, 0)], [(150, 0), (250, 0)]])
    for gap_m, count in ((49.0, 2), (50.0, 1)):
        assert len(Streets.of(np.array([a, b]), np.array(["Oak", "Oak"]), gap_m=gap_m)) == count


def test_a_group_tells_two_roads_of_one_name_apart():
    lines = shapely.linestrings([[(0, 0), (100, 0)], [(100, 0), (200, 0)]])
    city = Streets.of(lines, np.array(["Oak", "Oak"]), group=np.array(["north/Oak", "south/Oak"]))
    assert [s.name for s in city] == ["Oak", "Oak"]


def test_a_line_without_a_name_is_in_no_street():
    lines = shapely.linestrings([[(0, 0), (100, 0)], [(0, 5), (100, 5)], [(0, 9), (0.2, 9)]])
    city = Streets.of(lines, np.array(["", None, "Oak"], dtype=object))
    assert (len(city), city.member.tolist()) == (0, [-1, -1, -1])
    assert city.nearest(np.array([1.0]), np.array([1.0]))[0].tolist() == [-1]


def test_ends_within_half_a_metre_are_joined():
    city = only([(0, 0), (100, 0)], [(100.3, 0.2), (200, 0)])
    assert city.lengths_m == pytest.approx([200.0], abs=0.1)


def test_a_street_goes_straight_on_where_it_branches_and_the_longest_line_is_first():
    at = draw_m("""
            d
a   b   c   e   f
    """)
    (oak,) = made(at, "Oak dc", "Oak cef", "Oak abc")
    assert [g.wkt for g in oak.geometry.geoms] == [
        "LINESTRING (0 -100, 400 -100, 800 -100, 1200 -100, 1600 -100)",
        "LINESTRING (1200 0, 800 -100)",
    ]


def test_a_line_runs_the_way_most_of_it_was_drawn():
    at = draw_m("a b     c")
    (oak,) = made(at, "Oak ba", "Oak bc")
    assert oak.geometry.geoms[0].coords[0] == at["a"]


def test_half_width_is_the_mean_by_length_and_unknown_without_any():
    lines = shapely.linestrings([[(0, 0), (100, 0)], [(100, 0), (400, 0)]])
    names = np.array(["Oak", "Oak"])
    assert Streets.of(lines, names, np.array([2.0, 6.0]))[0].half_width_m == 5.0
    assert Streets.of(lines, names, np.array([2.0, np.nan]))[0].half_width_m == 2.0
    assert math.isnan(Streets.of(lines, names)[0].half_width_m)


def test_what_is_no_line_is_refused():
    with pytest.raises(BadInput, match="line 1 is a POINT"):
        Streets.of(np.array([shapely.LineString([(0, 0), (1, 1)]), shapely.Point(0, 0)]), np.array(["a", "b"]))


# --- positions -----------------------------------------------------------------------------------------------------


def test_left_is_positive_also_in_the_wedge_outside_a_corner():
    oak = only([(0, 0), (100, 0), (100, 50)])
    found = streets.position(oak, np.array([50.0, 50.0, 103.0, 97.0]), np.array([4.0, -4.0, -4.0, 4.0]))
    assert found.measure_m.tolist() == [50.0, 50.0, 100.0, 104.0]
    assert found.aside_m.tolist() == [4.0, -4.0, -5.0, 3.0]


def test_nan_has_no_position():
    found = streets.position(only([(0, 0), (100, 0)]), np.array([np.nan, 1.0]), np.array([1.0, np.nan]))
    assert found.line.tolist() == [-1, -1]
    assert np.isnan(found.measure_m).all()


def test_a_stretch_keeps_the_corners_between_and_the_order_asked():
    oak = only([(0, 0), (100, 0), (100, 50)])
    assert streets.stretch(oak, 0, 90, 110).wkt == "LINESTRING (90 0, 100 0, 100 10)"
    assert streets.stretch(oak, 0, 999, 100).wkt == "LINESTRING (100 50, 100 0)"


coordinate = st.integers(-300, 300)
place = st.tuples(coordinate, coordinate)
way = st.lists(place, min_size=2, max_size=7, unique=True)


@given(way, st.lists(place, min_size=1, max_size=9))
def test_position_and_at_equal_what_shapely_locates_and_interpolates(drawn: list[Place], asked: list[Place]):
    oak, line, points = only(drawn), shapely.LineString(drawn), shapely.points(asked)
    found = streets.position(oak, *np.array(asked, dtype=float).T)
    feet = streets.at(oak, found.line, found.measure_m)
    assert np.abs(found.aside_m) == pytest.approx(shapely.distance(line, points), abs=1e-9)
    assert shapely.distance(shapely.points(*feet), points) == pytest.approx(shapely.distance(line, points), abs=1e-9)
    on_line = shapely.line_interpolate_point(line, found.measure_m)
    reverse = shapely.line_interpolate_point(line, line.length - found.measure_m)
    there = oak.geometry.geoms[0].coords[0] == line.coords[0]
    assert shapely.distance(on_line if there else reverse, shapely.points(*feet)) == pytest.approx(0.0, abs=1e-9)


@given(st.floats(1, 99), st.floats(-20, 20))
def test_at_undoes_position_beside_a_straight_road(measure: float, aside: float):
    oak = only([(10, 20), (70, 100)])
    found = streets.position(oak, *streets.at(oak, 0, measure, aside))
    assert (float(found.measure_m), float(found.aside_m)) == pytest.approx((measure, aside), abs=1e-9)


# --- walks ---------------------------------------------------------------------------------------------------------


def test_one_walks_around_the_corner_and_not_along_the_compass():
    at = draw_m("""
a   b

    c
    """)
    (oak,) = made(at, "Oak abc")
    there = streets.walk(oak, 300.0, 10.0, EAST, 200)
    assert ends(there) == (400.0, -100.0)
    assert there.line.wkt == "LINESTRING (300 0, 400 0, 400 -100)"
    assert (there.left_m, there.foot_m, there.apart_deg) == pytest.approx((0.0, 10.0, 45.0))


def test_a_curved_road_is_walked_along_its_curve():
    oak = only(arc(200.0, 0, 90))
    there = streets.walk(oak, 0.0, 200.0, EAST, 200.0 * math.pi / 4)
    assert ends(there) == pytest.approx((200.0 * math.sin(math.pi / 4), 200.0 * math.cos(math.pi / 4)), abs=0.05)
    assert there.apart_deg == pytest.approx(22.5, abs=0.1)


def test_a_road_that_ends_leaves_metres_over():
    oak = only([(0, 0), (100, 0)])
    there = streets.walk(oak, 60.0, 0.0, EAST, 70.0)
    assert (ends(there), there.left_m) == ((100.0, 0.0), 30.0)


def test_at_a_branch_one_goes_straight():
    at = draw_m("""
        d
a   b   c
        e
    """)
    (oak,) = made(at, "Oak ab", "Oak bc", "Oak bd", "Oak be")
    assert ends(streets.walk(oak, *at["a"], EAST, 700)) == (700.0, -100.0)


def test_a_branch_is_taken_when_it_is_where_the_bearing_points():
    at = draw_m("""
    d
a   b   c
    """)
    (oak,) = made(at, "Oak abc", "Oak bd")
    assert ends(streets.walk(oak, *at["b"], NORTH, 80)) == (400.0, -20.0)
    assert ends(streets.walk(oak, at["b"][0] + 15, at["b"][1], NORTH, 80)) == (400.0, -20.0)
    assert ends(streets.walk(oak, *at["b"], WEST, 80)) == (320.0, -100.0)


def test_a_branch_that_ends_at_the_main_line_goes_on_along_it():
    oak = only([(0, 0), (400, 0)], [(100, 300), (200, 0)])
    there = streets.walk(oak, 100.0, 300.0, SOUTH, 416.2278)
    assert ends(there) == pytest.approx((300.0, 0.0), abs=0.01)


def test_of_two_carriageways_the_nearer_one_is_walked():
    oak = only([(0, 10), (500, 10)], [(500, -10), (0, -10)])
    assert len(oak.lengths_m) == 2
    assert ends(streets.walk(oak, 250.0, 7.0, WEST, 100)) == (150.0, 10.0)
    assert ends(streets.walk(oak, 250.0, -7.0, WEST, 100)) == (150.0, -10.0)


def test_where_carriageways_part_one_keeps_right_on():
    at = draw_m(
        """
      c     d
a   b
      e     f
    """,
        20.0,
    )
    (oak,) = made(at, "Oak ab", "Oak bcd", "Oak feb")
    east, west = streets.walk(oak, *at["d"], WEST, 230), streets.walk(oak, *at["f"], WEST, 230)
    assert (east.y, west.y) == (-20.0, -20.0)
    assert (east.left_m, west.left_m) == (0.0, 0.0)


def test_a_small_gap_is_crossed_and_counted():
    oak = only([(0, 0), (100, 0)], [(140, 0), (300, 5)])
    assert len(oak.lengths_m) == 2
    there = streets.walk(oak, 50.0, 0.0, EAST, 150)
    assert (there.x, there.left_m) == (pytest.approx(200.0, abs=0.1), 0.0)
    assert ends(streets.walk(oak, 50.0, 0.0, EAST, 70)) == (120.0, 0.0)


def test_one_does_not_turn_back_where_a_carriageway_ends():
    oak = only([(0, 10), (500, 10)], [(480, -10), (0, -10)])
    assert streets.walk(oak, 450.0, 10.0, EAST, 100).left_m == 50.0


def test_a_roundabout_is_driven_through_not_round_and_round():
    ring = arc(20.0, 0, 360)
    ring[-1] = ring[0]
    oak = only(ring, [(-300, 0), (-20, 0)], [(20, 0), (300, 0)], [(0, 20), (0, 300)])
    there = streets.walk(oak, -100.0, 0.0, EAST, 200)
    assert ends(there) == pytest.approx((100.0, 0.0), abs=0.1)
    assert ends(streets.walk(oak, 0.0, 0.0, EAST, 100)) == pytest.approx((120.0, 0.0), abs=0.1)
    assert ends(streets.walk(oak, 0.0, 0.0, NORTH, 100)) == pytest.approx((0.0, 120.0), abs=0.1)


def test_a_ring_road_has_no_end():
    ring = arc(1000.0, 0, 360)
    ring[-1] = ring[0]
    oak = only(ring)
    there = streets.walk(oak, *arc(1000.0, 350, 360)[0], EAST, oak.lengths_m[0] / 18)
    assert ends(there) == pytest.approx(arc(1000.0, 0, 10)[-1], abs=0.1)


def test_a_walk_of_nothing_ends_at_the_foot():
    there = streets.walk(only([(0, 0), (100, 0)]), 30.0, 5.0, EAST, 0.0)
    assert (ends(there), there.left_m) == ((30.0, 0.0), 0.0)
    assert math.isnan(there.apart_deg)
    assert there.line.length == 0.0


@pytest.mark.parametrize("wrong", [(math.nan, 0.0, 0.0, 1.0), (0.0, 0.0, math.inf, 1.0), (0.0, 0.0, 0.0, -1.0)])
def test_a_walk_to_nowhere_is_refused(wrong: tuple[float, float, float, float]):
    with pytest.raises(BadParameter, match="finite"):
        streets.walk(only([(0, 0), (100, 0)]), *wrong)


@given(st.lists(st.floats(-25, 25), min_size=4, max_size=30), st.floats(0, 1), st.floats(0, 1))
def test_walking_there_and_back_returns(bends: list[float], start: float, share: float):
    heading = np.radians(np.cumsum(bends).clip(-60, 60))  # winds, but never turns back
    drawn = np.cumsum(np.stack([np.cos(heading), np.sin(heading)], axis=1) * 40.0, axis=0)
    oak = only(drawn.tolist())
    here = streets.at(oak, 0, start * oak.lengths_m[0])
    there = streets.walk(oak, float(here[0]), float(here[1]), EAST, share * (1 - start) * oak.lengths_m[0])
    assert shapely.LineString(drawn).distance(shapely.Point(there.x, there.y)) < 1e-6
    assert there.line.length + there.left_m == pytest.approx(share * (1 - start) * oak.lengths_m[0], abs=1e-6)
    back = streets.walk(oak, there.x, there.y, WEST, there.line.length)
    assert (back.x, back.y) == pytest.approx((float(here[0]), float(here[1])), abs=1e-6)


def test_a_long_path_has_room_for_all_its_corners():
    drawn = [(i * 1.0, (i % 2) * 1.0) for i in range(500)]
    there = streets.walk(only(drawn), 0.0, 0.0, EAST, 600.0)
    assert there.line.length == pytest.approx(600.0)
    assert len(there.path) > 400


# --- the nearest street --------------------------------------------------------------------------------------------


def test_the_nearest_street_of_a_point_and_the_lowest_of_two():
    at = draw_m("""
a       b
c       d
    """)
    city = made(at, "Oak ab", "Elm cd")
    which, away = city.nearest(np.array([100.0, 100.0, 100.0, np.nan]), np.array([-20.0, -50.0, -70.0, 0.0]))
    assert which.tolist() == [0, 0, 1, -1]
    assert away[:3].tolist() == [20.0, 50.0, 30.0]


# --- a city --------------------------------------------------------------------------------------------------------


def test_in_the_made_up_city_one_walks_each_road_from_end_to_end():
    roads = city.build(0.1, until=datetime(2026, 3, 1, tzinfo=UTC)).roads.to_crs(4548)
    lines, names = np.array(roads.geometry.values), roads["name"].to_numpy(object)
    every = Streets.of(lines, names, roads["width_m"].to_numpy() / 2)
    assert len(every) >= len(set(names))
    for line, number, width in zip(lines, every.member.tolist(), roads["width_m"], strict=True):
        if number < 0:
            assert line.length < 1.0
            continue
        street, (x, y) = every[number], line.coords[0]
        ahead = line.interpolate(min(80.0, line.length))
        there = streets.walk(street, x, y, math.degrees(math.atan2(ahead.x - x, ahead.y - y)), line.length)
        assert (there.x, there.y) == pytest.approx(line.coords[-1], abs=1.0)
        assert street.half_width_m == pytest.approx(width / 2)
        assert there.left_m == pytest.approx(0.0, abs=1.0)
