import math
from datetime import UTC, datetime

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from geo_service.demo import city
from geo_service.errors import BadInput, BadParameter
from geo_service.geography import road_kernels as kernels
from geo_service.geography import roads
from geo_service.geography.roads import Network
from tests.geography.drawing import Place, draw_m

METRE_A_SECOND = 3.6  # km/h


def made(at: dict[str, Place], *ways: str, cut: bool = False, one_way: list[int] | None = None) -> Network:
    """Make a network of words "abc": the letters a line runs through."""
    lines = np.array([shapely.LineString([at[i] for i in way]) for way in ways])
    return Network.of(lines, cut=cut, one_way=None if one_way is None else np.array(one_way))


def reached(network: Network, place: Place, minutes: float, speed_kmh: roads.Speeds = METRE_A_SECOND) -> list[str]:
    return [shapely.to_wkt(line, 0) for line in roads.reach(network, *place, minutes, speed_kmh).lines]


def seconds(network: Network, a: Place, b: Place, speed_kmh: roads.Speeds = METRE_A_SECOND) -> float:
    points = [(np.array([x]), np.array([y])) for x, y in (a, b)]
    return float(roads.seconds_between(network, points[0], points[1], speed_kmh)[0, 0])


# --- nodes and edges -----------------------------------------------------------------------------------------------


def test_edges_meet_where_their_ends_do_within_the_tolerance():
    lines = shapely.linestrings([[(0, 0), (100, 0)], [(100.3, 0.2), (100, 90)], [(101, 0), (200, 0)]])
    network = Network.of(lines)
    assert (network.head[0], len(network.nodes)) == (network.tail[1], 5)
    assert network.tail[2] != network.head[0]
    assert network.length_m == pytest.approx([100, 90, 99], abs=0.3)


def test_lines_that_cross_are_cut_there_when_asked():
    at = draw_m("""
    e
a   b   c
    f   g
    """)
    assert len(made(at, "ac", "ef", "cg")) == 3
    network = made(at, "ac", "ef", "cg", cut=True)
    assert network.row.tolist() == [0, 0, 1, 1, 2]
    assert network.length_m.tolist() == [400.0, 400.0, 100.0, 100.0, 100.0]
    assert len(network.nodes) == 6


def test_a_line_that_ends_beside_another_within_the_tolerance_cuts_it():
    lines = shapely.linestrings([[(0, 0), (100, 0)], [(40, 50), (40, 0.4)]])
    network = Network.of(lines, cut=True)
    assert (len(network), len(network.nodes)) == (3, 4)


def test_lines_that_share_a_stretch_are_cut_where_they_join_and_part():
    at = draw_m("""
a           d
   b     c
e           f
    """)
    network = made(at, "abcd", "ebcf", cut=True)
    assert network.row.tolist() == [0, 0, 0, 1, 1, 1]
    assert len(network.nodes) == 6


def test_an_edge_knows_its_line():
    lines = shapely.from_wkt(["MULTILINESTRING ((0 0, 9 0), (0 5, 9 5))", "LINESTRING EMPTY", "LINESTRING (0 9, 9 9)"])
    assert Network.of(lines).row.tolist() == [0, 0, 2]


def test_what_is_no_line_or_not_finite_is_refused():
    with pytest.raises(BadInput, match="line 0 is a POLYGON"):
        Network.of(np.array([shapely.box(0, 0, 1, 1)]))
    with np.errstate(invalid="ignore"):
        lines = shapely.linestrings([[(0, 0), (1, 1)], [(0, 0), (math.nan, 1)]], handle_nan="allow")
    with pytest.raises(BadInput, match="line 1 has a coordinate that is not finite"):
        Network.of(lines)


def test_no_roads_reach_nothing():
    network = Network.of(np.empty(0, dtype=object))
    assert len(network) == 0
    assert math.isnan(seconds(network, (0.0, 0.0), (1.0, 1.0)))


# --- reach ---------------------------------------------------------------------------------------------------------


def test_the_last_edges_are_reached_in_part_and_cut_exactly():
    at = draw_m("""
        d
a   b   c
        e
    """)
    network = made(at, "ac", "cd", "ec")
    assert reached(network, (500.0, -100.0), 6) == [
        "LINESTRING (140 -100, 800 -100)",
        "LINESTRING (800 -100, 800 -40)",
        "LINESTRING (800 -160, 800 -100)",
    ]


def test_an_edge_is_reached_from_both_ends():
    at = draw_m("""
a   b
d   c
    """)
    network = made(at, "ad", "ab", "dc", "bc")
    assert reached(network, (0.0, -50.0), 8)[-2:] == ["LINESTRING (400 0, 400 -30)", "LINESTRING (400 -70, 400 -100)"]
    found = roads.reach(network, 0.0, -50.0, 8.4, METRE_A_SECOND)
    assert found.edge.tolist() == [0, 1, 2, 3]
    assert shapely.length(found.lines).sum() == pytest.approx(shapely.length(network.geometry).sum())


def test_a_one_way_road_is_driven_one_way():
    at = draw_m("a   b   c")
    network = made(at, "ac", one_way=[1])
    assert reached(network, at["b"], 1) == ["LINESTRING (400 0, 460 0)"]
    assert reached(made(at, "ac", one_way=[-1]), at["b"], 1) == ["LINESTRING (340 0, 400 0)"]
    assert seconds(network, at["a"], at["b"]) == 400.0
    assert seconds(network, at["b"], at["a"]) == math.inf


def test_speeds_may_differ_by_edge():
    at = draw_m("a   b   c")
    network = made(at, "ab", "bc")
    assert seconds(network, at["a"], at["c"], np.array([36.0, 72.0])) == pytest.approx(40.0 + 20.0)


