"""Merging: what the pages that record have in common.

Frames come by COPY into temporary tables and are merged from there; only rows that say something new are written, and
each step says how many those were.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.base import ReadOnlyColumnCollection
from sqlalchemy.types import TypeEngine

from geo_service.store import frames

Columns = ReadOnlyColumnCollection[str, sa.ColumnElement[Any]] | Mapping[str, sa.ColumnElement[Any]]


@dataclass(frozen=True)
class Change:
    """How many rows changed, and the first and last month among them."""

    rows: int
    first: str | None = None
    last: str | None = None


def staging(table: sa.Table, names: Iterable[str], **others: "TypeEngine[Any]") -> sa.Table:
    """Describe the temporary table of columns of a table, some of another type."""
    return frames.staging(table.name, {name: others[name] if name in others else table.c[name].type for name in names})


def changed(connection: sa.Connection, step: sa.Insert | sa.Update | sa.Delete, table: sa.Table) -> Change:
    """Take a step on a table with months, and tell what it changed."""
    return change(connection, step.returning(table.c.month).cte("changed"))


def change(connection: sa.Connection, changed: sa.CTE, *along: sa.CTE) -> Change:
    """Take a step that gives the months it changed, and others along with it; tell what the first changed."""
    month = changed.c.month
    question = sa.select(sa.func.count(), sa.func.min(month), sa.func.max(month)).select_from(changed)
    return Change(*connection.execute(question.add_cte(*along)).one())


def rows(connection: sa.Connection, step: sa.Insert | sa.Update) -> Change:
    """Take a step, and tell how many rows it changed."""
    return Change(connection.execute(step, execution_options={"preserve_rowcount": True}).rowcount)


def lock(connection: sa.Connection, name: str) -> None:
    """Wait for a lock that ends with the transaction."""
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(name, 0))))


def at(now: datetime) -> "sa.BindParameter[datetime]":
    """Write a moment into a statement."""
    return sa.literal(now, sa.DateTime(timezone=True))


def is_new(table: sa.Table, came: Columns, keys: Sequence[str], values: Sequence[str]) -> "sa.ColumnElement[bool]":
    """Ask whether a row that came is not there yet, or is there with other values.

    Worth a scan of the table when most rows are the same: ON CONFLICT locks, and so writes, each one it leaves alone.
    """
    return ~sa.exists().where(same(table.c, came, keys), ~differs(table.c, came, values))


def same(ours: Columns, theirs: Columns, names: Sequence[str]) -> "sa.ColumnElement[bool]":
    """Ask whether columns are equal."""
    return sa.and_(*(ours[name] == theirs[name] for name in names))


def differs(ours: Columns, theirs: Columns, names: Sequence[str]) -> "sa.ColumnElement[bool]":
    """Ask whether any of the columns differs; null equals null."""
    return sa.tuple_(*(ours[name] for name in names)).is_distinct_from(sa.tuple_(*(theirs[name] for name in names)))
