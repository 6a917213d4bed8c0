"""Prevention in a real store: objects keep their states, loads are whole or nothing, links follow the zones."""

from datetime import date
from pathlib import Path

import geopandas
import openpyxl
import pandas as pd
import pytest
import shapely
import sqlalchemy as sa

from geo_service import files, jobs
from geo_service.cli import running
from geo_service.errors import BadInput, UndeclaredCRS
from geo_service.maps.layers import EVERYTHING
from geo_service.store import prevention, reading, tables
from tests.store.batches import stands
from tests.web import serving
from tests.web.serving import LAT, LON, SIDE

OBJECTS = f"""object_id,kind,name,lon,lat,grade,valid_from,guards,trade
p1,guard_post,东门岗,{LON + 0.005},{LAT + 0.005},,2024-01-01,2,
c1,checkpoint,巡更点一,{LON + 0.015},{LAT + 0.005},,2024-06-01,,
v1,venue,旅馆,{LON + 0.035},{LAT + 0.005},B,2023-07-01,,hotel
"""


@pytest.fixture
def library(database: sa.Engine) -> serving.InJune:
    service = serving.library(database)
    serving.load_zones(service)
    return service


def load(service: serving.InJune, path: Path, text: str, system: str = "EPSG:4326") -> dict[str, object]:
    path.write_text(text, encoding="utf-8")
    return dict(jobs.load_prevention(service, files.read_objects(path, system), path.name))


def objects(database: sa.Engine) -> pd.DataFrame:
    with database.connect() as connection:
        return prevention.objects(connection, EVERYTHING)


def test_objects_come_back_as_they_went_in_and_twice_changes_nothing(library: serving.InJune, tmp_path: Path):
    said = load(library, tmp_path / "objects.csv", OBJECTS)
    assert said == {"loaded": "objects", "rows": 3, "changed": 3}
    found = objects(library.engine)
    assert found[["object_id", "community_id", "unit_id"]].values.tolist() == [
        ["c1", "b", ""],
        ["p1", "a", ""],
        ["v1", "d", "s"],
    ]
    assert found["properties"].tolist() == ["{}", '{"guards": "2"}', '{"trade": "hotel"}']
    assert found["regrade_on"].dt.strftime("%Y-%m-%d").fillna("").tolist() == ["", "", "2024-07-01"]
    before = revision(library)
    assert load(library, tmp_path / "objects.csv", OBJECTS)["changed"] == 0
    assert revision(library) == before
    pd.testing.assert_frame_equal(objects(library.engine), found)


def revision(library: serving.InJune) -> reading.Revision:
    with library.engine.connect() as connection:
        return reading.revision(connection)


def test_a_re_graded_venue_keeps_its_number_on_the_map_and_its_past(library: serving.InJune, tmp_path: Path):
    load(library, tmp_path / "objects.csv", OBJECTS)
    with library.engine.connect() as connection:
        before = prevention.pins(connection, date(2024, 6, 20), EVERYTHING).set_index("id")
    again = OBJECTS.splitlines()[0] + f"\nv1,venue,旅馆,{LON + 0.035},{LAT + 0.005},D,2024-06-01,,hotel\n"
    assert load(library, tmp_path / "again.csv", again)["changed"] == 2
    with library.engine.connect() as connection:
        now = prevention.pins(connection, date(2024, 6, 20), EVERYTHING).set_index("id")
        then = prevention.pins(connection, date(2024, 5, 31), EVERYTHING).set_index("id")
    assert now.loc["v1", ["grade", "regrade_on"]].tolist() == ["D", "2024-09-01"]
    assert then.loc["v1", ["grade", "regrade_on"]].tolist() == ["B", "2024-07-01"]
    assert now["fid"].to_dict() == before["fid"].to_dict()
    assert "c1" not in then.index  # put up in June


def test_one_bad_row_and_nothing_is_loaded(library: serving.InJune, tmp_path: Path):
    with pytest.raises(BadInput, match=r"objects\.csv: row 4: kind is 'tower'"):
        load(library, tmp_path / "objects.csv", OBJECTS + "x,tower,,1,1,,,,\n")
    assert objects(library.engine).empty


