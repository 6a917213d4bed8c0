"""A city of six places made for the browser: its zones, its feed of raw rows, and a clock that stands in mid-month.

a b c     communities, 0.008 degrees wide, 0.002 apart, from 116.58 E 35.41 N; names hold rare characters (堌, 垞)
d e f
h         a hospital inside b
p         one patrol zone around all of it
"""

import math
import socket
import threading
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from pathlib import PurePath
from time import monotonic, sleep
from typing import Any

import httpx
import numpy as np
import pandas as pd
import shapely
import uvicorn
from starlette.types import ASGIApp

from geo_service.analysis import feed as feeds
from geo_service.analysis import intake
from geo_service.analysis.rules import ZONE_KINDS
from geo_service.geography.zones import Zones
from geo_service.maps.layers import EVERYTHING
from geo_service.service import Service
from geo_service.store import reading, writing

WEST, NORTH, STEP, WIDTH = 116.58, 35.43, 0.01, 0.008  # [deg]
NAMES = {"a": "堌城小区", "b": "洸河花园", "c": "垞城新村", "d": "越河家园", "e": "许庄", "f": "太白名苑"}
HOSPITAL, PATROL_ZONE = "济宁市人民医院", "任城一号巡区"
NOON = datetime(2026, 5, 15, 4, 0, tzinfo=UTC)  # 12:00 in the city
MONTH, MONTH_BEFORE = "2026-05", "2026-04"


def corner(letter: str) -> tuple[float, float]:
    """Give the south-western corner of a community [deg]."""
    row, column = divmod("abcdef".index(letter), 3)
    return WEST + column * STEP, NORTH - (row + 1) * STEP


def quiet_spot(letter: str) -> tuple[float, float]:
    """Give a point in a community that no label and no unit covers [deg]."""
    west, south = corner(letter)
    return west + WIDTH / 5, south + WIDTH / 5


def zones(crowd: int = 0) -> list[Zones]:
    """Give all zones of the city; `crowd` are small communities more, in a square to its east."""
    squares = [shapely.box(*corner(letter), *(side + WIDTH for side in corner(letter))) for letter in NAMES]
    x, y = np.divmod(np.arange(crowd), math.isqrt(crowd) + 1)
    east, south_of_all = WEST + 5 * STEP + x * STEP / 10, NORTH - y * STEP / 10
    huts: list[shapely.Polygon] = shapely.box(east, south_of_all, east + WIDTH / 10, south_of_all + WIDTH / 10).tolist()
    west, south = corner("b")
    ward = shapely.box(west + 0.005, south + 0.005, west + 0.007, south + 0.007)
    around = shapely.box(WEST - 0.002, NORTH - 2 * STEP - 0.002, WEST + 3 * STEP, NORTH)
    classes = ["village" if letter == "e" else "residential" for letter in NAMES] + ["residential"] * crowd
    numbered = [f"x{n:05d}" for n in range(crowd)]
    named = [f"{'城中村出租屋' * 10}{number}" for number in numbered]  # long: a few thousand are too heavy for one tile
    return [
        _zones("communities", [*NAMES, *numbered], [*NAMES.values(), *named], classes, squares + huts),
        _zones("units", ["h"], [HOSPITAL], ["hospital"], [ward]),
        _zones("patrol_zones", ["p"], [PATROL_ZONE], ["patrol_zone"], [around]),
    ]


def _zones(kind: str, ids: list[str], names: list[str], classes: list[str], shapes: list[shapely.Polygon]) -> Zones:
    columns = (np.array(column, dtype=object) for column in (ids, names, classes, shapes))
    return Zones(kind, *columns)


FEED = feeds.parse(
    {
        "id": "made",
        "title": {"zh": "测试", "en": "Made"},
        "crs": "EPSG:4326",
        "columns": {"id": "number", "called_at": "at", "category": "code", "lon": "lon", "lat": "lat"},
        "time": {"zone": "Asia/Shanghai", "format": "%Y-%m-%d %H:%M"},
        "categories": [{"valid_from": date(2000, 1, 1), "map": {"R": "robbery", "T": "theft", "D": "dispute"}}],
    },
    PurePath("made.toml"),
)


