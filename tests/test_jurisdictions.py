"""Trees and rosters come in by files and by geometry, whole or not at all, and answer for any day."""

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path

import geopandas
import pytest
import shapely
import sqlalchemy as sa

from geo_service import cli
from geo_service.analysis import jurisdictions
from geo_service.maps.layers import EVERYTHING
from geo_service.store import jurisdictions as kept
from geo_service.store import tables
from tests.web import serving
from tests.web.serving import LAT, LON, SIDE

AREAS = """\
tree,code,level,name,parent,valid_from,valid_to
civil,t1,town,西城街道,,,
police,f1,branch,任城分局,,,
police,s1,station,西城派出所,f1,,
police,s2,station,东城派出所,f1,,
"""
MEMBERS = """\
zone_kind,zone_id,tree,area,valid_from,valid_to
communities,a,police,s1,,2024-06-01
communities,a,police,s2,2024-06-01,
communities,a,civil,t1,,
communities,gone,civil,t1,,
"""
ROSTER = """\
role,tree,area,zone_kind,zone_id,staff_id,valid_from,valid_to,channel,address,language
station,police,s1,,,S1,,,wecom,wecom://secret,zh
station,police,s2,,,S2,,2024-06-01,,,
station,police,s2,,,S3,2024-06-01,,smtp,mailto:duty@example.org,en
town_office,civil,t1,,,S4,,,,,
property,,,units,s,S5,,,,,
"""
Run = Callable[..., str]


