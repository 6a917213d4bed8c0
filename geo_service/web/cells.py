"""Cells over HTTP without geometry: H3 indexes and classes, for clients that know where a cell lies.

A few bytes a cell where tiles take hundreds.  The same cells as a layer: /collections/incident_cells, /tiles/….
"""

import orjson
from fastapi import APIRouter, Request
from starlette.responses import Response

from geo_service.errors import NotFound
from geo_service.geography import grid
from geo_service.maps import colours
from geo_service.maps.layers import CELLS
from geo_service.service import Service
from geo_service.web import access, following
from geo_service.web.parameters import MonthQuery
from geo_service.web.tiles import is_known


def routes(library: Service, desk: following.Desk) -> APIRouter:
    """Make the route that tells the cells of a desk's picture."""
    router = APIRouter(tags=["places"])
    resolution_now = library.rules.levels_at

    @router.get("/cells/{layer}", response_class=Response)
    async def cells(request: Request, layer: str, query: MonthQuery) -> Response:
        """Every cell of a layer of cells, ascending, and its class: the level, 13 or 14 withheld, 15 not on record."""
        atlas, view = desk.atlas, access.view_of(request.scope)
        if atlas.layer(layer, view).zones != CELLS:
            raise NotFound(f"layer {layer} is none of cells; /collections/{layer}/items has its places")
        etag = f'W/"{atlas.tag(layer, query.month, view)}"'
        marks = {"etag": etag, "cache-control": "no-cache", **desk.marks()}
        if is_known(request.headers, etag):
            return Response(status_code=304, headers=marks)
        month, ground = query.month or atlas.month, atlas.ground(layer, view)
        named = grid.from_text(ground.ids[:1].tolist())
        told = {
            "resolution": int(grid.resolutions(named)[0]) if len(named) else resolution_now(atlas.month).h3_resolution,
            "month": month,
            "seq": atlas.seq,
            "cells": ground.ids.tolist(),
            "classes": colours.classes(atlas.state(CELLS, month), ground.places).tolist(),
        }
        return Response(orjson.dumps(told), headers=marks, media_type="application/json")

    return router
