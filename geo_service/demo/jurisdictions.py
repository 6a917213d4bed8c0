"""The made-up city's trees and roster, as their files hold them (jurisdiction_files.py): text, days as 2024-05-01.

civil   city > counties and districts > towns > committees, each of some six communities that lie together
police  bureau > branches > stations, one a town > officer areas of twelve communities > grids of three

Communities and units lie in committees and grids, patrol zones in towns and stations.  Staff are numbers.  Community
officers changed on HANDOVER, and the last officer area has had nobody since: there is something to find in the gaps.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import geopandas
import numpy as np
import pandas as pd
import shapely

from geo_service.analysis import jurisdictions
from geo_service.demo import names, records
from geo_service.jurisdiction_files import REACHED_BY

if TYPE_CHECKING:
    from geo_service.demo.city import City

HANDOVER = "2026-01-01"

_IN_COMMITTEE, _IN_OFFICER_AREA, _IN_GRID = 6, 12, 3  # communities
_BUREAU = f"{names.CITY_CODE}00000000"
_ROSTER_COLUMNS = (*jurisdictions.DUTY_COLUMNS, *REACHED_BY)
_HELD_AT = {  # which level each role is held at, and by how many
    "city_duty": ("bureau", 2),
    "branch_duty": ("branch", 1),
    "station": ("station", 2),
    "community_officer": ("officer_area", 1),
    "grid_staff": ("grid", 1),
    "town_office": ("town", 1),
}


@dataclass(frozen=True)
class Jurisdictions:
    """Areas (AREA_COLUMNS), memberships (MEMBERSHIP_COLUMNS) and the roster (DUTY_COLUMNS, REACHED_BY), all text."""

    areas: pd.DataFrame
    memberships: pd.DataFrame
    roster: pd.DataFrame


def of(city: "City") -> Jurisdictions:
    """Give the trees and the roster of a city; the same for the same ground."""
    lying = _lying(city)
    areas = _table(jurisdictions.AREA_COLUMNS, [*_upper(city.towns), *_lower(lying)])
    memberships = [
        ("communities", row.zone_id, tree, area)
        for row in lying.itertuples()
        for tree, area in (("civil", row.committee), ("police", row.grid))
    ]
    seats = pd.DataFrame(city.towns.drop(columns="geometry")).set_index(["district", "name"])
    memberships += [("units", *row) for row in _units(city, lying, seats)]
    for zone, district, town in city.patrol_zones[["zone_id", "district", "town"]].itertuples(index=False):
        seat = seats.loc[(district, town)]
        memberships += [
            ("patrol_zones", zone, "civil", seat["town_code"]), ("patrol_zones", zone, "police", seat["station_code"]),
        ]  # fmt: skip
    return Jurisdictions(
        areas, _table(jurisdictions.MEMBERSHIP_COLUMNS, memberships), _table(_ROSTER_COLUMNS, _roster(city, areas))
    )


def _table(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> pd.DataFrame:
    """Make a table of text; columns that rows do not reach are empty."""
    padded = [(*row, *[""] * (len(columns) - len(row))) for row in rows]
    return pd.DataFrame(padded, columns=list(columns), dtype="str")


def _lying(city: "City") -> pd.DataFrame:
    """Give communities along a curve that keeps neighbours together, with their committee, officer area and grid."""
    towns = city.towns[["district", "name", "town_code", "station_code"]].rename(columns={"name": "town"})
    curve = city.communities.geometry.hilbert_distance(total_bounds=city.communities.total_bounds)
    lying = pd.DataFrame(city.communities.drop(columns="geometry"))
    lying = lying.assign(_along=curve.to_numpy(), _row=range(len(lying)))
    lying = lying.merge(towns, on=["district", "town"]).sort_values(["town_code", "_along", "zone_id"])
    nth = lying.groupby("town_code").cumcount()
    number = {size: nth // size + 1 for size in (_IN_COMMITTEE, _IN_OFFICER_AREA, _IN_GRID)}
    beat = lying["station_code"].str.removesuffix("0000") + number[_IN_OFFICER_AREA].map("{:04d}".format)
    return lying.assign(
        committee=lying["town_code"] + (800 + number[_IN_COMMITTEE]).astype("str"),
        officer_area=beat,
        grid=beat + (nth % _IN_OFFICER_AREA // _IN_GRID + 1).map("{:02d}".format),
    )


def _upper(towns: geopandas.GeoDataFrame) -> Iterator[tuple[str, ...]]:
    """Give the areas down to towns and stations."""
    city = names.CITY["zh"]
    yield "civil", names.CITY_CODE, "city", city
    yield "police", _BUREAU, "bureau", f"{city}公安局"
    for code, district in towns[["district_code", "district"]].drop_duplicates().itertuples(index=False):
        yield "civil", code, "county", district, names.CITY_CODE
        branch = f"{district}公安局" if district.endswith("县") else f"{city}公安局{district}分局"
        yield "police", f"{code}000000", "branch", branch, _BUREAU
    for town, name, district, station in towns[["town_code", "name", "district_code", "station_code"]].itertuples(
        index=False
    ):
        yield "civil", town, "town", name, district
        yield "police", station, "station", f"{name}派出所", f"{district}000000"


def _lower(lying: pd.DataFrame) -> Iterator[tuple[str, ...]]:
    """Give committees, which carry the name of one of their communities, officer areas and grids."""
    for row in lying.drop_duplicates("committee").itertuples():
        ending = "村民委员会" if row.name.endswith("村") else "社区居民委员会"
        yield "civil", row.committee, "community", f"{row.name}{ending}", row.town_code
    for row in lying.drop_duplicates("officer_area").itertuples():
        beat = f"{row.town}派出所第{int(row.officer_area[-4:])}警务区"
        yield "police", row.officer_area, "officer_area", beat, row.station_code
        for grid in lying.loc[lying["officer_area"] == row.officer_area, "grid"].drop_duplicates():
            yield "police", grid, "grid", f"{beat}第{int(grid[-2:])}网格", row.officer_area


def _units(city: "City", lying: pd.DataFrame, seats: pd.DataFrame) -> Iterator[tuple[str, str, str]]:
    """Give each unit the committee and the grid of its town's nearest community, or else its town and station."""
    units = city.units.assign(_at=_metres(city.units))
    homes = lying.assign(_at=pd.Series(_metres(city.communities), dtype=object)[lying["_row"]].to_numpy())
    for town, here in units.groupby(["district", "town"]):
        near = homes[(homes["district"] == town[0]) & (homes["town"] == town[1])]
        if near.empty:
            civil, police = ([seats.loc[town, column]] * len(here) for column in ("town_code", "station_code"))
        else:
            nearest = shapely.STRtree(near["_at"].to_numpy()).query_nearest(here["_at"].to_numpy(), all_matches=False)[
                1
            ]
            civil, police = near["committee"].iloc[nearest], near["grid"].iloc[nearest]
        for unit, committee, grid in zip(here["zone_id"], civil, police, strict=True):
            yield unit, "civil", committee
            yield unit, "police", grid


