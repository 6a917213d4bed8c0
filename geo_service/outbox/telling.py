"""Telling: messages are written, in the transaction of what they tell.

What holds is compared with what was told (analysis/messages.py), so a pull that comes twice tells once, and whoever was
told what no longer holds gets a correction.  Without a roster nobody can be told: nothing is written until one is
loaded, and then what holds is told.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import pandas as pd
import sqlalchemy as sa

from geo_service.analysis import messages as message_rows
from geo_service.analysis import silences
from geo_service.analysis.supervision import Task
from geo_service.geography.zones import Zones
from geo_service.maps import layers
from geo_service.outbox.delivery import Post
from geo_service.store import jurisdictions, messages, reading

Places = Mapping[str, Zones]


@dataclass(frozen=True)
class TaskNews:
    """What is new of a task: topic task (opened, escalated) or overdue (deadline, escalated); the role that is told."""

    topic: str
    kind: str
    task: Task
    role: str


def moments(connection: sa.Connection, post: Post, zones: Places, now: datetime) -> None:
    """Write what follows from the moments of the city's month; of the month before only what no longer holds.

    Moments of older months tell nobody anything: two years of history loaded at once are not news.
    """
    _, local = post.rules_at(now)
    before = local.replace(day=1) - timedelta(days=1)
    for month, is_current in ((f"{before:%Y-%m}", False), (f"{local:%Y-%m}", True)):
        alerts = reading.alerts(connection, month, layers.EVERYTHING)
        holding = alerts[alerts["withdrawn_at"].isna()]
        fresh, over = message_rows.news(holding, messages.told(connection, "alert", month))
        _withdraw(connection, post, "alert", over, now)
        if is_current and len(fresh) and jurisdictions.has_roster(connection):
            _tell_moments(connection, post, fresh, zones, now)


def silent_feeds(connection: sa.Connection, post: Post, feeds: Sequence[str], now: datetime) -> None:
    """Write what follows from feeds that are silent, or speak again."""
    rules, local = post.rules_at(now)
    silent = silences.silent(messages.progress(connection), feeds, rules, now)
    fresh, over = message_rows.news(silent, messages.told(connection, "silent_feed", ""))
    _withdraw(connection, post, "silent_feed", over, now)
    if len(fresh) and jurisdictions.has_roster(connection):
        answering = jurisdictions.answering(connection, post.roles, local.date(), layers.EVERYTHING)
        messages.write(connection, message_rows.of_silences(fresh, answering, rules, local), now)


def of_tasks(connection: sa.Connection, post: Post, told: Sequence[TaskNews], zones: Places, now: datetime) -> None:
    """Write what is new of supervision tasks, to who holds the role it is told to; said before, it is not again."""
    if not told or not jurisdictions.has_roster(connection):
        return
    rules, local = post.rules_at(now)
    answering, names = jurisdictions.answering(connection, post.roles, local.date(), layers.EVERYTHING), _names(zones)
    found = [
        message_rows.of(
            message_rows.of_task(one.topic, one.kind, one.task, names),
            answering.recipients(one.task.zone_kind, one.task.zone_id, [one.role]),
            rules,
            local,
        )
        for one in told
    ]
    messages.write(connection, message_rows.together(found), now)


def _tell_moments(connection: sa.Connection, post: Post, fresh: pd.DataFrame, zones: Places, now: datetime) -> None:
    rules, local = post.rules_at(now)
    answering = jurisdictions.answering(connection, post.roles, local.date(), layers.EVERYTHING)
    messages.write(connection, message_rows.of_moments(fresh, _names(zones), answering, rules, local), now)


def _names(zones: Places) -> Mapping[tuple[str, str], str]:
    """Give the name of each place, by kind and id."""
    return {
        (kind, zone_id): name
        for kind, kept in zones.items()
        for zone_id, name in zip(kept.ids, kept.names, strict=True)
    }


def _withdraw(connection: sa.Connection, post: Post, topic: str, over: pd.DataFrame, now: datetime) -> None:
    if over.empty:
        return
    rules, local = post.rules_at(now)
    told = messages.withdraw(connection, topic, over, now)
    messages.write(connection, message_rows.corrections(told, rules, local), now)
