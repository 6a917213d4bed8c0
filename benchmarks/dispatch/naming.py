"""Names that people give: roads, compounds, units and points of interest, composed and with the repetition of life.

建设路 and 人民路 run in many counties, 阳光花园 and chain shops stand in several, most other names in one or two.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from geo_service.demo import names

_COMMON_ROADS = (
    "建设 人民 解放 光明 中山 文化 健康 新华 和平 胜利 青年 北京 上海 红星 东风 迎宾 振兴 工业 商业 滨河 公园 体育 "
    "科技 创业 车站 教育 环城 济宁 共青团 古槐 太白 洸河 琵琶山 任城 金宇 火炬 诗仙 长江 黄河 泰山 西环 东环 府前 "
    "府后 永安 兴隆 幸福"
)
_FIRST = "文昌永安吉祥瑞德仁崇明新春秋清泰云龙凤金银玉宝翠碧锦景康福丰乐嘉静雅晨望汇奎惠圣贤尚运济济微泗汶洸鲁儒弘致"
_SECOND = "河山源华康宁平昌盛阳林泉溪湖桥门园台岭峰原川海江洲月星霞苑庭陵塘堤岸津星和兴义礼信达通顺利成贵鼎轩雍澜珠"
_LANE_MARKS = ("", "", "东", "西", "南", "北", "前", "后", "小", "大", "里", "老")
_COMMON_COMPOUNDS = (
    "阳光花园 锦绣家园 凤凰城 水景花园 金色兰庭 翡翠城 龙城国际 学府家园 和谐家园 幸福小区 安居小区 温馨家园 "
    "阳光小区 御景华府 滨河花园 万和城 绿地城 世纪花园 都市豪庭 杏花村小区 明珠花园 东方明珠 怡景园 名仕花园 "
    "翰林院"
)
_COMPOUND_ENDS = (
    "花园 小区 家园 嘉园 佳苑 名邸 新村 公寓 华府 新城 雅居 水岸 华庭 上院 丽都 国际 府邸 苑 城 豪庭 花苑 学府 "
    "御园 佳园"
)
_PHASES = ("一期", "二期", "东区", "西区", "南区", "北区", "A区", "B区")
_CHAINS = (
    "肯德基 如家酒店 蜜雪冰城 中国石化加油站 中国移动营业厅 德克士 华联超市 大润发 新华书店 老百姓大药房 汉庭酒店 "
    "正新鸡排"
)
_TRADES = (
    "超市 宾馆 饭店 网吧 大药房 烧烤店 火锅城 洗浴中心 台球厅 五金店 服装店 快餐店 便利店 修车行 KTV 茶楼 理发店 "
    "幼儿园 诊所 加油站 手机店 眼镜店 家具城 物流园 健身房"
)
_NUMERALS = "一二三四五六七八九十"
_SHORTER = (  # how people shorten names: applied in turn
    ("医学院附属医院", "医附院"),
    *((f"第{n}人民医院", f"{n}院") for n in _NUMERALS),
    *((f"第{n}中学", f"{n}中") for n in _NUMERALS),
    *((f"第{n}实验小学", f"{n}实小") for n in _NUMERALS),
    ("实验小学", "实小"),
    ("中国农业银行", "农行"),
    ("中国工商银行", "工行"),
    ("中国建设银行", "建行"),
    ("妇幼保健院", "妇幼"),
    ("汽车客运站", "汽车站"),
    ("农贸批发市场", "农贸市场"),
)
_LONG_ENDS = ("小区", "公园", "购物广场", "购物中心")


def abbreviated(name: str, county: str, city: str) -> list[str]:
    """Give the short forms people use for a unit's name.

    >>> abbreviated("济宁医学院附属医院", "任城区", "济宁市"), abbreviated("金乡县第二中学", "金乡县", "济宁市")
    (['济医附院'], ['金乡二中'])
    """
    found = name
    for long, short in _SHORTER:
        found = found.replace(long, short)
    for whole in (county, city):
        stem = whole[:-1]
        if len(stem) > 1 and found.startswith(whole) and found != name:
            found = stem + found.removeprefix(whole)
    if found.endswith("医附院"):
        found = found[0] + "医附院"
    return [found] if found != name else []


@dataclass
class Drawer(names.Names):
    """Draws the names of one county; stands in for the demo city's drawer, whose roads it names later."""

    rng: np.random.Generator
    county: str
    city: str
    seat: bool
    given: set[str] = field(default_factory=set)
    drawn: int = 0

    def stem(self) -> str:
        """Give a placeholder that `road` replaces."""
        self.drawn += 1
        return f"s{self.drawn}:"

    def villages(self, count: int) -> list[str]:
        """Give nothing: villages have their names already."""
        return [""] * count

    def road(self, drawn: str, kind: str) -> str:
        """Name a street that the plan drew: a common name now and then, else a composed one."""
        _, _, ending = drawn.rpartition(":")
        if drawn == ending and kind != "secondary":
            return drawn  # 内环路, 乡道Y012
        if drawn == ending:
            return self._new(lambda: self._pair() + ("湖路" if "湖" in drawn else "河" + drawn[-2:]))
        if kind == "lane":
            return self._new(lambda: self._pair() + self._any(_LANE_MARKS) + ending)
        if self.rng.random() < 0.45:
            return self._new(
                lambda: self._any(_COMMON_ROADS.split()) + self._any(("", "", "", "东", "西", "南", "北")) + ending
            )
        return self._new(lambda: self._pair() + ending)

    def compound(self) -> str:
        """Name a compound; one in eight carries a name that is liked everywhere."""
        if self.rng.random() < 0.12:
            return self._new(lambda: self._any(_COMMON_COMPOUNDS.split()))
        phase = self._any(_PHASES) if self.rng.random() < 0.1 else ""
        return self._new(lambda: self._pair() + self._any(_COMPOUND_ENDS.split()) + phase)

    def poi(self) -> str:
        """Name a shop or the like; one in six is of a chain."""
        if self.rng.random() < 0.16:
            return self._any(_CHAINS.split())
        return self._new(lambda: self._pair() + self._any(("", "", "", "老", "新", "大")) + self._any(_TRADES.split()))

    def unit(self, kind: str, nth: int) -> str:
        """Name the nth (from 0) unit of a class."""
        lead = self.city if self.seat else self.county
        fixed = {
            "hospital": [f"{lead}人民医院", f"{lead}中医院", f"{lead}妇幼保健院"],
            "school": [f"{lead}第{n}中学" for n in _NUMERALS] + [f"{lead}实验小学"],
            "station": [f"{lead}汽车客运站", f"{lead}火车站", f"{lead}公交总站"],
            "venue": [f"{lead}体育馆", f"{lead}文化馆", f"{lead}图书馆"],
        }.get(kind, [])
        if kind == "hospital" and self.seat:
            fixed = [f"{lead[:-1]}医学院附属医院", *(f"{lead}第{n}人民医院" for n in "一二三四"), *fixed[1:]]
        if nth < len(fixed) and fixed[nth] not in self.given:
            self.given.add(fixed[nth])
            return fixed[nth]
        ends = {
            "hospital": ("医院", "骨科医院", "卫生院", "社区卫生服务中心"),
            "school": ("小学", "学校", "第一小学", "实验小学", "中学"),
            "station": ("汽车站", "客运站"),
            "scenic": ("公园", "风景区", "湿地公园", "文化园"),
            "market": ("农贸市场", "批发市场", "商城", "购物广场", "购物中心"),
            "bank": ("支行",),
            "venue": ("体育馆", "影城", "大剧院", "会展中心"),
        }[kind]
        banks = ("中国农业银行", "中国工商银行", "中国建设银行", f"{self.city[:-1]}银行") if kind == "bank" else ("",)
        return self._new(lambda: self._any(banks) + self._pair() + self._any(ends))

    def aliases(self, name: str) -> list[str]:
        """Give the other names of a unit, compound or shop: its short forms, its name without what kind it is."""
        bare = [name.removesuffix(end) for end in _LONG_ENDS if name.endswith(end) and len(name) - len(end) > 2]
        return list(dict.fromkeys([*abbreviated(name, self.county, self.city), *bare]))

    def _pair(self) -> str:
        while True:
            first, second = self._any(tuple(_FIRST)), self._any(tuple(_SECOND))
            if first != second:
                return first + second

    def _any(self, choices: Sequence[str]) -> str:
        return choices[int(self.rng.integers(len(choices)))]

    def _new(self, draw: Callable[[], str]) -> str:
        for attempt in range(1000):
            name = draw() if attempt < 50 else self._pair() + draw()
            if name not in self.given:
                self.given.add(name)
                return name
        raise ValueError("the pool of names is exhausted; choose a smaller scale")
