"""Locating: rows without coordinates are where their texts say; rows with both may disagree."""

import itertools
import json
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from geo_service.analysis import corrections, intake, parts, versions, whereabouts, witnesses
from geo_service.analysis import incidents as incident_rows
from geo_service.geography.addresses import gazetteer, locate
from tests.analysis.located import SURE, calls, known, placed_feed, solver, zones
from tests.analysis.made import RULES
from tests.geography.addresses import jining

BUILDING = "任城区水景花园小区3号楼"  # at 700, 700, in the community 370811001001
COMPOUND = "任城区水景花园小区"
VILLAGES = "张庄村"  # three of them
NOW = datetime(2024, 7, 1, tzinfo=UTC)


def table(found: intake.Found, *columns: str) -> list[tuple[object, ...]]:
    return list(found.incidents[list(columns)].astype("str").fillna("-").itertuples(index=False, name=None))


def test_a_row_without_coordinates_is_where_its_text_says():
    found = intake.digest(calls((BUILDING, "", "")), placed_feed(), known())
    one = found.incidents.iloc[0]
    assert jining.metres(one["lon"], one["lat"]) == (700, 700)
    assert [one[c] for c in ("located_by", "match_level", "community_id", "placed")] == [
        "address", "building", "370811001001", "located",
    ]  # fmt: skip
    assert (one["uncertainty_m"], np.isnan(one["source_lon"])) == (25.0, True)
    assert one["confidence"] > 0.9
    assert found.reviews.empty
    assert found.levels["zone_id"].tolist() == ["370811001001"]
    assert found.summary["located_by"] == {"coordinates": 0, "address": 1, "person": 0}


def test_a_text_that_is_not_certain_waits_for_a_person_with_the_question_to_ask():
    found = intake.digest(
        calls((VILLAGES, "", ""), ("一个谁也不知道的地方", "", ""), ("不详", "", "")), placed_feed(), known()
    )
    assert table(found, "located_by", "placed") == [("", "waiting")] * 3
    assert found.reviews["reason"].tolist() == ["uncertain", "unlocated", "unlocated"]
    assert "ask for the town: 两城镇, 鲁桥镇, 谷亭街道" in found.reviews["detail"][0]
    assert "nothing the gazetteer has" in found.reviews["detail"][1]
    assert "neither coordinates nor a place text" in found.reviews["detail"][2]
    answer = json.loads(found.reviews["answer"][0])
    assert answer["question"]["choices"] == ["两城镇", "鲁桥镇", "谷亭街道"]
    assert found.summary["reviews"] == {"uncertain": 1, "unlocated": 2}


def test_coordinates_that_agree_stay_and_the_text_says_which_place_it_is():
    """The point lies across the wall, outside the compound that the text names."""
    found = intake.digest(calls((COMPOUND, 700, 590)), placed_feed(), known())
    assert table(found, "located_by", "conflict", "community_id") == [("coordinates", "", "370811001001")]
    one = found.incidents.iloc[0]
    assert jining.metres(one["lon"], one["lat"]) == (700, 590)
    without = intake.digest(calls((COMPOUND, 700, 590)), placed_feed(), intake.Known(zones(), RULES))
    assert table(without, "community_id") == [("-",)]


def test_opposite_a_compound_is_not_in_it():
    found = intake.digest(calls(("高新区金色兰庭小区东门对面", 7830, 3160)), placed_feed(), known())
    assert table(found, "community_id", "named_id") == [("-", "")]


@pytest.mark.parametrize(
    ("kind", "system", "east", "north"),
    [("datum", "GCJ-02", 700, 700), ("datum", "BD-09", 700, 700), ("elsewhere", "EPSG:4326", 3000, -2000)],
)
def test_text_and_coordinates_that_disagree_are_a_conflict_with_its_kind(
    kind: str, system: str, east: float, north: float
):
    found = intake.digest(calls((BUILDING, east, north), system=system), placed_feed(), known())
    assert table(found, "conflict", "located_by", "community_id") == [(kind, "address", "370811001001")]
    one = found.incidents.iloc[0]
    assert jining.metres(one["lon"], one["lat"]) == (700, 700)
    assert jining.metres(one["source_lon"], one["source_lat"]) != (700, 700)
    assert found.reviews[["reason"]].to_numpy().tolist() == [["conflict"]]
    assert "the text holds" in found.reviews["detail"][0]
    assert found.summary["conflicts"] == {kind: 1}


