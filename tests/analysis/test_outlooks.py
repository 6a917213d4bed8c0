from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from geo_service import files
from geo_service.analysis import early_warnings, expectations, intake, outlooks
from geo_service.errors import BadParameter
from tests.analysis.made import RULES, feed, rows, squares

TRUST = files.read_trust(files.shipped("rules"))
NOW = datetime(2024, 6, 16, tzinfo=ZoneInfo("Asia/Shanghai"))
ZONES = squares("communities", "abcdefghijkl")
MONTHS = early_warnings.months_between("2022-06", "2024-05")


def record(history: dict[str, int], lines: str) -> outlooks.Record:
    """Every month of the history the same counts; the incidents of May and June as written."""
    found = [(zone, month, count) for zone, count in history.items() for month in MONTHS]
    known = intake.Known({"communities": ZONES}, RULES)
    incidents = intake.digest(rows(lines), feed(), known).incidents
    return outlooks.Record(ZONES, pd.DataFrame(found, columns=["zone_id", "month", "count"]), MONTHS, incidents)


def calls(place: str, number: int, month: str = "2024-06") -> str:
    return "".join(f"{place}{n} {month}-1{n}_10:00 R {ord(place) - 96.5} 0.5\n" for n in range(number))


def test_the_rule_and_the_own_expectation_stand_side_by_side_and_disagree():
    found = outlooks.outlook(record({"a": 5}, calls("a", 5) + calls("b", 3)), RULES, TRUST, NOW).set_index("zone_id")
    assert found.loc[["a", "b", "c"], "level"].tolist() == [3, 2, 0]
    busy, quiet = found.loc["a", "relative_level"], found.loc["b", "relative_level"]
    assert busy < 3 <= quiet  # five are usual at a, three are not at b
    differs = dict(zip(found.index, outlooks.differing(found), strict=True))
    assert (differs["a"], differs["b"], differs["c"]) == ("only_rule", "only_relative", "")


def test_chances_and_expectation_are_those_of_the_model():
    kept = record({"a": 2, "b": 1}, calls("a", 3))
    found = outlooks.outlook(kept, RULES, TRUST, NOW)
    counts = np.zeros((12, len(MONTHS)), dtype=np.int64)
    counts[0], counts[1] = 2, 1
    so_far = expectations.SoFar("2024-06", np.array([3] + [0] * 11), 0.5)
    wanted = expectations.outlook(counts, np.zeros(12, dtype=np.int64), so_far, np.full(12, 4), np.full(12, 6))
    for name in wanted.columns:
        np.testing.assert_allclose(found[name].to_numpy(dtype=float), wanted[name].to_numpy(dtype=float))


def test_a_streak_stands_beside_the_one_its_rate_would_give():
    found = outlooks.outlook(record({"a": 1}, calls("b", 1)), RULES, TRUST, NOW).set_index("zone_id")
    assert found.loc["a", "zero_months"] == pytest.approx(0.5)  # half of June, May had one
    assert found.loc["b", "zero_months"] == 0
    assert found.loc["c", "zero_months"] == pytest.approx(24.5)
    assert found.loc["a", "expected_zero_months"] < found.loc["c", "expected_zero_months"]


def test_without_a_past_the_colour_stands_alone():
    kept = record({}, calls("a", 4))
    found = outlooks.outlook(outlooks.Record(ZONES, kept.history, [], kept.incidents), RULES, TRUST, NOW)
    assert found["level"].tolist() == [3] + [0] * 11
    assert found[["chance_red", "relative_level", "zero_months"]].isna().to_numpy().all()
    assert outlooks.differing(found)[0] == "only_rule"


def test_the_shadow_still_shows_on_the_first():
    first = datetime(2024, 6, 1, 0, 10, tzinfo=ZoneInfo("Asia/Shanghai"))
    found = outlooks.outlook(record({"a": 1}, calls("a", 5, "2024-05")), RULES, TRUST, first)
    assert found.iloc[0][["count", "level", "shadow_count", "shadow_level"]].tolist() == [0, 0, 5, 3]


def test_chances_told_are_set_beside_what_came():
    months = early_warnings.months_between("2022-06", "2024-05")
    chance = np.random.default_rng(5)
    busy = {zone: 1.0 + 0.4 * at for at, zone in enumerate("abcdefghijkl")}
    lines = "".join(
        f"{month}{zone}{n} {month}-{chance.integers(1, 29):02d}_10:00 R {ord(zone) - 96.5} 0.5\n"
        for month in months
        for zone, rate in busy.items()
        for n in range(chance.poisson(rate))
    )
    kept = record({}, lines)
    kept = outlooks.Record(ZONES, kept.history, months, kept.incidents)
    told = outlooks.reliability_of(kept, RULES, ZoneInfo("Asia/Shanghai"), 5)
    assert told["months"] == months[12:]
    assert told["auc"] > told["auc_of_count"] > 0.5
    assert told["mean_chance"] == pytest.approx(told["observed"], abs=0.08)
    table = told["table"]
    assert table["n"].sum() == told["told"]
    assert told["brier"] < told["observed"] * (1 - told["observed"])  # better than the base rate
    a_year = outlooks.Record(ZONES, kept.history, months[:12], kept.incidents)
    with pytest.raises(BadParameter, match="there are 12 whole months"):
        outlooks.reliability_of(a_year, RULES, ZoneInfo("UTC"), 5)
