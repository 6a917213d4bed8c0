"""An archive of real old rows, Philadelphia 2018, loaded after 2019: it changes the months of 2018 and nothing else."""

from pathlib import Path

import pandas as pd
import sqlalchemy as sa

from geo_service import jobs
from geo_service.feeds import streams
from geo_service.store.archives import Archive
from tests.store.batches import derived
from tests.walks.test_store_batches import open_stage, whole_file

MONTH_AT = {"alerts": 2, "zone_months": 1, "zone_levels": 1, "cell_months": 1, "cell_levels": 1}


def test_an_archive_of_2018_loaded_after_2019_changes_2018_only(database: sa.Engine, shared_data: Path, tmp_path: Path):
    whole = whole_file(shared_data)
    month = whole["dispatch_date"].str[:7]
    kept = whole[month.isin(["2018-11", "2018-12", "2019-01", "2019-02"])]
    stage = open_stage(database, shared_data, tmp_path, kept)
    of_2018 = kept["dispatch_date"].str.startswith("2018")
    kept[~of_2018].to_csv(tmp_path / "live.csv", index=False)
    kept[of_2018].to_csv(tmp_path / "2018.csv", index=False)
    live, old = (streams.read_rows(tmp_path / name, stage.feed.columns_taken) for name in ("live.csv", "2018.csv"))
    jobs.load_incidents(stage.service, stage.feed, live)
    before = derived(database)
    archive = Archive("2018.csv", "1" * 64, len(old), "b-001", "records of 2018, digitised")
    said = jobs.load_archive(stage.service, stage.feed, old, archive)
    assert said["recorded"] == len(old) == int(of_2018.sum())
    after = derived(database)
    for name, at in MONTH_AT.items():
        assert [row for row in after[name] if not str(row[at]).startswith("2018")] == before[name]
        assert len(after[name]) > len(before[name])
    # the same rows at once, from the file, without a database
    counted = pd.read_parquet(stage.digested / "levels.parquet")[["zone_kind", "month", "zone_id", "count", "level"]]
    counted = counted[counted["count"] > 0]
    assert set(counted.itertuples(index=False, name=None)) == set(after["zone_levels"])
    assert jobs.load_archive(stage.service, stage.feed, old, archive)["recorded"] == 0
    assert derived(database) == after
    stage.service.close()
