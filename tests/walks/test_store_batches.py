"""Philadelphia through `pull` into PostGIS: 37 uneven shuffled batches, rows sent twice, rows re-typed later.

Whatever the way the rows came, the store must end as `digest` on the file ends: same incidents, counts, colours and
alerts.  By default three months walk; `-m slow` walks both years.
"""

import gzip
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from geo_service import files, jobs, service, settings
from geo_service.analysis.feed import Feed
from geo_service.feeds import sources
from geo_service.feeds.sources import Source
from tests.walks import test_philadelphia as philadelphia

BATCHES = 37
TABLES = {
    "zone_months": "zone_month",
    "zone_levels": "levels",
    "cell_months": "cell_month",
    "cell_levels": "cell_levels",
    "alerts": "alerts",
}


@dataclass(frozen=True)
class Stage:
    """A service on its own database, a feed whose folder the test fills, and what digest makes of the whole file."""

    service: service.Service
    feed: Feed
    source: Source
    inbox: Path
    rows: pd.DataFrame
    digested: Path


def whole_file(shared_data: Path) -> pd.DataFrame:
    path = shared_data / "crime" / "philadelphia_robbery_burglary_theft_2018_2019.csv.gz"
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return pd.read_csv(file, dtype=str, keep_default_na=False)


def open_stage(database: sa.Engine, shared_data: Path, tmp_path: Path, rows: pd.DataFrame) -> Stage:
    url = database.url.render_as_string(hide_password=False)
    opened = service.open_service(settings.Settings(database_url=url, time_zone="America/New_York"))
    opened = replace(opened, rules=opened.rules.counting(philadelphia.COUNTED))
    zones = philadelphia.philadelphia_zones(shared_data)
    for kind, file in zones.items():
        jobs.load_zones(opened, files.read_zones(files.ZoneFile(kind, file.path, file.id_property))[0])
    rows.to_csv(tmp_path / "whole.csv", index=False)
    philadelphia.digest(tmp_path / "whole.csv", zones, tmp_path / "digested")
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    feed = replace(files.read_feed(philadelphia.FEED), source={"kind": "folder", "path": str(inbox)})
    source = sources.open_source(feed, base=tmp_path, clock=lambda: datetime.now(UTC))
    return Stage(opened, feed, source, inbox, rows, tmp_path / "digested")


