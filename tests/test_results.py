"""Results appear whole or not at all, as files that other programs open."""

import json
from pathlib import Path

import geopandas
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from geo_service import results
from geo_service.analysis import incidents
from geo_service.errors import BadInput


def spoil(out: results.Results) -> None:
    """Write one file, and fail at the second."""
    (out.spool() / "part").write_text("on the way")
    out.json("summary", {"rows": 2})
    out.json("levels", {"what": object()})


def placed(lon: list[float], lat: list[float]) -> pd.DataFrame:
    """Give incidents at some places."""
    ids = pd.Series([f"{number}" for number in range(len(lon))], dtype="str")
    frame = incidents.empty_incidents().reindex(range(len(lon))).assign(incident_id=ids, lon=lon, lat=lat)
    called_at = pd.Timestamp("2024-05-01T00:00Z").as_unit("us")
    return frame.assign(called_at=called_at).astype(incidents.empty_incidents().dtypes.to_dict())


def test_results_appear_whole_or_not_at_all(tmp_path: Path):
    path = tmp_path / "out"
    with pytest.raises(TypeError, match="not JSON serializable"), results.folder(path) as out:
        spoil(out)
    assert not path.exists()
    with results.folder(path) as out:
        out.json("summary", {"rows": 1})
        out.parquet("levels", pd.DataFrame({"count": [1]}))
        (out.spool() / "part").write_text("on the way")
    assert sorted(file.name for file in path.iterdir()) == ["levels.parquet", "summary.json"]
    with pytest.raises(TypeError, match="not JSON serializable"), results.folder(path) as out:
        spoil(out)
    assert sorted(file.name for file in path.iterdir()) == ["levels.parquet", "summary.json"]
    assert json.loads((path / "summary.json").read_text()) == {"rows": 1}
    with pytest.raises(BadInput, match="cannot be made"), results.folder(path / "summary.json"):
        pass


def test_incidents_are_points_that_other_programs_open(tmp_path: Path):
    with results.folder(tmp_path) as out, out.sheets(["incidents"], "Asia/Shanghai", in_parts=False) as sheets:
        sheets["incidents"].write(placed([116.5, np.nan], [35.4, np.nan]), "one")
        sheets["incidents"].write(placed([116.7], [35.2]), "two")
    read = geopandas.read_parquet(tmp_path / "incidents.parquet")
    assert read.crs == "OGC:CRS84"
    assert read.geometry.isna().tolist() == [False, True, False]
    assert read.geometry.dropna().to_wkt().tolist() == ["POINT (116.5 35.4)", "POINT (116.7 35.2)"]
    assert str(read["called_at"].iloc[0]) == "2024-05-01 08:00:00+08:00"


def test_a_folder_of_parts_takes_the_place_of_a_file_and_a_file_that_of_a_folder(tmp_path: Path):
    for in_parts in (False, True, True, False):
        with results.folder(tmp_path) as out, out.sheets(["incidents"], "Asia/Shanghai", in_parts=in_parts) as sheets:
            sheets["incidents"].write(placed([116.5], [35.4]), "one")
            sheets["incidents"].write(placed([116.7], [35.2]), "two")
        assert [file.name for file in tmp_path.iterdir()] == ["incidents.parquet"]
        assert (tmp_path / "incidents.parquet").is_dir() == in_parts
        read = geopandas.read_parquet(tmp_path / "incidents.parquet")
        assert read.geometry.to_wkt().tolist() == ["POINT (116.5 35.4)", "POINT (116.7 35.2)"]
        assert read.crs == "OGC:CRS84"


def test_the_head_of_a_part_says_where_its_points_lie(tmp_path: Path):
    with results.folder(tmp_path) as out, out.sheets(["incidents"], "Asia/Shanghai", in_parts=True) as sheets:
        sheets["incidents"].write(placed([116.5, np.nan, 116.7], [35.4, np.nan, 35.2]), "one")
        sheets["incidents"].write(placed([np.nan], [np.nan]), "two")
    heads = [json.loads(pq.read_schema(path).metadata[b"geo"]) for path in sorted(tmp_path.glob("*/*"))]
    assert [head["columns"]["geometry"].get("bbox") for head in heads] == [[116.5, 35.2, 116.7, 35.4], None]
