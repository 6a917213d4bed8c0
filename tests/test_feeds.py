"""Sources against real peers: a folder on disk, an HTTP server on loopback, a table in PostGIS."""

import gzip
import json
import os
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePath

import pytest
import sqlalchemy as sa

from geo_service.analysis import feed as feed_files
from geo_service.errors import BadRows, BadRule, SourceFailed
from geo_service.feeds import sources
from geo_service.feeds.sources import Source
from tests.feeds.made import COLUMNS, HEAD, NOW, ONE, ROWS, TWO, Served, feed_with, serving, values, written

# --- folder ---


def names(pulled: sources.Pulled) -> list[str]:
    return pulled.rows["_source"].tolist()


def folder(tmp_path: Path, pattern: str = "*.csv") -> Source:
    (tmp_path / "in").mkdir(exist_ok=True)
    return sources.open_source(feed_with(kind="folder", path="in", pattern=pattern), base=tmp_path, clock=lambda: NOW)


def test_a_folder_gives_new_and_changed_files_once_in_order_of_names(tmp_path: Path) -> None:
    source = folder(tmp_path)
    written(tmp_path / "in" / "b.csv", HEAD + TWO)
    written(tmp_path / "in" / "a.csv", HEAD + ONE)
    written(tmp_path / "in" / "a.txt", "no incident file")
    first = source.pull(None)
    assert (values(first.rows), names(first)) == (ROWS, ["a.csv", "b.csv"])
    assert len(source.pull(first.cursor).rows) == 0
    written(tmp_path / "in" / "a.csv", HEAD + ONE + TWO)
    written(tmp_path / "in" / "c.csv", HEAD + ONE)
    second = source.pull(first.cursor)
    assert names(second) == ["a.csv", "a.csv", "c.csv"]
    assert second.rows.index.tolist() == [0, 1, 2]
    assert len(source.pull(second.cursor).rows) == 0


def test_a_file_rewritten_with_the_same_length_is_read_again(tmp_path: Path) -> None:
    source = folder(tmp_path)
    path = written(tmp_path / "in" / "a.csv", HEAD + ONE)
    first = source.pull(None)
    written(path, HEAD + ONE.replace("0501", "0502"))
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))
    assert source.pull(first.cursor).rows["code"].tolist() == ["0502"]


def test_half_a_file_in_a_folder_stops_the_pull_until_it_is_whole(tmp_path: Path) -> None:
    source = folder(tmp_path)
    written(tmp_path / "in" / "a.csv", HEAD + ONE)
    half = written(tmp_path / "in" / "b.csv", HEAD + TWO[:20])
    with pytest.raises(BadRows, match=r"b\.csv is half a file"):
        source.pull(None)
    written(half, HEAD + TWO)
    assert values(source.pull(None).rows) == ROWS


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    source = folder(tmp_path)
    (tmp_path / "in").rmdir()
    with pytest.raises(SourceFailed, match="is it mounted"):
        source.pull(None)


def test_a_pattern_reaches_folders_below_and_other_kinds(tmp_path: Path) -> None:
    source = folder(tmp_path, pattern="**/*.json")
    (tmp_path / "in" / "2024").mkdir(parents=True)
    written(tmp_path / "in" / "2024" / "a.json", json.dumps(ROWS))
    assert names(source.pull(None)) == ["2024/a.json", "2024/a.json"]


# --- http ---


def http(served: Served, token: str = "", **more: object) -> Source:
    options = {"kind": "http", "url": served.url, "backoff_s": 0.02, **more}
    return sources.open_source(feed_with(**options), base=Path(), clock=lambda: NOW, token=token)


def failing(served: Served, **more: object) -> str:
    with pytest.raises(SourceFailed) as caught:
        http(served, **more).pull(None)
    return str(caught.value)


BODY = json.dumps([{"caller": "王五", **row} for row in ROWS]).encode()


def test_an_endpoint_is_asked_for_what_changed_since_the_last_asking_less_the_overlap() -> None:
    with serving((200, BODY)) as served:
        source = http(served, token="secret", overlap_s=600)
        first = source.pull(None)
        source.pull(first.cursor)
    assert values(first.rows) == ROWS
    assert list(first.rows.columns) == [*COLUMNS, "_source", "_row", "_broken"]
    assert set(first.rows["_source"]) == {served.url}
    assert served.asked == [({}, "Bearer secret"), ({"since": ["2024-05-02T11:50:00Z"]}, "Bearer secret")]


