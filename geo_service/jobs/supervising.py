"""Supervising: tasks of places that turn red, from the moment on to what came of them."""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy

from geo_service.analysis import (
    effects,
    intake,
    supervision,
    task_rules,
)
from geo_service.maps import layers
from geo_service.outbox import telling
from geo_service.service import Service
from geo_service.store import jurisdictions as registers
from geo_service.store import reading, tasks, writing


def supervise(service: Service) -> int:
    """Escalate tasks that are overdue, freeze what was expected of new ones, measure those whose month is over.

    In one commit; give how many tasks changed.
    """
    now = service.now()
    with writing.lease(service.engine) as connection:
        late = tasks.overdue(connection, now)
        rule_of = [task_rules.on(service.task_rules, service.day(task.opened_at)) for task in late]
        changes = supervision.overdue(late, rule_of, now)
        _record_changes(service, connection, changes, now)
        passed = [(task, rule) for task, rule in zip(late, rule_of, strict=True) if supervision.overdue_by(task, now)]
        told = [telling.TaskNews("overdue", "deadline", task, rule.ladder[task.step]) for task, rule in passed]
        telling.of_tasks(connection, service.post, told, service.zones(connection), now)
        return len(changes) + _freeze(service, connection) + _measure(service, connection, now)


def follow(service: Service, connection: sqlalchemy.Connection, found: intake.Found, now: datetime) -> None:
    """Tell who must know of the moments of what was recorded, and let tasks follow them, in its transaction."""
    telling.moments(connection, service.post, service.zones(connection), now)
    _follow_moments(service, connection, found, now)


def _follow_moments(service: Service, connection: sqlalchemy.Connection, found: intake.Found, now: datetime) -> None:
    """Open, escalate, annotate or cancel tasks as the moments of a recorded batch say, in its transaction."""
    if found.alerts.empty and found.withdrawn.empty:
        return
    today = service.day(now)
    moments, known = tasks.followed(connection, f"{today:%Y-%m}")
    rule = task_rules.on(service.task_rules, today)
    changes = supervision.follow(moments, known, rule, f"{today:%Y-%m}", now)
    _record_changes(service, connection, changes, now)
    _freeze(service, connection)


def _record_changes(
    service: Service, connection: sqlalchemy.Connection, changes: Sequence[supervision.Change], now: datetime
) -> None:
    if not changes:
        return
    today = service.day(now)
    answering = registers.answering(connection, service.roles, today, layers.EVERYTHING)
    places, rule = service.zones(connection), task_rules.on(service.task_rules, today)
    classes = {kind: dict(zip(zones.ids, zones.classes, strict=True)) for kind, zones in places.items()}

    def opening(task: supervision.Task) -> tasks.Opening:
        return tasks.Opening(rule.programme, rule.version, classes[task.zone_kind][task.zone_id])

    tasks.record(connection, changes, lambda task: supervision.owner(task, rule, answering), opening, now)
    told = [_news(change, rule) for change in changes if change.action in ("open", "escalate")]
    telling.of_tasks(connection, service.post, told, places, now)


def _news(change: supervision.Change, rule: task_rules.TaskRule) -> telling.TaskNews:
    task, role = change.after, rule.ladder[min(change.after.step, rule.highest_step)]
    if change.before is None:
        return telling.TaskNews("task", "opened", task, role)
    overdue = task.due_at is not None and not (task.is_black and not change.before.is_black)
    return telling.TaskNews("overdue" if overdue else "task", "escalated", task, role)


def _freeze(service: Service, connection: sqlalchemy.Connection) -> int:
    """Work out what is to be expected of the places of new tasks without action."""
    waiting = tasks.unfrozen(connection)
    pasts: dict[tuple[str, str], effects.Past] = {}
    for row in waiting:
        kind, month, zone = row["zone_kind"], row["month"], service.settings.time_zone
        rule = task_rules.on(service.task_rules, service.day(row["opened_at"]))
        if (kind, month) not in pasts:
            pasts[kind, month] = _past(service, connection, kind, month, rule.history_months)
        taken = {place for of_kind, place in tasks.supervised(connection, month) if of_kind == kind}
        share = effects.share_gone(month, row["opened_at"], zone)
        red = service.rules.levels_at(effects.month_after(month)).red
        found = effects.frozen(row["zone_id"], pasts[kind, month], share, taken, red, rule.matched_places)
        tasks.freeze(connection, row["id"], found)
    return len(waiting)


def _measure(service: Service, connection: sqlalchemy.Connection, now: datetime) -> int:
    """Measure what came of tasks whose next month is over, and so far of those verified before."""
    month, changed = f"{service.day(now):%Y-%m}", 0
    pasts: dict[tuple[str, str], effects.Past] = {}
    for row in tasks.unmeasured(connection, month):
        key, after = (row["zone_kind"], row["month"]), effects.month_after(row["month"])
        is_over = after < month
        if not is_over and (row["state"] != supervision.VERIFIED or row["effect"] is not None):
            continue
        if key not in pasts:
            pasts[key] = _past(service, connection, *key, effects.SHOWN_MONTHS)
        history = tasks.history(connection, key[0], [after])
        share = effects.share_gone(after, now, service.settings.time_zone)
        came = dict(zip(history["zone_id"], history["count"], strict=True))
        tasks.measure(connection, row["id"], effects.measured(row, pasts[key], came, share), now if is_over else None)
        changed += 1
    return changed


def _past(service: Service, connection: sqlalchemy.Connection, kind: str, month: str, number: int) -> effects.Past:
    months = effects.months_before(month, number, first=min(reading.months(connection), default=month))
    history = tasks.history(connection, kind, [*months, month])
    return effects.Past(service.zones(connection)[kind], history, months, month)
