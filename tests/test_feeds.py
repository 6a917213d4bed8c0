"""Feeds against real peers: files on disk, an HTTP server on loopback, a table in PostGIS."""

import gzip
import json
import os
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePath
from urllib.parse import parse_qs, urlsplit

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from geo_service import feeds
from geo_service.analysis import feed as feed_files
from geo_service.errors import BadRows, BadRule, SourceFailed
from geo_service.feeds import rows as raw_rows

COLUMNS = ("no", "time", "place", "code")
NOW = datetime(2024, 5, 2, 12, 0, tzinfo=UTC)
HEAD = "no,caller,time,place,phone,code\n"
ONE = "0103,王五,2024-05-01 08:00:00,太白楼路 5 号,13900000000,0501\n"
TWO = "0104,赵六,2024-05-01 09:30:00,建设路 1 号,13800000000,0502\n"
ROWS = [
    {"no": "0103", "time": "2024-05-01 08:00:00", "place": "太白楼路 5 号", "code": "0501"},
    {"no": "0104", "time": "2024-05-01 09:30:00", "place": "建设路 1 号", "code": "0502"},
]


def feed_with(**source: object) -> feed_files.Feed:
    table = {
        "id": "calls",
        "columns": {"id": "no", "called_at": "time", "place": "place", "category": "code"},
        "time": {"zone": "Asia/Shanghai"},
        "source": source,
    }
    return feed_files.parse(table, PurePath("calls.toml"))


def values(rows: pd.DataFrame) -> list[dict[str, str]]:
    return rows[list(COLUMNS)].to_dict("records")


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def refused(path: Path, columns: tuple[str, ...] = COLUMNS) -> str:
    with pytest.raises(BadRows) as caught:
        feeds.read_rows(path, columns)
    return str(caught.value)


# --- files: what is read ---


def table_of_rows() -> pa.Table:
    whole = [{"caller": "王五", **row} for row in ROWS]
    return pa.Table.from_pylist(whole)


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.json", "a.json.gz", "a.jsonl", "a.parquet", "a.CSV"])
def test_every_kind_of_file_gives_the_same_text(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    objects = [{"caller": "王五", "phone": 139, **row} for row in ROWS]
    contents = {
        "csv": HEAD + ONE + TWO,
        "json": json.dumps(objects),
        "jsonl": "".join(json.dumps(item) + "\n" for item in objects),
    }
    kind = name.lower().removesuffix(".gz").partition(".")[2]
    if kind == "parquet":
        pq.write_table(table_of_rows(), path)
    else:
        raw = contents[kind].encode()
        path.write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
    rows = feeds.read_rows(path, COLUMNS)
    assert values(rows) == ROWS
    assert rows["_row"].tolist() == [1, 2]
    assert rows["_source"].tolist() == [name, name]
    assert rows["_broken"].tolist() == ["", ""]
    assert list(rows.columns) == [*COLUMNS, "_source", "_row", "_broken"]  # and so neither caller nor phone


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"\xef\xbb\xbf" + (HEAD + ONE + TWO).encode(), id="byte order mark"),
        pytest.param((HEAD + ONE + TWO).encode("gb18030"), id="GB18030"),
        pytest.param((HEAD + ONE + TWO).replace("\n", "\r\n").encode(), id="Windows line ends"),
        pytest.param((HEAD + ONE + "\n\n" + TWO).encode(), id="blank lines"),
        pytest.param((HEAD + ONE + TWO[:-1]).encode(), id="no last line break"),
        pytest.param((HEAD + ONE + TWO.replace("赵六", '"赵,六"')).encode(), id="a comma in quotes"),
        pytest.param(b"\xef\xbb\xbf" + (HEAD + ONE + TWO + "x\n").encode(), id="byte order mark, read carefully"),
    ],
)
def test_a_file_says_the_same_in_every_dress(tmp_path: Path, raw: bytes) -> None:
    rows = feeds.read_rows(written(tmp_path / "a.csv", raw), COLUMNS)
    assert values(rows[rows["_broken"] == ""]) == ROWS


