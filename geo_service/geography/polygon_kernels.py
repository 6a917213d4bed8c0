"""Kernels of the polygon index: build the grid, and find the polygons that hold a point.

Pure; compiled by numba on first use and kept on disk.  They release the interpreter's lock and share nothing, so any
number of threads may run them.  Loops stand written out in each kernel: a function that takes arrays, called in the
innermost loop, doubled the time (numba counts references to arrays at every call it inlines).  What the arrays mean is
told in polygon_index.py.  Types are numba's own affair here.
"""

# pyright: basic, reportArgumentType=false, reportCallIssue=false

import math

import numba
import numpy as np

OUTSIDE = -1
DOUBTFUL = -2
FILLS = -1  # in place of a first edge: the polygon fills the cell

_ERROR = 4e-16  # relative error of a determinant of doubles [-]; Shewchuk (1997) proves (3 + 16 eps) eps = 3.3e-16
_SLACK = 1e-6  # how far beyond its cells an edge is listed [cells]; rounding stays below 1e-11
_REF_X, _REF_Y = 0.4871230973, 0.5129834761  # the reference point in its cell, off every likely coordinate [cells]
_AT_ONCE = 8192  # points looked up before they are counted: their answers stay in the fastest cache

_kernel = numba.njit(cache=True, nogil=True)
_inlined = numba.njit(cache=True, nogil=True, inline="always")


@_kernel
def _grown(array, size):
    """Give the array with room for `size` rows, twice as much as it had or more."""
    if size <= array.size:
        return array
    bigger = np.empty(max(size, 2 * array.size), array.dtype)
    bigger[: array.size] = array
    return bigger


@_inlined
def _clamped(value, last):
    return min(max(int(math.floor(value)), 0), last)


@_kernel
def _grown_rows(array, size):
    """As _grown, for arrays of rows."""
    if size <= len(array):
        return array
    bigger = np.empty((max(size, 2 * len(array)), array.shape[1]), array.dtype)
    bigger[: len(array)] = array
    return bigger


@_kernel
def _cells_of(edge, e0, e1, frame, side, box, head, after, which):
    """Chain up the edges that touch each cell of a polygon's box.

    head[cell of the box] begins a chain of positions in `after` and `which`, -1 ends it; gives both, grown if needed.
    """
    row0, row1, column0, column1 = box
    columns = column1 - column0 + 1
    head[: (row1 - row0 + 1) * columns] = -1
    n = 0
    for e in range(e1 - 1, e0 - 1, -1):  # backwards, so that chains run forwards
        x1, y1 = (edge[e, 0] - frame[0]) * frame[2], (edge[e, 1] - frame[1]) * frame[3]
        x2, y2 = (edge[e, 2] - frame[0]) * frame[2], (edge[e, 3] - frame[1]) * frame[3]
        if y1 > y2:
            x1, y1, x2, y2 = x2, y2, x1, y1
        for row in range(_clamped(y1 - _SLACK, side - 1), _clamped(y2 + _SLACK, side - 1) + 1):
            xa, xb = x1, x2
            if y2 > y1:
                xa = x1 + min(max((row - _SLACK - y1) / (y2 - y1), 0.0), 1.0) * (x2 - x1)
                xb = x1 + min(max((row + 1 + _SLACK - y1) / (y2 - y1), 0.0), 1.0) * (x2 - x1)
            first = _clamped(min(xa, xb) - _SLACK, side - 1)
            last = _clamped(max(xa, xb) + _SLACK, side - 1)
            after = _grown(after, n + last - first + 1)
            which = _grown(which, n + last - first + 1)
            for column in range(first, last + 1):
                here = (row - row0) * columns + column - column0
                after[n], which[n] = head[here], e
                head[here] = n
                n += 1
    return after, which


