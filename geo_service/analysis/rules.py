"""Rules: what the city has decided, by date: programmes with their levels, placing, categories.

Pure.  A rule is data (rules/*.toml, read by files.py); this room checks it and answers which rule held when.
Levels are the integers 0 none, 1 yellow, 2 orange, 3 red, 4 black, on the wire and in every file.

A programme is what a city counts and colours for one purpose: the first one colours the map and alerts; others have
levels of their own over the same places (telecom fraud, by the place of who was cheated) and press nobody.
"""

import hashlib
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import cast

import numpy as np
import numpy.typing as npt

from geo_service.errors import BadParameter, BadRule

LEVEL_NAMES = ("none", "yellow", "orange", "red", "black")
RED, BLACK = 3, 4
ZONE_KINDS = ("communities", "units", "patrol_zones")
UNMAPPED = "unmapped"
PROGRAMME = "zero_incident"  # of an entry that names none: the one that colours the map
BASES = ("call", "occurrence", "filing")  # which time of an incident decides its month
AT_ONCE, TRIAGED = "at_once", "triaged"  # when a call counts: as it comes, or once a person has confirmed it
MOMENTS = ("critical_black", "critical_red", "enter_black", "enter_red")  # that alert, in the order of alert_counts

Counts = npt.NDArray[np.int64]
Thresholds = tuple[int, int, int, int]  # yellow, orange, red, black [incidents a month]


@dataclass(frozen=True)
class Levels:
    """Thresholds in force from `valid_from`: the count [incidents a month] from which each colour holds.

    `special` thresholds are those of a zone kind ("units", "") or of a class of it ("units", "hospital"), which goes
    first.  `basis` says which time decides the month, `counts` when a call counts; without `alerts` red and black are
    colours only.
    """

    valid_from: date
    version: str
    yellow: int
    orange: int
    red: int
    black: int
    h3_resolution: int
    counted: tuple[str, ...]
    special: Mapping[tuple[str, str], Thresholds] = field(default_factory=dict, hash=False)
    basis: str = "call"
    counts: str = AT_ONCE
    alerts: bool = True

    def thresholds(self, kind: str = "", class_: str = "") -> Thresholds:
        """Give the thresholds of a kind and class of places; without them those of everything else, H3 cells too.

        >>> rule = Levels(date(2000, 1, 1), "1", 1, 2, 4, 6, 9, ("robbery",), {("units", "hospital"): (2, 4, 8, 12)})
        >>> rule.thresholds("units", "hospital"), rule.thresholds("units", "school")
        ((2, 4, 8, 12), (1, 2, 4, 6))
        """
        common = (self.yellow, self.orange, self.red, self.black)
        return self.special.get((kind, class_), self.special.get((kind, ""), common))

    def of(self, count: Counts, thresholds: "Counts | None" = None) -> npt.NDArray[np.int8]:
        """Give the level of each count, by thresholds of its own row (n, 4) or the common ones.

        >>> rule = Levels(date(2000, 1, 1), "1", 1, 2, 4, 6, 9, ("robbery",))
        >>> rule.of(np.array([0, 1, 2, 3, 4, 5, 6, 60])).tolist()
        [0, 1, 2, 2, 3, 3, 4, 4]
        """
        if thresholds is None:
            return np.searchsorted(self.thresholds(), count, side="right").astype(np.int8)
        return (thresholds <= np.asarray(count)[:, np.newaxis]).sum(axis=1).astype(np.int8)

    def alert_counts(self, kind: str = "", class_: str = "") -> dict[str, int]:
        """Give the counts that alert: one short of red and black, and entering them."""
        _, _, red, black = self.thresholds(kind, class_)
        return {"critical_black": black - 1, "critical_red": red - 1, "enter_black": black, "enter_red": red}


@dataclass(frozen=True)
class Rules:
    """Everything the city has decided that the thinking needs.

    `levels` are those of the programme in question, the first one unless another was asked for; `programmes` those of
    all, by name.  `placing` maps a zone kind to "always" or "unless_in_unit"; `categories` maps a canonical category to
    its titles; `lesser` are those that a counted incident may be written down as to stay out of the counts.
    """

    levels: tuple[Levels, ...]
    placing: Mapping[str, str]
    categories: Mapping[str, Mapping[str, str]]
    programmes: Mapping[str, tuple[Levels, ...]] = field(default_factory=dict)
    lesser: tuple[str, ...] = ()

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

    def of_programme(self, name: str) -> "Rules":
        """Give the same rules with the levels of another programme.  Raises BadParameter when there is none."""
        if name not in self.programmes:
            raise BadParameter(f"programme '{name}' is none of {', '.join(self.programmes)} (rules/levels.toml)")
        return replace(self, levels=self.programmes[name])

    def counting(self, categories: Sequence[str]) -> "Rules":
        """Give the same rules with other categories that colour.

        Raises BadParameter for a category that rules/categories.toml does not know.
        """
        self.check_categories(categories, "--count", BadParameter)
        return replace(self, levels=tuple(replace(rule, counted=tuple(categories)) for rule in self.levels))

    def digest(self) -> str:
        """Name what colours: equal digests count equally.  Titles and other programmes do not matter."""
        said = [(vars(rule) | {"special": sorted(rule.special.items())}) for rule in self.levels]
        return hashlib.sha256(repr((said, sorted(self.placing.items()))).encode()).hexdigest()

    def check_categories(self, categories: Sequence[str], where: str, error: type[Exception] = BadRule) -> None:
        """Raise `error` when a category is not one of rules/categories.toml."""
        for category in categories:
            if category not in self.categories:
                known = ", ".join(self.categories)
                raise error(f"{where}: '{category}' is no category; known are {known} (rules/categories.toml)")


