from typing import Any

import mapbox_vector_tile
import numpy as np
import orjson
import pyogrio
import pytest
import shapely
from shapely.geometry.base import BaseGeometry

from geo_service.errors import NotFound
from geo_service.maps import atlas, colours, tiles
from geo_service.maps.layers import View
from tests.maps.drawn import CENTRE, SCHEME, decoded, frame, ground, ids, picture, printed, tile_at, zones


def street(number: int) -> list[BaseGeometry]:
    """A row of houses side by side to the east, 100 m each."""
    lon, lat = CENTRE
    return [shapely.box(lon + 0.001 * i, lat, lon + 0.001 * (i + 1), lat + 0.001) for i in range(number)]


HOME = tile_at(*CENTRE, 14)
COUNTS = {"2024-03": {"000": (1, 1), "001": (2, 2), "002": (5, 3), "003": (9, 4)}, "2024-05": {"003": (1, 1)}}


def worn(of: atlas.Atlas, month: str, layer: str = "warnings") -> list[dict[str, Any]]:
    return [feature["properties"] for feature in printed(of.tile(layer, HOME, "geojson", month).content)]


def test_each_place_wears_the_colour_of_its_month():
    drawn = picture(street(5), COUNTS)
    levels = [
        (place["id"], place["count"], place["level"], place["level_name"], place["colour"])
        for place in worn(drawn, "2024-03")
    ]
    assert levels == [
        ("000", 1, 1, "yellow", "#f7d84a"),
        ("001", 2, 2, "orange", "#f28e2b"),
        ("002", 5, 3, "red", "#d7263d"),
        ("003", 9, 4, "black", "#1b1b1f"),
        ("004", 0, 0, "none", "#dfe7e3"),
    ]
    assert {place["month"] for place in worn(drawn, "2024-03")} == {"2024-03"}


@pytest.mark.parametrize("month", ["2024-04", "2024-06"])
def test_a_month_on_record_without_incidents_is_zero(month: str):
    assert {(place["count"], place["level"]) for place in worn(picture(street(5), COUNTS), month)} == {(0, 0)}


@pytest.mark.parametrize("month", ["2024-02", "2024-07"])
def test_a_month_not_on_record_is_unknown_and_not_zero(month: str):
    drawn = picture(street(5), COUNTS)
    assert {(place["count"], place["level"], place["level_name"]) for place in worn(drawn, month)} == {
        (None, None, "unknown")
    }
    assert {place["colour"] for place in worn(drawn, month)} == {SCHEME.unknown.colour}
    [feature, *_] = decoded(drawn.tile("warnings", HOME, "mvt", month).content, "warnings")
    assert set(feature["properties"]) == {"id", "name", "class", "month", "level_name", "colour"}


def test_without_any_incident_on_record_nothing_is_known():
    assert {place["level"] for place in worn(picture(street(2)), "")} == {None}


def test_the_current_month_is_shown_unless_another_is_asked_for():
    drawn = picture(street(2), COUNTS)
    assert worn(drawn, "") == worn(drawn, "2024-06")


def test_a_plain_layer_carries_no_state():
    drawn = picture(street(2), COUNTS)
    assert worn(drawn, "", "communities")[0] == {"id": "000", "name": "村 000", "class": "residential"}


def test_a_tile_is_named_after_its_layer_and_carries_numeric_ids_and_extent():
    tile = mapbox_vector_tile.decode(picture(street(3), COUNTS).tile("warnings", HOME, "mvt").content)
    assert list(tile) == ["warnings"]
    assert tile["warnings"]["extent"] == tiles.EXTENT
    assert tile["warnings"]["version"] == 2
    assert ids(tile["warnings"]["features"]) == [1000, 1001, 1002]


def test_where_nothing_is_drawn_there_are_no_bytes():
    drawn = picture(street(3), COUNTS)
    assert drawn.tile("warnings", tiles.Tile(3, 0, 0), "mvt").content == b""
    assert drawn.tile("unit_warnings", HOME, "mvt").content == b""


def test_the_same_atlas_draws_the_same_bytes():
    one, other = picture(street(5), COUNTS), picture(street(5), COUNTS)
    assert (
        one.tile("warnings", HOME, "mvt", "2024-03").content == other.tile("warnings", HOME, "mvt", "2024-03").content
    )
    assert one.tag("warnings", "2024-03") == other.tag("warnings", "2024-03")