def test_exchanged_or_impossible_coordinates_of_a_row_with_a_text_do_not_refuse_it():
    rows = calls((BUILDING, "35.4", "116.5"), (BUILDING, "1165000", "35.4"), ("", "1165000", "35.4"))
    found = intake.digest(rows, placed_feed(), known())
    assert table(found, "incident_id", "located_by", "conflict") == [("1", "address", "swapped"), ("2", "address", "")]
    assert found.rejected["reason"].tolist() == ["bad_coordinates"]
    assert found.summary["doubted_coordinates"] == 2
    without = intake.digest(rows, placed_feed(), intake.Known(zones(), RULES))
    assert without.rejected["reason"].tolist() == ["axes_swapped", "bad_coordinates", "bad_coordinates"]


def test_a_doubted_row_that_nobody_can_locate_says_what_was_wrong():
    found = intake.digest(calls((VILLAGES, "1165000", "35.4")), placed_feed(), known())
    assert found.reviews["detail"][0].startswith("coordinates are '1165000', '35.4', expected two numbers")


def test_a_text_that_is_not_certain_agrees_when_any_of_its_places_is_near():
    lots = calls((VILLAGES, 36100, -36000), (VILLAGES, 0, 0))
    found = intake.digest(lots, placed_feed(), known())
    assert table(found, "located_by", "conflict") == [("coordinates", ""), ("coordinates", "")]
    assert found.reviews.empty  # the score of one of three is no ground for doubt


def test_a_text_that_is_clear_but_too_coarse_to_be_accepted_is_in_conflict_and_the_coordinates_hold():
    found = intake.digest(calls(("微山县两城镇", 0, 0), ("微山县两城镇", 31000, -30000)), placed_feed(), known())
    assert table(found, "match_level", "located_by", "conflict") == [
        ("town", "coordinates", "elsewhere"),
        ("town", "coordinates", ""),
    ]
    assert found.reviews["incident_id"].tolist() == ["1"]
    assert "the coordinates hold" in found.reviews["detail"][0]


@pytest.mark.parametrize(("far", "kind"), [(2000, "cell_tower"), (40000, "default_point")])
def test_a_point_that_texts_of_many_places_share_is_nobodys_own(far: int, kind: str):
    texts = ("任城区古槐路121号", BUILDING, "济医附院门诊楼")
    found = intake.digest(calls(*((text, 500, far) for text in texts)), placed_feed(), known())
    assert found.incidents["conflict"].tolist() == [kind] * 3
    two = intake.digest(calls(*((text, 500, far) for text in texts[:2])), placed_feed(), known())
    assert two.incidents["conflict"].tolist() == ["elsewhere"] * 2


def test_a_source_that_declares_the_wrong_system_is_told_from_its_texts():
    texts = ("任城区古槐路121号", "任城区古槐路125号", BUILDING, "济医附院门诊楼", "任城区水景花园4号楼")
    places = ((20, 300), (20, 340), (700, 700), (250, 150), (800, 700))
    said = [(text, *at) for text, at in zip(texts, places, strict=True)]
    found = intake.digest(calls(*said, system="GCJ-02"), placed_feed(), known())
    told = found.summary["systems"]
    assert isinstance(told, dict)
    assert (told["EPSG:4326"]["decided"], told["EPSG:4326"]["records"]) == ("GCJ-02", 5)
    assert "declares EPSG:4326, 5 texts say GCJ-02" in told["EPSG:4326"]["alarm"]
    right = intake.digest(calls(*said, system="GCJ-02"), placed_feed(crs="GCJ-02"), known())
    told = right.summary["systems"]
    assert isinstance(told, dict)
    assert (told["GCJ-02"]["decided"], told["GCJ-02"]["alarm"]) == ("GCJ-02", "")
    assert right.summary["conflicts"] == {}


def test_a_place_that_calls_often_is_one_witness():
    rows = calls(*[(BUILDING, 700, 700)] * 9)
    found = intake.digest(rows, placed_feed(), known()).summary["systems"]
    assert isinstance(found, dict)
    assert found["EPSG:4326"]["records"] == 1


def test_the_same_batch_again_says_nothing_new_and_looking_again_changes_nothing():
    rows = calls((BUILDING, "", ""), (BUILDING, 3000, -2000), (VILLAGES, "", ""), ("", 700, 700))
    first = intake.digest(rows, placed_feed(), known())
    again = intake.digest(rows, placed_feed(), known(incidents=first.incidents))
    assert (len(again.incidents), len(again.reviews), len(again.zone_months)) == (0, 0, 0)
    anew = intake.relocate(first.incidents, {}, known(incidents=first.incidents))
    pd.testing.assert_frame_equal(anew.incidents, first.incidents)
    pd.testing.assert_frame_equal(anew.reviews, first.reviews)
    assert anew.zone_months.empty


