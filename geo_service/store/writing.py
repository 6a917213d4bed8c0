"""Recording: everything that follows from a batch goes in as one transaction, or not at all.

Recording the same thing twice changes nothing and makes no revision.  Frames come by COPY into temporary tables and are
merged from there (merging.py): only rows that say something new are written.
"""

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

import pandas as pd
import shapely
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, insert

from geo_service.analysis import incidents as incident_rows
from geo_service.analysis.intake import Found
from geo_service.geography.zones import Zones
from geo_service.store import frames, history, merging, reviews, tables
from geo_service.store.merging import Change

CHANNEL = "geo_service"  # NOTIFY carries the new revision's number


_ZONES = merging.staging(tables.zones, ("zone_id", "name", "class", "geometry"))
_POINTS = {"position": ("lon", "lat"), "source_position": ("source_lon", "source_lat")}
_POINT_COLUMNS = [name for pair in _POINTS.values() for name in pair]
_INCIDENTS = merging.staging(
    tables.incidents, incident_rows.INCIDENT_COLUMNS, **dict.fromkeys(_POINT_COLUMNS, sa.Double())
)
_REJECTED = merging.staging(tables.rejected, incident_rows.REJECTED_COLUMNS, fields=sa.Text())
_COUNTED = {
    table: merging.staging(table, table.columns.keys())
    for table in (tables.zone_months, tables.zone_levels, tables.cell_months, tables.cell_levels)
}
_ALERT = ("zone_kind", "month", "zone_id", "kind", "at", "count")
_TRUE = merging.staging(tables.alerts, _ALERT)
_UNTRUE = frames.staging("withdrawn", {name: tables.alerts.c[name].type for name in _ALERT})


@contextmanager
def lease(engine: sa.Engine, name: str = "intake") -> Generator[sa.Connection]:
    """Give a connection in one transaction that nobody else shares a lease of this name with; others wait.

    Commits on leaving; on any error everything is rolled back.  A holder that dies loses it at once.
    """
    with engine.begin() as connection:
        merging.lock(connection, f"geo_service {name}")
        yield connection


def record(
    connection: sa.Connection,
    found: Found,
    *,
    feed: str | None,
    cursor: str | None,
    now: datetime,
    replace: str = "",
) -> int:
    """Record what was found and give the number of the newest revision: a new one, when anything changed.

    `feed` and `cursor` say where the next pull goes on; None leaves that as it stands.  With `replace`, `found` is the
    whole truth (intake.restate): counted rows it lacks go away and alerts it lacks are withdrawn; the word says why it
    was made ("boundaries", …).
    The connection is that of a lease.  Raises StoreFailed when the database goes away; then nothing is recorded.
    """
    whole = bool(replace)
    changes = [
        _record_incidents(connection, found.incidents, now, whole),
        _record_rejected(connection, found.rejected, now),
    ]
    if found.reviews is not None:
        changes += reviews.record(connection, found.incidents, found.reviews, now)
    if found.closed:
        history.record_restatements(connection, found, replace, now)
    for table, frame in _counted(found):
        changes += _record_counts(connection, table, frame, whole)
    changes += _record_alerts(connection, found, now, whole)
    if feed is not None:
        _record_progress(connection, feed, cursor, found.incidents, now)
    return _revise(connection, "state", changes, now)


def note_failure(connection: sa.Connection, feed: str, error: str) -> None:
    """Remember what the last pull of a feed failed with; the next recorded pull forgets it."""
    row = insert(tables.feeds).values(feed=feed, last_error=error)
    connection.execute(row.on_conflict_do_update(index_elements=["feed"], set_={"last_error": row.excluded.last_error}))


def note(connection: sa.Connection, key: str, value: str) -> None:
    """Note something about the store as a whole (reading.remark)."""
    row = insert(tables.meta).values(key=key, value=value)
    connection.execute(row.on_conflict_do_update(index_elements=["key"], set_={"value": row.excluded.value}))


def record_evidence(connection: sa.Connection, feed: str, numbers: Mapping[str, object], now: datetime) -> None:
    """Keep what a feed's records have said of each coordinate system it declares, all in all."""
    row = insert(tables.source_evidence).values(feed=feed, numbers=numbers, changed_at=now)
    kept = {name: row.excluded[name] for name in ("numbers", "changed_at")}
    connection.execute(row.on_conflict_do_update(index_elements=["feed"], set_=kept))


