from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from geo_service.demo import city
from geo_service.geography import crossings
from geo_service.geography.crossings import Crossings
from geo_service.geography.streets import Streets
from tests.geography.drawing import Place, draw_m
from tests.geography.test_streets import arc, made


def met(*ways: tuple[str, list[Place]]) -> tuple[crossings.Crossing, ...]:
    """Give the crossings of two streets named Oak and Elm."""
    lines = np.array([shapely.LineString(line) for _, line in ways])
    oak, elm = sorted(Streets.of(lines, np.array([name for name, _ in ways])), key=lambda s: s.name, reverse=True)
    return crossings.crossings(oak, elm)


def test_two_streets_meet_where_they_cross_or_touch():
    at = draw_m("""
    e
a   b   c
    f   g
    """)
    found = Crossings.of(made(at, "Oak ac", "Elm ef", "Ash cg"))
    assert found.between(0, 1) == found.between(1, 0) == (crossings.Crossing(*at["b"], 0.0),)
    assert found.between(0, 2) == (crossings.Crossing(*at["c"], 0.0),)
    assert found.between(1, 2) == ()


def test_two_dual_carriageways_have_one_crossing():
    found = met(
        ("Oak", [(-500, 10), (500, 10)]),
        ("Oak", [(500, -10), (-500, -10)]),
        ("Elm", [(12, -500), (12, 500)]),
        ("Elm", [(-12, 500), (-12, -500)]),
    )
    assert found == (crossings.Crossing(0.0, 0.0, 0.0),)


@pytest.mark.parametrize("owner", ["Oak", "Elm", "", "Both"])
def test_a_roundabout_is_one_crossing_in_its_middle(owner: str):
    ring = arc(25.0, 0, 360)
    arms = [
        ("Oak", [(-300, 0), (-25, 0)]),
        ("Oak", [(25, 0), (300, 0)]),
        ("Elm", [(0, -300), (0, -25)]),
        ("Elm", [(0, 25), (0, 300)]),
    ]
    rings = {"": [], "Both": [("Oak", ring[:181]), ("Elm", ring[180:])]}.get(owner, [(owner, ring)])
    (found,) = met(*arms, *rings)
    assert (found.x, found.y) == pytest.approx((0.0, 0.0), abs=13.0)
    assert found.gap_m == 0.0


def test_a_ring_road_meets_a_radial_twice():
    ring = arc(1000.0, 0, 360)
    found = met(("Oak", ring), ("Elm", [(-2000, 0), (2000, 0)]))
    assert [(round(c.x), round(c.y), c.gap_m) for c in found] == [(-1000, 0, 0.0), (1000, 0, 0.0)]


def test_a_road_that_stops_at_the_kerb_meets_the_road_with_that_gap():
    found = met(("Oak", [(0, 0), (1000, 0)]), ("Elm", [(200, 200), (200, -200)]), ("Elm", [(240, -200), (800, -12)]))
    assert found == (crossings.Crossing(200.0, 0.0, 0.0), crossings.Crossing(800.0, 0.0, 12.0))


def test_streets_that_never_meet_have_their_nearest_approach_and_none_beyond_the_gap():
    oak, elm = ("Oak", [(0.0, 0.0), (1000.0, 0.0)]), [(400.0, 500.0), (400.0, 100.0), (900.0, 500.0)]
    assert met(oak, ("Elm", elm)) == (crossings.Crossing(400.0, 50.0, 100.0),)
    assert met(oak, ("Elm", [(x, y + 60) for x, y in elm])) == ()


def test_streets_that_share_a_stretch_meet_where_they_join_and_where_they_part():
    at = draw_m("""
a           d
   b     c
e           f
    """)
    found = Crossings.of(made(at, "Oak abcd", "Elm ebcf")).between(0, 1)
    assert [(c.x, c.y) for c in found] == [at["b"], at["c"]]


def test_no_streets_no_crossings():
    assert Crossings.of(made({})).between(0, 1) == ()


corner = st.tuples(st.integers(0, 20), st.integers(0, 20))


@given(st.lists(st.tuples(corner, corner), min_size=2, max_size=6))
def test_streets_meet_exactly_when_shapely_says_that_they_touch(ends: list[tuple[Place, Place]]):
    lines = [shapely.LineString(np.array(e) * 100.0) for e in ends]
    lines = [line for line in lines if line.length > 0]
    made_of = Streets.of(np.array(lines, dtype=object), np.array([f"s{i}" for i in range(len(lines))], dtype=object))
    found = Crossings.of(made_of)
    for i in range(len(lines)):
        for j in range(i + 1, len(lines)):
            apart = lines[i].distance(lines[j])
            between = found.between(i, j)
            assert bool(between) == (apart <= crossings.GAP_M)
            assert all(c.gap_m <= max(apart, crossings.SHORT_M) + 1e-6 for c in between)
            assert all(lines[i].distance(shapely.Point(c.x, c.y)) <= apart + 60 for c in between)


def test_the_made_up_city_meets_where_its_nodes_say():
    roads = city.build(0.1, until=datetime(2026, 3, 1, tzinfo=UTC)).roads.to_crs(4548)
    streets = Streets.of(
        np.array(roads.geometry.values), roads["name"].to_numpy(object), roads["width_m"].to_numpy() / 2
    )
    found = Crossings.of(streets)
    ends = pd.concat([pd.DataFrame({"node": roads[i], "street": streets.member}) for i in ("from_node", "to_node")])
    ends = ends[ends.street >= 0].drop_duplicates()
    both = ends.merge(ends, on="node")
    both = both[both.street_x < both.street_y]
    wanted = set(zip(both.street_x, both.street_y, strict=True))
    assert wanted
    assert {pair for pair, places in found.found.items() if places[0].gap_m == 0.0} == wanted
