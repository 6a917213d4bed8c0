"""Scores of chances agree with their definitions, and a back-test knows nothing of what comes later."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from geo_service.analysis import expectations, reliability
from geo_service.errors import BadParameter

TOLD = st.lists(st.tuples(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9, 1.0]), st.booleans()), min_size=2, max_size=30)


def arrays(told: list[tuple[float, bool]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([chance for chance, _ in told]), np.array([came for _, came in told])


@given(TOLD)
def test_the_auc_is_the_share_of_pairs_in_order_ties_half(told: list[tuple[float, bool]]):
    chance, came = arrays(told)
    pairs = [(a > b) + (a == b) / 2 for a, b in itertools.product(chance[came], chance[~came])]
    assert reliability.auc(chance, came) == pytest.approx(np.mean(pairs) if pairs else np.nan, nan_ok=True)


@given(TOLD)
def test_every_case_stands_in_one_bin_of_the_table(told: list[tuple[float, bool]]):
    chance, came = arrays(told)
    for edges in (reliability.EDGES, reliability.equal_edges(chance, 4)):
        table = reliability.table(chance, came, edges)
        assert table["n"].sum() == len(told)
        assert (table["n"] * table["observed"]).sum() == pytest.approx(came.sum())
        assert (table["n"] * table["mean_chance"]).sum() == pytest.approx(chance.sum())
        assert ((table["low"] <= table["observed"]) & (table["observed"] <= table["high"])).all()


def test_the_interval_is_jeffreys():
    [row] = reliability.table(np.full(20, 0.3), np.arange(20) < 4, [0, 1]).to_dict("records")
    assert (row["low"], row["high"]) == pytest.approx(stats.beta.interval(0.95, 4.5, 16.5))


def test_foresight_and_the_base_rate_score_as_they_must():
    came = np.array([True, False, False, False])
    assert reliability.brier(came.astype(float), came) == 0
    assert reliability.brier_skill(np.full(4, 0.25), came) == 0
    assert reliability.brier_skill(came.astype(float), came) == 1
    assert reliability.log_loss(np.full(4, 0.25), came) == pytest.approx(-(np.log(0.25) + 3 * np.log(0.75)) / 4)
    assert reliability.log_loss(1.0 - came, came) == np.inf


def test_a_chance_outside_0_to_1_is_refused():
    with pytest.raises(BadParameter, match=r"came -0\.1 to 0\.5"):
        reliability.table(np.array([-0.1, 0.5]), np.array([True, False]))


def made() -> reliability.Replay:
    daily = np.random.default_rng(5).poisson(0.04, (60, 30, 28))
    return reliability.Replay(
        daily.sum(axis=2), daily.cumsum(axis=2)[:, :, [4, 19]], (5, 20), "2021-06"
    )  # 2019-01 to 2021-06


GROUPS, RED = np.zeros(60, dtype=np.int64), np.full(60, 3)


def test_a_replayed_chance_is_the_one_the_product_would_have_told():
    seen = made()
    told = reliability.backtest(seen, GROUPS, RED, "2020-11")
    now = expectations.SoFar("2021-02", seen.so_far[:, 25, 1], 20 / 28)
    wanted = expectations.outlook(seen.counts[:, :25], GROUPS, now, RED, RED + 2)
    here = told[(told["month"] == 25) & (told["day"] == 20)]
    assert here["place"].tolist() == list(range(60))
    np.testing.assert_array_equal(here["chance"], wanted["chance_red"])
    np.testing.assert_array_equal(here["came"], seen.counts[:, 25] >= 3)
    np.testing.assert_array_equal(here["count"], seen.so_far[:, 25, 1])


def test_nothing_that_comes_later_changes_what_was_told():
    seen, later = made(), made()
    later.counts[:, 24:] += 7
    later.so_far[:, 24:] += 7
    one, other = (reliability.backtest(city, GROUPS, RED, "2020-11") for city in (seen, later))
    before = one["month"] < 24
    np.testing.assert_array_equal(one["chance"][before], other["chance"][before])
    assert (one["chance"][~before] != other["chance"][~before]).any()


def test_calls_are_counted_by_place_month_and_day():
    rng = np.random.default_rng(3)
    place, offset = rng.integers(-1, 4, 500), rng.integers(0, 90, 500)
    day = np.datetime64("2019-01-01") + offset
    seen = reliability.replay(place, day, 4, ("2019-01", "2019-02"))
    for at, month, (which, until) in itertools.product(range(4), (0, 1), enumerate(seen.days)):
        first = np.datetime64("2019-01") + month
        inside = (place == at) & (day.astype("datetime64[M]") == first)
        assert seen.counts[at, month] == inside.sum()
        assert seen.so_far[at, month, which] == (inside & (day < first.astype("datetime64[D]") + until)).sum()


@pytest.mark.parametrize("first", ["2019-01", "2018-05", "2021-07"])
def test_a_replay_without_history_or_months_is_refused(first: str):
    with pytest.raises(BadParameter, match="first must lie after 2019-01"):
        reliability.backtest(made(), GROUPS, RED, first)


def test_days_that_do_not_fit_are_refused():
    with pytest.raises(BadParameter, match=r"\(60, 30, 1\); came \(60, 30, 2\)"):
        reliability.Replay(made().counts, made().so_far, (5,), "2021-06")
