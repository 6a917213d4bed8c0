"""Restatement: why the count of a month that had ended became another one.

Pure.  A call may come late, be typed anew, be found invalid, or be located elsewhere after its month was told; the
place's count then changes, and the log says so, with the calls that did it.  Which counts changed is the store's
comparison of what stood and what stands; here is found which calls touched which place and month, and how.

Frames: CAUSE_COLUMNS  one row a call that may have changed a place's month.
"""

import numpy as np
import pandas as pd

from geo_service.analysis import incidents as incident_rows

CAUSE_COLUMNS = ("zone_kind", "zone_id", "month", "why", "feed", "incident_id")
LATE, RETYPED, TRIAGED, REDATED, RELOCATED = "late", "retyped", "triaged", "redated", "relocated"
ARCHIVE = "archive"  # late too, from digitised records
WHOLE = ("boundaries", "rules")  # why everything may have changed at once: no single call did it

_KEY = ["feed", "incident_id"]
_FOUND_BY = ((TRIAGED, ["triage"]), (RETYPED, ["category"]), (REDATED, ["month", "filed_at"]))


def none() -> pd.DataFrame:
    """Give a frame of causes without rows."""
    return pd.DataFrame({column: pd.Series(dtype="str") for column in CAUSE_COLUMNS})


def causes(came: pd.DataFrame, gone: pd.DataFrame, closed: str) -> pd.DataFrame:
    """Tell which calls may have changed the months up to `closed` ("YYYY-MM"; "" none), where, and how.

    `came` are incidents as they stand now, `gone` the former versions of some of them.  A call counts where it is and
    where it was.
    """
    came, gone = (frame.reset_index(drop=True) for frame in (came, gone))
    at = pd.MultiIndex.from_frame(gone[_KEY]).get_indexer(pd.MultiIndex.from_frame(came[_KEY]))
    why = _why(came, gone, at)
    was = np.full(len(gone), RELOCATED, dtype=object)
    was[at[at >= 0]] = why[at >= 0]
    told = pd.concat([_touched(came, why, closed), _touched(gone, was, closed)], ignore_index=True)
    return told.drop_duplicates(ignore_index=True)


def _why(came: pd.DataFrame, gone: pd.DataFrame, at: np.ndarray) -> np.ndarray:
    """Say of each incident what is otherwise than in its former version (row `at` of those gone, -1: it had none)."""
    if gone.empty:
        return np.full(len(came), LATE, dtype=object)
    former = gone.iloc[at].reset_index(drop=True)
    differ = [np.any([_differs(came[name], former[name]) for name in names], axis=0) for _, names in _FOUND_BY]
    return np.select([at < 0, *differ], [LATE, *(why for why, _ in _FOUND_BY)], RELOCATED).astype(object)


def _differs(one: pd.Series, other: pd.Series) -> np.ndarray:
    both_missing = one.isna().to_numpy() & other.isna().to_numpy()
    return ~both_missing & ~(one == other).fillna(False).to_numpy(dtype=bool)


def _touched(incidents: pd.DataFrame, why: np.ndarray, closed: str) -> pd.DataFrame:
    """Name the places and months of incidents that had ended."""
    ended = np.flatnonzero((incidents["month"] <= closed).to_numpy(dtype=bool))
    these, why = incidents.iloc[ended], why[ended]
    parts = [
        these.assign(zone_kind=kind, zone_id=these[column], why=why)[list(CAUSE_COLUMNS)].dropna(subset="zone_id")
        for kind, column in incident_rows.ID_COLUMN.items()
    ]
    return pd.concat(parts, ignore_index=True).astype("str")
