"""Bad input: each kind gets its clear message, and nothing is half-written: no result file, no row in the store."""

import gzip
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import geopandas
import pandas as pd
import pytest
import shapely
import sqlalchemy as sa

from geo_service import cli, files, jobs, service, settings
from geo_service.errors import AxisOrder, BadRows, GeoServiceError, SourceFailed, StoreFailed
from geo_service.feeds import sources, streams
from geo_service.feeds.sources import Source
from tests.feeds import made

WEST, EAST = shapely.box(116.58, 35.40, 116.59, 35.41), shapely.box(116.59, 35.40, 116.60, 35.41)
BOW_TIE = shapely.Polygon([(116.58, 35.40), (116.59, 35.41), (116.59, 35.40), (116.58, 35.41)])
FEED = """
id = "calls"
crs = "EPSG:4326"
[columns]
id = "no"
called_at = "time"
place = "place"
category = "code"
lon = "lon"
lat = "lat"
[time]
zone = "Asia/Shanghai"
format = "%Y-%m-%d %H:%M"
[[categories]]
valid_from = 2000-01-01
map = { "05" = "robbery" }
"""


def calls(count: int = 30) -> list[dict[str, Any]]:
    first = datetime(2024, 5, 1, 8, tzinfo=UTC)
    return [
        {
            "no": f"{number:04d}",
            "caller": "王五",
            "time": f"{first + timedelta(hours=number):%Y-%m-%d %H:%M}",
            "place": "太白楼路",
            "code": "05",
            "lon": f"{116.581 + number * 0.0005:.4f}",
            "lat": "35.405",
        }
        for number in range(count)
    ]


def as_csv(rows: list[dict[str, Any]]) -> bytes:
    return pd.DataFrame(rows).to_csv(index=False).encode()


