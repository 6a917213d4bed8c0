"""Two years of Philadelphia: the tables from a `digest` run against plain pandas, row by row; a month's bulletin.

Divisions are communities; police districts stand for stations, wards for branches, neighbourhoods for towns, each by
the division's representative point (the airport's district and four neighbourhoods hold none).
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path

import geopandas
import pandas as pd
import pytest

from geo_service import cli
from tests.walks import oracle
from tests.walks.test_philadelphia import COUNTED, digest, philadelphia_zones

Z95 = 1.959963984540054


@dataclass(frozen=True)
class Walk:
    """A digest run, its lineage file, and the oracle's counts and levels by place and month."""

    folder: Path
    zones: dict[str, oracle.Zones]
    lineage: pd.DataFrame
    levels: pd.DataFrame

    def asked(self, name: str, out: Path, *options: str) -> pd.DataFrame:
        file = self.zones["communities"]
        common = ["--from-digest", str(self.folder / "out"), "--lineage", str(self.folder / "lineage.csv")]
        common += [f"--zones=communities={file.path}:{file.id_property}", "--count", ",".join(COUNTED)]
        assert cli.main(["statistics", name, *common, *options, "--out", str(out)]) == 0
        return pd.read_csv(out, dtype={"area": str, "area_name": str}, keep_default_na=False, na_values=[""])


