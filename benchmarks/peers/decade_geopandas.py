"""The command `digest` as a careful analyst would write it with geopandas, pandas, pyarrow and h3ronpy.

    decade_geopandas.py rows|places CALLS.csv.gz FEED.toml OUT KIND=ZONES.geojson:ID_PROPERTY ...

Knows the layout of the Philadelphia feed, the rules zero-incident-1, and placing `each`.  Vectorised throughout: the
file read once by pyarrow's threads with declared types, one parsing of times, text columns that repeat held as
categories, one sjoin a kind, group-bys over categories.  `rows` joins every call, as sjoin is documented; `places`
looks each distinct place up once, for zones and cells alike, since it knows that block geocodes repeat.  Leaves out
what ours also writes: place and source category, times of occurrence, refused rows, the summary.
"""

import sys
import tomllib
from pathlib import Path

import geopandas
import h3ronpy.vector
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

CITY = "America/New_York"
ID_COLUMN = {"communities": "community_id", "units": "unit_id", "patrol_zones": "patrol_zone_id"}
RESOLUTIONS = (7, 8, 9, 10)
COUNTED = (
    "robbery", "snatching", "theft", "pickpocketing",
    "burglary", "vehicle_theft", "theft_from_vehicle", "bicycle_theft",
)  # fmt: skip
EDGES = (1, 2, 4, 6)  # counts from which yellow, orange, red, black hold
MOMENTS = {3: "critical_red", 4: "enter_red", 5: "critical_black", 6: "enter_black"}


def read(path: Path, feed: Path) -> pd.DataFrame:
    """Give each call once, the last row of a repeated number, without rows whose coordinates are impossible."""
    text, number = pa.string(), pa.float64()
    types = {"dc_key": text, "dispatch_date": text, "dispatch_time": text, "text_general_code": text} | {
        "lon": number,
        "lat": number,
    }
    options = pyarrow.csv.ConvertOptions(column_types=types, include_columns=list(types), strings_can_be_null=True)
    rows = pyarrow.csv.read_csv(path, convert_options=options).to_pandas()
    nowhere = (rows["lon"].isna() & rows["lat"].isna()) | ((rows["lon"] == 0) & (rows["lat"] == 0))
    rows.loc[nowhere, ["lon", "lat"]] = np.nan
    rows = rows[nowhere | (rows["lon"].between(-180, 180) & rows["lat"].between(-90, 90))]
    rows = rows.drop_duplicates("dc_key", keep="last").reset_index(drop=True)
    local = pd.to_datetime(rows["dispatch_date"] + " " + rows["dispatch_time"], format="%Y-%m-%d %H:%M:%S")
    first = np.ones(len(rows), dtype=bool)
    found = pd.DataFrame({"incident_id": rows["dc_key"]})
    found["called_at"] = local.dt.as_unit("us").dt.tz_localize(CITY, ambiguous=first, nonexistent="shift_forward")
    clock = found["called_at"].dt
    months = pd.period_range(local.min(), local.max(), freq="M")
    number = (clock.year * 12 + clock.month).to_numpy() - (months[0].year * 12 + months[0].month)
    found["month"] = pd.Categorical.from_codes(number, months.astype(str))
    found["category"] = categories(rows["text_general_code"], feed)
    found["lon"], found["lat"] = rows["lon"], rows["lat"]
    return found


def categories(written: pd.Series, feed: Path) -> pd.Categorical:
    """Map each distinct code by its longest prefix."""
    prefixes = tomllib.loads(feed.read_text())["categories"][0]["map"]
    which, codes = pd.factorize(written)
    known = [max((p for p in prefixes if code.strip().startswith(p)), key=len, default="") for code in codes]
    names = pd.Index([prefixes.get(prefix, "unmapped") for prefix in known])
    distinct = names.unique().sort_values()
    return pd.Categorical.from_codes(distinct.get_indexer(names)[which], distinct)


