"""Names that resemble: the price of each repair, against a plain recursion; and whether the right name is found."""

import csv
import functools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo_service.geography.addresses import characters, similar, similar_kernels
from geo_service.geography.addresses.similar import Similar, SimilarNames, align

ROAD, COMPOUND = 1, 2
few = st.text("薄博簿店电村寸未末十四石3A4一二𠀀𠀁任仁 ", max_size=7)


def cost_of_characters(one: str, other: str) -> float:
    """Price one character for another, from the tables and the words of similar.py."""
    if one == other:
        return 0
    if one in characters.NUMBERS and other in characters.NUMBERS:
        return 1.85
    if max(one, other) >= "\U00010000":
        return 1
    sounds = [{int(sound) for sound in characters.sounds()[ord(c)] if sound} for c in (one, other)]
    near = [{int(characters.near_sounds()[sound]) for sound in of} for of in sounds]
    if sounds[0] & sounds[1]:
        return 0.25
    if other in characters.look_alikes().get(one, ""):
        return 0.3
    return 0.4 if near[0] & near[1] else 1


def oracle(name: str, text: str) -> float:
    """Give the cost of a name against any part of a text, by the definition."""

    @functools.cache
    def cost(i: int, j: int) -> float:
        if i == 0:
            return 0
        ways = [cost(i - 1, j) + 0.95]
        if j:
            ways += [cost(i, j - 1) + 0.9, cost(i - 1, j - 1) + cost_of_characters(name[i - 1], text[j - 1])]
        if i > 1 and j > 1 and name[i - 2 : i] == text[j - 1] + text[j - 2] and name[i - 1] != name[i - 2]:
            ways.append(cost(i - 2, j - 2) + 0.6)
        return min(ways)

    return min(cost(len(name), j) for j in range(len(text) + 1))


@given(few, few)
def test_an_alignment_costs_what_the_definition_says(name: str, text: str):
    assert sum(step.cost for step in align(name, text, 0, len(text))) == pytest.approx(oracle(name, text))


@given(few, few)
def test_a_trace_leads_from_a_part_of_the_text_to_the_name(name: str, text: str):
    steps = align(name, text, 0, len(text))
    assert "".join(step.name for step in steps) == name
    assert "".join(step.text for step in steps) in text
    for step in steps:
        assert step.cost == 0 or step.why != "equal"


@given(few.filter(bool), few)
def test_what_is_found_costs_what_its_trace_costs(name: str, text: str):
    for found in SimilarNames([name]).find(text, 0, len(text), least=-9):
        part = text[found.begin : found.end]
        assert found.cost == pytest.approx(oracle(name, text))
        assert found.cost == pytest.approx(oracle(name, part))
        assert found.cost == pytest.approx(sum(step.cost for step in align(name, text, 0, len(text))))


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("薄店村", "薄店村", ["薄 薄 equal 0.0", "店 店 equal 0.0", "村 村 equal 0.0"]),
        ("博店", "薄店", ["薄 博 sounds alike (bo) 0.25", "店 店 equal 0.0"]),
        ("薄店", "簿店", ["簿 薄 sounds alike (bo) 0.25", "店 店 equal 0.0"]),
        ("未店", "末店", ["末 未 looks alike 0.3", "店 店 equal 0.0"]),
        ("郑店", "赠店", ["赠 郑 near sound (z/zh) 0.4", "店 店 equal 0.0"]),
        ("郑店", "店郑", ["店郑 郑店 swapped 0.6"]),
        ("王店村", "王村", ["王 王 equal 0.0", " 店 missing 0.95", "村 村 equal 0.0"]),
        ("王村", "王店村", ["王 王 equal 0.0", "店  extra 0.9", "村 村 equal 0.0"]),
        ("王庄村", "王牛村", ["王 王 equal 0.0", "牛 庄 other 1.0", "村 村 equal 0.0"]),
        ("第3小学", "第8小学", ["第 第 equal 0.0", "8 3 other number 1.85", "小 小 equal 0.0", "学 学 equal 0.0"]),
    ],
)
def test_every_repair_is_told_in_words(name: str, text: str, told: list[str]):
    steps = [f"{step.text} {step.name} {step.why} {step.cost}" for step in align(name, text, 0, len(text))]
    assert steps == told


@pytest.mark.parametrize(("name", "text"), [("四店村", "十店村"), ("一店村", "二店村"), ("3号院", "8号院")])
def test_a_number_is_never_mistaken_for_another(name: str, text: str):
    assert sum(step.cost for step in align(name, text, 0, 3)) == 0.95  # it is rather missing


