"""Coordinate systems: WGS 84, CGCS2000, GCJ-02, BD-09 and Web Mercator become WGS 84 longitude and latitude, and back.

Pure.  Inside the house every coordinate is WGS 84 (EPSG:4326), longitude first; CGCS2000 (EPSG:4490) differs from it
by centimetres and is read through PROJ like any other EPSG code.  A system is declared at the door or refused.
GCJ-02 is the offset Chinese law puts on published maps (300-700 m), BD-09 a second one of Baidu's on top of it.
Which system a source's numbers really have is told by `source_systems`.

A system is written as text, so that feeds and flags can say it:

    EPSG:4490                                  CGCS2000, longitude first
    EPSG:4490 north first                      latitude first
    EPSG:4548, EPSG:4527                       Gauss-Krueger at 117 E without and with the zone prefix 39, easting first
    EPSG:4548 north first                      northing first, which Chinese survey sheets call x
    EPSG:2437 +towgs84=dx,dy,dz,rx,ry,rz,ds    Beijing 1954 with the seven parameters of the city's survey office
    GCJ-02, BD-09, EPSG:3857                   maps of the web
"""

import re
from dataclasses import dataclass
from functools import cache
from typing import cast

import numpy as np
import numpy.typing as npt
import pyproj
import pyproj.exceptions
from pyproj.crs.coordinate_operation import ToWGS84Transformation
from pyproj.crs.crs import BoundCRS
from pyproj.enums import TransformDirection

from geo_service.errors import UndeclaredCRS

Degrees = npt.NDArray[np.float64]
Metres = npt.NDArray[np.float64]

_A = 6378245.0  # semi-major axis of the Krasovsky ellipsoid, which GCJ-02 was made on [m]
_EE = 0.00669342162296594323  # its first eccentricity squared [-]
_BD_K = np.pi * 3000.0 / 180.0  # Baidu's wave number; pi alone, seen in the wild, is wrong by 11-41 m
_WRITTEN = re.compile(r"(GCJ-02|BD-09|EPSG:\d+)(?: \+towgs84=([-+.,\deE]+))?( north first)?")
_NEED_PARAMETERS = {"Beijing 1954": 70, "New Beijing": 70, "Xian 1980": 2}  # error of PROJ's silent null shift [m]
_ROUNDS = 4  # worst error left after 1, 2, 3 rounds: 4.84 m, 31 mm, 0.23 mm; after 4 below 1e-9 deg


def _gcj02_offset(lon: Degrees, lat: Degrees) -> tuple[Degrees, Degrees]:
    x, y = lon - 105.0, lat - 35.0
    root, pi = np.sqrt(np.abs(x)), np.pi
    common = 2.0 / 3.0 * (20.0 * np.sin(6.0 * pi * x) + 20.0 * np.sin(2.0 * pi * x))
    d_lat = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * root + common
    d_lat += 2.0 / 3.0 * (20.0 * np.sin(pi * y) + 40.0 * np.sin(pi * y / 3.0))
    d_lat += 2.0 / 3.0 * (160.0 * np.sin(pi * y / 12.0) + 320.0 * np.sin(pi * y / 30.0))
    d_lon = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * root + common
    d_lon += 2.0 / 3.0 * (20.0 * np.sin(pi * x) + 40.0 * np.sin(pi * x / 3.0))
    d_lon += 2.0 / 3.0 * (150.0 * np.sin(pi * x / 12.0) + 300.0 * np.sin(pi * x / 30.0))
    phi = np.radians(lat)
    m = 1.0 - _EE * np.sin(phi) ** 2
    d_lat = np.degrees(d_lat * m * np.sqrt(m) / (_A * (1.0 - _EE)))
    d_lon = np.degrees(d_lon * np.sqrt(m) / (_A * np.cos(phi)))
    return d_lon, d_lat


