"""CQL2: filters as text or JSON, checked against a layer's properties and told to whoever can answer them.

Pure.  `read` takes what a client sent and makes the JSON form of the standard of it; `tell` walks that once and has a
`Teller` build the answer: masks over a layer's columns (masks.py) or clauses of SQL (store/incident_pages.py).  What is
wrong - a property the layer does not have, a number compared with a text, a function nobody knows - is refused here,
before anybody computes.  Logic has three values: what is compared with an absent value is unknown, and so is its
negation; only what is true is found.

Source: OGC 21-065r2, Common Query Language (CQL2).
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Generic, Protocol, TypeVar, cast

import cql2
import numpy as np
import orjson
import shapely
import shapely.geometry

from geo_service.errors import BadParameter
from geo_service.geography import references
from geo_service.maps import queryables

LONGEST = 32_768  # letters of a filter
DEEPEST = 60  # operators inside operators
MOST_NODES = 4_000
MOST_VERTICES = 10_000

# The parser recurses on the machine's own stack and takes the process with it from 1,300 brackets on.
_MOST_BRACKETS = 500
_MOST_NOTS = 200
_MINUSES = re.compile(r"(?:-\s*){60}")

COMPARISONS = {"=": "=", "<>": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_SWAPPED = {"s_within": "s_contains", "s_contains": "s_within"}
SPATIAL = (
    "s_intersects", "s_disjoint", "s_equals", "s_touches", "s_crosses", "s_overlaps", "s_within", "s_contains",
)  # fmt: skip
ARITHMETIC = ("+", "-", "*", "/", "%", "div", "^")
_NUMBERS = {"integer", "number"}

# What each temporal function says of the ends of its two intervals.
_TEMPORAL: Mapping[str, Sequence[tuple[str, str, str]]] = {
    "t_after": [("a0", ">", "b1")],
    "t_before": [("a1", "<", "b0")],
    "t_contains": [("a0", "<", "b0"), ("a1", ">", "b1")],
    "t_during": [("a0", ">", "b0"), ("a1", "<", "b1")],
    "t_equals": [("a0", "=", "b0"), ("a1", "=", "b1")],
    "t_finishedby": [("a0", "<", "b0"), ("a1", "=", "b1")],
    "t_finishes": [("a0", ">", "b0"), ("a1", "=", "b1")],
    "t_intersects": [("a0", "<=", "b1"), ("a1", ">=", "b0")],
    "t_meets": [("a1", "=", "b0")],
    "t_metby": [("a0", "=", "b1")],
    "t_overlappedby": [("a0", ">", "b0"), ("a0", "<", "b1"), ("a1", ">", "b1")],
    "t_overlaps": [("a0", "<", "b0"), ("a1", ">", "b0"), ("a1", "<", "b1")],
    "t_startedby": [("a0", "=", "b0"), ("a1", ">", "b1")],
    "t_starts": [("a0", "=", "b0"), ("a1", "<", "b1")],
}

Filter = Mapping[str, object] | bool
Literal = str | float | datetime
V = TypeVar("V")  # a value of each feature
P = TypeVar("P")  # whether something holds of each feature


class Teller(Protocol[V, P]):
    """Who builds an answer from the parts of a filter."""

    def column(self, name: str, kind: str) -> V: ...  # noqa: D102 - the names say it
    def literal(self, value: Literal) -> V: ...  # noqa: D102
    def compare(self, op: str, one: V, other: V) -> P: ...  # noqa: D102
    def like(self, value: V, pattern: str) -> P: ...  # noqa: D102
    def folded(self, value: V) -> V: ...  # noqa: D102
    def is_absent(self, value: V) -> P: ...  # noqa: D102
    def arithmetic(self, op: str, one: V, other: V) -> V: ...  # noqa: D102
    def relates(self, op: str, shape: shapely.Geometry) -> P: ...  # noqa: D102
    def constant(self, truth: bool) -> P: ...  # noqa: D102
    def negate(self, part: P) -> P: ...  # noqa: D102
    def both(self, parts: Sequence[P]) -> P: ...  # noqa: D102
    def either(self, parts: Sequence[P]) -> P: ...  # noqa: D102


def read(text: str, language: str = "cql2-text") -> Filter:
    """Read a filter written in "cql2-text" or "cql2-json" as the JSON form of the standard.

    Raises BadParameter when it is too long, nested too deep or not of the language.

    >>> read("level >= 3 AND class = 'hospital'")["op"]
    'and'
    >>> read("level >=")
    Traceback (most recent call last):
    geo_service.errors.BadParameter: filter is not cql2-text: at letter 9, expected ...
    """
    if len(text) > LONGEST:
        raise BadParameter(f"filter has {len(text)} letters; at most {LONGEST} are read")
    if language == "cql2-json":
        try:
            found = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            raise BadParameter(f"filter is not cql2-json: {error}") from None
    else:
        found = _parsed(text)
    if not isinstance(found, (dict, bool)):
        raise BadParameter("filter must be something that is true or false of each feature, such as level >= 3")
    return cast(Filter, found)


def _parsed(text: str) -> object:
    nots = len(re.findall(r"\bnot\b", text, re.IGNORECASE))
    if text.count("(") > _MOST_BRACKETS or nots > _MOST_NOTS or _MINUSES.search(text):
        raise BadParameter(
            f"filter is nested too deep; at most {_MOST_BRACKETS} brackets and {_MOST_NOTS} NOT are read"
        )
    try:
        return cql2.parse_text(text).to_json()
    except (cql2.ParseError, cql2.ValidationError, RecursionError, ValueError) as error:
        raise BadParameter(f"filter is not cql2-text: {_where(str(error))}") from None


def _where(said: str) -> str:
    r"""Say in a line where the parser stopped: it draws a picture of several.

    >>> _where(" --> 1:13\n  |\n1 | level=3 and\n  |             ^---\n  |\n  = expected Identifier")
    'at letter 13, expected Identifier'
    """
    at, reason = re.search(r"--> (\d+):(\d+)", said), re.search(r"= (expected .*)", said)
    return f"at letter {at[2]}, {reason[1]}" if at and reason else said.strip().splitlines()[0]


def tell(expression: Filter, kinds: Mapping[str, str], teller: Teller[V, P], system: references.Reference) -> P:
    """Have a teller build the answer to a filter.

    `kinds` are the layer's properties (queryables.kinds); `system` is that of the shapes in the filter.  Raises
    BadParameter for whatever does not fit the layer.
    """
    return _Walk(kinds, teller, system).truth(expression, 0)


@dataclass(frozen=True)
class _Value(Generic[V]):
    kind: str
    of: V | None  # None: the open end of an interval
    end: int = 0  # -1 before all times, 1 after all


class _Walk(Generic[V, P]):
    def __init__(self, kinds: Mapping[str, str], teller: Teller[V, P], system: references.Reference) -> None:
        self._kinds = kinds
        self._teller = teller
        self._system = system
        self._nodes = 0

    def truth(self, node: object, depth: int) -> P:
        """Tell what is true or false of each feature."""
        self._count(depth)
        if isinstance(node, bool):
            return self._teller.constant(node)
        op, args = _operation(node)
        if op in ("and", "or"):
            parts = [self.truth(one, depth + 1) for one in _some(op, args, 1, MOST_NODES)]
            return self._teller.both(parts) if op == "and" else self._teller.either(parts)
        if op == "not":
            return self._teller.negate(self.truth(_some(op, args, 1, 1)[0], depth + 1))
        if op in SPATIAL:
            return self._relation(op, _some(op, args, 2, 2))
        if op in _TEMPORAL or op == "t_disjoint":
            return self._temporal(op, _some(op, args, 2, 2), depth)
        if op not in _PREDICATES:
            raise BadParameter(f"filter: '{op}' is no function we know; expected one of {', '.join(sorted(_KNOWN))}")
        tells: Callable[..., P] = getattr(self, _PREDICATES[op])
        return tells(op, args, depth + 1)

    def _count(self, depth: int) -> None:
        self._nodes += 1
        if depth > DEEPEST or self._nodes > MOST_NODES:
            raise BadParameter(
                f"filter is too large; at most {MOST_NODES} parts, {DEEPEST} inside each other, are read"
            )

    def _compared(self, op: str, args: Sequence[object], depth: int) -> P:
        one, other = (self._value(arg, depth) for arg in _some(op, args, 2, 2))
        return self._compare(op, one, other)

    def _compare(self, op: str, one: _Value[V], other: _Value[V]) -> P:
        one, other = self._alike(one, other), self._alike(other, one)
        if one.of is None or other.of is None:
            return self._at_an_open_end(op, one, other)
        if _class(one.kind) != _class(other.kind):
            raise BadParameter(f"filter: the {one.kind} cannot be compared with the {other.kind}")
        return self._teller.compare(op, one.of, other.of)

    def _at_an_open_end(self, op: str, one: _Value[V], other: _Value[V]) -> P:
        """Compare with an open end, which every time that is known lies before or after."""
        holds = {"<": one.end < other.end, ">": one.end > other.end, "=": one.end == other.end}
        truth = any(holds[sign] for sign in op if sign in holds)
        known = [self._teller.compare("=", value.of, value.of) for value in (one, other) if value.of is not None]
        return self._teller.both([*known, self._teller.constant(truth)])

    def _alike(self, value: _Value[V], other: _Value[V]) -> _Value[V]:
        """Read a plain text as the date or time it is compared with."""
        if value.kind == "literal text":
            text = str(value.of)
            kind = other.kind if other.kind in ("date", "time") else "text"
            return self._instant(text, kind) if kind != "text" else _Value("text", self._teller.literal(text))
        if value.kind == "date literal":  # beside a time it is its first moment
            return self._instant(str(value.of), "time" if other.kind == "time" else "date")
        return value

    def _listed(self, op: str, args: Sequence[object], depth: int) -> P:
        wanted, among = _some(op, args, 2, 2)
        value = self._value(wanted, depth)
        if not isinstance(among, list) or not among:
            raise BadParameter("filter: IN expects a list of values, such as class IN ('school','hospital')")
        return self._teller.either([self._compare("=", value, self._value(one, depth)) for one in among])

    def _between(self, op: str, args: Sequence[object], depth: int) -> P:
        value, low, high = (self._value(arg, depth) for arg in _some(op, args, 3, 3))
        return self._teller.both([self._compare(">=", value, low), self._compare("<=", value, high)])

    def _like(self, op: str, args: Sequence[object], depth: int) -> P:
        value, pattern = _some(op, args, 2, 2)
        folds = isinstance(pattern, dict) and pattern.get("op") == "casei"
        text = _some("casei", _operation(pattern)[1], 1, 1)[0] if folds else pattern
        if not isinstance(text, str):
            raise BadParameter("filter: LIKE expects a pattern in quotes, % for any letters and _ for one")
        return self._teller.like(self._text(value, depth), text.lower() if folds else text)

    def _absent(self, op: str, args: Sequence[object], depth: int) -> P:
        [arg] = _some(op, args, 1, 1)
        if arg == {"property": queryables.GEOMETRY}:
            return self._teller.constant(truth=False)
        return self._teller.is_absent(cast(V, self._value(arg, depth).of))

    def _text(self, node: object, depth: int) -> V:
        value = self._value(node, depth)
        value = self._alike(value, value)
        if value.kind != "text" or value.of is None:
            raise BadParameter(f"filter: a text was expected, came a {value.kind}")
        return value.of

    def _value(self, node: object, depth: int) -> _Value[V]:
        self._count(depth)
        if isinstance(node, str):
            return _Value("literal text", cast(V, node))
        if isinstance(node, (int, float)) and not isinstance(node, bool):
            return _Value("number", self._teller.literal(float(node)))
        if isinstance(node, dict):
            if "property" in node:
                return self._property(node["property"])
            if "date" in node:
                return _Value("date literal", cast(V, str(node["date"])))
            if "timestamp" in node:
                return self._instant(str(node["timestamp"]), "time")
            if "op" in node:
                return self._computed(*_operation(node), depth + 1)
        raise BadParameter(f"filter: a property, text, number, date or time was expected, came {_short(node)}")

    def _property(self, name: object) -> _Value[V]:
        kind = self._kinds.get(str(name))
        if kind is None:
            there = ", ".join([*self._kinds, queryables.GEOMETRY])
            raise BadParameter(f"filter: there is no property '{_short(name)}' to compare; queryables are {there}")
        return _Value(kind, self._teller.column(str(name), kind))

    def _computed(self, op: str, args: Sequence[object], depth: int) -> _Value[V]:
        if op == "casei":
            return _Value("text", self._teller.folded(self._text(_some(op, args, 1, 1)[0], depth)))
        if op not in ARITHMETIC:
            raise BadParameter(
                f"filter: '{op}' is no function we know; expected casei or one of {' '.join(ARITHMETIC)}"
            )
        one, other = (self._value(arg, depth) for arg in _some(op, args, 2, 2))
        if {one.kind, other.kind} - _NUMBERS or one.of is None or other.of is None:
            raise BadParameter(f"filter: {op} wants two numbers, came a {one.kind} and a {other.kind}")
        return _Value("number", self._teller.arithmetic(op, one.of, other.of))

    def _instant(self, text: str, kind: str) -> _Value[V]:
        return _Value(kind, self._teller.literal(text if kind == "date" and _is_day(text) else _moment(text, kind)))

    def _temporal(self, op: str, args: Sequence[object], depth: int) -> P:
        if op == "t_disjoint":
            return self._teller.negate(self._temporal("t_intersects", args, depth))
        ends = {
            f"{name}{i}": end for name, arg in zip("ab", args, strict=True) for i, end in enumerate(self._ends(arg))
        }
        if any(end.kind not in ("date", "time", "date literal", "literal text", "open end") for end in ends.values()):
            raise BadParameter(f"filter: {op} compares dates and times, came {_short(args)}")
        return self._teller.both([self._compare(sign, ends[one], ends[other]) for one, sign, other in _TEMPORAL[op]])

    def _ends(self, node: object) -> tuple[_Value[V], _Value[V]]:
        """Give the first and the last moment of an instant or an interval."""
        interval = node.get("interval") if isinstance(node, dict) else None
        if interval is None:
            value = self._value(node, 0)
            return value, value
        if not isinstance(interval, list) or len(interval) != 2:
            raise BadParameter("filter: an interval has a start and an end, '..' where it has none")
        start, end = (
            _Value[V]("open end", None, side) if one == ".." else self._value(_dated(one), 0)
            for side, one in zip((-1, 1), cast(list[object], interval), strict=True)
        )
        return start, end

    def _relation(self, op: str, args: Sequence[object]) -> P:
        here = [arg == {"property": queryables.GEOMETRY} for arg in args]
        if sum(here) != 1:
            for arg in args:  # an unknown property is told as such
                if isinstance(arg, dict) and "property" in arg and arg["property"] != queryables.GEOMETRY:
                    self._property(arg["property"])
            raise BadParameter(f"filter: {op} wants the property '{queryables.GEOMETRY}' and a shape, such as BBOX(…)")
        shape = _shape(args[here.index(False)], self._system)
        return self._teller.relates(op if here[0] else _SWAPPED.get(op, op), shape)


_PREDICATES = {
    **dict.fromkeys(COMPARISONS, "_compared"),
    "in": "_listed",
    "between": "_between",
    "like": "_like",
    "isNull": "_absent",
}
_KNOWN = {*_PREDICATES, *SPATIAL, *_TEMPORAL, "t_disjoint", "and", "or", "not"}


def _operation(node: object) -> tuple[str, Sequence[object]]:
    if not isinstance(node, dict) or not isinstance(node.get("op"), str) or not isinstance(node.get("args"), list):
        raise BadParameter(f"filter: expected a comparison such as level >= 3, came {_short(node)}")
    return cast(str, node["op"]), cast(list[object], node["args"])


def _some(op: str, args: Sequence[object], least: int, most: int) -> Sequence[object]:
    if not least <= len(args) <= most:
        raise BadParameter(
            f"filter: {op} takes {least if least == most else f'at least {least}'} values, came {len(args)}"
        )
    return args


def _class(kind: str) -> str:
    return "number" if kind in _NUMBERS else kind


def _short(node: object) -> str:
    return str(node)[:100]


def _dated(end: object) -> object:
    return {"date" if len(end) == 10 else "timestamp": end} if isinstance(end, str) else end


def _is_day(text: str) -> bool:
    try:
        return len(text) == 10 and bool(date.fromisoformat(text))
    except ValueError:
        return False


def _moment(text: str, kind: str) -> datetime:
    if kind == "time":
        try:
            found = datetime.fromisoformat(text)
            return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
        except (ValueError, OverflowError):
            pass
    wanted = "a date such as 2024-06-01" if kind == "date" else "a time such as 2024-06-01T08:00:00+08:00"
    raise BadParameter(f"filter: '{text[:100]}' is not {wanted}")


def _shape(node: object, system: references.Reference) -> shapely.Geometry:
    """Read a GeoJSON geometry or a bbox of a filter as WGS 84."""
    try:
        if isinstance(node, dict) and "bbox" in node:
            shape: shapely.Geometry = box(cast(Sequence[float], node["bbox"]))
        else:
            shape = shapely.geometry.shape(cast(dict[str, Any], node))
    except (TypeError, ValueError, KeyError, AttributeError, IndexError, shapely.errors.ShapelyError):
        raise BadParameter(f"filter: a GeoJSON geometry or a bbox was expected, came {_short(node)}") from None
    if shapely.get_num_coordinates(shape) > MOST_VERTICES:
        raise BadParameter(
            f"filter: a shape may have {MOST_VERTICES} vertices, came {shapely.get_num_coordinates(shape)}"
        )
    if shapely.is_empty(shape):
        raise BadParameter("filter: the shape is empty")
    found = references.to_wgs84(np.array([shape], dtype=object), system, "filter")[0]
    if not shapely.is_valid(found):
        raise BadParameter(f"filter: the shape is not valid: {shapely.is_valid_reason(found)}")
    return found


def box(numbers: Sequence[float]) -> shapely.Geometry:
    """Make a shape of west, south, east, north (heights are passed over); west > east goes over 180 degrees."""
    west, south, east, north = (float(n) for n in (numbers if len(numbers) == 4 else (*numbers[:2], *numbers[3:5])))
    if west == east or south == north:  # the extent of one point has no area
        return shapely.convex_hull(shapely.multipoints([(west, south), (east, north)]))
    if west <= east:
        return shapely.box(west, south, east, north)
    return shapely.union(shapely.box(west, south, 180.0, north), shapely.box(-180.0, south, east, north))
