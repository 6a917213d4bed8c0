"""The words people read: both languages say the same things, and the page finds every word it asks for."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from geo_service import files
from geo_service.analysis import rules
from geo_service.geography.addresses import calibrate

TEXTS = files.read_texts()
PAGE = Path(__file__).resolve().parents[2] / "geo_service" / "web" / "page" / "src"
GROUPS = ("month", "place", "incidents", "status", "age", "map", "attention", "page")


def flat(texts: Mapping[str, object], above: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in texts.items():
        found |= flat(value, f"{above}{key}.") if isinstance(value, Mapping) else {above + key: str(value)}
    return found


def test_both_languages_say_the_same_things():
    assert set(TEXTS) == {"zh", "en"}
    zh, en = flat(TEXTS["zh"]), flat(TEXTS["en"])
    assert list(zh) == list(en)
    for key, text in zh.items():
        assert text.strip()
        assert en[key].strip()
        assert sorted(re.findall(r"\{\w+\}", text)) == sorted(re.findall(r"\{\w+\}", en[key])), key


def test_every_match_level_has_a_word():
    assert set(TEXTS["zh"]["level"]) == {*calibrate.FINE, *calibrate.COARSE}


def test_chinese_is_chinese_and_english_is_not():
    said = [re.sub(r"\{\w+\}", "", text) for text in flat(TEXTS["zh"]).values()]
    assert not [text for text in said if re.search("[a-z]", text) and not re.search(r"[\u4e00-\u9fff]", text)]
    assert not any(re.search(r"[\u4e00-\u9fff]", text) for text in flat(TEXTS["en"]).values())


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_code_has_words(language: str):
    words = flat(TEXTS[language])
    for alert in rules.Levels.alert_counts(made_levels()):
        assert f"alert.{alert}" in words
    for placed in ("located", "outside", "waiting"):
        assert f"placed.{placed}" in words


def made_levels() -> rules.Levels:
    [levels, *_] = files.read_rules(files.shipped("rules"), "unit_first").levels
    return levels


def test_the_page_finds_every_word_it_asks_for():
    source = "\n".join(path.read_text(encoding="utf-8") for path in PAGE.glob("*.ts"))
    asked = set(re.findall(rf'"((?:{"|".join(GROUPS)})\.[a-z_]+)"', source))
    asked |= set(re.findall(r'\.say\("([a-z_.]+)"', source))
    assert len(asked) > 20
    missing = {key for key in asked if key not in flat(TEXTS["zh"])} - {"pushed", "polled", "lost", "connecting"}
    assert missing == set()
