"""What the statistics ask of the store: one kind of places with their areas, and the levels of all their months."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import pandas as pd
import sqlalchemy as sa

from geo_service.analysis import statistics
from geo_service.maps import layers
from geo_service.store import frames, jurisdictions, reading, tables

LATEST_DAYS = 30


def record(connection: sa.Connection, kind: str, day: date, current: str, view: layers.View) -> statistics.Record:
    """Give the record of a kind of places that stand now, in the areas they lay in on a day.

    `current` is the month that is not over yet.  Months reach from the first to the last with an incident of any place:
    one in which no place of the kind had any is on record all the same.
    """
    reading.admit(view)
    zones, levels = tables.zones.c, tables.zone_levels.c
    places = frames.fetch(
        connection,
        sa.select(zones.kind.label("zone_kind"), zones.zone_id, zones.name, zones["class"])
        .where(zones.kind == kind, zones.valid_to.is_(None))
        .order_by(zones.zone_id.collate("C")),
    )
    counted = frames.fetch(
        connection,
        sa.select(*(levels[name] for name in statistics.LEVEL_COLUMNS)).where(levels.zone_kind == kind),
    )
    trees = jurisdictions.trees(connection, view)
    months = reading.months(connection)
    return statistics.record_of(places, (trees.lineage(day), trees.names(day)), counted, months, current)


@dataclass(frozen=True)
class Calls:
    """Which calls auditors ask about: of months from the first to the last, and the categories that colour."""

    first: str
    last: str
    counted: Sequence[str]


def written_down(
    connection: sa.Connection, now: Calls, past: Calls, lesser: Sequence[str], view: layers.View
) -> pd.DataFrame:
    """Give of each station how many calls were counted ones and how many lesser ones, in two spans of months.

    Columns station, counted_past, other_past, counted_now, other_now (sentinel.category_drift).
    """
    reading.admit(view)
    table = tables.incidents.c

    def number(calls: Calls, categories: Sequence[str], name: str) -> "sa.Label[int]":
        ours = sa.and_(table.month.between(calls.first, calls.last), table.category.in_(categories))
        return sa.func.count().filter(ours).label(name)

    columns = (
        number(past, past.counted, "counted_past"),
        number(past, lesser, "other_past"),
        number(now, now.counted, "counted_now"),
        number(now, lesser, "other_now"),
    )
    months = sa.or_(*(table.month.between(calls.first, calls.last) for calls in (now, past)))
    found = sa.select(table.station, *columns).where(months, table.station != "").group_by(table.station)
    return _by_station(connection, found.subquery())


def recordings(connection: sa.Connection, calls: Calls, until: datetime, view: layers.View) -> pd.DataFrame:
    """Give when each call of a station was made and when it was first recorded: station, called_at, recorded_at.

    Calls of the counted categories until a moment; one recorded more than LATEST_DAYS after its call came from a file.
    """
    reading.admit(view)
    table = tables.incidents.c
    question = sa.select(table.station, table.called_at, table.first_seen_at.label("recorded_at")).where(
        table.month.between(calls.first, calls.last),
        table.category.in_(calls.counted),
        table.station != "",
        table.called_at <= until,
        table.first_seen_at - table.called_at < sa.text(f"interval '{LATEST_DAYS} days'"),
    )
    return _by_station(connection, question.subquery())


def left_the_count(connection: sa.Connection, calls: Calls, view: layers.View) -> pd.DataFrame:
    """Give of each station how many calls ever were of a counted category, and how many of them are not any more.

    Columns station, counted, retyped_out (sentinel.retyping).
    """
    reading.admit(view)
    now, was = tables.incidents.c, tables.former_incidents.c
    once = sa.exists().where(was.feed == now.feed, was.incident_id == now.incident_id, was.category.in_(calls.counted))
    is_counted = now.category.in_(calls.counted)
    rows = sa.select(now.station, is_counted.label("is_counted")).where(
        now.month.between(calls.first, calls.last), now.station != "", is_counted | once
    )
    ours = rows.subquery()
    out = sa.func.count().filter(~ours.c.is_counted).label("retyped_out")
    found = sa.select(ours.c.station, sa.func.count().label("counted"), out).group_by(ours.c.station)
    return _by_station(connection, found.subquery())


def _by_station(connection: sa.Connection, found: sa.Subquery) -> pd.DataFrame:
    return frames.fetch(connection, sa.select(*found.c).order_by(found.c.station.collate("C")))
