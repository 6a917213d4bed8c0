"""Messages are written with what they tell: in one commit, once, and taken back when it no longer holds."""

from datetime import timedelta
from typing import Any

import pytest
import shapely
import sqlalchemy as sa

from geo_service import jobs
from geo_service.errors import StoreFailed
from geo_service.outbox import delivery
from geo_service.store import tables, writing
from tests.outbox.receiving import receiving, staff, told
from tests.store.batches import stands
from tests.web import serving

STATION = ["station police s1 p1", "grid_staff police g1 g1", "city_duty police city c1"]
FOUR = "\n".join(f"n{i} 2024-06-1{i}_09:00 R {serving.AT_A} 2024-06-19_08:00" for i in range(4))
RETYPED = f"n3 2024-06-13_09:00 D {serving.AT_A} 2024-06-19_09:00"
BACK = f"n3 2024-06-13_09:00 R {serving.AT_A} 2024-06-19_10:00"
SUBJECT = ("kind", "zone_id", "staff_id", "state")


@pytest.fixture
def service(database: sa.Engine) -> serving.InJune:
    made = serving.without_tasks(serving.library(database))
    serving.load_zones(made)
    staff(made, STATION, [])
    return made


def test_moments_of_the_month_are_told_to_each_role_once_and_history_is_not(service: serving.InJune):
    serving.commit(service, FOUR.replace("2024-06-1", "2024-03-1").replace("n", "m"))
    assert told(service.engine, *SUBJECT) == []
    serving.commit(service, FOUR)
    wanted = [
        ("critical_red", "a", "p1", "waiting"),
        ("critical_red", "a", "", "dead"),
        ("critical_red", "a", "g1", "waiting"),
        ("critical_red", "a", "", "dead"),
        ("enter_red", "a", "p1", "waiting"),
        ("enter_red", "a", "", "dead"),
        ("enter_red", "a", "g1", "waiting"),
        ("enter_red", "a", "", "dead"),
        ("enter_red", "a", "", "dead"),
    ]
    assert told(service.engine, *SUBJECT) == wanted
    serving.commit(service, FOUR)
    serving.commit(service, f"n9 2024-06-01_09:00 R {serving.AT_A}")  # earlier: the moments are at other calls now
    assert told(service.engine, *SUBJECT)[:9] == wanted
    assert {row[0] for row in told(service.engine, *SUBJECT)[9:]} == {"critical_black"}


def test_nobody_on_the_roster_is_a_dead_letter_that_says_so(service: serving.InJune):
    serving.commit(service, FOUR)
    dead = told(service.engine, "role", "reason", "error", kind="enter_red", state="dead")
    assert dead == [
        ("community_officer", "nobody", "nobody on the roster is 'community_officer' for area 'o1'"),
        ("town_office", "nobody", "nobody on the roster is 'town_office' for communities 'a'"),
        ("property", "nobody", "nobody on the roster is 'property' for communities 'a'"),
    ]


def test_without_a_roster_nothing_is_written_and_with_one_what_holds_is_told(database: sa.Engine):
    service = serving.city(database)
    serving.commit(service, FOUR)
    assert told(database, "kind") == []
    staff(service, STATION, [])
    serving.commit(service, f"x 2024-06-02_09:00 D {serving.AT_D}")
    assert set(told(database, "kind", staff_id="p1")) == {("critical_red",), ("enter_red",), ("critical_black",)}


def test_what_waits_is_cancelled_without_a_word_when_it_no_longer_holds(service: serving.InJune):
    serving.commit(service, FOUR)
    serving.commit(service, RETYPED)
    states = told(service.engine, "kind", "state", "withdrawn_at", staff_id="p1")
    assert [(kind, state, at is None) for kind, state, at in states] == [
        ("critical_red", "waiting", True), ("enter_red", "cancelled", False),
    ]  # fmt: skip
    assert told(service.engine, "id", topic="correction") == []


def test_what_was_sent_is_corrected_once_and_true_again_is_told_anew(service: serving.InJune):
    with receiving() as receiver:
        staff(service, STATION, [f"p1 webhook {receiver.address()} zh"])
        serving.commit(service, FOUR)
        assert delivery.deliver(service.engine, service.post, service.now) == 1
        serving.commit(service, RETYPED)
        serving.commit(service, RETYPED)
        assert told(service.engine, "kind", "staff_id", "episode", topic="correction") == [("enter_red", "p1", "0")]
        service.ahead.append(timedelta(hours=1))
        delivery.deliver(service.engine, service.post, service.now)
        assert [one["title"] for one in receiver.kept.values()][-1:] == ["2条消息"]  # with critical_red, which waited
        serving.commit(service, BACK)
        assert told(service.engine, "kind", "staff_id", "state", episode="1")[0] == ("enter_red", "p1", "waiting")
        serving.commit(service, RETYPED.replace("19_09", "19_11"))
        assert told(service.engine, "kind", "episode", topic="correction") == [("enter_red", "0")]


