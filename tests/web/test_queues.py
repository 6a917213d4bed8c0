"""The review queue over HTTP: looked at by anybody, decided only from our own pages, signed, once."""

from collections.abc import Iterator

import httpx
import pytest
import sqlalchemy as sa

from geo_service import jobs
from geo_service.store import opening, tables, writing
from tests.conftest import address
from tests.geography.addresses import jining
from tests.store.batches import stands
from tests.store.test_reviews import found
from tests.web import serving

PLACES = {"1": "老王饭店门口", "2/a号": "张庄村", "3": "不知道的地方"}
AT = {"lon": 116.5851, "lat": 35.4151}
BY = {"signed_by": "b-017", "note": "老图上有"}


@pytest.fixture
def desk(database: sa.Engine) -> Iterator[tuple[httpx.Client, serving.InJune]]:
    """A served city with a gazetteer and three open reviews, for the test to change."""
    service = serving.city(database)
    jobs.load_gazetteer(service, jining.frame(), signed_by="b-001", reason="test")
    asked = found(PLACES, list(PLACES))
    with writing.lease(database) as connection:
        writing.record(connection, asked, feed="made", cursor=None, now=service.now())
    with serving.serving(service) as client:
        yield client, service


@pytest.fixture(scope="session")
def queue(server: sa.Engine, template: str) -> Iterator[httpx.Client]:
    """The same, for tests that change nothing."""
    name = f"{template}_queue"
    with server.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name} TEMPLATE {template}"))
    engine = opening.connect(address(server, name))
    service = serving.city(engine)
    jobs.load_gazetteer(service, jining.frame(), signed_by="b-001", reason="test")
    with writing.lease(engine) as connection:
        writing.record(connection, found(PLACES, list(PLACES)), feed="made", cursor=None, now=service.now())
    with serving.serving(service) as client:
        yield client
    engine.dispose()
    with server.connect() as connection:
        connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))


def test_the_queue_is_listed_page_by_page_with_where_each_review_is(queue: httpx.Client):
    first = queue.get("/queues/review", params={"limit": 2}).json()
    assert (first["numberMatched"], first["numberReturned"]) == (3, 2)
    assert [one["place"] for one in first["reviews"]] == [PLACES["1"], PLACES["2/a号"]]
    assert [one["state"] for one in first["reviews"]] == ["open", "open"]
    assert "trace" not in first["reviews"][0]["answer"]
    rest = queue.get("/queues/review", params={"limit": 2, "offset": 2}).json()
    assert [one["incident_id"] for one in rest["reviews"]] == ["3"]
    for one in first["reviews"] + rest["reviews"]:
        whole = queue.get(one["href"]).json()
        assert (whole["place"], whole["answer"]["trace"]) == (one["place"], ["x"])
        assert whole["first_seen_at"].endswith("+08:00")
    assert queue.get("/queues/review", params={"state": "rejected"}).json()["reviews"] == []
    assert queue.get("/queues/review", params={"state": "any", "reason": "conflict"}).json()["numberMatched"] == 0


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("/queues/review?state=x", 400, "state=x"),
        ("/queues/review?limit=0", 400, "limit=0"),
        ("/queues/review?limit=1001", 400, "limit=1001"),
        ("/queues/review?page=1", 400, "unknown parameter 'page'"),
        ("/queues/review/made/9", 404, "incident '9' of feed 'made'"),
        ("/queues/review/other/1", 404, "feed 'other'"),
        ("/queues/decisions/9", 404, "no decision 9"),
        ("/queues/decisions/x", 400, "number=x"),
        ("/gazetteer/aliases/9", 404, "no alias 9"),
    ],
)
def test_what_is_not_there_is_a_problem(queue: httpx.Client, path: str, status: int, says: str):
    answer = queue.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert says in answer.json()["detail"]


def test_a_correction_is_written_down_and_its_decision_can_be_looked_up(
    desk: tuple[httpx.Client, serving.InJune],
):
    client, service = desk
    path = "/queues/review/made/1/correct"
    answer = client.post(path, json={"words": "老王饭店", **AT, **BY})
    assert answer.status_code == 202
    where = answer.headers["location"]
    assert answer.json() == {"decision": 1, "href": where}
    assert client.post(path, json={"words": "老王饭店", **AT, **BY}).headers["location"] == where
    decision = client.get(where).json()
    assert (decision["kind"], decision["state"], decision["signed_by"], decision["note"]) == (
        "correct", "pending", "b-017", "老图上有",
    )  # fmt: skip
    [alias] = client.get("/gazetteer/aliases").json()["aliases"]
    assert (alias["words"], alias["lon"], alias["place"], alias["teaches"]) == ("老王饭店", 116.5851, PLACES["1"], True)
    review = client.get("/queues/review/made/1").json()
    assert (review["state"], review["decided_by"], review["note"]) == ("corrected", "b-017", "老图上有")
    assert jobs.apply_decisions(service) == 1
    assert jobs.apply_decisions(service) == 0
    assert client.get(where).json()["state"] == "applied"
    assert client.get("/geocode", params={"text": "老王饭店"}).json()["entry_id"] == f"alias:{alias['id']}"
    other = client.post(path, json={"words": "老王饭店", "entry_id": "SJ", **BY})
    assert (other.status_code, other.headers["content-type"]) == (409, "application/problem+json")
    assert "/gazetteer/aliases/1/revoke" in other.json()["detail"]


