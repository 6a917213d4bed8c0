"""Road lines before they are streets or a network: single lines, whose ends are joined where they meet.

Pure.  x, y are metres in the city's projected zone, never degrees.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import shapely
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree

from geo_service.errors import BadInput

TOLERANCE_M = 0.5  # ends so near to each other are one; they move at most this far

Metres = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]
Objects = npt.NDArray[np.object_]


class Joined(NamedTuple):
    """Lines whose ends meet in nodes.

    `kept` are the lines that are left: those no longer than the tolerance shrink to a point.  `vertex` rows x, y [m],
    none twice in a row; line i has those from lines[i] to lines[i + 1].  `node` of each end, beginning, end, beginning,
    end; `nodes` rows x, y [m].
    """

    kept: Whole
    vertex: Metres
    lines: Whole
    node: Whole
    nodes: Metres


def single(lines: Objects) -> tuple[Objects, Whole]:
    """Give the LineStrings with a length, those of MultiLineStrings one by one, and the row each comes from.

    Raises BadInput for what is no line, or has a coordinate that is not finite.

    >>> part, row = single(shapely.from_wkt(["LINESTRING (0 0, 1 0)", "MULTILINESTRING ((0 1, 1 1), (0 2, 1 2))"]))
    >>> len(part), row.tolist()
    (3, [0, 1, 1])
    """
    kinds = shapely.get_type_id(lines)
    for wrong in np.flatnonzero(~np.isin(kinds, (-1, 1, 5))).tolist():
        kind = shapely.GeometryType(int(kinds[wrong])).name
        raise BadInput(f"line {wrong} is a {kind}; roads are LineStrings or MultiLineStrings")
    vertex, line = shapely.get_coordinates(lines, return_index=True)
    for wrong in line[~np.isfinite(vertex).all(axis=1)].tolist():
        raise BadInput(f"line {wrong} has a coordinate that is not finite")
    part, row = shapely.get_parts(shapely.remove_repeated_points(lines), return_index=True)
    long = shapely.length(part) > 0
    return part[long], row[long]


def joined(part: Objects, tolerance_m: float = TOLERANCE_M) -> Joined:
    """Join the ends of lines that lie within the tolerance, one by one, and move them to their middle.

    >>> met = joined(shapely.linestrings([[(0, 0), (9, 0)], [(9.2, 0), (9.4, 0)], [(9.2, 0.3), (9, 8)]]))
    >>> met.kept.tolist(), met.node.tolist(), met.nodes.round(2).tolist()
    ([0, 2], [0, 1, 1, 2], [[0.0, 0.0], [9.2, 0.08], [9.0, 8.0]])
    """
    vertex, line = shapely.get_coordinates(part, return_index=True)
    sizes = np.bincount(line, minlength=len(part))
    first = np.cumsum(sizes) - sizes
    tips = np.stack([first, first + sizes - 1], axis=1).ravel()
    node, nodes = snapped(vertex[tips], tolerance_m)
    vertex[tips] = nodes[node]
    new = np.ones(len(vertex), dtype=bool)
    new[1:] = (vertex[1:] != vertex[:-1]).any(axis=1) | (line[1:] != line[:-1])
    sizes = np.bincount(line[new], minlength=len(part))
    kept = np.flatnonzero(sizes > 1)
    lines = np.concatenate([[0], np.cumsum(sizes[kept])])
    return Joined(kept, vertex[new & (sizes > 1)[line]], lines, node.reshape(-1, 2)[kept].ravel(), nodes)


def snapped(points: Metres, tolerance_m: float = TOLERANCE_M) -> tuple[Whole, Metres]:
    """Give for each point the number of its node, and the nodes: points within the tolerance are one, in the middle.

    A chain of points each near the next is one node too.

    >>> node, nodes = snapped(np.array([[0.0, 0.0], [5.0, 0.0], [0.4, 0.0]]))
    >>> node.tolist(), nodes.tolist()
    ([0, 1, 0], [[0.2, 0.0], [5.0, 0.0]])
    """
    if not len(points):
        return np.empty(0, dtype=np.int64), points
    distinct, first, which = np.unique(points, axis=0, return_index=True, return_inverse=True)
    near = KDTree(distinct).query_pairs(tolerance_m, output_type="ndarray")
    tied = first[np.concatenate([np.stack([which.ravel(), which.ravel()], axis=1), near])]
    tied[: len(points), 1] = np.arange(len(points))
    node = components(len(points), tied)
    count, sums = np.bincount(node[first]), (np.bincount(node[first], distinct[:, i]) for i in (0, 1))
    return node, np.stack([*sums], axis=1) / count[:, None]


def components(count: int, pairs: npt.NDArray[np.int64]) -> Whole:
    """Number the groups that pairs tie `count` things into, in the order of their first members.

    >>> components(4, np.array([[3, 1]])).tolist()
    [0, 1, 2, 1]
    """
    one, two = pairs.reshape(-1, 2).T
    ties = coo_array((np.ones(len(one), dtype=np.int8), (one, two)), shape=(count, count))
    label = connected_components(ties, directed=False)[1]
    _, first, group = np.unique(label, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[group]
