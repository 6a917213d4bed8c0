"""Who is told what: once, whatever the way the rows came."""

import json
import random
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geo_service import files
from geo_service.analysis import intake, jurisdictions, messages
from geo_service.analysis.jurisdictions import AREA_COLUMNS, DUTY_COLUMNS, MEMBERSHIP_COLUMNS
from geo_service.analysis.messages import About
from tests.analysis.made import RULES as CITY
from tests.analysis.made import feed, rows, squares
from tests.analysis.test_jurisdictions import frame

[RULES] = files.read_alert_rules(files.shipped("rules"))
ROLES = files.read_roles(files.shipped("rules"))
NOON = datetime(2024, 6, 30, 12, 0, tzinfo=ZoneInfo("Asia/Shanghai"))
MONTH = "2024-06"
ZONES = {"communities": squares("communities", "ab"), "patrol_zones": squares("patrol_zones", "N", width=2.0)}

AREAS = frame(
    AREA_COLUMNS,
    "police city bureau City - - -",
    "police f1 branch North city - -",
    "police s1 station West f1 - -",
    "police o1 officer_area O1 s1 - -",
    "police g1 grid G1 o1 - -",
    "civil t1 town Town - - -",
)
MEMBERSHIPS = frame(
    MEMBERSHIP_COLUMNS,
    *(f"{kind} {zone} {tree} {area} - -" for kind, zone in (("communities", "a"), ("patrol_zones", "N"))
      for tree, area in (("police", "g1"), ("civil", "t1"))),
)  # fmt: skip
DUTIES = frame(
    DUTY_COLUMNS,
    "city_duty police city - - c1 - -",
    "branch_duty police f1 - - f1 - -",
    "station police s1 - - p1 - -",
    "community_officer police o1 - - p1 - -",  # the same as at the station
    "grid_staff police g1 - - g1 - -",
    "grid_staff police g1 - - g2 - -",
    "town_office civil t1 - - t1 - -",
)
ANSWERING = jurisdictions.answering(jurisdictions.Trees(AREAS, MEMBERSHIPS), DUTIES, ROLES, date(2024, 6, 30))
NAMES = {("communities", "a"): "甲小区", ("communities", "b"): "乙小区"}


class Told:
    """What was told so far, kept as the store keeps it, of the moments that hold."""

    def __init__(self) -> None:
        self.messages: dict[str, dict] = {}
        self.withdrawn: set[tuple[str, ...]] = set()

    def seen(self) -> pd.DataFrame:
        found = {tuple(row[name] for name in (*messages.SUBJECT, "episode")) for row in self.messages.values()}
        told = [(*one, NOON if one in self.withdrawn else None) for one in found]
        frame = pd.DataFrame(told, columns=list(messages.TOLD_COLUMNS))
        return frame.assign(withdrawn_at=pd.to_datetime(frame["withdrawn_at"], utc=True))

    def follow(self, moments: pd.DataFrame) -> None:
        fresh, over = messages.news(moments, self.seen())
        for row in messages.of_moments(fresh, NAMES, ANSWERING, RULES, NOON).to_dict("records"):
            assert row["key"] not in self.messages, "told twice"
            self.messages[row["key"]] = row
        self.withdrawn |= set(over[[*messages.SUBJECT, "episode"]].itertuples(index=False, name=None))

    def who(self, kind: str, zone: str = "a") -> list[tuple[str, str]]:
        found = [row for row in self.messages.values() if (row["kind"], row["zone_id"]) == (kind, zone)]
        return [(row["role"], row["staff_id"]) for row in found]


def moments(*kinds: str, zone: str = "a") -> pd.DataFrame:
    at = pd.Timestamp("2024-06-20T04:00:00", tz="UTC")
    told = [("communities", zone, MONTH, kind, at, 4) for kind in kinds]
    return pd.DataFrame(told, columns=[*messages.SUBJECT, "at", "count"])


def test_a_moment_is_told_to_those_who_answer_for_its_place_each_once():
    told = Told()
    told.follow(moments("enter_red"))
    assert told.who("enter_red") == [
        ("station", "p1"), ("grid_staff", "g1"), ("grid_staff", "g2"), ("town_office", "t1"), ("property", ""),
    ]  # fmt: skip
    facts = {row["facts"] for row in told.messages.values()}
    assert [json.loads(one) for one in facts] == [{"place": "甲小区", "count": 4, "at": "2024-06-20T04:00:00+00:00"}]
    told.follow(moments("enter_red"))
    assert len(told.messages) == 5


def test_a_place_in_no_area_is_told_of_to_nobody_and_that_is_seen():
    told = Told()
    told.follow(moments("critical_red", zone="b"))
    assert told.who("critical_red", "b") == [
        ("station", ""), ("community_officer", ""), ("grid_staff", ""), ("property", ""),
    ]  # fmt: skip


