"""One scheme, four outputs: MapLibre, legend, QML and SLD hold its colours, texts and patterns, look by look."""

import re
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo_service import files
from geo_service.maps import desktop_styles, legends, patterns, styles
from geo_service.maps.layers import Layer
from tests.maps.drawn import LAYERS, LAYERS_FOLDER, SCHEME

MARKS = files.read_marks(LAYERS_FOLDER)
KINDS = {"gate": {"zh": "出入口", "en": "Gate"}}
PALETTE = styles.Palette(SCHEME, [1, 2, 4, 6], MARKS, KINDS)
BY_ID = pytest.mark.parametrize("layer", LAYERS.values(), ids=lambda layer: layer.id)
IN_BOTH = pytest.mark.parametrize("language", ["zh", "en"])
SPACES = {"": "http://www.opengis.net/sld", "se": "http://www.opengis.net/se", "ogc": "http://www.opengis.net/ogc"}
ANGLES = {"": [], "diagonal": ["45"], "cross": ["45", "135"], "dots": []}


def style(layer: str) -> styles.Style:
    return styles.of_layer(LAYERS[layer], PALETTE)


def test_the_looks_of_a_layer_with_levels_are_those_of_the_scheme_and_the_rule():
    looks = style("warnings").looks
    assert [(look.value, look.colour, look.pattern) for look in looks] == [
        (level.code, level.colour, level.pattern) for level in (*SCHEME.levels, SCHEME.unknown)
    ]
    assert [look.label("en") for look in looks] == [
        "none (0)", "yellow (1)", "orange (2–3)", "red (4–5)", "black (6 or more)", "no data",
    ]  # fmt: skip
    assert looks[3].label("zh") == "红色预警（4–5 起）"


def test_points_are_told_by_kind_and_what_stands_for_several_has_a_look_too():
    made = style("prevention")
    assert [(look.value, look.colour) for look in made.looks] == [
        ("guard_post", "#0b6e4f"),
        ("checkpoint", "#1f78b4"),
        ("gate", "#7a5195"),
        ("perimeter_alarm", "#00a6a6"),
        (None, MARKS.other),
    ]
    assert made.looks[2].text == KINDS["gate"]
    assert made.field == "kind"


def maplibre(*made: styles.Style, **said: str) -> dict[str, Any]:
    return styles.maplibre(made, "https://maps.example", **said)


def wears(test: Any, properties: dict[str, object]) -> bool:
    """Answer a MapLibre filter of ours."""
    match test:
        case None:
            return True
        case ["!", ["has", field]]:
            return field not in properties
        case ["==", ["get", field], value]:
            return properties.get(field) == value
        case _:
            raise AssertionError(f"no filter of ours: {test}")


@BY_ID
def test_a_maplibre_style_draws_each_value_in_its_look_and_nothing_else(layer: Layer):
    made = styles.of_layer(layer, PALETTE)
    drawn = maplibre(made, query="?month=2024-05")
    kind = "circle" if layer.style == "points" else "fill"
    for look in made.looks:
        properties = {made.field: look.value} if look.value is not None else {}
        seen = [one for one in drawn["layers"] if one["type"] == kind and wears(one.get("filter"), properties)]
        assert seen[0]["paint"][f"{kind}-color"] == look.colour
        assert [one["paint"]["fill-pattern"] for one in seen[1:]] == (
            [f"pattern-{look.pattern}"] if look.pattern else []
        )
        assert {one["source-layer"] for one in seen} == {layer.id}
    assert drawn["sources"][layer.id]["tiles"] == [
        f"https://maps.example/tiles/{layer.id}/{{z}}/{{x}}/{{y}}.mvt?month=2024-05"
    ]
    legend = drawn["metadata"][f"{layer.id}:legend"]
    assert [(told["value"], told["colour"], told["text"], told["range"]) for told in legend["looks"]] == [
        (look.value, look.colour, look.text, look.span) for look in made.looks
    ]
    names = [one["id"] for one in drawn["layers"]]
    assert len(set(names)) == len(names)


def test_of_several_layers_the_first_is_lowest_and_the_worst_level_is_drawn_last():
    drawn = maplibre(style("patrol_zone_warnings"), style("warnings"), language="zh")
    names = [one["id"] for one in drawn["layers"]]
    assert names[:2] == ["ground", "patrol_zone_warnings-unknown"]
    assert names.index("patrol_zone_warnings-edge") < names.index("warnings-unknown")
    fills = [name for name in names if name.startswith("warnings-") and name.count("-") == 1]
    assert fills == [f"warnings-{name}" for name in ("unknown", "none", "yellow", "orange", "red", "black", "edge")]
    assert drawn["name"] == "巡区预警 · 小区预警"
    assert all(index in styles.sprite(1)[0] for index in re.findall(r"pattern-\w+", str(drawn["layers"])))


