"""Reference systems: what OGC clients may ask coordinates in, under the names they use, axes as the authority has them.

Pure.  CRS84 is WGS 84 with longitude first, as GeoJSON has it; EPSG:4326 is the same with latitude first, and so is
EPSG:4490 (CGCS2000).  EPSG:4548 (CGCS2000 Gauss-Krueger, 117 E) has the northing first.  What lies between WGS 84 and
CGCS2000 is left to PROJ, as everywhere in the house (crs.py).
"""

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely

from geo_service.errors import BadParameter
from geo_service.geography import crs

Shapes = npt.NDArray[np.object_]

_NORTH_FIRST = " north first"
_NAMES = re.compile(
    r"(?:https?://www\.opengis\.net/def/crs/|urn:ogc:def:crs:)?\[?(OGC|EPSG)[/:](?:[\d.]*[/:])?(CRS84|\d{4,6})\]?"
)


@dataclass(frozen=True)
class Reference:
    """A reference system: its OGC address, its name, how crs.py writes it, and decimals that print a centimetre."""

    uri: str
    name: str
    system: str
    decimals: int

    @property
    def epsg(self) -> int | None:
        """Its EPSG code; None for CRS84, which EPSG does not have."""
        return int(self.uri.rpartition("/")[2]) if "/EPSG/" in self.uri else None


def _of(code: int, name: str, system: str, decimals: int) -> Reference:
    return Reference(f"http://www.opengis.net/def/crs/EPSG/0/{code}", name, system, decimals)


CRS84 = Reference("http://www.opengis.net/def/crs/OGC/1.3/CRS84", "WGS 84, longitude first", "EPSG:4326", 7)
REFERENCES = (
    CRS84,
    _of(4326, "WGS 84", "EPSG:4326 north first", 7),
    _of(3857, "Web Mercator", "EPSG:3857", 2),
    _of(4490, "CGCS2000", "EPSG:4490 north first", 7),
    _of(4548, "CGCS2000 / 3-degree Gauss-Kruger CM 117E", "EPSG:4548 north first", 2),
)

_BY_CODE = {reference.uri.rpartition("/")[2]: reference for reference in REFERENCES}


def read(text: str, where: str = "crs") -> Reference:
    """Read a reference system as clients write it: an OGC address, a URN, [EPSG:4548] or EPSG:4548.

    `where` names the parameter in messages.  Raises BadParameter for one we do not offer.

    >>> [read(text).epsg for text in ("http://www.opengis.net/def/crs/EPSG/0/4490", "[EPSG:4548]", "OGC:CRS84")]
    [4490, 4548, None]
    >>> read("EPSG:2437")
    Traceback (most recent call last):
    geo_service.errors.BadParameter: crs=EPSG:2437 is not offered; expected one of http://www.opengis.net/def/crs/OGC/...
    """
    match = _NAMES.fullmatch(text)
    reference = _BY_CODE.get(match[2]) if match else None
    if reference is None:
        offered = ", ".join(known.uri for known in REFERENCES)
        raise BadParameter(f"{where}={text[:100]} is not offered; expected one of {offered}")
    return reference


def from_wgs84(shapes: Shapes, reference: Reference) -> Shapes:
    """Take WGS 84 shapes to a reference system, rounded to its centimetre; longitude or easting stays first.

    >>> [point] = from_wgs84(np.array([shapely.Point(117, 35.5)]), read("EPSG:4548"))
    >>> point.x, round(point.y / 1e6, 2)
    (500000.0, 3.93)
    """
    if reference == CRS84:
        return shapes
    east_first = reference.system.removesuffix(_NORTH_FIRST)

    def project(points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.round(np.column_stack(crs.from_wgs84(points[:, 0], points[:, 1], east_first)), reference.decimals)

    return shapely.transform(shapes, project)


def as_ordered(shapes: Shapes, reference: Reference) -> Shapes:
    """Write shapes that have longitude or easting first with their axes in the order the authority gives them.

    >>> as_ordered(np.array([shapely.Point(117, 35.5)]), read("EPSG:4326"))[0].wkt
    'POINT (35.5 117)'
    """
    if not reference.system.endswith(_NORTH_FIRST):
        return shapes
    return shapely.transform(shapes, lambda points: points[:, ::-1])


def to_wgs84(shapes: Shapes, reference: Reference, where: str = "crs") -> Shapes:
    """Take shapes of a reference system to WGS 84, longitude first.

    Raises BadParameter where a coordinate lies on no place of the Earth: latitude and longitude exchanged, most often.

    >>> to_wgs84(np.array([shapely.Point(35.388, 117)]), read("EPSG:4326"))[0].wkt
    'POINT (117 35.388)'
    """

    def project(points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.column_stack(crs.to_wgs84(points[:, 0], points[:, 1], reference.system))

    found = shapely.transform(shapes, project)
    points = shapely.get_coordinates(found)
    if not (np.isfinite(points).all() and (np.abs(points) <= (180.0, 90.0)).all()):
        order = (
            "latitude or northing first" if reference.system.endswith(_NORTH_FIRST) else "longitude or easting first"
        )
        raise BadParameter(f"{where}: a coordinate is on no place of the Earth in {reference.uri}; it wants {order}")
    return found
