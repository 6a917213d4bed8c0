"""Jurisdictions in the store: areas, memberships and the roster, replaced whole and read whole.

They are small (a city has thousands of places and some hundred areas); which of them hold on a day is the work of
analysis/jurisdictions.py.
"""

from collections.abc import Mapping, Sequence
from datetime import date

import pandas as pd
import sqlalchemy as sa

from geo_service.analysis import jurisdictions
from geo_service.analysis.jurisdictions import Role
from geo_service.maps import layers
from geo_service.store import frames, merging, reading, tables

ADDRESS_COLUMNS = ("staff_id", "channel", "url", "language")

_COLUMNS = {
    tables.areas: jurisdictions.AREA_COLUMNS,
    tables.memberships: jurisdictions.MEMBERSHIP_COLUMNS,
    tables.duties: jurisdictions.DUTY_COLUMNS,
    tables.addresses: ADDRESS_COLUMNS,
}
_DAYS = ("valid_from", "valid_to")
_STAGED = {
    table: merging.staging(table, names, **{day: sa.DateTime(timezone=True) for day in _DAYS if day in names})
    for table, names in _COLUMNS.items()
}


def trees(connection: sa.Connection, view: layers.View) -> jurisdictions.Trees:
    """Give both trees and the places in them, every state."""
    reading.admit(view)
    return jurisdictions.Trees(_read(connection, tables.areas), _read(connection, tables.memberships))


def duties(connection: sa.Connection, view: layers.View) -> pd.DataFrame:
    """Give the roster: DUTY_COLUMNS, every state."""
    reading.admit(view)
    return _read(connection, tables.duties)


def answering(
    connection: sa.Connection, roles: Mapping[str, Role], day: date, view: layers.View
) -> jurisdictions.Answering:
    """Say who answers for places on a day."""
    return jurisdictions.answering(trees(connection, view), duties(connection, view), roles, day)


def has_roster(connection: sa.Connection) -> bool:
    """Say whether anybody is on the roster, on whatever day."""
    return connection.scalar(sa.select(sa.exists(sa.select(tables.duties.c.id)))) or False


def replace_trees(connection: sa.Connection, found: jurisdictions.Trees) -> None:
    """Let these be the areas and memberships, every state of them."""
    _replace(connection, tables.areas, found.areas)
    _replace(connection, tables.memberships, found.memberships)


def replace_roster(connection: sa.Connection, found: pd.DataFrame, addresses: pd.DataFrame) -> None:
    """Let these be the duties (DUTY_COLUMNS) and where messages reach their holders (ADDRESS_COLUMNS)."""
    _replace(connection, tables.duties, found)
    _replace(connection, tables.addresses, addresses)


def _read(connection: sa.Connection, table: sa.Table) -> pd.DataFrame:
    columns = [
        sa.cast(table.c[name], sa.DateTime(timezone=True)).label(name) if name in _DAYS else table.c[name]
        for name in _COLUMNS[table]
    ]
    frame = frames.fetch(connection, sa.select(*columns).order_by(*_order(table)))
    return frame.assign(**{day: frame[day].dt.tz_localize(None) for day in _DAYS if day in frame})


def _order(table: sa.Table) -> Sequence["sa.ColumnElement[object]"]:
    return [column.collate("C") if isinstance(column.type, sa.Text) else column for column in table.primary_key.columns]


def _replace(connection: sa.Connection, table: sa.Table, frame: pd.DataFrame) -> None:
    staged, names = _STAGED[table], _COLUMNS[table]
    utc = frame.assign(**{day: pd.to_datetime(frame[day]).dt.tz_localize("UTC") for day in _DAYS if day in frame})
    frames.stage(connection, staged, utc)
    came = [sa.cast(staged.c[name], sa.Date) if name in _DAYS else staged.c[name] for name in names]
    connection.execute(sa.delete(table))
    connection.execute(sa.insert(table).from_select(list(names), sa.select(*came)))
