import gzip
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import brotli
import httpx
import mapbox_vector_tile
import pytest
import zstandard

from geo_service.maps import ground, states
from geo_service.maps.atlas import Atlas
from tests.maps import drawn
from tests.maps.drawn import tile_at
from tests.web.serving import AT_A, HOME, LAT, LON, SIDE, InJune, commit, serving, tile, wait_until, worn

MARCH, JUNE = "2024-03", "2024-06"


def test_a_tile_wears_the_current_month(client: httpx.Client):
    answer = client.get(tile())
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/geo+json"
    # d counts the incident outside the school; those in the school are the school's.
    assert worn(answer) == {"a": (1, 1), "b": (0, 0), "c": (0, 0), "d": (1, 1)}
    assert worn(client.get(tile("unit_warnings"))) == {"s": (2, 2)}


def test_the_month_can_be_chosen(client: httpx.Client):
    assert worn(client.get(tile(), params={"month": MARCH})) == {"a": (2, 2), "b": (0, 0), "c": (0, 0), "d": (0, 0)}
    assert set(worn(client.get(tile(), params={"month": "2024-05"})).values()) == {(0, 0)}
    for unknown in ("2024-02", "2024-07", "1999-01"):
        assert set(worn(client.get(tile(), params={"month": unknown})).values()) == {(None, None)}


def test_mvt_and_geojson_carry_the_same(client: httpx.Client):
    printed = client.get(tile()).json()["features"]
    for form in ("mvt", "pbf"):
        answer = client.get(tile(form=form))
        assert answer.headers["content-type"] == "application/vnd.mapbox-vector-tile"
        drawn = mapbox_vector_tile.decode(answer.content)["warnings"]["features"]
        assert [(one["id"], one["properties"]) for one in drawn] == [(one["id"], one["properties"]) for one in printed]
        assert all(isinstance(one["id"], int) for one in drawn)


def test_what_the_client_holds_is_not_sent_again(client: httpx.Client):
    first = client.get(tile())
    for held in (first.headers["etag"], f'"other", {first.headers["etag"]}', "*", f"W/{first.headers['etag']}"):
        again = client.get(tile(), headers={"if-none-match": held})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == first.headers["etag"]
        assert again.headers["cache-control"] == first.headers["cache-control"] == "no-cache"
        assert again.headers["vary"] == first.headers["vary"] == "accept-encoding"
    assert client.get(tile(), headers={"if-none-match": '"other"'}).status_code == 200
    assert client.get(tile(), params={"month": MARCH}).headers["etag"] != first.headers["etag"]
    assert client.get(tile("communities")).headers["etag"] != first.headers["etag"]


def test_what_the_client_holds_is_known_without_drawing(library: InJune, monkeypatch: pytest.MonkeyPatch):
    with serving(library) as client:
        held = client.get(tile(form="mvt")).headers["etag"]
    monkeypatch.setattr(Atlas, "tile", None)
    with serving(library) as client:  # a server that has drawn nothing yet
        answer = client.get(tile(form="mvt"), headers={"if-none-match": held})
    assert answer.status_code == 304


def test_an_empty_tile_is_204(client: httpx.Client):
    answer = client.get("/tiles/warnings/12/0/0.mvt")
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == "*"
    held = {"if-none-match": answer.headers["etag"]}
    assert client.get("/tiles/warnings/12/0/0.mvt", headers=held).status_code == 304
    assert client.get(tile("patrol_zone_warnings")).status_code == 204


CODINGS = {
    "br": ("br", "br", brotli.decompress),
    "zstd": ("zstd", "zstd", zstandard.decompress),
    "gzip": ("gzip", "gz", gzip.decompress),
    "identity": (None, "id", bytes),
    "gzip, deflate, br, zstd": ("br", "br", brotli.decompress),
    "br;q=0.1, gzip;q=0.5": ("gzip", "gz", gzip.decompress),
    "br;q=0, *": ("zstd", "zstd", zstandard.decompress),
    "gzip;q=0.5, identity": (None, "id", bytes),
    "gzip;q=0": (None, "id", bytes),
}


