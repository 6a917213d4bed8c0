"""The sentinel: signs that incidents are written down as less than they are.  For auditors only, never for a ranking.

Pure.  Where a colour brings pressure, four things may move: counts that stop just under a threshold, categories that
drift to ones that do not count, calls that are recorded late, incidents re-typed out of the counted set.  Each sign
has an effect size, a p, and a q (the share of false accusations among the stations believed guilty, trends.py).  A
sign is a question to ask at the station, not an answer: a market that closed early also leaves a gap.
"""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import optimize, stats

from geo_service.analysis import trends

Floats: TypeAlias = npt.NDArray[np.float64]
Whole: TypeAlias = npt.NDArray[np.int64]

_POISSON = 1e6  # shape from which a negative binomial is a Poisson to six digits


def heaping(place_months: pd.DataFrame, thresholds: Sequence[int]) -> pd.DataFrame:
    """Ask whether a station's places stop just under a threshold more often than they should.

    `place_months` has station and count, a row for each place and month, zeros too; `thresholds` are the counts from
    which a worse colour holds, such as 2, 4 and 6.  Of the months with one under the threshold or just at it, a
    smooth negative binomial, fitted to the station, says which share should be under: moving a 4 to a 3 counts twice.
    Ask a year at a time: over ten years a station is no longer one smooth curve, and Philadelphia's honest districts
    show ratios up to 1.08 that pass for signs.
    Columns station, threshold, under, at, expected (under), ratio, p, q.

    >>> counts = [0] * 60 + [1] * 25 + [2] * 10 + [3] * 4 + [4]
    >>> heaping(pd.DataFrame({"station": "A", "count": counts}), [4]).round(2).to_dict("records")
    [{'station': 'A', 'threshold': 4, 'under': 4, 'at': 1, 'expected': 3.81, 'ratio': 1.05, 'p': 0.66, 'q': 0.66}]
    """
    rows: list[dict[str, object]] = []
    for station, counts in place_months.groupby("station", sort=True)["count"]:
        months = np.bincount(counts.to_numpy(dtype=np.int64), minlength=max(thresholds) + 1)
        shape, mean = _negative_binomial(months)
        for threshold in thresholds:
            under, at = int(months[threshold - 1]), int(months[threshold])
            chance = stats.nbinom.pmf([threshold - 1, threshold], shape, shape / (shape + mean))
            share = float(chance[0] / chance.sum()) if mean else 1.0
            expected = (under + at) * share
            p = float(stats.binom.sf(under - 1, under + at, share))
            ratio = under / expected if expected else float("nan")
            row = {"station": station, "threshold": threshold, "under": under, "at": at, "expected": expected}
            rows.append({**row, "ratio": ratio, "p": p})
    columns = ["station", "threshold", "under", "at", "expected", "ratio", "p"]
    return _with_q(pd.DataFrame(rows, columns=columns))


def category_drift(calls: pd.DataFrame) -> pd.DataFrame:
    """Ask whether a station's calls drift to categories that do not count, more than the whole city's.

    `calls` has station, counted_past, other_past, counted_now, other_now: numbers of calls in the counted categories
    and in those a theft may be written down as (lost property, help), in two periods.  The city's own drift is taken
    off. Stations without calls in either period are left out. Columns station, share_past, share_now (of the others),
    ratio beside the city's, ratio_low, ratio_high, p (E-test), q.

    >>> calls = pd.DataFrame({"station": list("ABCD"), "counted_past": 80, "other_past": 20})
    >>> calls = calls.assign(counted_now=[80, 80, 80, 40], other_now=[20, 20, 20, 60])
    >>> category_drift(calls)[["share_now", "ratio", "q"]].round(2).to_dict("list")
    {'share_now': [0.2, 0.2, 0.2, 0.6], 'ratio': [0.67, 0.67, 0.67, 2.0], 'q': [0.22, 0.22, 0.22, 0.01]}
    """
    every = {when: calls[f"counted_{when}"] + calls[f"other_{when}"] for when in ("past", "now")}
    calls = calls[(every["past"] > 0) & (every["now"] > 0)].reset_index(drop=True)
    share: dict[str, Floats] = {}
    exposure: dict[str, Floats] = {}
    for when in ("past", "now"):
        other = calls[f"other_{when}"].to_numpy(dtype=np.float64)
        total = other + calls[f"counted_{when}"].to_numpy(dtype=np.float64)
        share[when] = other / total
        exposure[when] = total * (other.sum() / max(total.sum(), 1.0) or 1.0)
    counts = calls["other_now"].to_numpy(dtype=np.int64), calls["other_past"].to_numpy(dtype=np.int64)
    ratio, low, high = trends.rate_ratio(*counts, exposure["now"], exposure["past"])
    found = {"station": calls["station"], "share_past": share["past"], "share_now": share["now"], "ratio": ratio}
    p = trends.e_test(*counts, exposure["now"], exposure["past"])
    return _with_q(pd.DataFrame({**found, "ratio_low": low, "ratio_high": high, "p": p}))