def wgs84_to_gcj02(lon: Degrees, lat: Degrees) -> tuple[Degrees, Degrees]:
    """Put the GCJ-02 offset on.

    The offset is applied wherever it is asked for: whether a place lies in mainland China is the caller's knowledge.
    Any shape, kept; NaN in, NaN out.

    >>> lon, lat = wgs84_to_gcj02(np.array(116.377817), np.array(39.911954))
    >>> round(float(lon), 6), round(float(lat), 6)
    (116.384047, 39.913345)
    """
    d_lon, d_lat = _gcj02_offset(lon, lat)
    return lon + d_lon, lat + d_lat


def gcj02_to_wgs84(lon: Degrees, lat: Degrees) -> tuple[Degrees, Degrees]:
    """Take the GCJ-02 offset off again.

    The offset has no closed inverse.  Subtracting it once leaves up to 4.8 m; four rounds of ``p <- gcj - offset(p)``
    leave less than 1e-9 degrees over 75-134 E, 18-53 N.  NaN in, NaN out; any shape, kept.

    >>> lon, lat = gcj02_to_wgs84(np.array(116.38404722455657), np.array(39.91334545536069))
    >>> round(float(lon), 6), round(float(lat), 6)
    (116.377817, 39.911954)
    """
    w_lon, w_lat = lon, lat
    for _ in range(_ROUNDS):
        d_lon, d_lat = _gcj02_offset(w_lon, w_lat)
        w_lon, w_lat = lon - d_lon, lat - d_lat
    return w_lon, w_lat


def gcj02_to_bd09(lon: Degrees, lat: Degrees) -> tuple[Degrees, Degrees]:
    """Put Baidu's second offset on a GCJ-02 coordinate.  Any shape, kept; NaN in, NaN out."""
    z = np.hypot(lon, lat) + 0.00002 * np.sin(lat * _BD_K)
    theta = np.arctan2(lat, lon) + 0.000003 * np.cos(lon * _BD_K)
    return z * np.cos(theta) + 0.0065, z * np.sin(theta) + 0.006


def bd09_to_gcj02(lon: Degrees, lat: Degrees) -> tuple[Degrees, Degrees]:
    """Take Baidu's second offset off: the same rounds as for GCJ-02, to below 1e-9 degrees."""
    g_lon, g_lat = lon - 0.0065, lat - 0.006
    for _ in range(_ROUNDS):
        f_lon, f_lat = gcj02_to_bd09(g_lon, g_lat)
        g_lon, g_lat = g_lon - (f_lon - lon), g_lat - (f_lat - lat)
    return g_lon, g_lat


@dataclass(frozen=True)
class System:
    """A declared coordinate system: what its first and second number mean."""

    base: str
    """"GCJ-02", "BD-09" or an EPSG code as "EPSG:4548"."""
    towgs84: tuple[float, ...] = ()
    """Shift x, y, z [m], rotation x, y, z [arc seconds] and scale [ppm] to WGS 84; position vector rotation."""
    north_first: bool = False
    """The first number is the northing or latitude."""

    def __str__(self) -> str:
        numbers = ",".join(f"{number!r}" for number in self.towgs84)
        return self.base + (f" +towgs84={numbers}" if numbers else "") + (" north first" if self.north_first else "")


@dataclass(frozen=True)
class GaussKrueger:
    """A zone of the CGCS2000 Gauss-Krueger projection."""

    meridian: int
    """Central meridian [deg E], 75 to 135."""
    width: int = 3
    """Width of the zone [deg], 3 or 6."""
    is_prefixed: bool = False
    """Eastings carry the number of the zone before their six digits."""

    @property
    def zone(self) -> int:
        """The number of the zone: 39 for 117 E of 3 degrees, 20 of 6 degrees."""
        return self.meridian // 3 if self.width == 3 else (self.meridian + 3) // 6

    @property
    def system(self) -> str:
        """The EPSG code.

        >>> [GaussKrueger(117, width, prefix).system for width in (3, 6) for prefix in (False, True)]
        ['EPSG:4548', 'EPSG:4527', 'EPSG:4509', 'EPSG:4498']
        """
        first, first_prefixed = (4534, 4513) if self.width == 3 else (4502, 4491)
        return f"EPSG:{(first_prefixed if self.is_prefixed else first) + (self.meridian - 75) // self.width}"