@pytest.mark.parametrize("form", ["mvt", "geojson"])
@pytest.mark.parametrize(("wanted", "given"), CODINGS.items())
def test_a_tile_comes_in_the_coding_that_is_wanted_most(client: httpx.Client, form: str, wanted: str, given: tuple):
    coding, suffix, unpacked = given
    plain = client.get(tile(form=form), headers={"accept-encoding": "identity"})
    for _ in ("drawn", "kept"):
        with client.stream("GET", tile(form=form), headers={"accept-encoding": wanted}) as packed:
            assert packed.headers.get("content-encoding") == coding
            assert packed.headers["etag"] == plain.headers["etag"].replace("-id", f"-{suffix}")
            content = b"".join(packed.iter_raw())
            assert int(packed.headers["content-length"]) == len(content)
            assert unpacked(content) == plain.content


STATUSES = {
    200: ("GET", tile(), {}),
    204: ("GET", "/tiles/warnings/12/0/0.mvt", {}),
    304: ("GET", tile(), {"if-none-match": "*"}),
    400: ("GET", f"{tile()}?month=x", {}),
    404: ("GET", "/tiles/nothing/0/0/0.mvt", {}),
    405: ("DELETE", tile(), {}),
}


@pytest.mark.parametrize("coding", ["identity", "gzip", "br", "zstd"])
@pytest.mark.parametrize("status", STATUSES)
def test_every_status_in_every_coding_can_be_kept_and_read_by_other_origins(
    client: httpx.Client, coding: str, status: int
):
    method, path, sent = STATUSES[status]
    for asks in (method, "HEAD") if method == "GET" else (method,):
        answer = client.request(asks, path, headers={"accept-encoding": coding, **sent})
        assert answer.status_code == status
        assert answer.headers.get_list("access-control-allow-origin") == ["*"]
        exposed = answer.headers["access-control-expose-headers"].split(", ")
        assert {"ETag", "Link", "Content-Crs", "Content-Disposition", "Retry-After", "Server-Timing", "Age"} <= set(
            exposed
        )
        if status < 400:
            assert answer.headers["vary"] == "accept-encoding"
            assert answer.headers["cache-control"] == "no-cache"
            assert not answer.headers["etag"].startswith("W/")
        else:
            assert answer.headers["cache-control"] == "no-store"
            assert "etag" not in answer.headers
        if asks == "HEAD":
            assert answer.content == b""
            length = client.get(path, headers={"accept-encoding": coding, **sent}).headers.get("content-length")
            assert answer.headers.get("content-length") == length


def test_a_tile_says_whether_it_was_drawn(library: InJune):
    with serving(library) as client:
        drawn, kept = client.get(tile()), client.get(tile())
        assert drawn.headers["server-timing"].startswith("cache;desc=miss, draw;dur=")
        assert kept.headers["server-timing"] == "cache;desc=hit"
        assert drawn.content == kept.content


def test_a_crowd_has_a_tile_drawn_once(library: InJune, monkeypatch: pytest.MonkeyPatch):
    drawn: list[str] = []
    draw = Atlas.tile

    def counted(atlas: Atlas, name: str, *of: object) -> object:
        drawn.append(name)
        return draw(atlas, name, *of)

    monkeypatch.setattr(Atlas, "tile", counted)
    with serving(library) as client, ThreadPoolExecutor(50) as crowd:
        codings = ["gzip", "br", "zstd", "identity", "gzip"] * 10
        answers = list(crowd.map(lambda coding: client.get(tile(), headers={"accept-encoding": coding}), codings))
    assert {answer.content for answer in answers} == {answers[0].content}
    assert drawn == ["warnings"]


def test_a_drawing_that_fails_is_told_and_tried_again(library: InJune, monkeypatch: pytest.MonkeyPatch):
    with serving(library) as client:
        with monkeypatch.context() as broken:
            broken.setattr(Atlas, "tile", lambda *_: 1 / 0)
            failed = client.get(tile(), headers={"connection": "close"})
        assert (failed.status_code, failed.headers["cache-control"]) == (500, "no-store")
        assert failed.headers["access-control-allow-origin"] == "*"
        assert client.get(tile()).status_code == 200


def test_several_layers_share_a_tile(client: httpx.Client):
    both = mapbox_vector_tile.decode(client.get(tile("communities,unit_warnings", "mvt")).content)
    assert list(both) == ["communities", "unit_warnings"]
    for name, layer in both.items():
        alone = mapbox_vector_tile.decode(client.get(tile(name, "mvt")).content)
        assert layer == alone[name]
    features = client.get(tile("communities,unit_warnings")).json()["features"]
    assert [(one["layer"], one["properties"]["id"]) for one in features] == [
        *(("communities", letter) for letter in "abcd"),
        ("unit_warnings", "s"),
    ]
    alone = client.get(tile("communities")).json()["features"] + client.get(tile("unit_warnings")).json()["features"]
    assert [{name: value for name, value in one.items() if name != "layer"} for one in features] == alone