def replace_zones(connection: sa.Connection, zones: Zones, *, now: datetime) -> None:
    """Let these be the zones of their kind from now on.

    An id that stays keeps its number in tiles.  What a zone was before, and zones that are gone, stay as history with
    the day they ended (UTC).  Incidents and counts are not touched: whoever changes zones restates (intake.restate).
    """
    table, today = tables.zones, now.astimezone(UTC).date()
    staged, columns = _ZONES, _ZONES.columns.keys()
    areas = [shapely.MultiPolygon([area]) if area.geom_type == "Polygon" else area for area in zones.geometry]
    wkb = shapely.to_wkb(shapely.set_srid(areas, 4326), hex=True, include_srid=True)
    frame = pd.DataFrame(dict(zip(columns, (zones.ids, zones.names, zones.classes, wkb), strict=True)))
    frames.stage(connection, staged, frame)
    # Without it the planner takes both for small tables and compares 11,000 zones with 11,000: 4 s, not 0.2 s.
    connection.execute(sa.text("ANALYZE zones, staged_zones"))
    standing = sa.and_(table.c.kind == zones.kind, table.c.valid_to.is_(None))
    same = sa.and_(standing, table.c.zone_id == staged.c.zone_id)
    differs = merging.differs(table.c, staged.c, columns[1:])

    was = sa.select(*(table.c[name] for name in ("kind", *columns, "valid_from")), sa.literal(today))
    was = was.where(same, differs, table.c.valid_from < today)
    connection.execute(sa.insert(table).from_select(["kind", *columns, "valid_from", "valid_to"], was))
    now_is = {name: staged.c[name] for name in columns[1:]}
    new = sa.select(sa.literal(zones.kind), *staged.c, sa.literal(today)).where(~sa.exists().where(same))
    steps = (
        sa.update(table).where(same, differs).values(**now_is, valid_from=today),
        sa.update(table)
        .where(standing, ~sa.exists().where(table.c.zone_id == staged.c.zone_id))
        .values(valid_to=today),
        sa.insert(table).from_select(["kind", *columns, "valid_from"], new.order_by(staged.c.zone_id)),
    )
    _revise(connection, "zones", [merging.rows(connection, step) for step in steps], now)


def note_objects(connection: sa.Connection, rows: int, now: datetime) -> None:
    """Let readers see that so many states of prevention objects have changed; none: nothing is to be seen."""
    _revise(connection, "objects", [Change(rows)], now)


def _record_incidents(connection: sa.Connection, incidents: pd.DataFrame, now: datetime, whole: bool) -> Change:
    if incidents.empty:
        return Change(0)
    table, staged = tables.incidents, _INCIDENTS
    frames.stage(connection, staged, incidents)
    names = [name for name in incident_rows.INCIDENT_COLUMNS if name not in _POINT_COLUMNS]
    points = {
        name: sa.func.ST_SetSRID(sa.func.ST_MakePoint(staged.c[lon], staged.c[lat]), 4326)
        for name, (lon, lat) in _POINTS.items()
    }
    content = [*names[2:], *points]
    came = {**{name: staged.c[name] for name in names}, **points}
    rows = sa.select(*came.values(), merging.at(now), merging.at(now))
    history.keep_former(connection, staged, came, content, now)
    news = rows.where(merging.is_new(table, came, names[:2], content)) if whole else rows
    row = insert(table).from_select([*came, "first_seen_at", "changed_at"], news)
    changed = (
        row.on_conflict_do_update(
            index_elements=["feed", "incident_id"],
            set_={name: row.excluded[name] for name in [*content, "changed_at"]},
            where=merging.differs(table.c, row.excluded, content),
        )
        .returning(table.c.feed, table.c.incident_id, table.c.month)
        .cte("changed")
    )
    rejected = tables.rejected
    superseded = (
        sa.update(rejected)
        .where(rejected.c.state == "open", rejected.c.feed == changed.c.feed)
        .where(rejected.c.incident_id == changed.c.incident_id)
        .values(state="superseded")
        .returning(rejected.c.id)
        .cte("superseded")
    )
    return merging.change(connection, changed, superseded)


def _record_rejected(connection: sa.Connection, rejected: pd.DataFrame, now: datetime) -> Change:
    if rejected.empty:
        return Change(0)
    table, staged = tables.rejected, _REJECTED
    # JSONB cannot keep an escaped NUL either (frames.py).
    clean = rejected.assign(fields=rejected["fields"].str.replace("\\u0000", "\\ufffd", regex=False))
    frames.stage(connection, staged, clean)
    names = list(incident_rows.REJECTED_COLUMNS)
    fields = sa.cast(staged.c.fields, JSONB)
    # A row that could not be cut into fields has none to be known by; where it stood tells it from the others.
    stood = sa.func.concat_ws("\x1f", staged.c.source, sa.cast(staged.c.row, sa.Text), staged.c.detail)
    where = sa.case((staged.c.reason == "broken_row", stood))
    content = sa.func.concat_ws("\x1f", staged.c.incident_id, staged.c.reason, sa.cast(fields, sa.Text), where)
    digest = sa.func.encode(sa.func.sha256(sa.func.convert_to(content, "UTF8")), "hex")
    rows = sa.select(*(staged.c[name] for name in names[:-1]), fields, digest, merging.at(now))
    row = insert(table).from_select([*names, "row_digest", "first_seen_at"], rows)
    return merging.rows(connection, row.on_conflict_do_nothing(index_elements=["feed", "row_digest"]))


