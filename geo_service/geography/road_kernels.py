"""Kernels of roads and streets: feet, walks and cuts on arrays of coordinates, without making a geometry.

Pure; compiled by numba on first use and kept on disk.  Lines lie one after the other in `vertex` (rows x, y [m]), with
`along` the measure of each vertex from its line's beginning [m]; line i has the vertices from lines[i] to lines[i + 1].
An end is 2 x line at its beginning and 2 x line + 1 at its end.  Direction is 1 along the line and -1 against it.
What comes after an end is `next_line` (-1: nothing), entered at `next_m` in direction `next_d`.
"""

# pyright: basic, reportArgumentType=false, reportCallIssue=false

import math

import numba
import numpy as np

_kernel = numba.njit(cache=True, nogil=True)

_HEADING_M = 20.0  # an end's heading is judged over its last metres: a kink at the kerb is no heading
_AHEAD_M = 30.0  # what comes next is judged by where one stands so much later
_STRAIGHT_DEG = 70.0  # a road with several ways on goes on in the straightest, unless it bends more than this
_BEND_DEG = 120.0  # a road with one way on bends up to this; beyond, it is the way back on the other carriageway
_BRIDGED_DEG = 60.0  # a gap is crossed when the road beyond lies ahead
_RING_M = 600.0  # a closed line up to this length is a roundabout: one drives through, not round and round
_LEAST_M = 1.0  # less than this left of a line is its end
_JUDGED_M = 80.0  # a direction is judged over so many metres of road
_JUDGED_LEAST_M = 20.0  # ... and not over less than this
_ASIDE_M = 40.0  # lines so much farther than the nearest are looked at too: the other carriageway, a branch


@_kernel
def measures(vertex, lines):
    """Give the measure of each vertex from the beginning of its line [m]."""
    along = np.zeros(len(vertex))
    for i in range(lines.size - 1):
        for k in range(lines[i] + 1, lines[i + 1]):
            along[k] = along[k - 1] + math.hypot(vertex[k, 0] - vertex[k - 1, 0], vertex[k, 1] - vertex[k - 1, 1])
    return along


@_kernel
def _segment(m, first, last, along):
    """Give the vertex at which the segment that holds measure m begins."""
    k = first + np.searchsorted(along[first : last + 1], m, side="right") - 1
    return min(max(k, first), last - 1)


@_kernel
def _point(line, m, vertex, along, lines):
    k = _segment(m, lines[line], lines[line + 1] - 1, along)
    t = (m - along[k]) / (along[k + 1] - along[k])
    t = min(max(t, 0.0), 1.0)
    if t == 1.0:
        return vertex[k + 1, 0], vertex[k + 1, 1]
    return (
        vertex[k, 0] + t * (vertex[k + 1, 0] - vertex[k, 0]),
        vertex[k, 1] + t * (vertex[k + 1, 1] - vertex[k, 1]),
    )


@_kernel
def _foot(x, y, line, vertex, along, lines, without_from, without_to):
    """Give vertex, share of its segment and distance of the foot on a line, measures between the two left out."""
    best, at, share = np.inf, -1, 0.0
    for k in range(lines[line], lines[line + 1] - 1):
        dx, dy = vertex[k + 1, 0] - vertex[k, 0], vertex[k + 1, 1] - vertex[k, 1]
        px, py = x - vertex[k, 0], y - vertex[k, 1]
        t = min(max((px * dx + py * dy) / (dx * dx + dy * dy), 0.0), 1.0)
        squared = (px - t * dx) ** 2 + (py - t * dy) ** 2
        if squared < best:
            m = along[k] + t * (along[k + 1] - along[k])
            if m < without_from or m > without_to:
                best, at, share = squared, k, t
    return at, share, math.sqrt(best)


@_kernel
def _side(x, y, k, t, line, vertex, lines):
    """Tell whether a point lies left (1) or right (-1) of its foot; at a corner, of the line that halves the corner."""
    dx, dy = vertex[k + 1, 0] - vertex[k, 0], vertex[k + 1, 1] - vertex[k, 1]
    other = k + 1 if t == 1.0 else (k - 1 if t == 0.0 else k)
    if other != k and lines[line] <= other < lines[line + 1] - 1:
        ex, ey = vertex[other + 1, 0] - vertex[other, 0], vertex[other + 1, 1] - vertex[other, 1]
        one, two = math.hypot(dx, dy), math.hypot(ex, ey)
        dx, dy = dx / one + ex / two, dy / one + ey / two
    fx = vertex[k, 0] + t * (vertex[k + 1, 0] - vertex[k, 0])
    fy = vertex[k, 1] + t * (vertex[k + 1, 1] - vertex[k, 1])
    return 1.0 if dx * (y - fy) - dy * (x - fx) >= 0.0 else -1.0


