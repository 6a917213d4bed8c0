"""Messages: who is told what, once.

Pure.  A message row holds facts, never words and never an address: words are found at delivery, in the language of who
reads them (letters.py), addresses stand in the restricted schema of the store.  What happened, which time it happened
(`episode`) and who is told make a message's `key`: the same again is the same message, however often it is written.

What is told follows from two pictures: what holds now, and what was told and not withdrawn.  So it does not matter how
rows were cut into batches, whether one was seen twice, or when the roster came.  A moment that no longer holds is
withdrawn: whoever may have read of it gets one correction.  True again, it is another episode.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

import pandas as pd

from geo_service.analysis.alert_rules import AlertRules
from geo_service.analysis.jurisdictions import Answering
from geo_service.analysis.supervision import Task

MESSAGE_COLUMNS = (
    "key", "topic", "kind", "zone_kind", "zone_id", "month", "episode", "role", "tree", "area", "staff_id", "urgent",
    "due_at", "facts",
)  # fmt: skip
SUBJECT = ("zone_kind", "zone_id", "month", "kind")
TOLD_COLUMNS = (*SUBJECT, "episode", "withdrawn_at")  # of what was told; NaT: it holds
TOPICS = ("alert", "correction", "task", "overdue", "silent_feed", "digest")
FEED_KIND = "feeds"  # zone_kind of a message about a feed; zone_id is then the feed's id

Facts = Mapping[str, Any]


@dataclass(frozen=True)
class About:
    """What a message tells: of which place (or feed) and month, which time it happened, the facts (JSON-able)."""

    topic: str
    kind: str
    zone_kind: str
    zone_id: str
    month: str = ""
    episode: str = "0"
    facts: Facts = field(default_factory=dict)

    def key_for(self, recipient: Mapping[str, Any]) -> str:
        """Give the key of this message to a recipient: a member of staff, or a role that nobody holds."""
        who = (
            [recipient["staff_id"]] if recipient["staff_id"] else [recipient[name] for name in ("role", "tree", "area")]
        )
        return digest_key([self.topic, self.kind, self.zone_kind, self.zone_id, self.month, self.episode, *who])


def of(about: About, recipients: pd.DataFrame, rules: AlertRules, now: datetime) -> pd.DataFrame:
    """Make the messages that tell recipients (RECIPIENT_COLUMNS, as Answering gives them) about something.

    `now` is the city's time.  Gives MESSAGE_COLUMNS, due_at in UTC.  Who holds two of the roles is told once, as the
    first of them.

    >>> from datetime import date, time
    >>> from geo_service.analysis.alert_rules import Kind, Silence
    >>> kinds = {"enter_red": Kind(("station",), True, ("inbox",))}
    >>> rules = AlertRules(date(2000, 1, 1), "1", time(22), time(7), True, 30, (60,), Silence(1, 1), {}, kinds)
    >>> told = pd.DataFrame({"role": ["station", "grid_staff"], "tree": "police", "area": ["s", "g"], "staff_id": "p7"})
    >>> red = About("alert", "enter_red", "communities", "a", "2024-06")
    >>> of(red, told, rules, datetime(2024, 6, 2, 12, 0, tzinfo=UTC))[["role", "staff_id", "urgent"]].values.tolist()
    [['station', 'p7', True]]
    """
    urgent = rules.kind_of(about.topic, about.kind).urgent
    due_at = rules.due_at(urgent, now).astimezone(UTC)
    facts = json.dumps(about.facts, ensure_ascii=False, sort_keys=True)
    said = {name: getattr(about, name) for name in ("topic", "kind", "zone_kind", "zone_id", "month", "episode")}
    rows = [
        {**said, **who, "key": about.key_for(who), "urgent": urgent, "due_at": due_at, "facts": facts}
        for who in _records(recipients)
    ]
    return _frame(rows).drop_duplicates("key", ignore_index=True)


def news(moments: pd.DataFrame, told: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Compare what holds with what was told (TOLD_COLUMNS): give the moments to tell, and what must be withdrawn.

    `moments` has SUBJECT, and `episode` where they know it themselves; else it is how often the same was withdrawn.
    """
    standing, past = told[told["withdrawn_at"].isna()], told[told["withdrawn_at"].notna()]
    if "episode" in moments:
        by: list[str] = [*SUBJECT, "episode"]
        return _only_in(moments, told, by), _only_in(standing, moments, by)
    by = list(SUBJECT)
    fresh = _only_in(moments, standing, by)
    earlier = past.groupby(by).size()
    at = pd.MultiIndex.from_frame(fresh[by])
    episodes = earlier.reindex(at, fill_value=0) if len(earlier) else pd.Series(0, index=at)
    return fresh.assign(episode=episodes.astype("str").to_numpy()), _only_in(standing, moments, by)


