"""Names of the made-up city: roads, compounds, villages, towns, units.

They are composed from characters and copied from no gazetteer.  Within one city a name is given once, except
villages: a few names repeat in other towns, as they do in life.
"""

from collections.abc import Callable, Sequence

import numpy as np

CITY = {"zh": "济川市", "en": "Jichuan"}
CITY_CODE = "3799"  # no city of Shandong (37) has this number
RIVER = "洸清河"
LAKE = "望川湖"
DISTRICTS = ("任安区", "泗源区", "高新区", "汶清县", "凫川县")  # three of the town, two around it

_FIRST = "光文明兴永安和长吉祥瑞德仁崇建新华春秋清泰云龙凤金银玉宝翠碧锦景康宁福禄丰乐嘉佳静雅朝晨望汇"
_SECOND = "河山水源华康宁平泰昌盛阳林泉溪湖桥门园台城岭峰原川海江洲浦月星辰霞晖苑庭圃陵塘池堤岸坊津渡"
_COMPOUND = (
    "花园",
    "小区",
    "家园",
    "嘉园",
    "佳苑",
    "名邸",
    "新村",
    "公寓",
    "华府",
    "新城",
    "雅居",
    "水岸",
    "华庭",
    "上院",
)
_SURNAMES = (
    "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯董程曹袁邓许傅沈曾彭吕苏卢"
    "蒋蔡贾丁魏薛叶阎余潘杜戴夏钟汪田任姜"
)
_SIDES = ("", "", "", "前", "后", "东", "西", "南", "北", "大", "小")
_SETTLEMENTS = ("庄", "楼", "集", "店", "营", "铺", "寨", "堂", "屯", "口", "桥", "阁", "堌堆", "家洼")
_REAL = (  # places in life, two characters each
    "宁津乐陵清河新河清江丽江金堂长宁长岭泰宁泰康新津永康永川永宁永泰龙川龙门龙泉仁川云霞文昌金门华阴华宁安康安宁安平德阳德昌德清兴山兴平兴宁清水清源银川金川景宁福山"
    "福州康平宁河乐山乐平乐昌丰台丰宁汇川"
)
_REPEATED = 0.03  # share of villages that carry another village's name
_NUMERALS = "一二三四五六七八九十"


class Names:
    """Draws names that have not been given yet."""

    def __init__(self, rng: np.random.Generator) -> None:
        real = {_REAL[i : i + 2] for i in range(0, len(_REAL), 2)}
        pairs = [a + b for a in _FIRST for b in _SECOND if a != b and a + b not in real]
        self._stems = [pairs[i] for i in rng.permutation(len(pairs)).tolist()]
        self._rng = rng
        self._given: set[str] = set()
        self._drawn = 0

    def stem(self) -> str:
        """Give two characters no road or town carries yet; after some 2,000 of them, three."""
        turn, place = divmod(self._drawn, len(self._stems))
        self._drawn += 1
        return self._stems[place] if turn == 0 else self._stems[place] + _SECOND[(place + turn) % len(_SECOND)]

    def compound(self) -> str:
        """Give a residential compound's name, such as 水景花园."""
        return self._new(lambda: self._any(self._stems) + self._any(_COMPOUND))

    def village(self) -> str:
        """Give a village's name, such as 前王庄村."""
        parts = (_SIDES, _SURNAMES, _SETTLEMENTS)
        return self._new(lambda: "".join(self._any(part) for part in parts) + "村")

    def villages(self, count: int) -> list[str]:
        """Give the names of all villages; a few carry another's."""
        names = [self.village() for _ in range(count)]
        for i in np.flatnonzero(self._rng.random(count) < _REPEATED).tolist():
            names[i] = names[int(self._rng.integers(count))]
        return names

    def unit(self, kind: str, nth: int) -> str:
        """Give the name of the nth (from 0) unit of a class."""
        city, numeral = CITY["zh"].removesuffix("市"), _ordinal(nth + 1)
        stem = self._any(self._stems)
        if kind == "hospital":
            return f"{CITY['zh']}第{numeral}人民医院" if nth < 4 else self._new(lambda: self._any(self._stems) + "医院")
        if kind == "school":
            ends = (f"第{numeral}中学", "")
            return (
                f"{city}{ends[0]}"
                if nth % 3 == 0
                else self._new(lambda: self._any(self._stems) + ("小学", "学校")[nth % 2])
            )
        if kind == "station":
            return (f"{city}站", f"{city}汽车总站", f"{city}东站")[nth] if nth < 3 else f"{stem}汽车站"
        ends = {
            "scenic": ("古城景区", "公园", "风景区", "园"),
            "market": ("农贸市场", "市场", "商城", "购物广场"),
            "bank": ("支行",),
            "venue": ("体育馆", "影城", "文化宫", "大剧院"),
        }[kind]
        lead = f"{city}农商银行" if kind == "bank" else ""
        return self._new(lambda: lead + self._any(self._stems) + ends[nth % len(ends)])

    def _any(self, choices: Sequence[str]) -> str:
        return choices[int(self._rng.integers(len(choices)))]

    def _new(self, draw: Callable[[], str]) -> str:
        for attempt in range(1000):
            name = draw() if attempt < 20 else f"{draw()}{_ordinal(attempt)}期"
            if name not in self._given:
                self._given.add(name)
                return name
        raise ValueError("the pool of names is exhausted; choose a smaller size")


def _ordinal(number: int) -> str:
    """Write a number from 1 in Chinese numerals.

    >>> [_ordinal(n) for n in (1, 10, 12, 20, 35, 104)]
    ['一', '十', '十二', '二十', '三十五', '104']
    """
    tens, ones = divmod(number, 10)
    if number > 99:
        return str(number)
    lead = "" if tens == 0 else "十" if tens == 1 else _NUMERALS[tens - 1] + "十"
    return lead + (_NUMERALS[ones - 1] if ones else "")
