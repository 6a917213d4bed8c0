"""The catalogue: what there is, as OGC API Common and Features tell it: landing page, classes, collections, schemas.

The places themselves are answered by items.py, their tiles by tilesets.py and tiles.py.
"""

from datetime import date, timedelta

from fastapi import APIRouter, Request
from starlette.responses import Response

from geo_service.geography import references
from geo_service.maps import queryables
from geo_service.maps.atlas import Atlas
from geo_service.maps.layers import Layer
from geo_service.service import Service
from geo_service.web import access, following, styles
from geo_service.web.links import GEOJSON, OGC, SCHEMA, answer, header, link
from geo_service.web.parameters import NothingQuery, PageQuery
from geo_service.web.tiles import origin

_SPEC = "http://www.opengis.net/spec"
# What a test holds: tests/clients/test_ogctests.py and tests/web/test_catalogue.py name them.
CONFORMS_TO = (
    f"{_SPEC}/ogcapi-common-1/1.0/conf/core",
    f"{_SPEC}/ogcapi-common-1/1.0/conf/landing-page",
    f"{_SPEC}/ogcapi-common-1/1.0/conf/json",
    f"{_SPEC}/ogcapi-common-1/1.0/conf/oas30",
    f"{_SPEC}/ogcapi-common-2/1.0/conf/collections",
    f"{_SPEC}/ogcapi-features-1/1.0/conf/core",
    f"{_SPEC}/ogcapi-features-1/1.0/conf/geojson",
    f"{_SPEC}/ogcapi-features-1/1.0/conf/oas30",
    f"{_SPEC}/ogcapi-features-2/1.0/conf/crs",
    f"{_SPEC}/ogcapi-features-3/1.0/conf/queryables",
    f"{_SPEC}/ogcapi-features-3/1.0/conf/queryables-query-parameters",
    f"{_SPEC}/ogcapi-features-3/1.0/conf/filter",
    f"{_SPEC}/ogcapi-features-3/1.0/conf/features-filter",
    f"{_SPEC}/cql2/1.0/conf/cql2-text",
    f"{_SPEC}/cql2/1.0/conf/cql2-json",
    f"{_SPEC}/cql2/1.0/conf/basic-cql2",
    f"{_SPEC}/cql2/1.0/conf/advanced-comparison-operators",
    f"{_SPEC}/cql2/1.0/conf/case-insensitive-comparison",
    f"{_SPEC}/cql2/1.0/conf/basic-spatial-functions",
    f"{_SPEC}/cql2/1.0/conf/spatial-functions",
    f"{_SPEC}/cql2/1.0/conf/temporal-functions",
    f"{_SPEC}/cql2/1.0/conf/arithmetic",
    f"{_SPEC}/ogcapi-tiles-1/1.0/conf/core",
    f"{_SPEC}/ogcapi-tiles-1/1.0/conf/tileset",
    f"{_SPEC}/ogcapi-tiles-1/1.0/conf/tilesets-list",
    f"{_SPEC}/ogcapi-tiles-1/1.0/conf/geodata-tilesets",
    f"{_SPEC}/ogcapi-tiles-1/1.0/conf/dataset-tilesets",
    f"{_SPEC}/ogcapi-tiles-1/1.0/conf/mvt",
    f"{_SPEC}/tms/2.0/conf/json-tilematrixset",
)


def routes(library: Service, desk: following.Desk) -> APIRouter:
    """Make the routes that tell of a desk's picture."""
    catalogue = Catalogue(library, desk)
    router = APIRouter(tags=["catalogue"])
    for path, method in (
        ("/", catalogue.landing),
        ("/conformance", catalogue.conformance),
        ("/collections", catalogue.collections),
        ("/collections/{layer}", catalogue.collection),
        ("/collections/{layer}/queryables", catalogue.queryables),
        ("/collections/{layer}/schema", catalogue.schema),
    ):
        router.add_api_route(path, method, methods=["GET"], response_class=Response)
    return router