@pytest.fixture
def run(
    database: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Run `load` on a store with the city of serving.py, text becoming a file; give what it says."""
    serving.load_zones(serving.library(database))
    monkeypatch.setenv("GEO_DATABASE_URL", database.url.render_as_string(hide_password=False))

    def load(what: str, text: str = "", *arguments: str, code: int = 0) -> str:
        path = tmp_path / f"{what}.csv"
        path.write_text(text, encoding="utf-8")
        capsys.readouterr()
        assert cli.main(["load", what, "--json", *(arguments or [str(path)])]) == code
        said = capsys.readouterr()
        assert "secret" not in said.out + said.err
        return said.err if code else said.out

    return load


def stood(database: sa.Engine) -> list[int]:
    with database.connect() as connection:
        counted = [sa.select(sa.func.count()).select_from(table) for table in
                   (tables.areas, tables.memberships, tables.duties, tables.addresses)]  # fmt: skip
        return [connection.scalar(question) for question in counted]


def answering(database: sa.Engine, day: date) -> jurisdictions.Answering:
    service = serving.library(database)
    with database.connect() as connection:
        trees, duties = kept.trees(connection, EVERYTHING), kept.duties(connection, EVERYTHING)
    return jurisdictions.answering(trees, duties, service.roles, day)


def test_files_come_in_and_every_day_tells_who_answered_then(database: sa.Engine, run: Run):
    assert json.loads(run("areas", AREAS)) == {"areas": 4}
    left_open = {"places_without": {"civil": 4, "police": 4}, "places_unknown": 1}
    assert json.loads(run("memberships", MEMBERS)) == {"memberships": 4, **left_open}
    told = json.loads(run("roster", ROSTER))
    assert (told["duties"], told["addresses"]) == (5, 2)
    nobody = {"city_duty": 5, "branch_duty": 5, "station": 4, "community_officer": 5, "grid_staff": 5,
              "town_office": 4, "property": 4}  # fmt: skip
    assert told["places_with_nobody"] == nobody
    for day, station, staff in ((date(2024, 5, 31), "s1", "S1"), (date(2024, 6, 1), "s2", "S3")):
        [row] = answering(database, day).recipients("communities", "a", ["station"]).to_dict("records")
        assert (row["area"], row["staff_id"]) == (station, staff)


def test_a_load_replaces_what_stood_and_a_refused_one_leaves_it(database: sa.Engine, run: Run):
    for _ in range(2):
        for what, text in (("areas", AREAS), ("memberships", MEMBERS), ("roster", ROSTER)):
            run(what, text)
        assert stood(database) == [4, 4, 5, 2]
    refused = {
        "areas": (
            AREAS.replace("police,s2,station,东城派出所,f1,,\n", ""),
            "lacks areas that memberships use: police 's2'",
        ),
        "memberships": (
            MEMBERS.replace("civil,t1", "civil,t9"),
            "memberships.csv, row 4: communities 'a' lies in 't9'",
        ),
        "roster": (ROSTER.replace(",S3,", ",李四,"), "roster.csv, row 4: staff_id is no staff id"),
    }
    for what, (text, says) in refused.items():
        assert says in run(what, text, code=2)
        assert stood(database) == [4, 4, 5, 2]
    run("roster", ROSTER.splitlines()[0] + "\n" + ROSTER.splitlines()[1])
    assert stood(database) == [4, 4, 1, 1]


def test_memberships_of_one_tree_come_by_geometry_and_the_other_stays(database: sa.Engine, run: Run, tmp_path: Path):
    run("areas", AREAS)
    run("memberships", MEMBERS)
    west = shapely.box(LON, LAT, LON + 1.25 * SIDE, LAT + SIDE)  # a, and a quarter of b
    east = shapely.box(LON + 1.25 * SIDE, LAT, LON + 3 * SIDE, LAT + SIDE)  # the rest of b, c; d is in none
    path = tmp_path / "stations.geojson"
    geopandas.GeoDataFrame({"CODE": ["s1", "s2"]}, geometry=[west, east], crs=4326).to_file(path)
    told = json.loads(run("memberships", "", f"{path}:CODE", "--by-area", "police"))
    assert [row["zone_id"] for row in told["outside"]] == ["d", "s"]
    parts = [(row["zone_id"], row["area"], round(row["share"], 3)) for row in told["split"]]
    assert parts == [("b", "s2", 0.75), ("b", "s1", 0.25)]
    assert (told["memberships"], told["repaired"]) == (3, [])
    lineage = answering(database, date(2024, 6, 1)).lineage
    rows = lineage.reset_index()[["zone_id", "police_station", "civil_town"]].itertuples(index=False)
    assert {zone: (station, town) for zone, station, town in rows} == {
        "a": ("s1", "t1"),
        "b": ("s2", ""),
        "c": ("s2", ""),
        "gone": ("", "t1"),
    }
    geopandas.GeoDataFrame({"CODE": ["s7"]}, geometry=[west], crs=4326).to_file(path)
    refused = run("memberships", "", f"{path}:CODE", "--by-area", "police", code=2)
    assert "lies in 's7' of tree 'police', which is no loaded area" in refused
    assert stood(database)[1] == 5


@pytest.mark.parametrize(
    ("what", "arguments", "says"),
    [
        (
            "memberships",
            ("x.geojson", "--by-area", "civil"),
            "x.geojson by area names no property; write FILE:PROPERTY",
        ),
        ("memberships", ("x.geojson:CODE", "--by-area", "civil"), "x.geojson: no such zone file"),
        ("roster", ("x.geojson:CODE", "--by-area", "civil"), "--by-area is for load memberships"),
        ("areas", ("a.csv", "b.csv"), "takes one file"),
        ("roster", ("nowhere.csv",), "nowhere.csv: no such file"),
    ],
)
def test_a_command_that_cannot_be_meant_is_refused(run: Run, what: str, arguments: tuple[str, ...], says: str):
    assert says in run(what, "", *arguments, code=2)


def test_check_reads_the_roles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    assert cli.main(["check", "--json"]) == 0
    assert "town_office" in json.loads(capsys.readouterr().out)["roles"]
    rules = Path(__file__).parents[1] / "rules"
    for path in rules.rglob("*.toml"):
        copy = tmp_path / path.relative_to(rules)
        copy.parent.mkdir(exist_ok=True, parents=True)
        copy.write_bytes(path.read_bytes())
    (tmp_path / "roles.toml").write_text('[roles.x]\ntree = "police"\nlevel = "town"\n', encoding="utf-8")
    monkeypatch.setenv("GEO_RULES_DIR", str(tmp_path))
    assert cli.main(["check"]) == 2
    assert "role 'x' is at police, town" in capsys.readouterr().err