def test_a_layer_that_is_empty_there_is_not_in_the_tile(client: httpx.Client):
    both = client.get(tile("patrol_zones,communities", "mvt")).content
    assert both == client.get(tile("communities", "mvt")).content
    assert client.get(tile("patrol_zones,patrol_zone_warnings", "mvt")).status_code == 204


def test_a_tile_of_a_collection_is_the_same_with_row_before_column(client: httpx.Client):
    path = f"/collections/warnings/tiles/WebMercatorQuad/{HOME.z}/{HOME.y}/{HOME.x}"
    for query, form in (("", "mvt"), ("?f=mvt", "mvt"), ("?f=geojson", "geojson")):
        ours, plain = client.get(path + query), client.get(tile(form=form))
        assert ours.content == plain.content
        assert ours.headers["content-type"] == plain.headers["content-type"]
        assert ours.headers["etag"] == plain.headers["etag"]
    assert client.get(f"{path}?month={MARCH}").content == client.get(f"{tile(form='mvt')}?month={MARCH}").content
    assert client.get(f"{path}?f=png").status_code == 400


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        (f"{tile()}?month=2024-13", 400, "month=2024-13"),
        (f"{tile()}?month=june", 400, "month=june"),
        (f"{tile()}?month=", 400, "month="),
        (f"{tile()}?mouth=2024-06", 400, "unknown parameter 'mouth'"),
        (f"{tile()}?month=2024-06&limit=1", 400, "unknown parameter 'limit'"),
        ("/tiles/warnings/a/0/0.mvt", 400, "whole numbers, came a/0/0"),
        ("/tiles/warnings/1/-1/0.mvt", 400, "whole numbers, came 1/-1/0"),
        ("/tiles/warnings/1/1.5/0.mvt", 400, "whole numbers"),
        ("/tiles/warnings/1/2/0.mvt", 404, "no tile 1/2/0"),
        ("/tiles/warnings/23/0/0.mvt", 404, "zooms run from 0 to 22"),
        ("/tiles/cameras/0/0/0.mvt", 404, "no layer 'cameras'; there are communities"),
        ("/tiles/cameras.json", 404, "no layer 'cameras'"),
        ("/tiles/warnings.json?z=1", 400, "unknown parameter 'z'"),
        ("/tiles/warnings/0/0/0.png", 404, "there is nothing at /tiles/warnings/0/0/0.png"),
        ("/tiles/", 404, "there is nothing at /tiles/"),
        ("/tiles/warnings,warnings/0/0/0.mvt", 400, "'warnings,warnings' names a layer twice"),
        ("/tiles/warnings,/0/0/0.mvt", 404, "no layer ''"),
        ("/tiles/warnings,cameras.json", 404, "no layer 'cameras'"),
        ("/collections/warnings/tiles/WebMercatorQuad/1/0/2", 404, "no tile 1/2/0"),
        ("/collections/cameras/tiles/WebMercatorQuad/0/0/0", 404, "no layer 'cameras'"),
        ("/g/0123456789abcdef01234567/warnings/0/0/0.mvt", 404, "is not 0123456789abcdef01234567, or no longer: it is"),
        ("/g/x/cameras/0/0/0.mvt", 404, "no layer 'cameras'"),
        ("/g/x/warnings/0/0/0.mvt?month=2024-06", 400, "unknown parameter 'month'"),
        ("/g/x/warnings,units/0/0/0.mvt", 404, "no layer 'warnings,units'"),
        ("/g/warnings/0/0/0.mvt", 404, "there is nothing at /g/warnings/0/0/0.mvt"),
        ("/states/communities/0/0/0", 404, "layer 'communities' has no states"),
        ("/states/cameras/0/0/0", 404, "no layer 'cameras'"),
        ("/states/warnings/1/2/0", 404, "no tile 1/2/0"),
        ("/states/warnings/0/0/0?month=x", 400, "month=x"),
    ],
)
def test_what_cannot_be_answered_is_a_problem(client: httpx.Client, path: str, status: int, said: str):
    answer = client.get(path)
    assert answer.status_code == answer.json()["status"] == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["cache-control"] == "no-store"
    assert said in answer.json()["detail"]


