"""Real QGIS loads the styles: its renderer holds the scheme's looks, and what it draws has their colours.

QGIS brings its own Python (apt python3-qgis), so the loading runs there, without a screen.
"""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import sqlalchemy as sa
from PIL import Image

from geo_service.maps import patterns
from geo_service.store import opening
from tests.conftest import address
from tests.maps.drawn import SCHEME
from tests.web import serving

PYTHON = "/usr/bin/python3"
LOOKS = (*SCHEME.levels, SCHEME.unknown)
SIDE = 150  # of the square each level is drawn in [px]
PROGRAM = """
import json, os, sys
from qgis.core import *
from qgis.PyQt.QtCore import QSize
from qgis.PyQt.QtGui import QColor

folder, at, west, south, east, north = sys.argv[1:]
QgsApplication.setPrefixPath("/usr", True)
application = QgsApplication([], False)
application.initQgis()


def draw(layer, extent, width, height, system, name):
    shown = QgsMapSettings()
    shown.setLayers([layer])
    shown.setDestinationCrs(QgsCoordinateReferenceSystem(system))
    shown.setExtent(extent)
    shown.setOutputSize(QSize(width, height))
    shown.setBackgroundColor(QColor("#808000"))
    shown.setFlag(QgsMapSettings.Antialiasing, False)
    job = QgsMapRendererSequentialJob(shown)
    job.start()
    job.waitForFinished()
    assert job.renderedImage().save(f"{folder}/{name}.png")


def said(symbol):
    return [(part.layerType(), part.color().name()) for part in symbol.symbolLayers()]


places = QgsVectorLayer("Polygon?crs=EPSG:3857&field=level:integer", "warnings", "memory")
features = []
for column, level in enumerate([0, 1, 2, 3, 4, None]):
    feature = QgsFeature(places.fields())
    feature.setAttributes([level])
    feature.setGeometry(QgsGeometry.fromRect(QgsRectangle(column, 0, column + 1, 1)))
    features.append(feature)
places.dataProvider().addFeatures(features)

found = {}
_, loaded = places.loadNamedStyle(f"{folder}/warnings.qml")
assert loaded
found["qml"] = [(part.value(), part.label(), said(part.symbol())) for part in places.renderer().categories()]
draw(places, QgsRectangle(0, 0, 6, 1), 900, 150, "EPSG:3857", "qml")
_, loaded = places.loadSldStyle(f"{folder}/warnings.sld")
assert loaded
found["sld"] = [
    (rule.filterExpression(), rule.label(), said(rule.symbol())) for rule in places.renderer().rootRule().children()
]
draw(places, QgsRectangle(0, 0, 6, 1), 900, 150, "EPSG:3857", "sld")

address = f"{at}/tiles/warnings/{{z}}/{{x}}/{{y}}.mvt"
tiles = QgsVectorTileLayer(
    f"type=xyz&url={address}&zmin=0&zmax=14&styleUrl={at}/styles/warnings.json", "warnings"
)
assert tiles.isValid()
_, loaded = tiles.loadDefaultStyle()
assert loaded
found["tiles"] = [
    (part.styleName(), part.filterExpression(), said(part.symbol())) for part in tiles.renderer().styles()
]
box = QgsRectangle(*map(float, (west, south, east, north)))
draw(tiles, box, 600, 150, "EPSG:4326", "tiles")
print(json.dumps(found), flush=True)
os._exit(0)  # taken down by Python, QGIS crashes now and then
"""


@pytest.fixture(scope="module")
def client(server: sa.Engine, template: str) -> Iterator[httpx.Client]:
    """A client of a city with a place of every level but orange: a none, b yellow, c red, d black."""
    name = f"{template}_coloured"
    with server.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name} TEMPLATE {template}"))
    engine = opening.connect(address(server, name))
    library = serving.library(engine)
    serving.load_zones(library)
    calls = [(column, call) for column, count in ((1, 1), (2, 5), (3, 7)) for call in range(count)]
    middle = serving.LAT + 0.002
    lines = [
        f"k{column}{call} 2024-06-0{call + 1}_10:00 R {serving.LON + (column + 0.2) * serving.SIDE} {middle}"
        for column, call in calls
    ]
    serving.commit(library, "\n".join(lines))
    with serving.serving(library) as asking:
        yield asking
    engine.dispose()
    with server.connect() as connection:
        connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture(scope="module")
