"""Items: the places of a layer over HTTP, as OGC API Features has them (parts 1, 2 and 3).

Which places are meant is read here and found by maps/selections.py; why a place has its colour is told in why.py.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC
from urllib.parse import quote

import numpy as np
import orjson
from fastapi import APIRouter, Request
from starlette.responses import Response

from geo_service.errors import BadParameter, NotFound
from geo_service.geography import references
from geo_service.maps import cql2, geojson, queryables, selections
from geo_service.maps.atlas import Atlas
from geo_service.maps.layers import Layer, View
from geo_service.service import Service
from geo_service.web import access, following, paging
from geo_service.web.links import GEOJSON, OGC, SCHEMA, header, link
from geo_service.web.parameters import Items, OfShapes, ShapesQuery, read_items
from geo_service.web.tiles import is_known, origin

_DATED = re.compile(
    r"\d{4}-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01])([Tt ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?([Zz]|[ +-]\d{2}:\d{2}))?)?"
)
_FID = re.compile(r"[0-9]{1,18}")


def routes(library: Service, desk: following.Desk) -> APIRouter:
    """Make the routes that answer from a desk's picture."""
    places = Places(library, desk)
    router = APIRouter(tags=["places"])
    items = "/collections/{layer}/items"
    # What items takes depends on the layer; api_page describes it.
    router.add_api_route(items, places.items, methods=["GET"], response_class=Response, include_in_schema=False)
    router.add_api_route(items + "/{zone_id:path}", places.item, methods=["GET"], response_class=Response)
    return router


class Places:
    """The questions for places."""

    def __init__(self, library: Service, desk: following.Desk) -> None:
        self._library = library
        self._desk = desk

    async def items(self, request: Request, layer: str) -> Response:
        """The places of a layer that a query asks for, in the order it asks for, a page at a time."""
        atlas, view = self._desk.atlas, access.view_of(request.scope)
        described = atlas.layer(layer, view)
        query, equal = read_items(request.scope["query_string"], described.fields)
        month = month_of(atlas, query)
        etag = f'W/"{atlas.tag(layer, month, view)}"'
        marks = {"etag": etag, "cache-control": "no-cache", **self._desk.marks()}
        if is_known(request.headers, etag):
            return Response(status_code=304, headers=marks)
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
        members = {
            "links": links,
            "timeStamp": self._library.now().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            **({} if query.count == "off" else {"numberMatched": found.matched}),
            "numberReturned": len(found.rows),
        }
        content = geojson.collection(_features(atlas, described, found.rows, said, query), **members)
        marks = {**marks, "content-crs": f"<{query.crs}>", "link": header(links)}
        return Response(content, headers=marks, media_type=GEOJSON)

    async def item(self, request: Request, layer: str, zone_id: str, query: ShapesQuery) -> Response:
        """One place, by its own id or the number of its feature."""
        atlas, view, at = self._desk.atlas, access.view_of(request.scope), origin(request.scope)
        described, row = atlas.layer(layer, view), _row(atlas, layer, zone_id, view)
        own, here = str(atlas.ground(layer, view).ids[row[0]]), f"{at}/collections/{layer}"
        links = [
            link(f"{here}/items/{quote(own, safe='')}", "self", own, GEOJSON),
            link(here, "collection", described.title[self._library.settings.language]),
        ]
        if described.is_of_zones:
            links.append(link(f"{links[0]['href']}/why", "describedby", "why it has its colour"))
        said = selections.Said(atlas, layer, month_of(atlas, query), view)
        [feature] = _features(atlas, described, row, said, query)
        marks = {
            "cache-control": "no-cache",
            **self._desk.marks(),
            "content-crs": f"<{query.crs}>",
            "link": header(links),
        }
        return Response(orjson.dumps({**feature, "links": links}), headers=marks, media_type=GEOJSON)


def month_of(atlas: Atlas, query: OfShapes) -> str:
    """Say which month a query means: the one named, or the last on record in its `datetime`.  Raises BadParameter."""
    if not query.datetime:
        return query.month
    ends = query.datetime.split("/")
    if query.month or len(ends) > 2 or not all(end in ("", "..") or _DATED.fullmatch(end) for end in ends):
        raise BadParameter(
            f"datetime={query.datetime[:100]}: expected a date or instant, or a/b, ../b, a/.. of them, without month"
        )
    first, last = ("" if end == ".." else end[:7] for end in (ends[0], ends[-1]))
    if not atlas.months:
        return ""
    newest = max(atlas.months[-1], atlas.month)
    last = min(last or newest, newest)
    return last if len(ends) == 2 and first <= last else first or last


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


def _features(
    atlas: Atlas, layer: Layer, rows: selections.Rows, said: selections.Said, query: OfShapes
) -> list[dict[str, object]]:
    """Write places as GeoJSON features, with the properties and in the reference system that a query asks for."""
    names = [name for name in query.properties.split(",") if name] or list(said)
    if unknown := [name for name in names if name not in said]:
        raise BadParameter(f"properties: there is no '{unknown[0][:100]}'; expected some of {', '.join(said)}")
    ground, reference = atlas.grounds[layer.ground], references.read(query.crs)
    properties = [dict(zip(names, values, strict=True)) for values in zip(*said.of(names, rows).values(), strict=True)]
    fids = ground.fids[rows].tolist()
    if not query.geometry:
        return [
            {"type": "Feature", "id": fid, "geometry": None, "properties": values}
            for fid, values in zip(fids, properties, strict=True)
        ]
    shapes = references.as_ordered(references.from_wgs84(ground.degrees[rows], reference), reference)
    return geojson.features(fids, shapes, properties)
