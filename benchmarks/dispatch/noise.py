"""Named noise: what typing, dictating and hurry do to a text.

Sounds come from pypinyin over the 3,755 common characters of GB 2312, look-alikes from the list below.
"""

import functools
from collections.abc import Callable

import numpy as np
import opencc
import pypinyin

TYPOS = {  # name: share among the records with a typo
    "homophone": 0.50,
    "near_sound": 0.14,
    "look_alike": 0.14,
    "dropped": 0.08,
    "doubled": 0.06,
    "swapped": 0.08,
}
_LOOK_ALIKE = (
    "薄簿 士土 未末 己已巳 日曰目 大太犬 人入八 王玉主 全金 田由甲申 干千于 午牛 晴睛清情请 庄压 材村 林森 东车 "
    "乐东 刘对 李季 杨扬 张弘 陈阵 周同 徐除 孙孔 胡湖 朱未 高亮 何河 郭廓 马鸟 罗梦 梁粱 郑邓 谢射 韩朝 唐塘 "
    "冯马 董重 程裎 曹漕 袁衰 许计 傅傳 沈沉 曾会 彭澎 吕品 苏办 卢户 蔡祭 贾贡 丁了 魏巍 薛辟 叶汁 阎闫 余佘 潘播 "
    "杜社 戴载 夏复 钟种 汪江 任仕 姜羌 济挤 宁宇 兖衮 邹绉 泗洒 汶坟 微徽 鱼渔 祥样 曲由 阜埠 城诚 区匹 县具 "
    "镇填 乡多 街衔 道首 路跤 巷港 花化 园圆 苑宛 景影 水永 木本 春舂 秋秒 龙尤 凤风 银很 翠粹 锦绵 康庸 福副 "
    "丰车 佳住 静净 雅稚 晨辰 望忘 奎查 惠患 贤坚 圣怪 鲁鱼 儒懦 弘引 致到 源原 华毕 平乎 昌冒 盛成 阳阴 "
    "泉皇 溪奚 桥侨 门们 台合 岭领 峰锋 川州 海每 洲州 月用 星皇 霞遐 庭廷 陵棱 塘糖 堤提 岸岩 津律 和知 兴光 义叉 "
    "礼札 信言 达边 通涌 顺须 利刊 成戌 贵责 轩杆 雍壅 澜谰 珠株 店唐 楼搂 集售 营宫 铺辅 寨塞 堂常 屯电 口回 "
    "阁阎 前剪 后垢 西酉 南甫 北兆 小少 明朋 光兴 建健 设没 民氏 解懈 放故 健键 新斩 青清 年午 京凉 红江 迎仰 "
    "宾滨 振震 工土 业亚 商高 滨槟 公分 体休 育盲 科料 技枝 创刨 车东 站占 教数 环坏 古舌 槐魁 医匠 院皖 学字 校较 "
    "银根 行仃 支攴 市布 场扬"
)
_NEAR_INITIAL = {
    "zh": "z",
    "z": "zh",
    "ch": "c",
    "c": "ch",
    "sh": "s",
    "s": "sh",
    "n": "l",
    "l": "n",
    "f": "h",
    "h": "f",
}
_NEAR_FINAL = {"eng": "en", "en": "eng", "ing": "in", "in": "ing", "ang": "an", "an": "ang"}
_BEFORE = ("报警人称", "我在", "报警人称在", "我这里是", "你好，", "在", "有人在", "位于", "喂，", "地址是", "求助：")
_AFTER = (
    "这边有人打架",
    "，快来",
    "有人偷东西",
    "电动车被盗",
    "，请速来",
    "发生纠纷",
    "，手机被偷了",
    "这里",
    "有人闹事",
    "门窗被撬",
)
_FULL_WIDTH = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}

Draw = Callable[[str, np.random.Generator], str]


@functools.cache
def _sounds() -> tuple[dict[str, str], dict[str, list[str]]]:
    """Give each common character's syllable and each syllable's characters."""
    common = [
        bytes((high, low)).decode("gb2312")
        for high in range(0xB0, 0xD8)
        for low in range(0xA1, 0xFF if high < 0xD7 else 0xFA)
    ]
    syllable = {character: pypinyin.lazy_pinyin(character)[0] for character in common}
    sounding: dict[str, list[str]] = {}
    for character, sound in syllable.items():
        sounding.setdefault(sound, []).append(character)
    return syllable, sounding


