"""Kernels of the polygon index: build the grid, and find the polygons that hold a point.

Pure; compiled by numba on first use and kept on disk.  They release the interpreter's lock and write to disjoint parts
of arrays, so any number of threads may run them.  Innermost loops stand written out: a function that takes arrays,
called there, doubled the time (numba counts references to arrays at every call).  What the arrays mean is told in
polygon_index.py.  Types are numba's own affair here.
"""

# pyright: basic, reportArgumentType=false, reportCallIssue=false

import math

import numba
import numpy as np

OUTSIDE = -1
HOLDS, CONTINUED, EDGE = 1, 2, 4  # an entry's third number: flags, and its edges counted in fours
ON_EDGE = 2  # beside HOLDS in what is known of a point: an edge goes through it

_ERROR = 4e-16  # relative error of a determinant of doubles [-]; Shewchuk (1997) proves (3 + 16 eps) eps = 3.3e-16
_SPLITTER = 134217729.0  # 2^27 + 1 halves the digits of a double (Dekker 1971)
_SLACK = 1e-6  # how far beyond its cells an edge is listed [cells]; rounding stays below 1e-11
_REF_X, _REF_Y = 0.4871230973, 0.5129834761  # the reference point in its cell, off every likely coordinate [cells]
_NEAR_REF = 0.01  # an edge nearer to a reference point is compared exactly; its own rounding is below 1e-3 [cells]
_GAP = 3  # edges outside a cell that a run takes in, sooner than that another run begins
_AT_ONCE = 2048  # points looked up together: what is known of them stays in the fastest cache

_kernel = numba.njit(cache=True, nogil=True)
_inlined = numba.njit(cache=True, nogil=True, inline="always")


@_inlined
def _clamped(value, last):
    return min(max(int(math.floor(value)), 0), last)


@_inlined
def _reference(column, row, frame):
    return frame[0] + (column + _REF_X) * frame[4], frame[1] + (row + _REF_Y) * frame[5]


