"""Tasks over HTTP: opened by the rules or on demand, moved signed and once, measured when the month after is over."""

import threading
from collections.abc import Iterator
from datetime import timedelta

import httpx
import pytest
import sqlalchemy as sa

from geo_service import jobs
from geo_service.analysis.jurisdictions import AREA_COLUMNS, MEMBERSHIP_COLUMNS, Trees
from geo_service.store import jurisdictions, tables
from tests.analysis.test_jurisdictions import frame
from tests.store.batches import stands
from tests.web import serving
from tests.web.serving import AT_A, AT_D, AT_S

BY = {"signed_by": "p-017"}
CHECKED_BY = {"signed_by": "p-002", "note": "现场看过"}
RED = "\n".join(f"r{i} 2024-06-1{i}_09:00 R {AT_A}" for i in range(4))
BLACK = f"r8 2024-06-18_09:00 R {AT_A}\nr9 2024-06-19_09:00 R {AT_A}"
AREAS = frame(
    AREA_COLUMNS,
    "police B bureau 市局 - - -",
    "police R branch 任城分局 B - -",
    "police S1 station 一所 R - -",
    "civil C1 county 任城区 - - -",
)
MEMBERSHIPS = frame(
    MEMBERSHIP_COLUMNS,
    *(f"communities {zone} {area} - -" for zone in "abcd" for area in ("police S1", "civil C1")),
)


@pytest.fixture
def desk(database: sa.Engine) -> Iterator[tuple[httpx.Client, serving.InJune]]:
    """A served city whose community a has turned red this month."""
    service = serving.city(database)
    with database.begin() as connection:
        jurisdictions.replace_trees(connection, Trees(AREAS, MEMBERSHIPS))
    serving.commit(service, RED)
    with serving.serving(service) as client:
        yield client, service


def test_a_place_that_turns_red_has_a_task_with_its_owner_deadline_and_what_was_expected(
    desk: tuple[httpx.Client, serving.InJune],
):
    client, _ = desk
    page = client.get("/queues/tasks").json()
    assert (page["numberMatched"], page["owners"]) == (1, [{"tree": "police", "area": "S1", "name": "一所"}])
    [task] = page["tasks"]
    assert (task["zone_kind"], task["zone_id"], task["month"], task["cause"]) == (
        "communities",
        "a",
        "2024-06",
        "enter_red",
    )
    assert (task["state"], task["step"], task["owner_role"], task["owner_name"]) == ("open", 0, "station", "一所")
    assert task["possible"] == ["acknowledge", "escalate", "checklist", "comment"]
    assert [item["id"] for item in task["checklist"]][:2] == ["gates", "guards"]
    frozen = task["frozen"]
    assert (frozen["month"], frozen["months"], frozen["counts"], frozen["so_far"]) == (
        "2024-07", ["2024-03", "2024-04", "2024-05"], [2, 0, 0], 5,
    )  # fmt: skip
    assert [one["zone_id"] for one in frozen["matched"]] == ["c", "d"]  # b lies beside it
    assert frozen["low"] <= frozen["mean"] <= frozen["high"]
    whole = client.get(task["href"]).json()
    assert [(event["action"], event["state_to"], event["signed_by"]) for event in whole["events"]] == [
        ("open", "open", "")
    ]


def test_a_task_goes_from_hand_to_hand_signed_and_every_step_is_kept(desk: tuple[httpx.Client, serving.InJune]):
    client, _ = desk
    for action, body, state in (
        ("acknowledge", BY, "acknowledged"),
        ("acknowledge", BY, "acknowledged"),
        ("done", {**BY, "note": "加装了路灯", "links": ["https://example.org/1", "案卷 2024/17"]}, "done"),
        ("verify", CHECKED_BY, "verified"),
        ("verify", CHECKED_BY, "verified"),
        ("reopen", CHECKED_BY, "reopened"),
    ):
        answer = client.post(f"/queues/tasks/1/{action}", json=body)
        assert (answer.status_code, answer.json()["state"]) == (200, state), answer.text
    events = client.get("/queues/tasks/1").json()["events"]
    assert [(one["action"], one["state_from"], one["state_to"], one["signed_by"]) for one in events] == [
        ("open", "", "open", ""),
        ("acknowledge", "open", "acknowledged", "p-017"),
        ("done", "acknowledged", "done", "p-017"),
        ("verify", "done", "verified", "p-002"),
        ("reopen", "verified", "reopened", "p-002"),
    ]
    assert events[2]["links"] == ["https://example.org/1", "案卷 2024/17"]


