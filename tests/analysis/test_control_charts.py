"""Control charts against surveillance 1.20.3 and against a plain regression."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from geo_service.analysis import control_charts
from geo_service.analysis.control_charts import CLASSIC, FLEXIBLE, FLEXIBLE_MONTHS
from geo_service.errors import BadParameter

Floats = npt.NDArray[np.float64]
AT = np.arange(281, 312)  # 282:312 in R
YEARS = 52 * np.arange(1, 5)

# surveillance 1.20.3, R 4.2.2: farrington(salmonella.agona, range 282:312, b=4, w=3, alpha=0.01), upperbound
CLASSIC_UPPER = """
    6.972774 7.207257 5.776060 5.932147 5.080637 6.270881 6.076660 4.848360 5.294677 6.094826 7.680342
    13.246239 13.258656 11.817053 11.449808 11.216055 11.088674 11.079319 11.255462 9.967855 6.840360 7.171901
    9.813041 5.811428 5.615926 7.862128 7.650144 7.928645 6.872412 7.362888 17.290589
"""
# farringtonFlexible: noPeriods=10, pastWeeksNotIncluded=26, weightsThreshold=2.58, pThresholdTrend=1, alpha=0.01, and
# thresholdMethod nbPlugin
FLEXIBLE_UPPER = "6 6 7 7 8 8 8 9 10 11 10 11 11 11 12 12 12 12 12 11 11 11 10 9 9 8 8 8 8 8 9"
# earsC method C1
EARS_UPPER = """
    3.050282 3.523164 5.746480 9.753822 11.206838 10.794891 10.558130 11.129558 10.714995 11.129558 9.618740
    8.981081 8.159525 11.675665 12.794891 12.896679 12.321480 13.176194 13.401850 13.368389 10.680865 7.360639
    5.275320 5.621710 5.621710 6.568293 6.152779 6.152779 6.075423 5.225112 4.653683
"""
# cusum k=1.04, h=2.26
CUSUM = """
    0.00000 0.00000 1.48791 2.37638 0.26761 0.00000 0.88847 0.57804 0.00000 0.00000 0.28902 0.57804 3.26484
    5.35220 6.24066 5.33079 3.82148 2.91161 2.60118 1.69131 0.78144 0.47101 0.16059 0.00000 0.00000 0.00000
    0.00000 0.00000 0.00000 0.00000 0.00000
"""


def numbers(text: str) -> Floats:
    return np.array(text.split(), dtype=np.float64)


@pytest.fixture(scope="module")
def agona(shared_data: Path) -> npt.NDArray[np.int64]:
    path = shared_data / "crime" / "oracles" / "surveillance_salmonella_agona.txt"
    return pd.read_csv(path, sep=r"\s+")["observed"].to_numpy()[np.newaxis]


def regression(design: Floats, y: Floats, weights: Floats, enough: float) -> dict[str, Floats]:
    """Quasi-Poisson by iterated least squares; R's glm stops at a relative change of 1e-8 of the deviance."""
    mean, deviance = y + 0.1, np.inf
    while True:
        working = weights * mean
        q, r = np.linalg.qr(design * np.sqrt(working)[:, np.newaxis])
        found = np.linalg.solve(r, q.T @ (np.sqrt(working) * (np.log(mean) + (y - mean) / mean)))
        mean = np.exp(design @ found)
        before, deviance = deviance, 2 * np.sum(weights * (stats_xlogy(y, mean) - (y - mean)))
        if abs(deviance - before) / (abs(deviance) + 0.1) < enough:
            pearson = np.sum(working * ((y - mean) / mean) ** 2) / (len(y) - design.shape[1])
            covariance = np.linalg.inv(r.T @ r)
            return {"beta": found, "mean": mean, "phi": pearson, "hat": (q**2).sum(axis=1), "covariance": covariance}


def stats_xlogy(y: Floats, mean: Floats) -> Floats:
    return np.where(y > 0, y * np.log(np.where(y > 0, y, 1.0) / mean), 0.0)


