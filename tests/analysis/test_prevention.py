"""Prevention: what files may say, how states follow each other, and the tables about them."""

import json
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo_service import files
from geo_service.analysis import prevention
from geo_service.errors import BadInput, BadRule
from tests.analysis.made import squares

RULES = files.read_prevention(files.shipped("rules"))
TODAY = date(2024, 6, 20)
ZONES = {"communities": squares("communities", "abcd"), "units": squares("units", "s", width=0.25)}


def table(lines: str, names: str = "object_id kind lon lat grade valid_from") -> pd.DataFrame:
    """Read rows of cells; "-" is an empty one."""
    cells = [["" if cell == "-" else cell for cell in line.split()] for line in lines.strip().splitlines()]
    frame = pd.DataFrame(cells, columns=names.split(), dtype="str")
    for name in ("lon", "lat"):
        column = frame[name] if name in frame else pd.Series("", index=frame.index)
        frame[name] = pd.to_numeric(column.replace("", None)).astype("float64")
    return frame


def read(lines: str, names: str = "object_id kind lon lat grade valid_from", today: date = TODAY) -> pd.DataFrame:
    return prevention.read_objects(table(lines, names), RULES, today, "made.csv")


def nothing() -> pd.DataFrame:
    return prevention.merged(read("x gate 0.5 0.5 - -").iloc[:0], read("x gate 0.5 0.5 - -").iloc[:0], "")


def states(frame: pd.DataFrame) -> list[tuple[str, ...]]:
    days = [frame[name].dt.strftime("%Y-%m-%d").fillna("-") for name in prevention.DAYS]
    return list(zip(frame["object_id"], frame["grade"], *days, strict=True))


def test_a_re_grading_makes_a_new_state_and_the_old_one_stays():
    first = prevention.merged(nothing(), read("v1 venue 0.5 0.5 A 2023-01-10"), "a")
    again = prevention.merged(first, read("v1 venue 0.5 0.5 C 2024-02-01"), "b")
    assert states(again) == [
        ("v1", "A", "2023-01-10", "2024-02-01", "2025-01-10"),
        ("v1", "C", "2024-02-01", "-", "2024-08-01"),
    ]
    assert prevention.standing(again, date(2024, 1, 31))["grade"].tolist() == ["A"]
    assert prevention.standing(again, date(2024, 2, 1))["grade"].tolist() == ["C"]
    assert prevention.standing(again, date(2023, 1, 9)).empty


def test_a_state_from_a_day_that_is_stored_is_a_correction_and_an_earlier_one_goes_before():
    stored = prevention.merged(nothing(), read("v1 venue 0.5 0.5 B 2024-02-01"), "a")
    corrected = prevention.merged(stored, read("v1 venue 0.5 0.5 D 2024-02-01\nv1 venue 0.5 0.5 A 2022-02-01"), "b")
    assert [(grade, to) for _, grade, _, to, _ in states(corrected)] == [("A", "2024-02-01"), ("D", "-")]


def test_an_object_without_a_day_holds_from_today_and_the_same_again_adds_nothing():
    stored = prevention.merged(nothing(), read("g1 gate 0.5 0.5 - -"), "a")
    assert states(stored) == [("g1", "", "2024-06-20", "-", "-")]
    later = date(2024, 7, 1)
    assert states(prevention.merged(stored, read("g1 gate 0.5 0.5 - -", today=later), "b")) == states(stored)
    moved = prevention.merged(stored, read("g1 gate 0.6 0.5 - -", today=later), "c")
    assert moved["lon"].tolist() == [0.5, 0.6]
    assert states(moved)[0] == ("g1", "", "2024-06-20", "2024-07-01", "-")


DAYS = [f"202{year}-0{month}-01" for year in range(5) for month in (1, 5)]