@pytest.mark.parametrize(
    ("path", "body", "status", "says"),
    [
        ("/queues/tasks/1/verify", BY, 409, "takes no verify; possible are acknowledge, escalate, checklist, comment"),
        ("/queues/tasks/1/done", BY, 409, "takes no done"),
        ("/queues/tasks/1/escalate", {**BY, "step": 3}, 400, "it goes from 1 to 2"),
        ("/queues/tasks/1/escalate", BY, 400, "step is missing"),
        ("/queues/tasks/1/comment", BY, 400, "needs a note or links"),
        ("/queues/tasks/1/comment", {**BY, "links": ["javascript:alert(1)"]}, 400, "links"),
        ("/queues/tasks/1/checklist", {**BY, "answers": {"beds": {"beds": 9}}}, 400, "no item 'beds'"),
        ("/queues/tasks/1/checklist", {**BY, "answers": {"guards": {"guards": -1}}}, 400, "a number from 0"),
        ("/queues/tasks/1/checklist", {**BY, "answers": {"bicycle_shed": {"done": 2}}}, 400, "yes or no"),
        ("/queues/tasks/9/acknowledge", BY, 404, "no task 9"),
        ("/queues/tasks/1/acknowledge", {"signed_by": "王 五"}, 400, "signed_by"),
        ("/queues/tasks/1/cancel", BY, 405, "not for this path"),
        ("/queues/tasks", {**BY, "zone_kind": "communities", "zone_id": "a", "note": "看"}, 409, "GET /queues/tasks/1"),
        ("/queues/tasks", {**BY, "zone_kind": "communities", "zone_id": "x", "note": "看"}, 400, "no zone 'x'"),
        ("/queues/tasks", {**BY, "zone_kind": "communities", "zone_id": "b"}, 400, "note is missing"),
    ],
)
def test_what_stands_against_is_refused_and_leaves_no_event(
    desk: tuple[httpx.Client, serving.InJune], path: str, body: dict[str, object], status: int, says: str
):
    client, service = desk
    answer = client.post(path, json=body)
    assert answer.status_code == status, answer.text
    assert says in answer.json()["detail"]
    assert stands(service.engine, tables.task_events, "action") == [("open",)]


def test_who_reports_it_done_does_not_verify_it(desk: tuple[httpx.Client, serving.InJune]):
    client, _ = desk
    for action in ("acknowledge", "done"):
        client.post(f"/queues/tasks/1/{action}", json=BY).raise_for_status()
    answer = client.post("/queues/tasks/1/verify", json=BY)
    assert (answer.status_code, "somebody else must" in answer.json()["detail"]) == (409, True)


def test_a_checklist_judges_numbers_and_keeps_what_was_answered_before(desk: tuple[httpx.Client, serving.InJune]):
    client, _ = desk
    for answers in (
        {"guards": {"guards": 1}, "bicycle_shed": {"done": True}},
        {"lights": {"lights": 40, "lights_working": 38}, "gates": {"gates": 3}},
        {"lights": {"lights": 40, "lights_working": 38}, "gates": {"gates": 3}},  # sent twice, kept once
    ):
        client.post("/queues/tasks/1/checklist", json={**BY, "answers": answers}).raise_for_status()
    task = client.get("/queues/tasks/1").json()
    found = {item["id"]: (item["verdict"], item["needed"]) for item in task["checklist"]}
    assert found["guards"] == ("short", 2)
    assert found["bicycle_shed"] == ("met", None)
    assert found["lights"] == ("met", 38)
    assert found["gates"] == ("unanswered", 3)
    assert [event["action"] for event in task["events"]] == ["open", "checklist", "checklist"]