def gauss_krueger(system: str) -> GaussKrueger | None:
    """Give the CGCS2000 Gauss-Krueger zone that a declared system is, or None when it is none.

    >>> gauss_krueger("EPSG:4527 north first")
    GaussKrueger(meridian=117, width=3, is_prefixed=True)
    """
    base = read_system(system).base
    code = int(base.removeprefix("EPSG:")) if base.startswith("EPSG:") else 0
    for width, prefixed, first, last in (
        (3, False, 4534, 4554),
        (3, True, 4513, 4533),
        (6, False, 4502, 4512),
        (6, True, 4491, 4501),
    ):
        if first <= code <= last:
            return GaussKrueger(75 + width * (code - first), width, prefixed)
    return None


def check_system(system: str, where: str) -> str:
    """Give the name of a declared coordinate system back, or refuse it.

    Known are "GCJ-02", "BD-09" and every EPSG code that PROJ can take to WGS 84, written as in the head of this module.
    Beijing 1954 and Xian 1980 are known only with parameters: PROJ passes their degrees on unchanged and says nothing,
    which is wrong by at least 70 m and 2 m of northing.
    Raises UndeclaredCRS with what to write instead.

    >>> check_system("EPSG:4548", "feed demo")
    'EPSG:4548'
    """
    try:
        read_system(system)
    except UndeclaredCRS as error:
        raise UndeclaredCRS(f"{where}: {error}") from None
    return system


@cache
def read_system(system: str) -> System:
    """Read a system as it is written.

    Raises UndeclaredCRS when it is unknown, has no longitude and latitude, or needs parameters that it does not bring.

    >>> read_system("EPSG:4548 north first")
    System(base='EPSG:4548', towgs84=(), north_first=True)
    """
    match = _WRITTEN.fullmatch(system)  # PROJ itself also knows Mars and the Moon by name
    if not match or not _is_horizontal(match[1]):
        raise UndeclaredCRS(
            f"'{system}' is no coordinate system we know; write EPSG:4326 (WGS 84), EPSG:4490 (CGCS2000), "
            "EPSG:4548 (CGCS2000 Gauss-Krueger, 117 E), GCJ-02 or BD-09, with ' north first' after it where the first "
            "number is the northing"
        )
    read = System(match[1], _parameters(system, match[2] or ""), bool(match[3]))
    datum = "" if read.base in ("GCJ-02", "BD-09") else _datum(read.base)
    if datum in _NEED_PARAMETERS and not read.towgs84:
        raise UndeclaredCRS(
            f"'{system}' is on the datum {datum}, which no public transformation takes to WGS 84: as it stands it is "
            f"wrong by at least {_NEED_PARAMETERS[datum]} m; write the local parameters after it, as in "
            f"'{read.base} +towgs84=dx,dy,dz,rx,ry,rz,ds', or have the source sent in CGCS2000 (EPSG:4490)"
        )
    return read


def _parameters(system: str, written: str) -> tuple[float, ...]:
    try:
        numbers = tuple(float(number) for number in written.split(",")) if written else ()
    except ValueError:
        numbers = (0.0,)
    if len(numbers) not in (0, 3, 7) or (numbers and not system.startswith("EPSG:")):
        raise UndeclaredCRS(
            f"'{system}': +towgs84 takes three or seven numbers (shift x, y, z in metres, rotation x, y, z in "
            "arc seconds, scale in ppm) after an EPSG code; a four-parameter fit of two planes is not read"
        )
    return numbers


