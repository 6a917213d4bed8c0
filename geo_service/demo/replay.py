"""The live feed of the made-up city: calls keep coming, stamped with the present, and feedback follows them.

The stream is fixed by (city, seed, pace): call number i, counted from a fixed moment, is always the same call,
whoever asks and however often.  A newcomer is to see places change colour within a minute, so calls come some hundred
times faster than in life; to keep the month's counts lifelike however long the demo runs, all but a few live calls
are closed by feedback as "no case" some time later and leave the counts again.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
import pandas as pd

from geo_service.demo import incidents, kinds, records
from geo_service.demo.city import City, clock_s, survey
from geo_service.demo.kinds import KINDS
from geo_service.feeds import sources

PACE_S = 5.0  # between two calls: with the share below, some place changes colour every 10 s
_COUNTED = 0.75  # share of live calls of the kinds that colour
_KEPT = 0.002  # share of live calls that are never closed, at size 1; about as many a day as in life
_RETYPED = 0.03  # share typed anew within minutes, to another kind
_OPEN_CALLS = 360.0  # live calls that stand open at size 1: after so many more a call is closed
_RETYPED_AFTER = 20  # calls
_RETYPED_TO = np.array(["030101", "050103", "010399", "010301"], dtype=object)
_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)  # call 0
_EPOCH_S = clock_s(_EPOCH)
_CHUNK = 64  # calls are drawn so many at a time
_HELD = 64  # chunks kept

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class _Month:
    """Where a month's live calls come from: cumulative shares of kinds, and of places by kind (kinds, places)."""

    kinds: Floats
    places: Floats


@dataclass(frozen=True)
class _Chunk:
    """Calls that follow one another: records as first sent, whether and to what they are retyped, if closed."""

    records: pd.DataFrame
    retyped: Flags
    retyped_to: npt.NDArray[np.object_]
    closed: Flags


