"""The benchmark of dispatch language: the same seed writes the same texts, and their truth is true."""

import ast
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pypinyin
import pytest
import shapely

from benchmarks.dispatch import administration, gazetteer, noise, texts
from benchmarks.dispatch.administration import Region
from benchmarks.dispatch.gazetteer import World
from benchmarks.dispatch.judge import Judge
from benchmarks.dispatch.offsets import SIDES, Surveyor, octant
from benchmarks.dispatch.phrases import Phrase, Speaker, Word

HOUSE = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def world() -> World:
    """Give the small form of a made-up city, which needs no data."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(administration, "SHARED", Path("/nowhere"))
        return gazetteer.make(small=True, seed=3)


@pytest.fixture(scope="module")
def records(world: World) -> pd.DataFrame:
    return texts.write(world, 3000, seed=4)


def rows(*given: tuple) -> World:
    """Make a world of (id, kind, name, parent, x, y) rows; two counties ten kilometres apart hold them."""
    counties = [("A", "county", "东县", "", 0, 0), ("B", "county", "西县", "", -10_000, 0)]
    old = [("O", "county", "老县", "", 0, 0)]
    columns = ["entry_id", "kind", "name", "parent", "x", "y"]
    entries = pd.DataFrame([*counties, *old, *given], columns=columns).assign(aliases="", width_m=10.0, successor="")
    entries.loc[entries["entry_id"] == "O", "successor"] = "A"
    points = np.array([shapely.Point(x, y) for x, y in entries[["x", "y"]].to_numpy()], dtype=object)
    line = (entries["kind"] == "road").to_numpy()
    points[line] = [shapely.LineString([(p.x - 50, p.y), (p.x + 50, p.y)]) for p in points[line]]
    parent = dict(zip(entries["entry_id"], entries["parent"], strict=True))
    kind = dict(zip(entries["entry_id"], entries["kind"], strict=True))

    def holder(entry: str, wanted: str) -> str:
        while entry and kind[entry] != wanted:
            entry = parent[entry]
        return entry

    county, town = (
        np.array([holder(entry, wanted) for entry in entries["entry_id"]], dtype=object)
        for wanted in ("county", "town")
    )
    empty = np.full(len(entries), "", dtype=object)
    crossings = pd.DataFrame(
        [("建设路", "人民路", 0.0, 0.0, 1, "A")], columns=["road", "crossroad", "x", "y", "rank", "county"]
    )
    unlisted = pd.DataFrame(columns=["road", "number", "x", "y", "county"])
    return World(Region("城市", "0", (), ()), entries, points, county, town, empty, empty, crossings, unlisted)


@pytest.mark.parametrize(
    ("shape", "words", "one"),
    [
        ("place", {"name": "张庄村"}, False),  # one in each county
        ("place", {"name": "张庄村", "county": "东县"}, True),
        ("place", {"name": "张庄村", "county": "老县"}, True),  # what 东县 was called before
        ("place", {"name": "张庄村", "town": "上镇"}, True),
        ("place", {"name": "张庄村", "county": "西县"}, False),  # one fits, but it is not where it happened
        ("place", {"name": "阳光花园"}, True),  # two of that name 40 m apart are one answer
        ("place", {"name": "李庄村"}, False),  # nothing is called that
        ("child", {"name": "阳光花园", "child": "3"}, False),  # the building is elsewhere
        ("road", {"name": "建设路"}, False),
        ("road", {"name": "建设路", "county": "西县"}, True),
        ("door", {"name": "建设路", "child": "7"}, True),  # only one of the two streets has that number
        ("street", {"name": "建设路"}, False),
        ("crossing", {"name": "人民路", "cross": "建设路"}, True),
        ("crossing", {"name": "人民路", "cross": "建设路", "county": "西县"}, False),
        ("code", {"name": "AB00001"}, True),
    ],
)
def test_what_is_resolvable_is_what_exactly_one_place_fits(shape: str, words: dict[str, str], one: bool):
    world = rows(
        ("T", "town", "上镇", "A", 0, 0),
        ("V1", "village", "张庄村", "T", 0, 0),
        ("V2", "village", "张庄村", "B", -10_000, 0),
        ("C1", "compound", "阳光花园", "T", 0, 0),
        ("C2", "compound", "阳光花园", "T", 40, 0),
        ("H3", "building", "3", "C2", 300, 0),
        ("R1", "road", "建设路", "A", 0, 0),
        ("R2", "road", "建设路", "B", -10_000, 0),
        ("D7", "door", "7", "R1", 5, 5),
        ("D9", "door", "9", "R2", -10_000, 5),
        ("P1", "post", "AB00001", "R1", 0, 1),
    )
    assert Judge(world).is_one(shape, words, (0.0, 0.0)) is one


@pytest.mark.parametrize(
    ("shape", "words", "only"),
    [
        (
            "door",
            {"name": "建设路", "child": "7"},
            False,
        ),  # one street has the number, but the wrong county has one too
        ("door", {"name": "人民路", "child": "7"}, True),
        ("child", {"name": "阳光花园", "child": "3"}, False),
        ("place", {"name": "李庄村"}, True),
    ],
)
def test_with_a_wrong_county_the_name_must_be_the_only_one(shape: str, words: dict[str, str], only: bool):
    world = rows(
        ("V", "village", "李庄村", "A", 0, 0),
        ("C1", "compound", "阳光花园", "A", 0, 0),
        ("C2", "compound", "阳光花园", "B", -10_000, 0),
        ("H3", "building", "3", "C1", 0, 0),
        ("R1", "road", "建设路", "A", 0, 0),
        ("R2", "road", "建设路", "B", -10_000, 0),
        ("R3", "road", "人民路", "A", 0, 0),
        ("D1", "door", "7", "R1", 5, 5),
        ("D3", "door", "7", "R3", 5, 5),
    )
    assert Judge(world).is_only(shape, words) is only


def test_the_same_seed_writes_the_same_texts(world: World, records: pd.DataFrame):
    pd.testing.assert_frame_equal(texts.write(world, 3000, seed=4), records)
    assert not texts.write(world, 3000, seed=5)["text"].equals(records["text"])


def test_the_gazetteer_is_of_the_declared_schema(world: World):
    entries = world.entries
    assert tuple(entries.columns) == gazetteer.COLUMNS
    assert len(entries) > 25_000
    assert entries["entry_id"].is_unique
    assert set(entries["parent"]) <= {"", *entries["entry_id"]}
    bounds = shapely.bounds([shape for shape in entries["geometry"] if shape is not None])
    assert (bounds[:, [0, 2]] > 115).all()
    assert (bounds[:, [1, 3]] < 37).all()


def test_the_truth_is_where_the_entry_is(world: World, records: pd.DataFrame):
    entries = world.entries.set_index("entry_id")["geometry"]
    named = records[(records["entry_id"] != "") & ~records["kind"].isin(["place_offset", "road"])]
    far = [entries[row.entry_id].distance(shapely.Point(row.lon, row.lat)) * 111_000 for row in named.itertuples()]
    assert max(far) < 0.1


def test_noise_comes_in_the_declared_shares(records: pd.DataFrame):
    said = records["noise"].str.split("|").explode()
    share = said.value_counts() / len(records)
    assert sum(share[list(noise.TYPOS)]) == pytest.approx(0.35, abs=0.03)
    assert share["homophone"] == pytest.approx(0.175, abs=0.02)
    assert share["town_only"] + share["no_district"] == pytest.approx(0.40, abs=0.03)
    for name, wanted in (("full_width", 0.12), ("traditional", 0.06), ("chatter", 0.10)):
        assert share[name] == pytest.approx(wanted, abs=0.02)


def test_noise_is_named_truthfully(records: pd.DataFrame):
    wide = records["noise"].str.contains("full_width")
    assert records.loc[wide, "text"].str.contains("[０-９Ａ-Ｚ＃]").all()
    assert not records.loc[~wide, "text"].str.contains("[０-９Ａ-Ｚ＃]").any()
    assert not records.loc[records["noise"].str.contains("noise_made_another_name"), "resolvable"].any()


NAMES = ("建设路", "水景花园小区", "济宁医学院附属医院", "北簿东村", "金色兰庭")


@pytest.mark.parametrize("name", NAMES)
def test_a_homophone_is_of_the_same_syllable(name: str):
    for seed in range(30):
        other = noise.homophone(name, np.random.default_rng(seed))
        [i] = [i for i, pair in enumerate(zip(name, other, strict=True)) if pair[0] != pair[1]]
        assert pypinyin.lazy_pinyin(other[i]) == pypinyin.lazy_pinyin(name[i])


@pytest.mark.parametrize("name", NAMES)
def test_a_typo_changes_one_place_in_the_way_it_is_called(name: str):
    for seed in range(60):
        kind, other = noise.typo(name, np.random.default_rng(seed))
        if kind == "near_sound" and other != name:
            [pair] = [pair for pair in zip(name, other, strict=True) if pair[0] != pair[1]]
            sounds = [pypinyin.lazy_pinyin(character)[0] for character in pair]
            assert sounds[1] in noise.near_syllables(sounds[0])
        assert len(other) == len(name) + {"doubled": 1, "dropped": -(len(name) > 3)}.get(kind, 0)
        assert sorted(other) == sorted(name) or kind != "swapped"


def test_no_typo_touches_a_number():
    for seed in range(100):
        kind, other = noise.typo("乡道Y012", np.random.default_rng(seed))
        assert other.endswith("Y012"), kind


def test_before_a_gated_place_is_at_one_of_its_gates(world: World):
    speaker = Speaker(Judge(world), np.random.default_rng(5))
    gates = world.entries[world.entries["kind"] == "gate"]
    plane = dict(zip(world.entries["entry_id"], world.plane, strict=True))
    for phrase in (speaker.say("place_offset") for _ in range(300)):
        place = world.entries["entry_id"].iat[phrase.row]
        own = gates.loc[gates["parent"] == place, "entry_id"]
        if phrase.words[-1].text == "门口" and len(own):
            assert min(plane[gate].distance(shapely.Point(phrase.at)) for gate in own) < 30.0


def test_a_typo_that_makes_another_name_cannot_be_resolved(monkeypatch: pytest.MonkeyPatch):
    judge = Judge(rows(("V1", "village", "张庄村", "A", 0, 0), ("V2", "village", "章庄村", "A", 5000, 0)))
    monkeypatch.setattr(noise, "typo", lambda text, _: ("homophone", text.replace("张", "章")))
    monkeypatch.setitem(texts.SHARES, "typo", 1.0)
    row = judge.row_of["V1"]
    phrase = Phrase("village", "place", [Word("张庄村", "name")], (0.0, 0.0), row)
    _, noises, resolvable = texts.spoken(phrase, judge, judge, np.random.default_rng(1))
    assert noises[:2] == ["homophone", "noise_made_another_name"]
    assert not resolvable


def test_an_offset_lies_where_its_words_say_within_rounding(world: World):
    judge, rng = Judge(world), np.random.default_rng(2)
    surveyor, crossings = Surveyor(judge), world.crossings
    drawn = 0
    for nth in rng.integers(len(crossings), size=400).tolist():
        road, crossroad, county = (str(crossings[name].iat[nth]) for name in ("road", "crossroad", "county"))
        node = tuple(judge.crossing_xy[nth].tolist())
        offset = surveyor.near_crossing(node, county, (road, crossroad), rng)
        if offset is None:
            continue
        drawn += 1
        lines = [
            world.plane[row]
            for row, kind in enumerate(judge.kinds)
            if kind == "road" and judge.names[row] in {road, crossroad} and judge.county[row] == county
        ]
        at = shapely.Point(offset.at)
        walked = [abs(line.project(at) - line.project(shapely.Point(node))) for line in lines]
        step = 10 if offset.distance_m < 100 else 50
        assert (
            min(abs(length - offset.distance_m) for length in [*walked, math.dist(node, offset.at)]) <= step / 2 + 0.01
        )
        assert offset.direction == octant(node, offset.at)
        assert offset.side in ("", *SIDES)
    assert drawn > 200


def test_the_generator_knows_nothing_of_how_addresses_are_read():
    for path in (HOUSE / "benchmarks" / "dispatch").glob("*.py"):
        imported = {
            name
            for node in ast.walk(ast.parse(path.read_text()))
            for name in (
                [f"{node.module}.{each.name}" for each in node.names]
                if isinstance(node, ast.ImportFrom)
                else [each.name for each in node.names]
                if isinstance(node, ast.Import)
                else []
            )
        }
        assert not [name for name in imported if name.startswith("geo_service") and ".demo" not in name], path


def test_what_no_gazetteer_knows_is_said_and_cannot_be_resolved(world: World, records: pd.DataFrame):
    known = gazetteer.listed(world)
    assert 0.9 < len(known.entries) / len(world.entries) < 1.0
    assert set(known.entries["parent"]) - {""} <= set(known.entries["entry_id"])
    new = records[records["noise"].str.contains("not_listed")]
    assert 0.005 < len(new) / len(records) < 0.06
    assert not new["resolvable"].any()
    assert not set(new["entry_id"]) & set(known.entries["entry_id"])
