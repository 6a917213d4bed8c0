import numpy as np
import orjson
import shapely
from hypothesis import given, settings
from shapely.geometry.base import BaseGeometry

from geo_service.maps import geojson
from tests.maps.drawn import places, polygons, signed_area


@settings(deadline=None)
@given(places())
def test_shapes_fit_to_print_are_valid_wound_and_short(place: BaseGeometry):
    [fit] = geojson.fit_to_print(np.array([shapely.reverse(place)], dtype=object))
    [feature] = orjson.loads(orjson.dumps(geojson.features([1], np.array([fit]), [{}])))
    assert shapely.geometry.shape(feature["geometry"]).is_valid
    for exterior, *holes in polygons(feature):
        assert signed_area(exterior) > 0
        assert all(signed_area(hole) < 0 for hole in holes)
        for number in np.ravel(exterior):
            assert len(repr(float(number)).partition(".")[2]) <= geojson.DECIMALS
    assert shapely.hausdorff_distance(fit, place) < 5e-7  # [deg] narrow holes and necks close


def test_a_place_narrower_than_a_centimetre_stays():
    needle = shapely.box(116.0, 35.0, 116.00000001, 35.00000001)
    assert not geojson.fit_to_print(np.array([needle]))[0].is_empty


def test_a_collection_names_no_reference_system():
    read = orjson.loads(geojson.collection([], numberMatched=3))
    assert read == {"type": "FeatureCollection", "features": [], "numberMatched": 3}
