"""The command line: geo-service demo, up, serve, work, pull, load, digest, check, migrate."""

import argparse
import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import httpx
from tqdm import tqdm

from geo_service import batch, feeds, files, jobs, service, settings
from geo_service.analysis import rules
from geo_service.analysis.feed import Feed
from geo_service.errors import BadParameter, GeoServiceError
from geo_service.feeds import Source
from geo_service.service import Service
from geo_service.store import reading

if TYPE_CHECKING:
    import uvicorn

    from geo_service import demo

Arguments = argparse.Namespace
Sources = Sequence[tuple[Feed, Source]]

_AT_LENGTH = ("colours", "months")  # of `digest`: in summary.json and with --json
_READY_WITHIN_S = 30.0
_DEMO_PULL_S = 2  # the demo shows in seconds what a city sees in minutes


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; give its exit code: 0, or 2 with the reason on standard error."""
    arguments = _parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    for library in ("alembic", "distributed", "httpx"):
        logging.getLogger(library).setLevel(logging.WARNING)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _leave)  # the web server raises it again when it has ended
    try:
        arguments.run(arguments, settings.read(os.environ))
    except GeoServiceError as error:
        print(f"geo-service {arguments.command}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def _leave(*_: object) -> None:
    """End as after Ctrl-C, so that a private database is stopped too."""
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    about = "Incidents of a city become four-colour warnings of its places."
    parser = argparse.ArgumentParser("geo-service", description=about)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (run, add_arguments, text) in _COMMANDS.items():
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(run=run)
        command.add_argument("--json", action="store_true", help="print the result as JSON, for programs")
        if add_arguments:
            add_arguments(command)
    return parser


def _add_digest(command: argparse.ArgumentParser) -> None:
    command.add_argument("incidents", nargs="+", type=Path, metavar="INCIDENTS", help="CSV, JSON or Parquet, also .gz")
    command.add_argument("--feed", required=True, type=Path, help="how to read them: rules/feeds/X.toml")
    command.add_argument(
        "--zones",
        required=True,
        action="append",
        metavar="KIND=FILE[:ID_PROPERTY]",
        help="KIND is communities, units or patrol_zones",
    )
    command.add_argument(
        "--crs", default="", help="coordinate system of zone files that declare none, such as EPSG:4490 or GCJ-02"
    )
    command.add_argument(
        "--count",
        default="",
        metavar="CATEGORIES",
        help="categories that colour, comma-separated (default: rules/levels.toml)",
    )
    command.add_argument("--placing", default="", help="placing rule of rules/placing.toml (default: unit_first)")
    command.add_argument(
        "--as-of", type=_moment, help="as known at this moment (ISO 8601; the city's time where no zone is given)"
    )
    command.add_argument(
        "--dask", default="", metavar="WHERE", help="spread the work: local (a worker a core) or tcp://SCHEDULER:PORT"
    )
    command.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder for the results")


def _digest(arguments: Arguments, knobs: settings.Settings) -> None:
    city = files.read_rules(service.rules_folder(knobs), arguments.placing or knobs.placing)
    if arguments.count:
        city = city.counting([name.strip() for name in arguments.count.split(",") if name.strip()])
    feed = files.read_feed(arguments.feed)
    as_of = arguments.as_of
    if as_of and not as_of.tzinfo:
        as_of = as_of.replace(tzinfo=ZoneInfo(feed.city_zone))
    order = batch.Order(
        incidents=arguments.incidents,
        feed=feed,
        zones=[_zone_file(text, arguments.crs) for text in arguments.zones],
        rules=city,
        now=datetime.now(UTC),
        as_of=as_of,
        out=arguments.out,
        dask=arguments.dask,
    )
    kinds = [file.kind for file in order.zones]
    if len(set(kinds)) < len(kinds):
        raise BadParameter(f"--zones names {', '.join(kinds)}; give each kind once")
    with _bar() as tell:
        summary = jobs.digest_files(order, tell)
    _print_summary(summary, arguments)


@contextmanager
def _bar() -> Generator[Callable[[float], object]]:
    """Draw on a terminal how much of a long work is done."""
    layout = "{l_bar}{bar}| {elapsed}, 还要 still {remaining}"
    with tqdm(total=1.0, bar_format=layout, disable=not sys.stderr.isatty(), leave=False) as bar:
        yield lambda share: bar.update(max(0.0, share - bar.n))


def _zone_file(text: str, system: str) -> files.ZoneFile:
    kind, equals, rest = text.partition("=")
    if not equals or kind not in rules.ZONE_KINDS:
        raise BadParameter(
            f"zones '{text}': expected KIND=FILE[:ID_PROPERTY], KIND one of {', '.join(rules.ZONE_KINDS)}"
        )
    path, colon, id_property = rest.rpartition(":")
    if not colon or Path(rest).exists():
        path, id_property = rest, ""
    return files.ZoneFile(kind, Path(path), id_property, system)


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"'{text}' is no moment; write one such as 2024-05-01T00:00:00+08:00"
        ) from None


def _print_summary(summary: Mapping[str, object], arguments: Arguments) -> None:
    if arguments.json:
        print(json.dumps(summary, ensure_ascii=False))
        return
    for name, value in summary.items():
        if name not in _AT_LENGTH:
            print(f"{name:20} {value}")


def _add_demo(command: argparse.ArgumentParser) -> None:
    command.add_argument("--port", type=int, help="port of the map (default: GEO_PORT)")
    command.add_argument("--size", type=float, default=1.0, help="1.0 is 1,200 communities; 0.1 a tenth of it [-]")
    command.add_argument("--once", action="store_true", help="start, prove that the page answers, and end")


def _add_pull(command: argparse.ArgumentParser) -> None:
    command.add_argument("--feed", type=Path, action="append", help="feed file (default: those of GEO_FEEDS)")


def _add_load(command: argparse.ArgumentParser) -> None:
    command.add_argument("what", choices=("zones", "incidents"))
    command.add_argument(
        "file", nargs="+", metavar="FILE", help="zones: KIND=FILE[:ID_PROPERTY]; incidents: CSV, JSON or Parquet"
    )
    command.add_argument("--crs", default="", help="coordinate system of zone files that declare none")
    command.add_argument("--feed", type=Path, help="incidents: how to read them, rules/feeds/X.toml")


def _up(_: Arguments, knobs: settings.Settings) -> None:
    with closing(service.open_service(knobs)) as parts:
        _run(parts, _sources(parts, parts.feeds))


def _serve(_: Arguments, knobs: settings.Settings) -> None:
    with closing(service.open_service(knobs)) as parts:
        _server(parts).run()


def _work(_: Arguments, knobs: settings.Settings) -> None:
    with closing(service.open_service(knobs)) as parts:
        if not parts.feeds:
            raise BadParameter("no feed to pull; set GEO_FEEDS=rules/feeds/X.toml")
        jobs.work(parts, _sources(parts, parts.feeds), threading.Event())


def _pull(arguments: Arguments, knobs: settings.Settings) -> None:
    if arguments.feed:
        knobs = replace(knobs, feeds=",".join(str(path) for path in arguments.feed))
    with closing(service.open_service(knobs)) as parts:
        if not parts.feeds:
            raise BadParameter("no feed to pull; pass --feed rules/feeds/X.toml or set GEO_FEEDS")
        for feed, source in _sources(parts, parts.feeds):
            _print_summary(jobs.pull_incidents(parts, feed, source), arguments)


def _load(arguments: Arguments, knobs: settings.Settings) -> None:
    if arguments.what == "incidents":
        if not arguments.feed:
            raise BadParameter("load incidents needs --feed rules/feeds/X.toml, which says how to read them")
        feed = files.read_feed(arguments.feed)
        rows = [feeds.read_rows(Path(path), feed.columns_taken) for path in arguments.file]
        with closing(service.open_service(knobs)) as parts:
            for batch in rows:
                _print_summary(jobs.load_incidents(parts, feed, batch), arguments)
        return
    read = [files.read_zones(_zone_file(text, arguments.crs)) for text in arguments.file]
    with closing(service.open_service(knobs)) as parts:
        for zones, repaired in read:
            _print_summary(
                {"loaded": zones.kind, "zones": len(zones), "repaired": repaired, **jobs.load_zones(parts, zones)},
                arguments,
            )


def _check(arguments: Arguments, knobs: settings.Settings) -> None:
    city = files.read_rules(service.rules_folder(knobs), knobs.placing)
    folder = service.layers_folder(knobs)
    layers, _ = files.read_layers(folder), files.read_level_scheme(folder)
    read = [files.read_feed(path) for path in sorted((service.rules_folder(knobs) / "feeds").glob("*.toml"))]
    for feed in read:
        for entry in feed.categories:
            city.check_categories(sorted(set(entry.prefixes.values())), f"feed '{feed.id}' categories")
    names = {
        "levels": [rule.version for rule in city.levels],
        "layers": list(layers),
        "feeds": [feed.id for feed in read],
    }
    _print_summary(names, arguments)


def _migrate(arguments: Arguments, knobs: settings.Settings) -> None:
    with closing(service.open_service(knobs)):  # opening brings the tables up to date
        _print_summary({"database": "up to date"}, arguments)


def _demo(arguments: Arguments, knobs: settings.Settings) -> None:
    folder = knobs.data() / f"demo-{arguments.size:g}"
    knobs = replace(knobs, data_dir=str(folder), pull_every_s=_DEMO_PULL_S, port=arguments.port or knobs.port)
    with closing(service.open_service(knobs)) as parts:
        sources = [_demo_city(parts, arguments.size)]
        address = f"http://{knobs.host}:{knobs.port}"
        if arguments.once:
            with _running(parts, sources):
                _print_summary(_proof(address), arguments)
            return
        print(f"地图 map: {address}/map   (Ctrl-C 结束 ends)", flush=True)
        _run(parts, sources)


def _demo_city(parts: Service, size: float) -> tuple[Feed, Source]:
    """Take in the city's places and past where the store has them not yet, and give its live feed."""
    now = parts.now()
    feed = files.read_feed(service.rules_folder(parts.settings) / "feeds" / "demo.toml")
    live = _Live(size, parts.now)
    with parts.engine.connect() as connection:
        has_zones = reading.revision(connection).zones_seq > 0
        months = reading.months(connection)
    if not has_zones:
        for kind in rules.ZONE_KINDS:
            frame = getattr(live.city, kind)
            jobs.load_zones(parts, files.zones_of(frame, files.ZoneFile(kind, Path(f"demo/{kind}")))[0])
    if f"{now.astimezone(ZoneInfo(feed.city_zone)):%Y-%m}" not in months:
        past = live.city.history
        _say(f"正在录入两年的接警单 taking in two years of call records ({len(past):,})")
        jobs.load_incidents(parts, feed, past.assign(_source="history", _row=range(1, len(past) + 1)))
    return feed, live


