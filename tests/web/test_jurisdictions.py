"""The trees, a place's areas and roles, and the gaps over HTTP: how many, never who."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from geo_service import jobs, jurisdiction_files
from geo_service.analysis.jurisdictions import AREA_COLUMNS, DUTY_COLUMNS, MEMBERSHIP_COLUMNS
from geo_service.store import opening
from tests.analysis.test_jurisdictions import frame
from tests.conftest import address
from tests.web import serving

AREAS = frame(
    AREA_COLUMNS,
    "civil t1 town Town - - -",
    "police f1 branch North - - -",
    "police s1 station West f1 - -",
    "police s2 station East f1 2024-06-01 -",
)
MEMBERSHIPS = frame(
    MEMBERSHIP_COLUMNS,
    "communities a police s1 - 2024-06-01",
    "communities a police s2 2024-06-01 -",
    "communities b police s1 - -",
    "units s police s1 - -",
    "communities a civil t1 - -",
)
DUTIES = frame(
    DUTY_COLUMNS,
    "station police s1 - - S0042 - -",
    "station police s1 - - S0043 - -",
    "town_office civil t1 - - S0044 - 2024-06-10",
    "property - - communities a S0045 - -",
)


@pytest.fixture(scope="session")
def trees(server: sa.Engine, template: str) -> Iterator[httpx.Client]:
    """A client of a served city with trees and a roster; nobody changes it."""
    name = f"{template}_trees"
    with server.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name} TEMPLATE {template}"))
    engine = opening.connect(address(server, name))
    service = serving.city(engine)
    jobs.load_areas(service, AREAS, "areas")
    jobs.load_memberships(service, MEMBERSHIPS, "memberships")
    addresses = {"staff_id": ["S0042"], "channel": ["wecom"], "url": ["wecom://secret"], "language": ["zh"]}
    kept = DUTIES[["staff_id"]].head(1).assign(**addresses)
    jobs.load_roster(service, jurisdiction_files.Roster(DUTIES, kept), "roster")
    with serving.serving(service) as client:
        yield client
    engine.dispose()
    with server.connect() as connection:
        connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))


def told(client: httpx.Client, path: str) -> Any:
    """Ask, and see that the answer says neither who nor how to reach anybody."""
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    assert "S004" not in answer.text
    assert "secret" not in answer.text
    assert answer.headers["cache-control"] == "no-store"
    return answer.json()


def test_a_tree_tells_its_areas_their_parents_and_how_many_places_lie_below(trees: httpx.Client):
    june = told(trees, "/jurisdictions?tree=police")
    assert june["on"] == "2024-06-20"
    assert june["areas"] == [
        {"tree": "police", "code": "f1", "level": "branch", "name": "North", "parent": "",
         "places": {"communities": 2, "units": 1}},
        {"tree": "police", "code": "s1", "level": "station", "name": "West", "parent": "f1",
         "places": {"communities": 1, "units": 1}},
        {"tree": "police", "code": "s2", "level": "station", "name": "East", "parent": "f1",
         "places": {"communities": 1}},
    ]  # fmt: skip
    may = told(trees, "/jurisdictions?on=2024-05-31")
    assert [(area["code"], area["places"]) for area in may["areas"]] == [
        ("t1", {"communities": 1}), ("f1", {"communities": 2, "units": 1}), ("s1", {"communities": 2, "units": 1}),
    ]  # fmt: skip


def test_a_place_tells_its_areas_and_how_many_hold_each_role(trees: httpx.Client):
    may, june = (told(trees, f"/jurisdictions/communities/a?on={day}") for day in ("2024-05-31", "2024-06-20"))
    assert may["lineage"] == {
        "civil": [{"level": "town", "code": "t1", "name": "Town"}],
        "police": [
            {"level": "branch", "code": "f1", "name": "North"}, {"level": "station", "code": "s1", "name": "West"},
        ],
    }  # fmt: skip
    held = [{row["role"]: (row["area"], row["staff"]) for row in place["roles"]} for place in (may, june)]
    assert held[0] == {
        "city_duty": ("", 0), "branch_duty": ("f1", 0), "station": ("s1", 2), "community_officer": ("", 0),
        "grid_staff": ("", 0), "town_office": ("t1", 1), "property": ("", 1),
    }  # fmt: skip
    assert held[1] == {**held[0], "station": ("s2", 0), "town_office": ("t1", 0)}
    assert may["roles"][2]["title"] == {"zh": "派出所", "en": "Police station"}


def test_gaps_name_every_role_that_nobody_holds_for_some_places(trees: httpx.Client):
    gaps = told(trees, "/jurisdictions/gaps")["gaps"]
    found = {(gap["role"], gap["area"]): (gap["places"], gap["why"]) for gap in gaps}
    assert len(found) == len(gaps)
    assert found["station", "s2"] == ({"communities": 1}, "nobody holds the role")
    assert found["station", ""] == ({"communities": 2}, "in no area of level station")
    assert found["property", ""] == ({"communities": 3, "units": 1}, "nobody holds the role")
    assert ("station", "s1") not in found
    [empty] = [gap for gap in gaps if (gap["role"], gap["area"]) == ("station", "")]
    assert empty["shown"] == [{"zone_kind": "communities", "zone_id": zone} for zone in "cd"]
    assert told(trees, "/jurisdictions/gaps?on=2024-06-09")["gaps"] != gaps


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("/jurisdictions?tree=fire", 400, "tree=fire"),
        ("/jurisdictions?on=june", 400, "on=june"),
        ("/jurisdictions/gaps?month=2024-05", 400, "unknown parameter 'month'"),
        ("/jurisdictions/communities/z", 404, "no place 'z' among communities"),
        ("/jurisdictions/streets/a", 404, "no place 'a' among streets"),
    ],
)
def test_what_is_not_there_is_a_problem(trees: httpx.Client, path: str, status: int, says: str):
    answer = trees.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert says in answer.json()["detail"]


def test_without_trees_every_role_is_a_gap(client: httpx.Client):
    assert told(client, "/jurisdictions")["areas"] == []
    gaps = told(client, "/jurisdictions/gaps")["gaps"]
    assert {gap["role"]: gap["places"] for gap in gaps}["station"] == {"communities": 4, "units": 1}
