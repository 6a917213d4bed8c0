"""Tiles: ours beside PostGIS's ST_AsMVT, tipg and pygeoapi on one table, along the walk of a person over the map.

tiles/cold                 every tile of the walk for the first time: Atlas.tile beside ST_AsMVT through psycopg, no
                           HTTP on either side; over HTTP beside tipg and pygeoapi
tiles/warm                 the walk again: ours keeps tiles, the peers do not; beside a plain FastAPI route that has the
                           same bytes ready, eight clients at once [us an answer]
tiles/after_invalidation   the walk again after a commit that touched 20 places, ours asked with If-None-Match
tiles/low_zooms            tiles where one feature of ours stands for many places, and the peers send every place
tiles/philadelphia/…       the same on 1,692 real ward divisions; left out where the data is not
tiles/first_of_a_zoom      the longest wait of who asks first for a tile of a zoom after a start, when the shapes of a
                           zoom are made; like the peers' index, that is not on the clock of the other rows
tiles/start, tiles/memory  `serve` from exec to its first tile, and what the atlas takes: 11,000 communities, 200,000
                           points (resident memory beyond that of the same server on an empty database)

A row without a suffix is the whole walk, _p50, _p95, _p99 are its tiles.  Each tile is asked of all in turn on a kept
connection, gzip accepted; what counts is the median of its rounds.  pygeoapi is asked for a sample, beside ours on the
same tiles.  Each server has one worker; how the peers are tuned stands in _tile_peers.py.
"""

import pickle
import shutil
import sys
import tempfile
import time
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks import _http, _race, _tile_city, _tile_footprint, _tile_peers, _walk
from benchmarks._peers import HOUSE
from benchmarks._race import Row
from benchmarks._tile_answers import Comparison, Drawn, Places, read
from benchmarks._tile_city import Held
from benchmarks._tile_laps import Alone, Asked, Browser, Came, Drawing, Laps, beside, lap
from geo_service.maps import mvt
from geo_service.maps.tiles import Tile
from geo_service.store.cluster import Cluster

OURS = "/tiles/warnings/{z}/{x}/{y}.mvt"
EMPTY = "/tiles/units/0/0/0.mvt"  # answered once the picture is drawn; the walk does not ask for it
STRUCK = 20  # places a commit touches
NOWHERE = [Tile(z, 0, 0) for z in range(_walk.SHALLOWEST, _walk.DEEPEST + 1)]  # far from any city
FIRST_MS = 1000
GOALS = {"tipg": 20, "postgis": 15, "fastapi": 4}  # times
_ON_THE_MAP_WITHIN_S = 20.0

Servers = Mapping[str, Asked]


@dataclass(frozen=True)
class Size:
    """How much is done."""

    across: int  # communities from west to east
    calls: int
    spots: int
    rounds: int
    sampled: int  # tiles pygeoapi is asked for
    answers: int  # of a plain route
    points: int
    starts: int


FULL = Size(105, calls=6_000, spots=4, rounds=_race.ROUNDS, sampled=40, answers=5_000, points=200_000, starts=3)
SMALL = Size(33, calls=1_000, spots=1, rounds=1, sampled=4, answers=1_000, points=2_000, starts=1)


