"""Outlooks: what stands beside the colour of every place in the running month.

Pure.  The colour by the rule and the colour beside the place's own expectation, how likely red and black are by the
month's end, how sure the colour is, what the last 30 days would give, and how its streak of zero compares with the one
its rate would give.  The parts are made in expectations.py and trust.py; here they are put side by side.
"""

import calendar
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

import numpy as np
import numpy.typing as npt
import pandas as pd

from geo_service.analysis import counts, early_warnings, expectations, reliability, rules, trust
from geo_service.analysis import incidents as incident_rows
from geo_service.errors import BadParameter
from geo_service.geography.zones import Zones

COLUMNS = (
    "zone_id", "count", "level", "relative_level", "expected", "low", "high", "chance_red", "chance_black",
    "confidence", "shadow_count", "shadow_level", "zero_months", "expected_zero_months", "chance_of_streak",
)  # fmt: skip
_HISTORY_MONTHS = 12
DIFFERS = ("only_rule", "only_relative")  # which of the two colours is red or black alone


@dataclass(frozen=True)
class Record:
    """What an outlook is made of, for one kind of places.

    `history`: zone_id, month and count of the zones with counted incidents in `months` (all before the running one,
    oldest first); `incidents` of the running month and the one before, placed (incidents.INCIDENT_COLUMNS).
    """

    zones: Zones
    history: pd.DataFrame
    months: Sequence[str]
    incidents: pd.DataFrame


def outlook(record: Record, city: rules.Rules, how: trust.Trust, now: datetime) -> pd.DataFrame:
    """Tell of every place what stands beside its colour: COLUMNS, one row a zone in the order of `record.zones`.

    `now` is the city's time.  `expected`, `low`, `high` (90 %) are incidents of the whole month; chances are shares;
    without a month of history they, and all that follows from a rate, are NaN.
    """
    zones, month = record.zones, f"{now:%Y-%m}"
    running = record.incidents[(record.incidents["month"] == month).to_numpy(dtype=bool)].reset_index(drop=True)
    limits, count = trust.limits_of(zones, city.levels_at(month)), trust.counted(running, zones, city)
    found = pd.DataFrame({"zone_id": zones.ids, "count": count, "level": (limits <= count[:, None]).sum(axis=1)})
    found = found.assign(confidence=trust.confidence(running, zones, city, how))
    shadow = trust.shadow(record.incidents, zones, city, now, how)
    expected = _expected(record, count, limits, now)
    return pd.concat([found, shadow, expected], axis=1)[list(COLUMNS)]


def differing(found: pd.DataFrame) -> npt.NDArray[np.object_]:
    """Say of each place whether only one of its two colours is red or black: one of DIFFERS, "" where they agree."""
    rule, relative = found["level"].to_numpy() >= rules.RED, found["relative_level"].fillna(0).to_numpy() >= rules.RED
    return np.select([rule & ~relative, relative & ~rule], DIFFERS, "").astype(object)


def reliability_of(record: Record, city: rules.Rules, zone: tzinfo, day: int) -> Mapping[str, object]:
    """Tell whether the chances of red told on a day of the month (5, 10, 15, 20 or 25) came true.

    `record.incidents` are those of `record.months`, whole months that are over; the first year of them is history.
    Of places not yet red on that day: `auc` beside `auc_of_count` (ranked by the count so far alone), `brier`, `skill`,
    `mean_chance` beside `observed`, and `table` (reliability.table).  Raises BadParameter without a year and a month.
    """
    if len(record.months) <= _HISTORY_MONTHS:
        raise BadParameter(
            f"there are {len(record.months)} whole months on record; chances are judged from {_HISTORY_MONTHS + 1} on"
        )
    month_rules = {month: city.levels_at(month) for month in record.months}
    rows = early_warnings.standing(record.incidents, city)
    colours = early_warnings.counted_mask(rows, month_rules) & counts.counting(rows, record.zones.kind, city.placing)
    rows = rows[colours]
    place = pd.Index(record.zones.ids).get_indexer(pd.Index(rows[incident_rows.ID_COLUMN[record.zones.kind]]))
    called = rows["called_at"].dt.tz_convert(zone).dt.tz_localize(None).to_numpy(dtype="datetime64[D]")
    seen = reliability.replay(place, called, len(record.zones), (record.months[0], record.months[-1]))
    red = trust.limits_of(record.zones, city.levels_at(record.months[-1]))[:, 2]
    groups, _ = pd.factorize(record.zones.classes)
    told = reliability.backtest(seen, groups, red, record.months[_HISTORY_MONTHS])
    told = told[((told["day"] == day) & (told["count"] < red[told["place"]])).to_numpy(dtype=bool)]
    chance, came = told["chance"].to_numpy(), told["came"].to_numpy(dtype=bool)
    return {
        "day": day,
        "months": list(record.months[_HISTORY_MONTHS:]),
        "told": len(told),
        "auc": reliability.auc(chance, came),
        "auc_of_count": reliability.auc(told["count"].to_numpy(dtype=np.float64), came),
        "brier": reliability.brier(chance, came),
        "skill": reliability.brier_skill(chance, came),
        "mean_chance": float(chance.mean()),
        "observed": float(came.mean()),
        "table": reliability.table(chance, came),
    }


def share_gone(now: datetime) -> float:
    """Give the share of the month that is over at a moment of the city's time.

    >>> share_gone(datetime(2024, 4, 16))
    0.5
    """
    days = calendar.monthrange(now.year, now.month)[1]
    return (now.day - 1 + (now.hour * 60 + now.minute) / 1440) / days


def _expected(
    record: Record, count: npt.NDArray[np.int64], limits: npt.NDArray[np.int64], now: datetime
) -> pd.DataFrame:
    names = [name for name in COLUMNS if name not in ("zone_id", "count", "level", "confidence")]
    if not record.months or not len(record.zones):
        return pd.DataFrame(np.nan, index=range(len(record.zones)), columns=[n for n in names if "shadow" not in n])
    groups, _ = pd.factorize(record.zones.classes)
    before, share = _matrix(record), share_gone(now)
    so_far = expectations.SoFar(f"{now:%Y-%m}", count, share)
    told = expectations.outlook(before, groups, so_far, limits[:, 2], limits[:, 3])
    since = np.where(count > 0, 0.0, expectations.months_without(before) + share)
    streak = expectations.streaks(since, _rates(before, so_far.month))
    return told.assign(
        zero_months=streak["months"], expected_zero_months=streak["expected_months"], chance_of_streak=streak["chance"]
    )


def _rates(before: npt.NDArray[np.int64], month: str) -> expectations.Belief:
    """Give what all months say of each place's rate; `believe` is too doubtful for long streaks (statistics.md)."""
    exposure = np.full(len(before), expectations.exposures(before.sum(axis=0), month)[:-1].sum())
    events = before.sum(axis=1).astype(np.float64)
    return expectations.fit_prior(events, exposure).after(events, exposure)


def _matrix(record: Record) -> npt.NDArray[np.int64]:
    """Put the history into (places, months)."""
    counts = np.zeros((len(record.zones), len(record.months)), dtype=np.int64)
    zone = pd.Index(record.zones.ids).get_indexer(pd.Index(record.history["zone_id"]))
    month = pd.Index(list(record.months)).get_indexer(pd.Index(record.history["month"]))
    known = (zone >= 0) & (month >= 0)
    counts[zone[known], month[known]] = record.history["count"].to_numpy()[known]
    return counts
