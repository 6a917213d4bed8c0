"""Whereabouts: where an incident is, by its coordinates, by its place text, and by both together.

Pure.

Frames: REVIEW_COLUMNS  one row an incident that a person should look at.
"""

from collections.abc import Mapping

import pandas as pd

from geo_service.analysis import incidents as incident_rows
from geo_service.geography import zones as zone_geometry

REVIEW_COLUMNS = ("feed", "incident_id", "reason", "detail", "answer")

_WIDE = ("compound", "village")  # levels of a whole zone; a unit inside it may be where the coordinates say


def empty_reviews() -> pd.DataFrame:
    """Give a frame of reviews without rows."""
    return pd.DataFrame({column: pd.Series(dtype="str") for column in REVIEW_COLUMNS})


def by_name(placed: pd.DataFrame, zones: Mapping[str, zone_geometry.Zones]) -> pd.DataFrame:
    """Put incidents into the zones that their place texts name, where those stand; the zones of the point give way.

    A text that names a community takes the incident out of a unit that its point lies in (the school next door),
    unless the text is no finer than the community, and the point lies in it too: then it may well be the unit.
    """
    named, ids = placed["named_kind"].to_numpy(dtype=object), placed["named_id"]
    for kind in sorted({str(kind) for kind in named if kind} & set(zones)):
        column = incident_rows.ID_COLUMN[kind]
        holds = (named == kind) & ids.isin(zones[kind].ids).to_numpy()
        moved = {column: placed[column].mask(holds, ids)}
        if kind == "communities":
            within = (placed[column] == ids).fillna(False) & placed["match_level"].isin(_WIDE)
            moved["unit_id"] = placed["unit_id"].mask(holds & ~within)
        placed = placed.assign(**moved, placed=placed["placed"].mask(holds & placed["lon"].notna(), "located"))
    return placed