@given(st.lists(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(DAYS), st.sampled_from("ABCD")), max_size=6)))
def test_states_follow_each_other_without_gap_or_overlap_and_loading_twice_changes_nothing(loads: Any):
    stored, said = nothing(), {}
    for load in loads:
        unique = {(name, day): grade for name, day, grade in load}
        if unique:
            came = read("\n".join(f"{name} venue 0.5 0.5 {grade} {day}" for (name, day), grade in unique.items()))
            new = prevention.merged(stored, came, "")
            stored = pd.concat([stored[~stored["object_id"].isin(came["object_id"])], new], ignore_index=True)
            said |= unique
            twice = prevention.merged(stored, came, "")
            pd.testing.assert_frame_equal(twice, new)
    assert {(row[0], row[2]): row[1] for row in states(stored)} == said
    for _, of_one in stored.sort_values("valid_from").groupby("object_id"):
        assert of_one["valid_to"].iloc[:-1].tolist() == of_one["valid_from"].iloc[1:].tolist()
        assert pd.isna(of_one["valid_to"].iloc[-1])


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("- gate 0.5 0.5 - -", "row 1: object_id is empty"),
        ("x tower 0.5 0.5 - -", "row 1: kind is 'tower', known are guard_post, checkpoint, gate"),
        ("x gate 0.5 0.5 - 31.5.2024", "row 1: valid_from is '31.5.2024', expected a day such as 2024-05-31"),
        ("x gate - - - -", "row 1: has neither a position nor a zone"),
        ("x venue 0.5 0.5 - 2024-01-01", "row 1: a venue needs its grade, and valid_from"),
        ("x venue 0.5 0.5 A -", "row 1: a venue needs its grade, and valid_from"),
        ("y gate 0.5 0.5 - -\nx gate 200 0.5 - -", "row 2: lon 200, lat 0.5 is no place on earth"),
        ("x gate 0.5 0.5 - -\nx gate 0.6 0.5 - -", "row 2: object 'x' has two states from one day"),
        ("x gate 0.5 0.5 - 2024-01-01\nx venue 0.5 0.5 A 2024-01-02", "row 2: object 'x' is a gate further up"),
    ],
)
def test_a_row_that_cannot_be_used_is_named_and_nothing_is_loaded(lines: str, said: str):
    with pytest.raises(BadInput, match=r"^made\.csv: .*Nothing was loaded$") as caught:
        read(lines)
    assert said in str(caught.value)


def test_of_many_bad_rows_five_are_shown():
    with pytest.raises(BadInput, match=r"row 5: .*; and 2 rows more\. Nothing was loaded$"):
        read("\n".join(f"x{i} tower 0 0 - -" for i in range(7)))


def test_an_id_cannot_become_another_kind_of_object():
    stored = prevention.merged(nothing(), read("x gate 0.5 0.5 - -"), "a")
    with pytest.raises(BadInput, match="'x' is a gate in the store and a checkpoint here"):
        prevention.merged(stored, read("x checkpoint 0.5 0.5 - -"), "b.csv")


def test_days_are_read_as_people_write_them():
    found = read("a gate 0 0 - 2024/5/1\nb gate 0 0 - 2024.05.01\nc gate 0 0 - 2024年5月1日\nd gate 0 0 - 2024-05-01")
    assert found["valid_from"].dt.strftime("%Y-%m-%d").tolist() == ["2024-05-01"] * 4


def test_only_columns_that_the_rules_name_are_kept():
    names = "object_id kind lon lat guards hours 电话"
    found = read("p guard_post 0 0 2 0-24 13912345678\nq gate 0 0 2 - -", names)
    assert [json.loads(text) for text in found["properties"]] == [{"guards": "2", "hours": "0-24"}, {}]


def test_an_object_belongs_to_the_zone_it_is_declared_for_or_stands_in():
    names = "object_id kind lon lat zone_kind zone_id"
    objects = read(
        "g1 gate 0.5 0.5 - -\ng2 gate 1.0 0.5 - -\ng3 gate 3.5 0.5 communities a\ng4 gate - - communities b\n"
        "g5 gate 9 9 - -\ng6 gate 0.1 0.5 - -",
        names,
    )
    linked = prevention.linked(objects, ZONES)
    assert linked["community_id"].tolist() == ["a", "a", "a", "b", "", "a"]  # on a shared border the lowest id
    assert linked["unit_id"].tolist() == ["", "", "", "", "", "s"]


def test_a_zone_that_does_not_stand_is_refused():
    names = "object_id kind lon lat zone_kind zone_id"
    prevention.check_zones(read("g gate - - communities a", names), ZONES, "m")
    with pytest.raises(BadInput, match="row 1: communities 'z' does not stand"):
        prevention.check_zones(read("g gate - - communities z", names), ZONES, "m")


def test_visits_are_moments_of_checkpoints_and_nothing_else():
    visits = table("c1 2024-06-18T22:30\nc1 2024-06-18T22:30\nc1 2024-06-19T01:00", "object_id at")
    found = prevention.read_visits(visits, ["c1"], "Asia/Shanghai", "v.csv")
    assert [f"{at:%d %H:%M}" for at in found["at"]] == ["18 14:30", "18 17:00"]
    assert tuple(found.columns) == prevention.VISIT_COLUMNS
    with pytest.raises(BadInput, match="row 1: 'c2' is no checkpoint that has been loaded"):
        prevention.read_visits(table("c2 2024-06-18", "object_id at"), ["c1"], "Asia/Shanghai", "v.csv")
    with pytest.raises(BadInput, match="row 1: at is 'noon', expected a moment"):
        prevention.read_visits(table("c1 noon", "object_id at"), ["c1"], "Asia/Shanghai", "v.csv")


def test_measures_name_what_was_done_where_and_when():
    names = "zone_kind zone_id what from_day"
    found = prevention.read_measures(table("communities a lit 2024-01-01", names), RULES, ZONES, "m.csv")
    assert found.iloc[0].tolist() == ["communities", "a", "lit", pd.Timestamp("2024-01-01"), ""]
    for line, said in (
        ("communities a painted 2024-01-01", "what is 'painted', known are refurbished"),
        ("communities z lit 2024-01-01", "communities 'z' does not stand"),
        ("communities a lit -", "from_day is missing"),
        ("communities a lit 2024-01-01\ncommunities a lit 2024-01-01", "row 2: stands twice"),
    ):
        with pytest.raises(BadInput, match=said):
            prevention.read_measures(table(line, names), RULES, ZONES, "m.csv")