class Desk:
    """A folder with good files of everything; a test spoils one of them and runs `digest`."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]):
        self.folder, self.capsys = folder, capsys
        self.incidents = folder / "calls.csv"
        self.feed = folder / "feed.toml"
        self.out = folder / "out"
        self.incidents.write_bytes(as_csv(calls()))
        self.feed.write_text(FEED, encoding="utf-8")
        self.zones = self.zone_file([WEST, EAST], ["1", "2"])

    def zone_file(self, areas: list[Any], ids: list[Any], crs: object = 4326, name: str = "zones.gpkg") -> Path:
        path = self.folder / name
        geopandas.GeoDataFrame({"zone_id": ids}, geometry=areas, crs=crs).to_file(path)
        return path

    def digest(self, *more: str) -> int:
        zones = f"communities={self.zones}"
        command = ["digest", str(self.incidents), "--feed", str(self.feed), "--zones", zones]
        return cli.main([*command, "--out", str(self.out), *more])

    def refusal(self, *more: str) -> str:
        """Run into the refusal and give its message; the results of an earlier run must stand untouched."""
        self.capsys.readouterr()
        assert self.digest(*more) == 2
        said = self.capsys.readouterr()
        assert not self.out.exists()
        assert said.out == ""
        assert said.err.count("\n") == 1, "one line, no traceback"
        self.out.mkdir()
        (self.out / "levels.parquet").write_bytes(b"of the last run")
        assert self.digest(*more) == 2
        assert {path.name: path.read_bytes() for path in self.out.iterdir()} == {"levels.parquet": b"of the last run"}
        self.capsys.readouterr()
        return said.err

    def summary(self) -> dict[str, Any]:
        assert self.digest() == 0
        return json.loads((self.out / "summary.json").read_text(encoding="utf-8"))


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(tmp_path, capsys)


def expect(message: str, *telling: str) -> None:
    for words in telling:
        assert words in message
    assert "王五" not in message


# --- digest: incident rows ---


def test_the_desk_is_good_as_it_stands(desk: Desk) -> None:
    summary = desk.summary()
    assert (summary["incidents"], summary["placed"], summary["rejected"]) == (30, {"communities": 30}, {})


def test_a_missing_column(desk: Desk) -> None:
    rows = [{name: value for name, value in row.items() if name != "code"} for row in calls()]
    desk.incidents.write_bytes(as_csv(rows))
    expect(desk.refusal(), "calls.csv lacks the column code", "it has no, caller, time, place, lon, lat", "expects no,")


def test_no_file_at_all(desk: Desk) -> None:
    desk.incidents.unlink()
    expect(desk.refusal(), "calls.csv", "No such file")


@pytest.mark.parametrize(
    ("content", "telling"),
    [
        (b"", "is empty"),
        (bytes(range(128, 256)) * 9, "neither UTF-8 nor GB18030"),
        (as_csv(calls())[:-9], "is half a file"),
        (b"<html>Gateway timeout</html>", "Is the header line missing"),
    ],
)
def test_a_file_that_is_none(desk: Desk, content: bytes, telling: str) -> None:
    desk.incidents.write_bytes(content)
    expect(desk.refusal(), "calls.csv", telling)


def test_half_a_gzip_file(desk: Desk) -> None:
    packed = gzip.compress(as_csv(calls(3000)))
    desk.incidents = desk.folder / "calls.csv.gz"
    desk.incidents.write_bytes(packed[: len(packed) // 2])
    expect(desk.refusal(), "calls.csv.gz is half a file", "still being written")


@pytest.mark.parametrize(
    ("format_", "telling"),
    [
        ("%Q-%m-%d", "unknown time format '%Q-%m-%d'"),
        ("yyyy-MM-dd HH:mm", "unknown time format 'yyyy-MM-dd HH:mm'"),
        ("%m-%d %H:%M", "holds no year"),
    ],
)
def test_an_unknown_time_format(desk: Desk, format_: str, telling: str) -> None:
    desk.feed.write_text(FEED.replace("%Y-%m-%d %H:%M", format_), encoding="utf-8")
    expect(desk.refusal(), "feed.toml", telling)


def test_a_time_format_that_fits_no_row(desk: Desk) -> None:
    desk.feed.write_text(FEED.replace("%Y-%m-%d %H:%M", "%d/%m/%Y %H:%M"), encoding="utf-8")
    expect(desk.refusal(), "not one of 30", "'2024-05-01 08:00'", "%d/%m/%Y %H:%M", "feed.toml")


def test_an_undeclared_coordinate_system(desk: Desk) -> None:
    desk.feed.write_text(FEED.replace('crs = "EPSG:4326"\n', ""), encoding="utf-8")
    expect(desk.refusal(), "feed.toml", "declares no crs", "EPSG:4490", "GCJ-02")
    desk.out.joinpath("levels.parquet").unlink()
    desk.out.rmdir()
    desk.feed.write_text(FEED.replace("EPSG:4326", "Beijing 54"), encoding="utf-8")
    expect(desk.refusal(), "'Beijing 54' is no coordinate system we know")


def test_swapped_axes_of_one_row_reject_it(desk: Desk) -> None:
    rows = calls()
    rows[3]["lon"], rows[3]["lat"] = rows[3]["lat"], rows[3]["lon"]
    desk.incidents.write_bytes(as_csv(rows))
    assert desk.summary()["rejected"] == {"axes_swapped": 1}
    rejected = pd.read_parquet(desk.out / "rejected.parquet").iloc[0]
    assert (rejected["row"], rejected["incident_id"], rejected["source"]) == (4, "0003", "calls.csv")
    expect(rejected["detail"], "latitude 116.582", "exchange")
    assert set(json.loads(rejected["fields"])) == {"no", "time", "place", "code", "lon", "lat"}


def test_swapped_axes_of_a_whole_file(desk: Desk) -> None:
    rows = [{**row, "lon": row["lat"], "lat": row["lon"]} for row in calls()]
    desk.incidents.write_bytes(as_csv(rows))
    expect(desk.refusal(), "longitude", "latitude", "exchange")


def test_swapped_axes_where_both_orders_are_degrees(
    desk: Desk, shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Philadelphia: (39.9, -75.2) is a place as well, in Antarctica.
    source = shared_data / "crime" / "philadelphia_robbery_burglary_theft_2018_2019.csv.gz"
    rows = pd.read_csv(source, dtype=str, keep_default_na=False, nrows=500).rename(columns={"lon": "lat", "lat": "lon"})
    desk.incidents.write_bytes(rows.to_csv(index=False).encode())
    desk.feed = Path(__file__).resolve().parents[2] / "rules" / "feeds" / "philadelphia.toml"
    divisions = shared_data / "crime" / "philadelphia_polygons" / "2018-08-ward-divisions.geojson"
    desk.zones = Path(f"{divisions}:DIVISION_N")
    expect(desk.refusal(), "only with longitude and latitude exchanged", "exchange lon and lat")


def test_single_bad_rows_are_rejected_and_the_others_go_on(desk: Desk) -> None:
    rows = calls()
    rows[0]["no"] = ""
    rows[1]["time"] = ""
    rows[2]["time"] = "yesterday"
    rows[3]["lon"] = "116,58"
    rows[4]["lat"] = ""
    lines = as_csv(rows) + b"one,field,too,many,in,this,row,here\n"
    desk.incidents.write_bytes(lines)
    summary = desk.summary()
    reasons = {"bad_coordinates": 2, "bad_time": 1, "broken_row": 1, "missing_id": 1, "missing_time": 1}
    assert summary["rejected"] == reasons
    assert (summary["rows_read"], summary["incidents"]) == (31, 25)
    rejected = pd.read_parquet(desk.out / "rejected.parquet")
    broken = rejected[rejected["reason"] == "broken_row"].iloc[0]
    assert broken["row"] == 31
    expect(broken["detail"], "line 32: 8 fields where the header names 7")
    assert set(json.loads(broken["fields"]).values()) == {""}
    assert not rejected["fields"].str.contains("caller|王五").any()


def test_calls_from_the_future_are_rejected_where_the_moment_is_given(desk: Desk) -> None:
    assert desk.digest("--as-of", "2024-05-01T12:00:00+08:00") == 0
    summary = json.loads((desk.out / "summary.json").read_text(encoding="utf-8"))
    assert summary["incidents"] == 5
    assert summary["rows_read"] == 30


# --- digest: zones ---


@pytest.mark.parametrize("name", ["zones.shp", "zones.gpkg", "zones.fgb"])
def test_a_zone_file_without_crs(desk: Desk, name: str) -> None:
    desk.zones.unlink()
    with pytest.warns(UserWarning, match="crs"):
        desk.zones = desk.zone_file([WEST, EAST], ["1", "2"], crs=None, name=name)
    expect(desk.refusal(), f"{name} declares no CRS", "--crs", "EPSG:4490")
    desk.out.joinpath("levels.parquet").unlink()
    assert desk.digest("--crs", "EPSG:4326") == 0


def test_swapped_axes_of_a_zone_file(desk: Desk) -> None:
    turned = [shapely.transform(area, lambda xy: xy[:, ::-1]) for area in (WEST, EAST)]
    desk.zones = desk.zone_file(turned, ["1", "2"])
    expect(desk.refusal(), "zones.gpkg", "longitude and latitude look exchanged")


def test_an_invalid_polygon_is_repaired_and_reported(desk: Desk) -> None:
    desk.zones = desk.zone_file([BOW_TIE, EAST], ["1", "2"])
    summary = desk.summary()
    assert len(summary["repaired"]) == 1
    expect(summary["repaired"][0], "zones.gpkg", "zone 1", "Self-intersection", "repaired")
    assert summary["placed"]["communities"] > 0


@pytest.mark.parametrize("nothing", [shapely.Polygon(), None])
def test_an_empty_polygon_is_refused(desk: Desk, nothing: object) -> None:
    desk.zones = desk.zone_file([nothing, EAST], ["1", "2"])
    expect(desk.refusal(), "zones.gpkg", "no geometry in zone 1")


def test_a_polygon_without_area_is_refused(desk: Desk) -> None:
    flat = shapely.Polygon([(116.58, 35.4), (116.59, 35.4), (116.585, 35.4)])
    desk.zones = desk.zone_file([flat, EAST], ["1", "2"])
    expect(desk.refusal(), "zone 1", "no area")


def test_a_zone_that_is_no_polygon_is_refused(desk: Desk) -> None:
    desk.zones = desk.zone_file([shapely.Point(116.58, 35.4)], ["1"])
    expect(desk.refusal(), "zone 1 is a Point", "must be polygons")


def test_a_zone_file_without_zones_is_refused(desk: Desk) -> None:
    desk.zones = desk.folder / "none.geojson"
    desk.zones.write_text('{"type": "FeatureCollection", "features": []}')
    expect(desk.refusal(), "none.geojson")


def test_duplicate_zone_ids_are_refused(desk: Desk) -> None:
    desk.zones = desk.zone_file([WEST, EAST], ["7", "7"])
    expect(desk.refusal(), "zones.gpkg", "zone_id is not unique", "7")


def test_a_zone_without_id_is_refused(desk: Desk) -> None:
    desk.zones = desk.zone_file([WEST, EAST], ["1", None])
    expect(desk.refusal(), "zones.gpkg", "no zone_id")


def test_an_id_property_that_is_not_there_is_named_with_those_that_are(desk: Desk) -> None:
    path = desk.zones
    desk.zones = Path(f"{path}:code")
    expect(desk.refusal(), "no property 'code'", "it has zone_id")


def test_a_zone_file_that_is_none(desk: Desk) -> None:
    desk.zones.write_bytes(b"no geopackage")
    expect(desk.refusal(), "zones.gpkg", "cannot be read as zones")


def test_a_result_folder_that_is_a_file(desk: Desk) -> None:
    desk.out.write_text("mine")
    assert desk.digest() == 2
    expect(desk.capsys.readouterr().err, "--out", "cannot be made")
    assert desk.out.read_text() == "mine"


# --- pull: the store stays as it was ---


@pytest.fixture
def city(database: sa.Engine, desk: Desk) -> Iterator[service.Service]:
    """A service with zones and one good pull in its store."""
    url = database.url.render_as_string(hide_password=False)
    opened = service.open_service(settings.Settings(database_url=url))
    zones, _ = files.read_zones(files.ZoneFile("communities", desk.zones))
    jobs.load_zones(opened, zones)
    feed = files.read_feed(desk.feed)
    jobs.load_incidents(opened, feed, streams.read_rows(desk.incidents, feed.columns_taken).iloc[:10])
    yield opened
    opened.close()


TABLES = ("zones", "incidents", "rejected", "zone_months", "zone_levels", "cell_months", "cell_levels", "alerts")
TABLES_BESIDE = ("feeds", "revisions", "meta")


def everything(database: sa.Engine) -> dict[str, str]:
    """Give a digest of all that the store holds, table by table."""
    found = {}
    with database.connect() as connection:
        for table in (*TABLES, *TABLES_BESIDE):
            rows = connection.execute(sa.text(f"select t::text from {table} t order by 1")).scalars()
            found[table] = hashlib.sha256("\n".join(rows).encode()).hexdigest()
    return found


def http_source(desk: Desk, served: made.Served) -> tuple[Any, Source]:
    options = {"kind": "http", "url": served.url, "tries": 2, "backoff_s": 0.01}
    feed = replace(files.read_feed(desk.feed), source=options)
    return feed, sources.open_source(feed, base=desk.folder, clock=lambda: datetime.now(UTC))


BODY = json.dumps(calls()).encode()


@pytest.mark.parametrize(
    ("answer", "telling"),
    [
        ((500, b"database is full"), 'answered 500 Internal Server Error; came "database is full", 2 times'),
        ((200, b"Kernel panic - not syncing"), 'came "Kernel panic'),
        ((200, b""), "an empty body"),
        ((200, BODY[:-40]), "half a file"),
        ((0, b""), "did not answer"),
        ((200, BODY.replace(b'"code"', b'"kind"')), "lacks the column code"),
    ],
)
def test_a_source_that_answers_wrongly_changes_nothing(
    city: service.Service, database: sa.Engine, desk: Desk, answer: tuple[int, bytes], telling: str
) -> None:
    before = everything(database)
    with made.serving(answer) as served:
        feed, source = http_source(desk, served)
        with pytest.raises(SourceFailed) as caught:
            jobs.pull_incidents(city, feed, source)
    expect(str(caught.value), telling, "feed calls")
    assert everything(database) == before


@pytest.mark.parametrize(
    ("spoil", "error", "telling"),
    [
        (lambda row: {**row, "time": "yesterday"}, BadRows, "not one of 30"),
        (lambda row: {**row, "lon": row["lat"], "lat": row["lon"]}, AxisOrder, "exchange"),
    ],
)
def test_rows_that_make_no_sense_at_all_change_nothing(
    city: service.Service,
    database: sa.Engine,
    desk: Desk,
    spoil: Callable[[dict[str, Any]], dict[str, Any]],
    error: type[GeoServiceError],
    telling: str,
) -> None:
    before = everything(database)
    with made.serving((200, json.dumps([spoil(row) for row in calls()]).encode())) as served:
        feed, source = http_source(desk, served)
        with pytest.raises(error, match=telling):
            jobs.pull_incidents(city, feed, source)
    assert everything(database) == before


def test_half_a_file_in_the_folder_changes_nothing_until_it_is_whole(
    city: service.Service, database: sa.Engine, desk: Desk
) -> None:
    inbox = desk.folder / "inbox"
    inbox.mkdir()
    (inbox / "a.csv").write_bytes(as_csv(calls(20)))
    (inbox / "b.csv").write_bytes(as_csv(calls(30))[:-12])
    feed = replace(files.read_feed(desk.feed), source={"kind": "folder", "path": str(inbox)})
    source = sources.open_source(feed, base=desk.folder, clock=lambda: datetime.now(UTC))
    before = everything(database)
    with pytest.raises(BadRows, match=r"b\.csv is half a file"):
        jobs.pull_incidents(city, feed, source)
    assert everything(database) == before
    (inbox / "b.csv").write_bytes(as_csv(calls(30)))
    assert jobs.pull_incidents(city, feed, source)["recorded"] == 20  # ten were there


def test_every_broken_row_of_a_pull_waits_in_the_queue_on_its_own(
    city: service.Service, database: sa.Engine, desk: Desk
) -> None:
    inbox = desk.folder / "inbox"
    inbox.mkdir()
    (inbox / "a.csv").write_bytes(as_csv(calls()) + b"0030,too,few\n0031,too,few\n0032,too,few\n")
    feed = replace(files.read_feed(desk.feed), source={"kind": "folder", "path": str(inbox)})
    source = sources.open_source(feed, base=desk.folder, clock=lambda: datetime.now(UTC))
    assert jobs.pull_incidents(city, feed, source)["rejected"] == {"broken_row": 3}
    with database.connect() as connection:
        found = connection.execute(sa.text('select "row", reason, state from rejected order by "row"'))
        assert [tuple(row) for row in found] == [(row, "broken_row", "open") for row in (31, 32, 33)]
    (inbox / "a.csv").write_bytes(as_csv(calls()) + b"0030,too,few\n0031,too,few\n0032,too,few\n0033,too,few\n")
    jobs.pull_incidents(city, feed, source)
    with database.connect() as connection:
        assert connection.execute(sa.text("select count(*) from rejected")).scalar() == 4


class Interrupted:
    """Ends the service's database session just before its n-th statement, as a server that dies would."""

    def __init__(self, city: service.Service, killer: sa.Engine):
        self.city, self.killer, self.left = city, killer, -1
        sa.event.listen(city.engine, "before_cursor_execute", self.count)

    def count(self, connection: sa.Connection, *_: object) -> None:
        self.left -= 1
        if self.left == 0:
            below: Any = connection.connection.driver_connection
            pid = below.info.backend_pid
            with self.killer.begin() as other:
                other.execute(sa.text("select pg_terminate_backend(:pid, 5000)"), {"pid": pid})


def test_a_database_that_goes_away_anywhere_in_a_pull_loses_and_doubles_nothing(
    city: service.Service, database: sa.Engine, desk: Desk
) -> None:
    interrupted = Interrupted(city, database)
    before = everything(database)
    died = 0
    with made.serving((200, BODY)) as served:
        feed, source = http_source(desk, served)
        for statement in range(1, 200):
            interrupted.left = statement
            try:
                summary = jobs.pull_incidents(city, feed, source)
                break
            except StoreFailed as error:
                died += 1
                expect(str(error), "the database")
            assert everything(database) == before, f"changed although it died at statement {statement}"
        else:
            pytest.fail("no pull came through")
    assert died > 10
    assert summary["recorded"] == 20
    with database.connect() as connection:
        assert connection.execute(sa.text("select count(*), count(distinct incident_id) from incidents")).one() == (
            30,
            30,
        )
        assert connection.execute(sa.text("select sum(count) from zone_months")).scalar() == 30
        assert connection.execute(sa.text("select cursor is not null from feeds")).scalars().all() == [True]
