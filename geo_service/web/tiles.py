"""Tiles over HTTP, on a bare ASGI path: three integers, a look at the desk, bytes.

The ETag names geometry, state and definition, so "not modified" costs no drawing.  A tile is drawn once however many
ask for it at the same time, and kept, compressed, as long as there is room.
"""

import asyncio
import gzip
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import orjson
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Scope

from geo_service.errors import BadParameter, NotFound
from geo_service.maps import tiles
from geo_service.maps.atlas import Atlas
from geo_service.maps.layers import View
from geo_service.web import access, live, parameters

KEPT_BYTES = 128 << 20
WHOLE_WORLD = (-180.0, -85.0511287, 180.0, 85.0511287)  # [deg] what Web Mercator shows

_OVERHEAD_BYTES = 500  # of keeping an empty tile
_PATH = re.compile(r"/tiles/([^/]+)/([^/]+)/([^/]+)/([^/]+)\.(mvt|pbf|geojson)")
_TILEJSON = re.compile(r"/tiles/([^/]+)\.json")
_NUMBER = re.compile(r"[0-9]{1,9}")
_TYPES = {"mvt": "application/vnd.mapbox-vector-tile", "geojson": "application/geo+json"}


@dataclass(frozen=True)
class Asked:
    """A tile as it was asked for; equal ones are drawn once.  `tag` names the content of its layer."""

    layer: str
    tile: tiles.Tile
    form: str
    month: str
    view: View
    tag: str


class Kept:
    """Tiles that were drawn, compressed, at most so many bytes; the ones longest not asked for make room."""

    def __init__(self, room_bytes: int = KEPT_BYTES) -> None:
        self._room_bytes = room_bytes
        self._used_bytes = 0
        self._tiles: OrderedDict[Asked, bytes] = OrderedDict()
        self._drawing: dict[Asked, asyncio.Task[bytes]] = {}

    async def get(self, asked: Asked, draw: Callable[[], Awaitable[bytes]]) -> bytes:
        """Give a tile; who asks while it is being drawn waits for the same drawing."""
        if asked in self._tiles:
            self._tiles.move_to_end(asked)
            return self._tiles[asked]
        if asked not in self._drawing:
            self._drawing[asked] = asyncio.create_task(self._draw(asked, draw))
        return await asyncio.shield(self._drawing[asked])

    async def _draw(self, asked: Asked, draw: Callable[[], Awaitable[bytes]]) -> bytes:
        try:
            content = await draw()
        finally:
            del self._drawing[asked]
        self._tiles[asked] = content
        self._used_bytes += len(content) + _OVERHEAD_BYTES
        while self._used_bytes > self._room_bytes:
            _, dropped = self._tiles.popitem(last=False)
            self._used_bytes -= len(dropped) + _OVERHEAD_BYTES
        return content


class TileDoor:
    """Answers what lies under /tiles/."""

    def __init__(self, desk: live.Desk, language: str) -> None:
        self._desk = desk
        self._language = language
        self._kept = Kept()

    async def answer(self, scope: Scope) -> Response:
        """Answer a request.  Raises NotFound, BadParameter, StoreFailed."""
        query = parameters.read(parameters.OfMonth, scope["query_string"])
        if found := _PATH.fullmatch(scope["path"]):
            layer, z, x, y, form = found.groups()
            return await self._tile(scope, layer, _tile(z, x, y), "mvt" if form == "pbf" else form, query.month)
        if found := _TILEJSON.fullmatch(scope["path"]):
            return self._tilejson(scope, found[1], query.month)
        raise NotFound(
            f"there is nothing at {scope['path']}; tiles are /tiles/{{layer}}/{{z}}/{{x}}/{{y}}.mvt or .geojson, "
            "their description is /tiles/{layer}.json"
        )

    async def _tile(self, scope: Scope, layer: str, tile: tiles.Tile, form: str, month: str) -> Response:
        atlas, view, headers = self._desk.atlas, access.view_of(scope), Headers(scope=scope)
        month = month or atlas.month
        asked = Asked(layer, tile, form, month, view, atlas.tag(layer, month, view))
        etag = f'W/"{asked.tag}"'
        marks = {"etag": etag, "cache-control": "no-cache", "vary": "accept-encoding", **self._desk.marks()}
        if tile.exists() and is_known(headers, etag):
            return Response(status_code=304, headers=marks)
        content = await self._kept.get(asked, lambda: asyncio.to_thread(_drawn, atlas, asked))
        if not content:
            return Response(status_code=204, headers=marks)
        if accepts_gzip(headers):
            return Response(content, headers={"content-encoding": "gzip", **marks}, media_type=_TYPES[form])
        return Response(gzip.decompress(content), headers=marks, media_type=_TYPES[form])

    def _tilejson(self, scope: Scope, name: str, month: str) -> Response:
        atlas, view = self._desk.atlas, access.view_of(scope)
        layer, ground = atlas.layer(name, view), atlas.ground(name, view)
        west, south, east, north = bounds = ground.bounds or WHOLE_WORLD
        address = f"{origin(scope)}/tiles/{name}/{{z}}/{{x}}/{{y}}.mvt"
        described = {
            "tilejson": "3.0.0",
            "name": layer.title[self._language],
            "description": layer.description[self._language],
            "version": f"1.{atlas.seq}.0",
            "scheme": "xyz",
            "tiles": [f"{address}?month={month}" if month else address],
            "minzoom": layer.minzoom,
            "maxzoom": layer.maxzoom,
            "bounds": bounds,
            "center": [round((west + east) / 2, 7), round((south + north) / 2, 7), min(11, layer.maxzoom)],
            "vector_layers": [
                {
                    "id": name,
                    "description": layer.description[self._language],
                    "fields": dict(layer.fields),
                    "minzoom": layer.minzoom,
                    "maxzoom": layer.maxzoom,
                }
            ],
        }
        marks = {"cache-control": "no-cache", **self._desk.marks()}
        return Response(orjson.dumps(described), headers=marks, media_type="application/json")


def is_known(headers: Headers, etag: str) -> bool:
    """Say whether the client holds what an ETag names (If-None-Match, weak comparison)."""
    held = headers.get("if-none-match", "")
    return held.strip() == "*" or etag.removeprefix("W/") in (tag.strip().removeprefix("W/") for tag in held.split(","))


def accepts_gzip(headers: Headers) -> bool:
    """Say whether the client can read gzip.

    >>> accepts_gzip(Headers({"accept-encoding": "br, gzip"})), accepts_gzip(Headers({"accept-encoding": "gzip;q=0"}))
    (True, False)
    """
    for coding in headers.get("accept-encoding", "").split(","):
        name, _, weight = coding.strip().partition(";")
        if name.strip() in ("gzip", "*"):
            return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


def origin(scope: Scope) -> str:
    """Give scheme and host under which the client reached us, and the path we are mounted at."""
    host = Headers(scope=scope).get("host") or "{}:{}".format(*scope["server"])
    return f"{scope['scheme']}://{host}{scope.get('root_path', '')}"


def _tile(z: str, x: str, y: str) -> tiles.Tile:
    if not all(_NUMBER.fullmatch(number) for number in (z, x, y)):
        raise BadParameter(f"z, x and y of a tile are whole numbers, came {z}/{x}/{y}")
    return tiles.Tile(int(z), int(x), int(y))


def _drawn(atlas: Atlas, asked: Asked) -> bytes:
    content = atlas.tile(asked.layer, asked.tile, asked.form, asked.month, asked.view).content
    return gzip.compress(content, compresslevel=6, mtime=0) if content else b""
