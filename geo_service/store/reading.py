"""The questions the program asks of the store, answered with values of the core.

Every question about places takes a `view`, what the asker may see.  The store knows one, EVERYTHING, and refuses
others: whoever adds a view has to come here.  Text is ordered by its code points,
as in the core, whatever the server's locale.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import shapely
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from geo_service.analysis import incidents as incident_rows
from geo_service.analysis import intake
from geo_service.errors import BadParameter
from geo_service.geography.zones import Zones
from geo_service.maps import layers
from geo_service.store import frames, tables

_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Revision:
    """How far the store has come: its newest revision and when; the newest of boundaries and of objects (0: none)."""

    seq: int
    zones_seq: int
    objects_seq: int
    at: datetime


def zones(connection: sa.Connection, kind: str, view: layers.View) -> Zones:
    """Give the zones of a kind that stand now, in order of their ids as text."""
    admit(view)
    table = tables.zones.c
    question = (
        sa.select(table.zone_id, table.name, table["class"], sa.func.ST_AsBinary(table.geometry, type_=sa.LargeBinary))
        .where(table.kind == kind, table.valid_to.is_(None))
        .order_by(table.zone_id.collate("C"))
    )
    rows = np.array([tuple(row) for row in connection.execute(question)], dtype=object).reshape(-1, 4)
    return Zones(kind, rows[:, 0], rows[:, 1], rows[:, 2], shapely.from_wkb(rows[:, 3]))


def places(connection: sa.Connection, view: layers.View) -> pd.DataFrame:
    """Give zone_kind and zone_id of the zones of every kind that stand now, in their order."""
    admit(view)
    kind, zone = tables.zones.c.kind.label("zone_kind"), tables.zones.c.zone_id
    question = sa.select(kind, zone).where(tables.zones.c.valid_to.is_(None))
    return frames.fetch(connection, question.order_by(kind.collate("C"), zone.collate("C")))


def feature_ids(connection: sa.Connection, kind: str) -> dict[str, int]:
    """Give the number in tiles of each zone of a kind that stands now."""
    table = tables.zones.c
    question = sa.select(table.zone_id, table.fid).where(table.kind == kind, table.valid_to.is_(None))
    return {row.zone_id: row.fid for row in connection.execute(question)}


def zone_levels(connection: sa.Connection, kind: str, month: str, view: layers.View) -> pd.DataFrame:
    """Give zone_id, count and level of the zones with counted incidents in a month."""
    admit(view)
    table = tables.zone_levels.c
    question = (
        sa.select(table.zone_id, table.count, table.level)
        .where(table.zone_kind == kind, table.month == month)
        .order_by(table.zone_id.collate("C"))
    )
    return frames.fetch(connection, question)


@dataclass(frozen=True)
class Wanted:
    """Which incidents: of months (both ends included), and as known at a moment (None: now)."""

    first: str
    last: str
    as_of: datetime | None = None


def incidents_of(connection: sa.Connection, kind: str, zone_id: str, wanted: Wanted, view: layers.View) -> pd.DataFrame:
    """Give the incidents inside one zone, in the order of their calls, counted ones or not."""
    admit(view)
    rows = _known_at(wanted, incident_rows.INCIDENT_COLUMNS).subquery()
    question = sa.select(rows).where(rows.c[incident_rows.ID_COLUMN[kind]] == zone_id)
    order = (rows.c.called_at, rows.c.feed.collate("C"), rows.c.incident_id.collate("C"))
    return frames.fetch(connection, question.order_by(*order))


def incidents_in(connection: sa.Connection, wanted: Wanted, view: layers.View) -> pd.DataFrame:
    """Give the incidents of months, intake.KNOWN_COLUMNS, in no order."""
    admit(view)
    return frames.fetch(connection, _known_at(wanted, intake.KNOWN_COLUMNS))


def whole_incidents_in(connection: sa.Connection, wanted: Wanted, view: layers.View) -> pd.DataFrame:
    """Give the incidents of months, all columns, in no order."""
    admit(view)
    return frames.fetch(connection, _known_at(wanted, incident_rows.INCIDENT_COLUMNS))


def stations(connection: sa.Connection, month: str, as_of: datetime | None = None) -> pd.DataFrame:
    """Give of each police station the calls of a month, as the sources say, and how many of them have a position.

    With `as_of`, as known at that moment.  Columns station, calls, located, in order of the station.
    """
    table = _known_at(Wanted(month, month, as_of), ("station", "position")).subquery().c
    located = sa.func.count(table.position)
    question = sa.select(table.station, sa.func.count().label("calls"), located.label("located"))
    ours = question.where(table.station != "").group_by(table.station).subquery()
    return frames.fetch(connection, sa.select(*ours.c).order_by(ours.c.station.collate("C")))


def pulled_at(connection: sa.Connection) -> datetime | None:
    """Give when the source that has waited longest was last pulled; None where none is pulled."""
    table = tables.feeds.c
    return connection.scalar(sa.select(sa.func.min(table.pulled_at)).where(table.cursor.is_not(None)))


def zone_months(connection: sa.Connection, kind: str, view: layers.View) -> pd.DataFrame:
    """Give the counts of one kind of zones, of every month and category: as counts.tally gives them."""
    admit(view)
    table = tables.zone_months.c
    columns = [table[name] for name in ("zone_kind", "zone_id", "month", "category", "count")]
    order = (table.month, *(table[name].collate("C") for name in ("zone_id", "category")))
    return frames.fetch(connection, sa.select(*columns).where(table.zone_kind == kind).order_by(*order))


def counts_before(connection: sa.Connection, kind: str, months: Sequence[str], view: layers.View) -> pd.DataFrame:
    """Give zone_id, month and count of the zones with counted incidents in some months."""
    admit(view)
    table = tables.zone_levels.c
    question = sa.select(table.zone_id, table.month, table.count)
    return frames.fetch(connection, question.where(table.zone_kind == kind, table.month.in_(months)))


def known_incidents(connection: sa.Connection, keys: pd.DataFrame | None, months: Sequence[str] | None) -> pd.DataFrame:
    """Give what intake must know of the stored incidents that matter to a batch, or with None and None all of them.

    They are those of the given months, and of the months in which rows of the given keys (feed, incident_id) stand now.
    Columns intake.KNOWN_COLUMNS, of all incidents INCIDENT_COLUMNS.  In no order.
    """
    table = tables.incidents.c
    if keys is None and months is None:
        return frames.fetch(connection, _INCIDENTS)
    named = named_keys(pd.DataFrame({"feed": [], "incident_id": []}) if keys is None else keys)
    there = sa.select(table.month).join(
        named, sa.and_(table.feed == named.c.feed, table.incident_id == named.c.incident_id)
    )
    wanted = there.union(sa.select(sa.func.unnest(_texts(months or ()))))
    return frames.fetch(connection, _KNOWN.where(table.month.in_(wanted)))


def alerts(connection: sa.Connection, month: str, view: layers.View) -> pd.DataFrame:
    """Give the alerts of a month, withdrawn ones too.

    Columns zone_kind, zone_id, month, kind, at, count, noticed_at, withdrawn_at (NaT: it holds).
    """
    admit(view)
    table = tables.alerts.c
    columns = [
        table[name] for name in ("zone_kind", "zone_id", "month", "kind", "at", "count", "noticed_at", "withdrawn_at")
    ]
    order = [column.collate("C") for column in columns[:4]]
    return frames.fetch(connection, sa.select(*columns).where(table.month == month).order_by(*order))


def revision(connection: sa.Connection, as_of: datetime | None = None) -> Revision:
    """Tell how far the store has come, or had at a moment."""
    table = tables.revisions.c
    then = sa.true() if as_of is None else table.at <= as_of
    of_zones, of_objects = (
        sa.func.coalesce(sa.select(sa.func.max(table.seq)).where(table.what == what, then).scalar_subquery(), 0)
        for what in ("zones", "objects")
    )
    newest = sa.select(table.seq, of_zones, of_objects, table.at).where(then).order_by(table.seq.desc()).limit(1)
    row = connection.execute(newest).one_or_none()
    return Revision(*row) if row else Revision(0, 0, 0, _NEVER)


def months_touched(connection: sa.Connection, since: int) -> tuple[str, str] | None:
    """Give the first and the last month that revisions after `since` changed; None when they changed none."""
    table = tables.revisions.c
    ends = sa.select(sa.func.min(table.month_from), sa.func.max(table.month_to)).where(table.seq > since)
    first, last = connection.execute(ends).one()
    return (first, last) if first is not None else None


def months(connection: sa.Connection) -> list[str]:
    """List the months that have incidents, ascending."""
    # Hops along the index from month to month: a handful of look-ups where DISTINCT reads every incident.
    month = tables.incidents.c.month
    hops = sa.select(sa.func.min(month).label("month")).cte("hops", recursive=True)
    later = sa.select(sa.func.min(month)).where(month > hops.c.month).scalar_subquery()
    hops = hops.union_all(sa.select(later).where(hops.c.month.is_not(None)))
    return list(connection.scalars(sa.select(hops.c.month).where(hops.c.month.is_not(None))))


def months_known(connection: sa.Connection, as_of: datetime) -> tuple[str, str] | None:
    """Give the first and the last month that had incidents as known at a moment; None when none had."""
    month = _known_at(Wanted("", "9999-12", as_of), ("month",)).subquery().c.month
    first, last = connection.execute(sa.select(sa.func.min(month), sa.func.max(month))).one()
    return (first, last) if first is not None else None


def cursor(connection: sa.Connection, feed: str) -> str | None:
    """Give the point where the next pull of a feed goes on; None is the beginning."""
    return connection.scalar(sa.select(tables.feeds.c.cursor).where(tables.feeds.c.feed == feed))


def evidence(connection: sa.Connection, feed: str) -> Mapping[str, Mapping[str, object]]:
    """Give what a feed's records have said of each coordinate system it declares; nothing yet: empty."""
    table = tables.source_evidence.c
    return connection.scalar(sa.select(table.numbers).where(table.feed == feed)) or {}


