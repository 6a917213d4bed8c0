"""Back-fill: digitised archives restate the past visibly, with who answers for them and which row said it."""

from datetime import date, datetime
from pathlib import Path

import openpyxl
import pandas as pd
import pytest
import sqlalchemy as sa

from geo_service import cli, jobs
from geo_service.maps.layers import EVERYTHING
from geo_service.store import archives, reading, tables
from geo_service.store.archives import Archive
from tests.analysis.located import SURE, calls, placed_feed, zones
from tests.analysis.made import feed, rows
from tests.geography.addresses import jining
from tests.store.batches import derived, everything, stands
from tests.web import serving
from tests.web.serving import AT_A

FEED = serving.FEED
OLD = f"""
    o1 2018-03-05_10:00 R {AT_A}
    o2 2018-03-06_10:00 T {AT_A}
    bad 2018-99-06_10:00 T {AT_A}
    o3 2018-04-06_10:00 R {AT_A}
    """


def archive(name: str = "2018.csv", digest: str = "a1") -> Archive:
    return Archive(name, digest, 4, "b-001", "paper records of 2018")


def provenance(database: sa.Engine, *names: str) -> list[tuple[object, ...]]:
    keys = pd.DataFrame({"feed": ["made"] * len(names), "incident_id": list(names)})
    with database.connect() as connection:
        found = archives.provenance(connection, keys, EVERYTHING)
    return list(found[["incident_id", "row", "file", "signed_by", "because"]].itertuples(index=False, name=None))


def test_an_archive_changes_its_months_and_nothing_else_and_twice_changes_nothing(database: sa.Engine):
    service = serving.city(database)
    before = derived(database)
    said = jobs.load_archive(service, FEED, rows(OLD), archive())
    after = derived(database)
    for name, was in before.items():
        assert [row for row in was if row not in after[name]] == []
        months = {text for row in after[name] if row not in was for text in map(str, row) if text[4:5] == "-"}
        assert {month[:7] for month in months} <= {"2018-03", "2018-04"}
    assert len(after["zone_months"]) > len(before["zone_months"])
    assert (said["recorded"], said["rejected"]) == (3, {"bad_time": 1})
    with database.connect() as connection:
        touched = reading.revision(connection)
        assert reading.months_touched(connection, touched.seq - 1) == ("2018-03", "2018-04")
    assert jobs.load_archive(service, FEED, rows(OLD), archive())["recorded"] == 0
    assert derived(database) == after
    with database.connect() as connection:
        assert reading.revision(connection) == touched
        [kept] = archives.listed(connection, EVERYTHING)
    assert (kept["file"], kept["signed_by"], kept["rows"]) == ("2018.csv", "b-001", 4)


def test_each_incident_knows_its_row_and_a_live_one_has_none(database: sa.Engine):
    service = serving.city(database)
    jobs.load_archive(service, FEED, rows(OLD), archive())
    assert provenance(database, "o3", "o1", "j1") == [
        ("o1", 1, "2018.csv", "b-001", "paper records of 2018"),
        ("o3", 4, "2018.csv", "b-001", "paper records of 2018"),
    ]


def test_of_an_archive_and_a_live_row_the_newer_said_holds(database: sa.Engine):
    service = serving.library(database)
    serving.load_zones(service)
    live = f"i1 2018-03-05_10:00 T {AT_A} 2018-03-09_00:00"
    jobs.load_incidents(service, FEED, rows(live))
    jobs.load_archive(service, FEED, rows(f"i1 2018-03-05_10:00 R {AT_A} 2018-03-06_00:00"), archive(digest="older"))
    assert stands(database, tables.incidents, "incident_id", "category") == [("i1", "theft")]
    assert provenance(database, "i1") == []
    jobs.load_archive(service, FEED, rows(f"i1 2018-03-05_10:00 R {AT_A} 2018-04-01_00:00"), archive(digest="newer"))
    assert stands(database, tables.incidents, "incident_id", "category") == [("i1", "robbery")]
    assert [row[:2] for row in provenance(database, "i1")] == [("i1", 1)]


