"""A city for map clients: 11,025 communities side by side with streets between them, and 200,000 gates.

Of every sixteen communities one has 1 incident this month, one 2, one 4 and one 6 - yellow, orange, red, black - and
twelve have none, so a colour is known from the number in the id.  Gates stand anywhere, whatever the communities are.
"""

from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely
import sqlalchemy as sa

from benchmarks import _made
from geo_service import jobs, service
from geo_service.geography.zones import Zones
from geo_service.settings import Settings
from geo_service.store import prevention, reading, writing
from tests.browser.seen import LEVELS

ACROSS, CORNERS = 105, 12
COMMUNITIES, GATES = ACROSS * ACROSS, 200_000
COUNTS = (1, 0, 0, 2, 0, 0, 0, 4, 0, 0, 0, 6, 0, 0, 0, 0)  # [incidents] of community number i: COUNTS[i % 16]
NAME_OF = {0: "none", 1: "yellow", 2: "orange", 4: "red", 6: "black"}

Box = tuple[float, float, float, float]  # west, south, east, north [deg]


@dataclass(frozen=True)
class City:
    """A served city: where its server answers, the database behind it, and what was put into it."""

    address: str
    engine: sa.Engine
    zones: Zones
    gates: pd.DataFrame

    @cached_property
    def levels(self) -> dict[str, str]:
        """The name of each community's level."""
        return {name: NAME_OF[COUNTS[row % 16]] for row, name in enumerate(self.zones.ids)}

    @cached_property
    def centres(self) -> dict[str, tuple[float, float]]:
        """A point well inside each community [deg]."""
        points = shapely.point_on_surface(self.zones.geometry)
        return dict(zip(self.zones.ids, zip(shapely.get_x(points), shapely.get_y(points), strict=True), strict=True))

    @cached_property
    def fids(self) -> dict[str, int]:
        """The numeric feature id that the store gave each community."""
        with self.engine.connect() as connection:
            return dict(reading.feature_ids(connection, "communities"))

    def touching(self, box: Box) -> set[str]:
        """Give the communities that touch a box."""
        return set(self.zones.ids[shapely.intersects(self.zones.geometry, shapely.box(*box))])

    def some(self, level: str, count: int) -> list[str]:
        """Give a few communities of a level, spread over the city."""
        those = [name for name, worn in self.levels.items() if worn == level]
        return those[:: len(those) // count][:count]

    def colour(self, name: str) -> tuple[int, int, int]:
        """Give the colour that a community is to wear."""
        return LEVELS[self.levels[name]]


def fill(database_url: str) -> tuple[Zones, pd.DataFrame]:
    """Put the city into a store that holds our tables and nothing else, and give what was put in."""
    rng = np.random.default_rng(20240620)
    zones, gates = _made.net("communities", ACROSS, CORNERS, rng), _gates(rng)
    with closing(service.open_service(Settings(database_url=database_url))) as parts:
        now = parts.now()
        jobs.load_zones(parts, zones)
        summary = jobs.load_incidents(parts, _made.FEED, _calls(zones, now, parts.settings.time_zone))
        assert not summary["rejected"]
        with writing.lease(parts.engine) as connection:
            writing.note_objects(connection, prevention.record_objects(connection, gates), now)
    return zones, gates


def _calls(zones: Zones, now: datetime, zone: str) -> pd.DataFrame:
    counts: npt.NDArray[np.int64] = np.tile(COUNTS, len(zones) // len(COUNTS) + 1)[: len(zones)]
    points = np.repeat(shapely.point_on_surface(zones.geometry), counts)
    local = now.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    at = max(local.replace(day=1, hour=0, minute=0, second=0, microsecond=0), local - timedelta(hours=1))
    return pd.DataFrame(
        {
            "id": [f"{number:06d}" for number in range(len(points))],
            "at": f"{at:%Y-%m-%d %H:%M:%S}",
            "code": "03",
            "lon": shapely.get_x(points).astype(str),
            "lat": shapely.get_y(points).astype(str),
            "_source": "made",
            "_row": np.arange(1, len(points) + 1),
        }
    )


def _gates(rng: np.random.Generator) -> pd.DataFrame:
    west, south, side = _made.CITY
    lon, lat = west + side * rng.random(GATES), south + side * rng.random(GATES)
    nothing = dict.fromkeys(("name", "zone_kind", "zone_id", "grade", "community_id", "unit_id"), "")
    return pd.DataFrame(
        {
            "object_id": [f"g{number:06d}" for number in range(GATES)],
            "kind": "gate",
            "lon": lon.round(7),
            "lat": lat.round(7),
            "valid_from": pd.Timestamp("2024-01-01"),
            "valid_to": pd.NaT,
            "regrade_on": pd.NaT,
            "properties": "{}",
            **nothing,
        }
    )