def place(calls: pd.DataFrame, zones: dict[str, geopandas.GeoDataFrame], once: str) -> pd.DataFrame:
    """Add the zone of each kind and the cell of each resolution; missing where there is none."""
    position = (calls["lon"] + 1j * calls["lat"]).to_numpy()
    known = np.isfinite(position.real)
    which, places = np.where(known, np.cumsum(known) - 1, -1), position[known]
    if once == "places":
        which, places = pd.factorize(position)
    lon, lat = np.real(places), np.imag(places)
    points = geopandas.GeoDataFrame(geometry=geopandas.points_from_xy(lon, lat, crs=4326))
    found = calls.copy(deep=False)
    for kind, these in zones.items():
        hits = these.sjoin(points)  # this way round each polygon is prepared once
        lowest = pd.Series(hits.index, index=hits["index_right"]).groupby(level=0).min()  # zones stand in order of ids
        zone = np.full(len(places) + 1, -1)
        zone[lowest.index] = lowest
        found[kind] = pd.Categorical.from_codes(zone[which], these["zone_id"])
    for resolution in RESOLUTIONS:
        cells = h3ronpy.vector.coordinates_to_cells(lat, lon, resolution)
        code, distinct = pd.factorize(pa.array(cells).to_numpy(), sort=True)
        text = pa.array(h3ronpy.cells_to_string(distinct)).to_pandas()
        found[resolution] = pd.Categorical.from_codes(np.append(code, -1)[which], text)
    return found


def counts(calls: pd.DataFrame, column: str | int, name: str) -> pd.DataFrame:
    """Count per place, month and category."""
    keys = [column, "month", "category"]
    return calls.groupby(keys, observed=True).size().reset_index(name="count").rename(columns={column: name})


def levels(calls: pd.DataFrame, column: str | int, name: str, *, zeros: bool) -> pd.DataFrame:
    """Count and colour per place and month."""
    counted = calls[calls["category"].isin(COUNTED)]
    found = counted.groupby([column, "month"], observed=not zeros).size().reset_index(name="count")
    found["level"] = np.searchsorted(EDGES, found["count"], side="right").astype(np.int8)
    return found.rename(columns={column: name})


def alerts(calls: pd.DataFrame, kind: str) -> pd.DataFrame:
    """Find the call at which each place and month reached a threshold; calls of one moment in order of their ids."""
    here = calls.loc[calls[kind].notna(), [kind, "month", "called_at"]]
    here["count"] = here.groupby([kind, "month"], observed=True).cumcount() + 1
    here = here[here["count"].isin(list(MOMENTS))].rename(columns={kind: "zone_id", "called_at": "at"})
    return here.assign(kind=here["count"].map(MOMENTS))


def write(folder: Path, name: str, parts: list[pd.DataFrame]) -> None:
    """Write parts as one Parquet file, text as text."""
    tables = [pa.Table.from_pandas(part, preserve_index=False) for part in parts]
    plain = [
        table.cast(
            pa.schema([(f.name, pa.string() if pa.types.is_dictionary(f.type) else f.type) for f in table.schema])
        )
        for table in tables
    ]
    pq.write_table(
        pa.concat_tables(plain, promote_options="permissive"), folder / f"{name}.parquet", compression="zstd"
    )


def main(once: str, calls_file: str, feed: str, out: str, *zone_files: str) -> None:
    """Read, think, write."""
    zones: dict[str, geopandas.GeoDataFrame] = {}
    for kind, _, file in (word.partition("=") for word in zone_files):
        path, _, prop = file.rpartition(":")
        frame = geopandas.read_file(path).to_crs(4326)
        frame = frame.assign(zone_id=frame[prop].astype(str))[["zone_id", "geometry"]]
        zones[kind] = frame.sort_values("zone_id", ignore_index=True)
    calls = place(read(Path(calls_file), Path(feed)), zones, once)
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    stay = ["incident_id", "called_at", "month", "category", "lon", "lat", *zones, RESOLUTIONS[-1]]
    write(folder, "incidents", [calls[stay].rename(columns={**ID_COLUMN, RESOLUTIONS[-1]: "cell"})])
    write(folder, "zone_month", [counts(calls, kind, "zone_id").assign(zone_kind=kind) for kind in zones])
    write(folder, "levels", [levels(calls, kind, "zone_id", zeros=True).assign(zone_kind=kind) for kind in zones])
    write(folder, "cell_month", [counts(calls, r, "h3").assign(resolution=r) for r in RESOLUTIONS])
    write(folder, "cell_levels", [levels(calls, 9, "h3", zeros=False).assign(resolution=9)])
    ordered = calls[calls["category"].isin(COUNTED)].sort_values(["called_at", "incident_id"])
    write(folder, "alerts", [alerts(ordered, kind).assign(zone_kind=kind) for kind in zones])


if __name__ == "__main__":
    main(*sys.argv[1:])