def _is_horizontal(base: str) -> bool:
    if base in ("GCJ-02", "BD-09"):
        return True
    try:
        known = pyproj.CRS.from_user_input(base)
    except pyproj.exceptions.CRSError:
        return False
    return known.is_geographic or known.is_projected


def _datum(base: str) -> str:
    geodetic = pyproj.CRS.from_user_input(base).geodetic_crs
    return geodetic.name if geodetic else ""


@cache
def is_geographic(system: str) -> bool:
    """Tell whether a system counts in degrees, longitude first: then a second number beyond 90 means exchanged axes."""
    read = read_system(system)
    degrees = read.base in ("GCJ-02", "BD-09") or pyproj.CRS.from_user_input(read.base).is_geographic
    return degrees and not read.north_first


def to_wgs84(x: Degrees | Metres, y: Degrees | Metres, system: str) -> tuple[Degrees, Degrees]:
    """Take coordinates of a declared system to WGS 84 longitude and latitude [deg].

    `x` is the easting or longitude and `y` the northing or latitude, whatever order the authority prefers; a system
    declared "north first" has them the other way round.  Any shape, kept; NaN in, no finite number out.
    Raises UndeclaredCRS as `read_system` does.

    >>> lon, lat = to_wgs84(np.array([500000.0]), np.array([3917600.0]), "EPSG:4548")
    >>> round(float(lon[0]), 3), round(float(lat[0]), 3)
    (117.0, 35.388)
    """
    read = read_system(system)
    east, north = (y, x) if read.north_first else (x, y)
    if read.base == "GCJ-02":
        return gcj02_to_wgs84(east, north)
    if read.base == "BD-09":
        return gcj02_to_wgs84(*bd09_to_gcj02(east, north))
    if read.base == "EPSG:4326" and not read.towgs84:
        return east, north
    return _forward(read, east, north)


def from_wgs84(lon: Degrees, lat: Degrees, system: str) -> tuple[Degrees | Metres, Degrees | Metres]:
    """Take WGS 84 longitude and latitude [deg] to a declared system, its first number first: the inverse of `to_wgs84`.

    There and back differs by less than 1e-9 degrees.

    >>> x, y = from_wgs84(np.array([117.0]), np.array([35.388]), "EPSG:4527 north first")
    >>> round(float(x[0])), round(float(y[0]))
    (3917639, 39500000)
    """
    read = read_system(system)
    if read.base == "GCJ-02":
        east, north = wgs84_to_gcj02(lon, lat)
    elif read.base == "BD-09":
        east, north = gcj02_to_bd09(*wgs84_to_gcj02(lon, lat))
    elif read.base == "EPSG:4326" and not read.towgs84:
        east, north = lon, lat
    else:
        east, north = _backward(read, lon, lat)
        if read.towgs84:  # the shift goes over a height it then drops: 0.15 mm, gone after a second round
            again = _forward(read, east, north)
            east, north = _backward(read, lon + (lon - again[0]), lat + (lat - again[1]))
    return (north, east) if read.north_first else (east, north)


def _forward(read: System, east: Metres, north: Metres) -> tuple[Degrees, Degrees]:
    return cast(tuple[Degrees, Degrees], _transformer(read).transform(east, north))


def _backward(read: System, lon: Degrees, lat: Degrees) -> tuple[Metres, Metres]:
    found = _transformer(read).transform(lon, lat, direction=TransformDirection.INVERSE)
    return cast(tuple[Metres, Metres], found)


@cache
def _transformer(read: System) -> pyproj.Transformer:
    source = pyproj.CRS.from_user_input(read.base)
    if read.towgs84:
        shift = ToWGS84Transformation(source.geodetic_crs, *read.towgs84)
        source = BoundCRS(source, pyproj.CRS.from_epsg(4326), shift)
    return pyproj.Transformer.from_crs(source, 4326, always_xy=True)  # 80 ms to make
