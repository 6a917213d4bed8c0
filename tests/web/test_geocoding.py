"""Addresses over HTTP: one in full, ten thousand as a stream, and what is refused."""

import json
import threading
from collections.abc import Iterator
from time import monotonic

import httpx
import pytest
import sqlalchemy as sa

from geo_service import jobs
from geo_service.geography.addresses import locate
from geo_service.store import opening
from geo_service.web import geocoding
from tests.conftest import address
from tests.geography.addresses import jining
from tests.web import serving
from tests.web.serving import tile

BUILDING = "济宁市任城区济阳街道水景花园小区3号楼2单元"
PLAIN = {"text", *locate.COLUMNS}


@pytest.fixture(scope="session")
def known(server: sa.Engine, template: str) -> Iterator[httpx.Client]:
    """A client of a served city with a gazetteer; nobody changes it."""
    name = f"{template}_known"
    with server.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name} TEMPLATE {template}"))
    engine = opening.connect(address(server, name))
    service = serving.city(engine)
    jobs.load_gazetteer(service, jining.frame(), signed_by="b-017", reason="test")
    with serving.serving(service) as client:
        yield client
    engine.dispose()
    with server.connect() as connection:
        connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))


def lines(answer: httpx.Response) -> list[dict[str, object]]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in answer.text.splitlines()]


def test_one_address_is_answered_in_full_by_get_and_by_post(known: httpx.Client):
    got, posted = known.get("/geocode", params={"text": BUILDING}), known.post("/geocode", json={"text": BUILDING})
    assert got.json() == posted.json()
    answer = got.json()
    assert (answer["entry_id"], answer["level"]) == ("B3", "building")
    assert (answer["zone_kind"], answer["zone_id"]) == ("communities", "370811001001")
    assert jining.metres(answer["lon"], answer["lat"]) == (700, 700)
    assert answer["shape"]["type"] == "Polygon"
    assert set(answer) >= PLAIN | {"alternatives", "question", "trace", "parts", "left_over"}
    assert answer["trace"]


def test_an_ambiguous_village_asks_the_one_question(known: httpx.Client):
    answer = known.get("/geocode", params={"text": "张庄村"}).json()
    assert len(answer["alternatives"]) >= 2
    assert set(answer["question"]["choices"]) == {"两城镇", "鲁桥镇", "谷亭街道"}


def test_what_nobody_knows_is_an_answer_without_a_place(known: httpx.Client):
    answer = known.get("/geocode", params={"text": "不知道的地方"}).json()
    assert (answer["lon"], answer["lat"], answer["level"]) == (None, None, "none")
    assert "不知道" in answer["left_over"][0]


def test_many_addresses_come_back_one_a_line_in_their_order(known: httpx.Client):
    texts = [BUILDING, "没有的地方", "古槐路121号", BUILDING] * 300
    answers = lines(known.post("/geocode", json={"texts": texts}))
    assert [one["text"] for one in answers] == texts
    assert [one["entry_id"] for one in answers[:4]] == ["B3", "", "D121", "B3"]
    assert set(answers[0]) == PLAIN
    assert answers[1]["lon"] is None
    one = known.get("/geocode", params={"text": BUILDING}).json()
    assert answers[0] == {name: one[name] for name in PLAIN}


def test_with_trace_each_of_many_is_answered_in_full(known: httpx.Client):
    texts = [BUILDING, "张庄村"]
    answers = lines(known.post("/geocode", json={"texts": texts, "trace": True}))
    assert answers == [known.get("/geocode", params={"text": text}).json() for text in texts]


def test_ten_thousand_are_streamed_while_tiles_are_served(known: httpx.Client):
    texts = [f"古槐路{number}号" for number in range(10_000)]
    waits: list[float] = []
    done = threading.Event()

    def look() -> None:
        with httpx.Client(base_url=known.base_url) as other:
            while not done.is_set():
                begun = monotonic()
                assert other.get(tile()).status_code == 200
                waits.append(monotonic() - begun)

    looking = threading.Thread(target=look)
    looking.start()
    pieces: list[float] = []
    with known.stream("POST", "/geocode", json={"texts": texts}, headers={"accept-encoding": "gzip"}) as answer:
        assert "content-encoding" not in answer.headers
        told = []
        for line in answer.iter_lines():
            pieces.append(monotonic())
            told.append(json.loads(line)["text"])
        ended = monotonic()
    done.set()
    looking.join()
    assert told == texts
    assert ended - pieces[0] > 3 * (ended - pieces[-1])  # the first line came long before the last
    assert len(waits) >= 10_000 / geocoding.A_PIECE / 2  # tiles were served between the pieces


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({}, "send either text"),
        ({"text": "a", "texts": ["b"]}, "send either text"),
        ({"texts": []}, "at least 1 item"),
        ({"texts": ["a"] * 10_001}, "at most 10000 items"),
        ({"texts": "a"}, "texts=a: Input should be a valid list"),
        ({"texts": ["a", 1]}, "texts.1=1: Input should be a valid string"),
        ({"text": 1}, "text=1: Input should be a valid string"),
        ({"text": "a" * 1001}, "at most 1000 characters"),
        ({"text": "a", "phone": "1"}, "unknown parameter 'phone'"),
        ([1], "Input should be a valid dictionary"),
    ],
)
def test_a_body_that_cannot_be_read_is_a_problem(known: httpx.Client, body: object, says: str):
    answer = known.post("/geocode", json=body)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert says in answer.json()["detail"]
    assert len(answer.json()["detail"]) < 500


