"""Live: how soon those who listen know of a commit, and what that costs, in a city of 11,000 places.

live/commit_to_event_p50, _p95   from the return of a commit of a ten-minute pull (500 rows) to the event at each of 200
                                 streams that a process of their own holds open to one server
live/follow_ms                   drawing the next picture alone, after such a commit; places belong to police stations
live/state_tile_bytes            the state tile with the most places, scaled to 2,000 of them, before it is packed
live/not_modified_share          of a client that asks for all its state tiles anew (zooms 10 to 12) after a commit that
                                 touched five places: the share of answers that say "not modified"
live/listeners_1000_mb           resident memory of a whole server with 1,000 streams open, before it has drawn anything
live/listener_kb                 the share of it that one stream takes
live/change_bytes, change_ms     after a commit of 20 calls: the delta, for who comes back, beside the whole layer as
                                 GeoJSON, which a plain client must ask for; with the answers applied both show the same
"""

import gzip
import json
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
import orjson
import pandas as pd

from benchmarks import _http, _increment, _race, _tile_city, join
from benchmarks._made import FEED, as_rows
from benchmarks._peers import HOUSE
from benchmarks._race import Row, arguments, measured, reached, report
from geo_service import drawing, jobs
from geo_service.analysis import jurisdictions
from geo_service.maps import states
from geo_service.maps.layers import EVERYTHING
from geo_service.maps.tiles import Tile
from geo_service.service import Service, open_service
from geo_service.store import news, reading
from geo_service.web import parameters

LAYER = "warnings"
READY = f"/tiles/{LAYER}/8/0/0.mvt"  # answered once the picture is drawn
T = TypeVar("T")
FIRST_ZOOM, LAST_ZOOM = 10, 12
PULL, FEW, CHANGE = 500, 5, 20  # rows
STATIONS = 40
APART_S = 1.0  # between two commits; the follower looks each second in any case, so they drift against each other
GOALS = {"p50": 1.0, "p95": 1.0, "follow": 300.0, "state": 1200.0, "share": 0.9, "memory": 300.0, "each": 50.0}

_DAYS = ("valid_from", "valid_to")
_EVENT = re.compile(rb"event: (\w+)\nid: (\S+)\ndata: (.*)\n\n")


@dataclass(frozen=True)
class Size:
    """How much is done."""

    month: int  # rows on record when it begins
    commits: int
    streams: int
    most_streams: int
    rounds: int


FULL = Size(30_000, commits=30, streams=200, most_streams=1_000, rounds=_race.ROUNDS)
SMALL = Size(3_000, commits=5, streams=200, most_streams=1_000, rounds=1)


@dataclass
class Source:
    """Calls of the running month that nobody has seen before."""

    service: Service
    rng: np.random.Generator
    told: Iterator[int] = field(default_factory=lambda: iter(range(1_000_000)))

    def commit(self, count: int) -> int:
        """Take in so many calls, all of the last minute, in one commit; give its revision."""
        now = pd.Timestamp(self.service.now()).tz_convert(FEED.city_zone).tz_localize(None).floor("s")
        first, last = now - pd.Timedelta(minutes=1), now
        rows = as_rows(count, str(first), str(last), *join.points_of(count, self.rng), self.rng)
        rows = rows.assign(id=f"{next(self.told)}-" + rows["id"], code="03")
        jobs.load_incidents(self.service, FEED, rows)
        with self.service.engine.connect() as connection:
            return reading.revision(connection).seq


def main() -> int:
    """Run and print."""
    wishes = arguments(__doc__ or "")
    size, rng = SMALL if wishes.small else FULL, np.random.default_rng(6)
    with _increment.city(rng) as service, tempfile.TemporaryDirectory() as folder:
        say("a city is filled")
        put_under_stations(service)
        source = Source(service, rng)
        source.commit(size.month)
        rows = [followed(source, size)]
        port, url = _http.free_port(), service.engine.url.render_as_string(hide_password=False)
        with _tile_city.served(url, Path(folder), port, READY):
            rows += [*told(source, port, size), *tiles(source, port), *change(source, port, size)]
        rows += weighed(url, Path(folder), size)
    return report(rows, as_json=wishes.json)


def say(text: str) -> None:
    """Tell who waits how far it has come."""
    print(f"live: {text}", file=sys.stderr, flush=True)


def put_under_stations(service: Service) -> None:
    """Let every place belong to a police station, as in a city that says who answers."""
    with service.engine.connect() as connection:
        places = reading.places(connection, EVERYTHING)
    codes = [f"s{number:02}" for number in range(STATIONS)]
    levels = [("b", "bureau", ""), ("r", "branch", "b"), *((code, "station", "r") for code in codes)]
    areas = pd.DataFrame([("police", code, level, code, parent) for code, level, parent in levels])
    areas.columns = list(jurisdictions.AREA_COLUMNS[:5])
    whose = np.array(codes, dtype=object)[np.arange(len(places)) % STATIONS]
    for load, frame in (
        (jobs.load_areas, areas),
        (jobs.load_memberships, places.assign(tree="police", area=whose)),
    ):
        always = {name: pd.Series(pd.NaT, index=frame.index, dtype="datetime64[ns]") for name in _DAYS}
        load(service, frame.assign(**always), "made")