@_inlined
def _two_sum(a, b):
    """Give the rounded sum and its rounding error, which are exact together (Knuth)."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


@_inlined
def _two_product(a, b):
    """Give the rounded product and its rounding error, which are exact together (Dekker 1971)."""
    product = a * b
    c, d = _SPLITTER * a, _SPLITTER * b
    a_high, b_high = c - (c - a), d - (d - b)
    a_low, b_low = a - a_high, b - b_high
    return product, a_low * b_low - (((product - a_high * b_high) - a_low * b_high) - a_high * b_low)


@_kernel
def turn(x1, y1, x2, y2, x, y):
    """Tell on which side of the line from (x1, y1) to (x2, y2) a point lies: 1 left, -1 right, 0 on it.  Exact.

    Where the error bound does not decide, the six products of the determinant and their rounding errors are summed
    into an expansion, whose last number other than 0 has the sign (Shewchuk 1997).  Exact unless a product underflows,
    which takes coordinates below 1e-140 but not 0.
    """
    a, b = (x2 - x1) * (y - y1), (y2 - y1) * (x - x1)
    if abs(a - b) > _ERROR * (abs(a) + abs(b)):
        return 1 if a > b else -1
    if (x1 == x2 or y == y1) and (y1 == y2 or x == x1):
        return 0
    expansion = np.zeros(12)
    n = 0
    for p, q in ((x2, y), (-x2, y1), (-x1, y), (-y2, x), (y2, x1), (y1, x)):
        for term in _two_product(p, q)[::-1]:
            rest = term
            for i in range(n):
                rest, expansion[i] = _two_sum(rest, expansion[i])
            expansion[n] = rest
            n += 1
    for i in range(11, -1, -1):
        if expansion[i] != 0:
            return 1 if expansion[i] > 0 else -1
    return 0


@_kernel
def _left(x1, y1, x2, y2, x, y):
    """Tell whether a point lies left of an edge; one on its line is moved a trace east and, far less, north."""
    side = turn(x1, y1, x2, y2, x, y)
    return side > 0 or (side == 0 and (y2 < y1 or (y2 == y1 and x2 > x1)))


@_kernel
def _exactly(x, y, rx, ry, first, count, vertex):
    """As the loop in _advanced, exactly: HOLDS when it crosses edges oddly often, ON_EDGE when it begins on one."""
    crossed = 0
    for e in range(first, first + count):
        x1, y1, x2, y2 = vertex[e, 0], vertex[e, 1], vertex[e + 1, 0], vertex[e + 1, 1]
        side = turn(x1, y1, x2, y2, x, y)
        if side == 0 and min(x1, x2) <= x <= max(x1, x2) and min(y1, y2) <= y <= max(y1, y2):
            return ON_EDGE
        corner = _left(x1, y1, x2, y2, rx, y)
        crossed ^= ((y1 <= y) != (y2 <= y)) and (side > 0) != corner
        crossed ^= ((x1 <= rx) != (x2 <= rx)) and _left(x1, y1, x2, y2, rx, ry) != corner
    return crossed


@_kernel
def _located(lon, lat, frame, side, cell, code, pending):
    """Write what is known of the cell of each point; list the points that must look at edges and give how many."""
    west, south, across, up, east, north = frame[0], frame[1], frame[2], frame[3], frame[6], frame[7]
    for i in range(lon.size):
        x, y = lon[i], lat[i]
        within = (x >= west) & (x <= east) & (y >= south) & (y <= north)  # NaN compares false
        x, y = (x if within else west), (y if within else south)
        at = int((y - south) * up) * side + int((x - west) * across)
        pending[i] = at if within else side * side
    for i in range(lon.size):
        code[i] = cell[pending[i]]
    n = 0
    for i in range(lon.size):
        pending[n] = i
        n += code[i] < OUTSIDE
    return n


@_kernel
def _advanced(lon, lat, frame, entry, vertex, code, pending, n, state, row, start, every, hit, hits):
    """Take each pending point one entry on; give how many still are pending, and how many hits there are.

    The path from a point goes along x to the corner (rx, y) and along y to the reference point (rx, ry) of the cell.
    `a > b`, `a > c`, `d > c` tell on which side of an edge these three lie; a vertex on the path belongs to one of its
    two edges only.  Nearly equal products are decided exactly.
    """
    left = 0
    for j in range(n):
        k = -2 - code[pending[j]]
        for m in range(4):
            row[j, m] = entry[k, m]
    for j in range(n):
        start[j, 0], start[j, 1] = vertex[row[j, 1], 0], vertex[row[j, 1], 1]
    for j in range(n):
        i = pending[j]
        x, y = lon[i], lat[i]
        rx, ry = _reference(int((x - frame[0]) * frame[2]), int((y - frame[1]) * frame[3]), frame)
        polygon, first, flags, rest = row[j, 0], row[j, 1], row[j, 2], row[j, 3]
        count = flags // EDGE
        crossed, clear = 0, True
        x2, y2 = start[j, 0], start[j, 1]
        for e in range(first + 1, first + 1 + count):
            x1, y1, x2, y2 = x2, y2, vertex[e, 0], vertex[e, 1]
            dx, dy = x2 - x1, y2 - y1
            a, b, c, d = dx * (y - y1), dy * (x - x1), dy * (rx - x1), dx * (ry - y1)
            near = _ERROR * (abs(a) + abs(b) + abs(c) + abs(d))
            clear &= (abs(a - b) > near) & (abs(a - c) > near) & (abs(d - c) > near)
            crossed ^= ((y1 <= y) != (y2 <= y)) & ((a > b) != (a > c))
            crossed ^= ((x1 <= rx) != (x2 <= rx)) & ((d > c) != (a > c))
        if not clear:
            crossed = _exactly(x, y, rx, ry, first, count, vertex)
        held = ((state[i] ^ flags ^ crossed) & HOLDS) | ((state[i] | crossed) & ON_EDGE)
        ends = (flags & CONTINUED) == 0
        is_hit = ends & (held != 0)
        state[i] = 0 if ends else held
        code[i] = polygon if is_hit & (not every) else rest
        if every:
            hit[hits, 0], hit[hits, 1] = i, polygon
            hits += is_hit
        pending[left] = i
        left += code[i] < OUTSIDE
    return left, hits


@_kernel
def first_hit(lon, lat, frame, side, cell, entry, vertex, found):
    """Write for each point the lowest polygon that holds it, or OUTSIDE."""
    pending, state = np.empty(_AT_ONCE, np.int32), np.zeros(_AT_ONCE, np.int32)
    row, start = np.empty((_AT_ONCE, 4), np.int32), np.empty((_AT_ONCE, 2))
    none = np.empty((0, 2), np.int32)
    for begin in range(0, lon.size, _AT_ONCE):
        x, y, code = lon[begin : begin + _AT_ONCE], lat[begin : begin + _AT_ONCE], found[begin : begin + _AT_ONCE]
        n = _located(x, y, frame, side, cell, code, pending)
        while n:
            n, _ = _advanced(x, y, frame, entry, vertex, code, pending, n, state, row, start, False, none, 0)


@_kernel
def tally(lon, lat, frame, side, cell, entry, vertex, group, counts):
    """Count the points of each group in each polygon."""
    found = np.empty(_AT_ONCE, np.int32)
    for begin in range(0, lon.size, _AT_ONCE):
        end = min(begin + _AT_ONCE, lon.size)
        first_hit(lon[begin:end], lat[begin:end], frame, side, cell, entry, vertex, found)
        for i in range(begin, end):
            if group[i] >= 0 and found[i - begin] >= 0:
                counts[found[i - begin], group[i]] += 1


@_kernel
def all_hits(lon, lat, frame, side, cell, entry, vertex, offset):
    """Give every pair (offset + point, polygon that holds it), ascending."""
    pending, state, code = np.empty(_AT_ONCE, np.int32), np.zeros(_AT_ONCE, np.int32), np.empty(_AT_ONCE, np.int32)
    row, start = np.empty((_AT_ONCE, 4), np.int32), np.empty((_AT_ONCE, 2))
    hit, pair = np.empty((2 * _AT_ONCE, 2), np.int32), np.empty((max(lon.size, 2 * _AT_ONCE), 2), np.int32)
    after = np.empty(_AT_ONCE + 1, np.int64)
    pairs = 0
    for begin in range(0, lon.size, _AT_ONCE):
        x, y = lon[begin : begin + _AT_ONCE], lat[begin : begin + _AT_ONCE]
        n, hits = _located(x, y, frame, side, cell, code, pending), 0
        while n:
            hit = _grown_rows(hit, hits, hits + n + 1)
            n, hits = _advanced(x, y, frame, entry, vertex, code, pending, n, state, row, start, True, hit, hits)
        pair = _grown_rows(pair, pairs, pairs + hits + x.size)
        after[:] = 0
        for h in range(hits):
            after[hit[h, 0] + 1] += 1
        for i in range(x.size):  # a code left over is the last polygon of its point
            after[i + 1] += after[i] + (code[i] > OUTSIDE)
        last = pairs + after[x.size]
        for i in range(x.size):
            if code[i] > OUTSIDE:
                pair[pairs + after[i + 1] - 1, 0], pair[pairs + after[i + 1] - 1, 1] = offset + begin + i, code[i]
        for h in range(hits):
            i = hit[h, 0]
            pair[pairs + after[i], 0], pair[pairs + after[i], 1] = offset + begin + i, hit[h, 1]
            after[i] += 1
        pairs = last
    return pair[:pairs]


@_kernel
def _grown_rows(array, rows, size):
    """Give the array, of which `rows` are in use, with room for `size`: twice as much as it had or more."""
    if size <= len(array):
        return array
    bigger = np.empty((max(size, 2 * len(array)), array.shape[1]), array.dtype)
    bigger[:rows] = array[:rows]
    return bigger


@_kernel
def _box_of(vertex, begin, end, frame, side):
    """Give the first and last column and row that a polygon's vertices reach into, and room for its edges' entries.

    An edge w columns wide and h rows high is listed in less than 2 w + 2 h + 8 cells.
    """
    west, south, east, north = np.inf, np.inf, -np.inf, -np.inf
    room, last_x, last_y = 8.0 * (end - begin), 0.0, 0.0
    for v in range(begin, end):
        x, y = (vertex[v, 0] - frame[0]) * frame[2], (vertex[v, 1] - frame[1]) * frame[3]
        west, east = min(x, west), max(x, east)
        south, north = min(y, south), max(y, north)
        if v > begin:
            room += 2 * abs(x - last_x) + 2 * abs(y - last_y)
        last_x, last_y = x, y
    last = side - 1
    columns = _clamped(west - _SLACK, last), _clamped(east + _SLACK, last)
    return *columns, _clamped(south - _SLACK, last), _clamped(north + _SLACK, last), int(room)


@_kernel
def _listed(vertex, begin, end, polygon, frame, side, row0, row1, cell, entry, n):
    """List a ring's edges in the cells of rows row0 to row1 that they touch; give how many entries there are."""
    for e in range(begin, end - 1):
        x1, y1 = (vertex[e, 0] - frame[0]) * frame[2], (vertex[e, 1] - frame[1]) * frame[3]
        x2, y2 = (vertex[e + 1, 0] - frame[0]) * frame[2], (vertex[e + 1, 1] - frame[1]) * frame[3]
        if y1 > y2:
            x1, y1, x2, y2 = x2, y2, x1, y1
        along, level = x2 - x1, y1 == y2
        slope = 0.0 if level else 1 / (y2 - y1)
        low, high = _clamped(y1 - _SLACK, side - 1), _clamped(y2 + _SLACK, side - 1)
        for row in range(max(low, row0), min(high, row1) + 1):
            xa, xb = x1, x2
            if row > low and not level:
                xa = x1 + min(max((row - _SLACK - y1) * slope, 0.0), 1.0) * along
            if row < high and not level:
                xb = x1 + min(max((row + 1 + _SLACK - y1) * slope, 0.0), 1.0) * along
            if xa > xb:
                xa, xb = xb, xa
            first, last = _clamped(xa - _SLACK, side - 1), _clamped(xb + _SLACK, side - 1)
            for here in range(row * side + first, row * side + last + 1):
                code, top = cell[here], -2 - cell[here]
                flags = EDGE
                if code < OUTSIDE and entry[top, 0] == polygon:
                    run = entry[top, 1]
                    if run >= begin and e - run - entry[top, 2] // EDGE <= _GAP:
                        entry[top, 2] = (e + 1 - run) * EDGE | (entry[top, 2] & CONTINUED)
                        continue
                    flags |= CONTINUED
                entry[n, 0], entry[n, 1], entry[n, 2], entry[n, 3] = polygon, e, flags, code
                cell[here] = -2 - n
                n += 1
    return n


