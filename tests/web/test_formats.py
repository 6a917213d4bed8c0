"""A page in each format, answered by a running application and read back by readers that are not ours."""

import asyncio
import contextlib
import csv
import dataclasses
import html
import io
import threading
from typing import Any

import geopandas
import httpx
import numpy as np
import pyogrio
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from geo_service import files
from geo_service.errors import BadParameter
from geo_service.geography import crs
from geo_service.maps import atlas
from geo_service.web import formats
from tests.maps import drawn

AT = "http://here/collections/warnings/items"
LOOK = formats.Look(files.read_texts(), drawn.SCHEME)
LINKS = [
    {"rel": "self", "href": f"{AT}?limit=3&offset=3", "type": "application/geo+json", "title": "this page"},
    {"rel": "next", "href": f"{AT}?limit=3&offset=6", "type": "application/geo+json", "title": "后面的"},
    {"rel": "prev", "href": f"{AT}?limit=3&offset=0", "type": "application/geo+json", "title": "before"},
    {"rel": "collection", "href": "http://here/collections/warnings", "type": "application/json", "title": "小区预警"},
]
FGB, PARQUET = "application/flatgeobuf", "application/vnd.apache.parquet"


def city(count: int = 5) -> atlas.Atlas:
    """Give squares in a row; the first are yellow, orange, red and black."""
    lon, lat = drawn.CENTRE
    squares = [shapely.box(lon + at / 200, lat, lon + (at + 1) / 200, lat + 0.005) for at in range(count)]
    worn = {f"{at:03}": (incidents, at + 1) for at, incidents in enumerate([1, 3, 5, 7])}
    return drawn.picture(squares, {"2024-06": worn})


def page_of(picture: atlas.Atlas, layer: str = "warnings", **others: Any) -> formats.Page:
    rows = picture.rows(layer)
    ground, said = picture.ground(layer), picture.properties(layer, rows)
    columns = {name: [place.get(name) for place in said] for name in picture.layers[layer].fields}
    counted: dict[str, Any] = {"links": LINKS, "matched": 7454, "returned": len(rows), "stamp": "2024-06-20T04:00:00Z"}
    stands = {"fids": ground.fids.tolist(), "columns": columns, "shapes": ground.degrees, "crs": formats.CRS84}
    return formats.Page(picture.layers[layer], **{"language": "en", **stands, **counted, **others})


def told(page: formats.Page, f: str = "", accept: str = "", **marks: str) -> httpx.Response:
    """Ask an application that answers with the page."""

    async def items(_: Request) -> Response:
        return formats.answer(formats.chosen(f, accept), page, marks, LOOK)

    async def asked() -> httpx.Response:
        door = httpx.ASGITransport(Starlette(routes=[Route("/", items)]))
        async with httpx.AsyncClient(transport=door, base_url="http://here") as client:
            return await client.get("/")

    return asyncio.run(asked())


def read(answer: httpx.Response) -> geopandas.GeoDataFrame:
    """Read an answer by what it says it is, ordered by feature."""
    kind, content = answer.headers["content-type"].partition(";")[0], io.BytesIO(answer.content)
    if kind == PARQUET:
        frame = geopandas.read_parquet(content)
    elif kind == "text/csv":
        lines = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))
        values = [{name: value or None for name, value in line.items() if name != "geometry"} for line in lines]
        shapes = [shapely.from_wkt(line["geometry"]) for line in lines]
        frame = geopandas.GeoDataFrame(values, geometry=shapes, crs="OGC:CRS84")
    elif kind == "application/geo+json":
        features = [{**one, "properties": {"fid": one["id"], **one["properties"]}} for one in answer.json()["features"]]
        frame = geopandas.GeoDataFrame.from_features(features, crs="OGC:CRS84")
    elif kind == FGB:
        frame = pyogrio.read_dataframe(content)
    else:  # GDAL takes the id of each feature of a sequence for its own
        frame = pyogrio.read_dataframe(content, fid_as_index=True).reset_index()
    frame["fid"] = frame["fid"].astype("int64")
    return frame.sort_values("fid", ignore_index=True)


