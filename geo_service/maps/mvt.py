"""MVT: the bytes of a vector tile (Mapbox Vector Tile 2.1), written from flat arrays.

Pure.  What a field says of all features of a zoom is encoded once (`Column`, `Words`); a tile then copies the words its
features use, each once, and writes the corners as steps from one to the next.  No object is made for a feature, which
is what makes a tile of a thousand places a matter of a millisecond.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import shapely

from geo_service.maps import mvt_kernels as kernels

EXTENT = 4096  # steps along a tile's side, what every client assumes

_MOST_PER_CORNER = 20  # bytes: two varints of 64 bits
_MOST_PER_FEATURE = 64  # bytes of a feature besides its corners and tags: id, type, lengths

Shapes = npt.NDArray[np.object_]
Numbers = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int32]
Value = str | int


@dataclass(frozen=True)
class Column:
    """What one field says of each feature: the place of its value among `words`, each of which stands there once.

    -1 is no value.

    >>> Column.of(["a", None, "a", "b"]).said(np.array([1, 2, 3]))
    [None, 'a', 'b']
    """

    codes: Codes
    words: tuple[Value, ...]

    @classmethod
    def of(cls, said: Sequence[Value | None]) -> "Column":
        """Make a column of what is said of each feature."""
        known: dict[Value, int] = {}
        codes = [-1 if value is None else known.setdefault(value, len(known)) for value in said]
        return cls(np.array(codes, dtype=np.int32), tuple(known))

    @cached_property
    def _lookup(self) -> Shapes:
        return np.array([*self.words, None], dtype=object)  # code -1 is the last one

    def said(self, rows: Numbers | slice = slice(None)) -> list[Value | None]:
        """Give the values of some features."""
        return self._lookup[self.codes[rows]].tolist()


@dataclass(frozen=True)
class Words:
    """Columns as a tile writes them: keys, of each feature the word of each key (-1: none), all words one by one."""

    keys: tuple[str, ...]
    codes: Codes  # feature x key
    data: npt.NDArray[np.uint8]
    ends: Numbers

    @classmethod
    def of(cls, columns: Mapping[str, Column], count: int) -> "Words":
        """Encode the columns of `count` features; a value that several columns hold is one word."""
        known: dict[Value, int] = {}
        codes = np.full((count, len(columns)), -1, dtype=np.int32)
        for key, column in enumerate(columns.values()):
            numbers = [known.setdefault(value, len(known)) for value in column.words]
            codes[:, key] = np.array([*numbers, -1], dtype=np.int32)[column.codes]
        words = [_word(value) for value in known]
        ends = np.cumsum([0, *map(len, words)], dtype=np.int64)
        return cls(tuple(columns), codes, np.frombuffer(b"".join(words), dtype=np.uint8), ends)


@dataclass(frozen=True)
class Flat:
    """Polygons or points as flat whole numbers: corners (not closed), and where rings, polygons and features begin.

    Points have one corner each and no rings.
    """

    corners: npt.NDArray[np.int32]
    rings: Numbers
    polygons: Numbers
    features: Numbers
    are_points: bool

    @classmethod
    def of(cls, shapes: Shapes) -> "Flat":
        """Flatten shapes whose corners are whole numbers: all polygons (of one or more parts), or all points."""
        if not len(shapes):
            none = np.zeros(1, dtype=np.int64)
            return cls(np.empty((0, 2), dtype=np.int32), none, none, none, False)
        if (shapely.get_type_id(shapes) == shapely.GeometryType.POINT).all():
            corners = shapely.get_coordinates(shapes)
            own = np.arange(len(shapes) + 1, dtype=np.int64)
            return cls(corners.astype(np.int32), own, own, own, True)
        kind, corners, offsets = shapely.to_ragged_array(shapes)
        rings, polygons = (np.asarray(part, dtype=np.int64) for part in offsets[:2])
        own = np.arange(len(shapes) + 1, dtype=np.int64)
        features = own if kind == shapely.GeometryType.POLYGON else np.asarray(offsets[2], dtype=np.int64)
        open_ones = np.ones(len(corners), dtype=bool)
        open_ones[rings[1:] - 1] = False  # the last corner of a ring is its first
        return cls(corners[open_ones].astype(np.int32), rings - np.arange(len(rings)), polygons, features, False)

    def __len__(self) -> int:
        return len(self.features) - 1

    def shapes(self, rows: Numbers) -> Shapes:
        """Give some of them as shapes again."""
        if self.are_points:
            return np.asarray(shapely.points(self.corners[rows].astype(np.float64)), dtype=object)
        polygons, of_feature = _spread(self.features, rows)
        rings, of_polygon = _spread(self.polygons, polygons)
        corners, of_ring = _spread(self.rings, rings)
        lines = shapely.linearrings(self.corners[corners].astype(np.float64), indices=of_ring)
        parts = np.asarray(shapely.polygons(np.asarray(lines, dtype=object), indices=of_polygon), dtype=object)
        many = np.flatnonzero(np.bincount(of_feature, minlength=len(rows)) > 1)
        first = np.searchsorted(of_feature, np.arange(len(rows)))
        whole = parts[first]
        for row in many:
            whole[row] = shapely.multipolygons(parts[of_feature == row])
        return whole


@dataclass(frozen=True)
class Drawing:
    """The features of a tile; `where` names the row of `whole` (>= 0), or of `pieces` cut for it (-1 - row), of each.

    Corners are steps of the zoom's world grid; `corner` is the tile's own, `rows` are the rows of its words.
    """

    fids: Numbers
    rows: Numbers
    where: Numbers
    whole: Flat
    pieces: Flat
    corner: tuple[int, int]

    def shapes(self) -> Shapes:
        """Give the features' shapes on the tile's own grid."""
        drawn = np.empty(len(self.where), dtype=object)
        cut = self.where < 0
        drawn[~cut], drawn[cut] = self.whole.shapes(self.where[~cut]), self.pieces.shapes(-1 - self.where[cut])
        corner = np.array(self.corner, dtype=np.float64)
        return shapely.transform(drawn, lambda corners: corners - corner)


def layer(name: str, drawing: Drawing, lasting: Words, worn: Words | None = None) -> bytes:
    """Encode one layer of a tile: its features, and what their fields hold for good and in the month shown.

    The bytes of several layers, one after the other, are a tile of several layers.

    >>> square = Flat.of(np.array([shapely.box(0, 0, 9, 9)]))
    >>> first = np.array([0])
    >>> drawing = Drawing(np.array([7]), first, first, square, square, (0, 0))
    >>> layer("units", drawing, Words.of({"id": Column.of(["A1"])}, 1)).hex()[:24]
    '1a2d78020a05756e6974731a'
    """
    worn = worn or Words.of({}, 0)
    count = len(lasting.ends) - 1
    tags = lasting.codes[drawing.rows].astype(np.int64)
    if worn.keys:
        picked = worn.codes[drawing.rows]
        tags = np.concatenate([tags, np.where(picked >= 0, picked + np.int64(count), -1)], axis=1)
    features = _written(drawing, tags, lasting, worn)
    keys = b"".join(_field(0x1A, key.encode()) for key in (*lasting.keys, *worn.keys))
    body = b"".join([b"\x78\x02", _field(0x0A, name.encode()), keys, features, b"\x28", _varint(EXTENT)])
    return _field(0x1A, body)


def _written(drawing: Drawing, tags: Numbers, lasting: Words, worn: Words) -> bytes:
    whole, pieces = drawing.whole, drawing.pieces
    corners = _corners(whole, drawing.where[drawing.where >= 0])
    longest = max(int(corners.max(initial=0)), int(_corners(pieces, np.arange(len(pieces))).max(initial=0)))
    total = len(lasting.ends) + len(worn.ends) - 2
    seen, used = np.full(total, -1, dtype=np.int32), np.empty(total, dtype=np.int32)
    pen = np.empty(_MOST_PER_CORNER * longest + _MOST_PER_FEATURE, dtype=np.uint8)
    room = _MOST_PER_CORNER * (int(corners.sum()) + len(pieces.corners)) + 10 * tags.size
    out = np.empty(
        room + _MOST_PER_FEATURE * len(drawing.fids) + len(lasting.data) + len(worn.data), dtype=np.uint8
    )  # never touched beyond what is written, so the room costs nothing
    kind = kernels.POINT if whole.are_points else kernels.POLYGON
    at, words = kernels.features(
        out,
        pen,
        kind,
        drawing.corner,
        drawing.fids,
        drawing.where,
        _outlines(whole),
        _outlines(pieces),
        tags,
        seen,
        used,
    )
    end = kernels.copy_words(out, at, used[:words], lasting.data, lasting.ends, worn.data, worn.ends)
    return out[:end].tobytes()


def _corners(flat: Flat, rows: Numbers) -> Numbers:
    """Count the corners of some shapes, and twice their rings: what each may take room for."""
    first, end = flat.features[rows], flat.features[rows + 1]
    rings = flat.polygons[end] - flat.polygons[first]
    return flat.rings[flat.polygons[end]] - flat.rings[flat.polygons[first]] + 2 * rings


def _outlines(flat: Flat) -> kernels.Outlines:
    return kernels.Outlines(flat.corners, flat.rings, flat.polygons, flat.features)


def _spread(begins: Numbers, rows: Numbers) -> tuple[Numbers, Numbers]:
    """Give the parts of some rows, one after the other, and beside each the number of its row among them."""
    counts = begins[rows + 1] - begins[rows]
    of_row = np.repeat(np.arange(len(rows), dtype=np.int64), counts)
    within = np.arange(len(of_row), dtype=np.int64) - np.repeat(np.cumsum(counts) - counts, counts)
    return begins[rows][of_row] + within, of_row


def _word(value: Value) -> bytes:
    """Encode a value: text, or a whole number that is not negative."""
    said = _field(0x0A, value.encode()) if isinstance(value, str) else b"\x28" + _varint(value)
    return _field(0x22, said)


def _field(key: int, content: bytes) -> bytes:
    return b"".join([bytes([key]), _varint(len(content)), content])


def _varint(number: int) -> bytes:
    found = bytearray()
    while number >= 128:
        found.append((number & 127) | 128)
        number >>= 7
    return bytes([*found, number])


def warm_up() -> None:
    """Compile the kernels, or load them from disk, so that no first tile waits for it."""
    for shape in (shapely.box(0, 0, 9, 9), shapely.Point(1, 1)):
        flat = Flat.of(np.array([shape], dtype=object))
        one = np.array([0], dtype=np.int64)
        layer("a", Drawing(one, one, one, flat, flat, (0, 0)), Words.of({"id": Column.of(["a"])}, 1))
