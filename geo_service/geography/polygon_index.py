"""Polygon index: which polygons hold a point, at the speed of memory, and exactly.

Pure.  A uniform grid lies over the polygons.  A cell is empty, or lies wholly inside one polygon, or lists the polygons
that reach into it: those that fill it, and those whose edges cross it, with just these edges.  Whether a point is
inside follows from its cell's reference point, for which the answer is kept: the path from the one to the other,
first along x, then along y, changes sides at every edge that it crosses.

Every crossing is the sign of a determinant with an error bound; where the bound does not decide, the sign is taken from
an exact sum.  So a point on an edge or a vertex is inside, as for shapely's `covers`, and no other point is.

Points are looked up a few thousand at a time, step by step: first the cells of all, then the first entry of those that
have one, and so on, so that the processor fetches many cells at once instead of waiting for each.  Kernels release the
interpreter's lock; `split` runs them in as many threads as there are cores.

11,000 polygons with 1.2 million vertices take 0.1 s to build and 68 MB to hold; 10 million points are looked up in
0.14 s, on two cores (benchmarks/join.py).  Where many polygons lie over one another every cell lists all of them; cells
are larger then, so that memory stays below 270 MB and about 60 bytes a vertex.
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
from geo_service.geography.polygon_kernels import OUTSIDE

__all__ = ["OUTSIDE", "PolygonIndex", "all_hits", "build", "edge_distance_m", "first_hit", "tally", "warm_up"]

_CELLS_A_VERTEX = 5  # 1, 2, 3, 5, 8 look up 10 million points in 245, 186, 162, 136, 120 ms with 33, 43, 52, 68, 90 MB
_COARSEST, _FINEST = 32, 4096  # cells on a side
_MOST_ENTRIES = 1 << 24  # 16 bytes each; as if every polygon filled the box around it
_LEAST_EXTENT = 1e-9  # of the coordinates [-]: then a rounding step is less than a thousandth of a cell
_WORTH_THREADS = 50_000  # points; below, starting threads costs more than it saves

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int32]
Long = npt.NDArray[np.int64]


@dataclass(frozen=True)
class PolygonIndex:
    """The grid over some polygons.

    `frame` (west, south, cells per degree along x and y, degrees per cell along x and y, east, north); `cell` (side x
    side, row after row from the south, and one more for everything outside): a code.  A code is OUTSIDE, the one
    polygon that fills the cell, or -2 - an entry.  `entry` rows: polygon, first vertex of a run of its edges, flags +
    EDGE x edges of the run, code of the rest of the cell.  Flags are HOLDS (the polygon holds the cell's reference
    point) and CONTINUED (the rest begins with another run of the same polygon).  Without edges it fills the cell.

    `vertex` rows x, y; ring i has those from rings[i] to rings[i + 1], polygon i the rings from polygons[i] on.
    """

    frame: Floats
    side: int
    cell: Whole
    entry: Whole
    vertex: Floats
    rings: Long
    polygons: Long

    def __len__(self) -> int:
        return len(self.polygons) - 1

    @property
    def nbytes(self) -> int:
        """Memory held [bytes]."""
        return sum(array.nbytes for array in (self.cell, self.entry, self.vertex, self.rings, self.polygons))


def build(geometry: npt.NDArray[np.object_], side: int | None = None) -> PolygonIndex:
    """Lay a grid over valid polygons and multipolygons; empty ones hold nothing.

    `side` cells on a side; None chooses by the number of vertices and the depth of overlaps.
    """
    vertex, rings, polygons = _vertices(geometry)
    if not len(vertex):
        nothing, no_entry = np.full(2, OUTSIDE, dtype=np.int32), np.empty((0, 4), np.int32)
        return PolygonIndex(np.full(8, np.nan), 1, nothing, no_entry, vertex, rings, polygons)
    if side is None:
        side = _side(geometry, len(vertex))
    west, south, east, north = shapely.total_bounds(geometry)
    first, last = np.array([west, south]), np.array([east, north])
    least = _LEAST_EXTENT * np.abs([first, last]).max()
    scale = side / np.maximum(last - first, least) * (1 - 1e-9)  # the last point falls into the last cell
    frame = np.concatenate([first, scale, 1 / scale, last])
    cell = np.full(side * side + 1, OUTSIDE, dtype=np.int32)
    entry = _swept(vertex, rings, polygons, frame, side, cell)
    return PolygonIndex(frame, side, cell, entry, vertex, rings, polygons)


def _side(geometry: npt.NDArray[np.object_], vertices: int) -> int:
    """Choose the cells on a side: some for each vertex, fewer where many polygons lie over one another."""
    west, south, east, north = shapely.bounds(geometry).T
    whole = (np.nanmax(east) - np.nanmin(west)) * (np.nanmax(north) - np.nanmin(south))
    depth = np.nansum((east - west) * (north - south)) / whole if whole > 0 else 1.0
    fitting = min(math.sqrt(_CELLS_A_VERTEX * vertices), math.sqrt(_MOST_ENTRIES / max(depth, 1.0)))
    return int(np.clip(fitting, _COARSEST, _FINEST))


def _swept(vertex: Floats, rings: Long, polygons: Long, frame: Floats, side: int, cell: Whole) -> Whole:
    """Enter the polygons into `cell`, in one thread a core for its own rows; give the entries."""
    threads = numba.get_num_threads() if len(vertex) > _WORTH_THREADS else 1
    middle = np.quantile(vertex[::64, 1], np.linspace(0, 1, threads + 1)[1:-1])  # as many vertices for each
    rows = [0, *((middle - frame[1]) * frame[3]).astype(int).tolist(), side]
    parts: list[Whole] = [cell[:0]] * threads

    def part(i: int) -> None:
        parts[i] = cast(Whole, kernels.sweep(vertex, rings, polygons, frame, side, rows[i], rows[i + 1] - 1, cell))

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(part, range(threads)))
    offset = 0
    for i in range(threads):
        kernels.moved(cell[rows[i] * side : rows[i + 1] * side], offset)
        kernels.moved(parts[i][:, 3], offset)
        offset += len(parts[i])
    return np.concatenate(parts)


def first_hit(index: PolygonIndex, lon: Floats, lat: Floats) -> Whole:
    """Give for each point the lowest polygon that holds it, or OUTSIDE.  NaN is OUTSIDE."""
    lon, lat = _plain(lon), _plain(lat)
    found = np.empty(len(lon), dtype=np.int32)
    split(len(lon), lambda a, b: kernels.first_hit(lon[a:b], lat[a:b], *_parts(index), found[a:b]))
    return found


def all_hits(index: PolygonIndex, lon: Floats, lat: Floats) -> Whole:
    """Give every pair (point, polygon that holds it), rows in ascending order."""
    lon, lat = _plain(lon), _plain(lat)
    parts: dict[int, Whole] = {}

    def part(a: int, b: int) -> None:
        parts[a] = cast(Whole, kernels.all_hits(lon[a:b], lat[a:b], *_parts(index), a))

    split(len(lon), part)
    return np.concatenate([parts[a] for a in sorted(parts)])


def tally(index: PolygonIndex, lon: Floats, lat: Floats, group: Whole, groups: int) -> Long:
    """Count the points in each polygon and group at once, without writing down which lies where.

    `group` from 0 to groups - 1, or negative for points that do not count.  Gives counts (polygons x groups) by the
    lowest polygon that holds a point.
    """
    lon, lat, group = _plain(lon), _plain(lat), np.require(group, np.int32, ["C", "W"])
    parts: list[Long] = []

    def part(a: int, b: int) -> None:
        counts = np.zeros((len(index), groups), dtype=np.int64)
        kernels.tally(lon[a:b], lat[a:b], *_parts(index), group[a:b], counts)
        parts.append(counts)

    split(len(lon), part)
    return np.sum(parts, axis=0)


def edge_distance_m(index: PolygonIndex, lon: Floats, lat: Floats, polygon: Whole) -> Floats:
    """Give how far each point lies from the nearest edge of its polygon [m]; NaN where it has none.

    In the plane that touches WGS 84 at the point: right to 0.1 % within 20 km.
    """
    lon, lat = _plain(lon), _plain(lat)
    found = np.empty(len(lon))
    outline = index.vertex, index.rings, index.polygons
    split(
        len(lon),
        lambda a, b: kernels.edge_distance(lon[a:b], lat[a:b], polygon[a:b], *outline, found[a:b]),
        worth=2_000,
    )
    return found


def warm_up() -> None:
    """Compile every kernel, or load it from disk, by using it once: 9 s the first time, then 0.3 s.

    For an installer to call, so that no first request waits.
    """
    index, half, first = build(np.array([shapely.box(0, 0, 1, 1)])), np.array([0.5]), np.zeros(1, dtype=np.int32)
    first_hit(index, half, half)
    all_hits(index, half, half)
    tally(index, half, half, first, 1)
    edge_distance_m(index, half, half, first)


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
    return index.frame, index.side, index.cell, index.entry, index.vertex


def _plain(array: Floats) -> Floats:
    """Give the array itself, or a copy where it is read-only or strided: kernels are compiled for plain arrays only."""
    return np.require(array, np.float64, ["C", "W"])


def _vertices(geometry: npt.NDArray[np.object_]) -> tuple[Floats, Long, Long]:
    """Give the vertices of all rings, where the vertices of each ring begin, and where the rings of each polygon do."""
    parts, polygon = shapely.get_parts(geometry, return_index=True)
    rings, part = shapely.get_rings(parts, return_index=True)
    sizes = np.bincount(polygon[part], minlength=len(geometry)), shapely.get_num_coordinates(rings)
    polygons, starts = (np.concatenate([[0], np.cumsum(size)]).astype(np.int64) for size in sizes)
    return shapely.get_coordinates(rings), starts, polygons
