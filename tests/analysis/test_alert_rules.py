from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo_service import files
from geo_service.analysis import alert_rules
from geo_service.errors import BadRule

CITY = ZoneInfo("Asia/Shanghai")
SHIPPED: Any = files.read_toml(files.shipped("rules") / "alerts.toml")
ROLES = files.read_roles(files.shipped("rules"))
[RULES] = files.read_alert_rules(files.shipped("rules"))


def changed(**keys: Any) -> dict[str, Any]:
    """Give the shipped file with some keys of its entry changed; None takes one away."""
    entry = {**SHIPPED["alerts"][0], **keys}
    return {"alerts": [{name: value for name, value in entry.items() if value is not None}]}


def of(**keys: Any) -> alert_rules.AlertRules:
    return alert_rules.parse(changed(**keys), ROLES, "alerts.toml")[0]


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2024-06-{text}").replace(tzinfo=CITY)


@pytest.mark.parametrize(
    ("urgent", "now", "due"),
    [
        (True, "02T23:10", "02T23:10"),
        (False, "02T23:10", "03T07:00"),
        (False, "02T06:59", "02T07:00"),
        (False, "02T12:10", "02T12:30"),
        (False, "02T12:30", "02T12:30"),
        (False, "02T21:45", "03T07:00"),  # its digest would go at 22:00
        (True, "02T00:00", "02T00:00"),
    ],
)
def test_what_is_not_urgent_waits_for_its_digest_and_the_end_of_the_quiet_hours(urgent: bool, now: str, due: str):
    assert RULES.due_at(urgent, at(now)) == at(due)


def test_urgent_messages_keep_quiet_hours_where_the_rule_says_so():
    assert of(urgent_passes=False).due_at(True, at("02T23:10")) == at("03T07:00")


clock = st.times().map(lambda time: time.replace(microsecond=0))
moment = st.datetimes(datetime(2024, 1, 1), datetime(2025, 1, 1)).map(lambda now: now.replace(tzinfo=CITY))


@given(clock, clock, st.integers(0, 180), st.booleans(), moment)
def test_nothing_is_due_in_quiet_hours_nor_before_it_was_written_nor_days_later(begin, end, every, urgent, now):
    rules = of(quiet_from=begin, quiet_to=end, digest_every_min=every, urgent_passes=False)
    due = rules.due_at(urgent, now)
    assert now <= due <= now + timedelta(days=2)
    inside = begin <= due.time() < end if begin < end else begin > end and not end <= due.time() < begin
    assert not inside


@given(st.integers(1, 12), moment)
def test_waits_between_tries_do_not_shrink_and_end(attempts: int, now: datetime):
    noon = now.replace(hour=12)
    again, later = RULES.again_at(True, attempts, noon), RULES.again_at(True, attempts + 1, noon)
    assert (again is None) == (attempts > len(RULES.retry_after_s))
    if again and later:
        assert noon < again <= later


def test_a_day_has_the_rules_in_force_on_it():
    both = {"alerts": [*changed(valid_from=at("10T00:00").date(), version="2")["alerts"], *SHIPPED["alerts"]]}
    entries = alert_rules.parse(both, ROLES, "alerts.toml")
    assert [alert_rules.on(entries, at(day).date()).version for day in ("09T12:00", "10T00:00", "11T00:00")] == [
        "alerts-1",
        "2",
        "2",
    ]
    assert alert_rules.on(entries, datetime(1990, 1, 1, tzinfo=UTC).date()).version == "alerts-1"


def kinds(name: str, **keys: Any) -> dict[str, object]:
    shipped = SHIPPED["alerts"][0]["kinds"]
    return {**shipped, name: {**shipped.get(name, {}), **keys}}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"version": None}, "lacks version"),
        ({"quiet_from": "22:00"}, "quiet_from must be a TOML time"),
        ({"urgent_passes": 1}, "urgent_passes must be a TOML bool"),
        ({"retry_after_s": [60, 30]}, "do not shrink"),
        ({"retry_after_s": []}, "do not shrink"),
        ({"digest_every_min": -1}, "digest_every_min must be 0 to 1440"),
        ({"kinds": kinds("enter_red", roles=["mayor"])}, "'mayor' is no role"),
        ({"kinds": kinds("enter_red", channels=["pigeon"])}, "'pigeon' is no channel"),
        ({"kinds": kinds("correction", channels=[])}, "names no channel"),
        ({"kinds": kinds("enter_pink")}, "kinds must be"),
        ({"silence": {"pull_min": 5}}, "lacks call_h"),
        ({"silence": {"pull_min": 5, "call_h": 1, "feeds": {"110": {"call_h": 1}}}}, "feeds.110: lacks pull_min"),
    ],
)
def test_a_rule_that_contradicts_itself_is_refused(change: dict[str, Any], says: str):
    with pytest.raises(BadRule, match=says):
        alert_rules.parse(changed(**change), ROLES, "alerts.toml")


def test_no_entry_or_two_of_one_day_are_refused():
    with pytest.raises(BadRule, match="at least one"):
        alert_rules.parse({}, ROLES, "alerts.toml")
    with pytest.raises(BadRule, match="two"):
        alert_rules.parse({"alerts": [*SHIPPED["alerts"], *SHIPPED["alerts"]]}, ROLES, "alerts.toml")
