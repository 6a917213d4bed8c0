"""Tasks in the store: opened and moved with an event each, in the transaction of what caused it.

What a task may do is decided in analysis/supervision.py.  Here it is kept: an event is only ever added, the task's row
says where it stands now.  A task that the rules open stands once for a place, month and programme.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from geo_service.analysis import supervision
from geo_service.analysis.supervision import Change, Owner, Task
from geo_service.errors import BadParameter, NotFound
from geo_service.maps import layers
from geo_service.store import decisions, frames, merging, reading, tables

_TASK = tables.tasks.c
_EVENT = tables.task_events.c
_ZONE = tables.zones.c
_LEVEL = tables.zone_levels.c
_FIELDS = tuple(name for name in Task.__dataclass_fields__ if name != "number")
_MOVED = ("state", "step", "is_black", "is_true", "state_by", "due_at")  # what an event may change
_AREA_LEVELS = ("owner_role", "owner_tree", "owner_area")
_OWNER_NAME = sa.func.coalesce(
    sa.select(tables.areas.c.name)
    .where(tables.areas.c.tree == _TASK.owner_tree, tables.areas.c.code == _TASK.owner_area)
    .order_by(tables.areas.c.valid_from.desc().nulls_last())
    .limit(1)
    .scalar_subquery(),
    "",
).label("owner_name")


@dataclass(frozen=True)
class Opening:
    """What a new task holds besides itself."""

    programme: str
    rule_version: str
    zone_class: str


@dataclass(frozen=True)
class Said:
    """What came with an event: who signed it, a note, evidence, answers to the checklist."""

    signed_by: str = supervision.SERVICE
    note: str = ""
    links: tuple[str, ...] = ()
    answers: Mapping[str, Mapping[str, float | bool]] = field(default_factory=dict[str, Mapping[str, float | bool]])


@dataclass(frozen=True)
class Wanted:
    """A page of tasks: which ones ("" and None: any), how many, after how many."""

    state: str = ""
    owner: str = ""
    zone_kind: str = ""
    overdue_at: datetime | None = None
    limit: int = 100
    offset: int = 0


def followed(connection: sa.Connection, month: str) -> tuple[pd.DataFrame, list[Task]]:
    """Give the moments and the tasks of the rules that supervision.follow asks for: of a month, and of live tasks."""
    live = sa.select(_TASK.month).where(_TASK.state.in_(supervision.LIVE), _TASK.cause != supervision.ON_DEMAND)
    months = sorted({month, *connection.scalars(live)})
    moments = pd.concat([reading.alerts(connection, one, layers.EVERYTHING) for one in months], ignore_index=True)
    question = _tasks().where(_TASK.month.in_(months), _TASK.cause != supervision.ON_DEMAND)
    locked = question.order_by(_TASK.id).with_for_update()
    return moments, [_task(row) for row in connection.execute(locked).mappings()]


def overdue(connection: sa.Connection, now: datetime) -> list[Task]:
    """Give the live tasks whose time is over; nobody else moves them meanwhile."""
    late = _tasks().where(_TASK.state.in_(supervision.LIVE), _TASK.due_at < now).order_by(_TASK.id)
    return [_task(row) for row in connection.execute(late.with_for_update()).mappings()]


def record(
    connection: sa.Connection,
    changes: Sequence[Change],
    owner_of: Callable[[Task], Owner],
    opening_of: Callable[[Task], Opening],
    now: datetime,
) -> None:
    """Write changes that follow by rule, in their order; one may be of a task that one before it opened."""
    numbers: dict[tuple[str, str, str], int | None] = {}
    for change in changes:
        task = change.after
        if change.before is None:
            numbers[task.place] = open_task(connection, change, opening_of(task), owner_of(task))
        else:
            known = replace(task, number=task.number or numbers[task.place])
            write(connection, replace(change, after=known), owner_of(task), Said(), now)


def live_at(connection: sa.Connection, zone_kind: str, zone_id: str, month: str) -> Task | None:
    """Give the live task of a place and month, if there is one; nobody opens another meanwhile."""
    merging.lock(connection, f"geo_service task {zone_kind} {zone_id} {month}")
    here = _tasks().where(_TASK.zone_kind == zone_kind, _TASK.zone_id == zone_id, _TASK.month == month)
    row = connection.execute(here.where(_TASK.state.in_(supervision.LIVE)).order_by(_TASK.id)).mappings().first()
    return None if row is None else _task(row)


def open_task(
    connection: sa.Connection, change: Change, opening: Opening, owner: Owner, said: Said | None = None
) -> int | None:
    """Write a new task with its first event and give its number; None where the rules have opened it already."""
    task, of = change.after, {"programme": opening.programme, "rule_version": opening.rule_version}
    row = insert(tables.tasks).values(
        **{name: getattr(task, name) for name in _FIELDS}, **of, zone_class=opening.zone_class, **_owned(owner)
    )
    number = connection.scalar(row.on_conflict_do_nothing().returning(_TASK.id))
    if number is not None:
        _add_event(connection, number, change, said or Said(), task.opened_at)
    return number


def write(connection: sa.Connection, change: Change, owner: Owner, said: Said, now: datetime) -> None:
    """Write what happened to a task (with its number): where it stands, and the event."""
    task = change.after
    stands = {name: getattr(task, name) for name in _MOVED}
    if said.answers:
        stands["checklist"] = _TASK.checklist.op("||")(sa.literal(said.answers, _TASK.checklist.type))
    connection.execute(sa.update(tables.tasks).where(_TASK.id == task.number).values(**stands, **_owned(owner)))
    _add_event(connection, task.number, change, said, now)


def wake(connection: sa.Connection, number: int) -> None:
    """Let the worker look at tasks as soon as this is committed."""
    connection.execute(sa.select(sa.func.pg_notify(decisions.CHANNEL, f"task {number}")))


def locked(connection: sa.Connection, number: int) -> tuple[Task, Mapping[str, Any]]:
    """Give a task that nobody else moves meanwhile, and its whole row.  Raises NotFound."""
    question = sa.select(tables.tasks).where(_TASK.id == number).with_for_update()
    row = connection.execute(question).mappings().one_or_none()
    if row is None:
        raise _not_found(number)
    return _task(row), dict(row)


def last_event(connection: sa.Connection, number: int) -> Mapping[str, Any]:
    """Give the newest event of a task."""
    question = sa.select(tables.task_events).where(_EVENT.task_id == number).order_by(_EVENT.id.desc()).limit(1)
    return dict(connection.execute(question).mappings().one())


def listed(connection: sa.Connection, wanted: Wanted, view: layers.View) -> tuple[int, list[Mapping[str, Any]]]:
    """Give how many tasks match and a page of them, the first due first, those that are over last."""
    reading.admit(view)
    asked = {"state": wanted.state, "owner_area": wanted.owner, "zone_kind": wanted.zone_kind}
    matching = [_TASK[name] == value for name, value in asked.items() if value and value != "live"]
    if wanted.state == "live":
        matching.append(_TASK.state.in_(supervision.LIVE))
    if wanted.overdue_at is not None:
        matching.append(_TASK.due_at < wanted.overdue_at)
    number = connection.scalar(sa.select(sa.func.count()).select_from(tables.tasks).where(*matching)) or 0
    order = (_TASK.due_at.asc().nulls_last(), _TASK.id.desc())
    page = _whole().where(*matching).order_by(*order).limit(wanted.limit).offset(wanted.offset)
    return number, [dict(row) for row in connection.execute(page).mappings()]


def one(connection: sa.Connection, number: int, view: layers.View) -> Mapping[str, Any]:
    """Give one task with all its events.  Raises NotFound."""
    reading.admit(view)
    row = connection.execute(_whole().where(_TASK.id == number)).mappings().one_or_none()
    if row is None:
        raise _not_found(number)
    happened = sa.select(tables.task_events).where(_EVENT.task_id == number).order_by(_EVENT.id)
    return {**row, "events": [dict(event) for event in connection.execute(happened).mappings()]}


def owners(connection: sa.Connection, view: layers.View) -> list[Mapping[str, Any]]:
    """List the areas that own tasks: tree, code and name."""
    reading.admit(view)
    own = sa.select(
        _TASK.owner_tree.label("tree"), _TASK.owner_area.label("area"), _OWNER_NAME.label("name")
    ).distinct()
    found = own.where(_TASK.owner_area != "").order_by(sa.literal_column("tree"), sa.literal_column("area"))
    return [dict(row) for row in connection.execute(found).mappings()]


def place(connection: sa.Connection, zone_kind: str, zone_id: str, month: str) -> tuple[str, int]:
    """Give the class of a place that stands, and its incidents of the month that colour.  Raises BadParameter."""
    stands = (_ZONE.kind == zone_kind, _ZONE.zone_id == zone_id, _ZONE.valid_to.is_(None))
    zone_class = connection.scalar(sa.select(_ZONE["class"]).where(*stands))
    if zone_class is None:
        raise BadParameter(f"there is no zone '{zone_id}' of kind {zone_kind}; /collections lists the layers that have")
    here = (_LEVEL.zone_kind == zone_kind, _LEVEL.zone_id == zone_id, _LEVEL.month == month)
    return zone_class, connection.scalar(sa.select(_LEVEL["count"]).where(*here)) or 0


def unfrozen(connection: sa.Connection) -> list[Mapping[str, Any]]:
    """Give the tasks whose expectation is not yet worked out."""
    question = sa.select(tables.tasks).where(_TASK.frozen.is_(None)).order_by(_TASK.id)
    return [dict(row) for row in connection.execute(question).mappings()]


def freeze(connection: sa.Connection, number: int, frozen: Mapping[str, Any]) -> None:
    """Keep what was expected of a task's place, once and for all."""
    step = sa.update(tables.tasks).where(_TASK.id == number, _TASK.frozen.is_(None))
    connection.execute(step.values(frozen=frozen))


