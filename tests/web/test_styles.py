"""Styles and legends over HTTP: what each address gives, in which language, and that clients may keep it."""

from io import BytesIO
from xml.etree import ElementTree as ET

import httpx
import numpy as np
import pytest
from PIL import Image

from geo_service.maps import patterns, styles
from geo_service.web import pictures
from tests.maps.drawn import SCHEME


def colours(picture: httpx.Response) -> set[tuple[int, ...]]:
    pixels = np.asarray(Image.open(BytesIO(picture.content)).convert("RGB")).reshape(-1, 3)
    return {tuple(colour) for colour in np.unique(pixels, axis=0).tolist()}


def test_every_layer_lists_its_styles_and_legends_and_each_address_answers(client: httpx.Client):
    listed = client.get("/styles").json()["styles"]
    assert [style["id"] for style in listed] == [
        layer["id"] for layer in client.get("/collections").json()["collections"]
    ]
    for style in listed:
        for link in style["links"]:
            answer = client.get(link["href"])
            assert (answer.status_code, answer.headers["content-type"]) == (200, link["type"])
        collection = client.get(f"/collections/{style['id']}").json()
        assert [link for link in collection["links"] if link["rel"] == "stylesheet"] == [
            link for link in style["links"] if link["rel"] == "stylesheet"
        ]


def test_a_style_names_this_server_and_the_month_asked_for(client: httpx.Client):
    here = str(client.base_url).rstrip("/")
    style = client.get("/styles/patrol_zone_warnings,warnings.json?month=2024-03&language=en").json()
    assert list(style["sources"]) == ["patrol_zone_warnings", "warnings"]
    assert style["sources"]["warnings"]["tiles"] == [f"{here}/tiles/warnings/{{z}}/{{x}}/{{y}}.mvt?month=2024-03"]
    assert style["name"] == "Patrol zone warnings · Community warnings"
    assert style["sprite"] == f"{here}/sprites/patterns"
    for at in ("", "@2x"):
        index = client.get(f"/sprites/patterns{at}.json").json()
        sheet = Image.open(BytesIO(client.get(f"/sprites/patterns{at}.png").content))
        for name, box in index.items():
            right, lower = box["x"] + box["width"], box["y"] + box["height"]
            cut = np.asarray(sheet.crop((box["x"], box["y"], right, lower)))
            assert np.array_equal(cut, patterns.tile(name.removeprefix("pattern-"), box["width"]))


def test_texts_come_in_the_language_asked_for_and_else_in_the_servers(client: httpx.Client):
    texts = {
        language: ET.fromstring(client.get(f"/legends/warnings.svg{language}").text).findall("{*}text")[4].text
        for language in ("", "?language=zh", "?language=en")
    }
    assert texts == {"": "红色预警（4–5 起）", "?language=zh": "红色预警（4–5 起）", "?language=en": "red (4–5)"}
    assert client.get("/legends/warnings.svg?language=en").headers["content-language"] == "en"


def test_the_picture_of_a_legend_shows_the_colours_of_the_scheme(client: httpx.Client):
    answer = client.get("/legends/warnings.png?language=zh")
    assert answer.headers["content-language"] == pictures.language_drawn("zh")
    assert {patterns.rgb(level.colour) for level in (*SCHEME.levels, SCHEME.unknown)} <= colours(answer)
    assert patterns.rgb("#7a5195") in colours(client.get("/legends/prevention.png"))


def test_without_a_chinese_font_a_picture_says_the_same_in_english(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
):
    as_english = client.get("/legends/warnings.png?language=en").content
    monkeypatch.setattr(pictures, "_CHINESE", ())
    pictures.chinese_font.cache_clear()
    pictures._font.cache_clear()
    try:
        answer = client.get("/legends/warnings.png?language=zh")
    finally:
        monkeypatch.undo()
        pictures.chinese_font.cache_clear()
        pictures._font.cache_clear()
    assert answer.headers["content-language"] == "en"
    assert Image.open(BytesIO(answer.content)).size == Image.open(BytesIO(as_english)).size


def test_what_a_client_holds_is_not_sent_again(client: httpx.Client):
    for path in ("/styles/warnings.json", "/legends/units.svg", "/sprites/patterns.png", "/styles/venues.sld"):
        first = client.get(path)
        again = client.get(path, headers={"if-none-match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == first.headers["etag"]
        assert client.head(path).status_code == 200


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/styles/nothing.json", 404, "there is no layer 'nothing'"),
        ("/styles/warnings,warnings.json", 400, "names a layer twice"),
        ("/styles/warnings.xml", 404, "there is no /styles/warnings.xml; there are qml, sld"),
        ("/legends/warnings.gif", 404, "there are svg, png"),
        ("/legends/warnings.svg?language=fr", 400, "language=fr"),
        ("/legends/warnings.svg?month=1999-12", 400, "1999-12"),
        ("/styles/warnings.json?mouth=2024-05", 400, "unknown parameter 'mouth'"),
        ("/sprites/icons.json", 404, "there are patterns, patterns@2x"),
    ],
)
def test_what_cannot_be_drawn_is_a_problem_that_says_why(client: httpx.Client, path: str, status: int, said: str):
    answer = client.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert said in answer.json()["detail"]


def test_the_sprite_index_is_what_the_style_names(client: httpx.Client):
    assert set(client.get("/sprites/patterns.json").json()) == {f"pattern-{name}" for name in patterns.INKS}
    assert styles.PIXEL_RATIOS == (1, 2)
