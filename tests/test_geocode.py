"""The commands geocode and load gazetteer: an address, a file of them, with files alone or from the database."""

import csv
import io
import json
from pathlib import Path

import pytest
import shapely
import sqlalchemy as sa

from geo_service import cli
from geo_service.store import tables
from tests.geography.addresses import jining
from tests.store.batches import stands

BUILDING = "济宁市任城区济阳街道水景花园小区3号楼2单元"


@pytest.fixture
def gazetteer(tmp_path: Path) -> Path:
    frame = jining.frame()
    frame["wkt"] = [
        "" if shape is None else shapely.to_wkt(shape, rounding_precision=-1) for shape in frame["geometry"]
    ]
    path = tmp_path / "gazetteer.csv"
    frame.drop(columns="geometry").to_csv(path, index=False)
    return path


def run(capsys: pytest.CaptureFixture[str], *arguments: str | Path, code: int = 0) -> str:
    """Run a command; give what it printed, of a failing one its complaint."""
    capsys.readouterr()
    assert cli.main([str(argument) for argument in arguments]) == code
    said = capsys.readouterr()
    return said.err if code else said.out


def with_files(gazetteer: Path) -> tuple[str | Path, ...]:
    return "--gazetteer", gazetteer, "--crs", "EPSG:4326"


def test_an_address_is_told_for_people_and_for_programs(capsys: pytest.CaptureFixture[str], gazetteer: Path):
    said = run(capsys, "geocode", BUILDING, *with_files(gazetteer))
    assert "level                building" in said
    assert "what compound 水景花园" in said
    told = json.loads(run(capsys, "geocode", BUILDING, *with_files(gazetteer), "--json"))
    assert (told["entry_id"], told["zone_id"]) == ("B3", "370811001001")
    assert {"shape", "trace", "alternatives", "question"} <= set(told)


def test_the_question_to_ask_is_printed(capsys: pytest.CaptureFixture[str], gazetteer: Path):
    said = run(capsys, "geocode", "张庄村", *with_files(gazetteer))
    assert "about town  choices 两城镇, 鲁桥镇, 谷亭街道" in said


def test_a_file_is_answered_line_by_line_in_its_order(
    capsys: pytest.CaptureFixture[str], gazetteer: Path, tmp_path: Path
):
    texts = [BUILDING, "", '说,"不清"', BUILDING]
    lines = tmp_path / "calls.txt"
    lines.write_text("\n".join(texts), encoding="utf-8")
    table = list(csv.DictReader(io.StringIO(run(capsys, "geocode", lines, *with_files(gazetteer)))))
    assert [row["text"] for row in table] == texts
    assert [row["entry_id"] for row in table] == ["B3", "", "", "B3"]
    told = [json.loads(line) for line in run(capsys, "geocode", lines, *with_files(gazetteer), "--json").splitlines()]
    assert [one["text"] for one in told] == texts
    assert (told[1]["lon"], told[1]["uncertainty_m"], told[0]["accepted"]) == (
        None,
        None,
        table[0]["accepted"] == "True",
    )


def test_a_column_of_a_table_is_answered(capsys: pytest.CaptureFixture[str], gazetteer: Path, tmp_path: Path):
    path = tmp_path / "calls.csv"
    path.write_text(f"id,where\n1,{BUILDING}\n2,\n", encoding="utf-8-sig")
    said = run(capsys, "geocode", path, "--column", "where", *with_files(gazetteer))
    assert [row["entry_id"] for row in csv.DictReader(io.StringIO(said))] == ["B3", ""]
    assert "it has id, where" in run(capsys, "geocode", path, *with_files(gazetteer), code=2)


@pytest.mark.parametrize("name", ["calls.csv", "calls.txt"])
def test_a_file_that_is_not_there_is_not_taken_for_an_address(
    capsys: pytest.CaptureFixture[str], gazetteer: Path, tmp_path: Path, name: str
):
    assert "no such file" in run(capsys, "geocode", tmp_path / name, *with_files(gazetteer), code=2)


def test_a_file_that_is_no_text_says_so(capsys: pytest.CaptureFixture[str], gazetteer: Path, tmp_path: Path):
    path = tmp_path / "calls.txt"
    path.write_bytes("古槐路".encode("gb18030"))
    assert "UTF-8" in run(capsys, "geocode", path, *with_files(gazetteer), code=2)


def test_a_loaded_gazetteer_answers_without_files(
    capsys: pytest.CaptureFixture[str], database: sa.Engine, gazetteer: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("GEO_DATABASE_URL", database.url.render_as_string(hide_password=False))
    assert "load one: geo-service load gazetteer" in run(capsys, "geocode", BUILDING, code=2)
    load = ("load", "gazetteer", gazetteer, "--crs", "EPSG:4326")
    assert "--signed-by ID" in run(capsys, *load, code=2)
    assert "no name" in run(capsys, *load, "--signed-by", "王警官", code=2)
    for _ in range(2):
        said = json.loads(run(capsys, *load, "--signed-by", "b-017", "--because", "2024 年版", "--json"))
        assert (said["version"], said["entries"]) == (1, len(jining.frame()))
    assert stands(database, tables.gazetteer_versions, "signed_by", "reason") == [("b-017", "2024 年版")]
    assert json.loads(run(capsys, "geocode", BUILDING, "--json"))["entry_id"] == "B3"
    (gazetteer.parent / "broken.csv").write_text(
        "entry_id,kind,name,lon,lat\n1,planet,Mars,116.5,35.4\n", encoding="utf-8"
    )
    load = ("load", "gazetteer", gazetteer.parent / "broken.csv", "--crs", "EPSG:4326", "--signed-by", "b-017")
    assert "unknown kind" in run(capsys, *load, code=2)
    assert len(stands(database, tables.gazetteer_versions, "version")) == 1