@pytest.mark.parametrize("f", ["geojson", "geojsonseq", "csv", "fgb", "parquet"])
def test_every_format_read_back_is_the_page(f: str):
    page = page_of(city())
    answer = told(page, f)
    assert answer.headers["content-type"].partition(";")[0] == formats.FORMATS[f].media_type
    frame = read(answer)
    for name, values in {"fid": page.fids, **page.columns}.items():
        came = frame[name].astype(object).where(frame[name].notna(), None).tolist()
        assert [None if value is None else str(value).removesuffix(".0") for value in came] == [
            None if value is None else str(value) for value in values
        ], name
    assert page.shapes is not None
    assert (shapely.hausdorff_distance(frame.geometry.to_numpy(), page.shapes) < 1e-7).all()


@pytest.mark.parametrize("f", list(formats.FORMATS))
def test_every_format_names_its_file_its_system_and_the_pages_beside_it(f: str):
    answer = told(page_of(city()), f, etag='W/"x"')
    links = answer.links
    for rel, offset in (("self", 3), ("next", 6), ("prev", 0)):
        assert links[rel]["url"] == f"{AT}?limit=3&offset={offset}"
        assert links[rel]["type"] == formats.FORMATS[f].media_type
    assert links["collection"]["type"] == "application/json"
    assert answer.headers["content-crs"] == "<http://www.opengis.net/def/crs/OGC/1.3/CRS84>"
    assert f'filename="warnings.{formats.FORMATS[f].suffix}"' in answer.headers["content-disposition"]
    assert answer.headers["etag"] == 'W/"x"'
    assert "vary" not in answer.headers


def test_what_was_negotiated_varies_by_accept():
    answer = told(page_of(city()), accept="text/csv")
    assert answer.headers["vary"] == "Accept"
    assert answer.headers["content-type"].startswith("text/csv")


@pytest.mark.parametrize("f", ["geojson", "html"])
def test_the_same_page_is_linked_in_every_other_format(f: str):
    here = {"rel": "self", "href": f"{AT}?bbox=1,2,3,4&f={f}&filter=name%3D%27%E6%9D%91%27", "type": "", "title": ""}
    answer = told(page_of(city(), links=[here]), f)
    wanted = {
        known.media_type: f"{AT}?bbox=1,2,3,4&filter=name%3D%27%E6%9D%91%27&f={known.name}"
        for known in formats.FORMATS.values()
        if known.name != f
    }
    if f == "geojson":
        linked = {link["type"]: link["href"] for link in answer.json()["links"] if link["rel"] == "alternate"}
        assert linked == wanted
    for address in wanted.values():
        assert f"<{address}>; " in answer.headers["link"]
        assert f == "geojson" or html.escape(address) in answer.text


def test_geojson_says_how_many_there_are():
    collection = told(page_of(city())).json()
    members = ["type", "features", "links", "timeStamp", "numberMatched", "numberReturned"]
    assert list(collection) == members
    assert (collection["numberMatched"], collection["numberReturned"]) == (7454, 5)
    assert "numberMatched" not in told(page_of(city(), matched=None)).json()


@pytest.mark.parametrize(
    ("code", "first", "second"),
    [(4326, "lat", "lon"), (4490, "lat", "lon"), (4548, "north", "east"), (3857, "east", "north")],
)
def test_geojson_has_the_axes_in_the_order_of_the_system(code: int, first: str, second: str):
    lon, lat = drawn.CENTRE
    east, north = crs.from_wgs84(np.array([lon]), np.array([lat]), f"EPSG:{code}")
    at = {"lon": lon, "lat": lat, "east": east[0], "north": north[0]}
    shapes = np.array([shapely.Point(east[0], north[0])], dtype=object)
    system = formats.Crs(f"http://www.opengis.net/def/crs/EPSG/0/{code}", code, f"EPSG:{code}")
    page = page_of(city(1), shapes=shapes, crs=system)
    answer = told(page)
    [feature] = answer.json()["features"]
    within = 1e-7 if code in (4326, 4490) else 1e-3
    assert feature["geometry"]["coordinates"] == pytest.approx([at[first], at[second]], abs=within)
    assert answer.headers["content-crs"] == f"<{system.uri}>"
    for f in ("fgb", "parquet"):
        frame = read(told(page, f))
        assert frame.crs.to_epsg() == code
        assert (frame.geometry[0].x, frame.geometry[0].y) == (east[0], north[0])


