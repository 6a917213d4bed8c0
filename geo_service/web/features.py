"""Features over HTTP, as OGC API Features has them: collections and their places.

Places and colours come from the picture; why a place has its colour is told in why.py.
"""

from datetime import UTC
from urllib.parse import quote, urlencode

import orjson
from fastapi import APIRouter, Request
from starlette.responses import Response

from geo_service.maps import geojson
from geo_service.maps.atlas import Atlas
from geo_service.service import Service
from geo_service.web import access, following
from geo_service.web.parameters import Items, ItemsQuery, MonthQuery, NothingQuery, boxes
from geo_service.web.tiles import is_known, origin

GEOJSON = "application/geo+json"

_CRS84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
_CONFORMS_TO = (
    "http://www.opengis.net/spec/ogcapi-common-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-common-1/1.0/conf/landing-page",
    "http://www.opengis.net/spec/ogcapi-common-1/1.0/conf/json",
    "http://www.opengis.net/spec/ogcapi-common-2/1.0/conf/collections",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/geojson",
)


def routes(library: Service, desk: following.Desk) -> APIRouter:
    """Make the routes that answer from a desk's picture and, for `why`, from the library's store."""
    return Places(library, desk).router()


class Places:
    """The questions about layers and their places."""

    def __init__(self, library: Service, desk: following.Desk) -> None:
        self._library = library
        self._desk = desk

    def router(self) -> APIRouter:
        """Give the routes, each with the method that answers it."""
        router = APIRouter(tags=["places"])
        for path, method in (
            ("/", self.landing),
            ("/conformance", self.conformance),
            ("/collections", self.collections),
            ("/collections/{layer}", self.collection),
            ("/collections/{layer}/items", self.items),
            ("/collections/{layer}/items/{zone_id:path}", self.item),
        ):
            router.add_api_route(path, method, methods=["GET"], response_class=Response)
        return router

    async def landing(self, request: Request, _: NothingQuery) -> Response:
        """Where everything is."""
        at = origin(request.scope)
        links = [
            _link(f"{at}/", "self", "this page"),
            _link(f"{at}/api", "service-desc", "the API", "application/vnd.oai.openapi+json;version=3.0"),
            _link(f"{at}/conformance", "conformance", "conformance classes"),
            _link(f"{at}/collections", "data", "the layers"),
            _link(f"{at}/map", "alternate", "the map", "text/html"),
            _link(f"{at}/queues", "related", "the review queue", "text/html"),
            _link(f"{at}/triage", "related", "the day's calls, to be looked at", "text/html"),
        ]
        title = self._library.texts[self._library.settings.language]["title"]
        return _json({"title": title, "links": links})

    async def conformance(self, _: NothingQuery) -> Response:
        """Which standards the tests hold us to."""
        return _json({"conformsTo": _CONFORMS_TO})

    async def collections(self, request: Request, _: NothingQuery) -> Response:
        """Every layer."""
        atlas, view, at = self._desk.atlas, access.view_of(request.scope), origin(request.scope)
        described = [self._described(atlas, name, at) for name in atlas.layers if view.shows(name)]
        return _json({"collections": described, "links": [_link(f"{at}/collections", "self", "the layers")]})

    async def collection(self, request: Request, layer: str, _: NothingQuery) -> Response:
        """One layer: its extent, and where its places and tiles are."""
        atlas = self._desk.atlas
        atlas.layer(layer, access.view_of(request.scope))
        return _json(self._described(atlas, layer, origin(request.scope)))

    def _described(self, atlas: Atlas, name: str, at: str) -> dict[str, object]:
        layer, bounds, here = atlas.layers[name], atlas.ground(name).bounds, f"{at}/collections/{name}"
        language = self._library.settings.language
        return {
            "id": name,
            "title": layer.title[language],
            "description": layer.description[language],
            "itemType": "feature",
            **({"extent": {"spatial": {"bbox": [bounds], "crs": _CRS84}}} if bounds else {}),
            "links": [
                _link(here, "self", layer.title[language]),
                _link(f"{here}/items", "items", "its places", GEOJSON),
                _link(f"{at}/tiles/{name}.json", "related", "TileJSON of its vector tiles"),
            ],
        }

    async def items(self, request: Request, layer: str, query: ItemsQuery) -> Response:
        """The places of a layer, in the order of their ids."""
        atlas, view = self._desk.atlas, access.view_of(request.scope)
        etag = f'W/"{atlas.tag(layer, query.month, view)}"'
        marks = {"etag": etag, "cache-control": "no-cache", **self._desk.marks()}
        if is_known(request.headers, etag):
            return Response(status_code=304, headers=marks)
        rows = atlas.rows(layer, boxes(query.bbox), view)
        rows = atlas.of_kind(layer, rows, query.kind, view) if query.kind else rows
        page = rows[query.offset : query.offset + query.limit]
        content = geojson.collection(
            atlas.features(layer, page, query.month, view),
            links=_pages(f"{origin(request.scope)}/collections/{layer}/items", query, len(rows)),
            timeStamp=self._library.now().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            numberMatched=len(rows),
            numberReturned=len(page),
        )
        return Response(content, headers=marks, media_type=GEOJSON)

    async def item(self, request: Request, layer: str, zone_id: str, query: MonthQuery) -> Response:
        """One place, by its own id."""
        atlas, view, at = self._desk.atlas, access.view_of(request.scope), origin(request.scope)
        [feature] = atlas.features(layer, atlas.row(layer, zone_id, view), query.month, view)
        here = f"{at}/collections/{layer}"
        links = [
            _link(f"{here}/items/{quote(zone_id, safe='')}", "self", zone_id, GEOJSON),
            _link(here, "collection", layer),
        ]
        if atlas.layers[layer].zones:
            links.append(_link(f"{links[0]['href']}/why", "describedby", "why it has its colour"))
        marks = {"cache-control": "no-cache", **self._desk.marks()}
        return Response(orjson.dumps({**feature, "links": links}), headers=marks, media_type=GEOJSON)


def _pages(address: str, query: Items, matched: int) -> list[dict[str, str]]:
    """Link to this page of the answer and its neighbours, every other parameter kept."""
    asked = {"bbox": query.bbox, "kind": query.kind, "month": query.month}
    kept = {name: value for name, value in asked.items() if value}

    def page(offset: int, rel: str) -> dict[str, str]:
        page_of = urlencode({**kept, "limit": query.limit, "offset": offset}, safe=",")
        return _link(f"{address}?{page_of}", rel, f"places from {offset + 1}", GEOJSON)

    links = [page(query.offset, "self")]
    if query.offset + query.limit < matched:
        links.append(page(query.offset + query.limit, "next"))
    if query.offset:
        links.append(page(max(query.offset - query.limit, 0), "prev"))
    return links


def _link(href: str, rel: str, title: str, media_type: str = "application/json") -> dict[str, str]:
    return {"href": href, "rel": rel, "type": media_type, "title": title}


def _json(content: object) -> Response:
    return Response(orjson.dumps(content), media_type="application/json")
