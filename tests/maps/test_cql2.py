"""Filters: against a slow reader that goes through the features one by one with SQL's three-valued logic."""

import fnmatch
import operator
import subprocess
import sys
import threading
from typing import Any

import hypothesis.strategies as st
import numpy as np
import orjson
import pytest
import shapely
from hypothesis import given

from geo_service.errors import BadParameter
from geo_service.geography import references
from geo_service.maps import cql2, masks

KINDS = {"level": "integer", "share": "number", "name": "text", "day": "date", "at": "text"}
PLACES: dict[str, list[Any]] = {
    "level": [0, 1, 3, None, 3, 2],
    "share": [0.5, None, -1.0, 2.0, 0.0, 1e9],
    "name": ["安居A区", "安居b区", None, "", "50%", "O'Hara"],
    "day": ["2024-01-31", None, "2024-06-01", "2024-06-02", "2024-12-31", "2023-12-31"],
    "at": ["a", "b", "c", "d", "e", "f"],
}
COLUMNS = {name: np.array(values, dtype=object) for name, values in PLACES.items()}
# north up, a degree a column: squares 1 wide side by side, the last one away from the others
SHAPES = np.array([shapely.box(i, 0, i + 1, 1) for i in (0, 1, 2, 3, 4, 9)], dtype=object)


def found(text: str | object, **where: Any) -> str:
    """Give the letters (`at`) of the places that a filter finds."""
    read = cql2.read(text) if isinstance(text, str) else cql2.read(orjson.dumps(text).decode(), "cql2-json")
    mask = masks.matching(read, COLUMNS, KINDS, SHAPES, **where)
    return "".join(COLUMNS["at"][mask])


@pytest.mark.parametrize(
    ("text", "letters"),
    [
        ("level = 3", "ce"),
        ("level <> 3", "abf"),
        ("NOT level = 3", "abf"),
        ("level >= 2 AND level < 3", "f"),
        ("level = 0 OR level IS NULL", "ad"),
        ("level IS NOT NULL", "abcef"),
        ("level BETWEEN 1 AND 2", "bf"),
        ("level NOT BETWEEN 1 AND 2", "ace"),
        ("level IN (0, 2)", "af"),
        ("level NOT IN (0, 2)", "bce"),
        ("name LIKE '安居%'", "ab"),
        ("name LIKE '安居_区'", "ab"),
        ("name NOT LIKE '安居%'", "def"),
        (r"name LIKE '50\%'", "e"),
        ("CASEI(name) = CASEI('安居a区')", "a"),
        ("CASEI(name) LIKE CASEI('%A区')", "a"),
        ("name = 'O''Hara'", "f"),
        ("name = ''", "d"),
        ("name < 'P' AND name > 'A'", "f"),
        ("level + 1 = 4", "ce"),
        ("level * 2 > 5", "ce"),
        ("-level < -2", "ce"),
        ("level % 2 = 1", "bce"),
        ("level div 2 = 1", "cef"),
        ("level ^ 2 = 9", "ce"),
        ("1 / share > 0", "adf"),  # a division by zero is unknown, and so is its negation
        ("NOT (1 / share > 0)", "c"),
        ("level = share", ""),
        ("true", "abcdef"),
        ("level = 3 AND false", ""),
        ("day = DATE('2024-06-01')", "c"),
        ("day > '2024-06-01'", "de"),
        ("T_AFTER(day, DATE('2024-06-01'))", "de"),
        ("T_BEFORE(day, DATE('2024-06-01'))", "af"),
        ("T_DURING(day, INTERVAL('2024-01-01','2024-06-02'))", "ac"),
        ("T_INTERSECTS(day, INTERVAL('2024-06-01','..'))", "cde"),
        ("T_DISJOINT(day, INTERVAL('2024-06-01','..'))", "af"),
        ("T_INTERSECTS(day, INTERVAL('..','2024-06-01'))", "acf"),
        ("T_EQUALS(day, DATE('2023-12-31'))", "f"),
        ("S_INTERSECTS(geometry, BBOX(0.5, 0.2, 1.5, 0.8))", "ab"),
        ("S_INTERSECTS(geometry, POINT(1 0.5))", "ab"),
        ("S_WITHIN(geometry, BBOX(0, 0, 2, 1))", "ab"),
        ("S_CONTAINS(BBOX(0, 0, 2, 1), geometry)", "ab"),
        ("S_CONTAINS(geometry, POINT(1.5 0.5))", "b"),
        ("S_DISJOINT(geometry, BBOX(0, 0, 3.5, 1))", "ef"),
        ("S_TOUCHES(geometry, BBOX(1, 0, 2, 1))", "ac"),
        ("S_EQUALS(geometry, POLYGON((9 0, 10 0, 10 1, 9 1, 9 0)))", "f"),
        ("S_OVERLAPS(geometry, BBOX(0.5, 0, 1.5, 1))", "ab"),
        ("S_CROSSES(geometry, LINESTRING(0.5 0.5, 1.5 0.5))", "ab"),
        ("S_INTERSECTS(geometry, BBOX(8, 0, -170, 1))", "f"),  # over the 180th meridian
    ],
)
def test_a_filter_finds_what_the_standard_says(text: str, letters: str):
    assert found(text) == letters


