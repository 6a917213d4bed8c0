"""Counts: incidents per place, H3 cell, month and category.

Pure.  `tally` and `tally_cells` count a frame of placed incidents; `changes` says how one tally becomes another, a
count of 0 meaning that nothing is left to keep.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from geo_service.analysis import incidents as incident_rows
from geo_service.geography import grid

ZONE_KEY = ("zone_kind", "zone_id", "month", "category")
CELL_KEY = ("h3", "resolution", "month", "category")


def counting(
    incidents: pd.DataFrame, kind: str, placing: Mapping[str, str], moved: pd.DataFrame | None = None
) -> npt.NDArray[np.bool_]:
    """Tell which incidents a kind of zone counts: those inside one, unless the placing rule leaves them to a unit.

    With `moved`, only those in zones that hold one of these incidents too.
    """
    zone = incidents[incident_rows.ID_COLUMN[kind]]
    inside = (zone.notna() if moved is None else zone.isin(moved[zone.name].dropna())).to_numpy()
    if placing[kind] == "unless_in_unit":
        inside = inside & incidents["unit_id"].isna().to_numpy()
    return inside


def tally(
    incidents: pd.DataFrame, kinds: Sequence[str], placing: Mapping[str, str], moved: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Count incidents per zone, month and category; with `moved`, only in the zones that hold one of these too.

    Columns zone_kind, zone_id, month, category, count (> 0), in the order of the key.
    """
    month, category = _coded(incidents["month"]), _coded(incidents["category"])
    found = [_empty(ZONE_KEY)]
    for kind in sorted(kinds):
        here = np.flatnonzero(counting(incidents, kind, placing, moved))
        zone = _coded(incidents[incident_rows.ID_COLUMN[kind]].iloc[here])
        counted = _count({"zone_id": zone, "month": month.of(here), "category": category.of(here)})
        found.append(counted.assign(zone_kind=kind))
    return _together(found, ZONE_KEY)


def tally_cells(incidents: pd.DataFrame, moved: pd.DataFrame | None = None) -> pd.DataFrame:
    """Count incidents with coordinates per H3 cell of each resolution, month and category, in or out of any zone.

    With `moved`, only in the cells that hold one of these incidents too.
    Each resolution's cell is the one that holds the point: hexagons do not nest, and the ancestor of the finest cell
    would be a neighbour for 7 points in 100 (test_philadelphia.py).
    Columns h3 (hex text), resolution, month, category, count (> 0), in the order of the key.
    """
    lon, lat = incidents["lon"].to_numpy(), incidents["lat"].to_numpy()
    here = np.flatnonzero(np.isfinite(lon))
    which, points = pd.factorize(lon[here] + 1j * lat[here])  # block geocodes repeat: each place is looked up once
    month, category = _coded(incidents["month"]).of(here), _coded(incidents["category"]).of(here)
    found = [_empty(CELL_KEY)]
    for resolution in grid.RESOLUTIONS:
        of_point = grid.cells(points.real, points.imag, resolution)
        if moved is not None:
            touched = grid.cells(moved["lon"].to_numpy(), moved["lat"].to_numpy(), resolution)
            of_point[~np.isin(of_point, touched)] = 0
        rows = np.flatnonzero(of_point[which])
        cells, cell = np.unique(of_point[which[rows]], return_inverse=True)
        coded = _Coded(cell, grid.as_text(cells))  # as numbers and as text, cells of one resolution sort alike
        counted = _count({"h3": coded, "month": month.of(rows), "category": category.of(rows)})
        found.append(counted.assign(resolution=resolution))
    return _together(found, CELL_KEY).sort_values(list(CELL_KEY), ignore_index=True)


def summed(tallied: pd.DataFrame, key: Sequence[str]) -> pd.DataFrame:
    """Add up the counts of the rows that agree in every column of a key, in the order of the key."""
    return tallied.groupby(list(key), sort=True)["count"].sum().reset_index().astype(tallied.dtypes.to_dict())


def changes(before: pd.DataFrame, after: pd.DataFrame, key: Sequence[str]) -> pd.DataFrame:
    """Give the rows of `after` that `before` lacks or has otherwise, and, with count 0, those only `before` has.

    >>> one = pd.DataFrame({"zone_id": ["a", "b"], "count": [1, 2]})
    >>> two = pd.DataFrame({"zone_id": ["b", "c"], "count": [3, 1]})
    >>> changes(one, two, ["zone_id"]).to_dict("records")
    [{'zone_id': 'b', 'count': 3}, {'zone_id': 'c', 'count': 1}, {'zone_id': 'a', 'count': 0}]
    """
    if before.empty:
        return after
    columns = list(after.columns)
    both = after.merge(before, how="left", on=columns, indicator=True)
    new = after[(both["_merge"] == "left_only").to_numpy()]
    gone = before.merge(after[list(key)], how="left", on=list(key), indicator=True)
    gone = before[(gone["_merge"] == "left_only").to_numpy()].assign(count=0)
    if "level" in columns:
        gone = gone.assign(level=0)
    return pd.concat([new, gone[columns]], ignore_index=True).astype(after.dtypes.to_dict())


@dataclass(frozen=True)
class _Coded:
    """A column as numbers: `code` of each row, `values` in ascending order."""

    code: npt.NDArray[np.int64]
    values: npt.NDArray[np.object_]

    def of(self, rows: npt.NDArray[np.int64]) -> "_Coded":
        """Give some of the rows."""
        return _Coded(self.code[rows], self.values)


def _coded(column: pd.Series) -> _Coded:
    code, values = pd.factorize(column, sort=True)
    return _Coded(code, np.asarray(values, dtype=object))


def _count(columns: Mapping[str, _Coded]) -> pd.DataFrame:
    """Count the rows that agree in every column, in the order of the columns."""
    key = np.zeros(1, dtype=np.int64)
    for column in columns.values():
        key = key * len(column.values) + column.code
    distinct, count = np.unique(key, return_counts=True)
    values: dict[str, pd.Series] = {"count": pd.Series(count.astype(np.int64))}
    for name, column in reversed(list(columns.items())):
        distinct, code = np.divmod(distinct, max(1, len(column.values)))
        values[name] = pd.Series(column.values, dtype="str").take(code).reset_index(drop=True)
    return pd.DataFrame(values)


def _empty(key: Sequence[str]) -> pd.DataFrame:
    frame = pd.DataFrame({column: pd.Series(dtype="int64" if column == "resolution" else "str") for column in key})
    return frame.assign(count=pd.Series(dtype="int64"))


def _together(found: Sequence[pd.DataFrame], key: Sequence[str]) -> pd.DataFrame:
    columns = [*key, "count"]
    whole = pd.concat([frame[columns] for frame in found if len(frame)] or [found[0]], ignore_index=True)
    return whole.astype(found[0].dtypes.to_dict())
