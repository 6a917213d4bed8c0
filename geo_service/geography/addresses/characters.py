"""Characters: which of them are the same, sound alike, or look alike.

Pure.  Three tables, each made once, when it is first asked for (0.1 s each):

- `plain_table`: one way to write each character, for str.translate;
- `sounds` with `syllables` and `near_sounds`: how a character is read, and which readings are mistaken for each other;
- `look_alikes`: which characters are mistaken for each other by the eye.

Sources: OpenCC's single characters (Apache-2.0), the dictionary of pypinyin (MIT), Unicode's compatibility forms; the
look-alikes are told in look_alikes.py.
"""

import functools
import re
import unicodedata

import numpy as np
import numpy.typing as npt

from geo_service.geography.addresses import look_alikes as drawn

__all__ = [
    "BMP",
    "NUMBERS",
    "READINGS",
    "look_alikes",
    "near_sounds",
    "plain_table",
    "sound_difference",
    "sounds",
    "syllables",
]

BMP = 1 << 16  # characters below have a row in the tables; those beyond, rare in place names, sound and look like none
NUMBERS = "0123456789〇零一二三四五六七八九十"  # 一 and 二 look alike, 四 and 十 sound alike, and mean other places
READINGS = 3  # of a character, the commonest first: 堡 is bǎo, bǔ and pù
_LAST = 0x33480  # after the last character that any version of Unicode has given to Chinese

Syllables = npt.NDArray[np.uint16]

_INITIALS = {"zh": "z", "ch": "c", "sh": "s", "n": "l", "r": "l", "h": "f"}
_FINALS = {"ang": "an", "eng": "en", "ing": "in"}
_PARTS = re.compile(r"(zh|ch|sh|[bpmfdtnlgkhjqxzcsryw]?)(.*)")
_TONES = str.maketrans("āáǎàēéěèōóǒòīíǐìūúǔùǖǘǚǜüńňǹḿề", "aaaaeeeeooooiiiiuuuuvvvvvnnnme")


@functools.cache
def plain_table() -> dict[int, str]:
    """Give the plain form of every character that has one: half width, simplified, capital.

    Each is one character for one, so that positions in a text stay what they were.  Forms that would become several
    (㎡, Ⅲ, ㈠) are not touched; nor are phrases looked at, so 乾 always becomes 干, in texts and in names alike.

    >>> "ｎｏ．３　濟寧市嶧山路".translate(plain_table())
    'NO.3 济宁市峄山路'
    """
    codes = [code for code in range(_LAST) if not 0xD800 <= code < 0xE000]
    import opencc  # noqa: PLC0415 read when first asked for, as pypinyin below: most runs do without

    simpler = opencc.OpenCC("t2s")
    plain: list[str] = []
    for code in codes:
        form = unicodedata.normalize("NFKC", chr(code))
        form = form if len(form) == 1 else chr(code)
        plain.append(form.upper() if len(form.upper()) == 1 else form)
    chinese = [at for at, form in enumerate(plain) if form >= "⺀"]
    for at, form in zip(chinese, simpler.convert("\n".join(plain[at] for at in chinese)).split("\n"), strict=True):
        plain[at] = form if len(form) == 1 else plain[at]
    return {code: form for code, form in zip(codes, plain, strict=True) if form != chr(code)}


@functools.cache
def syllables() -> tuple[str, ...]:
    """Give every syllable of Chinese without its tone, ü written v; number 0 is no sound.

    >>> syllables()[sounds()[ord("薄"), 0]], syllables()[sounds()[ord("薄"), 1]]
    ('bao', 'bo')
    """
    return ("", *sorted({sound for readings in _readings().values() for sound in readings}))


@functools.cache
def sounds() -> Syllables:
    """Give the syllables of every character, as numbers in `syllables`, the commonest first, 0 where there is none.

    A row for each of the BMP, READINGS wide.  Source: pypinyin's dictionary, whose first reading is the commonest.

    >>> [syllables()[sound] for sound in sounds()[ord("重")]]
    ['zhong', 'chong', 'tong']
    """
    number = {sound: at for at, sound in enumerate(syllables())}
    found = np.zeros((BMP, READINGS), np.uint16)
    for code, readings in _readings().items():
        for at, sound in enumerate(readings):
            found[code, at] = number[sound]
    found.setflags(write=False)
    return found


@functools.cache
def near_sounds() -> Syllables:
    """Give for each syllable the one that stands for all that are mistaken for it.

    Speakers, and those who write down what they hear, mix zh/z ch/c sh/s n/l r/l h/f and an/ang en/eng in/ing.

    >>> name = {sound: at for at, sound in enumerate(syllables())}
    >>> bool(near_sounds()[name["zheng"]] == near_sounds()[name["zen"]])
    True
    """
    number: dict[str, int] = {"": 0}
    folded = [number.setdefault(_folded(sound), len(number)) for sound in syllables()]
    return np.array(folded, np.uint16)


def sound_difference(one: str, other: str) -> str:
    """Name what two syllables that are mistaken for each other differ in.

    >>> sound_difference("zhen", "zeng"), sound_difference("hui", "fei")
    ('zh/z, en/eng', 'h/f')
    """
    (start, rest), (other_start, other_rest) = _parts(one), _parts(other)
    differ = [f"{start}/{other_start}"] if start != other_start else []
    if _FINALS.get(rest[-3:], rest[-2:]) == _FINALS.get(other_rest[-3:], other_rest[-2:]) and rest != other_rest:
        ends = [end[-3:] if end[-3:] in _FINALS else end[-2:] for end in (rest, other_rest)]
        differ += ["/".join(ends)] if ends[0] != ends[1] else []
    return ", ".join(differ) or f"{one}/{other}"


@functools.cache
def look_alikes() -> dict[str, str]:
    """Give for each character those that the eye mistakes for it, both ways.

    >>> "簿" in look_alikes()["薄"] and "薄" in look_alikes()["簿"]
    True
    """
    found: dict[str, set[str]] = {}
    for one, *others in drawn.GROUPS.replace("|", "\n").split():
        for other in others:
            found.setdefault(one, set()).add(other)
            found.setdefault(other, set()).add(one)
    return {one: "".join(sorted(others)) for one, others in sorted(found.items())}


@functools.cache
def _readings() -> dict[int, list[str]]:
    """Give the first READINGS syllables of every character that has a sound, without tones."""
    from pypinyin import pinyin_dict  # noqa: PLC0415 with PYPINYIN_NO_PHRASES set it takes 55 MB less (cli)

    found: dict[int, list[str]] = {}
    for code, readings in pinyin_dict.pinyin_dict.items():
        if code < BMP:
            found[code] = list(dict.fromkeys(_toneless(reading) for reading in readings.split(",")))[:READINGS]
    return found


def _toneless(reading: str) -> str:
    plain = unicodedata.normalize("NFC", reading).translate(_TONES)
    return "".join(letter for letter in unicodedata.normalize("NFD", plain) if letter.isascii())


def _parts(sound: str) -> tuple[str, str]:
    found = _PARTS.fullmatch(sound)
    return (found[1], found[2]) if found else ("", sound)


def _folded(sound: str) -> str:
    start, rest = _parts(sound)
    if start == "h" and rest[:1] == "u" and len(rest) > 1:  # hua, hui, huang are heard as fa, fei, fang
        rest = "ei" if rest == "ui" else "en" if rest == "un" else rest[1:]
    end = _FINALS.get(rest[-3:])
    return _INITIALS.get(start, start) + (rest[:-3] + end if end else rest)
