"""A process with two servers: our tiles, and a FastAPI route that gives the same bytes.  Run by test_wire.py.

It prints the port and the thread of each, and ends when its standard input does.
"""

import socket
import sys
import threading
from datetime import UTC, date, datetime
from time import sleep

import shapely
import uvicorn
from fastapi import FastAPI
from starlette.responses import Response

from geo_service.maps import tiles as grid
from geo_service.web import live, negotiation, tiles, wire
from geo_service.web.app import Doorway
from tests.maps import drawn

SIDE = 0.01  # [deg]


def ours() -> tuple[uvicorn.Config, bytes]:
    """Configure a server of 900 communities, and draw the tile that it is asked for."""
    corners = [(116.4 + i * SIDE, 35.3 + j * SIDE) for i in range(30) for j in range(30)]
    squares = [shapely.box(west, south, west + SIDE, south + SIDE) for west, south in corners]
    atlas = drawn.picture(squares, {"2024-06": {f"{row:03}": (row % 7, min(row % 7, 4)) for row in range(900)}})
    now = datetime.now(UTC)
    desk = live.Desk(lambda: now)
    desk.put(live.Picture(atlas, 1, 1, date(2024, 6, 20), now, None, False))
    door = tiles.TileDoor(desk, "en")
    content = atlas.tile("warnings", grid.Tile(10, 843, 404), "mvt").content
    return wire.configured(Doorway(FastAPI(), door, desk), port=0), negotiation.packed(content, "gzip")


def plain(content: bytes) -> uvicorn.Config:
    """Configure a FastAPI route as one writes it, on the fastest uvicorn."""
    app = FastAPI()

    @app.get("/tiles/{layer}/{z}/{x}/{y}.mvt")
    async def tile(layer: str, z: int, x: int, y: int) -> Response:
        marks = {"etag": f'"{layer}{z}{x}{y}"', "content-encoding": "gzip", "cache-control": "no-cache"}
        return Response(content, media_type="application/vnd.mapbox-vector-tile", headers=marks)

    return uvicorn.Config(app, port=0, http="httptools", loop="uvloop", log_level="warning", access_log=False)


def start(config: uvicorn.Config) -> str:
    """Run a server in a thread; give its port and the thread's number."""
    server, door = uvicorn.Server(config), socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [door]}, daemon=True)
    thread.start()
    while not server.started:
        sleep(0.01)
    return f"{door.getsockname()[1]} {thread.native_id}"


if __name__ == "__main__":
    configured, content = ours()
    sys.stdout.write(f"{start(configured)} {start(plain(content))}\n")
    sys.stdout.flush()
    sys.stdin.read()