@_kernel
def _toggled(vertex, begin, end, frame, column0, column1, row0, row1, toggle):
    """Flip, for each edge of a ring, the first cell of each row whose reference point lies east of the edge."""
    columns = column1 - column0 + 1
    for e in range(begin, end - 1):
        x1, y1, x2, y2 = vertex[e, 0], vertex[e, 1], vertex[e + 1, 0], vertex[e + 1, 1]
        low, high = (min(y1, y2) - frame[1]) * frame[3] - _REF_Y, (max(y1, y2) - frame[1]) * frame[3] - _REF_Y
        for row in range(max(row0, int(math.floor(low))), min(row1, int(math.ceil(high))) + 1):
            ry = _reference(0, row, frame)[1]
            if (y1 <= ry) == (y2 <= ry):
                continue
            crosses = (x1 + (ry - y1) / (y2 - y1) * (x2 - x1) - frame[0]) * frame[2] - _REF_X
            column = int(math.ceil(crosses))
            near = int(round(crosses))
            if abs(crosses - near) < _NEAR_REF:
                east = _left(x1, y1, x2, y2, _reference(near, row, frame)[0], ry) == (y2 < y1)
                column = near if east else near + 1
            if column <= column1:
                here = (row - row0) * columns + max(column, column0) - column0
                toggle[here] = 1 - toggle[here]