def test_any_reading_of_a_character_will_do():
    assert align("乐陵路", "月陵路", 0, 3)[0].why == "sounds alike (yue)"
    assert align("乐陵路", "勒陵路", 0, 3)[0].why == "sounds alike (le)"
    assert align("重庆路", "崇庆路", 0, 3)[0].why == "sounds alike (chong)"


def test_positions_are_those_of_the_whole_text():
    names = SimilarNames(["火炬路"])
    assert names.find("任城区火巨路与奎星路", 3, 10) == [(0, 0.25, 3, 6)]
    assert names.find("火炬路火巨路", 3, 6) == [(0, 0.25, 3, 6)]


def test_best_is_what_explains_most_of_the_text():
    names = SimilarNames(["济宁", "济宁医学院附属医院", "济宁医院"])
    assert [found.name for found in names.find("济宁医学院付属医院", 0, 9)] == [1, 2, 0]


def test_only_the_groups_asked_for_are_found():
    names = SimilarNames(["金珠路", "金珠苑", "金珠"], [ROAD, COMPOUND, ROAD | COMPOUND])
    assert {found.name for found in names.find("金朱", 0, 2, least=0)} == {0, 1, 2}
    assert {found.name for found in names.find("金朱", 0, 2, least=0, groups=COMPOUND)} == {1, 2}


def test_no_more_than_asked_for_and_none_below_the_least():
    names = SimilarNames([f"金珠{c}" for c in "路苑园村街桥河"])
    assert len(names.find("金朱路", 0, 3, most=3)) == 3
    assert names.find("金朱路", 0, 3, most=3)[0].name == 0
    assert [found.name for found in names.find("金朱路", 0, 3, least=0.9)] == [0]
    assert names.find("金朱路", 0, 3, most=0) == []


def worth_of(places: list[str], found: Similar) -> float:
    return round(len(places[found.name]) - 2 * found.cost, 6)


@given(st.lists(few, max_size=12, unique=True), few)
def test_fewer_asked_for_are_the_best_of_more(places: list[str], text: str):
    names = SimilarNames(places)
    worth = [worth_of(places, found) for found in names.find(text, 0, len(text), most=32, least=0)]
    assert worth == sorted(worth, reverse=True)
    for most in (1, 3):  # then alignments are left as soon as they cannot be among the best
        found = names.find(text, 0, len(text), most=most, least=0)
        assert [worth_of(places, each) for each in found] == worth[:most]


@pytest.mark.parametrize("text", ["苗翔巷", "苗巷", "翔苗营巷", "苗营", "营苗巷"])
def test_three_characters_are_found_without_a_pair_of_neighbours(text: str):
    assert SimilarNames(["苗营巷", "李家集"]).find(text, 0, len(text))[0].name == 0


@pytest.mark.parametrize("text", ["王乔", "桥王", "木王", "乔"])
def test_two_characters_are_found_by_one(text: str):
    assert [found.name for found in SimilarNames(["乔王", "李集"]).find(text, 0, len(text), least=0.4)] == [0]


@pytest.mark.parametrize("text", ["", " ", "𠀀", "𠀀𠀁𠀂", "\ud800", "abc", "一" * 500, "薄" * 3000])
def test_odd_texts_are_taken(text: str):
    names = SimilarNames(["薄店村", "𠀀店", "", "一", "店𠀀𠀁村"])
    assert all(found.cost <= 3 for found in names.find(text, 0, len(text)))


def test_a_character_beyond_the_bmp_is_itself_only():
    names = SimilarNames(["𠀀店村"])
    assert names.find("𠀀电村", 0, 3)[0].cost == 0.25
    assert names.find("𠀁店村", 0, 3)[0].cost == 0.95  # not 1: missing is cheaper


def test_nothing_is_found_among_no_names():
    assert SimilarNames([]).find("薄店村", 0, 3) == []
    assert SimilarNames([""]).find("薄店村", 0, 3) == []
    assert SimilarNames(["薄店村"]).find("薄店村", 2, 2) == []


def test_a_long_text_is_looked_at_to_its_end():
    text = "某" * 300 + "簿店村"
    assert SimilarNames(["薄店村"]).find(text, 0, len(text)) == [(0, 0.25, 300, 303)]


def test_warming_up_leaves_no_kernel_to_compile():
    similar.warm_up()
    kernels = {name: kernel for name, kernel in vars(similar_kernels).items() if hasattr(kernel, "signatures")}
    compiled = {name: len(kernel.signatures) for name, kernel in kernels.items()}
    names = SimilarNames(("薄店村", "博物馆"), np.array([1, 2], np.uint8))
    names.find("簿店村" * 40, 0, 120, groups=np.uint8(1), most=3, least=0)
    align("薄店村", "簿店", 0, 2)
    assert {name: len(kernel.signatures) for name, kernel in kernels.items()} == compiled


# --- the recall, on the villages of Jining and names put together --------------------------------------------

