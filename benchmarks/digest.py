"""The main job beside a careful geopandas version of it, and the thinking of one ten-minute increment.

Made-up calls over a made-up net of places.  Both sides get the same rows as text; their levels are compared one by one.
Ours also keeps the incidents, refuses bad rows, counts H3 cells and finds the alerts; the peer only counts and colours.
"""

import sys
from datetime import UTC, date, datetime
from pathlib import PurePath

import geopandas
import numpy as np
import pandas as pd
import shapely

from benchmarks._race import Row, arguments, figure, race, report
from geo_service import files
from geo_service.analysis import feed as feeds
from geo_service.analysis import intake
from geo_service.geography.zones import Zones

WEST, SOUTH, SIDE_DEG = 116.0, 35.0, 1.0
NOW = datetime(2026, 1, 1, tzinfo=UTC)
KEY = ["zone_kind", "zone_id", "month"]
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
RULES = files.read_rules(files.shipped("rules"), "each")


def net(kind: str, across: int, corners: int, rng: np.random.Generator) -> Zones:
    """Give across x across many-cornered blobs that leave streets between them."""
    step = SIDE_DEG / across
    x, y = (axis.ravel() for axis in np.meshgrid(*[(np.arange(across) + 0.5) * step] * 2))
    turn = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    radius = step * rng.uniform(0.36, 0.49, (across * across, corners))
    rings = np.stack([WEST + x[:, None] + radius * np.cos(turn), SOUTH + y[:, None] + radius * np.sin(turn)], axis=-1)
    ids = np.array([f"{kind[0]}{number:06d}" for number in range(across * across)], dtype=object)
    blank = np.full(len(ids), "", dtype=object)
    return Zones(kind, ids, blank, blank, np.array(shapely.polygons(rings), dtype=object))


def calls(count: int, first: str, last: str, rng: np.random.Generator) -> pd.DataFrame:
    """Give raw rows as a source would: text only."""
    begin, end = (pd.Timestamp(day).value // 10**9 for day in (first, last))
    at = pd.to_datetime(np.sort(rng.integers(begin, end, count)), unit="s").strftime("%Y-%m-%d %H:%M:%S")
    return pd.DataFrame(
        {
            "id": [f"{number:09d}" for number in range(count)],
            "at": at,
            "code": rng.choice(list(CODES), count),
            "lon": (WEST + SIDE_DEG * rng.random(count)).round(6).astype(str),
            "lat": (SOUTH + SIDE_DEG * rng.random(count)).round(6).astype(str),
            "_source": "made",
            "_row": np.arange(1, count + 1),
        }
    )


def with_geopandas(rows: pd.DataFrame, zones: dict[str, Zones]) -> pd.DataFrame:
    """Give the levels as one would write it by hand: one spatial join a kind, one group-by, one cut."""
    rule = RULES.levels[0]
    local = pd.to_datetime(rows["at"], format="%Y-%m-%d %H:%M:%S")
    points = geopandas.GeoDataFrame(
        {"month": local.dt.strftime("%Y-%m"), "category": rows["code"].map(CODES)},
        geometry=geopandas.points_from_xy(rows["lon"].astype(float), rows["lat"].astype(float)),
        crs="EPSG:4326",
    )
    counted = points[points["category"].isin(rule.counted)]
    found: list[pd.DataFrame] = []
    for kind, these in zones.items():
        frame = geopandas.GeoDataFrame({"zone_id": these.ids}, geometry=these.geometry, crs="EPSG:4326")
        hits = counted.sjoin(frame, predicate="intersects").sort_values("zone_id")
        hits = hits[~hits.index.duplicated()]
        found.append(hits.groupby(["zone_id", "month"]).size().reset_index(name="count").assign(zone_kind=kind))
    whole = pd.concat(found, ignore_index=True)
    edges = [0, rule.yellow, rule.orange, rule.red, rule.black]
    whole["level"] = np.searchsorted(edges, whole["count"], side="right") - 1
    return whole


def same_levels(ours: pd.DataFrame, theirs: pd.DataFrame) -> str:
    """Compare zone_kind, zone_id, month, count and level row by row."""
    left, right = (
        frame[frame["count"] > 0].sort_values(KEY)[[*KEY, "count", "level"]].astype(str).reset_index(drop=True)
        for frame in (ours, theirs)
    )
    assert len(left) == len(right), f"{len(left)} levels, theirs {len(right)}"
    different = (left != right).any(axis=1)
    assert not different.any(), f"{different.sum()} of {len(left)} levels differ"
    return f"{len(left)} levels (zone, month, count, level), row by row"


def whole_city(count: int, zones: dict[str, Zones], rng: np.random.Generator) -> Row:
    """Race over two years of calls."""
    rows = calls(count, "2024-01-01", "2026-01-01", rng)
    return race(
        "digest/city",
        "geopandas",
        lambda: intake.digest(rows, FEED, intake.Known(zones, RULES), NOW).levels,
        lambda: with_geopandas(rows, zones),
        same_levels,
    )


def increment(zones: dict[str, Zones], rng: np.random.Generator) -> Row:
    """Think about 500 new rows on top of a month with 30,000 calls."""
    month = calls(30_500, "2025-12-01", "2026-01-01", rng)
    known = intake.Known(zones, RULES, intake.digest(month[:30_000], FEED, intake.Known(zones, RULES), NOW).incidents)
    return figure("digest/increment", lambda: intake.digest(month[30_000:], FEED, known, NOW), "ms", 200)


def main() -> int:
    """Run both and print them."""
    wishes = arguments(__doc__ or "")
    rng = np.random.default_rng(7)
    zones = {
        "communities": net("communities", 100, 20, rng),
        "units": net("units", 31, 20, rng),
        "patrol_zones": net("patrol_zones", 8, 60, rng),
    }
    rows = [whole_city(20_000 if wishes.small else 400_000, zones, rng), increment(zones, rng)]
    return report(rows, as_json=wishes.json)


if __name__ == "__main__":
    sys.exit(main())
