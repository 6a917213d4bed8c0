import csv
import json
from pathlib import Path

import numpy as np
import pyproj
import pytest

from geo_service.errors import UndeclaredCRS
from geo_service.geography import crs

RNG = np.random.Generator(np.random.PCG64(1))
LON, LAT = RNG.uniform(75, 134, 100_000), RNG.uniform(18, 53, 100_000)


def test_rounds():
    for there, back in ((crs.wgs84_to_gcj02, crs.gcj02_to_wgs84), (crs.gcj02_to_bd09, crs.bd09_to_gcj02)):
        lon, lat = back(*there(LON, LAT))
        assert np.abs(lon - LON).max() < 1e-9
        assert np.abs(lat - LAT).max() < 1e-9


def test_nan_stays_nan_and_shape_stays():
    lon, lat = crs.gcj02_to_wgs84(np.array([[116.0, np.nan]]), np.array([[35.0, np.nan]]))
    assert lon.shape == lat.shape == (1, 2)
    assert np.isnan(lon[0, 1])
    assert np.isnan(lat[0, 1])


def test_published_gcj02_vectors(shared_data: Path):
    path = shared_data / "geocode" / "coords" / "eviltransform_vectors.csv"
    rows = [row for row in csv.DictReader(path.read_text(encoding="utf-8").splitlines()) if row["kind"] == "wgs2gcj"]
    assert len(rows) == 3
    for row in rows:
        lon, lat = crs.wgs84_to_gcj02(np.array(float(row["in_lon"])), np.array(float(row["in_lat"])))
        assert float(lon) == pytest.approx(float(row["out_lon"]), abs=1e-9)
        assert float(lat) == pytest.approx(float(row["out_lat"]), abs=1e-9)


def test_published_bd09_pairs_of_664_cities(shared_data: Path):
    """BD-09 against the gcoord fixture, rounded to 7 decimals there: 12 mm at the most (research: median 5 mm)."""
    pairs = [
        c["coords"] for c in json.loads((shared_data / "geocode" / "coords" / "gcoord_china_cities.json").read_text())
    ]
    gcj, bd = np.array([p["GCJ02"] for p in pairs]).T, np.array([p["BD09"] for p in pairs]).T
    lon, lat = crs.gcj02_to_bd09(gcj[0], gcj[1])
    assert len(pairs) == 664
    assert np.hypot((lon - bd[0]) * 92_000, (lat - bd[1]) * 111_000).max() < 0.02


def test_published_gcj02_differs_from_the_formula_by_one_constant_step(shared_data: Path):
    """The 664 cities miss 0.479 m E, 0.470 m N; put back, the formula is right to 7 cm."""
    pairs = [
        c["coords"] for c in json.loads((shared_data / "geocode" / "coords" / "gcoord_china_cities.json").read_text())
    ]
    wgs, gcj = np.array([p["WGS84"] for p in pairs]).T, np.array([p["GCJ02"] for p in pairs]).T
    lon, lat = crs.wgs84_to_gcj02(wgs[0], wgs[1])
    east, north = (gcj[0] - lon) * 111_320 * np.cos(np.radians(lat)), (gcj[1] - lat) * 110_950
    assert np.hypot(east, north).max() < 0.75
    assert np.hypot(east - 0.479, north - 0.470).max() < 0.1


def test_published_web_mercator_pairs_of_664_cities(shared_data: Path):
    pairs = [
        c["coords"] for c in json.loads((shared_data / "geocode" / "coords" / "gcoord_china_cities.json").read_text())
    ]
    wgs, metres = np.array([p["WGS84"] for p in pairs]).T, np.array([p["EPSG3857"] for p in pairs]).T
    x, y = crs.from_wgs84(wgs[0], wgs[1], "EPSG:3857")
    assert np.abs(np.array([x, y]) - metres).max() < 0.02
    back = crs.to_wgs84(metres[0], metres[1], "EPSG:3857")
    assert np.abs(np.array(back) - wgs).max() < 2e-7


@pytest.mark.parametrize(
    ("system", "x", "y"),
    [
        ("GCJ-02", "gcj_lon", "gcj_lat"),
        ("BD-09", "bd_lon", "bd_lat"),
        ("EPSG:4548", "gk117_east", "gk117_north"),
        ("EPSG:4548 north first", "gk117_north", "gk117_east"),
        ("EPSG:4509", "gk117_east", "gk117_north"),
        ("EPSG:4527", "gk39_east", "gk39_north"),
        ("EPSG:4527 north first", "gk39_north", "gk39_east"),
        ("EPSG:32650", "utm50_east", "utm50_north"),
        ("EPSG:3857", "webmerc_x", "webmerc_y"),
        ("EPSG:4326", "wgs_lon", "wgs_lat"),
        ("EPSG:4490", "wgs_lon", "wgs_lat"),
        ("EPSG:4490 north first", "wgs_lat", "wgs_lon"),
    ],
)
def test_every_system_of_the_jining_vectors_comes_back_to_wgs84(system: str, x: str, y: str, shared_data: Path):
    path = shared_data / "geocode" / "coords" / "jining_vectors_computed.csv"
    rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    table = {name: np.array([float(row[name]) for row in rows]) for name in rows[0]}
    lon, lat = crs.to_wgs84(table[x], table[y], system)
    assert len(rows) == 300
    assert np.abs(lon - table["wgs_lon"]).max() < 1e-7
    assert np.abs(lat - table["wgs_lat"]).max() < 1e-7
    there = crs.from_wgs84(table["wgs_lon"], table["wgs_lat"], system)
    tolerance = 1e-9 if table[x][0] < 360 else 0.001  # the columns are written with ten and four decimals
    assert np.abs(there[0] - table[x]).max() < tolerance
    assert np.abs(there[1] - table[y]).max() < tolerance


