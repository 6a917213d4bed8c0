"""Batch on real Dask workers: the same rows as in one process, whatever happens to a worker; and clear refusals."""

import fcntl
import os
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pandas as pd
import pytest
import shapely

from geo_service import batch, cli, files, results
from geo_service.errors import BatchFailed
from geo_service.feeds import streams

FEED = """
id = "calls"
crs = "EPSG:4326"
[columns]
id = "no"
called_at = "time"
updated_at = "said"
place = "place"
category = "code"
lon = "lon"
lat = "lat"
[time]
zone = "Asia/Shanghai"
format = "%Y-%m-%d %H:%M"
[[categories]]
valid_from = 2000-01-01
map = { "05" = "robbery", "06" = "theft", "07" = "dispute" }
"""
NOW = datetime(2024, 7, 1, tzinfo=UTC)


def calls(count: int) -> pd.DataFrame:
    """Give rows of which some come twice or corrected, some without position and some that nobody can use."""
    rng = np.random.default_rng(11)
    at = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 180 * 1440, count), unit="min")
    rows = pd.DataFrame(
        {
            "no": rng.integers(0, count, count).astype(str),
            "time": at.strftime("%Y-%m-%d %H:%M"),
            "said": (at + pd.Timedelta("1h")).strftime("%Y-%m-%d %H:%M"),
            "place": rng.choice(["太白楼路", "建设路 1 号", ""], count),
            "code": rng.choice(["05", "06", "07", "99"], count),
            "lon": rng.uniform(116.49, 116.61, count).round(4).astype(str),
            "lat": rng.uniform(35.39, 35.51, count).round(4).astype(str),
        }
    )
    rows.loc[rng.integers(0, count, count // 20), ["lon", "lat"]] = ""
    rows.loc[rng.integers(0, count, count // 50), "time"] = "yesterday"
    return rows


@dataclass
class Desk:
    """Files of a made-up city, and the orders to digest them."""

    folder: Path
    incidents: list[Path]

    def order(self, out: str, dask: str = "") -> batch.Order:
        zones = [files.ZoneFile("communities", self.folder / "zones.gpkg")]
        rules, feed = files.read_rules(files.shipped("rules"), "each"), files.read_feed(self.folder / "feed.toml")
        return batch.Order(self.incidents, feed, zones, rules, NOW, None, self.folder / out, dask)

    def rows(self, out: str) -> dict[str, pd.DataFrame]:
        names = ("incidents", "rejected", "zone_month", "levels", "alerts", "cell_month", "cell_levels")
        return {name: pd.read_parquet(self.folder / out / f"{name}.parquet") for name in names}


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    (tmp_path / "feed.toml").write_text(FEED, encoding="utf-8")
    across = np.arange(10) * 0.01
    boxes = [shapely.box(116.5 + x, 35.4 + y, 116.51 + x, 35.41 + y) for x in across for y in across]
    frame = geopandas.GeoDataFrame({"zone_id": range(len(boxes))}, geometry=boxes, crs=4326)
    frame.to_file(tmp_path / "zones.gpkg")
    rows = calls(30_000)
    first, second, third = tmp_path / "first.csv", tmp_path / "second.csv.gz", tmp_path / "third.parquet"
    text = rows[:14_000].to_csv(index=False).splitlines(keepends=True)
    first.write_text("".join([*text[:9000], "a,row,too,short\n", *text[9000:]]), encoding="utf-8")
    rows[14_000:22_000].to_csv(second, index=False)
    rows[22_000:].to_parquet(third, row_group_size=1000)
    return Desk(tmp_path, [first, second, third])


def same(one: dict[str, pd.DataFrame], other: dict[str, pd.DataFrame]) -> None:
    assert len(one["incidents"]) > 15_000
    assert set(one["rejected"]["reason"]) == {"bad_time", "broken_row"}
    for name, frame in one.items():
        pd.testing.assert_frame_equal(other[name], frame)


@contextmanager
def process(*arguments: str, **environment: str) -> Generator["subprocess.Popen[bytes]"]:
    command, env = [sys.executable, "-m", *arguments], {**os.environ, **environment}
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, env=env) as running:
        try:
            yield running
        finally:
            running.terminate()
            running.wait()


@pytest.fixture
def scheduler(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A scheduler on a TCP port of its own choice; a parameter says how often a task's worker may die."""
    where = tmp_path / "scheduler.json"
    told = ["--scheduler-file", str(where), "--host", "127.0.0.1", "--port", "0", "--no-dashboard"]
    may_die = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": str(getattr(request, "param", 3))}
    with process("distributed.cli.dask_scheduler", *told, **may_die):
        while not where.exists() or not where.read_text():
            time.sleep(0.05)
        yield str(pd.read_json(where, typ="series")["address"])


def worker(scheduler: str, folder: Path) -> Any:
    told = ["--nthreads", "1", "--no-dashboard", "--no-nanny", "--local-directory", str(folder)]
    return process("distributed.cli.dask_worker", scheduler, *told)


def test_the_same_rows_from_one_process_and_from_workers(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "_BLOCK", 200_000)
    monkeypatch.setattr(batch, "_AT_ONCE", 5_000)
    one = batch.digest_files(desk.order("one"))
    monkeypatch.setattr(batch, "_SPAN", 100_000)
    spread = batch.digest_files(desk.order("spread", "local"))
    assert spread == one
    assert one["rows_read"] == 30_001
    same(desk.rows("one"), desk.rows("spread"))
    assert len(list((desk.folder / "spread" / "incidents.parquet").iterdir())) > 5
    located = desk.rows("one")["incidents"]["lon"].notna().sum()
    assert geopandas.read_parquet(desk.folder / "spread" / "incidents.parquet").geometry.notna().sum() == located


def test_a_worker_killed_in_the_middle_changes_nothing(
    desk: Desk, scheduler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch.digest_files(desk.order("one"))
    monkeypatch.setattr(batch, "_SPAN", 30_000)
    shares: list[float] = []
    with worker(scheduler, desk.folder) as doomed, worker(scheduler, desk.folder):

        def kill(share: float) -> None:
            shares.append(share)
            if doomed.poll() is None and 0.1 < share < 0.5:
                os.kill(doomed.pid, signal.SIGKILL)

        batch.digest_files(desk.order("spread", scheduler), kill)
        assert doomed.wait() == -signal.SIGKILL
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    same(desk.rows("one"), desk.rows("spread"))


@pytest.mark.parametrize("scheduler", [0], indirect=True)
def test_a_task_whose_workers_die_too_often_ends_the_run(
    desk: Desk, scheduler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "_SPAN", 30_000)
    with worker(scheduler, desk.folder) as doomed:

        def kill(share: float) -> None:
            if doomed.poll() is None and share > 0.1:
                os.kill(doomed.pid, signal.SIGKILL)

        with pytest.raises(BatchFailed, match="workers died again and again over one task"):
            batch.digest_files(desk.order("spread", scheduler), kill)
    assert not (desk.folder / "spread").exists()


def test_a_scheduler_without_workers_is_named(desk: Desk, scheduler: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "_FIRST_WORKER_S", 1)
    with pytest.raises(BatchFailed, match=f"no worker came within 1 s; start some with `dask worker {scheduler}`"):
        batch.digest_files(desk.order("spread", scheduler))
    assert not (desk.folder / "spread").exists()


def test_a_worker_that_comes_late_helps(desk: Desk, scheduler: str) -> None:
    batch.digest_files(desk.order("one"))
    done = threading.Event()

    def come() -> None:
        time.sleep(1)
        with worker(scheduler, desk.folder):
            done.wait()

    late = threading.Thread(target=come)
    late.start()
    try:
        batch.digest_files(desk.order("spread", scheduler))
    finally:
        done.set()
        late.join()
    same(desk.rows("one"), desk.rows("spread"))


def test_paths_are_those_of_whoever_asks(desk: Desk, scheduler: str, monkeypatch: pytest.MonkeyPatch) -> None:
    batch.digest_files(desk.order("one"))
    with worker(scheduler, desk.folder):  # it stays in the folder where it was started
        monkeypatch.chdir(desk.folder)
        order = desk.order("spread", scheduler)
        relative = [replace(file, path=Path(file.path.name)) for file in order.zones]
        files_here = [Path(path.name) for path in order.incidents]
        batch.digest_files(replace(order, incidents=files_here, zones=relative, out=Path("spread")))
    same(desk.rows("one"), desk.rows("spread"))


def test_quotes_over_lines_make_a_file_one_piece_of_work(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "_SPAN", 50_000)
    first = desk.incidents[0]
    first.write_text(first.read_text(encoding="utf-8").replace("建设路 1 号", '"建设路\n1 号"'), encoding="utf-8")
    desk.incidents = [first]
    batch.digest_files(desk.order("one"))
    batch.digest_files(desk.order("spread", "local"))
    assert desk.rows("one")["incidents"]["place"].str.contains("\n").any()
    for name, frame in desk.rows("one").items():
        pd.testing.assert_frame_equal(desk.rows("spread")[name], frame)


def test_a_scheduler_that_does_not_answer_is_named(
    desk: Desk, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "_ANSWER_S", 1)
    command = ["digest", str(desk.incidents[0]), "--feed", str(desk.folder / "feed.toml")]
    command += ["--zones", f"communities={desk.folder / 'zones.gpkg'}", "--out", str(desk.folder / "out")]
    assert cli.main([*command, "--dask", "tcp://127.0.0.1:9"]) == 2
    assert "tcp://127.0.0.1:9: no scheduler answers within 1 s" in capsys.readouterr().err
    assert cli.main([*command, "--dask", "127.0.0.1:9"]) == 2
    assert "expected 'local' or a scheduler's address" in capsys.readouterr().err
    assert not (desk.folder / "out").exists()


def test_a_wrong_file_is_refused_by_workers_as_here(desk: Desk) -> None:
    desk.incidents[0].write_text("no,time\n1,2\n", encoding="utf-8")
    said: list[str] = []
    for dask in ("", "local"):
        with pytest.raises(Exception, match="lacks the columns said, place, code, lon, lat") as caught:
            batch.digest_files(desk.order("out", dask))
        said.append(f"{type(caught.value).__name__}: {caught.value}")
        assert not (desk.folder / "out").exists()
    assert said[0] == said[1]


def test_a_worker_that_does_not_see_the_folder_says_so(desk: Desk) -> None:
    order = desk.order("out")
    case, _ = batch.read_case(order)
    with pytest.raises(BatchFailed, match="a worker sees no folder"):
        batch._take_in(case, (desk.folder / "nowhere", 0, streams.Span(desk.incidents[0])))


def test_the_spool_is_gone_in_the_end(desk: Desk) -> None:
    order = replace(desk.order("out"), incidents=desk.incidents[:1])
    batch.digest_files(order)
    assert not [path for path in order.out.iterdir() if path.name.startswith(".")]
    with results.folder(order.out) as out:
        assert out.spool().is_dir()
    assert not [path for path in order.out.iterdir() if path.name.startswith(".")]


def test_a_terminal_shows_how_much_is_done_and_a_log_does_not(desk: Desk) -> None:
    command = [sys.executable, "-m", "geo_service", "digest", *map(str, desk.incidents)]
    command += ["--feed", str(desk.folder / "feed.toml"), "--zones", f"communities={desk.folder / 'zones.gpkg'}"]
    command += ["--out", str(desk.folder / "out")]
    screen, end = os.openpty()
    fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    subprocess.run(command, stderr=end, stdout=subprocess.DEVNULL, check=True)
    drawn = os.read(screen, 1 << 16).decode()
    assert "还要 still" in drawn
    assert "%|█" in drawn
    assert subprocess.run(command, capture_output=True, check=True).stderr == b""
