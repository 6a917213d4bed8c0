"""The daily triage over HTTP: looked at by anybody, decided from our own pages, and what follows from each verdict."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import httpx
import pytest
import sqlalchemy as sa

from geo_service import jobs
from geo_service.store import tables
from tests.store.batches import stands
from tests.web import serving

AT_A = serving.AT_A
MAY = "".join(f"m{n} 2024-05-0{n}_10:00 R {AT_A}\n" for n in range(1, 5))
DAY = {"day": "2024-05-01"}


@pytest.fixture
def service(database: sa.Engine) -> serving.InJune:
    """A city whose community a had four robberies in May and one theft in June, and whose feed the worker knows."""
    city = replace(serving.library(database), feeds=(serving.FEED,))
    serving.load_zones(city)
    serving.commit(city, f"{MAY}j1 2024-06-19_23:59 T {AT_A}\nj2 2024-06-20_00:00 D {AT_A}\nj3 2024-06-20_09:00 T 0 0")
    return city


@pytest.fixture
def client(service: serving.InJune) -> Iterator[httpx.Client]:
    """A client of its server; a test applies decisions itself, where the worker would."""
    with serving.serving(service) as client:
        yield client


def verdict(incident: str, found: str, category: str = "") -> dict[str, str]:
    return {"feed": "made", "incident_id": incident, "verdict": found, "category": category}


def say(client: httpx.Client, *verdicts: dict[str, str], **headers: str) -> httpx.Response:
    body = {"signed_by": "b-017", "note": "看过监控", "verdicts": verdicts}
    return client.post("/queues/triage", json=body, headers=headers)


def why(client: httpx.Client, month: str = "2024-05") -> tuple[int, str, int]:
    """Give count, colour and provisional part of community a."""
    found = client.get(f"/collections/warnings/items/a/why?month={month}").json()
    assert sum(one["counted"] for one in found["incidents"]) == found["count"]
    assert found["provisional"] == sum(one["counted"] and not one["triage"] for one in found["incidents"])
    return found["count"], found["level_name"], found["provisional"]


def restated(service: serving.InJune) -> list[tuple[object, ...]]:
    names = ("id", "zone_id", "month", "count_before", "count_after", "why")
    return [row[1:] for row in stands(service.engine, tables.restatements, *names)]


def calls(client: httpx.Client, **query: object) -> list[str]:
    return [call["incident_id"] for call in client.get("/queues/triage", params=query).json()["calls"]]


def test_a_day_is_listed_in_the_citys_time_with_the_names_of_places(client: httpx.Client):
    today = client.get("/queues/triage").json()
    assert (today["day"], today["numberMatched"], today["states"]) == (
        "2024-06-20", 1, {"untriaged": 1, "confirmed": 0, "invalid": 0},
    )  # fmt: skip
    assert {"robbery", "theft", "telecom_fraud"} <= set(today["counted"])
    assert today["categories"] == today["counted"]
    assert [(call["incident_id"], call["placed"], call["lon"]) for call in today["calls"]] == [("j3", "waiting", None)]
    [call] = client.get("/queues/triage", params={"day": "2024-06-19"}).json()["calls"]
    assert (call["called_at"], call["community_id"], call["community_name"], call["unit_name"]) == (
        "2024-06-19T23:59:00+08:00", "a", "a 村", "",
    )  # fmt: skip
    assert (call["verdict"], call["retyped_to"], call["triage"]) == (None, None, "")
    assert calls(client, category="dispute") == ["j2"]
    assert calls(client, category="dispute, theft") == ["j2", "j3"]
    assert calls(client, category="dispute,theft", limit=1, offset=1) == ["j3"]


def test_what_was_confirmed_stays_counted_and_is_no_longer_provisional(client: httpx.Client, service: serving.InJune):
    assert why(client) == (4, "red", 4)
    answer = say(client, verdict("m1", "confirmed"))
    assert answer.status_code == 202
    [number] = answer.json()["decisions"]
    assert answer.headers["location"] == answer.json()["href"]
    decision = client.get(answer.json()["href"]).json()
    assert (decision["id"], decision["kind"], decision["state"], decision["signed_by"]) == (
        number, "triage", "pending", "b-017",
    )  # fmt: skip
    [waits] = client.get("/queues/triage", params=DAY).json()["calls"]
    assert (waits["triage"], waits["verdict"], waits["signed_by"], waits["note"]) == (
        "", "confirmed", "b-017", "看过监控",
    )  # fmt: skip
    assert jobs.apply_decisions(service) == 1
    assert client.get(answer.json()["href"]).json()["state"] == "applied"
    assert why(client) == (4, "red", 3)
    assert calls(client, **DAY) == []
    assert calls(client, **DAY, state="confirmed") == ["m1"]
    assert restated(service) == []


def test_what_is_invalid_leaves_the_count_and_comes_back_when_taken_back(client: httpx.Client, service: serving.InJune):
    say(client, verdict("m1", "invalid"))
    jobs.apply_decisions(service)
    assert why(client) == (3, "orange", 3)
    assert calls(client, **DAY, state="invalid") == ["m1"]
    say(client, verdict("m1", ""))
    jobs.apply_decisions(service)
    assert why(client) == (4, "red", 4)
    assert restated(service) == [
        ("a", "2024-05", 4, 3, {"triaged": ["made/m1"]}),
        ("a", "2024-05", 3, 4, {"triaged": ["made/m1"]}),
    ]


def test_the_running_month_falls_without_a_restatement(client: httpx.Client, service: serving.InJune):
    assert why(client, "2024-06") == (1, "yellow", 1)
    say(client, verdict("j1", "invalid"))
    jobs.apply_decisions(service)
    assert why(client, "2024-06") == (0, "none", 0)
    assert restated(service) == []


def test_what_is_retyped_out_of_the_counted_set_can_still_be_found_and_taken_back(
    client: httpx.Client, service: serving.InJune
):
    say(client, verdict("m1", "retyped", "dispute"), verdict("m2", "retyped", "theft"))
    jobs.apply_decisions(service)
    assert why(client) == (3, "orange", 2)
    [found] = client.get("/queues/triage", params={**DAY, "state": "confirmed"}).json()["calls"]
    assert (found["incident_id"], found["category"], found["retyped_to"]) == ("m1", "dispute", "dispute")
    assert calls(client, **DAY, state="confirmed", category="robbery") == []
    say(client, verdict("m1", ""))
    jobs.apply_decisions(service)
    assert why(client) == (4, "red", 3)


def test_the_same_said_twice_is_the_same_decisions(client: httpx.Client, service: serving.InJune):
    said = (verdict("m2", "invalid"), verdict("m1", "confirmed"), verdict("m3", "retyped", "dispute"))
    first = say(client, *said).json()
    assert say(client, *said).json() == first
    assert jobs.apply_decisions(service) == 3
    assert say(client, *said).json() == first
    assert client.get(f"/queues/decisions/{first['decisions'][0]}").json()["incident_id"] == "m2"
    back = say(client, verdict("m2", "")).json()
    assert say(client, verdict("m2", "")).json() == back
    assert jobs.apply_decisions(service) == 1


def test_two_hundred_are_sent_at_once_and_applied_in_one_commit(client: httpx.Client, service: serving.InJune):
    serving.commit(service, "".join(f"x{n:03} 2024-05-20_{n // 60:02}:{n % 60:02} R {AT_A}\n" for n in range(200)))
    assert client.get("/queues/triage", params={"day": "2024-05-20"}).json()["states"]["untriaged"] == 200
    before = len(stands(service.engine, tables.revisions))
    answer = say(client, *(verdict(f"x{n:03}", "invalid") for n in range(200)))
    assert len(set(answer.json()["decisions"])) == 200
    assert jobs.apply_decisions(service) == 200
    assert len(stands(service.engine, tables.revisions)) == before + 1
    assert why(client) == (4, "red", 4)
    assert len({at for (at,) in stands(service.engine, tables.decisions, "applied_at")}) == 1
    assert client.get("/queues/triage", params={"day": "2024-05-20"}).json()["states"] == {
        "untriaged": 0,
        "confirmed": 0,
        "invalid": 200,
    }


def test_only_what_was_confirmed_counts_where_the_rule_waits_for_triage(database: sa.Engine):
    city = serving.library(database)
    [rule] = city.rules.levels
    waits = replace(city.rules, levels=(replace(rule, counts="triaged"),))
    service = replace(city, rules=waits, feeds=(serving.FEED,))
    serving.load_zones(service)
    serving.commit(service, MAY)
    with serving.serving(service) as client:
        # On record, and nothing counted: no colour but none, and no part of it provisional.
        assert why(client) == (0, "none", 0)
        say(client, verdict("m1", "confirmed"), verdict("m2", "retyped", "theft"), verdict("m3", "invalid"))
        jobs.apply_decisions(service)
        assert why(client) == (2, "orange", 0)
        say(client, verdict("m1", ""))
        jobs.apply_decisions(service)
        assert why(client) == (1, "yellow", 0)


def test_nothing_of_a_bulk_is_written_when_one_cannot_be(client: httpx.Client, service: serving.InJune):
    answer = say(client, verdict("m1", "invalid"), verdict("m9", "invalid"))
    assert answer.status_code == 404
    assert "no incident 'm9' of feed 'made'" in answer.json()["detail"]
    assert stands(service.engine, tables.decisions) == stands(service.engine, tables.triages) == []


@pytest.mark.parametrize(
    ("verdicts", "says"),
    [
        ([], "at least 1"),
        ([verdict("m1", "maybe")], "'confirmed', 'invalid', 'retyped'"),
        ([verdict("m1", "retyped")], "give the category with retyped"),
        ([verdict("m1", "confirmed", "theft")], "give the category with retyped"),
        ([verdict("m1", "retyped", "murmur")], "'murmur' is no category"),
        ([verdict("m1", "invalid"), verdict("m1", "confirmed")], "stands here twice"),
        ([verdict("m1", "")], "nobody has looked at it"),
        ([{**verdict("m1", "invalid"), "phone": "1"}], "phone"),
        ([verdict(f"x{n}", "invalid") for n in range(501)], "at most 500"),
    ],
)
def test_a_verdict_that_cannot_be_is_a_problem(
    client: httpx.Client, service: serving.InJune, verdicts: Sequence[dict[str, str]], says: str
):
    answer = say(client, *verdicts)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert says in answer.json()["detail"]
    assert stands(service.engine, tables.decisions) == []


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"day": "2024-02-30"}, "day=2024-02-30"),
        ({"day": "9999-12-31"}, "day=9999-12-31"),
        ({"day": "1999-12-31"}, "no programme counted anything then"),
        ({"state": "open"}, "state=open"),
        ({"category": "robbery,murmur"}, "'murmur' is no category"),
        ({"limit": 501}, "limit=501"),
        ({"page": 2}, "unknown parameter 'page'"),
    ],
)
def test_a_question_that_cannot_be_is_a_problem(client: httpx.Client, query: dict[str, object], says: str):
    answer = client.get("/queues/triage", params=query)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert says in answer.json()["detail"]


@pytest.mark.parametrize(
    "sent", [{"origin": "https://elsewhere.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}]
)
def test_pages_of_other_sites_may_not_say_anything(client: httpx.Client, service: serving.InJune, sent: dict[str, str]):
    answer = say(client, verdict("m1", "invalid"), **sent)
    assert (answer.status_code, answer.headers["content-type"]) == (403, "application/problem+json")
    assert client.post("/queues/triage", data=verdict("m1", "invalid")).status_code == 415
    assert stands(service.engine, tables.decisions) == []


def test_the_api_page_knows_both_questions(client: httpx.Client):
    assert set(client.get("/api").json()["paths"]["/queues/triage"]) == {"get", "post"}