def test_a_new_name_places_what_was_waiting_but_not_what_a_person_has_placed():
    rows = calls(("大东关", "", ""), ("大东关", "", ""))
    first = intake.digest(rows, placed_feed(), known()).incidents
    assert first["placed"].tolist() == ["waiting", "waiting"]
    said = {
        "feed": "made",
        "incident_id": "2",
        "place": "大东关",
        "words": "大东关",
        "geometry": shapely.Point(116.6, 35.4),
    }
    by_hand = pd.DataFrame([{**dict.fromkeys(corrections.CORRECTION_COLUMNS, ""), **said}])
    taught = jining.frame()
    taught.loc[taught["entry_id"] == "SJ", "aliases"] = "大东关"
    wiser = locate.Solver(gazetteer.build(taught, jining.PROJECTED), solver().calibration)
    anew = intake.relocate(first, {}, intake.Known(zones(), RULES, first, wiser, by_hand))
    assert table(anew, "incident_id", "located_by", "community_id") == [
        ("1", "address", "370811001001"),
        ("2", "person", "-"),
    ]
    assert anew.incidents["lon"].tolist()[1] == 116.6
    assert anew.summary["moved"] == 2
    assert anew.zone_months["count"].tolist() == [1]


def test_restating_keeps_where_texts_said_it_was():
    first = intake.digest(calls((BUILDING, "", ""), (BUILDING, 3000, -2000)), placed_feed(), known())
    anew = intake.restate(intake.Known(zones(), RULES, first.incidents))
    pd.testing.assert_frame_equal(anew.incidents, first.incidents)


texts = st.sampled_from([BUILDING, VILLAGES, "任城区古槐路121号", "济医附院门诊楼", "不详", "没有的地方"])
points = st.sampled_from([("", ""), (700, 700), (500, 2000), (500, 40000), ("1165000", "35.4"), ("35.4", "116.5")])


@given(
    st.lists(st.tuples(st.integers(0, 9), texts, points), min_size=1, max_size=14),
    st.lists(st.integers(0, 14), max_size=3),
)
def test_the_same_follows_however_rows_are_cut(said: list[tuple[int, str, tuple[object, object]]], cuts: list[int]):
    rows = calls(*((text, *at) for _, text, at in said)).assign(id=[str(number) for number, _, _ in said])
    ends = [0, *sorted(min(cut, len(rows)) for cut in cuts), len(rows)]
    case = parts.Case(placed_feed(), zones(), RULES, NOW, solver=solver())
    taken = [parts.take_in(rows.iloc[a:b].reset_index(drop=True), case) for a, b in itertools.pairwise(ends)]
    verdicts = versions.settle([part.versions for part in taken])
    kept = [versions.without(part.incidents, lost["row"]) for part, lost in zip(taken, verdicts, strict=True)]
    shared = whereabouts.shared([whereabouts.conflicts(some) for some in kept])
    counted = [parts.count(some.reset_index(drop=True), case, shared) for some in kept]
    batch = intake.digest(rows, placed_feed(), known(), NOW)
    incidents = pd.concat([one.incidents for one in counted], ignore_index=True)
    assert list(incidents.columns) == list(incident_rows.INCIDENT_COLUMNS)
    pd.testing.assert_frame_equal(incidents.drop(columns="digest"), batch.incidents.drop(columns="digest"))
    reviews = pd.concat([one.reviews for one in counted if one.reviews is not None], ignore_index=True)
    pd.testing.assert_frame_equal(reviews, batch.reviews)
    seen = witnesses.together([one.witnesses for one in counted if one.witnesses is not None])
    assert witnesses.told(witnesses.evidence(seen), "made") == batch.summary["systems"]
    assert sum(part.doubted for part in taken) == batch.summary["doubted_coordinates"]


def test_a_name_means_what_stood_when_the_call_came():
    rows = jining.frame(
        jining.ROWS.rstrip()
        + """
    OLD  unit  老车站  RC  -1000 100
    NEW  unit  老车站  RC  1000 100"""
    )
    rows.loc[rows["entry_id"] == "OLD", "valid_to"] = "2020-01-01"
    rows.loc[rows["entry_id"] == "NEW", "valid_from"] = "2020-01-01"
    dated = intake.Known(zones(), RULES, solver=locate.Solver(gazetteer.build(rows, jining.PROJECTED), SURE))
    came = calls(("任城区老车站", "", ""), ("任城区老车站", "", "")).assign(at=["2019-05-01 10:00", "2021-05-01 10:00"])
    found = intake.digest(came, placed_feed(), dated, NOW).incidents
    assert [jining.metres(*at)[0] for at in found[["lon", "lat"]].itertuples(index=False)] == [-1000, 1000]