def test_coordinates_must_say_their_system(library: serving.InJune, tmp_path: Path):
    with pytest.raises(UndeclaredCRS, match=r"objects\.csv declares no CRS for its positions"):
        load(library, tmp_path / "objects.csv", OBJECTS, system="")
    load(library, tmp_path / "objects.csv", OBJECTS, system="GCJ-02")
    moved = objects(library.engine).set_index("object_id").loc["p1", "lon"]
    assert 0.004 < LON + 0.005 - moved < 0.008  # the offset in Jining


def test_a_geopackage_is_read_and_other_shapes_than_points_are_refused(library: serving.InJune, tmp_path: Path):
    frame = geopandas.GeoDataFrame(
        {"object_id": ["g1", "g2"], "kind": "gate", "access": ["face", None]},
        geometry=[shapely.Point(LON + 0.001, LAT + 0.001), shapely.Point(LON + 0.011, LAT + 0.001)],
        crs=4326,
    ).to_crs(4548)
    frame.to_file(tmp_path / "gates.gpkg")
    jobs.load_prevention(library, files.read_objects(tmp_path / "gates.gpkg"), "gates.gpkg")
    found = objects(library.engine)
    assert found[["object_id", "community_id", "properties"]].values.tolist() == [
        ["g1", "a", '{"access": "face"}'],
        ["g2", "b", "{}"],
    ]
    assert abs(found["lon"] - [LON + 0.001, LON + 0.011]).max() < 1e-6
    frame.set_geometry(frame.buffer(5)).to_file(tmp_path / "areas.gpkg")
    with pytest.raises(BadInput, match=r"areas\.gpkg: the geometry is no point in row 1, 2"):
        files.read_objects(tmp_path / "areas.gpkg")


def test_a_workbook_is_read_with_its_days_as_excel_knows_them(library: serving.InJune, tmp_path: Path):
    from datetime import datetime

    book = openpyxl.Workbook()
    book.active.append(["object_id", "kind", "lon", "lat", "grade", "valid_from"])
    book.active.append(["v9", "venue", LON + 0.005, LAT + 0.005, "A", datetime(2024, 3, 1)])
    book.save(tmp_path / "venues.xlsx")
    table = running._objects(tmp_path / "venues.xlsx", "EPSG:4326")
    jobs.load_prevention(library, table, "venues.xlsx")
    [row] = objects(library.engine).to_dict("records")
    assert (row["object_id"], f"{row['valid_from']:%Y-%m-%d}", f"{row['regrade_on']:%Y-%m-%d}") == (
        "v9",
        "2024-03-01",
        "2026-03-01",
    )


def test_links_follow_the_zones(library: serving.InJune, tmp_path: Path):
    load(library, tmp_path / "objects.csv", OBJECTS)
    wide = {"w": shapely.box(LON, LAT, LON + 4 * SIDE, LAT + SIDE)}
    jobs.load_zones(library, serving.zones("communities", wide, "residential"))
    assert objects(library.engine)["community_id"].tolist() == ["w", "w", "w"]
    assert revision(library).objects_seq == revision(library).seq


def test_visits_and_measures_are_kept_once(library: serving.InJune, tmp_path: Path):
    load(library, tmp_path / "objects.csv", OBJECTS)
    visits = "object_id,at\nc1,2024-06-18 22:30\nc1,2024-06-19 00:30\nc1,2024-06-18 22:30\n"
    assert load(library, tmp_path / "visits.csv", visits)["changed"] == 2
    assert load(library, tmp_path / "visits.csv", visits)["changed"] == 0
    with library.engine.connect() as connection:
        found = prevention.visits(connection, date(2024, 6, 18), date(2024, 6, 19), "Asia/Shanghai", EVERYTHING)
    assert found.values.tolist() == [["c1", pd.Timestamp("2024-06-18")]]
    measures = "zone_kind,zone_id,what,from_day,note\ncommunities,a,lit,2024/5/1,路灯\n"
    assert load(library, tmp_path / "measures.csv", measures)["changed"] == 1
    assert load(library, tmp_path / "measures.csv", measures)["changed"] == 0
    assert load(library, tmp_path / "measures.csv", measures.replace("路灯", "路灯四十盏"))["changed"] == 1
    assert stands(library.engine, tables.measures) == [("communities", "a", "lit", date(2024, 5, 1), "路灯四十盏")]