def remark(connection: sa.Connection, key: str) -> str:
    """Give what the program noted about the store as a whole, "" where it noted nothing."""
    return connection.scalar(sa.select(tables.meta.c.value).where(tables.meta.c.key == key)) or ""


def named_keys(keys: pd.DataFrame) -> sa.TableValuedAlias:
    """Write keys (feed, incident_id) as a table into a question."""
    texts = sa.func.unnest(_texts(keys["feed"]), _texts(keys["incident_id"]))
    return texts.table_valued("feed", "incident_id").render_derived()


def whole_incidents(connection: sa.Connection, keys: pd.DataFrame) -> pd.DataFrame:
    """Give the incidents of these keys, all columns, in no order."""
    table, named = tables.incidents.c, named_keys(keys)
    return frames.fetch(
        connection,
        _INCIDENTS.join(named, sa.and_(table.feed == named.c.feed, table.incident_id == named.c.incident_id)),
    )


def admit(view: layers.View) -> None:
    """Refuse a view the store does not know.  Raises BadParameter."""
    if view != layers.EVERYTHING:
        raise BadParameter(f"the store knows one view, '{layers.EVERYTHING.name}', not '{view.name}'")


def _texts(values: Sequence[str] | pd.Series) -> "sa.BindParameter[Sequence[str]]":
    return sa.literal([str(value) for value in values], ARRAY(sa.Text))


