"""GeoJSON: features and collections as RFC 7946 wants them.

Pure.  WGS 84, longitude first, no `crs` member; exteriors counter-clockwise, holes clockwise; seven decimals (1 cm),
which is finer than any boundary file and half the bytes of full precision.  The numeric feature id stands on the
feature, the place's own id in its properties.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import orjson
import shapely

DECIMALS = 7
_GRID = 10.0**-DECIMALS

Shapes = npt.NDArray[np.object_]
Value = str | int | None


def fit_to_print(shapes: Shapes) -> Shapes:
    """Round WGS 84 polygons and points to seven decimals, valid, and wind their exteriors counter-clockwise.

    One that rounding would empty (less than a centimetre wide) stays as it came.

    >>> fit_to_print(np.array([shapely.Polygon([(0, 0), (0, 1), (1.00000000123, 1), (0, 0)])]))[0].normalize().wkt
    'POLYGON ((0 0, 0 1, 1 1, 0 0))'
    """
    rounded = shapely.transform(shapes, lambda corners: np.round(corners, DECIMALS))
    crossed = ~shapely.is_valid(
        rounded
    )  # rounding has folded it: to be rounded as a whole, which takes ten times as long
    rounded[crossed] = shapely.set_precision(shapes[crossed], _GRID)
    return shapely.orient_polygons(np.where(shapely.is_empty(rounded), shapes, rounded), exterior_cw=False)


def geometries(shapes: Shapes) -> list[orjson.Fragment]:
    """Write shapes that are fit to print as GeoJSON geometries."""
    return [orjson.Fragment(text) for text in shapely.to_geojson(shapes)]


def features(ids: Sequence[int], shapes: Shapes, properties: Sequence[Mapping[str, Value]]) -> list[dict[str, object]]:
    """Put ids, shapes that are fit to print, and properties together as features, one for each id.

    >>> made = features([7], np.array([shapely.box(0, 0, 1, 1, ccw=True)]), [{"id": "A1"}])
    >>> orjson.loads(orjson.dumps(made))[0]["geometry"]["coordinates"]
    [[[1.0, 0.0], [1.0, 1.0], [0.0, 1.0], [0.0, 0.0], [1.0, 0.0]]]
    """
    return [
        {"type": "Feature", "id": fid, "geometry": geometry, "properties": values}
        for fid, geometry, values in zip(ids, geometries(shapes), properties, strict=True)
    ]


def collection(features: Sequence[Mapping[str, object]], **members: object) -> bytes:
    """Write a FeatureCollection; `members` stand beside its features (links, numberMatched …).

    >>> collection([], numberReturned=0)
    b'{"type":"FeatureCollection","features":[],"numberReturned":0}'
    """
    return orjson.dumps({"type": "FeatureCollection", "features": features, **members})