@dataclass
class Race:
    """One city, its walk, and the tiles of it in which both draw place by place (`fair`)."""

    held: Held
    size: Size
    prefix: str
    folder: Path
    walk: Sequence[Tile]
    places: Places
    fair: list[Tile] = field(default_factory=list)

    def rows(self) -> list[Row]:
        """Race, from memory first."""
        say(f"{self.prefix}: {len(self.walk)} tiles from memory; {self.held.table.versions()}")
        rows = self.alone()
        with peers(self.held.url, self.folder) as others:
            cold, came, zooms = Laps(), {}, list[float]()
            lap(Laps(), others, self.sample[:1])  # no server's first question is on the clock
            for turn in range(1, self.size.rounds + 1):
                say(f"{self.prefix}: over HTTP, round {turn} of {self.size.rounds}")
                with self._ours() as ours:
                    zooms.append(1000 * max(ours.get(tile).seconds for tile in NOWHERE))
                    came = lap(cold, {"ours": ours, "tipg": others["tipg"]}, self.fair)
                    if turn == self.size.rounds:
                        came |= lap(cold, {"pygeoapi": others["pygeoapi"]}, self.sample)
                        rows += self._judged("cold", cold, came)
                        rows += [*self.warm(ours, others), *self.beside_a_plain_route(ours, came)]
                        rows += self.after_invalidation(ours, others)
        return [*rows, _race.measured(f"{self.prefix}/first_of_a_zoom", np.median(zooms), "ms", FIRST_MS)]

    def alone(self) -> list[Row]:
        """Draw from memory beside ST_AsMVT alone, and find out which tiles both draw place by place."""
        laps, came = Laps(), {}
        mvt.warm_up()  # compiled before the clock runs
        for _ in range(self.size.rounds):
            ours = Drawing(self.held.picture())
            lap(Laps(), {"ours": ours}, NOWHERE)
            came = lap(laps, {"ours": ours, "postgis": Alone(self.held.table)}, self.walk)
        low: dict[Tile, tuple[Drawn, Drawn]] = {}
        for tile in self.walk:
            ours, theirs = (read(came[who][tile].body) for who in ("ours", "postgis"))
            if ours.is_grouped:
                low[tile] = ours, theirs
            elif ours.features:
                self.fair.append(tile)
        fair = {who: {tile: answers[tile] for tile in self.fair} for who, answers in came.items()}
        return [*self._judged("cold", laps, fair), *self._low_zooms(laps, low)]

    def warm(self, ours: Asked, others: Servers) -> list[Row]:
        """Ask for the walk again and again."""
        laps, came = Laps(), {}
        for _ in range(self.size.rounds):
            came = lap(laps, {"ours": ours, "tipg": others["tipg"], "postgis": Alone(self.held.table)}, self.fair)
        came |= lap(laps, {"pygeoapi": others["pygeoapi"]}, self.sample)
        return self._judged("warm", laps, came)

    def beside_a_plain_route(self, ours: Asked, came: Came) -> list[Row]:
        """Ask for the walk with eight clients at once, beside a FastAPI route that has the same bytes."""
        bodies = {ours.path(tile): answer.body for tile, answer in came["ours"].items()}
        ready = self.folder / "bodies.pickle"
        ready.write_bytes(pickle.dumps(bodies))
        rows: list[Row] = []
        for what, options in (("warm", []), ("warm_default", ["--http", "h11", "--loop", "asyncio"])):
            say(f"{self.prefix}/{what}: beside FastAPI")
            with plain_route(ready, next(iter(bodies)), options) as plain:
                same = sum(plain.line.get(path).body == body for path, body in bodies.items())
                verdict = {"check": f"{same} of {len(bodies)} bodies, byte by byte", "equal": same == len(bodies)}
                taken = [
                    [1e6 / _http.per_second(port, list(bodies), self.size.answers) for port in (ours.port, plain.port)]
                    for _ in range(self.size.rounds)
                ]
            rows.append(beside(f"{self.prefix}/{what}", "fastapi", np.median(taken, axis=0).tolist(), "us", verdict))
        return rows

    def after_invalidation(self, ours: Asked, others: Servers) -> list[Row]:
        """Touch some places and ask for the walk again, round by round; only tiles that hold them may come anew."""
        say(f"{self.prefix}: after a commit")
        laps, came, browser = Laps(), {}, Browser(ours)
        lap(Laps(), {"ours": browser}, self.walk)
        struck = self._struck()
        untouched = [tile for tile in self.fair if not self.places.near(tile) & set(struck)]
        kept = 0
        for turn in range(self.size.rounds):
            self.held.strike(struck, turn)
            self._until_drawn(ours)
            lap(Laps(), {"ours": browser}, [tile for tile in self.walk if tile not in self.fair])
            servers = {"ours": browser, "tipg": others["tipg"], "postgis": Alone(self.held.table)}
            came = lap(laps, servers, self.fair)
            kept += sum(tile not in browser.fresh for tile in untouched)
        came |= lap(laps, {"pygeoapi": others["pygeoapi"]}, self.sample)
        share = kept / self.size.rounds / len(untouched) if untouched else 1.0
        say(f"{self.prefix}: {len(untouched)} of {len(self.fair)} tiles hold no place that was touched")
        return [
            *self._judged("after_invalidation", laps, came),
            _race.reached(f"{self.prefix}/after_invalidation_not_modified", share, "share of tiles not touched", 1.0),
        ]

    @property
    def sample(self) -> list[Tile]:
        """The tiles that pygeoapi is asked for, evenly along the walk."""
        step = max(1, len(self.fair) // self.size.sampled)
        return self.fair[step // 2 :: step]

    def _judged(self, phase: str, laps: Laps, came: Came) -> list[Row]:
        """Compare ours with each peer, and give the rows of the phase."""
        rows: list[Row] = []
        for peer in [who for who in came if who != "ours"]:
            tiles = list(came[peer])
            compared = Comparison(self.places, peer)
            for tile in tiles:
                compared.add(tile, read(came["ours"][tile].body), read(came[peer][tile].body))
            rows += laps.rows(f"{self.prefix}/{phase}", peer, tiles, compared.verdict())
        return rows

    def _low_zooms(self, laps: Laps, low: Mapping[Tile, tuple[Drawn, Drawn]]) -> list[Row]:
        """Give what is sent where one feature stands for many places, beside every place of the peer's."""
        if not low:
            return []
        what, tiles = f"{self.prefix}/low_zooms", list(low)
        wrong = [tile for tile, (ours, theirs) in low.items() if ours.worst != theirs.worst]
        features = [sum(len(drawn.features) for drawn in side) for side in zip(*low.values(), strict=True)]
        said = (
            f"{len(low)} tiles, {features[0]} groups for {features[1]} places; the worst level of each tile is the same"
        )
        verdict = {"check": said if not wrong else f"another worst level in {wrong}", "equal": not wrong}
        kilobytes = [sum(drawn.size for drawn in side) / 1000 for side in zip(*low.values(), strict=True)]
        milliseconds = [float(laps.median_ms(who, tiles).sum()) for who in ("ours", "postgis")]
        return [
            beside(what, "postgis", milliseconds, "ms", verdict),
            beside(f"{what}_size", "postgis", kilobytes, "kB", verdict),
        ]

    @contextmanager
    def _ours(self) -> Generator[Asked]:
        """Serve the city with a cache that is empty."""
        port = _http.free_port()
        with _tile_city.served(self.held.url, self.folder, port, EMPTY):
            yield Asked(port, OURS)

    def _struck(self) -> np.ndarray:
        """Choose places the walk has seen closely, so that tiles of every zoom are touched and most are not."""
        seen = sorted(set().union(*(self.places.shown(tile) for tile in self.fair if tile.z == _walk.DEEPEST)))
        return np.array(seen, dtype=object)[:: max(1, len(seen) // STRUCK)][:STRUCK]

    def _until_drawn(self, ours: Asked) -> None:
        """Wait until the server's picture is that of the store."""
        seq, until = self.held.seq(), time.monotonic() + _ON_THE_MAP_WITHIN_S
        while ours.ready()["revision"] < seq:
            assert time.monotonic() < until, f"revision {seq} is not on the map after {_ON_THE_MAP_WITHIN_S} s"
            time.sleep(0.02)


@contextmanager
def peers(url: str, folder: Path) -> Generator[Servers]:
    """Serve a city with tipg and pygeoapi; they start side by side."""
    with ExitStack() as running, ThreadPoolExecutor() as starting:
        ports = _http.free_port(), _http.free_port()
        tipg, pygeoapi = _tile_peers.tipg(url, ports[0]), _tile_peers.pygeoapi(url, ports[1], folder)
        both = [starting.submit(running.enter_context, one) for one in (tipg, pygeoapi)]
        templates = [one.result() for one in both]
        yield {
            name: Asked(port, template)
            for name, port, template in zip(("tipg", "pygeoapi"), ports, templates, strict=True)
        }


@contextmanager
def plain_route(ready: Path, path: str, options: Sequence[str]) -> Generator[Asked]:
    """Serve tiles that are ready with FastAPI under uvicorn."""
    port = _http.free_port()
    app = [sys.executable, "-m", "uvicorn", "benchmarks._plain_route:app", "--port", str(port)]
    settings = {"TILES": str(ready), "PYTHONPATH": str(HOUSE)}
    with _tile_peers.running([*app, "--log-level", "error", "--no-access-log", *options], settings, port, path):
        yield Asked(port, OURS)


@contextmanager
def cluster() -> Generator[tuple[str, Path]]:
    """Run a private PostGIS in a temporary folder; give its URL and a folder for settings."""
    folder = Path(tempfile.mkdtemp(prefix="geo_service-bench-"))
    folder.chmod(0o711)  # as root the server runs as `postgres`, who must pass through
    server = Cluster(folder / "postgis")
    try:
        yield server.start(), folder
    finally:
        server.stop()
        shutil.rmtree(folder)


def say(text: str) -> None:
    """Tell how far it has come."""
    print(text, file=sys.stderr, flush=True)


def over(rows: Sequence[Row], what: str, peer: str) -> Row:
    """Hold the ratio of a race to its goal."""
    [ratio] = [float(str(row["ratio"])) for row in rows if (row["what"], row.get("peer")) == (what, peer)]
    return _race.reached(f"{what}_over_{peer}", ratio, "times", GOALS[peer])


def main() -> int:
    """Run all and print them."""
    wishes = _race.arguments(__doc__ or "")
    size, rng = SMALL if wishes.small else FULL, np.random.default_rng(6)
    cities = [("tiles", _tile_city.made(size.across, size.calls, rng))]
    if not wishes.small and (real := _tile_city.philadelphia(size.calls, rng)):
        cities.append(("tiles/philadelphia", real))
    rows: list[Row] = []
    with cluster() as (url, folder):
        for prefix, city in cities:
            with _tile_city.held(city, url, folder, rng) as held:
                walk = _walk.tiles(held.city.box, held.spots(size.spots))
                rows += Race(held, size, prefix, folder, walk, Places(*held.table.places())).rows()
                if prefix == "tiles":
                    rows += [over(rows, "tiles/cold", peer) for peer in ("tipg", "postgis")]
                    rows += [over(rows, "tiles/warm", "fastapi")]
                    rows += _tile_footprint.rows(held, (url, folder), size.points, size.starts)
    return _race.report(rows, as_json=wishes.json)


if __name__ == "__main__":
    sys.exit(main())
