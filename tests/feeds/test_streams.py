"""Streams: a file read in pieces or stretches says what it says as a whole, row by row and line by line."""

import gzip
import json
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from geo_service.feeds import streams
from geo_service.feeds.streams import Inseparable, Span
from tests.feeds.made import COLUMNS, HEAD, ONE, ROWS, TWO, written

SHORT = "0105,x\n"  # two fields where the header names six


def by_spans(path: Path, size: int) -> pd.DataFrame:
    """Read a file stretch by stretch, and count rows from its beginning again."""
    frames: list[pd.DataFrame] = []
    line, row = 1, 0
    for span in streams.spans(path, size):
        pieces = list(streams.stream(Span(span.path, span.first, span.after, line), COLUMNS))
        whole = pd.concat(pieces, ignore_index=True)
        whole["_row"] += row
        line, row = line + streams.count_lines(span), row + len(whole)
        frames.append(whole)
    return pd.concat(frames, ignore_index=True)


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("blank", ["", "\n"])
def test_a_file_cut_anywhere_says_the_same(tmp_path: Path, ending: str, blank: str) -> None:
    text = blank + HEAD + ONE + blank + SHORT + TWO + ONE + SHORT + TWO[:-1]
    path = written(tmp_path / "a.csv", text.replace("\n", ending))
    whole = streams.read_rows(path, COLUMNS)
    assert whole["_broken"].str[:7].tolist()[1:3] == [f"line {3 + 2 * len(blank)}:", ""]
    for size in range(1, len(text.encode()) + 5):
        pd.testing.assert_frame_equal(by_spans(path, size), whole)


@pytest.mark.parametrize("block", [1, 7, 50, 100, 1000])
def test_pieces_count_their_rows_and_lines_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    path = written(tmp_path / "a.csv", HEAD + ONE + SHORT + TWO + ONE + SHORT)
    whole = streams.read_rows(path, COLUMNS)
    monkeypatch.setattr(streams, "_BLOCK", block)
    pd.testing.assert_frame_equal(streams.read_rows(path, COLUMNS), whole)
    assert whole["_row"].tolist() == [1, 2, 3, 4, 5]
    assert whole["_broken"].str[:7].tolist() == ["", "line 3:", "", "", "line 6:"]


def test_a_stretch_that_may_begin_inside_a_quoted_field_is_refused(tmp_path: Path) -> None:
    over_lines = TWO.replace("建设路 1 号", '"建设路\n1 号"')
    path = written(tmp_path / "a.csv", HEAD + ONE + over_lines + ONE)
    assert len(next(iter(streams.stream(Span(path), COLUMNS)))) == 3
    for size in (40, 90, 130):
        with pytest.raises(Inseparable):
            by_spans(path, size)


def test_parquet_is_cut_into_row_groups(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.Table.from_pylist(ROWS * 50), path, row_group_size=10)
    assert len(streams.spans(path, 1)) == 10
    pd.testing.assert_frame_equal(by_spans(path, 1), streams.read_rows(path, COLUMNS))


def test_what_is_packed_or_json_is_one_stretch(tmp_path: Path) -> None:
    packed = written(tmp_path / "a.csv.gz", gzip.compress((HEAD + ONE).encode()))
    objects = written(tmp_path / "a.json", json.dumps(ROWS))
    assert streams.spans(packed, 1) == [Span(packed)]
    assert streams.spans(objects, 1) == [Span(objects)]
    assert streams.count_lines(Span(packed)) == 0


def test_what_is_behind_adds_up_to_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "_BLOCK", 64)
    path = written(tmp_path / "a.csv", HEAD + (ONE + TWO) * 9)
    behind: list[int] = []
    assert len(list(streams.stream(Span(path), COLUMNS, behind.append))) == len(behind) > 5
    assert behind == sorted(behind)
    assert behind[-1] == path.stat().st_size