def test_a_source_may_want_its_own_clock_parameter_and_query() -> None:
    with serving((200, BODY)) as served:
        served.url += "?unit=3708&key=secret"
        source = http(served, since="updated_from", since_format="%Y-%m-%d %H:%M:%S", overlap_s=0)
        pulled = source.pull(NOW.isoformat())
    assert served.asked[0][0] == {"unit": ["3708"], "key": ["secret"], "updated_from": ["2024-05-02 20:00:00"]}
    assert "secret" not in "".join(names(pulled))


def test_the_list_may_lie_inside_an_object_and_leave_empty_fields_out() -> None:
    body = json.dumps({"result": {"records": [{"no": "1", "time": "t", "place": "p"}]}}).encode()
    with serving((200, body)) as served:
        pulled = http(served, rows="result.records", sparse=True).pull(None)
        assert "lacks the column code" in failing(served, rows="result.records")
    assert values(pulled.rows) == [{"no": "1", "time": "t", "place": "p", "code": ""}]


def test_an_endpoint_may_answer_csv_even_gzipped() -> None:
    with serving((200, (HEAD + ONE + TWO).encode()), (200, gzip.compress((HEAD + ONE + TWO).encode()))) as served:
        source = http(served)
        assert values(source.pull(None).rows) == ROWS
        assert values(source.pull(None).rows) == ROWS


def test_nothing_new_is_an_empty_list() -> None:
    with serving((200, b"[]")) as served:
        pulled = http(served).pull(None)
    assert len(pulled.rows) == 0
    assert pulled.cursor == NOW.isoformat()


def test_a_server_error_and_a_lost_connection_are_tried_again_after_growing_waits() -> None:
    with serving((500, b"busy"), (0, b""), (503, b""), (200, BODY)) as served:
        pulled = http(served, backoff_s=0.1).pull(None)
    assert values(pulled.rows) == ROWS
    waits = [after - before for before, after in zip(served.times, served.times[1:], strict=False)]
    assert len(waits) == 3
    for wait, least in zip(waits, (0.1, 0.2, 0.4), strict=True):
        assert least <= wait < least + 0.5


def test_a_server_that_stays_broken_is_given_up_and_named() -> None:
    with serving((500, b"database   is\nfull")) as served:
        text = failing(served, tries=3)
    assert len(served.asked) == 3
    assert "answered 500 Internal Server Error" in text
    assert 'came "database is full"' in text
    assert "3 times" in text


@pytest.mark.parametrize(("status", "telling"), [(404, "expected 200"), (401, "GEO_FEED_TOKEN"), (429, "expected 200")])
def test_a_refusal_is_final_at_once(status: int, telling: str) -> None:
    with serving((status, b"no"), (200, BODY)) as served:
        text = failing(served)
    assert len(served.asked) == 1
    assert f"answered {status}" in text
    assert telling in text


def test_a_redirect_is_not_followed_with_the_token() -> None:
    with serving((302, b""), (200, BODY), headers={"Location": "http://elsewhere.invalid/"}) as served:
        text = failing(served, token="secret")
    assert "it moved" in text
    assert len(served.asked) == 1


