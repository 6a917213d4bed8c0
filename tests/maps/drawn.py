"""Places and atlases made for tests, and reading back what was drawn."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mapbox_vector_tile
import numpy as np
import orjson
import pandas as pd
import shapely
from hypothesis import strategies as st
from shapely.geometry.base import BaseGeometry

from geo_service import files
from geo_service.geography.zones import Zones
from geo_service.maps import atlas, layers, tiles
from geo_service.maps import ground as grounds

LAYERS_FOLDER = Path(__file__).resolve().parents[2] / "layers"
LAYERS = files.read_layers(LAYERS_FOLDER)
SCHEME = files.read_level_scheme(LAYERS_FOLDER)
CENTRE = (116.58, 35.41)  # Jining [deg]


def zones(kind: str, shapes: Sequence[BaseGeometry], ids: Sequence[str] = ()) -> Zones:
    """Give zones of a kind with these shapes; without ids they are numbered."""
    named = list(ids) or [f"{number:03}" for number in range(len(shapes))]
    classes = np.full(len(named), "residential", dtype=object)
    shaped = np.array(shapes, dtype=object)
    return Zones(
        kind, np.array(named, dtype=object), np.array([f"村 {i}" for i in named], dtype=object), classes, shaped
    )


def ground(of: Zones) -> grounds.Ground:
    """Survey zones whose feature ids count up from 1000."""
    return grounds.survey(of, {zone: 1000 + row for row, zone in enumerate(of.ids)})


def picture(
    communities: Sequence[BaseGeometry], counts: dict[str, dict[str, tuple[int, int]]] | None = None
) -> atlas.Atlas:
    """Give an atlas of June 2024; `counts` is month -> zone -> (count, level)."""
    shapes: dict[str, Sequence[BaseGeometry]] = {"communities": communities}
    grounds = [ground(zones(kind, shapes.get(kind, []))) for kind in layers.ZONE_KINDS]
    levels = {("communities", month): frame(places) for month, places in (counts or {}).items()}
    return atlas.Atlas.build(LAYERS, SCHEME, grounds, levels, month="2024-06", seq=1)


def frame(places: dict[str, tuple[int, int]]) -> pd.DataFrame:
    """Give the levels of a month as the store does."""
    named = pd.Series(list(places), dtype="str")
    numbers = np.array(list(places.values()), dtype=np.int64).reshape(-1, 2)
    return pd.DataFrame({"zone_id": named, "count": numbers[:, 0], "level": numbers[:, 1]})


def decoded(tile: bytes, layer: str) -> list[dict[str, Any]]:
    """Read a vector tile's features, y down as it lies in the bytes."""
    return mapbox_vector_tile.decode(tile, default_options={"y_coord_down": True})[layer]["features"] if tile else []


def printed(tile: bytes) -> list[dict[str, Any]]:
    """Read a GeoJSON tile's features."""
    return orjson.loads(tile)["features"] if tile else []


def ids(features: Sequence[dict[str, Any]]) -> list[int]:
    return [feature["id"] for feature in features]


def polygons(feature: dict[str, Any]) -> list[list[list[list[float]]]]:
    """Give the rings of every polygon of a feature."""
    geometry = feature["geometry"]
    return [geometry["coordinates"]] if geometry["type"] == "Polygon" else geometry["coordinates"]


def signed_area(ring: Sequence[Sequence[float]]) -> float:
    """Give the surveyor's area: positive for a ring that runs counter-clockwise where y runs up."""
    points = np.array(ring) - np.array(ring[0])  # far from 0 the differences of small rings drown
    return float(np.sum(points[:-1, 0] * points[1:, 1] - points[1:, 0] * points[:-1, 1]) / 2)


@st.composite
def places(draw: st.DrawFn) -> BaseGeometry:
    """Draw a place from a hand's breadth to kilometres: a star, perhaps with a hole, perhaps with a second part."""
    lon, lat = draw(st.floats(-0.03, 0.03)), draw(st.floats(-0.03, 0.03))
    size = 10 ** draw(st.floats(-6, -1.7))
    corners = draw(st.integers(3, 11))
    radii = np.array(draw(st.lists(st.floats(0.15, 1), min_size=corners, max_size=corners))) * size
    turns = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    star = shapely.Polygon(np.column_stack([np.cos(turns) * radii, np.sin(turns) * radii]))
    if draw(st.booleans()):
        star = star.difference(shapely.transform(star, lambda xy: xy * 0.4))
    if draw(st.booleans()):
        star = star.union(shapely.transform(star, lambda xy: xy * 0.5 + (1.6 * size, 0.3 * size)))
    return shapely.transform(star, lambda xy: xy + np.array([CENTRE[0] + lon, CENTRE[1] + lat]))


def tile_at(lon: float, lat: float, z: int) -> tiles.Tile:
    """Give the tile that holds a point."""
    [[x, y]] = shapely.get_coordinates(tiles.mercator(np.array([shapely.Point(lon, lat)])))
    side = tiles.step_m(z) * tiles.EXTENT
    half = 2**z * side / 2
    return tiles.Tile(z, int((x + half) // side), int((half - y) // side))


@st.composite
def tiles_near(draw: st.DrawFn, deepest: int = 18) -> tiles.Tile:
    """Draw a tile of the city."""
    lon, lat = draw(st.floats(-0.05, 0.05)), draw(st.floats(-0.05, 0.05))
    return tile_at(CENTRE[0] + lon, CENTRE[1] + lat, draw(st.integers(0, deepest)))
