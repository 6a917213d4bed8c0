"""Expectations: how many incidents a place was to expect, how likely red is, and how unusual what came is.

Pure.  A place's rate is not known, only believed: gamma-Poisson (empirical Bayes).  The places of one group (zone kind
and class) share a prior, each place's own months move it, older months fade, and all counts to come are negative
binomial.  Counts are whole numbers (places, months), oldest month first.  `outlook` puts it together for the product.
Whether the chances told came true is asked in reliability.py; what the numbers mean, docs/chances.md.
"""

from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import special, stats

from geo_service.errors import BadParameter

# Chosen on Philadelphia 2016-2019 by the log loss of "red this month" and of next month's count (docs/chances.md).
HALF_LIFE_MONTHS = 12.0  # what a month says of now, halved; 9 to 15 differ by 0.1 % of the log loss
FRESH_MONTHS = 1.0  # half-life of what it says besides, at first as much again: part of a rise is of these weeks only
WORTH = 0.3  # what one incident says beside an independent one: they come in clusters, and rates move

_MONTH_DAYS = 30.4375  # exposure 1: an ordinary month
_SEASON_YEARS = 2.0  # years of an even season that each calendar month is given beforehand
_SEASON_INCIDENTS = 100.0  # and incidents: by chance alone 100 swing by 10 %, as much as seasons do
_FEWEST_PLACES = 20  # a group with fewer shares the prior of all: the spread of a few rates is mostly chance
_LARGEST_SHAPE = 1e4  # places of a group are never believed more alike than by 1 % of their rate
_FIRST_DAY = 1 / 31  # share of a month that its first call stands for
# Chances of as many in a month: a place that never changes gets there at most once in 1, 4, 16 and 80 years.
_UNUSUAL = (0.1, 0.02, 0.005, 0.001)

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Prior:
    """What is believed of a place's rate before its own count is seen: gamma with `shape` and `rate` [exposure]."""

    shape: float
    rate: float

    def after(self, events: Floats, exposure: Floats) -> "Belief":
        """Give the belief of places once their events over some exposure are seen."""
        return Belief(self.shape + events, self.rate + exposure)


@dataclass(frozen=True)
class Belief:
    """What is believed of the rates of places: gamma with `shape` and `rate`, one of each a place.

    The unit of time is the caller's; `believe` gives incidents a month, the month that was asked about.
    """

    shape: Floats
    rate: Floats

    @property
    def mean(self) -> Floats:
        """Give the expected incidents in a unit of time."""
        return self.shape / self.rate

    def after(self, count: Counts, share_gone: float) -> "Belief":
        """Give the belief once `count` incidents came in a share of the unit; each is worth WORTH.

        >>> before = Belief(np.array([1.2]), np.array([2.4]))
        >>> before.after(np.array([3]), 0.2).mean.round(3).tolist()
        [0.854]
        """
        return Belief(self.shape + WORTH * count, self.rate + WORTH * share_gone)


def fit_prior(events: Floats, exposure: Floats, weight: float = 1.0) -> Prior:
    """Fit the prior of a group by moments, each place weighted by its exposure.

    The mean is m = sum(events) / sum(exposure); the variance between places is what their raw rates vary beyond
    chance, v - m / mean(exposure).  `Prior.after` then gives the estimates of Marshall (1991), spdep's EBest and
    esda's Empirical_Bayes (test_expectations.py).  `weight`: mean weight of an incident where events are discounted.
    Rates that vary no more than by chance leave a prior of shape 10,000; no event at all counts as half a one.

    >>> fit_prior(np.array([0.0, 1.0, 8.0, 3.0]), np.ones(4))
    Prior(shape=1.3846153846153846, rate=0.46153846153846156)
    """
    total = exposure.sum()
    if not total > 0:
        raise BadParameter("the places of a group have no exposure; give at least one month of history")
    mean = events.sum() / total
    if mean == 0:
        return Prior(0.5, float(total))
    spread = (exposure * (events / exposure - mean) ** 2).sum() / total
    between = max(spread - weight * mean / exposure.mean(), mean**2 / _LARGEST_SHAPE)
    return Prior(float(mean**2 / between), float(mean / between))


def exposures(totals: Counts, month: str) -> Floats:
    """Give the exposure of each month of a history and of the month after it: its days times its season.

    `totals` are the whole city's counts, oldest first, up to the month before `month` ("YYYY-MM").  A calendar month's
    factor is its count over what its year would give evenly, drawn to 1 for want of years and of incidents; with less
    than a year there is no season.  1 is an ordinary month of 30.4 days.

    >>> exposures(np.full(24, 3000), "2019-03").round(2)[-3:].tolist()  # February is short, and no less came in it
    [1.01, 0.96, 1.01]
    """
    months = pd.period_range(end=month, periods=len(totals) + 1, freq="M")
    days, calendar = months.days_in_month.to_numpy() / _MONTH_DAYS, months.month.to_numpy() - 1
    years = len(totals) // 12
    if not years:
        return days
    whole = slice(len(totals) - 12 * years, len(totals))  # years that end with the history
    came, even = totals[whole].reshape(years, 12), days[whole].reshape(years, 12)
    even = even * (came.sum(axis=1) / even.sum(axis=1))[:, np.newaxis]
    came, even = (np.bincount(calendar[whole], side.ravel(), 12) for side in (came, even))
    certain = years / (years + _SEASON_YEARS) * even / (even + _SEASON_INCIDENTS)
    factor = 1 + certain * (came / np.where(even > 0, even, 1) - 1)
    return days * (factor / factor.mean())[calendar]


