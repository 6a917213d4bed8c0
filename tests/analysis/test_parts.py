"""Parts: however rows are cut, the same follows; and the same as from one batch."""

import itertools
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo_service.analysis import intake, parts, totals, versions
from geo_service.errors import BadRows
from tests.analysis.made import RULES, feed, rows, squares

ZONES = {
    "communities": squares("communities", "abcd"),
    "units": squares("units", "uv", width=1.5),
    "patrol_zones": squares("patrol_zones", "p", width=4.0),
}
NOW = datetime(2024, 7, 1, tzinfo=UTC)

ids = st.sampled_from([str(number) for number in range(12)])
days = st.integers(1, 9)
call = st.builds(
    lambda no, day, hour, code, x, said: (
        f"{no} 2024-0{5 + day % 2}-0{day}_{hour:02d}:00 {code} {x} {'0.5' if x != '-' else '-'} {said}"
    ),
    ids,
    days,
    st.integers(0, 23),
    st.sampled_from("RTDX"),
    st.sampled_from(["0.5", "1.0", "1.2", "3.9", "9", "200", "-"]),
    st.one_of(st.just("-"), st.builds(lambda day: f"2024-06-0{day}_00:00", days)),
)


def case(as_of: datetime | None = None) -> parts.Case:
    return parts.Case(feed(), ZONES, RULES, NOW, as_of)


def digested(
    raw: list[pd.DataFrame], as_of: datetime | None, at_once: int = 10
) -> tuple[pd.DataFrame, dict[str, pd.DataFrame], dict[str, Any]]:
    """Do what a run does: take every part in, settle, count, conclude a few months at a time."""
    this = case(as_of)
    taken = [parts.take_in(some, this) for some in raw]
    verdicts = versions.settle([part.versions for part in taken])
    kept = [part.incidents.drop(index=lost["row"]) for part, lost in zip(taken, verdicts, strict=True)]
    counted = [parts.count(some.reset_index(drop=True), this) for some in kept]
    whole_of = sum((one.totals for one in counted), Counter())
    found: list[parts.Months] = []
    groups = parts.month_groups(whole_of, at_once)
    for months in groups:
        names = ("zone_months", "cell_months", "calls")
        laid = [pd.concat([getattr(one, name) for one in counted], ignore_index=True) for name in names]
        here = [frame[frame["month"].isin(months)].reset_index(drop=True) for frame in laid]
        found.append(parts.conclude(*here, months, this))
    names = ("zone_month", "levels", "alerts", "cell_month", "cell_levels")
    whole = {name: pd.concat([getattr(some, name) for some in found], ignore_index=True) for name in names}
    dropped = np.concatenate(verdicts)["verdict"]
    summary = {
        **totals.told(whole_of, this.zones),
        "months": [month for group in groups for month in group],
        "duplicates": int((dropped == versions.DUPLICATE).sum()),
        "after_as_of": int((dropped == versions.NOT_YET_SAID).sum()),
    }
    return pd.concat(kept, ignore_index=True), whole, summary


def by_month(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.sort_values("month", kind="stable", ignore_index=True)


@given(
    st.lists(call, min_size=1, max_size=40),
    st.lists(st.integers(0, 40), max_size=4),
    st.sampled_from([None, datetime(2024, 6, 4, tzinfo=UTC)]),
)
def test_the_same_follows_however_rows_are_cut(lines: list[str], cuts: list[int], as_of: datetime | None):
    whole = rows("\n".join(lines))
    ends = [0, *sorted(min(cut, len(whole)) for cut in cuts), len(whole)]
    cut = [whole.iloc[a:b].reset_index(drop=True) for a, b in itertools.pairwise(ends)]
    incidents, found, summary = digested(cut, as_of)
    batch = intake.digest(whole, feed(), intake.Known(ZONES, RULES), NOW, as_of=as_of)
    pd.testing.assert_frame_equal(
        incidents.drop(columns="digest"), batch.incidents.drop(columns="digest"), check_index_type=False
    )
    for name, wanted in {
        "zone_month": batch.zone_months,
        "alerts": batch.alerts,
        "cell_month": batch.cell_months,
        "cell_levels": batch.cell_levels,
    }.items():
        pd.testing.assert_frame_equal(found[name], by_month(wanted), check_index_type=False)
    coloured = found["levels"][found["levels"]["count"] > 0].reset_index(drop=True)
    pd.testing.assert_frame_equal(coloured, by_month(batch.levels), check_index_type=False)
    for name in ("incidents", "placed", "outside", "outside_by_kind", "outside_why", "without_coordinates", "unmapped"):
        assert summary[name] == batch.summary[name], name
    assert (summary["duplicates"], summary["after_as_of"]) == (
        batch.summary["duplicates"],
        batch.summary["after_as_of"],
    )


def test_a_place_outside_all_zones_of_a_kind_has_a_reason():
    _, _, summary = digested([rows("1 2024-04-01_10:00 R 3.5 0.5\n2 2024-06-01_05:00 R 9 9")], None)
    assert summary["outside_why"] == {
        "communities": {"outside_bounds": 1},
        "patrol_zones": {"outside_bounds": 1},
        "units": {"outside_bounds": 2},
    }


@pytest.mark.parametrize("at_once", [1, 100])
def test_every_zone_and_month_of_the_span_has_a_level_zeros_too(at_once: int):
    _, found, summary = digested([rows("1 2024-04-01_10:00 R 0.5 0.5\n2 2024-06-01_05:00 R 9 9")], None, at_once)
    assert summary["months"] == ["2024-04", "2024-05", "2024-06"]
    assert found["levels"]["month"].tolist() == [month for month in summary["months"] for _ in range(4 + 2 + 1)]
    assert found["levels"]["count"].sum() == 1 + 1  # the unit's and the patrol zone's


def test_a_wrong_time_format_shows_however_thin_the_parts_are():
    wrong = [rows(f"{number} 01/05/2024 R 0.5 0.5") for number in range(25)]
    doubts = sum((parts.take_in(part, case()).doubts for part in wrong), parts.take_in(wrong[0], case()).doubts)
    with pytest.raises(BadRows, match="not one of 26 call times could be read"):
        doubts.check(feed())
