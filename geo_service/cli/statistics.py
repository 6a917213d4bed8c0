"""The commands `statistics` and `bulletin`: from the database, or from the folder of a `digest` run alone."""

import calendar
import json
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import shapely

from geo_service import cli, files, settings
from geo_service.analysis import bulletin, rules, statistics
from geo_service.cli import Arguments
from geo_service.errors import BadInput, BadParameter
from geo_service.geography.zones import Zones
from geo_service.maps import layers
from geo_service.prints import bulletin as printed
from geo_service.prints import sheets

_FORMS = {".csv": "csv", ".parquet": "parquet", ".html": "html", ".json": "json"}


@dataclass(frozen=True)
class City:
    """What is known: a record and zones for each kind of place, and what every print says beside its numbers.

    `log` is that of restated months; None: files have none.
    """

    records: Mapping[str, statistics.Record]
    zones: Mapping[str, Zones]
    edition: sheets.Edition
    log: pd.DataFrame | None = None


def print_table(arguments: Arguments, knobs: settings.Settings) -> None:
    """Write one table: CSV with its head in a file beside it, Parquet, JSON or a page."""
    said = (arguments.month, arguments.months, getattr(arguments, "class"), arguments.tree, arguments.level)
    question = statistics.Question(*said, arguments.area, arguments.against)
    form = "json" if arguments.json else _FORMS.get(Path(arguments.out).suffix, "csv" if arguments.out == "-" else "")
    if not form:
        raise BadParameter(f"--out {arguments.out}: expected a file that ends in {', '.join(_FORMS)}, or -")
    with _opened(arguments, knobs, [arguments.kind]) as city:
        record = city.records[arguments.kind]
        rows = statistics.table(arguments.name, record, question)
        about = sheets.about(arguments.name, arguments.kind, record, question, city.edition)
        _write(arguments.out, sheets.written(form, rows, about, city.edition, arguments.language or knobs.language))
        if form == "csv" and arguments.out != "-":
            head = json.dumps(about.told(city.edition.texts), ensure_ascii=False, indent=2)
            _write(f"{arguments.out}-metadata.json", head.encode())


def print_bulletin(arguments: Arguments, knobs: settings.Settings) -> None:
    """Write a month's bulletin as one HTML file."""
    with _opened(arguments, knobs, rules.ZONE_KINDS) as city:
        chapters = [
            bulletin.chapter(kind, record, arguments.month, city.edition.rules.levels_at(record.month(arguments.month)))
            for kind, record in city.records.items()
        ]
        if city.log is not None:
            chapters = [bulletin.restated(told, city.records[told.kind], city.log) for told in chapters]
        page = printed.as_html(chapters, city.zones, city.edition, arguments.language or "both")
        _write(arguments.out, page.encode())


@contextmanager
def _opened(arguments: Arguments, knobs: settings.Settings, kinds: Sequence[str]) -> Generator[City]:
    """Give the city as the database has it, or as the files of a `digest` run say."""
    if arguments.from_digest:
        yield _from_digest(arguments, knobs, kinds)
        return
    if arguments.zones or arguments.lineage:
        raise BadParameter("--zones and --lineage are about a digest run; give --from-digest DIR too")
    from geo_service import service
    from geo_service.store import history, news, reading
    from geo_service.store import statistics as stored

    with closing(service.open_service(knobs)) as parts, news.snapshot(parts.engine) as connection:
        zone = ZoneInfo(knobs.time_zone)
        now = parts.now().astimezone(zone)
        current, day = f"{now:%Y-%m}", now.date()
        if arguments.month and arguments.month < current:
            day = _last_day(arguments.month)
        records = {kind: stored.record(connection, kind, day, current, layers.EVERYTHING) for kind in kinds}
        records = {kind: record for kind, record in records.items() if len(record.places)}
        zones = {kind: reading.zones(connection, kind, layers.EVERYTHING) for kind in records}
        as_of = reading.revision(connection).at.astimezone(zone)
        log = history.restatements(connection, bulletin.restated_months(arguments.month or current), layers.EVERYTHING)
        yield City(records, zones, sheets.Edition(parts.rules, parts.texts, parts.scheme, as_of, now), log)


def _from_digest(arguments: Arguments, knobs: settings.Settings, kinds: Sequence[str]) -> City:
    levels = _result(arguments.from_digest, "levels")
    recorded = _result(arguments.from_digest, "incidents", ["called_at"])["called_at"]
    zones = {}
    for text in arguments.zones or ():
        file = cli.zone_file(text, arguments.crs)
        zones[file.kind], _ = files.read_zones(file)
    lineage = files.read_lineage(arguments.lineage) if arguments.lineage else None
    records = {
        kind: _record(kind, levels[levels["zone_kind"] == kind], zones.get(kind), lineage)
        for kind in kinds
        if (levels["zone_kind"] == kind).any()
    }
    if not records:
        raise BadInput(f"{arguments.from_digest}: levels.parquet holds no {', '.join(kinds)}")
    city_rules = files.read_rules(files.shipped("rules", knobs.rules_dir), knobs.placing)
    if arguments.count:
        city_rules = city_rules.counting([name.strip() for name in arguments.count.split(",") if name.strip()])
    scheme = files.read_level_scheme(files.shipped("layers", knobs.layers_dir))
    as_of = recorded.max().to_pydatetime()
    now = datetime.now(UTC).astimezone(as_of.tzinfo)
    return City(records, zones, sheets.Edition(city_rules, files.read_texts(), scheme, as_of, now))


def _record(kind: str, levels: pd.DataFrame, zones: Zones | None, lineage: pd.DataFrame | None) -> statistics.Record:
    ids = np.array(sorted(levels["zone_id"].unique()), dtype=object)
    known = zones or Zones(kind, ids, ids, np.full(len(ids), "", dtype=object), np.full(len(ids), shapely.Point()))
    places = pd.DataFrame({"zone_kind": kind, "zone_id": known.ids, "name": known.names, "class": known.classes})
    areas = pd.DataFrame({"zone_kind": [], "zone_id": []}, dtype="str") if lineage is None else lineage
    return statistics.record_of(places, (areas, {}), levels, sorted(levels["month"].unique()))


def _result(folder: Path, name: str, columns: list[str] | None = None) -> pd.DataFrame:
    try:
        return pd.read_parquet(folder / f"{name}.parquet", columns=columns)
    except (OSError, ValueError) as error:
        raise BadInput(f"--from-digest {folder}: {name}.parquet cannot be read: {error}") from None


def _write(out: str, content: bytes) -> None:
    if out == "-":
        sys.stdout.buffer.write(content)
        return
    try:
        Path(out).write_bytes(content)
    except OSError as error:
        raise BadParameter(f"--out {out}: cannot be written: {error.strerror}") from None


def _last_day(month: str) -> date:
    year, number = int(month[:4]), int(month[5:])
    return date(year, number, calendar.monthrange(year, number)[1])
