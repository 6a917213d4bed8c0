"""Characters: one way to write each, how it is read, what it looks like."""

import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo_service.geography.addresses import characters


def read(character: str) -> list[str]:
    return [characters.syllables()[sound] for sound in characters.sounds()[ord(character)] if sound]


def near(one: str, other: str) -> bool:
    name = {sound: at for at, sound in enumerate(characters.syllables())}
    return bool(characters.near_sounds()[name[one]] == characters.near_sounds()[name[other]])


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("兗州區", "兖州区"),  # traditional
        ("１２３号楼Ａ座", "123号楼A座"),  # full width
        ("b区（东）", "B区(东)"),
        ("①号　②号", "1号 2号"),
        ("⼟山", "土山"),  # a radical that stands for the character
        ("金鄉縣化雨鎮", "金乡县化雨镇"),
    ],
)
def test_a_character_has_one_plain_form(written: str, plain: str):
    assert written.translate(characters.plain_table()) == plain


@given(st.text())
def test_positions_stay_what_they_were(text: str):
    assert len(text.translate(characters.plain_table())) == len(text)


@given(st.text())
def test_a_plain_text_is_plain(text: str):
    plain = text.translate(characters.plain_table())
    assert plain.translate(characters.plain_table()) == plain


def test_what_would_become_several_characters_is_left():
    assert "㎡Ⅲ㈠ß".translate(characters.plain_table()) == "㎡Ⅲ㈠ß"


def test_common_characters_are_plain_already():
    text = "济宁市任城区兖州曲阜泗水邹城微山鱼台金乡嘉祥汶上梁山里后面干于着乾"
    assert text[:-1].translate(characters.plain_table()) == text[:-1]


def test_readings_come_commonest_first_and_without_tone():
    assert read("薄") == ["bao", "bo", "bu"]
    assert read("乐") == ["le", "yue"]
    assert read("长") == ["zhang", "chang"]
    assert read("重") == ["zhong", "chong", "tong"]
    assert read("女") == ["nv", "ru"]
    assert read("泗") == ["si"]
    assert read("3") == []


def test_every_syllable_is_letters():
    assert all(sound.isascii() and sound.isalpha() and sound.islower() for sound in characters.syllables()[1:])
    assert len(characters.syllables()) < 512  # 9 bits in similar.py


def test_every_chinese_character_in_use_has_a_sound():
    gb2312 = [bytes([high, low]) for high in range(0xB0, 0xF8) for low in range(0xA1, 0xFF)]
    common = "".join(code.decode("gb2312", "ignore") for code in gb2312)
    assert len(common) == 6763
    assert (characters.sounds()[[ord(one) for one in common], 0] > 0).all()


@pytest.mark.parametrize(
    ("one", "other", "difference"),
    [
        ("zhong", "zong", "zh/z"),
        ("chen", "cen", "ch/c"),
        ("shi", "si", "sh/s"),
        ("nan", "lan", "n/l"),
        ("rou", "lou", "r/l"),
        ("fu", "hu", "f/h"),
        ("hui", "fei", "h/f"),
        ("huang", "fang", "h/f"),
        ("men", "meng", "en/eng"),
        ("jing", "jin", "ing/in"),
        ("yang", "yan", "ang/an"),
        ("zheng", "zen", "zh/z, eng/en"),
    ],
)
def test_a_near_sound_says_what_is_mistaken(one: str, other: str, difference: str):
    assert near(one, other)
    assert characters.sound_difference(one, other) == difference


@pytest.mark.parametrize(("one", "other"), [("ji", "qi"), ("ba", "pa"), ("dong", "deng"), ("e", "en"), ("li", "lv")])
def test_other_sounds_are_not_near(one: str, other: str):
    assert not near(one, other)


def test_no_sound_is_near_to_none():
    assert characters.near_sounds()[0] == 0
    assert (characters.near_sounds()[1:] > 0).all()


@pytest.mark.parametrize(
    "pair", tuple(zip("薄未土己栗任兖峄大戴柏店侯曰人干", "簿末士已粟仁衮译太截拍庙候日入千", strict=True))
)
def test_the_eye_mistakes(pair: tuple[str, str]):
    one, other = pair
    assert other in characters.look_alikes()[one]
    assert one in characters.look_alikes()[other]


def test_look_alikes_are_few_and_never_digits_or_letters():
    alike = characters.look_alikes()
    assert all(one not in others and len(others) < 64 for one, others in alike.items())
    assert all(unicodedata.name(one).startswith("CJK UNIFIED") for one in alike)
    assert np.mean([len(others) for others in alike.values()]) < 8


def test_unlike_characters_do_not_look_alike():
    alike = characters.look_alikes()
    for one, other in ("东西", "南北", "路街", "村镇", "楼区"):
        assert other not in alike[one]
