"""PostGIS stops, or is killed under load: the maps go on, and who listens misses nothing.

A private cluster, a server process started as an operator starts it, and a page that shows what it asked for once and
has heard since.
"""

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from time import monotonic, sleep
from zoneinfo import ZoneInfo

import httpx
import mapbox_vector_tile
import pytest

from geo_service.errors import StoreFailed
from geo_service.maps import states
from geo_service.service import Service, open_service
from geo_service.settings import Settings
from geo_service.store import reading
from geo_service.store.cluster import Cluster
from tests.store.test_cluster import postmaster, wait_for_end
from tests.web import listening
from tests.web.serving import HOME, LAT, LON, SIDE, commit, load_zones, tile, wait_until

HOUSE = Path(__file__).resolve().parents[2]
STATES = f"/states/warnings/{HOME.z}/{HOME.x}/{HOME.y}"
READ = (tile(), tile(form="mvt"), STATES, "/tiles/warnings.json", "/collections/warnings/items")
LEVELS = (0, 1, 2, 2, 3, 3)  # of 0 to 5 incidents; 4 of more


class Town:
    """The city of tests/web/serving.py in a cluster that may be stopped, and its server."""

    def __init__(self, folder: Path, url: str, cluster: Cluster) -> None:
        self.cluster = cluster
        self.service: Service = open_service(Settings(database_url=url))
        load_zones(self.service)
        with socket.socket() as door:
            door.bind(("127.0.0.1", 0))
            port = door.getsockname()[1]
        settings = {"GEO_DATABASE_URL": url, "GEO_PORT": str(port), "GEO_DATA_DIR": str(folder)}
        self._log = (folder / "serve.log").open("w")
        command = [sys.executable, "-m", "geo_service", "serve"]
        self._process = subprocess.Popen(
            command, cwd=HOUSE, env={**os.environ, **settings}, stdout=self._log, stderr=self._log
        )
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30)
        wait_until(self.is_ready, 60)

    def is_ready(self) -> bool:
        with suppress(httpx.TransportError):
            return self.client.get("/health/ready").status_code == 200
        return False

    def stop(self, how: signal.Signals) -> None:
        """Stop the database as `pg_ctl stop` does: SIGINT is fast, SIGQUIT immediate."""
        pid = postmaster(self.cluster.folder)
        os.kill(pid, how)
        wait_for_end(pid)

    def say(self, name: int, place: str) -> None:
        """Commit that a call was a theft in one of the places a b c d, or ("-") that it was none."""
        day = f"{datetime.now(ZoneInfo('Asia/Shanghai')):%Y-%m}-01_00:00"
        lon = LON + ("abcd".find(place) + 0.1) * SIDE if place != "-" else LON + 0.1 * SIDE
        commit(self.service, f"k{name} {day} {'D' if place == '-' else 'T'} {lon:.5f} {LAT + 0.1 * SIDE:.5f}")

    def classes(self) -> listening.Classes:
        """Ask for the classes of the city's tile."""
        told = states.read(self.client.get(STATES).content)
        geometry = self.client.get(f"/g/{told.digest}/warnings/{HOME.z}/{HOME.x}/{HOME.y}.mvt")
        features = mapbox_vector_tile.decode(geometry.content)["warnings"]["features"]
        return {"warnings": {one["id"]: level for one, level in zip(features, told.classes.tolist(), strict=True)}}

    def close(self) -> None:
        self.client.close()
        self._process.terminate()
        self._process.wait()
        self._log.close()
        self.service.close()


@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    folder = Path(tempfile.mkdtemp(prefix="geo_service-faults-"))
    folder.chmod(0o711)  # as root the database runs as `postgres`, who must pass through
    cluster = Cluster(folder / "postgis")
    try:
        town = Town(folder, cluster.start(), cluster)
        yield town
        town.close()
    finally:
        cluster.start()  # heals what a failed test has left
        cluster.stop()
        shutil.rmtree(folder)


class Page(threading.Thread):
    """A page that shows the classes it asked for, and does what it hears; a stream that breaks is taken up again."""

    def __init__(self, town: Town) -> None:
        super().__init__(daemon=True)
        self._town = town
        self._leaves = threading.Event()
        self.shows = listening.Listener()
        self.deltas = 0
        self.connections = 0

    def run(self) -> None:
        address = self._town.client.base_url.join("/live?layers=warnings")
        while not self._leaves.is_set():
            headers = {"last-event-id": self.shows.name}
            with suppress(httpx.TransportError), httpx.stream("GET", address, headers=headers, timeout=30) as stream:
                self.connections += 1
                self._hear(stream)

    def _hear(self, stream: httpx.Response) -> None:
        for event in listening.events(stream.iter_lines()):
            if self._leaves.is_set():
                return
            self.shows.hear(event)
            self.deltas += event.kind == "delta"
            if self.shows.must_ask:
                self.shows.ask(self._town.classes())

    def is_at(self, seq: int) -> bool:
        return self.shows.name.startswith(f"{seq}-")

    def leave(self) -> None:
        """Hear one more event, and go."""
        self._leaves.set()