class Catalogue:
    """The questions about layers."""

    def __init__(self, library: Service, desk: following.Desk) -> None:
        self._library = library
        self._desk = desk
        self._language = library.settings.language

    async def landing(self, request: Request, _: PageQuery) -> Response:
        """Where everything is."""
        at = origin(request.scope)
        links = [
            link(f"{at}/", "self", "this page"),
            link(f"{at}/api", "service-desc", "the API", "application/vnd.oai.openapi+json;version=3.0"),
            link(f"{at}/conformance", "conformance", "conformance classes"),
            link(f"{at}/collections", "data", "the layers"),
            link(f"{at}/tileMatrixSets", f"{OGC}tiling-schemes", "how the world is cut into tiles"),
            link(f"{at}/tiles", f"{OGC}tilesets-vector", "vector tiles of all layers"),
            link(f"{at}/styles", f"{OGC}styles", "how the layers look"),
            link(f"{at}/map", "alternate", "the map", "text/html"),
            link(f"{at}/queues", "related", "the review queue", "text/html"),
            link(f"{at}/triage", "related", "the day's calls, to be looked at", "text/html"),
        ]
        title = self._library.texts[self._language]["title"]
        return answer({"title": title, "links": links}, link=header(links))

    async def conformance(self, _: PageQuery) -> Response:
        """Which standards the tests hold us to."""
        return answer({"conformsTo": CONFORMS_TO})

    async def collections(self, request: Request, _: PageQuery) -> Response:
        """Every layer."""
        atlas, view, at = self._desk.atlas, access.view_of(request.scope), origin(request.scope)
        described = [self._described(atlas, layer, at) for name, layer in atlas.layers.items() if view.shows(name)]
        links = [link(f"{at}/collections", "self", "the layers")]
        offered = [reference.uri for reference in references.REFERENCES]
        return answer({"collections": described, "links": links, "crs": offered}, link=header(links))

    async def collection(self, request: Request, layer: str, _: PageQuery) -> Response:
        """One layer: its extent, its reference systems, and where its places and tiles are."""
        atlas = self._desk.atlas
        described = self._described(atlas, atlas.layer(layer, access.view_of(request.scope)), origin(request.scope))
        return answer(described)

    async def queryables(self, request: Request, layer: str, _: NothingQuery) -> Response:
        """What can be asked for in filters, as a JSON Schema."""
        return self._schema(request, layer, "queryables")

    async def schema(self, request: Request, layer: str, _: NothingQuery) -> Response:
        """What is said of each place, as a JSON Schema."""
        return self._schema(request, layer, "schema")

    def _schema(self, request: Request, name: str, what: str) -> Response:
        layer = self._desk.atlas.layer(name, access.view_of(request.scope))
        address = f"{origin(request.scope)}/collections/{name}/{what}"
        return answer(queryables.schema(layer, address, self._language, returned=what == "schema"), SCHEMA)

    def _described(self, atlas: Atlas, layer: Layer, at: str) -> dict[str, object]:
        title, here = layer.title[self._language], f"{at}/collections/{layer.id}"
        return {
            "id": layer.id,
            "title": title,
            "description": layer.description[self._language],
            "itemType": "feature",
            **extent(atlas, layer),
            "crs": [reference.uri for reference in references.REFERENCES],
            "storageCrs": references.CRS84.uri,
            "links": [
                link(here, "self", title),
                link(f"{here}/items", "items", "its places", GEOJSON),
                link(f"{here}/queryables", f"{OGC}queryables", "what can be asked for", SCHEMA),
                link(f"{here}/schema", "describedby", "what is said of each place", SCHEMA),
                link(f"{here}/tiles", f"{OGC}tilesets-vector", "its vector tiles"),
                link(f"{at}/tiles/{layer.id}.json", "related", "TileJSON of its vector tiles"),
                *styles.links(at, layer.id),
                link(f"{at}/map", "alternate", "the map", "text/html"),
            ],
        }


def extent(atlas: Atlas, layer: Layer) -> dict[str, object]:
    """Give where the places of a layer lie, and of one with colours the months on record; {} without places."""
    bounds = atlas.grounds[layer.ground].bounds
    if not bounds:
        return {}
    spatial = {"bbox": [bounds], "crs": references.CRS84.uri}
    if not layer.wears_levels or not atlas.months:
        return {"extent": {"spatial": spatial}}
    first, last = atlas.months[0], max(atlas.months[-1], atlas.month)
    begins, ends = (date.fromisoformat(f"{month}-01") for month in (first, last))
    ends = (ends.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
    return {"extent": {"spatial": spatial, "temporal": {"interval": [[f"{begins}T00:00:00Z", f"{ends}T23:59:59Z"]]}}}