def classic_by_regression(counts: Floats, epoch: int, enough: float) -> float:
    """Farrington's limit at one epoch, matrices and all."""
    time = np.concatenate([np.arange(epoch - year - 3, epoch - year + 4) for year in YEARS[::-1]])
    y = counts[time].astype(np.float64)

    def reweighted(design: Floats) -> dict[str, Floats]:
        one = regression(design, y, np.ones(len(y)), enough)
        residual = 1.5 * (y ** (2 / 3) * one["mean"] ** (-1 / 6) - np.sqrt(one["mean"]))
        residual /= np.sqrt(max(one["phi"], 1.0) * (1 - one["hat"]))
        return regression(design, y, control_charts.outbreak_weights(residual[np.newaxis], 1.0)[0], enough)

    line = np.column_stack([np.ones(len(y)), time + 1.0])
    fit, now = reweighted(line), np.array([1.0, epoch + 1.0])
    t = fit["beta"][1] / np.sqrt(fit["phi"] * fit["covariance"][1, 1])
    if 2 * stats.t.sf(abs(t), len(y) - 2) >= 0.05 or np.exp(now @ fit["beta"]) > y.max():
        fit, now = reweighted(line[:, :1]), now[:1]
    mean, phi = float(np.exp(now @ fit["beta"])), max(float(fit["phi"]), 1.0)
    ratio = phi + mean * phi * (now @ fit["covariance"] @ now)
    return float((mean ** (2 / 3) + stats.norm.isf(0.005) * np.sqrt(4 / 9 * mean ** (1 / 3) * ratio)) ** 1.5)


def test_farrington_is_that_of_surveillance(agona: npt.NDArray[np.int64]):
    found = control_charts.farrington(agona, AT, YEARS)
    np.testing.assert_allclose(found.upper[0], numbers(CLASSIC_UPPER), atol=2e-4)
    assert (np.flatnonzero(found.alarm[0]) + 1).tolist() == [3, 4]


def test_what_is_left_between_surveillance_and_us_is_where_its_regression_stops(agona: npt.NDArray[np.int64]):
    as_r = [classic_by_regression(agona[0], epoch, 1e-8) for epoch in AT]
    np.testing.assert_allclose(as_r, numbers(CLASSIC_UPPER), atol=6e-7)
    to_the_end = [classic_by_regression(agona[0], epoch, 1e-14) for epoch in AT]
    np.testing.assert_allclose(control_charts.farrington(agona, AT, YEARS).upper[0], to_the_end, atol=1e-6)


def test_farrington_flexible_is_that_of_surveillance(agona: npt.NDArray[np.int64]):
    found = control_charts.farrington(agona, AT, YEARS, FLEXIBLE)
    assert found.upper[0].tolist() == numbers(FLEXIBLE_UPPER).tolist()
    assert not found.alarm.any()


def test_ears_and_cusum_are_those_of_surveillance(agona: npt.NDArray[np.int64]):
    ears = control_charts.ears_c1(agona)
    np.testing.assert_allclose(ears.upper[0, AT], numbers(EARS_UPPER), atol=6e-7)
    assert (np.flatnonzero(ears.alarm[0, AT]) + 1).tolist() == [2, 3, 13]
    sums = control_charts.cusum(agona[:, AT], agona[:, : AT[0]].mean(axis=1, keepdims=True))
    np.testing.assert_allclose(sums.statistic[0], numbers(CUSUM), atol=6e-6)
    assert (np.flatnonzero(sums.alarm[0]) + 1).tolist() == [4, *range(13, 20)]


def test_the_weights_are_those_of_surveillance():
    residuals = np.array([[0.0] * 5 + [2.0] * 5])
    assert control_charts.outbreak_weights(residuals, 0.0).tolist() == [[1.6] * 5 + [0.4] * 5]


def test_months_lie_twelve_epochs_back_and_weeks_where_the_date_was():
    months = np.arange("2019-01", "2026-01", dtype="datetime64[M]").astype("datetime64[D]")
    assert control_charts.same_season(months, 3)[-1].tolist() == [12, 24, 36]
    weeks = np.arange("2016-01-04", "2026-01-01", 7, dtype="datetime64[D]")
    lags = control_charts.same_season(weeks, 4)
    assert set(np.unique(lags[:, 2])) == {0, 156, 157}
    asked, lag = np.nonzero(lags)
    there = weeks[asked - lags[asked, lag]]
    apart = (weeks[asked] - there).astype(int) - 365.25 * (lag + 1)
    assert np.abs(apart).max() < 5


def test_years_that_are_not_there_are_refused_and_the_message_says_so():
    counts = np.ones((1, 300), dtype=np.int64)
    with pytest.raises(BadParameter, match="epoch 200 of 300 has not 4 years"):
        control_charts.farrington(counts, np.array([200, 290]), YEARS)
    weeks = np.arange("2016-01-04", "2021-01-01", 7, dtype="datetime64[D]")
    with pytest.raises(BadParameter, match="has not 6 years"):
        control_charts.farrington(counts[:, : len(weeks)], np.array([250]), control_charts.same_season(weeks, 6))


@given(st.integers(0, 2**32 - 1), st.sampled_from([CLASSIC, FLEXIBLE]))
def test_many_series_at_once_are_each_series_alone(seed: int, how: control_charts.Farrington):
    rng = np.random.default_rng(seed)
    counts = rng.poisson(rng.gamma(0.5, 4.0, (6, 1)), (6, 240))
    at = np.array([230, 239])
    together = control_charts.farrington(counts, at, YEARS, how)
    for series in range(len(counts)):
        alone = control_charts.farrington(counts[[series]], at, YEARS, how)
        np.testing.assert_allclose(alone.upper[0], together.upper[series], rtol=1e-6)
        assert alone.alarm[0].tolist() == together.alarm[series].tolist()