@pytest.mark.parametrize(
    ("body", "telling"),
    [
        (b"", "answered with an empty body"),
        (b"   \n", "answered with an empty body"),
        (b"<html><body>Log in</body></html>", 'a web page; expected JSON or CSV; came "<html><body>Log in'),
        (b"Kernel panic - not syncing", "none of the columns no, time, place, code"),
        (b"Kernel panic - not syncing", 'came "Kernel panic - not syncing"'),
        (b'{"code": 7, "message": "token expired"}', '"message": "token expired"'),
        (b"x" * 200, f'came "{"x" * 80}"'),
        (BODY[:-10], "half a file"),
        (BODY[: len(BODY) // 2], "half a file"),
        ((HEAD + ONE + TWO).encode()[:-30], "half a file"),
        (gzip.compress(BODY)[:-6], "half a file"),
        (b'[{"no": 1}]', "lacks the columns time, place, code"),
        (bytes(range(128, 256)) * 40, "neither UTF-8 nor GB18030"),
    ],
)
def test_an_answer_that_is_no_list_of_rows_is_refused_at_once(body: bytes, telling: str) -> None:
    with serving((200, body)) as served:
        text = failing(served)
    assert telling in text
    assert len(served.asked) == 1
    assert "王五" not in text
    assert "13900000000" not in text


def test_a_message_shows_no_record_even_where_the_answer_has_no_header() -> None:
    with serving((200, (ONE + TWO).encode())) as served:
        text = failing(served)
    assert f"came {len((ONE + TWO).encode())} bytes" in text
    assert "王五" not in text


def test_a_body_shorter_than_announced_is_a_lost_connection() -> None:
    with serving((200, BODY[:100]), announced=len(BODY)) as served:
        text = failing(served, tries=2)
    assert "did not answer" in text
    assert len(served.asked) == 2


def test_a_server_that_is_not_there_or_keeps_silent_is_named() -> None:
    with serving((200, BODY)) as served:
        pass
    assert "did not answer" in failing(served, tries=2)
    silent = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)  # accepts, and nobody serves
    try:
        url = f"http://127.0.0.1:{silent.server_port}/"
        assert "timed out" in failing(Served([], url=url), tries=2, timeout_s=0.1)
    finally:
        silent.server_close()


# --- table ---


def table_source(database: sa.Engine, table: str, **more: object) -> Source:
    url = database.url.render_as_string(hide_password=False)
    options = {"kind": "table", "url": url, "table": table, "since_column": "entered", **more}
    return sources.open_source(feed_with(**options), base=Path(), clock=lambda: NOW)


def clock(*parts: int) -> datetime:
    """Give a time as a database shows it that keeps no zone."""
    return datetime(*parts)


def make_calls(database: sa.Engine, kind: str = "timestamptz") -> None:
    with database.begin() as connection:
        connection.execute(sa.text("create schema source"))
        columns = f"no text, caller text, time timestamp, place text, code int, entered {kind}"
        connection.execute(sa.text(f"create table source.calls ({columns})"))


def enter(database: sa.Engine, no: str, entered: object) -> None:
    row = {"no": no, "time": clock(2024, 5, 1, 8), "entered": entered}
    with database.begin() as connection:
        connection.execute(
            sa.text("insert into source.calls values (:no, '王五', :time, '太白楼路', 501, :entered)"), row
        )


def test_a_table_gives_the_listed_columns_since_the_newest_row_less_the_overlap(database: sa.Engine) -> None:
    make_calls(database)
    source = table_source(database, "source.calls", overlap_s=600)
    for minute in (0, 5, 20):
        enter(database, f"010{minute}", NOW - timedelta(hours=1) + timedelta(minutes=minute))
    first = source.pull(None)
    assert values(first.rows)[0] == {"no": "0100", "time": "2024-05-01 08:00:00", "place": "太白楼路", "code": "501"}
    assert first.rows["no"].tolist() == ["0100", "0105", "01020"]
    assert "caller" not in first.rows
    assert datetime.fromisoformat(first.cursor) == NOW - timedelta(minutes=40)
    enter(database, "late", NOW - timedelta(minutes=45))
    enter(database, "too late", NOW - timedelta(minutes=51))
    second = source.pull(first.cursor)
    assert second.rows["no"].tolist() == ["late", "01020"]
    assert second.cursor == first.cursor


@pytest.mark.parametrize(
    ("kind", "marks", "cursor"),
    [
        ("timestamp", [clock(2024, 5, 1, 8), clock(2024, 5, 1, 9)], "2024-05-01T09:00:00"),
        ("date", [date(2024, 4, 1), date(2024, 5, 1)], "2024-05-01"),
        ("bigint", [100, 2000], "2000"),
    ],
)
def test_clocks_without_zone_days_and_numbers_serve_as_cursor(
    database: sa.Engine, kind: str, marks: list[object], cursor: str
) -> None:
    make_calls(database, kind)
    source = table_source(database, "source.calls")
    for number, mark in enumerate(marks):
        enter(database, str(number), mark)
    first = source.pull(None)
    assert first.rows["no"].tolist() == ["0", "1"]
    assert first.cursor == cursor
    assert source.pull(first.cursor).rows["no"].tolist() == ["1"]


def test_a_row_from_the_future_does_not_hide_the_others(database: sa.Engine) -> None:
    make_calls(database)
    source = table_source(database, "source.calls")
    enter(database, "2099", datetime(2099, 1, 1, tzinfo=UTC))
    first = source.pull(None)
    assert datetime.fromisoformat(first.cursor) == NOW
    enter(database, "next", NOW + timedelta(minutes=1))
    assert source.pull(first.cursor).rows["no"].tolist() == ["next", "2099"]


def test_a_row_without_since_value_comes_every_time(database: sa.Engine) -> None:
    make_calls(database)
    source = table_source(database, "source.calls")
    enter(database, "a", NOW)
    first = source.pull(None)
    enter(database, "b", None)
    assert source.pull(first.cursor).rows["no"].tolist() == ["a", "b"]


def test_an_hour_that_the_clock_shows_twice_is_read_again(database: sa.Engine) -> None:
    make_calls(database, "timestamp")
    url = database.url.render_as_string(hide_password=False)
    table = {
        "id": "calls",
        "columns": {"id": "no", "called_at": "time", "place": "place", "category": "code"},
        "time": {"zone": "America/New_York"},
        "source": {"kind": "table", "url": url, "table": "source.calls", "since_column": "entered", "overlap_s": 60},
    }
    source = sources.open_source(feed_files.parse(table, PurePath("x.toml")), base=Path(), clock=lambda: NOW)
    enter(database, "first", clock(2023, 11, 5, 1, 55))  # summer time
    cursor = source.pull(None).cursor
    enter(database, "second", clock(2023, 11, 5, 1, 5))  # ten minutes later, in winter time
    assert source.pull(cursor).rows["no"].tolist() == ["second", "first"]


def test_a_table_that_lacks_a_column_or_is_not_there_is_named(database: sa.Engine) -> None:
    make_calls(database)
    with database.begin() as connection:
        connection.execute(sa.text("alter table source.calls drop column place"))
    with pytest.raises(BadRows, match="lacks the column place; it has no, caller, time, code, entered"):
        table_source(database, "source.calls").pull(None)
    with pytest.raises(SourceFailed, match="does not exist"):
        table_source(database, "source.nothing").pull(None)


def test_a_since_column_must_be_ordered_in_time(database: sa.Engine) -> None:
    make_calls(database, "text")
    with pytest.raises(BadRule, match="must be a timestamp, a date or a whole number"):
        table_source(database, "source.calls").pull(None)


def test_a_table_name_is_a_name_and_no_statement(database: sa.Engine) -> None:
    make_calls(database)
    with pytest.raises(SourceFailed):
        table_source(database, 'source.calls"; drop table source.calls; --').pull(None)
    assert table_source(database, "source.calls").pull(None).cursor == ""


def test_a_database_that_does_not_answer_is_named_without_its_password() -> None:
    url = "postgresql+psycopg://reader:sesame@127.0.0.1:1/none"
    options = {"kind": "table", "url": url, "table": "calls", "since_column": "entered"}
    source = sources.open_source(feed_with(**options), base=Path(), clock=lambda: NOW)
    with pytest.raises(SourceFailed, match="cannot be read") as caught:
        source.pull(None)
    assert "sesame" not in str(caught.value)


# --- [source] ---


@pytest.mark.parametrize(
    ("source", "telling"),
    [
        ({}, "kind must be folder, http or table"),
        ({"kind": "ftp"}, "kind must be folder, http or table, came 'ftp'"),
        ({"kind": "replay"}, "geo-service demo"),
        ({"kind": "folder"}, "needs path"),
        ({"kind": "folder", "path": "in", "patern": "*"}, "unknown key 'patern'"),
        ({"kind": "folder", "path": 7}, "path must be a text"),
        ({"kind": "http", "url": "ftp://x"}, "http:// or https://"),
        ({"kind": "http", "url": "http://x", "overlap_s": "600"}, "overlap_s must be a number from 0 up, came '600'"),
        ({"kind": "http", "url": "http://x", "tries": -1}, "tries must be a number from 0 up"),
        ({"kind": "http", "url": "http://x", "sparse": 1}, "sparse must be true or false"),
        ({"kind": "table", "url": "nonsense", "table": "t", "since_column": "s"}, "no database address"),
        ({"kind": "table", "url": "oracle://x", "table": "t"}, "needs since_column"),
    ],
)
def test_a_source_that_contradicts_itself_is_refused_before_anything_is_asked(
    source: dict[str, object], telling: str
) -> None:
    with pytest.raises(BadRule, match="feed calls") as caught:
        sources.open_source(feed_with(**source), base=Path(), clock=lambda: NOW)
    assert telling in str(caught.value)