def loaded(client: httpx.Client, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The folder of what QGIS drew, and what it says it loaded."""
    if subprocess.run(["sh", "-c", f"{PYTHON} -c 'import qgis.core'"], check=False, capture_output=True).returncode:
        pytest.fail("these tests need QGIS; install it with: apt-get install python3-qgis")
    folder = tmp_path_factory.mktemp("qgis")
    for form in ("qml", "sld"):
        (folder / f"warnings.{form}").write_bytes(client.get(f"/styles/warnings.{form}?language=en").content)
    box = serving.LON, serving.LAT, serving.LON + 4 * serving.SIDE, serving.LAT + serving.SIDE
    at = str(client.base_url).rstrip("/")
    asked = [PYTHON, "-c", PROGRAM, str(folder), at, *map(str, box)]
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "XDG_RUNTIME_DIR": str(folder), "HOME": str(folder)}
    environment.pop("PYTHONPATH", None)
    ran = subprocess.run(asked, check=False, capture_output=True, text=True, env=environment, timeout=240)
    assert ran.returncode == 0, ran.stderr
    return folder, json.loads(ran.stdout.splitlines()[-1])


def hatching(pattern: str) -> list[str]:
    return {"": [], "diagonal": ["LinePatternFill"], "cross": ["LinePatternFill"] * 2, "dots": ["PointPatternFill"]}[
        pattern
    ]


def test_qgis_reads_a_category_for_each_level_from_qml(loaded: tuple[Path, dict[str, Any]]):
    labels = ["none (0)", "yellow (1)", "orange (2–3)", "red (4–5)", "black (6 or more)", "no data"]
    for (value, label, symbol), look, wanted in zip(loaded[1]["qml"], LOOKS, labels, strict=True):
        assert (value, label) == ("" if look.code is None else str(look.code), wanted)
        assert symbol[0] == ["SimpleFill", look.colour]
        assert [kind for kind, _ in symbol[1:]] == hatching(look.pattern)


def test_qgis_reads_a_rule_for_each_level_from_sld(loaded: tuple[Path, dict[str, Any]]):
    for (condition, _, symbol), look in zip(loaded[1]["sld"], LOOKS, strict=True):
        assert condition == ("level IS NULL" if look.code is None else f"level = {look.code}")
        assert symbol[0] == ["SimpleFill", look.colour]
        assert [kind for kind, _ in symbol[1:]] == (hatching(look.pattern) if look.pattern != "dots" else [])


def test_qgis_reads_the_maplibre_style_with_its_patterns(loaded: tuple[Path, dict[str, Any]]):
    read = {name: symbol for name, _, symbol in loaded[1]["tiles"]}
    for look in LOOKS:
        assert read[f"warnings-{look.name}"] == [["SimpleFill", look.colour]]
        if look.pattern:  # the picture of the sprite
            assert ["RasterFill", "#000000"] in read[f"warnings-{look.name}-{look.pattern}"]


@pytest.mark.parametrize("form", ["qml", "sld"])
def test_what_qgis_draws_has_the_colour_of_each_level(loaded: tuple[Path, dict[str, Any]], form: str):
    drawn = np.asarray(Image.open(loaded[0] / f"{form}.png").convert("RGB"))
    for column, look in enumerate(LOOKS):
        inside = drawn[10:-10, column * SIDE + 10 : (column + 1) * SIDE - 10].reshape(-1, 3)
        share = (inside == patterns.rgb(look.colour)).all(axis=1).mean()
        hatched = look.pattern and not (form == "sld" and look.pattern == "dots")
        assert 0.25 < share < 0.99 if hatched else share == 1, look.name


def test_the_tiles_qgis_draws_have_the_colours_of_the_month(loaded: tuple[Path, dict[str, Any]], client: httpx.Client):
    worn = serving.worn(client.get("/collections/warnings/items"))
    assert [worn[place][1] for place in "abcd"] == [0, 1, 3, 4]
    drawn = np.asarray(Image.open(loaded[0] / "tiles.png").convert("RGB"))
    for column, place in enumerate("abcd"):
        look = SCHEME.levels[worn[place][1]]
        inside = drawn[20:-20, column * SIDE + 20 : (column + 1) * SIDE - 20].reshape(-1, 3)
        share = (inside == patterns.rgb(look.colour)).all(axis=1).mean()
        assert 0.25 < share < 0.99 if look.pattern else share == 1, place
