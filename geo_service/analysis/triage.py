"""Triage: what a person found on looking at a call: it stands, it is no case, or it is of another category.

Pure.  A verdict holds as long as the source's own category stays: a source that types the call anew is looked at anew.

Frames: TRIAGE_COLUMNS  one row a call that was looked at; `verdict` is one of VERDICTS, `category` what it was retyped
to, "" otherwise, `source_category` what the source said when it was looked at.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from geo_service.analysis import incidents as incident_rows
from geo_service.analysis.feed import Feed

TRIAGE_COLUMNS = ("feed", "incident_id", "source_category", "verdict", "category")
RETYPED = "retyped"
VERDICTS = (incident_rows.CONFIRMED, incident_rows.INVALID, RETYPED)

_KEY = ["feed", "incident_id", "source_category"]


def none() -> pd.DataFrame:
    """Give a frame of verdicts without rows."""
    return pd.DataFrame({column: pd.Series(dtype="str") for column in TRIAGE_COLUMNS})


def hold(incidents: pd.DataFrame, verdicts: pd.DataFrame) -> pd.DataFrame:
    """Let verdicts hold: `triage` becomes confirmed or invalid, `category` that of a retyped call.

    >>> call = pd.DataFrame({"feed": ["f"], "incident_id": ["1"], "source_category": ["T"], "category": ["theft"]})
    >>> said = pd.DataFrame([["f", "1", "T", "retyped", "dispute"]], columns=list(TRIAGE_COLUMNS))
    >>> hold(call.assign(triage=""), said)[["category", "triage"]].iloc[0].tolist()
    ['dispute', 'confirmed']
    """
    if incidents.empty or verdicts.empty:
        return incidents
    at = pd.MultiIndex.from_frame(verdicts[_KEY]).get_indexer(pd.MultiIndex.from_frame(incidents[_KEY]))
    said, held = verdicts.iloc[at].reset_index(drop=True), at >= 0
    invalid = held & (said["verdict"] == incident_rows.INVALID).to_numpy(dtype=bool)
    retyped = held & (said["verdict"] == RETYPED).to_numpy(dtype=bool)
    triage = np.select([invalid, held], [incident_rows.INVALID, incident_rows.CONFIRMED], incidents["triage"])
    category = np.where(retyped, said["category"], incidents["category"])
    return incidents.assign(triage=pd.array(triage, dtype="str"), category=pd.array(category, dtype="str"))


def afresh(incidents: pd.DataFrame, feeds: Mapping[str, Feed]) -> pd.DataFrame:
    """Give incidents as if nobody had looked at them: the categories that their feeds map their codes to.

    The category of an incident whose feed is not among these stays.
    """
    found = incidents.assign(triage="").astype({"triage": "str"})
    for name, feed in feeds.items():
        ours = (found["feed"] == name).to_numpy(dtype=bool)
        if ours.any():
            these = found[ours].reset_index(drop=True)
            local = these["called_at"].dt.tz_convert(feed.city_zone)
            found.loc[ours, "category"] = incident_rows.categories(these["source_category"], local, feed).to_numpy()
    return found
