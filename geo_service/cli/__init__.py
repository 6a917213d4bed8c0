"""The command line: demo, up, serve, work, pull, load, export, digest, geocode, statistics and what else is below."""

import argparse
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from tqdm import tqdm

from geo_service import batch, files, layer_files, settings
from geo_service.analysis import jurisdictions, rules
from geo_service.errors import BadParameter, BadRule, GeoServiceError
from geo_service.maps.layers import EVERYBODY, Layer

Arguments = argparse.Namespace

_AT_LENGTH = ("colours", "months")  # of `digest`: in summary.json and with --json


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; give its exit code: 0, or 2 with the reason on standard error."""
    os.environ.setdefault("PYPINYIN_NO_PHRASES", "true")  # only single characters are asked: 55 MB less
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
    command.add_argument(
        "--programme",
        default="",
        metavar="NAME",
        help="programme of rules/levels.toml that colours (default: the first)",
    )
    command.add_argument("--placing", default="", help="placing rule of rules/placing.toml (default: unit_first)")
    command.add_argument(
        "--gazetteer", action="append", type=Path, metavar="FILE", help="places and addresses that locate place texts"
    )
    command.add_argument(
        "--gazetteer-crs", default="", metavar="SYSTEM", help="coordinate system of gazetteer files that declare none"
    )
    command.add_argument("--calibration", type=Path, metavar="FILE", help="what scores of texts mean: TOML or JSON")
    command.add_argument(
        "--as-of", type=_moment, help="as known at this moment (ISO 8601; the city's time where no zone is given)"
    )
    command.add_argument(
        "--dask", default="", metavar="WHERE", help="spread the work: local (a worker a core) or tcp://SCHEDULER:PORT"
    )
    command.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder for the results")


def _digest(arguments: Arguments, knobs: settings.Settings) -> None:
    city = files.read_rules(files.shipped("rules", knobs.rules_dir), arguments.placing or knobs.placing)
    if arguments.programme:
        city = city.of_programme(arguments.programme)
    if arguments.count:
        city = city.counting([name.strip() for name in arguments.count.split(",") if name.strip()])
    feed = files.read_feed(arguments.feed)
    as_of = arguments.as_of
    if as_of and not as_of.tzinfo:
        as_of = as_of.replace(tzinfo=ZoneInfo(feed.city_zone))
    order = batch.Order(
        incidents=arguments.incidents,
        feed=feed,
        zones=[zone_file(text, arguments.crs) for text in arguments.zones],
        rules=city,
        now=datetime.now(UTC),
        as_of=as_of,
        out=arguments.out,
        dask=arguments.dask,
        gazetteer=_gazetteer(arguments, knobs),
    )
    kinds = [file.kind for file in order.zones]
    if len(set(kinds)) < len(kinds):
        raise BadParameter(f"--zones names {', '.join(kinds)}; give each kind once")
    with bar() as tell:
        summary = batch.digest_files(order, tell)
    print_summary(summary, arguments)


def _gazetteer(arguments: Arguments, knobs: settings.Settings) -> files.GazetteerFiles | None:
    if arguments.gazetteer:
        calibration = arguments.calibration or files.calibration_among(knobs.rules_dir)
        return files.GazetteerFiles(arguments.gazetteer, arguments.gazetteer_crs, calibration)
    if arguments.calibration or arguments.gazetteer_crs:
        raise BadParameter("--calibration and --gazetteer-crs are about a gazetteer; give --gazetteer FILE too")
    return None


@contextmanager
def bar() -> Generator[Callable[[float], object]]:
    """Draw on a terminal how much of a long work is done."""
    layout = "{l_bar}{bar}| {elapsed}, 还要 still {remaining}"
    with tqdm(total=1.0, bar_format=layout, disable=not sys.stderr.isatty(), leave=False) as drawn:
        yield lambda share: drawn.update(max(0.0, share - drawn.n))


def zone_file(text: str, system: str) -> files.ZoneFile:
    """Read KIND=FILE[:ID_PROPERTY].  Raises BadParameter."""
    kind, equals, rest = text.partition("=")
    if not equals or kind not in rules.ZONE_KINDS:
        raise BadParameter(
            f"zones '{text}': expected KIND=FILE[:ID_PROPERTY], KIND one of {', '.join(rules.ZONE_KINDS)}"
        )
    return files.ZoneFile(kind, *file_and_property(rest), system)


def file_and_property(text: str) -> tuple[Path, str]:
    """Read FILE[:PROPERTY]; without one the property is empty.

    >>> file_and_property("stations.geojson:CODE")
    (PosixPath('stations.geojson'), 'CODE')
    """
    path, colon, name = text.rpartition(":")
    return (Path(path), name) if colon and not Path(text).exists() else (Path(text), "")


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"'{text}' is no moment; write one such as 2024-05-01T00:00:00+08:00"
        ) from None


def print_summary(summary: Mapping[str, object], arguments: Arguments) -> None:
    """Print what came of a command, for people or with --json for programs."""
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
    command.add_argument(
        "what",
        choices=("zones", "incidents", "gazetteer", "areas", "memberships", "roster", "prevention", "archive"),
    )
    command.add_argument(
        "file",
        nargs="+",
        metavar="FILE",
        help="zones: KIND=FILE[:ID_PROPERTY]; incidents: CSV, JSON or Parquet; gazetteer: CSV, GeoPackage or Parquet; "
        "areas, memberships, roster, archive: CSV or Excel; prevention: CSV, GeoPackage or Excel",
    )
    command.add_argument("--crs", default="", help="coordinate system of files with geometry that declare none")
    command.add_argument(
        "--by-area",
        choices=tuple(jurisdictions.TREES),
        help="memberships: of this tree, by the polygons of its areas, FILE:CODE_PROPERTY",
    )
    command.add_argument("--feed", type=Path, help="incidents, archive: how to read them, rules/feeds/X.toml")
    command.add_argument(
        "--signed-by", default="", metavar="ID", help="gazetteer, archive: staff id of who answers for it"
    )
    command.add_argument("--because", default="", metavar="TEXT", help="gazetteer, archive: why it is loaded")


def _add_export(command: argparse.ArgumentParser) -> None:
    command.add_argument("layer", metavar="LAYER", help="which layer: warnings, units, venues …")
    forms = ("geojson", "geojsonseq", "fgb", "parquet", "csv", "pmtiles")
    command.add_argument("--format", required=True, choices=forms, help="form of the file")
    command.add_argument("--out", required=True, type=Path, metavar="FILE", help="file to write")
    command.add_argument(
        "--month", default="", metavar="YYYY-MM", help="month of the colours (default: the current one)"
    )
    command.add_argument("--crs", default="OGC:CRS84", metavar="EPSG:CODE", help="system of fgb, parquet and csv")
    command.add_argument("--force", action="store_true", help="replace the file if it is there")


def _add_geocode(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "what", metavar="TEXT|FILE", help="an address; or a file with one a line, or CSV with --column"
    )
    command.add_argument(
        "--gazetteer",
        type=Path,
        action="append",
        metavar="FILE",
        help="gazetteer file, may be given more than once (default: the database's)",
    )
    command.add_argument("--crs", default="", help="coordinate system of gazetteer files that declare none")
    command.add_argument("--calibration", type=Path, metavar="FILE", help="what scores of texts mean: TOML or JSON")
    command.add_argument("--column", default="", help="column of a CSV that holds the addresses")


def _add_statistics(command: argparse.ArgumentParser) -> None:
    command.add_argument("name", metavar="NAME", help="zero-incident, colours, changes, streaks or control")
    command.add_argument("--months", type=int, default=6, help="months back from there, that one included (default: 6)")
    command.add_argument("--kind", choices=rules.ZONE_KINDS, default="communities", help="which kind of place")
    command.add_argument("--class", default="", metavar="NAME", help="only places of this class, such as hospital")
    command.add_argument("--tree", choices=("police", "civil"), default="police", help="tree that level and area mean")
    command.add_argument("--level", default="", help="a row for each area of this level (default: for each class)")
    command.add_argument("--area", default="", metavar="CODE", help="only places in this area")
    command.add_argument("--against", choices=("year", "month"), default="year", help="changes: what is compared with")
    _add_print(command)


def _add_print(command: argparse.ArgumentParser) -> None:
    command.add_argument("--month", default="", metavar="YYYY-MM", help="default: the last month that is over")
    command.add_argument("--language", choices=("", "zh", "en", "both"), default="", help="language of a page")
    command.add_argument(
        "--from-digest", type=Path, metavar="DIR", help="folder of a digest run, instead of the database"
    )
    command.add_argument(
        "--zones", action="append", metavar="KIND=FILE[:ID_PROPERTY]", help="of that run: names, classes and the map"
    )
    command.add_argument("--crs", default="", help="coordinate system of zone files that declare none")
    command.add_argument("--lineage", type=Path, metavar="FILE", help="of that run: which areas its places lie in")
    command.add_argument("--count", default="", metavar="CATEGORIES", help="of that run: the categories it coloured by")
    command.add_argument("--out", required=True, metavar="FILE", help="file to write, or - for standard output")


def _check(arguments: Arguments, knobs: settings.Settings) -> None:
    city = files.read_rules(files.shipped("rules", knobs.rules_dir), knobs.placing)
    folder, feeds = files.shipped("layers", knobs.layers_dir), files.shipped("rules", knobs.rules_dir) / "feeds"
    layers, roles = _checked_layers(folder, feeds.parent), files.read_roles(feeds.parent)
    read = [files.read_feed(path) for path in sorted(feeds.glob("*.toml"))]
    for feed in read:
        for entry in feed.categories:
            city.check_categories(sorted(set(entry.prefixes.values())), f"feed '{feed.id}' categories")
    alerts, tasks = files.read_alert_rules(feeds.parent), files.read_task_rules(feeds.parent)
    files.read_trust(feeds.parent)
    names = {
        "levels": [rule.version for rule in city.levels],
        "roles": list(roles),
        "alerts": [rule.version for rule in alerts],
        "tasks": [rule.version for rule in tasks],
        "layers": list(layers),
        "feeds": [feed.id for feed in read],
    }
    print_summary(names, arguments)


def _checked_layers(folder: Path, rules_folder: Path) -> Mapping[str, Layer]:
    """Read the layers, every file of them.  Raises BadRule that names all that are wrong."""
    read = layer_files.read(folder)
    kinds, roles = files.read_prevention(rules_folder).kinds, files.read_roles(rules_folder)
    wrong = list(read.refused.values())
    for layer in read.layers.values():
        if unknown := sorted(set(layer.objects) - set(kinds)):
            wrong.append(
                f"layer {layer.id}: no kind {', '.join(unknown)} in rules/prevention.toml; correct one of them"
            )
        if layer.role not in (EVERYBODY, *roles):
            wrong.append(f"layer {layer.id}: role must be {', '.join((EVERYBODY, *roles))}, came {layer.role}")
    if wrong:
        raise BadRule("\n".join(wrong))
    return read.layers


_Run = Callable[[Arguments, settings.Settings], None]


def _geocode(arguments: Arguments, knobs: settings.Settings) -> None:
    from geo_service.cli import geocoding

    geocoding.geocode(arguments, knobs)


def _exporting(arguments: Arguments, knobs: settings.Settings) -> None:
    from geo_service.cli import exporting

    exporting.export(arguments, knobs)


def _printing(name: str) -> _Run:
    """Give a command that prints statistics; their libraries are imported when it runs."""

    def run(arguments: Arguments, knobs: settings.Settings) -> None:
        from geo_service.cli import statistics

        getattr(statistics, name)(arguments, knobs)

    return run


def _opening(name: str) -> _Run:
    """Give a command that opens the database; its libraries are imported when it runs."""

    def run(arguments: Arguments, knobs: settings.Settings) -> None:
        from geo_service.cli import running

        getattr(running, name)(arguments, knobs)

    return run


_COMMANDS: Mapping[str, tuple[_Run, Callable[[argparse.ArgumentParser], None] | None, str]] = {
    "demo": (_opening("demo"), _add_demo, "A made-up city with a live feed, its own PostGIS and the map page."),
    "up": (_opening("up"), None, "Serve the map and pull the feeds, in one process."),
    "serve": (_opening("serve"), None, "Serve the map and its layers."),
    "work": (_opening("work"), None, "Pull the feeds every GEO_PULL_EVERY_S seconds."),
    "pull": (_opening("pull"), _add_pull, "Pull the feeds once."),
    "load": (_opening("load"), _add_load, "Load zones, incidents, registers, prevention … into the database."),
    "export": (_exporting, _add_export, "A layer as one file: GeoJSON, CSV, FlatGeobuf, GeoParquet or PMTiles."),
    "digest": (
        _digest,
        _add_digest,
        "Incident files and zone files into counts, colours and alerts; no database.",
    ),
    "geocode": (_geocode, _add_geocode, "Say where an address is, or each of a file's."),
    "statistics": (
        _printing("print_table"),
        _add_statistics,
        "A table of statistics, each number with its interval, as CSV, Parquet, JSON or a page.",
    ),
    "bulletin": (_printing("print_bulletin"), _add_print, "A month's bulletin as one HTML file to print."),
    "check": (_check, None, "Read settings, rules, roles, layers and feeds and say what is wrong."),
    "migrate": (_opening("migrate"), None, "Bring the database's tables up to date."),
}
