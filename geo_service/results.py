"""Results: what a run on files writes, whole or not at all, and the spool it needs on the way.

Every result is written beside its final name and given it once all of them are complete; an error on the way leaves the
folder as it was.
"""

import json
import os
import shutil
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from geo_service.errors import BadInput


def write_part(path: Path, incidents: pd.DataFrame, versions: npt.NDArray[np.void]) -> None:
    """Lay a part of a run into its spool: `path`.arrow and `path`.npy, each whole or not there."""
    table = pa.Table.from_pandas(incidents, preserve_index=False)
    with _whole(path.with_suffix(".arrow")) as waiting, pa.ipc.new_file(str(waiting), table.schema) as writing:
        writing.write_table(table)
    with _whole(path.with_suffix(".npy")) as waiting, waiting.open("wb") as file:
        np.save(file, versions)


def read_part(path: Path) -> pd.DataFrame:
    """Read the incidents of a part from the spool, mapped into memory."""
    with pa.memory_map(str(path.with_suffix(".arrow"))) as file:
        return pa.ipc.open_file(file).read_all().to_pandas()


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
class Points:
    """Incidents as GeoParquet (1.1, WGS 84 points): one file, or with `in_parts` a folder with a file a part.

    In parts it may be sent to other processes that see the folder; each file's head says where its points lie.
    """

    path: Path
    zone: str
    in_parts: bool
    _writer: Any = None

    def write(self, incidents: pd.DataFrame, name: str) -> None:
        """Write the incidents of a part, times as the city's clock shows them; those without position have none."""
        table = _with_points(in_city_time(incidents.drop(columns="digest"), self.zone))
        how: Any = {"compression": "zstd", "compression_level": 1}
        if self.in_parts:
            with _whole(self.path / f"{name}.parquet") as waiting:
                pq.write_table(table.replace_schema_metadata(_head(table, incidents)), waiting, **how)
            return
        if self._writer is None:
            table = table.replace_schema_metadata(_head(table))
            self._writer = pq.ParquetWriter(self.path, table.schema, **how)
        self._writer.write_table(table)

    def close(self) -> None:
        """End the file."""
        if self._writer:
            self._writer.close()


def _head(table: Any, incidents: pd.DataFrame | None = None) -> dict[bytes, bytes]:
    """Give what the head of a GeoParquet file says, for these incidents alone also where they lie."""
    column: dict[str, object] = {"encoding": "WKB", "geometry_types": ["Point"]}
    if incidents is not None and incidents["lon"].notna().any():
        ends = incidents[["lon", "lat"]].agg(["min", "max"])
        column["bbox"] = ends.to_numpy(dtype=np.float64).ravel().tolist()
    geo = {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": column}}
    return {**table.schema.metadata, b"geo": json.dumps(geo).encode()}


def in_city_time(frame: pd.DataFrame, zone: str) -> pd.DataFrame:
    """Show the times of a frame as the city's clock does."""
    local = frame.copy()
    for column in frame.columns[[isinstance(kind, pd.DatetimeTZDtype) for kind in frame.dtypes]]:
        local[column] = frame[column].dt.tz_convert(zone)
    return local


def _with_points(incidents: pd.DataFrame) -> Any:
    """Add `geometry`: WKB points, null where there is no position."""
    lon, lat = incidents["lon"].to_numpy(), incidents["lat"].to_numpy()
    known = np.isfinite(lon)
    wkb = np.zeros(int(known.sum()), dtype=[("order", "u1"), ("kind", "<u4"), ("x", "<f8"), ("y", "<f8")])
    wkb["order"], wkb["kind"], wkb["x"], wkb["y"] = 1, 1, lon[known], lat[known]
    ends = np.concatenate([[0], np.cumsum(known)]).astype(np.int32) * wkb.dtype.itemsize
    is_known = pa.py_buffer(np.packbits(known, bitorder="little"))
    points = pa.Array.from_buffers(pa.binary(), len(lon), [is_known, pa.py_buffer(ends), pa.py_buffer(wkb)])
    return pa.Table.from_pandas(incidents, preserve_index=False).append_column("geometry", points)


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
    def points(self, name: str, zone: str, *, in_parts: bool) -> Generator[Points]:
        """Write incidents as `name`.parquet for as long as the block runs."""
        writing = Points(self._place(f"{name}.parquet"), zone, in_parts)
        if in_parts:
            writing.path.mkdir()
        yield writing
        writing.close()

    def json(self, name: str, value: object) -> None:
        """Write a value as `name`.json."""
        self._place(f"{name}.json").write_text(json.dumps(value, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")

    def spool(self) -> Path:
        """Give a folder for what is needed on the way only."""
        self._spool.mkdir()
        return self._spool

    def _place(self, name: str) -> Path:
        waiting = self._folder / f".{name}.{os.getpid()}"
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
        shutil.rmtree(path)
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
            path.rmdir()
        raise
