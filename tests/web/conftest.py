"""The city of serving.py: one that is served and only read, and one for a test to change."""

from collections.abc import Iterator

import httpx
import pytest
import sqlalchemy as sa

from geo_service.store import opening
from tests.conftest import address
from tests.web import serving


@pytest.fixture(scope="session")
def client(server: sa.Engine, template: str) -> Iterator[httpx.Client]:
    """A client of the served city; nobody changes it."""
    name = f"{template}_city"
    with server.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name} TEMPLATE {template}"))
    engine = opening.connect(address(server, name))
    with serving.serving(serving.city(engine)) as client:
        yield client
    engine.dispose()
    with server.connect() as connection:
        connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
def library(database: sa.Engine) -> serving.InJune:
    """A service with the city in a store of the test's own."""
    return serving.city(database)
