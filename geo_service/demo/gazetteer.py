"""The made-up city's gazetteer, in the schema that a real city fills (geography/addresses/gazetteer.py).

Every name that its call records use is there, with the shapes and points of the ground: districts, towns, roads edge by
edge, compounds, villages and units with the zones they are, and their buildings, gates and parts; doors along roads,
those of compounds and units among them.  A farmstead is a building of its village.
"""

from typing import TYPE_CHECKING

import geopandas
import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely

from geo_service.demo import names

if TYPE_CHECKING:
    from geo_service.demo.city import City

COLUMNS = ("entry_id", "kind", "name", "parent", "code", "zone_kind", "zone_id", "width_m", "geometry")
_CITY = "C"
_WITHIN = {"building": "building", "farmstead": "building", "gate": "gate", "unit_part": "part"}  # kinds of addresses

Objects = npt.NDArray[np.object_]


def of(city: "City") -> geopandas.GeoDataFrame:
    """Give the gazetteer of a city: COLUMNS, WGS 84, districts and the city itself without a shape."""
    towns = city.towns
    districts = towns.drop_duplicates("district_code")
    counties = "D" + districts["district_code"]
    town_id = dict(zip(towns["district"] + towns["name"], "T" + towns["town_code"], strict=True))
    parts = [
        _rows("city", [_CITY], [names.CITY["zh"]], code=names.CITY_CODE),
        _rows("county", counties, districts["district"], _CITY, code=districts["district_code"]),
        _rows(
            "town", "T" + towns["town_code"], towns["name"], "D" + towns["district_code"], code=towns["town_code"],
            geometry=towns.geometry,
        ),
        _roads(city.roads),
        _zones(city.communities, "communities", town_id),
        _zones(city.units, "units", town_id),
        _inner(city.addresses),
        _doors(city.addresses, city.roads),
    ]  # fmt: skip
    whole = pd.concat(parts, ignore_index=True)
    return geopandas.GeoDataFrame(whole[list(COLUMNS)], geometry="geometry", crs=4326)


def _rows(kind: object, entry_id: object, name: object, parent: object = "", **columns: object) -> pd.DataFrame:
    """Make entries; what is not given is empty."""
    values = {"code": "", "zone_kind": "", "zone_id": "", "width_m": np.nan, "geometry": None} | columns
    plain = {key: np.asarray(value) if isinstance(value, pd.Series) else value for key, value in values.items()}
    ids = np.asarray(entry_id, dtype=object)
    frame = pd.DataFrame({"entry_id": ids, "name": np.asarray(name, dtype=object)})
    return frame.assign(
        kind=np.asarray(kind) if isinstance(kind, pd.Series) else kind,
        parent=np.asarray(parent) if isinstance(parent, pd.Series) else parent,
        **{key: value for key, value in plain.items() if value is not None},
    )


def _roads(roads: geopandas.GeoDataFrame) -> pd.DataFrame:
    """Give the edges of roads; they cross districts, so the city is their parent."""
    return _rows("road", roads["road_id"], roads["name"], _CITY, width_m=roads["width_m"], geometry=roads.geometry)


def _zones(zones: geopandas.GeoDataFrame, kind: str, town_id: dict[str, str]) -> pd.DataFrame:
    is_village = (zones["class"] == "village") & (kind == "communities")
    called = np.where(is_village, "village", "compound" if kind == "communities" else "unit")
    parent = (zones["district"] + zones["town"]).map(town_id)
    return _rows(
        pd.Series(called), "Z" + zones["zone_id"], zones["name"], parent, zone_kind=kind, zone_id=zones["zone_id"],
        geometry=zones.geometry,
    )  # fmt: skip


def _inner(addresses: geopandas.GeoDataFrame) -> pd.DataFrame:
    """Give what belongs to a compound, village or unit."""
    these = addresses[addresses["kind"].isin(list(_WITHIN))]
    kind = these["kind"].map(_WITHIN).mask(these["building"].str.fullmatch("[东南西北]门"), "gate")
    parent = "Z" + these["unit_id"].where(these["kind"] == "unit_part", these["zone_id"])
    return _rows(kind, these["address_id"], these["building"], parent, geometry=these.geometry)


def _doors(addresses: geopandas.GeoDataFrame, roads: geopandas.GeoDataFrame) -> pd.DataFrame:
    """Give numbers along roads: of houses, of units, and of compounds, which stand at their gate."""
    numbered = addresses[(addresses["number"] > 0) & addresses["kind"].isin(["door", "unit", "building"])]
    found = numbered.drop_duplicates(["road", "number"])
    gate = addresses[addresses["kind"] == "gate"].set_index("zone_id").geometry
    is_compound = (found["kind"] == "building").to_numpy()
    at = np.where(is_compound, found["zone_id"].map(gate), np.asarray(found.geometry))
    owner = found["unit_id"].where(found["kind"] == "unit", found["zone_id"].where(is_compound))
    kind = np.where(owner.isna(), "", np.where(is_compound, "communities", "units"))
    return _rows(
        "door", "N" + found["address_id"], found["number"].astype(str), _nearest(found["road"], at, roads),
        zone_kind=pd.Series(kind), zone_id=owner.fillna(""), geometry=pd.Series(at, dtype=object),
    )  # fmt: skip


def _nearest(road: "pd.Series[str]", at: Objects, roads: geopandas.GeoDataFrame) -> "pd.Series[str]":
    """Give for each door the nearest edge of its road."""
    found = np.full(len(road), "", dtype=object)
    edges = roads.groupby("name").indices
    lines, ids = np.asarray(roads.geometry), roads["road_id"].to_numpy(dtype=object)
    for name, rows in road.reset_index(drop=True).groupby(road.to_numpy()).indices.items():
        here = edges[name]
        nearest = shapely.STRtree(lines[here]).query_nearest(at[rows], all_matches=False)[1]
        found[rows] = ids[here][nearest]
    return pd.Series(found)
