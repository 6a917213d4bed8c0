"""Tiles as a decoder sees them: described as the schema has it; 1,000 at random by their geometry and PostGIS's ids."""

import json
from collections.abc import Iterator

import httpx
import jsonschema
import mapbox_vector_tile
import numpy as np
import pytest
import shapely
import sqlalchemy as sa

from benchmarks import _made
from geo_service.maps import tiles
from tests.clients.made import City
from tests.maps.drawn import tile_at

# TileJSON 3.0.0, as its specification says it.
_NUMBERS = {"type": "array", "items": {"type": "number"}}
_TEMPLATES = {
    "type": "array",
    "minItems": 1,
    "items": {"type": "string", "pattern": r"^https?://.*\{z\}.*\{x\}.*\{y\}"},
}
_ZOOM = {"type": "integer", "minimum": 0, "maximum": 30}
TILEJSON = {
    "type": "object",
    "required": ["tilejson", "tiles", "vector_layers"],
    "properties": {
        "tilejson": {"type": "string", "pattern": r"^3\.\d+\.\d+$"},
        "tiles": _TEMPLATES,
        "vector_layers": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["id", "fields"],
                "properties": {
                    "id": {"type": "string"},
                    "fields": {"type": "object", "additionalProperties": {"type": "string"}},
                    "description": {"type": "string"},
                    "minzoom": _ZOOM,
                    "maxzoom": _ZOOM,
                },
            },
        },
        "attribution": {"type": "string"},
        "bounds": {**_NUMBERS, "minItems": 4, "maxItems": 4},
        "center": {**_NUMBERS, "minItems": 3, "maxItems": 3},
        "data": _TEMPLATES,
        "description": {"type": "string"},
        "fillzoom": _ZOOM,
        "grids": {"type": "array"},
        "legend": {"type": "string"},
        "maxzoom": _ZOOM,
        "minzoom": _ZOOM,
        "name": {"type": "string"},
        "scheme": {"enum": ["xyz", "tms"]},
        "template": {"type": "string"},
        "version": {"type": "string", "pattern": r"^\d+\.\d+\.\d+"},
    },
}
# RFC 7946, sections 3 and 7, for what we serve: features of points and of polygons, no `crs`.
_POSITION = {**_NUMBERS, "minItems": 2, "maxItems": 3}
_RING = {"type": "array", "items": _POSITION, "minItems": 4}
_POLYGON = {"type": "array", "items": _RING, "minItems": 1}
_SHAPES = {"Point": _POSITION, "Polygon": _POLYGON, "MultiPolygon": {"type": "array", "items": _POLYGON}}
GEOJSON = {
    "type": "object",
    "required": ["type", "features"],
    "not": {"required": ["crs"]},
    "properties": {
        "type": {"const": "FeatureCollection"},
        "features": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["type", "geometry", "properties"],
                "properties": {
                    "type": {"const": "Feature"},
                    "id": {"type": ["string", "number"]},
                    "properties": {"type": ["object", "null"]},
                    "geometry": {
                        "oneOf": [
                            {
                                "type": "object",
                                "required": ["type", "coordinates"],
                                "properties": {"type": {"const": kind}, "coordinates": coordinates},
                            }
                            for kind, coordinates in _SHAPES.items()
                        ]
                    },
                },
            },
        },
    },
}
Features = list[dict[str, object]]
Sample = tuple[tiles.Tile, Features]

ONE_BY_ONE = range(10, 15)  # zooms at which no tile of the communities is grouped; below, a feature stands for many
SAMPLES = 1_000

# Every feature PostGIS puts into each tile of a list.
AS_MVT = """
    SELECT z, x, y, ST_AsMVT(drawn, 'warnings', 4096, 'shape', 'fid') FROM (
        SELECT z, x, y, zones.fid,
            ST_AsMVTGeom(ST_Transform(zones.geometry, 3857), ST_TileEnvelope(z, x, y), 4096, 64, true) AS shape
        FROM unnest(CAST(:z AS int[]), CAST(:x AS int[]), CAST(:y AS int[])) AS tile (z, x, y)
        JOIN zones ON zones.kind = 'communities' AND zones.valid_to IS NULL
            AND zones.geometry && ST_Transform(ST_TileEnvelope(z, x, y, margin => 64.0 / 4096), 4326)
    ) AS drawn WHERE shape IS NOT NULL GROUP BY z, x, y
"""


