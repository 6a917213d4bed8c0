"""Parts: a source too large for one batch, thought about part by part, with the same result however it was cut.

Pure.  `take_in` reads and places the rows of one part; which of them hold is settled among the versions of all parts
(versions.py); `count` counts what is left of a part; `conclude` says what follows for some months from the counts of
all parts.  Parts do not know each other, nor do months, so any number of processes may share the work.  Counted frames
are in the order of their months.  With a solver, `shared` of all parts stands between settling and counting.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import pandas as pd

from geo_service.analysis import counts, early_warnings, intake, keys, rules, totals, versions, whereabouts, witnesses
from geo_service.analysis import incidents as incident_rows
from geo_service.analysis.doubts import Doubts
from geo_service.analysis.feed import Feed
from geo_service.geography.zones import Zones

if TYPE_CHECKING:
    from geo_service.geography.addresses.locate import Solver

Colours: TypeAlias = Mapping[str, Mapping[str, Mapping[str, int]]]  # places by kind, month and level


@dataclass(frozen=True)
class Case:
    """What a run is about: how rows are read, the places, what the city has decided, as of when, who locates texts."""

    feed: Feed
    zones: Mapping[str, Zones]
    rules: rules.Rules
    now: datetime
    as_of: datetime | None = None
    solver: "Solver | None" = None


@dataclass(frozen=True)
class Part:
    """One part, read and placed: every incident row in its order, their versions, rows refused.

    With a solver the incidents have whereabouts.WORKING_COLUMNS too; `doubted` as incidents.Read tells.
    """

    incidents: pd.DataFrame
    versions: versions.Versions
    rejected: pd.DataFrame
    doubts: Doubts
    rows_read: int
    doubted: int = 0


@dataclass(frozen=True)
class Count:
    """What the incidents of a part come to: themselves as they are in the end, and what follows.

    `zone_months`, `cell_months` as counts.tally and tally_cells give them; `calls` what decides when zones became
    critical (early_warnings.first_calls); `totals` plain numbers that add up; `reviews`, and `witnesses`
    (witnesses.of), None without a solver.
    """

    incidents: pd.DataFrame
    zone_months: pd.DataFrame
    cell_months: pd.DataFrame
    calls: pd.DataFrame
    totals: totals.Totals
    reviews: pd.DataFrame | None = None
    witnesses: pd.DataFrame | None = None


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
    read = incident_rows.read(rows, case.feed, case.now, by_text=case.solver is not None, city=case.rules)
    found = whereabouts.locate(read.incidents, case.solver) if case.solver else read.incidents
    placed = intake.place(found, case.zones)
    doubts = read.doubts + intake.around(placed, case.zones)
    return Part(placed, versions.of(placed, case.as_of), read.rejected, doubts, len(rows), read.doubted)


def count(incidents: pd.DataFrame, case: Case, shared: pd.DataFrame | None = None) -> Count:
    """Count the incidents of a part that hold; with a solver, `shared` are the points of all parts (whereabouts.py)."""
    reviews = seen = None
    if case.solver is not None and shared is not None:
        incidents = whereabouts.settled(incidents, shared)
        reviews, seen = whereabouts.reviews(incidents, case.solver), witnesses.of(incidents)
        incidents = incidents.drop(columns=list(whereabouts.WORKING_COLUMNS))
    kinds, city = sorted(case.zones), case.rules
    stand = early_warnings.standing(incidents, city)
    return Count(
        incidents,
        counts.tally(stand, kinds, city.placing),
        counts.tally_cells(stand),
        _by_month(early_warnings.first_calls(stand, city)),
        totals.of(incidents, case.zones),
        reviews,
        seen,
    )


def conclude(
    zone_months: pd.DataFrame, cell_months: pd.DataFrame, calls: pd.DataFrame, months: Sequence[str], case: Case
) -> Months:
    """Say what follows for some months from the counts of all parts, laid one after another."""
    city = case.rules
    zone_months = counts.summed(zone_months, counts.ZONE_ORDER)
    cell_months = counts.summed(cell_months, counts.CELL_ORDER)
    levels = early_warnings.every_month(early_warnings.levels(zone_months, city, case.zones), case.zones, months)
    return Months(
        zone_months,
        levels,
        _by_month(early_warnings.alerts(calls, case.zones, city)),
        cell_months,
        early_warnings.cell_levels(cell_months, city),
        _colours(levels),
    )


def month_groups(whole: totals.Totals, at_once: int) -> list[list[str]]:
    """Put the months from the first to the last into groups of up to so many incidents, a month at the least.

    >>> month_groups(totals.Totals({("month", "2024-01"): 5, ("month", "2024-03"): 4, ("month", "2024-04"): 9}), 10)
    [['2024-01', '2024-02', '2024-03'], ['2024-04']]
    """
    there = sorted(month for what, month in whole if what == "month")
    groups: list[list[str]] = [[]]
    size = 0
    for month in early_warnings.months_between(there[0], there[-1]) if there else []:
        if groups[-1] and size + whole["month", month] > at_once:
            groups.append([])
            size = 0
        groups[-1].append(month)
        size += whole["month", month]
    return groups


def _by_month(frame: pd.DataFrame) -> pd.DataFrame:
    """Put rows in the order of their months, within a month as they were."""
    month = keys.coded(frame["month"]).code
    if (month[1:] >= month[:-1]).all():
        return frame
    return frame.iloc[np.argsort(month, kind="stable")].reset_index(drop=True)


def _colours(levels: pd.DataFrame) -> Colours:
    found: dict[str, dict[str, dict[str, int]]] = {}
    places = levels.groupby(["zone_kind", "month", "level"]).size().reset_index(name="places")
    for kind, month, level, number in places.itertuples(index=False):
        names = found.setdefault(kind, {}).setdefault(month, dict.fromkeys(rules.LEVEL_NAMES, 0))
        names[rules.LEVEL_NAMES[level]] = int(number)
    return found
