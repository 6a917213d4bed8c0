"""Delivery to real receivers: at least once, once at one that honours keys, not in quiet hours, never silently lost."""

import json
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from geo_service.errors import AlreadyDecided, NotSigned, StoreFailed
from geo_service.outbox import delivery, signatures
from geo_service.store import messages, tables
from geo_service.store.gazetteers import Signature
from tests.outbox.receiving import SECRET, Receiver, receiving, staff, told
from tests.outbox.test_telling import FOUR, Struck
from tests.web import serving

TWO = ["station police s1 p1", "grid_staff police g1 g1"]
HOUSE = Path(__file__).resolve().parents[2]
MOST_TRIES = 6  # rules/alerts.toml


@pytest.fixture
def service(database: sa.Engine) -> serving.InJune:
    made = serving.without_tasks(serving.library(database))
    serving.load_zones(made)
    return made


def red(service: serving.InJune, *addresses: str, duties: list[str] | None = None) -> None:
    """Let a become red, with people who are reached at some addresses."""
    staff(service, duties or TWO[:1], addresses)
    serving.commit(service, FOUR)


def deliver(service: serving.InJune, **ahead: float) -> int:
    service.ahead.append(timedelta(**ahead))
    return delivery.deliver(service.engine, service.post, service.now)


def signed(service: serving.InJune) -> Signature:
    return Signature("b-017", "test", service.now())


def state(service: serving.InJune, staff_id: str = "p1") -> list[tuple[object, ...]]:
    return told(service.engine, "kind", "state", "reason", "attempts", staff_id=staff_id)


def test_an_urgent_moment_goes_at_once_and_another_with_its_digest(service: serving.InJune):
    with receiving() as receiver:
        red(service, f"p1 webhook {receiver.address()} en")
        assert deliver(service) == 1
        assert state(service) == [("critical_red", "waiting", "", 0), ("enter_red", "sent", "", 1)]
        assert deliver(service, minutes=29) == 0
        assert deliver(service, minutes=1) == 1
    assert [one["title"] for one in receiver.kept.values()] == ["Turned red: a 村", "One short of red: a 村"]
    [_, (headers, body)] = receiver.came
    assert json.loads(body)["messages"][0]["facts"]["count"] == 3
    assert headers["idempotency-key"] == json.loads(body)["key"]


def test_the_signature_is_that_of_the_documented_example(service: serving.InJune):
    with receiving() as receiver:
        red(service, f"p1 webhook {receiver.address()} en")
        deliver(service)
    [(headers, body)] = receiver.came
    example = (HOUSE / "docs" / "alerts.md").read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    ours: dict = {}
    exec(example, ours)
    said = headers["x-geo-timestamp"], headers["x-geo-signature"]
    at = service.now().timestamp()
    assert ours["is_ours"](SECRET, *said, body, at)
    assert not ours["is_ours"]("another", *said, body, at)
    assert not ours["is_ours"](SECRET, *said, body + b" ", at)
    assert not ours["is_ours"](SECRET, *said, body, at + 301)


def test_what_is_due_together_is_one_letter_that_names_the_worst_of_each_place(service: serving.InJune):
    with receiving() as receiver:
        staff(service, TWO, [f"p1 webhook {receiver.address()} zh", f"g1 webhook {receiver.address()} en"])
        serving.commit(service, FOUR)
        serving.commit(service, FOUR.replace("n", "m").replace(serving.AT_A, serving.AT_S))
        assert deliver(service, minutes=30) == 2
    at_g, at_p = sorted(receiver.kept.values(), key=lambda one: one["staff_id"])
    assert (at_p["title"], at_p["body"]) == ("2条消息", "变为红色：a 村\n变为红色：s 村")
    assert (at_g["title"], at_g["staff_id"]) == ("2 messages", "g1")
    assert len(at_p["messages"]) == 4
    assert {row[1] for row in state(service)} == {"sent"}
    assert len({row for row in told(service.engine, "digest", staff_id="p1") if row != ("",)}) == 1


def test_quiet_hours_are_kept_over_midnight(service: serving.InJune):
    with receiving() as receiver:
        service.ahead.append(timedelta(hours=11))  # 23:00 in the city
        red(service, f"p1 webhook {receiver.address()} en")
        assert deliver(service) == 1
        assert deliver(service, hours=7, minutes=55) == 0
        assert deliver(service, minutes=10) == 1
        [(due, *_)] = told(service.engine, "due_at", kind="critical_red", staff_id="p1")
    assert f"{due.astimezone(ZoneInfo('Asia/Shanghai')):%d %H:%M}" == "21 07:00"


