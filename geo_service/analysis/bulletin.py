"""The bulletin: what a month has to tell of one kind of places, ready to be printed.

Pure.  Tables are those of statistics.py; here they are put together for a month, with what its red and black places
would have had if nothing but their own past spoke, and with the band that chance alone draws about the year before.
Pages are made of it in prints/bulletin.py.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from geo_service.analysis import expectations, rules, statistics, trends
from geo_service.analysis.statistics import Question, Record
from geo_service.errors import BadParameter

Floats: TypeAlias = npt.NDArray[np.float64]

SHOWN_MONTHS = 36  # of a series
HALF_YEAR = 6  # [months] of the programme's headline
_MIDDLE = 0.95
_TOLD = ("expected", "low", "high", "chance_red")  # of what a month was to bring

_DISTRICTS = (("police", "branch"), ("civil", "county"), ("police", "station"), ("civil", "town"))
_STATIONS = (("police", "station"), ("police", "branch"), ("civil", "town"), ("civil", "county"))


@dataclass(frozen=True)
class Chapter:
    """What a month tells of one kind of places.

    shares     zero-incident table of the half year, by class
    districts  colours and change of each area of `district` (tree, level); no rows without areas
    year, month_before  all places against the year and the month before: a row of trends.compare; None: not on record
    warned     the number of red and black places now and a year before, with the band of places that keep their rates;
               None: not on record
    hot        red and black places: name, class, area_name, count, level, expected, low, high, chance_red
    streaks    streak table by class
    control    control table by area of `station`, or of all places together
    restated   counts of the year up to the month that became others after their month: name, month, count_before,
               count_after, causes (codes apart by spaces); filled in by who knows the log (`restated`)
    history    month, count, low, high: the middle 95 % had the rate been that of the same month a year before
    """

    kind: str
    span: statistics.Span
    shares: pd.DataFrame
    district: tuple[str, str] | None
    districts: pd.DataFrame
    year: pd.Series | None
    month_before: pd.Series | None
    warned: tuple[int, int, trends.Band] | None
    hot: pd.DataFrame
    streaks: pd.DataFrame
    control: pd.DataFrame
    history: pd.DataFrame
    levels: npt.NDArray[np.int8]
    zone_ids: "pd.Series[str]"
    restated: pd.DataFrame = field(default_factory=pd.DataFrame)


def chapter(kind: str, record: Record, month: str, rule: rules.Levels) -> Chapter:
    """Tell a month of one kind of places.

    Raises BadParameter for a month that is not on record or not over.
    """
    asked = Question(month=month, months=HALF_YEAR)
    span = statistics.span(record, asked)
    if span.month == record.current:
        raise BadParameter(f"month={span.month} is not over; its bulletin can be made from the first of the next one")
    district, station = _first(record, _DISTRICTS), _first(record, _STATIONS)
    year = _change(record, replace(asked, against="year"))
    return Chapter(
        kind=kind,
        span=span,
        shares=statistics.table("zero-incident", record, asked),
        district=district,
        districts=_districts(record, asked, district, year is not None),
        year=year,
        month_before=_change(record, replace(asked, against="month")),
        warned=_warned(record, span, rule),
        hot=_hot(record, span.month, station, rule),
        streaks=statistics.table("streaks", record, asked),
        control=_control(record, span.month, station),
        history=_history(record, span.month),
        levels=_levels(record, span.month),
        zone_ids=record.places["zone_id"],
    )


def restated_months(month: str) -> tuple[str, str]:
    """Give the months whose restatements a bulletin tells: the year up to its own.

    >>> restated_months("2024-05")
    ('2023-06', '2024-05')
    """
    return str(pd.Period(month, freq="M") - 11), month


def restated(told: Chapter, record: Record, log: pd.DataFrame) -> Chapter:
    """Put the log of restatements (zone_kind, zone_id, month, count_before, count_after, why: JSON) into a chapter."""
    names = dict(zip(record.places["zone_id"], record.places["name"], strict=True))
    ours = log[(log["zone_kind"] == told.kind) & log["zone_id"].isin(list(names))]
    causes = pd.Series([" ".join(sorted(json.loads(why))) for why in ours["why"]], index=ours.index, dtype="str")
    shown = ours[["month", "count_before", "count_after"]].assign(name=ours["zone_id"].map(names), causes=causes)
    return replace(told, restated=shown.iloc[::-1].reset_index(drop=True))  # the newest first


def _first(record: Record, levels: Sequence[tuple[str, str]]) -> tuple[str, str] | None:
    """Give the first of some levels that parts the places into two areas or more."""
    for tree, level in levels:
        if len(set(record.places[f"{tree}_{level}"]) - {""}) > 1:
            return tree, level
    return None


def _change(record: Record, asked: Question) -> "pd.Series | None":
    if statistics.span(record, asked).past not in record.months:
        return None
    return statistics.table("changes", record, asked).iloc[0]


def _districts(record: Record, asked: Question, district: tuple[str, str] | None, has_past: bool) -> pd.DataFrame:
    """Give the colours of each district in the month, and its change on the year where that is on record."""
    if district is None:
        return pd.DataFrame()
    question = replace(asked, tree=district[0], level=district[1], months=1)
    colours = statistics.table("colours", record, question)
    if not has_past:
        return colours
    key = list(statistics.GROUP_COLUMNS)
    return colours.merge(statistics.table("changes", record, question), on=[*key, "month"], validate="one_to_one")


def _hot(record: Record, month: str, station: tuple[str, str] | None, rule: rules.Levels) -> pd.DataFrame:
    """List the red and black places, the most incidents first, beside what their own past let expect."""
    at = record.months.index(month)
    level = _levels(record, month)
    here = np.flatnonzero(level >= rules.RED)
    told = _outlook(record, at, rule).iloc[here]
    places = record.places.iloc[here]
    area = places[f"{station[0]}_{station[1]}"] if station else pd.Series("", index=places.index)
    names = [record.names.get((station[0], code), code) if station else "" for code in area]
    found = places[["zone_id", "name", "class"]].assign(
        area_name=names, count=record.counts[here, at], level=level[here], **{name: told[name] for name in _TOLD}
    )
    return found.sort_values(["count", "zone_id"], ascending=[False, True], ignore_index=True)


def _outlook(record: Record, at: int, rule: rules.Levels) -> pd.DataFrame:
    """Tell what a month was to bring each place as its own past had it: expected, low, high (90 %), chance_red.

    Missing where less than half a year lies before the month.
    """
    if at < statistics.SETTLED:
        return pd.DataFrame(np.nan, index=record.places.index, columns=list(_TOLD))
    nothing_yet = expectations.SoFar(record.months[at], np.zeros(len(record.places), dtype=np.int64), 0.0)
    red, black = (np.full(len(record.places), threshold) for threshold in (rule.red, rule.black))
    told = expectations.outlook(record.counts[:, :at], statistics.classes(record), nothing_yet, red, black)
    return told[list(_TOLD)]


def _warned(record: Record, span: statistics.Span, rule: rules.Levels) -> tuple[int, int, trends.Band] | None:
    if span.past not in record.months:
        return None
    now, past = (int((_levels(record, month) >= rules.RED).sum()) for month in (span.month, span.past))
    chance = _outlook(record, record.months.index(span.month), rule)["chance_red"].to_numpy()
    return now, past, trends.noise_band(chance)


def _control(record: Record, month: str, station: tuple[str, str] | None) -> pd.DataFrame:
    at = record.months.index(month)
    if at < statistics.SETTLED:
        return pd.DataFrame()
    question = Question(month=month, months=min(SHOWN_MONTHS, at + 1 - statistics.SETTLED))
    if station:
        question = replace(question, tree=station[0], level=station[1])
    return statistics.table("control", record, question)


def _history(record: Record, month: str) -> pd.DataFrame:
    """Give the counts of the months shown, and the band about the same month a year before, by days."""
    at = record.months.index(month) + 1
    count = record.counts.sum(axis=0)[:at]
    days = np.array([pd.Period(each, "M").days_in_month for each in record.months[:at]], dtype=np.float64)
    low, high = np.full(at, np.nan), np.full(at, np.nan)
    if at > 12:
        # A rate known by one Poisson count alone (Jeffreys' prior) lets the next count vary as a negative binomial.
        share = days[:-12] / (days[:-12] + days[12:])
        low[12:], high[12:] = stats.nbinom.interval(_MIDDLE, count[:-12] + 0.5, share)
    shown = slice(max(0, at - SHOWN_MONTHS), at)
    return pd.DataFrame({"month": record.months[:at], "count": count, "low": low, "high": high}).iloc[shown]


def _levels(record: Record, month: str) -> npt.NDArray[np.int8]:
    of_month = record.levels[record.levels["month"] == month]
    place = pd.Index(record.places["zone_id"]).get_indexer(pd.Index(of_month["zone_id"]))
    level = np.zeros(len(record.places), dtype=np.int8)
    level[place[place >= 0]] = of_month["level"].to_numpy()[place >= 0]
    return level