@_kernel
def positions(xs, ys, vertex, along, lines, line, measure, aside):
    """Write line, measure and distance aside (left positive) of the foot of each point; NaN has line -1."""
    for i in range(xs.size):
        best = np.inf
        line[i], measure[i], aside[i] = -1, np.nan, np.nan
        for j in range(lines.size - 1):
            k, t, distance = _foot(xs[i], ys[i], j, vertex, along, lines, np.inf, np.inf)
            if distance < best:
                best = distance
                line[i], measure[i] = j, along[k] + t * (along[k + 1] - along[k])
                aside[i] = distance * _side(xs[i], ys[i], k, t, j, vertex, lines)


@_kernel
def places(line, measure, aside, vertex, along, lines, xs, ys):
    """Write the point at each measure, moved aside at a right angle, to the left where positive."""
    for i in range(line.size):
        if line[i] < 0:
            xs[i], ys[i] = np.nan, np.nan
            continue
        x, y = _point(line[i], measure[i], vertex, along, lines)
        k = _segment(measure[i], lines[line[i]], lines[line[i] + 1] - 1, along)
        dx, dy = vertex[k + 1, 0] - vertex[k, 0], vertex[k + 1, 1] - vertex[k, 1]
        length = math.hypot(dx, dy)
        xs[i], ys[i] = x - aside[i] * dy / length, y + aside[i] * dx / length


@_kernel
def cut(line, from_m, to_m, vertex, along, lines):
    """Give the coordinates of a line between two measures, from_m <= to_m."""
    first, last = lines[line], lines[line + 1] - 1
    a = first + np.searchsorted(along[first : last + 1], from_m, side="right")
    b = first + np.searchsorted(along[first : last + 1], to_m, side="left")
    found = np.empty((max(b - a, 0) + 2, 2))
    found[0, 0], found[0, 1] = _point(line, from_m, vertex, along, lines)
    for k in range(a, b):
        found[k - a + 1] = vertex[k]
    found[-1, 0], found[-1, 1] = _point(line, to_m, vertex, along, lines)
    return found


@_kernel
def cuts(which, from_m, to_m, vertex, along, lines):
    """Give the coordinates of many parts of lines, one after the other, and how many each part has."""
    most = 0
    for i in range(which.size):
        most += lines[which[i] + 1] - lines[which[i]] + 2
    found, sizes, n = np.empty((most, 2)), np.empty(which.size, np.int64), 0
    for i in range(which.size):
        part = cut(which[i], from_m[i], to_m[i], vertex, along, lines)
        found[n : n + len(part)] = part
        sizes[i] = len(part)
        n += len(part)
    return found[:n].copy(), sizes


@_kernel
def united(edge, from_m, to_m):
    """Unite intervals of each edge that touch; they come, and are left, in the order of edge and from_m."""
    n = 0
    for i in range(edge.size):
        if n and edge[n - 1] == edge[i] and from_m[i] <= to_m[n - 1]:
            to_m[n - 1] = max(to_m[n - 1], to_m[i])
        else:
            edge[n], from_m[n], to_m[n] = edge[i], from_m[i], to_m[i]
            n += 1
    return n


@_kernel
def _kept(path, n, x, y):
    """Write a point of a path when there is room; give the number of its points with this one."""
    if n < len(path):
        path[n, 0], path[n, 1] = x, y
    return n + 1


@_kernel
def _go(line, m, d, metres, vertex, along, lines, next_line, next_m, next_d, path):
    """Go so many metres; give the points of the path, where it ends and the metres left where the road did."""
    x, y = _point(line, m, vertex, along, lines)
    n, left = _kept(path, 0, x, y), metres
    while left > 0.0:
        first, last = lines[line], lines[line + 1] - 1
        k = _segment(m, first, last, along)
        if d > 0:
            k += 1
        elif along[k] >= m:
            k -= 1
        while first <= k <= last:
            step = abs(along[k] - m)
            if step >= left:
                x, y = _point(line, m + d * left, vertex, along, lines)
                return _kept(path, n, x, y), x, y, 0.0
            left, m, x, y = left - step, along[k], vertex[k, 0], vertex[k, 1]
            if step > 0.0:
                n = _kept(path, n, x, y)
            k += d
        end = 2 * line + (d > 0)
        if next_line[end] < 0:
            break
        line, m, d = next_line[end], next_m[end], next_d[end]
        nx, ny = _point(line, m, vertex, along, lines)
        gap = math.hypot(nx - x, ny - y)
        if gap >= left:
            x, y = x + (nx - x) * left / gap, y + (ny - y) * left / gap
            return _kept(path, n, x, y), x, y, 0.0
        left, x, y = left - gap, nx, ny
        if gap > 0.0:
            n = _kept(path, n, x, y)
    return n, x, y, left


