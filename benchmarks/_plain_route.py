"""A plain FastAPI route that has every tile ready: `uvicorn benchmarks._plain_route:app`, TILES names the file.

The file maps each path to a zipped tile (pickle, written by the benchmark itself).  The route reads its parameters as
FastAPI does, looks the tile up and sends it with the headers that a tile needs.
"""

import os
import pickle
from pathlib import Path

from fastapi import FastAPI, Response

BODIES: dict[str, bytes] = pickle.loads(Path(os.environ["TILES"]).read_bytes())
HEADERS = {"etag": 'W/"same"', "cache-control": "no-cache", "vary": "accept-encoding", "content-encoding": "gzip"}

app = FastAPI()


@app.get("/tiles/{layer}/{z}/{x}/{y}.mvt")
async def tile(layer: str, z: int, x: int, y: int) -> Response:
    """Give a tile."""
    content = BODIES[f"/tiles/{layer}/{z}/{x}/{y}.mvt"]
    return Response(content, headers=HEADERS, media_type="application/vnd.mapbox-vector-tile")
