import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo_service.geography.addresses import normalise

LETTERS = "济寧市任城區古槐路１２３號三十二号楼一百米，、（）－～#ABcｄ Ⅲ薄〇两期村\t𠮷"


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("濟寧市任城區古槐路１２３號", "济宁市任城区古槐路123号"),
        ("水景花园三号楼（二单元）", "水景花园3号楼2单元"),
        ("一百二十三号", "123号"),
        ("二〇五室", "205室"),
        ("向西两百米", "向西200米"),
        ("十号", "10号"),
        ("八一路与三里屯路", "八一路与三里屯路"),  # names, not counts
        ("第一人民医院", "第一人民医院"),
        ("水景花园2期", "水景花园二期"),  # a part of the name
        ("3－2－501", "3-2-501"),
        ("1～30號", "1~30号"),
        ("A路、B路", "A路与B路"),
        ("", ""),
    ],
)
def test_many_ways_of_writing_become_one(written: str, plain: str):
    assert normalise.plain(written) == plain


@given(st.text(alphabet=LETTERS, max_size=40))
def test_both_ways_of_reading_agree_and_every_letter_knows_where_it_stood(raw: str):
    text = normalise.read(raw)
    assert text.plain == normalise.plain(raw)
    assert len(text.origin) == len(text.plain) + 1
    assert list(text.origin) == sorted(text.origin)
    assert text.written(0, len(text.plain)) in raw


@given(st.text(max_size=30))
def test_any_text_can_be_read(raw: str):
    assert normalise.read(raw).plain == normalise.plain(raw)


def test_a_piece_is_shown_as_it_was_written():
    text = normalise.read("在古槐路，一百二十三號（南門）")
    at = text.plain.index("123号")
    assert text.written(at, at + 4) == "一百二十三號"
