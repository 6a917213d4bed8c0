"""Control charts: is this week's or month's count beyond what the years before let expect.

Pure.  Counts are whole numbers (series, epochs), one series a station or a place, one epoch a week or a month, oldest
first.  Farrington's algorithm and Noufaily's flexible form give the limits of the R package surveillance 1.20.3 to the
digits it prints (test_control_charts.py), and so do EARS C1 and CUSUM.  Two counts are compared in trends.py.

A season's level and a trend need no matrix here: for a given slope the best level of each season is its count divided
by its exposure, so that one slope a series is left to be found, for all series at once.
"""

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import stats

from geo_service.errors import BadParameter

Floats: TypeAlias = npt.NDArray[np.float64]
Whole: TypeAlias = npt.NDArray[np.int64]
Flags: TypeAlias = npt.NDArray[np.bool_]
Days: TypeAlias = npt.NDArray[np.datetime64]

_LEAST = 1e-9  # incidents in a season without any: its logarithm must be a number; far below what any limit shows
_ROUNDS = 25  # of Newton, as R's glm; five are enough unless all incidents stand at one end of the years
_SLOPE_FOUND = 1e-9  # [1/span of the years] last step of the slope
_TREND_YEARS = 3  # needed behind a trend, Farrington et al. 1996


@dataclass(frozen=True)
class Farrington:
    """How a limit is drawn from the years before.

    half_window    epochs on either side of the same epoch of each year before that are compared
    seasons        parts a year is cut into, the window being one; 1 leaves everything outside the windows out
    left_out       latest epochs that are not learned from, lest a rise that has begun hide itself
    weight_from    standardised Anscombe residual beyond which a past outbreak weighs less
    trend_p        a trend is kept if its slope differs from 0 with a p below this
    limit          "two_thirds": normal on the 2/3 power; "negative_binomial": its quantile, overdispersion as fitted
    above          chance that a count without any change lies above the limit (alpha/2 of surveillance's classic form)
    fewest, within no alarm below that many incidents in the last so many epochs
    """

    half_window: int = 3
    seasons: int = 1
    left_out: int = 3
    weight_from: float = 1.0
    trend_p: float = 0.05
    limit: Literal["two_thirds", "negative_binomial"] = "two_thirds"
    above: float = 0.005
    fewest: int = 5
    within: int = 4


CLASSIC = Farrington()
"""Farrington, Andrews, Beale and Catchpole 1996."""

FLEXIBLE = Farrington(seasons=10, left_out=26, weight_from=2.58, trend_p=1.0, limit="negative_binomial", above=0.01)
"""Noufaily et al. 2013: a trend always, half a year left out, the negative binomial's plug-in limit."""

FLEXIBLE_MONTHS = replace(FLEXIBLE, half_window=1, seasons=4, left_out=3, within=1)
"""The same for months: windows and seasons of three."""


@dataclass(frozen=True)
class Limits:
    """What was expected and how high is too high, each (series, epochs asked)."""

    expected: Floats
    upper: Floats
    p: Floats  # chance of this count or more if nothing changed
    overdispersion: Floats  # variance over mean, at least 1
    trend: Flags  # a trend was kept
    alarm: Flags


@dataclass(frozen=True)
class Chart:
    """A statistic with its limits, each (series, epochs)."""

    statistic: Floats
    lower: Floats
    upper: Floats
    alarm: Flags


def same_season(first_days: Days, years: int) -> Whole:
    """Tell how many epochs back the same week or month lies one, two ... years before: (epochs, years).

    `first_days` are the first days of successive weeks or months.  Of a week, the one whose first day is nearest to the
    same date; 52 weeks drift by a day a year, and by a week in seven.  0 where the epochs do not reach back so far.
    Source: reference dates of surveillance.

    >>> weeks = np.arange("2010-01-07", "2013-06-07", 7, dtype="datetime64[D]")
    >>> [str(weeks[-1 - lag]) for lag in same_season(weeks, 3)[-1]]
    ['2012-06-07', '2011-06-09', '2010-06-03']
    """
    day = first_days.astype("datetime64[D]")
    month = day.astype("datetime64[M]")
    in_month = (day - month.astype("datetime64[D]")).astype(np.int64)
    at = np.arange(len(day))
    lags = np.zeros((len(day), years), dtype=np.int64)
    for back in range(1, years + 1):
        there = (month - 12 * back).astype("datetime64[D]") + in_month
        nearest = np.searchsorted(day, there)
        earlier, later = np.clip(nearest - 1, 0, None), np.clip(nearest, None, len(day) - 1)
        found = np.where(there - day[earlier] < day[later] - there, earlier, later)
        lags[:, back - 1] = np.where(there >= day[0], at - found, 0)
    return lags