def _metres(frame: geopandas.GeoDataFrame) -> np.ndarray:
    at = shapely.get_coordinates(shapely.point_on_surface(np.asarray(frame.geometry)))
    return shapely.points(np.column_stack(records.from_wgs84(at[:, 0], at[:, 1])))


def _roster(city: "City", areas: pd.DataFrame) -> list[tuple[str, ...]]:
    """Give every role its holders, numbered one after another."""
    held: list[tuple[str, ...]] = [
        (role, tree, code, "", "")
        for role, (level, count) in _HELD_AT.items()
        for tree, code in areas.loc[areas["level"] == level, ["tree", "code"]].itertuples(index=False)
        for _ in range(count)
    ]
    held += [
        ("property", "", "", kind, zone)
        for kind in ("communities", "units")
        for zone in getattr(city, kind)["zone_id"].sort_values()
    ]
    vacant = areas.loc[areas["level"] == "officer_area", "code"].max()
    found: list[tuple[str, ...]] = []
    for number, duty in enumerate(held, 1):
        since = HANDOVER if duty[0] == "community_officer" else ""
        if since:
            found.append((*duty, f"S{number + len(held):04d}", "", HANDOVER))
        if duty[2] != vacant:
            found.append((*duty, f"S{number:04d}", since, "", "inbox", "inbox:", "zh"))
    return found
