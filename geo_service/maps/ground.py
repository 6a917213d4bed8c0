"""Ground: what lies still under the colours: the places of a kind, or the points of a layer, ready to be drawn.

Pure.  Each zoom has a sheet, made when it is first asked for and kept: shapes simplified together, so that neighbours
stay neighbours, on that zoom's world grid, as flat arrays.  Where a tile of a zoom would hold more than it can carry,
the sheet's features are groups, each standing for the places in one cell of the map, so that whoever colours them can
give a cell the worst of its places: no red place vanishes because the map is zoomed out.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely

from geo_service.geography.zones import Zones
from geo_service.maps import geojson, mvt, tiles
from geo_service.maps.layers import OBJECT_FIELDS
from geo_service.maps.mvt import Column, Flat, Words

FINEST = 16  # the last zoom with a sheet of its own; deeper tiles are put on their grid when asked for
EXACT = 14  # the first zoom whose lines are not simplified
TILE_BYTES = 500_000  # what a tile may carry before compression, as estimated, or the zoom is drawn in groups
MOST_TILE_BYTES = 2 * TILE_BYTES  # beyond it a tile leaves its smallest features out, and says how many

_TOLERANCE = 2.0  # grid steps by which a line may be simplified: a quarter of a pixel on a tile drawn 512 pixels wide
_CELLS_DEEPER = 5  # a group is a cell of the quad tree so many zooms deeper: 16 pixels of a tile drawn 512 pixels wide
FIRST_GROUP = 2**52  # feature ids from here on are groups; the largest a browser tells apart is 2^53 - 1
_FEATURE_BYTES, _CORNER_BYTES = 70, 2.5  # of a feature in a coloured tile: its ids, lengths and colour; each corner

Objects = npt.NDArray[np.object_]
Rows = npt.NDArray[np.int64]
Boxes = npt.NDArray[np.float64]  # west, south, east, north, or in steps west, north, east, south


@dataclass(frozen=True)
class Members:
    """The places that each group stands for: group g has rows[begins[g]:begins[g + 1]] of the ground."""

    begins: Rows
    rows: Rows

    def sums(self, of_places: npt.NDArray[np.generic]) -> Rows:
        """Add up a number of the places, group by group."""
        return np.add.reduceat(of_places[self.rows].astype(np.int64), self.begins[:-1])

    def most(self, of_places: npt.NDArray[np.int8]) -> npt.NDArray[np.int8]:
        """Give the greatest number of the places of each group."""
        return np.maximum.reduceat(of_places[self.rows], self.begins[:-1])

    def first(self) -> Rows:
        """Give the first place of each group."""
        return self.rows[self.begins[:-1]]


@dataclass(frozen=True)
class Sheet:
    """The features of one zoom: ids, shapes on its world grid with their boxes [steps], what is said of each for good.

    `members` are the places they stand for; None: they are the places themselves.
    """

    fids: Rows
    flat: Flat
    columns: Mapping[str, Column]
    members: Members | None = None

    @cached_property
    def words(self) -> Words:
        """What is said of each feature, as tiles write it."""
        return Words.of(self.columns, len(self.fids))

    @cached_property
    def boxes(self) -> Boxes:
        """West, north, east, south of each feature [steps]."""
        corners, first = (
            self.flat.corners.astype(np.float64),
            self.flat.rings[self.flat.polygons[self.flat.features[:-1]]],
        )
        if not len(first):
            return np.empty((0, 4))
        return np.concatenate([np.minimum.reduceat(corners, first), np.maximum.reduceat(corners, first)], axis=1)

    def __len__(self) -> int:
        return len(self.fids)


@dataclass(frozen=True)
class Groups:
    """How the features of a ground are grouped at one zoom: the group of each, and the shapes of all groups [steps].

    `keys` are feature ids of groups; `shapes` stand in ascending order of these.
    """

    keys: Rows
    shapes: Objects


Grouping = Callable[["Ground", int], Groups | None]


@dataclass(frozen=True)
class Ground:
    """The places of one kind, or the points of one layer, in order of their ids, ready to be drawn at every zoom.

    `columns` are what is said of each, by field, in the order they are served; `fids` the numeric ids of their
    features; `degrees` WGS 84, fit to print; `metres` Web Mercator; `grouping` says how a zoom is grouped, if it is;
    `digest` names all of it.
    """

    kind: str
    ids: Objects
    columns: Mapping[str, Column]
    fids: Rows
    degrees: Objects
    metres: Objects
    tree: shapely.STRtree
    grouping: Grouping
    digest: str
    _weights: dict[int, npt.NDArray[np.float64]] = field(default_factory=dict, init=False, repr=False, compare=False)
    _sheets: dict[int, Sheet] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def bounds(self) -> tuple[float, float, float, float] | None:
        """West, south, east, north [deg], None without places."""
        if not len(self):
            return None
        west, south, east, north = (round(float(side), 7) for side in shapely.total_bounds(self.degrees))
        return west, south, east, north

    @cached_property
    def middles(self) -> npt.NDArray[np.float64]:
        """A point on each feature [m of Web Mercator]."""
        return shapely.get_coordinates(shapely.point_on_surface(self.metres))

    @cached_property
    def sides(self) -> Boxes:
        """West, south, east, north of each place [m of Web Mercator]."""
        return shapely.bounds(self.metres)

    def touching(self, west: float, south: float, east: float, north: float) -> Rows:
        """Give the rows, in order, of the places that touch a box of Web Mercator [m]."""
        box = shapely.box(west, south, east, north)
        rows = np.sort(self.tree.query(box))
        sides = self.sides[rows]
        within = np.all((sides[:, :2] >= (west, south)) & (sides[:, 2:] <= (east, north)), axis=1, keepdims=False)
        within[~within] = shapely.intersects(self.metres[rows[~within]], box)
        return rows[within]

    def sheet(self, z: int) -> Sheet:
        """Give what is drawn at a zoom; the first to ask waits for it to be made, a second in a city."""
        if z > FINEST:
            return self.places
        if z not in self._sheets:
            self._sheets[z] = self._make(z)
        return self._sheets[z]

    @cached_property
    def places(self) -> Sheet:
        """The features one by one, without shapes: of zooms beyond FINEST these are made for each tile."""
        return Sheet(self.fids, _NO_SHAPES, self.columns)

    def groups(self) -> list[Sheet]:
        """Give the sheets made so far whose features stand for many places."""
        return [sheet for sheet in self._sheets.values() if sheet.members is not None]

    def is_drawn_one_by_one(self, z: int) -> bool:
        """Say whether the sheet of a zoom has been made and its features are the places themselves."""
        return z in self._sheets and self._sheets[z].members is None

    def pick(self, tile: tiles.Tile) -> tuple[Rows, int]:
        """Give the rows of the features of a tile, in the order every form of it has, and how many were left out.

        They are all that touch the tile or its margin, unless these are more than MOST_TILE_BYTES.
        """
        sheet = self.sheet(tile.z)
        if sheet.members is None:
            return self._affordable(self.touching(*tile.metres(tiles.MARGIN)), tile.z)
        west, north, east, south = tile.box(tiles.MARGIN).bounds
        sides = sheet.boxes
        apart = (sides[:, 0] >= east) | (sides[:, 2] <= west) | (sides[:, 1] >= south) | (sides[:, 3] <= north)
        return np.flatnonzero(~apart), 0

    def draw(self, tile: tiles.Tile) -> tuple[mvt.Drawing, int]:
        """Give the features of a tile with their shapes, and how many were left out, as `pick` does."""
        rows, dropped = self.pick(tile)
        if tile.z > FINEST:
            return self._deep(tile, rows), dropped
        sheet, where, pieces = self.sheet(tile.z), rows.copy(), _NO_SHAPES
        if not self._are_points and len(rows):
            box, sides = np.array(tile.box(tiles.MARGIN).bounds), sheet.boxes[rows]
            crossing = np.flatnonzero((sides[:, :2] < box[:2]).any(axis=1) | (sides[:, 2:] > box[2:]).any(axis=1))
            if len(crossing):
                pieces, number = self._pieces(sheet.flat, rows[crossing], tile)
                where[crossing] = -1 - number
        return mvt.Drawing(sheet.fids[rows], rows, where, sheet.flat, pieces, _corner(tile)), dropped

    def _pieces(self, flat: Flat, rows: Rows, tile: tiles.Tile) -> tuple[Flat, Rows]:
        """Cut some shapes to a tile; give the pieces, and which of them is that of each row."""
        west, north, east, south = (int(side) for side in tile.box(tiles.MARGIN).bounds)
        pieces, doubtful = flat.cut(rows, (west, north, east, south))
        number = np.arange(len(rows), dtype=np.int64)
        for which, cut in (
            (doubtful, lambda odd: self._cut(flat.shapes(odd), odd, tile)),
            (~doubtful & (np.diff(pieces.features) == 0), lambda lost: tiles.nearest_step(self.metres[lost], tile)),
        ):
            odd = np.flatnonzero(which)
            if len(odd):
                number[odd] = len(pieces) + np.arange(len(odd))
                pieces = pieces.followed(Flat.of(cut(rows[odd])))
        return pieces, number

    def _deep(self, tile: tiles.Tile, rows: Rows) -> mvt.Drawing:
        shapes = tiles.on_grid(self.metres[rows], tile.z)
        if not self._are_points and len(rows):
            shapes = self._cut(shapes, rows, tile)
        corner = np.array(_corner(tile), dtype=np.float64)
        own = Flat.of(shapely.transform(shapes, lambda corners: corners - corner))
        return mvt.Drawing(self.fids[rows], rows, np.arange(len(rows)), own, _NO_SHAPES, (0, 0))

    def _cut(self, shapes: Objects, rows: Rows, tile: tiles.Tile) -> Objects:
        pieces = tiles.cut(shapes, tile)
        lost = np.flatnonzero(shapely.is_empty(pieces))
        if len(lost):
            pieces[lost] = tiles.nearest_step(self.metres[rows[lost]], tile)
        return pieces

    def _affordable(self, rows: Rows, z: int) -> tuple[Rows, int]:
        """Leave out the smallest places of a tile that would be too heavy; of points, the last in order."""
        weights = self.estimated_bytes(min(z, FINEST))[rows]
        if weights.sum() <= MOST_TILE_BYTES:
            return rows, 0
        sides = self.sides[rows]
        largest = np.argsort(-np.prod(sides[:, 2:] - sides[:, :2], axis=1), kind="stable")
        kept = np.sort(largest[np.cumsum(weights[largest]) <= MOST_TILE_BYTES])
        return rows[kept], len(rows) - len(kept)

    def estimated_bytes(self, z: int) -> npt.NDArray[np.float64]:
        """Estimate what each place takes in a coloured tile, whose lines have no more corners than their length."""
        if z not in self._weights:
            corners = shapely.get_num_coordinates(self.metres)
            fewest = 4 + shapely.length(self.metres) / tiles.step_m(z) / (2 * _TOLERANCE)
            shape = _CORNER_BYTES * np.minimum(corners, fewest)
            self._weights[z] = _FEATURE_BYTES + shape + _said_bytes(self.columns, len(self))
        return self._weights[z]

    @property
    def _are_points(self) -> bool:
        return bool(len(self)) and shapely.get_type_id(self.metres[0]) == shapely.GeometryType.POINT

    def _make(self, z: int) -> Sheet:
        groups = self.grouping(self, z)
        if groups is not None:
            return _grouped(groups)
        return Sheet(self.fids, Flat.of(tiles.on_grid(_simplified(self.metres, z), z)), self.columns)


def survey(zones: Zones, fids: Mapping[str, int]) -> Ground:
    """Make the ground of one kind of zones; `fids` maps each zone id to its numeric feature id."""
    columns = {"id": zones.ids, "name": zones.names, "class": zones.classes}
    numbers = np.array([fids[zone] for zone in zones.ids], dtype=np.int64)
    return lay(zones.kind, columns, numbers, zones.geometry)


def pin(layer: str, objects: pd.DataFrame) -> Ground:
    """Make the ground of a layer of points.

    `objects` hold fid, lon, lat [deg] and layers.OBJECT_FIELDS, one row each, in any order; empty text is no value.
    """
    ordered = objects.sort_values("id", key=lambda ids: ids.astype(object), ignore_index=True)
    columns = {
        name: np.array([text or None for text in ordered[name].tolist()], dtype=object) for name in OBJECT_FIELDS
    }
    points: Objects = np.asarray(shapely.points(ordered[["lon", "lat"]].to_numpy(dtype=np.float64)), dtype=object)
    return lay(layer, columns, ordered["fid"].to_numpy(dtype=np.int64), points)


def quad_cells(ground: Ground, z: int) -> Groups | None:
    """Group features by the cells of the quad tree where some tile of a zoom would be too heavy without."""
    if not len(ground) or z > EXACT:
        return None
    cells = _cells(ground.middles, z + _CELLS_DEEPER)
    _, tile = np.unique(cells >> _CELLS_DEEPER, axis=0, return_inverse=True)
    if np.bincount(tile, weights=ground.estimated_bytes(z)).max() <= TILE_BYTES:
        return None
    keys = FIRST_GROUP + ((z + _CELLS_DEEPER) << 40) + (cells[:, 1] << 20) + cells[:, 0]
    distinct, of_group = np.unique(keys, return_inverse=True)
    if shapely.get_type_id(ground.metres[0]) == shapely.GeometryType.POINT:
        sums = [np.bincount(of_group, weights=axis) for axis in ground.middles.T]
        middles = np.column_stack(sums) / np.bincount(of_group)[:, None]
        return Groups(keys, tiles.on_grid(np.asarray(shapely.points(middles), dtype=object), z))
    side = tiles.EXTENT >> _CELLS_DEEPER
    west, north = (distinct & 0xFFFFF) * side, (distinct >> 20 & 0xFFFFF) * side
    return Groups(keys, np.asarray(shapely.box(west, north, west + side, north + side), dtype=object))


def lay(kind: str, said: Mapping[str, Objects], fids: Rows, shapes: Objects, grouping: Grouping = quad_cells) -> Ground:
    """Make a ground of WGS 84 shapes [deg], all polygons or all points, in the order of `said["id"]`."""
    degrees = geojson.fit_to_print(shapes)
    return made(kind, said, fids, (degrees, tiles.mercator(degrees)), grouping)


def made(
    kind: str, said: Mapping[str, Objects], fids: Rows, shapes: tuple[Objects, Objects], grouping: Grouping
) -> Ground:
    """Make a ground of shapes that are fit to print [deg], and the same in Web Mercator [m]."""
    degrees, metres = shapes
    texts = [repr(list(column)).encode() for column in (*said.values(), fids.tolist())]
    return Ground(
        kind=kind,
        ids=said["id"],
        columns={name: Column.of(column.tolist()) for name, column in said.items()},
        fids=fids,
        degrees=degrees,
        metres=metres,
        tree=shapely.STRtree(metres),
        grouping=grouping,
        digest=digest_of([*texts, b"".join(shapely.to_wkb(degrees).tolist())]),
    )


def digest_of(parts: Iterable[bytes]) -> str:
    """Name a content: equal parts, equal names; 24 hexadecimal letters."""
    digest = hashlib.blake2b(digest_size=12)
    for part in parts:
        digest.update(len(part).to_bytes(8))
        digest.update(part)
    return digest.hexdigest()


def _simplified(metres: Objects, z: int) -> Objects:
    """Simplify polygons together, border by border (shapely.coverage_simplify); points, and from EXACT on all, stay."""
    if z >= EXACT or not len(metres) or shapely.get_type_id(metres[0]) == shapely.GeometryType.POINT:
        return metres
    simpler = shapely.coverage_simplify(metres, _TOLERANCE * tiles.step_m(z))
    return np.where(shapely.is_valid(simpler) & ~shapely.is_empty(simpler), simpler, metres)


def _grouped(groups: Groups) -> Sheet:
    distinct, of_group = np.unique(groups.keys, return_inverse=True)
    members = np.argsort(of_group, kind="stable")
    counts = np.bincount(of_group)
    columns = {"places": Column.of(counts.tolist())}
    begins = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return Sheet(distinct, Flat.of(groups.shapes), columns, Members(begins, members))


def _said_bytes(columns: Mapping[str, Column], count: int) -> npt.NDArray[np.float64]:
    """Estimate what the words of each feature take: those of a value that many share are not its own."""
    total = np.zeros(count)
    for column in columns.values():
        if len(column.words) > count / 2:
            lengths = np.array([*(len(str(value).encode()) for value in column.words), 0], dtype=np.float64)
            total += lengths[column.codes]
    return total


def _cells(metres: npt.NDArray[np.float64], z: int) -> Rows:
    """Give x and y of the tile of a zoom that holds each point."""
    half, most = tiles.step_m(0) * tiles.EXTENT / 2, 2**z - 1
    from_corner = np.column_stack([metres[:, 0] + half, half - metres[:, 1]])
    return np.clip(from_corner / (2 * half) * 2**z, 0, most).astype(np.int64)


def _corner(tile: tiles.Tile) -> tuple[int, int]:
    return tile.x * tiles.EXTENT, tile.y * tiles.EXTENT


_NO_SHAPES = Flat.of(np.array([], dtype=object))
