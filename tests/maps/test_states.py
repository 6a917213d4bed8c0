"""State tiles, deltas, groups and the names of tiles: the live half of the picture."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from geo_service.errors import BadInput, NotFound
from geo_service.geography.zones import Zones
from geo_service.maps import atlas, colours, states, tiles
from geo_service.maps import ground as grounds
from tests.maps.drawn import CENTRE, LAYERS, SCHEME, decoded, ground, picture, printed, tile_at, zones

HOME = tile_at(*CENTRE, 14)
MONTH = "2024-06"
RNG = np.random.default_rng(7)


def town(across: int) -> Zones:
    """Squares of 200 m in rows of `across`, streets between them."""
    at = np.arange(across) * 0.003
    shapes = [
        shapely.box(CENTRE[0] + x, CENTRE[1] + y, CENTRE[0] + x + 0.002, CENTRE[1] + y + 0.002) for y in at for x in at
    ]
    return zones("communities", shapes, [f"{number:05}" for number in range(across**2)])


def coloured(counts: "np.ndarray[Any, Any]", of: Zones) -> pd.DataFrame:
    levels = np.searchsorted([1, 2, 4, 6], counts, side="right")
    return pd.DataFrame({"zone_id": of.ids, "count": counts, "level": levels})


def drawn(of: Zones, counts: "np.ndarray[Any, Any]") -> atlas.Atlas:
    others = [ground(zones(kind, [])) for kind in ("units", "patrol_zones")]
    frame = {("communities", MONTH): coloured(counts, of)}
    return atlas.Atlas.build(LAYERS, SCHEME, [ground(of), *others], frame, month=MONTH, seq=1)


def changed(of: atlas.Atlas, places: Zones, counts: "np.ndarray[Any, Any]", seq: int) -> atlas.Atlas:
    return of.renewed({("communities", MONTH): coloured(counts, places)}, months=[MONTH], month=MONTH, seq=seq)


SMALL, LARGE = town(6), town(80)
RANDOM = drawn(LARGE, RNG.poisson(1.0, len(LARGE.ids)))
SHOWN = [tile_at(CENTRE[0] + 0.1, CENTRE[1] + 0.1, z) for z in range(17)]


@pytest.mark.parametrize("tile", SHOWN, ids=lambda tile: f"z{tile.z}")
def test_state_tiles_equal_the_baked_colours_feature_by_feature(tile: tiles.Tile):
    baked = decoded(RANDOM.tile("warnings", tile, "mvt").content, "warnings")
    still = decoded(RANDOM.geometry_tile("warnings", tile).content, "warnings")
    state = states.read(states.tile(RANDOM, "warnings", tile))
    assert [feature["id"] for feature in still] == [feature["id"] for feature in baked]
    assert [feature["geometry"] for feature in still] == [feature["geometry"] for feature in baked]
    assert state.classes.tolist() == [feature["properties"]["level"] for feature in baked]
    assert (state.seq, state.digest) == (1, RANDOM.geometry_digest("warnings"))
    assert not {"month", "count", "level", "colour"} & {key for feature in still for key in feature["properties"]}


def test_low_zooms_are_drawn_in_groups_that_add_up_and_wear_their_worst():
    tile = tile_at(CENTRE[0] + 0.1, CENTRE[1] + 0.1, 7)
    sheet = RANDOM.grounds["communities"].sheet(7)
    assert sheet.members is not None
    groups = decoded(RANDOM.tile("warnings", tile, "mvt").content, "warnings")
    counts = RANDOM.states["communities", MONTH].counts
    assert sum(group["properties"]["places"] for group in groups) == len(LARGE.ids)
    assert sum(group["properties"]["count"] for group in groups) == counts.sum()
    for level in SCHEME.levels:
        there = (RANDOM.states["communities", MONTH].levels == level.code).sum()
        assert sum(group["properties"][f"of_{level.name}"] for group in groups) == there
    for group in groups:
        said = group["properties"]
        worst = max(level.code or 0 for level in SCHEME.levels if said[f"of_{level.name}"])
        assert (said["level"], said["colour"]) == (worst, SCHEME.levels[worst].colour)
        assert group["id"] >= 2**52
        assert {"id", "name", "class"}.isdisjoint(said)
    assert printed(RANDOM.tile("warnings", tile, "geojson").content)[0]["properties"] == groups[0]["properties"]


@given(st.integers(0, len(LARGE.ids) - 1), st.sampled_from(range(9)))
@settings(max_examples=30, deadline=None)
def test_one_red_place_is_red_at_every_zoom(place: int, z: int):
    counts = np.zeros(len(LARGE.ids), dtype=np.int64)
    counts[place] = 5
    lon, lat = shapely.get_coordinates(LARGE.geometry[place].centroid)[0]
    of = changed(RANDOM, LARGE, counts, 2)
    assert 3 in states.read(states.tile(of, "warnings", tile_at(lon, lat, z))).classes


def test_a_tile_never_grows_beyond_what_it_may_carry_and_says_what_it_left_out():
    here = pd.DataFrame({"fid": np.arange(30_000), "lon": CENTRE[0] + RNG.uniform(0, 1e-4, 30_000), "lat": CENTRE[1]})
    said = dict.fromkeys(("grade", "valid_from", "regrade_on", "community_id", "unit_id"), "")
    here = here.assign(id=[f"p{row:06}" for row in range(len(here))], name="", kind="gate", **said)
    of = picture([]).pinned([grounds.pin("prevention", here), grounds.pin("venues", here[:0])], seq=2)
    deep = tile_at(CENTRE[0] + 5e-5, CENTRE[1], 16)
    tile = of.tile("prevention", deep, "mvt")
    assert tile.dropped > 0
    assert tile.features + tile.dropped == 30_000
    assert len(tile.content) <= grounds.MOST_TILE_BYTES
    grouped = decoded(of.tile("prevention", tile_at(*CENTRE, 9), "mvt").content, "prevention")
    assert sum(feature["properties"]["places"] for feature in grouped) == 30_000


def test_withheld_and_unknown_have_classes_of_their_own():
    frame = pd.DataFrame(
        {"zone_kind": ["communities"] * 2, "zone_id": ["00000", "00001"], "reason": ["placement", "stale"]}
    )
    of = drawn(SMALL, np.full(36, 5)).without_colours(frame)
    classes = states.read(states.tile(of, "warnings", HOME)).classes
    assert classes[:3].tolist() == [13, 14, 3]
    assert set(states.read(states.tile(of, "warnings", HOME, "2023-01")).classes.tolist()) == {colours.UNKNOWN}
    [first, *_] = decoded(of.tile("warnings", HOME, "mvt").content, "warnings")
    assert (first["properties"]["level_name"], first["properties"]["withheld"]) == ("unknown", "placement")


def test_what_has_no_colours_has_no_states():
    with pytest.raises(NotFound, match="layer 'communities' has no colours; patrol_zone_warnings"):
        states.tile(RANDOM, "communities", HOME)
    with pytest.raises(BadInput, match="begins with b'GST1'"):
        states.read(b"<html>")
    with pytest.raises(BadInput, match="of 3 features has 2 bytes"):
        states.read(states.tile(drawn(SMALL, np.zeros(36)), "warnings", HOME)[:24] + b"\x03\x00\x00\x00\x00")


def test_two_thousand_places_are_a_kilobyte():
    of = drawn(town(44), RNG.poisson(1.0, 44 * 44))
    whole = states.tile(of, "warnings", tile_at(CENTRE[0] + 0.05, CENTRE[1] + 0.05, 6))
    assert len(states.read(whole).classes) == 44 * 44
    assert len(whole) <= 1200


COUNTS = st.lists(st.tuples(st.integers(0, 35), st.integers(0, 8)), max_size=5)


@given(st.lists(COUNTS, min_size=1, max_size=6))
@settings(max_examples=60, deadline=None)
def test_equal_names_mean_equal_tiles_whatever_was_committed(commits: list[list[tuple[int, int]]]):
    counts = np.zeros(36, dtype=np.int64)
    of = drawn(SMALL, counts)
    seen: dict[tuple[tiles.Tile, str], bytes] = {}
    for seq, commit in enumerate([[], *commits], start=2):
        counts = counts.copy()
        for place, count in commit:
            counts[place] = count
        of = changed(of, SMALL, counts, seq)
        for tile in (HOME, *(tiles.Tile(15, HOME.x * 2 + x, HOME.y * 2 + y) for x in (0, 1) for y in (0, 1)), SHOWN[5]):
            content = of.tile("warnings", tile, "mvt").content
            assert seen.setdefault((tile, of.version("warnings", tile)), content) == content


def test_only_tiles_with_a_changed_place_get_new_names():
    counts = RANDOM.states["communities", MONTH].counts.astype(np.int64)
    counts[0] += 1  # the south-western corner
    of = changed(RANDOM, LARGE, counts, 2)
    corner, far = tile_at(*CENTRE, 14), tile_at(CENTRE[0] + 0.2, CENTRE[1] + 0.2, 14)
    assert of.version("warnings", corner) != RANDOM.version("warnings", corner)
    assert of.version("warnings", far) == RANDOM.version("warnings", far)
    assert of.version("communities", corner) == RANDOM.version("communities", corner)
    assert of.geometry_digest("warnings") == RANDOM.geometry_digest("warnings")
    assert len(of.states["communities", MONTH].renamed) < 60


@given(st.lists(COUNTS, min_size=1, max_size=6))
@settings(max_examples=40, deadline=None)
def test_a_client_that_follows_deltas_shows_what_a_new_client_sees(commits: list[list[tuple[int, int]]]):
    counts = np.zeros(36, dtype=np.int64)
    was = drawn(SMALL, counts)
    far, near = tile_at(*CENTRE, 3), HOME
    shown: dict[int, int] = {}
    for tile in (far, near):
        fids = [feature["id"] for feature in decoded(was.geometry_tile("warnings", tile).content, "warnings")]
        shown.update(zip(fids, states.read(states.tile(was, "warnings", tile)).classes.tolist(), strict=True))
    for seq, commit in enumerate(commits, start=2):
        counts = counts.copy()
        for place, count in commit:
            counts[place] = count
        now = changed(was, SMALL, counts, seq)
        delta = states.delta(was, now)
        assert (delta.since, delta.seq, delta.whole) == (was.seq, now.seq, False)
        shown.update(delta.changes.get("warnings", []))
        was = now
    for tile in (far, near):
        fids = [feature["id"] for feature in decoded(was.geometry_tile("warnings", tile).content, "warnings")]
        assert states.read(states.tile(was, "warnings", tile)).classes.tolist() == [shown[fid] for fid in fids]


def test_a_delta_tells_groups_other_months_new_ground_and_when_it_is_too_much():
    counts = RANDOM.states["communities", MONTH].counts.astype(np.int64)
    RANDOM.tile("warnings", SHOWN[7], "mvt")
    few = counts.copy()
    few[:3] = 9
    told = dict(states.delta(RANDOM, changed(RANDOM, LARGE, few, 2)).changes["warnings"])
    assert {told[1000], told[1001], told[1002]} == {4}
    assert any(fid >= 2**52 and worst == 4 for fid, worst in told.items())
    all_new = changed(RANDOM, LARGE, np.full(len(counts), 9), 2)
    assert states.delta(RANDOM, all_new).whole
    march = RANDOM.renewed(
        {("communities", "2024-03"): coloured(few, LARGE)}, months=["2024-03", MONTH], month=MONTH, seq=2
    )
    assert "2024-03" in states.delta(RANDOM, march).months
    assert not states.delta(RANDOM, march).changes
    moved = drawn(town(79), np.zeros(79 * 79, dtype=np.int64))
    assert states.delta(RANDOM, moved).grounds["warnings"] == moved.geometry_digest("warnings")
    assert not states.delta(RANDOM, RANDOM)
    july = RANDOM.renewed({}, months=[MONTH], month="2024-07", seq=2)
    assert states.delta(RANDOM, july).whole
