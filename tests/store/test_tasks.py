"""Tasks in the store: opened once, whoever asks twice or at once; batches cut any way leave the same."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from geo_service.analysis.supervision import Change, Owner, Task
from geo_service.errors import NotFound
from geo_service.maps.layers import EVERYTHING
from geo_service.store import tables, tasks
from tests.store.batches import stands
from tests.web import serving
from tests.web.serving import AT_A, AT_D

NOW = datetime(2024, 6, 20, 4, tzinfo=UTC)
TASK = Task("communities", "a", "2024-06", "enter_red", 4, NOW, NOW + timedelta(days=1))
OPENING, STATION = tasks.Opening("zero_incident", "1", "residential"), Owner("station", "police", "s1")
STANDING = ("zone_kind", "zone_id", "month", "cause", "state", "step", "is_black", "is_true", "owner_role")


def opened(connection: sa.Connection, task: Task = TASK) -> int | None:
    return tasks.open_task(connection, Change("open", None, task), OPENING, STATION)


def test_a_task_of_the_rules_is_opened_once_however_many_ask_at_once(database: sa.Engine):
    found: list[int | None] = []

    def ask() -> None:
        with database.begin() as connection:
            found.append(opened(connection))

    asking = [threading.Thread(target=ask) for _ in range(6)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    assert sorted(number is None for number in found) == [False, *[True] * 5]
    assert stands(database, tables.task_events, "action", "state_to") == [("open", "open")]


def test_a_list_is_in_the_order_of_what_is_due_and_can_be_narrowed(database: sa.Engine):
    with database.begin() as connection:
        for zone, days, state in (("a", 2, "open"), ("b", 1, "done"), ("c", None, "verified"), ("d", 3, "cancelled")):
            due = None if days is None else NOW + timedelta(days=days)
            opened(connection, Task("units", zone, "2024-06", "enter_red", 4, NOW, due, state))
    with database.connect() as connection:

        def ids(wanted: tasks.Wanted) -> tuple[int, list[str]]:
            number, page = tasks.listed(connection, wanted, EVERYTHING)
            return number, [row["zone_id"] for row in page]

        assert ids(tasks.Wanted()) == (4, ["b", "a", "d", "c"])
        assert ids(tasks.Wanted("live")) == (2, ["b", "a"])
        assert ids(tasks.Wanted("verified")) == (1, ["c"])
        assert ids(tasks.Wanted(overdue_at=NOW + timedelta(days=1, hours=1))) == (1, ["b"])
        assert ids(tasks.Wanted(owner="s2")) == (0, [])
        assert ids(tasks.Wanted(zone_kind="communities")) == (0, [])
        assert ids(tasks.Wanted(limit=1, offset=1)) == (4, ["a"])
        with pytest.raises(NotFound, match="no task 99"):
            tasks.one(connection, 99, EVERYTHING)


def test_the_expectation_is_frozen_once(database: sa.Engine):
    with database.begin() as connection:
        number = opened(connection) or 0
        for mean in (1.0, 9.0):
            tasks.freeze(connection, number, {"mean": mean})
        assert tasks.one(connection, number, EVERYTHING)["frozen"] == {"mean": 1.0}
        assert tasks.unfrozen(connection) == []


CALLS = [f"n{i} 2024-06-{i + 1:02d}_09:00 R {at}" for i, at in enumerate([AT_A, AT_D] * 6)]


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(CALLS), cuts=st.sets(st.integers(1, len(CALLS) - 1), max_size=4))
def test_batches_cut_any_way_leave_the_same_tasks_and_keep_every_event(
    database: sa.Engine, order: list[str], cuts: set[int]
):
    found: list[object] = []
    for ends in ([len(order)], [*sorted(cuts), len(order)]):
        _empty(database)
        service = serving.library(database)
        serving.load_zones(service)
        begin = 0
        for end in ends:
            serving.commit(service, "\n".join(order[begin:end]))
            serving.commit(service, "\n".join(order[begin:end]))  # the same rows again change nothing
            begin = end
        found.append(stands(database, tables.tasks, *STANDING))
        assert len(stands(database, tables.task_events)) == 4  # two opened, two turned black
    assert found[0] == found[1]
    assert len(stands(database, tables.tasks)) == 2


def _empty(database: sa.Engine) -> None:
    names = ", ".join(table.fullname for table in tables.metadata.sorted_tables if table.name != "meta")
    with database.begin() as connection:
        connection.execute(sa.text(f"TRUNCATE {names} RESTART IDENTITY CASCADE"))
