"""Crossings: where streets meet, found once for all pairs of a city and then looked up.

Pure.  x, y are metres in the city's projected zone, never degrees.  Two dual carriageways cross in four points and a
roundabout is entered in as many: points of one pair of streets no farther apart than CLUSTER_M, one by one, are one
crossing, in their middle.  Where a street leads on over a gap (streets.py) the way over it may cross others too.
Whether a bridge leads over a road or onto it no line tells: both are crossings here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import shapely
from scipy.spatial import KDTree

from geo_service.geography import road_lines
from geo_service.geography import streets as street_lines
from geo_service.geography.road_lines import Metres, Objects, Whole
from geo_service.geography.streets import Street

CLUSTER_M = 60.0  # across two dual carriageways or a roundabout: 20-50 m; two crossings of one pair lie farther apart
GAP_M = 150.0  # roads no nearer than this have nothing to do with each other
SHORT_M = 15.0  # a road drawn to the kerb and not to the middle stops half a carriageway, up to 25 m wide, short

_PAIR_M = 1e4  # pairs are kept apart along a third axis when points are clustered


class Crossing(NamedTuple):
    """Where two streets meet [m], or come nearest to each other; gap_m between them there, 0 where they meet."""

    x: float
    y: float
    gap_m: float


@dataclass(frozen=True)
class Crossings:
    """Every crossing of every two streets, by their numbers, the lower one first."""

    found: dict[tuple[int, int], tuple[Crossing, ...]]

    @classmethod
    def of(cls, streets: Sequence[Street], gap_m: float = GAP_M) -> Self:
        """Find where any two streets meet, or their nearest approach when they never do and `gap_m` is not exceeded.

        A street that ends at most SHORT_M before another meets it, with that gap.  Streets that run along each other
        for a while meet where they join and where they part.  8,000 streets take one second.

        >>> lines = shapely.linestrings([[(0, 0), (500, 0)], [(90, -50), (90, 50)], [(0, 80), (500, 80)]])
        >>> crossings = Crossings.of(street_lines.Streets.of(lines, np.array(["Oak", "Elm", "Ash"])))
        >>> crossings.between(1, 0)
        (Crossing(x=90.0, y=0.0, gap_m=0.0),)
        >>> crossings.between(1, 2)
        (Crossing(x=90.0, y=65.0, gap_m=30.0),)
        """
        if not len(streets):
            return cls({})
        lines, street = street_lines.pieces(streets)
        links = [street.links for street in streets]
        pieces = np.concatenate([lines, *links])
        street = np.concatenate([street, np.repeat(np.arange(len(streets)), [len(link) for link in links])])
        tree = shapely.STRtree(pieces)
        met, at, gap = _clustered(*_meetings(streets, pieces, street, tree))
        one, two = tree.query(pieces, "dwithin", gap_m)
        other = street[one] < street[two]
        one, two = one[other], two[other]
        pair = street[one] * len(streets) + street[two]
        apart = ~np.isin(pair, met)
        near, near_at, near_gap = _approaches(pieces, one[apart], two[apart], pair[apart])
        pair, at, gap = np.concatenate([met, near]), np.concatenate([at, near_at]), np.concatenate([gap, near_gap])
        order = np.lexsort((at[:, 1], at[:, 0], gap, pair))
        found: dict[tuple[int, int], tuple[Crossing, ...]] = {}
        for p, (x, y), g in zip(pair[order].tolist(), at[order].tolist(), gap[order].tolist(), strict=True):
            key = divmod(p, len(streets))
            found[key] = (*found.get(key, ()), Crossing(x, y, g))
        return cls(found)

    def between(self, a: int, b: int) -> tuple[Crossing, ...]:
        """Give the crossings of two streets by number: those that meet first, then from west to east; () for none."""
        return self.found.get((a, b) if a < b else (b, a), ())


def crossings(a: Street, b: Street, gap_m: float = GAP_M) -> tuple[Crossing, ...]:
    """Give the crossings of two streets; for many pairs of one city `Crossings.of` is made once and asked.

    >>> lines = shapely.linestrings([[(0, 0), (500, 0)], [(90, -50), (90, 50)]])
    >>> crossings(*street_lines.Streets.of(lines, np.array(["Oak", "Elm"])))
    (Crossing(x=90.0, y=0.0, gap_m=0.0),)
    """
    return Crossings.of((a, b), gap_m).between(0, 1)


def _meetings(
    streets: Sequence[Street], pieces: Objects, street: Whole, tree: shapely.STRtree
) -> tuple[Whole, Metres, Metres]:
    """Give pair, place and gap of every point that two streets share, and of every end that stops short of another."""
    one, two = tree.query(pieces, "intersects")
    other = street[one] < street[two]
    one, two = one[other], two[other]
    shared, which = shapely.get_parts(shapely.intersection(pieces[one], pieces[two]), return_index=True)
    pair = street[one[which]] * len(streets) + street[two[which]]
    point = shapely.get_type_id(shapely.force_2d(shared)) == 0
    along = _ends_of_stretches(shared[~point], pair[~point])
    tip = np.concatenate([s.vertex[np.stack([s.lines[:-1], s.lines[1:] - 1], axis=1).ravel()] for s in streets])
    owner = np.repeat(np.arange(len(streets)), [2 * (len(s.lines) - 1) for s in streets])
    end, piece = tree.query(shapely.points(tip), "dwithin", SHORT_M)
    other = owner[end] != street[piece]
    end, piece = end[other], piece[other]
    way = shapely.get_coordinates(shapely.shortest_line(shapely.points(tip[end]), pieces[piece])).reshape(-1, 2, 2)
    gap = np.hypot(*(way[:, 1] - way[:, 0]).T)
    low, high = np.minimum(owner[end], street[piece]), np.maximum(owner[end], street[piece])
    return (
        np.concatenate([pair[point], along[0], low * len(streets) + high]),
        np.concatenate([shapely.get_coordinates(shared[point]), along[1], way[:, 1]]),
        np.concatenate([np.zeros(int(point.sum()) + len(along[0])), np.where(gap > road_lines.TOLERANCE_M, gap, 0.0)]),
    )


def _ends_of_stretches(stretch: Objects, pair: Whole) -> tuple[Whole, Metres]:
    """Give pair and place of both ends of each stretch that two streets share, its pieces put together."""
    found_pair: list[int] = []
    found: list[Metres] = [np.empty((0, 2))]
    for p in np.unique(pair).tolist():
        whole = shapely.line_merge(shapely.union_all(stretch[pair == p]))
        for part in shapely.get_parts(whole):
            ends = shapely.get_coordinates(part)[[0, -1]]
            found.append(ends)
            found_pair += [p, p]
    return np.array(found_pair, dtype=np.int64), np.concatenate(found)


def _clustered(pair: Whole, at: Metres, gap: Metres) -> tuple[Whole, Metres, Metres]:
    """Make one crossing of points that lie together: the middle of those that meet, or else the nearest one."""
    rows = np.unique(
        np.column_stack([pair.astype(np.float64), np.round(at, 2), gap]), axis=0
    )  # one point is found by several pieces
    if not len(rows):
        return pair, at, gap
    rank, at, gap = np.unique(rows[:, 0], return_inverse=True)[1], rows[:, 1:3], rows[:, 3]
    tied = KDTree(np.column_stack([at, rank * _PAIR_M])).query_pairs(CLUSTER_M, output_type="ndarray")
    cluster = road_lines.components(len(at), tied)
    least = np.full(cluster.max() + 1, np.inf)
    np.minimum.at(least, cluster, gap)
    best = gap == least[cluster]
    count = np.bincount(cluster[best])
    sums = [np.bincount(cluster[best], at[best, i]) for i in (0, 1)]
    middle = np.stack(sums, axis=1).astype(np.float64) / count[:, None]
    first = np.unique(cluster, return_index=True)[1]
    return rows[first, 0].astype(np.int64), middle, least


def _approaches(pieces: Objects, one: Whole, two: Whole, pair: Whole) -> tuple[Whole, Metres, Metres]:
    """Give for each pair of streets the middle of the shortest line between them, and its length."""
    distance = shapely.distance(pieces[one], pieces[two])
    order = np.lexsort((distance, pair))
    first = order[np.unique(pair[order], return_index=True)[1]]
    way = shapely.get_coordinates(shapely.shortest_line(pieces[one[first]], pieces[two[first]])).reshape(-1, 2, 2)
    return pair[first], way.mean(axis=1), distance[first]
