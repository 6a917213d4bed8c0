"""Promises of intake that must hold for any batch: whatever the way the rows came, the same picture.

A small town is counted twice: by `intake.digest`, batch after batch, with its findings kept as the store keeps them,
and by hand, in plain loops over the rows as they stand at the end.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import PurePath
from typing import Any

import numpy as np
import pandas as pd
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from geo_service.analysis import feed as feed_files
from geo_service.analysis import incidents as incident_rows
from geo_service.analysis import intake, rules
from geo_service.geography.zones import Zones

FEED = feed_files.parse(
    {
        "id": "calls",
        "crs": "EPSG:4326",
        "columns": {
            "id": "no",
            "called_at": "time",
            "updated_at": "sent",
            "category": "code",
            "lon": "lon",
            "lat": "lat",
        },
        "time": {"zone": "Asia/Shanghai"},
        "categories": [{"valid_from": date(2000, 1, 1), "map": {"01": "robbery", "02": "theft", "09": "fraud"}}],
    },
    PurePath("calls.toml"),
)
CATEGORY = {"01": "robbery", "02": "theft", "09": "fraud", "77": "unmapped"}
COUNTED = ("robbery", "theft")
CITY = rules.Rules(
    levels=(rules.Levels(date(2000, 1, 1), "1", 1, 2, 4, 6, 9, COUNTED),),
    placing={"communities": "unless_in_unit", "units": "always", "patrol_zones": "always"},
    categories={name: {} for name in CATEGORY.values()},
)
AREAS = {
    "communities": {"10": shapely.box(116.50, 35.40, 116.51, 35.41), "9": shapely.box(116.51, 35.40, 116.52, 35.41)},
    "units": {"U": shapely.box(116.505, 35.405, 116.515, 35.408)},
    "patrol_zones": {
        "P1": shapely.box(116.50, 35.40, 116.515, 35.41),
        "P2": shapely.box(116.515, 35.40, 116.53, 35.41),
    },
}
PLACES = [
    ("116.502", "35.402"),  # west
    ("116.518", "35.402"),  # east
    ("116.51", "35.402"),  # on the border of the two
    ("116.51", "35.406"),  # on the border, and in the unit
    ("116.505", "35.405"),  # a corner of the unit
    ("116.525", "35.405"),  # a patrol zone only
    ("117.5", "36.5"),  # outside
    ("", ""),  # nowhere: waits for geocoding
]
Row = dict[str, str]
EPOCH = datetime(2024, 4, 28, tzinfo=UTC)
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def zones(kind: str) -> Zones:
    ids = np.array(sorted(AREAS[kind]), dtype=object)
    blank = np.full(len(ids), "", dtype=object)
    return Zones(kind, ids, blank, blank, np.array([AREAS[kind][name] for name in ids], dtype=object))


ZONES = {kind: zones(kind) for kind in AREAS}


def frame(rows: Sequence[Row]) -> pd.DataFrame:
    raw = pd.DataFrame([{name: row[name] for name in FEED.columns_taken} for row in rows], dtype="str")
    return raw.assign(_source="batch.csv", _row=np.arange(1, len(raw) + 1), _broken="")


@dataclass
class Kept:
    """What a store keeps of one finding after another."""

    incidents: pd.DataFrame = field(default_factory=incident_rows.empty_incidents)
    counts: dict[str, dict[tuple[Any, ...], tuple[Any, ...]]] = field(default_factory=dict)
    rejected: set[tuple[str, str]] = field(default_factory=set)

    def take(self, rows: Sequence[Row]) -> intake.Found:
        batch = frame(rows)
        asked = intake.asks(batch, FEED, NOW, CITY)
        stored = self.incidents.merge(asked.keys, on=["feed", "incident_id"])
        wanted = self.incidents["month"].isin({*asked.months, *stored["month"]})
        known = intake.Known(ZONES, CITY, self.incidents[wanted].reset_index(drop=True))
        found = intake.digest(batch, FEED, known)
        self.keep(found)
        return found

    def keep(self, found: intake.Found) -> None:
        whole = (
            pd.concat([self.incidents, found.incidents], ignore_index=True) if len(self.incidents) else found.incidents
        )
        self.incidents = whole.drop_duplicates(["feed", "incident_id"], keep="last").reset_index(drop=True)
        self.rejected |= set(zip(found.rejected["incident_id"], found.rejected["reason"], strict=True))
        self._replace("zone_months", found.zone_months, ["zone_kind", "zone_id", "month", "category"])
        self._replace("levels", found.levels, ["zone_kind", "zone_id", "month"])
        self._replace("cell_months", found.cell_months, ["h3", "resolution", "month", "category"])
        self._replace("cell_levels", found.cell_levels, ["h3", "resolution", "month"])
        alert_key = ["zone_kind", "zone_id", "month", "kind"]
        self._replace("alerts", found.withdrawn.assign(count=0), alert_key)
        self._replace("alerts", found.alerts, alert_key)

    def _replace(self, name: str, changes: pd.DataFrame, key: list[str]) -> None:
        assert not changes.duplicated(key).any(), f"{name} says two things of one place"
        kept = self.counts.setdefault(name, {})
        for row in changes.to_dict("records"):
            at = tuple(row[column] for column in key)
            if row["count"] == 0:
                assert kept.pop(at, None) is not None, f"{name} removes what is not there: {at}"
            else:
                kept[at] = tuple(value for column, value in row.items() if column not in key)

    def picture(self) -> dict[str, Any]:
        ids = self.incidents.set_index("incident_id")
        columns = ["called_at", "category", "month", "community_id", "unit_id", "patrol_zone_id", "placed"]
        whole = ids[columns].astype(object).where(ids[columns].notna(), None).to_dict("index")
        return {**self.counts, "incidents": whole, "rejected": self.rejected}


def taken_together(batches: Iterable[Sequence[Row]]) -> dict[str, Any]:
    kept = Kept()
    for batch in batches:
        if batch:
            kept.take(batch)
    return kept.picture()


# --- by hand ---


def holder(kind: str, row: Row) -> str | None:
    if not row["lon"]:
        return None
    point = shapely.Point(float(row["lon"]), float(row["lat"]))
    return min((name for name, area in AREAS[kind].items() if area.covers(point)), default=None)


def counting_zones(row: Row) -> list[tuple[str, str]]:
    held = {kind: holder(kind, row) for kind in AREAS}
    if held["units"]:
        held["communities"] = None  # the unit's, and not counted again around it
    return [(kind, name) for kind, name in held.items() if name]


def by_hand(rows: Sequence[Row]) -> dict[str, Any]:
    """Count the rows as they stand: one row per number."""
    zone_months: Counter[tuple[str, str, str, str]] = Counter()
    calls: dict[tuple[str, str, str], list[pd.Timestamp]] = {}
    for row in rows:
        for kind, name in counting_zones(row):
            month, category = row["time"][:7], CATEGORY[row["code"]]
            zone_months[kind, name, month, category] += 1
            if category in COUNTED:
                at = pd.Timestamp(row["time"], tz="Asia/Shanghai")
                calls.setdefault((kind, name, month), []).append(at)
    levels = {
        place: (len(times), (0, 1, 2, 2, 3, 3)[len(times)] if len(times) < 6 else 4) for place, times in calls.items()
    }
    alerts = {
        (*place, kind): (sorted(times)[number - 1], number)
        for place, times in calls.items()
        for number, kind in ((3, "critical_red"), (4, "enter_red"), (5, "critical_black"), (6, "enter_black"))
        if len(times) >= number
    }
    return {"zone_months": {key: (count,) for key, count in zone_months.items()}, "levels": levels, "alerts": alerts}


def assert_counts(picture: dict[str, Any], rows: Sequence[Row]) -> None:
    for name, expected in by_hand(rows).items():
        assert picture.get(name, {}) == expected, name


# --- any rows ---


def sent_at(minute: int) -> str:
    return f"2024-06-01 00:{minute:02d}:00"


@st.composite
def row_of(draw: st.DrawFn, number: int, sent: int = 0) -> Row:
    at = EPOCH + timedelta(hours=draw(st.integers(0, 24 * 6)))  # from April into May
    lon, lat = draw(st.sampled_from(PLACES))
    return {
        "no": f"n{number}",
        "time": f"{at:%Y-%m-%d %H:%M:%S}",
        "sent": sent_at(sent),
        "code": draw(st.sampled_from(["01", "01", "02", "09", "77"])),
        "lon": lon,
        "lat": lat,
    }


@st.composite
def different_rows(draw: st.DrawFn, least: int = 1, most: int = 24) -> list[Row]:
    return [draw(row_of(number)) for number in range(draw(st.integers(least, most)))]


@st.composite
def dealt(draw: st.DrawFn, rows: Sequence[Row]) -> list[list[Row]]:
    """Deal rows into up to five batches, in any order."""
    batches: list[list[Row]] = [[] for _ in range(draw(st.integers(1, 5)))]
    for row in draw(st.permutations(rows)):
        batches[draw(st.integers(0, len(batches) - 1))].append(row)
    return batches


@settings(max_examples=15, deadline=None)
@given(st.data())
def test_any_split_and_order_of_the_rows_gives_the_same_picture(data: st.DataObject) -> None:
    rows = data.draw(different_rows())
    picture = taken_together(data.draw(dealt(rows)))
    assert picture == taken_together([rows])
    assert_counts(picture, rows)


@settings(max_examples=10, deadline=None)
@given(st.data())
def test_sending_rows_again_finds_nothing_and_changes_nothing(data: st.DataObject) -> None:
    rows = data.draw(different_rows())
    again = data.draw(st.lists(st.sampled_from(rows), min_size=1))
    kept = Kept()
    kept.take(rows)
    before = kept.picture()
    found = kept.take(again)
    for name in ("incidents", "zone_months", "levels", "alerts", "withdrawn", "cell_months", "cell_levels"):
        assert getattr(found, name).empty, name
    assert kept.picture() == before


@settings(max_examples=10, deadline=None)
@given(st.data())
def test_a_retyped_row_moves_its_count(data: st.DataObject) -> None:
    rows = data.draw(different_rows())
    which = data.draw(st.integers(0, len(rows) - 1))
    others = [code for code in CATEGORY if code != rows[which]["code"]]
    retyped = {**rows[which], "code": data.draw(st.sampled_from(others)), "sent": "2024-06-02 00:00:00"}
    kept = Kept()
    kept.take(rows)
    before = Counter({key: count for key, (count,) in kept.picture()["zone_months"].items()})
    kept.take([retyped])
    after = Counter({key: count for key, (count,) in kept.picture()["zone_months"].items()})
    moved = {(kind, name, retyped["time"][:7]) for kind, name in counting_zones(retyped)}
    was, now = CATEGORY[rows[which]["code"]], CATEGORY[retyped["code"]]
    assert before - after == Counter({(*place, was): 1 for place in moved})
    assert after - before == Counter({(*place, now): 1 for place in moved})
    assert_counts(kept.picture(), [*rows[:which], retyped, *rows[which + 1 :]])


@st.composite
def versions(draw: st.DrawFn) -> tuple[list[Row], list[Row]]:
    """Give all versions of some calls, and of each call the one sent last; a version may say the same again."""
    said: list[Row] = []
    newest: list[Row] = []
    for number in range(draw(st.integers(1, 8))):
        first = draw(row_of(number))
        history = [first]
        for sent in range(1, draw(st.integers(1, 4))):
            changed = draw(st.one_of(row_of(number, sent), st.sampled_from(history)))
            history.append({**changed, "sent": sent_at(sent)})
        said += history
        newest.append(history[-1])
    return said, newest


@settings(max_examples=15, deadline=None)
@given(st.data())
def test_the_version_sent_last_holds_whatever_the_order_of_arrival(data: st.DataObject) -> None:
    said, newest = data.draw(versions())
    picture = taken_together(data.draw(dealt(said)))
    assert_counts(picture, newest)
    assert {name: row["category"] for name, row in picture["incidents"].items()} == {
        row["no"]: CATEGORY[row["code"]] for row in newest
    }


def test_a_version_that_says_the_same_again_still_outdates_the_ones_between() -> None:
    first = {
        "no": "n0",
        "time": "2024-05-01 08:00:00",
        "sent": sent_at(0),
        "code": "01",
        "lon": "116.502",
        "lat": "35.402",
    }
    between, last = {**first, "code": "02", "sent": sent_at(1)}, {**first, "sent": sent_at(2)}
    assert_counts(taken_together([[first], [last], [between]]), [last])


@settings(max_examples=10, deadline=None)
@given(st.data())
def test_every_row_comes_out_as_an_incident_or_as_rejected(data: st.DataObject) -> None:
    rows = data.draw(different_rows(least=21))  # fewer could be refused as a whole
    faults = {"no": "", "time": "yesterday", "lon": "x"}
    spoiled = data.draw(st.dictionaries(st.integers(1, len(rows) - 1), st.sampled_from(sorted(faults)), max_size=5))
    for at, column in spoiled.items():
        rows[at] = {**rows[at], column: faults[column], "lat": rows[at]["lat"] or "35.4"}
    found = intake.digest(frame(rows), FEED, intake.Known(ZONES, CITY))
    taken = set(found.incidents["incident_id"])
    rejected = found.rejected.set_index("row")["reason"].to_dict()
    wanted = {"no": "missing_id", "time": "bad_time", "lon": "bad_coordinates"}
    assert rejected.keys() >= {at + 1 for at in spoiled}
    for at, column in spoiled.items():
        assert rejected[at + 1] == wanted[column]
    assert len(taken) + len(rejected) == len(rows)
    assert_counts(
        {
            "zone_months": plain(found.zone_months, 4),
            "levels": plain(found.levels, 3),
            "alerts": plain(found.alerts, 4),
        },
        [row for number, row in enumerate(rows, start=1) if number not in rejected],
    )


def plain(table: pd.DataFrame, width: int) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    return {row[:width]: row[width:] for row in table.itertuples(index=False, name=None)}