def farrington(counts: Whole, at: Whole, lags: Whole, how: Farrington = CLASSIC) -> Limits:
    """Give the limits of some epochs of every series, from the same season of the years before.

    `at` are epochs; `lags` tell how many epochs back the same season lies, (years,) for all or (epochs, years) as
    `same_season` gives it.  A quasi-Poisson regression on season and trend is fitted, past outbreaks weigh less, and
    the trend is dropped where it is not significant, leads beyond the highest count seen, or has less than three years
    behind it.  Sources: Farrington et al. 1996; Noufaily et al. 2013; surveillance 1.20.3.

    Raises BadParameter when the years before an epoch are not all there.

    >>> counts = np.tile([4, 6, 5, 5], 60)[np.newaxis]
    >>> found = farrington(counts, np.array([239]), 52 * np.arange(1, 5))
    >>> found.expected.round(2).tolist(), found.upper.round(2).tolist(), found.alarm.tolist()
    ([[5.0]], [[11.89]], [[False]])
    """
    lags = np.broadcast_to(lags, (counts.shape[1], np.shape(lags)[-1]))
    found = {name: np.zeros((len(counts), len(at))) for name in ("expected", "upper", "p", "overdispersion", "trend")}
    for years in np.unique(lags[at], axis=0):
        here = np.flatnonzero((lags[at] == years).all(axis=1))
        history = _history(years, how)
        if years.min() <= 0 or at[here].min() < history.back.max():
            raise BadParameter(
                f"epoch {int(at[here].min())} of {counts.shape[1]} has not {len(years)} years and half a window before "
                "it; ask for later epochs or fewer years"
            )
        past = counts[:, at[here, np.newaxis] - history.back].reshape(-1, len(history.back))
        seen = counts[:, at[here]].reshape(-1)
        for name, value in _limits(seen, past, history, how).items():
            found[name][:, here] = value.reshape(len(counts), len(here))
    trend = found.pop("trend").astype(bool)
    recent = np.stack([counts[:, np.maximum(at - back, 0)] for back in range(how.within)]).sum(axis=0)
    alarm = (recent >= how.fewest) & (counts[:, at] > found["upper"])
    return Limits(**found, trend=trend, alarm=alarm)


def ears_c1(counts: Whole, baseline: int = 7, above: float = 0.001) -> Chart:
    """Compare each epoch with the mean and standard deviation of the `baseline` epochs before it (EARS C1).

    For series without years behind them.  NaN and no alarm in the first `baseline` epochs.
    Source: Hutwagner et al. 2003.

    >>> chart = ears_c1(np.array([[3, 4, 5, 4, 3, 4, 5, 12]]))
    >>> chart.upper[:, 7:].round(3).tolist(), chart.alarm[:, 7:].tolist()
    ([[6.523]], [[True]])
    """
    mean, spread = np.full(counts.shape, np.nan), np.full(counts.shape, np.nan)
    if counts.shape[1] > baseline:
        windows = np.lib.stride_tricks.sliding_window_view(counts, baseline, axis=1)[:, :-1]
        mean[:, baseline:], spread[:, baseline:] = windows.mean(axis=2), windows.std(axis=2, ddof=1)
    reach = float(stats.norm.isf(above)) * spread
    return Chart(counts.astype(np.float64), mean - reach, mean + reach, counts > mean + reach)


def cusum(counts: Whole, expected: Floats, slack: float = 1.04, decision: float = 2.26) -> Chart:
    """Add up what lies above the expected count: S = max(0, S before + (count - expected) / sqrt(expected) - slack).

    Notices a small rise that stays, long before any one month stands out.  `expected` broadcasts to the counts and must
    be above 0.  Source: Rossi, Lampugnani and Marchi 1999, whose slack and decision are meant for rare events.

    >>> cusum(np.array([[2, 4, 7, 6]]), np.array(3.0)).statistic.round(2).tolist()
    [[0.0, 0.0, 1.27, 1.96]]
    """
    z = (counts - expected) / np.sqrt(expected)
    statistic = np.zeros(counts.shape)
    before = np.zeros(len(counts))
    for epoch in range(counts.shape[1]):
        before = np.maximum(0.0, before + z[:, epoch] - slack)
        statistic[:, epoch] = before
    return Chart(statistic, np.zeros(counts.shape), np.full(counts.shape, decision), statistic >= decision)


