"""The made-up city with its gazetteer: calls without coordinates are placed by their texts, or a person is asked.

What scores mean is learned in another made-up city, as a real one learns from its reviewed records.
"""

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import geopandas
import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from geo_service import cli, demo, files
from geo_service.demo import gazetteer as demo_gazetteer
from geo_service.geography import crs
from geo_service.geography.addresses import calibrate, gazetteer, locate

UNTIL = datetime(2026, 3, 20, 6, 30, tzinfo=UTC)
FEED = Path(__file__).parents[2] / "rules" / "feeds" / "demo.toml"
_AWAY = re.compile(r"([东南西北])(\d+)米$")
_BEARING = {"东": (1, 0), "南": (0, -1), "西": (-1, 0), "北": (0, 1)}

Floats = npt.NDArray[np.float64]


def metres(lon: object, lat: object) -> Floats:
    x, y = crs.from_wgs84(np.asarray(lon, dtype=float), np.asarray(lat, dtype=float), "EPSG:4548")
    return np.column_stack([x, y])


def truth(texts: list[str], addresses: geopandas.GeoDataFrame) -> Floats:
    """Give where each text's address is: the longest one that the text begins with, and the way said after it."""
    points = metres(addresses.geometry.x, addresses.geometry.y)
    at = dict(zip(addresses["text"].tolist(), points, strict=True))
    found = np.full((len(texts), 2), np.nan)
    for row, text in enumerate(texts):
        known = next((text[:end] for end in range(len(text), 3, -1) if text[:end] in at), None)
        if known is None:
            continue
        away = _AWAY.search(text)
        found[row] = at[known] + (np.array(_BEARING[away[1]]) * float(away[2]) if away else 0.0)
    return found


def learned() -> calibrate.Calibration:
    """Learn what scores mean from another city."""
    other = demo.build(0.25, seed=7, until=UNTIL)
    solver = locate.Solver(gazetteer.build(demo_gazetteer.of(other), "EPSG:4548"))
    texts = sorted(set(other.history["警情地址"]))
    answers, wanted = solver.locate_all(texts), truth(texts, other.addresses)
    error = np.hypot(*(metres(answers["lon"], answers["lat"]) - wanted).T)
    known = np.isfinite(wanted[:, 0])
    error = np.where(np.isfinite(error), error, np.inf)[known]
    return calibrate.fit(
        answers["level"].to_numpy(dtype=object)[known], answers["score"].to_numpy(dtype=float)[known], error
    )


@pytest.fixture(scope="module")
def city() -> demo.City:
    return demo.build(0.3, until=UNTIL)


@pytest.fixture(scope="module")
def out(city: demo.City, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("city")
    demo.write(city, folder)
    (folder / "calibration.json").write_text(json.dumps(learned().as_table()), encoding="utf-8")
    zones = [f"--zones={kind}={folder / kind}.gpkg" for kind in ("communities", "units", "patrol_zones")]
    given = ["--gazetteer", str(folder / "gazetteer.gpkg"), "--calibration", str(folder / "calibration.json")]
    command = ["digest", str(folder / "incidents.csv"), "--feed", str(FEED), *zones, *given]
    assert cli.main([*command, "--out", str(folder / "out")]) == 0
    return folder / "out"


@pytest.fixture(scope="module")
def incidents(out: Path) -> pd.DataFrame:
    return pd.read_parquet(out / "incidents.parquet")


def test_the_gazetteer_survives_its_file(city: demo.City, out: Path):
    made, read = demo_gazetteer.of(city), files.read_gazetteer([out.parent / "gazetteer.gpkg"])
    assert read["entry_id"].tolist() == made["entry_id"].tolist()
    assert read["zone_id"].tolist() == made["zone_id"].fillna("").tolist()
    assert [one is None for one in read["geometry"]] == made.geometry.isna().tolist()


def test_every_call_without_coordinates_is_placed_or_asked_about(incidents: pd.DataFrame, out: Path):
    reviews = pd.read_parquet(out / "reviews.parquet")
    came_without = incidents[incidents["source_lon"].isna()]
    assert len(came_without) > 350
    by_text = came_without["located_by"] == "address"
    asked = came_without["incident_id"].isin(reviews["incident_id"])
    assert (by_text | asked).all()
    assert by_text.sum() > 0.7 * len(came_without)


def test_those_placed_by_their_text_are_where_they_were(city: demo.City, incidents: pd.DataFrame):
    placed = incidents[incidents["located_by"] == "address"]
    away = np.hypot(*(metres(placed["lon"], placed["lat"]) - truth(placed["place"].tolist(), city.addresses)).T)
    assert np.isfinite(away).all()
    assert (away <= 100.0).mean() >= 0.95
    assert np.median(away) < 15.0


def test_texts_and_right_coordinates_hardly_ever_disagree(incidents: pd.DataFrame, out: Path):
    both = incidents[incidents["source_lon"].notna() & (incidents["match_level"] != "")]
    assert (both["conflict"] != "").mean() < 0.01
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    assert sorted(summary["systems"]) == ["BD-09", "EPSG:4326", "EPSG:4490", "GCJ-02"]
    assert all(one["alarm"] == "" for one in summary["systems"].values())
    for declared in ("BD-09", "EPSG:4326", "GCJ-02"):
        assert summary["systems"][declared]["decided"] == declared
