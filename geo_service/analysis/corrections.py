"""Corrections: what a person has said about an incident's place holds, as long as its place text stays.

Pure.

Frames: CORRECTION_COLUMNS  one row a corrected incident; `words` is the part of `place` that the correction is about,
`geometry` (shapely, WGS 84) what it means, `match_level` and the zone it names those of the gazetteer's entry.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely

CORRECTION_COLUMNS = (
    "feed", "incident_id", "place", "words", "match_level", "named_kind", "named_id", "geometry",
)  # fmt: skip

_SAME_PLACE_M = 1_000.0  # a text's offset from what it names ("往西100米") stays below; farther, another place was read
_METRES_A_DEGREE = 111_320.0  # of latitude, within 0.6 % everywhere: enough to tell a street from the next town
_NEAR_DEG = 0.5  # about 50 km; farther from every zone a position is not of this city


def empty_corrections() -> pd.DataFrame:
    """Give a frame of corrections without rows."""
    frame = pd.DataFrame({column: pd.Series(dtype="str") for column in CORRECTION_COLUMNS})
    return frame.astype({"geometry": object})


def hold(incidents: pd.DataFrame, corrections: pd.DataFrame) -> tuple[pd.DataFrame, npt.NDArray[np.bool_]]:
    """Put corrected incidents where a person said they were, and tell which those are.

    `incidents` as located without the correction.  Where the words are only a part of the place text and its answer
    lies at what they mean, the answer stays, being finer: the building in the compound, the point along the road.
    An incident whose place text is no longer the corrected one is left as it is.
    """
    held = np.zeros(len(incidents), dtype=bool)
    if incidents.empty or corrections.empty:
        return incidents, held
    key = ["feed", "incident_id", "place"]
    at = pd.MultiIndex.from_frame(corrections[key]).get_indexer(pd.MultiIndex.from_frame(incidents[key]))
    held = at >= 0
    if not held.any():
        return incidents, held
    said = corrections.iloc[at[held]].reset_index(drop=True)
    here = incidents[held].reset_index(drop=True)
    part = ((here["located_by"] == "address") & (said["words"] != said["place"])).to_numpy(dtype=bool)
    finer = part & (_apart_m(here, said) <= _SAME_PLACE_M)
    return _put(incidents, held, said, finer), held


def is_near(lon: float, lat: float, boxes: Sequence[tuple[float, float, float, float]]) -> bool:
    """Tell whether a position [deg] lies near the city: within half a degree of the box around those of its zones.

    Without zones there is no city to be far from.

    >>> is_near(117.2, 35.4, [(116.5, 35.3, 116.7, 35.5)]), is_near(35.4, 116.6, [(116.5, 35.3, 116.7, 35.5)])
    (True, False)
    """
    if not boxes:
        return True
    west, south, east, north = zip(*boxes, strict=True)
    across = min(west) - _NEAR_DEG <= lon <= max(east) + _NEAR_DEG
    return across and min(south) - _NEAR_DEG <= lat <= max(north) + _NEAR_DEG


def _apart_m(incidents: pd.DataFrame, said: pd.DataFrame) -> npt.NDArray[np.float64]:
    """Give how far each incident lies from what its correction means [m]; NaN where it lies nowhere."""
    found = np.full(len(incidents), np.nan)
    positions = zip(incidents["lon"], incidents["lat"], said["geometry"], strict=True)
    for i, (lon, lat, means) in enumerate(positions):
        scale = np.array([math.cos(math.radians(lat)), 1.0]) * _METRES_A_DEGREE
        if not math.isnan(lon):
            flat = shapely.transform(means, lambda at, scale=scale: at * scale)
            found[i] = shapely.distance(flat, shapely.Point(np.array([lon, lat]) * scale))
    return found


def _put(
    incidents: pd.DataFrame, held: npt.NDArray[np.bool_], said: pd.DataFrame, finer: npt.NDArray[np.bool_]
) -> pd.DataFrame:
    there = shapely.point_on_surface(said["geometry"].to_numpy())
    meant: dict[str, Any] = {
        "lon": shapely.get_x(there),
        "lat": shapely.get_y(there),
        "match_level": said["match_level"],
        "uncertainty_m": np.nan,
        "confidence": np.nan,
        "named_kind": said["named_kind"],
        "named_id": said["named_id"],
    }
    found = incidents.copy()
    for name, value in meant.items():
        found.loc[held, name] = np.where(finer, found.loc[held, name], value)
    found.loc[held, "located_by"] = "person"
    found.loc[held, "conflict"] = ""
    return found
