"""Results: what a run on files writes, whole or not at all, and the spool it needs on the way.

Every result is written beside its final name and given it once all of them are complete; an error on the way leaves the
folder as it was.
"""

import itertools
import json
import os
import shutil
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq

from geo_service.errors import BadInput

_COMPUTE: Any = pyarrow.compute


def write_part(path: Path, incidents: pd.DataFrame, versions: npt.NDArray[np.void]) -> None:
    """Lay a part of a run into its spool: `path`.arrow and `path`.npy, each whole or not there."""
    table = pa.Table.from_pandas(incidents, preserve_index=False)
    with _whole(path.with_suffix(".arrow")) as waiting, pa.ipc.new_file(str(waiting), table.schema) as writing:
        writing.write_table(table)
    with _whole(path.with_suffix(".npy")) as waiting, waiting.open("wb") as file:
        np.save(file, versions)


def read_part(path: Path, columns: Sequence[str] = ()) -> pd.DataFrame:
    """Read the incidents of a part from the spool, mapped into memory, whole or some of their columns."""
    with pa.memory_map(str(path.with_suffix(".arrow"))) as file:
        table = pa.ipc.open_file(file).read_all()
        return (table.select(list(columns)) if columns else table).to_pandas()


def write_counts(path: Path, **frames: pd.DataFrame) -> None:
    """Lay the counted frames of a part into its spool, each in the order of its months."""
    for name, frame in frames.items():
        table = pa.Table.from_pandas(frame, preserve_index=False)
        sizes = {run["values"]: run["counts"] for run in _COMPUTE.value_counts(table["month"]).to_pylist()}
        ends = list(itertools.accumulate(sizes.values(), initial=0))
        rows = dict(zip(sizes, itertools.pairwise(ends), strict=True))
        table = table.replace_schema_metadata({**table.schema.metadata, "rows_of_month": json.dumps(rows)})
        with _whole(path.with_suffix(f".{name}")) as waiting, pa.ipc.new_file(str(waiting), table.schema) as writing:
            writing.write_table(table)


def read_counts(paths: Sequence[Path], name: str, months: Sequence[str]) -> pd.DataFrame:
    """Read the rows of consecutive months from a counted frame of several parts, one part after another."""
    found: list[pa.Table] = []
    for path in paths:
        with pa.memory_map(str(path.with_suffix(f".{name}"))) as file:
            table = pa.ipc.open_file(file).read_all()
        rows = json.loads(table.schema.metadata[b"rows_of_month"])
        here = [rows[month] for month in months if month in rows] or [[0, 0]]
        found.append(table.slice(here[0][0], here[-1][1] - here[0][0]))
    return pa.concat_tables(found).to_pandas()


def count_versions(path: Path) -> int:
    """Tell how many identities a part in the spool has."""
    return len(np.load(path.with_suffix(".npy"), mmap_mode="r"))


def read_versions(path: Path, bucket: int, bits: int) -> npt.NDArray[np.void]:
    """Read the identities of a part whose hash begins with the `bits` bits of a bucket."""
    versions = np.load(path.with_suffix(".npy"), mmap_mode="r")
    ends = [np.uint64(min(at << (64 - bits), (1 << 64) - 1)) for at in (bucket, bucket + 1)]
    first, after = np.searchsorted(versions["id"], ends)
    return versions[first : len(versions) if bucket + 1 == 1 << bits else after]


@contextmanager
def _whole(path: Path) -> Generator[Path]:
    """Give a name to write under; what is there in the end gets its own name at once."""
    waiting = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    yield waiting
    waiting.replace(path)


@dataclass
class Sheet:
    """A result as Parquet: one file, or with `in_parts` a folder with a file a part.

    Times are written as the clock of the city's `zone` shows them.  Rows with lon and lat become GeoParquet (1.1,
    points in WGS 84); a part's head says where its points lie.  In parts it may be sent to other processes.
    """

    path: Path
    zone: str
    in_parts: bool
    _writer: Any = None

    def write(self, frame: pd.DataFrame, name: str) -> None:
        """Write the rows of a part of this name."""
        table = pa.Table.from_pandas(_in_city_time(frame, self.zone), preserve_index=False)
        if "lon" in frame:
            table = _with_points(table, frame, in_parts=self.in_parts)
        how: Any = {"compression": "zstd", "compression_level": 1}
        if self.in_parts:
            with _whole(self.path / f"{name}.parquet") as waiting:
                pq.write_table(table, waiting, **how)
            return
        if self._writer is None:
            self._writer = pq.ParquetWriter(self.path, table.schema, **how)
        self._writer.write_table(table)

    def close(self) -> None:
        """End the file."""
        if self._writer:
            self._writer.close()


