"""Kernels that cut polygons to a tile: exact, in whole numbers, without making a shape.

A ring is walked once: what lies in the box becomes chains from where it enters to where it leaves, crossings rounded to
a step of the border, and each chain is followed along the border, in the ring's sense, to where the next one enters
(Weiler and Atherton 1977, for a box).  Corners are whole and the border is taken half a step within, so that none lies
on it.  Whatever could make a piece invalid is looked for: two crossings at one step, a segment that rounding has moved
across another, a hole that is cut.  Such a feature is left to the caller, marked doubtful; it is one in a hundred.

Pure; compiled by numba on first use and kept on disk.  Types are numba's own affair here.
"""

# pyright: basic, reportArgumentType=false, reportCallIssue=false

from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt

_OLD, _NEW, _BORDER = 0, 1, 2  # what the segment after a corner is: as it was, moved by rounding, along the border
FEW = 64  # crossings of one ring; more are doubtful

_kernel = numba.njit(cache=True, nogil=True)
_inlined = numba.njit(cache=True, nogil=True, inline="always")

Whole = npt.NDArray[np.int32]
Long = npt.NDArray[np.int64]


class Cut(NamedTuple):
    """Room for the pieces, as mvt.Flat holds shapes; `kind` tells of the segment after each corner."""

    corners: Whole
    kind: npt.NDArray[np.uint8]
    rings: Long
    polygons: Long
    features: Long
    doubtful: npt.NDArray[np.bool_]


@_inlined
def _along(x, y, box):
    """Give how far along the border a point on it lies, clockwise on the screen from the north-western corner."""
    west, north, east, south = box
    if y == north:
        return x - west
    if x == east:
        return (east - west) + (y - north)
    if y == south:
        return (east - west) + (south - north) + (east - x)
    return 2 * (east - west) + (south - north) + (south - y)


@_inlined
def _inside(x, y, box):
    return box[0] < x < box[2] and box[1] < y < box[3]


@_kernel
def _part(ax, ay, bx, by, box):
    """Give the share of a segment in the box, half a step within its border, from and to; from > to: none.

    Liang and Barsky 1984.
    """
    first, last = 0.0, 1.0
    for axis in range(2):
        start, step = (float(ax), float(bx - ax)) if axis == 0 else (float(ay), float(by - ay))
        low, high = (box[0] + 0.5, box[2] - 0.5) if axis == 0 else (box[1] + 0.5, box[3] - 0.5)
        if step == 0.0:
            if start < low or start > high:
                return 1.0, 0.0
            continue
        one, other = (low - start) / step, (high - start) / step
        first, last = max(first, min(one, other)), min(last, max(one, other))
    return first, last


@_inlined
def _crossing(ax, ay, bx, by, share, box):
    """Give the step of the border nearest to where a segment crosses it."""
    x, y = ax + share * (bx - ax), ay + share * (by - ay)
    off_x = min(abs(x - box[0] - 0.5), abs(x - box[2] + 0.5))
    off_y = min(abs(y - box[1] - 0.5), abs(y - box[3] + 0.5))
    if off_x < off_y:
        to_x = box[0] if abs(x - box[0]) < abs(x - box[2]) else box[2]
        return to_x, min(max(int(np.round(y)), box[1]), box[3])
    to_y = box[1] if abs(y - box[1]) < abs(y - box[3]) else box[3]
    return min(max(int(np.round(x)), box[0]), box[2]), to_y


@_kernel
def _holds(corners, first, end, x, y):
    """Say whether a point lies in a ring, none of whose edges passes through it."""
    inside = False
    last = end - 1
    for at in range(first, end):
        ax, ay, bx, by = corners[at, 0], corners[at, 1], corners[last, 0], corners[last, 1]
        if (ay > y) != (by > y) and x < (bx - ax) * ((y - ay) / (by - ay)) + ax:
            inside = not inside
        last = at
    return inside


@_kernel
def _chains(corners, first, end, box, chain, kind, enters, leaves):
    """Collect what lies in the box of a ring that crosses its border; give the number of chains, -1: doubtful.

    Chain c is chain[enters[c]:leaves[c]].
    """
    begin = -1  # the ring is walked from a corner outside, so that no chain is torn
    for at in range(first, end):
        if not _inside(corners[at, 0], corners[at, 1], box):
            begin = at
            break
    if begin < 0:
        return -1
    count, points, is_open = 0, 0, False
    size = end - first
    for step in range(size):
        here, there = first + (begin - first + step) % size, first + (begin - first + step + 1) % size
        ax, ay, bx, by = corners[here, 0], corners[here, 1], corners[there, 0], corners[there, 1]
        a_in, b_in = _inside(ax, ay, box), _inside(bx, by, box)
        if not (a_in and b_in):
            if max(ax, bx) <= box[0] or min(ax, bx) >= box[2] or max(ay, by) <= box[1] or min(ay, by) >= box[3]:
                continue
            share, upto = _part(ax, ay, bx, by, box)
            if share >= upto:
                if share == upto:
                    return -1  # it touches a corner of the box
                continue
            if not a_in:
                if count == FEW:
                    return -1
                enters[count] = points
                chain[points, 0], chain[points, 1] = _crossing(ax, ay, bx, by, share, box)
                kind[points] = _NEW
                points, is_open = points + 1, True
            if not b_in:
                chain[points, 0], chain[points, 1] = _crossing(ax, ay, bx, by, upto, box)
                kind[points - 1], kind[points] = _NEW, _BORDER
                points, is_open = points + 1, False
                leaves[count] = points
                count += 1
                continue
        chain[points, 0], chain[points, 1], kind[points] = bx, by, _OLD
        points += 1
    return -1 if is_open else count


