"""A small city in a real database, and a real server on the loopback in front of it.

a b c d     communities, squares of 0.01 degrees side by side from 116.58 E 35.41 N
s           a school in the middle of d
"""

import socket
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic, sleep
from typing import Any, TypeVar, cast

import httpx
import numpy as np
import shapely
import sqlalchemy as sa
import uvicorn

from geo_service import files, jobs
from geo_service.geography.zones import Zones
from geo_service.service import Service
from geo_service.settings import Settings
from geo_service.web import app, wire
from tests.analysis import made
from tests.maps.drawn import tile_at

LON, LAT, SIDE = 116.58, 35.41, 0.01  # [deg]
AT_A, AT_S, AT_D = f"{LON + 0.005} {LAT + 0.005}", f"{LON + 0.035} {LAT + 0.005}", f"{LON + 0.031} {LAT + 0.001}"
JUNE = datetime(2024, 6, 20, 4, 0, tzinfo=UTC)
HOME = tile_at(LON + SIDE, LAT + SIDE / 2, 12)
FEED = made.feed()
S = TypeVar("S", bound=Service)


@dataclass(frozen=True)
class InJune(Service):
    """A service whose clock started on 20 June 2024 and runs `ahead` of it."""

    ahead: list[timedelta]
    began: float

    def now(self) -> datetime:
        return JUNE + timedelta(seconds=monotonic() - self.began) + sum(self.ahead, timedelta())


def library(database: sa.Engine, **knobs: Any) -> InJune:
    """Give a service on a test's database, with the rules and layers that come with the program."""
    settings = Settings(**knobs)
    rules = files.read_rules(files.shipped("rules"), settings.placing)
    folder = files.shipped("layers")
    looks = files.read_layers(folder), files.read_level_scheme(folder)
    texts = cast(Mapping[str, Mapping[str, str]], files.read_texts())
    return InJune(settings, database, rules, *looks, texts, (), None, [], monotonic())


def without_tasks(service: S) -> S:
    """Let nothing open a task, so that messages about places stand alone."""
    service.__dict__["task_rules"] = tuple(replace(rule, opens=()) for rule in service.task_rules)
    return service


def zones(kind: str, shapes: dict[str, shapely.Polygon], called: str) -> Zones:
    names = np.array([f"{letter} 村" for letter in shapes], dtype=object)
    column = np.array(list(shapes.values()), dtype=object)
    return Zones(kind, np.array(list(shapes), dtype=object), names, np.full(len(shapes), called, dtype=object), column)


def city(database: sa.Engine) -> InJune:
    """Give a service whose store holds the zones, and incidents of March and June."""
    service = library(database)
    load_zones(service)
    commit(
        service,
        f"""
        m1 2024-03-05_23:30 R {AT_A}
        m2 2024-03-06_08:00 T {AT_A}
        j1 2024-06-01_00:10 T {AT_A}
        j2 2024-06-02_09:00 D {AT_A}
        j3 2024-06-03_09:00 R {AT_S}
        j4 2024-06-04_09:00 R {AT_S}
        j5 2024-06-05_09:00 R {AT_D}
        j6 2024-06-06_09:00 R 0 0
        """,
    )
    return service


def load_zones(service: Service) -> None:
    squares = {
        letter: shapely.box(LON + i * SIDE, LAT, LON + (i + 1) * SIDE, LAT + SIDE) for i, letter in enumerate("abcd")
    }
    school = shapely.box(LON + 0.034, LAT + 0.004, LON + 0.036, LAT + 0.006)
    jobs.load_zones(service, zones("communities", squares, "residential"))
    jobs.load_zones(service, zones("units", {"s": school}, "school"))


def commit(service: Service, lines: str) -> None:
    """Take in rows as the pull does: "id day_hour code lon lat" a line."""
    jobs.load_incidents(service, FEED, made.rows(lines))


@contextmanager
def serving(service: Service, **options: Path) -> Generator[httpx.Client]:
    """Run a server and give a client that knows its address."""
    server = uvicorn.Server(wire.configured(app.create_app(service, **options), leave_after_s=1))
    with socket.create_server(("127.0.0.1", 0)) as door:
        running = threading.Thread(target=server.run, kwargs={"sockets": [door]}, daemon=True)
        running.start()
        wait_until(lambda: server.started)
        with httpx.Client(base_url=f"http://127.0.0.1:{door.getsockname()[1]}", timeout=30) as client:
            yield client
        server.should_exit = True
        running.join()


def wait_until(true: Any, within_s: float = 30.0) -> None:
    """Wait for something to become true, and fail when it does not."""
    until = monotonic() + within_s
    while not true():
        assert monotonic() < until, "it did not happen"
        sleep(0.02)


def tile(layer: str = "warnings", form: str = "geojson") -> str:
    """Give the path of the tile that holds the city."""
    return f"/tiles/{layer}/{HOME.z}/{HOME.x}/{HOME.y}.{form}"


def worn(answer: httpx.Response) -> dict[str, tuple[int | None, int | None]]:
    """Give count and level of each place of a GeoJSON answer."""
    places = [feature["properties"] for feature in answer.json()["features"]]
    return {place["id"]: (place["count"], place["level"]) for place in places}
