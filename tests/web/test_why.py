"""Why a place has its colour, as known now and then; what stands beside it; and when it has none."""

from collections.abc import Generator
from datetime import timedelta
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from geo_service import jobs
from geo_service.analysis import jurisdictions
from geo_service.store import jurisdictions as registers
from geo_service.store import tables
from tests.analysis import made
from tests.analysis.test_jurisdictions import frame
from tests.web import serving

LON, LAT = serving.LON + 0.005, serving.LAT + 0.005
CALLS = "".join(f"{n} 2024-06-0{n}_10:00 R {LON} {LAT}\n" for n in range(1, 5))
MAY = "".join(f"m{n} 2024-05-0{n}_10:00 R {LON} {LAT}\n" for n in range(1, 4))


@pytest.fixture
def service(database: sa.Engine) -> serving.InJune:
    """A service with the zones of the city and nothing in them."""
    found = serving.without_tasks(serving.library(database))
    serving.load_zones(found)
    jobs.load_incidents(found, made.feed(), made.rows(CALLS + MAY))
    return found


@pytest.fixture
def client(service: serving.InJune) -> Generator[httpx.Client]:
    """A client of its server."""
    with serving.serving(service) as there:
        yield there


def why(client: httpx.Client, **asked: str) -> dict[str, Any]:
    return client.get("/collections/warnings/items/a/why", params=asked).raise_for_status().json()


def test_why_tells_how_each_was_placed_and_what_would_change_the_colour(client: httpx.Client):
    told = why(client)
    assert (told["count"], told["level_name"], told["provisional"]) == (4, "red", 4)
    assert told["incidents"][0]["located_by"] == "coordinates"
    assert told["changes"] == [
        {"by": "more", "incidents": 2, "level": 4},
        {"by": "fewer", "incidents": 1, "level": 2},
        {"by": "triage", "incidents": 4, "level": 0},
    ]
    beside = told["outlook"]
    assert beside["chance_red"] == 1
    assert 0 < beside["chance_black"] < 1
    assert beside["shadow_count"] == 4


def test_why_can_be_asked_as_it_was_known(service: serving.InJune, client: httpx.Client):
    before = service.now()
    service.ahead.append(timedelta(hours=1))
    jobs.load_incidents(service, made.feed(), made.rows(f"m1 2024-05-01_10:00 D {LON} {LAT}"))
    assert why(client, month="2024-05", as_of=before.isoformat())["count"] == 3
    told = why(client, month="2024-05")
    assert told["count"] == 2
    assert [(one["count_before"], one["count_after"], one["why"]) for one in told["restated"]] == [
        (3, 2, {"retyped": ["made/m1"]})
    ]
    assert client.get("/collections/warnings/items/a/why", params={"as_of": "yesterday"}).status_code == 400
    [logged] = client.get("/restatements").json()["restatements"]
    place = {"zone_kind": "communities", "zone_id": "a", "month": "2024-05"}
    numbers = {"count_before": 3, "count_after": 2, "level_before": 2, "level_after": 2}
    assert {name: logged[name] for name in (*place, *numbers, "why")} == {
        **place,
        **numbers,
        "why": {"retyped": ["made/m1"]},
    }
    assert client.get("/restatements", params={"last": "2024-04"}).json()["restatements"] == []


def test_the_outlook_lists_every_place_or_those_that_differ(client: httpx.Client):
    told = client.get("/collections/warnings/outlook").raise_for_status().json()
    assert [(one["zone_id"], one["level"]) for one in told["places"]] == [("a", 3), ("b", 0), ("c", 0), ("d", 0)]
    some = client.get("/collections/warnings/outlook", params={"differ": "true"}).json()["places"]
    assert {one["differs"] for one in some} <= {"only_rule", "only_relative"}


def test_without_a_year_on_record_chances_are_not_judged(client: httpx.Client):
    answer = client.get("/collections/warnings/outlook/reliability", params={"day": "5"})
    assert (answer.status_code, answer.json()["detail"][:30]) == (400, "there are 1 whole months on re")
    assert client.get("/collections/warnings/outlook/reliability", params={"day": "6"}).status_code == 400


def colours(client: httpx.Client) -> dict[str, tuple[object, object]]:
    found = client.get("/collections/warnings/items").raise_for_status().json()["features"]
    places = [one["properties"] for one in found]
    return {place["id"]: (place["level"], place.get("withheld")) for place in places}


def pulled(service: serving.InJune, minutes_ago: int) -> None:
    with service.engine.begin() as connection:
        at = service.now() - timedelta(minutes=minutes_ago)
        connection.execute(sa.update(tables.feeds).values(cursor="1", pulled_at=at))


def test_stale_input_takes_every_colour_and_a_pull_brings_them_back(service: serving.InJune, client: httpx.Client):
    assert colours(client)["a"] == (3, None)
    pulled(service, 31)
    serving.wait_until(lambda: colours(client)["a"] == (None, "stale"))
    assert set(colours(client).values()) == {(None, "stale")}
    assert why(client)["withheld"] == "stale"
    pulled(service, 1)
    serving.wait_until(lambda: colours(client)["a"] == (3, None))


def test_a_station_that_places_too_few_calls_has_no_colours(service: serving.InJune, client: httpx.Client):
    areas = frame(jurisdictions.AREA_COLUMNS, "police s1 station West - - -", "police s2 station East - - -")
    lies = frame(jurisdictions.MEMBERSHIP_COLUMNS, "communities a police s1 - -", "communities b police s2 - -")
    rows = made.rows("".join(f"w{n} 2024-06-10_10:00 D - -\n" for n in range(30))).assign(unit="s1")
    columns = {"id": "id", "called_at": "at", "category": "code", "lon": "lon", "lat": "lat", "unit": "unit"}
    with service.engine.begin() as connection:
        registers.replace_trees(connection, jurisdictions.Trees(areas, lies))
    jobs.load_incidents(service, made.feed(id="others", columns=columns), rows)
    serving.wait_until(lambda: colours(client)["a"] == (None, "placement"))
    assert colours(client)["b"] == (0, None)