@_kernel
def _next_entry(at, count, chain, enters, leaves, round_, box):
    """Give the chain that enters next along the border after chain `at` has left, and how far; -1: in doubt."""
    out = _along(chain[leaves[at] - 1, 0], chain[leaves[at] - 1, 1], box)
    nearest, best = round_ + 1, -1
    for other in range(count):
        ahead = (_along(chain[enters[other], 0], chain[enters[other], 1], box) - out) % round_
        if ahead == 0:
            return -1, 0
        if ahead < nearest:
            nearest, best = ahead, other
    for other in range(count):
        if other != at:
            ahead = (_along(chain[leaves[other] - 1, 0], chain[leaves[other] - 1, 1], box) - out) % round_
            if ahead <= nearest:
                return -1, 0  # two that leave, one after the other: rounding has put them in disorder
    return best, nearest


@_kernel
def _join(cut, corner, ring, count, chain, kind, enters, leaves, box):
    """Write the pieces that chains and border make as rings; give the ends of corners and rings, -1: doubtful."""
    wide, high = box[2] - box[0], box[3] - box[1]
    round_ = 2 * (wide + high)
    used = np.zeros(count, dtype=np.bool_)
    for start in range(count):
        if used[start]:
            continue
        at = start
        while True:
            if used[at]:
                return -1, -1
            used[at] = True
            for point in range(enters[at], leaves[at]):
                cut.corners[corner], cut.kind[corner] = chain[point], kind[point]
                corner += 1
            after, ahead = _next_entry(at, count, chain, enters, leaves, round_, box)
            if after < 0:
                return -1, -1
            out = _along(chain[leaves[at] - 1, 0], chain[leaves[at] - 1, 1], box)
            for number in range(1, 8):  # the box's corners on the way, perhaps past the north-western one
                if number < 5:
                    far = (number >= 2) * high + (number >= 3) * wide + (number >= 4) * high + wide
                else:
                    far = round_ + (number >= 5) * wide + (number >= 6) * high + (number >= 7) * wide
                if out < far < out + ahead:
                    cut.corners[corner, 0] = box[2] if number % 4 in (1, 2) else box[0]
                    cut.corners[corner, 1] = box[3] if number % 4 in (2, 3) else box[1]
                    cut.kind[corner] = _BORDER
                    corner += 1
            if after == start:
                break
            at = after
        cut.rings[ring + 1] = corner
        ring += 1
    return corner, ring


@_inlined
def _side(ax, ay, bx, by, cx, cy):
    turn = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
    return 1 if turn > 0 else (-1 if turn < 0 else 0)


@_kernel
def _meet(ax, ay, bx, by, cx, cy, dx, dy):
    """Say whether two segments have a point in common."""
    if max(ax, bx) < min(cx, dx) or max(cx, dx) < min(ax, bx) or max(ay, by) < min(cy, dy) or max(cy, dy) < min(ay, by):
        return False
    return _side(ax, ay, bx, by, cx, cy) * _side(ax, ay, bx, by, dx, dy) <= 0 and (
        _side(cx, cy, dx, dy, ax, ay) * _side(cx, cy, dx, dy, bx, by) <= 0
    )


@_kernel
def _folds(cut, first_ring, end_ring):
    """Say whether a segment that rounding has moved meets another one of the feature, but at their common corner."""
    for ring in range(first_ring, end_ring):
        first, end = cut.rings[ring], cut.rings[ring + 1]
        if end - first < 3:
            return True
        for at in range(first, end):
            if cut.kind[at] != _NEW:
                continue
            to = at + 1 if at + 1 < end else first
            ax, ay = np.int64(cut.corners[at, 0]), np.int64(cut.corners[at, 1])
            bx, by = np.int64(cut.corners[to, 0]), np.int64(cut.corners[to, 1])
            for other in range(first_ring, end_ring):
                begin, stop = cut.rings[other], cut.rings[other + 1]
                for here in range(begin, stop):
                    there = here + 1 if here + 1 < stop else begin
                    if here == at:
                        continue
                    cx, cy = np.int64(cut.corners[here, 0]), np.int64(cut.corners[here, 1])
                    dx, dy = np.int64(cut.corners[there, 0]), np.int64(cut.corners[there, 1])
                    if here == to or there == at:  # neighbours share a corner; they fold when they lie on each other
                        px, py = (dx, dy) if here == to else (cx, cy)
                        qx, qy = (bx, by) if here == to else (ax, ay)
                        rx, ry = (ax, ay) if here == to else (bx, by)
                        if _side(rx, ry, qx, qy, px, py) == 0 and (rx - qx) * (px - qx) + (ry - qy) * (py - qy) >= 0:
                            return True
                    elif _meet(ax, ay, bx, by, cx, cy, dx, dy):
                        return True
    return False


