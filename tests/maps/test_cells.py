"""H3 cells as a layer: their tiles, ids and states are those of h3, and at low zooms a parent wears its worst child."""

from typing import Any

import h3
import numpy as np
import orjson
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import shape

from geo_service.geography import grid
from geo_service.maps import atlas, cells, states, tiles
from tests.maps.drawn import CENTRE, LAYERS, SCHEME, decoded, tile_at

MONTH = "2024-06"
CITY = sorted(h3.grid_disk(h3.latlng_to_cell(CENTRE[1], CENTRE[0], 9), 25))  # 1,951 cells, 16 km across
RNG = np.random.default_rng(5)


def frame(counts: dict[str, int]) -> pd.DataFrame:
    levels = np.searchsorted([1, 2, 4, 6], list(counts.values()), side="right")
    return pd.DataFrame({"zone_id": pd.Series(list(counts), dtype="str"), "count": counts.values(), "level": levels})


def drawn(names: list[str], counts: dict[str, int]) -> atlas.Atlas:
    laid = cells.lay(grid.from_text(names))
    return atlas.Atlas.build(LAYERS, SCHEME, [laid], {("cells", MONTH): frame(counts)}, month=MONTH, seq=1)


def said(of: atlas.Atlas, tile: tiles.Tile) -> list[dict[str, Any]]:
    return decoded(of.tile("incident_cells", tile, "mvt").content, "incident_cells")


COUNTS = dict(zip(CITY, RNG.poisson(0.7, len(CITY)).tolist(), strict=True))
BUSY = drawn(CITY, {name: count for name, count in COUNTS.items() if count})


def test_a_cell_is_drawn_with_its_outline_its_index_and_its_colour():
    features = orjson.loads(orjson.dumps(BUSY.features("incident_cells", BUSY.rows("incident_cells"))))
    assert [feature["properties"]["id"] for feature in features] == CITY
    for feature in features:
        name = feature["properties"]["id"]
        assert feature["properties"]["count"] == COUNTS[name]
        outline = shapely.Polygon([(lon, lat) for lat, lon in h3.cell_to_boundary(name)])
        assert shapely.hausdorff_distance(shape(feature["geometry"]), outline) < 1e-6
    assert len({feature["id"] for feature in features}) == len(CITY)
    assert max(feature["id"] for feature in features) < 2**52


def test_state_tiles_of_cells_equal_their_baked_colours():
    for z in range(6, 17):
        tile = tile_at(*CENTRE, z)
        baked = said(BUSY, tile)
        state = states.read(states.tile(BUSY, "incident_cells", tile))
        assert state.classes.tolist() == [feature["properties"]["level"] for feature in baked]
        assert baked


@pytest.mark.parametrize("z", range(11))
def test_at_low_zooms_the_cells_of_a_parent_are_one_feature_in_the_colour_of_the_worst(z: int):
    resolution = grid.resolution_at(z, 9, CENTRE[1])
    if resolution == 9:
        return
    laid = BUSY.grounds["cells"].sheet(z)
    above = {h3.cell_to_parent(name, resolution): list[int]() for name in CITY}
    for name in CITY:
        above[h3.cell_to_parent(name, resolution)].append(COUNTS[name])
    worst = {name: int(np.searchsorted([1, 2, 4, 6], max(counts), side="right")) for name, counts in above.items()}
    numbers = grid.numbers(grid.from_text(sorted(above)))
    assert laid.fids.tolist() == [2**52 + (resolution << 40) + number for number in numbers.tolist()]
    worn, _ = BUSY.worn("incident_cells", z) or pytest.fail("cells wear levels")
    rows = np.arange(len(laid))
    assert worn["level"].said(rows) == [worst[name] for name in sorted(above)]
    assert worn["count"].said(rows) == [sum(above[name]) for name in sorted(above)]
    assert laid.columns["places"].said(rows) == [len(above[name]) for name in sorted(above)]
    step = tiles.step_m(z)
    outlines = tiles.mercator(grid.polygons(grid.from_text(sorted(above))))
    for group, outline in zip(laid.flat.shapes(rows), outlines, strict=True):
        here = tiles.on_grid(np.array([outline], dtype=object), z)[0]
        assert group.centroid.distance(here.centroid) <= 1.5, step


@given(st.integers(0, len(CITY) - 1), st.sampled_from(range(15)))
@settings(max_examples=40)
def test_one_red_cell_is_red_at_every_zoom(at: int, z: int):
    of = BUSY.renewed({("cells", MONTH): frame({CITY[at]: 5})}, months=[MONTH], month=MONTH, seq=2)
    lat, lon = h3.cell_to_latlng(CITY[at])
    assert 3 in states.read(states.tile(of, "incident_cells", tile_at(lon, lat, z))).classes


def test_new_cells_keep_the_states_of_the_others_and_give_a_new_geometry():
    few = drawn(CITY[::2], {name: count for name, count in COUNTS.items() if count})
    more = few.with_ground(cells.lay(grid.from_text(CITY)))
    assert more.geometry_digest("incident_cells") != few.geometry_digest("incident_cells")
    assert more.geometry_digest("incident_cells") == BUSY.geometry_digest("incident_cells")
    counts = {place["id"]: place["count"] for place in more.properties("incident_cells", more.rows("incident_cells"))}
    assert counts == {name: COUNTS[name] if name in CITY[::2] else 0 for name in CITY}
    assert states.delta(few, more).grounds == {"incident_cells": more.geometry_digest("incident_cells")}


def test_no_cells_is_an_empty_layer():
    of = drawn([], {})
    assert of.tile("incident_cells", tile_at(*CENTRE, 3), "mvt").content == b""
    assert of.ground("incident_cells").bounds is None
