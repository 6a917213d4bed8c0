"""The commands that open the database: up, serve, work, pull, load, migrate, demo.

Apart from the others, whose start the libraries of database, HTTP and web would double.
"""

import hashlib
import re
import sys
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import httpx

from geo_service import cli, files, jobs, service, settings
from geo_service.analysis import rules
from geo_service.analysis.feed import Feed
from geo_service.cli import Arguments, registers
from geo_service.errors import BadParameter
from geo_service.feeds import sources, streams, workbooks
from geo_service.feeds.sources import Source
from geo_service.maps.layers import EVERYTHING
from geo_service.service import Service
from geo_service.store import gazetteers, reading
from geo_service.store import jurisdictions as kept_trees
from geo_service.store.archives import Archive

if TYPE_CHECKING:
    import pandas as pd
    import uvicorn

    from geo_service.demo import City

Sources = Sequence[tuple[Feed, Source]]

_READY_WITHIN_S = 30.0
_DEMO_PULL_S = 2  # the demo shows in seconds what a city sees in minutes


def up(_: Arguments, knobs: settings.Settings) -> None:
    """Serve the map and pull the feeds, in one process."""
    with closing(service.open_service(knobs)) as parts:
        _run(parts, _sources(parts, parts.feeds))


def serve(_: Arguments, knobs: settings.Settings) -> None:
    """Serve the map and its layers."""
    with closing(service.open_service(knobs)) as parts:
        _server(parts).run()


def work(_: Arguments, knobs: settings.Settings) -> None:
    """Pull the feeds again and again until told to stop."""
    with closing(service.open_service(knobs)) as parts:
        if not parts.feeds:
            raise BadParameter("no feed to pull; set GEO_FEEDS=rules/feeds/X.toml")
        jobs.work(parts, _sources(parts, parts.feeds), threading.Event())


def pull(arguments: Arguments, knobs: settings.Settings) -> None:
    """Pull the feeds once."""
    if arguments.feed:
        knobs = replace(knobs, feeds=",".join(str(path) for path in arguments.feed))
    with closing(service.open_service(knobs)) as parts:
        if not parts.feeds:
            raise BadParameter("no feed to pull; pass --feed rules/feeds/X.toml or set GEO_FEEDS")
        for feed, source in _sources(parts, parts.feeds):
            cli.print_summary(jobs.pull_incidents(parts, feed, source), arguments)


def load(arguments: Arguments, knobs: settings.Settings) -> None:
    """Put zones, incidents, a gazetteer, registers, prevention or an archive from files into the database."""
    if arguments.what in registers.LOADED:
        registers.load(arguments, knobs)
        return
    loading = {
        "zones": _load_zones,
        "incidents": _load_incidents,
        "gazetteer": _load_gazetteer,
        "prevention": _load_prevention,
        "archive": _load_archive,
    }
    loading[arguments.what](arguments, knobs)


def _load_incidents(arguments: Arguments, knobs: settings.Settings) -> None:
    feed = _feed(arguments)
    rows = [streams.read_rows(Path(path), feed.columns_taken) for path in arguments.file]
    with closing(service.open_service(knobs)) as parts:
        for rows_of_file in rows:
            cli.print_summary(jobs.load_incidents(parts, feed, rows_of_file), arguments)


def _load_prevention(arguments: Arguments, knobs: settings.Settings) -> None:
    tables = [(Path(path).name, _objects(Path(path), arguments.crs)) for path in arguments.file]
    with closing(service.open_service(knobs)) as parts:
        for name, table in tables:
            cli.print_summary({"file": name, **jobs.load_prevention(parts, table, name)}, arguments)


def _objects(path: Path, system: str) -> "pd.DataFrame":
    if path.suffix.lower() == ".xlsx":
        return files.objects_of(workbooks.read_table(path), path, system)
    return files.read_objects(path, system)


def _load_archive(arguments: Arguments, knobs: settings.Settings) -> None:
    feed = _feed(arguments)
    _check_signed(arguments)
    if not arguments.because:
        raise BadParameter("load archive needs --because TEXT, the reason why the past is restated")
    read = [(Path(path), _archived(Path(path), feed)) for path in arguments.file]
    with closing(service.open_service(knobs)) as parts:
        for path, rows in read:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            archive = Archive(path.name, digest, len(rows), arguments.signed_by, arguments.because)
            cli.print_summary({"file": path.name, **jobs.load_archive(parts, feed, rows, archive)}, arguments)


