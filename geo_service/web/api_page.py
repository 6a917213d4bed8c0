"""The API's own description at /api: OpenAPI 3.0, which GDAL and most generators read.

FastAPI writes its part from the routes; the bare paths, which it does not know, are described here.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import orjson
from fastapi import FastAPI
from starlette.responses import Response

from geo_service.web.parameters import NothingQuery, OfMonth

_TYPE = "application/vnd.oai.openapi+json;version=3.0"
_MVT = "application/vnd.mapbox-vector-tile"
_PROBLEM = {
    "description": "An RFC 9457 problem",
    "content": {"application/problem+json": {"schema": {"type": "object"}}},
}


def add(app: FastAPI) -> None:
    """Add /api to an application whose other routes are in place."""

    @app.get("/api", include_in_schema=False)
    async def api(_: NothingQuery) -> Response:
        return Response(described(), media_type=_TYPE)

    @cache
    def described() -> bytes:
        app.openapi_version = "3.0.3"
        page = app.openapi()
        for path in page["paths"].values():
            for operation in path.values():
                operation["responses"].pop("422", None)  # never sent: a wrong parameter is 400 here
                operation["responses"]["default"] = _PROBLEM
        for schema in ("HTTPValidationError", "ValidationError"):
            page.get("components", {}).get("schemas", {}).pop(schema, None)
        page["paths"].update(_bare_paths())
        return orjson.dumps(_without_null(page))


def _without_null(schema: Any) -> Any:
    """Say in the words of OpenAPI 3.0, which has no type null, that something may be left out."""
    if isinstance(schema, Mapping):
        kept = {name: _without_null(value) for name, value in schema.items() if name != "default" or value is not None}
        choices = [one for one in kept.pop("anyOf", []) if one != {"type": "null"}]
        return {**choices[0], **kept} if len(choices) == 1 else {**kept, **({"anyOf": choices} if choices else {})}
    return [_without_null(one) for one in schema] if isinstance(schema, list) else schema


def _bare_paths() -> dict[str, object]:
    month = {
        "name": "month",
        "in": "query",
        "schema": {"type": "string"},
        "description": OfMonth.model_fields["month"].description,
    }
    layer = {"name": "layer", "in": "path", "required": True, "schema": {"type": "string"}}
    numbers = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "integer", "minimum": 0}} for name in "zxy"
    ]
    return {
        "/tiles/{layer}/{z}/{x}/{y}.mvt": _path("A vector tile", _MVT, [layer, *numbers, month]),
        "/tiles/{layer}/{z}/{x}/{y}.geojson": _path(
            "The same tile as GeoJSON", "application/geo+json", [layer, *numbers, month]
        ),
        "/collections/{layer}/tiles/WebMercatorQuad/{z}/{y}/{x}": _path(
            "A vector tile as OGC API Tiles asks for it, row before column",
            _MVT,
            [layer, *numbers, month, _choice("f", "Form of the tile", ["mvt", "geojson"])],
        ),
        "/g/{digest}/{layer}/{z}/{x}/{y}.mvt": _path(
            "The geometry of a tile without its colours, immutable",
            _MVT,
            [{"name": "digest", "in": "path", "required": True, "schema": {"type": "string"}}, layer, *numbers],
        ),
        "/states/{layer}/{z}/{x}/{y}": _path(
            "The colours of a tile without its geometry", "application/vnd.geo-service.states", [layer, *numbers, month]
        ),
        "/tiles/{layer}.json": _path("TileJSON 3.0.0 of a layer", "application/json", [layer, month]),
        "/live": _path("An event whenever the picture has changed", "text/event-stream", []),
    }


def _choice(name: str, description: str, values: Sequence[str]) -> dict[str, object]:
    schema = {"type": "string", "enum": values}
    return {"name": name, "in": "query", "schema": schema, "description": description}


def _path(summary: str, media_type: str, parameters: Sequence[Mapping[str, object]]) -> dict[str, object]:
    found = {"description": summary, "content": {media_type: {"schema": {"type": "string"}}}}
    return {
        "get": {
            "tags": ["tiles"],
            "summary": summary,
            "parameters": parameters,
            "responses": {"200": found, "default": _PROBLEM},
        }
    }
