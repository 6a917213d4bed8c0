"""Kernels of vector tiles: the features of a layer written as bytes, and the words they use copied behind them.

Pure; compiled by numba on first use and kept on disk.  They release the interpreter's lock and write only into the
arrays passed for the answer, which mvt.py makes large enough.  Types are numba's own affair here.
"""

# pyright: basic, reportArgumentType=false, reportCallIssue=false

from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt

POINT, POLYGON = 1, 3  # geometry types of MVT
_MOVE, _CLOSE = 9, 15  # command and count: MoveTo once, ClosePath

_kernel = numba.njit(cache=True, nogil=True)
_inlined = numba.njit(cache=True, nogil=True, inline="always")

Whole = npt.NDArray[np.int32]
Long = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]


class Outlines(NamedTuple):
    """Shapes as mvt.Flat holds them: corners, and where rings, polygons and features begin."""

    corners: Whole
    rings: Long
    polygons: Long
    features: Long


@_inlined
def _put(out, at, number):
    while number >= 128:
        out[at] = (number & 127) | 128
        number >>= 7
        at += 1
    out[at] = number
    return at + 1


@_inlined
def _size(number):
    size = 1
    while number >= 128:
        number >>= 7
        size += 1
    return size


@_inlined
def _signed(number):
    return (number << 1) ^ (number >> 63)


@_kernel
def _ring(out, at, corners, first, end, x, y, west, north):
    """Write a ring from a pen at x, y; corners that repeat the one before are passed over."""
    begin_x, begin_y = corners[first, 0] - west, corners[first, 1] - north
    at = _put(out, at, _MOVE)
    at = _put(out, at, _signed(begin_x - x))
    at = _put(out, at, _signed(begin_y - y))
    lines, last_x, last_y = 0, begin_x, begin_y
    for corner in range(first + 1, end):
        to_x, to_y = corners[corner, 0] - west, corners[corner, 1] - north
        if to_x != last_x or to_y != last_y:
            lines, last_x, last_y = lines + 1, to_x, to_y
    at = _put(out, at, (lines << 3) | 2)
    x, y = begin_x, begin_y
    for corner in range(first + 1, end):
        to_x, to_y = corners[corner, 0] - west, corners[corner, 1] - north
        if to_x != x or to_y != y:
            at = _put(out, at, _signed(to_x - x))
            at = _put(out, at, _signed(to_y - y))
            x, y = to_x, to_y
    return _put(out, at, _CLOSE), x, y


@_kernel
def _outline(out, shapes, feature, west, north):
    """Write the geometry of a polygon of one or more parts; give its length."""
    at, x, y = 0, 0, 0
    for polygon in range(shapes.features[feature], shapes.features[feature + 1]):
        for ring in range(shapes.polygons[polygon], shapes.polygons[polygon + 1]):
            first, end = shapes.rings[ring], shapes.rings[ring + 1]
            at, x, y = _ring(out, at, shapes.corners, first, end, x, y, west, north)
    return at


@_kernel
def _point(out, shapes, feature, west, north):
    at = _put(out, 0, _MOVE)
    at = _put(out, at, _signed(shapes.corners[feature, 0] - west))
    return _put(out, at, _signed(shapes.corners[feature, 1] - north))


@_kernel
def features(out, pen, kind, corner, fids, where, whole, pieces, tags, seen, used):
    """Write the features of a layer into `out`; give its length and how many words are used.

    `tags` names the word of each feature and key, -1 none; `seen` (-1 all over) becomes the number of each word in the
    tile and `used` the words in the order of these numbers; `pen` is room for one geometry.
    """
    at, words = 0, 0
    west, north = corner
    for row in range(len(fids)):
        shapes, feature = whole, where[row]
        if feature < 0:
            shapes, feature = pieces, -1 - feature
        if kind == POINT:
            drawn = _point(pen, shapes, feature, west, north)
        else:
            drawn = _outline(pen, shapes, feature, west, north)
        told = 0
        for key in range(tags.shape[1]):
            word = tags[row, key]
            if word >= 0:
                if seen[word] < 0:
                    seen[word], used[words] = words, word
                    words += 1
                told += _size(key) + _size(seen[word])
        length = 1 + _size(fids[row]) + 1 + _size(told) + told + 2 + 1 + _size(drawn) + drawn
        out[at] = 0x12
        at = _put(out, at + 1, length)
        out[at] = 0x08
        at = _put(out, at + 1, fids[row])
        out[at] = 0x12
        at = _put(out, at + 1, told)
        for key in range(tags.shape[1]):
            if tags[row, key] >= 0:
                at = _put(out, at, key)
                at = _put(out, at, seen[tags[row, key]])
        out[at], out[at + 1], out[at + 2] = 0x18, kind, 0x22
        at = _put(out, at + 3, drawn)
        out[at : at + drawn] = pen[:drawn]
        at += drawn
    return at, words


@_kernel
def copy_words(out, at, used, data, ends, worn_data, worn_ends):
    """Copy the words used behind the features; those of `worn` are numbered after the others.  Give the end."""
    lasting = len(ends) - 1
    for word in used:
        if word < lasting:
            first, end = ends[word], ends[word + 1]
            out[at : at + end - first] = data[first:end]
        else:
            first, end = worn_ends[word - lasting], worn_ends[word - lasting + 1]
            out[at : at + end - first] = worn_data[first:end]
        at += end - first
    return at
