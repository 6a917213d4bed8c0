import httpx
import jsonschema
import pytest

from geo_service.web import catalogue
from tests.web.serving import LAT, LON
from tests.web.test_items import rels

OGC = "http://www.opengis.net/def/rel/ogc/1.0/"
SYSTEMS = [
    "http://www.opengis.net/def/crs/OGC/1.3/CRS84",
    "http://www.opengis.net/def/crs/EPSG/0/4326",
    "http://www.opengis.net/def/crs/EPSG/0/3857",
    "http://www.opengis.net/def/crs/EPSG/0/4490",
    "http://www.opengis.net/def/crs/EPSG/0/4548",
]


def test_the_landing_page_leads_everywhere(client: httpx.Client):
    landing = client.get("/")
    assert landing.json()["title"] == "零发案预警地图"
    for rel in ("self", "service-desc", "conformance", "data", f"{OGC}tiling-schemes", f"{OGC}tilesets-vector"):
        assert client.get(rels(landing)[rel]).status_code == 200
        assert f'rel="{rel}"' in landing.headers["link"]


def test_conformance_names_each_class_once(client: httpx.Client):
    classes = client.get("/conformance?f=json").json()["conformsTo"]
    assert classes == list(catalogue.CONFORMS_TO)
    assert len(set(classes)) == len(classes)
    for wanted in ("features-1/1.0/conf/core", "features-2/1.0/conf/crs", "features-3/1.0/conf/features-filter"):
        assert f"http://www.opengis.net/spec/ogcapi-{wanted}" in classes


def test_every_layer_is_a_collection_with_its_extent(client: httpx.Client):
    described = client.get("/collections").json()["collections"]
    assert {one["id"] for one in described} >= {"communities", "warnings", "unit_warnings", "patrol_zone_warnings"}
    for one in described:
        links = {link["rel"]: link["href"] for link in one["links"]}
        assert client.get(links["self"]).json() == one
        assert client.get(links["items"]).headers["content-type"] == "application/geo+json"
        assert (one["crs"], one["storageCrs"]) == (SYSTEMS, SYSTEMS[0])
        assert client.get(links[f"{OGC}tilesets-vector"]).json()["tilesets"]
    [warnings] = [one for one in described if one["id"] == "warnings"]
    assert warnings["extent"]["spatial"]["bbox"] == [pytest.approx([LON, LAT, LON + 0.04, LAT + 0.01])]
    assert warnings["extent"]["temporal"]["interval"] == [["2024-03-01T00:00:00Z", "2024-06-30T23:59:59Z"]]
    [empty] = [one for one in described if one["id"] == "patrol_zone_warnings"]
    assert "extent" not in empty


@pytest.mark.parametrize("what", ["queryables", "schema"])
def test_schemas_hold_each_property_with_its_type_and_meaning(client: httpx.Client, what: str):
    answer = client.get(f"/collections/warnings/{what}")
    assert answer.headers["content-type"] == "application/schema+json"
    schema = answer.json()
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$id"] == str(answer.url)
    assert schema["additionalProperties"] is False
    types = {name: one.get("type", one.get("format")) for name, one in schema["properties"].items()}
    assert types == {
        "id": "string",
        "name": "string",
        "class": "string",
        "month": "string",
        "count": "integer",
        "level": "integer",
        "level_name": "string",
        "colour": "string",
        "withheld": "string",
        "geometry": "geometry-polygon-or-multipolygon",
    }
    assert all(one["title"] for one in schema["properties"].values())


def test_a_layer_of_objects_has_dates_and_points(client: httpx.Client):
    properties = client.get("/collections/venues/schema").json()["properties"]
    assert properties["regrade_on"]["format"] == "date"
    assert properties["geometry"] == {
        "title": "Where it is",
        "format": "geometry-point",
        "x-ogc-role": "primary-geometry",
    }
    assert properties["id"]["x-ogc-role"] == "id"
