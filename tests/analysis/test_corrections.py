"""What a person said about a place holds while the text stays; a finer answer at the same place stays."""

import numpy as np
import pandas as pd
import shapely

from geo_service.analysis import corrections, intake
from tests.analysis.made import RULES, feed, rows, squares

KNOWN = intake.Known({"communities": squares("communities", "abcd")}, RULES)
HERE = shapely.box(0.49, 0.49, 0.51, 0.51)


def incidents(*places: str, **columns: object) -> pd.DataFrame:
    lines = "\n".join(f"{i} 2024-05-01_10:00 R - -" for i in range(len(places)))
    found = intake.digest(rows(lines), feed(), KNOWN).incidents
    return found.assign(place=pd.Series(places, dtype="str"), **columns)


def said(*rows: tuple[str, str, str, shapely.Geometry]) -> pd.DataFrame:
    table = [("made", i, place, words, "compound", "communities", "a", means) for i, place, words, means in rows]
    return pd.DataFrame(table, columns=list(corrections.CORRECTION_COLUMNS))


def where(frame: pd.DataFrame) -> list[list[object]]:
    return frame[["lon", "lat", "located_by", "match_level", "named_kind", "named_id", "conflict"]].to_numpy().tolist()


def test_a_corrected_incident_is_where_the_person_said_and_others_stay():
    before = incidents("水景那边", "别处", conflict="elsewhere", uncertainty_m=9.0, confidence=0.5)
    after, held = corrections.hold(before, said(("0", "水景那边", "水景那边", HERE), ("9", "别处", "别处", HERE)))
    assert held.tolist() == [True, False]
    assert where(after)[0] == [0.5, 0.5, "person", "compound", "communities", "a", ""]
    assert np.isnan(after.loc[0, ["uncertainty_m", "confidence"]].astype(float)).all()
    pd.testing.assert_frame_equal(after.iloc[1:], before.iloc[1:])
    assert before["located_by"].tolist() == ["", ""]


def test_another_place_text_is_not_held():
    before = incidents("水景北边")
    after, held = corrections.hold(before, said(("0", "水景那边", "水景那边", HERE)))
    assert not held.any()
    pd.testing.assert_frame_equal(after, before)


def test_a_finer_answer_at_the_same_place_stays_and_one_elsewhere_does_not():
    text = "水景那边3号楼"
    before = incidents(text, text, text, text, lat=0.505, uncertainty_m=12.0, confidence=0.9, match_level="building")
    before = before.assign(lon=[0.505, 0.517, 0.53, np.nan], located_by=pd.Series(["address"] * 3 + [""], dtype="str"))
    after, held = corrections.hold(before, said(*((str(i), text, "水景那边", HERE) for i in range(4))))
    assert held.all()
    assert after["located_by"].tolist() == ["person"] * 4
    assert after["lon"].tolist() == [0.505, 0.517, 0.5, 0.5]
    assert after["match_level"].tolist() == ["building", "building", "compound", "compound"]
    assert after["uncertainty_m"].fillna(-1).tolist() == [12.0, 12.0, -1.0, -1.0]


def test_the_whole_text_means_the_place_itself_wherever_the_solver_saw_it():
    before = incidents("水景那边", lon=0.505, lat=0.505, located_by="address")
    after, _ = corrections.hold(before, said(("0", "水景那边", "水景那边", HERE)))
    assert after["lon"].tolist() == [0.5]


def test_without_corrections_nothing_happens():
    before = incidents("水景那边")
    after, held = corrections.hold(before, corrections.empty_corrections())
    assert after is before
    assert not held.any()
