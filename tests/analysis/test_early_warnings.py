import pandas as pd

from geo_service.analysis import early_warnings, intake
from tests.analysis.made import RULES, feed, rows, squares

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
