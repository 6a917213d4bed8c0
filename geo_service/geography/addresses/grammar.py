"""Grammar: a dispatch address is cut into its parts; what no rule and no name explains is kept and shown.

Pure.  Names of the gazetteer and the words around them (3号楼, 东门, 与, 交叉口, 向西100米, 对面) compete for the
text: the cut that explains most of it in the longest pieces wins.  `understood` looks at the rest once more: what ends
as a road, a compound or a village does is taken for one that the gazetteer does not know.
"""

import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, NamedTuple

import ahocorasick

NAME, UNKNOWN, CHATTER = "name", "unknown", "chatter"
DIRECTIONS = {
    "北": 0.0,
    "东北": 45.0,
    "东": 90.0,
    "东南": 135.0,
    "南": 180.0,
    "西南": 225.0,
    "西": 270.0,
    "西北": 315.0,
}
LENGTHS_M = {"米": 1.0, "M": 1.0, "公里": 1000.0, "千米": 1000.0, "里": 500.0}

_FIXED = {
    "crossing": """交叉路口 交叉口 十字路口 丁字路口 丁字口 十字口 三岔路口 三岔口 三叉路口 岔路口 路口 交汇处 交汇口
        交会处 交会口 交界处 交接处 相交处 交口 街口""",
    "join": "与",
    "relation": """斜对面 正对面 马路对面 路对面 对面 对过 对门 附近 旁边 边上 隔壁 门口 大门口 门前 后面 后边 背后 背面
        前面 前边 楼下 楼前 楼后 院内 院里 大院 里面 里边 内部 一带 周边 周围 中间 之间 入口 出口 出入口 路边 路旁 巷口
        里侧 内侧 外侧 骑楼 人行道 停车格 机车格 停车区 便道 车道 堤外 桥下 地下 高架下 左侧 右侧 两侧 对侧 河堤
        堤防 围墙 校门 出入口前 平面停车场""",
    "class": "小区 住宅小区 社区 生活区 家属院 宿舍 村委会 办事处 路段 号灯杆 灯杆号 灯杆 路灯杆 号门牌 门牌号 门牌",
    CHATTER: """报警人称 报警人说 报警人 报警称 报警 接警 求助 有人 我现在在 我现在 现在在 我在 我们在 你好 您好 喂
        就是 那个 这边 这里 那边 快来 快点 赶紧 来人 打架 吵架 被偷 丢了 发生 事故 麻烦 地址是 地址 位于 这个 那块
        位置 地点 机车 脚踏车 自行车 汽车 电动车 车格 车位 停车位 收费 说是 大概 应该 一个 有个 的地方 靠近 处警""",
}
_WEIGHT = {"code": 1.5, CHATTER: 0.6, "class": 0.8, "relation": 0.7, "join": 0.9, "crossing": 0.9, "side": 0.7}
_DIRECTION = "东南|东北|西南|西北|东|南|西|北"
_OFFSET = re.compile(
    rf"[往向朝以偏正]*(?P<offset>{_DIRECTION})(?:边|侧|面|方向|方|头|走|行)*(?:约|大约|大概|近|差不多)*"
    r"(?P<metres>\d+(?:\.\d+)?)[多余来]?(?P<length>公里|千米|米|M(?![A-Z])|里(?!路|街))(?:多|左右|远|处|的|地方|位置)*"
)
_SIDE = re.compile(
    rf"(?:路|街|道)?(?P<side>{_DIRECTION})(?:侧|边|面|角|头|首)|(?:路|街|道)(?P<by>{_DIRECTION})(?!路|街|大街|段|环|\d)"
)
_GATE = re.compile(rf"(?P<gate>{_DIRECTION}|正|大|后|前|侧)(?:大|侧|一|二)?门")
_NUMBERED = re.compile(
    r"[第临]?(?P<number>[甲乙丙丁]?[A-Z]?\d+[A-Z]?(?:[~\-之]\d+[A-Z]?)*)(?:"
    r"(?P<building>号楼|#楼|号栋|号幢|栋|幢|座|#)|(?P<unit_number>单元)|(?P<room>室|户)|(?P<floor>楼|层)|(?P<gate>号门(?![窗面市诊牌口]))|"
    r"(?P<door>号院|号(?:附\d+号|之\d+(?:~\d+号)?)?)|(?P<group>村民小组|小组|组|队|邻|排)|(?P<section>段)|(?P<lane>巷)|(?P<alley>弄)|"
    r"(?P<away>[多余来]?(?:公里|千米|米|M(?![A-Z]))(?:多|左右|远|处|的|地方|位置)*)|(?P<bare>))"
)
_LETTERED = re.compile(r"(?P<number>[A-Z]|[甲乙丙丁])(?P<building>座|栋|幢|号楼)")
_CODE = re.compile(r"[A-Z]{1,6}-?\d[\dA-Z-]{3,}|\d{8,}")
_AT_DIRECTION = frozenset("往向朝以偏正东南西北路街道大后前侧")
_SPOKEN = {
    "area": re.compile(r"[^\d~-]{1,5}?(?:省|市|区|县|镇|乡|街道办事处|街道|办事处)"),
    "village": re.compile(r"[^\d~-]{1,7}?(?:村|里|社区|庄|屯)(?!路|街|大道|巷|里)"),
    "road": re.compile(r"[^\d~-]{1,8}?(?:大道|大街|公路|国道|省道|县道|胡同|高架|环路|路|街|线|巷|桥)"),
    "compound": re.compile(r"[^\d~-]{1,10}?(?:小区|花园|家园|嘉园|佳苑|公寓|新村|家属院|宿舍|生活区|国宅|社宅)"),
    "unit": re.compile(
        r"[^\d~-]{1,16}?(?:医院|学校|小学|中学|国小|国中|高中|大学|学院|幼儿园|超市|超商|市场|商场|酒店|宾馆|饭店|公园|广场|车站|捷运站|站|"
        r"银行|公司|工厂|派出所|图书馆|体育馆|博物馆|馆|中心|大厦|大楼|停车场|停车格|停车区|人行道|骑楼|步道|天桥|地下道|景区|寺|宫|庙|店|场)"
    ),
}  # fmt: skip
_PARTICLES = "在的了啊呢吧我是从到于"
_JOINS = "与和跟及同"  # the last four only where they stand alone: 安和路 and 大同区 are names
_LETTERS = {**dict.fromkeys("旁前后内外处上中里底", "relation"), "口": "crossing", **dict.fromkeys(_JOINS, "join")}


