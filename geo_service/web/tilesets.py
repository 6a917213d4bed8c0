"""Tilesets: what vector tiles there are and how they are cut, as OGC API Tiles and Tile Matrix Set tell it.

The tiles themselves are answered by tiles.py.
"""

from typing import Annotated, Literal

import numpy as np
import shapely
from fastapi import APIRouter, Query, Request
from pydantic import Field
from starlette.responses import Response

from geo_service.geography import references
from geo_service.maps import tiles
from geo_service.maps.layers import Layer
from geo_service.service import Service
from geo_service.web import access, following, tilejson
from geo_service.web.links import OGC, answer, link
from geo_service.web.negotiation import origin
from geo_service.web.parameters import Nothing, PageQuery

MVT = "application/vnd.mapbox-vector-tile"
WEB_MERCATOR_QUAD = "WebMercatorQuad"

_URI = "http://www.opengis.net/def/tilematrixset/OGC/1.0/WebMercatorQuad"
_CRS = "http://www.opengis.net/def/crs/EPSG/0/3857"
_CORNER_M = 20037508.3427892  # [m] of the square that Web Mercator shows
_SCALE = 559082264.028717  # of zoom 0 at the equator, pixels of 0.28 mm
_TILE_PX = 256


class OfTileset(Nothing):
    """A query for how the tiles of a layer are cut."""

    f: Literal["", "json", "tilejson"] = Field(
        "", description="json: as OGC API Tiles has it; tilejson: TileJSON 3.0.0"
    )


def routes(library: Service, desk: following.Desk) -> APIRouter:
    """Make the routes that tell of the tiles of a desk's picture."""
    tilesets = Tilesets(library, desk)
    router = APIRouter(tags=["tiles"])
    for path, method in (
        ("/tileMatrixSets", tilesets.schemes),
        ("/tileMatrixSets/WebMercatorQuad", tilesets.scheme),
        ("/tiles", tilesets.of_all),
        ("/collections/{layer}/tiles", tilesets.of_layer),
        ("/collections/{layer}/tiles/WebMercatorQuad", tilesets.tileset),
    ):
        router.add_api_route(path, method, methods=["GET"], response_class=Response)
    return router