def _counted(found: Found) -> list[tuple[sa.Table, pd.DataFrame]]:
    return [
        (tables.zone_months, found.zone_months),
        (tables.zone_levels, found.levels),
        (tables.cell_months, found.cell_months),
        (tables.cell_levels, found.cell_levels),
    ]


def _record_counts(connection: sa.Connection, table: sa.Table, frame: pd.DataFrame, whole: bool) -> list[Change]:
    if frame.empty and not whole:
        return []
    staged, names = _COUNTED[table], table.columns.keys()
    frames.stage(connection, staged, frame)
    keys = table.primary_key.columns.keys()
    values = [name for name in names if name not in keys]
    there = sa.exists().where(merging.same(table.c, staged.c, keys))
    gone = ~there.where(staged.c["count"] > 0) if whole else there.where(staged.c["count"] == 0)
    # In the order of the key, which its index takes in a quarter faster.
    rows = sa.select(staged).where(staged.c["count"] > 0).order_by(*(staged.c[name] for name in keys))
    row = insert(table).from_select(names, rows.where(merging.is_new(table, staged.c, keys, values)) if whole else rows)
    put = row.on_conflict_do_update(
        index_elements=keys,
        set_={name: row.excluded[name] for name in values},
        where=merging.differs(table.c, row.excluded, values),
    )
    steps = [sa.delete(table).where(gone), put] if whole or (frame["count"] == 0).any() else [put]
    return [merging.changed(connection, step, table) for step in steps]


def _record_alerts(connection: sa.Connection, found: Found, now: datetime, whole: bool) -> list[Change]:
    if found.alerts.empty and found.withdrawn.empty and not whole:
        return []
    table, keys = tables.alerts, tables.alerts.primary_key.columns.keys()
    frames.stage(connection, _TRUE, found.alerts)
    row = insert(table).from_select([*_ALERT, "noticed_at"], sa.select(_TRUE, merging.at(now)))
    put = row.on_conflict_do_update(
        index_elements=keys,
        set_={"at": row.excluded.at, "count": row.excluded["count"], "withdrawn_at": None},
        where=table.c.withdrawn_at.is_not(None) | merging.differs(table.c, row.excluded, ["at", "count"]),
    )
    return [_withdraw(connection, found.withdrawn, now, whole), merging.changed(connection, put, table)]


def _withdraw(connection: sa.Connection, withdrawn: pd.DataFrame, now: datetime, whole: bool) -> Change:
    """Mark alerts that no longer hold: those withdrawn, or with `whole` all that are not among the staged true ones."""
    if withdrawn.empty and not whole:
        return Change(0)
    table, keys = tables.alerts, tables.alerts.primary_key.columns.keys()
    untrue = ~sa.exists().where(merging.same(table.c, _TRUE.c, keys))
    if not whole:
        frames.stage(connection, _UNTRUE, withdrawn)
        untrue &= sa.exists().where(merging.same(table.c, _UNTRUE.c, keys))
    step = sa.update(table).where(table.c.withdrawn_at.is_(None), untrue).values(withdrawn_at=now)
    return merging.changed(connection, step, table)


def _record_progress(
    connection: sa.Connection, feed: str, cursor: str | None, incidents: pd.DataFrame, now: datetime
) -> None:
    called_at = incidents.loc[incidents["feed"] == feed, "called_at"].max()
    row = insert(tables.feeds).values(
        feed=feed,
        cursor=cursor,
        pulled_at=now,
        last_called_at=None if pd.isna(called_at) else called_at.to_pydatetime(),
    )
    stood = tables.feeds.c
    connection.execute(
        row.on_conflict_do_update(
            index_elements=["feed"],
            set_={
                "cursor": sa.func.coalesce(row.excluded.cursor, stood.cursor),
                "pulled_at": row.excluded.pulled_at,
                "last_called_at": sa.func.greatest(stood.last_called_at, row.excluded.last_called_at),
                "last_error": None,
            },
        )
    )


def _revise(connection: sa.Connection, what: str, changes: Sequence[Change], now: datetime) -> int:
    table = tables.revisions
    rows = sum(change.rows for change in changes)
    if rows == 0:
        return connection.scalar(sa.select(sa.func.max(table.c.seq))) or 0
    # Numbers are given out before the commit: without the lock a lower one could appear after a higher one was seen.
    merging.lock(connection, "geo_service revisions")
    months = [month for change in changes for month in (change.first, change.last) if month is not None]
    row = sa.insert(table).values(
        at=now, what=what, month_from=min(months, default=None), month_to=max(months, default=None), rows=rows
    )
    seq = connection.execute(row.returning(table.c.seq)).scalar_one()
    connection.execute(sa.select(sa.func.pg_notify(CHANNEL, str(seq))))
    return seq