def _archived(path: Path, feed: Feed) -> "pd.DataFrame":
    if path.suffix.lower() == ".xlsx":
        return workbooks.read_rows(path, feed.columns_taken, feed.layouts)
    return streams.read_rows(path, feed.columns_taken)


def _feed(arguments: Arguments) -> Feed:
    if not arguments.feed:
        raise BadParameter(f"load {arguments.what} needs --feed rules/feeds/X.toml, which says how to read them")
    return files.read_feed(arguments.feed)


def _check_signed(arguments: Arguments) -> None:
    if not re.match(gazetteers.STAFF_ID, arguments.signed_by):
        raise BadParameter(
            f"load {arguments.what} needs --signed-by ID, the staff id of who answers for it: letters, digits, dot, "
            "dash, underscore; no name"
        )


def _load_gazetteer(arguments: Arguments, knobs: settings.Settings) -> None:
    _check_signed(arguments)
    entries = files.read_gazetteer([Path(path) for path in arguments.file], arguments.crs)
    with closing(service.open_service(knobs)) as parts:
        summary = jobs.load_gazetteer(parts, entries, arguments.signed_by, arguments.because)
    cli.print_summary(summary, arguments)


def _load_zones(arguments: Arguments, knobs: settings.Settings) -> None:
    read = [files.read_zones(cli.zone_file(text, arguments.crs)) for text in arguments.file]
    with closing(service.open_service(knobs)) as parts:
        for zones, repaired in read:
            cli.print_summary(
                {"loaded": zones.kind, "zones": len(zones), "repaired": repaired, **jobs.load_zones(parts, zones)},
                arguments,
            )


def migrate(arguments: Arguments, knobs: settings.Settings) -> None:
    """Bring the tables up to date."""
    with closing(service.open_service(knobs)):  # opening brings the tables up to date
        cli.print_summary({"database": "up to date"}, arguments)


def demo(arguments: Arguments, knobs: settings.Settings) -> None:
    """Make a city, replay its feed and serve its map."""
    folder = knobs.data() / f"demo-{arguments.size:g}"
    knobs = replace(knobs, data_dir=str(folder), pull_every_s=_DEMO_PULL_S, port=arguments.port or knobs.port)
    with closing(service.open_service(knobs)) as parts:
        sources = [_demo_city(parts, arguments.size)]
        address = f"http://{knobs.host}:{knobs.port}"
        if arguments.once:
            with _running(parts, sources):
                cli.print_summary(_proof(address), arguments)
            return
        print(f"地图 map: {address}/map   (Ctrl-C 结束 ends)", flush=True)
        _run(parts, sources)


def _demo_city(parts: Service, size: float) -> tuple[Feed, Source]:
    """Take in the city's places and past where the store has them not yet, and give its live feed."""
    now = parts.now()
    feed = files.read_feed(files.shipped("rules", parts.settings.rules_dir) / "feeds" / "demo.toml")
    live = _Live(size, parts.now)
    with parts.engine.connect() as connection:
        has_zones = reading.revision(connection).zones_seq > 0
        months = reading.months(connection)
        has_gazetteer = gazetteers.version(connection) > 0
        has_areas = not kept_trees.trees(connection, EVERYTHING).areas.empty
        has_objects = reading.revision(connection).objects_seq > 0
    if not has_gazetteer:
        jobs.load_gazetteer(parts, live.gazetteer, signed_by="demo", reason="the made-up city's own")
    if not has_zones:
        for kind in rules.ZONE_KINDS:
            frame = getattr(live.city, kind)
            jobs.load_zones(parts, files.zones_of(frame, files.ZoneFile(kind, Path(f"demo/{kind}")))[0])
    if not has_areas:
        registers.load_made(parts, live.city)
    if not has_objects:
        for name, table in live.prevention.items():
            where = Path(f"demo/{name}")
            jobs.load_prevention(parts, files.objects_of(table, where, "EPSG:4326"), where.name)
    jobs.recount(parts)
    if f"{now.astimezone(ZoneInfo(feed.city_zone)):%Y-%m}" not in months:
        past = live.city.history
        _say(f"正在录入两年的接警单 taking in two years of call records ({len(past):,})")
        jobs.load_incidents(parts, feed, past.assign(_source="history", _row=range(1, len(past) + 1)))
    jobs.pull_incidents(parts, feed, live)  # a demo that slept is stale, and has no colours until it has pulled
    return feed, live


