"""The made-up city's prevention: files that load whole, and tables that have something to say."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import sqlalchemy as sa

from geo_service import demo, files, jobs
from geo_service.demo import prevention as made
from geo_service.maps.layers import EVERYTHING
from geo_service.store import prevention
from tests.web import serving

UNTIL = datetime(2026, 3, 20, 6, 30, tzinfo=UTC)


def test_the_made_up_prevention_is_the_same_for_the_same_city_and_loads_whole(database: sa.Engine):
    city = demo.build(0.02, until=UNTIL)
    tables = made.of(city)
    for name, table in made.of(demo.build(0.02, until=UNTIL)).items():
        pd.testing.assert_frame_equal(table, tables[name])
    service = serving.library(database)
    service.ahead.append(UNTIL - service.now() + timedelta(hours=1))
    for kind in ("communities", "units"):
        zones, _ = files.zones_of(getattr(city, kind), files.ZoneFile(kind, Path(kind)))
        jobs.load_zones(service, zones)
    for name in ("objects", "visits", "measures"):
        table = files.objects_of(tables[name], Path(name), "EPSG:4326")
        said = jobs.load_prevention(service, table, name)
        assert said["loaded"] == name
        assert said["changed"] == len(tables[name].drop_duplicates()) > 0
    with database.connect() as connection:
        found = prevention.objects(connection, EVERYTHING)
    assert set(found["kind"]) == set(service.prevention.kinds)
    belongs = found[found["kind"] != "venue"]
    assert (belongs["community_id"] == belongs["zone_id"]).all()
    assert found.loc[found["kind"] == "venue", "regrade_on"].notna().all()