def test_an_unknown_system_is_refused_with_what_to_write():
    with pytest.raises(UndeclaredCRS, match=r"feed x: 'Mars 2000' .* EPSG:4490"):
        crs.check_system("Mars 2000", "feed x")
    with pytest.raises(UndeclaredCRS, match="EPSG:9999999"):
        crs.check_system("EPSG:9999999", "feed x")


@pytest.mark.parametrize(
    "system",
    [
        "EPSG:4326",
        "EPSG:4326 north first",
        "EPSG:4490",
        "EPSG:3857",
        "EPSG:32650",
        "EPSG:4498",
        "EPSG:4509",
        "EPSG:4527",
        "EPSG:4548 north first",
        "EPSG:4547",
        "GCJ-02",
        "BD-09",
        "BD-09 north first",
        "EPSG:2437 +towgs84=15.8,-154.4,-82.3,0.1,0.2,0.3,1.5",
        "EPSG:4610 +towgs84=20,10,-5",
    ],
)
def test_there_and_back_is_exact(system: str):
    lon, lat = RNG.uniform(113, 121, 20_000), RNG.uniform(30, 40, 20_000)
    back = crs.to_wgs84(*crs.from_wgs84(lon, lat, system), system)
    assert np.abs(back[0] - lon).max() < 1e-9
    assert np.abs(back[1] - lat).max() < 1e-9


def test_what_is_no_number_stays_none():
    for system in ("EPSG:4548", "EPSG:3857", "GCJ-02", "BD-09", "EPSG:4326"):
        lon, lat = crs.to_wgs84(np.array([np.nan]), np.array([np.nan]), system)
        assert not np.isfinite(lon[0])
        assert not np.isfinite(lat[0])


def test_every_gauss_krueger_zone_is_the_one_that_the_authority_lists():
    for width, meridians in ((3, range(75, 136, 3)), (6, range(75, 136, 6))):
        for meridian in meridians:
            for prefixed in (False, True):
                zone = crs.GaussKrueger(meridian, width, prefixed)
                projected = pyproj.CRS.from_user_input(zone.system)
                parameters = {step.name: step.value for step in projected.coordinate_operation.params}
                assert projected.name.startswith("CGCS2000 / ")
                assert ("3-degree" in projected.name) == (width == 3)
                assert parameters["Longitude of natural origin"] == meridian
                assert parameters["False easting"] == 500_000 + (1_000_000 * zone.zone if prefixed else 0)
                assert crs.gauss_krueger(zone.system) == zone
    assert crs.gauss_krueger("EPSG:32650") is crs.gauss_krueger("GCJ-02") is None


@pytest.mark.parametrize("code", [4214, 2401, 2442, 21413, 21453, 4610, 2327, 2390, 4555])
def test_beijing_1954_and_xian_1980_are_refused_until_the_city_gives_its_parameters(code: int):
    with pytest.raises(UndeclaredCRS, match=r"feed x: 'EPSG:\d+' is on the datum .* \+towgs84="):
        crs.check_system(f"EPSG:{code}", "feed x")
    with pytest.raises(UndeclaredCRS, match="local parameters"):
        crs.to_wgs84(LON, LAT, f"EPSG:{code}")
    written = f"EPSG:{code} +towgs84=15.8,-154.4,-82.3,0,0,0,0 north first"
    assert crs.check_system(written, "feed x") == written
    assert crs.check_system(str(crs.read_system(written)), "feed x")


def test_seven_parameters_are_a_helmert_shift_in_space():
    """By hand: geodetic to cartesian on Krasovsky, shift, rotate (position vector), scale, and back on WGS 84."""
    seven = (15.8, -154.4, -82.3, 0.5, -0.3, 0.8, 2.0)
    krasovsky = pyproj.Transformer.from_pipeline("+proj=cart +ellps=krass")
    wgs84 = pyproj.Transformer.from_pipeline("+proj=cart +ellps=WGS84")
    place = np.array(krasovsky.transform(116.6, 35.4, 0.0, radians=False))
    x, y, z = np.radians(np.array(seven[3:6]) / 3600)
    turn = np.array([[1, -z, y], [z, 1, -x], [-y, x, 1]])
    moved = np.array(seven[:3]) + (1 + seven[6] * 1e-6) * turn @ place
    expected = wgs84.transform(*moved, direction="INVERSE", radians=False)[:2]
    written = "EPSG:4214 +towgs84=" + ",".join(map(str, seven))
    assert crs.to_wgs84(np.array(116.6), np.array(35.4), written) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    "written",
    ["EPSG:4214 +towgs84=1,2", "EPSG:4214 +towgs84=1,,3", "GCJ-02 +towgs84=1,2,3", "BD-09 +towgs84=1,2,3,4,5,6,7"],
)
def test_parameters_are_three_or_seven_numbers_after_an_epsg_code(written: str):
    with pytest.raises(UndeclaredCRS, match="three or seven numbers"):
        crs.check_system(written, "feed x")


@pytest.mark.parametrize("code", [4978, 5773])
def test_a_system_without_longitude_and_latitude_is_refused(code: int):
    with pytest.raises(UndeclaredCRS, match="no coordinate system we know"):
        crs.check_system(f"EPSG:{code}", "feed x")


def test_a_second_number_beyond_90_is_an_error_only_where_longitude_comes_first():
    assert crs.is_geographic("EPSG:4490")
    assert crs.is_geographic("BD-09")
    assert not crs.is_geographic("EPSG:4490 north first")
    assert not crs.is_geographic("EPSG:4548")
