"""Selections: which places of a layer a question means, in which order, and where a page of them begins.

Pure.  A place is found by its shape, by filters (CQL2) and by its kind; places are ordered by some of their properties
and by their ids at last, so that every place has its own position and a page can go on from it whatever was inserted.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely

from geo_service.errors import BadParameter
from geo_service.geography import references
from geo_service.maps import cql2, masks, queryables
from geo_service.maps.atlas import Atlas
from geo_service.maps.layers import EVERYTHING, View

Objects = npt.NDArray[np.object_]
Rows = npt.NDArray[np.int64]
Value = str | int | float | None
Key = Sequence[Value]  # the values a place is ordered by, its id last


@dataclass(frozen=True)
class Selection:
    """A question for places.

    `shape`: they touch it (WGS 84; None: anywhere); `filters`: all of them hold, their shapes in `filter_system`;
    `order`: properties to order by, each with whether the largest stands first.
    """

    layer: str
    month: str = ""
    shape: shapely.Geometry | None = None
    kind: str = ""
    filters: Sequence[cql2.Filter] = ()
    filter_system: references.Reference = references.CRS84
    order: Sequence[tuple[str, bool]] = ()
    view: View = EVERYTHING


class Said(Mapping[str, Objects]):
    """What a layer's fields say of all its places, in the order of the fields; None where nothing is said.

    A column is unfolded when somebody asks for it: most questions are about few.
    """

    def __init__(self, atlas: Atlas, name: str, month: str = "", view: View = EVERYTHING) -> None:
        self._columns = atlas.columns(name, month, view)
        self._fields = list(atlas.layer(name, view).fields)
        self._nothing = np.full(len(atlas.ground(name, view)), None)
        self._unfolded: dict[str, Objects] = {}

    def __getitem__(self, name: str) -> Objects:
        if name not in self._unfolded:
            if name not in self._fields:
                raise KeyError(name)
            said = self._columns.get(name)
            self._unfolded[name] = self._nothing if said is None else np.array(said.said(), dtype=object)
        return self._unfolded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def of(self, names: Sequence[str], rows: Rows) -> dict[str, list[Value]]:
        """Give what some fields say of some places."""
        columns = {name: self._columns.get(name) for name in names}
        return {name: [None] * len(rows) if one is None else [*one.said(rows)] for name, one in columns.items()}


def select(atlas: Atlas, wanted: Selection, said: Said) -> Rows:
    """Give the rows of the places a question means, in their order; `said` are the layer's columns.

    Raises BadParameter for a filter or an order that does not fit the layer.
    """
    layer, ground = atlas.layer(wanted.layer, wanted.view), atlas.ground(wanted.layer, wanted.view)
    rows = np.arange(len(ground), dtype=np.int64)
    if wanted.shape is not None:
        boxes = [shapely.bounds(part).tolist() for part in shapely.get_parts(wanted.shape)]
        rows = atlas.rows(wanted.layer, boxes, wanted.view)
        shapely.prepare(wanted.shape)
        rows = rows[shapely.intersects(wanted.shape, ground.degrees[rows])]
    if wanted.kind:
        rows = atlas.of_kind(wanted.layer, rows, wanted.kind, wanted.view)
    kinds = queryables.kinds(layer)
    for expression in wanted.filters:
        mask = masks.matching(expression, said, kinds, ground.degrees, wanted.filter_system, rows)
        rows = rows[mask]
    return _ordered(rows, said, wanted.order)


def _ordered(rows: Rows, said: Mapping[str, Objects], order: Sequence[tuple[str, bool]]) -> Rows:
    ranks = [rows]  # the order of ids, which is that of the rows, decides at last
    for name, is_descending in reversed(order):
        if name not in said:
            raise BadParameter(f"sortby: there is no property '{name[:100]}'; expected one of {', '.join(said)}")
        known = np.array([value is not None for value in said[name][rows]], dtype=np.bool_)
        rank = np.full(len(rows), len(rows), dtype=np.int64)  # absent values stand last either way
        _, rank[known] = np.unique(said[name][rows][known], return_inverse=True)
        ranks.append(np.where(known & is_descending, -rank, rank))
    return rows[np.lexsort(ranks)]


def key(row: int, said: Mapping[str, Objects], order: Sequence[tuple[str, bool]]) -> list[Value]:
    """Give what a place is ordered by."""
    return [*(said[name][row] for name, _ in order), said["id"][row]]


def position(
    rows: Rows, said: Mapping[str, Objects], order: Sequence[tuple[str, bool]], of: Key, *, after: bool
) -> int:
    """Give how many of the ordered rows stand before a key, or with `after` not behind it; its place may be gone.

    Raises BadParameter for a key of other properties.
    """
    ways = [*(is_descending for _, is_descending in order), False]
    if len(of) != len(ways):
        raise BadParameter("cursor: it was made for another order; follow the links as they come")
    wanted = [_Rank(value, way) for value, way in zip(of, ways, strict=True)]

    def ranks(row: np.int64) -> list[_Rank]:
        return [_Rank(value, way) for value, way in zip(key(int(row), said, order), ways, strict=True)]

    try:
        return (bisect_right if after else bisect_left)(rows, wanted, key=ranks)
    except TypeError:
        raise BadParameter("cursor: it was made for another order; follow the links as they come") from None


class _Rank:
    """A value as it is ordered: the largest first where it descends, absent ones last."""

    def __init__(self, value: Value, is_descending: bool) -> None:
        self._value = value
        self._is_descending = is_descending

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Rank) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __lt__(self, other: "_Rank") -> bool:
        if self._value is None or other._value is None:
            return self._value is not None and other._value is None
        low, high = (other._value, self._value) if self._is_descending else (self._value, other._value)
        return low < high  # type: ignore[operator]  # both of one column, or a TypeError that position() tells
