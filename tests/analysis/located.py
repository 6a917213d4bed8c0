"""A city for tests of place texts: the gazetteer of Jining in small, its compounds and units as zones, and calls."""

from functools import cache

import numpy as np
import pandas as pd

from geo_service.analysis import feed as feeds
from geo_service.analysis import intake
from geo_service.geography import crs
from geo_service.geography.addresses import gazetteer, locate
from geo_service.geography.addresses.calibrate import Calibration, Curve
from geo_service.geography.zones import Zones
from tests.analysis.made import RULES, feed
from tests.geography.addresses import jining

_EVEN = Curve((0.0, 1.0), (0.0, 1.0))
SURE = Calibration({"village": _EVEN}, {"fine": _EVEN, "coarse": _EVEN}, 0.85, 0.01, 0.05, 1000)
"""The confidence is the score, and 0.85 is enough."""


@cache
def solver() -> locate.Solver:
    """Give a solver of the small gazetteer that accepts."""
    return locate.Solver(gazetteer.build(jining.frame(), jining.PROJECTED), SURE)


@cache
def zones() -> dict[str, Zones]:
    """Give the places of the gazetteer that are zones, by kind."""
    rows = jining.frame()
    found: dict[str, Zones] = {}
    for kind in ("communities", "units"):
        these = rows[rows["zone_kind"] == kind].sort_values("zone_id")
        blank = np.full(len(these), "", dtype=object)
        names, shapes = these["name"].to_numpy(dtype=object), these["geometry"].to_numpy(dtype=object)
        found[kind] = Zones(kind, these["zone_id"].to_numpy(dtype=object), names, blank, shapes)
    return found


def known(**changes: object) -> intake.Known:
    """Give what is known: the zones, the rules and the solver."""
    return intake.Known(zones(), RULES, solver=solver(), **changes)  # pyright: ignore[reportArgumentType]


def placed_feed(**changes: object) -> feeds.Feed:
    """Give a feed with place texts."""
    columns = {"id": "id", "called_at": "at", "category": "code", "lon": "lon", "lat": "lat", "updated_at": "said"}
    return feed(columns={**columns, "place": "place"}, unknown={"lon_lat": [[0, 0]], "place": ["不详"]}, **changes)


def calls(*said: tuple[str, float | str, float | str], system: str = "EPSG:4326") -> pd.DataFrame:
    """Give raw rows: place text, metres east and north of the middle; texts stand as they are for lon and lat."""
    lines: list[dict[str, object]] = []
    for number, (place, east, north) in enumerate(said, 1):
        lon, lat = (str(east), str(north)) if isinstance(east, str) else written(east, float(north), system)
        lines.append({"id": str(number), "at": "2024-05-01 10:00", "code": "R", "lon": lon, "lat": lat, "place": place})
    frame = pd.DataFrame(lines, dtype="str").assign(said="")
    return frame.assign(_source="made.csv", _row=np.arange(1, len(frame) + 1))


def written(east: float, north: float, system: str) -> tuple[str, str]:
    """Write a point, in metres from the middle, in a system of degrees."""
    lon, lat = crs.to_wgs84(np.array([jining.EAST + east]), np.array([jining.NORTH + north]), jining.PROJECTED)
    lon, lat = crs.from_wgs84(lon, lat, system)
    return f"{lon[0]:.7f}", f"{lat[0]:.7f}"
