"""Workbooks: the rows of an Excel file (.xlsx), cell by cell as text, read as a stream.

A number stands as it would be typed (103, not 103.0); a day or time, whether Excel knows it as one or it is a bare
serial number in a column of times, is written as the feed's file says times are.  A code that Excel has made a number
has lost its leading zeros, and nothing here can know how many: such a column must be text in the workbook.

One header line, one name a cell: merged cells would give their value to one row or column and leave the others empty,
so where they touch what is read the workbook is refused.
"""

import re
import zipfile
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path

import openpyxl
import pandas as pd
from openpyxl.utils import cell as cells
from openpyxl.utils import datetime as serials
from openpyxl.utils.exceptions import InvalidFileException
from openpyxl.xml.constants import REL_NS, SHEET_MAIN_NS
from openpyxl.xml.functions import fromstring

from geo_service.errors import BadRows
from geo_service.feeds import rows

_SERIALS = (0, 73_051)  # days since 1900, up to the end of 2099; 20240531 is no serial number but a day as it is typed
_MERGED = re.compile(rb"<(?:\w+:)?mergeCell\s[^>]*?ref=\"([A-Z]+\d+:[A-Z]+\d+)\"")
_CHUNK = 1 << 20  # bytes of a sheet's XML looked at once
_LONGEST_TAG = 200  # bytes of a mergeCell element
_SERIAL = re.compile(r"\d+(?:\.\d+)?")


@dataclass(frozen=True)
class _Sheet:
    """A sheet: the names in its header, its rows below, and the day its serial numbers count from."""

    names: Sequence[str]
    below: Iterator[Sequence[object]]
    epoch: datetime


def read_rows(path: Path, columns: Sequence[str], layouts: Mapping[str, str]) -> pd.DataFrame:
    """Read the listed columns of the first sheet that has them, as streams.read_rows reads a CSV file.

    `layouts` gives the strptime layout of each column that holds times (feed.Feed.layouts).  `_row` counts from 1 below
    the header; rows with nothing in any cell are passed over but counted.  Raises BadRows for a file that is no
    workbook, a missing column, or merged cells in the header or in a listed column.
    """
    with _opened(path, columns) as sheet:
        places = [sheet.names.index(column) for column in columns]
        picked: list[list[str]] = []
        broken: list[str] = []
        numbers: list[int] = []
        for number, values in enumerate(sheet.below, start=1):
            if all(value is None for value in values):
                continue
            taken = [
                _written(values[at] if at < len(values) else None, layouts.get(column, ""), sheet.epoch)
                for at, column in zip(places, columns, strict=True)
            ]
            why = rows.unusable(taken)
            picked.append([""] * len(places) if why else taken)
            broken.append(f"row {number}: {why}" if why else "")
            numbers.append(number)
    frame = rows.from_lists(picked, broken, columns, path.name)
    return frame.assign(_row=pd.Series(numbers, dtype="int64"))


def read_table(path: Path) -> pd.DataFrame:
    """Read every named column of the first sheet as text; days are written YYYY-MM-DD.  Raises BadRows as read_rows."""
    with _opened(path, ()) as sheet:
        names = [name for name in sheet.names if name]
        places = [sheet.names.index(name) for name in names]
        table = [
            [_written(values[at] if at < len(values) else None, "", sheet.epoch) for at in places]
            for values in sheet.below
            if any(value is not None for value in values)
        ]
    return pd.DataFrame(table, columns=names, dtype="str")


@contextmanager
def _opened(path: Path, columns: Sequence[str]) -> Generator[_Sheet]:
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except FileNotFoundError:
        raise BadRows(f"{path}: no such file") from None
    except (InvalidFileException, zipfile.BadZipFile, KeyError, ValueError) as error:
        raise BadRows(f"{path.name} is no .xlsx workbook ({error}); save it as .xlsx, or as CSV UTF-8") from None
    try:
        yield _sheet(book, path, columns)
    finally:
        book.close()


def _sheet(book: openpyxl.Workbook, path: Path, columns: Sequence[str]) -> _Sheet:
    came: list[str] = []
    for sheet in book.worksheets:
        below = iter(sheet.iter_rows(values_only=True))
        head, names = _head(below)
        if not names:
            continue
        if set(columns) <= set(names):
            _check_head(path, sheet.title, head, names, columns)
            return _Sheet(names, below, book.epoch)
        _check_merged(path, sheet.title, head, names, columns)
        came.append(f"{sheet.title}: {', '.join(filter(None, names))}")
    if not came:
        raise BadRows(f"{path.name} is empty; expected rows with {rows.listed(columns or ['object_id'])}")
    raise BadRows(
        f"{path.name}: no sheet has {rows.listed(columns)} in its first line; it has {'; '.join(came)}. Correct the "
        "file or the feed's [columns]"
    )