def followed(source: Source, size: Size) -> Row:
    """Draw one picture after the other, each after a commit of a pull."""
    service, taken = source.service, list[float]()
    with news.snapshot(service.engine) as connection:
        picture = drawing.whole(service, connection, service.now())
    for turn in range(size.rounds + 1):
        say(f"a picture after a commit, {turn} of {size.rounds}")
        seq = source.commit(PULL)
        start = time.perf_counter()
        with news.snapshot(service.engine) as connection:
            picture = drawing.renewed(service, connection, picture, service.now())
        taken.append(1000 * (time.perf_counter() - start))
        assert picture.atlas.seq == seq
    return measured("live/follow_ms", np.median(taken[1:]), "ms", GOALS["follow"])


class Ears:
    """Those who listen."""

    def __init__(self, port: int, count: int) -> None:
        self.count = count
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks._listeners", str(port), str(count)],
            cwd=HOUSE,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout
        assert self._process.stdout.readline() == "ready\n"

    def told(self) -> dict[int, list[float]]:
        """Give when each was told of each revision, and let them go."""
        said, _ = self._process.communicate("\n", timeout=30)
        assert self._process.returncode == 0, "a stream broke"
        return {int(seq): moments for seq, moments in json.loads(said).items()}

    def leave(self) -> None:
        """Let them go, if they are there still."""
        self._process.kill()
        self._process.wait()


@contextmanager
def listening(port: int, count: int) -> Generator[Ears]:
    """Have so many listen until the end of the block."""
    ears = Ears(port, count)
    try:
        yield ears
    finally:
        ears.leave()


def told(source: Source, port: int, size: Size) -> list[Row]:
    """Commit again and again while many listen."""
    committed: dict[int, float] = {}
    with listening(port, size.streams) as ears:
        for turn in range(size.commits):
            say(f"{size.streams} listen, commit {turn + 1} of {size.commits}")
            seq = source.commit(PULL)
            committed[seq] = time.monotonic()
            time.sleep(APART_S + source.rng.uniform(0, 0.5))
        wait_for(port, max(committed))
        time.sleep(2 * APART_S)
        moments = ears.told()
    # Commits that a busy machine draws in one picture are told at once: the first event that is no older counts.
    first = {seq: min(later for later in moments if later >= seq) for seq in committed}
    waits = [[at - made for at in moments[first[seq]]] for seq, made in committed.items()]
    assert [len(each) for each in waits] == [size.streams] * size.commits, "not everybody was told of every commit"
    p50, p95 = np.percentile(np.concatenate(waits), [50, 95])
    return [
        measured("live/commit_to_event_p50", p50, "s", GOALS["p50"], digits=3),
        measured("live/commit_to_event_p95", p95, "s", GOALS["p95"], digits=3),
    ]


def tiles(source: Source, port: int) -> list[Row]:
    """Ask for all state tiles, and after a commit that touched few places for all of them again."""
    line = _http.Line(port)
    plain = {"Accept-Encoding": "identity"}
    held = {path: line.get(path, plain) for path in paths()}
    assert {answer.status for answer in held.values()} == {200}
    largest = max((states.read(answer.body) for answer in held.values()), key=lambda tile: len(tile.classes))
    full = max(held.values(), key=lambda answer: len(answer.body))
    say(f"{len(held)} state tiles; the largest: {len(full.body)} bytes, {len(largest.classes)} places")
    wait_for(port, source.commit(FEW))
    again = [line.get(path, {**plain, "If-None-Match": answer.headers["etag"]}).status for path, answer in held.items()]
    line.close()
    assert set(again) == {200, 304}
    head = len(full.body) - (len(largest.classes) + 1) // 2
    scaled = head + (len(full.body) - head) * 2_000 / len(largest.classes)
    return [
        measured("live/state_tile_bytes", scaled, "B", GOALS["state"]),
        reached("live/not_modified_share", again.count(304) / len(again), "share", GOALS["share"]),
    ]


def paths() -> list[str]:
    """Name the state tiles that hold the city."""
    found: list[str] = []
    for z in range(FIRST_ZOOM, LAST_ZOOM + 1):
        west, south = at(join.WEST, join.SOUTH, z)
        east, north = at(join.EAST, join.NORTH, z)
        found += [f"/states/{LAYER}/{z}/{x}/{y}" for x in range(west, east + 1) for y in range(north, south + 1)]
    return found