def test_a_moment_that_is_true_again_is_another_episode():
    told = Told()
    for holding in (moments("enter_red"), moments(), moments("enter_red"), moments("enter_red")):
        told.follow(holding)
    assert sorted(row["episode"] for row in told.messages.values()) == ["0"] * 5 + ["1"] * 5
    assert len(told.messages) == 10


def test_a_correction_goes_to_who_was_told_and_is_another_message():
    told = Told()
    told.follow(moments("enter_red"))
    was = pd.DataFrame(list(told.messages.values()))
    after = messages.corrections(was, RULES, NOON)
    assert after["staff_id"].tolist() == was["staff_id"].tolist()
    assert set(after["topic"]) == {"correction"}
    assert not after["urgent"].any()
    assert not set(after["key"]) & set(was["key"])
    assert messages.corrections(was, RULES, NOON)["key"].tolist() == after["key"].tolist()


call = st.tuples(st.sampled_from("ab"), st.integers(1, 29), st.integers(0, 23), st.sampled_from("RTD"))


@settings(max_examples=30)
@given(st.lists(call, min_size=1, max_size=18), st.randoms(use_true_random=False))
def test_append_only_rows_cut_into_batches_any_way_give_the_same_messages(calls, chance: random.Random):
    lines = [
        f"{number} 2024-06-{day:02}_{hour:02}:00 {code} {'ab'.index(place) + 0.5} 0.5"
        for number, (place, day, hour, code) in enumerate(calls)
    ]
    whole = Told()
    whole.follow(holding([lines])[-1])
    shuffled = chance.sample(lines, len(lines))
    cuts = (
        sorted(chance.sample(range(1, len(lines)), min(len(lines) - 1, chance.randint(0, 6)))) if len(lines) > 1 else []
    )
    batches = [shuffled[a:b] for a, b in zip([0, *cuts], [*cuts, None], strict=True)]
    bit_by_bit = Told()
    for moments_then in holding(batches):
        bit_by_bit.follow(moments_then)
    assert set(bit_by_bit.messages) == set(whole.messages)


def holding(batches: list[list[str]]) -> list[pd.DataFrame]:
    """Give the moments that hold after each batch."""
    known, alerts, seen = intake.Known(ZONES, CITY), {}, []
    for batch in batches:
        found = intake.digest(rows("\n".join(batch)), feed(), known)
        known = intake.Known(ZONES, CITY, pd.concat([known.incidents, found.incidents], ignore_index=True))
        assert found.withdrawn.empty
        alerts |= {tuple(row[name] for name in messages.SUBJECT): row for row in found.alerts.to_dict("records")}
        seen.append(pd.DataFrame(list(alerts.values()), columns=[*messages.SUBJECT, "at", "count"]))
    return seen


def test_a_digest_is_known_by_what_it_carries_in_any_order():
    told = Told()
    told.follow(pd.concat([moments("critical_red"), moments("enter_red")]))
    mine = [row for row in told.messages.values() if row["staff_id"] == "p1"]
    one = messages.digest_of(mine)
    assert one["key"] == messages.digest_of(mine[::-1])["key"] != messages.digest_of(mine[:1])["key"]
    assert (one["staff_id"], one["urgent"], one["due_at"]) == ("p1", True, max(row["due_at"] for row in mine))


@pytest.mark.parametrize("change", ["topic", "kind", "zone_kind", "zone_id", "month", "episode"])
def test_what_tells_one_message_from_another_is_in_its_key(change: str):
    said = {"topic": "a", "kind": "b", "zone_kind": "c", "zone_id": "d", "month": "e", "episode": "f"}
    who = {"staff_id": "p1", "role": "station", "tree": "police", "area": "s1"}
    assert About(**said).key_for(who) != About(**{**said, change: "x"}).key_for(who)
    assert About(**said).key_for(who) == About(**said).key_for({**who, "role": "grid_staff"})
    assert About(**said).key_for(who) != About(**said).key_for({**who, "staff_id": "p2"})


def test_everybody_who_holds_a_role_hears_of_a_silent_feed():
    silent = pd.DataFrame(
        [("feeds", "110", "", "no_pull", "2024-06-30T02:00:00+00:00")], columns=[*messages.SUBJECT, "episode"]
    )
    fresh, over = messages.news(silent, Told().seen())
    assert over.empty
    told = messages.of_silences(fresh, ANSWERING, RULES, NOON)
    assert told[["zone_id", "staff_id", "urgent"]].to_numpy().tolist() == [["110", "c1", True]]
    stood = silent.assign(withdrawn_at=pd.to_datetime([None], utc=True))
    assert [len(part) for part in messages.news(silent, stood)] == [0, 0]
    assert [len(part) for part in messages.news(silent[:0], stood)] == [0, 1]
    over_since = stood.assign(withdrawn_at=pd.Timestamp(NOON).tz_convert(UTC))
    assert [len(part) for part in messages.news(silent, over_since)] == [0, 0]