class _Live:
    """The demo's live feed.  The city behind it takes seconds to make, so it is made when first asked for."""

    def __init__(self, size: float, clock: Callable[[], datetime]) -> None:
        self._size, self._clock, self._started = size, clock, clock()

    @cached_property
    def city(self) -> "City":
        from geo_service import demo

        _say(f"正在建一座虚构的城市 making a made-up city (size {self._size:g})")
        return demo.build(self._size, until=self._started)

    @cached_property
    def gazetteer(self) -> "pd.DataFrame":
        """The city's names, as a gazetteer file holds them."""
        from geo_service.demo import gazetteer

        return gazetteer.of(self.city)

    @cached_property
    def prevention(self) -> "Mapping[str, pd.DataFrame]":
        """What the city does against crime, as files of `load prevention` hold it."""
        from geo_service.demo import prevention

        return prevention.of(self.city)

    @cached_property
    def _source(self) -> Source:
        from geo_service import demo

        return demo.ReplaySource(self.city, clock=self._clock, started=self._started)

    def pull(self, since: str | None) -> sources.Pulled:
        return self._source.pull(since)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _readiness(client: httpx.Client) -> dict[str, str]:
    """Give the health of a server, waiting a while for one that is still drawing its first picture."""
    until = time.monotonic() + _READY_WITHIN_S
    while (answer := client.get("/health/ready")).status_code == 503:
        if time.monotonic() > until:
            break
        time.sleep(0.2)
    return answer.raise_for_status().json()


def _proof(address: str) -> dict[str, object]:
    """Ask a running demo for its page, a coloured tile and its health, as a browser would."""
    with httpx.Client(base_url=address, timeout=30) as client:
        page = client.get("/map").raise_for_status()
        config = client.get("/map/config.json").raise_for_status().json()
        items = client.get("/collections/warnings/items", params={"limit": 10_000}).raise_for_status().json()
        levels = [feature["properties"]["level_name"] for feature in items["features"]]
        tile = client.get("/tiles/warnings/0/0/0.mvt").raise_for_status()
        ready = _readiness(client)
    return {
        "page": f"{address}/map answers, {len(page.content)} bytes",
        "month": config["month"],
        "places": len(levels),
        "levels": {name: levels.count(name) for name in rules.LEVEL_NAMES},
        "tile": f"{len(tile.content)} bytes",
        "health": ready["status"],
    }


@contextmanager
def _running(parts: Service, sources: Sources) -> Generator[None]:
    """Serve and pull in the background for as long as the block runs."""
    server = _server(parts)
    thread = threading.Thread(target=_run_with, args=(parts, sources, server), name="serve")
    thread.start()
    try:
        while not server.started:
            if not thread.is_alive():
                raise BadParameter(
                    f"port {parts.settings.port} cannot be served on; is it in use? Choose another with --port"
                )
            time.sleep(0.05)
        yield
    finally:
        server.should_exit = True
        thread.join()


def _run(parts: Service, sources: Sources) -> None:
    """Pull in the background and serve in the foreground, until the server is told to stop."""
    _run_with(parts, sources, _server(parts))


def _run_with(parts: Service, sources: Sources, server: "uvicorn.Server") -> None:
    stop = threading.Event()

    def pull() -> None:
        try:
            jobs.work(parts, sources, stop)
        finally:
            server.should_exit = True  # a map whose counting has died must not look alive

    worker = threading.Thread(target=pull, name="work")
    worker.start()
    try:
        server.run()
    finally:
        stop.set()
        worker.join()


def _server(parts: Service) -> "uvicorn.Server":
    # The page's libraries are imported only where a page is served: `digest` and `pull` start without them.
    import uvicorn

    from geo_service.web import wire
    from geo_service.web.app import create_app

    knobs = parts.settings
    return uvicorn.Server(wire.configured(create_app(parts), host=knobs.host, port=knobs.port))


def _sources(parts: Service, read: Sequence[Feed]) -> Sources:
    return [
        (feed, sources.open_source(feed, base=Path(feed.path).parent, clock=parts.now, token=parts.settings.feed_token))
        for feed in read
    ]
