"""Zones: communities, units and patrol zones, and which of them holds a point.

Pure.  Geometry is WGS 84 (EPSG:4326), longitude first.  A point that a polygon covers (border included) belongs to
it; where several polygons of one kind do, to the one with the lowest id compared as text, so that counts add up.
Reading zone files is the work of files.py, keeping them that of store/.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import shapely

from geo_service.geography import polygon_index

OUTSIDE = polygon_index.OUTSIDE

Degrees = npt.NDArray[np.float64]
Positions = npt.NDArray[np.int32]
Long = npt.NDArray[np.int64]
Objects = npt.NDArray[np.object_]


@dataclass(frozen=True)
class Zones:
    """The zones of one kind, in order of their ids as text.

    `ids`, `names`, `classes` are text, `geometry` valid shapely (Multi)Polygons, all of one length.
    """

    kind: str
    ids: Objects
    names: Objects
    classes: Objects
    geometry: Objects

    def __len__(self) -> int:
        return len(self.ids)

    def bounds(self) -> tuple[float, float, float, float]:
        """Give west, south, east, north [deg]; NaN without zones."""
        if not len(self):
            return np.nan, np.nan, np.nan, np.nan
        west, south, east, north = (float(side) for side in shapely.total_bounds(self.geometry))
        return west, south, east, north

    @cached_property
    def index(self) -> polygon_index.PolygonIndex:
        """The grid over these zones, built when first asked for and kept."""
        return polygon_index.build(self.geometry)


def assign(zones: Zones, lon: Degrees, lat: Degrees) -> Positions:
    """Give for each point the position in `zones` of the zone that holds it, or OUTSIDE.

    NaN is OUTSIDE.  Same length and order as the input.  Exact, as shapely's `covers` means to be.

    >>> west, east = shapely.box(0, 0, 1, 1), shapely.box(1, 0, 2, 1)
    >>> names = np.array(["", ""], dtype=object)
    >>> zones = Zones("communities", np.array(["10", "9"], dtype=object), names, names, np.array([west, east]))
    >>> assign(zones, np.array([0.5, 1.0, 1.5, 3.0, np.nan]), np.array([0.5, 0.5, 0.5, 0.5, 0.5])).tolist()
    [0, 0, 1, -1, -1]
    """
    return polygon_index.first_hit(zones.index, lon, lat)


def why_outside(zones: Zones, lon: Degrees, lat: Degrees) -> npt.NDArray[np.str_]:
    """Tell for each point why no zone holds it; "" where one does.

    "no_coordinates" (NaN), "out_of_range" (no longitude and latitude), "outside_bounds" (beyond the box around all
    zones) or "between_zones".

    >>> names = np.array([""], dtype=object)
    >>> zones = Zones("units", names, names, names, np.array([shapely.Polygon([(0, 0), (2, 0), (0, 2)])]))
    >>> why_outside(zones, np.array([0.5, np.nan, 500.0, 9.0, 1.9]), np.array([0.5, 0.5, 0.5, 0.5, 1.9])).tolist()
    ['', 'no_coordinates', 'out_of_range', 'outside_bounds', 'between_zones']
    """
    west, south, east, north = zones.bounds()
    reasons = {
        "": assign(zones, lon, lat) != OUTSIDE,
        "no_coordinates": np.isnan(lon) | np.isnan(lat),
        "out_of_range": (np.abs(lon) > 180) | (np.abs(lat) > 90),
        "outside_bounds": ~((lon >= west) & (lon <= east) & (lat >= south) & (lat <= north)),
    }
    return np.select(list(reasons.values()), list(reasons), "between_zones")


def holders(zones: Zones, lon: Degrees, lat: Degrees) -> tuple[Positions, Positions]:
    """Give every pair (point, zone) of a point and a zone that holds it, where zones overlap several to a point.

    Two arrays of one length: positions in the input, ascending, and in `zones`, ascending for each point.

    >>> names = np.array(["", ""], dtype=object)
    >>> zones = Zones("units", names, names, names, np.array([shapely.box(0, 0, 2, 1), shapely.box(1, 0, 3, 1)]))
    >>> point, zone = holders(zones, np.array([0.5, 1.5, 9.0]), np.array([0.5, 0.5, 0.5]))
    >>> point.tolist(), zone.tolist()
    ([0, 1, 1], [0, 0, 1])
    """
    pairs = polygon_index.all_hits(zones.index, lon, lat)
    return pairs[:, 0], pairs[:, 1]


def tally(zones: Zones, lon: Degrees, lat: Degrees, group: npt.NDArray[np.int32], groups: int) -> Long:
    """Count the points of each group in each zone: join and count in one pass over the points.

    `group` from 0 to groups - 1, negative for points that do not count.  Gives counts (zones x groups), each point
    counted for the zone that `assign` would give.

    >>> names = np.array([""], dtype=object)
    >>> zones = Zones("units", names, names, names, np.array([shapely.box(0, 0, 2, 1)]))
    >>> lon, lat, group = np.array([0.5, 1.5, 9.0]), np.array([0.5, 0.5, 0.5]), np.array([0, 1, 1], dtype=np.int32)
    >>> tally(zones, lon, lat, group, 2).tolist()
    [[1, 1]]
    """
    return polygon_index.tally(zones.index, lon, lat, group, groups)


def edge_distance_m(zones: Zones, which: Positions, lon: Degrees, lat: Degrees) -> npt.NDArray[np.float64]:
    """Give how far each point lies from the nearest edge of its zone [m]; NaN where `which` is OUTSIDE.

    >>> names = np.array([""], dtype=object)
    >>> zones = Zones("units", names, names, names, np.array([shapely.box(0, 0, 2, 1)]))
    >>> edge_distance_m(zones, np.array([0, -1]), np.array([0.001, 9.0]), np.array([0.5, 0.5])).round(1).tolist()
    [111.3, nan]
    """
    return polygon_index.edge_distance_m(zones.index, lon, lat, which.astype(np.int32))
