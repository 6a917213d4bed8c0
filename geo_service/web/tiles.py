"""Tiles over HTTP, on a bare ASGI path: a look-up, and bytes that lie ready.

A tile has four forms: with a month's colours as MVT or GeoJSON; its geometry alone, which never changes under its
digest; its states alone, the colours in the order of the geometry's features.

An address is read once; from then on, until the picture changes, it is an entry in a table that knows the tag of each
representation, so "not modified" costs no drawing and a tile that is kept costs no thought.  What must be drawn is
drawn once, a few at a time, in threads beside the event loop.

TileJSON says which zooms a layer has.  Below them a layer is not drawn (404 when no layer of the tile is); inside, a
tile without features is 204; above them tiles go on being drawn, down to tiles.DEEPEST, for clients that do not stretch
the last ones.
"""

import asyncio
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from time import perf_counter
from typing import Literal, TypeVar
from urllib.parse import urlencode

import orjson
from pydantic import Field
from starlette.datastructures import Headers
from starlette.types import Scope

from geo_service.errors import BadParameter, NotFound
from geo_service.maps import states, tiles
from geo_service.maps.atlas import Atlas, Drawn
from geo_service.maps.layers import View
from geo_service.web import access, cors, kept, live, negotiation, parameters, tilejson
from geo_service.web.negotiation import is_known, origin

_DRAWN_AT_ONCE = 2  # more would only wait for each other and for the event loop
_ADDRESSES = 5000  # kept ready, at about 3 kB each

_XYZ = r"(?P<z>[^/]+)/(?P<x>[^/]+)/(?P<y>[^/]+)"
_TILE = re.compile(rf"/tiles/(?P<layers>[^/]+)/{_XYZ}\.(?P<form>mvt|pbf|geojson)")
_TILE_OF_COLLECTION = re.compile(
    r"/collections/(?P<layers>[^/]+)/tiles/WebMercatorQuad/(?P<z>[^/]+)/(?P<y>[^/]+)/(?P<x>[^/]+)"
)
_GEOMETRY = re.compile(rf"/g/(?P<digest>[^/]+)/(?P<layer>[^/]+)/{_XYZ}\.(?:mvt|pbf)")
_STATES = re.compile(rf"/states/(?P<layer>[^/]+)/{_XYZ}")
_TILEJSON = re.compile(r"/tiles/([^/]+)\.json")
_NUMBER = re.compile(r"[0-9]{1,9}")
_TYPES = {
    "mvt": b"application/vnd.mapbox-vector-tile",
    "geojson": b"application/geo+json",
    "geometry": b"application/vnd.mapbox-vector-tile",
    "states": b"application/vnd.geo-service.states",
}
_VARY = (b"vary", b"accept-encoding")
_LIVE = (b"cache-control", b"no-cache")
_FOR_EVER = (b"cache-control", b"public, max-age=31536000, immutable")
_DROPPED = b"x-features-dropped"
_HIT = (b"server-timing", b"cache;desc=hit")

T = TypeVar("T")


class TileOfCollection(parameters.OfMonth):
    """A query for a tile as OGC API Tiles has it."""

    f: Literal["mvt", "geojson"] = Field("mvt", description="Form of the tile: mvt, geojson")


@dataclass(frozen=True)
class Representation:
    """One coding of a tile: its name among the kept, its ETag, and what is said to who holds it."""

    name: str
    etag: bytes
    unchanged: kept.Answer


@dataclass(frozen=True)
class Asked:
    """A tile as it was asked for, and the picture it is drawn from; `version` names its content.

    Its form is "mvt" or "geojson" with colours, "geometry" (MVT without them) or "states" (the colours alone).
    """

    atlas: Atlas
    layers: tuple[str, ...]
    tile: tiles.Tile
    form: str
    month: str
    view: View
    version: str
    _representations: dict[str, Representation] = field(default_factory=dict, compare=False)

    def representation(self, coding: str) -> Representation:
        """Give what is known of the tile in a coding before it is drawn."""
        if coding not in self._representations:
            # The head of a state tile tells the revision it was written at; the same states may be written at another.
            weak = "W/" if self.form == "states" else ""
            etag = f'{weak}"{self.version}-{negotiation.CODINGS[coding]}"'.encode()
            where = f"{','.join(self.layers)}/{self.tile.z}/{self.tile.x}/{self.tile.y}.{self.form}"
            name = f"{where} {self.month} {self.view.name} {etag.decode()}"
            marks = [(b"etag", etag), _FOR_EVER if self.form == "geometry" else _LIVE, _VARY, *cors.PAIRS]
            self._representations[coding] = Representation(name, etag, kept.answer(304, marks))
        return self._representations[coding]

    def answer(self, content: bytes, coding: str, dropped: Sequence[cors.Pair]) -> kept.Answer:
        """Make the answer that carries a body, packed as `coding` says; empty, it is 204."""
        marks = self.representation(coding).unchanged.headers
        if not content:
            return kept.answer(204, [*marks, _HIT])
        encoded = [] if coding == "identity" else [(b"content-encoding", coding.encode())]
        return kept.answer(200, [(b"content-type", _TYPES[self.form]), *encoded, *marks, *dropped, _HIT], content)

    def draw(self) -> Drawn:
        """Draw the tile.  Raises NotFound where there is none."""
        if self.form == "states":
            return Drawn(states.tile(self.atlas, self.layers[0], self.tile, self.month, self.view), 0, 0)
        if self.form == "geometry":
            return self.atlas.geometry_tile(self.layers[0], self.tile, self.view)
        drawn = [self.atlas.tile(layer, self.tile, self.form, self.month, self.view) for layer in self.layers]
        parts = [one.content for one in drawn]
        # One MVT after the other is an MVT of all their layers.
        content = _together(self.layers, parts) if self.form == "geojson" and len(parts) > 1 else b"".join(parts)
        return Drawn(content, sum(one.features for one in drawn), sum(one.dropped for one in drawn))


