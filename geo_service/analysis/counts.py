"""Counts: incidents per place, H3 cell, month and category.

Pure.  `tally` and `tally_cells` count a frame of placed incidents; `changes` says how one tally becomes another, a
count of 0 meaning that nothing is left to keep.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from geo_service.analysis import incidents as incident_rows
from geo_service.geography import grid

ZONE_KEY = ("zone_kind", "zone_id", "month", "category")
CELL_KEY = ("h3", "resolution", "month", "category")


def counting(incidents: pd.DataFrame, kind: str, placing: Mapping[str, str]) -> npt.NDArray[np.bool_]:
    """Tell which incidents a kind of zone counts: those inside one, unless the placing rule leaves them to a unit."""
    inside = incidents[incident_rows.ID_COLUMN[kind]].notna().to_numpy()
    if placing[kind] == "unless_in_unit":
        inside = inside & incidents["unit_id"].isna().to_numpy()
    return inside


def tally(incidents: pd.DataFrame, kinds: Sequence[str], placing: Mapping[str, str]) -> pd.DataFrame:
    """Count incidents per zone, month and category.

    Columns zone_kind, zone_id, month, category, count (> 0), in the order of the key.
    """
    found = [_empty(ZONE_KEY)]
    for kind in kinds:
        column = incident_rows.ID_COLUMN[kind]
        counted = incidents.loc[counting(incidents, kind, placing), [column, "month", "category"]]
        found.append(_group(counted.rename(columns={column: "zone_id"}), ZONE_KEY[1:]).assign(zone_kind=kind))
    return _in_order(found, ZONE_KEY)


def tally_cells(incidents: pd.DataFrame, resolutions: Sequence[int] = grid.RESOLUTIONS) -> pd.DataFrame:
    """Count incidents with coordinates per H3 cell of each resolution, month and category, in or out of any zone.

    Each resolution's cell is the one that holds the point: hexagons do not nest, and the ancestor of the finest cell
    would be a neighbour for 7 points in 100 (test_philadelphia.py).
    Columns h3 (hex text), resolution, month, category, count (> 0), in the order of the key.
    """
    located = incidents.loc[incidents["cell"].notna(), ["lon", "lat", "month", "category"]]
    codes, points = pd.factorize(located["lon"].to_numpy() + 1j * located["lat"].to_numpy())
    found = [_empty(CELL_KEY)]
    for resolution in resolutions:
        names = grid.as_text(grid.cells(points.real, points.imag, resolution))
        here = located[["month", "category"]].assign(h3=names[codes])
        found.append(_group(here, ("h3", "month", "category")).assign(resolution=resolution))
    return _in_order(found, CELL_KEY)


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


def _group(rows: pd.DataFrame, key: Sequence[str]) -> pd.DataFrame:
    return rows.groupby(list(key), sort=False, observed=True).size().reset_index(name="count")


def _empty(key: Sequence[str]) -> pd.DataFrame:
    frame = pd.DataFrame({column: pd.Series(dtype="int64" if column == "resolution" else "str") for column in key})
    return frame.assign(count=pd.Series(dtype="int64"))


def _in_order(found: Sequence[pd.DataFrame], key: Sequence[str]) -> pd.DataFrame:
    columns = [*key, "count"]
    whole = pd.concat([frame[columns] for frame in found if len(frame)] or [found[0]], ignore_index=True)
    return whole.astype(found[0].dtypes.to_dict()).sort_values(list(key), ignore_index=True)