@pytest.fixture
def page(town: Town) -> Iterator[Page]:
    page = Page(town)
    page.start()
    wait_until(lambda: page.shows.name and not page.shows.must_ask)
    yield page
    page.leave()


@pytest.mark.parametrize("seconds", [10, pytest.param(60, marks=pytest.mark.slow)])
def test_a_database_that_stops_leaves_every_map_served_with_its_age(town: Town, page: Page, seconds: int):
    town.say(0, "a")
    wait_until(lambda: page.shows.classes == town.classes() and page.is_at(revision(town)))
    held = {path: town.client.get(path).headers.get("etag", "") for path in READ}
    before = town.classes()
    town.stop(signal.SIGINT)
    until, ages = monotonic() + seconds, dict[str, int]()
    while monotonic() < until:
        for path in READ:
            answer, again = town.client.get(path), town.client.get(path, headers={"if-none-match": held[path]})
            assert (answer.status_code, again.status_code) == (200, 304 if held[path] else 200), path
            ages[path] = int(answer.headers.get("age", 0))
        sleep(0.2)
    assert min(ages.values()) >= seconds - 2
    assert town.client.get("/health/ready").status_code == 503
    with town.client.stream("GET", "/live") as late:
        assert (late.status_code, int(late.headers["age"]) >= seconds - 2) == (200, True)
        assert next(listening.events(late.iter_lines())).name == page.shows.name
    assert (town.classes(), page.connections, page.shows.resyncs) == (before, 1, 0)

    town.cluster.start()
    wait_until(town.is_ready)
    assert [town.client.get(path).headers.get("age") for path in READ] == [None] * len(READ)
    town.say(0, "b")
    wait_until(lambda: page.is_at(revision(town)) and page.shows.classes == town.classes() != before)
    assert (page.connections, page.shows.resyncs) == (1, 0)


@pytest.mark.parametrize(
    "how",
    [pytest.param(signal.SIGINT, marks=pytest.mark.slow, id="fast"), pytest.param(signal.SIGQUIT, id="immediate")],
)
def test_a_database_restarted_under_load_loses_no_change(town: Town, page: Page, how: signal.Signals):
    said: dict[int, str] = {}
    writer = threading.Thread(target=write, args=(town, said, 8.0), daemon=True)
    heard = page.deltas
    writer.start()
    for _ in range(2):
        until = monotonic() + 1.5
        while monotonic() < until:
            assert {town.client.get(path).status_code for path in READ} == {200}
            sleep(0.05)
        town.stop(how)
        assert {town.client.get(path).status_code for path in READ} == {200}
        town.cluster.start()
    while writer.is_alive():
        assert {town.client.get(path).status_code for path in READ} == {200}
        sleep(0.05)
    wait_until(lambda: town.is_ready() and page.is_at(revision(town)))
    assert page.shows.classes == town.classes()
    places = town.client.get("/collections/warnings/items").json()["features"]
    numbers = {one["id"]: one["properties"]["id"] for one in places}
    counts = [list(said.values()).count(place) for place in "abcd"]
    expected = dict(zip("abcd", [LEVELS[count] if count < len(LEVELS) else 4 for count in counts], strict=True))
    assert {numbers[fid]: level for fid, level in page.shows.classes["warnings"].items()} == expected
    assert page.deltas - heard >= 5
    assert (page.connections, page.shows.resyncs) == (1, 0)


def revision(town: Town) -> int:
    """The store's newest revision, whether or not the server has seen it."""
    with town.service.engine.connect() as connection:
        return reading.revision(connection).seq


def write(town: Town, said: dict[int, str], seconds: float) -> None:
    """Say again and again where calls were, each until the database has taken it."""
    chance, until = random.Random(5), monotonic() + seconds
    while monotonic() < until or len(said) < 12:
        name, place = chance.randrange(12), chance.choice("abcd-")
        while True:
            try:
                town.say(name, place)
                break
            except StoreFailed:
                sleep(0.1)
        said[name] = place
        sleep(0.1)
