import dataclasses
import tomllib
from collections.abc import Callable
from typing import Any

import pytest

from geo_service import files
from geo_service.errors import BadRule
from geo_service.maps import layers, written
from tests.maps.drawn import LAYERS, LAYERS_FOLDER, SCHEME

Table = dict[str, Any]


def warnings() -> Table:
    return tomllib.loads((LAYERS_FOLDER / "warnings.toml").read_text(encoding="utf-8"))


def colours() -> Table:
    return tomllib.loads((LAYERS_FOLDER / "styles" / "levels.toml").read_text(encoding="utf-8"))


def test_the_layers_that_come_with_the_program():
    assert {name: (layer.zones, layer.wears_levels) for name, layer in LAYERS.items()} == {
        "communities": ("communities", False),
        "units": ("units", False),
        "patrol_zones": ("patrol_zones", False),
        "warnings": ("communities", True),
        "unit_warnings": ("units", True),
        "patrol_zone_warnings": ("patrol_zones", True),
        "incident_cells": ("cells", True),
        "prevention": ("", False),
        "venues": ("", False),
    }
    pinned = {name: layer.objects for name, layer in LAYERS.items() if layer.objects}
    assert pinned == {"prevention": ("guard_post", "checkpoint", "gate", "perimeter_alarm"), "venues": ("venue",)}
    assert all(path.stem in LAYERS for path in LAYERS_FOLDER.glob("*.toml"))


def test_the_colours_are_those_of_the_programme():
    assert [(level.code, level.name, level.colour, level.pattern) for level in SCHEME.levels] == [
        (0, "none", "#dfe7e3", ""),
        (1, "yellow", "#f7d84a", ""),
        (2, "orange", "#f28e2b", ""),
        (3, "red", "#d7263d", "diagonal"),
        (4, "black", "#1b1b1f", "cross"),
    ]


def test_ranges_come_from_the_rule_and_not_from_the_scheme():
    assert [words["en"] for words in SCHEME.ranges([1, 2, 4, 6])] == ["0", "1", "2–3", "4–5", "6 or more"]
    assert [words["zh"] for words in SCHEME.ranges([1, 3, 8, 9])] == ["0 起", "1–2 起", "3–7 起", "8 起", "9 起及以上"]


def test_a_layer_explains_itself_in_both_languages():
    layer = LAYERS["warnings"]
    assert layer.explain("en").startswith("warnings: Community warnings.")
    assert layer.explain("zh").startswith("warnings: 小区预警.")
    assert all(f"\n  {name}: " in layer.explain() for name in (*layers.ZONE_FIELDS, *layers.LEVEL_FIELDS))


def without(key: str) -> Callable[[Table], None]:
    return lambda table: table.pop(key)


def setting(path: str, value: object) -> Callable[[Table], None]:
    def change(table: Table) -> None:
        *above, last = path.split(".")
        for key in above:
            table = table[key]
        table[last] = value

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (without("id"), "id must be a name"),
        (without("title"), "the table title is missing"),
        (without("source"), "the table source is missing"),
        (without("fields"), "the table fields is missing"),
        (setting("sql", "select 1"), "unknown key sql"),
        (
            setting("source.zones", "cameras"),
            "source.zones must be one of communities, units, patrol_zones, cells, came 'cameras'",
        ),
        (setting("source.levels", 1), "source.levels must be true or false"),
        (setting("source.query", "…"), "unknown key query"),
        (setting("source", {"objects": []}), "source.objects must be a list of kinds and stand alone"),
        (setting("source.objects", ["gate"]), "source.objects must be a list of kinds and stand alone"),
        (setting("source", {"objects": ["gate"]}), "must describe exactly id, name, kind, grade, valid_from"),
        (setting("title", {"zh": "预警"}), "title needs a text in each of zh, en"),
        (setting("fields.count", "Incidents"), "field count must be a sentence ending in its unit"),
        (setting("fields.phone", "Telephone [text]"), "must describe exactly id, name, class, month, count"),
        (setting("minzoom", 15), "minzoom 15 lies above maxzoom 14"),
        (setting("maxzoom", 99), "maxzoom must be a zoom from 0 to 24, came 99"),
        (setting("maxzoom", True), "maxzoom must be a zoom"),
        (setting("id", "Warnings!"), "id must be a name of small letters"),
        (setting("role", 1), "role must be a name of small letters"),
        (setting("style", "points"), "style must be levels or plain here, came 'points'"),
        (setting("style", "hatched"), "style must be levels or plain here, came 'hatched'"),
    ],
)
def test_a_layer_that_cannot_be_drawn_is_refused(change: Callable[[Table], None], said: str):
    table = warnings()
    change(table)
    with pytest.raises(BadRule, match=r"^warnings\.toml") as caught:
        layers.parse(table, written.Written("warnings.toml"))
    assert said in str(caught.value)


