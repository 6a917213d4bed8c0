"""A demo is started again after it slept: its map has colours when it is shown."""

from datetime import timedelta

import sqlalchemy as sa

from geo_service.analysis import trust
from geo_service.cli import running
from geo_service.store import reading
from tests.web import serving


def test_a_demo_that_slept_has_pulled_before_its_map_is_shown(database: sa.Engine):
    service = serving.library(database)

    def is_stale() -> bool:
        with database.connect() as connection:
            return trust.is_stale(reading.pulled_at(connection), service.now(), service.trust)

    running._demo_city(service, 0.02)
    service.ahead.append(timedelta(hours=3))
    assert is_stale()
    running._demo_city(service, 0.02)
    assert not is_stale()