class TileDoor:
    """Answers what `takes` names."""

    def __init__(self, desk: live.Desk, language: str) -> None:
        self._desk = desk
        self._language = language
        self._kept = kept.Kept()
        self._drawers = ThreadPoolExecutor(_DRAWN_AT_ONCE, "draw")
        self._asked: dict[tuple[bytes, bytes, str], Asked] = {}
        self._asked_of: Atlas | None = None

    @staticmethod
    def takes(path: str) -> bool:
        """Say whether a path is answered here."""
        return path.startswith(("/tiles/", "/g/", "/states/")) or bool(_TILE_OF_COLLECTION.fullmatch(path))

    def at_hand(self, scope: Scope) -> kept.Answer | None:
        """Give the answer to a GET that lies ready; None: `answer` must be asked."""
        asked = self._asked.get((scope["raw_path"], scope["query_string"], access.view_of(scope).name))
        if asked is None or self._asked_of is not self._desk.atlas or self._desk.is_stale():
            return None
        accepted, held = negotiation.conditions(scope["headers"])
        representation = asked.representation(negotiation.chosen(accepted))
        if held and negotiation.is_held(held, representation.etag):
            return representation.unchanged
        return self._kept.at_hand(representation.name)

    async def answer(self, scope: Scope) -> kept.Answer:
        """Answer a request.  Raises NotFound, BadParameter, StoreFailed."""
        marks = [(name.encode(), value.encode()) for name, value in self._desk.marks().items()]
        if found := _TILEJSON.fullmatch(scope["path"]):
            described = await self._tilejson(scope, _layers(found[1]))
            return described.with_headers(*marks)
        asked = await self._read(scope)
        accepted, held = negotiation.conditions(scope["headers"])
        coding = negotiation.chosen(accepted)
        representation = asked.representation(coding)
        if negotiation.is_held(held, representation.etag):
            return representation.unchanged.with_headers(*marks)
        if (ready := self._kept.at_hand(representation.name)) is not None:
            return ready.with_headers(*marks)
        began = perf_counter()
        made = await self._kept.get(representation.name, lambda: self._make(asked, coding))
        return _missed(made, (perf_counter() - began) * 1000).with_headers(*marks)

    async def _make(self, asked: Asked, coding: str) -> kept.Answer:
        if coding == "identity":
            drawn = await self._in_thread(asked.draw)
            dropped = [(_DROPPED, b"%d" % drawn.dropped)] if drawn.dropped else []
            return asked.answer(drawn.content, coding, dropped)
        name = asked.representation("identity").name
        plain = await self._kept.get(name, lambda: self._make(asked, "identity"))
        content = await self._in_thread(lambda: negotiation.packed(plain.content, coding)) if plain.content else b""
        return asked.answer(content, coding, [pair for pair in plain.headers if pair[0] == _DROPPED])

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._drawers, work)

    async def _read(self, scope: Scope) -> Asked:
        """Read an address, once for each picture."""
        if self._asked_of is not self._desk.atlas:
            self._asked, self._asked_of = {}, self._desk.atlas
        table, key = self._asked, (scope["raw_path"], scope["query_string"], access.view_of(scope).name)
        if key not in table:
            asked = await self._as_asked(scope)  # another picture may lie on the desk by then, and have its own table
            if len(table) >= _ADDRESSES:
                del table[next(iter(table))]
            table[key] = asked
        return table[key]

    async def _as_asked(self, scope: Scope) -> Asked:
        path, query, view = scope["path"], scope["query_string"], access.view_of(scope)
        if found := _TILE.fullmatch(path):
            form = "geojson" if found["form"] == "geojson" else "mvt"
            return await self._coloured(found, form, parameters.read(parameters.OfMonth, query), view)
        if found := _TILE_OF_COLLECTION.fullmatch(path):
            wanted = parameters.read(TileOfCollection, query)
            return await self._coloured(found, wanted.f, wanted, view)
        if found := _STATES.fullmatch(path):
            return await self._states(found, parameters.read(parameters.OfMonth, query), view)
        if found := _GEOMETRY.fullmatch(path):
            parameters.read(parameters.Nothing, query)
            return self._geometry(found, view)
        raise NotFound(
            f"there is nothing at {path}; tiles are /tiles/{{layer}}/{{z}}/{{x}}/{{y}}.mvt or .geojson, and "
            "/tiles/{layer}.json says where the rest is"
        )

    async def _coloured(self, found: re.Match[str], form: str, query: parameters.OfMonth, view: View) -> Asked:
        tile = _tile(found)
        atlas, month = await self._moment(query)
        layers = _drawn_at(atlas, _layers(found["layers"]), tile, view)
        version = ".".join(atlas.version(layer, tile, month, view) for layer in layers)
        return Asked(atlas, layers, tile, form, month, view, version)

    async def _states(self, found: re.Match[str], query: parameters.OfMonth, view: View) -> Asked:
        tile, name = _tile(found), found["layer"]
        atlas, month = await self._moment(query)
        if not atlas.layer(name, view).wears_levels:
            raise NotFound(f"layer '{name}' has no states: it wears no levels; its tiles are /tiles/{name}.json")
        layers = _drawn_at(atlas, [name], tile, view)
        return Asked(atlas, layers, tile, "states", month, view, atlas.version(name, tile, month, view))

    def _geometry(self, found: re.Match[str], view: View) -> Asked:
        tile, atlas, name, digest = _tile(found), self._desk.atlas, found["layer"], found["digest"]
        now = atlas.geometry_digest(name, view)
        if digest != now:
            raise NotFound(
                f"the geometry of layer '{name}' is not {digest}, or no longer: it is {now}; "
                f"/tiles/{name}.json names the path of its tiles"
            )
        return Asked(atlas, _drawn_at(atlas, [name], tile, view), tile, "geometry", "", view, digest)

    async def _moment(self, query: parameters.OfMonth) -> tuple[Atlas, str]:
        """Say which picture and which month a query means: the only place here that does."""
        return self._desk.atlas, query.month or self._desk.atlas.month

    async def _tilejson(self, scope: Scope, names: Sequence[str]) -> kept.Answer:
        query = parameters.read(parameters.OfMonth, scope["query_string"])
        atlas, _ = await self._moment(query)
        asked = query.model_dump(exclude_unset=True, by_alias=True)
        at = tilejson.Place(origin(scope), f"?{urlencode(asked)}" if asked else "", self._language)
        content = orjson.dumps(tilejson.described(atlas, names, access.view_of(scope), at))
        etag = f'"{blake2b(content, digest_size=12).hexdigest()}"'
        marks = [(b"etag", etag.encode()), _LIVE]
        if is_known(Headers(scope=scope), etag):
            return kept.answer(304, marks)
        return kept.answer(200, [(b"content-type", b"application/json"), *marks], content)


