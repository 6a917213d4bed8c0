"""Excel workbooks as rows: what a clerk's spreadsheet holds, and what is refused."""

from datetime import datetime, time
from pathlib import Path

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo_service.errors import BadRows
from geo_service.feeds import workbooks
from tests.analysis.made import feed

COLUMNS = ("id", "at", "place")
LAYOUTS = {"at": "%Y-%m-%d %H:%M"}


def workbook(path: Path, *sheets: list[list[object]], merged: str = "") -> Path:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for rows in sheets:
        sheet = book.create_sheet()
        for row in rows:
            sheet.append(row)
    if merged:
        book.worksheets[-1].merge_cells(merged)
    book.save(path)
    return path


def read(path: Path, *rows: list[object], merged: str = "", layouts: dict[str, str] | None = None) -> list[list[str]]:
    made = workbook(path / "made.xlsx", [["id", "at", "place"], *rows], merged=merged)
    frame = workbooks.read_rows(made, COLUMNS, LAYOUTS if layouts is None else layouts)
    assert set(frame["_source"]) <= {"made.xlsx"}
    return frame[list(COLUMNS)].values.tolist()


def test_days_are_read_as_dates_serial_numbers_or_text(tmp_path: Path):
    assert read(
        tmp_path,
        ["a", datetime(2018, 5, 1, 8, 30), "水景花园"],
        ["b", 43221.354166666664, "x"],
        ["c", "43221.354166666664", "x"],
        ["d", "2018-05-01 08:30", "x"],
        ["e", 43221, "x"],
    ) == [
        ["a", "2018-05-01 08:30", "水景花园"],
        ["b", "2018-05-01 08:30", "x"],
        ["c", "2018-05-01 08:30", "x"],
        ["d", "2018-05-01 08:30", "x"],
        ["e", "2018-05-01 00:00", "x"],
    ]


def test_numbers_that_are_typed_days_are_no_serial_numbers(tmp_path: Path):
    layouts = {"at": "%Y%m%d%H%M%S"}
    assert read(tmp_path, ["a", 20180501083000, "x"], ["b", "20180501083000", "x"], layouts=layouts) == [
        ["a", "20180501083000", "x"],
        ["b", "20180501083000", "x"],
    ]


def test_a_column_may_hold_the_day_and_another_the_clock(tmp_path: Path):
    of_two = feed(
        columns={"id": "id", "called_at": ["day", "clock"], "category": "code"},
        time={"zone": "Asia/Shanghai", "format": "%Y-%m-%d %H:%M:%S"},
    )
    assert of_two.layouts == {"day": "%Y-%m-%d", "clock": "%H:%M:%S"}
    rows: list[list[object]] = [
        ["id", "day", "clock", "code"],
        ["a", datetime(2018, 5, 1), time(8, 30), "R"],
        ["b", 43221, 0.3541666667, "R"],
    ]
    made = workbook(tmp_path / "made.xlsx", rows)
    frame = workbooks.read_rows(made, of_two.columns_taken, of_two.layouts)
    assert frame[["day", "clock"]].values.tolist() == [["2018-05-01", "08:30:00"]] * 2


def test_the_years_of_the_roc_calendar_and_iso_are_written_as_the_feed_says(tmp_path: Path):
    at = datetime(2018, 5, 1, 8, 30)
    assert read(tmp_path, ["a", at, "x"], layouts={"at": "%K%m%d"})[0][1] == "1070501"
    assert read(tmp_path, ["a", at, "x"], layouts={"at": "iso"})[0][1] == "2018-05-01 08:30:00"


def test_numbers_are_written_as_they_were_typed_and_empty_rows_are_counted(tmp_path: Path):
    made = workbook(
        tmp_path / "made.xlsx",
        [["id", "at", "place"], [103, None, None], [], ["0103", None, 1.5], [12345678901, None, True]],
    )
    frame = workbooks.read_rows(made, COLUMNS, LAYOUTS)
    assert frame[["id", "place"]].values.tolist() == [["103", ""], ["0103", "1.5"], ["12345678901", "true"]]
    assert frame["_row"].tolist() == [1, 3, 4]


def test_the_header_may_stand_lower_and_on_another_sheet(tmp_path: Path):
    cover: list[list[object]] = [["2018 年接警单"], [None, "第一册"]]
    made = workbook(tmp_path / "made.xlsx", cover, [[], ["no", "id", "at", "place"], [1, "a", None, "x"]])
    frame = workbooks.read_rows(made, COLUMNS, LAYOUTS)
    assert frame[list(COLUMNS)].values.tolist() == [["a", "", "x"]]


@pytest.mark.parametrize("merged", ["A1:B1", "A1:A2", "C2:C3"])
def test_merged_cells_are_refused_with_what_to_do(tmp_path: Path, merged: str):
    with pytest.raises(BadRows, match=rf"made\.xlsx: the cells {merged} in the .* are merged.*unmerge them"):
        read(tmp_path, ["a", 43221, "x"], ["b", 43221, "y"], merged=merged)


def test_merged_cells_beside_what_is_read_do_not_matter(tmp_path: Path):
    made = workbook(
        tmp_path / "made.xlsx",
        [["id", "at", "place", "remark"], ["a", None, "x", "?"], ["b", None, "y", None]],
        merged="D2:D3",
    )
    assert workbooks.read_rows(made, COLUMNS, LAYOUTS)["id"].tolist() == ["a", "b"]


def test_what_is_no_usable_workbook_is_said(tmp_path: Path):
    (tmp_path / "text.xlsx").write_text("id,at,place\n")
    with pytest.raises(BadRows, match=r"text\.xlsx is no \.xlsx workbook"):
        workbooks.read_rows(tmp_path / "text.xlsx", COLUMNS, LAYOUTS)
    with pytest.raises(BadRows, match="no such file"):
        workbooks.read_rows(tmp_path / "none.xlsx", COLUMNS, LAYOUTS)
    with pytest.raises(BadRows, match=r"empty\.xlsx is empty"):
        workbooks.read_rows(workbook(tmp_path / "empty.xlsx", []), COLUMNS, LAYOUTS)
    with pytest.raises(BadRows, match=r"no sheet has the columns id, at, place in its first line; it has .*: id, when"):
        workbooks.read_rows(workbook(tmp_path / "other.xlsx", [["id", "when"]]), COLUMNS, LAYOUTS)
    with pytest.raises(BadRows, match="the column id stands more than once"):
        workbooks.read_rows(workbook(tmp_path / "twice.xlsx", [["id", "at", "place", "id"]]), COLUMNS, LAYOUTS)


def test_a_table_of_a_workbook_keeps_every_named_column(tmp_path: Path):
    made = workbook(tmp_path / "made.xlsx", [["object_id", None, "valid_from"], ["v1", "?", datetime(2024, 5, 1)], []])
    assert workbooks.read_table(made).to_dict("records") == [{"object_id": "v1", "valid_from": "2024-05-01"}]


@given(st.datetimes(datetime(1950, 1, 1), datetime(2099, 12, 30)).map(lambda at: at.replace(microsecond=0)))
def test_a_serial_number_is_its_moment_to_the_second(at: datetime):
    serial = (at - datetime(1899, 12, 30)).total_seconds() / 86400
    written = workbooks._written(serial, "%Y-%m-%d %H:%M:%S", datetime(1899, 12, 30))
    assert written == f"{at:%Y-%m-%d %H:%M:%S}"
