"""Who lies in whom: a city, its counties, towns and villages, from Jining's lists or made up where they are absent.

Centres are metres in EPSG:4548.  Functional areas (高新区 ...) count as counties; what a county was called before
stands in `former`.
"""

import itertools
import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyproj
import shapely
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from geo_service.demo import names

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "geocode"  # beside the repository, not in it
PLANE = 4548  # CGCS2000 / 3-degree Gauss-Krueger CM 117E [m]

_FUNCTIONAL = {  # name: (other names, county around it, code)
    "高新区": (("济宁高新技术产业开发区", "济宁高新区"), "任城区", "370871"),
    "太白湖新区": (("太白湖区", "北湖新区"), "任城区", "370872"),
    "经开区": (("济宁经济技术开发区", "济宁经开区"), "嘉祥县", "370873"),
}
_FORMER = (("市中区", "370802", "任城区", "2013-10-28"), ("兖州市", "370882", "兖州区", "2013-10-28"))
_MADE_UP_FORMER = (("城中区", f"{names.CITY_CODE}61", names.DISTRICTS[0], "2013-10-28"),)
_SMALL_COUNTIES, _SMALL_TOWNS, _SMALL_VILLAGES = 4, 7, 11


@dataclass(frozen=True)
class Town:
    """A street office (街道), town (镇) or township (乡) with its villages and communities."""

    name: str
    villages: tuple[str, ...]


@dataclass(frozen=True)
class County:
    """A county or functional area: where its town is drawn, and how large (1: a city of 800 compounds)."""

    name: str
    aliases: tuple[str, ...]
    code: str
    towns: tuple[Town, ...]
    centre: tuple[float, float]
    scale: float


@dataclass(frozen=True)
class Region:
    """A city; `former` holds (name, code, the county it became, the day it ended)."""

    city: str
    code: str
    counties: tuple[County, ...]
    former: tuple[tuple[str, str, str, str], ...]


def read(*, small: bool, seed: int) -> Region:
    """Give Jining where its lists are, else a made-up city of the same build."""
    region = _jining(SHARED) if SHARED.exists() else _made_up(np.random.default_rng([seed, 1]))
    return _fewer(region) if small else region


def _jining(folder: Path) -> Region:
    listed = pd.read_csv(folder / "admin" / "jining_370800_5level_jionlp.csv", dtype=str, keep_default_na=False)
    codes = dict(zip(listed["county"], listed["county_code"], strict=True))
    towns: dict[str, list[Town]] = {}
    villages = listed[listed["level"] == "4"].groupby(["county", "town"], sort=False)["village"].agg(tuple)
    for row in listed[listed["level"] == "3"].itertuples():
        key = (str(row.county), str(row.town))
        found = tuple(villages[key]) if key in villages.index else ()
        towns.setdefault(key[0], []).append(Town(key[1], found))
    centres = _centres(_outlines(folder / "boundary" / "jining_wgs84_derived.geojson"))
    official = {other[0]: name for name, (other, _, _) in _FUNCTIONAL.items()}
    counties = [
        County(name, _FUNCTIONAL[name][0] if name in _FUNCTIONAL else (), code, towns_of, centres[name], scale)
        for name, code, towns_of, scale in (
            (official.get(long, long), codes[long], tuple(found), 1.0 if long == "任城区" else 0.42)
            for long, found in towns.items()
        )
    ]
    known = {county.name for county in counties}
    counties += [
        County(name, other, code, (), centres[name], 0.12)
        for name, (other, _, code) in _FUNCTIONAL.items()
        if name not in known
    ]
    return Region("济宁市", "370800", tuple(counties), _FORMER)


def _outlines(path: Path) -> dict[str, BaseGeometry]:
    """Give the counties' outlines in metres."""
    to_metres = pyproj.Transformer.from_crs(4326, PLANE, always_xy=True)
    return {
        str(feature["properties"]["name"]): shapely.transform(
            shape(feature["geometry"]), lambda xy: np.column_stack(to_metres.transform(xy[:, 0], xy[:, 1]))
        )
        for feature in json.loads(path.read_text())["features"]
        if feature["properties"]["level"] == "county"
    }


def _centres(outlines: dict[str, BaseGeometry]) -> dict[str, tuple[float, float]]:
    """Give each county the middle of its largest circle, each functional area the freest spot of the one around."""
    circles = shapely.get_coordinates(shapely.maximum_inscribed_circle(list(outlines.values()))).reshape(-1, 2, 2)
    found = {name: (float(x), float(y)) for name, (x, y) in zip(outlines, circles[:, 0].tolist(), strict=True)}
    for name, (_, around, _) in _FUNCTIONAL.items():
        west, south, east, north = outlines[around].bounds
        x, y = (axis.ravel() for axis in np.meshgrid(np.linspace(west, east, 60), np.linspace(south, north, 60)))
        inside = shapely.contains_xy(outlines[around], x, y)
        taken = np.array(list(found.values()))
        free = np.hypot(x[:, None] - taken[:, 0], y[:, None] - taken[:, 1]).min(axis=1)
        best = int(np.where(inside, free, -1.0).argmax())
        found[name] = (float(x[best]), float(y[best]))
    return found


def _made_up(rng: np.random.Generator) -> Region:
    """Give twelve counties with composed names on a raster of 32 km."""
    naming = names.Names(rng)
    labels = [*names.DISTRICTS, *(naming.stem() + "县" for _ in range(7))]
    counties: list[County] = []
    for nth, label in enumerate(labels):
        towns = tuple(
            Town(naming.stem() + ("街道", "镇", "镇", "乡")[i % 4], tuple(dict.fromkeys(_village_names(42, rng))))
            for i in range(13)
        )
        centre = (420_000.0 + 32_000.0 * (nth % 4), 3_860_000.0 + 32_000.0 * (nth // 4))
        aliases = (names.CITY["zh"].removesuffix("市") + label,) if label == "高新区" else ()
        code = f"{names.CITY_CODE}{nth + 1:02d}"
        counties.append(County(label, aliases, code, towns, centre, 1.0 if nth == 0 else 0.42))
    return Region(names.CITY["zh"], f"{names.CITY_CODE}00", tuple(counties), _MADE_UP_FORMER)


def _village_names(count: int, rng: np.random.Generator) -> list[str]:
    """Give names from a drawer of their own, so that towns share some."""
    naming = names.Names(rng)
    return [naming.village() for _ in range(count)]


def _fewer(region: Region) -> Region:
    """Keep the first counties and what was called otherwise, with a few towns and villages, on smaller ground."""
    kept = [county for county in region.counties if county.towns][:_SMALL_COUNTIES]
    new = {became for _, _, became, _ in region.former}
    kept += [county for county in region.counties if county.name in new and county not in kept]
    counties = tuple(
        replace(
            county,
            towns=tuple(
                Town(town.name, town.villages[:_SMALL_VILLAGES])
                for town in itertools.islice(county.towns, _SMALL_TOWNS)
            ),
            scale=0.3 * county.scale,
        )
        for county in kept
    )
    return replace(region, counties=counties)