def test_a_revocation_is_written_down_once_and_takes_the_words_back(desk: tuple[httpx.Client, serving.InJune]):
    client, service = desk
    client.post("/queues/review/made/1/correct", json={"words": "老王饭店", "entry_id": "SJ", **BY})
    jobs.apply_decisions(service)
    assert client.get("/geocode", params={"text": "老王饭店"}).json()["entry_id"] == "SJ"
    first = client.post("/gazetteer/aliases/1/revoke", json={"signed_by": "b-018"})
    assert first.status_code == 202
    assert client.post("/gazetteer/aliases/1/revoke", json={"signed_by": "b-019"}).json() == first.json()
    jobs.apply_decisions(service)
    assert client.get("/geocode", params={"text": "老王饭店"}).json()["entry_id"] == ""
    alias = client.get("/gazetteer/aliases/1").json()
    assert (alias["revoked_by"], alias["since_version"], alias["until_version"]) == ("b-018", 2, 3)
    assert [one["what"] for one in client.get("/gazetteer/versions").json()["versions"]] == [
        "revocation", "aliases", "load",
    ]  # fmt: skip
    assert client.get("/queues/review/made/1").json()["state"] == "open"


def test_a_rejection_and_a_rerun(desk: tuple[httpx.Client, serving.InJune]):
    client, service = desk
    answer = client.post("/queues/review/made/2%2Fa号/reject", json=BY)
    assert client.get(answer.headers["location"]).json()["state"] == "applied"
    assert client.get("/queues/review/made/2%2Fa号").json()["state"] == "rejected"
    again = client.post("/queues/review/rerun", json={"signed_by": "b-017"})
    assert again.status_code == 202
    assert client.post("/queues/review/rerun", json={"signed_by": "b-018"}).json() == again.json()
    assert jobs.apply_decisions(service) == 1
    assert client.get("/queues/review").json()["numberMatched"] == 2


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ({**BY}, 400, "by entry_id, or by lon and lat"),
        ({**BY, **AT, "entry_id": "SJ"}, 400, "one of the two"),
        ({**BY, "lon": 116.5}, 400, "both lon and lat"),
        ({**BY, "lon": 35.4, "lat": 86.6}, 400, "far from every zone"),
        ({**BY, "lon": 216.5, "lat": 35}, 400, "lon=216.5"),
        ({**BY, "lon": "116.5°", "lat": 35}, 400, "lon=116.5°"),
        ({**BY, "entry_id": "XX"}, 404, "no entry 'XX'"),
        ({**BY, "entry_id": "RC"}, 400, "has no place of its own"),
        ({**BY, **AT, "words": "小李"}, 400, "do not occur"),
        ({**AT}, 400, "signed_by is missing"),
        ({**AT, "signed_by": "王警官"}, 400, "signed_by=王警官"),
        ({**AT, "signed_by": "wang@example.com"}, 400, "signed_by="),
        ({**AT, **BY, "phone": "1"}, 400, "unknown parameter 'phone'"),
        ([], 400, "dictionary"),
    ],
)
def test_a_correction_that_cannot_be_is_a_problem(queue: httpx.Client, body: object, status: int, says: str):
    answer = queue.post("/queues/review/made/1/correct", json=body)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert says in answer.json()["detail"]
    assert queue.get("/gazetteer/aliases").json()["aliases"] == []


CHANGES = [
    "/queues/review/made/1/correct",
    "/queues/review/made/1/reject",
    "/queues/review/rerun",
    "/gazetteer/aliases/1/revoke",
]


@pytest.mark.parametrize("path", CHANGES)
@pytest.mark.parametrize(
    "sent", [{"origin": "https://elsewhere.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}]
)
def test_pages_of_other_sites_may_not_decide(queue: httpx.Client, path: str, sent: dict[str, str]):
    answer = queue.post(path, json={**BY, **AT}, headers=sent)
    assert (answer.status_code, answer.headers["content-type"]) == (403, "application/problem+json")
    form = queue.post(path, data=BY)
    assert form.status_code == 415
    asks = {**sent, "access-control-request-method": "POST"}
    assert "POST" not in queue.options(path, headers=asks).headers["access-control-allow-methods"]
    assert queue.get("/queues/decisions/1").status_code == 404


@pytest.mark.parametrize("path", CHANGES)
def test_a_decision_is_posted_not_got(queue: httpx.Client, path: str):
    assert queue.get(path).status_code in (404, 405)
    assert queue.put(path, json=BY).status_code == 405


def test_our_own_pages_may_decide(desk: tuple[httpx.Client, serving.InJune]):
    client, service = desk
    ours = {"origin": str(client.base_url).rstrip("/"), "sec-fetch-site": "same-origin"}
    assert client.post("/queues/review/made/1/reject", json=BY, headers=ours).status_code == 202
    assert stands(service.engine, tables.decisions, "kind") == [("reject",)]
