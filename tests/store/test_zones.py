from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
import shapely
import sqlalchemy as sa

from geo_service.geography.zones import Zones
from geo_service.maps.layers import EVERYTHING
from geo_service.store import reading, tables, writing
from tests.store.batches import stands

MONDAY = datetime(2024, 6, 3, 12, 0, tzinfo=UTC)
TUESDAY = MONDAY + timedelta(days=1)
SQUARE = shapely.box(0, 0, 1, 1)
RING = SQUARE.difference(shapely.box(0.25, 0.25, 0.75, 0.75))
TWO = shapely.MultiPolygon([SQUARE, shapely.box(2, 0, 3, 1)])


def zones(kind: str = "communities", /, **areas: shapely.Geometry) -> Zones:
    ids = np.array(sorted(areas), dtype=object)
    names = np.array([f"{name} 小区" for name in ids], dtype=object)
    classes = np.array(["village" if name < "b" else "" for name in ids], dtype=object)
    return Zones(kind, ids, names, classes, np.array([areas[name] for name in ids], dtype=object))


def put(database: sa.Engine, wanted: Zones, now: datetime = MONDAY) -> None:
    with writing.lease(database) as connection:
        writing.replace_zones(connection, wanted, now=now)


def get(database: sa.Engine, kind: str = "communities") -> Zones:
    with database.connect() as connection:
        return reading.zones(connection, kind, EVERYTHING)


def numbers(database: sa.Engine) -> dict[str, int]:
    with database.connect() as connection:
        return reading.feature_ids(connection, "communities")


def revisions(database: sa.Engine) -> list[tuple[object, ...]]:
    return stands(database, tables.revisions, "seq", "what", "rows", "month_from")


def test_zones_come_back_as_they_went_in(database: sa.Engine):
    wanted = zones(**{"b": RING, "10": SQUARE, "9": TWO, "任城": SQUARE, "A": SQUARE})
    put(database, wanted)
    got = get(database)
    assert got.ids.tolist() == wanted.ids.tolist() == ["10", "9", "A", "b", "任城"]
    assert (got.kind, got.names.tolist(), got.classes.tolist()) == (
        wanted.kind,
        wanted.names.tolist(),
        wanted.classes.tolist(),
    )
    whole = [g if g.geom_type == "MultiPolygon" else shapely.MultiPolygon([g]) for g in wanted.geometry]
    assert shapely.equals_identical(got.geometry, whole).all()


def test_the_ids_of_a_real_outline_survive_to_the_last_bit(database: sa.Engine):
    outline = shapely.Point(116.58721, 35.41459).buffer(0.1 / 3, quad_segs=2000)
    put(database, zones(a=outline))
    assert shapely.equals_identical(get(database).geometry[0].geoms[0], outline)


def test_no_zones_are_an_empty_answer(database: sa.Engine):
    got = get(database)
    assert (len(got), got.geometry.shape, numbers(database)) == (0, (0,), {})


def test_an_id_that_stays_keeps_its_number(database: sa.Engine):
    put(database, zones(a=SQUARE, b=SQUARE, c=SQUARE))
    first = numbers(database)
    put(database, zones(b=RING, c=SQUARE, d=TWO), TUESDAY)
    second = numbers(database)
    assert {name: second[name] for name in "bc"} == {name: first[name] for name in "bc"}
    assert second["d"] not in first.values()
    assert sorted(second) == ["b", "c", "d"]


def test_what_a_zone_was_before_stays_as_history(database: sa.Engine):
    put(database, zones(a=SQUARE, b=SQUARE, c=SQUARE))
    put(database, zones(a=SQUARE, b=RING), TUESDAY)
    with database.connect() as connection:
        table = tables.zones.c
        area = sa.func.ST_Area(table.geometry)
        rows = connection.execute(sa.select(table.zone_id, area, table.valid_from, table.valid_to)).all()
    monday, tuesday = date(2024, 6, 3), date(2024, 6, 4)
    assert sorted((i, a, since, until or date.max) for i, a, since, until in rows) == [
        ("a", 1.0, monday, date.max),
        ("b", 0.75, tuesday, date.max),
        ("b", 1.0, monday, tuesday),
        ("c", 1.0, monday, tuesday),
    ]


def test_a_day_with_two_loads_keeps_the_later_one_only(database: sa.Engine):
    put(database, zones(a=SQUARE))
    put(database, zones(a=RING))
    assert stands(database, tables.zones, "zone_id", "valid_to") == [("a", None)]
    assert get(database).geometry[0].area == 0.75


def test_a_zone_that_comes_back_stands_once(database: sa.Engine):
    for now, wanted in ((MONDAY, zones(a=SQUARE, b=SQUARE)), (TUESDAY, zones(b=SQUARE)), (TUESDAY, zones(a=SQUARE))):
        put(database, wanted, now)
    assert get(database).ids.tolist() == ["a"]


@pytest.mark.parametrize(
    ("then", "rows"), [(zones(a=SQUARE, b=RING), 0), (zones(a=SQUARE, b=SQUARE), 1), (zones(a=SQUARE), 1)]
)
def test_a_revision_is_made_only_when_something_changed(database: sa.Engine, then: Zones, rows: int):
    put(database, zones(a=SQUARE, b=RING))
    put(database, then, TUESDAY)
    assert revisions(database) == [(1, "zones", 2, None), (2, "zones", rows, None)][: 1 + bool(rows)]


def test_the_other_kinds_are_left_alone(database: sa.Engine):
    put(database, zones("communities", a=SQUARE))
    put(database, zones("units", a=RING, u=RING))
    put(database, zones("units"))
    assert get(database).ids.tolist() == ["a"]
    assert get(database, "units").ids.tolist() == []
