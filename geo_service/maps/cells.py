"""Cells: H3 cells as places of a layer, drawn like any other, and at low zooms as the cells they belong to.

Pure.  A cell's numeric feature id is grid.numbers of it; who knows H3 needs no geometry, its index says where it is.
At a zoom whose cells would be a blur, features are their parents at the resolution that can be told apart
(grid.resolution_at), each in the colour of its worst cell.
"""

import numpy as np

from geo_service.geography import grid
from geo_service.maps import ground, tiles
from geo_service.maps.layers import CELLS


def lay(cells: grid.Cells) -> ground.Ground:
    """Make the ground of cells, all of one resolution and none twice, in any order."""
    ordered = np.sort(cells)
    return ground.lay(
        CELLS, {"id": grid.as_text(ordered)}, grid.numbers(ordered), grid.polygons(ordered), grouping=parents
    )


def grown(had: ground.Ground, new: grid.Cells) -> ground.Ground:
    """Add cells to a ground of cells: as if all were laid afresh, but outlines are made of the new ones alone."""
    fresh = lay(new)
    ids = np.concatenate([had.ids, fresh.ids])
    order = np.argsort(ids)
    degrees, metres = (
        np.concatenate(both)[order] for both in ((had.degrees, fresh.degrees), (had.metres, fresh.metres))
    )
    fids = np.concatenate([had.fids, fresh.fids])[order]
    return ground.made(CELLS, {"id": ids[order]}, fids, (degrees, metres), parents)


def parents(of: ground.Ground, z: int) -> ground.Groups | None:
    """Group cells by their parents at the resolution of a zoom; None where it is their own."""
    if not len(of):
        return None
    cells = grid.from_text(of.ids.tolist())
    _, south, _, north = of.bounds or (0.0, 0.0, 0.0, 0.0)
    finest = int(grid.resolutions(cells[:1])[0])
    resolution = grid.resolution_at(z, finest, (south + north) / 2)
    if resolution == finest:
        return None
    above = grid.parents(cells, resolution)
    keys = ground.FIRST_GROUP + (resolution << 40) + grid.numbers(above)  # 37 bits at most
    shapes = tiles.mercator(grid.polygons(np.unique(above)))  # in the order of the cells, so of their numbers
    return ground.Groups(keys, tiles.on_grid(shapes, z))
