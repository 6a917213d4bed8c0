"""Rules, feeds, zones and rows made for tests: a strip of one-degree squares, and calls placed in them by letter."""

from datetime import date
from pathlib import PurePath

import numpy as np
import pandas as pd
import shapely

from geo_service.analysis import feed as feeds
from geo_service.analysis.rules import Levels, Rules
from geo_service.geography.zones import Zones

JINING = Levels(date(2000, 1, 1), "1", 1, 2, 4, 6, 9, ("robbery", "theft"))
CATEGORIES = {name: {"zh": name, "en": name} for name in ("robbery", "theft", "dispute", "unmapped")}
UNIT_FIRST = {"communities": "unless_in_unit", "units": "always", "patrol_zones": "always"}
RULES = Rules((JINING,), UNIT_FIRST, CATEGORIES)


def feed(**changes: object) -> feeds.Feed:
    """Give a feed of WGS 84 rows in Shanghai time, with some of its tables changed."""
    table: dict[str, object] = {
        "id": "made",
        "title": {"zh": "测试", "en": "Made"},
        "crs": "EPSG:4326",
        "columns": {
            "id": "id",
            "called_at": "at",
            "category": "code",
            "lon": "lon",
            "lat": "lat",
            "updated_at": "said",
        },
        "time": {"zone": "Asia/Shanghai", "format": "%Y-%m-%d %H:%M"},
        "unknown": {"lon_lat": [[0, 0]]},
        "categories": [{"valid_from": date(2000, 1, 1), "map": {"R": "robbery", "T": "theft", "D": "dispute"}}],
    }
    return feeds.parse({**table, **changes}, PurePath("made.toml"))


def rows(lines: str) -> pd.DataFrame:
    """Read rows written as "id day_hour code lon lat [said]" lines; "-" is an empty field, "_" a space in a time."""
    names = ("id", "at", "code", "lon", "lat", "said")
    cells = [line.split() for line in lines.strip().splitlines()]
    table = [[("" if c == "-" else c.replace("_", " ")) for c in line] + [""] * (6 - len(line)) for line in cells]
    frame = pd.DataFrame(table, columns=list(names), dtype="str")
    return frame.assign(_source="made.csv", _row=np.arange(1, len(frame) + 1))


def squares(kind: str, ids: str, *, width: float = 1.0) -> Zones:
    """Give squares side by side from 0 E, 0 N: one for each letter, `width` degrees wide and one high."""
    text = np.array(list(ids), dtype=object)
    boxes = np.array([shapely.box(i * width, 0, (i + 1) * width, 1) for i in range(len(ids))], dtype=object)
    return Zones(kind, text, text, np.full(len(ids), "", dtype=object), boxes)
