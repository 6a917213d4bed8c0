"""The streets of the made-up city: the plan's lines cut at their crossings, bent, and the blocks between them.

Every street edge ends at a node; edges of one road carry its name and their position along it, so that house numbers
rise.
"""

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely

from geo_service.demo.plan import CLASSES, HALF_WIDTH_M, OVERSHOT_M, Bend, Plan, pieces

_SETBACK_M = 3.0  # from the edge of the carriageway and pavement to the block's wall
_DETAIL_M = 70.0  # longest straight piece before bending
_CORNER_M = 7.0  # corners of blocks are cut off by about this much

Objects = npt.NDArray[np.object_]
Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Streets:
    """The street network, in metres on the ground: one entry an edge, all arrays of one length but `nodes` (n, 2).

    `start_m` and `end_m` measure along the road from its southern or western end; edges run the way the measure rises.
    """

    lines: Objects
    kinds: Objects
    roads: Objects
    start_m: Floats
    end_m: Floats
    tails: Whole
    heads: Whole
    nodes: Floats

    def degree(self) -> Whole:
        """Give the number of edges at each node."""
        return np.bincount(np.concatenate([self.tails, self.heads]), minlength=len(self.nodes))

    def half_width_m(self) -> Floats:
        """Give half the width of each edge's road [m]."""
        return np.array([HALF_WIDTH_M[kind] for kind in self.kinds.tolist()])


def cut(drawing: Plan) -> Streets:
    """Cut the plan's lines at every crossing, bend them and name their ends."""
    drawn = np.array([line.geometry for line in drawing.lines], dtype=object)
    edges = np.array(shapely.get_parts(shapely.union_all(drawn, grid_size=0.01)).tolist(), dtype=object)
    edges = _without_stubs(edges)
    owner = _owners(edges, drawing, drawn)
    ends = np.stack([shapely.get_coordinates(shapely.get_point(edges, i)) for i in (0, -1)], axis=1)
    measure = np.stack([shapely.line_locate_point(drawn[owner], shapely.points(ends[:, i])) for i in (0, 1)], axis=1)
    measure += np.array([line.start_m for line in drawing.lines])[owner][:, None]
    back = measure[:, 0] > measure[:, 1]
    edges[back] = shapely.reverse(edges[back])
    ends[back], measure[back] = ends[back][:, ::-1], measure[back][:, ::-1]
    nodes, which = np.unique(np.round(ends.reshape(-1, 2), 2), axis=0, return_inverse=True)
    which = which.reshape(-1, 2)
    lines = bent(edges, drawing.bend, 0.8)
    kinds = np.array([drawing.lines[i].kind for i in owner.tolist()], dtype=object)
    roads = np.array([drawing.lines[i].name for i in owner.tolist()], dtype=object)
    return Streets(lines, kinds, roads, measure[:, 0], measure[:, 1], which[:, 0], which[:, 1], drawing.bend(nodes))


def _without_stubs(edges: Objects) -> Objects:
    """Drop the short loose ends that the plan's lines leave beyond the street they end at."""
    ends = np.stack([shapely.get_coordinates(shapely.get_point(edges, i)) for i in (0, -1)], axis=1)
    _, which = np.unique(np.round(ends.reshape(-1, 2), 2), axis=0, return_inverse=True)
    loose = (np.bincount(which)[which] == 1).reshape(-1, 2).any(axis=1)
    return edges[~(loose & (shapely.length(edges) < 2.5 * OVERSHOT_M))]


def bent(geometry: Objects, bend: Bend, tolerance: float) -> Objects:
    """Take shapes of the frame to the ground; they are refined first and thinned to `tolerance` [m] afterwards."""
    fine = shapely.segmentize(geometry, _DETAIL_M)
    moved = shapely.transform(fine, bend)
    return shapely.simplify(moved, tolerance) if tolerance else moved


def _owners(edges: Objects, drawing: Plan, drawn: Objects) -> Whole:
    """Give the plan's line that each edge is a part of; where two lines run together, the one of the higher class."""
    middle = shapely.line_interpolate_point(edges, 0.5, normalized=True)
    edge, line = shapely.STRtree(drawn).query(middle, "dwithin", 0.05)
    rank = np.array([CLASSES.index(item.kind) for item in drawing.lines])[line]
    order = np.lexsort((line, rank, edge))
    edge, line = edge[order], line[order]
    first = np.concatenate([[True], edge[1:] != edge[:-1]])
    owner = np.full(len(edges), -1, dtype=np.int64)
    owner[edge[first]] = line[first]
    if (owner < 0).any():
        nearest = shapely.STRtree(drawn).query_nearest(middle[owner < 0], all_matches=False)[1]
        owner[owner < 0] = nearest
    return owner


def faces(streets: Streets, drawing: Plan) -> tuple[Objects, Objects]:
    """Give the faces between the streets: (those inside a settlement and on dry land, those of its water and banks)."""
    found = np.array(pieces(shapely.polygonize(streets.lines), shapely.Polygon), dtype=object)
    inside = shapely.point_on_surface(found)
    built = shapely.union_all(bent(np.array([s.edge for s in drawing.settlements], dtype=object), drawing.bend, 0.0))
    wet = shapely.union_all(bent(np.array([drawing.corridor, drawing.shore], dtype=object), drawing.bend, 0.0))
    urban = shapely.contains(built, inside)
    dry = ~shapely.intersects(wet, inside)
    return found[urban & dry], found[urban & ~dry]


def blocks(streets: Streets, cells: Objects) -> Objects:
    """Take the streets' width off each face: what is left to build on.

    Of several parts the largest is kept.  Same length as `cells`; a face too narrow to leave anything becomes an
    empty polygon.
    """
    reach = streets.half_width_m() + _SETBACK_M
    surface = shapely.buffer(streets.lines, reach, cap_style="square", join_style="mitre", quad_segs=2)
    cell, edge = shapely.STRtree(streets.lines).query(cells, "intersects")
    order = np.argsort(cell, kind="stable")
    cell, edge = cell[order], edge[order]
    starts = np.searchsorted(cell, np.arange(len(cells) + 1))
    taken = np.array(
        [shapely.union_all(surface[edge[a:b]]) for a, b in itertools.pairwise(starts.tolist())], dtype=object
    )
    left = shapely.difference(cells, taken)
    rounded = shapely.buffer(shapely.buffer(left, -_CORNER_M, join_style="mitre"), _CORNER_M, quad_segs=1)
    return np.array([_largest(shape) for shape in shapely.simplify(rounded, 0.7).tolist()], dtype=object)


def _largest(shape: shapely.Geometry) -> shapely.Polygon:
    parts = pieces(shape, shapely.Polygon)
    return shapely.Polygon(max(parts, key=lambda part: part.area).exterior) if parts else shapely.Polygon()
