"""Parts: a source too large for one batch, thought about part by part, with the same result however it was cut.

Pure.  `take_in` reads and places the rows of one part; `settle` finds, among the identities of all parts, the rows that
another row of the same incident replaces; `count` counts what is left of a part; `conclude` says what follows for some
months from the counts of all parts.  Parts do not know each other, nor do months, so any number of processes may share
the work.  Counted frames are in the order of their months.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from geo_service.analysis import counts, early_warnings, intake, keys, rules
from geo_service.analysis import incidents as incident_rows
from geo_service.analysis.doubts import Doubts
from geo_service.analysis.feed import Feed
from geo_service.geography import zones as zone_geometry
from geo_service.geography.zones import Zones

DUPLICATE, NOT_YET_SAID = 1, 2  # why a row does not hold: another replaces it; it was said after `as_of`

# What is known of a row's identity: two hashes of its id (of 10^10 incidents two are taken for one once in 10^18 runs),
# when it was said [us since 1970], its place in its part, and whether it was called and said by `as_of`.
VERSION = np.dtype(
    [("id", "<u8"), ("check", "<u8"), ("updated", "<i8"), ("row", "<i4"), ("called", "?"), ("said", "?")]
)
VERDICT = np.dtype([("row", "<i4"), ("verdict", "i1")])
_HASH_KEYS = ("0123456789123456", "6543219876543210")

Totals: TypeAlias = Counter[tuple[str, str]]  # such as ("inside", "units") -> how many
Colours: TypeAlias = Mapping[str, Mapping[str, Mapping[str, int]]]  # places by kind, month and level
Versions = npt.NDArray[np.void]
Verdicts = npt.NDArray[np.void]


@dataclass(frozen=True)
class Case:
    """What a run is about: how rows are read, the places, what the city has decided, and as of when."""

    feed: Feed
    zones: Mapping[str, Zones]
    rules: rules.Rules
    now: datetime
    as_of: datetime | None = None


@dataclass(frozen=True)
class Part:
    """One part, read and placed: every incident row in its order, their identities (VERSION), rows refused."""

    incidents: pd.DataFrame
    versions: Versions
    rejected: pd.DataFrame
    doubts: Doubts
    rows_read: int


@dataclass(frozen=True)
class Count:
    """What the incidents of a part come to.

    `zone_months`, `cell_months` as counts.tally and tally_cells give them; `calls` what decides when zones became
    critical (early_warnings.first_calls); `totals` plain numbers that add up.
    """

    zone_months: pd.DataFrame
    cell_months: pd.DataFrame
    calls: pd.DataFrame
    totals: Totals


@dataclass(frozen=True)
class Months:
    """What follows for some months: the results of `digest`, and the number of places by kind, month and level."""

    zone_month: pd.DataFrame
    levels: pd.DataFrame
    alerts: pd.DataFrame
    cell_month: pd.DataFrame
    cell_levels: pd.DataFrame
    colours: Colours


def take_in(rows: pd.DataFrame, case: Case) -> Part:
    """Read and place the rows of one part (as streams.read_rows gives them)."""
    read = incident_rows.read(rows, case.feed, case.now)
    placed = intake.place(read.incidents, case.zones)
    doubts = read.doubts + intake.around(placed, case.zones)
    return Part(placed, _versions(placed, case.as_of), read.rejected, doubts, len(rows))


def settle(versions: Sequence[Versions]) -> list[Verdicts]:
    """Judge the rows of all parts, given in the order of their parts; give for each part the rows that do not hold.

    One row of each incident holds: the one said last of those said by `as_of`; where the source says no time, the one
    that came last.  What was said later holds only where nothing was said before; what was called later does not hold.
    """
    whole = np.concatenate(versions)
    part = np.repeat(np.arange(len(versions)), [len(one) for one in versions])
    verdict = np.where(whole["called"], 0, NOT_YET_SAID).astype(np.int8)
    called = np.flatnonzero(whole["called"])
    several = called[pd.Series(whole["id"][called]).duplicated(keep=False).to_numpy()]
    these = whole[several]
    # By incident, and within it from the row that yields first to the one that holds.
    order = np.lexsort((these["row"], part[several], these["updated"], these["said"], these["check"], these["id"]))
    these, several = these[order], several[order]
    is_last = np.ones(len(these), dtype=bool)
    is_last[:-1] = (these["id"][1:] != these["id"][:-1]) | (these["check"][1:] != these["check"][:-1])
    holder = np.flatnonzero(is_last)[np.cumsum(is_last) - is_last]
    verdict[several] = np.where(these["said"] < these["said"][holder], NOT_YET_SAID, DUPLICATE)
    verdict[several[is_last]] = 0
    lost = np.flatnonzero(verdict)
    found = np.empty(len(lost), dtype=VERDICT)
    found["row"], found["verdict"] = whole["row"][lost], verdict[lost]
    return np.split(found, np.searchsorted(part[lost], np.arange(1, len(versions))))


def count(incidents: pd.DataFrame, case: Case) -> Count:
    """Count the incidents of a part that hold."""
    kinds, city = sorted(case.zones), case.rules
    return Count(
        counts.tally(incidents, kinds, city.placing),
        counts.tally_cells(incidents),
        _by_month(early_warnings.first_calls(incidents, city)),
        _totals(incidents, case.zones),
    )


def conclude(
    zone_months: pd.DataFrame, cell_months: pd.DataFrame, calls: pd.DataFrame, months: Sequence[str], case: Case
) -> Months:
    """Say what follows for some months from the counts of all parts, laid one after another."""
    city = case.rules
    zone_months = counts.summed(zone_months, counts.ZONE_ORDER)
    cell_months = counts.summed(cell_months, counts.CELL_ORDER)
    levels = early_warnings.every_month(early_warnings.levels(zone_months, city), case.zones, months)
    return Months(
        zone_months,
        levels,
        _by_month(early_warnings.alerts(calls, sorted(case.zones), city)),
        cell_months,
        early_warnings.cell_levels(cell_months, city),
        _colours(levels),
    )


def whereabouts(totals: Totals, case: Case) -> intake.Summary:
    """Say in plain numbers where the incidents of all parts are."""
    inside = {kind: totals["inside", kind] for kind in sorted(case.zones)}
    return {
        "incidents": totals["incidents", ""],
        "placed": inside,
        "outside": totals["placed", "outside"],
        "outside_by_kind": {kind: totals["located", ""] - count for kind, count in inside.items()},
        "outside_why": {kind: {why: n for (of, why), n in sorted(totals.items()) if of == kind} for kind in inside},
        "without_coordinates": totals["placed", "waiting"],
        "unmapped": {code: count for (what, code), count in sorted(totals.items()) if what == "unmapped"},
    }


def month_groups(totals: Totals, at_once: int) -> list[list[str]]:
    """Put the months from the first to the last into groups of up to so many incidents, a month at the least.

    >>> month_groups(Counter({("month", "2024-01"): 5, ("month", "2024-03"): 4, ("month", "2024-04"): 9}), 10)
    [['2024-01', '2024-02', '2024-03'], ['2024-04']]
    """
    there = sorted(month for what, month in totals if what == "month")
    groups: list[list[str]] = [[]]
    size = 0
    for month in early_warnings.months_between(there[0], there[-1]) if there else []:
        if groups[-1] and size + totals["month", month] > at_once:
            groups.append([])
            size = 0
        groups[-1].append(month)
        size += totals["month", month]
    return groups


def _by_month(frame: pd.DataFrame) -> pd.DataFrame:
    """Put rows in the order of their months, within a month as they were."""
    month = keys.coded(frame["month"]).code
    if (month[1:] >= month[:-1]).all():
        return frame
    return frame.iloc[np.argsort(month, kind="stable")].reset_index(drop=True)


def _versions(incidents: pd.DataFrame, as_of: datetime | None) -> Versions:
    """Give the identities of incidents in the order of their hashes, so that a range of them is a slice."""
    found = np.zeros(len(incidents), dtype=VERSION)
    ids = incidents["incident_id"].to_numpy(dtype=object)
    for name, key in zip(("id", "check"), _HASH_KEYS, strict=True):
        found[name] = pd.util.hash_array(ids, hash_key=key, categorize=False)
    updated = incidents["updated_at"]
    found["updated"] = updated.fillna(pd.Timestamp(0, tz="UTC")).dt.as_unit("us").astype("int64")
    found["row"] = np.arange(len(incidents))
    found["called"] = True if as_of is None else incidents["called_at"] <= pd.Timestamp(as_of)
    found["said"] = True if as_of is None else ~(updated > pd.Timestamp(as_of)).to_numpy(dtype=bool)
    return found[np.argsort(found["id"])]


def _totals(incidents: pd.DataFrame, zones: Mapping[str, Zones]) -> Totals:
    unmapped = incidents.loc[(incidents["category"] == rules.UNMAPPED).to_numpy(dtype=bool), "source_category"]
    found: Totals = Counter({("incidents", ""): len(incidents), ("located", ""): int(incidents["lon"].notna().sum())})
    for what, column in (("placed", incidents["placed"]), ("month", incidents["month"]), ("unmapped", unmapped)):
        found.update(Counter({(what, str(value)): int(number) for value, number in column.value_counts().items()}))
    located = incidents["lon"].notna()
    for kind, places in zones.items():
        inside = incidents[incident_rows.ID_COLUMN[kind]].notna()
        found["inside", kind] = int(inside.sum())
        lon, lat = (incidents.loc[located & ~inside, name].to_numpy() for name in ("lon", "lat"))
        found.update((kind, reason) for reason in zone_geometry.why_outside(places, lon, lat).tolist())
    return found


def _colours(levels: pd.DataFrame) -> Colours:
    found: dict[str, dict[str, dict[str, int]]] = {}
    places = levels.groupby(["zone_kind", "month", "level"]).size().reset_index(name="places")
    for kind, month, level, number in places.itertuples(index=False):
        names = found.setdefault(kind, {}).setdefault(month, dict.fromkeys(rules.LEVEL_NAMES, 0))
        names[rules.LEVEL_NAMES[level]] = int(number)
    return found