def of_moments(
    fresh: pd.DataFrame, names: Mapping[tuple[str, str], str], answering: Answering, rules: AlertRules, now: datetime
) -> pd.DataFrame:
    """Make the messages about moments of `news`, to those who answer for their places (`names`, by kind and id)."""
    found = [
        of(_moment(row, names), answering.recipients(row["zone_kind"], row["zone_id"], _roles(rules, row)), rules, now)
        for row in _records(fresh)
    ]
    return together(found)


def of_task(topic: str, kind: str, task: Task, names: Mapping[tuple[str, str], str]) -> About:
    """Say what is new of a supervision task: each step, each deadline of a state is told once."""
    due_at = "" if task.due_at is None else task.due_at.isoformat()
    place = names.get((task.zone_kind, task.zone_id), task.zone_id)
    episode = f"{task.opened_at.isoformat()} {task.step} {task.state if kind == 'deadline' else ''}"
    facts = {"place": place, "count": task.count, "due_at": due_at}
    return About(topic, kind, task.zone_kind, task.zone_id, task.month, episode, facts)


def of_silences(fresh: pd.DataFrame, answering: Answering, rules: AlertRules, now: datetime) -> pd.DataFrame:
    """Make the messages about feeds that fell silent (silences.silent), to everybody who holds the roles, wherever."""
    told = answering.holders(rules.kinds["silent_feed"].roles)
    found = [
        of(About("silent_feed", *_subject(row), row["episode"], {"since": row["episode"]}), told, rules, now)
        for row in _records(fresh)
    ]
    return together(found)


def corrections(told: pd.DataFrame, rules: AlertRules, now: datetime) -> pd.DataFrame:
    """Make the message that follows each of those that were told and withdrawn (MESSAGE_COLUMNS): one a recipient.

    Of a moment it says that it no longer holds, of a silence that the feed speaks again.
    """
    found: list[pd.DataFrame] = []
    for row in _records(told):
        about = About("correction", *_subject(row), row["episode"], json.loads(row["facts"]))
        found.append(of(about, pd.DataFrame([row])[["role", "tree", "area", "staff_id"]], rules, now))
    return together(found)


def again(row: Mapping[str, Any], answering: Answering, rules: AlertRules, now: datetime) -> pd.DataFrame:
    """Make a message that nobody could be told anew, to those who hold its role now; none where still nobody does."""
    about = About(row["topic"], *_subject(row), row["episode"], row["facts"])
    if row["zone_kind"] == FEED_KIND:
        found = answering.holders([row["role"]])
    else:
        found = answering.recipients(row["zone_kind"], row["zone_id"], [row["role"]])
    return of(about, found[found["staff_id"] != ""], rules, now)


def digest_of(waiting: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Make the one message that carries several of one recipient; its key follows from theirs."""
    first = waiting[0]
    return {
        "key": digest_key(["digest", *sorted(row["key"] for row in waiting)]),
        "topic": "digest",
        "kind": "digest",
        **dict.fromkeys(("zone_kind", "zone_id", "month", "role", "tree", "area"), ""),
        "episode": "0",
        "staff_id": first["staff_id"],
        "urgent": any(row["urgent"] for row in waiting),
        "due_at": max(row["due_at"] for row in waiting),
        "facts": {},
    }


def digest_key(parts: Sequence[str]) -> str:
    """Give the SHA-256 of what tells one message from another, in hex."""
    return hashlib.sha256(json.dumps(list(parts), ensure_ascii=False).encode()).hexdigest()


def together(found: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Put frames of messages together."""
    some = [frame for frame in found if len(frame)]
    return pd.concat(some, ignore_index=True) if some else _frame([])


def _roles(rules: AlertRules, row: Mapping[str, Any]) -> Sequence[str]:
    return rules.kinds[row["kind"]].roles


def _moment(row: Mapping[str, Any], names: Mapping[tuple[str, str], str]) -> About:
    name = names.get((row["zone_kind"], row["zone_id"]), "")
    facts = {"place": name or row["zone_id"], "count": int(row["count"]), "at": row["at"].isoformat()}
    return About("alert", *_subject(row), row["episode"], facts)


def _subject(row: Mapping[str, Any]) -> tuple[str, str, str, str]:
    return row["kind"], row["zone_kind"], row["zone_id"], row["month"]


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return cast("list[dict[str, Any]]", frame.to_dict("records"))


def _only_in(these: pd.DataFrame, those: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    if these.empty or those.empty:
        return these.reset_index(drop=True)
    missing = ~pd.MultiIndex.from_frame(these[list(by)]).isin(pd.MultiIndex.from_frame(those[list(by)]))
    return these[missing].reset_index(drop=True)


def _frame(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    text = [name for name in MESSAGE_COLUMNS if name not in ("urgent", "due_at")]
    frame = pd.DataFrame(list(rows), columns=list(MESSAGE_COLUMNS))
    moments = pd.to_datetime(frame["due_at"], utc=True).dt.as_unit("us")
    typed = frame.assign(due_at=moments, urgent=frame["urgent"].astype("bool"))
    return typed.astype(dict.fromkeys(text, "str"))