class _Live:
    """The demo's live feed.  The city behind it takes seconds to make, so it is made when first asked for."""

    def __init__(self, size: float, clock: Callable[[], datetime]) -> None:
        self._size, self._clock, self._started = size, clock, clock()

    @cached_property
    def city(self) -> "demo.City":
        from geo_service import demo

        _say(f"正在建一座虚构的城市 making a made-up city (size {self._size:g})")
        return demo.build(self._size, until=self._started)

    @cached_property
    def _source(self) -> Source:
        from geo_service import demo

        return demo.ReplaySource(self.city, clock=self._clock, started=self._started)

    def pull(self, since: str | None) -> feeds.Pulled:
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

    from geo_service.web.app import create_app

    knobs = parts.settings
    config = uvicorn.Config(
        create_app(parts), host=knobs.host, port=knobs.port, log_level="warning", timeout_graceful_shutdown=2
    )
    return uvicorn.Server(config)


def _sources(parts: Service, read: Sequence[Feed]) -> Sources:
    return [
        (feed, feeds.open_source(feed, base=Path(feed.path).parent, clock=parts.now, token=parts.settings.feed_token))
        for feed in read
    ]


_Run = Callable[[Arguments, settings.Settings], None]
_COMMANDS: Mapping[str, tuple[_Run, Callable[[argparse.ArgumentParser], None] | None, str]] = {
    "demo": (_demo, _add_demo, "A made-up city with a live feed, its own PostGIS and the map page."),
    "up": (_up, None, "Serve the map and pull the feeds, in one process."),
    "serve": (_serve, None, "Serve the map and its layers."),
    "work": (_work, None, "Pull the feeds every GEO_PULL_EVERY_S seconds."),
    "pull": (_pull, _add_pull, "Pull the feeds once."),
    "load": (_load, _add_load, "Load zones or incidents from files into the database."),
    "digest": (
        _digest,
        _add_digest,
        "Incident files and zone files into counts, colours and alerts; no database.",
    ),
    "check": (_check, None, "Read settings, rules, layers and feeds and say what is wrong with them."),
    "migrate": (_migrate, None, "Bring the database's tables up to date."),
}
