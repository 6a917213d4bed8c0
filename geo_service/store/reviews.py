"""Reviews: the queue of incidents whose place a person must look at.

Intake puts incidents in and settles those that have been located since.  A decision of a person stays while the place
text stays: rows that come again do not ask twice; another place text does.  What people decide is in decisions.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, insert

from geo_service.errors import NotFound
from geo_service.maps import layers
from geo_service.store import frames, merging, reading, tables

STATES = ("open", "corrected", "rejected", "settled")
REASONS = ("unlocated", "uncertain", "conflict")

_COLUMNS = ("feed", "incident_id", "reason", "detail", "answer")
_KEY = ("feed", "incident_id")
_REVIEWS = merging.staging(tables.reviews, _COLUMNS, answer=sa.Text())
_LOOKED_AT = frames.staging("looked_at", {name: sa.Text() for name in _KEY})
_REVIEW = tables.reviews.c
_INCIDENT = tables.incidents.c
_ENTRY = tables.gazetteer.c


@dataclass(frozen=True)
class Wanted:
    """A page of the queue: in which state and for which reason (empty: any), how many, after how many."""

    state: str = ""
    reason: str = ""
    limit: int = 100
    offset: int = 0


def record(
    connection: sa.Connection, incidents: pd.DataFrame, reviews: pd.DataFrame, now: datetime
) -> list[merging.Change]:
    """Ask a person about `reviews`, of `incidents` that were looked at and are recorded; settle what the others had."""
    if incidents.empty:
        return []
    frames.stage(connection, _LOOKED_AT, incidents)
    frames.stage(connection, _REVIEWS, reviews)
    return [merging.rows(connection, _asked(now)), merging.rows(connection, _settled(now))]


def listed(connection: sa.Connection, wanted: Wanted, view: layers.View) -> tuple[int, list[Mapping[str, Any]]]:
    """Give how many reviews match and a page of them, the longest waiting first, without their answers' traces."""
    reading.admit(view)
    matching = [_REVIEW[name] == value for name, value in (("state", wanted.state), ("reason", wanted.reason)) if value]
    number = connection.scalar(sa.select(sa.func.count()).select_from(tables.reviews).where(*matching)) or 0
    order = (_REVIEW.first_seen_at, *(_REVIEW[name].collate("C") for name in _KEY))
    page = _told(_REVIEW.answer.op("-")("trace")).where(*matching).order_by(*order)
    rows = connection.execute(page.limit(wanted.limit).offset(wanted.offset)).mappings()
    return number, [dict(row) for row in rows]


def one(connection: sa.Connection, feed: str, incident_id: str, view: layers.View) -> Mapping[str, Any]:
    """Give one review, whole.  Raises NotFound."""
    reading.admit(view)
    question = _told(_REVIEW.answer).where(_REVIEW.feed == feed, _REVIEW.incident_id == incident_id)
    row = connection.execute(question).mappings().one_or_none()
    if row is None:
        raise NotFound(f"no review of incident '{incident_id}' of feed '{feed}'; GET /queues/review lists them")
    return dict(row)


def reopen(connection: sa.Connection, feed: str, incident_id: str) -> None:
    """Let a review be asked again whose decision was taken back."""
    ours = sa.and_(_REVIEW.feed == feed, _REVIEW.incident_id == incident_id, _REVIEW.state == "corrected")
    step = sa.update(tables.reviews).where(ours)
    connection.execute(step.values(state="open", decided_by=None, decided_at=None, note=""))


def waiting(connection: sa.Connection) -> pd.DataFrame:
    """Give the keys of what a better gazetteer may help: incidents without a position, and those in open reviews."""
    placeless = sa.select(*(_INCIDENT[name] for name in _KEY)).where(
        _INCIDENT.placed == "waiting", _INCIDENT.place != ""
    )
    asked = sa.select(*(_REVIEW[name] for name in _KEY)).where(_REVIEW.state == "open")
    both = placeless.union(asked).subquery()
    return frames.fetch(connection, sa.select(*both.c))


def _asked(now: datetime) -> sa.Insert:
    same = merging.same(_INCIDENT, _REVIEWS.c, _KEY)
    columns = [*_KEY, "reason", "detail"]
    came = sa.select(
        *(_REVIEWS.c[name] for name in columns), sa.cast(_REVIEWS.c.answer, JSONB), _INCIDENT.place, merging.at(now)
    ).join_from(_REVIEWS, tables.incidents, same)
    row = insert(tables.reviews).from_select([*columns, "answer", "place", "first_seen_at"], came)
    decided = _REVIEW.state.in_(("corrected", "rejected")) & (_REVIEW.place == row.excluded.place)
    content = ("reason", "detail", "answer", "place")
    anew = {
        "state": "open",
        "first_seen_at": row.excluded.first_seen_at,
        "decided_by": None,
        "decided_at": None,
        "note": "",
    }
    stays = decided | (_REVIEW.state == "open")
    return row.on_conflict_do_update(
        index_elements=list(_KEY),
        set_={name: row.excluded[name] for name in content}
        | {name: sa.case((stays, _REVIEW[name]), else_=value) for name, value in anew.items()},
        where=merging.differs(_REVIEW, row.excluded, content) | (_REVIEW.state == "settled"),
    )


def _settled(now: datetime) -> sa.Update:
    looked_at = sa.exists().where(merging.same(_REVIEW, _LOOKED_AT.c, _KEY))
    asked = sa.exists().where(merging.same(_REVIEW, _REVIEWS.c, _KEY))
    text = sa.select(_INCIDENT.place).where(merging.same(_REVIEW, _INCIDENT, _KEY)).scalar_subquery()
    moot = (_REVIEW.state == "open") | (_REVIEW.state.in_(("corrected", "rejected")) & (text != _REVIEW.place))
    return sa.update(tables.reviews).where(looked_at, ~asked, moot).values(state="settled", decided_at=now)


def _told(answer: "sa.ColumnElement[Any]") -> "sa.Select[*tuple[Any, ...]]":
    of_incident = (
        "called_at",
        "category",
        "placed",
        "located_by",
        "match_level",
        "uncertainty_m",
        "confidence",
        "conflict",
    )
    lon, lat = sa.func.ST_X(_INCIDENT.position).label("lon"), sa.func.ST_Y(_INCIDENT.position).label("lat")
    best = sa.and_(_ENTRY.entry_id == _REVIEW.answer["entry_id"].astext, _ENTRY.until_version.is_(None))
    name = sa.select(_ENTRY.name).where(best).scalar_subquery().label("entry_name")
    columns = [column for column in _REVIEW if column.name != "answer"]
    return sa.select(
        *columns, answer.label("answer"), *(_INCIDENT[name] for name in of_incident), lon, lat, name
    ).join_from(tables.reviews, tables.incidents, merging.same(_REVIEW, _INCIDENT, _KEY))
