"""Zones: communities, units and patrol zones, and which of them holds a point.

Pure.  Geometry is WGS 84 (EPSG:4326), longitude first.  A point that a polygon covers (border included) belongs to
it; where several polygons of one kind do, to the one with the lowest id compared as text, so that counts add up.
Reading zone files is the work of files.py, keeping them that of store/.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely

OUTSIDE = -1

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
        west, south, east, north = (float(side) for side in shapely.total_bounds(self.geometry))
        return west, south, east, north


def assign(zones: Zones, lon: npt.NDArray[np.float64], lat: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Give for each point the position in `zones` of the zone that holds it, or OUTSIDE.

    Repeated coordinates (block geocodes) are looked up once.  NaN is OUTSIDE.  Same length and order as the input.

    >>> west, east = shapely.box(0, 0, 1, 1), shapely.box(1, 0, 2, 1)
    >>> names = np.array(["", ""], dtype=object)
    >>> zones = Zones("communities", np.array(["10", "9"], dtype=object), names, names, np.array([west, east]))
    >>> assign(zones, np.array([0.5, 1.0, 1.5, 3.0, np.nan]), np.array([0.5, 0.5, 0.5, 0.5, 0.5])).tolist()
    [0, 0, 1, -1, -1]
    """
    found = np.full(len(lon), OUTSIDE, dtype=np.int64)
    known = np.flatnonzero(np.isfinite(lon) & np.isfinite(lat))
    if not len(zones) or not len(known):
        return found
    pairs = np.column_stack([lon[known], lat[known]]) + 0.0  # + 0.0 makes -0.0 equal 0.0
    places, which = np.unique(pairs.view(np.complex128).ravel(), return_inverse=True)
    points = shapely.points(places.real, places.imag)
    point, zone = shapely.STRtree(zones.geometry).query(points, predicate="covered_by")
    lowest = np.full(len(places), len(zones), dtype=np.int64)
    np.minimum.at(lowest, point, zone)  # ids are sorted as text, so the lowest position is the lowest id
    lowest[lowest == len(zones)] = OUTSIDE
    found[known] = lowest[which]
    return found