def _in_city_time(frame: pd.DataFrame, zone: str) -> pd.DataFrame:
    local = frame.copy()
    for column in frame.columns[[isinstance(kind, pd.DatetimeTZDtype) for kind in frame.dtypes]]:
        local[column] = frame[column].dt.tz_convert(zone)
    return local


def _with_points(table: Any, frame: pd.DataFrame, *, in_parts: bool) -> Any:
    """Add `geometry`, WKB points, null where there is no position, and the head of a GeoParquet file."""
    lon, lat = frame["lon"].to_numpy(), frame["lat"].to_numpy()
    known = np.isfinite(lon)
    wkb = np.zeros(int(known.sum()), dtype=[("order", "u1"), ("kind", "<u4"), ("x", "<f8"), ("y", "<f8")])
    wkb["order"], wkb["kind"], wkb["x"], wkb["y"] = 1, 1, lon[known], lat[known]
    ends = np.concatenate([[0], np.cumsum(known)]).astype(np.int32) * wkb.dtype.itemsize
    is_known = pa.py_buffer(np.packbits(known, bitorder="little"))
    points = pa.Array.from_buffers(pa.binary(), len(lon), [is_known, pa.py_buffer(ends), pa.py_buffer(wkb)])
    column: dict[str, object] = {"encoding": "WKB", "geometry_types": ["Point"]}
    if in_parts and known.any():
        column["bbox"] = [float(end(side[known])) for end in (np.min, np.max) for side in (lon, lat)]
    geo = {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": column}}
    head = {**table.schema.metadata, b"geo": json.dumps(geo).encode()}
    return table.append_column("geometry", points).replace_schema_metadata(head)


class Results:
    """A folder of results being written: each under its own name once all of them are complete."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._waiting: list[tuple[Path, Path]] = []
        self._spool = self._folder / f".spool.{os.getpid()}"

    def parquet(self, name: str, frame: pd.DataFrame) -> None:
        """Write a frame as `name`.parquet."""
        pq.write_table(
            pa.Table.from_pandas(frame, preserve_index=False), self._place(f"{name}.parquet"), compression="zstd"
        )

    @contextmanager
    def sheets(self, names: Sequence[str], zone: str, *, in_parts: bool) -> Generator[dict[str, Sheet]]:
        """Write results as NAME.parquet, a part at a time, for as long as the block runs."""
        sheets = {name: Sheet(self._place(f"{name}.parquet"), zone, in_parts) for name in names}
        for sheet in sheets.values():
            if in_parts:
                sheet.path.mkdir()
        try:
            yield sheets
        finally:
            for sheet in sheets.values():
                sheet.close()

    def json(self, name: str, value: object) -> None:
        """Write a value as `name`.json."""
        self._place(f"{name}.json").write_text(json.dumps(value, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")

    def spool(self) -> Path:
        """Give a folder for what is needed on the way only."""
        _remove(self._spool)  # of a run that was killed
        self._spool.mkdir()
        return self._spool

    def _place(self, name: str) -> Path:
        waiting = self._folder / f".{name}.{os.getpid()}"
        _remove(waiting)
        self._waiting.append((waiting, self._folder / name))
        return waiting

    def publish(self) -> None:
        """Give every result its name."""
        for waiting, final in self._waiting:
            if final.exists() and (final.is_dir() or waiting.is_dir()):
                _remove(final.rename(final.with_name(f".{final.name}.old")))
            waiting.replace(final)
        _remove(self._spool)

    def withdraw(self) -> None:
        """Remove what is not published."""
        for waiting, _ in self._waiting:
            _remove(waiting)
        _remove(self._spool)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)  # a worker that was told too late to stop may still be writing
    else:
        path.unlink(missing_ok=True)


@contextmanager
def folder(path: Path) -> Generator[Results]:
    """Write results into a folder; an error on the way leaves it as it was.

    Raises BadInput when the folder is a file or cannot be written.
    """
    new = not path.exists()
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"--out {path}: cannot be made: {error.strerror}; name a folder that can be written") from None
    writing = Results(path.resolve())
    try:
        yield writing
        writing.publish()
    except BaseException:
        writing.withdraw()
        if new:
            with suppress(OSError):
                path.rmdir()
        raise