def test_a_view_of_a_role_shows_what_is_for_everybody_and_its_own():
    of_station = dataclasses.replace(LAYERS["units"], role="station")
    known = {**LAYERS, "units": of_station}
    assert layers.seen_by("station", known).layers == set(LAYERS)
    assert layers.seen_by("branch_duty", known).layers == set(LAYERS) - {"units"}


def test_what_grouped_features_say_is_described_once_for_all_layers():
    of_levels = [f"of_{level.name}" for level in SCHEME.levels]
    for layer in LAYERS.values():
        assert list(layer.grouped) == ["places", *(of_levels if layer.wears_levels else [])]
        assert list(layer.tile_fields) == [*layer.fields, *layer.grouped]
    table = tomllib.loads((LAYERS_FOLDER / "fields" / "grouped.toml").read_text(encoding="utf-8"))
    del table["fields"]["of_red"]
    with pytest.raises(BadRule, match="must describe exactly places, of_none, of_yellow, of_orange, of_red, of_black"):
        layers.parse_grouped(table, written.Written("grouped.toml"), SCHEME)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (setting("plain", "grey"), "marks.toml: plain must look like #d7263d, came 'grey'"),
        (setting("kinds.gate", "#FFFFFF"), "marks.toml: gate must look like #d7263d, came '#FFFFFF'"),
        (setting("hatched", "#ffffff"), "marks.toml: unknown key hatched"),
        (without("kinds"), "marks.toml: the table kinds is missing"),
    ],
)
def test_marks_that_cannot_be_drawn_are_refused(change: Callable[[Table], None], said: str):
    table = tomllib.loads((LAYERS_FOLDER / "styles" / "marks.toml").read_text(encoding="utf-8"))
    change(table)
    with pytest.raises(BadRule) as caught:
        layers.parse_marks(table, written.Written("marks.toml"))
    assert said in str(caught.value)


def test_every_kind_of_object_has_a_colour_that_no_level_wears():
    marks = files.read_marks(LAYERS_FOLDER)
    kinds = {kind for layer in LAYERS.values() for kind in layer.objects}
    assert kinds <= set(marks.kinds)
    worn = [level.colour for level in (*SCHEME.levels, SCHEME.unknown)]
    assert len({*worn, *marks.kinds.values(), marks.other}) == len(worn) + len(marks.kinds) + 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (setting("levels", []), "codes of [[levels]] must count up from 0"),
        (lambda table: table["levels"].pop(1), "codes of [[levels]] must count up from 0, came [0, 2, 3, 4]"),
        (lambda table: table["levels"][3].update(colour="red"), "colour must look like #d7263d, came 'red'"),
        (lambda table: table["levels"][3].update(colour="#f28e2b"), "every level needs its own colour"),
        (lambda table: table["levels"][3].update(name="orange"), "every level needs its own name"),
        (lambda table: table["levels"][3].update(pattern="stripes"), "pattern must be one of"),
        (lambda table: table["levels"][3].update(threshold=4), "unknown key threshold"),
        (without("unknown"), "the table unknown is missing"),
        (without("range"), "the table range is missing"),
    ],
)
def test_a_scheme_that_would_mislead_is_refused(change: Callable[[Table], None], said: str):
    table = colours()
    change(table)
    with pytest.raises(BadRule, match=r"^levels\.toml") as caught:
        layers.parse_levels(table, written.Written("levels.toml"))
    assert said in str(caught.value)