@_kernel
def _crossings_of(edge, e0, e1, frame, row0, row1, starts, xs):
    """Find where a polygon's edges cross the reference line of each row.

    Those of row r, in cells and ascending, are xs[starts[r - row0]] up to xs[starts[r - row0 + 1]]; gives xs, grown.
    """
    rows = row1 - row0 + 1
    starts[: rows + 1] = 0
    for writing in (False, True):
        for e in range(e0, e1):
            y1, y2 = (edge[e, 1] - frame[1]) * frame[3], (edge[e, 3] - frame[1]) * frame[3]
            low = max(row0, int(math.ceil(min(y1, y2) - _REF_Y)))
            high = min(row1, int(math.ceil(max(y1, y2) - _REF_Y)) - 1)
            for row in range(low, high + 1):
                if writing:
                    x1, x2 = (edge[e, 0] - frame[0]) * frame[2], (edge[e, 2] - frame[0]) * frame[2]
                    xs[starts[row - row0]] = x1 + (row + _REF_Y - y1) / (y2 - y1) * (x2 - x1)
                    starts[row - row0] += 1
                else:
                    starts[row - row0 + 1] += 1
        if not writing:
            for row in range(rows):
                starts[row + 1] += starts[row]
            xs = _grown(xs, starts[rows])
    for row in range(rows, 0, -1):  # writing has moved each start to its end
        starts[row] = starts[row - 1]
    starts[0] = 0
    for row in range(rows):
        _sort(xs, starts[row], starts[row + 1])
    return xs


@_inlined
def _sort(xs, first, after):
    """Sort xs[first:after] in place: by insertion where there are few, as in most rows."""
    if after - first > 32:
        xs[first:after].sort()
        return
    for i in range(first + 1, after):
        x, k = xs[i], i
        while k > first and xs[k - 1] > x:
            xs[k] = xs[k - 1]
            k -= 1
        xs[k] = x


@_kernel
def _box_of(edge, e0, e1, frame, side):
    """Give the first and last row and the first and last column that a polygon reaches into."""
    west = south = np.inf
    east = north = -np.inf
    for e in range(e0, e1):
        west, east = min(west, edge[e, 0], edge[e, 2]), max(east, edge[e, 0], edge[e, 2])
        south, north = min(south, edge[e, 1], edge[e, 3]), max(north, edge[e, 1], edge[e, 3])
    return (
        _clamped((south - frame[1]) * frame[3] - _SLACK, side - 1),
        _clamped((north - frame[1]) * frame[3] + _SLACK, side - 1),
        _clamped((west - frame[0]) * frame[2] - _SLACK, side - 1),
        _clamped((east - frame[0]) * frame[2] + _SLACK, side - 1),
    )


@_kernel
def sweep(edge, starts, first_polygon, frame, side):
    """Go through polygons cell by cell; give the cell of each entry, the entries, and the edges they list."""
    cells, entry = np.empty(4096, np.int64), np.empty((4096, 4), np.int32)
    crossing = np.empty((4096, 4), np.float64)
    head, after, which = np.empty(4096, np.int64), np.empty(1024, np.int64), np.empty(1024, np.int64)
    xs, row_starts = np.empty(1024, np.float64), np.empty(side + 2, np.int64)
    n = listed = 0
    for polygon in range(len(starts) - 1):
        e0, e1 = starts[polygon], starts[polygon + 1]
        if e0 == e1:
            continue
        box = _box_of(edge, e0, e1, frame, side)
        row0, row1, column0, column1 = box
        columns = column1 - column0 + 1
        head = _grown(head, (row1 - row0 + 1) * columns)
        after, which = _cells_of(edge, e0, e1, frame, side, box, head, after, which)
        xs = _crossings_of(edge, e0, e1, frame, row0, row1, row_starts, xs)
        cells = _grown(cells, n + (row1 - row0 + 1) * columns)
        entry = _grown_rows(entry, n + (row1 - row0 + 1) * columns)
        for row in range(row0, row1 + 1):
            x, holds = row_starts[row - row0], 0
            for column in range(column0, column1 + 1):
                while x < row_starts[row - row0 + 1] and xs[x] <= column + _REF_X:
                    x, holds = x + 1, 1 - holds
                k = head[(row - row0) * columns + column - column0]
                if k < 0 and holds == 0:
                    continue
                begin = listed
                while k >= 0:
                    crossing = _grown_rows(crossing, listed + 1)
                    for j in range(4):
                        crossing[listed, j] = edge[which[k], j]
                    listed, k = listed + 1, after[k]
                cells[n] = row * side + column
                entry[n, 0], entry[n, 1] = first_polygon + polygon, holds
                entry[n, 2], entry[n, 3] = (begin if listed > begin else FILLS), listed - begin
                n += 1
    return cells[:n].copy(), entry[:n].copy(), crossing[:listed].copy()