def test_a_tag_changes_with_what_is_drawn_and_with_nothing_else():
    before = picture(street(5), COUNTS)
    changed = {("communities", "2024-05"): frame({"004": (2, 2)})}
    after = before.renewed(changed, months=["2024-03", "2024-05"], month="2024-06", seq=2)
    assert after.tag("warnings", "2024-05") != before.tag("warnings", "2024-05")
    assert after.tag("warnings", "2024-03") == before.tag("warnings", "2024-03")
    assert after.tag("communities") == before.tag("communities")
    moved = picture([shapely.transform(house, lambda xy: xy + 0.0001) for house in street(5)], COUNTS)
    assert moved.tag("communities") != before.tag("communities")
    assert before.tag("warnings", "2024-03") != before.tag("warnings", "2024-04")
    assert before.tag("warnings", "2024-03", View("other")) != before.tag("warnings", "2024-03")


def test_an_atlas_that_is_renewed_leaves_the_old_one_as_it_was():
    before = picture(street(5), COUNTS)
    drawn = before.tile("warnings", HOME, "mvt", "2024-05").content
    after = before.renewed(
        {("communities", "2024-05"): frame({"004": (2, 2)})}, months=["2024-05"], month="2024-06", seq=2
    )
    assert before.tile("warnings", HOME, "mvt", "2024-05").content == drawn
    assert after.grounds["communities"] is before.grounds["communities"]
    assert after.months == ("2024-05",)
    assert after.state("communities", "2024-03") is None


def test_levels_of_zones_that_are_gone_are_not_drawn():
    state = colours.tally(ground(zones("communities", street(3))), frame({"zzz": (6, 4), "001": (1, 1), "0": (6, 4)}))
    assert state.counts.tolist() == [0, 1, 0]
    assert state.levels.tolist() == [0, 1, 0]


def test_ids_are_compared_as_text():
    named = zones("communities", street(3), ["10", "2", "9"])
    drawn = ground(named)
    assert colours.tally(drawn, frame({"9": (3, 2), "10": (1, 1)})).counts.tolist() == [1, 0, 3]


def test_places_are_found_by_box_and_by_id():
    drawn, (lon, lat) = picture(street(5)), CENTRE
    assert drawn.rows("communities").tolist() == [0, 1, 2, 3, 4]
    assert drawn.rows("communities", [(lon + 0.0011, lat, lon + 0.0029, lat + 1)]).tolist() == [1, 2]
    assert drawn.rows("communities", [(lon, lat, lon, lat), (lon + 0.0045, lat, 180.0, lat)]).tolist() == [0, 4]
    assert drawn.rows("communities", [(0, 0, 1, 1)]).tolist() == []
    assert drawn.row("communities", "003").tolist() == [3]
    for absent in ("", "0", "0030", "zzz"):
        with pytest.raises(NotFound, match=f"layer communities has no place '{absent}'"):
            drawn.row("communities", absent)


def test_what_does_not_exist_says_what_does():
    drawn = picture(street(1))
    with pytest.raises(NotFound, match="no layer 'cameras'; there are communities, patrol_zone_warnings"):
        drawn.tag("cameras")
    with pytest.raises(NotFound, match="no tile 3/8/0: zooms run from 0 to 22"):
        drawn.tile("warnings", tiles.Tile(3, 8, 0), "mvt")


def test_a_view_sees_its_layers_only():
    narrow = View("narrow", frozenset({"communities"}))
    assert picture(street(1)).tile("communities", HOME, "mvt", view=narrow).content
    with pytest.raises(NotFound, match=r"no layer 'warnings'; there are communities$"):
        picture(street(1)).tile("warnings", HOME, "mvt", view=narrow)


def test_gdal_reads_the_vector_tile_where_the_place_lies(tmp_path: Any):
    drawn = picture(street(4), COUNTS)
    path = tmp_path / str(HOME.z) / str(HOME.x) / f"{HOME.y}.mvt"
    path.parent.mkdir(parents=True)
    path.write_bytes(drawn.tile("warnings", HOME, "mvt", "2024-03").content)
    read = pyogrio.read_dataframe(path, layer="warnings")
    assert read["id"].tolist() == ["000", "001", "002", "003"]
    assert read["level"].tolist() == [1, 2, 3, 4]
    assert read.crs.to_epsg() == 3857
    exact = drawn.grounds["communities"].metres
    assert np.all(shapely.hausdorff_distance(np.asarray(read.geometry), exact) < HOME.step_m)


def test_features_are_whole_places_with_numeric_ids():
    [feature] = picture(street(3), COUNTS).features("warnings", np.array([1]), "2024-03")
    read = orjson.loads(orjson.dumps(feature))
    assert read["id"] == 1001
    assert shapely.hausdorff_distance(shapely.geometry.shape(read["geometry"]), street(3)[1]) < 1e-7
    assert (read["properties"]["id"], read["properties"]["count"]) == ("001", 2)