def fading(months: int) -> Floats:
    """Give what each of some months says of the month after them, oldest first: the last weighs 2.

    One half of that halves with every FRESH_MONTHS back, the other with every HALF_LIFE_MONTHS.  Without the
    fresh half the next month of places that were red came 8 to 14 % above what was expected (docs/chances.md).

    >>> fading(25)[[0, 12, 22, 23, 24]].round(2).tolist()
    [0.25, 0.5, 1.14, 1.44, 2.0]
    """
    back = np.arange(months)[::-1]
    return 0.5 ** (back / HALF_LIFE_MONTHS) + 0.5 ** (back / FRESH_MONTHS)


def believe(counts: Counts, groups: Counts, month: str) -> Belief:
    """Give what is believed of each place before a month, in incidents of that month.

    `counts` (places, months) end with the month before `month` ("YYYY-MM"); `groups` a code a place.  Months weigh as
    `fading` says; all evidence then counts for WORTH of what independent incidents would.
    Raises BadParameter when shapes do not fit or there is no history.

    >>> counts = np.repeat([[0], [2]], [29, 1], axis=0) * np.ones(12, dtype=np.int64)  # 29 quiet places, a busy one
    >>> believe(counts, np.zeros(30, dtype=np.int64), "2020-01").mean.round(2)[-2:].tolist()
    [0.0, 1.94]
    """
    if counts.ndim != 2 or groups.shape != counts.shape[:1]:
        raise BadParameter(f"counts must be (places, months) with a group a place, came {counts.shape}, {groups.shape}")
    if not counts.shape[1]:
        raise BadParameter(f"no month of counts before {month}; give at least one")
    exposure = exposures(counts.sum(axis=0), month)
    weighs = fading(counts.shape[1])
    events, seen = counts @ weighs, np.full(len(counts), weighs @ exposure[:-1])
    weight = float(weighs**2 @ exposure[:-1] / (weighs @ exposure[:-1]))
    shape, rate = np.empty(len(counts)), np.empty(len(counts))
    names, group = np.unique(groups, return_inverse=True)
    for code in range(len(names)):
        here = group == code
        like = here if here.sum() >= _FEWEST_PLACES else np.ones(len(counts), dtype=bool)
        after = fit_prior(events[like], seen[like], weight).after(events[here], seen[here])
        shape[here], rate[here] = after.shape, after.rate
    return Belief(WORTH * shape, WORTH * rate / exposure[-1])


def chance_of_reaching(needed: Counts, belief: Belief, share_left: float) -> Floats:
    """Give the chance that at least `needed` more incidents come in the share of the month that is left.

    The tail of a negative binomial; 1 where nothing more is needed, 0 where time is over.

    >>> quiet = Belief(np.array([1.0, 1.0]), np.array([2.0, 2.0]))
    >>> chance_of_reaching(np.array([2, 0]), quiet, 0.5).round(3).tolist()
    [0.04, 1.0]
    """
    tail = special.betainc(np.maximum(needed, 1), belief.shape, share_left / (belief.rate + share_left))
    return np.where(needed <= 0, 1.0, tail)


def interval(belief: Belief, exposure: float, share: float = 0.9) -> tuple[Counts, Counts]:
    """Give the smallest and largest count to expect over some exposure: outside lies at most half of 1 - share a side.

    >>> [side.tolist() for side in interval(Belief(np.array([0.5, 9.0]), np.array([1.0, 3.0])), 1.0)]
    [[0, 0], [2, 7]]
    """
    if exposure <= 0:
        nothing = np.zeros(len(belief.shape), dtype=np.int64)
        return nothing, nothing
    p = belief.rate / (belief.rate + exposure)
    low, high = (cast(Floats, stats.nbinom.ppf(q, belief.shape, p)) for q in ((1 - share) / 2, (1 + share) / 2))
    return low.astype(np.int64), high.astype(np.int64)


def relative_level(count: Counts, belief: Belief, share_gone: float) -> npt.NDArray[np.int8]:
    """Give the level of a count beside the place's own expectation, of its size and season.

    0 as expected or fewer; 1, 2, 3 and 4 from where so many come by chance in one month of 10, 50, 200 and 1,000.
    `belief` is that before the month.  A count of 0 is level 0, and more incidents never lower a level.

    >>> busy_and_quiet = Belief(np.array([20.0, 0.5]), np.array([4.0, 5.0]))
    >>> relative_level(np.array([6, 6]), busy_and_quiet, 1.0).tolist()
    [0, 4]
    """
    tail = chance_of_reaching(count, belief, max(share_gone, _FIRST_DAY))
    return (tail[..., np.newaxis] <= np.array(_UNUSUAL)).sum(axis=-1).astype(np.int8)


