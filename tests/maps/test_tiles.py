import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry.base import BaseGeometry

from geo_service.maps import geojson, tiles
from geo_service.maps.ground import FINEST
from tests.maps.drawn import CENTRE, decoded, ids, picture, places, polygons, printed, signed_area, tile_at, tiles_near

CITY = st.lists(places(), min_size=1, max_size=8)
SLOW = settings(deadline=None, max_examples=60)


def touching(shapes: list[BaseGeometry], tile: tiles.Tile) -> list[int]:
    """Ask every place, without an index, whether it touches the tile or its margin."""
    box = shapely.box(*tile.metres(tiles.MARGIN))
    drawn = tiles.mercator(geojson.fit_to_print(np.array(shapes, dtype=object)))
    return [1000 + row for row, shape in enumerate(drawn) if shape.intersects(box)]


@SLOW
@given(CITY, tiles_near())
def test_a_tile_holds_exactly_the_places_that_touch_it(city: list[BaseGeometry], tile: tiles.Tile):
    atlas = picture(city)
    wanted = touching(city, tile)
    assert ids(decoded(atlas.tile("communities", tile, "mvt").content, "communities")) == wanted
    assert ids(printed(atlas.tile("communities", tile, "geojson").content)) == wanted


@SLOW
@given(CITY, tiles_near())
def test_every_polygon_of_a_vector_tile_is_valid_and_wound_as_mvt_wants_it(city: list[BaseGeometry], tile: tiles.Tile):
    for feature in decoded(picture(city).tile("communities", tile, "mvt").content, "communities"):
        whole = shapely.geometry.shape(feature["geometry"])
        assert whole.is_valid, shapely.is_valid_reason(whole)
        assert not whole.is_empty
        for exterior, *holes in polygons(feature):
            assert signed_area(exterior) > 0  # y runs down: clockwise on the screen
            assert all(signed_area(hole) < 0 for hole in holes)
            numbers = np.array(exterior)
            assert np.array_equal(numbers, np.round(numbers))
            assert numbers.min() >= -tiles.MARGIN
            assert numbers.max() <= tiles.EXTENT + tiles.MARGIN


@SLOW
@given(CITY, tiles_near())
def test_every_polygon_of_a_geojson_tile_is_valid_and_wound_as_rfc_7946_wants_it(
    city: list[BaseGeometry], tile: tiles.Tile
):
    for feature in printed(picture(city).tile("communities", tile, "geojson").content):
        whole = shapely.geometry.shape(feature["geometry"])
        assert whole.is_valid, shapely.is_valid_reason(whole)
        for exterior, *holes in polygons(feature):
            assert signed_area(exterior) > 0
            assert all(signed_area(hole) < 0 for hole in holes)
            assert exterior[0] == exterior[-1]


@SLOW
@given(CITY, tiles_near(deepest=16))
def test_both_forms_draw_the_same(city: list[BaseGeometry], tile: tiles.Tile):
    atlas = picture(city)
    there = decoded(atlas.tile("communities", tile, "mvt").content, "communities")
    here = printed(atlas.tile("communities", tile, "geojson").content)
    assert [feature["properties"] for feature in there] == [feature["properties"] for feature in here]
    one, other = (
        np.array([shapely.geometry.shape(feature["geometry"]) for feature in features], dtype=object)
        for features in (there, here)
    )
    apart = shapely.hausdorff_distance(tiles.from_grid(one, tile), tiles.mercator(other))
    assert np.all(apart < 0.05)  # [m] seven decimals are a centimetre


@SLOW
@given(CITY, tiles_near())
def test_neighbouring_tiles_agree_where_they_overlap(city: list[BaseGeometry], tile: tiles.Tile):
    east = tiles.Tile(tile.z, tile.x + 1, tile.y)
    if not east.exists():
        return
    atlas = picture(city)
    strip = shapely.box(tiles.EXTENT - tiles.MARGIN + 2, -9999, tiles.EXTENT + tiles.MARGIN - 2, 9999)

    def within_the_strip(of: tiles.Tile, shift: int) -> dict[int, BaseGeometry]:
        features = decoded(atlas.tile("communities", of, "mvt").content, "communities")
        moved = {
            feature["id"]: shapely.transform(
                shapely.geometry.shape(feature["geometry"]), lambda xy: xy + np.array([shift, 0])
            )
            for feature in features
        }
        return {fid: part for fid, shape in moved.items() if (part := shape.intersection(strip)).area > 0}

    ours, theirs = within_the_strip(tile, 0), within_the_strip(east, tiles.EXTENT)
    assert ours.keys() == theirs.keys()
    for fid, part in ours.items():
        # Only where a line leaves the strip is it cut, and rounded, at another place.
        assert shapely.hausdorff_distance(part, theirs[fid]) <= 2
        assert part.symmetric_difference(theirs[fid]).area <= 2 * part.length


