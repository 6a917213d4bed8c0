import csv
from pathlib import Path

import ahocorasick
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo_service.geography.addresses import grammar, normalise

NOTHING = ahocorasick.Automaton()


def understood(raw: str) -> list[tuple[str, str]]:
    """Cut a text without any gazetteer: kinds and words."""
    text = normalise.plain(raw)
    return [(part.kind, text[part.begin : part.end]) for part in grammar.understood(text, grammar.cut(text, NOTHING))]


@pytest.mark.parametrize(
    ("raw", "parts"),
    [
        ("臺北市大安區住安里四維路124巷1~30號",
         "area 台北市, area 大安区, village 住安里, road 四维路, lane 124巷, door 1~30号"),
        ("惠民路与金山街交叉路口西100米处",
         "road 惠民路, join 与, road 金山街, crossing 交叉路口, offset 西100米处"),
        ("臺北市大同區民權西路160巷30弄1-30號",
         "area 台北市, area 大同区, road 民权西路, lane 160巷, alley 30弄, door 1-30号"),
        ("水景花园三号楼二单元501室", "compound 水景花园, building 3号楼, unit_number 2单元, room 501室"),
        ("东门对面", "gate 东门, relation 对面"),
        ("信義路與安和路口", "road 信义路, join 与, road 安和路, crossing 口"),
        ("27号门窗被撬", "door 27号, unknown 门窗被撬"),
        ("往西北大约1.5公里", "offset 往西北大约1.5公里"),
    ],
)  # fmt: skip
def test_words_around_names_are_told_apart(raw: str, parts: str):
    assert ", ".join(f"{kind} {word}" for kind, word in understood(raw)) == parts


def test_an_offset_knows_its_direction_and_metres():
    (part,) = grammar.cut("向西北约120米处", NOTHING)
    assert (part.kind, part.value, part.metres) == ("offset", "西北", 120.0)


@given(st.text(alphabet="东西南北门路口与123号楼米处对面附近在报警人称的里AB-~", max_size=30))
def test_parts_cover_the_text_without_gaps(text: str):
    parts = grammar.cut(text, NOTHING)
    assert "".join(text[part.begin : part.end] for part in parts) == text
    assert all(part.begin < part.end for part in parts)


def test_every_taipei_text_is_read_and_most_are_understood(shared_data: Path):
    with (shared_data / "crime" / "taipei" / "taipei_all_cases.csv").open(encoding="utf-8-sig") as file:
        texts = [row["發生地點"] for row in csv.DictReader(file)]
    whole = [all(kind != grammar.UNKNOWN for kind, _ in understood(text)) for text in texts]
    share = sum(whole) / len(whole)
    print(f"{len(texts)} Taipei texts, understood to the last letter: {share:.4f}")  # noqa: T201 the share is to be seen
    assert len(texts) == 8774
    assert share >= 0.96
