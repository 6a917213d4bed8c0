import json
import subprocess
import sys
from typing import Any

import httpx
import numpy as np
import pyproj
import pytest
import shapely

from geo_service import jobs
from geo_service.geography import crs, references
from tests.web import serving
from tests.web.serving import LAT, LON, worn

PLACE = ["id", "name", "class"]
STATE = ["month", "count", "level", "level_name", "colour", "withheld"]


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
        "withheld": None,
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
        ("/collections/warnings/items?ooga=booga", 400, "unknown parameter 'ooga'"),
        ("/collections/warnings/items?filter=ooga=1", 400, "there is no property 'ooga'"),
        ("/collections/warnings/items?filter=level>", 400, "not cql2-text: at letter 7"),
        ("/collections/warnings/items?filter=level>'x'", 400, "cannot be compared"),
        ("/collections/warnings/items?filter=level>2&filter-lang=sql", 400, "filter-lang=sql"),
        ("/collections/warnings/items?filter={&filter-lang=cql2-json", 400, "not cql2-json"),
        (
            "/collections/warnings/items?filter=S_INTERSECTS(geometry,BBOX(1e6,1e6,2e6,2e6))",
            400,
            "no place of the Earth",
        ),
        ("/collections/warnings/items?level=many", 400, "level=many: expected a number"),
        ("/collections/warnings/items?sortby=ooga", 400, "no property 'ooga'"),
        ("/collections/warnings/items?properties=ooga", 400, "there is no 'ooga'"),
        ("/collections/warnings/items?crs=EPSG:2437", 400, "crs=EPSG:2437 is not offered"),
        ("/collections/warnings/items?bbox-crs=EPSG:1&bbox=1,2,3,4", 400, "bbox-crs=EPSG:1 is not offered"),
        ("/collections/warnings/items?bbox-crs=EPSG:4326&bbox=116,35,117,36", 400, "latitude or northing first"),
        ("/collections/warnings/items?offset=1000001", 400, "offset=1000001"),
        ("/collections/warnings/items?cursor=bm9uZQ", 400, "belongs to another question"),
        ("/collections/warnings/items?count=some", 400, "count=some"),
        ("/collections/warnings/items?month=2024-03&datetime=2024-03", 400, "give one of them"),
        ("/collections/warnings/items/a?limit=1", 400, "unknown parameter 'limit'"),
        ("/collections/warnings/items/a/why?month=now", 400, "month=now"),
        ("/collections?f=xml", 400, "f=xml"),
        ("/collections?g=json", 400, "unknown parameter 'g'"),
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


def found(client: httpx.Client, layer: str = "warnings", **asked: object) -> list[str]:
    """Give the ids of the places that a query finds, all pages of it."""
    answer = client.get(f"/collections/{layer}/items", params={name.replace("_", "-"): v for name, v in asked.items()})
    assert answer.status_code == 200, answer.text
    return [one["properties"]["id"] for one in answer.json()["features"]]


def test_a_filter_finds_the_same_in_text_and_in_json(client: httpx.Client):
    for text, json_form, wanted in (
        ("level >= 1", {"op": ">=", "args": [{"property": "level"}, 1]}, ["a", "d"]),
        ("NOT (level >= 1) AND id <> 'b'", None, ["c"]),
        ("withheld IS NULL", {"op": "isNull", "args": [{"property": "withheld"}]}, ["a", "b", "c", "d"]),
        ("name LIKE 'a%' OR id IN ('c','d')", None, ["a", "c", "d"]),
        (f"S_INTERSECTS(geometry, POINT({LON + 0.015} {LAT + 0.005}))", None, ["b"]),
        (f"S_WITHIN(geometry, BBOX({LON - 1},{LAT - 1},{LON + 0.0201},{LAT + 1}))", None, ["a", "b"]),
    ):
        assert found(client, filter=text) == wanted
        if json_form:
            assert found(client, filter=json.dumps(json_form), filter_lang="cql2-json") == wanted


def test_a_filter_may_draw_in_another_reference_system(client: httpx.Client):
    [x], [y] = crs.from_wgs84(np.array([LON + 0.015]), np.array([LAT + 0.005]), "EPSG:4548")
    assert found(client, filter=f"S_CONTAINS(geometry, POINT({y} {x}))", filter_crs="EPSG:4548") == ["b"]
    assert found(
        client, filter=f"S_CONTAINS(geometry, POINT({LAT + 0.005} {LON + 0.015}))", filter_crs="EPSG:4326"
    ) == ["b"]


def test_properties_can_be_asked_for_by_their_value(client: httpx.Client):
    assert found(client, level=1) == ["a", "d"]
    assert found(client, level=1, id="d") == ["d"]
    assert found(client, **{"class": "residential"}) == ["a", "b", "c", "d"]
    assert found(client, name="没有") == []


def test_places_come_in_the_order_asked_for(client: httpx.Client):
    assert found(client, sortby="-id") == ["d", "c", "b", "a"]
    assert found(client, sortby="-level,id") == ["a", "d", "b", "c"]
    assert found(client, sortby="level,-id") == ["c", "b", "d", "a"]
    assert found(client, sortby="+level") == ["b", "c", "a", "d"]


