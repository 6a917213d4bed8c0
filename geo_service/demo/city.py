"""The made-up city as one value, made from (size, seed, until) alone, and its files.

Shapes are drawn in metres and end as WGS 84 (EPSG:4326), longitude first.
"""

import hashlib
import math
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import geopandas
import numpy as np
import pandas as pd
import pyogrio
import shapely

from geo_service.demo import (
    addresses,
    buildings,
    cameras,
    gazetteer,
    incidents,
    jurisdictions,
    names,
    places,
    plan,
    records,
    streets,
)
from geo_service.errors import BadParameter

TIME_ZONE = "Asia/Shanghai"
SEED = 20260101
HISTORY = timedelta(days=731)
SMALLEST, LARGEST = 0.02, 8.0

_LAYERS = ("communities", "units", "patrol_zones", "towns", "roads", "buildings", "cameras", "addresses", "water")
_HOUSEHOLDS_A_FLOOR = {"slab": 6, "mid-rise": 5, "tower": 6, "farmstead": 1}


@dataclass(frozen=True)
class City:
    """A city: its places, ground and past.  Frames are EPSG:4326, one row an object; text where not said otherwise.

    communities, units, patrol_zones
        zone_id, name, class, town, district; communities also households [count]
    towns
        town_code, name, district, district_code, station_code (12 digits)
    roads
        road_id, name, class (ring, arterial, secondary, lane, country), width_m, from_node, to_node [whole], start_m,
        end_m (position along the road of that name) [m]; lines meet only at their ends
    buildings
        building_id, kind, floors, height_m, number (within its community; 0: none), zone_id, unit_id
    cameras
        camera_id (20 digits), pole_id, name, type (fixed, ptz, dome), owner (public, private), azimuth_deg (from
        north; NaN: dome), angle_deg, range_m, height_m, resolution_px, status (online, offline, fault), installed
        (month), retention_days
    addresses
        address_id, kind (addresses.KINDS), text, district, town, road, crossroad, number, place, building, zone_id,
        unit_id
    water
        name, class (river, lake)
    history
        call records of two years, a frame of text with records.COLUMNS
    """

    name: dict[str, str]
    size: float
    seed: int
    until: datetime
    communities: geopandas.GeoDataFrame
    units: geopandas.GeoDataFrame
    patrol_zones: geopandas.GeoDataFrame
    towns: geopandas.GeoDataFrame
    roads: geopandas.GeoDataFrame
    buildings: geopandas.GeoDataFrame
    cameras: geopandas.GeoDataFrame
    addresses: geopandas.GeoDataFrame
    water: geopandas.GeoDataFrame
    history: pd.DataFrame

    def digest(self) -> str:
        """Give a hex text that is the same for the same city, down to the last coordinate and record."""
        found = hashlib.sha256()
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, geopandas.GeoDataFrame):
                found.update(b"".join(shapely.to_wkb(np.asarray(value.geometry)).tolist()))
                value = pd.DataFrame(value.drop(columns="geometry"))
            if isinstance(value, pd.DataFrame):
                found.update(pd.util.hash_pandas_object(value, index=False).to_numpy().tobytes())
            found.update(repr(list(value.columns) if isinstance(value, pd.DataFrame) else value).encode())
        return found.hexdigest()


