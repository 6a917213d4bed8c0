"""Grid: H3 cells of points.

Pure.  Cells travel as H3 indexes in hex text ("8a2a1072b59ffff"), which every H3 library reads.
"""

import h3ronpy.vector
import numpy as np
import numpy.typing as npt
import pyarrow as pa

FINEST = 10  # mean edge 76 m: the resolution each incident keeps
RESOLUTIONS = (7, 8, 9, 10)  # mean edge 1.4 km, 531 m, 201 m, 76 m

Cells = npt.NDArray[np.uint64]


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
