"""Places, never persons: no table, layer or feed has a column that could hold one."""

import tomllib
from collections.abc import Iterable
from pathlib import Path

import pytest
import sqlalchemy as sa

from geo_service import files
from geo_service.analysis import incidents
from geo_service.store import tables
from tests.house.persons import person_like

HOUSE = Path(__file__).resolve().parents[2]
NAMED_PLACES = {"zones.name", "gazetteer.name", "areas.name", "prevention_objects.name"}  # a place's own name
LAYERS = sorted([*(HOUSE / "layers").glob("*.toml"), *(HOUSE / "layers" / "fields").glob("*.toml")])
FEEDS = sorted([*(HOUSE / "rules" / "feeds").glob("*.toml"), *(HOUSE / "tests").rglob("feeds/*.toml")])


def columns_of(metadata: sa.MetaData) -> list[str]:
    return [f"{table.name}.{column.name}" for table in metadata.sorted_tables for column in table.columns]


def caught(columns: Iterable[str]) -> dict[str, str]:
    """Give the columns that speak of a person, and by which word; only a place may have a bare `name`."""
    found: dict[str, str] = {}
    for column in columns:
        word = person_like(column)
        if word is None and column.endswith(".name") and column not in NAMED_PLACES:
            word = "name"
        if word is not None:
            found[column] = word
    return found


def test_no_table_has_a_person_like_column():
    columns = columns_of(tables.metadata)
    assert len(columns) > 40
    assert caught(columns) == {}


@pytest.mark.parametrize("path", LAYERS, ids=lambda path: path.stem)
def test_no_layer_has_a_person_like_field(path: Path):
    fields = tomllib.loads(path.read_text(encoding="utf-8"))["fields"]
    assert fields
    assert caught(fields) == {}


@pytest.mark.parametrize("path", FEEDS, ids=lambda path: path.stem)
def test_no_feed_takes_a_person_like_column(path: Path):
    assert caught(files.read_feed(path).columns_taken) == {}


def test_feeds_are_looked_at():
    assert {path.stem for path in FEEDS} >= {"demo", "philadelphia"}


def test_neither_an_incident_nor_a_reject_has_one():
    assert caught(incidents.INCIDENT_COLUMNS + incidents.REJECTED_COLUMNS) == {}


@pytest.mark.parametrize(
    "planted",
    [
        "caller_phone",
        "victimAge",
        "suspect_name",
        "id_number",
        "plate",
        "officers.name",
        "报警人姓名",
        "联系电话",
        "身份证号",
        "车牌号码",
        "narrative",
    ],
)
def test_a_planted_column_is_caught(planted: str):
    table, _, column = planted.rpartition(".")
    metadata = sa.MetaData()
    sa.Table(table or "incidents", metadata, sa.Column("incident_id", sa.Text), sa.Column(column, sa.Text))
    assert list(caught(columns_of(metadata))) == [f"{table or 'incidents'}.{column}"]


@pytest.mark.parametrize(
    "honest", ["incident_id", "place", "called_at", "patrol_zone_id", "zone_kind", "message", "stage", "页码"]
)
def test_a_column_about_a_place_is_not(honest: str):
    assert person_like(honest) is None
