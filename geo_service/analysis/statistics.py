"""Statistics: the tables people ask for by name, each number with what chance alone would make of it.

Pure.  `table` answers a Question about a Record, what is known of one kind of places: areas, and counts by month.
Formulas are those of trends.py, control_charts.py and expectations.py; what a month's bulletin tells is put together in
bulletin.py, and tables become CSV, Parquet, JSON and pages in prints/.

Every table begins with GROUP_COLUMNS: group says what a row is about ("all" places asked about, a "class" of them, or
the "area" of a level), and class, area and area_name name it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from geo_service.analysis import control_charts, early_warnings, expectations, jurisdictions, rules, sentinel, trends
from geo_service.errors import BadParameter, NotFound

Whole: TypeAlias = npt.NDArray[np.int64]

GROUP_COLUMNS = ("group", "class", "area", "area_name")
PLACE_COLUMNS = ("zone_kind", "zone_id", "name", "class", *jurisdictions.LINEAGE_COLUMNS)
LEVEL_COLUMNS = ("zone_kind", "zone_id", "month", "count", "level")
STREAKS = (1, 3, 6, 12, 24, 36)  # [months] in a row without incident

_MIDDLE_SD = 1.96  # [sd] on either side hold the middle 95 % of a sum of many chances
_FEWEST_PLACES = 20  # a class with fewer shares the prior of all
_WATCHED_YEARS = 5  # learned from at most: what a station was ten years ago is no measure of today
_LEAST_YEARS = 3  # before that a season and a trend cannot be told apart
SETTLED = 6  # [months] seen before anything is expected


@dataclass(frozen=True)
class Record:
    """What is known of one kind of places: PLACE_COLUMNS of each, LEVEL_COLUMNS of its months with counted incidents.

    `months` are on record one after another, and a place without a row had none; `names` are those of areas, by tree
    and code; `current` is the month that is not over yet, "" where all are.
    """

    places: pd.DataFrame
    levels: pd.DataFrame
    months: tuple[str, ...]
    names: Mapping[tuple[str, str], str]
    current: str = ""

    @cached_property
    def counts(self) -> Whole:
        """Counted incidents (places, months)."""
        place = pd.Index(self.places["zone_id"]).get_indexer(pd.Index(self.levels["zone_id"]))
        month = pd.Index(self.months).get_indexer(pd.Index(self.levels["month"]))
        counts = np.zeros((len(self.places), len(self.months)), dtype=np.int64)
        known = (place >= 0) & (month >= 0)
        counts[place[known], month[known]] = self.levels["count"].to_numpy()[known]
        return counts

    def month(self, asked: str) -> str:
        """Give the month asked for, or, where none is, the last one that is over.

        Raises BadParameter for a month that is not on record.
        """
        if asked and asked not in self.months:
            span = f"{self.months[0]} to {self.months[-1]}" if self.months else "none"
            raise BadParameter(f"month={asked} is not on record; there is {span}")
        over = [month for month in self.months if month != self.current]
        if not (asked or self.months):
            raise BadParameter("no month is on record yet; load or pull incidents first")
        return asked or (over or self.months)[-1]

    def within(self, area: str, tree: str) -> "Record":
        """Keep the places of an area, of whatever level of a tree."""
        columns = [name for name in jurisdictions.LINEAGE_COLUMNS if name.startswith(f"{tree}_")]
        return self._of((self.places[columns] == area).any(axis=1))

    def of_class(self, name: str) -> "Record":
        """Keep the places of a class."""
        return self._of(self.places["class"] == name)

    def _of(self, wanted: "pd.Series[bool]") -> "Record":
        places = self.places[wanted].reset_index(drop=True)
        levels = self.levels[self.levels["zone_id"].isin(places["zone_id"])].reset_index(drop=True)
        return Record(places, levels, self.months, self.names, self.current)


@dataclass(frozen=True)
class Question:
    """What is asked of a record.

    month    "YYYY-MM"; "" is the last one that is over
    months   how many months back a table reaches, that month included
    tree, level  a row for each area of that level; level "" is a row for each class
    area     only places in this area of the tree
    against  "year": the same month a year before; "month": the month before
    """

    month: str = ""
    months: int = 6
    zone_class: str = ""
    tree: str = "police"
    level: str = ""
    area: str = ""
    against: str = "year"

    def asked_of(self, record: Record) -> Record:
        """Give the places the question is about.

        Raises BadParameter for a tree or level that is unknown, and for a class or area that no place has.
        """
        levels = jurisdictions.TREES.get(self.tree)
        if levels is None or (self.level and self.level not in levels):
            known = "; ".join(f"{tree}: {', '.join(levels)}" for tree, levels in jurisdictions.TREES.items())
            raise BadParameter(f"tree={self.tree}, level={self.level}: known are {known}")
        found = record.within(self.area, self.tree) if self.area else record
        if self.area and found.places.empty:
            raise BadParameter(f"area={self.area}: no place lies in an area of this code in the {self.tree} tree")
        classes = sorted(set(found.places["class"]) - {""})
        if self.zone_class and self.zone_class not in classes:
            raise BadParameter(
                f"class={self.zone_class}: no such place; there are {', '.join(classes) or 'no classes'}"
            )
        return found.of_class(self.zone_class) if self.zone_class else found


@dataclass(frozen=True)
class Span:
    """The months a table is about, and the one it compares with."""

    month: str
    months: tuple[str, ...]
    past: str


def span(record: Record, question: Question) -> Span:
    """Give the months that a question is about, as far as they are on record.

    Raises BadParameter for a month that is not, and for fewer than one month.
    """
    month = record.month(question.month)
    if question.months < 1:
        raise BadParameter(f"months={question.months}: ask for one month or more")
    at = record.months.index(month)
    past = pd.Period(month, "M") - (12 if question.against == "year" else 1)
    return Span(month, record.months[max(0, at + 1 - question.months) : at + 1], str(past))


def table(name: str, record: Record, question: Question) -> pd.DataFrame:
    """Answer a question by the table of a name; its rows begin with GROUP_COLUMNS.

    Raises NotFound for a name that no table has, BadParameter for a question that cannot be answered.
    """
    if name not in TABLES:
        raise NotFound(f"no table '{name}'; there are {', '.join(TABLES)}")
    asked = question.asked_of(record)
    if asked.places.empty:
        raise BadParameter("no place of this kind is on record; load zones first")
    return TABLES[name](asked, question)


def zero_incident(record: Record, question: Question) -> pd.DataFrame:
    """Give the share of places without a counted incident in all the months asked, with its 95 % interval (Wilson).

    GROUP_COLUMNS, places, zero_places, share, low, high.
    """
    months = span(record, question).months
    return _by_group(record, question, lambda places: trends.zero_shares(places, record.levels, months, ["key"]))


def colours(record: Record, question: Question) -> pd.DataFrame:
    """Count the places of each colour in each of the months asked; a row sums to the group's places.

    GROUP_COLUMNS, month, none, yellow, orange, red, black.
    """
    months = span(record, question).months
    level = np.zeros((len(record.places), len(months)), dtype=np.int64)
    place = pd.Index(record.places["zone_id"]).get_indexer(pd.Index(record.levels["zone_id"]))
    month = pd.Index(months).get_indexer(pd.Index(record.levels["month"]))
    here = (place >= 0) & (month >= 0)
    level[place[here], month[here]] = record.levels["level"].to_numpy()[here]

    def counted(places: pd.DataFrame) -> pd.DataFrame:
        code, keys = pd.factorize(places["key"], sort=True)
        width = len(rules.LEVEL_NAMES)
        cell = (code[:, np.newaxis] * len(months) + np.arange(len(months))) * width + level
        table = np.bincount(cell.ravel(), minlength=len(keys) * len(months) * width).reshape(-1, width)
        said = {"key": np.repeat(np.asarray(keys), len(months)), "month": np.tile(np.array(months), len(keys))}
        return pd.DataFrame({**said, **dict(zip(rules.LEVEL_NAMES, table.T, strict=True))})

    return _by_group(record, question, counted)


def changes(record: Record, question: Question) -> pd.DataFrame:
    """Compare the counted incidents of a month with those a year or a month before; months are compared by days.

    GROUP_COLUMNS, month, past_month and the columns of trends.compare; percent is missing where there was none before.
    Raises BadParameter when the month is not over, or the other is not on record.
    """
    asked = span(record, question)
    _refuse_current(record, asked.month)
    if asked.past not in record.months:
        raise BadParameter(
            f"{asked.month} is to be compared with {asked.past}, which is not on record; there is {record.months[0]} "
            f"to {record.months[-1]}"
        )

    def compared(places: pd.DataFrame) -> pd.DataFrame:
        keys = pd.DataFrame({"key": pd.array(sorted(set(places["key"])), dtype="str")})
        key_of = places.set_index("zone_id")["key"]
        counts = record.levels.assign(key=record.levels["zone_id"].map(key_of))[["key", "month", "count"]]
        found = trends.changes(counts, keys, asked.month, asked.past)
        found.insert(1, "month", asked.month)
        found.insert(2, "past_month", asked.past)
        return found

    return _by_group(record, question, compared)


def streaks(record: Record, question: Question) -> pd.DataFrame:
    """Count the places whose months of zero in a row, up to the month asked, are at least 1, 3, 6, 12, 24 and 36.

    Beside it how many were to be expected from what each place had shown before those months, with the middle 95 % if
    places keep their rates; missing where less than half a year lies before them.
    GROUP_COLUMNS, months, places, share of the group's, expected, low, high.
    """
    at = record.months.index(span(record, question).month) + 1
    current, _ = trends.zero_streaks(record.counts[:, :at])
    lengths = [length for length in STREAKS if length <= at]
    chances = np.stack([_chance_of_streak(record, at, length) for length in lengths], axis=1)

    def counted(places: pd.DataFrame) -> pd.DataFrame:
        parts: list[pd.DataFrame] = []
        for key, rows in sorted(places.groupby("key").indices.items()):
            chance = chances[rows]
            expected, sd = chance.sum(axis=0), np.sqrt((chance * (1 - chance)).sum(axis=0))
            low, high = (np.clip(expected + side * _MIDDLE_SD * sd, 0, len(rows)) for side in (-1, 1))
            table = trends.streak_table(current[rows], lengths)
            parts.append(table.assign(key=str(key), expected=expected, low=low, high=high))
        return pd.concat(parts, ignore_index=True)

    return _by_group(record, question, counted)


def _chance_of_streak(record: Record, at: int, months: int) -> npt.NDArray[np.float64]:
    """Give each place's chance of no incident in the `months` before `at`, from what lies before them.

    Gamma-Poisson on all months alike, a prior for each class.  `expectations.believe`, made for the month at hand, lets
    old months fade and doubts itself: for half a year it told 389 Philadelphia divisions at zero, this 280; 258 came.
    NaN where less than half a year lies before.
    """
    seen = at - months
    if seen < SETTLED:
        return np.full(len(record.places), np.nan)
    events, exposure = record.counts[:, :seen].sum(axis=1).astype(np.float64), np.full(len(record.places), float(seen))
    group, chance = classes(record), np.empty(len(record.places))
    for code in range(group.max() + 1):
        here = group == code
        like = here if here.sum() >= _FEWEST_PLACES else np.ones(len(here), dtype=bool)
        belief = expectations.fit_prior(events[like], exposure[like]).after(events[here], exposure[here])
        chance[here] = (belief.rate / (belief.rate + months)) ** belief.shape
    return chance


def classes(record: Record) -> Whole:
    """Number the classes of the places: those of one share what is believed of a place before it is seen."""
    return pd.factorize(record.places["class"], sort=True)[0].astype(np.int64)


def control(record: Record, question: Question) -> pd.DataFrame:
    """Watch the months asked, group by group: is a count beyond what the months before let expect.

    With three years before a month, Farrington's flexible limits (method "farrington"; p the chance of that many if
    nothing changed); with six months or more, an EWMA about their mean (method "ewma", count smoothed, p missing);
    before that no month is judged.  GROUP_COLUMNS, month, method, count, statistic, expected, upper, p, alarm.
    Raises BadParameter when the month is not over.
    """
    asked = span(record, question)
    _refuse_current(record, asked.month)
    at = np.array([record.months.index(month) for month in asked.months])

    def watched(places: pd.DataFrame) -> pd.DataFrame:
        code, keys = pd.factorize(places["key"], sort=True)
        series = np.zeros((len(keys), len(record.months)), dtype=np.int64)
        np.add.at(series, code, record.counts)
        rows = [_watched(series, np.asarray(keys), record.months, month) for month in at if month >= SETTLED]
        if not rows:
            raise BadParameter(f"{asked.month} has not {SETTLED} months before it on record; ask for a later month")
        return pd.concat(rows, ignore_index=True).sort_values(["key", "month"], ignore_index=True)

    return _by_group(record, question, watched)


def _watched(series: Whole, keys: npt.NDArray[np.object_], months: tuple[str, ...], at: int) -> pd.DataFrame:
    """Judge one month of every series by what lies before it."""
    how = control_charts.FLEXIBLE_MONTHS
    years = min(_WATCHED_YEARS, (at - how.half_window) // 12)
    found: dict[str, object] = {"key": keys, "month": months[at], "count": series[:, at]}
    if years >= _LEAST_YEARS:
        limits = control_charts.farrington(series, np.array([at]), 12 * np.arange(1, years + 1), how)
        found |= {"method": "farrington", "statistic": series[:, at].astype(np.float64)}
        found |= {"expected": limits.expected[:, 0], "upper": limits.upper[:, 0], "p": limits.p[:, 0]}
        return pd.DataFrame({**found, "alarm": limits.alarm[:, 0]})
    mean = np.maximum(series[:, :at].mean(axis=1, keepdims=True), 1 / (at + 1))  # none seen is no proof of a rate of 0
    chart = control_charts.ewma(series[:, : at + 1], mean)
    found |= {"method": "ewma", "statistic": chart.statistic[:, at], "expected": mean[:, 0]}
    return pd.DataFrame(
        {**found, "upper": chart.upper[:, at], "p": np.nan, "alarm": chart.statistic[:, at] > chart.upper[:, at]}
    )


def under_recording(record: Record, question: Question, rule: rules.Levels) -> pd.DataFrame:
    """Ask of every area of a level whether its places stop just under a threshold more often than they should.

    For auditors only: a sign to look into, never a ranking.  By default of stations, over the months asked, twelve at
    the most.  GROUP_COLUMNS, threshold, under, at, expected, ratio, p, q as `sentinel.heaping` gives them.
    """
    asked = replace(question, level=question.level or "station", months=min(question.months, 12))
    told = asked.asked_of(record)
    at = [told.months.index(month) for month in span(told, asked).months]
    area = told.places[f"{asked.tree}_{asked.level}"]
    months = pd.DataFrame({"station": np.repeat(area.to_numpy(), len(at)), "count": told.counts[:, at].ravel()})
    found = sentinel.heaping(months[months["station"] != ""], (rule.orange, rule.red, rule.black))
    return _named(found.rename(columns={"station": "key"}), "area", told, asked)


TABLES: Mapping[str, Callable[[Record, Question], pd.DataFrame]] = {
    "zero-incident": zero_incident,
    "colours": colours,
    "changes": changes,
    "streaks": streaks,
    "control": control,
}


def _refuse_current(record: Record, month: str) -> None:
    if month == record.current:
        raise BadParameter(f"month={month} is not over; its count cannot be compared with whole months")


def _by_group(record: Record, question: Question, make: Callable[[pd.DataFrame], pd.DataFrame]) -> pd.DataFrame:
    """Make the rows of all places, then those of each class or area; `make` takes places with a `key` to group by."""
    parts = [_named(make(record.places.assign(key="")), "all", record, question)]
    group = "area" if question.level else "class"
    key = record.places[f"{question.tree}_{question.level}" if question.level else "class"]
    if question.level or len(set(key)) > 1:
        parts.append(_named(make(record.places.assign(key=key)), group, record, question))
    return pd.concat(parts, ignore_index=True)


def _named(rows: pd.DataFrame, group: str, record: Record, question: Question) -> pd.DataFrame:
    key = rows["key"].astype("str")
    none = pd.Series("", index=rows.index, dtype="str")
    area = key if group == "area" else none
    said = pd.DataFrame(
        {
            "group": pd.Series(group, index=rows.index, dtype="str"),
            "class": key if group == "class" else pd.Series(question.zone_class, index=rows.index, dtype="str"),
            "area": area,
            "area_name": pd.array(
                [record.names.get((question.tree, str(code)), str(code)) for code in area], dtype="str"
            ),
        }
    )
    return pd.concat([said, rows.drop(columns="key")], axis=1)


def record_of(
    places: pd.DataFrame,
    areas: tuple[pd.DataFrame, Mapping[tuple[str, str], str]],
    levels: pd.DataFrame,
    months: Sequence[str],
    current: str = "",
) -> Record:
    """Put a record together from one kind of places (zone_kind, zone_id, name, class), their areas and their levels.

    `areas` are the lineage (zone_kind, zone_id and any of LINEAGE_COLUMNS; a place without a row lies in no area) and
    the areas' names by tree and code.  On record are the months from the first to the last of `months`.
    """
    lineage, names = areas
    known = [name for name in jurisdictions.LINEAGE_COLUMNS if name in lineage]
    joined = places.merge(lineage[["zone_kind", "zone_id", *known]], on=["zone_kind", "zone_id"], how="left")
    joined = joined.assign(**{name: "" for name in jurisdictions.LINEAGE_COLUMNS if name not in joined})
    joined = joined.fillna(dict.fromkeys(jurisdictions.LINEAGE_COLUMNS, ""))
    ordered = joined[list(PLACE_COLUMNS)].astype("str").sort_values("zone_id", ignore_index=True)
    span = early_warnings.months_between(min(months), max(months)) if months else []
    counted = levels.loc[levels["count"] > 0, list(LEVEL_COLUMNS)].reset_index(drop=True)
    return Record(ordered, counted, tuple(span), names, current)
