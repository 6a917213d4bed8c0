"""Reliability: whether the chances that were told came true.

Pure.  Scores of chances (0 to 1) beside what came (True, False), the table behind a reliability plot, and `backtest`,
which tells for past months and days what expectations.py would have told then, from earlier data only.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import special, stats

from geo_service.analysis import expectations
from geo_service.errors import BadParameter

# Edges of the table: red is rare, so most chances lie near 0.
EDGES = (0.0, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0)

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Counts = npt.NDArray[np.int64]


def brier(chance: Floats, came: Flags) -> float:
    """Give the mean squared distance between chance and what came: 0 is foresight.  Source: Brier (1950).

    >>> brier(np.array([0.8, 0.1]), np.array([True, False])).__round__(3)
    0.025
    """
    return float(((chance - came) ** 2).mean())


def brier_skill(chance: Floats, came: Flags) -> float:
    """Give the share of the Brier score that is saved beside telling everybody the share that came; NaN if all alike.

    >>> brier_skill(np.array([0.9, 0.1, 0.2, 0.2]), np.array([True, False, False, False])).__round__(3)
    0.867
    """
    share = float(came.mean())
    return 1 - brier(chance, came) / (share * (1 - share)) if 0 < share < 1 else float("nan")


def log_loss(chance: Floats, came: Flags) -> float:
    """Give the mean of -ln of the chance told to what came; infinite once the impossible came.

    >>> log_loss(np.array([0.5, 0.5]), np.array([True, False])).__round__(4)
    0.6931
    """
    return float(-np.where(came, special.xlogy(1, chance), special.xlog1py(1, -chance)).mean())


def auc(chance: Floats, came: Flags) -> float:
    """Give the chance that a case that came was told a larger chance than one that did not; ties are half.

    NaN when all or none came.  The Mann-Whitney statistic over its largest value.

    >>> auc(np.array([0.1, 0.4, 0.4, 0.8]), np.array([False, False, True, True]))
    0.875
    """
    some = int(came.sum())
    if not 0 < some < len(came):
        return float("nan")
    rank = cast(Floats, stats.rankdata(chance))
    return float((rank[came].sum() - some * (some + 1) / 2) / (some * (len(came) - some)))


def equal_edges(chance: Floats, bins: int) -> Floats:
    """Give edges between which about as many chances lie each, from 0 to 1; equal chances are never parted.

    >>> equal_edges(np.array([0.1, 0.2, 0.3, 0.4]), 2).tolist()
    [0.0, 0.25, 1.0]
    """
    inner = np.quantile(chance, np.arange(1, bins) / bins)
    return np.unique(np.concatenate([[0.0], inner, [1.0]]))


def table(chance: Floats, came: Flags, edges: Sequence[float] | Floats = EDGES, share: float = 0.95) -> pd.DataFrame:
    """Set the chances told beside the share that came, bin by bin; empty bins are left out.

    A bin holds from its first edge up to, not including, the next; the last holds 1 too.  Columns `from`, `to`, `n`,
    `mean_chance`, `observed` (share that came), `low`, `high` (Jeffreys' interval: Brown, Cai and DasGupta 2001).
    Raises BadParameter when a chance lies outside the edges.

    >>> told, came = np.array([0.1, 0.1, 0.1, 0.9]), np.array([False, False, True, True])
    >>> table(told, came, [0, 0.5, 1])[["n", "mean_chance", "observed", "low", "high"]].round(2).values.tolist()
    [[3.0, 0.1, 0.33, 0.04, 0.82], [1.0, 0.9, 1.0, 0.15, 1.0]]
    """
    edge = np.asarray(edges, dtype=np.float64)
    if not ((chance >= edge[0]) & (chance <= edge[-1])).all():
        raise BadParameter(f"every chance must lie from {edge[0]} to {edge[-1]}; came {chance.min()} to {chance.max()}")
    place = np.minimum(np.searchsorted(edge, chance, side="right") - 1, len(edge) - 2)
    n, told, hits = (np.bincount(place, what, len(edge) - 1) for what in (np.ones(len(chance)), chance, came))
    some = n > 0
    n, told, hits = n[some], told[some], hits[some]
    low, high = (special.betaincinv(hits + 0.5, n - hits + 0.5, q) for q in ((1 - share) / 2, (1 + share) / 2))
    return pd.DataFrame(
        {
            "from": edge[:-1][some],
            "to": edge[1:][some],
            "n": n.astype(np.int64),
            "mean_chance": told / n,
            "observed": hits / n,
            "low": np.where(hits == 0, 0.0, low),
            "high": np.where(hits == n, 1.0, high),
        }
    )


def calibration_error(binned: pd.DataFrame) -> float:
    """Give the mean gap between chance and share that came over the bins of a `table`, each by its cases.

    >>> told, came = np.array([0.1, 0.1, 0.1, 0.9]), np.array([False, False, True, True])
    >>> calibration_error(table(told, came, [0, 0.5, 1])).__round__(3)
    0.2
    """
    gap = (binned["mean_chance"] - binned["observed"]).abs()
    return float((gap * binned["n"]).sum() / binned["n"].sum())


@dataclass(frozen=True)
class Replay:
    """Whole months of a city as they came in: `counts` (places, months), oldest first, up to `last` ("YYYY-MM").

    `so_far` (places, months, days): the counts up to the end of each of `days` (of the month) in it.
    """

    counts: Counts
    so_far: Counts
    days: tuple[int, ...]
    last: str

    def __post_init__(self) -> None:
        expected = (*self.counts.shape, len(self.days))
        if self.so_far.shape != expected:
            raise BadParameter(f"so_far must be (places, months, days), {expected}; came {self.so_far.shape}")


def replay(place: Counts, day: npt.NDArray[np.datetime64], size: int, months: tuple[str, str]) -> Replay:
    """Count incidents (place 0 to size - 1, local day of the call) for `backtest`, days 5, 10, 15, 20 and 25.

    `months`: first and last ("YYYY-MM"); incidents of others, and places that are -1, are left out.

    >>> days = np.array(["2019-01-05", "2019-01-06", "2019-02-28"], dtype="datetime64[D]")
    >>> seen = replay(np.array([0, 0, 1]), days, 2, ("2019-01", "2019-02"))
    >>> seen.counts.tolist(), seen.so_far[:, 0].tolist()
    ([[2, 0], [0, 1]], [[1, 2, 2, 2, 2], [0, 0, 0, 0, 0]])
    """
    wanted = (5, 10, 15, 20, 25)
    first, last = (np.datetime64(month, "M") for month in months)
    month = day.astype("datetime64[M]")
    here = (month >= first) & (month <= last) & (place >= 0)
    place, day, month = place[here], day[here], month[here]
    across = int((last - first).astype(int)) + 1
    number = place * across + (month - first).astype(np.int64)
    of_month = (day.astype("datetime64[D]") - month.astype("datetime64[D]")).astype(np.int64) + 1

    def counted(some: Flags) -> Counts:
        return np.bincount(number[some], minlength=size * across).reshape(size, across)

    so_far = np.stack([counted(of_month <= until) for until in wanted], axis=-1)
    return Replay(counted(np.ones(len(number), dtype=bool)), so_far, wanted, months[1])


def backtest(seen: Replay, groups: Counts, needed: Counts, first: str) -> pd.DataFrame:
    """Tell what chance of reaching `needed` (one a place) each place would have been told, and what came.

    From the month `first` ("YYYY-MM") to the last one; each month knows only those before it, each day the count up
    to then.  Columns `place`, `month` (position), `day`, `count` so far, `chance`, `came`; in order of month and day.
    The months before `first` are history: with less than a year there is no season yet.
    Raises BadParameter when `first` leaves no month of history or none to tell of.

    >>> rng = np.random.Generator(np.random.PCG64(1))
    >>> daily = rng.poisson(0.05, (50, 24, 28))
    >>> city = Replay(daily.sum(axis=2), daily[:, :, :14].sum(axis=2)[..., None], (14,), "2020-12")
    >>> told = backtest(city, np.zeros(50, dtype=np.int64), np.full(50, 2), "2020-01")
    >>> len(told), told["chance"].mean().round(1), told["came"].mean().round(1)
    (600, np.float64(0.4), np.float64(0.4))
    """
    size, across = seen.counts.shape
    months = pd.period_range(end=seen.last, periods=across, freq="M")
    begin = int(np.searchsorted(months.astype(str), first))
    if not (0 < begin < across and str(months[begin]) == first):
        raise BadParameter(f"first must lie after {months[0]} and not after {seen.last}, came {first}")
    chance = np.empty((across - begin, len(seen.days), size))
    for at, month in enumerate(months[begin:], begin):
        before = expectations.believe(seen.counts[:, :at], groups, str(month))
        for which, day in enumerate(seen.days):
            gone = day / month.days_in_month
            count = seen.so_far[:, at, which]
            now = before.after(count, gone)
            chance[at - begin, which] = expectations.chance_of_reaching(needed - count, now, 1 - gone)
    came = (seen.counts[:, begin:] >= needed[:, np.newaxis]).T[:, np.newaxis]
    month_at, day_at, place = (axis.ravel() for axis in np.indices(chance.shape))
    return pd.DataFrame(
        {
            "place": place,
            "month": month_at + begin,
            "day": np.array(seen.days)[day_at],
            "count": seen.so_far[:, begin:].transpose(1, 2, 0).ravel(),
            "chance": chance.ravel(),
            "came": np.broadcast_to(came, chance.shape).ravel(),
        }
    )
