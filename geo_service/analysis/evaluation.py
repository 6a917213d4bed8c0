"""Evaluation after the fact: what a measure or a supervision changed, beside what would have come anyway.

Pure.  A red place comes down by itself: its count was partly chance.  So an effect is set against what its own
history let expect (expectations.py says how much), against places like it that were left alone, and against where
incidents may have moved; each with its interval, and with the smallest fall that could have been seen at all.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from geo_service.errors import BadParameter

Floats: TypeAlias = npt.NDArray[np.float64]

TASK_COLUMNS = ("before", "expected", "expected_sd", "chance_down", "observed", "came_down")


class BeforeAfter(NamedTuple):
    """Incidents of an area before and after, and the exposure of each count: months, or km2 times months."""

    before: int
    after: int
    exposure_before: float = 1.0
    exposure_after: float = 1.0

    @property
    def change(self) -> float:
        """Change of the rate."""
        return self.after / self.exposure_after - self.before / self.exposure_before

    @property
    def variance(self) -> float:
        """Variance of the change, the counts being Poisson."""
        return self.after / self.exposure_after**2 + self.before / self.exposure_before**2


NOWHERE = BeforeAfter(0, 0)


@dataclass(frozen=True)
class Effect:
    """An estimate with its standard error and interval; below 0 incidents were prevented."""

    estimate: float
    standard_error: float
    z: float  # NaN where nothing was counted
    p: float  # two-sided
    low: float
    high: float


@dataclass(frozen=True)
class Supervision:
    """What many closed tasks achieved together, regression to the mean told apart."""

    tasks: int
    before: int  # incidents in the months that opened the tasks
    expected: float  # in the months after, without action
    observed: int
    would_have_fallen: float  # before - expected: what comes by itself
    effect: Effect  # observed - expected
    came_down: float  # share of tasks whose place came out of red and black
    would_have_come_down: float  # the share expected without action, with its 95 % band
    would_have_come_down_low: float
    would_have_come_down_high: float


def displacement_difference(
    treated: BeforeAfter,
    control: BeforeAfter,
    moved_to: BeforeAfter = NOWHERE,
    moved_control: BeforeAfter = NOWHERE,
    level: float = 0.9,
) -> Effect:
    """Give the weighted displacement difference: the treated area's change less the control's, displacement added.

    `moved_to` is where incidents may have gone, `moved_control` its own control.  Sums are of the counts as they are,
    so that a small fall among few incidents looks as uncertain as it is.  Source: Wheeler and Ratcliffe 2018; ptools
    wdd.

    >>> found = displacement_difference(BeforeAfter(20, 10), BeforeAfter(20, 20))
    >>> [round(value, 4) for value in (found.estimate, found.standard_error, found.z, found.low, found.high)]
    [-10.0, 8.3666, -1.1952, -23.7618, 3.7618]
    """
    estimate = treated.change - control.change + moved_to.change - moved_control.change
    variance = sum(area.variance for area in (treated, control, moved_to, moved_control))
    return _effect(estimate, float(np.sqrt(variance)), level)


def smallest_visible_fall(treated_before: int, control_before: int, power: float = 0.8, level: float = 0.9) -> float:
    """Tell how many incidents must be prevented for the difference to leave 0 out with this power; else infinite.

    The control is taken not to change.  Of 20 in either area nearly all must go: one place shows little.

    >>> round(smallest_visible_fall(20, 20), 1), round(smallest_visible_fall(200, 200), 1), smallest_visible_fall(5, 5)
    (19.4, 67.3, inf)
    """
    reach = float(stats.norm.isf((1 - level) / 2) + stats.norm.ppf(power)) ** 2
    unchanged = 2.0 * (treated_before + control_before)
    fall = (-reach + np.sqrt(reach**2 + 4 * reach * unchanged)) / 2  # fall = reach * sqrt(unchanged - fall)
    return float(fall) if fall <= treated_before else float("inf")


def matched_places(
    places: pd.DataFrame, treated: Iterable[str], neighbours: Iterable[tuple[str, str]], number: int = 5
) -> pd.DataFrame:
    """Give each treated place the places most like it that were left alone.

    `places` has zone_id, zone_kind, zone_class and rate (the expected count a month, shrunk): of the same kind and
    class, nearest in the root of the rate, and no neighbour of any treated place, since incidents may have moved
    there; ties go to the lower id.  Ids stand once.  Columns zone_id, match_id, rate, match_rate, weight, which sums
    to 1 for each treated place with a match.

    >>> rates = [2.0, 1.9, 2.2, 0.1, 2.0]
    >>> places = pd.DataFrame({"zone_id": list("abcde"), "zone_kind": "units", "zone_class": "school", "rate": rates})
    >>> matched_places(places, ["a"], [("a", "e")], number=2)[["zone_id", "match_id", "match_rate", "weight"]]
      zone_id match_id  match_rate  weight
    0       a        b         1.9     0.5
    1       a        c         2.2     0.5
    """
    taken = set(treated)
    unknown = sorted(taken.difference(places["zone_id"]))
    if unknown:
        raise BadParameter(f"no rate is known of the treated place {unknown[0]}; give it in `places`")
    beside = {b for pair in neighbours for a, b in (pair, pair[::-1]) if a in taken}
    here = places[places["zone_id"].isin(sorted(taken))].sort_values("zone_id")
    free = places[~places["zone_id"].isin(sorted(taken | beside))]
    free = free.rename(columns={"zone_id": "match_id", "rate": "match_rate"})
    pairs = here.merge(free, on=["zone_kind", "zone_class"])
    pairs["apart"] = np.abs(np.sqrt(pairs["rate"]) - np.sqrt(pairs["match_rate"]))
    nearest = pairs.sort_values(["zone_id", "apart", "match_id"], kind="stable").groupby("zone_id").head(number)
    weight = 1 / nearest.groupby("zone_id")["match_id"].transform("size")
    return nearest.assign(weight=weight)[["zone_id", "match_id", "rate", "match_rate", "weight"]].reset_index(drop=True)


def supervision(tasks: pd.DataFrame, untreated: pd.DataFrame | None = None, level: float = 0.95) -> Supervision:
    """Pool closed tasks: how far the months after lie from what was expected without action when each was opened.

    `tasks` has TASK_COLUMNS: before (incidents of the month that opened it), expected and expected_sd (frozen then:
    mean and standard deviation of the month after), chance_down (chance of coming out of red and black by itself,
    frozen then), observed, came_down.  The expected is already shrunk to the place's own rate, so that regression to
    the mean is in it and not in the effect.  Tasks are taken as independent.

    `untreated` are red and black months of the same time without a task, in the same columns.  An expectation that is
    right for all places may be wrong for those picked because they were red: part of a rise lasts.  Theirs tells by how
    much; the tasks' is mended by that, and the effect becomes less sure by as much as it is unsure.  Months of other
    years would bring the city's own trend in (docs/statistics.md).

    >>> task = {"before": 4, "expected": 1.8, "expected_sd": 1.5, "chance_down": 0.8, "observed": 2, "came_down": True}
    >>> found = supervision(pd.DataFrame([task] * 100))
    >>> round(found.would_have_fallen), round(found.effect.estimate), round(found.effect.low), found.came_down
    (220, 20, -9, 1.0)
    >>> round(supervision(pd.DataFrame([task] * 100), pd.DataFrame([task] * 900)).expected)
    200
    """
    of = {name: tasks[name].to_numpy(dtype=np.float64) for name in TASK_COLUMNS}
    rate, stay = _persistence(untreated) if untreated is not None and len(untreated) else (_Factor(), _Factor())
    expected = rate.value * float(of["expected"].sum())
    variance = rate.spread(of["expected_sd"] ** 2) + (float(of["expected"].sum()) * rate.error) ** 2
    staying, number = np.clip(stay.value * (1 - of["chance_down"]), 0.0, 1.0), max(1, len(tasks))
    spread = float((staying * (1 - staying)).sum()) + (float((1 - of["chance_down"]).sum()) * stay.error) ** 2
    share = 1 - float(staying.sum()) / number
    half = float(stats.norm.ppf((1 + level) / 2) * np.sqrt(spread)) / number
    return Supervision(
        tasks=len(tasks),
        before=int(of["before"].sum()),
        expected=expected,
        observed=int(of["observed"].sum()),
        would_have_fallen=float(of["before"].sum()) - expected,
        effect=_effect(float(of["observed"].sum()) - expected, float(np.sqrt(variance)), level),
        came_down=float(of["came_down"].sum()) / number,
        would_have_come_down=share,
        would_have_come_down_low=max(0.0, share - half),
        would_have_come_down_high=min(1.0, share + half),
    )


@dataclass(frozen=True)
class _Factor:
    """By how much what came exceeds what was expected, and the standard error of that."""

    value: float = 1.0
    error: float = 0.0

    def spread(self, variances: Floats) -> float:
        """Sum the variances of counts whose mean is multiplied; not less than either kind of scaling would give."""
        return max(self.value, self.value**2) * float(variances.sum())


def _persistence(untreated: pd.DataFrame) -> tuple[_Factor, _Factor]:
    """Compare what came of red months without a task with what was expected: the counts, and the places still red."""
    of = {name: untreated[name].to_numpy(dtype=np.float64) for name in TASK_COLUMNS}
    expected, staying = float(of["expected"].sum()), 1 - of["chance_down"]
    rate = _Factor(float(of["observed"].sum()) / expected)
    stay = _Factor(float((1 - of["came_down"]).sum() / staying.sum()))
    return (
        _Factor(rate.value, float(np.sqrt(rate.spread(of["expected_sd"] ** 2))) / expected),
        _Factor(stay.value, float(np.sqrt(stay.spread(staying * (1 - staying))) / staying.sum())),
    )


def _effect(estimate: float, error: float, level: float) -> Effect:
    z = estimate / error if error > 0 else float("nan")
    half = float(stats.norm.ppf((1 + level) / 2)) * error
    return Effect(estimate, error, z, float(2 * stats.norm.sf(abs(z))), estimate - half, estimate + half)
