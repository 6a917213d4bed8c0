"""Before and after: regression to the mean is no effect, and one place seldom shows more than chance."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from geo_service.analysis import expectations, measures
from geo_service.errors import BadParameter

MONTHS = [str(month) for month in pd.period_range("2022-01", "2023-12", freq="M")]
PLACES = [f"p{number:03}" for number in range(200)]
RNG = np.random.default_rng(20260101)


def past(counts: np.ndarray) -> measures.Past:
    return measures.Past(PLACES, ["residential"] * len(PLACES), MONTHS, counts)


def at(*places: str, day: str = "2023-01-01") -> pd.DataFrame:
    rows = [("communities", place, "lit", pd.Timestamp(day), "") for place in places]
    return pd.DataFrame(rows, columns=["zone_kind", "zone_id", "what", "from_day", "note"])


def city(rate: float = 0.8, season: float = 0.0) -> np.ndarray:
    """Counts of places whose rates differ, in a city with a season."""
    rates = RNG.gamma(2, rate / 2, len(PLACES))[:, np.newaxis]
    swing = 1 + season * np.sin(np.arange(len(MONTHS)) / 12 * 2 * np.pi)
    return RNG.poisson(rates * swing)


def test_the_month_of_a_measure_belongs_to_neither_side():
    before, after = measures.span(past(city()), date(2023, 3, 15), 12)
    assert (MONTHS[before.start], MONTHS[before.stop - 1], MONTHS[after.start]) == ("2022-03", "2023-02", "2023-04")


def test_places_chosen_because_they_were_bad_come_down_by_themselves_and_that_is_no_effect():
    """Of the worst tenth of many cities where nothing was done, no more than chance are found changed."""
    verdicts: list[str] = []
    fell: list[int] = []
    for _ in range(8):
        counts = city(season=0.4)
        worst = np.argsort(counts[:, :12].sum(axis=1))[-20:]
        found = measures.judged(at(*[PLACES[row] for row in worst]), past(counts), frozenset())
        verdicts += found["found"].tolist()
        fell += (found["before"] - found["observed"]).tolist()
    assert np.mean(fell) > 0  # the months after look better, though nothing was done
    wrong = np.mean([verdict != "no_change" for verdict in verdicts])
    assert wrong < 0.15  # 10 % are promised; 160 places: three standard errors are 7 %


def test_a_real_fall_in_a_busy_place_is_found_with_its_interval():
    counts = city()
    counts[7, :12], counts[7, 12:] = 12, 2
    [found] = measures.judged(at("p007"), past(counts), frozenset()).to_dict("records")
    assert (found["before"], found["observed"], found["months_before"], found["months_after"]) == (144, 24, 12, 12)
    assert found["found"] == "fewer"
    assert found["observed"] < found["low"] <= found["expected"] <= found["high"]
    assert found["difference"] == pytest.approx(found["observed"] - found["expected"])
    assert found["against_low"] < found["against_matched"] < found["against_high"] < 0
    assert found["matched"] == 5
    assert found["power"] > 0.3


def test_a_quiet_place_shows_little_and_says_so():
    counts = city(rate=0.1)
    counts[3] = np.tile([1, 0, 0, 0, 0, 0], 4)
    counts[3, 12:] = 0
    [found] = measures.judged(at("p003"), past(counts), frozenset()).to_dict("records")
    assert (found["found"], found["power"]) == ("no_change", 0.0)
    assert found["smallest_visible_fall"] is None or np.isnan(found["smallest_visible_fall"])


def test_what_the_city_did_anyway_is_no_effect():
    counts = np.full((len(PLACES), len(MONTHS)), 6)
    counts[:, 12:] = 2
    [found] = measures.judged(at("p000"), past(counts), frozenset()).to_dict("records")
    assert found["found"] == "no_change"
    assert found["expected"] == pytest.approx(24, rel=0.02)
    assert found["against_matched"] == pytest.approx(0)


def test_neither_treated_places_nor_their_neighbours_are_matched():
    counts = np.zeros((len(PLACES), len(MONTHS)), dtype=np.int64)
    counts[:8] = 5  # p000 to p007 are alike; 0 and 1 are treated, 2 and 3 lie beside them
    counts[2:4, 12:] = 50
    found = measures.judged(at("p000", "p001"), past(counts), frozenset({"p002", "p003"}))
    assert found["matched"].tolist() == [5, 5]
    assert found["matched_after"].tolist() == [4 * 5 * 12] * 2


def test_too_early_and_no_history_are_said():
    counts = city()
    found = measures.judged(
        pd.concat([at("p001", day="2023-12-20"), at("p002", day="2022-03-01")]), past(counts), frozenset()
    )
    assert found["found"].tolist() == ["too_early", "no_history"]
    assert found["expected"].isna().all()
    with pytest.raises(BadParameter, match="place 'gone' no longer stands"):
        measures.judged(at("gone"), past(counts), frozenset())


def test_counts_are_put_in_the_order_of_places_and_months():
    counted = pd.DataFrame({"month": ["2022-02", "2022-01"], "zone_id": ["b", "a"], "count": [3, 1]})
    found = measures.past(["a", "b", "c"], ["", "", ""], ["2022-01", "2022-02", "2022-03"], counted)
    assert found.counts.tolist() == [[1, 0, 0], [0, 3, 0], [0, 0, 0]]


def test_the_power_is_the_share_of_real_falls_that_are_found():
    belief = expectations.Belief(np.array([30.0]), np.array([6.0]))
    power = measures._power(belief, 12.0)
    low, _ = expectations.interval(belief, 12.0)
    drawn = RNG.poisson(RNG.gamma(30.0, 1 / 6.0, 200_000) * 0.7 * 12)
    assert power == pytest.approx(float((drawn < low[0]).mean()), abs=0.005)