@BY_ID
@IN_BOTH
def test_a_qgis_style_has_a_category_for_each_look(layer: Layer, language: str):
    made = styles.of_layer(layer, PALETTE)
    renderer = ET.fromstring(desktop_styles.qml(made, language)).find("renderer-v2")
    assert renderer.get("attr", "") == made.field
    symbols = {symbol.get("name"): symbol for symbol in renderer.findall("symbols/symbol")}
    categories = renderer.findall("categories/category")
    if made.field:
        assert [(told.get("value"), told.get("label")) for told in categories] == [
            ("" if look.value is None else str(look.value), look.label(language)) for look in made.looks
        ]
    for at, look in enumerate(made.looks):
        first, *over = symbols[categories[at].get("symbol") if categories else "0"].findall("layer")
        colour = first.find("prop[@k='color']").get("v").split(",")[:3]
        assert tuple(map(int, colour)) == patterns.rgb(look.colour)
        assert [
            hatch.find("prop[@k='angle']").get("v") for hatch in over if hatch.get("class") == "LinePatternFill"
        ] == (ANGLES[look.pattern])
        assert [hatch.get("class") for hatch in over if not hatch.get("class").startswith("Line")] == (
            ["PointPatternFill"] if look.pattern == "dots" else []
        )


@BY_ID
@IN_BOTH
def test_an_sld_has_a_rule_for_each_look(layer: Layer, language: str):
    made = styles.of_layer(layer, PALETTE)
    root = ET.fromstring(desktop_styles.sld(made, language))
    assert root.get("version") == "1.1.0"
    assert root.find("NamedLayer/se:Name", SPACES).text == layer.id
    rules = root.findall(".//se:Rule", SPACES)
    assert len(rules) == len(made.looks)
    for rule, look in zip(rules, made.looks, strict=True):
        assert rule.find("se:Description/se:Title", SPACES).text == look.label(language)
        assert rule.find(".//se:SvgParameter[@name='fill']", SPACES).text == look.colour
        value = rule.find("ogc:Filter/ogc:PropertyIsEqualTo/ogc:Literal", SPACES)
        assert (value is None) == (look.value is None)
        assert value is None or value.text == str(look.value)
        assert (rule.find("ogc:Filter/ogc:PropertyIsNull", SPACES) is not None) == (
            look.value is None and bool(made.field)
        )
        assert [angle.text for angle in rule.findall(".//se:Rotation/ogc:Literal", SPACES)] == ANGLES[look.pattern]
        dotted = rule.find(".//se:SvgParameter[@name='stroke-dasharray']", SPACES)
        assert (dotted is not None) == (look.pattern == "dots")


@BY_ID
@IN_BOTH
def test_a_legend_shows_every_look_with_its_text_and_pattern(layer: Layer, language: str):
    made = styles.of_layer(layer, PALETTE)
    space = {"": "http://www.w3.org/2000/svg"}
    drawn = ET.fromstring(legends.svg(made, language))
    title, *labels = [text.text for text in drawn.findall("text", space)]
    assert title == layer.title[language]
    assert labels == [look.label(language) for look in made.looks]
    swatches = [*drawn.findall("rect[@stroke]", space), *drawn.findall("circle", space)]
    assert [swatch.get("fill") for swatch in swatches] == [look.colour for look in made.looks]
    over = [rect.get("fill") for rect in drawn.findall("rect", space) if rect.get("fill").startswith("url")]
    assert over == [f"url(#{look.pattern})" for look in made.looks if look.pattern]
    assert {f"url(#{pattern.get('id')})" for pattern in drawn.findall("defs/pattern", space)} == set(over)


def test_a_legend_is_as_wide_as_its_longest_line():
    short, long = (legends.lay_out(style("warnings"), language) for language in ("zh", "en"))
    assert short.width >= 12 + 34 + 10 + legends.width_of([row.label for row in short.rows], legends.FONT_PX)
    assert long.width >= 12 + legends.width_of([long.title], legends.TITLE_PX)


def test_text_of_a_title_is_no_markup():
    hostile = styles.Style(
        LAYERS["units"], "", (styles.Look("plain", None, "#5d7089", "", {"zh": "甲", "en": "<b>&"}),)
    )
    assert ET.fromstring(legends.svg(hostile, "en")).findall("{*}text")[1].text == "<b>&"
    rule = ET.fromstring(desktop_styles.sld(hostile, "en")).find(".//se:Rule/se:Description/se:Title", SPACES)
    assert rule.text == "<b>&"


@given(st.sampled_from(list(patterns.INKS)), st.integers(6, 48))
def test_a_pattern_repeats_without_a_seam_and_lets_the_colour_through(pattern: str, side: int):
    drawn = patterns.tile(pattern, side)
    alpha = drawn[..., 3].astype(int)
    assert 0.02 < (alpha > 0).mean() < 0.9
    assert alpha.max() <= round(patterns.INKS[pattern].opacity * 255)
    for angle in patterns.INKS[pattern].angles:
        along = np.roll(alpha, (1, -1 if angle == 45 else 1), axis=(0, 1))  # a step along the line, round the edges
        if len(patterns.INKS[pattern].angles) == 1:
            assert np.array_equal(along, alpha)
    assert np.array_equal(np.tile(drawn, (2, 2, 1))[side:, side:], drawn)


def test_the_pixels_of_a_pattern_are_those_of_its_drawing():
    """Diagonal rises to the right, as "M0,6 l6,-6" does: the lower left and the upper right corner are on the line."""
    diagonal, cross = patterns.tile("diagonal", 60)[..., 3], patterns.tile("cross", 60)[..., 3]
    assert diagonal[59, 0] > 0
    assert diagonal[0, 59] > 0
    assert diagonal[10, 10] == 0
    assert np.array_equal(cross, np.maximum(diagonal, diagonal[:, ::-1]))
    dots = patterns.tile("dots", 60)[..., 3]
    assert dots[30, 30] > 0
    assert dots[0, 0] == dots[30, 40] == 0
