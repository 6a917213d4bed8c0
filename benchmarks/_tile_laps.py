"""Laps: tiles asked of several in turn, tile by tile, and how long each took."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import numpy as np
import orjson

from benchmarks._http import Answer, Line
from benchmarks._race import Row
from benchmarks._tile_peers import LAYER, Database
from geo_service.maps.atlas import Atlas
from geo_service.maps.tiles import Tile

Came = dict[str, dict[Tile, Answer]]


class Server(Protocol):
    """Whoever gives tiles."""

    def get(self, tile: Tile) -> Answer:
        """Give a tile, and tell how long it took."""
        ...


@dataclass(frozen=True)
class Asked:
    """A server over HTTP, and the template of its tiles."""

    port: int
    template: str

    @cached_property
    def line(self) -> Line:
        """The connection that is kept."""
        return Line(self.port)

    def path(self, tile: Tile) -> str:
        """Give the path of a tile."""
        return self.template.format(z=tile.z, x=tile.x, y=tile.y)

    def get(self, tile: Tile, held: str = "") -> Answer:
        """Ask for a tile, holding the version that an ETag names."""
        came = self.line.get(self.path(tile), {"If-None-Match": held} if held else None)
        assert came.status in (200, 204, 304), f"{self.path(tile)}: {came.status}, {came.body[:500]!r}"
        return came

    def ready(self) -> Mapping[str, int]:
        """Give the health of our server."""
        return orjson.loads(self.line.get("/health/ready").body)


@dataclass
class Browser:
    """A client that keeps what it was given, and asks only whether it still holds."""

    server: Asked
    kept: dict[Tile, Answer] = field(default_factory=dict)
    fresh: set[Tile] = field(default_factory=set)  # tiles that came anew when last asked for

    def get(self, tile: Tile) -> Answer:
        """Give a tile, as kept where the server says so."""
        held = self.kept.get(tile)
        came = self.server.get(tile, held.headers["etag"] if held else "")
        if held and came.status == 304:
            self.fresh.discard(tile)
            return Answer(304, came.headers, held.body, came.seconds)
        self.fresh.add(tile)
        self.kept[tile] = came
        return came


@dataclass(frozen=True)
class Drawing:
    """Our atlas, without HTTP."""

    atlas: Atlas

    def get(self, tile: Tile) -> Answer:
        """Draw a tile."""
        start = time.perf_counter()
        content = self.atlas.tile(LAYER, tile, "mvt").content
        return Answer(200, {}, content, time.perf_counter() - start)


@dataclass(frozen=True)
class Alone:
    """ST_AsMVT, without HTTP."""

    table: Database

    def get(self, tile: Tile) -> Answer:
        """Have PostGIS draw a tile."""
        start = time.perf_counter()
        content = self.table.tile(tile)
        return Answer(200, {}, content, time.perf_counter() - start)


@dataclass
class Laps:
    """How long each took over each tile [s], lap by lap."""

    taken: dict[str, dict[Tile, list[float]]] = field(default_factory=dict)

    def median_ms(self, who: str, tiles: Iterable[Tile]) -> np.ndarray:
        """Give the median lap of each tile [ms]."""
        return 1000 * np.array([np.median(self.taken[who][tile]) for tile in tiles])

    def rows(self, what: str, peer: str, tiles: Sequence[Tile], verdict: Mapping[str, object]) -> list[Row]:
        """Set ours beside a peer: all tiles, and those at 50, 95 and 99 %."""
        ours, theirs = (self.median_ms(who, tiles) for who in ("ours", peer))
        parts = {f"_p{part}": [float(np.percentile(ms, part)) for ms in (ours, theirs)] for part in (50, 95, 99)}
        both = {"": [float(ours.sum()), float(theirs.sum())], **parts}
        return [beside(what + name, peer, values, "ms", verdict) for name, values in both.items()]


def lap(laps: Laps, servers: Mapping[str, Server], tiles: Sequence[Tile]) -> Came:
    """Ask each server in turn for each tile; give what came."""
    came: dict[str, dict[Tile, Answer]] = {who: {} for who in servers}
    for tile in tiles:
        for who, server in servers.items():
            answer = server.get(tile)
            came[who][tile] = answer
            laps.taken.setdefault(who, {}).setdefault(tile, []).append(answer.seconds)
    return came


def beside(what: str, peer: str, values: Sequence[float], unit: str, verdict: Mapping[str, object]) -> Row:
    """Give the row of a race in which less is better."""
    ours, theirs = values
    said = {"ours": round(ours, 3), "theirs": round(theirs, 3), "unit": unit, "ratio": round(theirs / ours, 2)}
    return {"what": what, "peer": peer, **said, **verdict}