def test_shapes_are_read_in_the_system_of_the_filter():
    for text, system in (("POINT(0.5 1.5)", "EPSG:4326"), ("POINT(166979.24 55660.44)", "EPSG:3857")):
        assert found(f"S_CONTAINS(geometry, {text})", system=references.read(system)) == "b"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("colour = 1", "no property 'colour' to compare; queryables are level, share"),
        ("level = 'many'", "cannot be compared"),
        ("name = 3", "cannot be compared"),
        ("name = level", "cannot be compared"),
        ("day = 'yesterday'", "'yesterday' is not a date"),
        ("level", "expected a comparison"),
        ("'a'", "true or false"),
        ("pg_sleep(10) = 1", "'pg_sleep' is no function we know"),
        ("pg_sleep(10)", "'pg_sleep' is no function we know"),
        ("name + 1 = 2", "two numbers"),
        ("level LIKE '3'", "a text was expected"),
        ("level =", "at letter 8"),
        ("level = 3; DROP TABLE incidents", "not cql2-text"),
        ("S_INTERSECTS(geometry, BBOX(1000000,1000000,2000000,2000000))", "no place of the Earth"),
        ("S_INTERSECTS(level, POINT(1 1))", "wants the property 'geometry'"),
        ("S_INTERSECTS(geometry, POLYGON((0 0, 1 1, 0 1, 1 0, 0 0)))", "not valid"),
        ("T_AFTER(level, DATE('2024-01-01'))", "dates and times"),
        ({"op": "=", "args": [{"property": "level"}]}, "takes 2 values, came 1"),
        ({"op": "=", "args": [{"property": ["level"]}, 1]}, "no property"),
        ({"op": ["="], "args": []}, "expected a comparison"),
        ({"op": "s_intersects", "args": [{"property": "geometry"}, {"type": "Point"}]}, "GeoJSON geometry"),
        ({"op": "s_intersects", "args": [{"property": "geometry"}, {"bbox": ["x", 1, 2, 3]}]}, "GeoJSON geometry"),
        ({"op": "s_intersects", "args": [{"property": "geometry"}, {"bbox": [1]}]}, "GeoJSON geometry"),
        ({"op": "in", "args": [{"property": "level"}, 3]}, "IN expects a list"),
        ({"op": "between", "args": [{"property": "level"}, 1]}, "takes 3 values"),
        ({"op": "t_after", "args": [{"property": "day"}, {"interval": ["2024-01-01"]}]}, "a start and an end"),
        ([1], "true or false"),
    ],
)
def test_what_does_not_fit_the_layer_is_refused(text: Any, said: str):
    with pytest.raises(BadParameter, match=said):
        found(text)


