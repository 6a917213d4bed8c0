"""Memberships by geometry: which area of a tree each place lies in, where a city has the areas' polygons and no list.

Pure.  Geometry is WGS 84 (EPSG:4326), longitude first.  A place belongs to the area that covers its representative
point (border included; the lowest code where several do).  Places whose parts lie in several areas are told with their
shares, so that a person can look at them.  Lists in files are the work of jurisdiction_files.py.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import shapely

from geo_service.analysis import jurisdictions
from geo_service.errors import BadZones
from geo_service.geography import zones
from geo_service.geography.zones import Zones

SPLIT_COLUMNS = ("zone_kind", "zone_id", "area", "share")

_SLIVER = 0.01  # share of a place's own area up to which a neighbour's part is how borders were drawn, not a part


@dataclass(frozen=True)
class Found:
    """Which area of `tree` each place lies in, and what a person should look at.

    `memberships` has MEMBERSHIP_COLUMNS, bounded by the first and last day of the area.  `outside` (zone_kind, zone_id)
    are places in no area, `split` (SPLIT_COLUMNS) the parts, more than 1 % of the place, of places in several: share of
    the place [-].
    """

    tree: str
    memberships: pd.DataFrame
    outside: pd.DataFrame
    split: pd.DataFrame


def by_area(polygons: Zones, areas: pd.DataFrame, tree: str, places: Iterable[Zones]) -> Found:
    """Say which area each place lies in; the ids of `polygons` are codes of `areas` (AREA_COLUMNS) in a tree.

    Raises BadZones when there are no polygons.

    >>> from_to = pd.to_datetime(["2024-01-01", None])
    >>> row = ["police", "s1", "station", "西", "", *from_to]
    >>> areas = pd.DataFrame([row], columns=list(jurisdictions.AREA_COLUMNS))
    >>> none = np.array([""], dtype=object)
    >>> station = Zones("areas", np.array(["s1"], dtype=object), none, none, np.array([shapely.box(0, 0, 2, 2)]))
    >>> home = Zones("communities", np.array(["a"], dtype=object), none, none, np.array([shapely.box(1, 0, 2.5, 1)]))
    >>> found = by_area(station, areas, "police", [home])
    >>> found.memberships[["zone_id", "area", "valid_from"]].astype(str).to_numpy().tolist()
    [['a', 's1', '2024-01-01']]
    >>> found.split["share"].round(3).tolist()
    [0.667]
    """
    if not len(polygons):
        raise BadZones(f"no area of the {tree} tree has a polygon; draw them, or load memberships from a list")
    own = areas[areas["tree"] == tree]
    begins = own.groupby("code")["valid_from"].min().where(~own["valid_from"].isna().groupby(own["code"]).any())
    ends = own.groupby("code")["valid_to"].max().where(~own["valid_to"].isna().groupby(own["code"]).any())
    inside: list[pd.DataFrame] = []
    outside: list[pd.DataFrame] = []
    split: list[pd.DataFrame] = []
    for kind in places:
        at = shapely.get_coordinates(shapely.point_on_surface(kind.geometry))
        home = zones.assign(polygons, at[:, 0].copy(), at[:, 1].copy())
        rows = pd.DataFrame({"zone_kind": kind.kind, "zone_id": kind.ids}).astype("str")
        codes = pd.Series(polygons.ids[home], index=rows.index, dtype="str")
        placed = rows.assign(tree=tree, area=codes)[home != zones.OUTSIDE]
        inside.append(placed.assign(valid_from=placed["area"].map(begins), valid_to=placed["area"].map(ends)))
        outside.append(rows[home == zones.OUTSIDE])
        split.append(_split(polygons, kind))
    return Found(
        tree,
        pd.concat([jurisdictions.empty(jurisdictions.MEMBERSHIP_COLUMNS), *inside], ignore_index=True),
        pd.concat([jurisdictions.empty(SPLIT_COLUMNS[:2]), *outside], ignore_index=True),
        pd.concat([jurisdictions.empty(SPLIT_COLUMNS).astype({"share": "float64"}), *split], ignore_index=True),
    )


def without(memberships: pd.DataFrame, places: Mapping[str, Zones]) -> Mapping[str, object]:
    """Tell what a list of memberships leaves open: places in no area of a tree, and zones that nobody knows [count]."""
    known = {(kind, str(zone)) for kind, zones_of_kind in places.items() for zone in zones_of_kind.ids}
    named = {
        tree: set(
            memberships.loc[memberships["tree"] == tree, ["zone_kind", "zone_id"]].itertuples(index=False, name=None)
        )
        for tree in jurisdictions.TREES
    }
    return {
        "places_without": {tree: len(known - zones_named) for tree, zones_named in named.items()},
        "places_unknown": len(set[tuple[str, str]]().union(*named.values()) - known),
    }


def _split(polygons: Zones, kind: Zones) -> pd.DataFrame:
    """Give the parts of places that do not lie whole in one area."""
    whole, parts = _true_to_area(kind.geometry), _true_to_area(polygons.geometry)
    place, area = shapely.STRtree(parts).query(whole, "intersects")
    share = shapely.area(shapely.intersection(whole[place], parts[area])) / shapely.area(whole[place])
    is_part = share > _SLIVER
    place, area, share = place[is_part], area[is_part], share[is_part]
    is_split = (np.bincount(place, minlength=len(kind)) > 1) | (np.bincount(place, share, len(kind)) < 1 - _SLIVER)
    told = is_split[place]
    ids, codes = kind.ids[place[told]], polygons.ids[area[told]]
    texts = pd.DataFrame({"zone_kind": kind.kind, "zone_id": ids, "area": codes}).astype("str")
    return texts.assign(share=share[told]).sort_values(["zone_id", "share"], ascending=[True, False], ignore_index=True)


def _true_to_area(geometry: zones.Objects) -> zones.Objects:
    """Draw degrees on Lambert's cylinder, which keeps ratios of areas anywhere on earth."""
    return np.asarray(
        shapely.transform(geometry, lambda at: np.column_stack([np.radians(at[:, 0]), np.sin(np.radians(at[:, 1]))]))
    )
