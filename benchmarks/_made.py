"""Made up for the benchmarks: a feed, rows as it would send them, and a net of places."""

from datetime import date
from pathlib import PurePath

import numpy as np
import pandas as pd
import shapely

from geo_service.analysis import feed as feeds
from geo_service.geography.zones import Zones

Square = tuple[float, float, float]  # west, south, side [deg]
CITY: Square = (116.0, 35.0, 1.0)
CODES = {"01": "robbery", "02": "snatching", "03": "theft", "04": "dispute", "05": "traffic"}
FEED = feeds.parse(
    {
        "id": "made",
        "crs": "EPSG:4326",
        "columns": {"id": "id", "called_at": "at", "category": "code", "lon": "lon", "lat": "lat"},
        "time": {"zone": "Asia/Shanghai", "format": "%Y-%m-%d %H:%M:%S"},
        "categories": [{"valid_from": date(2000, 1, 1), "map": CODES}],
    },
    PurePath("made.toml"),
)


def net(kind: str, across: int, corners: int, rng: np.random.Generator, square: Square = CITY) -> Zones:
    """Give across x across many-cornered blobs that leave streets between them."""
    west, south, side = square
    step = side / across
    x, y = (axis.ravel() for axis in np.meshgrid(*[(np.arange(across) + 0.5) * step] * 2))
    turn = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    radius = step * rng.uniform(0.36, 0.49, (across * across, corners))
    rings = np.stack([west + x[:, None] + radius * np.cos(turn), south + y[:, None] + radius * np.sin(turn)], axis=-1)
    ids = np.array([f"{kind[0]}{number:06d}" for number in range(across * across)], dtype=object)
    blank = np.full(len(ids), "", dtype=object)
    return Zones(kind, ids, blank, blank, np.array(shapely.polygons(rings), dtype=object))


def calls(count: int, first: str, last: str, rng: np.random.Generator) -> pd.DataFrame:
    """Give raw rows all over the city in the order of their times, as a source would: text only."""
    west, south, side = CITY
    return as_rows(count, first, last, west + side * rng.random(count), south + side * rng.random(count), rng)


def as_rows(
    count: int, first: str, last: str, lon: np.ndarray, lat: np.ndarray, rng: np.random.Generator
) -> pd.DataFrame:
    """Give raw rows of calls at some places [deg], from one day up to another."""
    begin, end = (pd.Timestamp(day).value // 10**9 for day in (first, last))
    at = pd.to_datetime(np.sort(rng.integers(begin, end, count)), unit="s").strftime("%Y-%m-%d %H:%M:%S")
    return pd.DataFrame(
        {
            "id": [f"{number:09d}" for number in range(count)],
            "at": at,
            "code": rng.choice(list(CODES), count),
            "lon": lon.round(6).astype(str),
            "lat": lat.round(6).astype(str),
            "_source": "made",
            "_row": np.arange(1, count + 1),
        }
    )
