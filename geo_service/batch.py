"""Batch: the main job over years and provinces, part by part, in this process or by Dask's workers.

Files are cut into spans.  Every span is read and placed, piece by piece, into a spool beside the results; then the
identities of all rows are settled, the parts counted and written without the rows that do not hold, and what follows
is concluded a few months at a time.  With a gazetteer, points that conflicts of all parts share are looked at before
counting.  What a part or a month says depends on nothing else (analysis/parts.py), so the results are the same row by
row wherever and in whatever order it is thought about, and what a worker that died had in hand is thought about again.

Memory: two or three pieces of a file at work (80,000 rows each), the identities of 4 million rows at 30 bytes, the
counts of the months of a quarter million incidents (or of one month) a thread, and the refused rows.

The one room that knows Dask.
"""

import logging
import math
import os
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from geo_service import files, results
from geo_service.analysis import parts, rules, totals, versions, whereabouts, witnesses
from geo_service.analysis.doubts import Doubts
from geo_service.analysis.feed import Feed
from geo_service.analysis.intake import Summary
from geo_service.errors import BadParameter, BatchFailed
from geo_service.feeds import streams
from geo_service.feeds.streams import Span

_SPAN = 1 << 26  # bytes of a file that one task takes in: about 700,000 rows of CSV
_AT_ONCE = 1 << 22  # rows whose identities are settled together
_MONTHS_AT_ONCE = 1 << 18  # incidents whose months are concluded together
_ANSWER_S = 10  # a scheduler that is there answers sooner [s]
_FIRST_WORKER_S = 60  # workers that are being started come sooner [s]
_READ, _SETTLED, _COUNTED = 0.4, 0.45, 0.75  # the share of the time that is over when all is read, settled, counted [-]
_CONCLUDED = ("zone_month", "levels", "alerts", "cell_month", "cell_levels")
_SHEETS = ("incidents", *_CONCLUDED, "reviews")  # the last with a gazetteer only
_NONE = np.empty(0, dtype=np.int64)
_CORES = len(os.sched_getaffinity(0))

T = TypeVar("T")
R = TypeVar("R")
Tell = Callable[[float], object]
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Order:
    """What `digest` is asked: incident files, how to read them, the zones, the rules, where to write, who works.

    `dask`: "" this process, "local" a worker a core, or the address of a scheduler.  `gazetteer`: files that place
    texts are located with, None: they are not.
    """

    incidents: Sequence[Path]
    feed: Feed
    zones: Sequence[files.ZoneFile]
    rules: rules.Rules
    now: datetime
    as_of: datetime | None
    out: Path
    dask: str = ""
    gazetteer: files.GazetteerFiles | None = None


@dataclass(frozen=True)
class Taken:
    """What became of a span of the file of a number: its parts in the spool, the rows refused, and what is doubtful.

    `is_told` False: the span cannot be told from its beginning, and the file must be read whole.
    """

    file: int
    span: Span
    is_told: bool = True
    parts: Sequence[str] = ()
    rejected: Sequence[pd.DataFrame] = ()
    doubts: Doubts = field(default_factory=Doubts)
    rows_read: int = 0
    doubted: int = 0


class Counted(NamedTuple):
    """What became of a part: numbers that add up, of reviews too; witnesses; rows that are not written yet."""

    totals: totals.Totals
    reviews: Mapping[str, int]
    witnesses: pd.DataFrame | None
    frames: Mapping[str, pd.DataFrame]


class Crew(Protocol):
    """Who does the work.  A task is a function of the case and an item."""

    is_spread: bool

    def map(self, task: Callable[[parts.Case, Any], R], items: Sequence[Any], tell: Tell) -> Iterator[R]:
        """Do a task for every item; give the answers in order, and tell the share that is done."""
        ...


def digest_files(order: Order, tell: Tell = lambda _: None) -> Summary:
    """Digest incident files against zone files, no database: the main job on files alone.

    Writes incidents, rejected, zone_month, levels, alerts, cell_month, cell_levels (Parquet) and summary.json, all
    or none; tells the share of the work that is done.
    Raises BadRows and AxisOrder when a file or the feed file is wrong, BatchFailed when workers are lost.
    """
    if order.dask:  # workers have a working folder of their own
        zones = [replace(file, path=file.path.resolve()) for file in order.zones]
        order = replace(order, incidents=[path.resolve() for path in order.incidents], zones=zones)
        order = replace(order, gazetteer=order.gazetteer and order.gazetteer.resolved())
    case, repaired = read_case(order)
    with results.folder(order.out) as out, crew(order, case) as workers:
        summary = {**digest(order, case, out, workers, tell), "repaired": repaired}
        out.json("summary", summary)
    return summary