class Replay:
    """The stream of live calls.  Asks no clock: `rows` gives what came between two numbers."""

    def __init__(self, city: City, *, seed: int = 0, every_s: float = PACE_S) -> None:
        self.every_s = every_s
        self.open_calls = max(60, round(_OPEN_CALLS * city.size))
        self._kept = _KEPT * city.size
        self._seed = [city.seed, 15, seed]
        self._ground, self._stations = survey(city)
        self._months: dict[int, _Month] = {}
        self._chunks: dict[int, _Chunk] = {}

    def last_before(self, moment: datetime) -> int:
        """Give the number of the last call up to a moment (aware)."""
        number = math.floor((moment - _EPOCH).total_seconds() / self.every_s)
        return number if _EPOCH_S + self._seconds(np.array([number]))[0] <= clock_s(moment) else number - 1

    def rows(self, first: int, last: int, origin: int) -> pd.DataFrame:
        """Give the records sent from call `first` to call `last`, both included.

        They are new calls and feedback to earlier ones.  Feedback to calls before `origin` is left out.  After a long
        silence only the newest calls are given, and feedback to those that were given before it: what came and was
        closed in between is over.
        """
        newest = max(first, last - 2 * self.open_calls + 1)
        calls = np.arange(newest, last + 1)
        found = [self._records(calls, calls)]
        for ago in (_RETYPED_AFTER, self.open_calls):
            before = np.arange(max(origin, first - ago), min(first - 1, last - ago) + 1)
            told = np.concatenate([before, np.arange(max(origin, newest), last - ago + 1)])
            found.append(self._records(told, told + ago))
        rows = pd.concat(found, ignore_index=True)
        return rows.sort_values("_sent", kind="stable", ignore_index=True)[list(records.COLUMNS)]

    def _records(self, calls: Whole, sent: Whole) -> pd.DataFrame:
        """Give the records of calls as sent at the moments of the calls `sent`, where they say something new."""
        found = []
        chunk = calls // _CHUNK
        for number in np.unique(chunk).tolist():
            held, here = self._chunk(number), np.flatnonzero(chunk == number)
            rows, ago = calls[here] - number * _CHUNK, sent[here] - calls[here]
            retyped, closed = held.retyped[rows] & (ago == _RETYPED_AFTER), held.closed[rows] & (ago == self.open_calls)
            part = held.records.iloc[rows].copy()
            code = np.where(closed, kinds.CLOSED_CODE, np.where(retyped, held.retyped_to[rows], ""))
            part["反馈类别代码"] = pd.Series(code, index=part.index, dtype="str")
            part["更新时间"] = pd.Series(
                records.written(_EPOCH_S + self._seconds(sent[here])), index=part.index, dtype="str"
            )
            part["_sent"] = sent[here]
            found.append(part[(ago == 0) | retyped | closed])
        return pd.concat(found) if found else _nothing()

    def _chunk(self, number: int) -> _Chunk:
        """Give a chunk of calls; the last ones asked for are kept."""
        if number not in self._chunks:
            while len(self._chunks) >= _HELD:
                self._chunks.pop(next(iter(self._chunks)))
            self._chunks[number] = self._drawn(number)
        return self._chunks[number]

    def _drawn(self, number: int) -> _Chunk:
        rng = np.random.Generator(np.random.PCG64([*self._seed, _natural(number), 1]))
        calls = number * _CHUNK + np.arange(_CHUNK)
        at_s = _EPOCH_S + self._seconds(calls)
        kind, place = np.empty(_CHUNK, dtype=np.int64), np.empty(_CHUNK, dtype=np.int64)
        for i, (moment, a, b) in enumerate(
            zip(at_s.tolist(), rng.random(_CHUNK).tolist(), rng.random(_CHUNK).tolist(), strict=True)
        ):
            month = self._month(incidents.month_of(moment))
            kind[i] = np.searchsorted(month.kinds, a, side="right")
            place[i] = np.searchsorted(month.places[kind[i]], b, side="right")
        located = incidents.locate(self._ground, at_s, kind, place, rng)
        # A serial of 7 digits: history's have fewer, so no number is given twice.
        serials = [f"{_natural(call) % 10_000_000:07d}" for call in calls.tolist()]
        rows = records.write(located, serials, self._stations, at_s, rng)[list(records.COLUMNS)]
        retyped_to = rng.choice(_RETYPED_TO, _CHUNK)
        retyped = (rng.random(_CHUNK) < _RETYPED) & (retyped_to != rows["警情类别代码"].to_numpy(dtype=object))
        return _Chunk(rows, retyped, retyped_to, rng.random(_CHUNK) >= self._kept)

    def _seconds(self, calls: Whole) -> Whole:
        """Give the moments of calls as whole seconds since call 0's step began: each somewhere within its own step."""
        mixed = (calls.astype(np.uint64) + np.uint64(self._seed[-1] + 1)) * np.uint64(
            0x9E3779B97F4A7C15
        )  # golden-ratio hash
        within = (mixed >> np.uint64(40)).astype(np.float64) / 2.0**24
        return np.floor((calls + within) * self.every_s).astype(np.int64)

    def _month(self, month: int) -> _Month:
        """Give a month's shares; they are worked out once."""
        if month not in self._months:
            rates = self._ground.rates * incidents.hot(self._ground, month)
            total = rates.sum(axis=0)
            counted = np.array([kind.counted for kind in KINDS])
            share = np.where(
                counted, _COUNTED * total / total[counted].sum(), (1.0 - _COUNTED) * total / total[~counted].sum()
            )
            self._months[month] = _Month(np.cumsum(share)[:-1], (np.cumsum(rates, axis=0) / total)[:-1].T)
        return self._months[month]


def _natural(number: int) -> int:
    """Map every whole number to a natural one: calls before the fixed moment have numbers below 0."""
    return 2 * number if number >= 0 else -2 * number - 1


def _nothing() -> pd.DataFrame:
    return pd.DataFrame(
        {column: pd.Series(dtype="str") for column in records.COLUMNS} | {"_sent": pd.Series(dtype="int64")}
    )


class ReplaySource:
    """The demo feed as a source of feeds: pull(since) gives what came since, by the clock it is given.

    The first pull begins at `started`.  A cursor holds the pace, the first call ever given and the last one given, so
    that a demo taken up again goes on where it was; one of another pace begins anew.
    """

    def __init__(
        self, city: City, *, clock: Callable[[], datetime], started: datetime, seed: int = 0, every_s: float = PACE_S
    ) -> None:
        self._replay = Replay(city, seed=seed, every_s=every_s)
        self._clock = clock
        self._origin = self._replay.last_before(started) + 1

    def pull(self, since: str | None) -> sources.Pulled:
        """Give the records since a cursor and the next cursor; the same cursor and clock give the same rows."""
        origin, done = self._read(since)
        last = self._replay.last_before(self._clock())
        rows = self._replay.rows(done + 1, last, origin)
        rows["_source"] = pd.Series("replay", index=rows.index, dtype="str")
        rows["_row"] = np.arange(1, len(rows) + 1, dtype=np.int64)
        return sources.Pulled(rows, f"{self._replay.every_s:g}:{origin}:{max(done, last)}")

    def _read(self, since: str | None) -> tuple[int, int]:
        """Give the first call ever given and the last one given."""
        pace, _, numbers = (since or "").partition(":")
        if pace != f"{self._replay.every_s:g}":
            return self._origin, self._origin - 1
        origin, _, done = numbers.partition(":")
        return int(origin), int(done)
