"""Prevention over HTTP: layers of points, and the tables about them."""

import csv
import io
from pathlib import Path

import httpx
import mapbox_vector_tile
import pytest

from geo_service import files, jobs
from tests.store.test_prevention import OBJECTS
from tests.web import serving
from tests.web.serving import AT_A, HOME, LAT, LON, wait_until


@pytest.fixture
def guarded(library: serving.InJune, tmp_path: Path) -> serving.InJune:
    """The city with objects, and visits of the checkpoint on one day."""
    for name, text in {
        "objects": OBJECTS,
        "visits": "object_id,at\nc1,2024-06-18 22:30\n",
        "measures": "zone_kind,zone_id,what,from_day\ncommunities,a,lit,2024-04-01\n",
    }.items():
        path = tmp_path / f"{name}.csv"
        path.write_text(text, encoding="utf-8")
        jobs.load_prevention(library, files.read_objects(path, "EPSG:4326"), path.name)
    return library


def ids(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [feature["properties"]["id"] for feature in answer.json()["features"]]


def test_points_are_items_tiles_and_tilejson(guarded: serving.InJune):
    with serving.serving(guarded) as client:
        assert ids(client.get("/collections/prevention/items")) == ["c1", "p1"]
        assert ids(client.get("/collections/prevention/items", params={"kind": "guard_post"})) == ["p1"]
        assert ids(
            client.get("/collections/venues/items", params={"bbox": f"{LON + 0.03},{LAT},{LON + 1},{LAT + 1}"})
        ) == ["v1"]
        one = client.get("/collections/venues/items/v1").json()
        assert one["geometry"] == {"type": "Point", "coordinates": [LON + 0.035, LAT + 0.005]}
        assert one["properties"] == {
            "id": "v1",
            "name": "旅馆",
            "kind": "venue",
            "grade": "B",
            "valid_from": "2023-07-01",
            "regrade_on": "2024-07-01",
            "community_id": "d",
            "unit_id": "s",
        }
        assert "describedby" not in {link["rel"] for link in one["links"]}
        tile = client.get(f"/tiles/prevention/{HOME.z}/{HOME.x}/{HOME.y}.mvt")
        features = mapbox_vector_tile.decode(tile.content)["prevention"]["features"]
        assert {(f["properties"]["id"], f["geometry"]["type"]) for f in features} == {("c1", "Point"), ("p1", "Point")}
        assert ids(client.get(f"/tiles/prevention/{HOME.z}/{HOME.x}/{HOME.y}.geojson")) == ["c1", "p1"]
        described = client.get("/tiles/venues.json").json()
        assert list(described["vector_layers"][0]["fields"]) == list(one["properties"])
        assert described["bounds"] == [LON + 0.035, LAT + 0.005, LON + 0.035, LAT + 0.005]
        assert "prevention" in {layer["id"] for layer in client.get("/collections").json()["collections"]}


def test_what_a_layer_of_points_has_not_is_said(guarded: serving.InJune):
    with serving.serving(guarded) as client:
        assert client.get("/collections/venues/items/v1/why").status_code == 404
        wrong = client.get("/collections/warnings/items", params={"kind": "gate"})
        assert (wrong.status_code, wrong.headers["content-type"]) == (400, "application/problem+json")
        assert "it holds places, not objects" in wrong.json()["detail"]


def test_a_loaded_object_appears_without_a_restart(guarded: serving.InJune, tmp_path: Path):
    with serving.serving(guarded) as client:
        assert ids(client.get("/collections/prevention/items")) == ["c1", "p1"]
        (tmp_path / "more.csv").write_text(f"object_id,kind,lon,lat\ng1,gate,{LON},{LAT}\n", encoding="utf-8")
        jobs.load_prevention(guarded, files.read_objects(tmp_path / "more.csv", "EPSG:4326"), "more.csv")
        wait_until(lambda: ids(client.get("/collections/prevention/items")) == ["c1", "g1", "p1"])


def test_the_tables_of_prevention(guarded: serving.InJune):
    with serving.serving(guarded) as client:
        told = client.get("/statistics/prevention").json()
    assert told["day"] == "2024-06-20"
    assert {row["kind"]: (row["area"], row["count"]) for row in told["objects"]} == {
        "checkpoint": ("", 1),
        "guard_post": ("", 1),
        "venue": ("", 1),
    }
    # put up on the 1st, two visits a day: 7 days, one visit
    assert told["checkpoints"] == [{"object_id": "c1", "name": "巡更点一", "expected": 14, "visits": 1, "missed": 13}]
    assert told["venues"] == [
        {
            "object_id": "v1",
            "name": "旅馆",
            "grade": "B",
            "community_id": "d",
            "unit_id": "s",
            "regrade_on": "2024-07-01",
            "overdue_days": -11,
        }
    ]
    beside = {row["community_id"]: row for row in told["communities"]}
    assert (beside["a"]["guard_post"], beside["a"]["incidents"]) == (1, 3)
    assert list(beside) == ["a", "d", "b", "c"]


def test_a_table_as_csv_is_the_same_table(guarded: serving.InJune):
    with serving.serving(guarded) as client:
        asked = {"table": "venues", "day": "2024-07-11"}
        told = client.get("/statistics/prevention", params=asked).json()
        answer = client.get("/statistics/prevention", params={**asked, "format": "csv"})
        assert answer.headers["content-type"].startswith("text/csv")
        read = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
        assert read == [{name: str(value) for name, value in row.items()} for row in told["venues"]]
        assert read[0]["overdue_days"] == "10"
        assert client.get("/statistics/prevention", params={"format": "csv"}).status_code == 400
        assert client.get("/statistics/prevention", params={"level": "moon"}).status_code == 400


def test_a_measure_is_told_in_words_and_numbers(guarded: serving.InJune):
    with serving.serving(guarded) as client:
        [row] = client.get("/statistics/measures").json()["measures"]
        assert (row["zone_id"], row["what"], row["from_day"]) == ("a", "lit", "2024-04-01")
        assert (row["found"], row["months_before"], row["months_after"]) == ("no_history", 1, 2)
        assert row["words"] == {
            "zh": "实施前记录不足六个月，无从预期",
            "en": "Fewer than six months before are on record; nothing can be expected",
        }
        serving.commit(guarded, "\n".join(f"n{m} 2023-{m:02}-05_10:00 R {AT_A}" for m in range(4, 13)))
        [row] = client.get("/statistics/measures").json()["measures"]
        assert (row["found"], row["months_before"], row["before"], row["observed"]) == ("no_change", 12, 11, 0)
        assert row["words"]["en"].startswith(f"0 incidents where {row['low']} to {row['high']} were to be expected: no")
        [read] = csv.DictReader(
            io.StringIO(client.get("/statistics/measures", params={"format": "csv"}).content.decode("utf-8-sig"))
        )
        assert {name: read[name] for name in ("found", "before", "zone_id")} == {
            "found": "no_change",
            "before": "11",
            "zone_id": "a",
        }
        assert client.get("/statistics/measures", params={"zone_kind": "units"}).json()["measures"] == []
        assert client.get("/statistics/measures", params={"months": 1}).status_code == 400