@_kernel
def walk(x, y, bearing, metres, vertex, along, lines, next_line, next_m, next_d, path):
    """Choose the way that gains most in the direction of `bearing` [rad], and go it.

    Of each way the first metres are gone to see; it loses what these gain less than their number, and what its line is
    farther away than the nearest.  Gives the points of the path, the metres left, and the distance to the foot.
    """
    judged = min(max(metres, _JUDGED_LEAST_M), _JUDGED_M)
    east, north, none = math.sin(bearing), math.cos(bearing), np.empty((0, 2))
    away, foot = np.empty(lines.size - 1), np.empty(lines.size - 1)
    for i in range(lines.size - 1):
        k, t, away[i] = _foot(x, y, i, vertex, along, lines, np.inf, np.inf)
        foot[i] = along[k] + t * (along[k + 1] - along[k])
    nearest, best, line, way = away.min(), np.inf, 0, 1
    for i in range(lines.size - 1):
        if away[i] <= nearest + _ASIDE_M:
            for d in (1, -1):
                end = _go(i, foot[i], d, judged, vertex, along, lines, next_line, next_m, next_d, none)
                lost = judged - (end[1] - x) * east - (end[2] - y) * north + away[i] - nearest
                if lost < best:
                    best, line, way = lost, i, d
    n, _, _, left = _go(line, foot[line], way, metres, vertex, along, lines, next_line, next_m, next_d, path)
    return n, left, away[line]


@_kernel
def _turn(ax, ay, bx, by):
    """Give the angle between two directions, 0 to 180 [deg]."""
    return math.degrees(abs(math.atan2(ax * by - ay * bx, ax * bx + ay * by)))


@_kernel
def outward(vertex, along, lines):
    """Give for each end the direction one leaves it in, into its line, as dx, dy [m]."""
    found = np.empty((2 * (lines.size - 1), 2))
    for i in range(lines.size - 1):
        length = along[lines[i + 1] - 1]
        step = min(_HEADING_M, length)
        x, y = _point(i, step, vertex, along, lines)
        found[2 * i, 0], found[2 * i, 1] = x - vertex[lines[i], 0], y - vertex[lines[i], 1]
        x, y = _point(i, length - step, vertex, along, lines)
        found[2 * i + 1, 0], found[2 * i + 1, 1] = x - vertex[lines[i + 1] - 1, 0], y - vertex[lines[i + 1] - 1, 1]
    return found


