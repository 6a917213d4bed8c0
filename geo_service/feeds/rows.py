"""Rows: the text of an incident file or answer becomes a frame of text, cell by cell as it stands in the source.

Nothing is interpreted: "0103" stays "0103", a time stays text.  Only the listed columns are handed on, and a row whose
fields cannot be told apart keeps no value at all, since a shifted field could be anybody's name.
"""

import csv
import gzip
import io
import json
import re
import zlib
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute

from geo_service.errors import BadRows

_TEXT: Any = pd.StringDtype("pyarrow", na_value=float("nan"))
_COMPUTE: Any = pyarrow.compute
GZIP = b"\x1f\x8b"
_REPLACED = "\ufffd"  # stands where bytes are no character of the encoding
_QUOTE_FAULTS = {
    "unexpected end of data": "a quote opens and is never closed",
    "',' expected after '\"'": "a quote stands inside a field",
}


def frame(values: Mapping[str, Any], broken: Any, source: str) -> pd.DataFrame:
    """Put columns of text together; `values` and `broken` are lists or Arrow arrays of one length."""
    count = len(broken)
    columns = {name: _text_array(column) for name, column in values.items()}
    columns["_source"] = _text_array(pa.repeat(pa.scalar(source, pa.large_string()), count))
    columns["_row"] = np.arange(1, count + 1, dtype=np.int64)
    columns["_broken"] = _text_array(broken)
    return pd.DataFrame(columns, index=pd.RangeIndex(count))


def from_lists(
    picked: Sequence[Sequence[str]], broken: Sequence[str], columns: Sequence[str], source: str
) -> pd.DataFrame:
    """Put rows of text together, one value per listed column."""
    turned = zip(*picked, strict=True) if picked else ([] for _ in columns)
    return frame(dict(zip(columns, turned, strict=True)), list(broken), source)


def check_missing(missing: Sequence[str], came: Sequence[str], columns: Sequence[str], source: str) -> None:
    """Raise BadRows when listed columns are missing; say what came and what was expected."""
    if missing:
        raise BadRows(
            f"{source} lacks {listed(missing)}; it has {', '.join(came)}; the feed expects {', '.join(columns)}. "
            "Correct the file or the feed's [columns]"
        )


def unusable(values: Sequence[str]) -> str:
    r"""Say why text cannot be kept: no database holds a NUL; U+FFFD and half a surrogate pair are lost characters.

    >>> unusable(["济宁", "x"]), unusable(["a\0b"])
    ('', 'a field holds a NUL character')
    """
    for value in values:
        if "\0" in value:
            return "a field holds a NUL character"
        if not value.isascii() and re.search("[\ud800-\udfff\ufffd]", value):
            return "a field holds bytes that are no character of the file's encoding"
    return ""


