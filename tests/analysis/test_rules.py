from datetime import date
from pathlib import Path

import numpy as np
import pytest

from geo_service import files
from geo_service.analysis import rules
from geo_service.errors import BadParameter, BadRule
from tests.analysis.made import JINING, RULES


def entry(**changes: object) -> dict[str, object]:
    whole: dict[str, object] = {
        "valid_from": date(2020, 1, 1), "version": "1", "yellow": 1, "orange": 2, "red": 4, "black": 6,
        "h3_resolution": 9, "counted": ["robbery"],
    }  # fmt: skip
    return {**whole, **changes}


def test_the_shipped_rule_is_jinings():
    shipped = files.read_rules(files.shipped("rules"), "unit_first").levels_at("2024-06")
    assert shipped.of(np.arange(8)).tolist() == [0, 1, 2, 2, 3, 3, 4, 4]


def test_alerts_stand_at_and_one_short_of_red_and_black():
    assert JINING.alert_counts() == {"critical_red": 3, "enter_red": 4, "critical_black": 5, "enter_black": 6}


def test_a_month_follows_the_rule_in_force_on_its_first_day():
    dated = rules.parse_levels({"levels": [entry(valid_from=date(2024, 5, 15), version="2"), entry()]}, "levels.toml")
    city = rules.Rules(dated, RULES.placing, RULES.categories)
    assert [city.levels_at(month).version for month in ("2024-05", "2024-06")] == ["1", "2"]
    with pytest.raises(BadRule, match="no level rule holds for 2019-12"):
        city.levels_at("2019-12")


@pytest.mark.parametrize(
    ("levels", "telling"),
    [
        ([], r"holds no \[\[levels\]\] entry"),
        ([entry(red=2)], "must be whole numbers that rise"),
        ([entry(yellow=0)], "yellow must be at least 1"),
        ([entry(valid_from="2020-01-01")], "must be a date"),
        ([entry(), entry()], "two .* entries begin on 2020-01-01"),
        ([{"version": "1"}], "lacks valid_from, yellow"),
    ],
)
def test_a_wrong_level_rule_is_refused(levels: list[object], telling: str):
    with pytest.raises(BadRule, match=telling):
        rules.parse_levels({"levels": levels}, "levels.toml")


def test_an_unknown_category_placing_or_word_is_refused(tmp_path: Path):
    with pytest.raises(BadParameter, match="--count: 'arson' is no category; known are robbery, theft"):
        RULES.counting(["arson"])
    with pytest.raises(BadParameter, match="no placing rule 'mine'; there are unit_first, each"):
        files.read_rules(files.shipped("rules"), "mine")
    with pytest.raises(BadRule, match="units must be 'always'"):
        rules.parse_placing({"p": {"communities": "always", "units": "never"}}, "p", "placing.toml")
