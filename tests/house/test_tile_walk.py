"""The walk and the judge of `./dev bench tiles`: what they promise, without a server."""

import threading
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import mapbox_vector_tile
import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import _http, _walk
from benchmarks._tile_answers import Comparison, Places, read
from geo_service.maps.tiles import Tile, degrees

PLACE = st.tuples(st.floats(116.0, 117.0), st.floats(35.0, 36.0))
TILE = Tile(14, 13478, 6463)  # 2.4 km at 116.14 E, 35.0 N
LOOK = {"level": 3, "colour": "#c8102e"}


@given(st.lists(PLACE, min_size=1, max_size=4))
def test_a_walk_shows_the_city_and_every_spot_closely_and_no_tile_twice(spots: list[tuple[float, float]]):
    walked = _walk.tiles((116.0, 35.0, 117.0, 36.0), spots)
    assert walked[0].z == 8
    assert len(set(walked)) == len(walked)
    assert {tile.z for tile in walked} == set(range(8, 17))
    for spot in spots:
        assert any(tile.z == 16 and _covers(tile, spot) for tile in walked)


def test_a_walk_is_the_same_each_time():
    where = (116.0, 35.0, 117.0, 36.0), [(116.3, 35.4), (116.8, 35.9)]
    assert _walk.tiles(*where) == _walk.tiles(*where)


def test_the_judge_finds_what_differs():
    west, south, east, north = TILE.metres()
    middle, step = ((west + east) / 2, (south + north) / 2), TILE.step_m
    wide = shapely.box(middle[0], middle[1], middle[0] + 500, middle[1] + 500)
    sliver = shapely.box(west, south, west + step / 2, north)
    places = Places(np.array(["a", "thin"], dtype=object), np.array([wide, sliver]))
    whole = shapely.box(2048, 1000, 2888, 2048)
    bow = shapely.Polygon([(0, 0), (0, 60), (100, 0), (100, 100)])
    same, nothing, other, torn, stray = (
        _tile({"a": (whole, LOOK)}),
        b"",
        _tile({"a": (whole, LOOK | {"level": 2})}),
        _tile({"a": (bow, LOOK)}),
        _tile({"a": (whole, LOOK), "elsewhere": (whole, LOOK)}),
    )
    assert _judged(places, same, same) == {
        "check": "1 tiles, 1 features by id and properties; polygons not valid: ours 0, theirs 0",
        "equal": True,
    }
    for ours, theirs, said in (
        (nothing, same, "ours lacks 1 places, such as a"),
        (same, nothing, "tipg lacks 1 places, such as a"),
        (same, other, "'level': 2"),
        (same, stray, "tipg draws 1 places that are not there"),
    ):
        verdict = _judged(places, ours, theirs)
        assert not verdict["equal"]
        assert said in str(verdict["check"])
    assert not _judged(places, torn, same)["equal"]
    assert _judged(places, same, torn)["equal"], "a peer's broken polygon is counted, not held against it"


def test_a_tile_of_another_layer_is_refused():
    content = mapbox_vector_tile.encode({"name": "default", "features": [{"geometry": "POINT(1 1)", "properties": {}}]})
    with pytest.raises(AssertionError, match="layers \\['default'\\], expected warnings"):
        read(content)


@pytest.fixture(scope="module")
def port() -> Generator[int]:
    class Answers(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            held = self.headers["If-None-Match"]
            self.send_response(304 if held else 200)
            self.send_header("ETag", "same")
            if self.path == "/chunked":
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                self.wfile.write(b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
                return
            self.send_header("Content-Length", "0" if held else "5")
            self.end_headers()
            self.wfile.write(b"" if held else b"whole")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_line_reads_every_form_of_answer_and_stays_in_step(port: int):
    line = _http.Line(port)
    try:
        for _ in range(2):
            assert line.get("/whole").body == b"whole"
            assert line.get("/chunked").body == b"abcde"
            again = line.get("/whole", {"If-None-Match": "same"})
            assert (again.status, again.body, again.headers["etag"]) == (304, b"", "same")
    finally:
        line.close()


def test_a_flood_asks_as_often_as_said(port: int):
    assert _http.per_second(port, ["/whole"], requests=100, connections=4) > 0
    assert _http.status(_http.free_port(), "/") == 0


def _judged(places: Places, ours: bytes, theirs: bytes) -> dict[str, object]:
    compared = Comparison(places, "tipg")
    compared.add(TILE, read(ours), read(theirs))
    return compared.verdict()


def _tile(drawn: dict[str, tuple[shapely.Polygon, dict[str, object]]]) -> bytes:
    features = [{"geometry": shape, "properties": {"id": name, **said}} for name, (shape, said) in drawn.items()]
    options = {"y_coord_down": True, "check_winding_order": False}
    return mapbox_vector_tile.encode({"name": "warnings", "features": features}, default_options=options)


def _covers(tile: Tile, spot: tuple[float, float]) -> bool:
    square = degrees(np.array([shapely.box(*tile.metres())], dtype=object))[0]
    return bool(square.buffer(1e-9).covers(shapely.Point(spot)))