def test_a_tile_that_does_not_exist_is_not_said_to_be_unchanged(client: httpx.Client):
    held = {"if-none-match": client.get(tile()).headers["etag"]}
    assert client.get("/tiles/warnings/1/2/0.mvt", headers=held).status_code == 404


def test_tilejson_describes_the_layer(client: httpx.Client):
    described = client.get("/tiles/warnings.json").json()
    assert described["tilejson"] == "3.0.0"
    assert described["scheme"] == "xyz"
    assert (described["minzoom"], described["maxzoom"]) == (0, 14)
    assert described["bounds"] == pytest.approx([116.58, 35.41, 116.62, 35.42])
    assert described["version"] == f"1.{client.get('/health/ready').json()['revision']}.0"
    [layer] = described["vector_layers"]
    assert layer["id"] == "warnings"
    wanted = ["id", "name", "class", "month", "count", "level", "level_name", "colour", "withheld"]
    assert list(layer["fields"]) == wanted
    [address] = described["tiles"]
    assert address == f"{client.base_url}/tiles/warnings/{{z}}/{{x}}/{{y}}.mvt"
    assert client.get(address.format(z=HOME.z, x=HOME.x, y=HOME.y)).status_code == 200


def test_tilejson_of_a_month_leads_to_its_tiles(client: httpx.Client):
    [address] = client.get("/tiles/warnings.json", params={"month": MARCH}).json()["tiles"]
    drawn = client.get(address.format(z=HOME.z, x=HOME.x, y=HOME.y)).content
    levels = [one["properties"]["level"] for one in mapbox_vector_tile.decode(drawn)["warnings"]["features"]]
    assert levels == [2, 0, 0, 0]


def test_tilejson_describes_layers_that_share_their_tiles(client: httpx.Client):
    described = client.get("/tiles/communities,unit_warnings.json").json()
    assert [layer["id"] for layer in described["vector_layers"]] == ["communities", "unit_warnings"]
    assert described["bounds"] == pytest.approx([116.58, 35.41, 116.62, 35.42])
    [address] = described["tiles"]
    drawn = client.get(address.format(z=HOME.z, x=HOME.x, y=HOME.y)).content
    assert list(mapbox_vector_tile.decode(drawn)) == ["communities", "unit_warnings"]


def test_tilejson_that_is_held_is_not_sent_again(client: httpx.Client):
    first = client.get("/tiles/warnings.json")
    assert client.get("/tiles/warnings.json", headers={"if-none-match": first.headers["etag"]}).status_code == 304
    assert client.get("/tiles/units.json", headers={"if-none-match": first.headers["etag"]}).status_code == 200


def test_below_its_first_zoom_a_layer_is_not_drawn(library: InJune, tmp_path: Path):
    folder = shutil.copytree(drawn.LAYERS_FOLDER, tmp_path / "layers")
    said = (folder / "units.toml").read_text(encoding="utf-8")
    (folder / "units.toml").write_text(said.replace("minzoom = 0", "minzoom = 10"), encoding="utf-8")
    later = replace(library, settings=replace(library.settings, layers_dir=str(folder)))
    coarse = f"9/{HOME.x >> 3}/{HOME.y >> 3}.mvt"
    with serving(later) as client:
        alone, both = client.get(f"/tiles/units/{coarse}"), client.get(f"/tiles/units,communities/{coarse}")
        assert alone.status_code == 404
        assert "units from zoom 10 on" in alone.json()["detail"]
        assert list(mapbox_vector_tile.decode(both.content)) == ["communities"]
        assert client.get("/tiles/units,communities.json").json()["minzoom"] == 0


def path_of(template: str) -> str:
    return template.format(z=HOME.z, x=HOME.x, y=HOME.y)


def test_geometry_lies_apart_from_its_states(client: httpx.Client):
    described = client.get("/tiles/warnings.json").json()
    geometry, worn = (client.get(path_of(described[part])) for part in ("geometry", "states"))
    assert geometry.headers["content-type"] == "application/vnd.mapbox-vector-tile"
    assert worn.headers["content-type"] == "application/vnd.geo-service.states"
    baked = mapbox_vector_tile.decode(client.get(tile(form="mvt")).content)["warnings"]["features"]
    shapes = mapbox_vector_tile.decode(geometry.content)["warnings"]["features"]
    told = states.read(worn.content)
    assert [(one["id"], one["geometry"]) for one in shapes] == [(one["id"], one["geometry"]) for one in baked]
    assert {name for one in shapes for name in one["properties"]} == {"id", "name", "class"}
    assert told.classes.tolist() == [one["properties"]["level"] for one in baked] == [1, 0, 0, 1]
    assert told.digest == described["geometry"].split("/")[-5]
    assert told.seq == client.get("/health/ready").json()["revision"]


