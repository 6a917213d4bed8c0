"""An effect is believed only beyond what chance, regression to the mean and displacement would give."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from geo_service.analysis import evaluation
from geo_service.analysis.evaluation import BeforeAfter
from geo_service.errors import BadParameter

COUNTS = st.integers(0, 200)


def test_the_displacement_difference_is_that_of_ptools():
    found = evaluation.displacement_difference(BeforeAfter(20, 10), BeforeAfter(20, 20))
    assert found.estimate == -10
    assert found.standard_error == pytest.approx(8.3666, abs=5e-5)
    assert found.z == pytest.approx(-1.195229, abs=5e-7)
    assert (round(found.low, 2), round(found.high, 2)) == (-23.76, 3.76)


def test_displacement_is_added_and_its_control_taken_off():
    found = evaluation.displacement_difference(
        BeforeAfter(20, 10), BeforeAfter(20, 20), BeforeAfter(30, 20), BeforeAfter(30, 30)
    )
    assert found.estimate == -20
    assert found.standard_error == pytest.approx(np.sqrt(70 + 110))


def test_without_a_before_it_is_nearly_the_e_test():
    found = evaluation.displacement_difference(BeforeAfter(0, 10), BeforeAfter(0, 20))
    assert found.p == pytest.approx(0.068, abs=5e-4)


def test_two_months_before_count_half_each():
    found = evaluation.displacement_difference(BeforeAfter(40, 10, 2.0, 1.0), BeforeAfter(40, 20, 2.0, 1.0))
    assert found.estimate == -10
    assert found.standard_error == pytest.approx(np.sqrt(10 + 10 + 20 + 10))


@given(COUNTS, COUNTS, COUNTS, COUNTS)
def test_treated_and_control_exchanged_turn_the_sign(a: int, b: int, c: int, d: int):
    one = evaluation.displacement_difference(BeforeAfter(a, b), BeforeAfter(c, d))
    other = evaluation.displacement_difference(BeforeAfter(c, d), BeforeAfter(a, b))
    assert one.estimate == -other.estimate
    assert one.low == pytest.approx(-other.high)


@pytest.mark.parametrize("mean", [3.0, 20.0, 80.0])
def test_the_interval_holds_nine_in_ten(mean: float):
    rng = np.random.default_rng(53)
    before, after, control = rng.poisson(mean, 4000), rng.poisson(0.7 * mean, 4000), rng.poisson(mean, (4000, 2))
    held = 0
    for b, a, (c, d) in zip(before.tolist(), after.tolist(), control.tolist(), strict=True):
        found = evaluation.displacement_difference(BeforeAfter(b, a), BeforeAfter(c, d))
        held += found.low <= -0.3 * mean <= found.high
    assert held / 4000 == pytest.approx(0.9, abs=0.02)


@pytest.mark.parametrize("baseline", [40, 150, 600])
def test_the_smallest_visible_fall_is_seen_four_times_in_five(baseline: int):
    fall = evaluation.smallest_visible_fall(baseline, baseline)
    rng = np.random.default_rng(59)
    counts = rng.poisson([baseline, baseline - fall, baseline, baseline], (20_000, 4))
    estimate = counts[:, 1] - counts[:, 0] - counts[:, 3] + counts[:, 2]
    z = estimate / np.sqrt(counts.sum(axis=1))
    assert (z < -stats.norm.isf(0.05)).mean() == pytest.approx(0.8, abs=0.02)


@given(st.integers(10, 500))
def test_more_incidents_show_a_smaller_share(baseline: int):
    one, more = (evaluation.smallest_visible_fall(n, n) / n for n in (baseline, 2 * baseline))
    assert more < one or one == float("inf")


def places(rng: np.random.Generator, number: int) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "zone_id": [f"p{n:03d}" for n in range(number)],
            "zone_kind": rng.choice(["communities", "units"], number),
            "zone_class": rng.choice(["residential", "school"], number),
            "rate": rng.gamma(1.0, 0.7, number).round(1),
        }
    )


@given(st.integers(0, 2**32 - 1))
def test_matches_are_like_left_alone_and_the_nearest_in_any_order_of_rows(seed: int):
    rng = np.random.default_rng(seed)
    all_places = places(rng, 40)
    ids = all_places["zone_id"].tolist()
    treated = sorted(rng.choice(ids, 5, replace=False).tolist())
    neighbours = [tuple(rng.choice(ids, 2, replace=False).tolist()) for _ in range(20)]
    found = evaluation.matched_places(all_places, treated, neighbours, 3)
    shuffled = all_places.iloc[rng.permutation(40)]
    pd.testing.assert_frame_equal(found, evaluation.matched_places(shuffled, treated[::-1], neighbours, 3))
    of = all_places.set_index("zone_id")
    beside = {b for pair in neighbours for a, b in (pair, pair[::-1]) if a in treated}
    for place in treated:
        like = of[(of["zone_kind"] == of.at[place, "zone_kind"]) & (of["zone_class"] == of.at[place, "zone_class"])]
        free = like.drop([other for other in like.index if other in beside or other in treated])
        apart = (np.sqrt(free["rate"]) - np.sqrt(of.at[place, "rate"])).abs()
        mine = found[found["zone_id"] == place]
        assert len(mine) == min(3, len(free))
        assert set(mine["match_id"]) <= set(free.index)
        assert sorted(apart[mine["match_id"]]) == sorted(apart)[: len(mine)]
        assert mine["weight"].sum() == pytest.approx(1.0 if len(mine) else 0.0)


def test_a_treated_place_that_nobody_knows_is_refused():
    with pytest.raises(BadParameter, match="no rate is known of the treated place p999"):
        evaluation.matched_places(places(np.random.default_rng(1), 5), ["p999"], [])


def tasks(rng: np.random.Generator, works: float, lasting: float = 0.0) -> pd.DataFrame:
    """Red places of 20,000 as they come by chance, and their next month, with what their history lets expect.

    With `lasting`, rates have rises of one month that last to the next in part, which no history tells.
    """
    shape, rate = 1.0, 2.0  # mean 0.5 a month
    rates = rng.gamma(shape, 1 / rate, 20_000)
    rise = rng.gamma(3.0, 1 / 3.0, 20_000) if lasting else np.ones(20_000)
    history, red = rng.poisson(rates * 12), rng.poisson(rates * rise)
    chosen = red >= 4
    a, b = shape + history[chosen] + red[chosen], rate + 13
    observed = rng.poisson(works * rates[chosen] * (lasting * rise[chosen] + 1 - lasting))
    return pd.DataFrame(
        {
            "before": red[chosen],
            "expected": a / b,
            "expected_sd": np.sqrt(a / b * (1 + 1 / b)),
            "chance_down": stats.nbinom.cdf(3, a, b / (b + 1)),
            "observed": observed,
            "came_down": observed < 4,
        }
    )


def test_without_any_action_most_red_places_come_down_and_no_effect_is_found():
    rng = np.random.default_rng(61)
    found = [evaluation.supervision(tasks(rng, works=1.0)) for _ in range(200)]
    assert np.mean([one.came_down for one in found]) > 0.75  # this is what a report without expectation would praise
    assert np.mean([one.would_have_fallen / one.before for one in found]) > 0.4
    assert np.mean([one.effect.low <= 0 <= one.effect.high for one in found]) == pytest.approx(0.95, abs=0.035)
    held = [one.would_have_come_down_low <= one.came_down <= one.would_have_come_down_high for one in found]
    assert np.mean(held) == pytest.approx(0.95, abs=0.035)


def test_an_action_that_halves_is_found_and_its_size_is_right():
    rng = np.random.default_rng(67)
    found = [evaluation.supervision(tasks(rng, works=0.5)) for _ in range(50)]
    assert all(one.effect.high < 0 for one in found)
    assert np.mean([one.effect.estimate / one.expected for one in found]) == pytest.approx(-0.5, abs=0.05)
    assert all(one.came_down > one.would_have_come_down for one in found)


def test_no_tasks_are_no_effect():
    found = evaluation.supervision(tasks(np.random.default_rng(1), 1.0).head(0))
    assert (found.tasks, found.effect.estimate, found.came_down) == (0, 0.0, 0.0)
    assert np.isnan(found.effect.z)


def test_rises_that_last_are_learned_from_red_months_without_a_task():
    rng = np.random.default_rng(71)
    untreated = pd.concat([tasks(rng, 1.0, lasting=0.8) for _ in range(3)])
    idle = [tasks(rng, 1.0, lasting=0.8) for _ in range(200)]
    alone = [evaluation.supervision(one) for one in idle]
    assert np.mean([one.effect.low > 0 for one in alone]) > 0.5  # doing nothing would be found to do harm
    beside = [evaluation.supervision(one, untreated) for one in idle]
    assert np.mean([one.effect.low <= 0 <= one.effect.high for one in beside]) > 0.92
    held = [one.would_have_come_down_low <= one.came_down <= one.would_have_come_down_high for one in beside]
    assert np.mean(held) > 0.92
    halved = [evaluation.supervision(tasks(rng, 0.5, lasting=0.8), untreated) for _ in range(50)]
    assert np.mean([one.effect.estimate / one.expected for one in halved]) == pytest.approx(-0.5, abs=0.05)


def test_a_few_untreated_months_make_the_effect_less_sure():
    rng = np.random.default_rng(73)
    own, others = tasks(rng, 1.0), tasks(rng, 1.0)
    sure, few, many = (evaluation.supervision(own, others.head(n)).effect.standard_error for n in (0, 20, 200))
    assert few > many > sure
