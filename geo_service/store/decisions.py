"""Decisions: what people say about places; written down at once, applied by the worker with all that follows.

A decision that is taken twice is one decision.  One that stands against another is refused; the other must be taken
back first.  Nothing is ever taken out: who decided what, and when it was applied, can be read for ever.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd
import shapely
import sqlalchemy as sa

from geo_service.errors import AlreadyDecided, BadParameter, NotFound
from geo_service.maps import layers
from geo_service.store import frames, gazetteers, reading, reviews, tables
from geo_service.store.gazetteers import Signature

CHANNEL = "geo_service_decisions"  # NOTIFY: a decision waits to be applied

_LONGEST_WORDS = 60  # letters of a name the gazetteer takes
_MOST_STEPS = 12  # from a gate up to its city: 6 in life
_DECISION = tables.decisions.c
_ALIAS = tables.aliases.c
_REVIEW = tables.reviews.c
_ENTRY = tables.gazetteer.c


@dataclass(frozen=True)
class Correction:
    """Where an incident was: `words` of its place text (empty: all of it) mean an entry, or a position [deg].

    With `teaches`, they mean it in every other text too.
    """

    feed: str
    incident_id: str
    words: str
    entry_id: str | None = None
    position: tuple[float, float] | None = None
    teaches: bool = True


def correct(connection: sa.Connection, correction: Correction, signed: Signature) -> int:
    """Write down where an incident was, and give the decision's number.

    Raises NotFound (no such review or entry), BadParameter (words that do not occur, an entry without a place),
    AlreadyDecided (otherwise corrected before).
    """
    review = _locked(connection, correction.feed, correction.incident_id)
    words = correction.words.strip() or review["place"].strip()
    _check_words(words, review["place"], correction.teaches)
    if correction.entry_id is not None and not gazetteers.has_place(connection, correction.entry_id):
        raise BadParameter(f"entry '{correction.entry_id}' has no place of its own; give lon and lat instead")
    if review["state"] == "corrected":
        return _the_same(connection, correction, words)
    point = (
        None if correction.position is None else sa.func.ST_SetSRID(sa.func.ST_MakePoint(*correction.position), 4326)
    )
    alias = sa.insert(tables.aliases).values(
        words=words,
        entry_id=correction.entry_id,
        position=point,
        teaches=correction.teaches,
        signed_by=signed.signed_by,
        signed_at=signed.at,
        reason=signed.reason,
        feed=correction.feed,
        incident_id=correction.incident_id,
        place=review["place"],
    )
    alias_id = connection.execute(alias.returning(_ALIAS.id)).scalar_one()
    _decide(connection, correction.feed, correction.incident_id, "corrected", signed)
    return write(
        connection, "correct", signed, feed=correction.feed, incident_id=correction.incident_id, alias_id=alias_id
    )


def reject(connection: sa.Connection, feed: str, incident_id: str, signed: Signature) -> int:
    """Write down that nobody can say more about an incident's place: it stays where it stands.

    Raises NotFound, AlreadyDecided (corrected before).
    """
    review = _locked(connection, feed, incident_id)
    if review["state"] == "corrected":
        raise AlreadyDecided(
            f"incident '{incident_id}' has been corrected; revoke its alias first (GET /gazetteer/aliases)"
        )
    if review["state"] == "rejected":
        return newest(connection, "reject", feed, incident_id)
    _decide(connection, feed, incident_id, "rejected", signed)
    return write(connection, "reject", signed, feed=feed, incident_id=incident_id, applied_at=signed.at, moved=0)


def revoke(connection: sa.Connection, alias_id: int, signed: Signature) -> int:
    """Write down that an alias is wrong.  Raises NotFound."""
    stands = connection.execute(
        sa.select(_ALIAS.revoked_at).where(_ALIAS.id == alias_id).with_for_update()
    ).one_or_none()
    alias = gazetteers.alias(connection, alias_id, layers.EVERYTHING)
    if stands is not None and stands.revoked_at is not None:
        of_alias = sa.select(_DECISION.id).where(_DECISION.kind == "revoke", _DECISION.alias_id == alias_id)
        return connection.execute(of_alias).scalars().one()
    step = sa.update(tables.aliases).where(_ALIAS.id == alias_id)
    connection.execute(step.values(revoked_by=signed.signed_by, revoked_at=signed.at))
    about = {"feed": alias["feed"], "incident_id": alias["incident_id"], "alias_id": alias_id}
    return write(connection, "revoke", signed, **about)


def rerun(connection: sa.Connection, signed: Signature) -> int:
    """Write down that everything that waits shall be located again; one that waits already is not written twice."""
    waits = (
        sa.select(_DECISION.id).where(_DECISION.kind == "rerun", _DECISION.applied_at.is_(None)).order_by(_DECISION.id)
    )
    there = connection.scalars(waits).first()
    return write(connection, "rerun", signed) if there is None else there


def one(connection: sa.Connection, number: int, view: layers.View) -> Mapping[str, Any]:
    """Give a decision.  Raises NotFound."""
    reading.admit(view)
    row = connection.execute(sa.select(tables.decisions).where(_DECISION.id == number)).mappings().one_or_none()
    if row is None:
        raise NotFound(f"there is no decision {number}")
    return dict(row)


def pending(connection: sa.Connection) -> Sequence[Mapping[str, Any]]:
    """Give the decisions that wait to be applied, in the order they were taken."""
    question = sa.select(tables.decisions).where(_DECISION.applied_at.is_(None)).order_by(_DECISION.id)
    return [dict(row) for row in connection.execute(question).mappings()]


def bring_into_force(connection: sa.Connection, decided: Sequence[Mapping[str, Any]], now: datetime) -> None:
    """Let aliases taught count from now on, and those revoked no longer; ask again about what was revoked."""
    for decision in decided:
        signed = Signature(decision["signed_by"], decision["note"], now)
        if decision["kind"] == "correct":
            gazetteers.bring_into_force(connection, decision["alias_id"], signed)
        elif decision["kind"] == "revoke":
            gazetteers.put_out_of_force(connection, decision["alias_id"], signed)
            reviews.reopen(connection, decision["feed"], decision["incident_id"])


def applied(connection: sa.Connection, decided: Sequence[Mapping[str, Any]], moved: int, now: datetime) -> None:
    """Remember that decisions have been applied, and how many incidents stand otherwise since."""
    ours = _DECISION.id.in_([decision["id"] for decision in decided])
    connection.execute(sa.update(tables.decisions).where(ours).values(applied_at=now, moved=moved))


def looked_at(decided: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Give the keys (feed, incident_id) of the calls that decisions triaged."""
    keys = [(decision["feed"], decision["incident_id"]) for decision in decided if decision["kind"] == "triage"]
    return pd.DataFrame(keys, columns=["feed", "incident_id"], dtype="str").drop_duplicates(ignore_index=True)


