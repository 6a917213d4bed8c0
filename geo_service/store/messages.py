"""Messages in the store: the outbox, written with what they tell, taken one by one by whoever delivers.

The life of a row:  waiting → sent | dead | cancelled;  dead → waiting by a person.  A try is written down and committed
before anything is sent: no lock is held while the network is slow, and a worker that dies is followed by the next try.
A digest carries rows of one recipient; they share its fate.  Rows are locked in the order of their numbers.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any, cast

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from geo_service.analysis import messages, silences
from geo_service.errors import AlreadyDecided, NotFound
from geo_service.maps import layers
from geo_service.store import frames, reading, tables
from geo_service.store.gazetteers import Signature

CHANNEL = "geo_service_messages"  # NOTIFY: a message may be due
STATES = ("waiting", "sent", "dead", "cancelled")
REASONS = ("nobody", "no_address", "refused", "unreached", "gave_up")

_MESSAGE = tables.messages.c
_ADDRESS = tables.addresses.c
_FEED = tables.feeds.c
_AT_REST = {"attempts": 0, "tried_at": None, "reason": "", "error": "", "channel": ""}


@dataclass(frozen=True)
class Parcel:
    """A message that is to go now, and the rows it tells of: itself, or those a digest carries."""

    row: Mapping[str, Any]
    told: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Failure:
    """Why a try failed, and when to try again; None: never."""

    reason: str
    error: str
    again_at: datetime | None


def write(connection: sa.Connection, frame: pd.DataFrame, now: datetime, *, replay_of: int | None = None) -> int:
    """Write messages (MESSAGE_COLUMNS) that are not written yet, and give how many those are.

    One for a role that nobody holds is a dead letter from the start.
    """
    rows = [
        {
            **row,
            **_fate(row),
            "facts": json.loads(row["facts"]),
            "next_try_at": row["due_at"],
            "created_at": now,
            "replay_of": replay_of,
        }
        for row in cast("list[dict[str, Any]]", frame.to_dict("records"))
    ]
    return _insert(connection, rows)


def told(connection: sa.Connection, topic: str, month: str) -> pd.DataFrame:
    """Give what was told of a topic in a month ("" of what has none): messages.TOLD_COLUMNS, each episode once."""
    columns = [_MESSAGE[name] for name in messages.TOLD_COLUMNS]
    question = sa.select(*columns).where(_MESSAGE.topic == topic, _MESSAGE.month == month)
    return frames.fetch(connection, question.distinct())


def withdraw(connection: sa.Connection, topic: str, over: pd.DataFrame, now: datetime) -> pd.DataFrame:
    """Withdraw what no longer holds (messages.SUBJECT, episode): what waits is cancelled.

    Gives the messages (MESSAGE_COLUMNS) that somebody may have got: sent ones, and those of which a try had begun.
    """
    by = [*messages.SUBJECT, "episode"]
    subject = sa.tuple_(*(_MESSAGE[name] for name in by))
    ours = subject.in_(list(over[by].itertuples(index=False, name=None)))
    stands = sa.select(tables.messages).where(_MESSAGE.topic == topic, _MESSAGE.withdrawn_at.is_(None), ours)
    rows = connection.execute(stands.order_by(_MESSAGE.id).with_for_update()).mappings().all()
    state = sa.case((_MESSAGE.state == "waiting", "cancelled"), else_=_MESSAGE.state)
    these = _MESSAGE.id.in_([row["id"] for row in rows])
    connection.execute(sa.update(tables.messages).where(these).values(state=state, withdrawn_at=now))
    found = [row for row in rows if row["state"] == "sent" or (row["state"] == "waiting" and row["attempts"])]
    frame = pd.DataFrame([dict(row) for row in found], columns=list(messages.MESSAGE_COLUMNS))
    return frame.assign(facts=[json.dumps(facts, ensure_ascii=False) for facts in frame["facts"]])


def gather(connection: sa.Connection, now: datetime) -> int:
    """Put due messages together that go to one recipient and were never tried; give how many digests that made."""
    alone = sa.select(tables.messages).where(*_due(now), _MESSAGE.attempts == 0, _MESSAGE.topic != "digest")
    several = alone.with_only_columns(_MESSAGE.staff_id).group_by(_MESSAGE.staff_id).having(sa.func.count() > 1)
    locked = alone.where(_MESSAGE.staff_id.in_(several)).order_by(_MESSAGE.staff_id, _MESSAGE.id)
    rows = connection.execute(locked.with_for_update(skip_locked=True)).mappings().all()
    made = 0
    for _, group in groupby(rows, key=lambda row: row["staff_id"]):
        carried = [dict(row) for row in group]
        if len(carried) > 1:
            digest = messages.digest_of(carried)
            _insert(connection, [{**digest, "state": "waiting", "next_try_at": now, "created_at": now}])
            these = _MESSAGE.id.in_([row["id"] for row in carried])
            connection.execute(sa.update(tables.messages).where(these).values(digest=digest["key"]))
            made += 1
    return made


def take(connection: sa.Connection, now: datetime) -> Parcel | None:
    """Take the next due message, urgent ones first, locked until the transaction ends; None: nothing is due.

    What others have taken is passed over.
    """
    order = (_MESSAGE.urgent.desc(), _MESSAGE.next_try_at, _MESSAGE.id)
    question = sa.select(tables.messages).where(*_due(now)).order_by(*order).limit(1)
    row = connection.execute(question.with_for_update(skip_locked=True)).mappings().one_or_none()
    if row is None:
        return None
    carried = sa.select(tables.messages).where(_MESSAGE.digest == row["key"], _MESSAGE.state == "waiting")
    inside = connection.execute(carried.order_by(_MESSAGE.id).with_for_update()).mappings().all()
    return Parcel(dict(row), [dict(one) for one in inside] if row["topic"] == "digest" else [dict(row)])


def begin(connection: sa.Connection, parcel: Parcel, now: datetime, again_at: datetime) -> None:
    """Write down that a try begins, and when the next one follows should this one never end."""
    _change(connection, parcel, attempts=_MESSAGE.attempts + 1, tried_at=now, next_try_at=again_at)


def sent(connection: sa.Connection, parcel: Parcel, channel: str, now: datetime) -> None:
    """Write down that the other side took it; what was withdrawn meanwhile stays cancelled, with when it was sent."""
    state = sa.case((_MESSAGE.state == "waiting", "sent"), else_=_MESSAGE.state)
    _change(connection, parcel, state=state, sent_at=now, channel=channel, reason="", error="")


def failed(connection: sa.Connection, parcel: Parcel, failure: Failure) -> None:
    """Write down that a try failed: it waits for the next one, or is a dead letter."""
    said = {"reason": failure.reason, "error": failure.error}
    if failure.again_at is not None:
        _change(connection, parcel, **said, next_try_at=failure.again_at)
    else:
        _change(connection, parcel, **said, state=sa.case((_MESSAGE.state == "waiting", "dead"), else_=_MESSAGE.state))


def cancel_empty(connection: sa.Connection, parcel: Parcel) -> None:
    """Cancel a digest all of whose messages were withdrawn before it went."""
    _change(connection, parcel, state="cancelled")


def addresses(connection: sa.Connection, staff_id: str) -> Mapping[str, tuple[str, str]]:
    """Give where messages reach a member of staff: channel → (address, language).  For the outbox only."""
    question = sa.select(_ADDRESS.channel, _ADDRESS.url, _ADDRESS.language).where(_ADDRESS.staff_id == staff_id)
    return {channel: (url, language) for channel, url, language in connection.execute(question)}


def progress(connection: sa.Connection) -> pd.DataFrame:
    """Give how far each feed has come: silences.PROGRESS_COLUMNS."""
    return frames.fetch(connection, sa.select(*(_FEED[name] for name in silences.PROGRESS_COLUMNS)))


def listed(
    connection: sa.Connection, state: str, limit: int, offset: int, view: layers.View
) -> tuple[int, list[Mapping[str, Any]]]:
    """Give how many messages are in a state ("": any) and a page of them, the newest first; not those in a digest."""
    reading.admit(view)
    matching = [_MESSAGE.digest == "", *([_MESSAGE.state == state] if state else [])]
    number = connection.scalar(sa.select(sa.func.count()).select_from(tables.messages).where(*matching)) or 0
    page = sa.select(tables.messages).where(*matching).order_by(_MESSAGE.created_at.desc(), _MESSAGE.id.desc())
    rows = connection.execute(page.limit(limit).offset(offset)).mappings().all()
    inside = sa.select(tables.messages).where(_MESSAGE.digest.in_([row["key"] for row in rows])).order_by(_MESSAGE.id)
    carried = [dict(row) for row in connection.execute(inside).mappings()]
    return number, [{**row, "carries": [one for one in carried if one["digest"] == row["key"]]} for row in rows]


def one(connection: sa.Connection, number: int, view: layers.View) -> Mapping[str, Any]:
    """Give a message.  Raises NotFound."""
    reading.admit(view)
    return _locked(connection, number)


def by_key(connection: sa.Connection, key: str) -> Mapping[str, Any]:
    """Give the message of a key.  Raises NotFound."""
    row = connection.execute(sa.select(tables.messages).where(_MESSAGE.key == key)).mappings().one_or_none()
    if row is None:
        raise NotFound("no message has this key")
    return dict(row)


def replay(connection: sa.Connection, number: int, signed: Signature) -> Mapping[str, Any]:
    """Let a dead letter wait again, as if it had never been tried, and give it; one that waits already stays as it is.

    Its key stays, so who got it all the same drops it.  Raises NotFound, AlreadyDecided (sent, cancelled, withdrawn, or
    carried by a digest, which is replayed instead).
    """
    row = _locked(connection, number)
    if row["digest"]:
        raise AlreadyDecided(f"message {number} goes with a digest; replay that one")
    if row["state"] == "waiting":
        return row
    if row["state"] != "dead" or row["withdrawn_at"] is not None:
        state = "withdrawn" if row["withdrawn_at"] is not None else row["state"]
        raise AlreadyDecided(f"message {number} is {state}; only a dead letter can be replayed")
    if row["staff_id"]:
        these = sa.or_(_MESSAGE.id == number, _MESSAGE.digest == row["key"])
        dead = sa.update(tables.messages).where(these, _MESSAGE.state == "dead")
        connection.execute(dead.values(state="waiting", next_try_at=signed.at, **_AT_REST, **_by(signed)))
        _notify(connection)
    return _locked(connection, number)


def cancel(connection: sa.Connection, number: int, signed: Signature) -> None:
    """Cancel a message that waits or is dead; a cancelled one stays so.  Raises NotFound, AlreadyDecided (sent)."""
    row = _locked(connection, number)
    if row["state"] == "sent":
        raise AlreadyDecided(f"message {number} has been sent; it cannot be called back")
    these = sa.or_(_MESSAGE.id == number, _MESSAGE.digest == row["key"])
    open_ones = sa.update(tables.messages).where(these, _MESSAGE.state.in_(("waiting", "dead")))
    connection.execute(open_ones.values(state="cancelled", **_by(signed)))


def received(connection: sa.Connection, key: str, status: str, at: datetime) -> None:
    """Write down what a receiver says became of a message, and of those it carried; the latest word stands."""
    these = sa.or_(_MESSAGE.key == key, _MESSAGE.digest == key)
    newer = sa.or_(_MESSAGE.receipt_at.is_(None), _MESSAGE.receipt_at <= at)
    connection.execute(sa.update(tables.messages).where(these, newer).values(receipt=status, receipt_at=at))


def _by(signed: Signature) -> Mapping[str, Any]:
    return {"decided_by": signed.signed_by, "decided_at": signed.at, "note": signed.reason}


def _fate(row: Mapping[str, Any]) -> Mapping[str, str]:
    if row["staff_id"]:
        return {"state": "waiting", "reason": "", "error": ""}
    where = f"area '{row['area']}'" if row["area"] else f"{row['zone_kind']} '{row['zone_id']}'"
    return {"state": "dead", "reason": "nobody", "error": f"nobody on the roster is '{row['role']}' for {where}"}


def _insert(connection: sa.Connection, rows: Sequence[Mapping[str, Any]]) -> int:
    if not rows:
        return 0
    new = insert(tables.messages).on_conflict_do_nothing(index_elements=["key"]).returning(_MESSAGE.id)
    number = len(connection.scalars(new, rows).all())
    if number:
        _notify(connection)
    return number


def _notify(connection: sa.Connection) -> None:
    connection.execute(sa.select(sa.func.pg_notify(CHANNEL, "")))


def _due(now: datetime) -> "tuple[sa.ColumnElement[bool], ...]":
    return _MESSAGE.state == "waiting", _MESSAGE.digest == "", _MESSAGE.next_try_at <= now


def _change(connection: sa.Connection, parcel: Parcel, **values: Any) -> None:
    ids = {parcel.row["id"], *(row["id"] for row in parcel.told)}
    connection.execute(sa.update(tables.messages).where(_MESSAGE.id.in_(ids)).values(**values))


def _locked(connection: sa.Connection, number: int) -> Mapping[str, Any]:
    question = sa.select(tables.messages).where(_MESSAGE.id == number).with_for_update()
    row = connection.execute(question).mappings().one_or_none()
    if row is None:
        raise NotFound(f"there is no message {number}; GET /queues/messages lists them")
    return dict(row)