def read_case(order: Order) -> tuple[parts.Case, list[str]]:
    """Read the zones and the gazetteer; give what the thinking needs, and what was repaired."""
    read = [files.read_zones(file) for file in order.zones]
    zones = {zones.kind: zones for zones, _ in read}
    solver = files.read_solver(order.gazetteer) if order.gazetteer else None
    case = parts.Case(order.feed, zones, order.rules, order.now, order.as_of, solver)
    return case, [line for _, report in read for line in report]


def digest(order: Order, case: parts.Case, out: results.Results, crew: Crew, tell: Tell) -> Summary:
    """Digest incident files into a folder of results; give the summary."""
    spool = out.spool()
    taken = _take_in_all(order.incidents, case, spool, crew, _share(tell, 0, _READ))
    sum((one.doubts for one in taken), Doubts()).check(order.feed)
    rejected = _rejected(taken)
    out.parquet("rejected", rejected)
    names = [name for one in taken for name in one.parts]
    losing, dropped = _settle_all(spool, names, crew, _share(tell, _READ, _SETTLED))
    shared = _shared(spool, names, losing, crew) if case.solver else None
    with out.sheets(_SHEETS if case.solver else _SHEETS[:-1], order.feed.city_zone, in_parts=crew.is_spread) as sheets:
        items = [(spool / name, losing.get(at, _NONE), shared, sheets) for at, name in enumerate(names)]
        counted: list[Counted] = []
        for one in crew.map(_count, items, _share(tell, _SETTLED, _COUNTED)):
            _put(sheets, **one.frames)
            counted.append(one._replace(frames={}))
        whole: totals.Totals = sum((one.totals for one in counted), Counter())
        groups = parts.month_groups(whole, _MONTHS_AT_ONCE)
        months = [(spool, names, group, sheets) for group in groups]
        colours: list[parts.Colours] = []
        for some, found in crew.map(_conclude, months, _share(tell, _COUNTED, 1)):
            colours.append(some)
            _put(sheets, **found)
    return {
        "rows_read": sum(one.rows_read for one in taken),
        "duplicates": dropped[versions.DUPLICATE],
        "rejected": totals.by_reason(rejected),
        "after_as_of": dropped[versions.NOT_YET_SAID],
        **totals.told(whole, case.zones),
        **(_texts_told(taken, counted, order.feed) if case.solver else {}),
        "months": [month for group in groups for month in group],
        "colours": {kind: {m: n for some in colours for m, n in some.get(kind, {}).items()} for kind in case.zones},
    }


def _texts_told(taken: Sequence[Taken], counted: Sequence[Counted], feed: Feed) -> Summary:
    """Sum up what place texts said, as intake.digest does."""
    seen = [one.witnesses for one in counted if one.witnesses is not None]
    evidence = witnesses.evidence(witnesses.together(seen)) if seen else {}
    reviews: Counter[str] = sum((Counter(one.reviews) for one in counted), Counter())
    return {
        "doubted_coordinates": sum(one.doubted for one in taken),
        "systems": witnesses.told(evidence, feed.id),
        "reviews": dict(sorted(reviews.items())),
    }


def _put(sheets: Mapping[str, results.Sheet], **frames: pd.DataFrame) -> None:
    """Write the rows that come next of results that are one file; those in parts are there already."""
    for name, frame in frames.items():
        sheets[name].write(frame, name)


def _share(tell: Tell, begin: float, end: float) -> Tell:
    """Tell the share of a step as one of the whole."""
    return lambda share: tell(begin + share * (end - begin))


# ---------------------------------------------------------------------------------------------------------------- read


def _take_in_all(paths: Sequence[Path], case: parts.Case, spool: Path, crew: Crew, tell: Tell) -> list[Taken]:
    if not crew.is_spread:
        size = len(paths)
        steps = [_share(tell, at / size, (at + 1) / size) for at in range(size)]
        return [_taken(case, spool, at, Span(path), _CORES, steps[at]) for at, path in enumerate(paths)]
    spans = [(at, span) for at, path in enumerate(paths) for span in streams.spans(path, _SPAN)]
    taken = list(crew.map(_take_in, [(spool, at, span) for at, span in _numbered(spans, crew)], tell))
    untold = sorted({one.file for one in taken if not one.is_told})
    again = crew.map(_take_in, [(spool, at, Span(paths[at])) for at in untold], tell)
    taken = [*(one for one in taken if one.file not in untold), *again]
    return sorted(taken, key=lambda one: (one.file, one.span.first))


def _numbered(spans: Sequence[tuple[int, Span]], crew: Crew) -> Iterator[tuple[int, Span]]:
    """Say at which line of its file each span begins, for messages about rows that are broken."""
    lines = crew.map(_lines, spans, lambda _: None)
    before = 0
    for (at, span), count in zip(spans, lines, strict=True):
        before = before if span.first else 0
        yield at, replace(span, line=1 + before)
        before += count