def test_a_place_is_supervised_on_demand_once(desk: tuple[httpx.Client, serving.InJune]):
    client, service = desk
    body = {**BY, "zone_kind": "units", "zone_id": "s", "note": "家长反映校门口不安全"}
    first = client.post("/queues/tasks", json=body)
    assert first.status_code == 201
    again = client.post("/queues/tasks", json=body)
    assert (again.status_code, again.json()["id"]) == (200, first.json()["id"])
    assert first.headers["location"].endswith(first.json()["href"])
    assert (first.json()["cause"], first.json()["count"]) == ("on_demand", 2)
    assert [item["id"] for item in first.json()["checklist"]] == ["guards", "closed", "cameras", "dormitories"]
    assert jobs.supervise(service) == 1  # what was to be expected is worked out by the worker
    assert client.get(first.json()["href"]).json()["frozen"]["month"] == "2024-07"


def test_black_takes_the_task_up_and_lateness_to_the_end_of_the_ladder(desk: tuple[httpx.Client, serving.InJune]):
    client, service = desk
    serving.commit(service, BLACK)
    [task] = client.get("/queues/tasks").json()["tasks"]
    assert (task["step"], task["is_black"], task["owner_role"], task["owner_name"]) == (
        1,
        True,
        "branch_duty",
        "任城分局",
    )
    service.ahead.append(timedelta(days=2))
    assert jobs.supervise(service) == 0  # a day over: it stands a step up already
    service.ahead.append(timedelta(days=1))
    assert jobs.supervise(service) == 1
    assert jobs.supervise(service) == 0
    [task] = client.get("/queues/tasks", params={"overdue": True, "owner": "B"}).json()["tasks"]
    assert (task["step"], task["owner_role"], task["is_overdue"]) == (2, "city_duty", True)
    assert client.get("/queues/tasks", params={"owner": "S1"}).json()["tasks"] == []
    events = client.get("/queues/tasks/1").json()["events"]
    assert [(one["action"], one["step"]) for one in events] == [("open", 0), ("escalate", 1), ("escalate", 2)]


def test_a_moment_taken_back_cancels_what_nobody_acknowledged_and_marks_the_rest(
    desk: tuple[httpx.Client, serving.InJune],
):
    client, service = desk
    serving.commit(service, "\n".join(f"q{i} 2024-06-1{i}_09:00 R {AT_D}" for i in range(4)))
    client.post("/queues/tasks/1/acknowledge", json=BY).raise_for_status()
    serving.commit(
        service,
        "\n".join(f"{one}{i} 2024-06-1{i}_09:00 D {at}" for one, at in (("r", AT_A), ("q", AT_D)) for i in range(2)),
    )
    found = {
        task["zone_id"]: (task["state"], task["is_true"])
        for task in client.get("/queues/tasks?state=any").json()["tasks"]
    }
    assert found == {"a": ("acknowledged", False), "d": ("cancelled", False)}
    serving.commit(service, f"q7 2024-06-14_09:00 R {AT_D}")
    again = {task["zone_id"]: task for task in client.get("/queues/tasks").json()["tasks"]}["d"]
    assert (again["state"], again["is_true"]) == ("open", True)


