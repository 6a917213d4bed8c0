"""The API's own description at /api: OpenAPI 3.0, which GDAL and most generators read.

FastAPI writes its part from the routes; the bare paths, which it does not know, are described here.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, cast

import orjson
from fastapi import FastAPI
from starlette.responses import Response

from geo_service.maps import queryables
from geo_service.maps.layers import Layer
from geo_service.prints import sheets
from geo_service.web import formats, geocoding, styles
from geo_service.web.links import GEOJSON, SCHEMA
from geo_service.web.parameters import Items, NothingQuery, OfMoment

_TYPE = "application/vnd.oai.openapi+json;version=3.0"
_JSON = "application/json"
_OBJECT = {"type": "object"}
_ANY: Mapping[str, object] = {"schema": {}}
_MVT = "application/vnd.mapbox-vector-tile"
_STATES = "application/vnd.geo-service.states"
_REFUSED = {
    "400": "A parameter or the body is unknown or wrong",
    "404": "It does not exist",
    "503": "The database is away, or has not answered yet",
}
_REFUSED_POST = {
    "405": "The path takes no POST",
    "403": "Not for who asks: no token, no page of ours, no signature",
    "409": "A decision stands against it",
    "413": "The body is too long",
    "415": "The body is of another type",
}
_UNCHANGED = {"description": "The client holds it: If-None-Match named its ETag"}
_LOOKS = [form.media_type for forms in styles.FORMS.values() for form in forms.values()]
_SHEETS = [form.partition(";")[0] for form in sheets.FORMS.values()]
_FEATURES = [form.media_type for form in formats.FORMATS.values()]
_ANSWERED = (  # by the ends of paths; the others answer JSON
    (("/queryables", "/schema"), [SCHEMA]),
    (("/items", "/items/{zone_id}"), _FEATURES),
    (("/tiles/WebMercatorQuad/{z}/{y}/{x}",), [_MVT, GEOJSON]),
    ((".{form}",), _LOOKS),
    ((".png",), ["image/png"]),
    (("/styles/{layers}.json",), ["application/vnd.mapbox.style+json"]),
    (("/statistics/prevention", "/statistics/measures"), [_JSON, "text/csv"]),
    (("/geocode",), [_JSON, geocoding.NDJSON]),
    (("/statistics/{name}",), _SHEETS),
    (("/bulletin/{month}",), ["text/html"]),
)
_KEPT = ("items", ".mvt", ".geojson", "/{x}", "/{y}", ".json")  # what has an ETag


def _problem(said: str) -> dict[str, object]:
    content = {"application/problem+json": {"schema": {"type": "object"}}}
    return {"description": f"{said}: an RFC 9457 problem", "content": content}


def add(app: FastAPI, layers: Mapping[str, Layer]) -> None:
    """Add /api to an application whose other routes are in place."""

    @app.get("/api", include_in_schema=False)
    async def api(_: NothingQuery) -> Response:
        return Response(described(), media_type=_TYPE)

    @cache
    def described() -> bytes:
        app.openapi_version = "3.0.3"
        page = app.openapi()
        page["paths"].update(_bare_paths())
        page["paths"].update(_items_paths(layers))
        for path, operations in page["paths"].items():
            for method, operation in operations.items():
                operation["responses"] = _statuses(path, method, operation["responses"])
        for schema in ("HTTPValidationError", "ValidationError"):
            page.get("components", {}).get("schemas", {}).pop(schema, None)
        return orjson.dumps(_without_null(page))


def _statuses(path: str, method: str, responses: Mapping[str, Mapping[str, object]]) -> dict[str, object]:
    """Give every status that a path may answer with; 422 is never sent: a wrong parameter is 400 here."""
    refused = {**_REFUSED, **(_REFUSED_POST if method == "post" else {})}
    return {
        **{status: _answered(path, status, told) for status, told in responses.items() if status != "422"},
        **({"304": _UNCHANGED} if path.endswith(_KEPT) else {}),
        **({"406": _problem("Nothing that the client accepts is offered")} if path.endswith("/items") else {}),
        **{status: _problem(said) for status, said in refused.items()},
        "default": _problem("What nobody expected"),
    }


def _answered(path: str, status: str, told: Mapping[str, object]) -> Mapping[str, object]:
    """Say in which media types a path answers."""
    wrote = cast(Mapping[str, object], told.get("content", {}))
    types = next((types for ends, types in _ANSWERED if path.endswith(ends)), [] if wrote else [_JSON])
    content = {**dict.fromkeys(types, _ANY), **wrote}
    return told if status == "204" else {**told, "content": content}


def _without_null(schema: Any) -> Any:
    """Say in the words of OpenAPI 3.0, which has no type null, that something may be left out."""
    if isinstance(schema, Mapping):
        kept = {name: _without_null(value) for name, value in schema.items() if name != "default" or value is not None}
        choices = [one for one in kept.pop("anyOf", []) if one != {"type": "null"}]
        return {**choices[0], **kept} if len(choices) == 1 else {**kept, **({"anyOf": choices} if choices else {})}
    return [_without_null(one) for one in schema] if isinstance(schema, list) else schema


def _items_paths(layers: Mapping[str, Layer]) -> dict[str, object]:
    """Describe the items of any layer, and of each one with its queryables."""
    kept = [_parameter(name, schema) for name, schema in Items.model_json_schema(by_alias=True)["properties"].items()]
    any_layer = _items("Places of a layer", [_LAYER, *kept])
    of_each = {
        f"/collections/{layer.id}/items": _items(layer.title["en"], [*kept, *_queryables(layer, kept)])
        for layer in layers.values()
    }
    return {"/collections/{layer}/items": any_layer, **of_each}


def _items(summary: str, parameters: Sequence[Mapping[str, object]]) -> dict[str, object]:
    return _path(summary, GEOJSON, parameters, "places", _OBJECT)


def _queryables(layer: Layer, others: Sequence[Mapping[str, object]]) -> list[dict[str, object]]:
    taken = {other["name"] for other in others}
    asked = cast(Mapping[str, Mapping[str, object]], queryables.schema(layer, "", "en")["properties"])
    return [
        {"name": name, "in": "query", "schema": {"type": schema["type"]}, "description": schema["title"]}
        for name, schema in asked.items()
        if name not in taken and "type" in schema
    ]


def _parameter(name: str, schema: Mapping[str, Any]) -> dict[str, object]:
    said = {key: value for key, value in schema.items() if key not in ("title", "description")}
    if name == "bbox":
        said = {"type": "array", "items": {"type": "number"}, "minItems": 4, "maxItems": 6}
    if name == "f":
        said = {"type": "string", "enum": ["json", *formats.FORMATS]}
    shown = {"description": schema["description"], "schema": said}
    return {"name": name, "in": "query", "required": False, "style": "form", "explode": False, **shown}


_LAYER = {"name": "layer", "in": "path", "required": True, "schema": {"type": "string"}}


def _bare_paths() -> dict[str, object]:
    moment = [
        _parameter(name, schema) for name, schema in OfMoment.model_json_schema(by_alias=True)["properties"].items()
    ]
    numbers = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "integer", "minimum": 0}} for name in "zxy"
    ]
    tile, digest = [_LAYER, *numbers, *moment], {**_LAYER, "name": "digest"}
    form = {"name": "f", "in": "query", "schema": {"type": "string", "enum": ["mvt", "geojson"]}, "description": "Form"}
    here = {"name": "layers", "in": "query", "schema": {"type": "string"}, "description": "Layers, comma-separated"}
    since = {"name": "since", "in": "query", "schema": {"type": "string"}, "description": "Id of the last event heard"}
    return {
        "/tiles/{layer}/{z}/{x}/{y}.mvt": _path("A vector tile", _MVT, tile),
        "/tiles/{layer}/{z}/{x}/{y}.geojson": _path("The same tile as GeoJSON", GEOJSON, tile, schema=_OBJECT),
        "/collections/{layer}/tiles/WebMercatorQuad/{z}/{y}/{x}": _path(
            "A vector tile as OGC API Tiles asks for it, row before column", _MVT, [*tile, form]
        ),
        "/g/{digest}/{layer}/{z}/{x}/{y}.mvt": _path(
            "The geometry of a tile without its colours, immutable", _MVT, [digest, _LAYER, *numbers]
        ),
        "/states/{layer}/{z}/{x}/{y}": _path("The colours of a tile without its geometry", _STATES, tile),
        "/tiles/{layer}.json": _path("TileJSON 3.0.0 of a layer", _JSON, [_LAYER, *moment], schema=_OBJECT),
        "/live": _path("An event whenever the picture has changed", "text/event-stream", [here, since]),
    }


def _path(
    summary: str,
    media_type: str,
    parameters: Sequence[Mapping[str, object]],
    tag: str = "tiles",
    schema: Mapping[str, object] | None = None,
) -> dict[str, object]:
    found = {"description": summary, "content": {media_type: {"schema": schema or {"type": "string"}}}}
    is_tile = any(one["name"] == "z" for one in parameters)
    responses = {"200": found, **({"204": {"description": "Nothing is drawn there"}} if is_tile else {})}
    return {"get": {"tags": [tag], "summary": summary, "parameters": parameters, "responses": responses}}
