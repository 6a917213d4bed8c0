"""Place texts in the main job on files: located in one process and on Dask's workers alike, and told in the results."""

import json
import shutil
from pathlib import Path

import geopandas
import numpy as np
import pandas as pd
import pytest
import shapely

from geo_service import cli, files
from tests.analysis import located
from tests.geography.addresses import jining

FEED = """
id = "made"
crs = "EPSG:4326"
[columns]
id = "id"
called_at = "at"
place = "place"
category = "code"
lon = "lon"
lat = "lat"
[time]
zone = "Asia/Shanghai"
format = "%Y-%m-%d %H:%M"
[unknown]
lon_lat = [[0, 0]]
[[categories]]
valid_from = 2000-01-01
map = { "R" = "robbery" }
"""
_DECLARED = ["--gazetteer", "{city}/gazetteer.csv", "--gazetteer-crs", "EPSG:4326"]
SAID = [
    ("任城区水景花园小区3号楼", "", ""),
    ("任城区水景花园小区3号楼", 3000, -2000),
    ("任城区水景花园小区3号楼", "1165000", "35.4"),
    ("张庄村", "", ""),
    ("", "", ""),
    ("", "1165000", "35.4"),
    ("任城区古槐路121号", 500, 2500),
    ("济医附院门诊楼", 500, 2500),
    ("水景花园4号楼", 500, 2500),
    ("任城区古槐路121号", 20, 300),
]


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write feed, calls, zones, gazetteer and calibration; calls of many days, so that files are cut into pieces."""
    folder = tmp_path_factory.mktemp("city")
    (folder / "feed.toml").write_text(FEED, encoding="utf-8")
    rows = pd.concat([located.calls(*SAID)] * 200, ignore_index=True)
    rows["id"] = np.arange(len(rows)).astype(str)
    rows.drop(columns=["_source", "_row"]).to_csv(folder / "calls.csv", index=False)
    for kind, zones in located.zones().items():
        frame = geopandas.GeoDataFrame({"zone_id": zones.ids}, geometry=zones.geometry, crs=4326)
        frame.to_file(folder / f"{kind}.gpkg")
    entries = jining.frame()
    entries["wkt"] = ["" if one is None else shapely.to_wkt(one, rounding_precision=-1) for one in entries["geometry"]]
    entries.drop(columns="geometry").to_csv(folder / "gazetteer.csv", index=False)
    (folder / "calibration.json").write_text(json.dumps(located.SURE.as_table()), encoding="utf-8")
    return folder


def digest(city: Path, out: Path, *more: str) -> int:
    zones = [f"--zones={kind}={city / kind}.gpkg" for kind in ("communities", "units")]
    return cli.main(
        ["digest", str(city / "calls.csv"), "--feed", str(city / "feed.toml"), *zones, "--out", str(out), *more]
    )


def texts(city: Path) -> list[str]:
    given = ["--gazetteer", str(city / "gazetteer.csv"), "--gazetteer-crs", "EPSG:4326"]
    return [*given, "--calibration", str(city / "calibration.json")]


def test_texts_are_located_in_files_as_in_a_batch(city: Path, tmp_path: Path):
    assert digest(city, tmp_path / "out", *texts(city)) == 0
    incidents = pd.read_parquet(tmp_path / "out" / "incidents.parquet")
    reviews = pd.read_parquet(tmp_path / "out" / "reviews.parquet")
    first = incidents.head(9)
    assert first["located_by"].tolist() == ["address"] * 3 + ["", "", *["address"] * 3, "coordinates"]
    assert first["conflict"].tolist() == ["", "elsewhere", "", "", "", *["cell_tower"] * 3, ""]
    summary = json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))
    assert summary["located_by"] == {"coordinates": 200, "address": 1200, "person": 0}
    assert summary["conflicts"] == {"cell_tower": 600, "elsewhere": 200}
    assert summary["reviews"] == {"conflict": 800, "uncertain": 200, "unlocated": 200}
    assert (summary["doubted_coordinates"], summary["rejected"]) == (200, {"bad_coordinates": 200})
    assert len(reviews) == 1200
    assert json.loads(reviews["answer"][0])["level"] == "building"
    waits = incidents[incidents["placed"] == "waiting"]["incident_id"]
    assert waits.isin(reviews["incident_id"]).all()


def test_workers_say_the_same(city: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert digest(city, tmp_path / "here", *texts(city)) == 0
    monkeypatch.chdir(city)
    given = ["--gazetteer", "gazetteer.csv", "--gazetteer-crs", "EPSG:4326", "--calibration", "calibration.json"]
    assert digest(city, tmp_path / "there", *given, "--dask", "local") == 0
    for name in ("incidents", "reviews", "zone_month", "levels"):
        here, there = (pd.read_parquet(tmp_path / which / f"{name}.parquet") for which in ("here", "there"))
        pd.testing.assert_frame_equal(here, there)
    here, there = ((tmp_path / which / "summary.json").read_text(encoding="utf-8") for which in ("here", "there"))
    assert here == there


def test_without_a_gazetteer_there_are_no_reviews(city: Path, tmp_path: Path):
    assert digest(city, tmp_path / "out") == 0
    assert not (tmp_path / "out" / "reviews.parquet").exists()
    summary = json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))
    assert summary["located_by"] == {"coordinates": 1000, "address": 0, "person": 0}
    assert "systems" not in summary


def test_the_calibration_among_the_rules_holds_when_none_is_given(city: Path, tmp_path: Path):
    assert digest(city, tmp_path / "out", *texts(city)[:-2]) == 0
    summary = json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))
    assert summary["located_by"]["address"] == 1200


def test_without_a_calibration_nothing_is_accepted_and_everything_without_coordinates_is_asked(
    city: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    shutil.copytree(files.shipped("rules"), tmp_path / "rules", ignore=shutil.ignore_patterns("calibration.toml"))
    monkeypatch.setenv("GEO_RULES_DIR", str(tmp_path / "rules"))
    assert digest(city, tmp_path / "out", *texts(city)[:-2]) == 0
    summary = json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))
    assert summary["located_by"]["address"] == 0
    assert summary["reviews"]["uncertain"] == 600


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--calibration", "c.json"], "give --gazetteer FILE too"),
        (["--gazetteer", "missing.csv"], "no such gazetteer file"),
        (["--gazetteer", "{city}/gazetteer.csv"], "--gazetteer-crs"),
        (
            [
                "--gazetteer",
                "{city}/gazetteer.csv",
                "--gazetteer-crs",
                "EPSG:4326",
                "--calibration",
                "{city}/feed.toml",
            ],
            "learn the calibration anew",
        ),
    ],
)
def test_what_cannot_be_used_is_refused_with_what_to_do(
    more: list[str], says: str, city: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert digest(city, tmp_path / "out", *(word.format(city=city) for word in more)) == 2
    assert says in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
