"""Geography drawn as text: each letter of a picture is a point, north up."""

import numpy as np
import shapely

from geo_service.geography.zones import Zones

Place = tuple[float, float]

_STEP_DEG = 0.001  # about 100 m a column or row


def draw(picture: str) -> dict[str, Place]:
    """Give longitude and latitude of every letter of a text map."""
    rows = picture.strip("\n").split("\n")
    return {
        letter: (116.0 + column * _STEP_DEG, 35.0 - row * _STEP_DEG)
        for row, line in enumerate(rows)
        for column, letter in enumerate(line)
        if letter != " "
    }


def draw_m(picture: str, step_m: float = 100.0) -> dict[str, Place]:
    """Give x, y in metres of every letter of a text map; the first letter's row and column begin at 0, 0."""
    return {
        letter: (round((lon - 116.0) / _STEP_DEG) * step_m, round((lat - 35.0) / _STEP_DEG) * step_m)
        for letter, (lon, lat) in draw(picture).items()
    }


def polygon(at: dict[str, Place], corners: str) -> shapely.Polygon:
    """Draw a polygon through lettered corners."""
    return shapely.Polygon([at[corner] for corner in corners])


def zones(polygons: dict[str, shapely.Geometry], kind: str = "communities") -> Zones:
    """Make zones of polygons by id."""
    ids = sorted(polygons)
    text = np.array(ids, dtype=object)
    geometry = np.array([polygons[i] for i in ids], dtype=object)
    return Zones(kind, text, text, np.full(len(ids), "", dtype=object), geometry)
