"""Prevention in the store: objects with every state they had, visits of checkpoints, measures.

What a file says and how states follow each other is the work of analysis/prevention.py; here they are kept.  Recording
the same again changes nothing.
"""

from datetime import date, datetime
from typing import Any

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, insert

from geo_service.analysis import prevention
from geo_service.maps import layers
from geo_service.store import frames, merging, reading, tables

_OBJECT = tables.prevention_objects.c
_LINKS = tuple(prevention.LINKS.values())
_PLAIN = [
    name for name in (*prevention.OBJECT_COLUMNS, *_LINKS) if name not in ("lon", "lat", "properties", *prevention.DAYS)
]
_MOMENT = sa.DateTime(timezone=True)
_OBJECTS = merging.staging(
    tables.prevention_objects,
    (*prevention.OBJECT_COLUMNS, *_LINKS),
    lon=sa.Double(),
    lat=sa.Double(),
    properties=sa.Text(),
    **dict.fromkeys(prevention.DAYS, _MOMENT),
)
_VISITS = merging.staging(tables.prevention_visits, prevention.VISIT_COLUMNS)
_MEASURES = merging.staging(tables.measures, prevention.MEASURE_COLUMNS, from_day=_MOMENT)


def objects(connection: sa.Connection, view: layers.View) -> pd.DataFrame:
    """Give every state of every object: OBJECT_COLUMNS and the links, in order of object and day."""
    reading.admit(view)
    columns = [
        *(_OBJECT[name] for name in _PLAIN),
        sa.func.ST_X(_OBJECT.position, type_=sa.Double).label("lon"),
        sa.func.ST_Y(_OBJECT.position, type_=sa.Double).label("lat"),
        sa.cast(_OBJECT.properties, sa.Text).label("properties"),
        *(sa.cast(_OBJECT[name], _MOMENT).label(name) for name in prevention.DAYS),
    ]
    question = sa.select(*columns).order_by(_OBJECT.object_id.collate("C"), _OBJECT.valid_from)
    frame = _without_zone(frames.fetch(connection, question), *prevention.DAYS)
    return frame[[*prevention.OBJECT_COLUMNS, *_LINKS]]


def pins(connection: sa.Connection, day: date, view: layers.View) -> pd.DataFrame:
    """Give the objects with a position as they stand on a day, as ground.pin takes them; kind by kind of any layer."""
    reading.admit(view)
    first = sa.func.min(_OBJECT.id).over(partition_by=_OBJECT.object_id)
    days = [_iso(name) for name in ("valid_from", "regrade_on")]
    states = sa.select(
        first.label("fid"),
        _OBJECT.object_id.label("id"),
        *(_OBJECT[name] for name in ("name", "kind", "grade", *_LINKS)),
        *days,
        sa.func.ST_X(_OBJECT.position, type_=sa.Double).label("lon"),
        sa.func.ST_Y(_OBJECT.position, type_=sa.Double).label("lat"),
        _OBJECT.position.is_not(None).label("has_position"),
        sa.and_(_OBJECT.valid_from <= day, sa.func.coalesce(_OBJECT.valid_to > day, sa.true())).label("stands"),
    ).subquery()
    names = [column.name for column in states.c if column.name not in ("has_position", "stands")]
    shown = sa.select(*(states.c[name] for name in names)).where(states.c.has_position, states.c.stands)
    return frames.fetch(connection, shown)


def record_objects(connection: sa.Connection, found: pd.DataFrame) -> int:
    """Keep states (OBJECT_COLUMNS and the links) and give how many say something new; no state is taken out."""
    staged = _OBJECTS
    _stage(connection, staged, found, *prevention.DAYS)
    table = tables.prevention_objects
    came: dict[str, sa.ColumnElement[object]] = {
        **{name: staged.c[name] for name in _PLAIN},
        **{name: sa.cast(staged.c[name], sa.Date) for name in prevention.DAYS},
        "properties": sa.cast(staged.c.properties, JSONB),
        "position": sa.func.ST_SetSRID(sa.func.ST_MakePoint(staged.c.lon, staged.c.lat), 4326),
    }
    content = [name for name in came if name not in ("object_id", "valid_from")]
    ordered = sa.select(*came.values()).order_by(staged.c.object_id.collate("C"), staged.c.valid_from)
    row = insert(table).from_select(list(came), ordered)
    step = row.on_conflict_do_update(
        index_elements=["object_id", "valid_from"],
        set_={name: row.excluded[name] for name in content},
        where=merging.differs(table.c, row.excluded, content),
    )
    return merging.rows(connection, step).rows