def build(size: float = 1.0, *, seed: int = SEED, until: datetime) -> City:
    """Make a city of `size` times Jining, and its past.

    Size 1 has 1,200 communities, 150 units, 60 patrol zones and 3,000 cameras.  The two years of call records end at
    `until`; the ground does not depend on it.  Same input, same city. Raises BadParameter for a size out of range or
    an `until` without a time zone.

    >>> from datetime import UTC
    >>> city = build(0.02, until=datetime(2026, 3, 1, tzinfo=UTC))
    >>> city.name["zh"], len(city.communities), len(city.units), len(city.patrol_zones), len(city.cameras)
    ('济川市', 24, 3, 1, 60)
    """
    if not SMALLEST <= size <= LARGEST:
        raise BadParameter(
            f"a demo city of size {size} cannot be made; choose from {SMALLEST} to {LARGEST} (1: 1,200 communities)"
        )
    if until.tzinfo is None:
        raise BadParameter(f"until is {until}, a time without a zone; add one, such as +08:00")
    rng = np.random.Generator(np.random.PCG64([seed, 10]))
    naming = names.Names(rng)
    counts = {"communities": round(1200 * size), "units": round(150 * size), "patrol_zones": max(1, round(60 * size))}
    drawing = plan.draw(size, counts["communities"] // 3, rng, naming)
    network = streets.cut(drawing)
    where = places.settle(drawing, network, counts, rng, naming)
    built = buildings.build(where, network, rng)
    frames = _frames(drawing, network, where, built)
    frames["addresses"] = _located(addresses.address(where, network, built, rng))
    frames["cameras"] = _located(cameras.mount(round(3000 * size), where, network, built, rng))
    ground = incidents.survey(
        seed, *(frames[name] for name in ("communities", "units", "roads", "addresses")), where.towns.names.tolist()
    )
    until_s = clock_s(until)
    history = records.history(
        ground, records.Stations.of(where.towns.stations.tolist()), until_s - int(HISTORY.total_seconds()), until_s
    )
    frames = {name: _on_earth(frame) for name, frame in frames.items()}
    return City(name=dict(names.CITY), size=size, seed=seed, until=until, **frames, history=history)


def clock_s(moment: datetime) -> int:
    """Give an aware moment as seconds since 1970 on the city's clock."""
    offset = moment.astimezone(ZoneInfo(TIME_ZONE)).utcoffset() or timedelta()
    return math.floor(moment.timestamp() + offset.total_seconds())


def survey(city: City) -> tuple[incidents.Ground, records.Stations]:
    """Look at a finished city as its incidents do: what the replay draws from."""
    frames = [_on_plane(frame) for frame in (city.communities, city.units, city.roads, city.addresses)]
    return incidents.survey(city.seed, *frames, city.towns["name"].tolist()), records.Stations.of(
        city.towns["station_code"].tolist()
    )


def write(city: City, folder: Path) -> None:
    """Write the city into a folder.

    A GeoPackage for each of its frames and its gazetteer; incidents, areas, memberships and roster as CSV.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in _LAYERS:
        pyogrio.write_dataframe(getattr(city, name), folder / f"{name}.gpkg", layer=name)
    pyogrio.write_dataframe(gazetteer.of(city), folder / "gazetteer.gpkg", layer="gazetteer")
    city.history.to_csv(folder / "incidents.csv", index=False, encoding="utf-8")
    made = jurisdictions.of(city)
    for name in ("areas", "memberships", "roster"):
        getattr(made, name).to_csv(folder / f"{name}.csv", index=False, encoding="utf-8")


def _frames(
    drawing: plan.Plan, network: streets.Streets, where: places.Places, built: buildings.Buildings
) -> dict[str, geopandas.GeoDataFrame]:
    found = {name: _zones(getattr(where, name), where.towns) for name in ("communities", "units", "patrol_zones")}
    each = np.array([_HOUSEHOLDS_A_FLOOR.get(kind, 0) for kind in built.kinds.tolist()])
    lived_in = built.community >= 0
    households = np.bincount(built.community[lived_in], (each * built.floors)[lived_in], len(found["communities"]))
    found["communities"]["households"] = households.astype(np.int64)
    towns = where.towns
    columns = {"town_code": towns.codes, "name": towns.names, "district": towns.districts}
    found["towns"] = _frame(
        {**columns, "district_code": towns.district_codes, "station_code": towns.stations}, towns.areas
    )
    found["roads"] = _roads(network)
    found["buildings"] = _frame(
        {
            "building_id": np.array([f"B{number:06d}" for number in range(1, len(built.shapes) + 1)], dtype=object),
            "kind": built.kinds,
            "floors": built.floors,
            "height_m": built.heights_m(),
            "number": built.number,
            "zone_id": np.where(built.community >= 0, where.communities.ids[built.community], None),
            "unit_id": np.where(built.unit >= 0, where.units.ids[built.unit], None),
        },
        built.shapes,
    )
    water = streets.bent(np.array([drawing.river, drawing.lake], dtype=object), drawing.bend, 1.0)
    found["water"] = _frame(
        {"name": np.array([names.RIVER, names.LAKE], dtype=object), "class": np.array(["river", "lake"], dtype=object)},
        water,
    )
    return found


def _zones(zoned: places.Zoned, towns: places.Towns) -> geopandas.GeoDataFrame:
    columns = {"zone_id": zoned.ids, "name": zoned.names, "class": zoned.classes}
    return _frame({**columns, "town": towns.names[zoned.towns], "district": towns.districts[zoned.towns]}, zoned.areas)


def _roads(network: streets.Streets) -> geopandas.GeoDataFrame:
    ids = np.array([f"R{number:06d}" for number in range(1, len(network.lines) + 1)], dtype=object)
    columns = {"road_id": ids, "name": network.roads, "class": network.kinds, "width_m": 2.0 * network.half_width_m()}
    ends = {"from_node": network.tails, "to_node": network.heads}
    return _frame(
        {**columns, **ends, "start_m": network.start_m.round(1), "end_m": network.end_m.round(1)}, network.lines
    )


def _frame(columns: dict[str, np.ndarray], geometry: np.ndarray) -> geopandas.GeoDataFrame:
    text = {
        name: pd.Series(values, dtype="str") if values.dtype == object else values for name, values in columns.items()
    }
    return geopandas.GeoDataFrame(text, geometry=geometry)


def _located(rows: pd.DataFrame) -> geopandas.GeoDataFrame:
    """Make a frame of points from rows with x, y."""
    columns = {name: rows[name].to_numpy() for name in rows.columns if name not in ("x", "y")}
    return _frame(columns, shapely.points(rows[["x", "y"]].to_numpy()))


def _on_earth(frame: geopandas.GeoDataFrame) -> geopandas.GeoDataFrame:
    moved = shapely.transform(
        np.asarray(frame.geometry), lambda xy: np.column_stack(records.to_wgs84(xy[:, 0], xy[:, 1]))
    )
    return frame.set_geometry(geopandas.GeoSeries(moved, crs=4326))


def _on_plane(frame: geopandas.GeoDataFrame) -> geopandas.GeoDataFrame:
    moved = shapely.transform(
        np.asarray(frame.geometry), lambda xy: np.column_stack(records.from_wgs84(xy[:, 0], xy[:, 1]))
    )
    return frame.set_geometry(geopandas.GeoSeries(moved), crs=None)
