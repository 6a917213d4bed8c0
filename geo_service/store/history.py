"""History: what was known of incidents at any past moment, and the months whose counts became others after they ended.

Every state of an incident is kept with the span in which it was the last word (the times of recording, not those of the
source).  A restatement is one row a place and month: what was told, what is told now, which calls did it.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from geo_service.analysis import restatement
from geo_service.analysis.intake import Found
from geo_service.maps import layers
from geo_service.store import frames, merging, reading, tables

_LEVELS = merging.staging(tables.zone_levels, tables.zone_levels.columns.keys())
_CAUSES = frames.staging("causes", {name: sa.Text() for name in restatement.CAUSE_COLUMNS})
_PLACE = ("zone_kind", "zone_id", "month")
_LOG = tables.restatements.c


def keep_former(
    connection: sa.Connection, staged: sa.Table, came: merging.Columns, content: Sequence[str], now: datetime
) -> None:
    """Keep the states of incidents that those staged are about to replace with something else."""
    table, former = tables.incidents, tables.former_incidents
    names = [column.name for column in former.columns if column.name not in ("id", "until_at")]
    was = sa.select(*(table.c[name] for name in names), merging.at(now)).join_from(
        table, staged, merging.same(table.c, staged.c, ("feed", "incident_id"))
    )
    was = was.where(merging.differs(table.c, came, content))
    connection.execute(sa.insert(former).from_select([*names, "until_at"], was))


def closed(connection: sa.Connection, this_month: str) -> str:
    """Give the last month that has ended and was on record, "" when there is none: changes up to it are restated."""
    last = connection.scalar(sa.select(sa.func.max(tables.incidents.c.month))) or ""
    before = str(pd.Period(this_month, freq="M") - 1)
    return min(last, before)


def record_restatements(connection: sa.Connection, found: Found, whole: str, now: datetime) -> None:
    """Log the places whose count of an ended month is about to change.  Before the counts are recorded.

    `whole` says why when `found` is the whole truth, "" when it holds only what changes.
    """
    levels = found.levels[found.levels["month"] <= found.closed]
    if levels.empty and not whole:
        return
    frames.stage(connection, _LEVELS, levels)
    frames.stage(connection, _CAUSES, found.causes)
    stood, now_is = tables.zone_levels.c, _LEVELS.c
    both = sa.join(_LEVELS, tables.zone_levels, merging.same(stood, now_is, _PLACE), isouter=True, full=bool(whole))
    place = [sa.func.coalesce(now_is[name], stood[name]).label(name) for name in _PLACE]
    numbers = [
        sa.func.coalesce(column, 0).label(name)
        for name, column in (
            ("count_before", stood.count),
            ("count_after", now_is.count),
            ("level_before", stood.level),
            ("level_after", now_is.level),
        )
    ]
    changed = sa.select(*place, *numbers).select_from(both).subquery()
    why = sa.func.coalesce(_why(changed), sa.cast({whole or restatement.LATE: []}, JSONB))
    rows = sa.select(merging.at(now), *changed.c, why).where(
        changed.c.count_before != changed.c.count_after, changed.c.month <= found.closed
    )
    connection.execute(sa.insert(tables.restatements).from_select(["at", *changed.c.keys(), "why"], rows))


def restatements(connection: sa.Connection, months: tuple[str, str], view: layers.View) -> pd.DataFrame:
    """Give the log of the months from the first to the last, in the order of recording; `why` is JSON text."""
    reading.admit(view)
    columns = [sa.cast(column, sa.Text).label(column.name) if column.name == "why" else column for column in _LOG]
    question = sa.select(*columns).where(_LOG.month.between(*months)).order_by(_LOG.id)
    return frames.fetch(connection, question)


def restatements_of(
    connection: sa.Connection, kind: str, zone_id: str, month: str, view: layers.View
) -> Sequence[Mapping[str, Any]]:
    """Give how often the count of one place and month was restated, in the order of recording."""
    reading.admit(view)
    columns = [_LOG[name] for name in ("at", "count_before", "count_after", "level_before", "level_after", "why")]
    question = sa.select(*columns).where(_LOG.zone_kind == kind, _LOG.zone_id == zone_id, _LOG.month == month)
    rows = connection.execute(question.order_by(_LOG.id)).mappings()
    return [{str(name): value for name, value in row.items()} for row in rows]


def _why(changed: sa.Subquery) -> "sa.ScalarSelect[Any]":
    """Ask for the calls behind each changed place and month, by cause."""
    said = sa.func.concat(_CAUSES.c.feed, "/", _CAUSES.c.incident_id)
    by_cause = (
        sa.select(_CAUSES.c.why, sa.func.jsonb_agg(sa.distinct(said)).label("calls"))
        .where(merging.same(changed.c, _CAUSES.c, _PLACE))
        .correlate(changed)
        .group_by(_CAUSES.c.why)
        .subquery()
    )
    return sa.select(sa.func.jsonb_object_agg(by_cause.c.why, by_cause.c.calls)).scalar_subquery()
