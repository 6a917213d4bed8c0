"""The command line: geo-service demo, up, serve, work, pull, load, digest, check, migrate."""

import argparse
import json
import logging
import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from geo_service import feeds, files, jobs, service, settings
from geo_service.analysis import rules
from geo_service.analysis.feed import Feed
from geo_service.errors import BadParameter, GeoServiceError
from geo_service.feeds import Source
from geo_service.service import Service

if TYPE_CHECKING:
    import uvicorn

Arguments = argparse.Namespace
Sources = Sequence[tuple[Feed, Source]]
Commands = "argparse._SubParsersAction[argparse.ArgumentParser]"

_DEMO_PULL_S = 2  # the demo shows in seconds what a city sees in minutes


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; give its exit code: 0, or 2 with the reason on standard error."""
    arguments = _parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        return arguments.run(arguments, settings.read(os.environ)) or 0
    except GeoServiceError as error:
        print(f"geo-service {arguments.command}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "geo-service", description="Incidents of a city become four-colour warnings of its places."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_demo(commands)
    _command(commands, "up", _up, "Serve the map and pull the feeds, in one process.")
    _command(commands, "serve", _serve, "Serve the map and its layers.")
    _command(commands, "work", _work, "Pull the feeds every GEO_PULL_EVERY_S seconds.")
    _add_pull(commands)
    _add_load(commands)
    _add_digest(commands)
    _command(commands, "check", _check, "Read settings, rules, layers and feeds and say what is wrong with them.")
    _command(commands, "migrate", _migrate, "Bring the database's tables up to date.")
    return parser


def _command(commands: Commands, name: str, run: Callable[..., int | None], text: str) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=text, description=text)
    command.set_defaults(run=run)
    command.add_argument("--json", action="store_true", help="print the result as JSON, for programs")
    return command


def _add_digest(commands: Commands) -> None:
    command = _command(
        commands,
        "digest",
        _digest,
        "Digest incident files against zone files into counts, colours and alerts; no database.",
    )
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
        "--as-of", type=_moment, help="as known at this moment (ISO 8601): later calls and corrections are left out"
    )
    command.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder for the results")


def _digest(arguments: Arguments, knobs: settings.Settings) -> None:
    city = files.read_rules(service.rules_folder(knobs), arguments.placing or knobs.placing)
    if arguments.count:
        city = city.counting([name.strip() for name in arguments.count.split(",") if name.strip()])
    order = jobs.DigestOrder(
        incidents=arguments.incidents,
        feed=files.read_feed(arguments.feed),
        zones=[_zone_file(text, arguments.crs) for text in arguments.zones],
        rules=city,
        as_of=arguments.as_of,
        out=arguments.out,
    )
    kinds = [file.kind for file in order.zones]
    if len(set(kinds)) < len(kinds):
        raise BadParameter(f"--zones names {', '.join(kinds)}; give each kind once")
    _print_summary(jobs.digest_files(order), arguments)


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
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"'{text}' is no moment; write one such as 2024-05-01T00:00:00+08:00"
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _print_summary(summary: Mapping[str, object], arguments: Arguments) -> None:
    if arguments.json:
        print(json.dumps(summary, ensure_ascii=False))
        return
    for name, value in summary.items():
        if name not in ("colours", "months"):
            print(f"{name:20} {value}")


def _add_demo(commands: Commands) -> None:
    command = _command(commands, "demo", _demo, "A made-up city with a live feed, its own PostGIS and the map page.")
    command.add_argument("--port", type=int, help="port of the map (default: GEO_PORT)")
    command.add_argument("--size", type=float, default=1.0, help="1.0 is 1,200 communities; 0.1 a tenth of it [-]")
    command.add_argument("--once", action="store_true", help="start, prove that the page answers, and end")


def _add_pull(commands: Commands) -> None:
    command = _command(commands, "pull", _pull, "Pull the feeds once.")
    command.add_argument("--feed", type=Path, action="append", help="feed file (default: those of GEO_FEEDS)")


def _add_load(commands: Commands) -> None:
    command = _command(commands, "load", _load, "Load zones or incidents from files into the database.")
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
    knobs = replace(
        knobs, data_dir=str(knobs.data() / "demo"), pull_every_s=_DEMO_PULL_S, port=arguments.port or knobs.port
    )
    with closing(service.open_service(knobs)) as parts:
        feed, source = _demo_city(parts, arguments.size)
        address = f"http://{knobs.host}:{knobs.port}/map"
        if arguments.once:
            _prove(parts, feed, source, address)
            return
        print(f"地图 / map: {address}   (Ctrl-C 结束 / ends)", flush=True)
        _run(parts, [(feed, source)])


def _run(parts: Service, sources: Sources) -> None:
    """Pull in the background and serve in the foreground, until the server is told to stop."""
    stop = threading.Event()
    worker = threading.Thread(target=jobs.work, args=(parts, sources, stop), name="work")
    worker.start()
    try:
        _server(parts).run()
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
