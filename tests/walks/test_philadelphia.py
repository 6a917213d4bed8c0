"""Two years of Philadelphia, 102,407 rows: `digest` against the oracle, row by row."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas
import pandas as pd
import pytest

from geo_service import cli
from tests.walks import oracle

FEED = Path(__file__).resolve().parents[2] / "rules" / "feeds" / "philadelphia.toml"
COUNTED = ["robbery", "burglary"]
KINDS = ("communities", "patrol_zones")
RESOLUTIONS = (7, 8, 9, 10)


@dataclass(frozen=True)
class Walk:
    """What the program wrote, and what the oracle says."""

    out: Path
    zones: dict[str, oracle.Zones]
    incidents: pd.DataFrame

    def written(self, name: str, key: list[str], value: list[str], **where: object) -> dict[Any, Any]:
        """Give a result file as a mapping, once it is sure that no key stands twice."""
        frame = pd.read_parquet(self.out / f"{name}.parquet")
        assert not frame.duplicated([*where, *key]).any()
        for column, wanted in where.items():
            frame = frame[frame[column] == wanted]
        keys = list(frame[key].itertuples(index=False, name=None))
        values = list(frame[value].itertuples(index=False, name=None)) if len(value) > 1 else frame[value[0]].tolist()
        return dict(zip(keys, values, strict=True))


def digest(incidents: Path, zones: dict[str, oracle.Zones], out: Path) -> None:
    named = [f"--zones={kind}={file.path}:{file.id_property}" for kind, file in zones.items()]
    counted = ["--count", ",".join(COUNTED)]
    assert cli.main(["digest", str(incidents), "--feed", str(FEED), *named, *counted, "--out", str(out)]) == 0


def philadelphia_zones(shared_data: Path) -> dict[str, oracle.Zones]:
    polygons = shared_data / "crime" / "philadelphia_polygons"
    return {
        "communities": oracle.Zones(polygons / "2018-08-ward-divisions.geojson", "DIVISION_N"),
        "patrol_zones": oracle.Zones(polygons / "police_districts.geojson", "dist_numc"),
    }


@pytest.fixture(scope="module")
def walk(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Walk:
    source = shared_data / "crime" / "philadelphia_robbery_burglary_theft_2018_2019.csv.gz"
    zones = philadelphia_zones(shared_data)
    out = tmp_path_factory.mktemp("digest") / "out"
    digest(source, zones, out)
    return Walk(out, zones, oracle.incidents(source, zones))


def differences(ours: dict[Any, Any], theirs: dict[Any, Any]) -> list[Any]:
    keys = sorted(ours.keys() | theirs.keys())
    return [(key, ours.get(key), theirs.get(key)) for key in keys if ours.get(key) != theirs.get(key)]


def test_every_row_is_an_incident_in_the_right_zones_and_cell(walk: Walk) -> None:
    columns = ["called_at", "month", "category", "community_id", "patrol_zone_id", "cell", "placed"]
    frame = pd.read_parquet(walk.out / "incidents.parquet")
    assert len(frame) == frame["incident_id"].nunique() == len(walk.incidents) == 102_407
    assert len(pd.read_parquet(walk.out / "rejected.parquet")) == 0
    assert str(frame["called_at"].dt.tz) == oracle.CITY
    frame["called_at"] = frame["called_at"].dt.tz_convert("UTC")
    theirs = walk.incidents.rename(columns={"communities": "community_id", "patrol_zones": "patrol_zone_id"})
    theirs["cell"] = oracle.cells(theirs, 10)
    inside = theirs[["community_id", "patrol_zone_id"]].notna().any(axis=1)
    theirs["placed"] = "outside"
    theirs.loc[inside, "placed"] = "located"
    theirs.loc[theirs["lon"].isna(), "placed"] = "waiting"
    both = [data.set_index("incident_id")[columns].astype(object) for data in (frame, theirs)]
    both = [data.where(data.notna(), None).sort_index() for data in both]
    pd.testing.assert_frame_equal(*both, check_dtype=False, check_names=False)


@pytest.mark.parametrize("kind", KINDS)
def test_counts_of_every_zone_month_and_category(walk: Walk, kind: str) -> None:
    ours = walk.written("zone_month", ["zone_id", "month", "category"], ["count"], zone_kind=kind)
    theirs = oracle.zone_months(walk.incidents, kind)
    assert differences(ours, theirs) == []
    assert len(ours) > 1000


@pytest.mark.parametrize(("kind", "zones"), [("communities", 1692), ("patrol_zones", 21)])
def test_levels_of_every_zone_and_month_zeros_too(walk: Walk, kind: str, zones: int) -> None:
    ours = walk.written("levels", ["zone_id", "month"], ["count", "level"], zone_kind=kind)
    assert len(ours) == zones * 24
    assert differences(ours, oracle.levels(walk.incidents, kind, walk.zones[kind], COUNTED)) == []


@pytest.mark.parametrize("kind", KINDS)
def test_alerts_and_the_moment_of_each(walk: Walk, kind: str) -> None:
    ours = walk.written("alerts", ["zone_id", "month", "kind"], ["at", "count"], zone_kind=kind)
    assert differences(ours, oracle.alerts(walk.incidents, kind, COUNTED)) == []
    assert len(ours) > 1000
    assert str(pd.read_parquet(walk.out / "alerts.parquet")["at"].dt.tz) == oracle.CITY


@pytest.mark.parametrize("resolution", RESOLUTIONS)
def test_counts_of_every_cell_month_and_category(walk: Walk, resolution: int) -> None:
    ours = walk.written("cell_month", ["h3", "month", "category"], ["count"], resolution=resolution)
    assert differences(ours, oracle.cell_months(walk.incidents, resolution)) == []


def test_levels_of_every_cell(walk: Walk) -> None:
    ours = walk.written("cell_levels", ["h3", "month"], ["count", "level"], resolution=9)
    assert differences(ours, oracle.cell_levels(walk.incidents, 9, COUNTED)) == []
    assert set(pd.read_parquet(walk.out / "cell_levels.parquet")["resolution"]) == {9}


def test_result_files_hold_the_columns_that_clients_rely_on(walk: Walk) -> None:
    wanted = {
        "zone_month": ["zone_kind", "zone_id", "month", "category", "count"],
        "levels": ["zone_kind", "zone_id", "month", "count", "level"],
        "alerts": ["zone_kind", "zone_id", "month", "kind", "at", "count"],
        "cell_month": ["h3", "resolution", "month", "category", "count"],
        "cell_levels": ["h3", "resolution", "month", "count", "level"],
    }
    for name, columns in wanted.items():
        assert list(pd.read_parquet(walk.out / f"{name}.parquet").columns) == columns


def test_the_summary_says_what_the_files_say(walk: Walk) -> None:
    summary = json.loads((walk.out / "summary.json").read_text())
    located = walk.incidents["lon"].notna()
    held = {kind: int(walk.incidents[kind].notna().sum()) for kind in KINDS}
    nowhere = located & walk.incidents[list(KINDS)].isna().all(axis=1)
    assert summary["rows_read"] == 102_407
    assert summary["duplicates"] == 0
    assert summary["rejected"] == {}
    assert summary["placed"] == held
    assert summary["outside"] == int(nowhere.sum())
    assert summary["without_coordinates"] == int((~located).sum()) == 859
    for kind in KINDS:
        theirs = oracle.levels(walk.incidents, kind, walk.zones[kind], COUNTED)
        colours: dict[str, dict[str, int]] = {}
        for (_, month), (_, level) in theirs.items():
            named = colours.setdefault(month, dict.fromkeys(("none", "yellow", "orange", "red", "black"), 0))
            named[("none", "yellow", "orange", "red", "black")[level]] += 1
        assert summary["colours"][kind] == colours


def test_calls_on_shared_corners_belong_to_the_lowest_id(walk: Walk, shared_data: Path, tmp_path: Path) -> None:
    # No call of the two years lies exactly on a border, so 2,000 are moved onto corners of the divisions.
    source = shared_data / "crime" / "philadelphia_robbery_burglary_theft_2018_2019.csv.gz"
    rows = pd.read_csv(source, dtype=str, keep_default_na=False, nrows=2000)
    corners = geopandas.read_file(walk.zones["communities"].path).get_coordinates().sample(len(rows), random_state=3)
    rows["lon"], rows["lat"] = corners["x"].map(repr).to_numpy(), corners["y"].map(repr).to_numpy()
    rows.to_csv(tmp_path / "corners.csv", index=False)
    digest(tmp_path / "corners.csv", walk.zones, tmp_path / "out")
    theirs = oracle.incidents(tmp_path / "corners.csv", walk.zones).set_index("incident_id")
    ours = pd.read_parquet(tmp_path / "out" / "incidents.parquet").set_index("incident_id")
    assert ours["community_id"].to_dict() == theirs["communities"].to_dict()
    assert ours["community_id"].notna().all()
    places = geopandas.read_file(walk.zones["communities"].path)
    points = geopandas.GeoSeries(geopandas.points_from_xy(corners["x"], corners["y"]), crs=4326).to_frame("geometry")
    held = geopandas.sjoin(points, places, predicate="covered_by").groupby(level=0).size()
    assert (held > 1).sum() > 1000, "the corners must be shared for this test to say anything"


def test_the_same_rows_twice_and_in_any_order_give_the_same_files(
    walk: Walk, shared_data: Path, tmp_path: Path, files_equal: Callable[[Path, Path], list[str]]
) -> None:
    source = shared_data / "crime" / "philadelphia_robbery_burglary_theft_2018_2019.csv.gz"
    rows = pd.read_csv(source, dtype=str, keep_default_na=False)
    twice = pd.concat([rows, rows.sample(5000, random_state=2)]).sample(frac=1, random_state=1)
    twice.to_csv(tmp_path / "twice.csv", index=False)
    digest(tmp_path / "twice.csv", walk.zones, tmp_path / "out")
    assert files_equal(walk.out, tmp_path / "out") == []
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["duplicates"] == 5000
