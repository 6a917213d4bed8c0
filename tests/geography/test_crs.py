import csv
import json
from pathlib import Path

import numpy as np
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


@pytest.mark.parametrize(
    ("system", "x", "y"),
    [
        ("GCJ-02", "gcj_lon", "gcj_lat"),
        ("BD-09", "bd_lon", "bd_lat"),
        ("EPSG:4548", "gk117_east", "gk117_north"),
        ("EPSG:4527", "gk39_east", "gk39_north"),
        ("EPSG:32650", "utm50_east", "utm50_north"),
        ("EPSG:3857", "webmerc_x", "webmerc_y"),
        ("EPSG:4326", "wgs_lon", "wgs_lat"),
        ("EPSG:4490", "wgs_lon", "wgs_lat"),
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


def test_an_unknown_system_is_refused_with_what_to_write():
    with pytest.raises(UndeclaredCRS, match=r"feed x: 'Mars 2000' .* EPSG:4490"):
        crs.check_system("Mars 2000", "feed x")
    with pytest.raises(UndeclaredCRS, match="EPSG:9999999"):
        crs.check_system("EPSG:9999999", "feed x")
