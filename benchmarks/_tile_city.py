"""A city whose warnings are drawn: places and calls, taken in by a service on a database of its own, and our server.

Made: many-cornered communities side by side, calls crowded around some of them.  Real: Philadelphia's 1,692 ward
divisions, calls where its robberies, burglaries and thefts of 2018 and 2019 were, dated into the last weeks.
"""

import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from subprocess import Popen
from zoneinfo import ZoneInfo

import geopandas
import numpy as np
import pandas as pd
import psycopg
import shapely

from benchmarks._made import CITY, FEED, as_rows, net
from benchmarks._peers import CRIME, HOUSE
from benchmarks._tile_peers import Database, running
from benchmarks._walk import Box, Place
from geo_service import jobs
from geo_service.analysis.rules import LEVEL_NAMES
from geo_service.geography.zones import Zones
from geo_service.maps import ground as grounds
from geo_service.maps.atlas import Atlas
from geo_service.maps.layers import EVERYTHING
from geo_service.service import Service, open_service
from geo_service.settings import Settings
from geo_service.store import reading

KIND = "communities"
CORNERS = 40
_APART_DEG = 0.01
_WEEKS = 3


@dataclass(frozen=True)
class City:
    """Places, and where the calls of the last weeks came from [deg]."""

    name: str
    zones: Zones
    lon: np.ndarray
    lat: np.ndarray

    @property
    def box(self) -> Box:
        """West, south, east and north of the places [deg]."""
        west, south, east, north = (float(side) for side in shapely.total_bounds(self.zones.geometry))
        return west, south, east, north


def made(across: int, calls: int, rng: np.random.Generator) -> City:
    """Give across x across communities, 1.1 km apart; half of the calls crowd around five spots."""
    west, south, side = CITY[0], CITY[1], across * _APART_DEG
    crowded = rng.random(calls) < 0.5
    spots = rng.random((5, 2))[rng.integers(0, 5, calls)] + rng.normal(0, 0.02, (calls, 2))
    at = np.where(crowded[:, None], np.clip(spots, 0, 1), rng.random((calls, 2)))
    return City(
        "made", net(KIND, across, CORNERS, rng, (west, south, side)), west + side * at[:, 0], south + side * at[:, 1]
    )


def philadelphia(calls: int, rng: np.random.Generator) -> City | None:
    """Give the real city, None where the data is not."""
    source = CRIME / "philadelphia_robbery_burglary_theft_2018_2019.csv.gz"
    if not source.exists():
        print(f"tiles/philadelphia is left out: no {source}", file=sys.stderr)
        return None
    divisions = geopandas.read_file(CRIME / "philadelphia_polygons" / "2018-08-ward-divisions.geojson")
    divisions = divisions.sort_values("DIVISION_N")
    ids = divisions["DIVISION_N"].astype(str).to_numpy(dtype=object)
    words = np.full(len(ids), "residential", dtype=object)
    at = pd.read_csv(source, usecols=["lon", "lat"]).dropna().sample(calls, random_state=rng)
    zones = Zones(KIND, ids, ids, words, np.asarray(divisions.geometry))
    return City("philadelphia", zones, at["lon"].to_numpy(), at["lat"].to_numpy())


@dataclass(frozen=True)
class Held:
    """A city as a service holds it, and the same table for the peers."""

    city: City
    service: Service
    table: Database
    url: str

    @property
    def month(self) -> str:
        """The month that is coloured."""
        return self.service.month(self.service.now())

    def levels(self) -> pd.DataFrame:
        """Give how the places stand: zone_id, count, level."""
        with self.service.engine.connect() as connection:
            return reading.zone_levels(connection, KIND, self.month, EVERYTHING)

    def spots(self, number: int) -> list[Place]:
        """Give the middles of the places with the most incidents."""
        worst = self.levels().sort_values(["count", "zone_id"], ascending=[False, True])["zone_id"].head(number)
        middles = shapely.point_on_surface(self.city.zones.geometry[np.isin(self.city.zones.ids, worst.to_numpy())])
        return [(float(lon), float(lat)) for lon, lat in shapely.get_coordinates(middles)]

    def seq(self) -> int:
        """Give the store's newest revision."""
        with self.service.engine.connect() as connection:
            return reading.revision(connection).seq

    @cached_property
    def _ground(self) -> grounds.Ground:
        with self.service.engine.connect() as connection:
            return grounds.survey(self.city.zones, reading.feature_ids(connection, KIND))

    def picture(self) -> Atlas:
        """Draw a picture from which no tile has been drawn yet."""
        months = {(KIND, self.month): self.levels()}
        library = self.service
        return Atlas.build(library.layers, library.scheme, [self._ground], months, month=self.month, seq=1)

    def strike(self, places: np.ndarray, turn: int) -> None:
        """Have a new call come from each of some places now, in one commit; the peers' table follows."""
        points = shapely.point_on_surface(self.city.zones.geometry[np.isin(self.city.zones.ids, places)])
        lon, lat = shapely.get_coordinates(points).T
        now = self._now() - pd.Timedelta(minutes=1)
        rows = as_rows(len(places), str(now), str(now + pd.Timedelta(seconds=2)), lon, lat, np.random.default_rng(5))
        jobs.load_incidents(self.service, FEED, rows.assign(id=f"struck{turn}-" + rows["id"], code="03"))
        self.table.colour(self.levels(), self.service.scheme)

    def _now(self) -> pd.Timestamp:
        """Give the city's wall clock."""
        return pd.Timestamp(self.service.now()).tz_convert(ZoneInfo(FEED.city_zone)).tz_localize(None).floor("s")

    def fill(self, rng: np.random.Generator) -> None:
        """Take in the places and the calls, and fill the peers' table."""
        city, today = self.city, self._now().normalize()
        jobs.load_zones(self.service, city.zones)
        first = today - pd.Timedelta(weeks=_WEEKS)
        jobs.load_incidents(self.service, FEED, as_rows(len(city.lon), str(first), str(today), city.lon, city.lat, rng))
        with self.service.engine.connect() as connection:
            fids = reading.feature_ids(connection, KIND)
        assert [level.name for level in self.service.scheme.levels] == list(LEVEL_NAMES)
        self.table.fill(city.zones, fids, self.levels(), self.service.scheme, self.month)


@contextmanager
def held(city: City, cluster: str, folder: Path, rng: np.random.Generator) -> Generator[Held]:
    """Give a city in a database of its own."""
    url = database(cluster, city.name)
    service = open_service(settings(url, folder))
    table = Database(url)
    try:
        given = Held(city, service, table, url)
        given.fill(rng)
        yield given
    finally:
        table.close()
        service.close()


def database(cluster: str, name: str) -> str:
    """Make a database in a cluster, and give its URL."""
    with psycopg.connect(cluster.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    url = cluster.replace("/postgres?", f"/{name}?")
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("CREATE EXTENSION postgis")
    return url


def settings(url: str, folder: Path) -> Settings:
    """Give the settings of a service on a database."""
    return Settings(database_url=url, data_dir=str(folder))


@contextmanager
def served(url: str, folder: Path, port: int, ready: str) -> Generator[Popen[bytes]]:
    """Serve a database with our server in its own process; the block begins when it answers a path."""
    knobs = {"GEO_DATABASE_URL": url, "GEO_DATA_DIR": str(folder), "GEO_PORT": str(port), "PYTHONPATH": str(HOUSE)}
    with running([sys.executable, "-m", "geo_service", "serve"], knobs, port, ready) as server:
        yield server