def ewma(counts: Whole, expected: Floats, weight: float = 0.1, width: float = 3.0) -> Chart:
    """Smooth the counts (z = weight * count + (1 - weight) * z before, from the expected) and watch both sides.

    The limits are exact for counts that vary as Poisson about `expected` (series, 1), in epoch t: expected +- width *
    sqrt(expected * weight / (2 - weight) * (1 - (1 - weight)^(2 t))).  For small areas a weight of 0.05 to 0.1 a month.
    Source: Roberts 1959.

    >>> chart = ewma(np.array([[4, 4, 9]]), np.array([[4.0]]))
    >>> chart.statistic.round(2).tolist(), chart.upper.round(3).tolist()
    ([[4.0, 4.0, 4.5]], [[4.6, 4.807, 4.942]])
    """
    statistic = np.zeros(counts.shape)
    before = np.broadcast_to(expected, (len(counts), 1))[:, 0]
    for epoch in range(counts.shape[1]):
        before = weight * counts[:, epoch] + (1 - weight) * before
        statistic[:, epoch] = before
    epochs = np.arange(1, counts.shape[1] + 1)
    share = weight / (2 - weight) * (1 - (1 - weight) ** (2 * epochs))
    reach = width * np.sqrt(expected * share)
    lower, upper = np.maximum(0.0, expected - reach), expected + reach
    return Chart(statistic, lower, upper, (statistic > upper) | (statistic < lower))


def outbreak_weights(residuals: Floats, weight_from: float) -> Floats:
    """Weigh past epochs: those beyond a residual weigh less by its square; a series' weights sum to its length.

    >>> outbreak_weights(np.array([[0.0, 0.0, 2.0, 2.0]]), 1.0).tolist()
    [[1.6, 1.6, 0.4, 0.4]]
    """
    weights = np.where(residuals > weight_from, residuals, 1.0) ** -2
    return weights * (residuals.shape[1] / weights.sum(axis=1, keepdims=True))


@dataclass(frozen=True)
class _History:
    """The epochs that are learned from, oldest first: how far back, and in which season; 0 is the window's."""

    back: Whole
    season: Whole
    years: int

    @property
    def time(self) -> Floats:
        """Time of each epoch, the one that is asked being 0, in spans of the whole [-]."""
        return -self.back / max(1, int(np.ptp(self.back)))


def _history(years: Whole, how: Farrington) -> _History:
    season: dict[int, int] = {}
    later = 0
    for year in years.tolist():
        if how.seasons > 1:
            between = np.arange(year - how.half_window - 1, later + how.half_window, -1)
            for part, epochs in enumerate(np.array_split(between, how.seasons - 1), start=1):
                season |= dict.fromkeys(epochs.tolist(), part)
        season |= dict.fromkeys(range(year - how.half_window, year + how.half_window + 1), 0)
        later = year
    if how.seasons > 1:
        season |= dict.fromkeys(range(1, how.half_window + 1), 0)
    back = sorted((epoch for epoch in season if epoch > how.left_out), reverse=True)
    return _History(np.array(back), np.array([season[epoch] for epoch in back]), len(years))


@dataclass(frozen=True)
class _Fit:
    """Levels and slope of each series; variances without overdispersion, which is their common factor."""

    mean: Floats  # (series, epochs)
    leverage: Floats  # (series, epochs)
    slope: Floats
    slope_variance: Floats
    expected: Floats  # at time 0, in the window's season
    variance: Floats  # of the logarithm of `expected`
    overdispersion: Floats
    freedom: int


def _limits(seen: Whole, past: Whole, history: _History, how: Farrington) -> dict[str, Floats]:
    fit = _reweighted(past, history, how, trend=False)
    expected, variance, phi, trend = fit.expected, fit.variance, fit.overdispersion, np.zeros(len(seen), dtype=bool)
    if history.years >= _TREND_YEARS:
        sloping = _reweighted(past, history, how, trend=True)
        error = np.sqrt(np.maximum(sloping.overdispersion * sloping.slope_variance, _LEAST**2))
        significant = 2 * stats.t.sf(np.abs(sloping.slope) / error, sloping.freedom) < how.trend_p
        trend = significant & (sloping.expected <= past.max(axis=1))
        expected = np.where(trend, sloping.expected, expected)
        variance = np.where(trend, sloping.variance, variance)
        phi = np.where(trend, sloping.overdispersion, phi)
    phi = np.maximum(phi, 1.0)
    if how.limit == "two_thirds":
        upper, p = _two_thirds(seen, expected, phi * (1 + expected * variance), how.above)
    else:
        upper, p = _negative_binomial(seen, expected, phi, how.above)
    return {"expected": expected, "upper": upper, "p": p, "overdispersion": phi, "trend": trend.astype(np.float64)}


