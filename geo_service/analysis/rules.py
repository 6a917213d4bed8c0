"""Rules: what the city has decided, by date: levels, placing, categories.

Pure.  A rule is data (rules/*.toml, read by files.py); this room checks it and answers which rule held when.
Levels are the integers 0 none, 1 yellow, 2 orange, 3 red, 4 black, on the wire and in every file.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import cast

import numpy as np
import numpy.typing as npt

from geo_service.errors import BadParameter, BadRule

LEVEL_NAMES = ("none", "yellow", "orange", "red", "black")
RED, BLACK = 3, 4
ZONE_KINDS = ("communities", "units", "patrol_zones")
UNMAPPED = "unmapped"

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Levels:
    """Thresholds in force from `valid_from`: the count [incidents a month] from which each colour holds."""

    valid_from: date
    version: str
    yellow: int
    orange: int
    red: int
    black: int
    h3_resolution: int
    counted: tuple[str, ...]

    def of(self, count: Counts) -> npt.NDArray[np.int8]:
        """Give the level of each count.

        >>> rule = Levels(date(2000, 1, 1), "1", 1, 2, 4, 6, 9, ("robbery",))
        >>> rule.of(np.array([0, 1, 2, 3, 4, 5, 6, 60])).tolist()
        [0, 1, 2, 2, 3, 3, 4, 4]
        """
        return np.searchsorted([self.yellow, self.orange, self.red, self.black], count, side="right").astype(np.int8)

    def alert_counts(self) -> dict[str, int]:
        """Give the counts that alert: one short of red and black, and entering them."""
        return {
            "critical_red": self.red - 1,
            "enter_red": self.red,
            "critical_black": self.black - 1,
            "enter_black": self.black,
        }


@dataclass(frozen=True)
class Rules:
    """Everything the city has decided that the thinking needs.

    `placing` maps a zone kind to "always" or "unless_in_unit"; `categories` maps a canonical category to its titles.
    """

    levels: tuple[Levels, ...]
    placing: Mapping[str, str]
    categories: Mapping[str, Mapping[str, str]]

    def levels_at(self, month: str) -> Levels:
        """Give the thresholds in force on the first day of a month ("YYYY-MM").

        Raises BadRule when the month lies before the first rule.
        """
        first = date.fromisoformat(f"{month}-01")
        for rule in reversed(self.levels):
            if rule.valid_from <= first:
                return rule
        raise BadRule(
            f"no level rule holds for {month}: the first one in rules/levels.toml begins {self.levels[0].valid_from}; "
            "add an entry with an earlier valid_from"
        )

    def counting(self, categories: Sequence[str]) -> "Rules":
        """Give the same rules with other categories that colour.

        Raises BadParameter for a category that rules/categories.toml does not know.
        """
        self.check_categories(categories, "--count", BadParameter)
        return replace(self, levels=tuple(replace(rule, counted=tuple(categories)) for rule in self.levels))

    def check_categories(self, categories: Sequence[str], where: str, error: type[Exception] = BadRule) -> None:
        """Raise `error` when a category is not one of rules/categories.toml."""
        for category in categories:
            if category not in self.categories:
                known = ", ".join(self.categories)
                raise error(f"{where}: '{category}' is no category; known are {known} (rules/categories.toml)")


def parse_levels(table: Mapping[str, object], where: str) -> tuple[Levels, ...]:
    """Read rules/levels.toml: its entries, checked and in order of valid_from.

    Raises BadRule when an entry lacks a key, thresholds do not rise or two entries begin on the same day.
    """
    entries = cast(Sequence[Mapping[str, object]], table.get("levels", ()))
    if not entries:
        raise BadRule(f"{where}: holds no [[levels]] entry; at least one with valid_from is needed")
    levels = sorted((_parse_level(entry, where) for entry in entries), key=lambda rule: rule.valid_from)
    for earlier, later in itertools.pairwise(levels):
        if earlier.valid_from == later.valid_from:
            raise BadRule(f"{where}: two [[levels]] entries begin on {later.valid_from}; give each its own valid_from")
    return tuple(levels)


def _parse_level(entry: Mapping[str, object], where: str) -> Levels:
    wanted = ("valid_from", "version", "yellow", "orange", "red", "black", "h3_resolution", "counted")
    missing = [key for key in wanted if key not in entry]
    if missing:
        raise BadRule(f"{where}: a [[levels]] entry lacks {', '.join(missing)}")
    thresholds = [entry[name] for name in LEVEL_NAMES[1:]]
    if not all(isinstance(t, int) for t in thresholds) or thresholds != sorted(set(cast(list[int], thresholds))):
        raise BadRule(f"{where}: thresholds must be whole numbers that rise from yellow to black, came {thresholds}")
    if cast(list[int], thresholds)[0] < 1:
        raise BadRule(
            f"{where}: yellow must be at least 1, came {thresholds[0]}; a place with no incident has no colour"
        )
    valid_from = entry["valid_from"]
    if not isinstance(valid_from, date):
        raise BadRule(f"{where}: valid_from must be a date such as 2024-01-01 without quotes, came {valid_from!r}")
    yellow, orange, red, black = cast(list[int], thresholds)
    counted = tuple(cast(Sequence[str], entry["counted"]))
    resolution = cast(int, entry["h3_resolution"])
    return Levels(valid_from, str(entry["version"]), yellow, orange, red, black, resolution, counted)


def parse_placing(table: Mapping[str, object], name: str, where: str) -> dict[str, str]:
    """Read one named policy of rules/placing.toml.

    Raises BadParameter for a policy that does not exist, BadRule for a kind or word that is unknown.
    """
    if name not in table:
        raise BadParameter(f"{where}: no placing rule '{name}'; there are {', '.join(table)}")
    policy = cast(Mapping[str, str], table[name])
    for kind in ZONE_KINDS:
        if policy.get(kind) not in ("always", "unless_in_unit"):
            raise BadRule(f"{where} [{name}]: {kind} must be 'always' or 'unless_in_unit', came {policy.get(kind)!r}")
    return dict(policy)


def parse_rules(
    levels: Mapping[str, object],
    placing: Mapping[str, object],
    categories: Mapping[str, object],
    policy: str,
    where: str,
) -> Rules:
    """Put rules/levels.toml, placing.toml and categories.toml together and check them against each other."""
    titles = cast(Mapping[str, Mapping[str, str]], categories.get("categories", {}))
    rules = Rules(
        parse_levels(levels, f"{where}/levels.toml"),
        parse_placing(placing, policy, f"{where}/placing.toml"),
        titles,
    )
    for rule in rules.levels:
        rules.check_categories(rule.counted, f"{where}/levels.toml counted")
    return rules