@pytest.mark.parametrize(
    ("content", "kind", "status", "says"),
    [
        (b"{", "application/json", 400, "not JSON"),
        (b"\xff", "application/json", 400, ""),
        (b"text=a", "application/x-www-form-urlencoded", 415, "content-type: application/json"),
        (b'{"text": "a"}', "text/plain", 415, "content-type: application/json"),
        (b'{"text": "' + b" " * (16 << 20) + b'"}', "application/json", 413, "fewer addresses"),
    ],
)
def test_what_is_no_json_of_reasonable_length_is_a_problem(
    known: httpx.Client, content: bytes, kind: str, status: int, says: str
):
    answer = known.post("/geocode", content=content, headers={"content-type": kind})
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert says in answer.json()["detail"]


def test_a_body_of_untold_length_is_ended(known: httpx.Client):
    def endless() -> Iterator[bytes]:
        yield b'{"text": "'
        for _ in range(20):
            yield b" " * (1 << 20)

    answer = known.post("/geocode", content=endless(), headers={"content-type": "application/json"})
    assert answer.status_code == 413


def test_pages_of_other_sites_may_ask(known: httpx.Client):
    elsewhere = {"origin": "https://elsewhere.example"}
    asks = {**elsewhere, "access-control-request-method": "POST", "access-control-request-headers": "content-type"}
    assert known.options("/geocode", headers=asks).headers["access-control-allow-methods"] == "GET, HEAD, OPTIONS, POST"
    answer = known.post("/geocode", json={"text": BUILDING}, headers=elsewhere)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "*"


def test_the_nearest_places_of_a_point_are_told(known: httpx.Client):
    lon, lat = (known.get("/geocode", params={"text": BUILDING}).json()[side] for side in ("lon", "lat"))
    told = known.get("/geocode/reverse", params={"lon": lon, "lat": lat}).json()
    assert (told["lon"], told["lat"]) == (lon, lat)
    assert {(one["entry_id"], one["kind"], one["place"]) for one in told["nearest"][:2]} == {
        ("B3", "building", "水景花园"),
        ("SJ", "compound", "水景花园"),
    }
    assert [one["distance_m"] for one in told["nearest"]] == sorted(one["distance_m"] for one in told["nearest"])
    assert known.get("/geocode/reverse", params={"lon": 10, "lat": 10}).json()["nearest"] == []
    for query in ({"lon": 1}, {"lon": "nan", "lat": 1}, {"lon": 1, "lat": 91}, {"lon": 1, "lat": 1, "x": 1}):
        assert known.get("/geocode/reverse", params=query).status_code == 400


def test_a_day_can_be_named(known: httpx.Client):
    for on in ("2013-01-01", "2024-01-01"):
        one = known.get("/geocode", params={"text": "市中区古槐路121号", "on": on}).json()
        assert one == known.post("/geocode", json={"text": "市中区古槐路121号", "on": on}).json()
        [row] = lines(known.post("/geocode", json={"texts": ["市中区古槐路121号"], "on": on}))
        assert row["entry_id"] == one["entry_id"] == "D121"
    assert known.get("/geocode", params={"text": "a", "on": "gestern"}).status_code == 400


def test_without_a_gazetteer_it_says_what_to_run(client: httpx.Client):
    for answer in (client.get("/geocode", params={"text": "a"}), client.post("/geocode", json={"texts": ["a"]})):
        assert answer.status_code == 503
        assert "geo-service load gazetteer" in answer.json()["detail"]


def test_get_takes_a_text_and_nothing_else(known: httpx.Client):
    assert known.get("/geocode").status_code == 400
    assert known.get("/geocode", params={"text": "a", "x": "1"}).status_code == 400
    assert known.get("/geocode", params={"text": "a" * 1001}).status_code == 400