def record_visits(connection: sa.Connection, found: pd.DataFrame) -> int:
    """Keep visits (VISIT_COLUMNS) and give how many are new."""
    _stage(connection, _VISITS, found)
    row = insert(tables.prevention_visits).from_select(list(prevention.VISIT_COLUMNS), sa.select(*_VISITS.c))
    return merging.rows(connection, row.on_conflict_do_nothing()).rows


def record_measures(connection: sa.Connection, found: pd.DataFrame) -> int:
    """Keep measures (MEASURE_COLUMNS) and give how many say something new."""
    staged, table = _MEASURES, tables.measures
    _stage(connection, staged, found, "from_day")
    came = [sa.cast(column, sa.Date) if column.name == "from_day" else column for column in staged.c]
    row = insert(table).from_select(staged.c.keys(), sa.select(*came))
    step = row.on_conflict_do_update(
        index_elements=list(prevention.MEASURE_COLUMNS[:4]),
        set_={"note": row.excluded.note},
        where=merging.differs(table.c, row.excluded, ["note"]),
    )
    return merging.rows(connection, step).rows


def visits(connection: sa.Connection, first: date, after: date, zone: str, view: layers.View) -> pd.DataFrame:
    """Give the visits of the days of a city's clock from `first` to before `after`: object_id and `day`."""
    reading.admit(view)
    table = tables.prevention_visits.c
    local = sa.func.timezone(zone, table.at)
    day = sa.func.timezone("UTC", sa.func.date_trunc("day", local), type_=_MOMENT).label("day")
    columns: list[sa.ColumnElement[Any]] = [table.object_id, day]
    question = sa.select(*columns).where(local >= _midnight(first), local < _midnight(after))
    return _without_zone(frames.fetch(connection, question), "day")


def measures(connection: sa.Connection, view: layers.View) -> pd.DataFrame:
    """Give every measure, MEASURE_COLUMNS, in order of kind, zone, measure and day."""
    reading.admit(view)
    table = tables.measures.c
    columns = [sa.cast(table[n], _MOMENT).label(n) if n == "from_day" else table[n] for n in prevention.MEASURE_COLUMNS]
    order = [table[name].collate("C") for name in ("zone_kind", "zone_id", "what")]
    question = sa.select(*columns).order_by(*order, table.from_day)
    return _without_zone(frames.fetch(connection, question), "from_day")


def counted(connection: sa.Connection, kind: str, first: str, last: str, view: layers.View) -> pd.DataFrame:
    """Give month, zone_id and count of the incidents that colour, in the months first to last; zeros have no row."""
    reading.admit(view)
    table = tables.zone_levels.c
    question = sa.select(table.month, table.zone_id, table.count)
    question = question.where(table.zone_kind == kind, table.month.between(first, last))
    return frames.fetch(connection, question.order_by(table.month, table.zone_id.collate("C")))


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day)  # noqa: DTZ001 - compared with the city's own clock


def _iso(name: str) -> "sa.Label[str]":
    return sa.func.coalesce(sa.func.to_char(_OBJECT[name], "YYYY-MM-DD"), "", type_=sa.Text).label(name)


def _stage(connection: sa.Connection, staged: sa.Table, frame: pd.DataFrame, *days: str) -> None:
    utc = frame.assign(**{day: frame[day].dt.tz_localize("UTC") for day in days})
    frames.stage(connection, staged, utc)


def _without_zone(frame: pd.DataFrame, *days: str) -> pd.DataFrame:
    return frame.assign(**{day: frame[day].dt.tz_localize(None) for day in days})
