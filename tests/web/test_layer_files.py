"""Layer files changed while they are served: no restart, nobody else disturbed, and operators are told."""

import shutil
from pathlib import Path

import pytest
import sqlalchemy as sa

from geo_service import files
from tests.test_layer_files import edit
from tests.web import serving
from tests.web.serving import tile, wait_until, worn


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(files.shipped("layers"), tmp_path / "layers"))


@pytest.fixture
def library(database: sa.Engine, folder: Path) -> serving.InJune:
    serving.city(database)
    return serving.library(database, layers_dir=str(folder))


def test_a_new_layer_a_gone_one_and_new_colours_are_served_without_a_restart(library: serving.InJune, folder: Path):
    with serving.serving(library) as client:
        assert client.get(tile("school_warnings")).status_code == 404
        shutil.copy(folder / "unit_warnings.toml", folder / "school_warnings.toml")
        edit(folder / "school_warnings.toml", 'id = "unit_warnings"', 'id = "school_warnings"')
        wait_until(lambda: client.get(tile("school_warnings")).status_code == 200)
        assert worn(client.get(tile("school_warnings"))) == worn(client.get(tile("unit_warnings")))
        shutil.copy(folder / "venues.toml", folder / "inns.toml")
        edit(folder / "inns.toml", 'id = "venues"', 'id = "inns"')
        wait_until(lambda: client.get("/collections/inns/items").status_code == 200)
        assert client.get("/collections/inns/items").json()["features"] == []

        held = client.get(tile()).headers["etag"]
        edit(folder / "styles" / "levels.toml", "#f7d84a", "#f7d84b")
        wait_until(lambda: "#f7d84b" in client.get(tile()).text)
        assert client.get(tile(), headers={"if-none-match": held}).status_code == 200
        assert "#f7d84b" in client.get("/legends/warnings.svg").text
        assert "#f7d84b" in client.get("/styles/warnings.json").text

        (folder / "inns.toml").unlink()
        wait_until(lambda: client.get("/collections/inns").status_code == 404)
        assert "inns" not in [style["id"] for style in client.get("/styles").json()["styles"]]
        assert client.get(tile()).status_code == 200


def test_a_wrong_file_is_told_to_operators_while_its_last_good_version_is_served(library: serving.InJune, folder: Path):
    with serving.serving(library) as client:
        before = client.get(tile()).content
        edit(folder / "warnings.toml", "maxzoom = 14", "maxzoom = 99")
        wait_until(lambda: client.get("/health/ready").json()["layers_refused"])
        answer = client.get("/health/ready")
        assert answer.status_code == 200
        assert answer.json()["layers_refused"] == {
            "warnings.toml": "warnings.toml, line 7: maxzoom must be a zoom from 0 to 24, came 99"
        }
        assert client.get(tile()).content == before
        edit(folder / "warnings.toml", "maxzoom = 99", "maxzoom = 13")
        wait_until(lambda: client.get("/tiles/warnings.json").json()["maxzoom"] == 13)
        assert client.get("/health/ready").json()["layers_refused"] == {}
