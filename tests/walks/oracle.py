"""The main job over again, in plain geopandas, pandas and h3, sharing no line with the program.

Written from the rules as people read them: a point that a polygon covers belongs to it, the lowest id as text where
several do; months are the city's; 0 none, 1 yellow, 2-3 orange, 4-5 red, 6 and more black; alerts at 3, 4, 5 and 6.
Works on the Philadelphia file of 2018 and 2019, whose only fault are missing positions.
"""

from dataclasses import dataclass
from pathlib import Path

import geopandas
import h3
import pandas as pd

CITY = "America/New_York"
ALERTS = {3: "critical_red", 4: "enter_red", 5: "critical_black", 6: "enter_black"}
CATEGORIES = {
    "Robbery Firearm": "robbery",
    "Robbery No Firearm": "robbery",
    "Burglary Non-Residential": "burglary",
    "Burglary Residential": "burglary",
    "Thefts": "theft",
    "Theft from Vehicle": "theft_from_vehicle",
    "Motor Vehicle Theft": "vehicle_theft",
}


@dataclass(frozen=True)
class Zones:
    """A zone file and the property that is its id."""

    path: Path
    id_property: str


def incidents(path: Path, zones: dict[str, Zones]) -> pd.DataFrame:
    """Read the rows, say when and in which zone of each kind they lie: columns of ids are named after the kind."""
    rows = pd.read_csv(path, dtype=str, keep_default_na=False)
    found = pd.DataFrame({"incident_id": rows["dc_key"]})
    local = pd.to_datetime(rows["dispatch_date"] + " " + rows["dispatch_time"], format="%Y-%m-%d %H:%M:%S")
    # Once a year an hour stands twice on the clock (its first is meant) and once an hour is left out (moved forward).
    zoned = [t.tz_localize(CITY, ambiguous=True, nonexistent="shift_forward") for t in local]
    found["called_at"] = pd.DatetimeIndex(zoned).tz_convert("UTC")
    found["month"] = local.dt.strftime("%Y-%m")
    found["category"] = rows["text_general_code"].map(CATEGORIES)
    found["lon"], found["lat"] = pd.to_numeric(rows["lon"]), pd.to_numeric(rows["lat"])
    for kind, file in zones.items():
        found[kind] = zone_of(found, file)
    return found


def zone_of(found: pd.DataFrame, file: Zones) -> pd.Series:
    places = geopandas.read_file(file.path).to_crs(4326)
    places["zone"] = places[file.id_property].astype(str)
    located = found[found["lon"].notna()]
    points = geopandas.GeoDataFrame(
        geometry=geopandas.points_from_xy(located["lon"], located["lat"]), index=located.index
    )
    points = points.set_crs(4326)
    pairs = geopandas.sjoin(points, places[["zone", "geometry"]], predicate="covered_by")
    return pairs.groupby(level=0)["zone"].min().reindex(found.index)


def level(count: int) -> int:
    return 0 if count == 0 else 1 if count == 1 else 2 if count <= 3 else 3 if count <= 5 else 4


def zone_months(found: pd.DataFrame, kind: str) -> dict[tuple[str, str, str], int]:
    return found.dropna(subset=[kind]).groupby([kind, "month", "category"]).size().to_dict()


def levels(found: pd.DataFrame, kind: str, file: Zones, counted: list[str]) -> dict[tuple[str, str], tuple[int, int]]:
    """Give count and level of every zone and month of the rows' span, zeros too."""
    ids = geopandas.read_file(file.path)[file.id_property].astype(str)
    months = pd.period_range(found["month"].min(), found["month"].max(), freq="M").astype(str)
    whole = {(zone, month): 0 for zone in ids for month in months}
    here = found[found[kind].notna() & found["category"].isin(counted)]
    for zone, month in zip(here[kind], here["month"], strict=True):
        whole[zone, month] += 1
    return {key: (count, level(count)) for key, count in whole.items()}


def alerts(found: pd.DataFrame, kind: str, counted: list[str]) -> dict[tuple[str, str, str], tuple[pd.Timestamp, int]]:
    """Walk through the calls in time and note the moment each count is reached."""
    here = found[found[kind].notna() & found["category"].isin(counted)].sort_values("called_at", kind="stable")
    so_far: dict[tuple[str, str], int] = {}
    noted: dict[tuple[str, str, str], tuple[pd.Timestamp, int]] = {}
    for zone, month, at in zip(here[kind], here["month"], here["called_at"], strict=True):
        count = so_far[zone, month] = so_far.get((zone, month), 0) + 1
        if count in ALERTS:
            noted[zone, month, ALERTS[count]] = (at, count)
    return noted


def cells(found: pd.DataFrame, resolution: int) -> pd.Series:
    """Give the H3 cell that holds each point."""
    places = found[["lon", "lat"]].dropna().drop_duplicates()
    names = {(lon, lat): h3.latlng_to_cell(lat, lon, resolution) for lon, lat in places.itertuples(index=False)}
    return pd.Series([names.get(pair) for pair in zip(found["lon"], found["lat"], strict=True)], index=found.index)


def cell_months(found: pd.DataFrame, resolution: int) -> dict[tuple[str, str, str], int]:
    here = found.assign(cell=cells(found, resolution)).dropna(subset=["cell"])
    return here.groupby(["cell", "month", "category"]).size().to_dict()


def cell_levels(found: pd.DataFrame, resolution: int, counted: list[str]) -> dict[tuple[str, str], tuple[int, int]]:
    here = found.assign(cell=cells(found, resolution))
    here = here[here["cell"].notna() & here["category"].isin(counted)]
    return {key: (count, level(count)) for key, count in here.groupby(["cell", "month"]).size().items()}
