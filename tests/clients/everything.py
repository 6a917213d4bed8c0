"""A small city in which every layer holds something, behind a real server whose clock is right."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import httpx
import shapely
import sqlalchemy as sa

from geo_service import files, jobs
from geo_service.service import Service
from geo_service.store import opening
from tests.conftest import address
from tests.geography.addresses import jining
from tests.store.test_prevention import OBJECTS
from tests.web import serving
from tests.web.serving import LAT, LON


@contextmanager
def served(server: sa.Engine, template: str, folder: Path) -> Generator[httpx.Client]:
    """Run a server on a database of its own and give a client that knows its address."""
    name = f"{template}_everything"
    with server.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name} TEMPLATE {template}"))
    engine = opening.connect(address(server, name))
    city = serving.city(engine)
    beats = {
        letter: shapely.box(LON + i * 0.02, LAT, LON + (i + 1) * 0.02, LAT + 0.01) for i, letter in enumerate("pq")
    }
    jobs.load_zones(city, serving.zones("patrol_zones", beats, "patrol_zone"))
    jobs.load_gazetteer(city, jining.frame(), signed_by="b-017", reason="test")
    path = folder / "objects.csv"
    path.write_text(OBJECTS, encoding="utf-8")
    jobs.load_prevention(city, files.read_objects(path, "EPSG:4326"), path.name)
    parts = (city.settings, city.engine, city.rules, city.layers, city.scheme, city.texts, city.feeds, city.cluster)
    with serving.serving(Service(*parts)) as client:
        yield client
    engine.dispose()
    with server.connect() as connection:
        connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
