from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from geo_service import files
from geo_service.analysis import intake, trust
from geo_service.errors import BadRule
from tests.analysis.made import JINING, RULES, feed, rows, squares

TRUST = files.read_trust(files.shipped("rules"))
ZONES = {"communities": squares("communities", "ab")}
EACH = replace(RULES, placing=dict.fromkeys(RULES.placing, "always"))
NOW = datetime(2024, 6, 3, tzinfo=UTC)


def placed(lines: str, **columns: object) -> pd.DataFrame:
    found = intake.digest(rows(lines), feed(), intake.Known(ZONES, EACH)).incidents
    return found.assign(**columns)


def at(lon: float, number: int, day: str = "2024-05-02") -> str:
    return "".join(f"{lon}-{n} {day}_10:0{n} R {lon:.7f} 0.5\n" for n in range(number))


def test_a_colour_far_from_every_border_is_sure():
    assert trust.confidence(placed(at(0.5, 4)), ZONES["communities"], EACH, TRUST).tolist() == pytest.approx([1, 1])


def test_on_the_border_a_single_incident_is_a_toss_up():
    sure = trust.confidence(placed(at(1.0, 1)), ZONES["communities"], EACH, TRUST)
    assert sure.tolist() == pytest.approx([0.5, 0.5])  # a told yellow, b none: each true when it happened in a


def test_the_confidence_is_that_of_the_binomial_around_the_count():
    metres = 10 / (111_320.0 * np.cos(np.radians(0.5)))
    p = stats.norm.cdf(10 / (20.0 / np.sqrt(2 * np.log(10))))
    [sure, other] = trust.confidence(placed(at(1.0 - metres, 5)), ZONES["communities"], EACH, TRUST)
    assert sure == pytest.approx(stats.binom.pmf([4, 5], 5, p).sum(), abs=1e-3)  # red is 4 or 5
    assert other == pytest.approx(stats.binom.pmf(0, 5, 1 - p), abs=1e-3)


def test_a_wider_uncertainty_never_makes_it_surer():
    metres = 15 / 111_320.0
    told = [
        trust.confidence(placed(at(1.0 - metres, 4), uncertainty_m=radius), ZONES["communities"], EACH, TRUST)[0]
        for radius in (5.0, 20.0, 60.0, 200.0)
    ]
    assert told == sorted(told, reverse=True)
    assert told[0] > 0.99 > told[-1]


def test_what_a_text_names_is_as_sure_as_the_reading_wherever_the_border_is():
    named = placed(at(1.0, 1), named_kind="communities", named_id="a", confidence=0.9)
    assert trust.confidence(named, ZONES["communities"], EACH, TRUST)[0] == pytest.approx(0.9)


def test_the_shadow_bridges_the_first_of_the_month():
    incidents = placed(at(0.5, 3, "2024-05-10") + at(0.6, 1, "2024-06-02") + at(1.5, 4, "2024-05-01"))
    found = trust.shadow(incidents, ZONES["communities"], EACH, NOW, TRUST)
    assert found.to_dict("list") == {"shadow_count": [4, 0], "shadow_level": [3, 0]}


def test_the_shadow_goes_by_the_thresholds_of_the_class():
    hospital = replace(ZONES["communities"], classes=np.array(["hospital", ""], dtype=object))
    city = replace(EACH, levels=(replace(JINING, special={("communities", "hospital"): (5, 6, 7, 8)}),))
    found = trust.shadow(placed(at(0.5, 4, "2024-05-20")), hospital, city, NOW, TRUST)
    assert found["shadow_level"].tolist() == [0, 0]


def test_stale_is_when_the_last_pull_is_too_long_ago():
    ago = timedelta(minutes=TRUST.stale_after_min)
    assert not trust.is_stale(NOW - ago, NOW, TRUST)
    assert trust.is_stale(NOW - ago - timedelta(seconds=1), NOW, TRUST)
    assert not trust.is_stale(None, NOW, TRUST)


def test_a_station_with_few_calls_is_not_judged():
    stations = pd.DataFrame({"station": ["s1", "s2"], "calls": [19, 20], "located": [0, 16]})
    lineage = pd.DataFrame({"zone_kind": "units", "zone_id": ["a", "b"], "police_station": ["s1", "s2"]})
    assert trust.withheld(stations, lineage, TRUST)["zone_id"].tolist() == ["b"]


@pytest.mark.parametrize(("key", "value"), [("sure", None), ("sure", "high"), ("placement_rate", -1), ("more", 1)])
def test_a_rule_of_trust_that_is_no_positive_number_is_refused(key: str, value: object):
    table = {**vars(TRUST), key: value}
    with pytest.raises(BadRule, match=f"trust.toml: {key} is"):
        trust.parse(table, "trust.toml")
