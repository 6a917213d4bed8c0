"""Files of jurisdictions: areas, memberships and rosters, as CSV (UTF-8, also .gz) or Excel (.xlsx).

One row a state, days as 2024-05-01, empty where there is no bound.  Frames come back with the number of the file's row
as index, so that what the checks of analysis/jurisdictions.py find is named by it.  A roster says in each row where its
holder is reached on one channel; no error repeats what that address is.
"""

import csv
import gzip
import re
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import openpyxl
import openpyxl.utils.exceptions
import pandas as pd

from geo_service.analysis import jurisdictions
from geo_service.errors import BadInput

REACHED_BY = ("channel", "address", "language")  # of a roster, beside DUTY_COLUMNS

_DAYS = ("valid_from", "valid_to")
_UNREADABLE = (
    ValueError, OSError, EOFError, KeyError, csv.Error, zlib.error, zipfile.BadZipFile,
    openpyxl.utils.exceptions.InvalidFileException,
)  # fmt: skip


@dataclass(frozen=True)
class Roster:
    """Who answers: `duties` (DUTY_COLUMNS), and `addresses` (staff_id, channel, url, language) that reach them."""

    duties: pd.DataFrame
    addresses: pd.DataFrame


def read_areas(path: Path) -> pd.DataFrame:
    """Read areas: AREA_COLUMNS.  Raises BadInput."""
    return states_of(_table(path, jurisdictions.AREA_COLUMNS), path.name)


def read_memberships(path: Path) -> pd.DataFrame:
    """Read memberships: MEMBERSHIP_COLUMNS.  Raises BadInput."""
    return states_of(_table(path, jurisdictions.MEMBERSHIP_COLUMNS), path.name)


def read_roster(path: Path, languages: Sequence[str]) -> Roster:
    """Read a roster: DUTY_COLUMNS, and REACHED_BY, which may be empty; one row a duty and channel.

    Raises BadInput, also when one channel of somebody has two addresses, or a language is none of `languages`.
    """
    return roster_of(_table(path, (*jurisdictions.DUTY_COLUMNS, *REACHED_BY)), path.name, languages)


def roster_of(table: pd.DataFrame, where: str, languages: Sequence[str]) -> Roster:
    """Make a roster of a table of text that was read (or made) elsewhere, named `where` in errors; as read_roster."""
    for row, channel, address, language in table[list(REACHED_BY)].itertuples():
        if (channel == "") != (address == ""):
            raise BadInput(f"{where}, row {row}: channel and address go together; give both, or neither")
        if channel and language not in languages:
            raise BadInput(f"{where}, row {row}: language is none of {', '.join(languages)}; write one of them")
    reached = table.loc[table["channel"] != "", ["staff_id", *REACHED_BY]].drop_duplicates()
    twice = reached[reached.duplicated(["staff_id", "channel"])]
    if len(twice):
        raise BadInput(
            f"{where}, row {twice.index[0]}: the same staff_id has another address or language on this channel in an "
            "earlier row; leave one"
        )
    duties = states_of(table[list(jurisdictions.DUTY_COLUMNS)].drop_duplicates(), where)
    return Roster(duties, reached.rename(columns={"address": "url"}).reset_index(drop=True))


def states_of(table: pd.DataFrame, where: str) -> pd.DataFrame:
    """Make states of a table of text that was read (or made) elsewhere: its days are read, the rest stays.

    Raises BadInput for a day that is none, and a state that ends before it begins.
    """
    days = {name: [_day(text, f"{where}, row {row}: {name}") for row, text in table[name].items()] for name in _DAYS}
    for row, begin, end in zip(table.index, days["valid_from"], days["valid_to"], strict=True):
        if begin and end and end <= begin:
            raise BadInput(
                f"{where}, row {row}: valid_to {end} is not after valid_from {begin}; it is the first day on which the "
                "row no longer holds"
            )
    return table.assign(
        **{name: pd.Series(found, index=table.index, dtype="datetime64[us]") for name, found in days.items()}
    )


def _table(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Read the columns of a file as stripped text; index: the row in the file, its head being row 1."""
    if not path.exists():
        raise BadInput(f"{path}: no such file")
    try:
        head, *rows = _sheet(path) if path.suffix.lower() == ".xlsx" else _csv(path)
    except _UNREADABLE as error:
        raise BadInput(f"{path}: cannot be read: {error}; CSV (UTF-8, also .gz) and Excel (.xlsx) can") from None
    if wrong := [name for name in columns if head.count(name) != 1]:
        raise BadInput(
            f"{path.name}: not exactly one column {', '.join(wrong)}; it has {', '.join(head)}; needed are "
            f"{', '.join(columns)}"
        )
    for number, row in enumerate(rows, 2):
        if any(row[len(head) :]):
            raise BadInput(
                f"{path.name}, row {number}: has {len(row)} cells where the head has {len(head)}; see its commas"
            )
    cells = [[*row, *[""] * (len(head) - len(row))][: len(head)] for row in rows]
    table = pd.DataFrame(cells, columns=head, index=pd.RangeIndex(2, len(cells) + 2), dtype="str")[list(columns)]
    return table[(table != "").any(axis=1)]


def _csv(path: Path) -> list[list[str]]:
    opened = gzip.open if path.suffix.lower() == ".gz" else open
    with opened(path, "rt", encoding="utf-8-sig", newline="") as file:
        rows = [[cell.strip() for cell in row] for row in csv.reader(file, strict=True)]
    return rows or [[]]


def _sheet(path: Path) -> list[list[str]]:
    """Read the first sheet of a workbook."""
    book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    try:
        rows = [[_text(value) for value in row] for row in book.worksheets[0].iter_rows(values_only=True)]
    finally:
        book.close()
    return rows or [[]]


def _text(value: object) -> str:
    """Write a cell as CSV would hold it: codes that Excel took for numbers are whole, days ISO."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d}"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def _day(text: str, where: str) -> date | None:
    if not text:
        return None
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise BadInput(f"{where} is '{text}'; write a day such as 2024-05-01, or nothing")
