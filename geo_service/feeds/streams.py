"""Streams: an incident file in bounded pieces, each a frame of text, cell by cell as it stands in the source (rows.py).

A CSV file is cut into blocks at line ends.  A tidy block (UTF-8, quotes around whole fields of one line only) is read
by pyarrow, 2 million rows a second; any other one record by record, so that a broken one costs itself and no other.
JSON is one piece, since only its end tells whether it is whole.
"""

import gzip
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from geo_service.errors import BadRows
from geo_service.feeds import rows

_BLOCK = 1 << 23  # bytes of CSV a piece is made of: about 80,000 rows
_BATCH = 100_000  # rows of Parquet a piece is made of
_LONGEST_FIELD = 1 << 20  # bytes; a quote that is not closed within so many is a stray one
_KINDS = {".csv": "csv", ".json": "json", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}


class Inseparable(BadRows):
    """A stretch of a CSV file cannot be told from its beginning; the file must be read whole."""


@dataclass(frozen=True)
class Span:
    """A stretch of a file: bytes of a CSV file, row groups of a Parquet file, `after` not included; None is the end.

    A CSV stretch holds the lines that begin in it, the header always left out; `line` is the number of its first line.
    """

    path: Path
    first: int = 0
    after: int | None = None
    line: int = 1


def read_rows(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Read the listed columns of an incident file: csv, json, jsonl (each also .gz) or parquet.

    Text is UTF-8 (with or without a byte order mark) or GB18030.  Returns one text column per listed column ("" where
    the source has nothing), `_source` (the file's name), `_row` (int64, 1-based) and `_broken` ("" or what is wrong
    with the row, whose values are then all "").
    Raises BadRows when the file cannot be used as a whole: a listed column is missing, it is empty, it is garbage or it
    stops in the middle (still being written?).  A file without a last line break counts as whole.
    """
    pieces = list(stream(Span(path), columns))
    return pieces[0] if len(pieces) == 1 else pd.concat(pieces, ignore_index=True)


def stream(
    span: Span, columns: Sequence[str], passed: Callable[[int], object] = lambda _: None
) -> Iterator[pd.DataFrame]:
    """Read a stretch of a file piece by piece; each is a frame as read_rows gives it, and there is at least one.

    `_row` counts from the beginning of the stretch.  `passed` hears how many bytes of the file are behind.
    Raises BadRows as read_rows: maybe only after good pieces, so nothing may be kept before the end.
    """
    path, kind, done = span.path, kind_of(span.path), 0
    read = {"csv": _csv_pieces, "parquet": _parquet_pieces}.get(kind, _json_piece)
    try:
        if path.stat().st_size == 0:
            raise BadRows(f"{path.name} is empty (0 bytes); expected rows with {rows.listed(columns)}")
        with rows.readable_gzip(path.name):
            for piece in read(span, columns, passed):
                piece["_row"] += done
                done += len(piece)
                yield piece
    except OSError as error:
        raise BadRows(f"{path} cannot be read: {error.strerror or error}") from error


def spans(path: Path, size: int) -> list[Span]:
    """Cut a file into stretches of about `size` bytes that can be read apart.

    A file that is packed or JSON is one.  Lines are not counted: `line` is left for the caller (count_lines).
    """
    kind = kind_of(path)
    try:
        if kind == "parquet":
            with pq.ParquetFile(path) as file:
                groups = file.num_row_groups
            step = max(1, round(groups * size / path.stat().st_size))
            return [Span(path, first, min(first + step, groups)) for first in range(0, groups, step)] or [Span(path)]
        if kind != "csv" or _is_packed(path):
            return [Span(path)]
        return [Span(path, first, first + size) for first in range(0, path.stat().st_size, size)] or [Span(path)]
    except pa.ArrowException as error:
        raise _no_parquet(path, error) from None
    except OSError as error:
        raise BadRows(f"{path} cannot be read: {error.strerror or error}") from error


def count_lines(span: Span) -> int:
    """Count the lines of a CSV file that begin in a stretch; 0 for other kinds of file."""
    if span.after is None or kind_of(span.path) != "csv":
        return 0
    with span.path.open("rb") as file:
        file.seek(span.first)
        here, count = span.first, 0
        while here < span.after and (block := file.read(min(_BLOCK, span.after - here))):
            here, count = here + len(block), count + block.count(b"\n")
    return count


def kind_of(path: Path) -> str:
    """Give csv, json, jsonl or parquet by a file's name.  Raises BadRows for any other."""
    suffixes = [suffix.lower() for suffix in path.suffixes[-2:] if suffix.lower() != ".gz"]
    kind = _KINDS.get(suffixes[-1] if suffixes else "")
    if kind is None:
        raise BadRows(f"{path.name}: unknown kind of file; expected .csv, .json, .jsonl (each also .gz) or .parquet")
    return kind


def _is_packed(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == rows.GZIP


# ----------------------------------------------------------------------------------------------------------------- csv


@dataclass(frozen=True)
class _Head:
    """The header line of a CSV file as bytes and as names, and how many blank lines stand before it."""

    raw: bytes
    names: Sequence[str]
    blank: int


def _csv_pieces(span: Span, columns: Sequence[str], passed: Callable[[int], object]) -> Iterator[pd.DataFrame]:
    is_part = span.first > 0 or span.after is not None
    with span.path.open("rb") as file:
        # Blocks are large, and so is what is read at once: the buffers of either reader would only copy.
        source = cast(BinaryIO, gzip.GzipFile(fileobj=file)) if _is_packed(span.path) else file
        head = _read_head(source, columns, span.path.name)
        line = head.blank + 2
        if span.first > source.tell():
            line = span.line + _seek_line(source, span.first)
        has_rows = False
        for block in _blocks(source, span.after):
            tidy = _is_tidy(block)
            if is_part and not tidy:
                raise Inseparable(f"{span.path.name} has quotes that may reach over several lines; read it whole")
            piece = _read_quickly(head.names, block, columns, span.path.name) if tidy else None
            if piece is None:
                text = rows.decode(head.raw + block, columns, span.path.name)
                piece = rows.read_csv(text, columns, span.path.name, shift=line - 2)
            yield piece
            line, has_rows = line + block.count(b"\n"), True
            passed(file.tell())
        if not has_rows:
            yield rows.frame({column: [] for column in columns}, [], span.path.name)


def _read_head(source: BinaryIO, columns: Sequence[str], name: str) -> _Head:
    raw, blank = source.readline(), 0
    while raw and not raw.strip():
        raw, blank = source.readline(), blank + 1
    if not raw:
        raise BadRows(f"{name} holds nothing but blanks; expected rows with {rows.listed(columns)}")
    while raw.count(b'"') % 2 and len(raw) < _LONGEST_FIELD and (more := source.readline()):
        raw += more
    return _Head(raw, rows.header_of(rows.decode(raw, columns, name), columns, name), blank)


def _seek_line(source: BinaryIO, first: int) -> int:
    """Go to the first line that begins at or after a byte; give 1 where the byte lay within a line, else 0."""
    source.seek(first - 1)
    return int(source.readline() not in (b"\n", b""))


def _blocks(source: BinaryIO, after: int | None) -> Iterator[bytes]:
    """Cut what is left, or the lines that begin before `after`, into blocks of whole lines, no quote left open."""
    rest, is_last = b"", False
    while not is_last:
        size = _BLOCK if after is None else min(_BLOCK, after - source.tell())
        more = source.read(size) if size > 0 else b""
        is_last = not more
        if is_last and after is not None and rest and not rest.endswith(b"\n"):
            more = source.readline()
        rest += more
        end = len(rest) if is_last else rest.rfind(b"\n") + 1
        is_open = rest.count(b'"', 0, end) % 2 == 1 and end < _BLOCK + _LONGEST_FIELD
        if end and (is_last or not is_open):
            yield rest[:end]
            rest = rest[end:]


def _is_tidy(block: bytes) -> bool:
    """Tell that no NUL is there and quotes stand only around whole fields of one line."""
    if b"\0" in block:
        return False
    if b'"' not in block:
        return True
    letters = np.frombuffer(b"\n" + block + b"\n", dtype=np.uint8)
    quotes, breaks = np.flatnonzero(letters == ord('"')), np.flatnonzero(letters == ord("\n"))
    if len(quotes) % 2:
        return False
    beside = np.frombuffer(b',\r\n"', dtype=np.uint8)
    swallowed = np.searchsorted(quotes, breaks) % 2
    before, behind = letters[quotes[::2] - 1], letters[quotes[1::2] + 1]
    return bool(not swallowed.any() and np.isin(before, beside).all() and np.isin(behind, beside).all())


def _read_quickly(header: Sequence[str], block: bytes, columns: Sequence[str], name: str) -> pd.DataFrame | None:
    """Read a tidy block with pyarrow; None where it is not UTF-8 or has a row with other fields than the header."""
    try:
        table = pyarrow.csv.read_csv(
            pa.BufferReader(block),
            read_options=pyarrow.csv.ReadOptions(column_names=list(header)),
            convert_options=pyarrow.csv.ConvertOptions(
                include_columns=list(columns),
                column_types={column: pa.large_string() for column in columns},
                strings_can_be_null=False,
            ),
        )
    except pa.ArrowException:
        return None
    return rows.frame({column: table[column] for column in columns}, rows.no_faults(table.num_rows), name)


# ------------------------------------------------------------------------------------------------------- json, parquet


def _json_piece(span: Span, columns: Sequence[str], passed: Callable[[int], object]) -> Iterator[pd.DataFrame]:
    raw, name = span.path.read_bytes(), span.path.name
    text = rows.decode(raw, columns, name)
    if not text.strip():
        raise BadRows(f"{name} holds nothing but blanks; expected rows with {rows.listed(columns)}")
    found = rows.objects_of(text, name) if kind_of(span.path) == "json" else rows.lines_of(text, name)
    yield rows.from_objects(found, columns, name)
    passed(len(raw))


def _parquet_pieces(span: Span, columns: Sequence[str], passed: Callable[[int], object]) -> Iterator[pd.DataFrame]:
    name = span.path.name
    try:
        with pq.ParquetFile(span.path) as file:
            came = file.schema_arrow.names
            rows.check_missing([column for column in columns if column not in came], came, columns, name)
            after = file.num_row_groups if span.after is None else span.after
            size, count, done = span.path.stat().st_size, max(1, file.metadata.num_rows), 0
            groups = list(range(span.first, after))
            for batch in file.iter_batches(_BATCH, row_groups=groups, columns=list(columns)):
                yield rows.from_arrow(batch, columns, name)
                done += batch.num_rows
                passed(size * done // count)
            if not done:
                yield rows.frame({column: [] for column in columns}, [], name)
    except pa.ArrowException as error:
        raise _no_parquet(span.path, error) from None


def _no_parquet(path: Path, error: Exception) -> BadRows:
    first = str(error).split("\n")[0]
    return BadRows(f"{path.name} cannot be read as parquet: {first}; is it half a file, or of another kind?")
