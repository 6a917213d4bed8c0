"""Witnesses: texts that tell in which coordinate system a source really writes.

Pure.  A text that is accepted and as fine as a building tells where the incident is, whatever the source declares; the
coordinates beside it then show their system (geography/source_systems.py).  A place that calls often is one witness
only, and a few hundred places are enough: those whose hash comes first, so that the choice is the same however rows are
cut into parts.  Rows that declare their own system are a source of their own for each.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from geo_service.geography import crs, source_systems
from geo_service.geography.source_systems import DATUMS, Evidence

_FINE = ("code", "building", "gate", "part", "door")
_ENOUGH = 500  # places a system; ten decide it
_KEY = ["system", "hash"]
_POINTS = ["source_lon", "source_lat", "text_lon", "text_lat", "text_m"]


def of(incidents: pd.DataFrame) -> pd.DataFrame:
    """Choose the witnesses among incidents that hold, with whereabouts.WORKING_COLUMNS."""
    usable = incidents["accepted"].to_numpy() & incidents["match_level"].isin(_FINE) & incidents["source_lon"].notna()
    found = incidents.loc[usable, ["system", "called_at", "incident_id", *_POINTS]]
    place = incidents.loc[usable, "place"].to_numpy(dtype=object)
    return together([found.assign(hash=pd.util.hash_array(place, categorize=False))])


def together(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Choose among the witnesses of several parts: the first call of each place, the first places of each system."""
    whole = pd.concat(parts, ignore_index=True).sort_values([*_KEY, "called_at", "incident_id"], kind="stable")
    first = whole.drop_duplicates(_KEY)
    return first[first.groupby("system").cumcount() < _ENOUGH].reset_index(drop=True)


def evidence(witnesses: pd.DataFrame) -> dict[str, Evidence]:
    """Sum what they say of each declared system: in which datum the numbers sent are right."""
    found: dict[str, Evidence] = {}
    for system, rows in witnesses.groupby("system"):
        lon, lat, *text = (rows[name].to_numpy(dtype=np.float64) for name in _POINTS)
        sent = crs.from_wgs84(lon, lat, str(system)) if system in DATUMS else (lon, lat)
        weights = source_systems.weigh(*sent, *text)
        found |= source_systems.evidence(np.full(len(rows), system, dtype=object), weights)
    return found


def added(former: Mapping[str, Mapping[str, object]], more: Mapping[str, Mapping[str, object]]) -> dict[str, object]:
    """Add up, as plain numbers, what was known of each declared system and what a summary's `systems` says."""
    sums: dict[str, Evidence] = {}
    for table in (former, more):
        for system, numbers in table.items():
            sums[system] = sums.get(system, Evidence()) + source_systems.parse_evidence(numbers)
    return {system: one.as_table() for system, one in sorted(sums.items())}


def told(found: Mapping[str, Evidence], feed: str) -> Mapping[str, Mapping[str, object]]:
    """Say it as a summary does: numbers (source_systems.parse_evidence reads them), what is decided, and an alarm."""
    return {system: {**_numbers(one), "alarm": _alarm(system, one, feed)} for system, one in sorted(found.items())}


def _numbers(one: Evidence) -> dict[str, object]:
    scores = {name: round(score, 3) for name, score in zip(DATUMS, one.scores, strict=True)}
    plain: dict[str, object] = {"records": one.records, "elsewhere": one.elsewhere, "scores": scores}
    return {**plain, "log_odds": round(one.log_odds, 3), "decided": one.decided}


def _alarm(system: str, one: Evidence, feed: str) -> str:
    declared = system if system in DATUMS else DATUMS[0]  # all others are of the earth itself
    if one.decided in ("", declared):
        return ""
    return (
        f"feed '{feed}' declares {system}, {one.records} texts say {one.decided} (log-odds {one.log_odds:.0f}); "
        "ask the source and mend crs in the feed file"
    )