@_kernel
def by_cell(cells, entry, crossing, side):
    """Sort entries by cell, keeping the order of polygons within, and say what lies at each cell."""
    at = np.zeros(side * side + 1, np.int32)
    for i in range(cells.size):
        at[cells[i] + 1] += 1
    for k in range(side * side):
        at[k + 1] += at[k]
    ordered = np.empty_like(entry)
    for i in range(cells.size):
        for j in range(4):
            ordered[at[cells[i]], j] = entry[i, j]
        at[cells[i]] += 1
    code = np.empty(side * side, np.int32)
    begin = 0
    for k in range(side * side):  # each start has moved on to its end
        end = at[k]
        if end == begin:
            code[k] = OUTSIDE
        elif end == begin + 1 and ordered[begin, 2] == FILLS:
            code[k] = ordered[begin, 0]
        else:
            code[k] = -2 - begin
            ordered[end - 1, 1] |= 2
        begin = end
    return code, ordered, crossing


@_inlined
def _holds(px, py, rx, ry, odd, first, count, crossing):
    """Tell whether a polygon holds (px, py), with `odd` telling whether it holds (rx, ry): 1, 0 or DOUBTFUL.

    The path goes from (px, py) along x to the corner (rx, py) and along y to (rx, ry).  `left`, `corner` and `end` are
    the sides of the edge on which these three lie; vertices on the path belong to one of their two edges only.
    """
    for k in range(first, first + count):
        x1, y1, x2, y2 = crossing[k, 0], crossing[k, 1], crossing[k, 2], crossing[k, 3]
        along, upright = (y1 <= py) != (y2 <= py), (x1 <= rx) != (x2 <= rx)
        near = min(x1, x2) <= px <= max(x1, x2) and min(y1, y2) <= py <= max(y1, y2)
        if not (along or upright or near):
            continue
        dx, dy = x2 - x1, y2 - y1
        a, b = dx * (py - y1), dy * (px - x1)
        if (along or near) and abs(a - b) <= _ERROR * (abs(a) + abs(b)):
            return DOUBTFUL
        if not (along or upright):
            continue
        c = dy * (rx - x1)
        if abs(a - c) <= _ERROR * (abs(a) + abs(c)):
            return DOUBTFUL
        if along and (a > b) != (a > c):
            odd = not odd
        if upright:
            d = dx * (ry - y1)
            if abs(d - c) <= _ERROR * (abs(d) + abs(c)):
                return DOUBTFUL
            if (d > c) != (a > c):
                odd = not odd
    return 1 if odd else 0


@_kernel
def first_hit(lon, lat, frame, side, cell, entry, crossing, found):
    """Write for each point the lowest polygon that holds it, OUTSIDE or DOUBTFUL."""
    for i in range(lon.size):
        x, y = lon[i], lat[i]
        found[i] = OUTSIDE
        if not (frame[0] <= x <= frame[4] and frame[1] <= y <= frame[5]):  # NaN compares false
            continue
        column, row = int((x - frame[0]) * frame[2]), int((y - frame[1]) * frame[3])
        code = cell[row * side + column]
        if code >= OUTSIDE:
            found[i] = code
            continue
        rx, ry = frame[0] + (column + _REF_X) / frame[2], frame[1] + (row + _REF_Y) / frame[3]
        k = -2 - code
        while True:
            if entry[k, 2] == FILLS:
                found[i] = entry[k, 0]
                break
            held = _holds(x, y, rx, ry, (entry[k, 1] & 1) == 1, entry[k, 2], entry[k, 3], crossing)
            if held != 0:
                found[i] = entry[k, 0] if held == 1 else DOUBTFUL
                break
            if entry[k, 1] & 2:
                break
            k += 1