def _missed(answer: kept.Answer, took_ms: float) -> kept.Answer:
    """Say of an answer that was kept from now on how long its first reader waited for the drawing."""
    timing = b"cache;desc=miss, draw;dur=%.1f" % took_ms
    pairs = [pair for pair in answer.headers if pair != _HIT]
    return replace(answer, headers=(*pairs, (b"server-timing", timing)))


def _tile(found: re.Match[str]) -> tiles.Tile:
    z, x, y = found["z"], found["x"], found["y"]
    if not all(_NUMBER.fullmatch(number) for number in (z, x, y)):
        raise BadParameter(f"z, x and y of a tile are whole numbers, came {z}/{x}/{y}")
    tile = tiles.Tile(int(z), int(x), int(y))
    if not tile.exists():
        raise NotFound(f"there is no tile {z}/{x}/{y}: zooms run from 0 to {tiles.DEEPEST}, x and y from 0 to 2^z - 1")
    return tile


def _layers(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    if len(set(names)) < len(names):
        raise BadParameter(f"'{text}' names a layer twice; a tile holds each once")
    return names


def _drawn_at(atlas: Atlas, names: Sequence[str], tile: tiles.Tile, view: View) -> tuple[str, ...]:
    """Give the layers that a tile of this zoom draws.  Raises NotFound for an unknown one, and when there is none."""
    begins = {name: atlas.layer(name, view).minzoom for name in names}
    drawn = tuple(name for name in names if begins[name] <= tile.z)
    if not drawn:
        said = ", ".join(f"{name} from zoom {zoom}" for name, zoom in begins.items())
        raise NotFound(
            f"nothing is drawn at zoom {tile.z}: {said} on; /tiles/{','.join(names)}.json says which zooms are"
        )
    return drawn


def _together(layers: Sequence[str], parts: Sequence[bytes]) -> bytes:
    """Make one collection of several layers' GeoJSON, each feature with the member `layer`."""
    features = [
        {**feature, "layer": layer}
        for layer, part in zip(layers, parts, strict=True)
        if part
        for feature in orjson.loads(part)["features"]
    ]
    return orjson.dumps({"type": "FeatureCollection", "features": features}) if features else b""