def test_a_chinese_header_in_gb18030_is_found(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", "接警单编号,报警时间\n0103,2024-05-01\n".encode("gb18030"))
    rows = feeds.read_rows(path, ["接警单编号", "报警时间"])
    assert rows.loc[0, ["接警单编号", "报警时间"]].tolist() == ["0103", "2024-05-01"]


def test_numbers_in_json_and_parquet_stay_as_they_are_written(tmp_path: Path) -> None:
    json_text = '[{"no": 7, "time": null, "place": true, "code": 1.10}, {"no": 1e3, "code": NaN}]'
    path = written(tmp_path / "a.json", json_text)
    assert values(feeds.read_rows(path, COLUMNS)) == [
        {"no": "7", "time": "", "place": "true", "code": "1.10"},
        {"no": "1e3", "time": "", "place": "", "code": ""},
    ]
    times = pa.array([0, 1], pa.timestamp("us"))
    table = pa.table({"no": [7, None], "time": times, "place": [True, False], "code": [1.5, 2.0]})
    pq.write_table(table, tmp_path / "a.parquet")
    assert values(feeds.read_rows(tmp_path / "a.parquet", COLUMNS)) == [
        {"no": "7", "time": "1970-01-01 00:00:00", "place": "true", "code": "1.5"},
        {"no": "", "time": "1970-01-01 00:00:00.000001", "place": "false", "code": "2"},
    ]


def test_a_json_object_gives_its_only_list(tmp_path: Path) -> None:
    path = written(tmp_path / "a.json", json.dumps({"total": 2, "data": ROWS}))
    assert values(feeds.read_rows(path, COLUMNS)) == ROWS


@pytest.mark.parametrize(("name", "content"), [("a.csv", HEAD), ("a.csv", HEAD[:-1]), ("a.json", "[]")])
def test_a_file_without_rows_is_no_fault(tmp_path: Path, name: str, content: str) -> None:
    rows = feeds.read_rows(written(tmp_path / name, content), COLUMNS)
    assert len(rows) == 0
    assert list(rows.columns) == [*COLUMNS, "_source", "_row", "_broken"]


# --- files: broken rows cost themselves and no other ---


def broken(path: Path) -> tuple[list[str], list[str]]:
    """Give the ids of the good rows and the words for the broken ones, and hold that these keep no value."""
    rows = feeds.read_rows(path, COLUMNS)
    faults = rows[rows["_broken"] != ""]
    assert (faults[list(COLUMNS)] == "").all(axis=None), "a row whose fields cannot be told apart must keep none"
    assert rows["_row"].tolist() == list(range(1, len(rows) + 1))
    return rows.loc[rows["_broken"] == "", "no"].tolist(), faults["_broken"].tolist()


def test_a_row_with_too_many_or_too_few_fields_is_kept_without_its_values(tmp_path: Path) -> None:
    shifted = "0105,李,四,2024-05-01 10:00:00,x,1,2\n"  # an unquoted comma pushes the name's end towards the place
    path = written(tmp_path / "a.csv", HEAD + ONE + shifted + "0106,x\n" + TWO)
    assert broken(path) == (
        ["0103", "0104"],
        ["line 3: 7 fields where the header names 6", "line 4: 2 fields where the header names 6"],
    )


def test_a_stray_quote_does_not_swallow_the_rows_behind_it(tmp_path: Path) -> None:
    stray = '0105,"王,2024-05-01 10:00:00,x,1,2\n'
    one_quote = written(tmp_path / "a.csv", HEAD + stray + ONE + TWO)
    assert broken(one_quote) == (["0103", "0104"], ["line 2: a quote opens and is never closed"])
    pair = written(tmp_path / "b.csv", HEAD + stray + ONE + stray + TWO)  # the second closes what the first opened
    assert broken(pair) == (
        ["0103", "0104"],
        [
            "line 2: a quote stands inside a field",
            "line 4: a quote opens and is never closed",
        ],
    )
    fitting = stray.replace('"王', '王"')
    matched = written(tmp_path / "c.csv", HEAD + stray + ONE + fitting + TWO)  # together one well-formed field
    good, faults = broken(matched)
    assert good == ["0103", "0105", "0104"]
    assert faults == ["line 2: a quote opens here and takes in whole rows below"]


@pytest.mark.parametrize("block", range(1, 60))
def test_quotes_are_judged_alike_wherever_the_blocks_of_a_file_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(raw_rows, "_BLOCK", block)
    tidy = written(tmp_path / "a.csv", '"no","time","place","code"\n"1","t","a, ""b""","c"\n"2","","","d"\n')
    stray = written(tmp_path / "b.csv", 'no,time,place,code\n1,t,"a,b\n2,t,c,d\n3,t,e",f\n4,t,g,h\n')
    assert feeds.read_rows(tidy, COLUMNS)["place"].tolist() == ['a, "b"', ""]
    assert feeds.read_rows(stray, COLUMNS)["no"].tolist() == ["", "2", "3", "4"]


def test_a_quoted_line_break_is_part_of_its_field(tmp_path: Path) -> None:
    two_lines = TWO.replace("建设路 1 号", '"建设路\n1 号"')
    rows = feeds.read_rows(written(tmp_path / "a.csv", HEAD + two_lines + ONE + "x\n"), COLUMNS)
    assert rows["place"].tolist() == ["建设路\n1 号", "太白楼路 5 号", ""]
    assert rows["_broken"].tolist()[:2] == ["", ""]


def test_bytes_that_are_no_character_break_their_row_only(tmp_path: Path) -> None:
    raw = (HEAD + ONE + TWO).encode().replace("建".encode(), "建".encode()[:2])
    good, faults = broken(written(tmp_path / "a.csv", raw))
    assert good == ["0103"]
    assert faults == ["line 3: a field holds bytes that are no character of the file's encoding"]
    unlisted = (HEAD + ONE + TWO).encode().replace("赵".encode(), "赵".encode()[:2])
    assert broken(written(tmp_path / "b.csv", unlisted)) == (["0103", "0104"], [])


def test_a_nul_breaks_its_row_since_no_database_keeps_it(tmp_path: Path) -> None:
    raw = (HEAD + ONE + TWO.replace("建设", "建\0设")).encode()
    assert broken(written(tmp_path / "a.csv", raw))[1] == ["line 3: a field holds a NUL character"]
    objects = [{**ROWS[0]}, {**ROWS[1], "place": "建\0设"}, {**ROWS[1], "place": "\ud800"}]
    assert len(broken(written(tmp_path / "a.json", json.dumps(objects)))[1]) == 2
    pq.write_table(pa.Table.from_pylist([ROWS[0], {**ROWS[1], "place": "建\0设"}]), tmp_path / "a.parquet")
    assert broken(tmp_path / "a.parquet") == (["0103"], ["a field holds a NUL character"])


def test_a_json_row_that_is_no_object_or_nests_is_kept_without_its_values(tmp_path: Path) -> None:
    items = [ROWS[0], 5, {**ROWS[1], "place": {"caller": "王五"}}, ROWS[1]]
    good, faults = broken(written(tmp_path / "a.json", json.dumps(items)))
    assert good == ["0103", "0104"]
    assert faults == [
        "a single value where an object was expected",
        "place is an object with the keys caller where a single value was expected",
    ]
    lines = written(tmp_path / "a.jsonl", f"{json.dumps(ROWS[0])}\n{{oops}}\n{json.dumps(ROWS[1])}\n")
    assert broken(lines)[0] == ["0103", "0104"]


# --- files: refused as a whole, and why ---


def test_a_missing_column_is_named_with_what_came_and_what_was_expected(tmp_path: Path) -> None:
    expected = "lacks the column place; it has no, time, code; the feed expects no, time, place, code"
    assert expected in refused(written(tmp_path / "a.csv", "no,time,code\n1,2,3\n"))
    assert expected in refused(written(tmp_path / "a.json", '[{"no": 1, "time": 2, "code": 3}]'))
    pq.write_table(pa.table({"no": ["1"], "time": ["2"], "code": ["3"]}), tmp_path / "a.parquet")
    assert expected in refused(tmp_path / "a.parquet")


def test_a_file_without_header_is_refused_without_showing_its_first_record(tmp_path: Path) -> None:
    text = refused(written(tmp_path / "a.csv", ONE + TWO))
    assert "Is the header line missing" in text
    assert "王五" not in text
    assert "13900000000" not in text


@pytest.mark.parametrize(
    ("name", "content", "telling"),
    [
        ("a.csv", b"", "is empty"),
        ("a.csv", b" \n \n", "nothing but blanks"),
        ("a.json", b"", "is empty"),
        ("a.csv", bytes(range(128, 256)) * 40, "neither UTF-8 nor GB18030"),
        ("a.csv", (HEAD + ONE).encode("utf-16"), "UTF-16"),
        ("a.json", b"Service temporarily unavailable", "is no JSON"),
        ("a.json", b'{"code": 7, "message": "no"}', "an object with the keys code, message"),
        ("a.json", b"7", "expected a list of objects"),
        ("a.json", b"[1, 2]", "no object at all"),
        ("a.jsonl", b"one\ntwo\n", "none of its 2 lines"),
        ("a.parquet", b"PAR1 but no more", "cannot be read as parquet"),
        ("a.csv", b"no,no,time,place,code\n1,1,2,3,4\n", "stands 2 times"),
        ("a.xlsx", b"PK", "unknown kind of file"),
        ("a.csv.gz", gzip.compress((HEAD + ONE).encode())[:10] + b"\xff" * 40, "damaged gzip"),
    ],
)
def test_garbage_is_refused_and_named(tmp_path: Path, name: str, content: bytes, telling: str) -> None:
    assert telling in refused(written(tmp_path / name, content))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert "No such file" in refused(tmp_path / "a.csv")


def cut_files() -> list[tuple[str, bytes]]:
    csv = (HEAD + ONE + TWO).encode()
    packed = gzip.compress((HEAD + (ONE + TWO) * 5000).encode())
    lines = "".join(json.dumps(row) + "\n" for row in ROWS).encode()
    return [
        ("row.csv", csv[:-30]),
        ("quoted.csv", (HEAD + ONE + '0104,"赵').encode()),
        ("character.csv", (HEAD + ONE + "0104,赵").encode()[:-1]),
        ("gz.csv.gz", packed[: len(packed) // 2]),
        ("mark.csv.gz", packed[:-4]),
        ("a.json", json.dumps(ROWS).encode()[:-40]),
        ("literal.json", b'[{"no": 1, "time": tr'),
        ("comma.json", json.dumps(ROWS).encode()[:-1]),
        ("a.jsonl", lines[:-20]),
    ]


@pytest.mark.parametrize(("name", "content"), cut_files(), ids=[name for name, _ in cut_files()])
def test_half_a_file_is_not_read_at_all(tmp_path: Path, name: str, content: bytes) -> None:
    text = refused(written(tmp_path / name, content))
    assert "is half a file" in text
    assert "still being written" in text
    assert "Nothing was read" in text
    assert "王" not in text


def test_half_a_parquet_file_is_not_read_at_all(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(table_of_rows(), path)
    path.write_bytes(path.read_bytes()[:-20])
    assert "is it half a file" in refused(path)


def test_every_cut_of_a_file_is_noticed_or_ends_at_a_whole_row(tmp_path: Path) -> None:
    raw = (HEAD + ONE + TWO).encode()
    path = tmp_path / "a.csv"
    for length in range(1, len(raw)):
        path.write_bytes(raw[:length])
        try:
            rows = feeds.read_rows(path, COLUMNS)
        except BadRows:
            continue
        kept = values(rows)
        for row, whole in zip(kept, ROWS, strict=False):
            # Only the very last field of a file can be cut without a trace.
            assert {**row, "code": ""} == {**whole, "code": ""}
            assert whole["code"].startswith(row["code"])
        assert (rows["_broken"] == "").all()


def test_both_csv_readers_agree_on_the_real_file(shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "crime" / "philadelphia_robbery_burglary_theft_2018_2019.csv.gz"
    columns = ["dc_key", "dispatch_date", "dispatch_time", "location_block", "text_general_code", "lon", "lat"]
    quick = feeds.read_rows(source, columns)
    spoiled = written(tmp_path / "spoiled.csv", gzip.decompress(source.read_bytes()) + b"one field\n")
    careful = feeds.read_rows(spoiled, columns)
    assert len(quick) == 102_407
    assert careful["_broken"].tolist()[-1] == "line 102409: 1 fields where the header names 11"
    pd.testing.assert_frame_equal(careful.iloc[:-1].drop(columns="_source"), quick.drop(columns="_source"))


# --- folder ---


def names(pulled: feeds.Pulled) -> list[str]:
    return pulled.rows["_source"].tolist()


def folder(tmp_path: Path, pattern: str = "*.csv") -> feeds.Source:
    (tmp_path / "in").mkdir(exist_ok=True)
    return feeds.open_source(feed_with(kind="folder", path="in", pattern=pattern), base=tmp_path, clock=lambda: NOW)


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


@dataclass
class Served:
    """What a test's server answers, one entry a request (the last one again and again), and what it was asked."""

    answers: list[tuple[int, bytes]]
    headers: dict[str, str] = field(default_factory=dict)
    announced: int | None = None
    asked: list[tuple[dict[str, list[str]], str]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    url: str = ""


def handler(served: Served) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            turn = min(len(served.asked), len(served.answers) - 1)
            served.asked.append((parse_qs(urlsplit(self.path).query), self.headers.get("Authorization", "")))
            served.times.append(time.monotonic())
            status, body = served.answers[turn]
            if status == 0:
                self.close_connection = True
                return
            self.send_response(status)
            for name, value in served.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(served.announced or len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    return Handler


@contextmanager
def serving(*answers: tuple[int, bytes], **more: object) -> Generator[Served]:
    served = Served(list(answers), **more)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(served))
    served.url = f"http://127.0.0.1:{server.server_port}/calls"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def http(served: Served, token: str = "", **more: object) -> feeds.Source:
    options = {"kind": "http", "url": served.url, "backoff_s": 0.02, **more}
    return feeds.open_source(feed_with(**options), base=Path(), clock=lambda: NOW, token=token)


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


def table_source(database: sa.Engine, table: str, **more: object) -> feeds.Source:
    url = database.url.render_as_string(hide_password=False)
    options = {"kind": "table", "url": url, "table": table, "since_column": "entered", **more}
    return feeds.open_source(feed_with(**options), base=Path(), clock=lambda: NOW)


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
    source = feeds.open_source(feed_files.parse(table, PurePath("x.toml")), base=Path(), clock=lambda: NOW)
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
    source = feeds.open_source(feed_with(**options), base=Path(), clock=lambda: NOW)
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
        feeds.open_source(feed_with(**source), base=Path(), clock=lambda: NOW)
    assert telling in str(caught.value)
