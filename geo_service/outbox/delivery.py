"""Delivery: due messages leave, each at least once, with a key by which a receiver drops a second.

A try is written down before it begins and its end after it; killed in between, the message is tried again with the same
key.  Several workers may deliver at once: what one has taken, the others pass over.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from geo_service.analysis import alert_rules, letters
from geo_service.analysis import messages as message_rows
from geo_service.analysis.alert_rules import AlertRules
from geo_service.analysis.jurisdictions import Role
from geo_service.errors import AlreadyDecided, DeliveryFailed, NotFound, NotSigned
from geo_service.maps import layers
from geo_service.outbox import channels, signatures
from geo_service.store import jurisdictions, messages
from geo_service.store.gazetteers import Signature
from geo_service.store.messages import Failure, Parcel

_ENDS_WITHIN = timedelta(seconds=120)  # a try: some ten answers, each within channels.TIMEOUT_S
_TOLD = ("topic", "kind", "zone_kind", "zone_id", "month", "episode", "role", "tree", "area", "facts")

Clock = Callable[[], datetime]


@dataclass(frozen=True)
class Post:
    """What telling and delivering need besides the store."""

    rules: tuple[AlertRules, ...]
    roles: Mapping[str, Role]
    texts: Mapping[str, Mapping[str, object]]
    zone: ZoneInfo
    ways: channels.Channels
    public_url: str = ""

    def rules_at(self, now: datetime) -> tuple[AlertRules, datetime]:
        """Give the rules in force, and the moment in the city's time, in which they count."""
        local = now.astimezone(self.zone)
        return alert_rules.on(self.rules, local.date()), local

    def envelope(self, parcel: Parcel, language: str, now: datetime) -> channels.Envelope:
        """Put a parcel into words.  Raises DeliveryFailed for one that texts/ has no words for."""
        reader = letters.Reader(self.texts[language], self.zone, self.public_url)
        try:
            letter = reader.letter(parcel.told)
        except (KeyError, ValueError) as error:
            raise DeliveryFailed(f"texts/ cannot say it: {error}", for_good=True) from None
        facts = {
            **{name: parcel.row[name] for name in ("topic", "kind", "staff_id", "urgent", "created_at")},
            "messages": [{name: one[name] for name in _TOLD} for one in parcel.told],
        }
        return channels.Envelope(parcel.row["key"], letter.title, letter.body, facts, now)


@dataclass(frozen=True)
class Receipt:
    """What a receiver says became of a message, with its signature over the body that said so."""

    key: str
    status: str
    at: datetime
    signed: tuple[str, str]
    body: bytes


def deliver(engine: sa.Engine, post: Post, clock: Clock, stop: threading.Event | None = None) -> int:
    """Send everything that is due, or until told to stop; give how many messages the other side took.

    Raises StoreFailed when the database goes away; what was under way is tried again with its key.
    """
    with engine.begin() as connection:
        messages.gather(connection, clock())
    taken = 0
    while not (stop and stop.is_set()) and (parcel := _begun(engine, post, clock())) is not None:
        taken += _sent(engine, post, parcel, clock)
    return taken


def replay(engine: sa.Engine, post: Post, number: int, signed: Signature) -> None:
    """Let a dead letter go again; where nobody held the role, to whoever holds it now.

    Raises NotFound, AlreadyDecided (not dead, or still nobody).
    """
    rules, local = post.rules_at(signed.at)
    with engine.begin() as connection:
        row = messages.replay(connection, number, signed)
        if not row["staff_id"] and row["state"] == "dead":
            answering = jurisdictions.answering(connection, post.roles, local.date(), layers.EVERYTHING)
            anew = message_rows.again(row, answering, rules, local)
            if anew.empty:
                raise AlreadyDecided(f"still {row['error']}; load a roster that names somebody, then replay")
            messages.write(connection, anew, signed.at, replay_of=number)
            messages.cancel(connection, number, signed)


def receive(engine: sa.Engine, receipt: Receipt, now: datetime) -> None:
    """Take a receipt.  Raises NotSigned, for an unknown key too, unless the receiver of that message signed it."""
    with engine.begin() as connection:
        try:
            row = messages.by_key(connection, receipt.key)
        except NotFound:
            raise _not_signed() from None
        url, _ = messages.addresses(connection, row["staff_id"]).get("webhook", ("", ""))
        _, secret = channels.webhook(url)
        if not secret or not signatures.holds(secret, receipt.signed, receipt.body, now.timestamp()):
            raise _not_signed()
        messages.received(connection, receipt.key, receipt.status, receipt.at)


def _not_signed() -> NotSigned:
    return NotSigned(
        f"the receipt is not signed by who got that message; sign timestamp.body with the webhook's secret "
        f"({signatures.TIMESTAMP}, {signatures.SIGNATURE}: docs/alerts.md)"
    )


def _begun(engine: sa.Engine, post: Post, now: datetime) -> Parcel | None:
    """Take the next due message and commit that a try begins; None: nothing is due."""
    rules, local = post.rules_at(now)
    with engine.begin() as connection:
        while (parcel := messages.take(connection, now)) is not None:
            tries = parcel.row["attempts"]
            if not parcel.told:
                messages.cancel_empty(connection, parcel)
            elif tries > len(rules.retry_after_s):  # the last try never ended
                messages.failed(connection, parcel, Failure("gave_up", parcel.row["error"], None))
            else:
                again_at = rules.again_at(parcel.row["urgent"], tries + 1, local) or local
                messages.begin(connection, parcel, now, max(again_at, now + _ENDS_WITHIN))
                return parcel
    return None


def _sent(engine: sa.Engine, post: Post, parcel: Parcel, clock: Clock) -> bool:
    """Send a parcel over the first channel that takes it, and write down how it ended."""
    rules, _ = post.rules_at(clock())
    with engine.connect() as connection:
        addresses = messages.addresses(connection, parcel.row["staff_id"])
    wanted = _channels(parcel.told, rules)
    failure = Failure("no_address", f"'{parcel.row['staff_id']}' has no address for {', '.join(wanted)}", None)
    for channel in wanted:
        if channel not in addresses:
            continue
        url, language = addresses[channel]
        try:
            post.ways.send(url, post.envelope(parcel, language, clock()))
        except DeliveryFailed as error:
            failure = _failure(post, parcel, f"{channel}: {error}", error, clock())
            if not error.for_good:
                break
        else:
            with engine.begin() as connection:
                messages.sent(connection, parcel, channel, clock())
            return True
    with engine.begin() as connection:
        messages.failed(connection, parcel, failure)
    return False


def _channels(told: Sequence[Mapping[str, Any]], rules: AlertRules) -> list[str]:
    kinds = [rules.kind_of(one["topic"], one["kind"]) for one in letters.worst(told)]
    return list(dict.fromkeys(channel for kind in kinds for channel in kind.channels))


def _failure(post: Post, parcel: Parcel, said: str, error: DeliveryFailed, now: datetime) -> Failure:
    if error.for_good:
        return Failure("refused", said, None)
    rules, local = post.rules_at(now)
    again_at = rules.again_at(parcel.row["urgent"], parcel.row["attempts"] + 1, local)
    if again_at is None:
        return Failure("gave_up", said, None)
    return Failure("unreached", said, max(again_at, now + timedelta(seconds=error.wait_s)))
