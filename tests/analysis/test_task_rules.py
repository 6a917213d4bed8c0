"""What the city has decided about tasks: read, checked, by date; and checklists that judge numbers."""

import copy
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo_service import files
from geo_service.analysis import rules, task_rules
from geo_service.analysis.task_rules import MET, SHORT, UNANSWERED, Item
from geo_service.errors import BadParameter, BadRule
from geo_service.settings import Settings

FOLDER = files.shipped("rules", Settings().rules_dir)
TABLE = files.read_toml(FOLDER / "tasks.toml")
ROLES = tuple(files.read_roles(FOLDER))
SHIPPED = task_rules.parse(TABLE, "tasks.toml", ROLES)


def changed(**entry: object) -> dict[str, object]:
    table = copy.deepcopy(dict(TABLE))
    table["tasks"][0] |= entry
    return table


def test_the_shipped_rule_opens_at_red_and_goes_from_station_to_branch_to_city():
    rule = task_rules.on(SHIPPED, date(2026, 5, 1))
    assert rule.opens == ("enter_red", "enter_black")
    assert rule.escalates == ("enter_black",)
    assert rule.ladder == ("station", "branch_duty", "city_duty")
    assert (rule.acknowledge, rule.escalate_after) == (timedelta(days=1), timedelta(hours=24))
    assert rule.highest_step == 2


@pytest.mark.parametrize(
    ("kind", "zone_class", "first"),
    [
        ("communities", "residential", "gates"),
        ("communities", "village", "entrances"),
        ("communities", "", "gates"),
        ("units", "hospital", "guards"),
        ("units", "school", "guards"),
        ("units", "station", "patrol"),
        ("units", "scenic", "crowding"),
        ("units", "market", "guards"),
        ("units", "bank", "guards"),
        ("units", "venue", "guards"),
        ("units", "", "walk_through"),
        ("patrol_zones", "patrol_zone", "patrols"),
        ("patrol_zones", "", "patrols"),
    ],
)
def test_every_kind_and_class_of_place_has_its_checklist(kind: str, zone_class: str, first: str):
    assert kind in rules.ZONE_KINDS
    assert SHIPPED[0].checklist(kind, zone_class)[0].id == first


def test_a_hospital_needs_a_guard_for_every_twenty_beds():
    guards = SHIPPED[0].checklist("units", "hospital")[0]
    assert [guards.needed({"beds": beds}) for beds in (0, 19, 20, 21, 1000, 1001)] == [0, 1, 1, 2, 50, 51]
    assert guards.verdict({"beds": 1001, "guards": 50}) == SHORT
    assert guards.verdict({"beds": 1001, "guards": 51}) == MET
    assert guards.verdict({"guards": 51}) == UNANSWERED


@given(whole=st.integers(0, 5000), part=st.integers(0, 5000), share=st.sampled_from([0.05, 0.9, 0.95, 1.0]))
def test_what_is_needed_is_met_and_one_fewer_is_short(whole: int, part: int, share: float):
    item = Item("x", {}, "part", "whole", share=share)
    needed = item.needed({"whole": whole})
    assert needed is not None
    assert needed - 1 < share * whole + 1e-6
    assert item.verdict({"whole": whole, "part": part}) == (MET if part >= needed else SHORT)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ({"beds": 10.0, "nurses": 3.0}, "asks beds, guards; came beds, nurses"),
        ({"beds": -1.0}, "a number from 0"),
        ({"beds": float("inf")}, "a number from 0"),
        ({"beds": True}, "a number from 0"),
    ],
)
def test_an_answer_that_cannot_be_is_refused(answer: dict[str, float | bool], says: str):
    with pytest.raises(BadParameter, match=says):
        Item("guards", {}, "guards", "beds", share=0.05).check(answer)


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"ladder": ["station", "mayor"]}, "ladder names mayor"),
        ({"opens": ["enter_blue"]}, "opens names enter_blue"),
        ({"opens": []}, "at least one entry"),
        ({"finish_days": 0}, "finish_days must be whole numbers from 1"),
        ({"valid_from": "2024"}, "valid_from must be a date"),
        ({"checklists": {"school": []}}, "checklists.other"),
        ({"checklists": {"other": [{"id": "a"}]}}, "needs an id and a title"),
        ({"checklists": {"other": [{"id": "a", "title": {"zh": "一", "en": "a"}, "part": "x"}]}}, "must have part and"),
        ({"checklists": {"other": [{"id": "a", "title": {"zh": "一", "en": "a"}}] * 2}}, "an id twice"),
    ],
)
def test_a_rule_that_contradicts_itself_is_refused(entry: dict[str, object], says: str):
    with pytest.raises(BadRule, match=says):
        task_rules.parse(changed(**entry), "tasks.toml", ROLES)


def test_a_missing_key_two_of_one_day_and_a_day_before_all_are_refused():
    entry = dict(TABLE["tasks"][0])
    with pytest.raises(BadRule, match="lacks ladder"):
        task_rules.parse({"tasks": [{name: entry[name] for name in entry if name != "ladder"}]}, "x", ROLES)
    with pytest.raises(BadRule, match="begin on 2000-01-01"):
        task_rules.parse({"tasks": [entry, entry]}, "x", ROLES)
    with pytest.raises(BadRule, match="no task rule holds on 1999-12-31"):
        task_rules.on(SHIPPED, date(1999, 12, 31))
    with pytest.raises(BadRule, match="holds no"):
        task_rules.parse({}, "x", ROLES)


def test_the_rule_of_a_day_is_the_latest_that_had_begun():
    later = {**TABLE["tasks"][0], "valid_from": date(2025, 1, 1), "version": "2"}
    both = task_rules.parse({"tasks": [later, TABLE["tasks"][0]]}, "x", ROLES)
    assert [task_rules.on(both, day).version for day in (date(2024, 12, 31), date(2025, 1, 1))] == [
        "supervision-1",
        "2",
    ]