def test_a_receiver_that_is_down_is_tried_again_after_growing_waits_until_a_person_must_look(service: serving.InJune):
    with receiving(*[(500, {})] * (2 * MOST_TRIES)) as receiver:
        red(service, f"p1 webhook {receiver.address()} en")
        tries = []
        for hours in range(60):
            deliver(service, hours=hours and 1)
            tries.append(state(service)[1][3])
            if state(service)[1][1] == "dead":
                break
        assert tries == sorted(tries)
        assert state(service)[1] == ("enter_red", "dead", "gave_up", MOST_TRIES)
        assert receiver.came == []
        [(number, error)] = told(service.engine, "id", "error", kind="enter_red", staff_id="p1")
        assert error == "webhook: the webhook answered 500"
        delivery.replay(service.engine, service.post, number, signed(service))
        delivery.replay(service.engine, service.post, number, signed(service))
        receiver.answers.clear()
        assert deliver(service) == 1 or deliver(service, hours=9) >= 1
        assert state(service)[1] == ("enter_red", "sent", "", 1)
        with pytest.raises(AlreadyDecided, match="is sent"):
            delivery.replay(service.engine, service.post, number, signed(service))


@pytest.mark.parametrize(
    ("status", "fate"), [(400, "dead"), (404, "dead"), (308, "dead"), (408, "waiting"), (429, "waiting")]
)
def test_what_the_receiver_will_never_take_is_dead_at_once(service: serving.InJune, status: int, fate: str):
    with receiving((status, {})) as receiver:
        red(service, f"p1 webhook {receiver.address()} en")
        deliver(service)
    assert state(service)[1][1:3] == (fate, "refused" if fate == "dead" else "unreached")


def test_a_receiver_that_asks_to_wait_is_given_its_time(service: serving.InJune):
    with receiving((429, {"Retry-After": "3600"})) as receiver:
        red(service, f"p1 webhook {receiver.address()} en")
        deliver(service)
        deliver(service, minutes=59)
        assert state(service)[1][1] == "waiting"
        assert deliver(service, minutes=2) == 1
        assert state(service)[1][1] == "sent"
    assert receiver.keys[-1] in receiver.kept


def test_a_channel_that_refuses_is_followed_by_the_next(service: serving.InJune):
    with receiving((404, {})) as receiver:
        red(service, f"p1 webhook {receiver.address()} en", "p1 inbox inbox: en")
        assert deliver(service) == 1
    assert told(service.engine, "channel", "reason", kind="enter_red", staff_id="p1") == [("inbox", "")]
    assert receiver.came == []


def test_who_has_no_address_is_a_dead_letter(service: serving.InJune):
    red(service)
    deliver(service)
    assert state(service)[1][1:3] == ("dead", "no_address")


def test_nobody_then_somebody_gets_the_message_on_replay(service: serving.InJune):
    with receiving() as receiver:
        red(service, f"t1 webhook {receiver.address()} zh")
        [number] = [row[0] for row in told(service.engine, "id", kind="enter_red", role="town_office")]
        with pytest.raises(AlreadyDecided, match="still nobody"):
            delivery.replay(service.engine, service.post, number, signed(service))
        staff(service, ["town_office civil t1 t1"], [f"t1 webhook {receiver.address()} zh"])
        with service.engine.begin() as connection:
            connection.execute(
                sa.insert(tables.memberships).values(zone_kind="communities", zone_id="a", tree="civil", area="t1")
            )
        delivery.replay(service.engine, service.post, number, signed(service))
        assert deliver(service) == 1
    assert told(service.engine, "state", "replay_of", staff_id="t1") == [("sent", number)]
    assert told(service.engine, "state", id=number) == [("cancelled",)]


def test_two_workers_send_each_message_once(service: serving.InJune):
    duties = [f"grid_staff police g1 g{i}" for i in range(20)]
    with receiving() as receiver:
        red(service, *(f"g{i} webhook {receiver.address()} en" for i in range(20)), duties=duties)
        workers = [
            threading.Thread(target=delivery.deliver, args=(service.engine, service.post, service.now))
            for _ in range(4)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    assert len(receiver.keys) == len(set(receiver.keys)) == 20
    assert {row[0] for row in told(service.engine, "state", kind="enter_red", reason="")} == {"sent"}


CHILD = """
import sys
from datetime import timedelta
from geo_service.outbox import delivery
from geo_service.store import opening
from tests.web import serving
engine = opening.connect(sys.argv[1])
service = serving.without_tasks(serving.library(engine))
service.ahead.append(timedelta(minutes=1))
print("ready", flush=True)
sys.stdin.readline()
delivery.deliver(engine, service.post, service.now)
print("ended", flush=True)
"""


def test_killed_between_send_and_mark_it_is_sent_again_with_the_same_key_and_the_receiver_drops_it(
    service: serving.InJune,
):
    with receiving() as receiver:
        red(service, f"p1 webhook {receiver.address()} en")
        url = service.engine.url.render_as_string(hide_password=False)
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, url], cwd=HOUSE, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env={"PYTHONPATH": str(HOUSE), "PATH": "/usr/bin:/bin"},
        )  # fmt: skip
        assert child.stdout.readline() == "ready\n"
        receiver.kill = child.pid
        said, _ = child.communicate("\n", timeout=60)
        assert (child.returncode, said) == (-9, "")
        assert len(receiver.came) == 1
        assert state(service)[1] == ("enter_red", "waiting", "", 1)
        assert deliver(service, seconds=60) == 0  # the try might still be under way
        assert deliver(service, seconds=180) == 1
    assert state(service)[1] == ("enter_red", "sent", "", 2)
    assert len(receiver.came) == 2
    assert [one["title"] for one in receiver.kept.values()] == ["Turned red: a 村"]