def parse_levels(table: Mapping[str, object], where: str) -> dict[str, tuple[Levels, ...]]:
    """Read rules/levels.toml: the entries of each programme, checked and in order of valid_from; the first one leads.

    Raises BadRule when an entry lacks a key, thresholds do not rise or two of a programme begin on the same day.
    """
    entries = cast(Sequence[Mapping[str, object]], table.get("levels", ()))
    if not entries:
        raise BadRule(f"{where}: holds no [[levels]] entry; at least one with valid_from is needed")
    found: dict[str, list[Levels]] = {}
    for entry in entries:
        found.setdefault(str(entry.get("programme", PROGRAMME)), []).append(_parse_level(entry, where))
    programmes = {name: tuple(sorted(these, key=lambda rule: rule.valid_from)) for name, these in found.items()}
    for levels in programmes.values():
        for earlier, later in itertools.pairwise(levels):
            if earlier.valid_from == later.valid_from:
                raise BadRule(
                    f"{where}: two [[levels]] entries begin on {later.valid_from}; give each its own valid_from"
                )
    return programmes


def _parse_level(entry: Mapping[str, object], where: str) -> Levels:
    wanted = ("valid_from", "version", "yellow", "orange", "red", "black", "h3_resolution", "counted")
    missing = [key for key in wanted if key not in entry]
    if missing:
        raise BadRule(f"{where}: a [[levels]] entry lacks {', '.join(missing)}")
    yellow, orange, red, black = _parse_thresholds(entry, where)
    valid_from = entry["valid_from"]
    if not isinstance(valid_from, date):
        raise BadRule(f"{where}: valid_from must be a date such as 2024-01-01 without quotes, came {valid_from!r}")
    return Levels(
        valid_from,
        str(entry["version"]),
        yellow,
        orange,
        red,
        black,
        cast(int, entry["h3_resolution"]),
        tuple(cast(Sequence[str], entry["counted"])),
        special=_parse_special(cast(Mapping[str, Mapping[str, object]], entry.get("special", {})), where),
        basis=_one_of("basis", entry.get("basis", BASES[0]), BASES, where),
        counts=_one_of("counts", entry.get("counts", AT_ONCE), (AT_ONCE, TRIAGED), where),
        alerts=bool(entry.get("alerts", True)),
    )


def _parse_thresholds(entry: Mapping[str, object], where: str) -> Thresholds:
    thresholds = [entry.get(name) for name in LEVEL_NAMES[1:]]
    if not all(isinstance(t, int) for t in thresholds) or thresholds != sorted(set(cast(list[int], thresholds))):
        raise BadRule(f"{where}: thresholds must be whole numbers that rise from yellow to black, came {thresholds}")
    yellow, orange, red, black = cast(list[int], thresholds)
    if yellow < 1:
        raise BadRule(f"{where}: yellow must be at least 1, came {yellow}; a place with no incident has no colour")
    return yellow, orange, red, black


def _parse_special(tables: Mapping[str, Mapping[str, object]], where: str) -> dict[tuple[str, str], Thresholds]:
    """Read thresholds of a kind of places, "units", or of one of its classes, "units/hospital"."""
    found: dict[tuple[str, str], Thresholds] = {}
    for name, entry in tables.items():
        kind, _, class_ = name.partition("/")
        if kind not in ZONE_KINDS:
            raise BadRule(
                f"{where} special '{name}': write a zone kind, or kind/class; kinds are {', '.join(ZONE_KINDS)}"
            )
        found[kind, class_] = _parse_thresholds(entry, f"{where} special '{name}'")
    return found


def _one_of(key: str, value: object, known: Sequence[str], where: str) -> str:
    if value not in known:
        raise BadRule(f"{where}: {key} must be one of {', '.join(known)}, came {value!r}")
    return str(value)


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
    programmes = parse_levels(levels, f"{where}/levels.toml")
    first = next(iter(programmes.values()))
    lesser = tuple(cast(Sequence[str], categories.get("lesser", ())))
    rules = Rules(first, parse_placing(placing, policy, f"{where}/placing.toml"), titles, programmes, lesser)
    rules.check_categories(lesser, f"{where}/categories.toml lesser")
    for these in programmes.values():
        for rule in these:
            rules.check_categories(rule.counted, f"{where}/levels.toml counted")
    return rules
