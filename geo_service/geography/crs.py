"""Coordinate systems: WGS 84, CGCS2000, GCJ-02 and BD-09 become WGS 84 longitude and latitude.

Pure.  Inside the house every coordinate is WGS 84 (EPSG:4326), longitude first; CGCS2000 (EPSG:4490) differs from it
by centimetres and is read through PROJ like any other EPSG code.  A system is declared at the door or refused.
GCJ-02 is the offset Chinese law puts on published maps (300-700 m), BD-09 a second one of Baidu's on top of it.
"""

import re
from functools import cache
from typing import cast

import numpy as np
import numpy.typing as npt
import pyproj
import pyproj.exceptions

from geo_service.errors import UndeclaredCRS

Degrees = npt.NDArray[np.float64]
Metres = npt.NDArray[np.float64]

_A = 6378245.0  # semi-major axis of the Krasovsky ellipsoid, which GCJ-02 was made on [m]
_EE = 0.00669342162296594323  # its first eccentricity squared [-]
_BD_K = np.pi * 3000.0 / 180.0  # Baidu's wave number; pi alone, seen in the wild, is wrong by 11-41 m
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


def check_system(system: str, where: str) -> str:
    """Give the name of a declared coordinate system back, or refuse it.

    Known are "GCJ-02", "BD-09" and every EPSG code that PROJ can take to WGS 84.
    Raises UndeclaredCRS with what to write instead.

    >>> check_system("EPSG:4548", "feed demo")
    'EPSG:4548'
    """
    if system in ("GCJ-02", "BD-09"):
        return system
    if not _in_epsg(system):
        raise UndeclaredCRS(
            f"{where}: '{system}' is no coordinate system we know; write EPSG:4326 (WGS 84), EPSG:4490 (CGCS2000), "
            "EPSG:4548 (CGCS2000 Gauss-Krueger, 117 E), GCJ-02 or BD-09"
        )
    return system


def _in_epsg(system: str) -> bool:
    if not re.fullmatch(r"EPSG:\d+", system):  # PROJ itself also knows Mars and the Moon by name
        return False
    try:
        pyproj.CRS.from_user_input(system)
    except pyproj.exceptions.CRSError:
        return False
    return True


@cache
def is_geographic(system: str) -> bool:
    """Tell whether a system counts in degrees."""
    return system in ("GCJ-02", "BD-09") or pyproj.CRS.from_user_input(system).is_geographic


def to_wgs84(x: Degrees | Metres, y: Degrees | Metres, system: str) -> tuple[Degrees, Degrees]:
    """Take coordinates of a declared system to WGS 84 longitude and latitude [deg].

    `x` is the easting or longitude and `y` the northing or latitude, whatever order the authority prefers.

    >>> lon, lat = to_wgs84(np.array([500000.0]), np.array([3917600.0]), "EPSG:4548")
    >>> round(float(lon[0]), 3), round(float(lat[0]), 3)
    (117.0, 35.388)
    """
    if system == "GCJ-02":
        return gcj02_to_wgs84(x, y)
    if system == "BD-09":
        return gcj02_to_wgs84(*bd09_to_gcj02(x, y))
    if system == "EPSG:4326":
        return x, y
    return cast(tuple[Degrees, Degrees], _transformer(system).transform(x, y))


@cache
def _transformer(system: str) -> pyproj.Transformer:
    return pyproj.Transformer.from_crs(system, 4326, always_xy=True)  # 80 ms to make
