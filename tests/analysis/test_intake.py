from datetime import UTC, datetime

import pytest

from geo_service.analysis import intake
from geo_service.errors import AxisOrder
from tests.analysis.made import RULES, feed, rows, squares

ZONES = {"communities": squares("communities", "abcd")}
FIRST = """
1 2024-05-01_10:00 R 0.5 0.5
2 2024-05-02_10:00 R 0.5 0.5
3 2024-05-03_10:00 R 0.5 0.5
4 2024-05-04_10:00 R 0.5 0.5
"""


def after(stored: intake.Found, lines: str) -> intake.Found:
    """Digest more rows, knowing what an earlier batch gave."""
    return intake.digest(rows(lines), feed(), intake.Known(ZONES, RULES, stored.incidents))


def start() -> intake.Found:
    return intake.digest(rows(FIRST), feed(), intake.Known(ZONES, RULES))


def test_the_same_batch_again_changes_nothing():
    again = after(start(), FIRST)
    for frame in (again.incidents, again.zone_months, again.levels, again.alerts, again.withdrawn, again.cell_months):
        assert frame.empty


def test_a_retyped_row_moves_its_count_and_withdraws_the_alert():
    got = after(start(), "4 2024-05-04_10:00 D 0.5 0.5")
    assert got.levels[["zone_id", "count", "level"]].values.tolist() == [["a", 3, 2]]
    assert got.zone_months[["category", "count"]].values.tolist() == [["dispute", 1], ["robbery", 3]]
    assert got.withdrawn["kind"].tolist() == ["enter_red"]
    assert got.alerts.empty


def test_a_row_that_moves_away_leaves_nothing_behind():
    got = after(start(), "1 2024-04-01_10:00 R 3.5 0.5")
    assert got.levels[["zone_id", "month", "count"]].values.tolist() == [["d", "2024-04", 1], ["a", "2024-05", 3]]


def test_a_late_row_moves_the_moment():
    got = after(start(), "0 2024-05-01_09:00 R 0.5 0.5")
    assert got.alerts["kind"].tolist() == ["critical_black", "critical_red", "enter_red"]
    assert got.withdrawn.empty


def test_an_older_version_never_overwrites_a_newer_one():
    newer = "1 2024-05-01_10:00 D 0.5 0.5 2024-05-03_00:00"
    older = "1 2024-05-01_10:00 R 0.5 0.5 2024-05-02_00:00"
    stored = intake.digest(rows(newer), feed(), intake.Known(ZONES, RULES))
    assert after(stored, older).incidents.empty
    together = intake.digest(rows(f"{newer}\n{older}"), feed(), intake.Known(ZONES, RULES))
    assert together.incidents["category"].tolist() == ["dispute"]
    assert together.summary["duplicates"] == 1


def test_as_of_leaves_out_what_was_not_yet_said():
    lines = f"{FIRST}5 2024-05-01_10:00 R 0.5 0.5 2024-05-01_10:05\n5 2024-05-01_10:00 D 0.5 0.5 2024-05-09_00:00"
    then = datetime(2024, 5, 3, tzinfo=UTC)
    got = intake.digest(rows(lines), feed(), intake.Known(ZONES, RULES), as_of=then)
    assert got.incidents["incident_id"].tolist() == ["1", "2", "5"]
    assert got.incidents["category"].tolist() == ["robbery"] * 3
    assert got.summary["after_as_of"] == 3


def test_an_identity_too_long_for_the_store_is_rejected():
    got = intake.digest(rows(f"{'9' * 201} 2024-05-01_10:00 R 0.5 0.5"), feed(), intake.Known(ZONES, RULES))
    assert got.rejected["reason"].tolist() == ["bad_id"]
    assert "201 letters, at most 200" in got.rejected["detail"][0]


def test_axes_exchanged_in_a_whole_batch_are_refused():
    far = {"communities": squares("communities", "abcdefghijklmnopqrst")}
    lines = "\n".join(f"{i} 2024-05-01_10:00 R 0.5 15.5" for i in range(25))
    with pytest.raises(AxisOrder, match="25 of 25 rows lie near the zones only with longitude and latitude exchanged"):
        intake.digest(rows(lines), feed(), intake.Known(far, RULES))


def test_where_each_row_went_is_told():
    lines = "1 2024-05-01_10:00 R 0.5 0.5\n2 2024-05-01_10:00 R 9 9\n3 2024-05-01_10:00 R - -\n4 2024-05-01_10:00 R 0 0"
    got = intake.digest(rows(lines), feed(), intake.Known(ZONES, RULES))
    assert got.incidents["placed"].tolist() == ["located", "outside", "waiting", "waiting"]
    told = {key: got.summary[key] for key in ("rows_read", "placed", "outside", "without_coordinates")}
    assert told == {"rows_read": 4, "placed": {"communities": 1}, "outside": 1, "without_coordinates": 2}


def test_restating_gives_what_one_batch_would():
    wider = {"communities": squares("communities", "xy", width=2.0)}
    moved = intake.restate(intake.Known(wider, RULES, start().incidents))
    fresh = intake.digest(rows(FIRST), feed(), intake.Known(wider, RULES))
    assert moved.levels.equals(fresh.levels)
    assert moved.alerts.equals(fresh.alerts)
    assert moved.zone_months.equals(fresh.zone_months)