def as_text(value: Any) -> str:
    """Give a single value as text: nothing is "", truth is "true", a moment is ISO with a blank before the clock.

    >>> [as_text(value) for value in (None, True, "0103", 7, datetime(2024, 5, 1, 8))]
    ['', 'true', '0103', '7', '2024-05-01 08:00:00']
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    return str(value)


def half(source: str, why: str) -> BadRows:
    """Say that a file stops in the middle."""
    return BadRows(
        f"{source} is half a file: {why}. Is it still being written? Nothing was read; try again once it is whole"
    )


def listed(columns: Sequence[str]) -> str:
    """Name columns in a sentence."""
    return ("the column " if len(columns) == 1 else "the columns ") + ", ".join(columns)


def _text_array(column: Any) -> Any:
    if not isinstance(column, pa.Array | pa.ChunkedArray):
        column = pa.array(column, type=pa.large_string())
    arrays: Any = pd.arrays
    return arrays.ArrowStringArray(column, dtype=_TEXT)


def no_faults(count: int) -> Any:
    """Give a column that says of `count` rows that nothing is wrong with them."""
    return pa.repeat(pa.scalar("", pa.large_string()), count)


# ---------------------------------------------------------------------------------------------------------------- text


def decode(raw: bytes, columns: Sequence[str], source: str) -> str:
    """Give the text of UTF-8 or GB18030 bytes, gzipped or not.

    Single bytes that are no character become U+FFFD, which breaks their row only.  Raises BadRows for UTF-16, for bytes
    that are mostly of neither encoding, and where gzip or the last character stops in the middle.
    """
    if raw.startswith(GZIP):
        with readable_gzip(source):
            raw = gzip.decompress(raw)
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise BadRows(f"{source} is UTF-16; save it as UTF-8 (in Excel: 'CSV UTF-8') or GB18030")
    raw = raw.removeprefix(b"\xef\xbb\xbf")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.reason == "unexpected end of data":
            raise half(source, "its last character is cut in two") from None
    texts = [raw.decode(encoding, errors="replace") for encoding in ("utf-8", "gb18030")]
    texts = [text for text in texts if any(column in text for column in columns)]
    # Bytes read in another encoding give about as many U+FFFD as characters beyond ASCII; a few damaged bytes do not.
    whole = [text for text in texts if text.count(_REPLACED) <= (len(text.encode("utf-8")) - len(text)) / 4]
    nearly = [text for text in texts if text.count(_REPLACED) <= len(text) / 100]
    if not nearly and not whole:
        raise BadRows(f"{source} is neither UTF-8 nor GB18030 text with {listed(columns)}; save it as UTF-8")
    return whole[0] if whole else min(nearly, key=lambda text: text.count(_REPLACED))


@contextmanager
def readable_gzip(source: str) -> Generator[None]:
    """Turn what gzip finds wrong while it is read into BadRows."""
    try:
        yield
    except EOFError:
        raise half(source, "the gzip stream ends before its end mark") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise BadRows(f"{source} is a damaged gzip file ({error}); fetch it again") from None


# ----------------------------------------------------------------------------------------------------------------- csv


def read_csv(text: str, columns: Sequence[str], source: str, *, shift: int = 0) -> pd.DataFrame:
    """Read CSV text record by record, so that a broken one costs itself and no other.

    `shift` lines of the file are missing between the header and the rest of the text.
    Raises BadRows where the text cannot be used as a whole, as streams.read_rows.
    """
    lines = list(io.StringIO(text, newline=""))
    first = next((at for at, line in enumerate(lines) if line.strip()), 0)
    reader = csv.reader(lines[at] for at in range(first, len(lines)))
    header = next(reader)
    places = _places(header, columns, source)
    is_clean = "\0" not in text and _REPLACED not in text
    picked: list[list[str]] = []
    broken: list[str] = []
    for at, record, fault in _records(lines, first + reader.line_num, len(header), source, shift):
        taken = [] if fault else [record[place] for place in places]
        why = fault or ("" if is_clean else unusable(taken))
        picked.append([""] * len(places) if why else taken)
        broken.append(f"line {at + shift + 1}: {why}" if why else "")
    return from_lists(picked, broken, columns, source)


def header_of(text: str, columns: Sequence[str], source: str) -> list[str]:
    """Give the names in the header line of CSV text.  Raises BadRows when a listed column is not there just once."""
    header = next(csv.reader(io.StringIO(text, newline="")))
    _places(header, columns, source)
    return header


def _records(
    lines: Sequence[str], start: int, width: int, source: str, shift: int
) -> Iterator[tuple[int, list[str], str]]:
    """Give each record with the index of its first line and "" or its fault.

    A stray quote would swallow the lines behind it: a record of several lines that does not fit the header costs its
    first line only, and reading begins again on the next.
    """
    while start < len(lines):
        begun, reader = start, csv.reader((lines[at] for at in range(start, len(lines))), strict=True)
        record, fault = [""], ""
        try:
            for record in reader:
                end = begun + reader.line_num
                fault = _fault(record, lines[start + 1 : end], width) if record else ""
                if fault and end - start > 1:
                    break
                if fault and end == len(lines):
                    _check_cut(lines, record, width, source, shift)
                if record:
                    yield start, record, fault
                start = end
            else:
                return
        except csv.Error as error:
            fault = _QUOTE_FAULTS.get(str(error), str(error))
            if start == len(lines) - 1:
                _check_cut(lines, [], width, source, shift)
        yield start, [], fault
        start += 1


def _check_cut(lines: Sequence[str], record: Sequence[str], width: int, source: str, shift: int) -> None:
    if len(record) <= width and not lines[-1].endswith(("\n", "\r")):
        raise half(source, f"its last line, {len(lines) + shift}, stops before its {width} fields are complete")


def _fault(record: list[str], below: Sequence[str], width: int) -> str:
    if len(record) != width:
        return f"{len(record)} fields where the header names {width}"
    swallowed = width > 3 and any(line.count(",") >= width - 1 for line in below)
    return "a quote opens here and takes in whole rows below" if swallowed else ""


def _places(header: Sequence[str], columns: Sequence[str], source: str) -> list[int]:
    missing = [column for column in columns if column not in header]
    if len(missing) == len(columns):
        # Without a header line the first line is a record, and a record must not be shown.
        raise BadRows(
            f"{source}: none of {listed(columns)} is among the {len(header)} fields of its first line (not shown: it "
            "may be a record). Is the header line missing, or is this another feed's file?"
        )
    check_missing(missing, header, columns, source)
    twice = next((column for column in columns if header.count(column) > 1), None)
    if twice is not None:
        raise BadRows(f"{source}: the column {twice} stands {header.count(twice)} times in the header; expected once")
    return [header.index(column) for column in columns]


# ------------------------------------------------------------------------------------------------------- json, parquet


class _Unread(str):
    """Stands for a row that is not even JSON; the text says why."""

    __slots__ = ()


def _parsed(text: str) -> Any:
    return json.loads(text, parse_float=str, parse_int=str, parse_constant=lambda _: None)


def objects_of(text: str, source: str, key: str | None = None) -> list[Any]:
    """Give the rows of a JSON text, numbers as they are written.

    They are the list under `key` ("a.b" looks into a), the list that the text is (key ""), or, with None, that or the
    only list in the object.  Raises BadRows for half a text, for garbage and where there is no such list.
    """
    try:
        found = _parsed(text)
    except RecursionError:
        raise BadRows(f"{source} is no JSON of rows: it nests too deeply") from None
    except json.JSONDecodeError as error:
        if error.msg.startswith("Unterminated") or re.fullmatch(r"-?[\w.]*", text[error.pos :].strip()):
            raise half(source, f"the JSON stops after {len(text)} characters") from None
        raise BadRows(f"{source} is no JSON: {error.msg} at line {error.lineno}, column {error.colno}") from None
    for name in key.split(".") if key else ():
        if not isinstance(found, dict) or name not in found:
            raise BadRows(f"{source} has no list under '{key}'; it is {_shape(found)}")
        found = found[name]
    if key is None and isinstance(found, dict):
        lists = [value for value in found.values() if isinstance(value, list)]
        found = lists[0] if len(lists) == 1 else found
    if not isinstance(found, list):
        raise BadRows(f"{source} is {_shape(found)}; expected a list of objects, one per incident")
    return found


def _shape(found: object) -> str:
    if isinstance(found, dict):
        return f"an object with the keys {', '.join(str(key) for key in found)[:200] or 'none'}"
    return "a list" if isinstance(found, list) else "a single value"


def lines_of(text: str, source: str) -> list[Any]:
    """Give the rows of JSON text with one object a line.  Raises BadRows for half a text and for garbage."""
    lines = [line for line in text.split("\n") if line.strip()]
    found: list[Any] = []
    for at, line in enumerate(lines):
        try:
            found.append(_parsed(line))
        except (json.JSONDecodeError, RecursionError) as error:
            if at == len(lines) - 1 and not text.endswith("\n"):
                raise half(source, f"its last line, {at + 1}, stops in the middle") from None
            found.append(_Unread(f"line {at + 1} is no JSON: {getattr(error, 'msg', 'it nests too deeply')}"))
    if all(isinstance(item, _Unread) for item in found):
        raise BadRows(f"{source} is no JSON: none of its {len(found)} lines could be read; expected one object a line")
    return found


def from_objects(found: Sequence[Any], columns: Sequence[str], source: str, *, sparse: bool = False) -> pd.DataFrame:
    """Take the listed keys of JSON objects.

    A `sparse` source leaves empty fields out, so a key may be absent from all; else that raises BadRows.
    """
    objects = [item for item in found if isinstance(item, dict)]
    if found and not sparse:
        missing = [column for column in columns if not any(column in item for item in objects)]
        came = [str(key) for key in objects[0]] if objects else ["no object at all"]
        check_missing(missing, came, columns, source)
    rows = [_picked(item, columns) for item in found]
    return from_lists([values for values, _ in rows], [why for _, why in rows], columns, source)


def _picked(item: Any, columns: Sequence[str]) -> tuple[list[str], str]:
    nothing = [""] * len(columns)
    if not isinstance(item, dict):
        return nothing, str(item) if isinstance(item, _Unread) else f"{_shape(item)} where an object was expected"
    values = [item.get(column) for column in columns]
    for column, value in zip(columns, values, strict=True):
        if isinstance(value, dict | list):
            return nothing, f"{column} is {_shape(value)} where a single value was expected"
    picked = [as_text(value) for value in values]
    why = unusable(picked)
    return nothing if why else picked, why


def from_arrow(batch: Any, columns: Sequence[str], source: str) -> pd.DataFrame:
    """Take the listed columns of an Arrow table or batch as text."""
    texts = {column: _text_column(batch.column(column)) for column in columns}
    if not any(_COMPUTE.any(_COMPUTE.match_substring_regex(text, "[\\x00\ufffd]")).as_py() for text in texts.values()):
        return frame(texts, no_faults(batch.num_rows), source)
    rows = list(zip(*(text.to_pylist() for text in texts.values()), strict=True))
    broken = [unusable(row) for row in rows]
    picked = [[""] * len(columns) if why else row for row, why in zip(rows, broken, strict=True)]
    return from_lists(picked, broken, columns, source)


def _text_column(column: Any) -> Any:
    text = _COMPUTE.fill_null(column.cast(pa.large_string()), "")
    if pa.types.is_timestamp(column.type):  # whole seconds are written without ".000000"
        return _COMPUTE.replace_substring_regex(text, r"\.0+([Z+-].*)?$", r"\1")
    return text
