"""Task rules: when a place is supervised, by whom, by when, and what is looked at there.

Pure.  A rule is data (rules/tasks.toml, read by files.py): this room checks it, answers which rule held on a day, and
judges the answers to a checklist.  What follows from the rules is supervision.py.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import cast

from geo_service.errors import BadParameter, BadRule

MET, SHORT, UNANSWERED = "met", "short", "unanswered"
OTHER = "other"  # the checklist of a place whose class and kind have none

_MOMENTS = ("critical_red", "enter_red", "critical_black", "enter_black")
_CLASS_OF_KIND = {"communities": "residential", "patrol_zones": "patrol_zone"}
_NUMBERS = (
    "acknowledge_days",
    "finish_days",
    "verify_days",
    "escalate_after_h",
    "history_months",
    "matched_places",
)
_WANTED = ("valid_from", "version", "programme", "opens", "escalates", "ladder", "checklists", *_NUMBERS)

Answer = Mapping[str, float | bool]  # to an item: {"done": true}, or its numbers by name


@dataclass(frozen=True)
class Item:
    """One line of a checklist: a yes or no; `part` at least a number; or `part` at least a share of `whole`."""

    id: str
    title: Mapping[str, str]
    part: str = ""
    whole: str = ""
    at_least: float = 0.0
    share: float = 0.0
    numbers: Mapping[str, Mapping[str, str]] | None = None  # titles of `part` and `whole`

    def needed(self, answer: Answer) -> int | None:
        """Give how many there should be; None where that is not yet known, or a yes is all that is asked.

        >>> Item("guards", {}, "guards", "beds", share=0.05).needed({"beds": 1210})
        61
        """
        if not self.part or (self.whole and self.whole not in answer):
            return None
        exact = self.share * answer[self.whole] if self.whole else self.at_least
        return math.ceil(round(exact, 9))  # 0.05 x 1,200 is 60, not a hair more

    def verdict(self, answer: Answer) -> str:
        """Judge an answer: met, short or unanswered.

        >>> guards = Item("guards", {}, "guards", "beds", share=0.05)
        >>> [guards.verdict(said) for said in ({}, {"beds": 1200, "guards": 59}, {"beds": 1200, "guards": 60})]
        ['unanswered', 'short', 'met']
        """
        if not self.part:
            return UNANSWERED if "done" not in answer else MET if answer["done"] else SHORT
        needed = self.needed(answer)
        if needed is None or self.part not in answer:
            return UNANSWERED
        return MET if answer[self.part] >= needed else SHORT

    def check(self, answer: Answer) -> None:
        """Raise BadParameter for an answer that has other parts than the item asks, or numbers that cannot be."""
        asked = {name for name in (self.part, self.whole) if name} or {"done"}
        if set(answer) - asked:
            raise BadParameter(f"item '{self.id}' asks {', '.join(sorted(asked))}; came {', '.join(sorted(answer))}")
        for name, value in answer.items():
            if self.part and (isinstance(value, bool) or value < 0 or not math.isfinite(value)):
                raise BadParameter(f"item '{self.id}': {name} must be a number from 0, came {value!r}")
            if not self.part and not isinstance(value, bool):
                raise BadParameter(f"item '{self.id}' is a yes or no; send done: true or false, came {value!r}")


@dataclass(frozen=True)
class TaskRule:
    """What holds for tasks opened from `valid_from` on (rules/tasks.toml says what each is)."""

    valid_from: date
    version: str
    programme: str
    opens: tuple[str, ...]
    escalates: tuple[str, ...]
    ladder: tuple[str, ...]
    acknowledge: timedelta
    finish: timedelta
    verify: timedelta
    escalate_after: timedelta
    history_months: int
    matched_places: int
    checklists: Mapping[str, tuple[Item, ...]]

    @property
    def highest_step(self) -> int:
        """The last step of the ladder."""
        return len(self.ladder) - 1

    def checklist(self, zone_kind: str, zone_class: str) -> tuple[Item, ...]:
        """Give what is looked at in a place."""
        for name in (zone_class, _CLASS_OF_KIND.get(zone_kind, "")):
            if name in self.checklists:
                return self.checklists[name]
        return self.checklists[OTHER]


def parse(table: Mapping[str, object], where: str, roles: Sequence[str]) -> tuple[TaskRule, ...]:
    """Read rules/tasks.toml: its entries, checked and in order of valid_from.

    Raises BadRule for a key that is missing, a moment or role that is unknown, or a checklist that cannot be judged.
    """
    entries = cast(Sequence[Mapping[str, object]], table.get("tasks", ()))
    found = sorted((_rule(entry, where, roles) for entry in entries), key=lambda rule: rule.valid_from)
    if not found:
        raise BadRule(f"{where}: holds no [[tasks]] entry; at least one with valid_from is needed")
    for earlier, later in itertools.pairwise(found):
        if earlier.valid_from == later.valid_from:
            raise BadRule(f"{where}: two [[tasks]] entries begin on {later.valid_from}; give each its own valid_from")
    return tuple(found)


def on(found: Sequence[TaskRule], day: date) -> TaskRule:
    """Give the rule in force on a day.  Raises BadRule when the day lies before the first."""
    for rule in reversed(found):
        if rule.valid_from <= day:
            return rule
    raise BadRule(f"no task rule holds on {day}; add a [[tasks]] entry with an earlier valid_from to rules/tasks.toml")


def _rule(entry: Mapping[str, object], where: str, roles: Sequence[str]) -> TaskRule:
    if missing := [key for key in _WANTED if key not in entry]:
        raise BadRule(f"{where}: a [[tasks]] entry lacks {', '.join(missing)}")
    if not isinstance(entry["valid_from"], date):
        raise BadRule(f"{where}: valid_from must be a date such as 2024-01-01, came {entry['valid_from']!r}")
    lists = {key: tuple(cast(Sequence[str], entry[key])) for key in ("opens", "escalates", "ladder")}
    for key, known in (("opens", _MOMENTS), ("escalates", _MOMENTS), ("ladder", roles)):
        if unknown := [name for name in lists[key] if name not in known]:
            raise BadRule(f"{where}: {key} names {', '.join(unknown)}; known are {', '.join(known)}")
    if not lists["opens"] or not lists["ladder"]:
        raise BadRule(f"{where}: opens and ladder need at least one entry each")
    numbers = {name: entry[name] for name in _NUMBERS}
    if wrong := [name for name, value in numbers.items() if not isinstance(value, int) or value < 1]:
        raise BadRule(f"{where}: {', '.join(wrong)} must be whole numbers from 1")
    whole = cast(Mapping[str, int], numbers)
    return TaskRule(
        entry["valid_from"],
        str(entry["version"]),
        str(entry["programme"]),
        **lists,
        acknowledge=timedelta(days=whole["acknowledge_days"]),
        finish=timedelta(days=whole["finish_days"]),
        verify=timedelta(days=whole["verify_days"]),
        escalate_after=timedelta(hours=whole["escalate_after_h"]),
        history_months=whole["history_months"],
        matched_places=whole["matched_places"],
        checklists=_checklists(cast(Mapping[str, Sequence[Mapping[str, object]]], entry["checklists"]), where),
    )


def _checklists(table: Mapping[str, Sequence[Mapping[str, object]]], where: str) -> Mapping[str, tuple[Item, ...]]:
    found = {
        name: tuple(_item(entry, f"{where}, checklist '{name}'") for entry in items) for name, items in table.items()
    }
    if OTHER not in found:
        raise BadRule(f"{where}: needs [[tasks.checklists.{OTHER}]], for places whose class has no list of its own")
    for name, items in found.items():
        if len({item.id for item in items}) < len(items):
            raise BadRule(f"{where}: checklist '{name}' holds an id twice; give each item its own")
    return found


def _item(entry: Mapping[str, object], where: str) -> Item:
    name = str(entry.get("id", ""))
    titles = cast(Mapping[str, str], entry.get("title", {}))
    part, whole = str(entry.get("part", "")), str(entry.get("whole", ""))
    at_least, share = float(cast(float, entry.get("at_least", 0))), float(cast(float, entry.get("share", 0)))
    if not name or not {"zh", "en"} <= set(titles):
        raise BadRule(f"{where}: item '{name}' needs an id and a title in zh and en")
    is_share = bool(part) and bool(whole) and 0 < share <= 1 and not at_least
    is_number = bool(part) and not whole and not share and at_least > 0
    is_yes = not part and not whole and not share and not at_least
    if not (is_share or is_number or is_yes):
        raise BadRule(
            f"{where}: item '{name}' must have part and at_least, or part, whole and share (above 0, at most 1), or "
            "none of them"
        )
    numbers = {
        asked: cast(Mapping[str, str], entry.get(f"{key}_title", {"zh": asked, "en": asked}))
        for key, asked in (("part", part), ("whole", whole))
        if asked
    }
    return Item(name, titles, part, whole, at_least, share, numbers)
