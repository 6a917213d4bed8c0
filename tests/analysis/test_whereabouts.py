"""Whereabouts: what a place text adds to coordinates, and what holds when the two disagree."""

import numpy as np
import pandas as pd

from geo_service.analysis import intake
from tests.analysis.made import RULES, feed, rows, squares

ZONES = {
    "communities": squares("communities", "abcd"),
    "units": squares("units", "uv", width=1.5),
    "patrol_zones": squares("patrol_zones", "p", width=4.0),
}
KNOWN = intake.Known(ZONES, RULES)


def named(lines: str, **columns: list[str]) -> pd.DataFrame:
    """Give the incidents of some rows as if their texts had named these zones, at these levels."""
    found = intake.digest(rows(lines), feed(), KNOWN).incidents
    return found.assign(**{name: pd.Series(values, dtype="str") for name, values in columns.items()})


def test_a_named_zone_that_stands_holds_the_incident_wherever_its_point_is():
    incidents = named(
        "1 2024-05-01_10:00 R 0.5 0.5\n2 2024-05-01_10:00 R 0.5 0.5\n3 2024-05-01_10:00 R 0.5 0.5\n"
        "4 2024-05-01_10:00 R 9 9\n5 2024-05-01_10:00 R 9 9",
        named_kind=["communities", "units", "communities", "communities", ""],
        named_id=["b", "v", "gone", "d", ""],
        match_level=["building", "unit", "compound", "compound", ""],
    )
    placed = intake.place(incidents, ZONES)
    table = placed[["community_id", "unit_id", "patrol_zone_id", "placed"]].fillna("-").to_numpy().tolist()
    assert table == [
        ["b", "-", "p", "located"],
        ["a", "v", "p", "located"],
        ["a", "u", "p", "located"],
        ["d", "-", "-", "located"],
        ["-", "-", "-", "outside"],
    ]


def test_a_text_no_finer_than_the_community_leaves_the_unit_that_the_point_lies_in():
    incidents = named(
        "1 2024-05-01_10:00 R 0.5 0.5\n2 2024-05-01_10:00 R 0.5 0.5",
        named_kind=["communities"] * 2,
        named_id=["a", "a"],
        match_level=["village", "building"],
    )
    assert intake.place(incidents, ZONES)["unit_id"].fillna("-").tolist() == ["u", "-"]


def test_restating_keeps_what_the_text_named():
    incidents = named(
        "1 2024-05-01_10:00 R 0.5 0.5", named_kind=["communities"], named_id=["b"], match_level=["building"]
    ).assign(located_by="address", uncertainty_m=12.0, confidence=0.98, conflict="elsewhere")
    found = intake.restate(intake.Known(ZONES, RULES, incidents))
    assert found.levels[found.levels["zone_kind"] == "communities"]["zone_id"].tolist() == ["b"]
    kept = ["located_by", "match_level", "uncertainty_m", "confidence", "conflict", "named_kind", "named_id"]
    assert found.incidents[kept].to_numpy().tolist() == incidents[kept].to_numpy().tolist()


def test_without_a_solver_coordinates_are_all_that_is_known():
    found = intake.digest(rows("1 2024-05-01_10:00 R 0.5 0.5\n2 2024-05-01_10:00 R - -"), feed(), KNOWN)
    assert found.incidents["located_by"].tolist() == ["coordinates", ""]
    assert np.isnan(found.incidents[["uncertainty_m", "confidence"]].to_numpy()).all()
    for column in ("match_level", "conflict", "named_kind", "named_id"):
        assert found.incidents[column].tolist() == ["", ""]
    assert found.reviews.empty
