"""Signs of under-recording from the calls themselves, on a real PostGIS, for who bears the token only."""

import dataclasses
from collections.abc import Generator, Sequence
from datetime import timedelta
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from geo_service import jobs
from geo_service.settings import Settings
from tests.analysis import made
from tests.web import serving

STATIONS = ("s1", "s2", "s3", "s4")
COLUMNS = {"id": "id", "called_at": "at", "category": "code", "lon": "lon", "lat": "lat", "unit": "unit"}
CODES = {"R": "robbery", "T": "theft", "H": "help"}
FEED = made.feed(columns=COLUMNS, categories=[{"valid_from": made.JINING.valid_from, "map": CODES}])
SENT = {"authorization": "Bearer t0ken"}


@pytest.fixture
def service(database: sa.Engine) -> serving.InJune:
    found = dataclasses.replace(serving.library(database), settings=Settings(auditor_token="t0ken"))
    serving.load_zones(serving.without_tasks(found))
    return found


@pytest.fixture
def client(service: serving.InJune) -> Generator[httpx.Client]:
    with serving.serving(service) as there:
        yield there


def load(service: serving.InJune, calls: Sequence[tuple[str, str, str]]) -> None:
    """Take in calls (number, day, code) of a station that stands in the number: "s1-7"."""
    rows = made.rows("\n".join(f"{number} {day}_10:00 {code} 116.585 35.415" for number, day, code in calls))
    jobs.load_incidents(service, FEED, rows.assign(unit=[number.split("-")[0] for number, _, _ in calls]))


def asked(client: httpx.Client, name: str, **query: str) -> dict[str, dict[str, Any]]:
    answer = client.get(f"/statistics/auditors/{name}", params=query, headers=SENT).raise_for_status().json()
    return {row["station"]: row for row in answer["stations"]}


@pytest.mark.parametrize("name", ["category-drift", "recording-lags", "retyping"])
def test_without_the_token_nobody_is_told(client: httpx.Client, name: str):
    assert client.get(f"/statistics/auditors/{name}").status_code == 403
    assert client.get(f"/statistics/auditors/{name}", params={"month": "2024-07"}, headers=SENT).status_code == 400
    assert f"/statistics/auditors/{name}" not in client.get("/api").text


def test_a_station_whose_thefts_become_help_stands_out(service: serving.InJune, client: httpx.Client):
    calls = []
    for station in STATIONS:
        for year, helps in (("2023", 30), ("2024", 90 if station == "s4" else 30)):
            codes = "H" * helps + "T" * (120 - helps)
            calls += [(f"{station}-{year}{n}", f"{year}-05-{n % 28 + 1:02d}", code) for n, code in enumerate(codes)]
    load(service, calls)
    found = asked(client, "category-drift", month="2024-05", months="1")
    assert list(found) == list(STATIONS)
    assert [found[station]["share_now"] for station in STATIONS] == [0.25, 0.25, 0.25, 0.75]
    assert found["s4"]["q"] < 0.05 < min(found[station]["q"] for station in STATIONS[:3])


def test_a_station_whose_calls_leave_the_count_stands_out(service: serving.InJune, client: httpx.Client):
    load(service, [(f"{station}-{n}", f"2024-05-{n % 28 + 1:02d}", "T") for station in STATIONS for n in range(40)])
    out = [(f"{station}-{n}", "H") for station in STATIONS for n in range(30 if station == "s2" else 3)]
    load(service, [(number, f"2024-05-{int(number.split('-')[1]) % 28 + 1:02d}", code) for number, code in out])
    found = asked(client, "retyping", month="2024-05", months="1")
    told = {station: (row["counted"], row["retyped_out"]) for station, row in found.items()}
    assert told == {"s1": (40, 3), "s2": (40, 30), "s3": (40, 3), "s4": (40, 3)}
    assert max(found, key=lambda station: found[station]["ratio"]) == "s2"


def test_the_lag_is_that_from_call_to_record(service: serving.InJune, client: httpx.Client):
    load(service, [(f"s1-{n}", f"2024-06-{n % 18 + 1:02d}", "T") for n in range(40)])  # recorded on 20 June, at noon
    service.ahead.append(timedelta(days=31))
    found = asked(client, "recording-lags", month="2024-06", months="1")
    assert list(found) == ["s1"]
    assert found["s1"]["calls"] == 40
    assert 24 < found["s1"]["median_h"] < 24 * 20