class Tilesets:
    """The questions about tiles."""

    def __init__(self, library: Service, desk: following.Desk) -> None:
        self._desk = desk
        self._language = library.settings.language

    async def schemes(self, request: Request, _: PageQuery) -> Response:
        """How the world is cut into tiles: there is one way."""
        at = f"{origin(request.scope)}/tileMatrixSets/{WEB_MERCATOR_QUAD}"
        links = [link(at, "self", "Google Maps Compatible for the World")]
        return answer({"tileMatrixSets": [{"id": WEB_MERCATOR_QUAD, "uri": _URI, "crs": _CRS, "links": links}]})

    async def scheme(self, _: PageQuery) -> Response:
        """The tile matrix set WebMercatorQuad, zoom by zoom."""
        return answer(
            {
                "id": WEB_MERCATOR_QUAD,
                "title": "Google Maps Compatible for the World",
                "uri": _URI,
                "crs": _CRS,
                "orderedAxes": ["X", "Y"],
                "wellKnownScaleSet": "http://www.opengis.net/def/wkss/OGC/1.0/GoogleMapsCompatible",
                "tileMatrices": [_matrix(z) for z in range(tiles.DEEPEST + 1)],
            }
        )

    async def of_all(self, request: Request, _: PageQuery) -> Response:
        """The tilesets of the dataset: one for each layer, and their names may be joined in a tile's address."""
        view, at = access.view_of(request.scope), origin(request.scope)
        shown = [layer for name, layer in self._desk.atlas.layers.items() if view.shows(name)]
        links = [link(f"{at}/tiles", "self", "vector tiles of all layers")]
        return answer({"tilesets": [self._listed(layer, at) for layer in shown], "links": links})

    async def of_layer(self, request: Request, layer: str, _: PageQuery) -> Response:
        """The tilesets of a layer: there is one."""
        at, described = origin(request.scope), self._desk.atlas.layer(layer, access.view_of(request.scope))
        links = [link(f"{at}/collections/{layer}/tiles", "self", "its vector tiles")]
        return answer({"tilesets": [self._listed(described, at)], "links": links})

    async def tileset(self, request: Request, layer: str, query: Annotated[OfTileset, Query()]) -> Response:
        """The tileset of a layer: where its tiles are, and which zooms are drawn, in OGC's words or TileJSON's."""
        view, at = access.view_of(request.scope), origin(request.scope)
        if query.f == "tilejson":
            return answer(tilejson.described(self._desk.atlas, [layer], view, tilejson.Place(at, "", self._language)))
        described, bounds = self._desk.atlas.layer(layer, view), self._desk.atlas.ground(layer, view).bounds
        west, south, east, north = bounds or tilejson.WHOLE_WORLD
        told, zooms = self._listed(described, at), range(described.minzoom, described.maxzoom + 1)
        here = f"{at}/collections/{layer}/tiles/{WEB_MERCATOR_QUAD}"
        template = link(f"{here}/{{tileMatrix}}/{{tileRow}}/{{tileCol}}", "item", "its tiles", MVT)
        told["links"] = [
            link(here, "self", "this tileset"),
            link(f"{at}/tileMatrixSets/{WEB_MERCATOR_QUAD}", f"{OGC}tiling-scheme", "how it is cut"),
            {**template, "templated": True},
            link(f"{here}?f=tilejson", "alternate", "TileJSON"),
            link(f"{at}/tiles/{layer}.json", "describedby", "TileJSON"),
        ]
        told["boundingBox"] = {"lowerLeft": [west, south], "upperRight": [east, north], "crs": references.CRS84.uri}
        told["tileMatrixSetLimits"] = [_limits(z, (west, south, east, north)) for z in zooms]
        told["layers"] = [
            {
                "id": layer,
                "title": described.title[self._language],
                "dataType": "vector",
                "minTileMatrix": str(described.minzoom),
                "maxTileMatrix": str(described.maxzoom),
            }
        ]
        return answer(told)

    def _listed(self, layer: Layer, at: str) -> dict[str, object]:
        here = f"{at}/collections/{layer.id}/tiles/{WEB_MERCATOR_QUAD}"
        scheme = link(f"{at}/tileMatrixSets/{WEB_MERCATOR_QUAD}", f"{OGC}tiling-scheme", "how it is cut")
        return {
            "title": layer.title[self._language],
            "description": layer.description[self._language],
            "dataType": "vector",
            "crs": _CRS,
            "tileMatrixSetURI": _URI,
            "links": [link(here, "self", layer.title[self._language]), scheme],
        }


def _matrix(z: int) -> dict[str, object]:
    return {
        "id": str(z),
        "scaleDenominator": _SCALE / 2**z,
        "cellSize": 2 * _CORNER_M / _TILE_PX / 2**z,
        "cornerOfOrigin": "topLeft",
        "pointOfOrigin": [-_CORNER_M, _CORNER_M],
        "tileWidth": _TILE_PX,
        "tileHeight": _TILE_PX,
        "matrixWidth": 2**z,
        "matrixHeight": 2**z,
    }


def _limits(z: int, bounds: tuple[float, float, float, float]) -> dict[str, object]:
    """Give the tiles of a zoom that hold something."""
    corners = np.array([shapely.Point(bounds[0], bounds[3]), shapely.Point(bounds[2], bounds[1])], dtype=object)
    steps = shapely.get_coordinates(tiles.mercator(corners)) / (2 * _CORNER_M) * (1, -1) + 0.5
    (west, north), (east, south) = np.clip(np.floor(steps * 2**z), 0, 2**z - 1).astype(int).tolist()
    return {
        "tileMatrix": str(z),
        "minTileRow": north,
        "maxTileRow": south,
        "minTileCol": west,
        "maxTileCol": east,
    }
