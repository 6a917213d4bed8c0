"""What a place was to expect: the prior agrees with its references, chances and levels keep their promises."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from geo_service.analysis import expectations
from geo_service.analysis.expectations import Belief, SoFar
from geo_service.errors import BadParameter

MEANS = st.floats(0.01, 30)
SHAPES = st.floats(0.05, 50)


def belief(shape: float, mean: float) -> Belief:
    return Belief(np.array([shape]), np.array([shape / mean]))


def test_the_estimates_are_those_of_marshall_as_spdep_gives_them(shared_data: Path):
    oracle = pd.read_csv(shared_data / "crime" / "oracles" / "ncsids_ebest.csv")
    events, births = (oracle[name].to_numpy(dtype=float) for name in ("SID74", "BIR74"))
    prior = expectations.fit_prior(events, births)
    np.testing.assert_allclose(prior.after(events, births).mean, oracle["eb"], rtol=1e-12)
    assert f"{prior.shape / prior.rate:.10f}" == "0.0020214449"  # R_oracles.txt
    assert f"{prior.shape / prior.rate**2:.10f}" == "0.0000007693"


def test_with_equal_exposure_the_prior_is_the_one_by_moments():
    events = np.array([0.0, 1, 8, 3])
    mean, variance = events.mean(), events.var()
    prior = expectations.fit_prior(events, np.ones(4))
    assert prior.rate == pytest.approx(mean / (variance - mean))
    assert prior.shape == pytest.approx(mean * prior.rate)


def test_rates_that_vary_no_more_than_by_chance_are_all_near_their_mean():
    after = expectations.fit_prior(np.array([2.0, 2, 2, 3]), np.ones(4)).after(np.array([2.0, 3]), np.ones(2))
    np.testing.assert_allclose(after.mean, 2.25, rtol=0.001)


def test_a_group_without_any_incident_is_not_believed_impossible():
    quiet = expectations.believe(np.zeros((30, 12), dtype=np.int64), np.zeros(30, dtype=np.int64), "2020-01")
    assert ((quiet.mean > 0) & (quiet.mean < 0.01)).all()


def test_a_season_is_found_and_drawn_to_one():
    totals = np.array([3000] * 5 + [4000] * 3 + [3000] * 4) * np.ones((3, 1), dtype=np.int64)
    exposure = expectations.exposures(totals.ravel(), "2019-01")
    july, november = exposure[30] / 31, exposure[34] / 30
    assert 1.15 < july / november < 4000 / 3000
    scarce = expectations.exposures(totals.ravel() // 1000, "2019-01")
    assert scarce[30] / 31 / (scarce[34] / 30) < 1.1


def test_a_month_says_what_fading_says_and_an_old_one_half_of_one_a_half_life_later():
    months = 25
    counts = np.zeros((40, months), dtype=np.int64)
    counts[0, 0], counts[1, 12], counts[2, -1], counts[3:10, 3] = 6, 6, 6, 3
    shape = expectations.believe(counts, np.zeros(40, dtype=np.int64), "2020-01").shape
    said = (shape - shape[-1])[:3] / 6 / expectations.WORTH
    np.testing.assert_allclose(said, expectations.fading(months)[[0, 12, -1]])
    assert said[0] / said[1] == pytest.approx(0.5, abs=1e-3)


def test_groups_share_a_prior_and_small_ones_that_of_all():
    counts = np.zeros((61, 12), dtype=np.int64)
    counts[:30, ::4], counts[30:60, ::2] = 1, 3
    groups = np.repeat([0, 1, 2], [30, 30, 1])
    found = expectations.believe(counts, groups, "2020-01")
    alone = expectations.believe(counts, np.zeros(61, dtype=np.int64), "2020-01")
    assert found.mean[0] != pytest.approx(alone.mean[0])
    assert found.mean[60] == pytest.approx(alone.mean[60])


@given(st.integers(1, 9), SHAPES, MEANS, st.floats(0.01, 1))
def test_the_chance_is_the_tail_of_a_negative_binomial(needed: int, shape: float, mean: float, left: float):
    found = expectations.chance_of_reaching(np.array([needed]), belief(shape, mean), left)[0]
    rate = shape / mean
    assert found == pytest.approx(stats.nbinom.sf(needed - 1, shape, rate / (rate + left)), rel=1e-9, abs=1e-14)


@given(st.integers(-3, 9), SHAPES, MEANS, st.floats(0, 1), st.floats(0, 1))
def test_the_more_is_needed_and_the_less_time_is_left_the_smaller_the_chance(
    needed: int, shape: float, mean: float, one: float, other: float
):
    place, short, long = belief(shape, mean), min(one, other), max(one, other)
    wanted = np.array([needed])
    assert expectations.chance_of_reaching(wanted + 1, place, long) <= expectations.chance_of_reaching(
        wanted, place, long
    )
    assert expectations.chance_of_reaching(wanted, place, short) <= expectations.chance_of_reaching(wanted, place, long)


def test_nothing_needed_is_certain_and_no_time_is_impossible():
    place = belief(1.0, 1.0)
    assert expectations.chance_of_reaching(np.array([0]), place, 0.0)[0] == 1
    assert expectations.chance_of_reaching(np.array([-2]), place, 0.5)[0] == 1
    assert expectations.chance_of_reaching(np.array([1]), place, 0.0)[0] == 0


@given(SHAPES, MEANS, st.floats(0.05, 24))
def test_at_most_five_in_a_hundred_lie_beyond_each_end_of_the_interval(shape: float, mean: float, months: float):
    place = belief(shape, mean)
    low, high = (int(side[0]) for side in expectations.interval(place, months))
    spread = stats.nbinom(shape, place.rate[0] / (place.rate[0] + months))
    assert spread.cdf(low - 1) <= 0.05 + 1e-9
    assert spread.sf(high) <= 0.05 + 1e-9
    assert low <= high


@given(st.integers(0, 20), SHAPES, MEANS, st.floats(0, 1))
def test_more_incidents_never_lower_a_relative_level_and_none_is_level_0(
    count: int, shape: float, mean: float, gone: float
):
    place = belief(shape, mean)
    less, more = expectations.relative_level(np.array([count, count + 1]), Belief(*2 * [place.shape.repeat(2)]), gone)
    assert less <= more <= 4
    assert expectations.relative_level(np.array([0]), place, gone)[0] == 0


def test_the_same_count_is_ordinary_here_and_black_there():
    places = Belief(np.array([20.0, 0.5]), np.array([4.0, 5.0]))
    assert expectations.relative_level(np.array([6, 6]), places, 1.0).tolist() == [0, 4]


def test_sixty_days_without_an_incident_are_ordinary_at_a_tenth_a_month():
    [streak] = expectations.streaks(np.array([60 / 30.4375]), belief(1e6, 0.1)).to_dict("records")
    assert streak["expected_months"] == pytest.approx(10)
    assert streak["chance"] == pytest.approx(np.exp(-0.1 * 60 / 30.4375), rel=1e-4)


def test_one_quiet_month_of_a_red_place_shows_nothing_and_six_may():
    place = Belief(np.array([6.0, 6.0]), np.array([3.0, 3.0]))
    month = expectations.observed_minus_expected(np.array([0, 9]), place, 1.0)
    assert month["verdict"].tolist() == [0, 1]
    assert month["difference"].tolist() == [-2.0, 7.0]
    assert expectations.observed_minus_expected(np.array([0, 12]), place, 6.0)["verdict"].tolist() == [-1, 0]


@given(st.integers(0, 3), st.integers(0, 40), st.floats(0, 1))
def test_black_is_never_likelier_than_red_and_what_came_stays(extra: int, count: int, gone: float):
    history = np.tile([1, 0, 2, 1, 0, 1], (40, 4))
    now = SoFar("2020-01", np.full(40, count), gone)
    red = np.full(40, 4)
    found = expectations.outlook(history, np.zeros(40, dtype=np.int64), now, red, red + extra)
    assert (found["chance_black"] <= found["chance_red"]).all()
    assert (found["low"] >= count).all()
    assert (found["expected"] >= count).all()
    assert (found["chance_red"] == 1).all() or count < 4


def test_what_does_not_fit_is_refused_with_what_came():
    history, groups = np.ones((3, 12), dtype=np.int64), np.zeros(3, dtype=np.int64)
    with pytest.raises(BadParameter, match=r"share_gone must lie between 0 and 1, came 1\.5"):
        expectations.outlook(history, groups, SoFar("2020-01", groups, 1.5), groups, groups)
    with pytest.raises(BadParameter, match="3 histories, 2 counts"):
        expectations.outlook(history, groups, SoFar("2020-01", groups[:2], 0.5), groups, groups)
    with pytest.raises(BadParameter, match="a group a place"):
        expectations.believe(history, groups[:2], "2020-01")
    with pytest.raises(BadParameter, match="no month of counts before 2020-01"):
        expectations.believe(history[:, :0], groups, "2020-01")
