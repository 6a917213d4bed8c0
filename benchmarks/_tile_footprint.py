"""What serving takes: from exec to the first tile, and the memory of the picture.

Memory is the resident memory of `serve` on the full database less that of `serve` on an empty one, each after its first
tile, so that libraries, which any server has, are not counted as the atlas's.
"""

import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks import _http, _race, _tile_city
from benchmarks._race import Row
from benchmarks._tile_city import Held
from geo_service import files, jobs
from geo_service.service import open_service

START_S, MEMORY_MB = 3.0, 500.0
_FIRST = "/tiles/warnings/8/0/0.mvt"


def rows(held: Held, cluster: tuple[str, Path], points: int, starts: int) -> list[Row]:
    """Put points beside the places, serve them as often as said, and weigh it."""
    url, folder = cluster
    print(f"tiles/start, tiles/memory: {points} points", file=sys.stderr, flush=True)
    jobs.load_prevention(held.service, posts(held, points), "made")
    empty = _tile_city.database(url, "nothing")
    open_service(_tile_city.settings(empty, folder)).close()  # brings its tables up to date
    taken = [started(held.url, folder) for _ in range(starts)]
    _, without = started(empty, folder)
    seconds, resident = np.median(taken, axis=0)
    return [
        _race.measured("tiles/start", float(seconds), "s", START_S, digits=2),
        _race.measured("tiles/memory", float(resident - without), "MB", MEMORY_MB),
    ]


def started(url: str, folder: Path) -> tuple[float, float]:
    """Start a server; give how long its first tile took [s] and its resident memory then [MB]."""
    port, start = _http.free_port(), time.perf_counter()
    with _tile_city.served(url, folder, port, _FIRST) as server:
        seconds = time.perf_counter() - start
        status = Path(f"/proc/{server.pid}/status").read_text()
    kib = next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))
    return seconds, int(kib) * 1024 / 1e6


def posts(held: Held, count: int) -> pd.DataFrame:
    """Give as many guard posts, gates and alarms all over the city."""
    rng = np.random.default_rng(8)
    west, south, east, north = held.city.box
    table = pd.DataFrame(
        {
            "object_id": [f"p{number:06d}" for number in range(count)],
            "kind": rng.choice(["guard_post", "gate", "perimeter_alarm"], count),
            "name": [f"post {number}" for number in range(count)],
            "lon": rng.uniform(west, east, count).round(6),
            "lat": rng.uniform(south, north, count).round(6),
        }
    )
    return files.objects_of(table, Path("made"), "EPSG:4326")
