"""Tiles: arithmetic on the Web Mercator quad tree, cutting shapes to a tile.  The bytes: mvt.py.

Pure.  Metres are Web Mercator (EPSG:3857); steps are the whole numbers of a zoom's world grid: 4096 to a tile, x to the
east, y to the south.  Shapes are put on that grid once for the whole city and then cut, so that neighbouring tiles draw
the same line.  Points go to the nearest step and stay points.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely

from geo_service.maps.mvt import EXTENT

MARGIN = 64  # steps drawn beyond each side so that outlines do not show at the seams: 8 of 512 pixels
DEEPEST = 22  # a step is 2.3 mm there

_RADIUS = 6378137.0  # [m], of the sphere EPSG:3857 projects
_HALF = np.pi * _RADIUS  # half the side of the world square [m]
_HIGHEST = 85.0511287798066  # latitude of its upper edge [deg]

Shapes = npt.NDArray[np.object_]
Corners = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Tile:
    """One square of the quad tree, counted from the north-west.

    >>> round(Tile(14, 0, 0).step_m, 3)
    0.597
    >>> Tile(1, 2, 0).exists(), Tile(1, 1, 1).exists()
    (False, True)
    """

    z: int
    x: int
    y: int

    def exists(self) -> bool:
        """Say whether the quad tree has such a square, down to DEEPEST."""
        return 0 <= self.z <= DEEPEST and 0 <= self.x < 2**self.z and 0 <= self.y < 2**self.z

    @property
    def step_m(self) -> float:
        """Length of a grid step at this zoom [m of Web Mercator]."""
        return step_m(self.z)

    def box(self, margin: int = 0) -> shapely.Polygon:
        """Give the square, widened by `margin` steps, on the world grid of its zoom [steps]."""
        west, north = self.x * EXTENT, self.y * EXTENT
        return shapely.box(west - margin, north - margin, west + EXTENT + margin, north + EXTENT + margin)

    def metres(self, margin: int = 0) -> tuple[float, float, float, float]:
        """Give west, south, east, north of the square, widened by `margin` steps [m of Web Mercator].

        >>> [round(side) for side in Tile(1, 1, 0).metres()]
        [0, 0, 20037508, 20037508]
        """
        west, north, east, south = shapely.bounds(self.box(margin)) * self.step_m
        return float(west - _HALF), float(_HALF - south), float(east - _HALF), float(_HALF - north)


def step_m(z: int) -> float:
    """Give the length of a grid step at zoom z [m of Web Mercator]."""
    return 2 * _HALF / EXTENT / 2**z


def spans(sides: Corners, z: int, reach: int) -> npt.NDArray[np.int64]:
    """Give the first x and y and the last x and y of the tiles of a zoom that come within `reach` steps of boxes.

    `sides` are west, south, east, north [m of Web Mercator], a row each.

    >>> spans(np.array([[-10.0, 5.0, 10.0, 20.0]]), 1, 0).tolist()
    [[0, 0, 1, 0]]
    """
    steps = np.column_stack([sides[:, 0] + _HALF, _HALF - sides[:, 3], sides[:, 2] + _HALF, _HALF - sides[:, 1]])
    reached = steps / step_m(z) + np.array([-reach, -reach, reach, reach])
    return np.clip(np.floor(reached / EXTENT), 0, 2**z - 1).astype(np.int64)


def mercator(degrees: Shapes) -> Shapes:
    """Project WGS 84 shapes to Web Mercator [m].

    Latitudes beyond 85.05 degrees are drawn at the edge of the world square.

    >>> [round(side) for side in shapely.bounds(mercator(shapely.box(116.0, 35.0, 116.5, 35.5))).tolist()]
    [12913061, 4163881, 12968721, 4232038]
    """
    return shapely.transform(degrees, _to_mercator)


def _to_mercator(corners: Corners) -> Corners:
    lat = np.radians(np.clip(corners[:, 1], -_HIGHEST, _HIGHEST))
    return np.column_stack([np.radians(corners[:, 0]), np.arctanh(np.sin(lat))]) * _RADIUS


def degrees(metres: Shapes) -> Shapes:
    """Take Web Mercator shapes back to WGS 84 [deg].

    >>> [round(side, 6) for side in shapely.bounds(degrees(mercator(shapely.box(116.0, 35.0, 116.5, 35.5)))).tolist()]
    [116.0, 35.0, 116.5, 35.5]
    """
    return shapely.transform(metres, _to_degrees)


def _to_degrees(corners: Corners) -> Corners:
    return np.degrees(np.column_stack([corners[:, 0] / _RADIUS, np.arcsin(np.tanh(corners[:, 1] / _RADIUS))]))


def on_grid(metres: Shapes, z: int) -> Shapes:
    """Put Web Mercator polygons, or points, on the world grid of zoom z [steps], valid, none lost.

    Exteriors are clockwise on the screen, as MVT wants them.

    A place too small for the grid is drawn as one square step: it must not vanish because the map is zoomed out.

    >>> place = mercator(np.array([shapely.box(116.0, 35.0, 116.001, 35.001)]))
    >>> on_grid(place, 3)[0].area, on_grid(place, 14)[0].area > 10_000
    (1.0, True)
    """
    exact = _world_steps(metres, z)
    shapes = shapely.transform(exact, np.round)
    if _are_points(exact):
        return shapes
    folded = ~shapely.is_valid(shapes)  # to be rounded as a whole, which takes ten times as long
    shapes[folded] = _only_polygons(shapely.set_precision(exact[folded], 1.0))
    lost = shapely.is_empty(shapes)
    shapes[lost] = _one_step(shapely.point_on_surface(exact[lost]), (0, 0, EXTENT * 2**z, EXTENT * 2**z))
    return shapely.orient_polygons(shapely.remove_repeated_points(shapes), exterior_cw=False)


def from_grid(steps: Shapes, tile: Tile) -> Shapes:
    """Take shapes on a tile's own grid back to Web Mercator [m]."""
    west, _, _, north = tile.metres()
    side = tile.step_m
    return shapely.transform(
        steps, lambda corners: np.column_stack([west + corners[:, 0] * side, north - corners[:, 1] * side])
    )


