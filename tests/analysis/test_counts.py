"""Counting: the same from text as from categories, the same in one go as in parts, nothing missed near a moved call."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo_service.analysis import counts, early_warnings
from geo_service.geography import grid
from tests.analysis.made import RULES, squares

KINDS = ("communities", "patrol_zones", "units")
CODED = ["month", "category", "community_id", "unit_id", "patrol_zone_id", "incident_id", "feed"]
EVERYWHERE = {  # lon, lat
    "the equator": (116.0, 0.0),
    "a city": (116.6, 35.4),
    "the date line": (180.0, -17.0),
    "the north pole": (0.0, 89.999),
    "the south pole": (90.0, -90.0),
    "pentagon in Norway": (10.536199, 64.7),
    "pentagon off Liberia": (-5.245390, 2.300882),
    "pentagon in Manchuria": (122.3, 39.1),
}
PLACES = {
    "communities": squares("communities", "abä"),  # not all of them: a place that is gone still counts
    "patrol_zones": squares("patrol_zones", "Na"),
    "units": squares("units", "u"),
}
seeds = st.integers(0, 2**32 - 1)


def placed(seed: int, count: int, at: tuple[float, float] = (116.6, 35.4), wide_deg: float = 0.05) -> pd.DataFrame:
    """Give incidents of three months; some lie in no zone, some have no coordinates, places and times repeat."""
    rng = np.random.default_rng(seed)

    def of(*values: str | None) -> pd.Series:
        return pd.Series(rng.choice(np.array(values, dtype=object), count), dtype="str")

    lon = at[0] + rng.normal(0, wide_deg, count).round(4)
    return pd.DataFrame(
        {
            "feed": of("one", "two"),
            "incident_id": pd.Series([f"n{number}" for number in rng.permutation(count)], dtype="str"),
            "called_at": pd.Timestamp("2024-03-01", tz="UTC").as_unit("us")
            + pd.to_timedelta(rng.integers(0, 50, count), "h"),
            "month": of("2024-05", "2024-03", "2024-04"),
            "category": of("theft", "robbery", "dispute", "unmapped"),
            "triage": of("", "", "confirmed", "invalid"),
            "filed_at": pd.Series(pd.NaT, index=range(count), dtype="datetime64[us, UTC]"),
            "community_id": of("b", "a", "ä", "10", "9", None),
            "unit_id": of("u", None, None),
            "patrol_zone_id": of("N", "a", None),
            "lon": np.where(rng.random(count) < 0.1, np.nan, (lon + 180) % 360 - 180),
            "lat": np.clip(at[1] + rng.normal(0, wide_deg, count).round(4), -90, 90),
        }
    )


def counted(incidents: pd.DataFrame) -> dict[str, pd.DataFrame]:
    zone_months, cell_months = counts.tally(incidents, KINDS, RULES.placing), counts.tally_cells(incidents)
    return {
        "zone_months": zone_months,
        "cell_months": cell_months,
        "levels": early_warnings.levels(zone_months, RULES, PLACES),
        "cell_levels": early_warnings.cell_levels(cell_months, RULES),
        "alerts": early_warnings.alerts(incidents, PLACES, RULES),
    }


def cells_of(incidents: pd.DataFrame) -> set[str]:
    lon, lat = incidents["lon"].to_numpy(), incidents["lat"].to_numpy()
    return {cell for resolution in grid.RESOLUTIONS for cell in grid.as_text(grid.cells(lon, lat, resolution))}


@given(seeds, st.integers(0, 60))
def test_categories_count_as_text_does(seed: int, count: int):
    text = placed(seed, count)
    unused = pd.CategoricalDtype(["2001-01", "2024-05", "2024-04", "2024-03"])  # not in order, one before every rule
    categories = text.astype({**dict.fromkeys(CODED, "category"), "month": unused})
    found = counted(categories)
    for name, frame in counted(text).items():
        pd.testing.assert_frame_equal(found[name], frame)


@given(seeds, st.integers(0, 60), st.integers(0, 60))
def test_two_tallies_added_are_the_tally_of_both(seed: int, first: int, second: int):
    both = placed(seed, first + second)
    parts = both[:first], both[first:]
    for tally, order in (
        (lambda rows: counts.tally(rows, KINDS, RULES.placing), counts.ZONE_ORDER),
        (counts.tally_cells, counts.CELL_ORDER),
    ):
        pd.testing.assert_frame_equal(counts.added(*map(tally, parts), order), tally(both))


@pytest.mark.parametrize("where", EVERYWHERE)
@given(seed=seeds, wide_deg=st.sampled_from([0.0005, 0.005, 0.05, 1.0]))
def test_around_moved_calls_every_call_in_their_cells_is_counted_and_no_other(where: str, seed: int, wide_deg: float):
    incidents = placed(seed, 300, EVERYWHERE[where], wide_deg)
    moved = incidents[:3]
    whole = counts.tally_cells(incidents)
    touched = whole[whole["h3"].isin(cells_of(moved))].reset_index(drop=True)
    pd.testing.assert_frame_equal(counts.tally_cells(incidents, moved), touched)


@given(seeds)
def test_with_moved_calls_only_their_zones_are_counted(seed: int):
    incidents = placed(seed, 40)
    moved = incidents[:2]
    whole = counts.tally(incidents, KINDS, RULES.placing)
    held = {
        (kind, zone)
        for kind, column in (("communities", "community_id"), ("units", "unit_id"), ("patrol_zones", "patrol_zone_id"))
        for zone in moved[column].dropna()
    }
    touched = [pair in held for pair in zip(whole["zone_kind"], whole["zone_id"], strict=True)]
    found = counts.tally(incidents, KINDS, RULES.placing, moved)
    pd.testing.assert_frame_equal(found, whole[touched].reset_index(drop=True))


@given(seeds, st.integers(1, 40), st.integers(1, 40))
def test_changes_lead_from_one_tally_to_the_other(seed: int, first: int, second: int):
    key = list(counts.ZONE_KEY)
    before = counts.tally(placed(seed, first), KINDS, RULES.placing).set_index(key)["count"].to_dict()
    after = counts.tally(placed(seed + 1, second), KINDS, RULES.placing).set_index(key)["count"].to_dict()
    found = counts.changes(as_frame(before), as_frame(after), key).set_index(key)["count"].to_dict()
    assert found == {at: after.get(at, 0) for at in {*before, *after} if before.get(at, 0) != after.get(at, 0)}


def as_frame(tally: dict[tuple[str, ...], int]) -> pd.DataFrame:
    rows = [(*at, count) for at, count in tally.items()]
    frame = pd.DataFrame(rows, columns=[*counts.ZONE_KEY, "count"])
    return frame.astype(dict.fromkeys(counts.ZONE_KEY, "str"))
