"""Masks: answers a CQL2 filter over the columns and shapes of a layer, all features at once.

Pure.  Every part becomes two masks: where it is true and where it is false; where it is neither, a value is absent and
nothing is known (three-valued logic, as SQL has it).
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely

from geo_service.geography import references
from geo_service.maps import cql2

Mask = npt.NDArray[np.bool_]
Objects = npt.NDArray[np.object_]
Rows = npt.NDArray[np.int64]

_COMPARE: Mapping[str, np.ufunc] = {
    "=": np.equal,
    "<>": np.not_equal,
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
}
_ARITHMETIC: Mapping[str, np.ufunc] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.true_divide,
    "div": np.floor_divide,
    "%": np.fmod,
    "^": np.float_power,
}
# The shape stands first, because that is the one that is prepared.
_RELATIONS: Mapping[str, Callable[..., Any]] = {
    "s_intersects": shapely.intersects,
    "s_disjoint": shapely.disjoint,
    "s_equals": shapely.equals,
    "s_touches": shapely.touches,
    "s_crosses": shapely.crosses,
    "s_overlaps": shapely.overlaps,
    "s_within": shapely.contains,
    "s_contains": shapely.within,
}
_EMPTY = {"text": "", "date": "", "integer": np.nan, "number": np.nan}


@dataclass(frozen=True)
class Column:
    """A value of each feature, and of which features it is known."""

    each: npt.NDArray[Any]
    known: Mask


@dataclass(frozen=True)
class Truth:
    """Of which features something is true, of which it is false."""

    yes: Mask
    no: Mask


def matching(
    expression: cql2.Filter,
    columns: Mapping[str, Objects],
    kinds: Mapping[str, str],
    shapes: Objects,
    system: references.Reference = references.CRS84,
    rows: Rows | slice = slice(None),
) -> Mask:
    """Say of which features, of those in `rows`, a filter is true.

    `columns` hold a value or None of each; `kinds` are theirs (queryables.kinds); `shapes` are WGS 84; `system` is that
    of the shapes in the filter.  Raises BadParameter as cql2.tell does.

    >>> columns = {"level": np.array([0, 3, None], dtype=object)}
    >>> shapes = np.array([shapely.Point(i, 0) for i in range(3)])
    >>> matching(cql2.read("NOT level = 3"), columns, {"level": "integer"}, shapes).tolist()
    [True, False, False]
    """
    return cql2.tell(expression, kinds, Masks(columns, shapes, rows), system).yes


class Masks:
    """Builds the masks of a filter: a cql2.Teller."""

    def __init__(self, columns: Mapping[str, Objects], shapes: Objects, rows: Rows | slice) -> None:
        self._columns = columns
        self._rows = rows
        self._shapes = shapes[rows]
        self._all = np.ones(len(self._shapes), dtype=np.bool_)

    def column(self, name: str, kind: str) -> Column:
        """Give a property, absent values filled with what compares without complaint."""
        values = self._columns[name][self._rows]
        known = ~pd.isna(values)
        filled = np.where(known, values, _EMPTY[kind])
        return Column(filled.astype(np.float64) if kind in ("integer", "number") else filled, known)

    def literal(self, value: cql2.Literal) -> Column:
        """Give the same value for each feature."""
        kind = np.float64 if isinstance(value, float) else object
        return Column(np.full(len(self._all), value, dtype=kind), self._all)

    def compare(self, op: str, one: Column, other: Column) -> Truth:
        """Compare two values: = <> < <= > >=."""
        return self._found(_COMPARE[op](one.each, other.each).astype(np.bool_), one.known & other.known)

    def like(self, value: Column, pattern: str) -> Truth:
        """Say which texts are like a pattern."""
        said = as_regex(pattern)
        found = np.array([said.fullmatch(text) is not None for text in value.each], dtype=np.bool_)
        return self._found(found, value.known)

    def folded(self, value: Column) -> Column:
        """Give texts without their case."""
        return Column(np.array([text.lower() for text in value.each], dtype=object), value.known)

    def is_absent(self, value: Column) -> Truth:
        """Say which values are absent."""
        return Truth(~value.known, value.known)

    def arithmetic(self, op: str, one: Column, other: Column) -> Column:
        """Compute; what has no finite answer (a division by zero) is absent."""
        with np.errstate(all="ignore"):
            values = _ARITHMETIC[op](one.each, other.each)
        return Column(values, one.known & other.known & np.isfinite(values))

    def relates(self, op: str, shape: shapely.Geometry) -> Truth:
        """Say which places stand so to a shape."""
        shapely.prepare(shape)
        return self._found(_RELATIONS[op](shape, self._shapes), self._all)

    def constant(self, truth: bool) -> Truth:
        """Say the same of each feature."""
        return self._found(np.full(len(self._all), truth), self._all)

    def negate(self, part: Truth) -> Truth:
        """Say the opposite; what is unknown stays so."""
        return Truth(part.no, part.yes)

    def both(self, parts: Sequence[Truth]) -> Truth:
        """Say of which all parts are true."""
        return Truth(
            np.logical_and.reduce([part.yes for part in parts]), np.logical_or.reduce([part.no for part in parts])
        )

    def either(self, parts: Sequence[Truth]) -> Truth:
        """Say of which one part is true at least."""
        return self.negate(self.both([self.negate(part) for part in parts]))

    def _found(self, found: Mask, known: Mask) -> Truth:
        return Truth(found & known, ~found & known)


def as_regex(pattern: str) -> re.Pattern[str]:
    r"""Write a LIKE pattern (% any letters, _ one, \ takes their meaning) as a regular expression that never goes back.

    >>> [bool(as_regex(p).fullmatch("安居A区")) for p in ("安%区", "安_", "%居%", r"安\%")]
    [True, False, True, False]
    """
    runs: list[str] = [""]
    for escaped, sign in re.findall(r"\\(.)|(.)", pattern, re.DOTALL):
        if sign == "%":
            runs.append("")
        else:
            runs[-1] += "." if sign == "_" else re.escape(escaped or sign)
    first, *middle = runs
    if not middle:
        return re.compile(first, re.DOTALL)
    *middle, last = middle
    atoms = "".join(f"(?>.*?{run})" for run in middle if run)
    return re.compile(f"{first}{atoms}.*{last}", re.DOTALL)