def touched(connection: sa.Connection, decided: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Give the keys of incidents that decisions may move: their own, and all that a revoked alias may have located.

    Those are the incidents located by address and recorded since the alias came into force: whether it was the alias
    that located them, only locating them again can tell.
    """
    table = tables.incidents.c
    own = sa.select(_DECISION.feed, _DECISION.incident_id).where(_DECISION.incident_id.is_not(None))
    own = own.where(_DECISION.id.in_([decision["id"] for decision in decided]))
    revoked = [decision["alias_id"] for decision in decided if decision["kind"] == "revoke"]
    since = sa.select(sa.func.min(tables.gazetteer_versions.c.at)).join_from(
        tables.gazetteer_versions, tables.aliases, tables.gazetteer_versions.c.version == _ALIAS.since_version
    )
    since = since.where(_ALIAS.id.in_(revoked)).scalar_subquery()
    perhaps = sa.select(table.feed, table.incident_id).where(table.located_by == "address", table.changed_at >= since)
    both = own.union(perhaps).subquery()
    return frames.fetch(connection, sa.select(*both.c))


def corrections(connection: sa.Connection, keys: pd.DataFrame) -> pd.DataFrame:
    """Give what people have said about the places of incidents, CORRECTION_COLUMNS, where it holds."""
    named = reading.named_keys(keys)
    about = sa.and_(_ALIAS.feed == named.c.feed, _ALIAS.incident_id == named.c.incident_id)
    ours = sa.select(tables.aliases).join(named, about)
    ours = ours.where(_ALIAS.since_version.is_not(None), _ALIAS.until_version.is_(None)).cte("ours")
    newest = sa.func.row_number().over(partition_by=_ENTRY.entry_id, order_by=_ENTRY.since_version.desc())
    states = sa.select(_ENTRY.entry_id, _ENTRY.kind, _ENTRY.geometry, newest.label("age"))
    states = states.where(_ENTRY.entry_id.in_(sa.select(ours.c.entry_id))).subquery()
    zone = _zones_of(ours)
    means = sa.func.coalesce(ours.c.position, states.c.geometry)
    columns = (
        *(ours.c[name] for name in ("feed", "incident_id", "place", "words")),
        sa.func.coalesce(states.c.kind, "").label("match_level"),
        sa.func.coalesce(zone.c.zone_kind, "").label("named_kind"),
        sa.func.coalesce(zone.c.zone_id, "").label("named_id"),
        sa.func.encode(sa.func.ST_AsBinary(means, type_=sa.LargeBinary), "hex", type_=sa.Text).label("geometry"),
    )
    question = (
        sa.select(*columns)
        .outerjoin_from(ours, states, sa.and_(states.c.entry_id == ours.c.entry_id, states.c.age == 1))
        .outerjoin(zone, zone.c.entry_id == ours.c.entry_id)
        .where(means.is_not(None))
    )
    frame = frames.fetch(connection, question)
    return frame.assign(geometry=pd.Series(shapely.from_wkb(frame["geometry"].to_numpy(dtype=object)), dtype=object))


def _zones_of(ours: sa.CTE) -> sa.Subquery:
    """Ask which zone each entry that an alias means is or lies in: the nearest one upwards."""
    up = sa.select(ours.c.entry_id, ours.c.entry_id.label("at"), sa.literal(0).label("steps"))
    up = up.where(ours.c.entry_id.is_not(None)).distinct().cte("up", recursive=True)
    stands = sa.and_(_ENTRY.entry_id == up.c.at, _ENTRY.until_version.is_(None))
    higher = sa.select(up.c.entry_id, _ENTRY.parent, up.c.steps + 1).join(tables.gazetteer, stands)
    up = up.union_all(higher.where(_ENTRY.zone_kind == "", _ENTRY.parent != "", up.c.steps < _MOST_STEPS))
    found = sa.select(up.c.entry_id, _ENTRY.zone_kind, _ENTRY.zone_id)
    found = found.join(tables.gazetteer, sa.and_(_ENTRY.entry_id == up.c.at, _ENTRY.until_version.is_(None)))
    return found.where(_ENTRY.zone_kind != "").subquery()


def _locked(connection: sa.Connection, feed: str, incident_id: str) -> Mapping[str, Any]:
    question = sa.select(_REVIEW.state, _REVIEW.place).where(_REVIEW.feed == feed, _REVIEW.incident_id == incident_id)
    row = connection.execute(question.with_for_update()).mappings().one_or_none()
    if row is None:
        raise NotFound(f"no review of incident '{incident_id}' of feed '{feed}'; GET /queues/review lists them")
    return dict(row)


def _check_words(words: str, place: str, teaches: bool) -> None:
    if words not in place:
        raise BadParameter(
            f"words '{words}' do not occur in the place text '{place}'; copy the part that names the place"
        )
    if teaches and not words:
        raise BadParameter("the incident has no place text that could be taught; send teach=false with lon and lat")
    if teaches and (len(words) > _LONGEST_WORDS or "|" in words):
        raise BadParameter(
            f"words must be the name of a place, at most {_LONGEST_WORDS} letters without '|'; copy the part that "
            "names it, or send teach=false"
        )


def _the_same(connection: sa.Connection, correction: Correction, words: str) -> int:
    """Give the decision that stands when it says the same.  Raises AlreadyDecided when it does not."""
    number = newest(connection, "correct", correction.feed, correction.incident_id)
    alias_id = one(connection, number, layers.EVERYTHING)["alias_id"]
    stands = gazetteers.alias(connection, alias_id, layers.EVERYTHING)
    position = None if stands["lon"] is None else (stands["lon"], stands["lat"])
    said = (words, correction.entry_id, correction.position, correction.teaches)
    if said != (stands["words"], stands["entry_id"], position, stands["teaches"]):
        raise AlreadyDecided(
            f"incident '{correction.incident_id}' has been corrected otherwise by {stands['signed_by']}; "
            f"POST /gazetteer/aliases/{alias_id}/revoke first"
        )
    return number


def newest(connection: sa.Connection, kind: str, feed: str, incident_id: str) -> int:
    """Give the number of the last decision of a kind about an incident."""
    about = sa.and_(_DECISION.kind == kind, _DECISION.feed == feed, _DECISION.incident_id == incident_id)
    return connection.execute(sa.select(sa.func.max(_DECISION.id)).where(about)).scalar_one()


def _decide(connection: sa.Connection, feed: str, incident_id: str, state: str, signed: Signature) -> None:
    step = sa.update(tables.reviews).where(_REVIEW.feed == feed, _REVIEW.incident_id == incident_id)
    decided = {"decided_by": signed.signed_by, "decided_at": signed.at, "note": signed.reason}
    connection.execute(step.values(state=state, **decided))


def write(connection: sa.Connection, kind: str, signed: Signature, **about: Any) -> int:
    """Write a decision down, wake the worker and give its number."""
    row = sa.insert(tables.decisions).values(
        kind=kind, signed_by=signed.signed_by, note=signed.reason, at=signed.at, **about
    )
    number = connection.execute(row.returning(_DECISION.id)).scalar_one()
    connection.execute(sa.select(sa.func.pg_notify(CHANNEL, str(number))))
    return number