def recording_lags(calls: pd.DataFrame) -> pd.DataFrame:
    """Ask whether the time from call to record has changed at a station, and when.

    `calls` has station, called_at and recorded_at (with time zone or without, alike).  The change point is Pettitt's,
    by ranks: no single late record makes one.  The last days are short of their late records: leave them out before
    asking. Columns station, calls, median_h, p90_h [h], changed_at (first call after the change), before_h, after_h
    (medians), ratio (after to before), p, q.  Source: Pettitt 1979.

    >>> called = pd.date_range("2026-01-01", periods=80, freq="D")
    >>> lag_h = pd.to_timedelta([1, 2] * 20 + [9, 10] * 20, unit="h")
    >>> found = recording_lags(pd.DataFrame({"station": "A", "called_at": called, "recorded_at": called + lag_h}))
    >>> found[["changed_at", "before_h", "after_h"]].to_dict("records")
    [{'changed_at': Timestamp('2026-02-10 00:00:00'), 'before_h': 1.5, 'after_h': 9.5}]
    """
    rows: list[dict[str, object]] = []
    for station, own in calls.sort_values("called_at", kind="stable").groupby("station", sort=True):
        lag_h = (own["recorded_at"] - own["called_at"]).dt.total_seconds().to_numpy(dtype=np.float64) / 3600
        change, p = _pettitt(lag_h)
        before, after = (
            float(np.median(part)) if len(part) else float("nan") for part in (lag_h[:change], lag_h[change:])
        )
        rows.append(
            {
                "station": station,
                "calls": len(own),
                "median_h": float(np.median(lag_h)),
                "p90_h": float(np.quantile(lag_h, 0.9)),
                "changed_at": own["called_at"].iloc[min(change, len(own) - 1)],
                "before_h": before,
                "after_h": after,
                "ratio": after / before if before > 0 else float("nan"),
                "p": p,
            }
        )
    columns = ["station", "calls", "median_h", "p90_h", "changed_at", "before_h", "after_h", "ratio", "p"]
    return _with_q(pd.DataFrame(rows, columns=columns))


def retyping(stations: pd.DataFrame) -> pd.DataFrame:
    """Ask which stations re-type more incidents out of the counted set than the city does.

    `stations` has station, counted (incidents that came in as counted) and retyped_out (those of them that left).  The
    funnel widens by what stations differ anyway; p is one-sided.
    Columns station, counted, retyped_out, expected, ratio, low, high, z, p, q.

    >>> stations = pd.DataFrame({"station": list("ABCDEF"), "counted": 200, "retyped_out": [9, 11, 10, 8, 12, 40]})
    >>> retyping(stations)[["station", "ratio", "q"]].round(2).tail(2).to_dict("records")
    [{'station': 'E', 'ratio': 0.8, 'q': 0.91}, {'station': 'F', 'ratio': 2.67, 'q': 0.01}]
    """
    funnel = trends.funnel(stations["retyped_out"].to_numpy(), stations["counted"].to_numpy())
    found = stations[["station", "counted", "retyped_out"]].reset_index(drop=True)
    found = pd.concat([found, funnel[["expected", "ratio", "low", "high", "z"]]], axis=1)
    return _with_q(found.assign(p=stats.norm.sf(found["z"].to_numpy())))


def _with_q(found: pd.DataFrame) -> pd.DataFrame:
    return found.assign(q=trends.false_discovery(found["p"].to_numpy(dtype=np.float64)))


def _negative_binomial(months: Whole) -> tuple[float, float]:
    """Fit shape and mean to the number of months with 0, 1, 2 ... incidents, by maximum likelihood."""
    count = np.arange(len(months))
    mean = float(months @ count / max(1, months.sum()))
    if mean == 0:
        return _POISSON, 0.0

    def unlikely(log_shape: float) -> float:
        shape = np.exp(log_shape)
        return -float(months @ stats.nbinom.logpmf(count, shape, shape / (shape + mean)))

    best = optimize.minimize_scalar(unlikely, bounds=(np.log(1e-3), np.log(_POISSON)), method="bounded")
    return float(np.exp(best.x)), mean


def _pettitt(values: Floats) -> tuple[int, float]:
    """Give the first place after the likeliest single change of level, and its p (conservative)."""
    number = len(values)
    ranks = stats.rankdata(values)
    apart = np.abs(2 * np.cumsum(ranks) - np.arange(1, number + 1) * (number + 1))[:-1]
    if number < 2:
        return 0, 1.0
    change = int(np.argmax(apart)) + 1
    return change, min(1.0, 2 * float(np.exp(-6 * apart[change - 1] ** 2 / (number**3 + number**2))))
