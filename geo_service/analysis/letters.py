"""Letters: the words of messages, in the language of who reads them.

Pure.  Facts become a title and a body by the texts of the program (texts/, group `message`).  Several messages become
one letter: of each place it names the worst moment only, so that five calls at once do not say "one short of red" too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any, cast

from geo_service.analysis import alert_rules

MOST_LINES = 20  # of a letter about many places: a robot of WeCom takes 2 kB

Message = Mapping[str, Any]
Texts = Mapping[str, Any]


@dataclass(frozen=True)
class Letter:
    """What a person reads."""

    title: str
    body: str


@dataclass(frozen=True)
class Reader:
    """Who reads: the texts of a language, the city's time zone, and where the map is served ("": nowhere known)."""

    texts: Texts
    zone: tzinfo
    public_url: str = ""

    def letter(self, told: Sequence[Message]) -> Letter:
        """Write what some messages to one recipient say; at least one.

        >>> words = {"message": {"alert": {"enter_red": {"title": "{place} is red", "body": "{count} in {month}."}}}}
        >>> red = {"topic": "alert", "kind": "enter_red", "zone_kind": "units", "zone_id": "a", "month": "2024-06"}
        >>> Reader(words, None).letter([{**red, "facts": {"place": "East Gate", "count": 4}}])
        Letter(title='East Gate is red', body='4 in 2024-06.')
        """
        some = worst(told)
        if len(some) == 1:
            title, body = (self._say(some[0], part) for part in ("title", "body"))
            return Letter(title, self._linked(body))
        words = self.texts["message"]["digest"]["digest"]
        lines = [self._say(one, "title") for one in some[:MOST_LINES]]
        if len(some) > MOST_LINES:
            lines.append(words["more"].format(n=len(some) - MOST_LINES))
        return Letter(words["title"].format(n=len(some)), self._linked("\n".join(lines)))

    def _say(self, message: Message, part: str) -> str:
        words: str = self.texts["message"][message["topic"]][message["kind"]][part]
        moments = ("at", "since", "due_at")
        facts = {name: self._local(value) if name in moments else value for name, value in message["facts"].items()}
        return words.format_map({**facts, "month": message["month"], "id": message["zone_id"]})

    def _local(self, moment: str) -> str:
        if not moment:
            return "-"
        return f"{datetime.fromisoformat(moment).astimezone(self.zone):%Y-%m-%d %H:%M}"

    def _linked(self, body: str) -> str:
        return f"{body}\n{self.public_url.rstrip('/')}/map" if self.public_url else body


def worst(told: Sequence[Message]) -> list[Message]:
    """Keep of each place's moments of a month the worst, and everything else; the worst first, then as they came.

    >>> at = {"topic": "alert", "zone_kind": "communities", "zone_id": "a", "month": "2024-06"}
    >>> [one["kind"] for one in worst([{**at, "kind": kind} for kind in ("critical_red", "enter_red")])]
    ['enter_red']
    """
    kept: dict[tuple[str, ...], Message] = {}
    for place in sorted(told, key=_gravity, reverse=True):
        moment = place["topic"] if place["topic"] == "alert" else f"{place['topic']} {place['kind']} {place.get('key')}"
        kept.setdefault((moment, place["zone_kind"], place["zone_id"], place["month"]), place)
    return list(kept.values())


def _gravity(message: Message) -> int:
    kind = cast(str, message["kind"])
    return alert_rules.MOMENTS.index(kind) if message["topic"] == "alert" else -1
