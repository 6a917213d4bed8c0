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
    city = rules.Rules(dated[rules.PROGRAMME], RULES.placing, RULES.categories)
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


def test_a_kind_or_class_of_places_may_have_thresholds_of_its_own():
    special = {
        "units": {"yellow": 2, "orange": 4, "red": 6, "black": 8},
        "units/hospital": {"yellow": 3, "orange": 6, "red": 9, "black": 12},
    }
    [rule] = rules.parse_levels({"levels": [entry(special=special)]}, "levels.toml")[rules.PROGRAMME]
    given = [rule.thresholds(*of) for of in (("communities", ""), ("units", "school"), ("units", "hospital"))]
    assert given == [(1, 2, 4, 6), (2, 4, 6, 8), (3, 6, 9, 12)]
    assert rule.alert_counts("units", "hospital") == {
        "critical_black": 11, "critical_red": 8, "enter_black": 12, "enter_red": 9,
    }  # fmt: skip
    with pytest.raises(BadRule, match="special 'streets': write a zone kind"):
        rules.parse_levels({"levels": [entry(special={"streets": special["units"]})]}, "levels.toml")
    with pytest.raises(BadRule, match="special 'units': thresholds must be whole numbers that rise"):
        rules.parse_levels({"levels": [entry(special={"units": {}})]}, "levels.toml")


def test_programmes_are_read_each_with_its_levels_and_the_first_leads():
    shipped = files.read_rules(files.shipped("rules"), "unit_first")
    fraud = shipped.of_programme("telecom_fraud").levels_at("2024-06")
    assert (fraud.counted, fraud.alerts) == (("telecom_fraud",), False)
    assert shipped.levels == shipped.programmes[rules.PROGRAMME]
    with pytest.raises(BadParameter, match="programme 'x' is none of zero_incident, telecom_fraud"):
        shipped.of_programme("x")


@pytest.mark.parametrize(("key", "value"), [("basis", "arrest"), ("counts", "never")])
def test_a_basis_or_count_that_is_unknown_is_refused(key: str, value: str):
    with pytest.raises(BadRule, match=f"{key} must be one of"):
        rules.parse_levels({"levels": [entry(**{key: value})]}, "levels.toml")