def test_a_try_that_may_have_got_through_is_corrected_too(service: serving.InJune):
    with receiving((503, {})) as receiver:
        staff(service, STATION, [f"p1 webhook {receiver.address()} zh"])
        serving.commit(service, FOUR)
        delivery.deliver(service.engine, service.post, service.now)
        serving.commit(service, RETYPED)
        assert told(service.engine, "kind", "state", staff_id="p1") == [
            ("critical_red", "waiting"), ("enter_red", "cancelled"), ("enter_red", "waiting"),
        ]  # fmt: skip


def test_a_retyped_call_of_last_month_is_corrected_too_but_nothing_new_of_it_is_told(service: serving.InJune):
    with receiving() as receiver:
        staff(service, STATION, [f"p1 webhook {receiver.address()} zh"])
        serving.commit(service, FOUR)
        delivery.deliver(service.engine, service.post, service.now)
        service.ahead.append(timedelta(days=12))  # 2 July
        before = len(told(service.engine, "id"))
        serving.commit(service, RETYPED)
        assert told(service.engine, "topic", "kind", "staff_id")[before:] == [("correction", "enter_red", "p1")]
        serving.commit(service, BACK)
        assert len(told(service.engine, "id")) == before + 1


def test_zones_drawn_anew_take_back_what_no_longer_holds(service: serving.InJune):
    serving.commit(service, FOUR)
    elsewhere = {letter: shapely.box(117 + i, 36, 117.5 + i, 36.5) for i, letter in enumerate("abcd")}
    jobs.load_zones(service, serving.zones("communities", elsewhere, "residential"))
    assert set(told(service.engine, "state", staff_id="p1")) == {("cancelled",)}


def test_a_silent_feed_is_told_of_once_and_when_it_speaks_again(service: serving.InJune):
    serving.commit(service, FOUR)
    feeds = [serving.FEED]
    jobs.watch_feeds(service, feeds)
    service.ahead.append(timedelta(hours=2))
    with receiving() as receiver:
        staff(service, STATION, [f"c1 webhook {receiver.address()} en"])
        for _ in range(2):
            jobs.watch_feeds(service, feeds)
            delivery.deliver(service.engine, service.post, service.now)
        serving.commit(service, f"x 2024-06-20_13:59 D {serving.AT_D}")
        for _ in range(2):
            jobs.watch_feeds(service, feeds)
        service.ahead.append(timedelta(minutes=40))
        delivery.deliver(service.engine, service.post, service.now)
        assert [one["title"] for one in receiver.kept.values()] == [
            "2 messages", "2 messages",
        ]  # fmt: skip
        assert [one["body"] for one in receiver.kept.values()] == [
            "Feed made brings no calls\nFeed made cannot be pulled",
            "Feed made brings calls again\nFeed made can be pulled again",
        ]


class Struck:
    """Ends the service's database session just before its n-th statement, as a server that dies would."""

    def __init__(self, engine: sa.Engine, url: sa.URL):
        self.killer, self.left = sa.create_engine(url), -1
        sa.event.listen(engine, "before_cursor_execute", self.count)

    def count(self, connection: sa.Connection, *_: object) -> None:
        self.left -= 1
        if self.left == 0:
            below: Any = connection.connection.driver_connection
            with self.killer.begin() as other:
                other.execute(sa.text("select pg_terminate_backend(:pid, 5000)"), {"pid": below.info.backend_pid})


def test_a_database_struck_anywhere_in_a_pull_writes_all_or_nothing(service: serving.InJune):
    struck = Struck(service.engine, service.engine.url)
    died = 0
    for statement in range(1, 200):
        struck.left = statement
        try:
            serving.commit(service, FOUR)
            break
        except StoreFailed:
            died += 1
        assert (told(service.engine, "id"), stands(service.engine, tables.alerts)) == ([], [])
    struck.left = -1
    struck.killer.dispose()
    assert died > 10
    assert len(told(service.engine, "id")) == 9
    with writing.lease(service.engine) as connection:
        assert connection.scalar(sa.text("select count(distinct key) from messages")) == 9
