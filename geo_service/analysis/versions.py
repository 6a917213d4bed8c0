"""Versions: several rows may tell of one incident, again or corrected; one of them holds.

Pure.  It is the one said last; where the source says no time of it, the one that came last.  As known at a moment, what
was said later holds only where nothing was said before (the call it corrects was known), and what was called later does
not.  Little is needed of a row for this, so rows of many parts can be judged together (parts.py).
"""

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pandas as pd

DUPLICATE, NOT_YET_SAID = 1, 2  # why a row does not hold: another replaces it; it was said after `as_of`

# What is known of a row's identity: two hashes of its id (of 10^10 incidents two are taken for one once in 10^18 runs),
# when it was said [us since 1970], its place in its part, and whether it was called and said by `as_of`.
VERSION = np.dtype(
    [("id", "<u8"), ("check", "<u8"), ("updated", "<i8"), ("row", "<i4"), ("called", "?"), ("said", "?")]
)
VERDICT = np.dtype([("row", "<i4"), ("verdict", "i1")])
_HASH_KEYS = ("0123456789123456", "6543219876543210")

Versions = npt.NDArray[np.void]
Verdicts = npt.NDArray[np.void]


def of(incidents: pd.DataFrame, as_of: datetime | None) -> Versions:
    """Give the versions (VERSION) of incidents in the order of their hashes, so that a range of them is a slice."""
    found = np.zeros(len(incidents), dtype=VERSION)
    ids = incidents["incident_id"].to_numpy(dtype=object)
    for name, key in zip(("id", "check"), _HASH_KEYS, strict=True):
        found[name] = pd.util.hash_array(ids, hash_key=key, categorize=False)
    updated = incidents["updated_at"]
    found["updated"] = updated.fillna(pd.Timestamp(0, tz="UTC")).dt.as_unit("us").astype("int64")
    found["row"] = np.arange(len(incidents))
    found["called"] = True if as_of is None else incidents["called_at"] <= pd.Timestamp(as_of)
    found["said"] = True if as_of is None else ~(updated > pd.Timestamp(as_of)).to_numpy(dtype=bool)
    return found[np.argsort(found["id"])]


def settle(versions: Sequence[Versions]) -> list[Verdicts]:
    """Judge the rows of all parts, given in the order of their parts; give for each part the rows that do not hold."""
    whole = np.concatenate(versions)
    part = np.repeat(np.arange(len(versions)), [len(one) for one in versions])
    verdict = np.where(whole["called"], 0, NOT_YET_SAID).astype(np.int8)
    called = np.flatnonzero(whole["called"])
    several = called[pd.Series(whole["id"][called]).duplicated(keep=False).to_numpy()]
    these = whole[several]
    # By incident, and within it from the row that yields first to the one that holds.
    order = np.lexsort((these["row"], part[several], these["updated"], these["said"], these["check"], these["id"]))
    these, several = these[order], several[order]
    is_last = np.ones(len(these), dtype=bool)
    is_last[:-1] = (these["id"][1:] != these["id"][:-1]) | (these["check"][1:] != these["check"][:-1])
    holder = np.flatnonzero(is_last)[np.cumsum(is_last) - is_last]
    verdict[several] = np.where(these["said"] < these["said"][holder], NOT_YET_SAID, DUPLICATE)
    verdict[several[is_last]] = 0
    lost = np.flatnonzero(verdict)
    found = np.empty(len(lost), dtype=VERDICT)
    found["row"], found["verdict"] = whole["row"][lost], verdict[lost]
    return np.split(found, np.searchsorted(part[lost], np.arange(1, len(versions))))


def holding(incidents: pd.DataFrame, as_of: datetime | None) -> tuple[pd.DataFrame, dict[int, int]]:
    """Give the rows of one part that hold, in their order, and how many do not for either reason.

    >>> ids, never = ["1", "2", "1"], pd.Series([pd.NaT] * 3, dtype="datetime64[us, UTC]")
    >>> rows, dropped = holding(pd.DataFrame({"incident_id": ids, "called_at": never, "updated_at": never}), None)
    >>> rows.index.tolist(), dropped == {DUPLICATE: 1, NOT_YET_SAID: 0}
    ([1, 2], True)
    """
    verdicts = settle([of(incidents, as_of)])[0]
    dropped = {why: int((verdicts["verdict"] == why).sum()) for why in (DUPLICATE, NOT_YET_SAID)}
    return without(incidents, verdicts["row"]), dropped


def without(incidents: pd.DataFrame, rows: npt.NDArray[np.integer]) -> pd.DataFrame:
    """Give incidents without some of the rows."""
    holds = np.ones(len(incidents), dtype=bool)
    holds[rows] = False
    return incidents if holds.all() else incidents[holds]
