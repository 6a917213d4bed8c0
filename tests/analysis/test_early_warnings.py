from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo_service.analysis import early_warnings, intake
from tests.analysis.made import JINING, RULES, feed, rows, squares

ZONES = {"communities": squares("communities", "ab"), "units": squares("units", "u", width=0.5)}


def found(lines: str) -> intake.Found:
    return intake.digest(rows(lines), feed(), intake.Known(ZONES, RULES))


def days(alerts: pd.DataFrame) -> dict[str, str]:
    local = alerts["at"].dt.tz_convert("Asia/Shanghai")
    return {kind: f"{at:%d}" for kind, at in zip(alerts["kind"], local, strict=True)}


def test_moments_follow_the_order_of_the_calls_not_of_the_rows():
    lines = "\n".join(f"{day} 2024-05-{day:02d}_10:00 R 1.5 0.5" for day in (6, 2, 5, 1, 4, 3))
    alerts = found(lines).alerts
    assert days(alerts) == {"critical_red": "03", "enter_red": "04", "critical_black": "05", "enter_black": "06"}
    assert alerts["count"].tolist() == [5, 3, 6, 4]
    assert set(alerts["zone_id"]) == {"b"}


def test_a_month_is_the_citys_calendar_month():
    got = found("1 2024-04-30_23:59 R 1.5 0.5\n2 2024-05-01_00:00 R 1.5 0.5")
    assert got.levels[["month", "count", "level"]].values.tolist() == [["2024-04", 1, 1], ["2024-05", 1, 1]]


def test_only_counted_categories_colour_but_all_are_counted():
    got = found("1 2024-05-01_10:00 R 1.5 0.5\n2 2024-05-01_10:00 D 1.5 0.5\n3 2024-05-01_10:00 X 1.5 0.5")
    assert got.levels["count"].tolist() == [1]
    assert got.zone_months[["category", "count"]].values.tolist() == [["dispute", 1], ["robbery", 1], ["unmapped", 1]]
    assert got.summary["unmapped"] == {"X": 1}


def test_an_incident_inside_a_unit_is_the_units_and_keeps_the_community():
    got = found("1 2024-05-01_10:00 R 0.2 0.5\n2 2024-05-01_10:00 R 0.7 0.5")
    assert got.incidents[["community_id", "unit_id"]].fillna("").values.tolist() == [["a", "u"], ["a", ""]]
    assert got.levels[["zone_kind", "zone_id", "count"]].values.tolist() == [["communities", "a", 1], ["units", "u", 1]]


def test_levels_of_every_zone_and_month_hold_zeros():
    got = found("1 2024-03-01_10:00 R 1.5 0.5\n2 2024-05-01_10:00 D 0.7 0.5")
    months = early_warnings.months_between("2024-03", "2024-05")
    whole = early_warnings.every_month(got.levels, ZONES, months)
    assert len(whole) == 3 * 3
    assert whole["level"].sum() == 1
    assert whole.loc[whole["level"] == 1, ["zone_id", "month"]].values.tolist() == [["b", "2024-03"]]


def test_cells_wear_the_same_rule():
    lines = "\n".join(f"{i} 2024-05-01_1{i}:00 R 1.5 0.5" for i in range(4))
    got = found(lines)
    assert got.cell_levels[["resolution", "count", "level"]].values.tolist() == [[9, 4, 3]]
    assert got.cell_months.groupby("resolution")["count"].sum().to_dict() == {7: 4, 8: 4, 9: 4, 10: 4}


CALL = st.tuples(st.integers(0, 11), st.integers(1, 28), st.sampled_from("RTD"))  # half a square east, day, code


@given(st.lists(CALL, max_size=20), st.lists(CALL, min_size=1, max_size=8))
def test_more_incidents_never_lower_a_level(some: list[tuple[int, int, str]], more: list[tuple[int, int, str]]):
    special = replace(JINING, special={("units", ""): (2, 3, 5, 7), ("communities", "school"): (3, 4, 5, 6)})
    places = squares("communities", "abcdef")
    places = replace(places, classes=np.array(["school", ""] * 3, dtype=object))
    known = intake.Known({"communities": places, "units": squares("units", "u")}, replace(RULES, levels=(special,)))

    def levels(calls: list[tuple[int, int, str]]) -> dict[tuple[str, str], int]:
        lines = [
            f"{n} 2024-05-{day:02d}_10:00 {code} {east / 2 + 0.25} 0.5" for n, (east, day, code) in enumerate(calls)
        ]
        rows_of = rows("\n".join(lines)) if lines else rows("x 2024-05-01_10:00 D 0.5 0.5")
        found = intake.digest(rows_of, feed(), known).levels
        return dict(zip(zip(found["zone_kind"], found["zone_id"], strict=True), found["level"].tolist(), strict=True))

    before, after = levels(some), levels(some + more)
    assert all(after.get(place, 0) >= level for place, level in before.items())


def test_a_class_of_places_has_its_own_levels_and_moments():
    rule = replace(JINING, special={("units", "hospital"): (2, 3, 5, 7)})
    units = replace(squares("units", "abcd"), classes=np.array(["hospital", "school", "", ""], dtype=object))
    lines = "".join(f"{x}{n} 2024-05-0{n}_10:00 R {x}.5 0.5\n" for x in (0, 1) for n in range(1, 6))
    found = intake.digest(rows(lines), feed(), intake.Known({"units": units}, replace(RULES, levels=(rule,))))
    assert found.levels[["zone_id", "count", "level"]].to_numpy().tolist() == [["a", 5, 3], ["b", 5, 3]]
    told = [["a", "critical_red", 4], ["a", "enter_red", 5]]
    told += [["b", "critical_black", 5], ["b", "critical_red", 3], ["b", "enter_red", 4]]
    assert found.alerts[["zone_id", "kind", "count"]].to_numpy().tolist() == told


def test_a_programme_without_pressure_colours_and_alerts_nobody():
    quiet = replace(RULES, levels=(replace(JINING, alerts=False),))
    lines = "".join(f"{n} 2024-05-0{n}_10:00 R 0.5 0.5\n" for n in range(1, 7))
    found = intake.digest(rows(lines), feed(), intake.Known({"units": squares("units", "a")}, quiet))
    assert found.levels["level"].tolist() == [4]
    assert found.alerts.empty


@pytest.mark.parametrize(("basis", "month"), [("call", "2024-05"), ("occurrence", "2024-04"), ("filing", "2024-06")])
def test_the_month_is_that_of_the_basis(basis: str, month: str):
    columns = {"id": "id", "called_at": "at", "category": "code", "lon": "lon", "lat": "lat"}
    dated = feed(columns={**columns, "occurred_from": "was", "filed_at": "filed"})
    raw = rows("1 2024-05-01_10:00 R 0.5 0.5\n2 2024-05-01_10:00 R 0.5 0.5")
    raw = raw.assign(was="2024-04-30 23:00", filed=["2024-06-02 09:00", ""])
    city = replace(RULES, levels=(replace(JINING, basis=basis),))
    found = intake.digest(raw, dated, intake.Known({"units": squares("units", "a")}, city))
    assert found.levels["month"].tolist() == [month]
    assert found.levels["count"].tolist() == [1 if basis == "filing" else 2]  # what was never filed does not count
