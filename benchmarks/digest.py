"""The main job beside a careful geopandas version of it, and one ten-minute increment (_increment.py).

digest/decade     ten years of Philadelphia, 1.54 million rows, three kinds of zones, files in and files out, as whole
                  processes; the peer is peers/decade_geopandas.py.  Where the data is not, a made-up city stands in
digest/decade_places  the same, the peer told that calls of one place need one look-up
digest/city       the thinking alone over made-up calls: the peer only counts and colours, while ours also keeps the
                  incidents, refuses bad rows, counts H3 cells and finds the alerts
digest/increment  500 new rows on top of a month

All results are compared row by row.
"""

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import geopandas
import numpy as np
import pandas as pd

from benchmarks import _increment
from benchmarks._made import CODES, FEED, calls, net
from benchmarks._peers import CRIME, HOUSE, PEERS
from benchmarks._race import ROUNDS, Row, arguments, measured, race, race_all, report
from geo_service import files
from geo_service.analysis import intake
from geo_service.geography.zones import Zones

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KEY = ["zone_kind", "zone_id", "month"]
RULES = files.read_rules(files.shipped("rules"), "each")
DECADE_FEED = files.shipped("rules") / "feeds" / "philadelphia.toml"
RESULTS = {  # each file's key
    "incidents": ["incident_id"],
    "zone_month": ["zone_kind", "zone_id", "month", "category"],
    "levels": ["zone_kind", "zone_id", "month"],
    "alerts": ["zone_kind", "zone_id", "month", "kind"],
    "cell_month": ["h3", "resolution", "month", "category"],
    "cell_levels": ["h3", "resolution", "month"],
}


@dataclass(frozen=True)
class Decade:
    """A file of calls in Philadelphia's layout, and zones as the command line names them."""

    calls: Path
    zones: tuple[str, ...]


def philadelphia(*, small: bool) -> Decade | None:
    """Give the city's own files, None where they are not."""
    years = "robbery_burglary_theft_2018_2019" if small else "incidents_2016_2025"
    calls_file, polygons = CRIME / f"philadelphia_{years}.csv.gz", CRIME / "philadelphia_polygons"
    zone_files = {
        "communities": "2018-08-ward-divisions.geojson:DIVISION_N",
        "units": "census_tracts_pop.geojson:GEOID",
        "patrol_zones": "police_districts.geojson:dist_numc",
    }
    if not calls_file.exists():
        print(f"a made-up city stands in: no {calls_file}", file=sys.stderr)
        return None
    return Decade(calls_file, tuple(f"{kind}={polygons / file}" for kind, file in zone_files.items()))


def made_up(folder: Path, count: int, zones: dict[str, Zones], rng: np.random.Generator) -> Decade:
    """Write calls and zones as Philadelphia's files are."""
    rows = calls(count, "2016-01-01", "2026-01-01", rng)
    written = pd.DataFrame(
        {
            "dc_key": rows["id"],
            "dispatch_date": rows["at"].str[:10],
            "dispatch_time": rows["at"].str[11:],
            "location_block": "",
            "text_general_code": rng.choice(["Robbery Firearm", "Thefts", "Burglary Residential", "Vandalism"], count),
            "lon": rows["lon"],
            "lat": rows["lat"],
        }
    )
    written.to_csv(folder / "calls.csv.gz", index=False)
    for kind, these in zones.items():
        frame = geopandas.GeoDataFrame({"zone_id": these.ids}, geometry=these.geometry, crs="EPSG:4326")
        frame.to_file(folder / f"{kind}.geojson")
    return Decade(folder / "calls.csv.gz", tuple(f"{kind}={folder / kind}.geojson:zone_id" for kind in zones))


def race_decade(city: Decade, folder: Path, rounds: int) -> list[Row]:
    """Race as whole processes; tell also how long ours took and how much memory it held at most."""
    ours, theirs = folder / "ours", folder / "theirs"
    words = [word for zones in city.zones for word in ("--zones", zones)]
    command = ["-m", "geo_service", "digest", str(city.calls), "--feed", str(DECADE_FEED), *words]
    command += ["--placing", "each", "--out", str(ours)]
    peer = [str(city.calls), str(DECADE_FEED), str(theirs), *city.zones]
    peaks: list[float] = []

    def run_ours() -> Path:
        peaks.append(peak_mb(command))
        return ours

    def run_theirs(once: str) -> Path:
        peak_mb([str(PEERS / "decade_geopandas.py"), once, *peer])
        return theirs

    rows = race_all("digest/decade", run_ours, {"geopandas": lambda: run_theirs("rows")}, same_results, rounds)
    peak = max(peaks)  # so far: comparing has made this process large
    places = {"geopandas": lambda: run_theirs("places")}
    rows += race_all("digest/decade_places", run_ours, places, same_results, rounds)
    wall_s = cast(float, rows[0]["ours"])
    return [
        *rows,
        measured("digest/decade_wall", wall_s, "s", 15),
        measured("digest/decade_peak", peak, "MB", 1000),
    ]


def peak_mb(command: list[str]) -> float:
    """Run a Python program to its end and give the most memory that was resident.

    Linux counts what this process held when it started the other: run it before anything large is made here.
    """
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen([sys.executable, *command], stdout=said, stderr=said, cwd=HOUSE)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        assert process.returncode == 0, said.read().decode(errors="replace")
    return usage.ru_maxrss * 1024 / 1e6  # it comes in KiB


def same_results(ours: Path, theirs: Path) -> str:
    """Compare every row and every column that the peer has of the files of RESULTS."""
    compared: list[str] = []
    for name, key in RESULTS.items():
        right = pd.read_parquet(theirs / f"{name}.parquet").sort_values(key, ignore_index=True)
        left = pd.read_parquet(ours / f"{name}.parquet")[list(right.columns)].sort_values(key, ignore_index=True)
        pd.testing.assert_frame_equal(left, right, check_exact=True, obj=name)
        compared.append(f"{len(right)} {name}")
    return f"row by row: {', '.join(compared)}"


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


def main() -> int:
    """Run all and print them."""
    wishes = arguments(__doc__ or "")
    rng = np.random.default_rng(7)
    zones = {
        "communities": net("communities", 100, 20, rng),
        "units": net("units", 31, 20, rng),
        "patrol_zones": net("patrol_zones", 8, 60, rng),
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        city = philadelphia(small=wishes.small) or made_up(folder, 20_000 if wishes.small else 1_000_000, zones, rng)
        rows = race_decade(city, folder, 1 if wishes.small else ROUNDS)
    rows += [whole_city(20_000 if wishes.small else 400_000, zones, rng), *_increment.rows(wishes.small)]
    return report(rows, as_json=wishes.json)


if __name__ == "__main__":
    sys.exit(main())