def at(lon: float, lat: float, z: int) -> tuple[int, int]:
    """Give column and row of the tile that holds a point [deg]."""
    y = 0.5 - np.arcsinh(np.tan(np.radians(lat))) / (2 * np.pi)
    tile = Tile(z, int((lon / 360 + 0.5) * 2**z), int(y * 2**z))
    return tile.x, tile.y


def wait_for(port: int, seq: int) -> None:
    """Wait until the server shows a revision."""
    until = time.monotonic() + 20
    line = _http.Line(port)
    while orjson.loads(line.get("/health/ready").body)["revision"] != seq:
        assert time.monotonic() < until, f"revision {seq} is not shown"
        time.sleep(0.02)
    line.close()


def change(source: Source, port: int, size: Size) -> list[Row]:
    """Have one come back and hear what changed, and another ask for the whole layer anew."""
    taken: dict[str, list[tuple[float, int]]] = {"ours": [], "geojson": []}
    line = _http.Line(port)
    theirs, _ = whole_layer(line)
    ours = theirs
    for turn in range(size.rounds):
        say(f"what changed, {turn + 1} of {size.rounds}")
        before, (name, _, _) = theirs, resumed(port, "")
        wait_for(port, source.commit(CHANGE))
        time.sleep(0.5)  # pictures are told at most 0.25 s later
        (_, changes, size_b), seconds = clocked(lambda name=name: resumed(port, name))
        taken["ours"].append((seconds, size_b))
        (theirs, size_b), seconds = clocked(lambda: whole_layer(line))
        taken["geojson"].append((seconds, size_b))
        ours = {fid: changes.get(fid, level) for fid, level in before.items()}  # what is heard of groups is left out
        assert ours != before
    line.close()
    check = f"{len(theirs)} places wear the same level, {CHANGE} calls later"
    verdict = {"check": check, "equal": ours == theirs}
    rows: list[Row] = []
    for what, column, unit, factor in (("bytes", 1, "B", 1), ("ms", 0, "ms", 1000)):
        mine, peers = (float(np.median([one[column] for one in taken[who]])) * factor for who in ("ours", "geojson"))
        values = {"ours": round(mine, 2), "theirs": round(peers, 2), "unit": unit, "ratio": round(peers / mine, 2)}
        rows.append({"what": f"live/change_{what}", "peer": "geojson", **values, **verdict})
    return rows


def clocked(ask: Callable[[], T]) -> tuple[T, float]:
    """Give an answer, and how long it took [s]."""
    start = time.perf_counter()
    answer = ask()
    return answer, time.perf_counter() - start


def resumed(port: int, name: str) -> tuple[str, dict[int, int], int]:
    """Come back to the stream after an event; give the newest one's name, the classes heard, and the bytes."""
    came, changes = b"", dict[int, int]()
    with socket.create_connection(("127.0.0.1", port)) as line:
        line.sendall(f"GET /live?layers={LAYER}&since={name} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        while not (events := _EVENT.findall(came)) or events[-1][0] != b"revision":
            came += line.recv(1 << 20)
    for kind, _, said in events:
        assert kind != b"resync"
        changes |= dict(orjson.loads(said).get("layers", {}).get(LAYER, []))
    return events[-1][1].decode(), changes, len(came)


def whole_layer(line: _http.Line) -> tuple[dict[int, int], int]:
    """Ask for all places of the layer, page by page; give the level of each, and the bytes that came."""
    path, levels, came = f"/collections/{LAYER}/items?limit={parameters.MOST}", dict[int, int](), 0
    while path:
        answer = line.get(path)
        came += len(answer.body)
        page = orjson.loads(unpacked(answer))
        levels |= {one["id"]: one["properties"]["level"] for one in page["features"]}
        following = [link["href"] for link in page["links"] if link["rel"] == "next"]
        path = "/" + following[0].split("/", 3)[3] if following else ""
    return levels, came


def unpacked(answer: _http.Answer) -> bytes:
    """Give a body as it was before it was packed."""
    return gzip.decompress(answer.body) if answer.headers.get("content-encoding") == "gzip" else answer.body


def weighed(url: str, folder: Path, size: Size) -> list[Row]:
    """Weigh a server with many streams; it has no city, whose picture is weighed elsewhere (tiles/memory)."""
    empty, port = _tile_city.database(url, "nothing"), _http.free_port()
    open_service(_tile_city.settings(empty, folder)).close()  # brings its tables up to date
    with _tile_city.served(empty, folder, port, READY) as server:
        before = resident_mb(server.pid)
        say(f"{size.most_streams} listen; the server takes {before:.0f} MB without them")
        with listening(port, size.most_streams):
            now = resident_mb(server.pid)
    each = 1000 * (now - before) / size.most_streams
    return [
        measured("live/listeners_1000_mb", now, "MB", GOALS["memory"]),
        measured("live/listener_kb", each, "kB", GOALS["each"]),
    ]


def resident_mb(pid: int) -> float:
    """Give the resident memory of a process [MB]."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))) * 1024 / 1e6


if __name__ == "__main__":
    sys.exit(main())
