import h3
import numpy as np

from geo_service.geography import grid

RNG = np.random.Generator(np.random.PCG64(2))
LON, LAT = RNG.uniform(-180, 180, 500), RNG.uniform(-85, 85, 500)


def test_cells_and_parents_are_those_of_h3():
    finest = grid.cells(LON, LAT)
    assert grid.as_text(finest).tolist() == [h3.latlng_to_cell(a, o, 10) for o, a in zip(LON, LAT, strict=True)]
    for resolution in grid.RESOLUTIONS:
        expected = [h3.cell_to_parent(cell, resolution) for cell in grid.as_text(finest)]
        assert grid.as_text(grid.parents(finest, resolution)).tolist() == expected


def test_no_coordinates_no_cell():
    lon, lat = np.array([np.nan, 116.0, 200.0]), np.array([35.0, np.nan, 35.0])
    found = grid.cells(lon, lat)
    assert grid.as_text(found).tolist() == [None, None, None]
    assert grid.parents(found, 7).tolist() == [0, 0, 0]


def test_text_and_index_are_one():
    finest = grid.cells(LON, LAT)
    assert (grid.from_text(grid.as_text(finest)) == finest).all()
