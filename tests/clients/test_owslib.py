"""OWSLib: the layers by their conformance, description and items."""

import pytest
from owslib.ogcapi.features import Features

from tests.clients.made import COMMUNITIES, GATES, Box, City

BOX: Box = (116.2, 35.2, 116.4, 35.4)


@pytest.fixture(scope="module")
def service(city: City) -> Features:
    return Features(city.address)


def test_it_finds_the_api_its_conformance_and_every_collection(service: Features):
    assert service.api()["openapi"].startswith("3.0")
    assert any(uri.endswith("/ogcapi-features-1/1.0/conf/geojson") for uri in service.conformance()["conformsTo"])
    assert {"communities", "warnings", "prevention", "venues"} <= set(service.feature_collections())
    assert service.collection("warnings")["id"] == "warnings"


def test_counts_are_those_of_the_store(service: Features):
    for layer, count in (("warnings", COMMUNITIES), ("prevention", GATES)):
        assert service.collection_items(layer, limit=1)["numberMatched"] == count


def test_items_of_a_box_are_the_places_that_touch_it_in_their_colours(service: Features, city: City):
    items = service.collection_items("warnings", bbox=BOX, limit=10_000)
    assert {one["properties"]["id"]: one["properties"]["level_name"] for one in items["features"]} == {
        name: city.levels[name] for name in city.touching(BOX)
    }


def test_pages_by_offset_are_all_the_places_once(service: Features, city: City):
    pages = [service.collection_items("warnings", limit=4000, offset=offset) for offset in (0, 4000, 8000)]
    names = [one["properties"]["id"] for page in pages for one in page["features"]]
    assert sorted(names) == sorted(city.levels)


def test_one_item_is_found_by_its_id(service: Features, city: City):
    name = city.some("black", 1)[0]
    item = service.collection_item("warnings", name)
    assert (item["properties"]["id"], item["properties"]["level_name"]) == (name, "black")
