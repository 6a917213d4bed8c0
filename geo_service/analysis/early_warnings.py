"""Early warnings: the colour of a place's month, and the moments it becomes critical.

Pure.  The level follows from the month's counted incidents and the rule in force on the month's first day (rules.py).
Moments follow the order of the call times: the incident that brings the count to a threshold is the moment's.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from geo_service.analysis import counts, rules
from geo_service.analysis import incidents as incident_rows
from geo_service.geography import zones as zone_geometry

LEVEL_KEY = ("zone_kind", "zone_id", "month")
CELL_LEVEL_KEY = ("h3", "resolution", "month")
ALERT_KEY = ("zone_kind", "zone_id", "month", "kind")


def levels(zone_months: pd.DataFrame, city: rules.Rules) -> pd.DataFrame:
    """Give the level of every zone and month that has counted incidents.

    `zone_months` as counts.tally gives it.  Columns zone_kind, zone_id, month, count (> 0), level.
    """
    return _levels(zone_months, LEVEL_KEY, city)


def cell_levels(cell_months: pd.DataFrame, city: rules.Rules) -> pd.DataFrame:
    """Give the level of every H3 cell and month with counted incidents, at the resolution the month's rule names.

    Columns h3, resolution, month, count (> 0), level.
    """
    wanted = cell_months["month"].map({m: city.levels_at(m).h3_resolution for m in cell_months["month"].unique()})
    at_resolution = cell_months[(cell_months["resolution"] == wanted).to_numpy(dtype=bool)]
    return _levels(at_resolution, CELL_LEVEL_KEY, city)


def every_month(found: pd.DataFrame, zones: Mapping[str, zone_geometry.Zones], months: Sequence[str]) -> pd.DataFrame:
    """Widen levels to every zone and month, zeros too.  Columns and order as `levels`."""
    grids = [
        pd.MultiIndex.from_product([[kind], place.ids.tolist(), months], names=list(LEVEL_KEY)).to_frame(index=False)
        for kind, place in sorted(zones.items())
        if len(place) and months
    ]
    if not grids:
        return found
    whole = pd.concat(grids, ignore_index=True).astype(dict.fromkeys(LEVEL_KEY, "str"))
    whole = whole.merge(found, how="left", on=list(LEVEL_KEY))
    return whole.fillna({"count": 0, "level": 0}).astype({"count": "int64", "level": "int8"})


def alerts(
    incidents: pd.DataFrame, kinds: Sequence[str], city: rules.Rules, moved: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Find the moments at which places became critical, red or black; with `moved`, only where one of these lies.

    `incidents` are placed (INCIDENT_COLUMNS) and whole for each month they touch.  Columns zone_kind, zone_id, month,
    kind (critical_red, enter_red, critical_black, enter_black), at (UTC call time of the incident that reached it),
    count. Each kind stands once per place and month.  Calls of the same moment count in the order of their ids.
    """
    month_rules = {month: city.levels_at(month) for month in incidents["month"].unique()}
    needed = ["called_at", "incident_id", "feed", "month", *incident_rows.ID_COLUMN.values()]
    counted = incidents.loc[counted_mask(incidents, month_rules), needed].sort_values(needed[:3])
    found = [_no_alerts()]
    for kind in kinds:
        column = incident_rows.ID_COLUMN[kind]
        here = counted.loc[counts.counting(counted, kind, city.placing, moved), [column, "month", "called_at"]]
        here = here.rename(columns={column: "zone_id", "called_at": "at"}).assign(zone_kind=kind)
        here["count"] = here.groupby(["zone_id", "month"], sort=False).cumcount() + 1
        found.extend(_moments(here, month_rules))
    whole = pd.concat([frame for frame in found if len(frame)] or found[:1], ignore_index=True)
    return whole.astype(found[0].dtypes.to_dict()).sort_values(list(ALERT_KEY), ignore_index=True)


def first_calls(incidents: pd.DataFrame, city: rules.Rules) -> pd.DataFrame:
    """Keep what `alerts` needs to know of placed incidents: the same alerts follow from fewer rows and columns."""
    needed = ["feed", "incident_id", "called_at", "month", "category", *incident_rows.ID_COLUMN.values()]
    return incidents.loc[counted_mask(incidents, {m: city.levels_at(m) for m in incidents["month"].unique()}), needed]


def months_between(first: str, last: str) -> list[str]:
    """List the months from first to last, both included.

    >>> months_between("2019-11", "2020-02")
    ['2019-11', '2019-12', '2020-01', '2020-02']
    """
    return [str(month) for month in pd.period_range(first, last, freq="M")]


def counted_mask(
    rows: pd.DataFrame, month_rules: Mapping[str, rules.Levels]
) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    """Tell which rows (with month and category) carry a category that colours in their month."""
    mask = np.zeros(len(rows), dtype=bool)
    for counted in {rule.counted for rule in month_rules.values()}:
        months = [month for month, rule in month_rules.items() if rule.counted == counted]
        mask = mask | (rows["month"].isin(months) & rows["category"].isin(counted)).to_numpy()
    return mask


def _levels(tallied: pd.DataFrame, key: Sequence[str], city: rules.Rules) -> pd.DataFrame:
    month_rules = {month: city.levels_at(month) for month in tallied["month"].unique()}
    counted = tallied[counted_mask(tallied, month_rules)]
    found = counted.groupby(list(key), sort=False, observed=True)["count"].sum().reset_index()
    level = np.zeros(len(found), dtype=np.int8)
    for rule in set(month_rules.values()):
        here = found["month"].isin([m for m, r in month_rules.items() if r == rule]).to_numpy()
        level[here] = rule.of(found.loc[here, "count"].to_numpy(dtype=np.int64))
    return found.assign(level=level).sort_values(list(key), ignore_index=True)


def _moments(here: pd.DataFrame, month_rules: Mapping[str, rules.Levels]) -> list[pd.DataFrame]:
    found: list[pd.DataFrame] = []
    for kind in ("critical_red", "enter_red", "critical_black", "enter_black"):
        wanted = here["month"].map({month: rule.alert_counts()[kind] for month, rule in month_rules.items()})
        found.append(
            here[(here["count"] == wanted).to_numpy(dtype=bool)].assign(kind=kind)[[*ALERT_KEY, "at", "count"]]
        )
    return found


def _no_alerts() -> pd.DataFrame:
    frame = pd.DataFrame({column: pd.Series(dtype="str") for column in ALERT_KEY})
    return frame.assign(at=pd.Series(dtype="datetime64[us, UTC]"), count=pd.Series(dtype="int64"))
