"""Two counts, many places: each interval holds what it promises, and the verdict never says more than the interval."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from geo_service import files
from geo_service.analysis import trends
from geo_service.errors import BadParameter

COUNTS = st.integers(0, 60)
CLASSES = ["bank", "bank", "bank", "school", "market", "market"]
PLACES = pd.DataFrame({"zone_kind": "units", "zone_id": [f"u{n}" for n in range(6)], "zone_class": CLASSES})


def test_the_e_test_is_that_of_its_paper_and_of_ptools():
    assert trends.e_test(6, 2) == pytest.approx(0.1748748, abs=5e-8)
    assert trends.e_test(20, 10) == pytest.approx(0.069, abs=5e-4)
    assert trends.e_test(3, 0) == pytest.approx(float(trends.e_test(3, 0, 2, 2)), rel=1e-9)
    assert trends.e_test(20, 10, 4, 2) == pytest.approx(1.0)


@given(COUNTS, COUNTS)
def test_now_and_past_exchanged_give_the_same_p_and_the_inverse_ratio(now: int, past: int):
    assert trends.e_test(now, past) == pytest.approx(float(trends.e_test(past, now)))
    one, other = trends.compare([now], [past]).iloc[0], trends.compare([past], [now]).iloc[0]
    assert one["difference_low"] == pytest.approx(-other["difference_high"])
    if now and past:
        assert one["ratio_low"] == pytest.approx(1 / other["ratio_high"])
    turned = {"real_rise": "real_fall", "real_fall": "real_rise"}
    assert turned.get(one["verdict"], one["verdict"]) == other["verdict"]


@given(COUNTS, COUNTS, st.sampled_from([28, 30, 31]), st.sampled_from([28, 31, 92]))
def test_a_verdict_never_says_more_than_the_interval(now: int, past: int, days: int, days_past: int):
    row = trends.compare([now], [past], days, days_past).iloc[0]
    one_inside = not (row["ratio_low"] > 1 or row["ratio_high"] < 1)
    if row["verdict"] in ("real_rise", "real_fall"):
        assert not one_inside
        assert row["p"] <= 0.05
        assert (row["difference"] > 0) == (row["verdict"] == "real_rise")
    if row["verdict"] == "too_few":
        assert one_inside
    assert pd.isna(row["percent"]) == (past == 0)


@given(st.integers(0, 40), st.integers(0, 40))
def test_further_apart_is_never_less_surprising(past: int, now: int):
    further = now + 1 if now >= past else max(now - 1, 0)
    z = trends.poisson_z([now, further], [past, past])
    assert abs(z[1]) >= abs(z[0]) - 1e-12


@pytest.mark.parametrize("mean", [0.5, 2.0, 8.0, 40.0])
@pytest.mark.parametrize("ratio", [1.0, 2.0])
def test_intervals_hold_what_they_promise(mean: float, ratio: float):
    rng = np.random.default_rng(17)
    now, past = rng.poisson(ratio * mean, 20_000), rng.poisson(3 * mean, 20_000)
    _, low, high = trends.rate_ratio(now, past, 1.0, 3.0)
    assert ((low <= ratio) & (ratio <= high)).mean() >= 0.95
    below, above = trends.difference_interval(now, past, 1.0, 3.0)
    true = ratio * mean - mean
    assert ((below <= true) & (true <= above)).mean() >= 0.945
    less, more = trends.poisson_interval(now)
    assert ((less <= ratio * mean) & (ratio * mean <= more)).mean() >= 0.95


@pytest.mark.parametrize("mean", [1.0, 4.0, 15.0])
def test_of_unchanged_places_at_most_one_in_twenty_is_called_changed(mean: float):
    rng = np.random.default_rng(23)
    now, past = rng.poisson(mean, 10_000), rng.poisson(mean, 10_000)
    p = trends.e_test(now, past)
    assert (p <= 0.05).mean() <= 0.055
    alone = np.array([trends.compare([a], [b])["verdict"][0] for a, b in zip(now[:300], past[:300], strict=True)])
    assert np.isin(alone, ["real_rise", "real_fall"]).mean() <= 0.05
    assert not trends.compare(now, past)["verdict"].isin(["real_rise", "real_fall"]).any()  # q over all of them


def test_poisson_z_spreads_by_the_root_of_two_and_not_by_one():
    rng = np.random.default_rng(29)
    z = trends.poisson_z(rng.poisson(25.0, 50_000), rng.poisson(25.0, 50_000))
    assert z.std() == pytest.approx(np.sqrt(2), abs=0.03)


def test_wilson_holds_the_headline_of_the_programme():
    low, high = trends.share_interval(7454, 10834)
    assert round(7454 / 10834, 3) == 0.688
    assert (round(float(low), 3), round(float(high), 3)) == (0.679, 0.697)
    rng = np.random.default_rng(31)
    for share in (0.02, 0.3, 0.688):
        low, high = trends.share_interval(rng.binomial(60, share, 20_000), 60)
        assert ((low <= share) & (share <= high)).mean() > 0.93


@given(st.lists(st.one_of(st.floats(0, 1), st.just(float("nan"))), max_size=30))
def test_q_is_never_below_p_keeps_its_order_and_leaves_gaps(p: list[float]):
    q = trends.false_discovery(p)
    given_p = np.array(p, dtype=float)
    assert (np.isnan(q) == np.isnan(given_p)).all()
    known = ~np.isnan(q)
    assert (q[known] >= given_p[known] - 1e-15).all()
    assert (q[known] <= 1).all()
    order = np.argsort(given_p[known])
    assert (np.diff(q[known][order]) >= -1e-15).all()
    np.testing.assert_allclose(q[known], stats.false_discovery_control(given_p[known]) if known.any() else [])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_the_noise_band_is_the_sum_of_the_coins(chances: list[float]):
    exact = np.array([1.0])
    for chance in chances:
        exact = np.convolve(exact, [1 - chance, chance])
    band = trends.noise_band(chances)
    number = np.arange(len(exact))
    assert band.expected == pytest.approx(float(exact @ number), abs=1e-9)
    assert band.sd == pytest.approx(float(np.sqrt(max(0.0, exact @ number**2 - (exact @ number) ** 2))), abs=1e-6)
    below = np.cumsum(exact)
    assert below[band.low] >= 0.025 - 1e-9
    assert below[band.high] >= 0.975 - 1e-9
    assert band.low == 0 or below[band.low - 1] < 0.025 + 1e-9
    assert band.high == 0 or below[band.high - 1] < 0.975 + 1e-9


def test_a_third_fewer_red_places_is_noise_and_half_of_many_is_not():
    rates = stats.gamma.ppf((np.arange(1692) + 0.5) / 1692, 1.2, scale=0.45)  # as in Philadelphia, robbery and burglary
    band = trends.noise_band(stats.poisson.sf(3, rates))
    assert 15 < band.expected < 40
    z, p = trends.between_months(14, 21, band)
    assert -1.6 < z < -0.9
    assert p > 0.1
    assert trends.between_months(10, 40, band)[1] < 0.001


def test_the_same_rates_stay_in_their_band():
    rng = np.random.default_rng(37)
    rates = rng.gamma(1.2, 0.45, 1692)
    band = trends.noise_band(stats.poisson.sf(3, rates))
    red = (rng.poisson(rates, (2000, 1692)) >= 4).sum(axis=1)
    assert red.mean() == pytest.approx(band.expected, rel=0.02)
    assert ((band.low <= red) & (red <= band.high)).mean() >= 0.95
    p = [trends.between_months(int(a), int(b), band)[1] for a, b in red.reshape(-1, 2)]
    assert 0.02 < (np.array(p) <= 0.05).mean() < 0.08


def test_months_are_compared_by_their_days_and_zero_becomes_some_without_a_percentage():
    counts = pd.DataFrame({"station": ["A", "A", "B", "C"], "month": ["2026-02", "2026-01", "2026-02", "2026-01"]})
    counts["count"] = [56, 62, 7, 9]
    areas = pd.DataFrame({"station": ["C", "A", "B", "D"]})
    found = trends.changes(counts, areas, "2026-02", "2026-01")
    assert found["station"].tolist() == ["C", "A", "B", "D"]
    assert found["now"].tolist() == [0, 56, 7, 0]
    assert found["past"].tolist() == [9, 62, 0, 0]
    assert found["percent"].isna().tolist() == [False, False, True, True]
    assert found["percent"][1] == pytest.approx(0.0)
    assert found["verdict"].tolist() == ["real_fall", "no_real_change", "real_rise", "too_few"]


def test_areas_of_several_keys_and_a_month_that_is_not_over():
    days = pd.DataFrame({"month": np.repeat(["2026-11", "2025-11"], 30), "day": list(range(1, 31)) * 2, "count": 1})
    counts = pd.concat(
        [days.assign(station="A", category="theft"), days.assign(station="A", category="robbery", count=2)]
    )
    counts = counts[~((counts["month"] == "2026-11") & (counts["day"] > 10))]
    areas = pd.DataFrame({"station": ["A", "A"], "category": ["robbery", "theft"]})
    found = trends.changes(counts, areas, "2026-11", "2025-11", last_day=10)
    assert found[["now", "past"]].to_numpy().tolist() == [[20, 20], [10, 10]]
    with pytest.raises(BadParameter, match="give counts by day"):
        trends.changes(counts.drop(columns="day"), areas, "2026-11", "2025-11", last_day=10)


def test_what_cannot_be_compared_is_refused():
    for now, past, days in (([-1], [2], 30), ([1], [2], 0)):
        with pytest.raises(BadParameter, match="counts must be 0 or more"):
            trends.compare(now, past, days)


def test_a_place_is_at_zero_only_if_all_the_months_are():
    months = ["2026-01", "2026-06", "2025-12"]
    counts = pd.DataFrame({"zone_kind": "units", "zone_id": ["u0", "u3", "u4"], "month": months, "count": 1})
    half_year = [f"2026-0{month}" for month in range(1, 7)]
    found = trends.zero_shares(PLACES, counts, half_year, ["zone_class"])
    assert found["zone_class"].tolist() == ["bank", "market", "school"]
    assert found["zero_places"].tolist() == [2, 2, 0]
    assert found["places"].tolist() == [3, 2, 1]
    assert ((found["low"] <= found["share"]) & (found["share"] <= found["high"])).all()


@given(st.integers(0, 2**32 - 1))
def test_streaks_are_those_one_counts_by_hand(seed: int):
    counts = np.random.default_rng(seed).poisson(0.4, (5, 30))
    current, longest = trends.zero_streaks(counts)
    for place, row in enumerate(counts):
        runs = [len(run) for run in "".join("0" if count == 0 else "1" for count in row).split("1")]
        assert current[place] == runs[-1]
        assert longest[place] == max(runs)
    table = trends.streak_table(longest)
    assert table["months"].tolist() == [3, 6, 12, 36]
    assert (np.diff(table["places"]) <= 0).all()


def test_colours_of_a_group_sum_to_its_places_in_every_month():
    months = ["2026-01", "2026-02", "2026-02"]
    levels = pd.DataFrame({"zone_kind": "units", "zone_id": ["u0", "u1", "u5"], "month": months, "level": [4, 3, 1]})
    found = trends.colour_table(levels, PLACES, ["zone_class"])
    assert found[["zone_class", "month"]].apply(tuple, axis=1).tolist() == [
        (each, month) for each in ("bank", "market", "school") for month in ("2026-01", "2026-02")
    ]
    assert found[[0, 1, 2, 3, 4]].to_numpy().tolist() == [
        [2, 0, 0, 0, 1],
        [2, 0, 0, 1, 0],
        [2, 0, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [1, 0, 0, 0, 0],
        [1, 0, 0, 0, 0],
    ]


def test_the_funnel_flags_few_of_equal_stations_and_the_one_that_differs():
    rng = np.random.default_rng(41)
    exposure = rng.uniform(5, 200, 400)
    even = trends.funnel(rng.poisson(exposure * 0.3), exposure)
    assert (even["outside"].abs() >= 2).mean() < 0.08
    assert (even["outside"].abs() == 3).mean() < 0.01
    observed = rng.poisson(exposure * 0.3)
    observed[7] = round(exposure[7] * 0.3 + 8 * np.sqrt(exposure[7] * 0.3))
    assert trends.funnel(observed, exposure)["outside"][7] == 3


@pytest.mark.parametrize("shape", [2.0, 8.0])
def test_the_funnel_widens_where_stations_really_differ(shape: float):
    rng = np.random.default_rng(43)
    exposure = np.full(300, 100.0)
    rates = rng.gamma(shape, 0.3 / shape, 300)
    found = trends.funnel(rng.poisson(exposure * rates), exposure)
    assert (found["outside"] != 0).mean() < 0.12
    inside = (found["observed"] >= found["low_2"]) & (found["observed"] <= found["high_2"])
    assert (inside == (found["outside"] == 0)).all()


def test_every_verdict_has_its_sentence_in_both_languages():
    rows = [([14], [21]), ([60], [30]), ([9], [0]), ([3], [30]), ([1], [0])]
    rising = trends.compare([20, *[5] * 60], [8, *[5] * 60])
    keys = [trends.told(trends.compare(now, past).iloc[0]) for now, past in rows] + [trends.told(rising.iloc[0])]
    assert [key for key, _ in keys] == [
        "no_real_change",
        "real_rise",
        "real_rise_from_none",
        "real_fall",
        "too_few",
        "no_real_change_among_many",
    ]
    texts = files.read_texts()
    for key, words in keys:
        for language in ("zh", "en"):
            assert "{" not in texts[language]["change"][key].format(**words)


def test_eleven_thousand_places_are_compared_at_once():
    rng = np.random.default_rng(47)
    now, past = rng.poisson(0.3, 11_000), rng.poisson(0.3, 11_000)
    found = trends.compare(now, past, 30, 31)
    assert len(found) == 11_000
    assert found["verdict"].isin(["too_few", "no_real_change"]).all()
