"""Keys: columns of text as whole numbers, so that rows are compared, counted and put in order as one number each.

Pure.  A column is text, whole numbers or a pandas Categorical of either: codes that are already there are used, and the
answer is the same.  Order is that of the values: text by its code points.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api.extensions import ExtensionArray

Numbers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Coded:
    """A column as numbers: `code` of each row, -1 where it is missing; `distinct` values, ascending, text as str.

    A single code stands for all rows.
    """

    code: Numbers
    distinct: pd.Index

    def of(self, rows: Numbers) -> "Coded":
        """Give some of the rows."""
        return Coded(self.code[rows], self.distinct)

    def among(self, wanted: pd.Series) -> Flags:
        """Tell which rows have one of the wanted values; a missing one is not among them."""
        return np.append(self.distinct.isin(wanted.dropna().unique()), False)[self.code]


def coded(column: pd.Series) -> Coded:
    """Code a column.

    >>> column = coded(pd.Series(["b", "a", None, "b"], dtype="str"))
    >>> column.code.tolist(), column.distinct.tolist()
    ([1, 0, -1, 1], ['a', 'b'])
    """
    if isinstance(column.dtype, pd.CategoricalDtype):
        return _from_categories(column)
    code, values = pd.factorize(column, sort=True)
    return Coded(code, _plain(pd.Index(values)))


def constant(values: pd.Index, code: int) -> Coded:
    """Code a column that holds one value only."""
    return Coded(np.array([code]), values)


def of_frame(frame: pd.DataFrame, names: Sequence[str]) -> dict[str, Coded]:
    """Code several columns of a frame."""
    return {name: coded(frame[name]) for name in names}


def alike(columns: Sequence[Coded]) -> list[Coded]:
    """Code columns of one meaning by the same values.

    >>> west, east = alike([coded(pd.Series(["b", "a"], dtype="str")), coded(pd.Series(["c", "b"], dtype="str"))])
    >>> west.code.tolist(), east.code.tolist(), east.distinct.tolist()
    ([1, 0], [2, 1], ['a', 'b', 'c'])
    """
    if not columns:
        return []
    code, values = pd.factorize(columns[0].distinct.append([column.distinct for column in columns[1:]]), sort=True)
    ends = np.cumsum([len(column.distinct) for column in columns])
    places = np.split(code, ends[:-1])
    return [Coded(np.append(place, -1)[c.code], pd.Index(values)) for c, place in zip(columns, places, strict=True)]


def numbered(columns: Mapping[str, Coded]) -> Numbers:
    """Give each row one number that orders rows as their columns do, the first one first.  No value may be missing.

    >>> frame = pd.DataFrame({"zone": ["b", "a", "b"], "month": ["2024-01", "2024-02", "2024-02"]})
    >>> numbered(of_frame(frame, ["zone", "month"])).tolist()
    [2, 1, 3]
    """
    whole = np.zeros(1, dtype=np.int64)
    for column in columns.values():
        whole = whole * len(column.distinct) + column.code
    return whole


def values_of(columns: Mapping[str, Coded], number: Numbers) -> dict[str, ExtensionArray | npt.NDArray[np.int64]]:
    """Give the values that make each of some numbers.

    >>> columns = of_frame(pd.DataFrame({"zone": ["b", "a"], "month": ["2024-01", "2024-02"]}), ["zone", "month"])
    >>> values_of(columns, np.array([2]))["zone"].tolist()
    ['b']
    """
    found: dict[str, ExtensionArray | npt.NDArray[np.int64]] = {}
    for name in reversed(list(columns)):
        column = columns[name]
        number, code = np.divmod(number, max(1, len(column.distinct)))
        found[name] = column.distinct.array.take(code)
    return {name: found[name] for name in columns}


def _from_categories(column: pd.Series) -> Coded:
    code = column.cat.codes.to_numpy()
    used = np.zeros(len(column.cat.categories) + 1, dtype=bool)
    used[code] = True
    values = _plain(column.cat.categories[used[:-1]])
    order = values.argsort()
    place = np.full(len(used), -1)  # the last one is for code -1
    place[np.flatnonzero(used[:-1])[order]] = np.arange(len(values))
    return Coded(place[code], values.take(order))


def _plain(values: pd.Index) -> pd.Index:
    return values if values.dtype.kind in "iu" else values.astype("str")