def _reweighted(past: Whole, history: _History, how: Farrington, *, trend: bool) -> _Fit:
    first = _fit(past, np.ones(past.shape), history, trend=trend)
    scale = np.maximum(first.overdispersion, 1.0)[:, np.newaxis] * np.maximum(1 - first.leverage, _LEAST)
    anscombe = 1.5 * (past ** (2 / 3) * first.mean ** (-1 / 6) - np.sqrt(first.mean)) / np.sqrt(scale)
    return _fit(past, outbreak_weights(anscombe, how.weight_from), history, trend=trend)


def _fit(past: Whole, weights: Floats, history: _History, *, trend: bool) -> _Fit:
    """Fit log(mean) = level of the season + slope * time by maximum likelihood."""
    time, seasons = history.time, np.eye(int(history.season.max()) + 1)[history.season]  # (epochs, seasons)
    events = np.maximum((weights * past) @ seasons, _LEAST)
    slope = _slope((weights * past) @ time, events, weights, history) if trend else np.zeros(len(past))
    growth, exposure, centre = _grown(slope, weights, history)
    apart = time - centre @ seasons.T
    share = growth / (exposure @ seasons.T)  # of a season's events that fall to an epoch
    weighed = share * (events @ seasons.T)
    information = np.maximum((weighed * apart**2).sum(axis=1), _LEAST) if trend else np.full(len(past), np.inf)
    freedom = len(time) - seasons.shape[1] - trend
    mean = weighed / weights
    return _Fit(
        mean=mean,
        leverage=share + weighed * apart**2 / information[:, np.newaxis],
        slope=slope,
        slope_variance=1 / information,
        expected=events[:, 0] / exposure[:, 0],
        variance=1 / events[:, 0] + centre[:, 0] ** 2 / information,
        overdispersion=(weights * (past - mean) ** 2 / mean).sum(axis=1) / freedom,
        freedom=freedom,
    )


def _grown(slope: Floats, weights: Floats, history: _History) -> tuple[Floats, Floats, Floats]:
    """Give the weight of each epoch under a slope, the exposure and the mean time of each season."""
    seasons = np.eye(int(history.season.max()) + 1)[history.season]
    growth = weights * np.exp(slope[:, np.newaxis] * history.time)
    exposure = growth @ seasons
    return growth, exposure, (growth * history.time) @ seasons / exposure


def _slope(moment: Floats, events: Floats, weights: Floats, history: _History) -> Floats:
    """Find the slope by Newton; steps of at most 1 keep it from leaping where all incidents stand at one end."""
    seasons = np.eye(int(history.season.max()) + 1)[history.season]
    slope, sought = np.zeros(len(weights)), np.arange(len(weights))  # few take many rounds; the others are done
    for _ in range(_ROUNDS):
        growth, exposure, centre = _grown(slope[sought], weights[sought], history)
        spread = (growth * history.time**2) @ seasons / exposure - centre**2
        score = moment[sought] - (events[sought] * centre).sum(axis=1)
        step = np.clip(score / np.maximum((events[sought] * spread).sum(axis=1), _LEAST), -1.0, 1.0)
        slope[sought] += step
        sought = sought[np.abs(step) >= _SLOPE_FOUND]
        if not len(sought):
            break
    return slope


def _two_thirds(seen: Whole, expected: Floats, ratio: Floats, above: float) -> tuple[Floats, Floats]:
    """Give limit and p by a normal distribution of the count's 2/3 power; `ratio` is its variance over its mean."""
    spread = np.sqrt(4 / 9 * expected ** (1 / 3) * ratio)
    upper = (expected ** (2 / 3) + stats.norm.isf(above) * spread) ** 1.5
    return upper, stats.norm.sf(seen ** (2 / 3), expected ** (2 / 3), spread)


def _negative_binomial(seen: Whole, expected: Floats, ratio: Floats, above: float) -> tuple[Floats, Floats]:
    """Give limit and p by the negative binomial with this mean and ratio of variance to mean; Poisson where it is 1."""
    chance = np.minimum(1 / ratio, 1 - _LEAST)  # R gives the Poisson's there, which this is to eight digits
    size = expected * chance / (1 - chance)
    return stats.nbinom.isf(above, size, chance), stats.nbinom.sf(seen - 1, size, chance)