@_kernel
def tally(lon, lat, frame, side, cell, entry, crossing, group, counts, doubtful):
    """Count the points of each group in each polygon; write the doubtful ones down and give how many."""
    found = np.empty(_AT_ONCE, np.int32)
    n = 0
    for begin in range(0, lon.size, _AT_ONCE):
        end = min(begin + _AT_ONCE, lon.size)
        first_hit(lon[begin:end], lat[begin:end], frame, side, cell, entry, crossing, found)
        for i in range(begin, end):
            polygon = found[i - begin]
            if group[i] < 0:
                continue
            if polygon >= 0:
                counts[polygon, group[i]] += 1
            elif polygon == DOUBTFUL:
                doubtful[n] = i
                n += 1
    return n


@_kernel
def count_hits(lon, lat, frame, side, cell, entry, crossing, found):
    """Write for each point how many polygons hold it, or DOUBTFUL."""
    for i in range(lon.size):
        x, y = lon[i], lat[i]
        found[i] = 0
        if not (frame[0] <= x <= frame[4] and frame[1] <= y <= frame[5]):
            continue
        column, row = int((x - frame[0]) * frame[2]), int((y - frame[1]) * frame[3])
        code = cell[row * side + column]
        if code >= OUTSIDE:
            found[i] = code > OUTSIDE
            continue
        rx, ry = frame[0] + (column + _REF_X) / frame[2], frame[1] + (row + _REF_Y) / frame[3]
        k, n = -2 - code, 0
        while True:
            held = 1
            if entry[k, 2] != FILLS:
                held = _holds(x, y, rx, ry, (entry[k, 1] & 1) == 1, entry[k, 2], entry[k, 3], crossing)
            if held == DOUBTFUL:
                n = DOUBTFUL
                break
            n += held
            if entry[k, 1] & 2:
                break
            k += 1
        found[i] = n


@_kernel
def all_hits(lon, lat, frame, side, cell, entry, crossing, starts, found):
    """Write the polygons that hold each point, ascending, from starts[i] to starts[i + 1]."""
    for i in range(lon.size):
        n = starts[i]
        if n == starts[i + 1]:
            continue
        x, y = lon[i], lat[i]
        column, row = int((x - frame[0]) * frame[2]), int((y - frame[1]) * frame[3])
        code = cell[row * side + column]
        if code > OUTSIDE:
            found[n] = code
            continue
        rx, ry = frame[0] + (column + _REF_X) / frame[2], frame[1] + (row + _REF_Y) / frame[3]
        k = -2 - code
        while n < starts[i + 1]:
            held = 1
            if entry[k, 2] != FILLS:
                held = _holds(x, y, rx, ry, (entry[k, 1] & 1) == 1, entry[k, 2], entry[k, 3], crossing)
            if held == 1:
                found[n] = entry[k, 0]
                n += 1
            k += 1


@_kernel
def edge_distance(lon, lat, polygon, edge, starts, found):
    """Write how far each point lies from the nearest edge of its polygon [m], NaN where it has none."""
    for i in range(lon.size):
        if polygon[i] < 0:
            found[i] = np.nan
            continue
        # Lengths of a degree on WGS 84 at latitude phi [m], as series in cosines (NIMA TR8350.2).
        phi = math.radians(lat[i])
        up = 111132.954 - 559.822 * math.cos(2 * phi) + 1.175 * math.cos(4 * phi)
        right = 111412.84 * math.cos(phi) - 93.5 * math.cos(3 * phi) + 0.118 * math.cos(5 * phi)
        least = np.inf
        for e in range(starts[polygon[i]], starts[polygon[i] + 1]):
            x1, y1 = (edge[e, 0] - lon[i]) * right, (edge[e, 1] - lat[i]) * up
            dx, dy = (edge[e, 2] - edge[e, 0]) * right, (edge[e, 3] - edge[e, 1]) * up
            t = min(max(-(x1 * dx + y1 * dy) / (dx * dx + dy * dy), 0.0), 1.0)
            least = min(least, (x1 + t * dx) ** 2 + (y1 + t * dy) ** 2)
        found[i] = math.sqrt(least)
