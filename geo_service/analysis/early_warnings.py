"""Early warnings: the colour of a place's month, and the moments it becomes critical.

Pure.  The level follows from the month's counted incidents and the rule in force on the month's first day (rules.py).
Moments follow the order of the call times: the incident that brings the count to a threshold is the moment's.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from geo_service.analysis import counts, keys, rules
from geo_service.analysis import incidents as incident_rows
from geo_service.geography import zones as zone_geometry

LEVEL_KEY = ("zone_kind", "zone_id", "month")
CELL_LEVEL_KEY = ("h3", "resolution", "month")
ALERT_KEY = ("zone_kind", "zone_id", "month", "kind")

Places = Mapping[str, zone_geometry.Zones]


def levels(zone_months: pd.DataFrame, city: rules.Rules, places: Places) -> pd.DataFrame:
    """Give the level of every zone and month that has counted incidents, by the thresholds of its kind and class.

    `zone_months` as counts.tally gives it.  Columns zone_kind, zone_id, month, count (> 0), level.
    """
    return _levels(zone_months, counts.ZONE_ORDER[:-1], city, places)


def cell_levels(cell_months: pd.DataFrame, city: rules.Rules) -> pd.DataFrame:
    """Give the level of every H3 cell and month with counted incidents, at the resolution the month's rule names.

    Columns h3, resolution, month, count (> 0), level.
    """
    month = keys.coded(cell_months["month"])
    wanted = np.array([city.levels_at(m).h3_resolution for m in month.distinct], dtype=np.int64)
    at_resolution = np.flatnonzero(cell_months["resolution"].to_numpy() == wanted[month.code])
    return _levels(cell_months.iloc[at_resolution], counts.CELL_ORDER[:-1], city)


def every_month(found: pd.DataFrame, zones: Places, months: Sequence[str]) -> pd.DataFrame:
    """Widen levels to every zone and month, zeros too.  Columns as `levels`; in the order of month, kind and zone."""
    kinds, size = sorted(zones), sum(len(place) for place in zones.values())
    count, level = np.zeros((len(months), size), dtype=np.int64), np.zeros((len(months), size), dtype=np.int8)
    before = 0
    for kind in kinds:
        here = found[(found["zone_kind"] == kind).to_numpy(dtype=bool)]
        month = pd.Index(list(months)).get_indexer(pd.Index(here["month"]))
        zone = before + pd.Index(zones[kind].ids).get_indexer(pd.Index(here["zone_id"]))
        count[month, zone], level[month, zone] = here["count"], here["level"]
        before += len(zones[kind])
    names = np.repeat(np.array(kinds, dtype=object), [len(zones[kind]) for kind in kinds])
    ids = np.concatenate([np.empty(0, dtype=object), *(zones[kind].ids for kind in kinds)])
    columns = {
        "zone_kind": pd.array(names, dtype="str").take(np.tile(np.arange(size), len(months))),
        "zone_id": pd.array(ids, dtype="str").take(np.tile(np.arange(size), len(months))),
        "month": pd.array(list(months), dtype="str").take(np.repeat(np.arange(len(months)), size)),
    }
    return pd.DataFrame({**columns, "count": count.ravel(), "level": level.ravel()})


def alerts(
    incidents: pd.DataFrame, places: Places, city: rules.Rules, moved: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Find the moments at which places became critical, red or black; with `moved`, only where one of these lies.

    `incidents` are placed (INCIDENT_COLUMNS) and whole for each month they touch.  Columns zone_kind, zone_id, month,
    kind (critical_red, enter_red, critical_black, enter_black), at (UTC call time of the incident that reached it),
    count. Each kind stands once per place and month.
    """
    month_rules = {month: city.levels_at(month) for month in incidents["month"].unique()}
    alerting = {month: rule for month, rule in month_rules.items() if rule.alerts}
    coloured = counted_mask(incidents, alerting)
    month = keys.coded(incidents["month"])
    called, at = np.unique(incidents["called_at"].dt.as_unit("us").astype("int64").to_numpy(), return_inverse=True)
    time = keys.Coded(at, pd.Index(called))
    calls = [
        {**part, "month": month.of(rows), "at": time.of(rows)}
        for rows, part in counts.by_zone(incidents, sorted(places), city.placing, moved, coloured)
    ]
    return _moments(calls, month_rules, places) if calls else _no_alerts()


def first_calls(incidents: pd.DataFrame, city: rules.Rules) -> pd.DataFrame:
    """Keep what `alerts` needs to know of placed incidents: the same alerts follow from fewer rows and columns."""
    needed = ["called_at", "month", "category", *incident_rows.ID_COLUMN.values()]
    coloured = counted_mask(incidents, {month: city.levels_at(month) for month in incidents["month"].unique()})
    return incidents[needed].iloc[np.flatnonzero(coloured)].reset_index(drop=True)