def test_old_codes_mean_what_they_meant_on_their_day(database: sa.Engine):
    service = serving.library(database)
    serving.load_zones(service)
    recoded = feed(
        categories=[
            {"valid_from": date(2000, 1, 1), "map": {"7": "theft"}},
            {"valid_from": date(2020, 1, 1), "map": {"7": "robbery"}},
        ]
    )
    jobs.load_archive(service, recoded, rows(f"a 2018-03-05_10:00 7 {AT_A}\nb 2021-03-05_10:00 7 {AT_A}"), archive())
    assert stands(database, tables.incidents, "incident_id", "category") == [("a", "theft"), ("b", "robbery")]


def test_an_old_place_name_is_the_place_that_bore_it_on_the_day(database: sa.Engine):
    service = serving.library(database)
    service.__dict__["calibration"] = SURE
    for kind in zones().values():
        jobs.load_zones(service, kind)
    names = jining.frame().set_index("entry_id", drop=False)
    renamed = {
        "SJ": {"entry_id": "OLD", "valid_to": "2015-01-01", "successor": "SJ"},
        "JSLT": {"entry_id": "NEW", "valid_from": "2015-01-01", "parent": "RC"},
    }
    bore = [names.loc[[entry]].assign(name="红星宿舍", aliases="", **said) for entry, said in renamed.items()]
    entries = pd.concat([names, *bore], ignore_index=True)
    jobs.load_gazetteer(service, entries, signed_by="b-001", reason="with the names of before 2015")
    raw = calls(("任城区红星宿舍", "", ""), ("任城区红星宿舍", "", ""))
    raw["at"] = ["2014-05-01 10:00", "2024-05-01 10:00"]
    jobs.load_archive(service, placed_feed(), raw, archive())
    assert stands(database, tables.incidents, "incident_id", "located_by", "community_id") == [
        ("1", "address", jining.ZONES["SJ"][1]),
        ("2", "address", jining.ZONES["JSLT"][1]),
    ]


@pytest.fixture
def feed_file(tmp_path: Path) -> Path:
    path = tmp_path / "made.toml"
    path.write_text(
        'id = "made"\ntitle = { zh = "测试", en = "Made" }\ncrs = "EPSG:4326"\n'
        '[columns]\nid = "id"\ncalled_at = "at"\ncategory = "code"\nlon = "lon"\nlat = "lat"\n'
        '[time]\nzone = "Asia/Shanghai"\nformat = "%Y-%m-%d %H:%M"\n'
        '[[categories]]\nvalid_from = 2000-01-01\n[categories.map]\nR = "robbery"\n',
        encoding="utf-8",
    )
    return path


def test_a_workbook_and_csv_of_the_same_records_come_in_through_the_command(
    database: sa.Engine,
    feed_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.setenv("GEO_DATABASE_URL", database.url.render_as_string(hide_password=False))
    serving.load_zones(serving.library(database))
    book = openpyxl.Workbook()
    book.active.append(["id", "at", "code", "lon", "lat"])
    lon, lat = (float(side) for side in AT_A.split())
    book.active.append(["o1", datetime(2018, 3, 5, 10, 0), "R", lon, lat])
    book.save(tmp_path / "2018.xlsx")
    (tmp_path / "2018.csv").write_text(f"id,at,code,lon,lat\no1,2018-03-05 10:00,R,{lon},{lat}\n")
    load = ["load", "archive", "--feed", str(feed_file), "--json"]
    signed = ["--signed-by", "b-001", "--because", "paper records"]
    assert cli.main([*load, str(tmp_path / "2018.xlsx"), *signed]) == 0
    first = everything(database)
    assert cli.main([*load, str(tmp_path / "2018.csv"), *signed]) == 0
    pd.testing.assert_frame_equal(everything(database), first)
    assert first[["incident_id", "month", "community_id"]].values.tolist() == [["o1", "2018-03", "a"]]
    assert [row[:3] for row in provenance(database, "o1")] == [("o1", 1, "2018.xlsx")]
    capsys.readouterr()
    assert cli.main([*load, str(tmp_path / "2018.csv"), "--because", "x"]) == 2
    assert "load archive needs --signed-by ID" in capsys.readouterr().err
    assert cli.main([*load, str(tmp_path / "2018.csv"), "--signed-by", "b-001"]) == 2
    assert "load archive needs --because TEXT" in capsys.readouterr().err
