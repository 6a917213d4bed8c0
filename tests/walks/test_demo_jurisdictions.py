"""The demo city's trees and roster in PostGIS: every place has its station and town, and one gap is to be found."""

from datetime import UTC, date, datetime
from pathlib import Path

import pandas as pd
import pytest
import sqlalchemy as sa

from geo_service import demo, files, jobs
from geo_service.analysis import jurisdictions, rules
from geo_service.cli import registers
from geo_service.demo.jurisdictions import HANDOVER
from geo_service.maps.layers import EVERYTHING
from geo_service.store import jurisdictions as kept
from geo_service.store import reading
from tests.web import serving

UNTIL = datetime(2026, 3, 20, 6, 30, tzinfo=UTC)
TODAY, BEFORE = date(2026, 3, 20), date(2025, 12, 31)


@pytest.fixture(scope="module")
def city() -> demo.City:
    return demo.build(0.1, until=UNTIL)


@pytest.fixture
def loaded(database: sa.Engine, city: demo.City) -> serving.InJune:
    service = serving.library(database)
    for kind in rules.ZONE_KINDS:
        jobs.load_zones(service, files.zones_of(getattr(city, kind), files.ZoneFile(kind, Path(kind)))[0])
    registers.load_made(service, city)
    return service


def answering(service: serving.InJune, day: date) -> tuple[jurisdictions.Answering, pd.DataFrame]:
    with service.engine.connect() as connection:
        trees, duties = kept.trees(connection, EVERYTHING), kept.duties(connection, EVERYTHING)
        places = reading.places(connection, EVERYTHING)
    return jurisdictions.answering(trees, duties, service.roles, day), places


def test_every_place_has_the_station_and_town_it_lies_in(loaded: serving.InJune, city: demo.City):
    lineage, places = answering(loaded, TODAY)[0].lineage, answering(loaded, TODAY)[1]
    seats = city.towns.set_index(["district", "name"])[["town_code", "station_code", "district_code"]]
    where = pd.concat([getattr(city, kind).assign(kind=kind) for kind in rules.ZONE_KINDS])
    assert len(places) == len(where) == len(lineage) == 141
    for row in where.itertuples():
        seat, areas = seats.loc[(row.district, row.town)], lineage.loc[(row.kind, row.zone_id)]
        assert areas["civil_town"] == seat["town_code"], row.name
        assert areas["police_station"] == seat["station_code"], row.name
        assert areas["civil_county"] == seat["district_code"]
        assert areas["police_branch"] == f"{seat['district_code']}000000"
        finest = [areas["civil_community"], areas["police_officer_area"], areas["police_grid"]]
        assert all(finest) == (row.kind != "patrol_zones")


def test_recipients_are_those_who_hold_the_roles_of_the_place(loaded: serving.InJune, city: demo.City):
    today, _ = answering(loaded, TODAY)
    home = city.communities["zone_id"].iloc[0]
    told = today.recipients("communities", home, list(loaded.roles))
    assert told["role"].value_counts().to_dict() == {
        "city_duty": 2, "branch_duty": 1, "station": 2, "community_officer": 1, "grid_staff": 1, "town_office": 1,
        "property": 1,
    }  # fmt: skip
    assert told["staff_id"].str.fullmatch(r"S\d{4}").all()
    for role, area, staff in told[["role", "area", "staff_id"]].itertuples(index=False):
        duty = today.duties[(today.duties["role"] == role) & (today.duties["staff_id"] == staff)]
        assert duty["area"].tolist() == [area]
    assert told.loc[told["role"] == "property", "staff_id"].tolist() == today.duties.loc[
        (today.duties["zone_kind"] == "communities") & (today.duties["zone_id"] == home), "staff_id"
    ].tolist()  # fmt: skip
    patrol = today.recipients("patrol_zones", city.patrol_zones["zone_id"].iloc[0], list(loaded.roles))
    assert set(patrol["role"]) == {"city_duty", "branch_duty", "station", "town_office"}


def test_a_past_day_gives_who_held_it_then_and_the_gap_is_found_today(loaded: serving.InJune):
    (before, places), (today, _) = answering(loaded, BEFORE), answering(loaded, TODAY)
    assert before.gaps(places).empty
    gaps = today.gaps(places)
    vacant = max(today.lineage["police_officer_area"])
    assert set(gaps["role"]) == {"community_officer"}
    assert set(gaps["area"]) == {vacant}
    there = today.lineage[today.lineage["police_officer_area"] == vacant]
    assert sorted(gaps[["zone_kind", "zone_id"]].itertuples(index=False, name=None)) == sorted(there.index)
    for kind, zone in places.loc[places["zone_kind"] != "patrol_zones"].itertuples(index=False):
        [then] = before.recipients(kind, zone, ["community_officer"])["staff_id"]
        [now] = today.recipients(kind, zone, ["community_officer"])["staff_id"]
        assert then not in ("", now)
    assert date.fromisoformat(HANDOVER) > BEFORE


def test_the_demo_roster_reaches_the_inbox_of_all_who_hold_a_duty_today(loaded: serving.InJune):
    with loaded.engine.connect() as connection:
        rows = connection.execute(sa.text("SELECT staff_id, channel, url, language FROM staff.addresses")).all()
    today, _ = answering(loaded, TODAY)
    assert {row.staff_id for row in rows} == set(today.duties["staff_id"])
    assert {(row.channel, row.url, row.language) for row in rows} == {("inbox", "inbox:", "zh")}
