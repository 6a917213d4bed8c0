"""The outbox over HTTP: looked at by anybody, decided from our own pages and signed, receipts signed by receivers."""

import json
from collections.abc import Iterator

import httpx
import pytest
import sqlalchemy as sa

from geo_service.outbox import delivery, signatures
from tests.outbox.receiving import SECRET, receiving, staff, told
from tests.outbox.test_telling import FOUR
from tests.web import serving

BY = {"signed_by": "b-017", "note": "换了地址"}
TWO = ["station police s1 p1", "grid_staff police g1 g1"]


@pytest.fixture
def outbox(database: sa.Engine) -> Iterator[tuple[httpx.Client, serving.InJune]]:
    """A served city with a red place, one of its two recipients without an address."""
    service = serving.without_tasks(serving.library(database))
    serving.load_zones(service)
    staff(service, TWO, ["p1 inbox inbox: zh"])
    serving.commit(service, FOUR)
    delivery.deliver(service.engine, service.post, service.now)
    with serving.serving(service) as client:
        yield client, service


def listed(client: httpx.Client, state: str) -> list[tuple[str, str, str]]:
    answer = client.get("/queues/messages", params={"state": state}).json()
    assert answer["numberMatched"] == answer["numberReturned"] == len(answer["messages"])
    return sorted((one["kind"], one["staff_id"], one["reason"]) for one in answer["messages"])


def test_messages_are_listed_by_what_became_of_them(outbox: tuple[httpx.Client, serving.InJune]):
    client, _ = outbox
    assert listed(client, "sent") == [("enter_red", "p1", "")]
    assert listed(client, "waiting") == [("critical_red", "g1", ""), ("critical_red", "p1", "")]
    assert ("enter_red", "g1", "no_address") in listed(client, "dead")
    assert len(listed(client, "any")) == 9
    first = client.get("/queues/messages", params={"limit": 1}).json()["messages"][0]
    assert client.get(first["href"]).json()["key"] == first["key"]
    assert first["created_at"].endswith("+08:00")
    assert client.get("/queues/messages/999").status_code == 404
    assert client.get("/queues/messages", params={"state": "lost"}).status_code == 400


def test_a_dead_letter_goes_again_signed_and_from_our_own_pages_only(outbox: tuple[httpx.Client, serving.InJune]):
    client, service = outbox
    [number] = [row[0] for row in told(service.engine, "id", kind="enter_red", staff_id="g1")]
    path = f"/queues/messages/{number}/replay"
    assert client.post(path, json=BY, headers={"origin": "https://elsewhere.example"}).status_code == 403
    assert client.post(path, json={"note": "x"}).status_code == 400
    answer = client.post(path, json=BY)
    assert (answer.status_code, answer.json()["state"], answer.json()["decided_by"]) == (200, "waiting", "b-017")
    staff(service, TWO, ["g1 inbox inbox: zh"])
    delivery.deliver(service.engine, service.post, service.now)
    assert ("enter_red", "g1", "") in listed(client, "sent")
    assert client.post(path, json=BY).status_code == 409


def test_a_message_that_waits_is_cancelled(outbox: tuple[httpx.Client, serving.InJune]):
    client, service = outbox
    [number] = [row[0] for row in told(service.engine, "id", kind="critical_red", staff_id="p1")]
    for _ in range(2):
        assert client.post(f"/queues/messages/{number}/cancel", json=BY).json()["state"] == "cancelled"
    assert told(service.engine, "decided_by", "note", id=number) == [("b-017", "换了地址")]


def test_a_receipt_needs_the_receivers_signature(outbox: tuple[httpx.Client, serving.InJune]):
    client, service = outbox
    with receiving() as receiver:
        staff(service, TWO, [f"g1 webhook {receiver.address()} en"])
        [number] = [row[0] for row in told(service.engine, "id", kind="enter_red", staff_id="g1")]
        client.post(f"/queues/messages/{number}/replay", json=BY)
        delivery.deliver(service.engine, service.post, service.now)
    [key] = receiver.kept
    at = service.now()
    body = json.dumps({"key": key, "status": "read", "at": at.isoformat()}).encode()
    timestamp = f"{at.timestamp():.0f}"
    marks = {"content-type": "application/json", signatures.TIMESTAMP: timestamp}
    for secret, status in (("guess", 403), (SECRET, 200)):
        headers = {**marks, signatures.SIGNATURE: signatures.sign(secret, timestamp, body)}
        assert client.post("/queues/messages/receipts", content=body, headers=headers).status_code == status
    assert client.get(f"/queues/messages/{number}").json()["receipt"] == "read"


def test_the_page_says_its_words_in_both_languages(outbox: tuple[httpx.Client, serving.InJune]):
    client, _ = outbox
    page = client.get("/messages")
    assert page.status_code == 200
    assert "default-src 'self'" in page.headers["content-security-policy"]
    words = client.get("/messages/words.json").json()["texts"]
    assert words["en"]["message"]["alert"]["enter_red"]["title"] == "Turned red: {place}"
    assert set(words["zh"]["message_state"]) == {"any", "waiting", "sent", "dead", "cancelled"}
    assert client.get("/messages/messages.js").headers["content-type"].startswith("text/javascript")
