"""QGIS: the layer as features and as vector tiles, drawn in the colours of the scheme. The pictures are kept."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from tests.clients.made import COMMUNITIES, Box, City

SCRIPT = Path(__file__).with_name("in_qgis.py")
PYTHON = "/usr/bin/python3"  # Debian's own, which alone has QGIS
BOX: Box = (116.2, 35.2, 116.4, 35.4)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("qgis")


@pytest.fixture(scope="module")
def places(city: City) -> list[str]:
    """Five places of each level in the box."""
    west, south, east, north = BOX
    inside = city.touching((west + 0.01, south + 0.01, east - 0.01, north - 0.01))
    return [
        name
        for level in sorted(set(city.levels.values()))
        for name in sorted(name for name in inside if city.levels[name] == level)[:5]
    ]


@pytest.fixture(scope="module")
def found(city: City, places: list[str], pictures: Path) -> dict[str, dict[str, object]]:
    """What QGIS made of the city."""
    wishes = {
        "address": city.address,
        "box": BOX,
        "places": {name: city.centres[name] for name in places},
        "features_png": str(pictures / "features.png"),
        "tiles_png": str(pictures / "tiles.png"),
    }
    done = subprocess.run(
        [PYTHON, SCRIPT],
        input=json.dumps(wishes),
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen", "PYTHONPATH": "", "HOME": str(pictures)},
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    if "No module named 'qgis'" in done.stderr:
        pytest.fail("the client tests need QGIS; install it with: apt-get install --no-install-recommends python3-qgis")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_features_are_counted_and_have_their_fields(found: dict):
    assert found["features"]["count"] == COMMUNITIES
    assert found["features"]["crs"] in ("EPSG:4326", "OGC:CRS84")
    assert found["features"]["fields"]["level"] == "Integer"
    assert found["features"]["fields"]["colour"] == "String"


def test_features_of_a_box_are_the_places_that_touch_it(found: dict, city: City):
    assert found["features"]["levels"] == {name: city.levels[name] for name in city.touching(BOX)}


@pytest.mark.parametrize("way", ["features", "tiles"])
def test_places_are_drawn_in_the_colours_of_the_scheme(way: str, found: dict, city: City, places: list[str]):
    assert len({city.levels[name] for name in places}) == 5
    assert found[way]["colours"] == {name: "#" + bytes(city.colour(name)).hex() for name in places}


@pytest.mark.parametrize("way", ["features", "tiles"])
def test_the_picture_holds_all_five_colours_and_the_streets_between(way: str, found: dict, city: City, pictures: Path):
    with Image.open(pictures / f"{way}.png") as picture:
        seen = {colour for count, colour in picture.convert("RGB").getcolors(1_000_000) or [] if count > 500}
    assert {city.colour(city.some(level, 1)[0]) for level in set(city.levels.values())} | {(255, 255, 255)} <= seen