def standing(incidents: pd.DataFrame, city: rules.Rules) -> pd.DataFrame:
    """Keep the incidents that stand: not those a person found invalid, nor what the month's rule does not count yet.

    That is what nobody has confirmed where the rule waits for triage, and what was never filed where filing decides.
    """
    out = (incidents["triage"] == incident_rows.INVALID).to_numpy(dtype=bool, copy=True)
    month = keys.coded(incidents["month"])
    waits, filed = (
        np.append([test(city.levels_at(m)) for m in month.distinct], False).astype(bool)[month.code]
        for test in (lambda rule: rule.counts == rules.TRIAGED, lambda rule: rule.basis == "filing")
    )
    if waits.any():
        out |= waits & (incidents["triage"] != incident_rows.CONFIRMED).to_numpy(dtype=bool)
    if filed.any():
        out |= filed & incidents["filed_at"].isna().to_numpy()
    return incidents[~out] if out.any() else incidents


def thresholds(where: pd.DataFrame, month_rules: Mapping[str, rules.Levels], places: Places) -> keys.Numbers:
    """Give yellow, orange, red and black of each row (zone_kind, zone_id, month), by the class of its zone: (n, 4)."""
    month, kind = keys.coded(where["month"]), keys.coded(where["zone_kind"])
    common = np.array([month_rules[m].thresholds() for m in month.distinct], dtype=np.int64).reshape(-1, 4)
    found = common[month.code]
    if not any(rule.special for rule in month_rules.values()):
        return found
    for at, kind_name in enumerate(kind.distinct):
        these = np.flatnonzero(kind.code == at)
        zones = places[kind_name]
        code, classes = pd.factorize(np.append(zones.classes, ""))
        which = code[pd.Index(zones.ids).get_indexer(pd.Index(where["zone_id"].iloc[these]))]  # -1: the last, ""
        by_class = np.array([[month_rules[m].thresholds(kind_name, str(c)) for c in classes] for m in month.distinct])
        found[these] = by_class[month.code[these], which]
    return found


def months_between(first: str, last: str) -> list[str]:
    """List the months from first to last, both included.

    >>> months_between("2019-11", "2020-02")
    ['2019-11', '2019-12', '2020-01', '2020-02']
    """
    return [str(month) for month in pd.period_range(first, last, freq="M")]


def counted_mask(rows: pd.DataFrame, month_rules: Mapping[str, rules.Levels]) -> keys.Flags:
    """Tell which rows (with month and category) carry a category that colours in their month."""
    month, category = keys.coded(rows["month"]), keys.coded(rows["category"])
    colours = np.zeros((len(month.distinct) + 1, len(category.distinct) + 1), dtype=bool)  # the last: missing, code -1
    for at, name in enumerate(month.distinct):
        if name in month_rules:
            colours[at, :-1] = category.distinct.isin(list(month_rules[name].counted))
    return colours[month.code, category.code]


def _levels(
    tallied: pd.DataFrame, order: Sequence[str], city: rules.Rules, places: Places | None = None
) -> pd.DataFrame:
    month_rules = {month: city.levels_at(month) for month in tallied["month"].unique()}
    counted = np.flatnonzero(counted_mask(tallied, month_rules))  # positions: a mask takes 4 times as long on text
    found = counts.summed(tallied.iloc[counted], order)
    month, count = keys.coded(found["month"]), found["count"].to_numpy()
    level = np.zeros(len(found), dtype=np.int8)
    for rule in set(month_rules.values()):
        here = np.array([month_rules[m] == rule for m in month.distinct], dtype=bool)[month.code]
        level[here] = rule.of(count[here])
    if places is not None and any(rule.special for rule in month_rules.values()):
        level = (thresholds(found, month_rules, places) <= count[:, np.newaxis]).sum(axis=1).astype(np.int8)
    return found.assign(level=level)


def _moments(
    calls: Sequence[Mapping[str, keys.Coded]], month_rules: Mapping[str, rules.Levels], places: Places
) -> pd.DataFrame:
    """Give the moments of calls (zone_kind, zone_id, month, at of each; one after another kind), in order of the key.

    A moment is the time of a place's n-th call: calls of the same time need no order among them.
    """
    call = np.concatenate([np.sort(keys.numbered(columns)) for columns in calls])
    times = calls[0]["at"].distinct
    _, first, size = np.unique(call // max(1, len(times)), return_index=True, return_counts=True)
    where = pd.DataFrame(keys.values_of(calls[0], call[first])).drop(columns="at")
    limits = thresholds(where, month_rules, places)
    wanted = np.column_stack([limits[:, 3] - 1, limits[:, 2] - 1, limits[:, 3], limits[:, 2]])  # as rules.MOMENTS
    which, kind = np.nonzero(wanted <= size[:, np.newaxis])
    count = wanted[which, kind]
    values = keys.values_of(calls[0], call[first[which] + count - 1])
    at = pd.to_datetime(values.pop("at"), unit="us", utc=True).as_unit("us")
    kinds = pd.array(rules.MOMENTS, dtype="str").take(kind)
    return pd.DataFrame({**values, "kind": kinds, "at": at, "count": count})


def _no_alerts() -> pd.DataFrame:
    frame = pd.DataFrame({column: pd.Series(dtype="str") for column in ALERT_KEY})
    return frame.assign(at=pd.Series(dtype="datetime64[us, UTC]"), count=pd.Series(dtype="int64"))
