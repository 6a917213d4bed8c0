"""Polygon index: which polygons hold a point, at the speed of memory, and exactly.

Pure.  A uniform grid lies over the polygons.  A cell is empty, or lies wholly inside one polygon, or lists the polygons
that reach into it: those that fill it, and those whose edges cross it, with just these edges.  Whether a point is
inside follows from its cell's reference point, for which the answer is kept: the path from the one to the other,
first along x, then along y, changes sides at every edge that it crosses.

Every crossing is the sign of a determinant with an error bound.  A point too near to an edge for the bound is
*doubtful* and left to shapely's exact `covers`; all other answers are exact.  Kernels release the interpreter's lock;
`split` runs them in as many threads as there are cores.
"""

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import cast

import numba
import numpy as np
import numpy.typing as npt
import shapely

from geo_service.geography import polygon_kernels as kernels
from geo_service.geography.polygon_kernels import DOUBTFUL, FILLS, OUTSIDE

__all__ = [
    "DOUBTFUL",
    "OUTSIDE",
    "PolygonIndex",
    "all_hits",
    "build",
    "count_hits",
    "edge_distance_m",
    "first_hit",
    "tally",
]

_EDGES_A_CELL = (
    5  # cells for each edge; 2048 squared for 830,000 edges was best of 1024, 2048, 4096 for time and memory
)
_COARSEST, _FINEST = 32, 4096  # cells on a side
_WORTH_THREADS = 50_000  # points; below, starting threads costs more than it saves

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int32]
Long = npt.NDArray[np.int64]


@dataclass(frozen=True)
class PolygonIndex:
    """The grid over some polygons.

    `frame` (west, south, cells per degree along x and y, east, north); `cell` (side x side, row after row from the
    south): OUTSIDE, the one polygon that fills it, or -2 - the first of its entries; `entry` rows (polygon, 1 if it
    holds the reference point + 2 if last of the cell, first row in `crossing` or -1 if it fills the cell, rows
    there); `crossing` rows x1, y1, x2, y2.  `edge` holds every edge once, those of polygon i from starts[i] to
    starts[i + 1].
    """

    polygons: int
    frame: Floats
    side: int
    cell: Whole
    entry: Whole
    crossing: Floats
    edge: Floats
    starts: Long

    @property
    def nbytes(self) -> int:
        """Memory held [bytes]."""
        return sum(array.nbytes for array in (self.cell, self.entry, self.crossing, self.edge, self.starts))


def build(geometry: npt.NDArray[np.object_], side: int | None = None) -> PolygonIndex:
    """Lay a grid over valid polygons and multipolygons; empty ones hold nothing.

    `side` cells on a side; None chooses by the number of edges.
    """
    edge, starts = _edges(geometry)
    if not len(edge):
        nothing = np.full(1, OUTSIDE, dtype=np.int32)
        no_frame, no_entry = np.full(6, np.nan), np.empty((0, 4), np.int32)
        return PolygonIndex(len(geometry), no_frame, 1, nothing, no_entry, np.empty((0, 4)), edge, starts)
    if side is None:
        side = int(np.clip(math.sqrt(_EDGES_A_CELL * len(edge)), _COARSEST, _FINEST))
    west, south = edge.reshape(-1, 2).min(axis=0)
    east, north = edge.reshape(-1, 2).max(axis=0)
    scale = (
        side / np.maximum([east - west, north - south], 1e-9) * (1 - 1e-9)
    )  # the last point falls into the last cell
    frame = np.array([west, south, *scale, east, north])
    swept = _swept(edge, starts, frame, side)
    cell, entry, crossing = kernels.by_cell(*swept, side)
    return PolygonIndex(len(geometry), frame, side, cell, entry, crossing, edge, starts)


def _swept(edge: Floats, starts: Long, frame: Floats, side: int) -> tuple[Long, Whole, Floats]:
    """Sweep the polygons, in one thread a core; give the entries' cells, the entries, and the edges they list."""
    parts: dict[int, tuple[Long, Whole, Floats]] = {}

    def part(first: int, after: int) -> None:
        swept = kernels.sweep(edge, starts[first : after + 1], first, frame, side)
        parts[first] = cast(tuple[Long, Whole, Floats], swept)

    split(len(starts) - 1, part, worth=2_000)
    found = [parts[first] for first in sorted(parts)]
    offset = 0
    for _, entry, crossing in found:
        entry[entry[:, 2] != FILLS, 2] += offset
        offset += len(crossing)
    if len(found) == 1:
        return found[0]
    cells, entries, crossings = zip(*found, strict=True)
    return np.concatenate(cells), np.concatenate(entries), np.concatenate(crossings)


