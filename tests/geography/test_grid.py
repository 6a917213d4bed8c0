import h3
import numpy as np
import shapely

from geo_service.geography import grid

RNG = np.random.Generator(np.random.PCG64(2))
LON, LAT = RNG.uniform(-180, 180, 500), RNG.uniform(-85, 85, 500)


def test_cells_are_those_of_h3():
    for resolution in grid.RESOLUTIONS:
        expected = [h3.latlng_to_cell(lat, lon, resolution) for lon, lat in zip(LON, LAT, strict=True)]
        assert grid.as_text(grid.cells(LON, LAT, resolution)).tolist() == expected


def test_no_coordinates_no_cell():
    lon, lat = np.array([np.nan, 116.0, 200.0]), np.array([35.0, np.nan, 35.0])
    found = grid.cells(lon, lat)
    assert grid.as_text(found).tolist() == [None, None, None]


def test_parents_resolutions_and_outlines_are_those_of_h3():
    for finest in (15, 9, 7):
        cells = grid.cells(LON, LAT, finest)
        texts = grid.as_text(cells).tolist()
        assert np.array_equal(grid.from_text(texts), cells)
        assert set(grid.resolutions(cells).tolist()) == {finest}
        for resolution in range(finest + 1):
            assert grid.as_text(grid.parents(cells, resolution)).tolist() == [
                h3.cell_to_parent(text, resolution) for text in texts
            ]
    for text, outline in zip(texts, grid.polygons(cells), strict=True):
        corners = [(lon, lat) for lat, lon in h3.cell_to_boundary(text)]
        if max(abs(lon) for lon, _ in corners) < 179:  # others cross the antimeridian
            assert shapely.equals_exact(outline.normalize(), shapely.Polygon(corners).normalize(), 1e-9)


def test_no_two_cells_of_a_resolution_have_a_number_and_browsers_hold_it():
    for resolution in range(16):
        cells = np.unique(grid.cells(LON, LAT, resolution))
        numbers = grid.numbers(cells)
        assert len(np.unique(numbers)) == len(cells)
        assert numbers.max() < 2 ** (7 + 3 * resolution) <= 2**53
        assert (np.diff(numbers) > 0).all()  # in the order of the cells


def test_edges_are_those_of_h3_and_the_resolution_of_a_zoom_never_falls():
    for resolution in range(16):
        edge_m = h3.average_hexagon_edge_length(resolution, unit="m")
        assert abs(grid._EDGES_M[resolution] / edge_m - 1) < 0.03
    for lat in (0.0, 35.0, 60.0):
        shown = [grid.resolution_at(z, 9, lat) for z in range(23)]
        assert shown == sorted(shown)
        assert shown[-1] == 9