def test_a_file_tells_by_its_columns_what_it_is_about():
    assert prevention.is_about(["object_id", "kind", "at_door"]) == "objects"
    with pytest.raises(BadInput, match="columns name, lon is nothing of prevention"):
        prevention.is_about(["name", "lon"])


def test_missed_visits_are_counted_day_by_day():
    points = prevention.merged(nothing(), read("c1 checkpoint 0 0 - 2024-01-01\nc2 checkpoint 0 0 - 2024-06-19"), "")
    visits = pd.DataFrame(
        {
            "object_id": pd.Series(["c1", "c1", "c1", "c2", "c2"], dtype="str"),
            "day": pd.to_datetime(["2024-06-17"] * 3 + ["2024-06-19"] * 2),
        }
    )
    days = [date(2024, 6, day) for day in (17, 18, 19)]
    found = prevention.missed_visits(points, visits, days, RULES)
    # three on the 17th make up for none of the 18th and 19th; c2 was put up on the 19th and seen twice
    assert found.to_dict("records") == [{"object_id": "c1", "name": "", "expected": 6, "visits": 3, "missed": 4}]


@given(st.lists(st.tuples(st.sampled_from(["c1", "c2"]), st.integers(1, 9)), max_size=40))
def test_missed_and_made_visits_add_up(seen: list[tuple[str, int]]):
    points = prevention.merged(nothing(), read("c1 checkpoint 0 0 - 2024-01-01\nc2 checkpoint 0 0 - 2024-01-01"), "")
    days = [date(2024, 6, day) for day in range(1, 8)]
    visits = pd.DataFrame(
        {
            "object_id": pd.Series([name for name, _ in seen], dtype="str"),
            "day": pd.to_datetime([f"2024-06-{day:02}" for _, day in seen]),
        }
    )
    found = prevention.missed_visits(points, visits, days, RULES).set_index("object_id")
    for name in ("c1", "c2"):
        missed = sum(max(0, 2 - seen.count((name, day.day))) for day in days)
        assert (found["missed"].get(name, 0), found["expected"].get(name, 14)) == (missed, 14)


def test_venues_due_come_with_the_longest_overdue_first():
    venues = read("v1 venue 0.5 0.5 D 2024-03-01\nv2 venue 0.5 0.5 C 2024-01-15\nv3 venue 0.5 0.5 A 2024-01-01")
    found = prevention.due(prevention.linked(prevention.merged(nothing(), venues, ""), ZONES), TODAY, 30)
    assert found[["object_id", "overdue_days"]].values.tolist() == [["v1", 19], ["v2", -25]]


def test_objects_are_counted_by_area_and_beside_incidents():
    objects = prevention.linked(
        read("g1 gate 0.5 0.5 - -\ng2 gate 0.6 0.5 - -\np guard_post 1.5 0.5 - -\ng3 gate 9 9 - -"), ZONES
    )
    lineage = pd.DataFrame(
        {"zone_kind": ["communities"] * 2, "zone_id": ["a", "b"], "civil_town": ["T1", "T2"]}, dtype="str"
    )
    found = prevention.by_area(objects, lineage, "civil_town", {"T1": "镇一"})
    assert found.values.tolist() == [["", "", "gate", 1], ["T1", "镇一", "gate", 2], ["T2", "", "guard_post", 1]]
    beside = prevention.beside_incidents(
        objects, ZONES["communities"], pd.Series({"b": 4, "a": 1}), ("gate", "guard_post")
    )
    assert beside.values.tolist() == [
        ["b", "b", 0, 1, 4],
        ["a", "a", 2, 0, 1],
        ["c", "c", 0, 0, 0],
        ["d", "d", 0, 0, 0],
    ]


def test_rules_are_dated():
    assert RULES.visits_on(date(1999, 12, 31)) == 0
    assert RULES.visits_on(TODAY) == 2
    assert RULES.months_until("B", TODAY) == 12
    assert RULES.months_until("Z", TODAY) is None
    with pytest.raises(BadRule, match="unknown key kind"):
        prevention.parse_rules({"kind": {}}, "p.toml")
    with pytest.raises(BadRule, match="kind 'gate' needs a title in zh and en"):
        prevention.parse_rules({"kinds": {"gate": {}}}, "p.toml")
    with pytest.raises(BadRule, match="valid_from must be a date"):
        prevention.parse_rules({"visits": [{"a_day": 2}]}, "p.toml")


def test_positions_are_kept_to_a_centimetre():
    assert read("x gate 116.123456789 35.5 - -")["lon"].tolist() == [np.round(116.123456789, 7)]
