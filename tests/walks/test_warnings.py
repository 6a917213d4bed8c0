"""Philadelphia's robbery and burglary of 2019, replayed: files, store and the past as it is known say the same.

How the chances of red did in that year stands beside; six more years are told of by `./dev bench warnings`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from benchmarks import warnings
from geo_service import jobs
from geo_service.analysis import intake, rules
from geo_service.feeds import streams
from geo_service.maps import layers
from geo_service.store import reading
from tests.walks import test_philadelphia as philadelphia
from tests.walks import test_store_batches as store

BATCHES = 9
FIRST, LAST = "2019-01", "2019-12"


def robbery_and_burglary(shared_data: Path, since: str) -> pd.DataFrame:
    rows = store.whole_file(shared_data)
    wanted = rows["text_general_code"].str.startswith(("Robbery", "Burglary")) & (rows["dispatch_date"] >= since)
    return rows[wanted].sort_values(["dispatch_date", "dispatch_time"], ignore_index=True)


@dataclass(frozen=True)
class Year:
    """The year digested from its file, and in the store batch by batch: which calls were known at which moment."""

    stage: store.Stage
    known: list[tuple[datetime, set[str]]]


@pytest.fixture
def year(database: sa.Engine, shared_data: Path, tmp_path: Path) -> Iterator[Year]:
    stage = store.open_stage(database, shared_data, tmp_path, robbery_and_burglary(shared_data, FIRST))
    rows = streams.read_rows(tmp_path / "whole.csv", stage.feed.columns_taken)
    ends = [*np.sort(np.random.default_rng(2019).choice(len(rows), BATCHES - 1, replace=False)).tolist(), len(rows)]
    known: list[tuple[datetime, set[str]]] = []
    for begin, end in zip([0, *ends], ends, strict=False):
        jobs.load_incidents(stage.service, stage.feed, rows.iloc[begin:end])
        known.append((stage.service.now(), set(rows["dc_key"].iloc[:end])))
    yield Year(stage, known)
    stage.service.close()


def as_known(stage: store.Stage, moment: datetime) -> tuple[pd.DataFrame, intake.Picture]:
    """Colour every month from the incidents that were known at a moment."""
    with stage.service.engine.connect() as connection:
        wanted = reading.Wanted(FIRST, LAST, moment)
        incidents = reading.incidents_in(connection, wanted, layers.EVERYTHING)
        zones = {kind: reading.zones(connection, kind, layers.EVERYTHING) for kind in rules.ZONE_KINDS}
    scope = intake.Scope(zones, stage.service.rules)
    return incidents, intake.picture(incidents, intake.tally(incidents, scope), scope)


def test_colours_and_alerts_of_the_store_and_of_all_months_as_known_now_are_those_of_the_file(
    year: Year, database: sa.Engine
):
    store.assert_store_is_as_digested(year.stage, database)
    _, picture = as_known(year.stage, year.stage.service.now())
    for name, found in (("levels", picture.levels), ("alerts", picture.alerts), ("zone_month", picture.zone_months)):
        columns, theirs = store.digested(year.stage, name)
        ours = sorted(found.loc[found["count"] > 0, columns].itertuples(index=False, name=None))
        assert ours == theirs, name
        assert {row[columns.index("month")] for row in ours} == {f"2019-{month:02}" for month in range(1, 13)}
    sizes = np.diff([0, *(len(calls) for _, calls in year.known)])
    assert sizes.max() > 5 * sizes.min() > 0
    for moment, calls in year.known:
        incidents, _ = as_known(year.stage, moment)
        assert set(incidents["incident_id"]) == calls


def test_on_day_5_the_chance_of_red_puts_the_places_that_become_red_first(shared_data: Path, tmp_path: Path):
    robbery_and_burglary(shared_data, "2018").to_csv(tmp_path / "calls.csv", index=False)
    philadelphia.digest(tmp_path / "calls.csv", philadelphia.philadelphia_zones(shared_data), tmp_path / "out")
    told = warnings.told(warnings.replayed(tmp_path / "out", ("2018-01", LAST, FIRST)))
    value = {row["what"]: row.get("value") for row in told}
    assert value["warnings/auc_day5"] > 0.85
    assert value["warnings/skill_day5"] > 0.1
    assert value["warnings/calibration_day5"] < 0.005
