"""What every request meets: CORS, HEAD, OPTIONS, other methods, compression, the API's own description."""

import httpx
import pytest

from geo_service.maps.atlas import Atlas
from geo_service.web.kept import Kept
from tests.web.serving import tile

EVERYWHERE = [
    ("/", 200),
    ("/api", 200),
    ("/health/live", 200),
    ("/health/ready", 200),
    ("/collections/warnings/items", 200),
    ("/collections/warnings/items/a/why", 200),
    ("/map/config.json", 200),
    ("/jurisdictions", 200),
    ("/jurisdictions/gaps", 200),
    (tile(), 200),
    ("/tiles/warnings.json", 200),
    ("/tiles/warnings/12/0/0.mvt", 204),
    (f"{tile()}?month=x", 400),
    ("/collections/warnings/items?x=1", 400),
    ("/tiles/cameras.json", 404),
    ("/nothing", 404),
]


@pytest.mark.parametrize(("path", "status"), EVERYWHERE)
def test_pages_of_other_origins_may_read_every_answer(client: httpx.Client, path: str, status: int):
    answer = client.get(path, headers={"origin": "https://elsewhere.example"})
    assert answer.status_code == status
    assert answer.headers.get_list("access-control-allow-origin") == ["*"]
    assert "ETag" in answer.headers["access-control-expose-headers"]
    assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize(("path", "status"), EVERYWHERE)
def test_head_answers_as_get_without_the_body(client: httpx.Client, path: str, status: int):
    head, get = client.head(path), client.get(path)
    assert (head.status_code, head.content) == (status, b"")
    changing = {"date", "server-timing"}
    if path in ("/health/ready", "/collections/warnings/items"):
        changing.add("content-length")
    kept = [{name: value for name, value in one.headers.items() if name not in changing} for one in (head, get)]
    assert kept[0] == kept[1]


def test_head_of_the_stream_ends(client: httpx.Client):
    answer = client.head("/live", timeout=5)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/event-stream"


@pytest.mark.parametrize("path", [tile(), "/collections/warnings/items", "/live", "/nothing"])
def test_a_preflight_is_answered(client: httpx.Client, path: str):
    asks = {"origin": "https://elsewhere.example", "access-control-request-method": "GET"}
    answer = client.options(path, headers=asks)
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["access-control-allow-methods"] == "GET, HEAD, OPTIONS"
    assert "If-None-Match" in answer.headers["access-control-allow-headers"]


@pytest.mark.parametrize("path", [tile(), "/collections", "/live", "/map"])
def test_other_methods_are_refused(client: httpx.Client, path: str):
    for method in ("POST", "PUT", "DELETE"):
        answer = client.request(method, path)
        assert answer.status_code == 405
        assert answer.headers["allow"] == "GET, HEAD, OPTIONS"
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["access-control-allow-origin"] == "*"


def test_long_answers_are_compressed_for_those_who_can_read_it(client: httpx.Client):
    packed = client.get("/collections", headers={"accept-encoding": "gzip"})
    plain = client.get("/collections", headers={"accept-encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.json() == plain.json()
    for answer in (packed, plain):
        assert "accept-encoding" in answer.headers["vary"].lower()


PATHS = {
    "/",
    "/collections",
    "/collections/{layer}/items",
    "/collections/{layer}/items/{zone_id}",
    "/collections/{layer}/items/{zone_id}/why",
    "/tiles/{layer}/{z}/{x}/{y}.mvt",
    "/tiles/{layer}/{z}/{x}/{y}.geojson",
    "/collections/{layer}/tiles/WebMercatorQuad/{z}/{y}/{x}",
    "/g/{digest}/{layer}/{z}/{x}/{y}.mvt",
    "/states/{layer}/{z}/{x}/{y}",
    "/tiles/{layer}.json",
    "/live",
    "/geocode",
    "/geocode/reverse",
    "/queues/review",
    "/queues/review/rerun",
    "/queues/review/{feed}/{incident_id}",
    "/queues/review/{feed}/{incident_id}/correct",
    "/queues/review/{feed}/{incident_id}/reject",
    "/queues/decisions/{number}",
    "/gazetteer/versions",
    "/gazetteer/aliases",
    "/gazetteer/aliases/{number}",
    "/gazetteer/aliases/{number}/revoke",
    "/health/live",
    "/health/ready",
}


def test_the_api_describes_every_path_in_openapi_3_0(client: httpx.Client):
    answer = client.get("/api")
    assert answer.headers["content-type"] == "application/vnd.oai.openapi+json;version=3.0"
    page = answer.json()
    assert page["openapi"] == "3.0.3"
    assert set(page["paths"]) >= PATHS
    items = page["paths"]["/collections/{layer}/items"]["get"]
    asked = {one["name"]: one for one in items["parameters"]}
    assert set(asked) >= {"layer", "limit", "offset", "cursor", "bbox", "crs", "filter", "sortby", "month", "kind"}
    assert asked["bbox"]["schema"]["type"] == "array"
    ours = {one["name"] for one in page["paths"]["/collections/warnings/items"]["get"]["parameters"]}
    assert ours - set(asked) == {"id", "name", "class", "level", "level_name", "colour", "withheld"}
    assert set(items["responses"]) == {"200", "304", "400", "406", "404", "503", "default"}
    assert asked["limit"]["schema"]["maximum"] == 10_000  # GDAL takes its page size from here
    assert set(page["paths"]["/geocode"]) == {"get", "post"}
    correction = page["components"]["schemas"]["Correction"]["properties"]
    assert set(correction) == {"signed_by", "note", "words", "entry_id", "lon", "lat", "teach"}
    assert correction["lon"]["type"] == "number"
    for operation in [operation for path in page["paths"].values() for operation in path.values()]:
        assert "422" not in operation["responses"]
        assert "application/problem+json" in operation["responses"]["default"]["content"]
    assert "null" not in answer.text  # 3.0 has no type null


@pytest.mark.parametrize("path", [tile(), "/collections/warnings/items", "/collections/warnings/items/a/why"])
def test_a_failure_of_ours_is_told_without_its_insides(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch, path: str, caplog: pytest.LogCaptureFixture
):
    def broken(*_: object) -> object:
        raise ZeroDivisionError("the insides")

    for part in ("properties", "columns", "tile"):
        monkeypatch.setattr(Atlas, part, broken)
    monkeypatch.setattr(Kept, "at_hand", lambda *_: None)  # nothing is kept: a tile is drawn
    answer = client.get(path, headers={"connection": "close"})  # the server hangs up after a failure; ask no more on it
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["cache-control"] == "no-store"
    assert "insides" not in answer.text
    assert "the insides" in caplog.text


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/queues/tasks/99999999999", 400),
        ("/queues/decisions/99999999999", 400),
        ("/queues/triage?offset=99999999999999999999", 400),
        ("/queues/triage?day=0138-05-01", 400),
        ("/bulletin/0000-01", 400),
        ("/bulletin/1900-01", 400),
        ("/statistics/colours?as_of=0001-01-01T00:00:00%2B21:48", 400),
        ("/collections/warnings/items/a/why?as_of=0175-04-23T12:23:33-18:33", 200),
    ],
)
def test_what_lies_beyond_all_records_is_no_fault_of_ours(client: httpx.Client, path: str, status: int):
    assert client.get(path).status_code == status