def batches(rows: pd.DataFrame, seed: int) -> list[pd.DataFrame]:
    """Deal the rows into uneven batches; 5 % come again later, 2 % come first with another type."""
    rng = np.random.default_rng(seed)
    weights = rng.uniform(0.05, 2.0, BATCHES)
    batch = rng.choice(BATCHES, len(rows), p=weights / weights.sum())
    retyped = rng.choice(len(rows), len(rows) // 50, replace=False)
    batch[retyped] = np.maximum(batch[retyped], 1)
    again = rng.choice(len(rows), len(rows) // 20, replace=False)
    before = rows.iloc[retyped].copy()
    types = rows["text_general_code"].unique()
    turn = {code: types[(number + 1) % len(types)] for number, code in enumerate(types)}
    before["text_general_code"] = before["text_general_code"].map(turn)
    sent = pd.concat(
        [
            before.assign(batch=rng.integers(0, batch[retyped])),
            rows.assign(batch=batch),
            rows.iloc[again].assign(batch=rng.integers(batch[again], BATCHES)),
        ]
    )
    shuffled = sent.sample(frac=1, random_state=seed)
    return [shuffled[shuffled["batch"] == number].drop(columns="batch") for number in range(BATCHES)]


def pull_all(stage: Stage, dealt: list[pd.DataFrame]) -> list[dict[str, object]]:
    summaries = []
    for number, batch in enumerate(dealt):
        batch.to_csv(stage.inbox / f"{number:02d}.csv", index=False)
        summaries.append(dict(jobs.pull_incidents(stage.service, stage.feed, stage.source)))
    return summaries


def stored(database: sa.Engine, table: str, columns: list[str]) -> list[tuple[object, ...]]:
    holding = " where withdrawn_at is null" if table == "alerts" else ""
    listed = ", ".join(f'"{column}"' for column in columns)
    with database.connect() as connection:
        return sorted(tuple(row) for row in connection.execute(sa.text(f"select {listed} from {table}{holding}")))


def digested(stage: Stage, name: str) -> tuple[list[str], list[tuple[object, ...]]]:
    frame = pd.read_parquet(stage.digested / f"{name}.parquet")
    frame = frame[frame["count"] > 0]  # the store keeps no zeros
    if "at" in frame:  # a moment in the hour that stands twice equals no moment of another zone, says Python
        frame["at"] = frame["at"].dt.tz_convert("UTC")
    return list(frame.columns), sorted(frame.itertuples(index=False, name=None))


def assert_store_is_as_digested(stage: Stage, database: sa.Engine) -> None:
    for table, name in TABLES.items():
        columns, theirs = digested(stage, name)
        ours = stored(database, table, columns)
        different = set(ours) ^ set(theirs)
        assert not different, f"{table}: {len(different)} rows differ, such as {sorted(different, key=repr)[:4]}"
        assert len(ours) == len(theirs) > 0
    columns = ["incident_id", "called_at", "month", "category", "source_category", "community_id", "patrol_zone_id"]
    columns += ["cell", "placed", "place"]
    frame = pd.read_parquet(stage.digested / "incidents.parquet", columns=columns)
    frame = frame.assign(called_at=frame["called_at"].dt.tz_convert("UTC")).astype(object)
    theirs = set(frame.where(frame.notna(), None).itertuples(index=False, name=None))
    with database.connect() as connection:
        found = connection.execute(sa.text(f"select {', '.join(columns)} from incidents"))
        ours = {tuple(row) for row in found}
    assert ours == theirs
    assert len(ours) == len(stage.rows)


@pytest.fixture
def stage(request: pytest.FixtureRequest, database: sa.Engine, shared_data: Path, tmp_path: Path) -> Iterator[Stage]:
    rows = whole_file(shared_data)
    if request.param:
        first, last = request.param
        rows = rows[(rows["dispatch_date"] >= first) & (rows["dispatch_date"] < last)].reset_index(drop=True)
    opened = open_stage(database, shared_data, tmp_path, rows)
    yield opened
    opened.service.close()


@pytest.mark.parametrize(
    "stage",
    [
        pytest.param(("2018-06-01", "2018-09-01"), id="three months"),
        pytest.param(None, id="two years", marks=pytest.mark.slow),
    ],
    indirect=True,
)
def test_any_way_of_sending_the_rows_ends_in_the_same_store(stage: Stage, database: sa.Engine) -> None:
    dealt = batches(stage.rows, seed=20180601)
    sizes = [len(batch) for batch in dealt]
    assert len(sizes) == BATCHES
    assert max(sizes) > 5 * min(sizes) > 0
    assert sum(sizes) == len(stage.rows) + len(stage.rows) // 20 + len(stage.rows) // 50
    summaries = pull_all(stage, dealt)
    assert sum(int(str(summary["rows_read"])) for summary in summaries) == sum(sizes)
    assert_store_is_as_digested(stage, database)


@pytest.mark.parametrize("stage", [pytest.param(("2018-06-01", "2018-06-15"), id="two weeks")], indirect=True)
def test_sending_everything_again_changes_nothing_and_makes_no_revision(stage: Stage, database: sa.Engine) -> None:
    def everything() -> list[tuple[object, ...]]:
        question = (
            "select max(seq), (select count(*) from alerts), (select max(changed_at) from incidents) from revisions"
        )
        with database.connect() as connection:
            return [tuple(row) for row in connection.execute(sa.text(question))]

    pull_all(stage, [stage.rows])
    before = everything()
    assert_store_is_as_digested(stage, database)
    summary = pull_all(stage, [stage.rows.iloc[::-1].assign(hour="0")])[0]
    assert summary["rows_read"] == len(stage.rows)
    assert summary["recorded"] == 0
    assert everything() == before
    assert_store_is_as_digested(stage, database)