NAMES = st.sampled_from(["level", "share", "name", "day"])
VALUES = {
    "level": st.integers(-1, 4),
    "share": st.sampled_from([-1.0, 0.0, 0.5, 2.0]),
    "name": st.sampled_from(["", "安居A区", "50%", "O'Hara", "z"]),
    "day": st.sampled_from(["2023-12-31", "2024-06-01", "2025-01-01"]),
}
COMPARED = NAMES.flatmap(
    lambda name: st.builds(
        lambda op, value: {"op": op, "args": [{"property": name}, {"date": value} if name == "day" else value]},
        st.sampled_from(["=", "<>", "<", "<=", ">", ">="]),
        VALUES[name],
    )
)
LEAVES = st.one_of(
    COMPARED,
    st.booleans(),
    NAMES.map(lambda name: {"op": "isNull", "args": [{"property": name}]}),
    st.builds(
        lambda low, high: {"op": "between", "args": [{"property": "level"}, low, high]},
        VALUES["level"],
        VALUES["level"],
    ),
    st.lists(VALUES["name"], min_size=1, max_size=3).map(lambda v: {"op": "in", "args": [{"property": "name"}, v]}),
    st.sampled_from(["安%", "%", "_", "%A%", "5_%", ""]).map(
        lambda p: {"op": "like", "args": [{"property": "name"}, p]}
    ),
)
FILTERS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        inner.map(lambda one: {"op": "not", "args": [one]}),
        st.builds(
            lambda op, args: {"op": op, "args": args},
            st.sampled_from(["and", "or"]),
            st.lists(inner, min_size=2, max_size=3),
        ),
    ),
    max_leaves=8,
)
SIGNS = {"=": operator.eq, "<>": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


def slowly(node: Any, place: dict[str, Any]) -> bool | None:
    """Say whether a filter is true of one place, None: nobody knows."""
    if isinstance(node, bool):
        return node
    op, args = node["op"], node["args"]
    if op in ("and", "or"):
        parts = [slowly(one, place) for one in args]
        decides = op == "or"
        return decides if decides in parts else None if None in parts else not decides
    if op == "not":
        part = slowly(args[0], place)
        return None if part is None else not part
    value = place[args[0]["property"]]
    if value is None or op == "isNull":
        return value is None if op == "isNull" else None
    return slow_comparison(op, value, args[1:])


def slow_comparison(op: str, value: Any, args: list[Any]) -> bool:
    if op == "between":
        return args[0] <= value <= args[1]
    if op == "in":
        return value in args[0]
    if op == "like":
        return fnmatch.fnmatchcase(value, args[0].replace("%", "*").replace("_", "?"))
    return SIGNS[op](value, args[0]["date"] if isinstance(args[0], dict) else args[0])


@given(node=FILTERS)
def test_any_filter_finds_what_is_true_of_each_place_alone(node: Any):
    places = [dict(zip(PLACES, values, strict=True)) for values in zip(*PLACES.values(), strict=True)]
    wanted = "".join(place["at"] for place in places if slowly(node, place) is True)
    assert found(node) == wanted


@given(text=st.text(alphabet="ab %_\\[]*?.+(", max_size=12), pattern=st.text(alphabet="ab %_", max_size=6))
def test_like_is_what_a_shell_pattern_is(text: str, pattern: str):
    shell = "".join({"%": "*", "_": "?"}.get(sign, sign) for sign in pattern)
    assert bool(masks.as_regex(pattern).fullmatch(text)) is fnmatch.fnmatchcase(text, shell)


@pytest.mark.parametrize("pattern", ["%a" * 200 + "b", "%" * 500, "_%" * 100 + "b"])
def test_no_pattern_goes_back_and_forth(pattern: str):
    said, finished = masks.as_regex(pattern), threading.Event()

    def match() -> None:
        said.fullmatch("a" * 5_000)
        finished.set()

    threading.Thread(target=match, daemon=True).start()
    assert finished.wait(20)


HEAVY = {
    "brackets": "(" * 3_000 + "level = 1" + ")" * 3_000,
    "nots": "NOT " * 3_000 + "level = 1",
    "calls": "f(" * 3_000 + "level" + ")" * 3_000 + " = 1",
    "minuses": "level = " + "-" * 3_000 + "1",
    "length": "level = 1 OR " * 30_000 + "level = 1",
    "sum": "level = " + "+".join(["1"] * 5_000),
    "powers": "level = " + "^".join(["1"] * 5_000),
    "parts": " OR ".join(["level = 1"] * 3_000),
    "vertices": "S_INTERSECTS(geometry, LINESTRING(" + ",".join(["0 0", "1 1"] * 5_001) + "))",
}


@pytest.mark.parametrize("text", HEAVY.values(), ids=HEAVY)
def test_a_filter_that_is_too_heavy_is_refused_and_the_process_lives(text: str):
    program = """
import sys
from geo_service.errors import BadParameter
from geo_service.maps import cql2
from geo_service.geography import references
from tests.maps.test_cql2 import found
try:
    found(sys.stdin.read())
except BadParameter as error:
    print("refused:", error)
"""
    done = subprocess.run([sys.executable, "-c", program], input=text, capture_output=True, text=True, check=False)
    assert done.stdout.startswith("refused: filter"), (done.returncode, done.stdout[:200], done.stderr[-500:])
    assert len(done.stdout) < 500


@pytest.mark.parametrize("opening", ["(", "NOT (", "-(", "casei("])
def test_what_is_let_through_to_the_parser_leaves_it_standing(opening: str):
    depth = 190 if "NOT" in opening else 490
    with pytest.raises(BadParameter):
        found("level = 1 AND " + opening * depth + "colour = 1" + ")" * depth)
    deep: Any = {"op": "=", "args": [{"property": "level"}, 1]}
    for _ in range(100):
        deep = {"op": "not", "args": [deep]}
    with pytest.raises(BadParameter, match="too large"):
        found(deep)
