"""Totals: where the incidents of a batch or a part are, in plain numbers that add up.

Pure.  What a summary tells is made of their sum, so it does not hang on how the rows were cut.
"""

from collections import Counter
from collections.abc import Mapping
from typing import TypeAlias

import pandas as pd

from geo_service.analysis import incidents as incident_rows
from geo_service.analysis import rules
from geo_service.geography import zones as zone_geometry
from geo_service.geography.zones import Zones

Totals: TypeAlias = Counter[tuple[str, str]]  # such as ("inside", "units") -> how many

_LOCATED_BY = ("address", "person")
_NAMED = "named_elsewhere"  # the point is inside, the text names another place


def of(incidents: pd.DataFrame, zones: Mapping[str, Zones]) -> Totals:
    """Count placed incidents by where they are, month, and the codes that no category fits."""
    unmapped = incidents.loc[(incidents["category"] == rules.UNMAPPED).to_numpy(dtype=bool), "source_category"]
    found: Totals = Counter({("incidents", ""): len(incidents), ("located", ""): int(incidents["lon"].notna().sum())})
    for what, column in (("placed", incidents["placed"]), ("month", incidents["month"]), ("unmapped", unmapped)):
        found.update(Counter({(what, str(value)): int(number) for value, number in column.value_counts().items()}))
    located = incidents["lon"].notna()
    for who in _LOCATED_BY:
        found["located_by", who] = int((incidents["located_by"] == who).sum())
    disagree = incidents["conflict"][(incidents["conflict"] != "").to_numpy(dtype=bool)]
    found.update(Counter({("conflict", str(kind)): int(number) for kind, number in disagree.value_counts().items()}))
    for kind, places in zones.items():
        inside = incidents[incident_rows.ID_COLUMN[kind]].notna()
        found["inside", kind] = int(inside.sum())
        lon, lat = (incidents.loc[located & ~inside, name].to_numpy() for name in ("lon", "lat"))
        found.update((kind, reason or _NAMED) for reason in zone_geometry.why_outside(places, lon, lat).tolist())
    return found


def told(totals: Totals, zones: Mapping[str, Zones]) -> Mapping[str, object]:
    """Say them as a summary does: JSON-able, kinds and codes in order."""
    inside = {kind: totals["inside", kind] for kind in sorted(zones)}
    return {
        "incidents": totals["incidents", ""],
        "placed": inside,
        "outside": totals["placed", "outside"],
        "outside_by_kind": {kind: totals["located", ""] - count for kind, count in inside.items()},
        "outside_why": {kind: {why: n for (of, why), n in sorted(totals.items()) if of == kind} for kind in inside},
        "without_coordinates": totals["placed", "waiting"],
        "located_by": {
            "coordinates": totals["located", ""] - sum(totals["located_by", who] for who in _LOCATED_BY),
            **{who: totals["located_by", who] for who in _LOCATED_BY},
        },
        "conflicts": {kind: count for (what, kind), count in sorted(totals.items()) if what == "conflict"},
        "unmapped": {code: count for (what, code), count in sorted(totals.items()) if what == "unmapped"},
    }


def by_reason(frame: pd.DataFrame | None) -> dict[str, int]:
    """Count the rows of a frame by their reason."""
    if frame is None:
        return {}
    return {str(reason): int(count) for reason, count in frame["reason"].value_counts().sort_index().items()}
