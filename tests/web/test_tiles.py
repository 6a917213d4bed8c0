import asyncio
import gzip
from typing import Any

import httpx
import mapbox_vector_tile
import pytest

from geo_service.maps import layers, tiles
from geo_service.web.tiles import Asked, Kept
from tests.web.serving import HOME, tile, worn

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
    for held in (
        first.headers["etag"],
        f'"other", {first.headers["etag"]}',
        "*",
        first.headers["etag"].removeprefix("W/"),
    ):
        again = client.get(tile(), headers={"if-none-match": held})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == first.headers["etag"]
        assert again.headers["cache-control"] == first.headers["cache-control"] == "no-cache"
        assert again.headers["vary"] == first.headers["vary"] == "accept-encoding"
    assert client.get(tile(), headers={"if-none-match": '"other"'}).status_code == 200
    assert client.get(tile(), params={"month": MARCH}).headers["etag"] != first.headers["etag"]
    assert client.get(tile("communities")).headers["etag"] != first.headers["etag"]


def test_an_empty_tile_is_204(client: httpx.Client):
    answer = client.get("/tiles/warnings/12/0/0.mvt")
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == "*"
    held = {"if-none-match": answer.headers["etag"]}
    assert client.get("/tiles/warnings/12/0/0.mvt", headers=held).status_code == 304
    assert client.get(tile("patrol_zone_warnings")).status_code == 204


@pytest.mark.parametrize("form", ["mvt", "geojson"])
def test_gzip_is_sent_to_those_who_can_read_it(client: httpx.Client, form: str):
    plain = client.get(tile(form=form), headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers
    for wanted in ("gzip", "br, gzip;q=0.5", "*"):
        with client.stream("GET", tile(form=form), headers={"accept-encoding": wanted}) as packed:
            assert packed.headers["content-encoding"] == "gzip"
            assert packed.headers["vary"] == "accept-encoding"
            assert gzip.decompress(b"".join(packed.iter_raw())) == plain.content
    refused = client.get(tile(form=form), headers={"accept-encoding": "gzip;q=0, identity"})
    assert "content-encoding" not in refused.headers


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


def asked(name: str) -> Asked:
    return Asked(name, tiles.Tile(0, 0, 0), "mvt", JUNE, layers.EVERYTHING, "tag")


def test_a_tile_is_drawn_once_however_many_ask():
    drawn: list[str] = []

    async def run() -> list[bytes]:
        kept = Kept()

        async def draw() -> bytes:
            drawn.append("once")
            await asyncio.sleep(0.01)
            return b"tile"

        crowd = [kept.get(asked("warnings"), draw) for _ in range(50)]
        return [*await asyncio.gather(*crowd), await kept.get(asked("warnings"), draw)]

    assert asyncio.run(run()) == [b"tile"] * 51
    assert drawn == ["once"]


def test_one_who_leaves_does_not_spoil_it_for_the_others():
    async def run() -> bytes:
        kept = Kept()
        started = asyncio.Event()

        async def draw() -> bytes:
            started.set()
            await asyncio.sleep(0.01)
            return b"tile"

        first = asyncio.create_task(kept.get(asked("warnings"), draw))
        await started.wait()
        second = asyncio.create_task(kept.get(asked("warnings"), draw))
        first.cancel()
        return await second

    assert asyncio.run(run()) == b"tile"


def test_a_drawing_that_failed_is_tried_again():
    async def run() -> bytes:
        kept = Kept()

        async def fail() -> bytes:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await kept.get(asked("warnings"), fail)

        async def draw() -> bytes:
            return b"tile"

        return await kept.get(asked("warnings"), draw)

    assert asyncio.run(run()) == b"tile"


def test_the_tiles_kept_have_a_bound_and_the_oldest_go_first():
    drawn: list[str] = []

    async def run() -> None:
        kept = Kept(room_bytes=4000)

        def drawer(name: str) -> Any:
            async def draw() -> bytes:
                drawn.append(name)
                return bytes(1000)

            return draw

        for name in ("a", "b", "a", "c", "a", "b"):
            await kept.get(asked(name), drawer(name))

    asyncio.run(run())
    assert drawn == ["a", "b", "c", "b"]  # there is room for two: c takes that of b, as a was asked for since
