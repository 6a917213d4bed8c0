"""Batches taken in by the store as the jobs do it: ask, think, record; and what then stands in it."""

from datetime import UTC, datetime

import pandas as pd
import sqlalchemy as sa

from geo_service.analysis import intake
from geo_service.store import reading, tables, writing
from tests.analysis.made import RULES, feed, rows, squares

NOW = datetime(2024, 6, 30, 12, 0, tzinfo=UTC)
ZONES = {"communities": squares("communities", "abcd"), "patrol_zones": squares("patrol_zones", "NS", width=2.0)}


def think(connection: sa.Connection, lines: str, now: datetime = NOW) -> intake.Found:
    """Digest rows against what the store knows."""
    raw = rows(lines)
    asked = intake.asks(raw, feed(), now, RULES)
    stored = reading.known_incidents(connection, asked.keys, asked.months)
    return intake.digest(raw, feed(), intake.Known(ZONES, RULES, stored), now)


def take_in(database: sa.Engine, lines: str, now: datetime = NOW, cursor: str | None = None) -> int:
    """Take a batch in and give the revision."""
    with writing.lease(database) as connection:
        return writing.record(connection, think(connection, lines, now), feed="made", cursor=cursor, now=now)


def everything(database: sa.Engine) -> pd.DataFrame:
    """Give all stored incidents, in the order of their keys."""
    with database.connect() as connection:
        known = reading.known_incidents(connection, None, None)
    return known.sort_values(["feed", "incident_id"], ignore_index=True)


def stands(database: sa.Engine, table: sa.Table, *names: str) -> list[tuple[object, ...]]:
    """Give the rows of a table, sorted; the columns named, or all."""
    columns = [table.c[name] for name in names] or list(table.c)
    with database.connect() as connection:
        return sorted(tuple(row) for row in connection.execute(sa.select(*columns)))


def derived(database: sa.Engine) -> dict[str, list[tuple[object, ...]]]:
    """Give everything that is counted."""
    counted = (tables.zone_months, tables.zone_levels, tables.cell_months, tables.cell_levels)
    alerts = stands(database, tables.alerts, "zone_kind", "zone_id", "month", "kind", "at", "count", "withdrawn_at")
    return {"alerts": alerts, **{table.name: stands(database, table) for table in counted}}
