"""Items: the places of a layer over HTTP, as OGC API Features has them (parts 1, 2 and 3).

Which places are meant is read here and found by maps/selections.py; why a place has its colour is told in why.py.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC
from urllib.parse import quote

import numpy as np
from fastapi import APIRouter, Request
from starlette.responses import Response

from geo_service.errors import BadParameter, NotFound
from geo_service.geography import references
from geo_service.maps import cql2, queryables, selections
from geo_service.maps.atlas import Atlas
from geo_service.maps.layers import Layer, View
from geo_service.service import Service
from geo_service.web import access, following, formats, paging
from geo_service.web.links import GEOJSON, OGC, SCHEMA, header, link
from geo_service.web.moments import Moments
from geo_service.web.parameters import Items, OfShapes, ShapesQuery, read_items
from geo_service.web.tiles import is_known, origin

_FID = re.compile(r"[0-9]{1,18}")


def routes(library: Service, desk: following.Desk, moments: Moments) -> APIRouter:
    """Make the routes that answer from a desk's picture, or from one of another moment."""
    places = Places(library, desk, moments)
    router = APIRouter(tags=["places"])
    items = "/collections/{layer}/items"
    # What items takes depends on the layer; api_page describes it.
    router.add_api_route(items, places.items, methods=["GET"], response_class=Response, include_in_schema=False)
    router.add_api_route(items + "/{zone_id:path}", places.item, methods=["GET"], response_class=Response)
    return router


class Places:
    """The questions for places."""

    def __init__(self, library: Service, desk: following.Desk, moments: Moments) -> None:
        self._library = library
        self._desk = desk
        self._moments = moments

    async def items(self, request: Request, layer: str) -> Response:
        """The places of a layer that a query asks for, in the order it asks for, a page at a time."""
        view, now = access.view_of(request.scope), self._desk.atlas
        described = now.layer(layer, view)
        query, equal = read_items(request.scope["query_string"], described.fields)
        form = formats.chosen(query.f, request.headers.get("accept", ""))
        atlas, month = await self._moments.at(query)
        etag = f'W/"{atlas.tag(layer, month, view)}-{form.name}"'
        marks = {"etag": etag, "cache-control": self._moments.keeping(query), **self._desk.marks()}
        if is_known(request.headers, etag):
            return Response(status_code=304, headers={**marks, **formats.varying(form)})
        wanted = replace(selection(described, query, equal, view), month=month)
        said = selections.Said(atlas, layer, month, view)
        found = paging.turned(
            selections.select(atlas, wanted, said), said, wanted.order, paging.Question(layer, query, equal)
        )
        address = f"{origin(request.scope)}/collections/{layer}"
        links = [
            *paging.links(f"{address}/items", GEOJSON, found),
            link(address, "collection", described.title[self._library.settings.language]),
            link(f"{address}/queryables", f"{OGC}queryables", "what can be asked for", SCHEMA),
        ]
        page = self._page(atlas, described, found.rows, said, query)
        matched = None if query.count == "off" else found.matched
        look = formats.Look(self._library.texts, atlas.scheme)
        return formats.answer(form, replace(page, links=links, matched=matched), marks, look)

    def _page(
        self, atlas: Atlas, layer: Layer, rows: selections.Rows, said: selections.Said, query: OfShapes
    ) -> formats.Page:
        """Give places with the properties and in the reference system that a query asks for."""
        names = [name for name in query.properties.split(",") if name] or list(said)
        if unknown := [name for name in names if name not in said]:
            raise BadParameter(f"properties: there is no '{unknown[0][:100]}'; expected some of {', '.join(said)}")
        ground, reference = atlas.grounds[layer.ground], references.read(query.crs)
        return formats.Page(
            layer=layer,
            language=self._library.settings.language,
            fids=ground.fids[rows].tolist(),
            columns={name: list(values) for name, values in said.of(names, rows).items()},
            shapes=references.from_wgs84(ground.degrees[rows], reference) if query.geometry else None,
            crs=formats.Crs(reference.uri, reference.epsg, reference.name),
            links=[],
            matched=None,
            returned=len(rows),
            stamp=self._library.now().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        )

    async def item(self, request: Request, layer: str, zone_id: str, query: ShapesQuery) -> Response:
        """One place, by its own id or the number of its feature."""
        if query.f not in ("", "json", "geojson"):
            raise BadParameter(f"f={query.f[:100]}: one place is answered as geojson; /items takes every format")
        view, at = access.view_of(request.scope), origin(request.scope)
        atlas, month = await self._moments.at(query)
        described, row = atlas.layer(layer, view), _row(atlas, layer, zone_id, view)
        own, here = str(atlas.ground(layer, view).ids[row[0]]), f"{at}/collections/{layer}"
        links = [
            link(f"{here}/items/{quote(own, safe='')}", "self", own, GEOJSON),
            link(here, "collection", described.title[self._library.settings.language]),
        ]
        if described.is_of_zones:
            links.append(link(f"{links[0]['href']}/why", "describedby", "why it has its colour"))
        page = self._page(atlas, described, row, selections.Said(atlas, layer, month, view), query)
        marks = {
            "cache-control": self._moments.keeping(query),
            **self._desk.marks(),
            "content-crs": f"<{query.crs}>",
            "link": header(links),
        }
        return Response(formats.one(page, links), headers=marks, media_type=GEOJSON)


def selection(layer: Layer, query: Items, equal: Mapping[str, str], view: View) -> selections.Selection:
    """Say which places a query means.  Raises BadParameter."""
    filters = [
        _equality(name, value, kind) for name, kind in queryables.kinds(layer).items() if (value := equal.get(name))
    ]
    if query.filter:
        filters.append(cql2.read(query.filter, query.filter_lang))
    return selections.Selection(
        layer.id,
        query.month,
        query.area(),
        query.kind,
        filters,
        references.read(query.filter_crs),
        query.order(),
        view,
    )


def _equality(name: str, value: str, kind: str) -> cql2.Filter:
    if kind not in ("integer", "number"):
        return {"op": "=", "args": [{"property": name}, value]}
    try:
        return {"op": "=", "args": [{"property": name}, float(value)]}
    except ValueError:
        raise BadParameter(f"{name}={value[:100]}: expected a number") from None


def _row(atlas: Atlas, layer: str, named: str, view: View) -> selections.Rows:
    """Find one place by its own id, or else by its feature's, under which clients that follow the standard look."""
    try:
        return atlas.row(layer, named, view)
    except NotFound:
        rows = np.flatnonzero(atlas.ground(layer, view).fids == int(named)) if _FID.fullmatch(named) else ()
        if not len(rows):
            raise
        return np.asarray(rows, dtype=np.int64)