class Part(NamedTuple):
    """A piece of the text, plain[begin:end]; `value` is the number, label or direction, of a name its number."""

    kind: str
    begin: int
    end: int
    value: str = ""
    number: int = -1
    metres: float = 0.0


def cut(text: str, automaton: Any, codes: Any = ()) -> list[Part]:
    """Cut a plain text (normalise.plain) into parts, in order, without gaps.

    `automaton` gives (last position, number) of each name in the text.

    >>> [(part.kind, part.value) for part in cut("西100米处3号楼", ahocorasick.Automaton(ahocorasick.STORE_INTS))]
    [('offset', '西'), ('building', '3')]
    """
    starting: list[list[tuple[float, Part]]] = [[] for _ in text]
    if len(automaton):
        for last, (number, length, weight) in automaton.iter(text):
            begin = last - length + 1
            starting[begin].append((weight, Part(NAME, begin, last + 1, "", number)))
    for part in _words(text, codes):
        length = part.end - part.begin
        starting[part.begin].append((length * length * _WEIGHT.get(part.kind, 1.0), part))
    best = [0.0] * (len(text) + 1)
    chosen: list[Part | None] = [None] * len(text)
    for at in range(len(text) - 1, -1, -1):
        score, part = best[at + 1], None
        for weight, one in starting[at]:
            if weight + best[one.end] > score:
                score, part = weight + best[one.end], one
        best[at], chosen[at] = score, part
    return _in_order(text, chosen)


def _in_order(text: str, chosen: Sequence[Part | None]) -> list[Part]:
    parts: list[Part] = []
    at, unknown_from = 0, -1
    while at < len(text):
        part = chosen[at]
        if part is None:
            unknown_from = at if unknown_from < 0 else unknown_from
            at += 1
            continue
        if unknown_from >= 0:
            parts.append(_rest(text, unknown_from, at, parts))
            unknown_from = -1
        parts.append(part)
        at = part.end
    if unknown_from >= 0:
        parts.append(_rest(text, unknown_from, len(text), parts))
    return parts


