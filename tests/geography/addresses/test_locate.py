import json
import math
from datetime import date

import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from geo_service.geography.addresses import gazetteer, locate
from tests.geography.addresses import jining

SOLVER = jining.solver()


def found(text: str) -> tuple[str, str, tuple[int, int]]:
    """Give level, entry and where it is, in metres east and north of the middle."""
    answer = SOLVER.locate(text)
    return answer.level, answer.entry_id, jining.metres(answer.lon, answer.lat)


@pytest.mark.parametrize(
    ("text", "level", "entry", "at"),
    [
        ("济宁市任城区济阳街道水景花园小区3号楼2单元", "building", "B3", (700, 700)),
        ("济医附院门诊楼", "part", "FYMZ", (250, 150)),
        ("金乡县金珠路与奎星路西100米处", "crossing_offset", "", (-39100, -20000)),
        ("惠民路与金山街交叉路口西100米处", "crossing_offset", "", (-38600, -20500)),
        ("高新区金色兰庭小区东门对面", "place_offset", "JSLTE", (7834, 3160)),
        ("微山县两城镇北薄东村", "village", "V1", (30000, -30000)),
        ("济寧市任城區古槐路１２３號", "door_interpolated", "", (20, 320)),
        ("古槐路121号", "door", "D121", (20, 300)),
        ("灯杆RC-0012345", "code", "LP", (10, 20)),
        ("报警人称在济医附院有人打架", "unit", "FY", (300, 200)),
        ("水井花园3号楼", "building", "B3", (700, 700)),  # sounds alike
        ("金朱路与奎星路交叉口", "crossing", "", (-39000, -20000)),
        ("任成区古槐路121号", "door", "D121", (20, 300)),
        ("市中区古槐路121号", "door", "D121", (20, 300)),  # what 任城区 was until 2013
        ("金乡县建设路", "road", "JSL2", (-39000, -19600)),
        ("水景花园3-2-501", "building", "B3", (700, 700)),
        ("水景花园三号楼", "building", "B3", (700, 700)),
    ],
)
def test_dispatch_texts_become_places(text: str, level: str, entry: str, at: tuple[int, int] | None):
    got = found(text)
    assert got[:2] == (level, entry)
    assert at is None or math.dist(got[2], at) <= 1.5


def test_a_numbered_door_lies_between_its_neighbours_on_its_own_side():
    level, _, (east, north) = found("古槐路124号")
    assert level == "door_interpolated"
    assert (east, 300 < north < 350) == (-20, True)


def test_an_offset_walks_along_the_road_and_its_shape_is_the_road():
    answer = SOLVER.locate("惠民路与金山街交叉口东200米")
    east, north = jining.metres(answer.lon, answer.lat)
    assert (east, north) == pytest.approx((-38500 + 185, -20500 - 74), abs=3)  # the road bends to the south
    assert answer.shape is not None
    assert answer.shape.covers(shapely.Point(answer.lon, answer.lat))
    disc = math.pi * answer.uncertainty_m**2
    assert shapely.area(answer.shape) * 111_320**2 * math.cos(math.radians(answer.lat)) < disc


def test_across_the_road_is_across_the_road():
    answer = SOLVER.locate("高新区金色兰庭小区对面")
    _, north = jining.metres(answer.lon, answer.lat)
    assert north < 3000  # the compound lies north of the road


def test_a_village_of_many_gives_a_ranked_list_and_one_question():
    answer = SOLVER.locate("张庄村")
    assert {answer.entry_id, *(one.entry_id for one in answer.alternatives)} == {"V2", "V3", "V4"}
    assert answer.question is not None
    assert (answer.question.about, set(answer.question.choices)) == ("town", {"两城镇", "鲁桥镇", "谷亭街道"})
    assert answer.score < 0.4
    assert SOLVER.locate("微山县鲁桥镇张庄村").entry_id == "V3"
    assert SOLVER.locate("微山县鲁桥镇张庄村").question is None


def test_27_villages_of_one_name_are_all_listed_and_asked_about():
    rows = "C city 济宁市 - -\n" + "\n".join(
        f"K{n} county 第{n}县 C -\nT{n} town 镇{n}镇 K{n} -\nV{n} village 张庄村 T{n} {n * 9000} 0" for n in range(27)
    )
    answer = jining.solver(rows).locate("张庄村")
    assert len({answer.entry_id, *(one.entry_id for one in answer.alternatives)}) == 27
    assert answer.question is not None
    assert len(answer.question.choices) == 27
    assert answer.question.gain_bits == pytest.approx(math.log2(27), abs=0.01)


def test_a_wrong_district_is_overruled_by_a_name_that_stands_once():
    answer = SOLVER.locate("金乡县古槐路121号")
    assert answer.entry_id == "D121"
    assert answer.score <= SOLVER.locate("任城区古槐路121号").score


def test_a_name_means_what_stood_on_the_day_of_the_call():
    rows = jining.frame(
        jining.ROWS
        + """
    OLD  unit  老车站  RC  -1000 100
    NEW  unit  老车站  RC  1000 100
    """
    )
    rows.loc[rows["entry_id"] == "OLD", "valid_to"] = "2020-01-01"
    rows.loc[rows["entry_id"] == "NEW", "valid_from"] = "2020-01-01"
    solver = locate.Solver(gazetteer.build(rows, jining.PROJECTED))
    assert solver.locate("老车站", on=date(2019, 5, 1)).entry_id == "OLD"
    assert solver.locate("老车站", on=date(2021, 5, 1)).entry_id == "NEW"
    both = solver.locate_all(["老车站", "老车站"], on=[date(2019, 5, 1), date(2021, 5, 1)])
    assert both["entry_id"].tolist() == ["OLD", "NEW"]


