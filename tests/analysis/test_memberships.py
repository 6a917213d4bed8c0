"""Which area each place lies in, by geometry."""

from datetime import date

import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from geo_service.analysis import jurisdictions, memberships
from geo_service.errors import BadZones
from geo_service.geography.zones import Zones
from tests.analysis.test_jurisdictions import frame

DAY = date(2024, 5, 1)


def zones(kind: str, shapes: dict[str, shapely.Geometry]) -> Zones:
    ids = sorted(shapes)
    nameless = np.full(len(ids), "", dtype=object)
    return Zones(
        kind,
        np.array(ids, dtype=object),
        nameless,
        nameless,
        np.array([shapes[name] for name in ids], dtype=object),
    )


def stations(*rows: str) -> pd.DataFrame:
    return frame(jurisdictions.AREA_COLUMNS, *rows)


def test_a_place_lies_in_the_area_that_covers_its_representative_point_and_its_parts_are_told():
    polygons = zones("areas", {"s1": shapely.box(0, 0, 2, 2), "s2": shapely.box(2, 0, 4, 2)})
    homes = {
        "inner": shapely.box(0.5, 0.5, 1, 1),
        "across": shapely.box(1.5, 0, 3.5, 1),  # a quarter in s1
        "sliver": shapely.box(1, 1, 2.001, 2),  # a thousandth in s2: how borders are drawn
        "half_out": shapely.box(3, 1, 4.9, 2),
        "away": shapely.box(9, 9, 10, 10),
    }
    areas = stations("police s1 station West - - -", "police s2 station East - - -")
    found = memberships.by_area(polygons, areas, "police", [zones("communities", homes)])
    placed = {row["zone_id"]: row["area"] for row in found.memberships.to_dict("records")}
    assert placed == {"inner": "s1", "across": "s2", "sliver": "s1", "half_out": "s2"}
    assert found.outside.to_numpy().tolist() == [["communities", "away"]]
    parts = [[zone, area, round(share, 2)] for _, zone, area, share in found.split.itertuples(index=False)]
    assert parts == [["across", "s2", 0.75], ["across", "s1", 0.25], ["half_out", "s2", 0.53]]
    jurisdictions.check_memberships(found.memberships, areas, "areas.geojson")


def test_a_membership_lasts_as_long_as_its_area():
    areas = stations("police s1 station A - 2023-01-01 2024-01-01", "police s1 station B - 2024-01-01 2025-01-01",
                     "police s2 station C - - 2024-01-01", "police s2 station D - 2024-01-01 -")  # fmt: skip
    polygons = zones("areas", {"s1": shapely.box(0, 0, 1, 1), "s2": shapely.box(1, 0, 2, 1)})
    homes = zones("units", {"a": shapely.box(0, 0, 0.5, 1), "b": shapely.box(1.5, 0, 2, 1)})
    found = memberships.by_area(polygons, areas, "police", [homes]).memberships
    assert found["valid_from"].tolist() == [pd.Timestamp("2023-01-01"), pd.NaT]
    assert found["valid_to"].tolist() == [pd.Timestamp("2025-01-01"), pd.NaT]
    jurisdictions.check_memberships(found, areas, "areas.geojson")


def test_without_polygons_nothing_is_guessed():
    with pytest.raises(BadZones, match="no area of the police tree"):
        memberships.by_area(zones("areas", {}), stations(), "police", [])


def test_a_list_tells_what_it_leaves_open():
    listed = frame(jurisdictions.MEMBERSHIP_COLUMNS, "communities a police s1 - -", "communities x civil t1 - -")
    places = {"communities": zones("communities", dict.fromkeys("ab", shapely.box(0, 0, 1, 1)))}
    assert memberships.without(listed, places) == {"places_without": {"civil": 2, "police": 1}, "places_unknown": 1}


corner = st.tuples(st.integers(0, 12), st.integers(0, 12), st.integers(1, 6), st.integers(1, 6))
boxes = st.lists(corner, min_size=1, max_size=6)


def drawn(corners: list[tuple[int, int, int, int]], prefix: str) -> dict[str, shapely.Geometry]:
    return {f"{prefix}{i}": shapely.box(x, y, x + w, y + h) for i, (x, y, w, h) in enumerate(corners)}


@given(boxes, boxes)
def test_the_lineage_by_geometry_is_what_shapely_covers(area_corners, home_corners):
    """Random areas, overlapping and touching ones too: the lowest code among those that cover the point."""
    polygons, homes = drawn(area_corners, "s"), drawn(home_corners, "h")
    areas = stations("police f1 branch North - - -", *(f"police {code} station {code} f1 - -" for code in polygons))
    found = memberships.by_area(zones("areas", polygons), areas, "police", [zones("communities", homes)])
    lineage = jurisdictions.Trees(areas, found.memberships).lineage(DAY)
    told = dict(lineage[["zone_id", "police_station"]].itertuples(index=False))
    at = {home: shapely.point_on_surface(shape) for home, shape in homes.items()}
    covering = {home: [code for code in sorted(polygons) if polygons[code].covers(at[home])] for home in homes}
    assert told == {home: codes[0] for home, codes in covering.items() if codes}
    assert set(found.outside["zone_id"]) == {home for home, codes in covering.items() if not codes}
    assert set(lineage["police_branch"]) <= {"f1"}
    for _, home, code, share in found.split.itertuples(index=False):
        part = homes[home].intersection(polygons[code]).area / homes[home].area
        assert abs(share - part) < 0.02, "degrees near the equator are nearly square"