def unmeasured(connection: sa.Connection, month: str) -> list[Mapping[str, Any]]:
    """Give the tasks opened before a month whose effect is not measured for good; cancelled ones have none.

    Nor have those of which nothing was known when they were opened.
    """
    waits = (_TASK.measured_at.is_(None), _TASK.frozen.has_key("mean"), _TASK.state != supervision.CANCELLED)
    question = sa.select(tables.tasks).where(*waits, _TASK.month < month).order_by(_TASK.id)
    return [dict(row) for row in connection.execute(question).mappings()]


def measure(connection: sa.Connection, number: int, effect: Mapping[str, Any], measured_at: datetime | None) -> None:
    """Keep what came of a task: so far, or (`measured_at`) for good, which is an event."""
    connection.execute(sa.update(tables.tasks).where(_TASK.id == number).values(effect=effect, measured_at=measured_at))
    if measured_at is not None:
        task, _ = locked(connection, number)
        _add_event(connection, number, Change("measure", task, task), Said(), measured_at)


def measured(connection: sa.Connection, view: layers.View) -> list[Mapping[str, Any]]:
    """Give every task whose effect is measured, with what it is told apart by."""
    reading.admit(view)
    names = ("id", "zone_kind", "zone_id", "zone_class", "month", "cause", "count", "opened_at", "frozen", "effect")
    question = sa.select(*(_TASK[name] for name in names)).where(_TASK.measured_at.is_not(None)).order_by(_TASK.id)
    return [dict(row) for row in connection.execute(question).mappings()]


