"""Each form is read back by a reader that is not ours, and holds the rows it was given."""

import csv
import io
import json
from collections.abc import Callable, Sequence
from typing import Any

import geopandas
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pyogrio
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry.base import BaseGeometry

from geo_service import feature_files
from geo_service.feature_files import Features
from geo_service.geography import crs
from geo_service.maps import geojson
from tests.maps.drawn import places

WITHIN_DEG = 1e-7
Row = tuple[object, ...]  # fid, name, count, grade

AWKWARD = st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from("\t\r\n,\"';=+-@＝村")
NAMES = st.none() | st.text(AWKWARD, min_size=1, max_size=12)
COUNTS = st.none() | st.integers(-(2**53), 2**53)
POINTS = st.builds(shapely.Point, st.floats(116, 117), st.floats(35, 36))


@st.composite
def tables(draw: st.DrawFn, kinds: Sequence[st.SearchStrategy[BaseGeometry]] = (places(), POINTS)) -> Features:
    """Draw up to six places of one kind, polygons or points, with names and numbers that may be missing."""
    drawn = draw(st.lists(draw(st.sampled_from(kinds)), max_size=6))
    count = len(drawn)
    said = {
        "name": draw(st.lists(NAMES, min_size=count, max_size=count)),
        "count": draw(st.lists(COUNTS, min_size=count, max_size=count)),
        "grade": [None] * count,
    }
    fids = draw(st.lists(st.integers(0, 2**53), min_size=count, max_size=count, unique=True))
    printed = geojson.fit_to_print(np.array(drawn, dtype=object).reshape(count))
    return Features("made", fids, said, printed, about={"revision": 7, "title": "小区"})


def rows_of(features: Features) -> dict[int, Row]:
    return dict(zip(features.fids, zip(*features.columns.values(), strict=True), strict=True))


def shapes_of(features: Features) -> dict[int, BaseGeometry]:
    assert features.shapes is not None
    return dict(zip(features.fids, features.shapes, strict=True))


def assert_same_places(read: dict[int, BaseGeometry], features: Features, within: float = WITHIN_DEG) -> None:
    wanted = shapes_of(features)
    assert set(read) == set(wanted)
    for fid, shape in read.items():
        assert shape.is_valid
        assert shapely.hausdorff_distance(shape, wanted[fid]) <= within, fid


def rows_of_frame(frame: pd.DataFrame) -> dict[int, Row]:
    known = frame.astype(object).where(frame.notna(), None)
    values = [known[name].tolist() for name in ("name", "count", "grade")]
    return dict(zip(known["fid"].tolist(), zip(*values, strict=True), strict=True))


@given(tables())
def test_geojson_read_back_is_the_same(features: Features):
    collection = json.loads(feature_files.as_geojson(features, numberReturned=len(features)))
    assert list(collection) == ["type", "features", "numberReturned"]
    assert [one["id"] for one in collection["features"]] == features.fids
    assert {one["id"]: tuple(one["properties"].values()) for one in collection["features"]} == rows_of(features)
    assert_same_places({one["id"]: shapely.geometry.shape(one["geometry"]) for one in collection["features"]}, features)


@given(tables())
def test_a_sequence_read_back_is_the_same(features: Features):
    content = b"".join(feature_files.as_geojsonseq(features))
    assert content.count(b"\x1e") == len(features)
    records = [json.loads(record.removesuffix(b"\n")) for record in content.split(b"\x1e")[1:]]
    assert all(record.endswith(b"\n") for record in content.split(b"\x1e")[1:])
    assert records == json.loads(feature_files.as_geojson(features))["features"]


@given(tables())
def test_csv_read_back_is_the_same_but_for_what_would_run(features: Features):
    text = feature_files.as_csv(features).decode("utf-8-sig")
    head, *lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    assert head == ["fid", "name", "count", "grade", "geometry"]
    assert [int(line[0]) for line in lines] == features.fids
    for line, (name, count, _) in zip(lines, rows_of(features).values(), strict=True):
        assert line[1] in (name or "", f"'{name}")
        assert line[1][:1] not in tuple("=+-@\t\r\n＝")
        assert line[2:4] == ["" if count is None else str(count), ""]
    assert_same_places({int(line[0]): shapely.from_wkt(line[4]) for line in lines}, features)


def test_csv_stops_a_formula_and_leaves_the_rest_alone():
    names = ["=HYPERLINK(1)", "+1", "-1", "@SUM(A1)", "\tA", "\rA", "＝1", "东门-1", "'=1", "a=1", ""]
    features = Features("made", list(range(len(names))), {"name": names, "count": [-3] * len(names)}, None)
    written = feature_files.as_csv(features)
    assert written.startswith(b"\xef\xbb\xbffid,")
    assert written.endswith(b"\r\n")
    _, *lines = csv.reader(io.StringIO(written.decode("utf-8-sig"), newline=""))
    assert [line[1] for line in lines] == [f"'{name}" for name in names[:7]] + names[7:]
    assert {line[2] for line in lines} == {"-3"}


@settings(max_examples=25)
@given(tables())
def test_parquet_read_back_is_the_same(features: Features):
    content = feature_files.as_parquet(features)
    frame = geopandas.read_parquet(io.BytesIO(content))
    assert list(frame.columns) == ["fid", "name", "count", "grade", "geometry"]
    assert frame["fid"].tolist() == features.fids
    assert rows_of_frame(frame) == rows_of(features)
    assert frame.crs == "OGC:CRS84"
    assert_same_places(dict(zip(frame["fid"], frame.geometry, strict=True)), features)
    schema = pq.read_schema(io.BytesIO(content))
    assert json.loads(schema.metadata[b"about"]) == features.about
    assert str(schema.field("count").type) == "int64"