class Server:
    """The real server in a thread, on a port of the loopback that stays its own when it stops and starts again."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._port = 0

    @property
    def address(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Open the door and wait until somebody answers."""
        config = uvicorn.Config(self._app, log_level="warning", timeout_graceful_shutdown=1, ws="none")
        self._server, self._door = uvicorn.Server(config), socket.create_server(("127.0.0.1", self._port))
        self._port = self._door.getsockname()[1]
        self._running = threading.Thread(target=self._server.run, kwargs={"sockets": [self._door]}, daemon=True)
        self._running.start()
        until = monotonic() + 30
        while not self._server.started:
            assert monotonic() < until, "the server did not start"
            sleep(0.02)

    def stop(self) -> None:
        """Close the door."""
        self._server.should_exit = True
        self._running.join()
        self._door.close()


@dataclass
class City:
    """A database with the zones in it, the server in front of it, and a way to commit raw rows as the pull does."""

    service: Service
    server: Server
    _sent: int = field(default=0)

    @property
    def address(self) -> str:
        """Where its server answers."""
        return self.server.address

    def say(self, key: str, language: str = "zh", **values: object) -> str:
        """Give a text the page was told, such as "place.close"."""
        text = self._told["texts"][language]
        for part in key.split("."):
            text = text[part]
        return str(text).format(**values)

    def level(self, name: str, language: str = "zh") -> str:
        """Give the text of a level."""
        [text] = [level["text"][language] for level in self._told["levels"] if level["name"] == name]
        return text

    @cached_property
    def _told(self) -> dict[str, Any]:
        return httpx.get(f"{self.address}/map/config.json").json()

    def load_zones(self, crowd: int = 0) -> None:
        """Put the zones in, in place of those that are there."""
        with writing.lease(self.service.engine) as connection:
            for each in zones(crowd):
                writing.replace_zones(connection, each, now=self.service.now())

    def commit(self, *calls: str, cursor: str | None = None) -> int:
        """Commit calls, each written "place code day hour:minute" (city time, this month), and give the revision.

        With a cursor the source counts as pulled now.
        """
        now = self.service.now()
        rows = self._rows([call.split() for call in calls])
        with writing.lease(self.service.engine) as connection:
            asked = intake.asks(rows, FEED, now, self.service.rules)
            stored = reading.known_incidents(connection, asked.keys, asked.months)
            places = {kind: reading.zones(connection, kind, EVERYTHING) for kind in ZONE_KINDS}
            found = intake.digest(rows, FEED, intake.Known(places, self.service.rules, stored), now)
            assert found.rejected.empty
            return writing.record(connection, found, feed=FEED.id, cursor=cursor, now=now)

    def _rows(self, calls: list[list[str]]) -> pd.DataFrame:
        columns: dict[str, list[str]] = {name: [] for name in FEED.columns_taken}
        for letter, code, day, clock in calls:
            self._sent += 1
            lon, lat = quiet_spot(letter)
            month = MONTH if len(day) == 2 else day[:7]
            values = {"number": f"J{self._sent:04d}", "at": f"{month}-{day[-2:]} {clock}", "code": code}
            for name, value in {**values, "lon": f"{lon:.6f}", "lat": f"{lat:.6f}"}.items():
                columns[name].append(value)
        frame = pd.DataFrame(columns, dtype="str")
        return frame.assign(_source="made.csv", _row=np.arange(1, len(frame) + 1))


class InMay(Service):
    """A service whose clock began at noon of 15 May 2026 when it was made, so that no test meets the end of a month."""

    began = monotonic()

    def now(self) -> datetime:
        """The one clock."""
        return NOON + timedelta(seconds=monotonic() - self.began)
