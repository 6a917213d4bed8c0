"""GDAL: OGC API Features page by page, and vector tiles one by one or a zoom at a time."""

import json
import shutil
import subprocess
from pathlib import Path

import pyogrio
import pytest
import shapely

from tests.clients.made import COMMUNITIES, GATES, Box, City
from tests.maps.drawn import tile_at

BOX: Box = (116.2, 35.2, 116.4, 35.4)


def run(*words: str) -> str:
    """Run one of GDAL's programs, which must end well and complain of nothing but tiles that are empty."""
    if not shutil.which(words[0]):
        pytest.fail(f"the client tests need {words[0]}; install it with: apt-get install gdal-bin")
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)
    complaints = [line for line in done.stderr.splitlines() if "204" not in line]
    assert (done.returncode, complaints) == (0, [])
    return done.stdout


def told(text: str, layer: str) -> dict[str, str]:
    """Read what ogrinfo says of a layer, line by line."""
    of_layer = text.split(f"Layer name: {layer}\n", 1)[1].split("\nLayer name:", 1)[0]
    return {name: value.strip() for name, _, value in (line.partition(":") for line in of_layer.splitlines())}


def test_every_layer_is_listed_with_its_fields_and_exact_count(city: City):
    text = run("ogrinfo", "-so", "-al", f"OAPIF:{city.address}")
    for layer, count in (("communities", COMMUNITIES), ("warnings", COMMUNITIES), ("prevention", GATES)):
        assert told(text, layer)["Feature Count"] == str(count)
    assert {"id", "count", "level", "level_name", "colour", "month"} <= told(text, "warnings").keys()
    assert told(text, "warnings")["Geometry"] == "Multi Polygon"
    assert told(text, "prevention")["Geometry"] == "Point"


def test_every_community_comes_once_page_by_page_with_its_colour(city: City, tmp_path: Path):
    out = tmp_path / "all.fgb"
    run("ogr2ogr", str(out), f"OAPIF:{city.address}/collections/warnings", "warnings", "-oo", "PAGE_SIZE=1000")
    came = pyogrio.read_dataframe(out, columns=["id", "level_name"])
    assert dict(zip(came["id"], came["level_name"], strict=True)) == city.levels
    assert len(came) == COMMUNITIES


def test_a_box_brings_the_places_that_touch_it(city: City, tmp_path: Path):
    out = tmp_path / "box.fgb"
    source = f"OAPIF:{city.address}/collections/warnings"
    run("ogr2ogr", str(out), source, "warnings", "-oo", "PAGE_SIZE=100", "-spat", *map(str, BOX))
    came = pyogrio.read_dataframe(out, columns=["id"])
    assert sorted(came["id"]) == sorted(city.touching(BOX))


def test_points_come_page_by_page(city: City, tmp_path: Path):
    box: Box = (116.0, 35.0, 116.25, 35.25)
    out = tmp_path / "gates.fgb"
    source = f"OAPIF:{city.address}/collections/prevention"
    run("ogr2ogr", str(out), source, "prevention", "-oo", "PAGE_SIZE=5000", "-spat", *map(str, box))
    came = pyogrio.read_dataframe(out, columns=["id"])
    west, south, east, north = box
    gates = city.gates
    inside = gates[gates["lon"].between(west, east) & gates["lat"].between(south, north)]
    assert sorted(came["id"]) == sorted(inside["object_id"])
    assert len(came) > 12_000


def test_a_tile_is_read_where_it_lies_with_numeric_ids(city: City, tmp_path: Path):
    z, x, y = (tile := tile_at(116.5, 35.5, 12)).z, tile.x, tile.y
    out = tmp_path / "tile.geojson"
    run("ogr2ogr", str(out), f"MVT:{city.address}/tiles/warnings/{z}/{x}/{y}.mvt", "-t_srs", "EPSG:4326")
    features = json.loads(out.read_text())["features"]
    west, south, east, north = (round(side, 9) for side in shapely.from_geojson(out.read_text()).bounds)
    assert {feature["properties"]["mvt_id"] for feature in features} <= set(city.fids.values())
    for feature in features:
        name = feature["properties"]["id"]
        assert feature["properties"]["mvt_id"] == city.fids[name]
        assert feature["properties"]["level_name"] == city.levels[name]
    assert {feature["properties"]["id"] for feature in features} >= city.touching((west, south, east, north))


def test_a_zoom_is_read_as_one_layer(city: City, tmp_path: Path):
    out = tmp_path / "zoom.fgb"
    tiles = f"MVT:/vsicurl/{city.address}/tiles/warnings/10"
    options = ["-oo", "TILE_EXTENSION=mvt", "-oo", f"METADATA_FILE={city.address}/tiles/warnings.json"]
    run("ogr2ogr", str(out), tiles, "warnings", *options, "-nlt", "PROMOTE_TO_MULTI")
    came = pyogrio.read_dataframe(out, columns=["id", "level_name"])
    assert dict(zip(came["id"], came["level_name"], strict=True)) == city.levels