def _lines(_: parts.Case, item: tuple[int, Span]) -> int:
    return streams.count_lines(item[1])


def _take_in(case: parts.Case, item: tuple[Path, int, Span]) -> Taken:
    return _taken(case, *item, threads=1, tell=lambda _: None)


def _taken(case: parts.Case, spool: Path, at: int, span: Span, threads: int, tell: Tell) -> Taken:
    """Read a span, and think about its pieces in some threads."""
    if not spool.is_dir():
        raise BatchFailed(f"a worker sees no folder {spool}; every worker must see --out and the files under one path")
    size = max(1, span.path.stat().st_size) if span.path.exists() else 1
    pieces = streams.stream(span, case.feed.columns_taken, lambda passed: tell(passed / size))

    def think(piece: tuple[int, pd.DataFrame]) -> tuple[str, parts.Part]:
        name, part = f"{at:05}-{span.first:013}-{piece[0]:05}", parts.take_in(piece[1], case)
        results.write_part(spool / name, part.incidents, part.versions)
        return name, replace(part, incidents=part.incidents[:0], versions=part.versions[:0])

    names: list[str] = []
    rejected: list[pd.DataFrame] = []
    doubts, rows_read, doubted = Doubts(), 0, 0
    try:
        for name, part in _in_order(think, enumerate(pieces), threads):
            names.append(name)
            rejected.append(part.rejected)
            doubts, rows_read, doubted = doubts + part.doubts, rows_read + part.rows_read, doubted + part.doubted
    except streams.Inseparable:
        return Taken(at, span, is_told=False)
    return Taken(at, span, True, names, rejected, doubts, rows_read, doubted)


def _in_order(work: Callable[[T], R], items: Iterable[T], threads: int) -> Iterator[R]:
    """Work on items in some threads, reading no further ahead; give the answers in the order of the items."""
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[R]] = deque()
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _rejected(taken: Sequence[Taken]) -> pd.DataFrame:
    """Put the refused rows of all spans together, rows counted from the beginning of their files."""
    frames: list[pd.DataFrame] = []
    before = 0
    for one in taken:
        before = before if one.span.first else 0
        frames += [frame.assign(row=frame["row"] + before) for frame in one.rejected]
        before += one.rows_read
    return pd.concat(frames, ignore_index=True)


# -------------------------------------------------------------------------------------------------------------- settle


def _settle_all(
    spool: Path, names: Sequence[str], crew: Crew, tell: Tell
) -> tuple[Mapping[int, Rows], Mapping[int, int]]:
    """Give the rows of each part that do not hold, and how many there are of each verdict."""
    rows = sum(results.count_versions(spool / name) for name in names)
    bits = max(0, math.ceil(math.log2(max(1, rows) / _AT_ONCE)))
    found = crew.map(_settle, [(spool, names, bucket, bits) for bucket in range(1 << bits)], tell)
    losing: dict[int, list[Rows]] = {}
    dropped = {versions.DUPLICATE: 0, versions.NOT_YET_SAID: 0}
    for bucket in found:
        for at, verdicts in bucket.items():
            losing.setdefault(at, []).append(verdicts["row"].astype(np.int64))
            for verdict in dropped:
                dropped[verdict] += int((verdicts["verdict"] == verdict).sum())
    return {at: np.concatenate(rows) for at, rows in losing.items()}, dropped


def _settle(_: parts.Case, item: tuple[Path, Sequence[str], int, int]) -> dict[int, versions.Verdicts]:
    """Settle the identities whose hash begins with the bits of a bucket; give the verdicts by part."""
    spool, names, bucket, bits = item
    verdicts = versions.settle([results.read_versions(spool / name, bucket, bits) for name in names])
    return {at: found for at, found in enumerate(verdicts) if len(found)}


# --------------------------------------------------------------------------------------------------------------- count


def _shared(spool: Path, names: Sequence[str], losing: Mapping[int, Rows], crew: Crew) -> pd.DataFrame:
    """Find the points that conflicts of all parts share."""
    items = [(spool / name, losing.get(at, _NONE)) for at, name in enumerate(names)]
    found = list(crew.map(_conflicts, items, lambda _: None))
    return whereabouts.shared(found) if found else pd.DataFrame()


def _conflicts(_: parts.Case, item: tuple[Path, Rows]) -> pd.DataFrame:
    path, losing = item
    columns = whereabouts.CONFLICT_COLUMNS
    return whereabouts.conflicts(versions.without(results.read_part(path, columns), losing))