def test_what_came_is_set_against_what_was_expected_when_the_month_after_is_over(
    desk: tuple[httpx.Client, serving.InJune],
):
    client, service = desk
    assert client.get("/statistics/supervision").json()["all"] == {"tasks": 0}
    frozen = client.get("/queues/tasks/1").json()["frozen"]
    service.ahead.append(timedelta(days=45))  # 4 August
    serving.commit(service, f"s1 2024-07-10_09:00 R {AT_A}\ns2 2024-07-11_09:00 T {AT_D}")
    assert jobs.supervise(service) == 2  # escalated and measured
    effect = client.get("/queues/tasks/1").json()["effect"]
    assert (effect["observed"], effect["before"], effect["share"], effect["came_down"]) == (1, 5, 1.0, True)
    assert effect["difference"] == pytest.approx(1 - frozen["mean"])
    assert effect["smallest_visible_fall"] is None  # one place can show little
    assert effect["displacement"]["places"] == 2
    assert effect["displacement"]["estimate"] == pytest.approx((1 - 2 / 3) - (1 / 2 - 0))
    city = client.get("/statistics/supervision").json()
    assert (city["all"]["tasks"], city["all"]["observed"], city["all"]["came_down"]) == (1, 1, 1.0)
    assert city["all"]["would_have_come_down"] == pytest.approx(frozen["chance_down"])
    assert city["all"]["difference_low"] < city["all"]["difference"] < city["all"]["difference_high"]
    groups = {name: [one[name] for one in found] for name, found in city["by"].items()}
    assert groups == {"kind": ["communities"], "class": ["residential"], "district": ["C1"], "month": ["2024-06"]}
    assert jobs.supervise(service) == 0


def test_a_verified_task_tells_how_it_goes_before_its_month_is_over(desk: tuple[httpx.Client, serving.InJune]):
    client, service = desk
    for action, body in (("acknowledge", BY), ("done", BY), ("verify", CHECKED_BY)):
        client.post(f"/queues/tasks/1/{action}", json=body).raise_for_status()
    assert jobs.supervise(service) == 0
    service.ahead.append(timedelta(days=25))  # half of July is over
    assert jobs.supervise(service) == 1
    effect = client.get("/queues/tasks/1").json()["effect"]
    assert (effect["observed"], round(effect["share"], 1)) == (0, 0.5)
    assert client.get("/statistics/supervision").json()["all"] == {"tasks": 0}
    service.ahead.append(timedelta(days=20))
    assert jobs.supervise(service) == 1
    assert client.get("/queues/tasks/1").json()["effect"]["share"] == 1.0


def test_events_can_neither_be_changed_nor_taken_out(desk: tuple[httpx.Client, serving.InJune]):
    _, service = desk
    for statement in ("UPDATE task_events SET note = 'x'", "DELETE FROM task_events"):
        with pytest.raises(sa.exc.DBAPIError, match="only ever added"), service.engine.begin() as connection:
            connection.execute(sa.text(statement))


def test_the_worker_freezes_what_is_opened_on_demand_as_soon_as_it_is_told(
    desk: tuple[httpx.Client, serving.InJune],
):
    client, service = desk
    stop = threading.Event()
    worker = threading.Thread(target=jobs.work, args=(service, [], stop))
    worker.start()
    try:
        body = {**BY, "zone_kind": "communities", "zone_id": "c", "note": "看"}
        href = client.post("/queues/tasks", json=body).raise_for_status().json()["href"]
        serving.wait_until(lambda: client.get(href).json()["frozen"] is not None, within_s=20)
    finally:
        stop.set()
        worker.join()


def test_a_page_of_another_site_moves_nothing(desk: tuple[httpx.Client, serving.InJune]):
    client, _ = desk
    answer = client.post("/queues/tasks/1/acknowledge", json=BY, headers={"origin": "https://elsewhere.example"})
    assert answer.status_code == 403


def test_the_place_of_an_incident_is_not_supervised_twice(desk: tuple[httpx.Client, serving.InJune]):
    client, service = desk
    serving.commit(service, f"u1 2024-06-07_09:00 R {AT_S}\nu2 2024-06-08_09:00 R {AT_S}")
    found = [(task["zone_kind"], task["zone_id"]) for task in client.get("/queues/tasks").json()["tasks"]]
    assert sorted(found) == [("communities", "a"), ("units", "s")]
