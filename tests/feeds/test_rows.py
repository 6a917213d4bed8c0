"""Rows: every kind of file gives the same text, a broken row costs itself only, a whole file is refused by name."""

import gzip
import json
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from geo_service.errors import BadRows
from geo_service.feeds import streams
from tests.feeds.made import COLUMNS, HEAD, ONE, ROWS, TWO, values, written


def refused(path: Path, columns: tuple[str, ...] = COLUMNS) -> str:
    with pytest.raises(BadRows) as caught:
        streams.read_rows(path, columns)
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
    rows = streams.read_rows(path, COLUMNS)
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
    rows = streams.read_rows(written(tmp_path / "a.csv", raw), COLUMNS)
    assert values(rows[rows["_broken"] == ""]) == ROWS


def test_a_chinese_header_in_gb18030_is_found(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", "接警单编号,报警时间\n0103,2024-05-01\n".encode("gb18030"))
    rows = streams.read_rows(path, ["接警单编号", "报警时间"])
    assert rows.loc[0, ["接警单编号", "报警时间"]].tolist() == ["0103", "2024-05-01"]


def test_numbers_in_json_and_parquet_stay_as_they_are_written(tmp_path: Path) -> None:
    json_text = '[{"no": 7, "time": null, "place": true, "code": 1.10}, {"no": 1e3, "code": NaN}]'
    path = written(tmp_path / "a.json", json_text)
    assert values(streams.read_rows(path, COLUMNS)) == [
        {"no": "7", "time": "", "place": "true", "code": "1.10"},
        {"no": "1e3", "time": "", "place": "", "code": ""},
    ]
    times = pa.array([0, 1], pa.timestamp("us"))
    table = pa.table({"no": [7, None], "time": times, "place": [True, False], "code": [1.5, 2.0]})
    pq.write_table(table, tmp_path / "a.parquet")
    assert values(streams.read_rows(tmp_path / "a.parquet", COLUMNS)) == [
        {"no": "7", "time": "1970-01-01 00:00:00", "place": "true", "code": "1.5"},
        {"no": "", "time": "1970-01-01 00:00:00.000001", "place": "false", "code": "2"},
    ]


def test_a_json_object_gives_its_only_list(tmp_path: Path) -> None:
    path = written(tmp_path / "a.json", json.dumps({"total": 2, "data": ROWS}))
    assert values(streams.read_rows(path, COLUMNS)) == ROWS


@pytest.mark.parametrize(("name", "content"), [("a.csv", HEAD), ("a.csv", HEAD[:-1]), ("a.json", "[]")])
def test_a_file_without_rows_is_no_fault(tmp_path: Path, name: str, content: str) -> None:
    rows = streams.read_rows(written(tmp_path / name, content), COLUMNS)
    assert len(rows) == 0
    assert list(rows.columns) == [*COLUMNS, "_source", "_row", "_broken"]


# --- files: broken rows cost themselves and no other ---


def broken(path: Path) -> tuple[list[str], list[str]]:
    """Give the ids of the good rows and the words for the broken ones, and hold that these keep no value."""
    rows = streams.read_rows(path, COLUMNS)
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
    monkeypatch.setattr(streams, "_BLOCK", block)
    tidy = written(tmp_path / "a.csv", '"no","time","place","code"\n"1","t","a, ""b""","c"\n"2","","","d"\n')
    stray = written(tmp_path / "b.csv", 'no,time,place,code\n1,t,"a,b\n2,t,c,d\n3,t,e",f\n4,t,g,h\n')
    assert streams.read_rows(tidy, COLUMNS)["place"].tolist() == ['a, "b"', ""]
    assert streams.read_rows(stray, COLUMNS)["no"].tolist() == ["", "2", "3", "4"]


def test_a_quoted_line_break_is_part_of_its_field(tmp_path: Path) -> None:
    two_lines = TWO.replace("建设路 1 号", '"建设路\n1 号"')
    rows = streams.read_rows(written(tmp_path / "a.csv", HEAD + two_lines + ONE + "x\n"), COLUMNS)
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
            rows = streams.read_rows(path, COLUMNS)
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
    quick = streams.read_rows(source, columns)
    spoiled = written(tmp_path / "spoiled.csv", gzip.decompress(source.read_bytes()) + b"one field\n")
    careful = streams.read_rows(spoiled, columns)
    assert len(quick) == 102_407
    assert careful["_broken"].tolist()[-1] == "line 102409: 1 fields where the header names 11"
    pd.testing.assert_frame_equal(careful.iloc[:-1].drop(columns="_source"), quick.drop(columns="_source"))