def test_of_two_edges_between_two_nodes_the_quicker_one_counts():
    at = draw_m("""
  d
a   b
    """)
    assert seconds(made(at, "adb", "ab"), at["a"], at["b"]) == 400.0


def test_two_places_on_one_edge_are_reached_along_it_or_around():
    at = draw_m("""
a             b
d             c
    """)
    network = made(at, "adcb", "ab")
    near_a, near_b = (0.0, -10.0), (1400.0, -10.0)
    assert seconds(network, near_a, near_b) == 1420.0
    assert seconds(network, (100.0, -100.0), (300.0, -100.0)) == 200.0


def test_roads_that_do_not_meet_are_infinitely_far_and_nan_is_nan():
    network = Network.of(shapely.linestrings([[(0, 0), (100, 0)], [(0, 50), (100, 50)]]))
    assert seconds(network, (0.0, 0.0), (0.0, 50.0)) == math.inf
    assert math.isnan(seconds(network, (math.nan, 0.0), (0.0, 50.0)))


@pytest.mark.parametrize("speed", [0.0, -1.0, math.nan, math.inf])
def test_a_speed_that_is_none_is_refused(speed: float):
    network = Network.of(shapely.linestrings([[(0, 0), (100, 0)]]))
    with pytest.raises(BadParameter, match="speed"):
        roads.reach(network, 0.0, 0.0, 1.0, speed)
    with pytest.raises(BadParameter, match="minutes"):
        roads.reach(network, math.nan, 0.0, 1.0)


def test_the_ground_of_a_reach_is_its_lines_made_wide():
    found = roads.reach(Network.of(shapely.linestrings([[(0, 0), (100, 0)]])), 50.0, 0.0, 9.0)
    assert found.polygon(10.0).area == pytest.approx(100 * 20 + math.pi * 100, rel=0.02)


corner = st.integers(0, 6).map(lambda i: (float(i), i * i / 5))  # on a curve: no road runs over a corner of others
edge = st.tuples(corner, corner, st.sampled_from([-1, 0, 1])).filter(lambda e: e[0] != e[1])
network_drawn = st.lists(edge, min_size=1, max_size=12)


def relaxed(network: Network, start: int) -> list[float]:
    """Give the shortest metres from a node to all by relaxing every edge until nothing changes (Bellman-Ford)."""
    best = [math.inf] * len(network.nodes)
    best[start] = 0.0
    for _ in best:
        for a, b, m, on, back in zip(
            network.tail, network.head, network.length_m, network.onward, network.back, strict=True
        ):
            best[b] = min(best[b], best[a] + m) if on else best[b]
            best[a] = min(best[a], best[b] + m) if back else best[a]
    return best


@given(network_drawn)
def test_times_equal_those_of_relaxing_every_edge(drawn: list[tuple[Place, Place, int]]):
    lines = shapely.linestrings(np.array([(a, b) for a, b, _ in drawn]) * 100.0)
    network = Network.of(lines, one_way=np.array([w for *_, w in drawn]))
    x, y = network.nodes.T
    found = roads.seconds_between(network, (x, y), (x, y), METRE_A_SECOND)
    for i in range(len(network.nodes)):
        assert found[i].tolist() == pytest.approx(relaxed(network, i))


@given(network_drawn, st.tuples(st.integers(0, 300), st.integers(0, 300)), st.floats(0.1, 8), st.floats(0.1, 8))
def test_reach_grows_with_minutes_and_holds_just_the_points_in_time(
    drawn: list[tuple[Place, Place, int]], at: Place, one: float, two: float
):
    lines = shapely.linestrings(np.array([(a, b) for a, b, _ in drawn]) * 100.0)
    network = Network.of(lines, one_way=np.array([w for *_, w in drawn]))
    few, many = (roads.reach(network, *at, m, METRE_A_SECOND) for m in sorted((one, two)))
    assert shapely.length(few.lines).sum() <= shapely.length(many.lines).sum() + 1e-6
    assert shapely.length(few.lines) == pytest.approx(few.to_m - few.from_m, abs=1e-6)
    middle = shapely.get_coordinates(shapely.line_interpolate_point(few.lines, 0.5, normalized=True))
    here = np.array([float(at[0])]), np.array([float(at[1])])
    times = roads.seconds_between(network, here, (middle[:, 0], middle[:, 1]), METRE_A_SECOND)[0]
    on_its_edge = network.locate(middle[:, 0], middle[:, 1])[0] == few.edge  # not where two roads cross
    assert (times[on_its_edge] <= min(one, two) * 60 + 1e-6).all()


def test_the_made_up_city_has_the_nodes_that_it_names():
    drawn = city.build(0.1, until=datetime(2026, 3, 1, tzinfo=UTC)).roads.to_crs(4548)
    lines, named = np.array(drawn.geometry.values), drawn[["from_node", "to_node"]].to_numpy()
    for cut in (False, True):
        network = Network.of(lines, cut=cut, tolerance_m=0.005)  # the city's shortest edge is a centimetre long
        pairs = np.stack([named[network.row].ravel(), np.stack([network.tail, network.head], axis=1).ravel()])
        pairs = np.unique(pairs, axis=1)
        assert len(np.unique(pairs[1])) == len(network.nodes)
        once = [np.unique(side, return_counts=True)[1] for side in pairs]
        assert len(network) == len(lines)
        assert all((count == 1).all() for count in once)


def test_warming_up_uses_every_kernel_once():
    roads.warm_up()
    public = [kernel for name, kernel in vars(kernels).items() if not name.startswith("_") and hasattr(kernel, "stats")]
    assert len(public) > 8
    assert all(kernel.signatures for kernel in public)