@functools.cache
def _look_alikes() -> dict[str, str]:
    found: dict[str, str] = {}
    for group in _LOOK_ALIKE.split():
        for character in group:
            found[character] = found.get(character, "") + group.replace(character, "")
    return found


def _one_of(choices: str | list[str], rng: np.random.Generator) -> str:
    return choices[int(rng.integers(len(choices)))]


def _replaced(text: str, others: Callable[[str], str | list[str]], rng: np.random.Generator) -> str:
    """Put another character in the place of one that has others; the same text where none has."""
    for i in rng.permutation(len(text)).tolist():
        choices = [other for other in others(text[i]) if other != text[i]]
        if choices:
            return text[:i] + _one_of(choices, rng) + text[i + 1 :]
    return text


def homophone(text: str, rng: np.random.Generator) -> str:
    """Write another character of the same syllable."""
    syllable, sounding = _sounds()
    return _replaced(text, lambda c: sounding.get(syllable.get(c, ""), []), rng)


def near_syllables(sound: str) -> list[str]:
    """Give the syllables that a dictation takes for this one.

    >>> near_syllables("zhen"), near_syllables("ning")
    (['zen', 'zheng'], ['ling', 'nin'])
    """
    initial = next((i for i in sorted(_NEAR_INITIAL, key=len, reverse=True) if sound.startswith(i)), "")
    final = next((f for f in _NEAR_FINAL if sound.endswith(f)), "")
    found = [_NEAR_INITIAL[initial] + sound.removeprefix(initial)] if initial else []
    return found + ([sound.removesuffix(final) + _NEAR_FINAL[final]] if final else [])


def near_sound(text: str, rng: np.random.Generator) -> str:
    """Write a character that sounds nearly the same."""
    syllable, sounding = _sounds()
    return _replaced(
        text, lambda c: [other for near in near_syllables(syllable.get(c, "")) for other in sounding.get(near, [])], rng
    )


def look_alike(text: str, rng: np.random.Generator) -> str:
    """Write a character that looks nearly the same."""
    return _replaced(text, lambda c: _look_alikes().get(c, ""), rng)


def _letters(text: str) -> int:
    """Give how many characters stand before the first digit or Latin letter: 乡道 of 乡道Y012."""
    return next((i for i, character in enumerate(text) if character.isascii()), len(text))


def dropped(text: str, rng: np.random.Generator) -> str:
    """Leave a character out; of three characters and fewer none can be spared."""
    if _letters(text) < 4:
        return text
    i = int(rng.integers(_letters(text)))
    return text[:i] + text[i + 1 :]


def doubled(text: str, rng: np.random.Generator) -> str:
    """Write a character twice."""
    if not _letters(text):
        return text
    i = int(rng.integers(_letters(text)))
    return text[: i + 1] + text[i:]


def swapped(text: str, rng: np.random.Generator) -> str:
    """Write two neighbours in the wrong order."""
    if _letters(text) < 3:
        return text
    i = int(rng.integers(_letters(text) - 1))
    return text[:i] + text[i + 1] + text[i] + text[i + 2 :]


_DRAWS: dict[str, Draw] = {
    "homophone": homophone,
    "near_sound": near_sound,
    "look_alike": look_alike,
    "dropped": dropped,
    "doubled": doubled,
    "swapped": swapped,
}


def typo(text: str, rng: np.random.Generator) -> tuple[str, str]:
    """Make one typo in a name; give the name of the noise and what became of the text."""
    kind = str(rng.choice(list(TYPOS), p=list(TYPOS.values())))
    return kind, _DRAWS[kind](text, rng)


def full_width(text: str) -> str:
    """Write digits, letters and signs as wide as characters.

    >>> full_width("A座3#")
    'Ａ座３＃'
    """
    return text.translate(_FULL_WIDTH)


@functools.cache
def _traditional() -> opencc.OpenCC:
    return opencc.OpenCC("s2t")


def traditional(text: str) -> str:
    """Write traditional characters."""
    return str(_traditional().convert(text))


def chatter(text: str, rng: np.random.Generator) -> str:
    """Say something before it, after it or both."""
    draw = rng.random()
    before = _one_of(list(_BEFORE), rng) if draw < 0.7 else ""
    return before + text + (_one_of(list(_AFTER), rng) if draw > 0.4 else "")
