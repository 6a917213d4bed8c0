import json
import subprocess
import sys
from typing import Any

import httpx
import pytest
import shapely

from tests.web.serving import LAT, LON, worn

PLACE = ["id", "name", "class"]
STATE = ["month", "count", "level", "level_name", "colour"]


def rels(answer: httpx.Response) -> dict[str, str]:
    return {link["rel"]: link["href"] for link in answer.json()["links"]}


def walk(client: httpx.Client, address: str) -> list[dict[str, Any]]:
    """Follow `next` to the end."""
    found: list[dict[str, Any]] = []
    while address:
        answer = client.get(address)
        assert answer.json()["numberReturned"] == len(answer.json()["features"])
        found += answer.json()["features"]
        address = rels(answer).get("next", "")
    return found


def test_the_landing_page_leads_everywhere(client: httpx.Client):
    landing = client.get("/")
    assert landing.json()["title"] == "零发案预警地图"
    for rel in ("self", "service-desc", "conformance", "data"):
        assert client.get(rels(landing)[rel]).status_code == 200


def test_every_layer_is_a_collection_with_its_extent(client: httpx.Client):
    described = client.get("/collections").json()["collections"]
    assert {one["id"] for one in described} >= {"communities", "warnings", "unit_warnings", "patrol_zone_warnings"}
    for one in described:
        links = {link["rel"]: link["href"] for link in one["links"]}
        assert client.get(links["self"]).json() == one
        assert client.get(links["items"]).headers["content-type"] == "application/geo+json"
        # Naming systems invites GDAL and QGIS to send `crs`, which we do not offer: all is CRS84, as without a word.
        assert not {"crs", "storageCrs"} & set(one)
    [warnings] = [one for one in described if one["id"] == "warnings"]
    assert warnings["extent"]["spatial"]["bbox"] == [pytest.approx([LON, LAT, LON + 0.04, LAT + 0.01])]
    [empty] = [one for one in described if one["id"] == "patrol_zone_warnings"]
    assert "extent" not in empty


def test_items_are_whole_places_in_the_colour_of_the_month(client: httpx.Client):
    answer = client.get("/collections/warnings/items")
    assert answer.headers["content-type"] == "application/geo+json"
    assert worn(answer) == {"a": (1, 1), "b": (0, 0), "c": (0, 0), "d": (1, 1)}
    collection = answer.json()
    assert (collection["numberMatched"], collection["numberReturned"]) == (4, 4)
    assert collection["timeStamp"].startswith("2024-06-20T04:")
    assert "crs" not in collection
    for place in collection["features"]:
        assert isinstance(place["id"], int)
        assert list(place["properties"]) == [*PLACE, *STATE]
        parts = shapely.get_parts(shapely.geometry.shape(place["geometry"]))
        assert shapely.is_ccw(shapely.get_exterior_ring(parts)).all()
    march = client.get("/collections/warnings/items", params={"month": "2024-03"})
    assert worn(march) == {"a": (2, 2), "b": (0, 0), "c": (0, 0), "d": (0, 0)}
    plain = client.get("/collections/communities/items").json()["features"]
    assert list(plain[0]["properties"]) == PLACE


def test_paging_gives_every_place_once(client: httpx.Client):
    whole = walk(client, "/collections/warnings/items?month=2024-03")
    assert walk(client, "/collections/warnings/items?month=2024-03&limit=3") == whole
    assert walk(client, "/collections/warnings/items?month=2024-03&limit=1") == whole
    middle = client.get("/collections/warnings/items?limit=1&offset=2")
    assert [one["properties"]["id"] for one in middle.json()["features"]] == ["c"]
    back = client.get(rels(middle)["prev"]).json()["features"]
    assert [one["properties"]["id"] for one in back] == ["b"]
    beyond = client.get("/collections/warnings/items?offset=99").json()
    assert (beyond["features"], beyond["numberMatched"]) == ([], 4)


def test_a_limit_above_the_most_is_no_error(client: httpx.Client):
    assert client.get("/collections/warnings/items?limit=99999999").json()["numberReturned"] == 4


def test_items_can_be_asked_for_by_box(client: httpx.Client):
    def found(bbox: str) -> list[str]:
        features = client.get("/collections/warnings/items", params={"bbox": bbox}).json()["features"]
        return [one["properties"]["id"] for one in features]

    assert found(f"{LON + 0.011},{LAT},{LON + 0.029},{LAT + 1}") == ["b", "c"]
    assert found(f"{LON + 0.015},{LAT - 1},0,{LON + 0.015},{LAT + 1},100") == ["b"]
    assert found("170,-10,-170,10") == []
    assert found(f"{LON + 0.035},{LAT},-170,{LAT + 1}") == ["d"]
    narrowed = walk(client, f"/collections/warnings/items?bbox={LON + 0.011},{LAT},{LON + 0.029},{LAT + 1}&limit=1")
    assert [one["properties"]["id"] for one in narrowed] == ["b", "c"]


