"""Alert rules: who is told of what, how soon, over which channels, and when to try again.

Pure.  rules/alerts.toml, read by files.py, is checked here.  Moments are aware datetimes in the city's time zone: quiet
hours and digests are the city's.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import cast

from geo_service.errors import BadRule

MOMENTS = ("critical_red", "enter_red", "critical_black", "enter_black")  # from the least to the worst
KINDS = (*MOMENTS, "silent_feed", "task", "overdue", "correction")
CHANNELS = ("webhook", "wecom", "dingtalk", "feishu", "apprise", "smtp", "inbox")

_KEYS = {
    "valid_from": date, "version": str, "quiet_from": time, "quiet_to": time, "urgent_passes": bool,
    "digest_every_min": int, "retry_after_s": list, "silence": dict, "kinds": dict,
}  # fmt: skip


@dataclass(frozen=True)
class Kind:
    """What is done with one kind of message: which roles are told, whether at once, over which channels."""

    roles: tuple[str, ...]
    urgent: bool
    channels: tuple[str, ...]


@dataclass(frozen=True)
class Silence:
    """After how long a feed is silent: no recorded pull [min], no call in what was pulled [h]; 0: never."""

    pull_min: int
    call_h: int


@dataclass(frozen=True)
class AlertRules:
    """What holds from `valid_from` on.  `feeds`: the silence of feeds that have one of their own."""

    valid_from: date
    version: str
    quiet_from: time
    quiet_to: time
    urgent_passes: bool
    digest_every_min: int
    retry_after_s: tuple[int, ...]
    silence: Silence
    feeds: Mapping[str, Silence]
    kinds: Mapping[str, Kind]

    def kind_of(self, topic: str, kind: str) -> Kind:
        """Give the rule of a message: a moment's own, any other by its topic."""
        return self.kinds[kind if topic == "alert" else topic]

    def due_at(self, urgent: bool, now: datetime) -> datetime:
        """Say when a message that is written now may go: never in quiet hours, unless it is urgent and such may pass.

        >>> from zoneinfo import ZoneInfo
        >>> night = datetime(2024, 6, 20, 23, 10, tzinfo=ZoneInfo("Asia/Shanghai"))
        >>> quiet = AlertRules(date(2000, 1, 1), "1", time(22), time(7), True, 30, (60,), Silence(60, 24), {}, {})
        >>> f"{quiet.due_at(False, night):%d %H:%M}", f"{quiet.due_at(True, night):%d %H:%M}"
        ('21 07:00', '20 23:10')
        """
        return self.outside_quiet_hours(urgent, now if urgent else self._next_digest(now))

    def outside_quiet_hours(self, urgent: bool, at: datetime) -> datetime:
        """Give the moment itself, or the end of the quiet hours it lies in and that it must keep."""
        clock, over_midnight = at.time(), self.quiet_from > self.quiet_to
        late, early = clock >= self.quiet_from, clock < self.quiet_to
        quiet = (late or early) if over_midnight else (late and early)
        if not quiet or (urgent and self.urgent_passes):
            return at
        day = at.date() + timedelta(days=int(over_midnight and late))
        return datetime.combine(day, self.quiet_to, at.tzinfo)

    def again_at(self, urgent: bool, attempts: int, now: datetime) -> datetime | None:
        """Say when to try again after so many tries (at least 1); None: it has been tried often enough."""
        if attempts > len(self.retry_after_s):
            return None
        return self.outside_quiet_hours(urgent, now + timedelta(seconds=self.retry_after_s[attempts - 1]))

    def silence_of(self, feed: str) -> Silence:
        """Give after how long a feed is silent."""
        return self.feeds.get(feed, self.silence)

    def _next_digest(self, now: datetime) -> datetime:
        if not self.digest_every_min:
            return now
        midnight = datetime.combine(now.date(), time(), now.tzinfo)
        minutes = -(-(now - midnight) // timedelta(minutes=self.digest_every_min)) * self.digest_every_min
        return midnight + timedelta(minutes=minutes)


def on(entries: Sequence[AlertRules], day: date) -> AlertRules:
    """Give the rules in force on a day; before the first ones, these."""
    return next((entry for entry in reversed(entries) if entry.valid_from <= day), entries[0])


def parse(table: Mapping[str, object], roles: Mapping[str, object], where: str) -> tuple[AlertRules, ...]:
    """Read rules/alerts.toml: its entries in order of valid_from; `roles` are those of roles.toml.

    Raises BadRule when an entry lacks a key, holds a value of the wrong kind or names an unknown role or channel, and
    when two begin on the same day.
    """
    entries = cast("Sequence[Mapping[str, object]]", table.get("alerts", ()))
    if not entries:
        raise BadRule(f"{where}: holds no [[alerts]] entry; at least one with valid_from is needed")
    found = sorted((_parse(entry, roles, where) for entry in entries), key=lambda entry: entry.valid_from)
    for earlier, later in itertools.pairwise(found):
        if earlier.valid_from == later.valid_from:
            raise BadRule(f"{where}: two [[alerts]] entries begin on {later.valid_from}; give each its own valid_from")
    return tuple(found)


def _parse(entry: Mapping[str, object], roles: Mapping[str, object], where: str) -> AlertRules:
    _check_keys(entry, _KEYS, f"{where} [[alerts]]")
    kinds = cast("Mapping[str, Mapping[str, object]]", entry["kinds"])
    if set(kinds) != set(KINDS):
        raise BadRule(f"{where}: kinds must be {', '.join(KINDS)}; came {', '.join(kinds)}")
    silence = cast("Mapping[str, object]", entry["silence"])
    feeds = cast("Mapping[str, Mapping[str, object]]", silence.get("feeds", {}))
    waits = cast("list[int]", entry["retry_after_s"])
    every = cast("int", entry["digest_every_min"])
    if not waits or waits != sorted(waits) or waits[0] < 1:
        raise BadRule(f"{where}: retry_after_s must be waits [s] from 1 on that do not shrink, came {waits}")
    if every < 0 or every > 24 * 60:
        raise BadRule(f"{where}: digest_every_min must be 0 to 1440 [min], came {every}")
    return AlertRules(
        **cast("dict[str, date]", {name: entry[name] for name in list(_KEYS)[:6]}),  # type: ignore[arg-type]
        retry_after_s=tuple(waits),
        silence=_silence(silence, f"{where} silence"),
        feeds={feed: _silence(own, f"{where} silence.feeds.{feed}") for feed, own in feeds.items()},
        kinds={name: _kind(name, kinds[name], roles, f"{where} kinds.{name}") for name in KINDS},
    )


def _kind(name: str, entry: Mapping[str, object], roles: Mapping[str, object], where: str) -> Kind:
    told = {} if name == "correction" else {"roles": list}
    _check_keys(entry, {**told, "urgent": bool, "channels": list}, where)
    named, channels = cast("list[str]", entry.get("roles", [])), cast("list[str]", entry["channels"])
    for what, given, known in (("role", named, roles), ("channel", channels, CHANNELS)):
        for one in given:
            if one not in known:
                raise BadRule(f"{where}: '{one}' is no {what}; known are {', '.join(known)}")
    if not channels:
        raise BadRule(f"{where}: names no channel; known are {', '.join(CHANNELS)}")
    return Kind(tuple(named), bool(entry["urgent"]), tuple(channels))


def _silence(entry: Mapping[str, object], where: str) -> Silence:
    _check_keys(entry, {"pull_min": int, "call_h": int}, where)
    return Silence(cast("int", entry["pull_min"]), cast("int", entry["call_h"]))


def _check_keys(entry: Mapping[str, object], wanted: Mapping[str, type], where: str) -> None:
    for name, kind in wanted.items():
        if name not in entry:
            raise BadRule(f"{where}: lacks {name}")
        if type(entry[name]) is not kind:
            raise BadRule(f"{where}: {name} must be a TOML {kind.__name__}, came {entry[name]!r}")