# Well known mistakes of the eye; not taken from our table.
MISTAKEN = dict(
    zip("未土栗大王柳庄田店村东石北河孟李陈孙刘马", "末士粟太玉抑压由庙材车右比何盖季阵孔列乌", strict=True)
)
TAILS = (
    *("路", "大道", "街", "巷", "小区", "花园", "家园", "公寓", "苑", "新城", "人民医院", "卫生院"),
    *("中心小学", "第二中学", "幼儿园", "派出所"),
)


@pytest.fixture(scope="module")
def places(shared_data: Path) -> list[str]:
    path = shared_data / "geocode" / "admin" / "jining_370800_5level_jionlp.csv"
    with path.open(encoding="utf-8-sig") as file:
        villages = {row["village"] for row in csv.DictReader(file)} - {""}
    rng = np.random.Generator(np.random.PCG64(4))
    stems = sorted({name.removesuffix("村") for name in villages if 3 <= len(name) <= 5})
    made = {
        stem + TAILS[at] for stem, at in zip(rng.permutation(stems), rng.integers(0, len(TAILS), 6000), strict=False)
    }
    return sorted(name for name in villages | made if 3 <= len(name) <= 12)


@functools.cache
def homophones() -> dict[int, str]:
    found: dict[int, str] = {}
    for code in range(0xB0A1, 0xD800):
        for one in code.to_bytes(2, "big").decode("gb2312", "ignore").strip("?"):
            if one >= "一":
                sound = int(characters.sounds()[ord(one), 0])
                found[sound] = found.get(sound, "") + one
    return found


def mistaken(name: str, rng: np.random.Generator) -> tuple[str, str]:
    """Make one mistake in a name: its kind, and what is written then."""
    kind, at = str(rng.choice(["sound", "eye", "dropped", "doubled", "swapped", "any"])), int(rng.integers(len(name)))
    seen = [k for k, one in enumerate(name) if one in MISTAKEN]
    if kind == "eye" and seen:
        return kind, name[: seen[0]] + MISTAKEN[name[seen[0]]] + name[seen[0] + 1 :]
    if kind == "dropped":
        return kind, name[:at] + name[at + 1 :]
    if kind == "doubled":
        return kind, name[:at] + name[at] + name[at:]
    if kind == "swapped":
        at = min(at, len(name) - 2)
        return kind, name[:at] + name[at + 1] + name[at] + name[at + 2 :]
    sounds = homophones()
    same = sounds.get(int(characters.sounds()[ord(name[at]), 0]), "") if kind == "sound" else "".join(sounds.values())
    other = same[int(rng.integers(len(same)))] if same else "某"
    return kind, name[:at] + other + name[at + 1 :]


def queries(places: list[str], count: int) -> Iterator[tuple[int, str, str]]:
    rng = np.random.Generator(np.random.PCG64(11))
    for which in rng.integers(0, len(places), count).tolist():
        kind, written = mistaken(places[which], rng)
        around = rng.choice(["", "在", "城区", "南"]), rng.choice(["", "门口", "3号楼", "附近", "北"])
        yield which, kind, f"{around[0]}{written}{around[1]}"


def as_good(places: list[str], which: int, text: str) -> int:
    """Count the other names that explain the text as well, or better, than the right one."""
    values = [len(name) - 2 * sum(step.cost for step in align(name, text, 0, len(text))) for name in places]
    return sum(value >= values[which] - 1e-9 for value in values) - 1


def test_the_right_name_is_among_eight(places: list[str]):
    names = SimilarNames(places)
    first, eight, lost, total = 0, 0, [], 2000
    for which, kind, text in queries(places, total):
        found = [each.name for each in names.find(text, 0, len(text))]
        first += found[:1] == [which]
        eight += which in found
        if which not in found:
            lost.append((which, kind, text))
    assert first >= 0.8 * total
    assert eight >= 0.97 * total
    for which, kind, text in lost[:12]:  # whoever is lost had eight others as good
        assert as_good(places, which, text) >= 8, (places[which], kind, text)


def test_threads_find_what_one_finds(places: list[str]):
    names = SimilarNames(places)
    texts = [text for _, _, text in queries(places, 300)]
    alone = [names.find(text, 0, len(text)) for text in texts]
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(lambda text: names.find(text, 0, len(text)), texts)) == alone


def test_only_the_names_that_are_asked_for_are_compared():
    names = SimilarNames(["金康后巷", "宝康后巷", "康后巷小区", "古槐路"])
    assert [one.name for one in names.find("康后巷", 0, 3, among=[1, 3])] == [1]
    assert {one.name for one in names.find("康后巷", 0, 3)} == {0, 1, 2}
    assert names.find("康后巷", 0, 3, among=[]) == []