@pytest.fixture(scope="module")
def walk(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Walk:
    source = shared_data / "crime" / "philadelphia_robbery_burglary_theft_2018_2019.csv.gz"
    zones, folder = philadelphia_zones(shared_data), tmp_path_factory.mktemp("statistics")
    digest(source, zones, folder / "out")
    lineage = lineage_of(shared_data / "crime" / "philadelphia_polygons")
    lineage.to_csv(folder / "lineage.csv", index=False)
    incidents = oracle.incidents(source, zones)
    found = oracle.levels(incidents, "communities", zones["communities"], COUNTED)
    rows = [(zone, month, count, level) for (zone, month), (count, level) in found.items()]
    levels = pd.DataFrame(rows, columns=["zone_id", "month", "count", "level"])
    return Walk(folder, zones, lineage, levels.merge(lineage, on="zone_id"))


def lineage_of(polygons: Path) -> pd.DataFrame:
    divisions = geopandas.read_file(polygons / "2018-08-ward-divisions.geojson").to_crs(4326)
    points = divisions.set_geometry(divisions.representative_point())[["DIVISION_N", "geometry"]]

    def area_of(name: str, column: str) -> list[str]:
        areas = geopandas.read_file(polygons / name).to_crs(4326)[[column, "geometry"]]
        held = geopandas.sjoin(points, areas, how="left", predicate="within").drop_duplicates("DIVISION_N")
        return held[column].fillna("").astype(str).tolist()

    return pd.DataFrame(
        {
            "zone_kind": "communities",
            "zone_id": divisions["DIVISION_N"].astype(str),
            "police_station": area_of("police_districts.geojson", "dist_numc"),
            "police_branch": divisions["WARD"].astype(str).str.zfill(2),
            "civil_town": area_of("neighborhoods.geojson", "MAPNAME"),
        }
    )


def wilson(part: int, whole: int) -> tuple[float, float]:
    share, z2 = part / whole, Z95**2
    middle = (share + z2 / (2 * whole)) / (1 + z2 / whole)
    half = Z95 * math.sqrt(share * (1 - share) / whole + z2 / (4 * whole**2)) / (1 + z2 / whole)
    return max(0.0, middle - half), min(1.0, middle + half)


@pytest.mark.parametrize(
    ("tree", "level", "areas"), [("police", "station", 20), ("police", "branch", 66), ("civil", "town", 155)]
)
def test_the_share_at_zero_of_every_area(walk: Walk, tmp_path: Path, tree: str, level: str, areas: int):
    ours = walk.asked("zero-incident", tmp_path / "z.csv", "--tree", tree, "--level", level, "--months", "6")
    half = walk.levels[walk.levels["month"] >= "2019-07"]
    zero = (
        half.groupby(["zone_id", f"{tree}_{level}"])["count"]
        .sum()
        .eq(0)
        .groupby(f"{tree}_{level}")
        .agg(["size", "sum"])
    )
    ours_by_area = ours[ours["group"] == "area"].set_index("area")
    assert len(ours_by_area) == len(zero) == areas
    for area, (places, at_zero) in zero.iterrows():
        row = ours_by_area.loc[area]
        assert (row["places"], row["zero_places"]) == (places, at_zero), area
        assert (row["low"], row["high"]) == pytest.approx(wilson(at_zero, places), abs=1e-12), area
    whole = ours[ours["group"] == "all"].iloc[0]
    assert (whole["places"], whole["zero_places"]) == (1692, zero["sum"].sum())


def test_the_colours_of_every_station_and_month(walk: Walk, tmp_path: Path):
    ours = walk.asked("colours", tmp_path / "c.csv", "--level", "station", "--months", "24")
    theirs = walk.levels.groupby(["police_station", "month", "level"]).size().unstack(fill_value=0)
    named = ours[ours["group"] == "area"].set_index(["area", "month"])[["none", "yellow", "orange", "red", "black"]]
    assert len(named) == len(theirs) == 20 * 24
    assert {key: tuple(row) for key, row in named.iterrows()} == {key: tuple(row) for key, row in theirs.iterrows()}


def test_the_change_on_the_year_of_every_station(walk: Walk, tmp_path: Path):
    ours = walk.asked("changes", tmp_path / "y.csv", "--level", "station", "--month", "2019-11")
    counts = walk.levels.groupby(["police_station", "month"])["count"].sum().unstack(fill_value=0)
    named = ours[ours["group"] == "area"].set_index("area")
    assert len(named) == 20
    for area, row in counts.iterrows():
        now, past = row["2019-11"], row["2018-11"]
        assert (named.loc[area, "now"], named.loc[area, "past"]) == (now, past)
        assert named.loc[area, "percent"] == pytest.approx(100 * (now - past) / past)
        assert named.loc[area, "poisson_z"] == pytest.approx(2 * (math.sqrt(now) - math.sqrt(past)))


def test_the_streaks_of_all_divisions(walk: Walk, tmp_path: Path):
    ours = walk.asked("streaks", tmp_path / "s.csv")
    whole = ours[ours["group"] == "all"].set_index("months")
    for months, row in whole.iterrows():
        last = sorted(walk.levels["month"].unique())[-months:]
        zero = walk.levels[walk.levels["month"].isin(last)].groupby("zone_id")["count"].sum().eq(0).sum()
        assert row["places"] == zero, months
    known = whole[whole["expected"].notna()]
    assert known.index.tolist() == [1, 3, 6, 12]
    assert (known["places"] / known["expected"]).between(0.85, 1.15).all()  # 1,045 to 1,055 … 119 to 104


def test_a_file_of_rows_has_its_head_beside_it(walk: Walk, tmp_path: Path):
    walk.asked("control", tmp_path / "control.csv", "--level", "station")
    about = json.loads((tmp_path / "control.csv-metadata.json").read_text(encoding="utf-8"))
    assert (about["table"], about["month"], about["counted"]) == ("control", "2019-12", COUNTED)


def test_the_bulletin_draws_every_colour_and_asks_for_nothing(walk: Walk, tmp_path: Path):
    file, out = walk.zones["communities"], tmp_path / "bulletin.html"
    asked = ["--from-digest", str(walk.folder / "out"), "--lineage", str(walk.folder / "lineage.csv")]
    asked += [f"--zones=communities={file.path}:{file.id_property}", "--count", ",".join(COUNTED), "--month", "2019-12"]
    assert cli.main(["bulletin", *asked, "--out", str(out)]) == 0
    page = out.read_text(encoding="utf-8")
    assert "15.2 %" in page
    for name in ("none", "yellow", "orange", "red", "black"):
        assert f'class="zone level-{name}"' in page
    assert "976 → 1081" in page
    assert not any(mark in page for mark in ("<script", "src=", "@import", "http:", "https:"))