def test_states_of_a_month_go_with_the_same_geometry(client: httpx.Client):
    described, march = (client.get("/tiles/warnings.json", params=of).json() for of in ({}, {"month": MARCH}))
    assert march["geometry"] == described["geometry"]
    assert march["states"] == f"{described['states']}?month={MARCH}"
    now, then, unknown = (
        client.get(path_of(described["states"]), params={"month": of}) for of in (JUNE, MARCH, "1999-01")
    )
    assert states.read(then.content).classes.tolist() == [2, 0, 0, 0]
    assert states.read(unknown.content).classes.tolist() == [15] * 4
    assert len({one.headers["etag"] for one in (now, then, unknown)}) == 3
    held = {"if-none-match": then.headers["etag"]}
    assert client.get(path_of(march["states"]), headers=held).status_code == 304
    assert client.get(path_of(described["states"]), headers=held).status_code == 200


def test_geometry_may_be_kept_for_ever(client: httpx.Client):
    path = path_of(client.get("/tiles/warnings.json").json()["geometry"])
    first = client.get(path)
    assert first.headers["cache-control"] == "public, max-age=31536000, immutable"
    again = client.get(path, headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.headers["cache-control"]) == (304, first.headers["cache-control"])
    empty = client.get(path.replace(f"{HOME.x}/{HOME.y}", "0/0"))
    assert (empty.status_code, empty.headers["cache-control"]) == (204, first.headers["cache-control"])
    other = client.get(path.replace(path.split("/")[-5], "0" * 24))
    assert (other.status_code, other.headers["cache-control"]) == (404, "no-store")
    assert path.split("/")[-5] in other.json()["detail"]


def test_states_where_there_is_no_geometry_are_a_head_alone(client: httpx.Client):
    answer = client.get("/states/warnings/12/0/0")
    assert answer.status_code == 200
    assert states.read(answer.content).classes.tolist() == []


def test_layers_without_levels_have_nothing_apart(client: httpx.Client):
    for names in ("communities", "prevention", "warnings,unit_warnings"):
        assert not {"geometry", "states"} & client.get(f"/tiles/{names}.json").json().keys()


def test_a_tile_too_big_says_how_many_features_it_left_out(library: InJune, monkeypatch: pytest.MonkeyPatch):
    with serving(library) as client:
        assert "x-features-dropped" not in client.get(tile()).headers
        monkeypatch.setattr(ground, "MOST_TILE_BYTES", 300)
        for name, form in (("warnings", "mvt"), ("warnings,communities", "geojson"), ("warnings,communities", "mvt")):
            for coding in ("gzip", "identity", "gzip"):
                answer = client.get(f"{tile(name, form)}?month={MARCH}", headers={"accept-encoding": coding})
                left = 4 * len(name.split(",")) - int(answer.headers["x-features-dropped"])
                assert left == features_in(answer, form) > 0


def features_in(answer: httpx.Response, form: str) -> int:
    if form == "geojson":
        return len(answer.json()["features"])
    return sum(len(layer["features"]) for layer in mapbox_vector_tile.decode(answer.content).values())


def test_a_commit_leaves_the_copies_of_tiles_it_does_not_touch(library: InJune):
    far = tile_at(LON + SIDE / 2, LAT + SIDE / 2, 14), tile_at(LON + 3.8 * SIDE, LAT + SIDE / 2, 14)
    paths = [f"/{what}/{of.z}/{of.x}/{of.y}" for of in far for what in ("tiles/warnings", "states/warnings")]
    paths = [f"{path}.mvt" if path.startswith("/tiles") else path for path in paths]
    with serving(library) as client:
        held = {path: client.get(path).headers["etag"] for path in paths}
        revision = client.get("/health/ready").json()["revision"]
        commit(library, f"j7 2024-06-07_09:00 R {AT_A}")
        wait_until(lambda: client.get("/health/ready").json()["revision"] > revision)
        again = [client.get(path, headers={"if-none-match": held[path]}).status_code for path in paths]
    assert again == [200, 200, 304, 304]
