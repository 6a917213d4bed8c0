"""TileJSON 3.0.0 of one or several layers: where their tiles are, which zooms are drawn, what the fields mean."""

from collections.abc import Sequence
from dataclasses import dataclass

from geo_service.maps.atlas import Atlas
from geo_service.maps.layers import Layer, View

WHOLE_WORLD = (-180.0, -85.0511287, 180.0, 85.0511287)  # [deg] what Web Mercator shows

_FIRST_ZOOM = 11  # a city fills a window there


@dataclass(frozen=True)
class Place:
    """Where tiles are asked for: `origin` of the server, `query` that goes with each ("" or "?month=…"), `language`."""

    origin: str
    query: str
    language: str


def described(atlas: Atlas, names: Sequence[str], view: View, at: Place) -> dict[str, object]:
    """Describe layers that share their tiles; the ids of `vector_layers` are the names in the tiles.

    Besides what the standard says, one layer that wears levels tells under `geometry` and `states` where clients that
    put colours on the geometry themselves find the two.
    """
    layers = [atlas.layer(name, view) for name in names]
    west, south, east, north = bounds = _bounds(atlas, names, view)
    minzoom, maxzoom = min(layer.minzoom for layer in layers), max(layer.maxzoom for layer in layers)
    return {
        "tilejson": "3.0.0",
        "name": " · ".join(layer.title[at.language] for layer in layers),
        "description": " ".join(layer.description[at.language] for layer in layers),
        "version": f"1.{atlas.seq}.0",
        "scheme": "xyz",
        "tiles": [f"{at.origin}/tiles/{','.join(names)}/{{z}}/{{x}}/{{y}}.mvt{at.query}"],
        "minzoom": minzoom,
        "maxzoom": maxzoom,
        "bounds": bounds,
        "center": [round((west + east) / 2, 7), round((south + north) / 2, 7), min(_FIRST_ZOOM, maxzoom)],
        "vector_layers": [
            {
                "id": layer.id,
                "description": layer.description[at.language],
                "fields": dict(layer.fields),
                "minzoom": layer.minzoom,
                "maxzoom": layer.maxzoom,
            }
            for layer in layers
        ],
        **(_apart(atlas, layers[0], view, at) if len(layers) == 1 and layers[0].wears_levels else {}),
    }


def _apart(atlas: Atlas, layer: Layer, view: View, at: Place) -> dict[str, str]:
    tile, digest = f"{layer.id}/{{z}}/{{x}}/{{y}}", atlas.geometry_digest(layer.id, view)
    return {"geometry": f"{at.origin}/g/{digest}/{tile}.mvt", "states": f"{at.origin}/states/{tile}{at.query}"}


def _bounds(atlas: Atlas, names: Sequence[str], view: View) -> tuple[float, float, float, float]:
    known = [bounds for name in names if (bounds := atlas.ground(name, view).bounds)]
    if not known:
        return WHOLE_WORLD
    west, south, east, north = zip(*known, strict=True)
    return min(west), min(south), max(east), max(north)