@_kernel
def _filled(toggle, polygon, side, column0, column1, row0, row1, cell, entry, n):
    """Say in each cell of a polygon's box whether it holds the reference point; give how many entries there are.

    Equal stacks of polygons that fill cells one after another are one entry.
    """
    rest_before, code_before, k = 0, 0, 0
    for row in range(row0, row1 + 1):
        holds = 0
        for here in range(row * side + column0, row * side + column1 + 1):
            holds ^= toggle[k]
            k += 1
            if not holds:
                continue
            rest = cell[here]
            if rest == OUTSIDE:
                cell[here] = polygon
            elif rest < OUTSIDE and entry[-2 - rest, 0] == polygon:
                entry[-2 - rest, 2] |= HOLDS
            else:
                if rest != rest_before or not code_before:
                    entry[n, 0], entry[n, 1], entry[n, 2], entry[n, 3] = polygon, 0, HOLDS, rest
                    rest_before, code_before = rest, -2 - n
                    n += 1
                cell[here] = code_before
    return n


@_kernel
def sweep(vertex, rings, polygons, frame, side, row0, row1, cell):
    """Enter all polygons into the cells of rows row0 to row1, the highest first; give the entries."""
    entry, n = np.empty((max(1024, len(vertex)), 4), np.int32), 0
    toggle = np.empty(1024, np.uint8)
    for polygon in range(polygons.size - 2, -1, -1):
        begin, end = rings[polygons[polygon]], rings[polygons[polygon + 1]]
        if begin == end:
            continue
        column0, column1, low, high, room = _box_of(vertex, begin, end, frame, side)
        low, high = max(low, row0), min(high, row1)
        if low > high:
            continue
        cells = (high - low + 1) * (column1 - column0 + 1)
        entry = _grown_rows(entry, n, n + room + cells)
        if cells > toggle.size:
            toggle = np.empty(2 * cells, np.uint8)
        toggle[:cells] = 0
        for ring in range(polygons[polygon], polygons[polygon + 1]):
            n = _listed(vertex, rings[ring], rings[ring + 1], polygon, frame, side, low, high, cell, entry, n)
            _toggled(vertex, rings[ring], rings[ring + 1], frame, column0, column1, low, high, toggle)
        n = _filled(toggle, polygon, side, column0, column1, low, high, cell, entry, n)
    return entry[:n]


@_kernel
def moved(code, offset):
    """Let codes of entries point `offset` further, in place."""
    for i in range(code.size):
        code[i] -= offset if code[i] < OUTSIDE else 0


@_kernel
def edge_distance(lon, lat, polygon, vertex, rings, polygons, found):
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
        for ring in range(polygons[polygon[i]], polygons[polygon[i] + 1]):
            for e in range(rings[ring], rings[ring + 1] - 1):
                x1, y1 = (vertex[e, 0] - lon[i]) * right, (vertex[e, 1] - lat[i]) * up
                dx, dy = (vertex[e + 1, 0] - vertex[e, 0]) * right, (vertex[e + 1, 1] - vertex[e, 1]) * up
                length2 = dx * dx + dy * dy
                t = min(max(-(x1 * dx + y1 * dy) / length2, 0.0), 1.0) if length2 > 0 else 0.0
                least = min(least, (x1 + t * dx) ** 2 + (y1 + t * dy) ** 2)
        found[i] = math.sqrt(least)