def history(connection: sa.Connection, zone_kind: str, months: Sequence[str]) -> pd.DataFrame:
    """Give zone_id, month and count of the zones of a kind that had incidents that colour in some months."""
    question = sa.select(_LEVEL.zone_id, _LEVEL.month, _LEVEL["count"])
    return frames.fetch(connection, question.where(_LEVEL.zone_kind == zone_kind, _LEVEL.month.in_(months)))


def supervised(connection: sa.Connection, month: str) -> set[tuple[str, str]]:
    """Give kind and id of the places that have a task of a month."""
    question = sa.select(_TASK.zone_kind, _TASK.zone_id).where(_TASK.month == month)
    here = question.where(_TASK.state != supervision.CANCELLED).distinct()
    return {(kind, zone_id) for kind, zone_id in connection.execute(here)}


def _add_event(connection: sa.Connection, number: int | None, change: Change, said: Said, at: datetime) -> None:
    row = sa.insert(tables.task_events).values(
        task_id=number,
        at=at,
        action=change.action,
        state_from=change.before.state if change.before else "",
        state_to=change.after.state,
        step=change.after.step,
        signed_by=said.signed_by,
        note=said.note,
        links=list(said.links),
        answers=said.answers,
    )
    connection.execute(row)


def _owned(owner: Owner) -> Mapping[str, str]:
    return dict(zip(_AREA_LEVELS, (owner.role, owner.tree, owner.area), strict=True))


def _tasks() -> "sa.Select[*tuple[Any, ...]]":
    return sa.select(_TASK.id, *(_TASK[name] for name in _FIELDS))


def _task(row: "sa.RowMapping") -> Task:
    return Task(**{name: row[name] for name in _FIELDS}, number=row["id"])


def _whole() -> "sa.Select[*tuple[Any, ...]]":
    """Ask for whole tasks, with the names of place and owner as they stand."""
    zone = sa.and_(_ZONE.kind == _TASK.zone_kind, _ZONE.zone_id == _TASK.zone_id, _ZONE.valid_to.is_(None))
    names = (sa.func.coalesce(_ZONE.name, "").label("name"), _OWNER_NAME)
    return sa.select(tables.tasks, *names).outerjoin_from(tables.tasks, tables.zones, zone)


def _not_found(number: int) -> NotFound:
    return NotFound(f"there is no task {number}; GET /queues/tasks lists them")
