"""Eight years of Taipei, 8,774 rows without positions: each waits for geocoding or is rejected with its reason.

What we hold to be readable: a window whose ends are both hours from 0 to 24, written with one or two digits.  So "06~8"
is 06:00 to 08:00, "16~00" ends at midnight, and "11~03" and "12~04" are long but plain: they end on the next day.
Perhaps their writers meant 01~03 and 02~04, but a window that can be read is a witness's word and no program should
better it.  "00-002" and "04~60" name no hour, and "110420" no day of this century: those three go to a person.
"""

import csv
import json
import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pytest

from geo_service import cli

FEED = Path(__file__).resolve().parents[1] / "feeds" / "taipei.toml"
TAIPEI = ZoneInfo("Asia/Taipei")
REJECTED = {
    "機車竊盜-931": (4425, "發生時段", "00-002"),
    "機車竊盜-1805": (5294, "發生日期", "110420"),
    "搶奪-32": (8770, "發生時段", "04~60"),
}


@pytest.fixture(scope="module")
def rows(shared_data: Path) -> list[dict[str, str]]:
    with (shared_data / "crime" / "taipei" / "taipei_all_cases.csv").open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def out(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = shared_data / "crime" / "taipei"
    target = tmp_path_factory.mktemp("taipei") / "out"
    zones = f"communities={folder / 'Taipei_districts.json'}:TNAME"
    command = ["digest", str(folder / "taipei_all_cases.csv"), "--feed", str(FEED), "--zones", zones]
    assert cli.main([*command, "--out", str(target)]) == 0
    return target


def key(row: dict[str, str]) -> str:
    return f"{row['案類']}-{row['編號']}"


def window(row: dict[str, str]) -> tuple[datetime, datetime]:
    """Read day and hours in plain Python: the Republic's year 1 is 1912; a window that ends early ends next day."""
    written = row["發生日期"]
    day = datetime(int(written[:-4]) + 1911, int(written[-4:-2]), int(written[-2:]), tzinfo=TAIPEI)
    begin, end = (int(hour) for hour in row["發生時段"].replace("-", "~").split("~"))
    return day + timedelta(hours=begin), day + timedelta(hours=end if end > begin else end + 24)


def incidents(out: Path) -> dict[str, dict[str, Any]]:
    frame = pd.read_parquet(out / "incidents.parquet")
    assert frame["incident_id"].is_unique
    return frame.set_index("incident_id").to_dict("index")


def test_no_row_is_lost(rows: list[dict[str, str]], out: Path) -> None:
    taken = set(incidents(out))
    rejected = pd.read_parquet(out / "rejected.parquet")["incident_id"].tolist()
    assert len(rows) == 8_774
    assert len(taken) == 8_771
    assert sorted([*taken, *rejected]) == sorted(key(row) for row in rows)


def test_exactly_three_rows_are_rejected_and_a_person_can_act_on_each(rows: list[dict[str, str]], out: Path) -> None:
    rejected = pd.read_parquet(out / "rejected.parquet").set_index("incident_id").to_dict("index")
    assert {name: row["row"] for name, row in rejected.items()} == {name: at for name, (at, _, _) in REJECTED.items()}
    for name, (at, column, written) in REJECTED.items():
        row = rejected[name]
        fields = json.loads(row["fields"])
        assert row["reason"] == "bad_time"
        assert row["source"] == "taipei_all_cases.csv"
        assert fields[column] == written
        assert fields == {
            column: rows[at - 1][column] for column in ("案類", "編號", "發生日期", "發生時段", "發生地點")
        }
        assert "correct" in row["detail"]


def test_every_other_row_waits_for_geocoding_with_its_own_times_and_place(
    rows: list[dict[str, str]], out: Path
) -> None:
    found = incidents(out)
    categories = {
        "住宅竊盜": "burglary",
        "自行車竊盜": "bicycle_theft",
        "機車竊盜": "vehicle_theft",
        "汽車竊盜": "vehicle_theft",
        "搶奪": "snatching",
        "強盜": "robbery",
    }
    for row in rows:
        if key(row) in REJECTED:
            continue
        ours, (begin, end) = found[key(row)], window(row)
        assert ours["placed"] == "waiting"
        assert ours["place"] == row["發生地點"].strip()
        assert (ours["called_at"], ours["occurred_from"], ours["occurred_to"]) == (begin, begin, end)
        assert ours["month"] == begin.strftime("%Y-%m")
        assert ours["category"] == categories[row["案類"]]
        assert pd.isna(ours["lon"])
        assert pd.isna(ours["community_id"])


@pytest.mark.parametrize(
    ("name", "written", "begin", "end"),
    [
        ("住宅竊盜-1", "08~10", "2014-06-23 08:00", "2014-06-23 10:00"),
        ("住宅竊盜-3119", "21~24", "2020-12-09 21:00", "2020-12-10 00:00"),
        ("住宅竊盜-3336", "11~03", "2021-12-14 11:00", "2021-12-15 03:00"),
        ("機車竊盜-284", "12~04", "2018-05-15 12:00", "2018-05-16 04:00"),
        ("機車竊盜-292", "06~8", "2018-05-17 06:00", "2018-05-17 08:00"),
        ("自行車竊盜-2421", "16~00", "2021-10-26 16:00", "2021-10-27 00:00"),
    ],
)
def test_odd_windows_are_read_as_they_are_written(
    rows: list[dict[str, str]], out: Path, name: str, written: str, begin: str, end: str
) -> None:
    assert next(row for row in rows if key(row) == name)["發生時段"] == written
    ours = incidents(out)[name]
    assert ours["occurred_from"] == pd.Timestamp(begin, tz=TAIPEI)
    assert ours["occurred_to"] == pd.Timestamp(end, tz=TAIPEI)


def test_windows_over_midnight_end_on_the_next_day(rows: list[dict[str, str]], out: Path) -> None:
    late = [row for row in rows if row["發生時段"] == "23~01"]
    found = incidents(out)
    assert len(late) == 167
    for row in late:
        ours = found[key(row)]
        assert ours["occurred_to"] - ours["occurred_from"] == timedelta(hours=2)
        assert ours["occurred_to"].date() - ours["occurred_from"].date() == timedelta(days=1)


def test_the_summary_counts_them(out: Path) -> None:
    summary = json.loads((out / "summary.json").read_text())
    assert summary["rows_read"] == 8_774
    assert summary["rejected"] == {"bad_time": 3}
    assert summary["without_coordinates"] == 8_771
    assert summary["placed"] == {"communities": 0}


def test_texts_of_places_that_the_gazetteer_lacks_are_asked_about(shared_data: Path, tmp_path: Path) -> None:
    """Traditional characters, sections, lanes and ranges of numbers; a gazetteer of a few rows."""
    folder = shared_data / "crime" / "taipei"
    lines = [
        "entry_id,kind,name,parent,lon,lat", "TP,city,臺北市,,121.56,25.04", "ZS,county,中山區,TP,121.53,25.06",
        "DA,county,大安區,TP,121.54,25.03", "P1,poi,臺北車站,TP,121.517,25.048",
    ]  # fmt: skip
    (tmp_path / "g.csv").write_text("\n".join(lines), encoding="utf-8")
    zones = f"communities={folder / 'Taipei_districts.json'}:TNAME"
    command = ["digest", str(folder / "taipei_all_cases.csv"), "--feed", str(FEED), "--zones", zones]
    given = ["--gazetteer", str(tmp_path / "g.csv"), "--gazetteer-crs", "EPSG:4326"]
    assert cli.main([*command, *given, "--out", str(tmp_path / "out")]) == 0
    found = incidents(tmp_path / "out")
    reviews = pd.read_parquet(tmp_path / "out" / "reviews.parquet")
    located = {name: row["place"] for name, row in found.items() if row["located_by"] == "address"}
    named = [place for place in located.values() if re.search("[臺台]北火?車站", place)]
    assert named == list(located.values()), "the one place that the gazetteer has, as people write it"
    assert set(reviews["incident_id"]) == set(found) - set(located)
    assert set(reviews["reason"]) <= {"unlocated", "uncertain"}
    understood = sum(row["match_level"] != "" for row in found.values())
    assert understood > 1_000, "rows that name one of the two districts"
