"""H3 cells over HTTP: as a layer, without geometry, and where a first incident makes a new cell."""

from collections import Counter

import h3
import httpx
import pytest
import sqlalchemy as sa

from geo_service import drawing
from geo_service.geography import grid
from geo_service.maps import states
from geo_service.maps.layers import EVERYTHING
from geo_service.store import cells as stored
from geo_service.store import news, tables
from tests.web import serving
from tests.web.serving import LAT, LON, commit, tile, wait_until

AT_A, AT_S, AT_D = ((float(lon), float(lat)) for lon, lat in map(str.split, (serving.AT_A, serving.AT_S, serving.AT_D)))


def cell(place: tuple[float, float]) -> str:
    return h3.latlng_to_cell(place[1], place[0], 9)


def told(client: httpx.Client, query: str = "") -> dict[str, int]:
    answer = client.get(f"/cells/incident_cells{query}").json()
    return dict(zip(answer["cells"], answer["classes"], strict=True))


def test_the_cells_of_a_month_wear_the_levels_of_their_incidents(client: httpx.Client):
    # Cells count by place alone: whatever lies in them and is of a category that counts.
    june = Counter([cell(AT_A), cell(AT_S), cell(AT_S), cell(AT_D)])
    levels = {name: {0: 0, 1: 1, 2: 2, 3: 2}[june[name]] for name in {cell(AT_A), cell(AT_S), cell(AT_D)}}
    assert told(client) == levels
    answer = client.get("/cells/incident_cells")
    assert (answer.json()["resolution"], answer.json()["month"]) == (9, "2024-06")
    assert answer.json()["cells"] == sorted(levels)
    assert client.get("/cells/incident_cells", headers={"if-none-match": answer.headers["etag"]}).status_code == 304
    march = told(client, "?month=2024-03")
    assert march == {**dict.fromkeys(levels, 0), cell(AT_A): 2}
    assert set(told(client, "?month=2019-01").values()) == {15}


def test_a_layer_of_cells_is_served_like_any_other(client: httpx.Client):
    classes = told(client)
    items = client.get("/collections/incident_cells/items").json()["features"]
    assert {item["properties"]["id"]: item["properties"]["level"] for item in items} == classes
    assert [item["id"] for item in items] == grid.numbers(grid.from_text(sorted(classes))).tolist()
    bare = client.get("/collections/incident_cells/items?geometry=false").json()["features"]
    assert [item["geometry"] for item in bare] == [None] * len(items)
    assert [item["properties"] for item in bare] == [item["properties"] for item in items]
    features = client.get(tile("incident_cells")).json()["features"]
    assert {place["properties"]["id"]: place["properties"]["level"] for place in features} == classes
    assert client.get("/tiles/incident_cells.json").json()["vector_layers"][0]["id"] == "incident_cells"
    [one, *_] = sorted(classes)
    item = client.get(f"/collections/incident_cells/items/{one}").json()
    assert "describedby" not in [link["rel"] for link in item["links"]]
    answer = client.get(f"/collections/incident_cells/items/{one}/why")
    assert (answer.status_code, "holds cells" in answer.json()["detail"]) == (404, True)


def test_the_cells_of_a_layer_without_them_are_not_found(client: httpx.Client):
    answer = client.get("/cells/warnings")
    assert (answer.status_code, answer.json()["detail"]) == (
        404,
        "layer warnings is none of cells; /collections/warnings/items has its places",
    )
    assert client.get("/cells/nothing").status_code == 404


def test_the_first_incident_of_a_cell_makes_it_appear_and_the_others_keep_their_months(library: serving.InJune):
    there = LON + 0.012, LAT + 0.008
    assert cell(there) not in (cell(AT_A), cell(AT_S), cell(AT_D))
    with serving.serving(library) as client:
        before, march = told(client), told(client, "?month=2024-03")
        commit(library, f"n1 2024-06-10_10:00 R {there[0]} {there[1]}")
        wait_until(lambda: cell(there) in told(client))
        assert told(client) == {**before, cell(there): 1}
        assert told(client, "?month=2024-03") == {**march, cell(there): 0}


def test_a_picture_whose_cells_grew_is_the_one_drawn_afresh(library: serving.InJune):
    with news.snapshot(library.engine) as connection:
        was = drawing.whole(library, connection, library.now())
    commit(
        library, f"n1 2024-03-10_10:00 R {LON + 0.012} {LAT + 0.008}\nn2 2024-06-11_10:00 R {LON + 0.022} {LAT + 0.008}"
    )
    with news.snapshot(library.engine) as connection:
        grown = drawing.renewed(library, connection, was, library.now()).atlas
        fresh = drawing.whole(library, connection, library.now()).atlas
    assert grown.geometry_digest("incident_cells") == fresh.geometry_digest("incident_cells")
    for month in ("2024-03", "2024-06", ""):
        grown_state, fresh_state = (of.states["cells", month] for of in (grown, fresh))
        assert grown_state.digest == fresh_state.digest
    for z in (3, 9, 12, 14):
        at = serving.tile_at(LON + 0.02, LAT + 0.005, z)
        assert states.tile(grown, "incident_cells", at) == states.tile(fresh, "incident_cells", at)


def test_the_store_tells_which_cells_and_their_levels(library: serving.InJune):
    with news.snapshot(library.engine) as connection:
        rows = connection.execute(sa.select(tables.cell_levels)).mappings().all()
        found = stored.levels(connection, 9, ["2024-03", "2024-04", "2024-06"], EVERYTHING)
        assert stored.known(connection, 9, EVERYTHING) == sorted({row["h3"] for row in rows if row["resolution"] == 9})
        assert stored.known(connection, 5, EVERYTHING) == []
    assert len(found["2024-04"]) == 0
    for month, frame in found.items():
        assert frame.columns.tolist() == ["zone_id", "count", "level"]
        assert set(frame.itertuples(index=False, name=None)) == {
            (row["h3"], row["count"], row["level"]) for row in rows if row["month"] == month
        }


@pytest.mark.parametrize("language", ["zh", "en"])
def test_cells_have_a_legend(client: httpx.Client, language: str):
    assert client.get(f"/legends/incident_cells.svg?language={language}").status_code == 200