def cut(steps: Shapes, tile: Tile) -> Shapes:
    """Cut polygons on the world grid of the tile's zoom [steps] to the tile and its margin; same length and order.

    Every piece is valid and wound as MVT wants it; one that lies outside is empty.
    """
    box = tile.box(MARGIN)
    pieces = _only_polygons(shapely.transform(shapely.clip_by_rect(steps, *box.bounds), np.round))
    # Cutting corner by corner is fast and, once in a while, folds a piece or loses a sliver: these are cut as a whole.
    doubtful = ~shapely.is_valid(pieces) | shapely.is_empty(pieces)
    pieces[doubtful] = _only_polygons(shapely.intersection(steps[doubtful], box, grid_size=1.0))
    return shapely.orient_polygons(shapely.remove_repeated_points(pieces), exterior_cw=False)


def nearest_step(metres: Shapes, tile: Tile) -> Shapes:
    """Give the square step of the tile, or its margin, nearest to each shape, on the world grid of its zoom [steps].

    So is a place drawn that touches the tile but of which the grid leaves nothing there.
    """
    box = tile.box(MARGIN)
    west, north, east, south = (int(side) for side in box.bounds)
    return _one_step(
        shapely.get_point(shapely.shortest_line(box, _world_steps(metres, tile.z)), 0), (west, north, east, south)
    )


def _world_steps(metres: Shapes, z: int) -> Shapes:
    side = step_m(z)
    return shapely.transform(
        metres, lambda corners: np.column_stack([corners[:, 0] + _HALF, _HALF - corners[:, 1]]) / side
    )


def _are_points(shapes: Shapes) -> bool:
    """Tell whether these are points; shapes of one ground are of one kind."""
    return bool(len(shapes)) and bool((shapely.get_type_id(shapes) == shapely.GeometryType.POINT).all())


def _only_polygons(shapes: Shapes) -> Shapes:
    """Drop the points and lines that cutting leaves where a polygon only touches."""
    kinds = shapely.get_type_id(shapes)
    for at in np.flatnonzero((kinds != shapely.GeometryType.POLYGON) & (kinds != shapely.GeometryType.MULTIPOLYGON)):
        parts = shapely.get_parts(shapely.get_parts(shapes[at]))
        shapes[at] = shapely.multipolygons(parts[shapely.get_type_id(parts) == shapely.GeometryType.POLYGON])
    return shapes


def _one_step(points: Shapes, within: tuple[int, int, int, int]) -> Shapes:
    """Give the grid square that holds each point, moved into `within` (low x, low y, high x, high y)."""
    x = np.clip(np.floor(shapely.get_x(points)), within[0], within[2] - 1)
    y = np.clip(np.floor(shapely.get_y(points)), within[1], within[3] - 1)
    return shapely.box(x, y, x + 1, y + 1)