@given(st.integers(0, 2**32 - 1), st.sampled_from([CLASSIC, FLEXIBLE]))
def test_more_incidents_now_never_take_an_alarm_away_and_never_move_the_limit(
    seed: int, how: control_charts.Farrington
):
    rng = np.random.default_rng(seed)
    counts = np.tile(rng.poisson(3.0, 240), (5, 1))
    counts[:, -1] = [0, 3, 6, 12, 24]
    found = control_charts.farrington(counts, np.array([239]), YEARS, how)
    assert np.ptp(found.upper) < 1e-9
    assert np.diff(found.alarm[:, 0].astype(int)).min() >= 0
    assert np.diff(found.p[:, 0]).max() <= 0


def test_of_quiet_series_about_one_in_a_hundred_lies_above_the_limit():
    rng = np.random.default_rng(5)
    counts = rng.poisson(8.0, (4000, 260))
    for how, years, nominal in (
        (CLASSIC, YEARS, 0.005),
        (FLEXIBLE, YEARS, 0.01),
        (FLEXIBLE_MONTHS, 12 * YEARS // 52, 0.01),
    ):
        above = control_charts.farrington(counts, np.array([259]), years, how)
        share = float((counts[:, [259]] > above.upper).mean())
        assert 0.2 * nominal < share < 2.5 * nominal, (how, share)


def test_a_series_without_any_incident_has_limits_at_zero_and_a_burst_of_five_is_an_alarm():
    counts = np.zeros((2, 240), dtype=np.int64)
    counts[1, -1] = 5
    for how in (CLASSIC, FLEXIBLE):
        found = control_charts.farrington(counts, np.array([239]), YEARS, how)
        assert found.upper.max() < 0.01
        assert found.alarm[:, 0].tolist() == [False, True]


def test_a_trend_is_followed_and_a_past_outbreak_is_forgotten():
    rng = np.random.default_rng(3)
    rising = rng.poisson(np.linspace(20, 40, 300))[np.newaxis]
    found = control_charts.farrington(rising, np.array([299]), 52 * np.arange(1, 6))
    assert found.trend[0, 0]
    assert abs(found.expected[0, 0] - 40) < 4
    flat = rng.poisson(10.0, (1, 240))
    hit = flat.copy()
    hit[0, 239 - 52 - 1 : 239 - 52 + 2] = 60
    calm, burst = (control_charts.farrington(one, np.array([239]), YEARS, FLEXIBLE) for one in (flat, hit))
    assert burst.expected[0, 0] < calm.expected[0, 0] + 8
    assert hit[0, 239 - 55 : 239 - 48].mean() > 30


def test_ewma_limits_hold_their_share_and_see_a_small_rise_that_stays():
    rng = np.random.default_rng(11)
    quiet = control_charts.ewma(rng.poisson(9.0, (4000, 40)), np.full((4000, 1), 9.0), weight=0.1, width=3.0)
    outside = quiet.alarm.mean(axis=0)
    assert 0.0005 < outside[20:].mean() < 0.006  # 0.0027 of a normal
    risen = control_charts.ewma(rng.poisson(11.0, (2000, 40)), np.full((2000, 1), 9.0))
    assert risen.alarm.any(axis=1).mean() > 0.9


@pytest.mark.parametrize("chart", [control_charts.ears_c1, lambda c: control_charts.cusum(c, np.array([[3.0]]))])
def test_a_chart_keeps_its_shape(chart: Callable[[npt.NDArray[np.int64]], control_charts.Chart]):
    found = chart(np.arange(24).reshape(2, 12))
    for part in (found.statistic, found.lower, found.upper, found.alarm):
        assert part.shape == (2, 12)


def test_philadelphia_districts_sound_few_alarms_and_the_looting_of_2020(shared_data: Path):
    weekly = pd.read_csv(shared_data / "crime" / "oracles" / "philly_burglary_weekly_by_district.csv", index_col=0)
    first_days = weekly.index.to_numpy(dtype="datetime64[D]")
    counts = np.ascontiguousarray(weekly.to_numpy().T)
    looting = int(np.searchsorted(first_days, np.datetime64("2020-06-01")))
    at = np.arange(looting - 12, looting + 2)
    found = control_charts.farrington(counts, at, control_charts.same_season(first_days, 3), FLEXIBLE)
    assert found.alarm[:, :10].mean() < 0.05
    assert found.alarm[:, 11:13].any(axis=1).sum() >= 10  # nights of 30 May to 2 June, all over the city
