"""Grid: H3 cells: of points, their outlines, their parents, and which resolution a map shows at a zoom.

Pure.  Cells travel as H3 indexes in hex text ("8a2a1072b59ffff"), which every H3 library reads.
"""

from collections.abc import Sequence

import h3ronpy.vector
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import shapely

FINEST = 10  # mean edge 76 m: the resolution each incident keeps
RESOLUTIONS = (7, 8, 9, 10)  # mean edge 1.4 km, 531 m, 201 m, 76 m

Cells = npt.NDArray[np.uint64]

_EDGES_M = 1281256.011 / np.sqrt(7) ** np.arange(16)  # mean edge of a resolution [m], within 3 % of H3's own table
_PIXEL_M = 78271.517  # of a tile drawn 512 pixels wide, at zoom 0 [m at the equator]
_LEAST_EDGE_PX = 4.0  # smaller cells are a blur of outlines
_FINER_BITS = 3  # of an index for each resolution below its own


def cells(lon: npt.NDArray[np.float64], lat: npt.NDArray[np.float64], resolution: int = FINEST) -> Cells:
    """Give the H3 cell of each point; 0 where a coordinate is NaN or out of range.

    >>> as_text(cells(np.array([-75.1602, np.nan]), np.array([39.93561, 0.0]), 9)).tolist()
    ['892a134d08bffff', None]
    """
    found = np.zeros(len(lon), dtype=np.uint64)
    usable = np.flatnonzero((np.abs(lon) <= 180.0) & (np.abs(lat) <= 90.0))  # NaN compares false
    if len(usable):
        table = h3ronpy.vector.coordinates_to_cells(lat[usable], lon[usable], resolution)
        found[usable] = np.asarray(pa.array(table), dtype=np.uint64)
    return found


def as_text(cell: Cells) -> npt.NDArray[np.object_]:
    """Write cells as hex text; 0 becomes None."""
    found = np.full(len(cell), None, dtype=object)
    real = np.flatnonzero(cell)
    if len(real):
        distinct, which = np.unique(cell[real], return_inverse=True)
        text = np.array([f"{index:x}" for index in distinct.tolist()], dtype=object)
        found[real] = text[which]
    return found


def from_text(texts: Sequence[str]) -> Cells:
    """Read cells written in hex.

    >>> as_text(from_text(["892a134d08bffff"])).tolist()
    ['892a134d08bffff']
    """
    return np.array([int(text, 16) for text in texts], dtype=np.uint64)


def resolutions(cell: Cells) -> npt.NDArray[np.int64]:
    """Give the resolution of each cell [-].

    >>> resolutions(from_text(["892a134d08bffff", "872a134d0ffffff"])).tolist()
    [9, 7]
    """
    return ((cell >> np.uint64(52)) & np.uint64(15)).astype(np.int64)


def parents(cell: Cells, resolution: int) -> Cells:
    """Give the cell of a coarser (or the same) resolution that each one belongs to, as H3 defines it.

    >>> as_text(parents(from_text(["892a134d08bffff"]), 7)).tolist()
    ['872a134d0ffffff']
    """
    finer = np.uint64((1 << _FINER_BITS * (15 - resolution)) - 1)  # digits of finer resolutions are all ones
    at = np.uint64(resolution << 52)
    return (cell & ~np.uint64(15 << 52)) | at | finer


def numbers(cell: Cells) -> npt.NDArray[np.int64]:
    """Give each cell a whole number that no other of its resolution has: base cell and digits, without the rest.

    At resolution 9 it has 34 bits: a number that browsers, tiles and feature ids hold exactly.

    >>> numbers(from_text(["892a134d08bffff"])).tolist()
    [2823631906]
    """
    resolution = resolutions(cell).astype(np.uint64)
    digits = cell >> (np.uint64(_FINER_BITS) * (np.uint64(15) - resolution))
    return (digits & ((np.uint64(1) << (np.uint64(7) + np.uint64(_FINER_BITS) * resolution)) - np.uint64(1))).astype(
        np.int64
    )


def polygons(cell: Cells) -> npt.NDArray[np.object_]:
    """Give the outline of each cell, WGS 84."""
    if not len(cell):
        return np.empty(0, dtype=object)
    outlines = pa.array(h3ronpy.vector.cells_to_wkb_polygons(pa.array(cell)))
    return np.asarray(shapely.from_wkb(np.array(outlines.to_pylist(), dtype=object)), dtype=object)


def resolution_at(z: int, finest: int, lat: float) -> int:
    """Give the finest resolution, up to `finest`, whose cells can be told apart on a map at a zoom and latitude [deg].

    >>> [resolution_at(z, 9, 35.0) for z in (0, 5, 8, 10, 11, 14)]
    [1, 5, 7, 8, 9, 9]
    """
    pixel_m = _PIXEL_M * np.cos(np.radians(lat)) / 2**z
    told_apart = np.flatnonzero(_EDGES_M[: finest + 1] >= _LEAST_EDGE_PX * pixel_m)
    return int(told_apart[-1]) if len(told_apart) else 0