@_kernel
def _copied(cut, corner, ring, shapes, first, end):
    """Write a ring as it is; give the ends of corners and rings."""
    for point in range(first, end):
        cut.corners[corner], cut.kind[corner] = shapes.corners[point], _OLD
        corner += 1
    cut.rings[ring + 1] = corner
    return corner, ring + 1


@_kernel
def _whole_box(cut, corner, ring, box):
    """Write the box itself as a ring; give the ends of corners and rings."""
    for number in range(4):
        cut.corners[corner, 0] = box[2] if number in (1, 2) else box[0]
        cut.corners[corner, 1] = box[3] if number in (2, 3) else box[1]
        cut.kind[corner] = _BORDER
        corner += 1
    cut.rings[ring + 1] = corner
    return corner, ring + 1


@_kernel
def _polygon(cut, at, shapes, polygon, box, room):
    """Cut one polygon; `at` are the ends of corners, rings and polygons, given back moved on; -1: doubtful."""
    corner, ring, part = at
    chain, kind, enters, leaves = room
    first_ring, end_ring = shapes.polygons[polygon], shapes.polygons[polygon + 1]
    first, end = shapes.rings[first_ring], shapes.rings[first_ring + 1]
    count = -1
    is_inside = True
    for point in range(first, end):
        if not _inside(shapes.corners[point, 0], shapes.corners[point, 1], box):
            is_inside = False
            break
    pieces = ring
    if is_inside:
        corner, ring = _copied(cut, corner, ring, shapes, first, end)
    else:
        count = _chains(shapes.corners, first, end, box, chain, kind, enters, leaves)
        if count < 0:
            return -1, ring, part
        if count:
            corner, ring = _join(cut, corner, ring, count, chain, kind, enters, leaves, box)
            if corner < 0:
                return -1, ring, part
        elif _holds(shapes.corners, first, end, box[0] + 0.5, box[1] + 0.5):
            corner, ring = _whole_box(cut, corner, ring, box)
        else:
            return corner, ring, part
    for piece in range(pieces, ring):
        part += 1
        cut.polygons[part] = piece + 1
    is_whole = ring - pieces == 1
    for hole in range(first_ring + 1, end_ring):
        first, end = shapes.rings[hole], shapes.rings[hole + 1]
        low_x, low_y, high_x, high_y = _bounds(shapes.corners, first, end)
        if high_x <= box[0] or low_x >= box[2] or high_y <= box[1] or low_y >= box[3]:
            continue
        if not is_whole or low_x <= box[0] or high_x >= box[2] or low_y <= box[1] or high_y >= box[3]:
            return -1, ring, part
        corner, ring = _copied(cut, corner, ring, shapes, first, end)
        cut.polygons[part] = ring
    return corner, ring, part


@_kernel
def _bounds(corners, first, end):
    low_x, low_y, high_x, high_y = corners[first, 0], corners[first, 1], corners[first, 0], corners[first, 1]
    for at in range(first + 1, end):
        low_x, high_x = min(low_x, corners[at, 0]), max(high_x, corners[at, 0])
        low_y, high_y = min(low_y, corners[at, 1]), max(high_y, corners[at, 1])
    return low_x, low_y, high_x, high_y


@_kernel
def pieces(shapes, rows, box, cut, room):
    """Cut polygons to a box; what is doubtful has no piece and is marked.  Give the ends of corners, rings, parts."""
    corner, ring, part = 0, 0, 0
    cut.rings[0], cut.polygons[0], cut.features[0] = 0, 0, 0
    for row in range(len(rows)):
        stood = corner, ring, part
        feature = rows[row]
        is_doubtful = False
        for polygon in range(shapes.features[feature], shapes.features[feature + 1]):
            corner, ring, part = _polygon(cut, (corner, ring, part), shapes, polygon, box, room)
            if corner < 0:
                is_doubtful = True
                break
        if is_doubtful or _folds(cut, stood[1], ring):
            is_doubtful = True
            corner, ring, part = stood
        cut.doubtful[row] = is_doubtful
        cut.features[row + 1] = part
    return corner, ring, part