def first_hit(index: PolygonIndex, lon: Floats, lat: Floats) -> Whole:
    """Give for each point the lowest polygon that holds it, OUTSIDE, or DOUBTFUL.  NaN is OUTSIDE."""
    found = np.empty(len(lon), dtype=np.int32)
    split(len(lon), lambda a, b: kernels.first_hit(lon[a:b], lat[a:b], *_parts(index), found[a:b]))
    return found


def count_hits(index: PolygonIndex, lon: Floats, lat: Floats) -> Whole:
    """Give for each point how many polygons hold it, or DOUBTFUL."""
    found = np.empty(len(lon), dtype=np.int32)
    split(len(lon), lambda a, b: kernels.count_hits(lon[a:b], lat[a:b], *_parts(index), found[a:b]))
    return found


def all_hits(index: PolygonIndex, lon: Floats, lat: Floats, starts: Long) -> Whole:
    """Give the polygons that hold each point, ascending; those of point i from starts[i] to starts[i + 1].

    `starts` is the running sum of count_hits; of a point that makes no progress nothing is written.
    """
    found = np.full(int(starts[-1]), OUTSIDE, dtype=np.int32)
    split(len(lon), lambda a, b: kernels.all_hits(lon[a:b], lat[a:b], *_parts(index), starts[a : b + 1], found))
    return found


def tally(index: PolygonIndex, lon: Floats, lat: Floats, group: Whole, groups: int) -> tuple[Long, Long]:
    """Count the points in each polygon and group at once, without writing down which lies where.

    `group` from 0 to groups - 1, or negative for points that do not count.  Gives counts (polygons x groups) by the
    lowest polygon that holds a point, and the doubtful points left to the caller.
    """
    parts: list[tuple[Whole, Long]] = []

    def part(a: int, b: int) -> None:
        counts, doubtful = np.zeros((index.polygons, groups), dtype=np.int32), np.empty(b - a, dtype=np.int64)
        n = kernels.tally(lon[a:b], lat[a:b], *_parts(index), group[a:b], counts, doubtful)
        parts.append((counts, doubtful[:n] + a))

    split(len(lon), part)
    total = np.zeros((index.polygons, groups), dtype=np.int64)
    for counts, _ in parts:
        total += counts
    doubtful = np.sort(np.concatenate([rest for _, rest in parts])) if parts else np.empty(0, dtype=np.int64)
    return total, doubtful


def edge_distance_m(index: PolygonIndex, lon: Floats, lat: Floats, polygon: Whole) -> Floats:
    """Give how far each point lies from the nearest edge of its polygon [m]; NaN where it has none.

    In the plane that touches WGS 84 at the point: right to 0.1 % within 20 km.
    """
    found = np.empty(len(lon))
    split(
        len(lon),
        lambda a, b: kernels.edge_distance(lon[a:b], lat[a:b], polygon[a:b], index.edge, index.starts, found[a:b]),
        worth=2_000,
    )
    return found


def split(count: int, work: Callable[[int, int], None], *, worth: int = _WORTH_THREADS) -> None:
    """Call work(first, after) for consecutive parts of a batch, in one thread a core; below `worth` all in this one."""
    cores = numba.get_num_threads()
    if count < worth or cores == 1:
        work(0, count)
        return
    sides = np.linspace(0, count, cores + 1).astype(int).tolist()
    with ThreadPoolExecutor(cores) as threads:
        list(threads.map(work, sides[:-1], sides[1:]))


def _parts(index: PolygonIndex) -> tuple[Floats, int, Whole, Whole, Floats]:
    return index.frame, index.side, index.cell, index.entry, index.crossing


def _edges(geometry: npt.NDArray[np.object_]) -> tuple[Floats, Long]:
    """Give the edges of all rings (x1, y1, x2, y2), polygon by polygon, and where each polygon's begin."""
    parts, polygon = shapely.get_parts(geometry, return_index=True)
    rings, part = shapely.get_rings(parts, return_index=True)
    xy, ring = shapely.get_coordinates(rings, return_index=True)
    same = ring[1:] == ring[:-1]
    edge = np.column_stack([xy[:-1][same], xy[1:][same]])
    owner = polygon[part[ring[1:][same]]]
    real = (edge[:, :2] != edge[:, 2:]).any(axis=1)
    starts = np.searchsorted(owner[real], np.arange(len(geometry) + 1))
    return np.ascontiguousarray(edge[real]), starts.astype(np.int64)