def test_the_description_of_every_layer_is_tilejson(client: httpx.Client):
    for layer in client.get("/collections").json()["collections"]:
        told = client.get(f"/tiles/{layer['id']}.json").json()
        jsonschema.validate(told, TILEJSON)
        assert [one["id"] for one in told["vector_layers"]] == [layer["id"]]


@pytest.mark.parametrize("path", ["/collections/warnings/items?limit=1000", "/collections/prevention/items?limit=1000"])
def test_items_are_geojson(path: str, client: httpx.Client):
    jsonschema.validate(client.get(path).json(), GEOJSON)


@pytest.mark.parametrize("z", [6, 10, 14])
def test_tiles_in_json_are_geojson(z: int, client: httpx.Client):
    at = tile_at(116.5, 35.5, z)
    jsonschema.validate(client.get(f"/tiles/warnings/{at.z}/{at.x}/{at.y}.geojson").json(), GEOJSON)


@pytest.fixture(scope="module")
def sampled(client: httpx.Client) -> list[Sample]:
    """Tiles at random over the city, at the zooms that are drawn one by one, and their features."""
    rng = np.random.default_rng(7946)
    west, south, side = _made.CITY
    zooms = rng.choice(list(ONE_BY_ONE), SAMPLES).tolist()
    lon, lat = west + side * rng.random(SAMPLES), south + side * rng.random(SAMPLES)
    at = [tile_at(*place, z) for *place, z in zip(lon.tolist(), lat.tolist(), zooms, strict=True)]
    asked = [client.get(f"/tiles/warnings/{one.z}/{one.x}/{one.y}.mvt").raise_for_status() for one in at]
    return [(one, features(answer.content)) for one, answer in zip(at, asked, strict=True)]


def features(content: bytes) -> Features:
    """Decode the one layer of a tile, which must be called as its TileJSON says."""
    if not content:
        return []
    layers = mapbox_vector_tile.decode(content, default_options={"y_coord_down": True})
    assert list(layers) == ["warnings"]
    return layers["warnings"]["features"]


def test_polygons_of_random_tiles_are_valid_and_their_ids_numbers_that_come_once(sampled: list[Sample], city: City):
    for tile, found in sampled:
        ids = [feature["id"] for feature in found]
        assert len(set(ids)) == len(ids), tile
        assert all(isinstance(number, int) and 0 < number < 2**53 for number in ids), tile
        for feature in found:
            assert shapely.from_geojson(json.dumps(feature["geometry"])).is_valid, (tile, feature["id"])
            assert city.fids[feature["properties"]["id"]] == feature["id"]
            assert city.levels[feature["properties"]["id"]] == feature["properties"]["level_name"]


def test_random_tiles_hold_the_ids_that_postgis_puts_in_and_what_it_rounds_away(sampled: list[Sample], city: City):
    theirs = dict(of_postgis(city, {tile for tile, _ in sampled}))
    metres = dict(zip(map(city.fids.get, city.zones.ids), tiles.mercator(city.zones.geometry), strict=True))
    together = 0
    for tile, found in sampled:
        ours, postgis = {feature["id"] for feature in found}, theirs.get((tile.z, tile.x, tile.y), set())
        assert postgis <= ours, tile
        together += len(postgis)
        seen = shapely.box(*tile.metres(tiles.MARGIN))
        for number in ours - postgis:  # it reaches in by less than a step, which PostGIS rounds to nothing
            west, south, east, north = shapely.intersection(metres[number], seen).bounds
            assert min(east - west, north - south) <= tile.step_m, (tile, number)
    assert together > 100 * SAMPLES


def of_postgis(city: City, wanted: set[tiles.Tile]) -> Iterator[tuple[tuple[int, int, int], set[int]]]:
    """Give the feature ids of tiles as ST_AsMVT encodes them."""
    asked = {axis: [getattr(tile, axis) for tile in wanted] for axis in "zxy"}
    with city.engine.connect() as connection:
        for z, x, y, content in connection.execute(sa.text(AS_MVT), asked):
            yield (z, x, y), {feature["id"] for feature in features(bytes(content))}