def _head(below: Iterator[Sequence[object]]) -> tuple[int, list[str]]:
    """Read down to the first line with anything in it; give its row, from 1, and its names."""
    for head, values in enumerate(below, start=1):
        names = ["" if value is None else str(value).strip() for value in values]
        if any(names):
            return head, names
    return 0, []


def _check_head(path: Path, title: str, head: int, names: Sequence[str], columns: Sequence[str]) -> None:
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise BadRows(f"{path.name}: {rows.listed(twice)} stands more than once in the header; expected once")
    _check_merged(path, title, head, names, columns)


def _check_merged(path: Path, title: str, head: int, names: Sequence[str], columns: Sequence[str]) -> None:
    """Refuse merged cells in the header line, above or across it, or in a column that is read."""
    read = {at for at, name in enumerate(names, start=1) if name in columns or (not columns and name)}
    for ref in _merged_cells(path, title):
        (left, top), (right, bottom) = (cells.coordinate_to_tuple(corner)[::-1] for corner in ref.split(":"))
        across = top <= head <= bottom
        if across or (bottom > head and read & set(range(left, right + 1))):
            where = "header" if across else "rows below the header"
            raise BadRows(
                f"{path.name}: the cells {ref} in the {where} are merged, so that their value stands in one of them "
                "only; unmerge them (in Excel: Merge & Center, Unmerge), write one name a column in one line, and save"
            )


def _merged_cells(path: Path, title: str) -> list[str]:
    """Find the merged ranges of a sheet in its XML: openpyxl does not tell them of a workbook it reads as a stream."""
    found: dict[str, None] = {}
    with zipfile.ZipFile(path) as archive:
        part = _part_of(archive, title)
        with archive.open(part) as sheet:
            tail = b""
            while block := sheet.read(_CHUNK):
                found |= {ref.decode(): None for ref in _MERGED.findall(tail + block)}
                tail = block[-_LONGEST_TAG:]
    return list(found)


def _part_of(archive: zipfile.ZipFile, title: str) -> str:
    """Name the part of a workbook that holds a sheet."""
    sheets = fromstring(archive.read("xl/workbook.xml"))
    relation = next(
        value
        for sheet in sheets.iter(f"{{{SHEET_MAIN_NS}}}sheet")
        if sheet.get("name") == title
        for key, value in sheet.items()
        if key == f"{{{REL_NS}}}id"
    )
    targets = fromstring(archive.read("xl/_rels/workbook.xml.rels"))
    target = next(one.get("Target", "") for one in targets if one.get("Id") == relation)
    return target.removeprefix("/") if target.startswith("/") else f"xl/{target}"


def _written(value: object, layout: str, epoch: datetime) -> str:
    """Write a cell as text: times by the layout of their column, or as people read them."""
    if (layout and isinstance(value, int | float) and not isinstance(value, bool)) or (
        layout and isinstance(value, str) and "." in value and _SERIAL.fullmatch(value.strip())
    ):
        value = _moment(float(value), epoch)
    if isinstance(value, datetime | date | time) and layout:
        return value.strftime("%Y-%m-%d %H:%M:%S" if layout == "iso" else _of_roc(value, layout))
    if isinstance(value, datetime) and value.time() == time():
        return value.date().isoformat()
    if isinstance(value, float):
        return f"{value:.15g}"
    return rows.as_text(value).strip()


def _of_roc(value: datetime | date | time, layout: str) -> str:
    """Fill in the year of the ROC (民国) calendar, which strftime does not know."""
    return layout.replace("%K", f"{value.year - 1911:03d}") if isinstance(value, date) else layout


def _moment(serial: float, epoch: datetime) -> object:
    """Read a serial number as a moment, to the second; a number that is none (20240531) stays as it is."""
    if not _SERIALS[0] <= serial < _SERIALS[1]:
        return int(serial) if serial.is_integer() else serial
    seconds = round(serial * 86400) / 86400  # 43221.35416666 is 08:30:00, not 08:29:59.999
    return serials.from_excel(seconds, epoch)