def test_a_point_knows_what_is_around_it():
    here = SOLVER.locate("水景花园3号楼")
    near = SOLVER.reverse(here.lon, here.lat)
    assert [(one.entry_id, one.distance_m) for one in near[:2]] == [("SJ", 0.0), ("B3", 0.0)]
    assert (near[0].kind, near[0].name, near[0].county, near[0].town) == ("compound", "水景花园", "任城区", "济阳街道")
    assert SOLVER.reverse(0.0, 0.0) == ()


def test_the_nearest_street_is_among_what_is_near():
    here = SOLVER.locate("古槐路121号")
    near = SOLVER.reverse(here.lon, here.lat, within_m=60.0)
    assert [(one.kind, one.name, round(one.distance_m)) for one in near] == [
        ("door", "121", 0), ("road", "古槐路", 20), ("door", "125", 40), ("door", "120", 40),
    ]  # fmt: skip


def test_a_road_of_the_whole_city_agrees_with_any_of_its_counties():
    rows = jining.ROWS.replace("古槐路     RC", "古槐路     C")
    solver = jining.solver(rows + "    GHX  compound  古槐苑  RC  -500 -500\n")
    assert solver.locate("任城区古槐路121号").entry_id == "D121"
    assert solver.locate("任城区古槐路121号").score > 0.9


def test_what_nobody_understood_is_kept_and_shown():
    answer = SOLVER.locate("古槐路121号蓝色卷帘")
    assert answer.entry_id == "D121"
    assert answer.left_over == ("蓝色卷帘",)


def test_the_trace_tells_every_repair_and_why_the_others_lost():
    steps = SOLVER.locate("微山县两城镇北薄东村").trace
    assert [(step.text, step.what) for step in steps][:3] == [
        ("微山县", "county 微山县"), ("两城镇", "town 两城镇"), ("北薄东村", "village 北簿东村"),
    ]  # fmt: skip
    assert "薄 -> 簿" in steps[2].why
    assert steps[2].cost > 0.0
    assert any(step.what.startswith("not ") for step in SOLVER.locate("张庄村").trace)


def test_the_trace_tells_what_a_mistyped_or_wrong_area_says_of_the_place():
    mistyped = SOLVER.locate("任成区古槐路121号")
    assert mistyped.left_over == ()
    assert (mistyped.trace[0].text, mistyped.trace[0].what) == ("任成区", "county 任城区")
    assert "成 -> 城 sounds alike" in mistyped.trace[0].why
    wrong = SOLVER.locate("金乡县古槐路121号")
    assert (wrong.trace[0].what, wrong.trace[0].why) == ("county 金乡县", "does not hold the place")


def test_a_code_is_itself_and_nothing_else():
    answer = SOLVER.locate("灯杆RC-0012345")
    assert (answer.name, answer.county, answer.town) == ("RC-0012345", "", "")
    assert [step.what for step in answer.trace] == ["class 灯杆", "code RC-0012345"]


def test_what_nobody_has_drawn_is_as_near_as_what_it_lies_in():
    rows = jining.ROWS + "    B9  building  9  SJ  -\n    D9  door  999  GHL  -\n    LQ9  plate  RC-9999999  -  -\n"
    solver = jining.solver(rows)
    building = solver.locate("水景花园9号楼")
    assert (building.level, building.entry_id) == ("compound", "SJ")
    assert solver.locate("古槐路999号").level == "road"
    assert solver.locate("门牌RC-9999999").level == "none"
    nowhere = jining.solver("C city 济宁市 - -\nV village 无图村 C -\n")
    assert nowhere.locate("无图村").level == "none"


def test_a_place_knows_which_zone_it_is():
    answer = SOLVER.locate("水景花园3号楼")
    assert (answer.zone_kind, answer.zone_id) == ("communities", "370811001001")


def test_a_story_is_read_for_the_address_it_begins_with():
    answer = SOLVER.locate("古槐路121号" + "有人打架" * 2000)
    assert answer.entry_id == "D121"
    assert len(answer.trace) < 250


@pytest.mark.parametrize("text", ["", "   ", "，。", "abc", "火星基地七号舱"])
def test_a_text_that_names_nothing_gets_no_point(text: str):
    answer = SOLVER.locate(text)
    assert (answer.level, answer.score, answer.accepted) == ("none", 0.0, False)
    assert math.isnan(answer.lon)


def test_many_at_once_are_what_each_is_alone():
    texts = ["古槐路121号", "张庄村", "", "古槐路121号", "金乡县金珠路与奎星路西100米处"]
    rows = SOLVER.locate_all(texts)
    assert list(rows.columns) == list(locate.COLUMNS)
    for text, row in zip(texts, rows.itertuples(), strict=True):
        alone = SOLVER.locate(text)
        assert (row.level, row.entry_id, row.zone_id) == (alone.level, alone.entry_id, alone.zone_id)
        assert row.score == pytest.approx(alone.score)
        assert (row.lon, row.lat) == pytest.approx((alone.lon, alone.lat), nan_ok=True)
    assert SOLVER.locate_all([]).shape == (0, len(locate.COLUMNS))


@given(
    st.text(alphabet="济宁市任城区古槐路建设金珠与奎星交叉口水景花园张庄村东西门对面附近123号楼米向-~R0", max_size=25)
)
@settings(max_examples=150, deadline=None)
def test_any_text_has_an_answer_that_can_be_written_down(text: str):
    answer = SOLVER.locate(text)
    assert 0.0 <= answer.score <= 1.0
    assert json.loads(json.dumps(answer.as_table(), ensure_ascii=False, allow_nan=False))
    pd.testing.assert_frame_equal(SOLVER.locate_all([text]), SOLVER.locate_all([text]))
