"""The gazetteer in the store: what goes in comes out, each change is a signed version, any can be read again."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
import shapely
import sqlalchemy as sa
from sqlalchemy import event

from geo_service.errors import BadParameter, NotFound, StoreFailed
from geo_service.maps.layers import EVERYTHING, View
from geo_service.store import gazetteers, tables, writing
from geo_service.store.gazetteers import Signature
from tests.store.batches import stands

NOW = datetime(2024, 6, 30, 12, 0, tzinfo=UTC)
SIGNED = Signature("b-017", "first load", NOW)
SQUARE, LINE = shapely.box(0, 0, 1, 1), shapely.LineString([(0.1, 0.2), (0.30000000000000004, 0.2)])
FROM = "2013-11-01"
ROWS = [
    ("c", "county", "金乡县", "", "", "370828", "", "", np.nan, "", "", "", None),
    ("k", "compound", "水景花园", "水景花园小区|水景", "c", "", "communities", "a", np.nan, FROM, "", "", SQUARE),
    ("r", "road", "金珠路", "", "c", "", "", "", 24.0, "", "", "", LINE),
    ("b", "building", "3", "", "k", "", "", "", np.nan, "", "2030-01-01", "c", shapely.Point(1 / 3, 2 / 3)),
]  # fmt: skip


def frame(*rows: tuple[object, ...]) -> pd.DataFrame:
    return pd.DataFrame(list(rows or ROWS), columns=list(gazetteers.ENTRY_COLUMNS))


def load(database: sa.Engine, entries: pd.DataFrame, signed: Signature = SIGNED) -> int:
    with writing.lease(database) as connection:
        return gazetteers.replace(connection, entries, signed)


def entries(database: sa.Engine, version: int) -> list[tuple[object, ...]]:
    with database.connect() as connection:
        found = gazetteers.entries(connection, version, EVERYTHING)
    return without_nan(found.itertuples(index=False))


def without_nan(rows: Iterable[Iterable[object]]) -> list[tuple[object, ...]]:
    return [tuple(None if isinstance(value, float) and np.isnan(value) else value for value in row) for row in rows]


def teach(database: sa.Engine, words: str, **means: object) -> int:
    """Write an alias down and bring it into force."""
    row = {"teaches": True, "signed_by": "b-017", "signed_at": NOW, "reason": "", "feed": "made", "incident_id": "1"}
    with writing.lease(database) as connection:
        put = sa.insert(tables.aliases).values(words=words, place=words, **{**row, **means})
        number = connection.execute(put.returning(tables.aliases.c.id)).scalar_one()
        gazetteers.bring_into_force(connection, number, SIGNED)
    return number


def by_id(rows: list[tuple[object, ...]]) -> dict[object, tuple[object, ...]]:
    return {row[0]: row for row in rows}


def test_entries_come_back_as_they_went_in_row_by_row(database: sa.Engine):
    assert load(database, frame()) == 1
    assert entries(database, 1) == sorted(without_nan(ROWS))


def test_a_frame_without_the_columns_nobody_needs_is_enough(database: sa.Engine):
    load(database, pd.DataFrame({"entry_id": ["x"], "kind": ["town"], "name": ["两城镇"]}))
    assert entries(database, 1) == [("x", "town", "两城镇", "", "", "", "", "", None, "", "", "", None)]


def test_the_same_load_twice_makes_no_version(database: sa.Engine):
    assert load(database, frame()) == 1
    assert load(database, frame(*ROWS[::-1]), Signature("b-018", "again", NOW + timedelta(days=1))) == 1
    columns = ("version", "what", "signed_by", "reason", "added", "changed", "removed")
    assert stands(database, tables.gazetteer_versions, *columns) == [(1, "load", "b-017", "first load", 4, 0, 0)]


def test_a_version_tells_what_changed_and_the_former_one_can_still_be_read(database: sa.Engine):
    load(database, frame())
    before = entries(database, 1)
    renamed = ("r", "road", "金珠大道", *ROWS[2][3:])
    new = ("n", "poi", "百货大楼", "", "c", "", "", "", np.nan, "", "", "", shapely.Point(0.5, 0.5))
    assert load(database, frame(ROWS[0], ROWS[1], renamed, new)) == 2
    assert stands(database, tables.gazetteer_versions, "version", "added", "changed", "removed") == [
        (1, 4, 0, 0),
        (2, 1, 1, 1),
    ]
    assert entries(database, 1) == before
    assert [row[:3] for row in entries(database, 2)] == [
        ("c", "county", "金乡县"),
        ("k", "compound", "水景花园"),
        ("n", "poi", "百货大楼"),
        ("r", "road", "金珠大道"),
    ]


def test_equal_gazetteers_have_equal_digests_and_others_have_not(database: sa.Engine):
    load(database, frame())
    load(database, frame(*ROWS[:3]))
    load(database, frame())
    digests = [row[0] for row in stands(database, tables.gazetteer_versions, "digest")]
    assert len(digests) == 3
    assert len(set(digests)) == 2
    assert {len(str(digest)) for digest in digests} == {64}


def test_an_alias_stands_among_the_names_of_what_it_means_until_it_is_put_out_of_force(database: sa.Engine):
    load(database, frame())
    first = teach(database, "水景那边", entry_id="k")
    teach(database, "老县城", entry_id="c")
    assert by_id(entries(database, 3))["k"][3] == "水景花园小区|水景|水景那边"
    assert by_id(entries(database, 3))["c"][3] == "老县城"
    assert by_id(entries(database, 1))["k"][3] == "水景花园小区|水景"
    with writing.lease(database) as connection:
        assert gazetteers.put_out_of_force(connection, first, SIGNED) == 4
    assert by_id(entries(database, 4))["k"][3] == "水景花园小区|水景"
    assert by_id(entries(database, 3))["k"][3] == "水景花园小区|水景|水景那边"
    told = stands(database, tables.gazetteer_versions, "version", "what", "added", "removed")
    assert told[1:] == [(2, "aliases", 1, 0), (3, "aliases", 1, 0), (4, "revocation", 0, 1)]


def test_an_alias_of_a_position_or_of_a_building_is_an_entry_of_its_own(database: sa.Engine):
    load(database, frame())
    here = teach(database, "老王饭店", position=sa.func.ST_SetSRID(sa.func.ST_MakePoint(0.25, 0.75), 4326))
    there = teach(database, "王奶奶楼", entry_id="b")
    only_once = teach(database, "这里", entry_id="k", teaches=False)
    found = by_id(entries(database, 4))
    assert found[f"alias:{here}"] == (
        f"alias:{here}", "poi", "老王饭店", "", "", "", "", "", None, "", "", "", shapely.Point(0.25, 0.75),
    )  # fmt: skip
    assert found[f"alias:{there}"][1:5] == ("poi", "王奶奶楼", "", "k")
    assert found[f"alias:{there}"][-1] == shapely.Point(1 / 3, 2 / 3)
    assert found["b"][3] == ""
    assert f"alias:{only_once}" not in found
    assert found["k"][3] == "水景花园小区|水景"


def test_aliases_are_listed_newest_first_with_what_they_mean(database: sa.Engine):
    load(database, frame())
    teach(database, "水景那边", entry_id="k")
    teach(database, "老王饭店", position=sa.func.ST_SetSRID(sa.func.ST_MakePoint(0.25, 0.75), 4326))
    with database.connect() as connection:
        listed = gazetteers.aliases(connection, EVERYTHING)
        assert [(row["words"], row["entry_name"], row["lon"], row["lat"]) for row in listed] == [
            ("老王饭店", None, 0.25, 0.75),
            ("水景那边", "水景花园", None, None),
        ]
        assert gazetteers.alias(connection, listed[0]["id"], EVERYTHING) == listed[0]
        with pytest.raises(NotFound, match="no alias 99"):
            gazetteers.alias(connection, 99, EVERYTHING)
        assert gazetteers.has_place(connection, "k")
        assert not gazetteers.has_place(connection, "c")
        with pytest.raises(NotFound, match="no entry 'x'"):
            gazetteers.has_place(connection, "x")
        with pytest.raises(BadParameter, match="'public'"):
            gazetteers.entries(connection, 1, View("public", frozenset()))


@pytest.mark.parametrize(
    "moment", ["COPY", "INSERT INTO gazetteer_versions", "UPDATE gazetteer ", "INSERT INTO gazetteer "]
)
def test_a_database_that_goes_away_during_a_load_leaves_the_former_version(
    database: sa.Engine, server: sa.Engine, moment: str
):
    load(database, frame())
    before = {table: stands(database, table) for table in (tables.gazetteer, tables.gazetteer_versions) if table.name}
    struck: list[int] = []

    def strike(connection: sa.Connection, _cursor: object, statement: str, *_: object) -> None:
        if (moment in statement or (moment == "COPY" and "CREATE TEMPORARY" in statement)) and not struck:
            struck.append(connection.connection.driver_connection.info.backend_pid)  # type: ignore[union-attr]
            with server.connect() as other:
                other.execute(sa.text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": struck[0]})

    event.listen(database, "before_cursor_execute", strike)
    with pytest.raises(StoreFailed):
        load(database, frame(*ROWS[:2]))
    assert struck
    assert [row[:3] for row in before[tables.gazetteer]] == [row[:3] for row in stands(database, tables.gazetteer)]
    assert before[tables.gazetteer_versions] == stands(database, tables.gazetteer_versions)
    load(database, frame(*ROWS[:2]))
    assert len(entries(database, 99)) == 2