def test_a_database_struck_anywhere_in_a_delivery_loses_nothing_and_doubles_nothing(service: serving.InJune):
    with receiving() as receiver:
        red(service, *(f"{one} webhook {receiver.address()} en" for one in ("p1", "g1")), duties=TWO)
        struck, died = Struck(service.engine, service.engine.url), 0
        came_through = False
        for statement in range(1, 100):
            unsent(service, receiver)
            struck.left = statement
            try:
                deliver(service)
                came_through = struck.left > 0
            except StoreFailed:
                died, came_through = died + 1, False
            struck.left = -1
            deliver(service, minutes=3)
            carriers = told(service.engine, "key", "state", digest="", reason="")
            assert sorted(carriers) == sorted((key, "sent") for key in receiver.kept), f"struck at {statement}"
            if came_through:
                break
        struck.killer.dispose()
    assert came_through
    assert died > 10


def unsent(service: serving.InJune, receiver: Receiver) -> None:
    """Let all be as before the first delivery, and due."""
    table, now = tables.messages, serving.JUNE
    with service.engine.begin() as connection:
        connection.execute(sa.delete(table).where(table.c.topic == "digest"))
        ours = sa.update(table).where(table.c.staff_id != "")
        connection.execute(ours.values(state="waiting", attempts=0, digest="", reason="", error="", next_try_at=now))
    receiver.came.clear()


def receipt(service: serving.InJune, key: str, status: str, secret: str = SECRET) -> delivery.Receipt:
    body = json.dumps({"key": key, "status": status}).encode()
    timestamp = f"{service.now().timestamp():.0f}"
    return delivery.Receipt(key, status, service.now(), (timestamp, signatures.sign(secret, timestamp, body)), body)


def test_a_receipt_counts_when_its_receiver_signed_it(service: serving.InJune):
    with receiving() as receiver:
        red(service, f"p1 webhook {receiver.address()} en")
        deliver(service)
    [key] = receiver.kept
    for wrong in (
        receipt(service, key, "read", "guess"),
        receipt(service, "0" * 64, "read"),
        receipt(service, key, "read", ""),
    ):
        with pytest.raises(NotSigned, match="not signed"):
            delivery.receive(service.engine, wrong, service.now())
    old = receipt(service, key, "read")
    with pytest.raises(NotSigned):
        delivery.receive(service.engine, old, service.now() + timedelta(minutes=6))
    delivery.receive(service.engine, receipt(service, key, "delivered"), service.now())
    delivery.receive(service.engine, receipt(service, key, "read"), service.now())
    delivery.receive(service.engine, old, service.now())  # said before the last one
    assert told(service.engine, "receipt", kind="enter_red", staff_id="p1") == [("read",)]


def test_no_secret_stands_in_what_a_failure_leaves(service: serving.InJune):
    red(
        service,
        f"p1 webhook http://:{SECRET}@127.0.0.1:1/sms?token={SECRET} en",
        f"g1 apprise wecombot://{SECRET}/ en",
        duties=TWO,
    )
    deliver(service)
    errors = [row[0] for row in told(service.engine, "error", kind="enter_red", staff_id="p1")]
    assert errors == ["webhook: the webhook cannot be reached (ConnectError)"]
    with service.engine.connect() as connection:
        whole = str(connection.execute(sa.select(tables.messages)).all())
    assert SECRET not in whole


def test_a_message_can_be_cancelled_until_it_is_sent(service: serving.InJune):
    with receiving() as receiver:
        red(service, f"p1 webhook {receiver.address()} en")
        [(waits,), (goes,)] = told(service.engine, "id", staff_id="p1")
        deliver(service)
        for _ in range(2):
            with service.engine.begin() as connection:
                messages.cancel(connection, waits, signed(service))
        with pytest.raises(AlreadyDecided, match="called back"), service.engine.begin() as connection:
            messages.cancel(connection, goes, signed(service))
        assert deliver(service, hours=1) == 0
    assert len(receiver.came) == 1
