"""Normalise: the many ways of writing one address become one, and each character remembers where it stood.

Pure.  Full width becomes half width, traditional characters simplified ones, punctuation and spaces go, Chinese
numerals become digits where they count something (三号楼, 一百米), and nowhere else (三里屯, 八一路).  Names of the
gazetteer pass through here too, so both sides are written alike.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from geo_service.geography.addresses import characters

_AND = "与"
_JOINERS = "、/&+＋／＆"
_KEPT = frozenset("-~#.")  # 3-2-501, 1~30号, 3#楼, 1.5公里
_DASHES = "—–－‐―﹣"
_TILDES = "～〜∼"
# Unicode's punctuation, spaces, signs, controls.
_DROPPED = frozenset(("Pc", "Pd", "Pe", "Pf", "Pi", "Po", "Ps", "Zs", "Zl", "Zp", "Sm", "Sc", "Sk", "So", "Cc", "Cf"))
_DIGITS = {
    **dict(zip("壹贰叁肆伍陆柒捌玖", range(1, 10), strict=True)),
    "〇": 0,
    "零": 0,
    "一": 1,
    "二": 2,
    "两": 2,
    "三": 3,
    "四": 4,
    "五": 5,
    "六": 6,
    "七": 7,
    "八": 8,
    "九": 9,
}
_TENS = {"十": 10, "百": 100, "千": 1000, "拾": 10, "佰": 100, "仟": 1000}
_NUMERALS = "〇一二三四五六七八九"
_POINT = re.compile(r"(?<!\d)\.|\.(?!\d)")  # no decimal point
_PHASE = re.compile(r"(?<!\d)\d(?=期)")  # 水景花园二期: a part of the name, not a count
_COUNTED = re.compile(
    "[〇零一二两三四五六七八九十百千]+(?=号|栋|幢|座|单元|室|组|队|排|米|公里|里地|段|巷|弄|层|楼|#|邻)"
)


@dataclass(frozen=True)
class Text:
    """A text in one way of writing; ``origin[i]`` is where ``plain[i]`` stood in `raw`, with one more for the end."""

    raw: str
    plain: str
    origin: tuple[int, ...]

    def written(self, begin: int, end: int) -> str:
        """Give what stood in the raw text for plain[begin:end]."""
        return self.raw[self.origin[begin] : self.origin[end - 1] + 1] if begin < end else ""


def plain(raw: str) -> str:
    """Write a text in the one way.

    >>> plain("濟寧市任城區古槐路１２３號")
    '济宁市任城区古槐路123号'
    >>> plain("水景花园 三号楼，（二单元）")
    '水景花园3号楼2单元'
    >>> plain("八一路、三里屯路口向西一百二十米")
    '八一路与三里屯路口向西120米'
    """
    text = raw.translate(_table())
    if "." in text:
        text = _POINT.sub("", text)
    if "期" in text:
        text = _PHASE.sub(_as_numeral, text)
    return _COUNTED.sub(_as_digits, text) if _COUNTED.search(text) else text


def read(raw: str) -> Text:
    """Write a text in the one way, and remember where each character came from.

    >>> text = read("金珠路，一百米")
    >>> text.plain, text.written(3, 6)
    ('金珠路100米', '一百')
    """
    table = _table()
    letters: list[str] = []
    origin: list[int] = []
    for at, letter in enumerate(raw):
        for one in letter.translate(table):
            letters.append(one)
            origin.append(at)
    points = {match.start() for match in _POINT.finditer("".join(letters))}
    letters = [letter for at, letter in enumerate(letters) if at not in points]
    origin = [place for at, place in enumerate(origin) if at not in points]
    text, done = _PHASE.sub(_as_numeral, "".join(letters)), 0
    found: list[str] = []
    at_last: list[int] = []
    for match in _COUNTED.finditer(text):
        digits = _as_digits(match)
        found.append(text[done : match.start()] + digits)
        at_last += origin[done : match.start()]
        begin, end = match.span()  # the first digits stand for the first numerals, the last for the last
        at_last += [origin[begin + i * (end - begin) // len(digits)] for i in range(len(digits) - 1)] + [
            origin[end - 1]
        ]
        done = end
    found.append(text[done:])
    at_last += origin[done:]
    return Text(raw, "".join(found), (*at_last, len(raw)))


@cache
def _table() -> Mapping[int, str]:
    table = dict(characters.plain_table())
    for code in range(0x10000):
        letter = table.get(code, chr(code))
        if letter not in _KEPT and unicodedata.category(letter) in _DROPPED:
            table[code] = ""
    table.update({ord(letter): _AND for letter in _JOINERS})
    table.update({ord(letter): "-" for letter in _DASHES})
    table.update({ord(letter): "~" for letter in _TILDES})
    return table


def _as_numeral(match: re.Match[str]) -> str:
    return _NUMERALS[int(match[0])]


def _as_digits(match: re.Match[str]) -> str:
    """Read numerals: 一百二十三 by value, 一二三 letter by letter."""
    letters = match[0]
    if not any(letter in _TENS for letter in letters):
        return "".join(str(_DIGITS[letter]) for letter in letters)
    whole, last = 0, -1
    for letter in letters:
        if letter in _TENS:
            whole += (last if last >= 0 else 1) * _TENS[letter]
            last = -1
        else:
            last = _DIGITS[letter]
    return str(whole + max(last, 0))