def _known_at(wanted: Wanted, names: Sequence[str]) -> "sa.Select[*tuple[Any, ...]]":
    """Ask for incidents as they were known at a moment: the state then recorded last, of those recorded by then."""
    now, was = tables.incidents, tables.former_incidents
    standing = sa.select(*(_incident_column(now, name) for name in names))
    standing = standing.where(now.c.month.between(wanted.first, wanted.last))
    if wanted.as_of is None:
        return standing
    then = sa.select(*(_incident_column(was, name) for name in names)).where(
        was.c.month.between(wanted.first, wanted.last), was.c.changed_at <= wanted.as_of, was.c.until_at > wanted.as_of
    )
    both = standing.where(now.c.changed_at <= wanted.as_of).union_all(then).subquery()
    return sa.select(*both.c)


def _incident_column(table: sa.Table, name: str) -> "sa.ColumnElement[Any]":
    if not name.endswith(("lon", "lat")):
        return table.c[name]
    point = table.c.source_position if name.startswith("source_") else table.c.position
    number = sa.func.ST_X if name.endswith("lon") else sa.func.ST_Y
    return number(point, type_=sa.Double).label(name)


_INCIDENTS = sa.select(*(_incident_column(tables.incidents, name) for name in incident_rows.INCIDENT_COLUMNS))
_KNOWN = sa.select(*(_incident_column(tables.incidents, name) for name in intake.KNOWN_COLUMNS))
