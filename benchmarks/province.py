"""A province's years on two Dask workers over TCP, and the same in one process: rows per second, and the same results.

Calls are made up: a CSV file a month, 2.5 x 10^5 communities, 25,000 units, 2,500 patrol zones; one row in a hundred
comes again, corrected.  `--rows N` calls (50 million); `--keep DIR` leaves the files there and takes those it finds.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import geopandas
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from benchmarks._made import net
from benchmarks._race import Row, report
from geo_service import batch, files

PROVINCE = WEST, SOUTH, SIDE_DEG = 115.0, 34.0, 4.0
FEED = """
id = "province"
crs = "EPSG:4326"
[columns]
id = "no"
called_at = "time"
place = "place"
category = "code"
lon = "lon"
lat = "lat"
[time]
zone = "Asia/Shanghai"
format = "%Y-%m-%d %H:%M:%S"
[[categories]]
valid_from = 2000-01-01
map = { "01" = "robbery", "02" = "snatching", "03" = "theft", "04" = "dispute", "05" = "traffic" }
"""
ROADS = pa.array([f"Road {number}" for number in range(100_000)])
MONTHS = pd.period_range("2024-01", "2025-12", freq="M")


def calls(path: Path, month: pd.Period, count: int, first: int, rng: np.random.Generator) -> None:
    """Write a month of calls; one in a hundred is a call of before, said again."""
    number = first + np.arange(count)
    number[rng.random(count) < 0.01] -= count // 2
    begin, end = (int(at.timestamp()) for at in (month.start_time, month.end_time))
    columns = {
        "no": number,
        "time": pa.array(rng.integers(begin, end, count), pa.timestamp("s")),
        "place": pa.array([f"Road {number}" for number in range(1, 100_000)]).take(
            pa.array(rng.integers(0, 99_999, count))
        ),
        "code": pa.array([f"0{code}" for code in range(1, 6)]).take(pa.array(rng.integers(0, 5, count))),
        "lon": (WEST + SIDE_DEG * rng.random(count)).round(5),
        "lat": (SOUTH + SIDE_DEG * rng.random(count)).round(5),
    }
    pa_csv.write_csv(pa.table(columns), path, pa_csv.WriteOptions(quoting_style="none"))


def make(folder: Path, count: int, across: int) -> list[Path]:
    """Write feed, zones and calls into a folder where they are not there yet; give the files of calls."""
    rng = np.random.default_rng(7)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "feed.toml").write_text(FEED)
    for kind, share, corners in (("communities", 1.0, 20), ("units", 0.316, 20), ("patrol_zones", 0.1, 60)):
        if not (folder / f"{kind}.parquet").exists():
            places = net(kind, max(2, int(across * share)), corners, rng, PROVINCE)
            frame = geopandas.GeoDataFrame({"zone_id": places.ids}, geometry=places.geometry, crs=4326)
            frame.to_parquet(folder / f"{kind}.parquet")
    a_month = count // len(MONTHS)
    paths = [folder / f"calls-{month}.csv" for month in MONTHS]
    for at, (path, month) in enumerate(zip(paths, MONTHS, strict=True)):
        if not path.exists():
            calls(path, month, a_month, a_month * at, np.random.default_rng(at))
    return paths


@contextmanager
def workers(folder: Path, count: int) -> Generator[str]:
    """Start a scheduler and workers as one would by hand; give the scheduler's address."""
    where = folder / "scheduler.json"
    where.unlink(missing_ok=True)
    dask = [str(Path(sys.executable).parent / "dask")]
    loud = (folder / "dask.log").open("w")
    told = [["scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(where), "--no-dashboard"]]
    told += [["worker", "--scheduler-file", str(where), "--nthreads", "1", "--no-dashboard"]] * count
    running = [
        subprocess.Popen([*dask, *line, *(["--local-directory", str(folder)] if "worker" in line else [])], stderr=loud)
        for line in told
    ]
    try:
        while not where.exists() or not where.read_text():
            time.sleep(0.1)
        yield str(json.loads(where.read_text())["address"])
    finally:
        for process in reversed(running):
            process.terminate()
            process.wait()


def same_results(one: Path, other: Path) -> str:
    """Compare every result row by row, a column at a time."""
    compared: list[str] = []
    for name in ("incidents", "rejected", "zone_month", "levels", "alerts", "cell_month", "cell_levels"):
        schema = pq.read_schema(other / f"{name}.parquet")
        for column in schema.names:
            ours, theirs = (pq.read_table(folder / f"{name}.parquet", columns=[column]) for folder in (one, other))
            assert ours.equals(theirs), f"{column} of {name} differs ({len(ours)} rows, {len(theirs)} rows)"
        compared.append(f"{pq.read_metadata(other / f'{name}.parquet').num_rows} {name}")
    return f"{', '.join(compared)}, row by row"


def run(folder: Path, paths: list[Path], out: str, dask: str) -> float:
    """Digest; give the seconds it took."""
    zones = [files.ZoneFile(kind, folder / f"{kind}.parquet") for kind in ("communities", "units", "patrol_zones")]
    rules, feed = files.read_rules(files.shipped("rules"), "unit_first"), files.read_feed(folder / "feed.toml")
    order = batch.Order(paths, feed, zones, rules, datetime(2026, 1, 1, tzinfo=UTC), None, folder / out, dask)
    begin = time.perf_counter()
    summary = batch.digest_files(order, lambda share: print(f"\r{out} {100 * share:5.1f} %", end="", file=sys.stderr))
    taken = time.perf_counter() - begin
    print(f"\r{out}: {summary['rows_read']:,} rows in {taken:.1f} s", file=sys.stderr)
    return taken


def race(folder: Path, count: int, across: int) -> list[Row]:
    """Run both once and compare them; a pair of minutes needs no median."""
    paths = make(folder, count, across)
    alone = run(folder, paths, "alone", "")
    with workers(folder, 2) as address:
        spread = run(folder, paths, "spread", address)
    try:
        check, equal = same_results(folder / "spread", folder / "alone"), True
    except AssertionError as difference:
        check, equal = str(difference), False
    row: Row = {
        "what": "province/two_workers",
        "peer": "one process",
        "ours": round(spread, 2),
        "theirs": round(alone, 2),
    }
    row |= {"unit": "s", "ratio": round(alone / spread, 2), "check": check, "equal": equal}
    goal = 100_000
    rate = round(count / spread)
    return [row, {"what": "province/rows_per_s", "value": rate, "unit": "rows/s", "goal": goal, "met": rate >= goal}]


def main() -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="ends within 50 s")
    parser.add_argument("--json", action="store_true", help="a list of rows, for a program")
    parser.add_argument("--rows", type=int, default=50_000_000)
    parser.add_argument("--keep", type=Path)
    wishes = parser.parse_args()
    count, across = (120_000, 50) if wishes.small else (wishes.rows, 500)
    with tempfile.TemporaryDirectory() as folder:
        return report(race((wishes.keep or Path(folder)).resolve(), count, across), as_json=wishes.json)


if __name__ == "__main__":
    sys.exit(main())