@SLOW
@given(places(), st.integers(8, 15))
def test_the_tiles_around_a_place_hold_all_of_it(place: BaseGeometry, z: int):
    atlas = picture([place])
    west, south, east, north = place.bounds
    first, last = tile_at(west, north, z), tile_at(east, south, z)
    inner = shapely.box(0, 0, tiles.EXTENT, tiles.EXTENT)
    area = 0.0
    for x in range(first.x - 1, last.x + 2):
        for y in range(first.y - 1, last.y + 2):
            for feature in decoded(atlas.tile("communities", tiles.Tile(z, x, y), "mvt").content, "communities"):
                area += shapely.geometry.shape(feature["geometry"]).intersection(inner).area
    ground = atlas.grounds["communities"]
    [whole] = ground.sheet(z).flat.shapes(np.array([0])) if z <= FINEST else tiles.on_grid(ground.metres, z)
    # A place that only touches a tile's margin there may leave one square step behind.
    assert area == pytest.approx(whole.area, abs=1 + whole.length * 0.5)


@SLOW
@given(places())
def test_no_place_vanishes_however_far_the_map_is_zoomed_out(place: BaseGeometry):
    atlas = picture([place])
    for z in range(19):
        point = place.representative_point()
        features = decoded(atlas.tile("communities", tile_at(point.x, point.y, z), "mvt").content, "communities")
        assert ids(features) == [1000]
        assert shapely.geometry.shape(features[0]["geometry"]).area > 0


def test_simplifying_keeps_neighbours_neighbours():
    # Two districts share a crooked border of 200 corners; at every zoom they cover the ground without gap or overlap.
    turns = np.linspace(0, 1, 200)
    border = np.column_stack([0.03 * np.sin(turns * 40) * turns, turns]) * 0.1 + np.array(CENTRE)
    west = shapely.Polygon([*border, CENTRE + np.array([-0.1, 0.1]), CENTRE + np.array([-0.1, 0])])
    outline = [*border, CENTRE + np.array([0.1, 0.1]), CENTRE + np.array([0.1, 0])]
    east = shapely.Polygon(outline[77:] + outline[:77])  # its ring begins amid the border, as rings in files do
    ground = picture([west, east]).grounds["communities"]
    corners = [len(ground.sheet(z).flat.corners) for z in range(15)]
    assert corners[8] < corners[14] / 2
    for z in range(6, 15):
        left, right = ground.sheet(z).flat.shapes(np.arange(2))
        assert left.intersection(right).area == 0
        assert not left.union(right).interiors
        assert left.intersection(right).length > 0


def test_a_place_that_the_grid_leaves_outside_the_margin_is_still_in_the_tile():
    tile = tile_at(*CENTRE, 10)
    west, south, east, north = tile.metres(tiles.MARGIN)
    edge = east - 0.3 * tile.step_m  # rounds to the margin's own edge
    place = shapely.box(edge, (south + north) / 2, edge + 50 * tile.step_m, north)
    atlas = picture(list(tiles.degrees(np.array([place]))))
    [feature] = decoded(atlas.tile("communities", tile, "mvt").content, "communities")
    step = shapely.geometry.shape(feature["geometry"])
    assert step.area == 1
    assert step.bounds[2] == tiles.EXTENT + tiles.MARGIN
    assert step.bounds[0] < west + east  # and it lies at the eastern edge


def test_needles_cut_at_the_margin_stay_valid():
    # A comb whose teeth end just beyond the margin: cut there, their two sides are less than a step apart.
    tile, teeth = tile_at(*CENTRE, 12), 200
    west, north = tile.x * tiles.EXTENT, tile.y * tiles.EXTENT
    tips = np.column_stack([np.full(teeth, west + tiles.EXTENT + tiles.MARGIN + 3), north + 10 + 20 * np.arange(teeth)])
    roots = tips + np.array([-700, 9])
    comb = shapely.Polygon(
        [*np.stack([tips, roots], axis=1).reshape(-1, 2), (west + 10, roots[-1, 1]), (west + 10, tips[0, 1])]
    )
    comb = shapely.buffer(comb, 0)
    [piece] = tiles.cut(np.array([comb]), tile)
    corners = shapely.get_coordinates(piece)
    assert np.array_equal(corners, np.round(corners))
    assert piece.is_valid


@pytest.mark.parametrize(("z", "x", "y"), [(-1, 0, 0), (0, 1, 0), (3, 8, 0), (3, 0, 8), (23, 0, 0)])
def test_tiles_outside_the_quad_tree_do_not_exist(z: int, x: int, y: int):
    assert not tiles.Tile(z, x, y).exists()


def test_a_tile_is_where_the_standard_puts_it():
    # Bounds of 10/843/405 from the XYZ scheme's own formula: lon = x / 2^z * 360 - 180.
    west, south, east, north = shapely.total_bounds(
        tiles.degrees(np.array([shapely.box(*tiles.Tile(10, 843, 405).metres())]))
    )
    assert west == pytest.approx(843 / 1024 * 360 - 180, abs=1e-9)
    assert east == pytest.approx(844 / 1024 * 360 - 180, abs=1e-9)
    assert north == pytest.approx(np.degrees(np.arctan(np.sinh(np.pi * (1 - 2 * 405 / 1024)))), abs=1e-9)
    assert south == pytest.approx(np.degrees(np.arctan(np.sinh(np.pi * (1 - 2 * 406 / 1024)))), abs=1e-9)