@pytest.mark.parametrize("order", ["", "-id", "level,-id", "-level", "withheld"])
def test_cursors_lead_through_every_order_and_back(client: httpx.Client, order: str):
    whole = found(client, sortby=order)
    pages, address = [], f"/collections/warnings/items?limit=1&sortby={order}"
    while address:
        answer = client.get(address)
        pages.append(answer)
        assert answer.links["next"]["url"] == rels(answer)["next"] if "next" in rels(answer) else True
        address = rels(answer).get("next", "")
    assert [one["properties"]["id"] for page in pages for one in page.json()["features"]] == whole
    back = [pages[-1]]
    while "prev" in rels(back[-1]):
        back.append(client.get(rels(back[-1])["prev"]))
    assert [page.json()["features"][0]["properties"]["id"] for page in back] == whole[::-1]


def test_a_cursor_goes_on_where_it_stood_although_places_were_inserted(library: serving.InJune):
    with serving.serving(library) as client:
        first = client.get("/collections/communities/items?limit=2")
        by_offset = client.get("/collections/communities/items?limit=2&offset=0")
        square = shapely.box(LON, LAT + 1, LON + 0.01, LAT + 1.01)
        kept = {
            letter: shapely.box(LON + i * 0.01, LAT, LON + (i + 1) * 0.01, LAT + 0.01)
            for i, letter in enumerate("abcd")
        }
        jobs.load_zones(library, serving.zones("communities", {"aa": square, **kept}, "residential"))
        serving.wait_until(lambda: client.get("/collections/communities/items").json()["numberMatched"] == 5)
        assert [one["properties"]["id"] for one in walk(client, rels(first)["next"])] == ["c", "d"]
        slipped = client.get(rels(by_offset)["next"]).json()["features"]
        assert [one["properties"]["id"] for one in slipped] == ["b", "c"]  # b a second time: why there are cursors


def test_a_cursor_is_refused_for_another_question(client: httpx.Client):
    following = rels(client.get("/collections/warnings/items?limit=1"))["next"]
    assert client.get(following + "&count=off").status_code == 200
    assert client.get(following + "&level=1").status_code == 400
    assert client.get(following.replace("cursor=", "cursor=AA")).status_code == 400


def test_a_page_says_how_many_match_or_leaves_it_out(client: httpx.Client):
    assert client.get("/collections/warnings/items?limit=1&count=exact").json()["numberMatched"] == 4
    assert "numberMatched" not in client.get("/collections/warnings/items?limit=1&count=off").json()


def test_properties_and_geometry_can_be_left_out(client: httpx.Client):
    [place] = client.get("/collections/warnings/items?properties=level,id&geometry=false&id=a").json()["features"]
    assert place["properties"] == {"level": 1, "id": "a"}
    assert list(place["properties"]) == ["level", "id"]
    assert place["geometry"] is None
    assert client.get("/collections/warnings/items/a?properties=level").json()["properties"] == {"level": 1}


SYSTEMS = [one.uri for one in references.REFERENCES]


def corner_of_a(uri: str) -> tuple[float, float]:
    """Give the south-west corner of a as PROJ writes it with the axes of the authority."""
    code = "OGC:CRS84" if uri.endswith("CRS84") else f"EPSG:{uri.rpartition('/')[2]}"
    return pyproj.Transformer.from_crs("EPSG:4326", code).transform(LAT, LON)


@pytest.mark.parametrize("uri", SYSTEMS)
def test_coordinates_come_in_the_system_asked_for_in_its_own_order(client: httpx.Client, uri: str):
    corner = corner_of_a(uri)
    for path in ("/collections/warnings/items/a", "/collections/warnings/items"):
        answer = client.get(path, params={"crs": uri})
        assert answer.headers["content-crs"] == f"<{uri}>"
        shape = shapely.geometry.shape(answer.json().get("features", [answer.json()])[0]["geometry"])
        nearest = min(
            shapely.get_coordinates(shape).tolist(), key=lambda one: abs(one[0] - corner[0]) + abs(one[1] - corner[1])
        )
        assert nearest == pytest.approx(corner, abs=0.011 if corner[0] > 1000 else 1e-7)


@pytest.mark.parametrize("uri", SYSTEMS)
def test_a_box_can_be_given_in_every_system(client: httpx.Client, uri: str):
    system = references.read(uri)
    middle = np.array([shapely.box(LON + 0.011, LAT + 0.001, LON + 0.019, LAT + 0.009)])
    west, south, east, north = shapely.bounds(references.from_wgs84(middle, system)[0])
    bbox = (south, west, north, east) if "north first" in system.system else (west, south, east, north)
    assert found(client, bbox=",".join(map(str, bbox)), bbox_crs=uri) == ["b"]


def test_a_place_is_found_by_the_number_of_its_feature_too(client: httpx.Client):
    for place in client.get("/collections/warnings/items").json()["features"]:
        again = client.get(f"/collections/warnings/items/{place['id']}").json()
        assert again["properties"] == place["properties"]


def test_a_datetime_means_the_last_month_on_record_in_it(client: httpx.Client):
    whole = {month: worn(client.get(f"/collections/warnings/items?month={month}")) for month in ("2024-03", "2024-06")}
    for said, month in (
        ("2024-03-05", "2024-03"),
        ("2024-03-05T08:00:00Z", "2024-03"),
        ("2024-01-01/2024-03-31", "2024-03"),
        ("../2024-03-31", "2024-03"),
        ("2024-03-01/..", "2024-06"),
    ):
        answer = client.get("/collections/warnings/items", params={"datetime": said})
        assert worn(answer) == whole[month], said
    for wrong in ("yesterday", "2024-13-01", "2024-03-01/2024-04-01/2024-05-01"):
        assert client.get("/collections/warnings/items", params={"datetime": wrong}).status_code == 400