def _rest(text: str, begin: int, end: int, before: Sequence[Part]) -> Part:
    """Name what no word explains: one letter after something understood may be a word of its own."""
    if end - begin == 1 and before and (text[begin] not in _JOINS or end < len(text)):
        return Part(_LETTERS.get(text[begin], UNKNOWN), begin, end, text[begin])
    return Part(UNKNOWN, begin, end)


def _words(text: str, codes: Any) -> Iterator[Part]:
    """Find every word and number that may surround names; they may overlap."""
    for last, (kind, length) in _fixed().iter(text):
        yield Part(kind, last - length + 1, last + 1, text[last - length + 1 : last + 1])
    before = " "
    for at, letter in enumerate(text):
        if letter in _AT_DIRECTION:
            yield from _directed(text, at)
        elif (
            (letter.isdigit() and not (before.isdigit() or before in "~-"))
            or "A" <= letter <= "Z"
            or letter in "第临甲乙丙丁"
        ):
            yield from _numbered(text, at, codes)
        before = letter


def _directed(text: str, at: int) -> Iterator[Part]:
    match = _OFFSET.match(text, at)
    if match:
        metres = float(match["metres"]) * LENGTHS_M[match["length"]]
        yield Part("offset", at, match.end(), match["offset"], metres=metres)
    match = _SIDE.match(text, at)
    if match:
        yield Part("side", at, match.end(), match["side"] or match["by"])
    match = _GATE.match(text, at)
    if match:
        yield Part("gate", at, match.end(), match[0])


def _numbered(text: str, at: int, codes: Any) -> Iterator[Part]:
    match = _CODE.match(text, at)
    if match and match[0] in codes:
        yield Part("code", at, match.end(), match[0])
    match = _NUMBERED.match(text, at) or _LETTERED.match(text, at)
    if not match:
        return
    kind, number = match.lastgroup or "bare", match["number"]
    if kind == "bare" and "-" in number:
        kind = "dashed"
    metres = (
        float(number) * LENGTHS_M["公里" if "里" in match[0] else "米"] if kind == "away" and number.isdigit() else 0.0
    )
    yield Part(kind, at, match.end(), match[0] if kind == "gate" else number, metres=metres)


@cache
def _fixed() -> Any:
    found = ahocorasick.Automaton()
    for kind, words in _FIXED.items():
        for word in words.split():
            found.add_word(word, (kind, len(word)))
    found.make_automaton()
    return found


def understood(text: str, parts: Sequence[Part]) -> list[Part]:
    """Cut what no word explained by how words end: 四维路 is a road, whether or not the gazetteer has it.

    >>> text = "台北市大安区住安里四维路与安和路口"
    >>> [(part.kind, text[part.begin:part.end]) for part in understood(text, cut(text, ahocorasick.Automaton()))]
    ... # doctest: +NORMALIZE_WHITESPACE
    [('area', '台北市'), ('area', '大安区'), ('village', '住安里'), ('road', '四维路'), ('join', '与'),
     ('road', '安和路'), ('crossing', '口')]
    """
    found: list[Part] = []
    for at, part in enumerate(parts):
        before, after = parts[at - 1] if at else None, parts[at + 1] if at + 1 < len(parts) else None
        if part.kind == UNKNOWN:
            shares = after and after.kind == "crossing" and text[after.begin] in "路街"  # 安和, 路口
            found += _spoken(text, part.begin, part.end + bool(shares))
        elif part.kind == "crossing" and before and before.kind == UNKNOWN and text[part.begin] in "路街":
            found.append(part._replace(begin=part.begin + 1, value=text[part.begin + 1 : part.end]))
        else:
            found.append(part)
    return found


def _spoken(text: str, begin: int, end: int) -> list[Part]:
    found: list[Part] = []
    at = begin
    while at < end and text[at] in _PARTICLES:
        at += 1
    while at < end:
        if all(letter in _LETTERS for letter in text[at:end]):
            found.append(Part("relation", at, end, text[at:end]))
            break
        ends = {kind: match.end() for kind, pattern in _SPOKEN.items() if (match := pattern.match(text, at, end))}
        if not ends:
            found.append(Part(UNKNOWN, at, end))
            break
        kind = min(ends, key=lambda kind: ends[kind])
        found.append(Part(kind, at, ends[kind], text[at : ends[kind]]))
        at = ends[kind]
        if at + 1 < end and text[at] in _JOINS:
            found.append(Part("join", at, at + 1, text[at]))
            at += 1
    return found