@_kernel
def partners(order, groups, direction):
    """Pair the ends that meet in each group, the straightest first; an end without partner has -1."""
    partner = np.full(order.size, -1)
    for g in range(groups.size - 1):
        a, b = groups[g], groups[g + 1]
        most = _BEND_DEG if b - a == 2 else _STRAIGHT_DEG
        for _ in range((b - a) // 2):
            best, one, two = most, -1, -1
            for i in range(a, b):
                for j in range(i + 1, b):
                    p, q = order[i], order[j]
                    if partner[p] < 0 and partner[q] < 0:
                        bend = _turn(direction[p, 0], direction[p, 1], -direction[q, 0], -direction[q, 1])
                        if bend <= best:
                            best, one, two = bend, p, q
            if one < 0:
                break
            partner[one], partner[two] = two, one
    return partner


@_kernel
def chains(partner, length):
    """String edges together end to end; give edges, whether each runs backward, and where each chain begins.

    A chain runs the way that most of its length was drawn.
    """
    edges = partner.size // 2
    chain, back, starts = np.empty(edges, np.int64), np.empty(edges, np.bool_), [0]
    done, n = np.zeros(edges, np.bool_), 0
    for loops in (False, True):
        for begin in range(2 * edges):
            if done[begin // 2] or (partner[begin] >= 0 and not loops):
                continue
            end = begin
            first, drawn = n, 0.0
            while end >= 0 and not done[end // 2]:
                done[end // 2] = True
                chain[n], back[n] = end // 2, end % 2 == 1
                drawn += -length[end // 2] if back[n] else length[end // 2]
                n += 1
                end = partner[end ^ 1]
            if drawn < 0.0:
                chain[first:n] = chain[first:n][::-1].copy()
                back[first:n] = ~back[first:n][::-1]
            starts.append(n)
    return chain, back, np.array(starts)


@_kernel
def strung(chain, back, starts, order, vertex, lines):
    """Give vertices and beginnings of the lines that chains are, in the given order; no vertex stands twice."""
    found, first, n = np.empty((len(vertex), 2)), np.zeros(order.size + 1, np.int64), 0
    for i in range(order.size):
        begin = n
        for j in range(starts[order[i]], starts[order[i] + 1]):
            a, b = lines[chain[j]], lines[chain[j] + 1]
            for k in range(b - a):
                at = b - 1 - k if back[j] else a + k
                if n == begin or found[n - 1, 0] != vertex[at, 0] or found[n - 1, 1] != vertex[at, 1]:
                    found[n] = vertex[at]
                    n += 1
        first[i + 1] = n
    return found[:n].copy(), first


@_kernel
def _onto(end, heading, line, tolerance, gap, vertex, along, lines):
    """Tell how to go on from an end along one line: what that costs, measure and direction; inf: not at all."""
    own, first, last = end // 2, lines[line], lines[line + 1] - 1
    at = lines[own + 1] - 1 if end % 2 else lines[own]
    x, y, length = vertex[at, 0], vertex[at, 1], along[last]
    near = (along[at] - _HEADING_M, along[at] + _HEADING_M) if own == line else (np.inf, np.inf)
    k, t, away = _foot(x, y, line, vertex, along, lines, near[0], near[1])
    if k < 0 or away > gap:
        return np.inf, 0.0, 0
    foot = along[k] + t * (along[k + 1] - along[k])
    closed = vertex[first, 0] == vertex[last, 0] and vertex[first, 1] == vertex[last, 1]
    best, m, way = np.inf, 0.0, 0
    for d in (1, -1):
        begin = foot
        if closed and (length - foot if d > 0 else foot) < _LEAST_M:
            begin = 0.0 if d > 0 else length
        ahead = min(_AHEAD_M, length - begin if d > 0 else begin)
        if ahead < _LEAST_M:
            continue
        ax, ay = _point(line, begin + d * ahead, vertex, along, lines)
        fx, fy = _point(line, begin, vertex, along, lines)
        bend = _turn(heading[0], heading[1], ax - x, ay - y)
        if away > tolerance:
            bend = max(
                bend, _turn(heading[0], heading[1], fx - x, fy - y), _turn(heading[0], heading[1], ax - fx, ay - fy)
            )
        if bend <= (_BRIDGED_DEG if away > tolerance else _BEND_DEG) and bend + away < best:
            best, m, way = bend + away, begin, d
    return best, m, way


@_kernel
def _through(end, ring, heading, tolerance, vertex, along, lines):
    """Give the end at which one leaves a roundabout that one enters at an end, the one straightest ahead, or -1."""
    at = lines[end // 2 + 1] - 1 if end % 2 else lines[end // 2]
    best, found = _STRAIGHT_DEG, -1
    for other in range(2 * (lines.size - 1)):
        line = other // 2
        if line == ring or other == end:
            continue
        begin = lines[line + 1] - 1 if other % 2 else lines[line]
        if _foot(vertex[begin, 0], vertex[begin, 1], ring, vertex, along, lines, np.inf, np.inf)[2] > tolerance:
            continue
        ahead = min(_AHEAD_M, along[lines[line + 1] - 1])
        ax, ay = _point(line, along[begin] - ahead if other % 2 else ahead, vertex, along, lines)
        bend = _turn(heading[0], heading[1], ax - vertex[at, 0], ay - vertex[at, 1])
        if bend < best:
            best, found = bend, other
    return found


@_kernel
def _onward(vertex, along, lines, tolerance, gap, next_line, next_m, next_d):
    direction = -outward(vertex, along, lines)
    for end in range(2 * (lines.size - 1)):
        best = np.inf
        for line in range(lines.size - 1):
            cost, m, d = _onto(end, direction[end], line, tolerance, gap, vertex, along, lines)
            if cost < best:
                best, next_line[end], next_m[end], next_d[end] = cost, line, m, d
        to = next_line[end]
        if to < 0 or to == end // 2 or along[lines[to + 1] - 1] > _RING_M:
            continue
        if (vertex[lines[to]] == vertex[lines[to + 1] - 1]).all():
            leave = _through(end, to, direction[end], tolerance, vertex, along, lines)
            if leave >= 0:
                next_line[end], next_d[end] = leave // 2, (-1 if leave % 2 else 1)
                next_m[end] = along[lines[leave // 2 + 1] - 1] if leave % 2 else 0.0


@_kernel
def onward(streets, vertex, along, lines, tolerance, gap):
    """Tell for each end of each street's lines what comes next in the same street; lines are counted in the street."""
    next_line = np.full(2 * (lines.size - 1), -1)
    next_m, next_d = np.zeros(next_line.size), np.zeros(next_line.size, np.int64)
    for s in range(streets.size - 1):
        a, b = streets[s], streets[s + 1]
        v, w = lines[a], lines[b]
        after = next_line[2 * a : 2 * b], next_m[2 * a : 2 * b], next_d[2 * a : 2 * b]
        _onward(vertex[v:w], along[v:w], lines[a : b + 1] - v, tolerance, gap, after[0], after[1], after[2])
    return next_line, next_m, next_d