def test_the_page_is_readable_in_either_language():
    page = told(page_of(city()), "html")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    said = page.text
    assert said.count("2024-06<") == 2  # in both titles, not in every row
    assert 'href="items/003"' in said
    assert f'href="{AT}?limit=3&amp;offset=6"' in said
    assert ">black</span>" in said
    assert "5 of 7,454 places" in said
    for foreign in ("<script", "src=", "http://www", "@import"):
        assert foreign not in said
    chinese = told(page_of(city(), language="zh"), "html").text
    assert ">黑色预警</span>" in chinese
    assert "共 7,454 处" in chinese


def test_what_a_place_is_called_cannot_become_markup():
    page = page_of(city(1))
    page.columns["name"][0] = '<img src=x onerror="alert(1)">'
    page.columns["id"][0] = 'a/"b" c'
    said = told(page, "html").text
    assert "<img" not in said
    assert 'href="items/a%2F%22b%22%20c"' in said


def test_every_layer_makes_a_page():
    picture = city()
    for layer in ("communities", "warnings", "units", "unit_warnings", "patrol_zone_warnings"):
        page = page_of(picture, layer)
        said = told(page, "html").text
        assert said.count('<a href="items/') == len(page.fids)
        assert ("Nothing" in said or "No place" in said) == (not page.fids)


def test_f_wins_over_accept():
    assert formats.chosen("csv", "text/html").name == "csv"
    assert formats.chosen("json", "text/html").name == "geojson"
    with pytest.raises(BadParameter, match="f=xml: expected one of geojson, html"):
        formats.chosen("xml", "text/html")


@pytest.mark.parametrize(
    ("accept", "name"),
    [
        ("", "geojson"),
        ("*/*", "geojson"),
        ("application/json", "geojson"),
        ("application/geo+json; charset=utf-8", "geojson"),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8", "html"),  # a browser
        ("application/geo+json, application/json;q=0.9, */*;q=0.1", "geojson"),
        ("application/flatgeobuf, application/geo+json;q=0.5", "fgb"),
        ("TEXT/CSV", "csv"),
        ("text/*", "html"),
        ("text/*;q=0.5, text/html;q=0", "csv"),  # what is named closely is not liked because its group is
        ("application/xml, text/csv;q=0.2", "csv"),
        ("*/*;q=0.1, application/geo+json;q=0", "html"),
        ("application/vnd.apache.parquet;q=1.000", "parquet"),
        ("nonsense;;q=, , */*", "geojson"),
    ],
)
def test_accept_is_weighed_as_rfc_9110_says(accept: str, name: str):
    found = formats.chosen("", accept)
    assert (found.name, found.is_negotiated) == (name, True)


@pytest.mark.parametrize("accept", ["application/xml", "image/*", "*/*;q=0", "application/geo+json;q=0.0"])
def test_what_is_not_offered_is_not_acceptable(accept: str):
    with pytest.raises(HTTPException) as refused:
        formats.chosen("", accept)
    assert refused.value.status_code == 406
    assert "application/geo+json" in refused.value.detail


@given(st.text(max_size=40))
def test_no_accept_header_is_too_strange(accept: str):
    with contextlib.suppress(HTTPException):
        assert formats.chosen("", accept) in [
            dataclasses.replace(known, is_negotiated=True) for known in formats.FORMATS.values()
        ]


@pytest.mark.parametrize("f", list(formats.FORMATS))
def test_a_large_page_holds_nobody_up(f: str):
    answer = formats.answer(formats.FORMATS[f], page_of(city(1)), {}, LOOK)
    assert isinstance(answer, StreamingResponse if f == "geojsonseq" else formats.Written)
    wrote: list[int] = []

    def write() -> bytes:
        wrote.append(threading.get_ident())
        return b"places"

    async def items(_: Request) -> Response:
        return formats.Written(write, {}, "text/csv")

    async def asked() -> tuple[int, bytes]:
        door = httpx.ASGITransport(Starlette(routes=[Route("/", items)]))
        async with httpx.AsyncClient(transport=door, base_url="http://here") as client:
            return threading.get_ident(), (await client.get("/")).content

    loop, content = asyncio.run(asked())
    assert content == b"places"
    assert wrote != [loop]


def test_an_error_while_writing_is_not_half_an_answer():
    page = page_of(city(1))
    page.columns["count"][0] = {1, 2}  # nothing writes a set
    with pytest.raises(TypeError):
        told(page, "geojson")
