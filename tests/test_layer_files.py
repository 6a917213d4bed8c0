"""The folder of layers is followed while it is served; real files, a real folder."""

import logging
import shutil
from pathlib import Path

import pytest

from geo_service import cli, files, layer_files
from geo_service.errors import BadRule

SHIPPED = files.shipped("layers")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SHIPPED, tmp_path / "layers"))


def edit(path: Path, was: str, now: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert was in text
    path.write_text(text.replace(was, now), encoding="utf-8")


def test_a_folder_that_stays_as_it_is_changes_nothing(folder: Path):
    watch = layer_files.LayerWatch(folder)
    assert watch.catalogue.layers == files.read_layers(folder)
    assert watch.catalogue.refused == {}
    assert [watch.look(), watch.look()] == [None, None]
    (folder / "warnings.toml").touch()
    assert watch.look() is None


def test_what_is_added_updated_and_removed_is_told_once(folder: Path):
    watch = layer_files.LayerWatch(folder)
    shutil.copy(folder / "units.toml", folder / "schools.toml")
    edit(folder / "schools.toml", 'id = "units"', 'id = "schools"')
    edit(folder / "warnings.toml", "maxzoom = 14", "maxzoom = 12")
    (folder / "venues.toml").unlink()
    change = watch.look()
    assert change
    assert (change.added, change.updated, change.removed) == (["schools"], ["warnings"], ["venues"])
    assert not change.recoloured
    assert watch.catalogue.layers["warnings"].maxzoom == 12
    assert watch.look() is None


@pytest.mark.parametrize(
    ("was", "now", "why"),
    [
        ("minzoom = 0", "minzoom = 20", "warnings.toml, line 6: minzoom 20 lies above maxzoom 14"),
        ("title =", "titel =", "warnings.toml, line 2: unknown key titel"),
        ("[incidents]", "", "warnings.toml, line 15: field count must be a sentence ending in its unit"),
        ('id = "warnings"', 'id = "alarms"', "warnings.toml, line 1: the layer's id must be the file's name"),
        ("[fields]", "[fields", "warnings.toml: is not TOML: "),
        ("maxzoom = 14", "maxzoom =", "(at line 7, column 10)"),
    ],
)
def test_a_wrong_file_is_refused_with_its_line_and_the_last_good_version_stays(
    folder: Path, caplog: pytest.LogCaptureFixture, was: str, now: str, why: str
):
    watch = layer_files.LayerWatch(folder)
    good = watch.catalogue.layers["warnings"]
    edit(folder / "warnings.toml", was, now)
    edit(folder / "units.toml", "maxzoom = 14", "maxzoom = 15")
    with caplog.at_level(logging.WARNING):
        change = watch.look()
    assert change
    assert change.now.refused["warnings.toml"].startswith("warnings.toml")
    assert why in change.now.refused["warnings.toml"]
    assert change.updated == ["units"]
    assert change.now.layers["warnings"] == good
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    caplog.clear()
    edit(folder / "units.toml", "maxzoom = 15", "maxzoom = 14")
    with caplog.at_level(logging.WARNING):
        assert watch.look()
    assert caplog.records == []  # told once
    edit(folder / "warnings.toml", now, was) if now else shutil.copy(SHIPPED / "warnings.toml", folder)
    assert watch.look()
    assert watch.catalogue.refused == {}


def test_a_file_wrong_from_the_start_keeps_nobody_else_from_being_served(folder: Path):
    edit(folder / "warnings.toml", "[fields]", "[fields")
    watch = layer_files.LayerWatch(folder)
    assert set(files.read_layers(SHIPPED)) - set(watch.catalogue.layers) == {"warnings"}
    assert list(watch.catalogue.refused) == ["warnings.toml"]
    shutil.copy(SHIPPED / "warnings.toml", folder)
    change = watch.look()
    assert change
    assert change.added == ["warnings"]


def test_new_colours_are_taken_and_wrong_ones_refused(folder: Path):
    watch = layer_files.LayerWatch(folder)
    edit(folder / "styles" / "levels.toml", "#d7263d", "#c81e36")
    change = watch.look()
    assert change
    assert change.recoloured
    assert change.now.scheme.levels[3].colour == "#c81e36"
    edit(folder / "styles" / "levels.toml", "#c81e36", "#f28e2b")
    change = watch.look()
    assert change
    assert "levels.toml, line 40: every level needs its own colour" in change.now.refused["styles/levels.toml"]
    assert change.now.scheme.levels[3].colour == "#c81e36"
    assert not change.recoloured


def test_without_colours_nothing_can_be_drawn(folder: Path):
    (folder / "styles" / "levels.toml").unlink()
    with pytest.raises(BadRule, match=r"levels\.toml: no such file"):
        layer_files.LayerWatch(folder)


def test_a_folder_that_is_gone_takes_no_layer_away(folder: Path):
    watch = layer_files.LayerWatch(folder)
    folder.rename(folder.with_name("away"))
    change = watch.look()
    assert change
    assert (change.added, change.updated, change.removed) == ([], [], [])
    assert "is no folder any more" in change.now.refused["."]
    folder.with_name("away").rename(folder)
    assert watch.look()
    assert watch.catalogue.refused == {}


def test_check_names_every_wrong_layer_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("GEO_LAYERS_DIR", str(folder))
    assert cli.main(["check"]) == 0
    edit(folder / "warnings.toml", "minzoom = 0", "minzoom = 20")
    edit(folder / "units.toml", 'role = "everybody"', 'role = "minister"')
    edit(folder / "venues.toml", '["venue"]', '["circus"]')
    assert cli.main(["check"]) == 2
    said = capsys.readouterr().err
    assert "warnings.toml, line 6: minzoom 20 lies above maxzoom 14" in said
    assert "layer units: role must be everybody, city_duty, branch_duty" in said
    assert "layer venues: no kind circus in rules/prevention.toml" in said
