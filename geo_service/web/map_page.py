"""The map page: the files that page/ was built into, and what they ask first.

No request leaves the machine: the Content-Security-Policy lets the browser talk to this server only.
"""

from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path

import orjson
from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

from geo_service.maps.atlas import Atlas, Box
from geo_service.maps.layers import Layer, Level, View
from geo_service.service import Service
from geo_service.web import access, following
from geo_service.web.parameters import NothingQuery

DIST = Path(__file__).parent / "page" / "dist"
_HOW_TO_BUILD = (
    "the map page has not been built; run in geo_service/web/page: npm ci && npm run build (./dev does it too)"
)
_POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; worker-src 'self' blob:; "
    "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
_WHOLE_WORLD = (-180.0, -85.0, 180.0, 85.0)  # [deg] shown while no zones are loaded


def routes(library: Service, desk: following.Desk, dist: Path = DIST) -> APIRouter:
    """Make the routes of the page; `dist` is where its build lies."""
    router = APIRouter(include_in_schema=False)
    files = StaticFiles(directory=dist, check_dir=False)

    @router.get("/map/config.json")
    async def config(request: Request, _: NothingQuery) -> Response:
        position = desk.chronicle.newest.name  # first: hearing once more of what the atlas holds already does no harm
        shown = {"position": position, **configuration(library, desk.atlas, access.view_of(request.scope))}
        return Response(orjson.dumps(shown), headers={"cache-control": "no-cache"}, media_type="application/json")

    @router.get("/map")
    @router.get("/map/{path:path}")
    async def file(request: Request, path: str = "") -> Response:
        if not (dist / "index.html").is_file():
            raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, _HOW_TO_BUILD)
        response = await files.get_response(path or "index.html", request.scope)
        # Names under assets/ carry a digest of their content; the others must be asked for again.
        response.headers["cache-control"] = (
            "public, max-age=31536000, immutable" if path.startswith("assets/") else "no-cache"
        )
        response.headers["content-security-policy"] = _POLICY
        response.headers["x-content-type-options"] = "nosniff"
        return response

    return router


def configuration(library: Service, atlas: Atlas, view: View) -> dict[str, object]:
    """Say what the page must know before it draws: months, colours and their ranges, layers that wear them, texts."""
    rule = library.rules.levels_at(atlas.month)
    ranges = atlas.scheme.ranges([rule.yellow, rule.orange, rule.red, rule.black])
    shown = [
        layer for layer in atlas.layers.values() if layer.wears_levels and layer.is_of_zones and view.shows(layer.id)
    ]
    bounds = [found for layer in shown if (found := atlas.ground(layer.id, view).bounds)]
    return {
        "title": {language: texts["title"] for language, texts in library.texts.items()},
        "time_zone": library.settings.time_zone,
        "month": atlas.month,
        "months": atlas.months,
        "revision": atlas.seq,
        "bounds": _around(bounds),
        "levels": [
            {**_look(level), "code": level.code, "range": words}
            for level, words in zip(atlas.scheme.levels, ranges, strict=True)
        ],
        "unknown": _look(atlas.scheme.unknown),
        "layers": [{**_drawn(layer), "geometry": atlas.geometry_digest(layer.id, view)} for layer in shown],
        "objects": [_drawn(layer) for layer in atlas.layers.values() if layer.objects and view.shows(layer.id)],
        "texts": {
            language: {
                **texts,
                "category": {code: titles[language] for code, titles in library.rules.categories.items()},
            }
            for language, texts in library.texts.items()
        },
        "language": library.settings.language,
    }


def _drawn(layer: Layer) -> dict[str, object]:
    return {"id": layer.id, "title": layer.title, "minzoom": layer.minzoom, "maxzoom": layer.maxzoom}


def _look(level: Level) -> dict[str, object]:
    return {"name": level.name, "colour": level.colour, "pattern": level.pattern, "text": level.text}


def _around(bounds: Sequence[Box]) -> Box:
    if not bounds:
        return _WHOLE_WORLD
    west, south, east, north = zip(*bounds, strict=True)
    return min(west), min(south), max(east), max(north)
