import h3
import numpy as np

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
