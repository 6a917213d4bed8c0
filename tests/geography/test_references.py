import hypothesis.strategies as st
import numpy as np
import pyproj
import pytest
import shapely
from hypothesis import given

from geo_service.errors import BadParameter
from geo_service.geography import references

IN_CHINA = st.tuples(st.floats(115.5, 118.5), st.floats(20, 50))


@pytest.mark.parametrize("reference", references.REFERENCES, ids=lambda one: one.uri.rpartition("/")[2])
@given(point=IN_CHINA)
def test_there_and_back_is_a_centimetre_at_most(reference: references.Reference, point: tuple[float, float]):
    there = references.as_ordered(references.from_wgs84(np.array([shapely.Point(point)]), reference), reference)
    [back] = references.to_wgs84(there, reference)
    assert (back.x, back.y) == pytest.approx(point, abs=2e-7)


@pytest.mark.parametrize("code", [4326, 3857, 4490, 4548])
@given(point=IN_CHINA)
def test_the_order_of_the_axes_is_the_one_epsg_gives(code: int, point: tuple[float, float]):
    reference = references.read(f"EPSG:{code}")
    [ours] = references.as_ordered(references.from_wgs84(np.array([shapely.Point(point)]), reference), reference)
    theirs = pyproj.Transformer.from_crs("EPSG:4326", f"EPSG:{code}").transform(point[1], point[0])
    assert (ours.x, ours.y) == pytest.approx(theirs, abs=0.0051 if code in (3857, 4548) else 6e-8)
    assert reference.epsg == code


@pytest.mark.parametrize(
    "text",
    [
        "http://www.opengis.net/def/crs/EPSG/0/4548",
        "http://www.opengis.net/def/crs/EPSG/9.9.1/4548",
        "https://www.opengis.net/def/crs/EPSG/0/4548",
        "urn:ogc:def:crs:EPSG::4548",
        "EPSG:4548",
        "[EPSG:4548]",
    ],
)
def test_a_system_is_known_by_each_of_its_names(text: str):
    assert references.read(text).epsg == 4548


@pytest.mark.parametrize("text", ["", "4548", "EPSG:9999", "GCJ-02", "EPSG:4548 north first", "EPSG:4326; drop table"])
def test_what_is_not_offered_is_refused_with_what_is(text: str):
    with pytest.raises(BadParameter, match=r"expected one of http://www\.opengis\.net/def/crs/OGC/1\.3/CRS84"):
        references.read(text)


@pytest.mark.parametrize(("x", "y"), [(116.5, 35.4), (np.nan, 0.0), (np.inf, 0.0)])
def test_coordinates_that_are_nowhere_are_refused(x: float, y: float):
    with pytest.raises(BadParameter, match="latitude or northing first"):
        references.to_wgs84(np.array([shapely.Point(x, y)]), references.read("EPSG:4326"))
