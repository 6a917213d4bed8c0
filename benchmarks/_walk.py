"""A walk over a map: the tiles that a person's window asks for while it pans and zooms, in their order.

The window is 1600 x 900 pixels, tiles are 512 pixels wide, as MapLibre draws vector tiles.  The walk begins at zoom 8,
with the whole city and what lies around it.  From there, for each spot in turn: zoom in on it step by step to zoom 16,
the middle of the window moving towards the spot by half of what is left; at some zooms look round, half a window to
each side; zoom out again by two steps at a time to where it began.  A tile seen before is not asked again, as a browser
keeps it.  What lies around the middle comes first, as MapLibre asks.
"""

import math
from collections.abc import Iterator, Sequence

from geo_service.maps.tiles import Tile

Place = tuple[float, float]  # lon, lat [deg]
Box = tuple[float, float, float, float]  # west, south, east, north [deg]

SHALLOWEST, DEEPEST = 8, 16
LOOK_ROUND = (13, 16)  # zooms at which the person looks round
_ACROSS, _DOWN = 1600 / 512, 900 / 512  # the window [tiles]
_SIDES = ((0.5, 0.0), (-0.5, 0.0), (0.0, 0.5), (0.0, -0.5))  # of the window


def tiles(box: Box, spots: Sequence[Place]) -> list[Tile]:
    """Give the tiles of a walk over a city from spot to spot, each once.

    >>> seen = tiles((116.0, 35.0, 117.0, 36.0), [(116.5, 35.5)])
    >>> (seen[0].z, seen[-1].z), len(seen) == len(set(seen))
    ((8, 16), True)
    """
    return list(dict.fromkeys(tile for z, x, y in _windows(box, spots) for tile in _shown(z, x, y)))


def _windows(box: Box, spots: Sequence[Place]) -> Iterator[tuple[int, float, float]]:
    """Give zoom and middle of each window, the middle in parts of the world square, from its north-west."""
    west, south, east, north = box
    for spot in map(_on_square, spots):
        x, y = _on_square(((west + east) / 2, (south + north) / 2))
        for z in range(SHALLOWEST, DEEPEST + 1):
            if z > SHALLOWEST:
                x, y = (x + spot[0]) / 2, (y + spot[1]) / 2
            if z == DEEPEST:
                x, y = spot
            yield z, x, y
            for across, down in _SIDES if z in LOOK_ROUND else ():
                yield z, x + across * _ACROSS / 2**z, y + down * _DOWN / 2**z
        yield from ((z, x, y) for z in range(DEEPEST - 2, SHALLOWEST - 1, -2))


def _shown(z: int, x: float, y: float) -> list[Tile]:
    """List the tiles of a window, those around its middle first."""
    x, y = x * 2**z, y * 2**z
    columns = range(math.floor(x - _ACROSS / 2), math.floor(x + _ACROSS / 2) + 1)
    rows = range(math.floor(y - _DOWN / 2), math.floor(y + _DOWN / 2) + 1)
    seen = [Tile(z, column, row) for column in columns for row in rows]
    around = sorted(seen, key=lambda tile: math.dist((tile.x + 0.5, tile.y + 0.5), (x, y)))
    return [tile for tile in around if tile.exists()]


def _on_square(place: Place) -> tuple[float, float]:
    lon, lat = place
    return (lon + 180) / 360, (1 - math.asinh(math.tan(math.radians(lat))) / math.pi) / 2