def _count(case: parts.Case, item: tuple[Path, Rows, pd.DataFrame | None, Mapping[str, results.Sheet]]) -> Counted:
    """Count what holds of a part into the spool; give also its rows, unless each part has a file of its own."""
    path, losing, shared, sheets = item
    incidents = versions.without(results.read_part(path), losing).reset_index(drop=True)
    found = parts.count(incidents, case, shared)
    results.write_counts(path, zones=found.zone_months, cells=found.cell_months, calls=found.calls)
    frames = {"incidents": found.incidents.drop(columns="digest")}
    if found.reviews is not None:
        frames["reviews"] = found.reviews
    counted = Counted(found.totals, totals.by_reason(found.reviews), found.witnesses, frames)
    if not sheets["incidents"].in_parts:
        return counted
    for name, frame in frames.items():
        sheets[name].write(frame, path.name)
    return counted._replace(frames={})


def _conclude(
    case: parts.Case, item: tuple[Path, Sequence[str], Sequence[str], Mapping[str, results.Sheet]]
) -> tuple[parts.Colours, Mapping[str, pd.DataFrame]]:
    """Say what follows for a group of months: the colours, and the rows, unless each group has files of its own."""
    spool, names, months, sheets = item
    paths = [spool / name for name in names]
    zones, cells, calls = (results.read_counts(paths, name, months) for name in ("zones", "cells", "calls"))
    found = parts.conclude(zones, cells, calls, months, case)
    frames = {name: getattr(found, name) for name in _CONCLUDED}
    if not sheets["levels"].in_parts:
        return found.colours, frames
    for name, frame in frames.items():
        sheets[name].write(frame, months[0] if months else "none")
    return found.colours, {}


# ---------------------------------------------------------------------------------------------------------------- crews


@dataclass
class Here:
    """This process, in a thread a core: what takes long lets go of the interpreter's lock."""

    case: parts.Case
    is_spread = False

    def map(self, task: Callable[[parts.Case, Any], R], items: Sequence[Any], tell: Tell) -> Iterator[R]:
        """Do a few at a time."""
        for done, answer in enumerate(_in_order(partial(task, self.case), items, _CORES), 1):
            yield answer
            tell(done / len(items))


class Workers:
    """Dask's workers: processes of this machine, or those of a scheduler.  They see every file under the same path."""

    is_spread = True

    def __init__(self, client: Any, order: Order) -> None:
        self._client = client
        # Read there, not sent: a worker that starts later, in the place of one that died, can read it again.
        self._case = client.submit(_read_case, order)

    def map(self, task: Callable[[parts.Case, Any], R], items: Sequence[Any], tell: Tell) -> Iterator[R]:
        """Do all at once.  Raises what the first task that fails raises."""
        from distributed import as_completed

        futures = [self._client.submit(task, self._case, item, pure=False) for item in items]
        found: dict[str, R] = {}
        for done, (future, answer) in enumerate(as_completed(futures, with_results=True), 1):
            found[future.key] = answer
            tell(done / len(futures))
        yield from (found[future.key] for future in futures)


def _read_case(order: Order) -> parts.Case:
    return read_case(order)[0]


@contextmanager
def crew(order: Order, case: parts.Case) -> Generator[Crew]:
    """Give those who do the work.  Raises BatchFailed when workers cannot be reached or die again and again."""
    if not order.dask:
        yield Here(case)
        return
    from distributed import KilledWorker
    from distributed.comm.core import CommClosedError

    try:
        with _client(order.dask) as client:
            client.wait_for_workers(1, timeout=_FIRST_WORKER_S)
            yield Workers(client, order)
    except KilledWorker as error:
        raise BatchFailed(f"workers died again and again over one task ({error}); give them more memory") from None
    except TimeoutError:
        raise BatchFailed(
            f"--dask {order.dask}: no worker came within {_FIRST_WORKER_S} s; start some with `dask worker "
            f"{order.dask}`"
        ) from None
    except CommClosedError as error:
        raise BatchFailed(f"the scheduler {order.dask} was lost ({error}); nothing was written, run it again") from None


@contextmanager
def _client(address: str) -> Generator[Any]:
    from distributed import Client, LocalCluster

    if address == "local":
        quiet: Any = {"dashboard_address": ":0", "silence_logs": logging.ERROR}
        with (
            LocalCluster(n_workers=_CORES, threads_per_worker=1, **quiet) as cluster,
            Client(cluster) as client,
        ):
            yield client
        return
    if "://" not in address:
        raise BadParameter(f"--dask {address}: expected 'local' or a scheduler's address such as tcp://10.0.0.7:8786")
    try:
        client = Client(address, timeout=_ANSWER_S)
    except (OSError, ValueError) as error:
        raise BatchFailed(
            f"--dask {address}: no scheduler answers within {_ANSWER_S} s ({error}); start one with `dask scheduler` "
            "and its workers with `dask worker`"
        ) from None
    with client:
        yield client