@settings(max_examples=25)  # reading the system is slow
@given(tables([places()]))
def test_parquet_tells_the_bounds_of_every_row(features: Features):
    content = feature_files.as_parquet(features)
    head = json.loads(pq.read_schema(io.BytesIO(content)).metadata[b"geo"])
    assert (head["version"], head["primary_column"]) == ("1.1.0", "geometry")
    assert head["columns"]["geometry"]["covering"]["bbox"]["xmin"] == ["bbox", "xmin"]
    boxes = pq.read_table(io.BytesIO(content))["bbox"].to_pylist()
    assert [tuple(box.values()) for box in boxes] == [shape.bounds for shape in shapes_of(features).values()]
    for fid, shape in shapes_of(features).items():  # what geopandas reads by them is what touches
        found = geopandas.read_parquet(io.BytesIO(content), bbox=shape.bounds)
        assert fid in found["fid"].tolist()


@given(tables())
def test_flatgeobuf_read_back_is_the_same(features: Features):
    content = feature_files.as_flatgeobuf(features)
    frame = pyogrio.read_dataframe(io.BytesIO(content))
    info = pyogrio.read_info(io.BytesIO(content))
    assert info["capabilities"]["fast_spatial_filter"] == bool(len(features))
    assert json.loads(info["layer_metadata"]["about"]) == features.about
    assert sorted(frame["fid"].tolist()) == sorted(features.fids)
    assert rows_of_frame(frame) == rows_of(features)
    assert_same_places(dict(zip(frame["fid"], frame.geometry, strict=True)), features)
    assert frame.geometry.geom_type.isin(["MultiPolygon", "Point"]).all()


FORMS: list[Callable[[Features], Any]] = [
    feature_files.as_geojson,
    lambda features: b"".join(feature_files.as_geojsonseq(features)),
    feature_files.as_csv,
    feature_files.as_parquet,
    feature_files.as_flatgeobuf,
]


def test_nothing_is_a_file_all_the_same():
    nothing = Features("made", [], {"name": [], "count": [], "grade": []}, np.array([], dtype=object))
    assert json.loads(feature_files.as_geojson(nothing))["features"] == []
    assert list(feature_files.as_geojsonseq(nothing)) == []
    assert feature_files.as_csv(nothing).decode("utf-8-sig") == "fid,name,count,grade,geometry\r\n"
    for frame in (
        geopandas.read_parquet(io.BytesIO(feature_files.as_parquet(nothing))),
        pyogrio.read_dataframe(io.BytesIO(feature_files.as_flatgeobuf(nothing))),
    ):
        assert len(frame) == 0
        assert {"fid", "name", "count", "grade", "geometry"} <= set(frame.columns)
        assert frame.crs.to_epsg() in (4326, None)


@pytest.mark.parametrize("write", FORMS)
def test_places_may_be_without_shape(write: Callable[[Features], Any]):
    for shapes in (None, np.array([shapely.Point(116.5, 35.5), None], dtype=object)):
        content = write(Features("cells", [1, 2], {"name": ["a", "b"], "count": [0, 1], "grade": [None] * 2}, shapes))
        if b"fgb" in content[:8]:
            frame = pyogrio.read_dataframe(io.BytesIO(content))
            assert rows_of_frame(frame) == {1: ("a", 0, None), 2: ("b", 1, None)}
            assert frame.geometry.isna().tolist() == ([True, True] if shapes is None else [False, True])
        elif content.startswith(b"PAR1"):
            frame = pd.read_parquet(io.BytesIO(content))
            assert rows_of_frame(frame) == {1: ("a", 0, None), 2: ("b", 1, None)}
            assert ("geometry" in frame) == (shapes is not None)
        elif content.startswith(b"\xef\xbb\xbf"):
            rest = ",geometry", ",POINT (116.5 35.5)", ","
            tail = ("", "", "") if shapes is None else rest
            lines = [f"fid,name,count,grade{tail[0]}", f"1,a,0,{tail[1]}", f"2,b,1,{tail[2]}", ""]
            assert content.decode("utf-8-sig") == "\r\n".join(lines)
        else:
            assert content.count(b'"geometry":null') == (2 if shapes is None else 1)


def test_metres_stand_easting_first_in_every_file():
    printed = np.array([shapely.Point(116.58, 35.41)], dtype=object)
    east, north = crs.from_wgs84(np.array([116.58]), np.array([35.41]), "EPSG:4548")
    moved = np.array([shapely.Point(east[0], north[0])], dtype=object)
    features = Features("made", [1], {"name": ["a"]}, moved, "EPSG:4548")
    for frame in (
        geopandas.read_parquet(io.BytesIO(feature_files.as_parquet(features))),
        pyogrio.read_dataframe(io.BytesIO(feature_files.as_flatgeobuf(features))),
    ):
        assert frame.crs.to_epsg() == 4548
        assert abs(frame.geometry[0].x - 500_000) < 60_000
        back = frame.to_crs(4326).geometry[0]
        assert shapely.distance(back, printed[0]) < 1e-7
    assert f"POINT ({east[0]:.3f} {north[0]:.3f})".encode() in feature_files.as_csv(features)
