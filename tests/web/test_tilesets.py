import httpx
import pytest

from tests.web.serving import HOME
from tests.web.test_items import rels

WEB_MERCATOR_QUAD = "http://www.opengis.net/def/tilematrixset/OGC/1.0/WebMercatorQuad"
OGC = "http://www.opengis.net/def/rel/ogc/1.0/"


def test_the_tile_matrix_set_is_the_one_the_ogc_registered(client: httpx.Client):
    [listed] = client.get("/tileMatrixSets").json()["tileMatrixSets"]
    scheme = client.get(listed["links"][0]["href"]).json()
    assert (listed["id"], listed["uri"], scheme["uri"]) == ("WebMercatorQuad", WEB_MERCATOR_QUAD, WEB_MERCATOR_QUAD)
    # Scale denominators and cell sizes as in annex D.1 of 17-083r4.
    annex = {
        0: (559082264.028717, 156543.033928041),
        12: (136494.693366386, 38.2185141425881),
        22: (133.295599, 0.0373227677),
    }
    for z, (scale, cell) in annex.items():
        matrix = scheme["tileMatrices"][z]
        assert (matrix["id"], matrix["matrixWidth"], matrix["matrixHeight"]) == (str(z), 2**z, 2**z)
        assert matrix["scaleDenominator"] == pytest.approx(scale, rel=1e-8)
        assert matrix["cellSize"] == pytest.approx(cell, rel=1e-8)
        assert matrix["pointOfOrigin"] == pytest.approx([-20037508.3427892, 20037508.3427892])


def test_a_tileset_leads_to_its_tiles_row_before_column(client: httpx.Client):
    [listed] = client.get("/collections/warnings/tiles").json()["tilesets"]
    answer = client.get(listed["links"][0]["href"])
    tileset = answer.json()
    assert (tileset["dataType"], tileset["tileMatrixSetURI"]) == ("vector", WEB_MERCATOR_QUAD)
    template = rels(answer)["item"]
    assert template.endswith("/collections/warnings/tiles/WebMercatorQuad/{tileMatrix}/{tileRow}/{tileCol}")
    assert [link["templated"] for link in tileset["links"] if link["rel"] == "item"] == [True]
    assert client.get(rels(answer)[f"{OGC}tiling-scheme"]).json()["id"] == "WebMercatorQuad"
    limits = {one["tileMatrix"]: one for one in tileset["tileMatrixSetLimits"]}
    home = limits[str(HOME.z)]
    assert home["minTileRow"] <= HOME.y <= home["maxTileRow"]
    assert home["minTileCol"] <= HOME.x <= home["maxTileCol"]
    assert home["maxTileCol"] - home["minTileCol"] <= 1
    assert limits["0"] == {"tileMatrix": "0", "minTileRow": 0, "maxTileRow": 0, "minTileCol": 0, "maxTileCol": 0}


def test_a_tileset_is_told_as_tilejson_too(client: httpx.Client):
    here = "/collections/warnings/tiles/WebMercatorQuad"
    answer = client.get(here, params={"f": "tilejson"})
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == client.get("/tiles/warnings.json").json()
    told = client.get(here, params={"f": "json"})
    assert told.json() == client.get(here).json()
    assert client.get(rels(told)["alternate"]).json() == answer.json()
    assert client.get(here, params={"f": "html"}).status_code == 400
    assert client.get("/collections/nothing/tiles/WebMercatorQuad?f=tilejson").status_code == 404


def test_the_dataset_lists_a_tileset_of_each_layer(client: httpx.Client):
    layers = {one["id"] for one in client.get("/collections").json()["collections"]}
    listed = client.get("/tiles").json()["tilesets"]
    assert {one["links"][0]["href"].split("/")[-3] for one in listed} == layers


@pytest.mark.parametrize("path", ["/collections/nothing/tiles", "/collections/nothing/tiles/WebMercatorQuad"])
def test_a_layer_that_is_not_there_has_no_tilesets(client: httpx.Client, path: str):
    assert client.get(path).status_code == 404