def test_items_the_client_holds_are_not_sent_again(client: httpx.Client):
    first = client.get("/collections/warnings/items")
    again = client.get("/collections/warnings/items", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_one_place_by_its_id(client: httpx.Client):
    answer = client.get("/collections/warnings/items/d", params={"month": "2024-06"})
    assert answer.json()["properties"] == {
        "id": "d",
        "name": "d 村",
        "class": "residential",
        "month": "2024-06",
        "count": 1,
        "level": 1,
        "level_name": "yellow",
        "colour": "#f7d84a",
    }
    assert client.get(rels(answer)["self"]).json()["id"] == answer.json()["id"]
    assert client.get(rels(answer)["describedby"]).json()["id"] == "d"


def test_why_tells_rule_and_incidents_and_which_of_them_count(client: httpx.Client):
    why = client.get("/collections/warnings/items/a/why").json()
    left = {"rule", "incidents", "outlook", "changes"}  # the last two: test_why.py
    assert {name: value for name, value in why.items() if name not in left} == {
        "zone_kind": "communities",
        "id": "a",
        "name": "a 村",
        "class": "residential",
        "month": "2024-06",
        "count": 1,
        "level": 1,
        "level_name": "yellow",
        "provisional": 1,
        "as_of": None,
        "restated": [],
    }
    assert [why["rule"][level] for level in ("yellow", "orange", "red", "black")] == [1, 2, 4, 6]
    assert why["rule"]["valid_from"] == "2000-01-01"
    assert "robbery" in why["rule"]["counted"]
    assert why["incidents"] == [
        line("j1", "2024-06-01T00:10:00+08:00", "theft", True),
        line("j2", "2024-06-02T09:00:00+08:00", "dispute", False),
    ]


def line(incident: str, called_at: str, category: str, counted: bool) -> dict[str, object]:
    named = {"id": incident, "feed": "made", "called_at": called_at, "category": category}
    placed = {"placed": "located", "located_by": "coordinates", "match_level": "", "conflict": ""}
    return {**named, "counted": counted, "triage": "", **placed, "uncertainty_m": None, "confidence": None}


def test_why_counts_an_incident_in_a_unit_for_the_unit_only(client: httpx.Client):
    around = client.get("/collections/warnings/items/d/why").json()
    inside = client.get("/collections/unit_warnings/items/s/why").json()
    assert {one["id"]: one["counted"] for one in around["incidents"]} == {"j3": False, "j4": False, "j5": True}
    assert {one["id"]: one["counted"] for one in inside["incidents"]} == {"j3": True, "j4": True}
    for why in (around, inside):
        assert sum(one["counted"] for one in why["incidents"]) == why["count"]


def test_why_of_other_months(client: httpx.Client):
    march = client.get("/collections/warnings/items/a/why?month=2024-03").json()
    assert (march["count"], march["level_name"], [one["id"] for one in march["incidents"]]) == (
        2,
        "orange",
        ["m1", "m2"],
    )
    calm = client.get("/collections/warnings/items/a/why?month=2024-04").json()
    assert (calm["count"], calm["level"], calm["incidents"]) == (0, 0, [])
    unknown = client.get("/collections/warnings/items/a/why?month=2024-01").json()
    assert (unknown["count"], unknown["level"], unknown["level_name"]) == (None, None, "unknown")


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/collections/warnings/items?limit=0", 400, "limit=0"),
        ("/collections/warnings/items?limit=many", 400, "limit=many"),
        ("/collections/warnings/items?offset=-1", 400, "offset=-1"),
        ("/collections/warnings/items?bbox=1,2,3", 400, "four numbers"),
        ("/collections/warnings/items?bbox=1,2,3,x", 400, "'x' is not a number"),
        ("/collections/warnings/items?bbox=1,2,3,nan", 400, "'nan' is not a coordinate"),
        ("/collections/warnings/items?bbox=35,116,36,117", 400, "longitude first"),
        ("/collections/warnings/items?month=2024-6", 400, "month=2024-6"),
        ("/collections/warnings/items?filter=level>2", 400, "unknown parameter 'filter'"),
        ("/collections/warnings/items/a?limit=1", 400, "unknown parameter 'limit'"),
        ("/collections/warnings/items/a/why?month=now", 400, "month=now"),
        ("/collections?f=json", 400, "unknown parameter 'f'"),
        ("/?q=1", 400, "unknown parameter 'q'"),
        ("/collections/cameras", 404, "no layer 'cameras'"),
        ("/collections/cameras/items", 404, "no layer 'cameras'"),
        ("/collections/warnings/items/zzz", 404, "no place 'zzz'"),
        ("/collections/warnings/items/zzz/why", 404, "no place 'zzz'"),
        ("/collections/warnings/items/a/why?month=1990-01", 400, "no level rule holds for 1990-01"),
        ("/nothing", 404, "Not Found"),
    ],
)
def test_what_cannot_be_answered_is_a_problem(client: httpx.Client, path: str, status: int, said: str):
    answer = client.get(path)
    assert answer.status_code == answer.json()["status"] == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert said in answer.json()["detail"]


def test_gdal_reads_the_layer_as_ogc_api_features(client: httpx.Client):
    whole = read_by_gdal(client)
    assert [(place["id"], place["level"], place["colour"]) for place in whole] == [
        ("a", 1, "#f7d84a"),
        ("b", 0, "#dfe7e3"),
        ("c", 0, "#dfe7e3"),
        ("d", 1, "#f7d84a"),
    ]
    assert whole[3]["bounds"] == pytest.approx([LON + 0.03, LAT, LON + 0.04, LAT + 0.01])
    assert [place["id"] for place in read_by_gdal(client, (LON + 0.011, LAT, LON + 0.019, LAT + 0.01))] == ["b"]


def read_by_gdal(client: httpx.Client, bbox: tuple[float, float, float, float] | None = None) -> list[dict[str, Any]]:
    """Let GDAL read the layer, in a process of its own: here it would hold the lock of Python that the server needs."""
    program = f"""
import pyogrio
read = pyogrio.read_dataframe("OAPIF:{client.base_url}", layer="warnings", bbox={bbox})
print(read.assign(bounds=list(read.geometry.bounds.to_numpy().tolist())).drop(columns="geometry").to_json(orient="records"))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
