"""The made-up gazetteer: every county's rows in the declared schema, and what the texts need beside them."""

import zlib
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyproj
import shapely

from benchmarks.dispatch import administration, ground
from benchmarks.dispatch.administration import PLANE, Region

COLUMNS = (
    "entry_id", "kind", "name", "aliases", "parent", "code", "zone_kind", "zone_id", "width_m",
    "valid_from", "valid_to", "successor", "geometry",
)  # fmt: skip

_LEFT_OUT = 50  # one place in so many is new and in no gazetteer


@dataclass(frozen=True)
class World:
    """A gazetteer and the ground it was read from.

    entries
        the declared schema (COLUMNS), geometry WGS 84
    plane
        the same geometry in metres, one a row of `entries`
    county, town
        entry_id of each row's county and town, "" for none
    along, lies_in
        name of the street a compound is reached from, and entry_id of a door's town: "" elsewhere
    crossings, unlisted
        as ground.Ground, with the county's entry_id
    """

    region: Region
    entries: pd.DataFrame
    plane: np.ndarray
    county: np.ndarray
    town: np.ndarray
    along: np.ndarray
    lies_in: np.ndarray
    crossings: pd.DataFrame
    unlisted: pd.DataFrame


def make(*, small: bool = False, seed: int = 1) -> World:
    """Make the gazetteer: 300,000 entries and more, or some 30,000; same input, same world."""
    region = administration.read(small=small, seed=seed)
    grounds = [
        ground.lay_out(county, region.city, seat=nth == 0, rng=np.random.default_rng([seed, 2, nth]))
        for nth, county in enumerate(region.counties)
    ]
    entries = pd.concat(
        [_administrative(region), *(rows for each in grounds for rows in each.entries)], ignore_index=True
    )
    plane = entries["geometry"].where(entries["geometry"].notna(), None).to_numpy(dtype=object)
    entries["geometry"] = to_wgs84(plane)
    for name in COLUMNS:
        if name not in entries:
            entries[name] = None
        if name not in ("geometry", "width_m"):
            entries[name] = entries[name].astype("str").fillna("")
    county, town = _holders(entries)
    beside = [entries[name].fillna("").to_numpy(dtype=object) for name in ("along", "lies_in")]
    tables = [
        pd.concat([getattr(each, name).assign(county=f"{each.county.code}c") for each in grounds], ignore_index=True)
        for name in ("crossings", "unlisted")
    ]
    return World(region, entries[list(COLUMNS)], plane, county, town, *beside, *tables)


def listed(world: World) -> World:
    """Leave out what the city's gazetteer does not know yet: one road, compound, unit and shop in fifty, and all of it.

    Texts are said of the whole world; whoever answers has this one, so that a new compound must not become another.
    """
    entries = world.entries
    names = entries["name"].where(entries["kind"] == "road", entries["entry_id"])
    chosen = np.array([_is_left_out(f"{at}{name}") for at, name in zip(world.county, names, strict=True)])
    out = chosen & entries["kind"].isin(["road", "compound", "unit", "poi"]).to_numpy()
    row_of = pd.Series(np.arange(len(entries)), index=entries["entry_id"])
    parent = row_of.reindex(entries["parent"]).fillna(-1).to_numpy(dtype=int)
    for _ in range(3):  # building, compound, road
        out |= (parent >= 0) & out[parent]
    return World(
        world.region,
        entries[~out].reset_index(drop=True),
        *(each[~out] for each in (world.plane, world.county, world.town, world.along, world.lies_in)),
        crossings=world.crossings[~_of_left_out(world.crossings)].reset_index(drop=True),
        unlisted=world.unlisted[~_of_left_out(world.unlisted)].reset_index(drop=True),
    )


def _is_left_out(name: str) -> bool:
    return zlib.crc32(name.encode()) % _LEFT_OUT == 0


def _of_left_out(table: pd.DataFrame) -> np.ndarray:
    """Tell which crossings and doors are on a road that is left out."""
    columns = [table[name] for name in ("road", "crossroad") if name in table]
    return np.array(
        [
            any(_is_left_out(f"{at}{name}") for name in names)
            for at, *names in zip(table["county"], *columns, strict=True)
        ]
    )


def to_wgs84(shapes: np.ndarray) -> np.ndarray:
    """Take shapes from metres to longitude, latitude; None stays None."""
    transformer = pyproj.Transformer.from_crs(PLANE, 4326, always_xy=True)
    return shapely.transform(shapes, lambda xy: np.column_stack(transformer.transform(xy[:, 0], xy[:, 1])))


def _administrative(region: Region) -> pd.DataFrame:
    city = {"entry_id": region.code, "kind": "city", "name": region.city, "code": region.code}
    counties = [
        {
            "entry_id": f"{county.code}c",
            "kind": "county",
            "name": county.name,
            "aliases": "|".join(county.aliases),
            "parent": region.code,
            "code": county.code,
            "geometry": shapely.Point(county.centre),
        }
        for county in region.counties
    ]
    ids = {county.name: f"{county.code}c" for county in region.counties}
    former = [
        {
            "entry_id": f"{code}c",
            "kind": "county",
            "name": name,
            "parent": region.code,
            "code": code,
            "valid_to": until,
            "successor": ids[became],
        }
        for name, code, became, until in region.former
        if became in ids
    ]
    return pd.DataFrame([city, *counties, *former])


def _holders(entries: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Give each row's county and town by climbing its parents; five steps reach the city from anywhere."""
    parent = dict(zip(entries["entry_id"], entries["parent"], strict=True))
    kind = dict(zip(entries["entry_id"], entries["kind"], strict=True))
    found = {"county": np.full(len(entries), "", dtype=object), "town": np.full(len(entries), "", dtype=object)}
    for row, entry in enumerate(entries["entry_id"]):
        at = entry
        while at:
            if kind[at] in found:
                found[kind[at]][row] = at
            at = parent[at]
    return found["county"], found["town"]
