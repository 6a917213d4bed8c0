"""Effects: what a supervised place was to expect without action, and what came of it.

Pure.  A place turns red partly by chance and comes down by itself, so "it came down" says nothing.  When a task is
opened, what the month after was to bring without action is frozen from the place's own history (expectations.py), with
the places most like it that nobody supervises (evaluation.py).  When that month is over, what came is set against both.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import shapely

from geo_service.analysis import evaluation, expectations
from geo_service.analysis.evaluation import BeforeAfter
from geo_service.geography.zones import Zones

METHOD = "gamma-poisson-1"
SHOWN_MONTHS = 12  # of its past that a task keeps to be shown, and that the matched comparison rests on
DISTRICT = "civil_county"  # the level of the trees that the city's effect is split by

_INTERVAL = 0.9

Row = Mapping[str, Any]  # a task as the store keeps it


def month_after(month: str, ahead: int = 1) -> str:
    """Give the month so many after another.

    >>> month_after("2024-12"), month_after("2024-01", -1)
    ('2025-01', '2023-12')
    """
    return str(pd.Period(month, "M") + ahead)


def months_before(month: str, number: int, first: str) -> list[str]:
    """List up to so many months before another, oldest first, none before `first`.

    >>> months_before("2024-03", 3, first="2024-01")
    ['2024-01', '2024-02']
    """
    found = [month_after(month, -back) for back in range(number, 0, -1)]
    return [one for one in found if one >= first]


def share_gone(month: str, at: datetime, zone: str) -> float:
    """Give the share of a month that is over at a moment, in the city's time zone: 0 before it, 1 after it.

    >>> from datetime import UTC
    >>> share_gone("2024-06", datetime(2024, 6, 15, 16, tzinfo=UTC), "Asia/Shanghai")
    0.5
    """
    ends = [pd.Timestamp(f"{one}-01", tz=ZoneInfo(zone)) for one in (month, month_after(month))]
    return float(np.clip((pd.Timestamp(at) - ends[0]) / (ends[1] - ends[0]), 0.0, 1.0))


class Past:
    """The counts of the places of a kind: whole `months` before a month, oldest first, and that month so far.

    `history` has zone_id, month and count; a place and month without a row had none.
    """

    def __init__(self, places: Zones, history: pd.DataFrame, months: Sequence[str], month: str) -> None:
        self.places, self.months, self.month = places, tuple(months), month
        at = pd.Index(places.ids).get_indexer(pd.Index(history["zone_id"]))
        when = pd.Index([*months, month]).get_indexer(pd.Index(history["month"]))
        known = (at >= 0) & (when >= 0)
        counts = np.zeros((len(places), len(months) + 1), dtype=np.int64)
        counts[at[known], when[known]] = history["count"].to_numpy(dtype=np.int64)[known]
        self.counts, self.so_far = counts[:, :-1], counts[:, -1]

    @cached_property
    def belief(self) -> expectations.Belief:
        """What was believed of each place before the month began."""
        groups = np.unique(self.places.classes.astype("U"), return_inverse=True)[1].astype(np.int64)
        return expectations.believe(self.counts, groups, self.month)

    def position(self, zone_id: str) -> int:
        """Give where a place stands among the places; -1 where it stands no longer."""
        return int(pd.Index(self.places.ids).get_indexer(pd.Index([zone_id]))[0])


def frozen(zone_id: str, past: Past, share: float, supervised: set[str], red: int, number: int) -> Mapping[str, Any]:
    """Work out what the month after `past.month` was to bring a place without action, and the places most like it.

    `share` of the month is gone and its count so far is part of what is known; `supervised` places are none to
    compare with; `red` is the count that is red in the month after; `number` of matched places.  No `mean` where
    nothing is known: the place stands no longer, or there is not one whole month of history.
    """
    at = past.position(zone_id)
    if at < 0 or not past.months:
        return {"method": METHOD, "month": month_after(past.month)}
    here = expectations.Belief(past.belief.shape[at : at + 1], past.belief.rate[at : at + 1])
    now = here.after(past.so_far[at : at + 1], share)
    after = expectations.Belief(now.shape, now.rate / _month_ahead(past))
    low, high = expectations.interval(after, 1.0, _INTERVAL)
    mean = float(after.mean[0])
    return {
        "method": METHOD,
        "month": month_after(past.month),
        "shape": float(after.shape[0]),
        "rate": float(after.rate[0]),
        "mean": mean,
        "low": int(low[0]),
        "high": int(high[0]),
        "sd": float(np.sqrt(mean + mean / after.rate[0])),
        "red": red,
        "chance_down": 1.0 - float(expectations.chance_of_reaching(np.array([red]), after, 1.0)[0]),
        "so_far": int(past.so_far[at]),
        "months": list(past.months[-SHOWN_MONTHS:]),
        "counts": past.counts[at, -SHOWN_MONTHS:].tolist(),
        "matched": _matched(at, past, supervised, number),
    }


def measured(row: Row, past: Past, observed: Mapping[str, int], share: float) -> Mapping[str, Any]:
    """Set what came in the month after a task beside what was frozen when it was opened.

    `past` are the whole months before the task's month and that month; `observed` the counts of the month after by
    zone_id, of which `share` is over (1: all of it).
    """
    expected, zone_id = row["frozen"], row["zone_id"]
    belief = expectations.Belief(np.array([expected["shape"]]), np.array([expected["rate"]]))
    came = observed.get(zone_id, 0)
    told = expectations.observed_minus_expected(np.array([came]), belief, share, _INTERVAL).iloc[0]
    at = past.position(zone_id)
    return {
        **{name: float(told[name]) for name in ("expected", "difference", "difference_low", "difference_high")},
        **{name: int(told[name]) for name in ("observed", "low", "high", "verdict")},
        "share": share,
        "before": int(past.so_far[at]) if at >= 0 else row["count"],
        "came_down": came < expected["red"],
        "smallest_visible_fall": _visible(expected["mean"]),
        "displacement": _displacement(zone_id, [one["zone_id"] for one in expected["matched"]], past, observed, share),
    }


def city(tasks: Sequence[Row], lineage: Mapping[str, pd.DataFrame]) -> Mapping[str, Any]:
    """Sum up measured tasks: observed minus expected with its interval, over all and by what tells them apart.

    `lineage` by month: where each place lay in the trees.  Also the share that came out of red and black, beside
    the share that would have by itself.
    """
    districts = {
        (month, kind, zone): district
        for month, frame in lineage.items()
        for kind, zone, district in frame[["zone_kind", "zone_id", DISTRICT]].itertuples(index=False)
    }
    rows = [
        {
            **{name: row["frozen"][name] for name in ("chance_down",)},
            **{name: row["effect"][name] for name in ("before", "observed", "came_down")},
            "expected": row["frozen"]["mean"],
            "expected_sd": row["frozen"]["sd"],
            "kind": row["zone_kind"],
            "class": row["zone_class"],
            "district": districts.get((row["month"], row["zone_kind"], row["zone_id"]), ""),
            "month": row["month"],
        }
        for row in tasks
    ]
    names = ("kind", "class", "district", "month")
    frame = pd.DataFrame(rows, columns=[*evaluation.TASK_COLUMNS, *names])
    groups = {name: [{name: key, **_pooled(part)} for key, part in frame.groupby(name, sort=True)] for name in names}
    return {"method": METHOD, "all": _pooled(frame), "by": groups}


def _pooled(tasks: pd.DataFrame) -> dict[str, Any]:
    """Pool tasks (evaluation.supervision); without any there is no effect to tell."""
    if tasks.empty:
        return {"tasks": 0}
    found = evaluation.supervision(tasks)
    effect = found.effect
    most = min(effect.high, found.observed)  # without action there would have been none at the least
    return {
        "tasks": found.tasks,
        "before": found.before,
        "expected": found.expected,
        "observed": found.observed,
        "would_have_fallen": found.would_have_fallen,
        "difference": effect.estimate,
        "difference_low": effect.low,
        "difference_high": most,
        "verdict": int(effect.low > 0) - int(effect.high < 0),
        "came_down": found.came_down,
        "would_have_come_down": found.would_have_come_down,
        "would_have_come_down_low": found.would_have_come_down_low,
        "would_have_come_down_high": found.would_have_come_down_high,
    }


def _month_ahead(past: Past) -> float:
    """Give the exposure of the month after over that of the month: its days and season, as a year ago."""
    exposure = expectations.exposures(past.counts.sum(axis=0), past.month)
    return float(exposure[-12] / exposure[-1]) if len(exposure) >= 12 else 1.0


def _matched(at: int, past: Past, supervised: set[str], number: int) -> list[dict[str, Any]]:
    """Find the places most like one by what was believed before the month began, which chose none of them."""
    zone_id = str(past.places.ids[at])
    left_alone = np.array([one == zone_id or one not in supervised for one in past.places.ids], dtype=bool)
    places = pd.DataFrame(
        {
            "zone_id": past.places.ids,
            "zone_kind": past.places.kind,
            "zone_class": past.places.classes,
            "rate": past.belief.mean,
        }
    )[left_alone]
    touching = past.places.ids[shapely.intersects(past.places.geometry, past.places.geometry[at])]
    beside = [(zone_id, str(one)) for one in touching if one != zone_id]
    found = evaluation.matched_places(places, [zone_id], beside, number)
    return [{"zone_id": str(one), "mean": float(rate)} for one, rate in found[["match_id", "match_rate"]].to_numpy()]


def _displacement(
    zone_id: str, matched: Sequence[str], past: Past, observed: Mapping[str, int], share: float
) -> dict[str, Any] | None:
    """Compare a place's change with that of its matched places: up to a year before the task's month, and after.

    The month of the task itself is left out: it was chosen for being high.  None where there is nobody to compare
    with, or no month before.
    """
    months = past.counts[:, -SHOWN_MONTHS:]
    if not matched or not months.shape[1] or not share > 0:
        return None
    sides: list[BeforeAfter] = []
    for ids in ([zone_id], matched):
        at = [position for position in map(past.position, ids) if position >= 0]
        after = sum(observed.get(one, 0) for one in ids)
        sides.append(BeforeAfter(int(months[at].sum()), after, months.shape[1] * len(ids), share * len(ids)))
    found = evaluation.displacement_difference(*sides, level=_INTERVAL)
    return {"places": len(matched), "estimate": found.estimate, "low": found.low, "high": found.high}


def _visible(mean: float) -> float | None:
    """Give the smallest fall of one place that would be seen in 8 of 10 cases; None: not even a fall to nothing."""
    if not round(mean):
        return None  # where nothing is expected nothing can fall
    fall = evaluation.smallest_visible_fall(round(mean), round(mean))
    return fall if np.isfinite(fall) else None