def streaks(months_since: Floats, belief: Belief) -> pd.DataFrame:
    """Set the streak of each place without an incident beside the streak that its rate would give.

    `months_since` the last incident, in months of the belief.  Columns `months` (the streak), `expected_months` to the
    next incident at the believed rate, `chance` of a streak at least this long.

    >>> a_place = Belief(np.array([30.0]), np.array([300.0]))  # 0.1 a month, well known
    >>> streaks(np.array([2.0]), a_place).round(2).to_dict("records")
    [{'months': 2.0, 'expected_months': 10.0, 'chance': 0.82}]
    """
    none = (belief.rate / (belief.rate + months_since)) ** belief.shape
    return pd.DataFrame({"months": months_since, "expected_months": 1 / belief.mean, "chance": none})


def months_without(counts: Counts) -> Counts:
    """Give the months since each place's last month with an incident: its streak of zero months to the end.

    >>> months_without(np.array([[0, 2, 0, 0], [1, 0, 0, 1], [0, 0, 0, 0]])).tolist()
    [2, 0, 4]
    """
    any_since = np.logical_or.accumulate(counts[:, ::-1] > 0, axis=1)
    return (~any_since).sum(axis=1)


def observed_minus_expected(observed: Counts, belief: Belief, months: float, share: float = 0.9) -> pd.DataFrame:
    """Set what came over some months beside what was expected when `belief` was frozen.

    Columns `observed`, `expected`, `low`, `high` (the predictive interval of the count), `difference` with
    `difference_low`, `difference_high` (what chance alone does), and `verdict`: -1 fewer, 1 more than chance explains,
    0 within the interval, where one place shows nothing.

    >>> red_place = Belief(np.array([6.0]), np.array([3.0]))
    >>> closed = observed_minus_expected(np.array([0]), red_place, 1.0)
    >>> closed[["expected", "low", "high", "verdict"]].to_dict("records")
    [{'expected': 2.0, 'low': 0, 'high': 5, 'verdict': 0}]
    """
    low, high = interval(belief, months, share)
    expected = belief.mean * months
    verdict = (observed > high).astype(np.int8) - (observed < low).astype(np.int8)
    return pd.DataFrame(
        {
            "observed": observed,
            "expected": expected,
            "low": low,
            "high": high,
            "difference": observed - expected,
            "difference_low": low - expected,
            "difference_high": high - expected,
            "verdict": verdict,
        }
    )


@dataclass(frozen=True)
class SoFar:
    """The month in hand: `month` ("YYYY-MM"), each place's count up to now, the share of the month gone (0 to 1)."""

    month: str
    count: Counts
    share_gone: float


def outlook(counts: Counts, groups: Counts, so_far: SoFar, red: Counts, black: Counts) -> pd.DataFrame:
    """Tell for every place what the month will bring, from its history and its count so far.

    `counts` and `groups` as `believe` takes them; `red` and `black` are the thresholds of each place.
    Columns, one row a place in the order given: `expected` incidents of the whole month, `low` and `high` (90 %),
    `chance_red`, `chance_black` by the month's end, `relative_level` now.
    Raises BadParameter when shapes do not fit or the share is outside 0 to 1.

    >>> history = np.tile([1, 0, 2, 1, 0, 1], (40, 4))
    >>> now = SoFar("2020-01", np.repeat([0, 3], 20), 0.5)
    >>> thresholds = np.full(40, 4), np.full(40, 6)
    >>> outlook(history, np.zeros(40, dtype=np.int64), now, *thresholds).round(2).iloc[[0, -1]].to_dict("records")
    [{'expected': 0.43, 'low': 0, 'high': 2, 'chance_red': 0.0, 'chance_black': 0.0, 'relative_level': 0}, \
{'expected': 3.43, 'low': 3, 'high': 5, 'chance_red': 0.35, 'chance_black': 0.01, 'relative_level': 2}]
    """
    if not 0 <= so_far.share_gone <= 1:
        raise BadParameter(f"share_gone must lie between 0 and 1, came {so_far.share_gone}")
    if not len(counts) == len(so_far.count) == len(red) == len(black):
        sizes = f"{len(counts)} histories, {len(so_far.count)} counts, {len(red)} and {len(black)} thresholds"
        raise BadParameter(f"one of each a place is needed, came {sizes}")
    before, left = believe(counts, groups, so_far.month), 1 - so_far.share_gone
    now = before.after(so_far.count, so_far.share_gone)
    low, high = interval(now, left)
    return pd.DataFrame(
        {
            "expected": so_far.count + now.mean * left,
            "low": so_far.count + low,
            "high": so_far.count + high,
            "chance_red": chance_of_reaching(red - so_far.count, now, left),
            "chance_black": chance_of_reaching(black - so_far.count, now, left),
            "relative_level": relative_level(so_far.count, before, so_far.share_gone),
        }
    )
