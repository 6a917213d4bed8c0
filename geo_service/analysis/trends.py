"""Trends: what two counts, or many places, can say about change, and what they cannot.

Pure.  A change carries its interval and its verdict; a share of places carries its interval; a rate in a comparison of
stations stands in its funnel.  Series over time are watched in control_charts.py, what a supervision achieved is told
in evaluation.py; words for the verdicts are in texts/ under [change].  Formulas and figures: docs/statistics.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, cast

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from geo_service.errors import BadParameter

Floats: TypeAlias = npt.NDArray[np.float64]
Whole: TypeAlias = npt.NDArray[np.int64]
Numbers: TypeAlias = npt.ArrayLike

VERDICTS = ("no_real_change", "real_rise", "real_fall", "too_few")
STREAKS = (3, 6, 12, 36)  # [months] without incident that the programme asks for
_REAL = 0.05  # share of unchanged places that are wrongly called changed, at most
_BEYOND = 8.0  # [sd] to which sums of two Poisson counts are carried; what lies beyond is below 1e-13


@dataclass(frozen=True)
class Band:
    """How many places a month would show if no rate changed: mean, standard deviation and the middle 95 %."""

    expected: float
    sd: float
    low: int
    high: int


def compare(now: Numbers, past: Numbers, exposure_now: Numbers = 1.0, exposure_past: Numbers = 1.0) -> pd.DataFrame:
    """Compare counts of now with counts of the past, row by row, with exposures such as days or months.

    Columns: now, past, expected (the past at now's exposure), difference with difference_low and _high, percent
    (missing where the past is 0), ratio of rates with ratio_low and _high, poisson_z, p, q, verdict.  p is the
    E-test's, q the share of false discoveries among the rows if this one is believed.  A change is real where q is at
    most 0.05 and the ratio's exact interval leaves 1 out; too few, where even all incidents on one side would not.

    Raises BadParameter for counts below 0 and exposures that are not above 0.

    >>> compare([14, 3, 60], [21, 0, 30])[["percent", "ratio_low", "ratio_high", "p", "verdict"]].round(3)
       percent  ratio_low  ratio_high      p         verdict
    0  -33.333      0.314       1.375  0.241  no_real_change
    1     <NA>      0.413         inf  0.088         too_few
    2    100.0      1.270       3.212  0.001       real_rise
    """
    now, past, in_now, in_past = np.broadcast_arrays(now, past, exposure_now, exposure_past)
    if (now < 0).any() or (past < 0).any() or not ((in_now > 0) & (in_past > 0)).all():
        raise BadParameter("counts must be 0 or more and exposures above 0; give the days or months that were counted")
    expected = past * (in_now / in_past)
    low, high = difference_interval(now, past, in_now, in_past)
    ratio, ratio_low, ratio_high = rate_ratio(now, past, in_now, in_past)
    p = e_test(now, past, in_now, in_past)
    q = false_discovery(p)
    verdict = np.where(_too_few(now + past, in_now, in_past), "too_few", "no_real_change").astype(object)
    verdict[(q <= _REAL) & (ratio_low > 1)] = "real_rise"
    verdict[(q <= _REAL) & (ratio_high < 1)] = "real_fall"
    percent = np.where(past > 0, 100 * (now - expected) / np.where(past > 0, expected, 1.0), np.nan)
    return pd.DataFrame(
        {
            "now": now,
            "past": past,
            "expected": expected,
            "difference": now - expected,
            "difference_low": low,
            "difference_high": high,
            "percent": pd.array(percent, dtype="Float64"),
            "ratio": ratio,
            "ratio_low": ratio_low,
            "ratio_high": ratio_high,
            "poisson_z": poisson_z(now, past, in_now, in_past),
            "p": p,
            "q": q,
            "verdict": pd.array(verdict, dtype="str"),
        }
    )


def told(change: Mapping[str, object]) -> tuple[str, dict[str, str]]:
    """Name the sentence of [change] that tells a row of `compare`, and what fills it; from none there is no percentage.

    >>> told(compare([14], [21]).iloc[0])
    ('no_real_change', {'past': '21', 'now': '14', 'percent': '-33', 'chance': '24'})
    >>> told(compare([9], [0]).iloc[0])
    ('real_rise_from_none', {'past': '0', 'now': '9', 'chance': '0.1'})
    """
    verdict, percent, p = str(change["verdict"]), change["percent"], cast("float", change["p"])
    words = {"past": str(change["past"]), "now": str(change["now"])}
    if isinstance(percent, float):
        words["percent"] = f"{percent:+.0f}"
    words["chance"] = f"{100 * p:.0f}" if p >= 0.1 else f"{100 * p:.1f}" if p >= 0.001 else "< 0.1"
    if verdict == "real_rise" and "percent" not in words:
        return "real_rise_from_none", words
    if verdict == "no_real_change" and p <= _REAL:
        return "no_real_change_among_many", words
    return verdict, words


def poisson_z(now: Numbers, past: Numbers, exposure_now: Numbers = 1.0, exposure_past: Numbers = 1.0) -> Floats:
    """Give 2 (sqrt(now) - sqrt(past)), the past at now's exposure: a number for sorting, not for judging.

    As the past is chance too, its standard deviation without change is sqrt(1 + exposure_now / exposure_past): 1.41 for
    two months.  So 3, the customary flag, is 2.1 standard deviations, and 2 means nothing.  Source: Wheeler 2016.

    >>> poisson_z([14, 60], [21, 30]).round(3).tolist()
    [-1.682, 4.537]
    """
    expected = np.asarray(past) * (np.asarray(exposure_now) / np.asarray(exposure_past))
    return np.asarray(2 * (np.sqrt(now) - np.sqrt(expected)), dtype=np.float64)


def e_test(now: Numbers, past: Numbers, exposure_now: Numbers = 1.0, exposure_past: Numbers = 1.0) -> Floats:
    """Give the chance of a difference at least this large between two Poisson counts of one rate; 1 for 0 and 0.

    Sharper than the conditional test, and still of its size.  Source: Krishnamoorthy and Thomson 2004, whose second
    example this is.

    >>> e_test([6, 2], [2, 6]).round(7).tolist()
    [0.1748748, 0.1748748]
    """
    columns = [np.asarray(value, dtype=np.float64) for value in (now, past, exposure_now, exposure_past)]
    rows = np.stack(np.broadcast_arrays(*columns), axis=-1)
    distinct, which = np.unique(rows.reshape(-1, 4), axis=0, return_inverse=True)
    return np.array([_e_test(*row) for row in distinct.tolist()])[which].reshape(rows.shape[:-1])


def rate_ratio(
    now: Numbers, past: Numbers, exposure_now: Numbers = 1.0, exposure_past: Numbers = 1.0, level: float = 0.95
) -> tuple[Floats, Floats, Floats]:
    """Give the ratio of two rates and its exact conditional interval; it holds at least its level, whatever the rate.

    Given their sum, the count of now is binomial (Clopper and Pearson 1934).  NaN for 0 and 0; infinite above 0.

    >>> [float(value.round(3)) for value in rate_ratio(14, 21)]
    [0.667, 0.314, 1.375]
    """
    now, past = np.asarray(now, dtype=np.float64), np.asarray(past, dtype=np.float64)
    odds = np.asarray(exposure_past, dtype=np.float64) / np.asarray(exposure_now, dtype=np.float64)
    tail = (1 - level) / 2
    low = np.where(now > 0, stats.beta.ppf(tail, np.maximum(now, 1), past + 1), 0.0)
    high = np.where(past > 0, stats.beta.isf(tail, now + 1, np.maximum(past, 1)), 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return now / past * odds, low / (1 - low) * odds, high / (1 - high) * odds


def difference_interval(
    now: Numbers, past: Numbers, exposure_now: Numbers = 1.0, exposure_past: Numbers = 1.0, level: float = 0.95
) -> tuple[Floats, Floats]:
    """Give the interval of the count's difference from the past at now's exposure.

    The exact limits of each count, put together by squares (Zou and Donner 2008): honest down to counts of 0.

    >>> [float(value.round(1)) for value in difference_interval(14, 21)]
    [-19.8, 5.4]
    """
    scale = np.asarray(exposure_now, dtype=np.float64) / np.asarray(exposure_past, dtype=np.float64)
    now, past = np.asarray(now, dtype=np.float64), np.asarray(past, dtype=np.float64)
    (now_low, now_high), (past_low, past_high) = poisson_interval(now, level), poisson_interval(past, level)
    difference = now - past * scale
    below = np.hypot(now - now_low, scale * (past_high - past))
    above = np.hypot(now_high - now, scale * (past - past_low))
    return difference - below, difference + above


def poisson_interval(count: Numbers, level: float = 0.95) -> tuple[Floats, Floats]:
    """Give the exact interval of the mean behind a count (Garwood 1936).

    >>> [[round(float(limit), 3) for limit in poisson_interval(count)] for count in (0, 4)]
    [[0.0, 3.689], [1.09, 10.242]]
    """
    count, tail = np.asarray(count, dtype=np.float64), (1 - level) / 2
    low = np.where(count > 0, stats.gamma.ppf(tail, np.maximum(count, 1)), 0.0)
    return low, np.asarray(stats.gamma.isf(tail, count + 1), dtype=np.float64)


def share_interval(part: Numbers, whole: Numbers, level: float = 0.95) -> tuple[Floats, Floats]:
    """Give the interval of a share (Wilson 1927); 0 to 1 of nothing.

    >>> [float(value.round(4)) for value in share_interval(7454, 10834)]
    [0.6792, 0.6967]
    """
    part, whole = np.asarray(part, dtype=np.float64), np.asarray(whole, dtype=np.float64)
    z2 = float(stats.norm.ppf((1 + level) / 2)) ** 2
    middle = (part + z2 / 2) / (whole + z2)
    half = np.sqrt(z2 * part * (whole - part) / np.maximum(whole, 1) + z2**2 / 4) / (whole + z2)
    return np.clip(middle - half, 0.0, 1.0), np.clip(middle + half, 0.0, 1.0)


def false_discovery(p: Numbers) -> Floats:
    """Give q of each p: the expected share of false findings if all with a q up to this one are believed; NaN stays.

    Source: Benjamini and Hochberg 1995.

    >>> false_discovery([0.01, 0.04, 0.03, 0.5]).round(4).tolist()
    [0.04, 0.0533, 0.0533, 0.5]
    """
    p = np.asarray(p, dtype=np.float64)
    q = np.full(p.shape, np.nan)
    asked = np.flatnonzero(np.isfinite(p))
    order = asked[np.argsort(-p[asked], kind="stable")]
    ranks = np.arange(len(order), 0, -1)
    q[order] = np.minimum.accumulate(p[order] * len(order) / ranks) if len(order) else 1.0
    return q


def noise_band(chances: Numbers) -> Band:
    """Tell how many of the places a month would show by chance alone, from each place's own chance.

    `chances` are those of being red or black, say: a sum of unequal coins, whose distribution is exact here.  Two
    months of this band differ by chance with standard deviation sqrt(2) * sd.

    >>> noise_band([0.1] * 200 + [0.5] * 10)
    Band(expected=25.0, sd=4.527692569068709, low=16, high=34)
    """
    chances = np.asarray(chances, dtype=np.float64)
    expected, sd = float(chances.sum()), float(np.sqrt((chances * (1 - chances)).sum()))
    size = min(len(chances), int(expected + 12 * sd + 20)) + 1  # beyond, the transform would wrap what is below 1e-20
    turn = np.exp(-2j * np.pi * np.arange(size) / size)
    transform = np.exp(
        sum(np.log1p(part[:, np.newaxis] * (turn - 1)).sum(axis=0) for part in np.array_split(chances, 99))
    )
    below = np.cumsum(np.fft.ifft(transform).real)
    return Band(expected, sd, int(np.searchsorted(below, 0.025)), int(np.searchsorted(below, 0.975)))


def between_months(now: int, past: int, band: Band) -> tuple[float, float]:
    """Give z and p of a change of a citywide number of places between two months whose places keep their rates.

    >>> z, p = between_months(14, 21, Band(21.7, 4.0, 14, 30))
    >>> round(z, 2), round(p, 2)
    (-1.24, 0.22)
    """
    z = (now - past) / (np.sqrt(2) * band.sd)
    return float(z), float(2 * stats.norm.sf(abs(z)))


def changes(
    counts: pd.DataFrame, areas: pd.DataFrame, month: str, against: str, last_day: int | None = None
) -> pd.DataFrame:
    """Compare a month with another one in every area: month on month, year on year.

    `areas` lists each area once, by key columns such as zone_kind and zone_id, or station and category; `counts` has
    these, month ("2026-11") and count, of months with incidents.  Months of different length are compared by days.  For
    a month that is not over, `last_day` cuts both at that day, and `counts` must have a column day (1 to 31).
    The key columns, then those of `compare`.  Raises BadParameter for `last_day` without days.

    >>> counts = pd.DataFrame({"station": ["A", "A"], "month": ["2026-02", "2026-01"], "count": [28, 31]})
    >>> changes(counts, pd.DataFrame({"station": ["A", "B"]}), "2026-02", "2026-01")[["station", "percent", "verdict"]]
      station  percent         verdict
    0       A      0.0  no_real_change
    1       B     <NA>         too_few
    """
    if last_day is not None:
        if "day" not in counts:
            raise BadParameter(
                "last_day came with counts of whole months; give counts by day (a column 'day', 1 to 31)"
            )
        counts = counts[counts["day"] <= last_day]
    keys = list(areas.columns)
    at = pd.MultiIndex.from_frame(areas)
    days = [min(pd.Period(each, "M").days_in_month, last_day or 31) for each in (month, against)]
    each = [counts[counts["month"] == name].groupby(keys, observed=True)["count"].sum() for name in (month, against)]
    now, past = (_at(of_month, at) for of_month in each)
    return pd.concat([areas.reset_index(drop=True), compare(now, past, days[0], days[1])], axis=1)


def zero_shares(places: pd.DataFrame, counts: pd.DataFrame, months: Sequence[str], by: Sequence[str]) -> pd.DataFrame:
    """Tell how many places had no incident in all the months, by groups: the programme's headline.

    `places` has zone_kind, zone_id and the columns to group by; `counts` zone_kind, zone_id, month, count of the
    counted categories.  Columns: the groups, places, zero_places, share, low, high (95 %).

    >>> classes = ["bank", "bank", "school"]
    >>> places = pd.DataFrame({"zone_kind": "units", "zone_id": ["a", "b", "c"], "zone_class": classes})
    >>> counts = pd.DataFrame({"zone_kind": ["units"], "zone_id": ["a"], "month": ["2026-05"], "count": [2]})
    >>> zero_shares(places, counts, ["2026-05", "2026-06"], ["zone_class"]).round(2)
      zone_class  places  zero_places  share   low  high
    0       bank       2            1    0.5  0.09  0.91
    1     school       1            1    1.0  0.21  1.00
    """
    seen = counts[counts["month"].isin(list(months)) & (counts["count"] > 0)]
    key = ["zone_kind", "zone_id"]
    zero = ~pd.MultiIndex.from_frame(places[key]).isin(pd.MultiIndex.from_frame(seen[key]))
    grouped = places.assign(zero=zero).groupby(list(by), observed=True, sort=True)["zero"]
    found = grouped.agg(places="size", zero_places="sum").reset_index()
    low, high = share_interval(found["zero_places"], found["places"])
    return found.assign(share=found["zero_places"] / found["places"], low=low, high=high)


def zero_streaks(counts: Whole) -> tuple[Whole, Whole]:
    """Give each place's months of zero in a row up to the last month, and its longest; counts are (places, months).

    >>> [streak.tolist() for streak in zero_streaks(np.array([[0, 0, 0, 1, 0], [1, 0, 0, 0, 2]]))]
    [[1, 0], [3, 3]]
    """
    current, longest = np.zeros(len(counts), dtype=np.int64), np.zeros(len(counts), dtype=np.int64)
    for month in range(counts.shape[1]):
        current = np.where(counts[:, month] == 0, current + 1, 0)
        longest = np.maximum(longest, current)
    return current, longest


def streak_table(streaks: Whole, at_least: Sequence[int] = STREAKS) -> pd.DataFrame:
    """Count the places whose streak is at least so many months, with the share of all; columns months, places, share.

    >>> streak_table(np.array([0, 3, 7, 40])).to_dict("list")
    {'months': [3, 6, 12, 36], 'places': [3, 2, 1, 1], 'share': [0.75, 0.5, 0.25, 0.25]}
    """
    places = [int((streaks >= months).sum()) for months in at_least]
    return pd.DataFrame({"months": list(at_least), "places": places, "share": np.array(places) / max(1, len(streaks))})


def colour_table(levels: pd.DataFrame, places: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Count the places of each level (columns 0 none to 4 black) by group and month.

    `levels` has zone_kind, zone_id, month, level, zeros or not; months as they occur.  `places` as in `zero_shares`;
    each row sums to its group's places.

    >>> places = pd.DataFrame({"zone_kind": "units", "zone_id": ["a", "b"], "zone_class": "bank"})
    >>> levels = pd.DataFrame({"zone_kind": ["units"], "zone_id": ["b"], "month": ["2026-05"], "level": [3]})
    >>> colour_table(levels, places, ["zone_class"]).to_dict("records")
    [{'zone_class': 'bank', 'month': '2026-05', 0: 1, 1: 0, 2: 0, 3: 1, 4: 0}]
    """
    months = pd.DataFrame({"month": pd.array(sorted(levels["month"].unique()), dtype="str")})
    every = places[[*dict.fromkeys(["zone_kind", "zone_id", *by])]].merge(months, how="cross")
    shown = every.merge(levels[["zone_kind", "zone_id", "month", "level"]], how="left")
    shown["level"] = shown["level"].fillna(0).astype(np.int64)
    table = pd.crosstab([shown[column] for column in (*by, "month")], shown["level"])
    return table.reindex(columns=range(5), fill_value=0).rename_axis(columns=None).reset_index()


def funnel(observed: Numbers, exposure: Numbers) -> pd.DataFrame:
    """Set each place or station against the rate of all: which differ from it by more than chance.

    Columns observed, expected, ratio with its own exact interval low, high (95 %), z, outside (0; 2 or 3 sd, negative
    below) and the funnel's limits of the count low_2, high_2, low_3, high_3.  Where stations differ more than Poisson
    counts would, the funnel widens by their overdispersion, a tenth at either end pulled in first (Spiegelhalter 2005).
    So no ranking stands without its interval.

    >>> funnel([5, 9, 31, 12], [100, 100, 300, 100])[["expected", "ratio", "low", "high", "outside"]].round(2)
       expected  ratio   low  high  outside
    0       9.5   0.53  0.17  1.23        0
    1       9.5   0.95  0.43  1.80        0
    2      28.5   1.09  0.74  1.54        0
    3       9.5   1.26  0.65  2.21        0
    """
    observed, exposure = np.asarray(observed, dtype=np.float64), np.asarray(exposure, dtype=np.float64)
    expected = exposure * (observed.sum() / (exposure.sum() or 1.0))
    apart = 2 * (np.sqrt(observed) - np.sqrt(expected))
    ends = np.quantile(apart, [0.1, 0.9]) if len(apart) else np.zeros(2)
    spread = np.sqrt(max(1.0, float((np.clip(apart, ends[0], ends[1]) ** 2).sum()) / max(1, len(apart))))
    z = apart / spread
    low, high = poisson_interval(observed)
    found = {"observed": observed, "expected": expected}
    with np.errstate(divide="ignore", invalid="ignore"):
        found |= {"ratio": observed / expected, "low": low / expected, "high": high / expected, "z": z}
    found["outside"] = (np.sign(z) * (2 * (np.abs(z) >= 2) + (np.abs(z) >= 3))).astype(np.int64)
    for sd in (2, 3):
        found[f"low_{sd}"] = np.maximum(np.sqrt(expected) - sd * spread / 2, 0) ** 2
        found[f"high_{sd}"] = (np.sqrt(expected) + sd * spread / 2) ** 2
    return pd.DataFrame(found)


def _e_test(now: float, past: float, exposure_now: float, exposure_past: float) -> float:
    if now + past == 0:
        return 1.0
    rate = (now + past) / (exposure_now + exposure_past)
    means = (rate * exposure_now, rate * exposure_past)
    ones, others = (_near(mean) for mean in means)
    chance = stats.poisson.pmf(ones, means[0])[:, np.newaxis] * stats.poisson.pmf(others, means[1])
    seen = _apart(np.array(now), np.array(past), exposure_now, exposure_past)
    as_far = _apart(ones[:, np.newaxis], others[np.newaxis], exposure_now, exposure_past) >= seen - 1e-9
    return min(1.0, float(chance[as_far].sum()))


def _near(mean: float) -> Floats:
    """Give the counts that a Poisson mean can show."""
    reach = _BEYOND * np.sqrt(mean)
    return np.arange(max(0, int(mean - reach)), int(mean + reach) + 30, dtype=np.float64)


def _apart(now: Floats, past: Floats, exposure_now: float, exposure_past: float) -> Floats:
    """Give the difference of the rates over its standard error; 0 for 0 and 0."""
    variance = now / exposure_now**2 + past / exposure_past**2
    return np.abs(now / exposure_now - past / exposure_past) / np.sqrt(np.where(variance > 0, variance, 1.0))


def _too_few(total: Whole, exposure_now: Floats, exposure_past: Floats) -> npt.NDArray[np.bool_]:
    """Tell where not even all incidents on one side would be a real change by the exact interval."""
    share = exposure_now / (exposure_now + exposure_past)
    return np.minimum(share**total, (1 - share) ** total) > _REAL / 2


def _at(counted: "pd.Series[int]", areas: pd.MultiIndex) -> Whole:
    """Give the count of each area, 0 where there is none."""
    index = areas if areas.nlevels > 1 else areas.get_level_values(0)
    return counted.reindex(index, fill_value=0).to_numpy().astype(np.int64)
