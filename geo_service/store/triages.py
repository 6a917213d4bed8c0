"""Triage in the store: the queue of calls nobody has looked at, and what people found.

A verdict is a decision (decisions.py): written down at once, applied by the worker with all that follows.  The one said
last holds; what was said before stands among the decisions and in the incident's former states.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from geo_service.analysis import incidents as incident_rows
from geo_service.analysis import triage
from geo_service.errors import BadParameter, NotFound
from geo_service.maps import layers
from geo_service.store import decisions, frames, reading, tables
from geo_service.store.gazetteers import Signature

TAKEN_BACK = ""  # a verdict that says: nobody has looked at it
STATES = ("untriaged", "confirmed", "invalid")

_INCIDENT = tables.incidents.c
_SAID = tables.triages.c
_KEY = ("feed", "incident_id")


@dataclass(frozen=True)
class Verdict:
    """What was found on looking at a call: one of triage.VERDICTS, or TAKEN_BACK; `category` when it was retyped."""

    feed: str
    incident_id: str
    verdict: str
    category: str = ""


@dataclass(frozen=True)
class Wanted:
    """A page of the queue: calls from a moment to another, in which state, of which categories (empty: all).

    With `looked_at` also calls of other categories that somebody has looked at: what was retyped out of the
    categories can then still be found and taken back.
    """

    since: datetime
    until: datetime
    state: str = "untriaged"
    categories: Sequence[str] = ()
    looked_at: bool = False
    limit: int = 100
    offset: int = 0


def counted(connection: sa.Connection, wanted: Wanted, view: layers.View) -> dict[str, int]:
    """Give how many calls are in each of STATES, whichever of them is wanted."""
    reading.admit(view)
    question = sa.select(_INCIDENT.triage, sa.func.count()).where(*_matching(wanted)).group_by(_INCIDENT.triage)
    found = {row[0]: row[1] for row in connection.execute(question)}
    return {state: found.get(_written(state), 0) for state in STATES}


def listed(connection: sa.Connection, wanted: Wanted, view: layers.View) -> tuple[int, list[Mapping[str, Any]]]:
    """Give how many calls match and a page of them, the earliest first, with their places and what was said of them.

    `verdict` (None: nobody has said anything that holds) goes before `triage` until the worker has applied it.
    """
    reading.admit(view)
    matching = [*_matching(wanted), _INCIDENT.triage == _written(wanted.state)]
    number = connection.scalar(sa.select(sa.func.count()).select_from(tables.incidents).where(*matching)) or 0
    names = (
        *("feed", "incident_id", "called_at", "occurred_from", "occurred_to", "place", "category", "source_category"),
        *("community_id", "unit_id", "patrol_zone_id", "placed", "triage"),
    )
    said = (
        *(_SAID[name] for name in ("verdict", "signed_by", "signed_at", "note")),
        _SAID.category.label("retyped_to"),
    )
    lon, lat = sa.func.ST_X(_INCIDENT.position).label("lon"), sa.func.ST_Y(_INCIDENT.position).label("lat")
    same = sa.and_(*(_SAID[name] == _INCIDENT[name] for name in (*_KEY, "source_category")))
    page = sa.select(*(_INCIDENT[name] for name in names), lon, lat, *_zone_names(), *said)
    page = page.outerjoin_from(tables.incidents, tables.triages, same).where(*matching)
    order = (_INCIDENT.called_at, *(_INCIDENT[name].collate("C") for name in _KEY))
    rows = connection.execute(page.order_by(*order).limit(wanted.limit).offset(wanted.offset)).mappings()
    return number, [dict(row) for row in rows]


def decide(connection: sa.Connection, found: Sequence[Verdict], signed: Signature) -> list[int]:
    """Write down what was found on some calls, all or none, and give the numbers of the decisions in their order.

    A verdict that stands already gives the number of the decision that made it.  Raises NotFound, BadParameter.
    """
    numbers: dict[Verdict, int] = {}
    for one in sorted(found, key=lambda verdict: (verdict.feed, verdict.incident_id)):  # in one order: no deadlock
        if one.verdict not in (*triage.VERDICTS, TAKEN_BACK) or (one.verdict == triage.RETYPED) != bool(one.category):
            raise BadParameter(
                f"incident '{one.incident_id}': verdict '{one.verdict}' with category '{one.category}'; expected "
                f"{', '.join(triage.VERDICTS)} or nothing to take it back, and a category with {triage.RETYPED} only"
            )
        numbers[one] = _decide(connection, one, signed)
    return [numbers[one] for one in found]


def verdicts(connection: sa.Connection, keys: pd.DataFrame) -> pd.DataFrame:
    """Give what people found on the calls of some keys (feed, incident_id): triage.TRIAGE_COLUMNS."""
    named = reading.named_keys(keys)
    question = sa.select(*(_SAID[name] for name in triage.TRIAGE_COLUMNS))
    return frames.fetch(connection, question.join(named, sa.and_(*(_SAID[name] == named.c[name] for name in _KEY))))


def _matching(wanted: Wanted) -> "list[sa.ColumnElement[bool]]":
    found = [_INCIDENT.called_at >= wanted.since, _INCIDENT.called_at < wanted.until]
    if wanted.categories:
        of_category = _INCIDENT.category.in_(wanted.categories)
        found.append(of_category | (_INCIDENT.triage != "") if wanted.looked_at else of_category)
    return found


def _written(state: str) -> str:
    return "" if state == STATES[0] else state


def _zone_names() -> "list[sa.Label[Any]]":
    """Ask for the names of the places that hold a call, as they are called now."""
    zone = tables.zones.c
    found: list[sa.Label[Any]] = []
    for kind, column in incident_rows.ID_COLUMN.items():
        here = (zone.kind == kind, zone.zone_id == _INCIDENT[column], zone.valid_to.is_(None))
        name = sa.select(zone.name).where(*here).correlate(tables.incidents).scalar_subquery()
        found.append(sa.func.coalesce(name, "").label(column.removesuffix("_id") + "_name"))
    return found


def _decide(connection: sa.Connection, one: Verdict, signed: Signature) -> int:
    about = {"feed": one.feed, "incident_id": one.incident_id}
    ours = sa.and_(*(_INCIDENT[name] == value for name, value in about.items()))
    code = connection.scalar(sa.select(_INCIDENT.source_category).where(ours).with_for_update())
    if code is None:
        raise NotFound(f"there is no incident '{one.incident_id}' of feed '{one.feed}'")
    said = sa.and_(*(_SAID[name] == value for name, value in about.items()))
    stands = connection.execute(
        sa.select(_SAID.source_category, _SAID.verdict, _SAID.category).where(said)
    ).one_or_none()
    if stands is not None and tuple(stands) == (code, one.verdict, one.category):
        return decisions.newest(connection, "triage", one.feed, one.incident_id)
    if stands is None and one.verdict == TAKEN_BACK:
        return _taken_back_before(connection, one)
    if one.verdict == TAKEN_BACK:
        connection.execute(sa.delete(tables.triages).where(said))
    else:
        row = insert(tables.triages).values(
            **about,
            source_category=code,
            verdict=one.verdict,
            category=one.category,
            signed_by=signed.signed_by,
            signed_at=signed.at,
            note=signed.reason,
        )
        values = {column.name: row.excluded[column.name] for column in tables.triages.c if column.name not in _KEY}
        connection.execute(row.on_conflict_do_update(index_elements=list(_KEY), set_=values))
    return decisions.write(connection, "triage", signed, **about)


def _taken_back_before(connection: sa.Connection, one: Verdict) -> int:
    said = tables.decisions.c
    about = (said.kind == "triage", said.feed == one.feed, said.incident_id == one.incident_id)
    number = connection.scalar(sa.select(sa.func.max(said.id)).where(*about))
    if number is None:
        raise BadParameter(f"incident '{one.incident_id}': nobody has looked at it; there is nothing to take back")
    return number
