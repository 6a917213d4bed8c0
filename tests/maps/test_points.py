"""Layers of points: prevention objects as tiles and features."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from geo_service.errors import BadParameter, NotFound
from geo_service.maps import atlas, layers, tiles
from geo_service.maps import ground as grounds
from tests.maps.drawn import CENTRE, LAYERS, SCHEME, decoded, ground, ids, printed, tile_at, zones

KINDS = LAYERS["prevention"].objects


def objects(points: list[tuple[float, float]], kinds: tuple[str, ...] = KINDS) -> pd.DataFrame:
    """Give objects named p0, p1 … at points [deg], of the kinds in turn, with feature ids from 500."""
    rows: list[dict[str, Any]] = [
        {
            **dict.fromkeys(layers.OBJECT_FIELDS, ""),
            "fid": 500 + row,
            "id": f"p{row}",
            "name": f"岗 {row}",
            "kind": kinds[row % len(kinds)],
            "lon": lon,
            "lat": lat,
            "valid_from": "2024-01-01",
        }
        for row, (lon, lat) in enumerate(points)
    ]
    return pd.DataFrame(rows, columns=["fid", "lon", "lat", *layers.OBJECT_FIELDS])


def picture(points: list[tuple[float, float]]) -> atlas.Atlas:
    bare = [ground(zones(kind, [])) for kind in layers.ZONE_KINDS]
    drawn = atlas.Atlas.build(LAYERS, SCHEME, bare, {}, month="2024-06", seq=1)
    return drawn.pinned([grounds.pin("prevention", objects(points)), grounds.pin("venues", objects([]))], seq=2)


NEAR = st.tuples(st.floats(-0.05, 0.05), st.floats(-0.05, 0.05)).map(lambda d: (CENTRE[0] + d[0], CENTRE[1] + d[1]))
HOME = tile_at(*CENTRE, 14)


def test_a_point_is_a_point_on_every_tile():
    drawn = picture([CENTRE, (CENTRE[0] + 0.001, CENTRE[1])])
    for z in (0, 9, 14, 18, 22):
        at = tile_at(*CENTRE, z)
        for features in (
            decoded(drawn.tile("prevention", at, "mvt").content, "prevention"),
            printed(drawn.tile("prevention", at, "geojson").content),
        ):
            assert {feature["geometry"]["type"] for feature in features} == {"Point"}
            assert 500 in ids(features)
    [first, _] = printed(drawn.tile("prevention", HOME, "geojson").content)
    assert first["properties"] == {
        **dict.fromkeys(layers.OBJECT_FIELDS, None),
        "id": "p0",
        "name": "岗 0",
        "kind": "guard_post",
        "valid_from": "2024-01-01",
    }
    [first, _] = decoded(drawn.tile("prevention", HOME, "mvt").content, "prevention")
    assert set(first["properties"]) == {"id", "name", "kind", "valid_from"}  # MVT has no null


@given(st.lists(NEAR, min_size=1, max_size=12), st.integers(3, 18))
def test_the_tiles_of_a_zoom_hold_each_point_once_within_a_step_and_nothing_else(points: Any, z: int):
    drawn, held = picture(points), []
    for tile in {tile_at(lon, lat, z) for lon, lat in points}:
        for feature in decoded(drawn.tile("prevention", tile, "mvt").content, "prevention"):
            x, y = feature["geometry"]["coordinates"]
            assert -tiles.MARGIN - 1 <= x <= tiles.EXTENT + tiles.MARGIN + 1
            [back] = tiles.degrees(tiles.from_grid(np.array([shapely.Point(x, y)]), tile))
            lon, lat = points[feature["id"] - 500]
            step_deg = 360 / 2**z / tiles.EXTENT
            assert abs(back.x - lon) <= step_deg
            assert abs(back.y - lat) <= step_deg
            held.append(feature["id"])
    assert set(held) == {500 + row for row in range(len(points))}


def test_points_come_in_the_order_of_their_ids_whatever_the_order_they_came_in():
    shuffled = objects([CENTRE] * 12).iloc[::-1]
    assert grounds.pin("prevention", shuffled).ids.tolist() == sorted(f"p{row}" for row in range(12))
    assert grounds.pin("prevention", shuffled).digest == grounds.pin("prevention", objects([CENTRE] * 12)).digest


def test_features_are_filtered_by_box_and_kind():
    drawn = picture([CENTRE, (CENTRE[0] + 0.1, CENTRE[1]), (CENTRE[0], CENTRE[1] + 0.001)])
    everything = drawn.rows("prevention")
    assert [f["properties"]["id"] for f in drawn.features("prevention", everything)] == ["p0", "p1", "p2"]
    lon, lat = CENTRE
    near = drawn.rows("prevention", [(lon - 0.01, lat - 0.01, lon + 0.01, lat + 0.01)])
    assert near.tolist() == [0, 2]
    assert drawn.of_kind("prevention", near, "gate").tolist() == [2]
    assert drawn.features("prevention", drawn.row("prevention", "p1"))[0]["id"] == 501
    with pytest.raises(BadParameter, match="kind=venue: layer prevention has no such kind; it holds guard_post"):
        drawn.of_kind("prevention", near, "venue")
    with pytest.raises(BadParameter, match="it holds places, not objects"):
        drawn.of_kind("communities", near, "gate")
    with pytest.raises(NotFound):
        drawn.row("venues", "p1")


def test_a_moved_point_makes_another_tag_and_leaves_the_other_layers():
    one, other = picture([CENTRE]), picture([(CENTRE[0] + 0.001, CENTRE[1])])
    assert one.tag("prevention") != other.tag("prevention")
    assert one.tag("prevention") == picture([CENTRE]).tag("prevention")
    for name in ("warnings", "venues"):
        assert one.tag(name) == other.tag(name)
    assert one.tag("prevention", "2023-01") == one.tag("prevention", "2024-05")  # points wear no month
    assert one.tile("venues", HOME, "mvt").content == b""
