"""Philadelphia's 1,692 ward divisions as every kind of file, read back by other programs."""

from pathlib import Path

import geopandas
import numpy as np
import pandas as pd
import pyogrio
import pytest
import shapely

from geo_service import exporting, files
from geo_service.maps import ground, layers, tiles
from geo_service.maps.atlas import Atlas
from tests.maps import drawn
from tests.test_exporting import KNOWN, archive
from tests.walks.test_philadelphia import philadelphia_zones

WORN = ["id", "name", "class", "month", "count", "level", "level_name", "colour"]


@pytest.fixture(scope="module")
def picture(shared_data: Path) -> Atlas:
    """The divisions, each with a count of its own."""
    file = philadelphia_zones(shared_data)["communities"]
    zones, _ = files.read_zones(files.ZoneFile("communities", file.path, file.id_property, ""))
    counts = np.random.default_rng(6).poisson(1.2, len(zones))
    levels = np.digitize(counts, [1, 2, 4, 6])
    frame = pd.DataFrame({"zone_id": zones.ids, "count": counts, "level": levels})
    empty = [drawn.ground(drawn.zones(kind, [])) for kind in layers.ZONE_KINDS if kind != "communities"]
    surveyed = ground.survey(zones, {zone: 1 + at for at, zone in enumerate(zones.ids)})
    worn = {("communities", "2024-06"): frame}
    return Atlas.build(drawn.LAYERS, drawn.SCHEME, [surveyed, *empty], worn, month="2024-06", seq=3)


def export(picture: Atlas, form: str, folder: Path) -> Path:
    out = folder / f"divisions.{form}"
    exporting.export(picture, exporting.Order("warnings", form, out), KNOWN, lambda _: None)
    return out


@pytest.mark.parametrize("form", ["geojson", "geojsonseq", "fgb", "parquet", "csv"])
def test_every_division_is_read_back(picture: Atlas, form: str, tmp_path: Path):
    out = export(picture, form, tmp_path)
    if form == "parquet":
        frame = geopandas.read_parquet(out)
    elif form == "csv":
        plain = pd.read_csv(out, dtype={"id": str, "name": str}, keep_default_na=False)
        frame = geopandas.GeoDataFrame(plain, geometry=shapely.from_wkt(plain.pop("geometry")))
    else:
        frame = pyogrio.read_dataframe(out)
    frame = frame.sort_values("id", ignore_index=True)
    rows = picture.rows("warnings")
    wanted = [{name: place[name] for name in WORN} for place in picture.properties("warnings", rows)]
    read = frame[WORN].astype({"id": str, "name": str, "month": str})
    if isinstance(frame["month"][0], pd.Timestamp):  # a month is a date to GDAL
        read["month"] = frame["month"].dt.strftime("%Y-%m")
    assert len(wanted) > 1_600
    assert read.to_dict("records") == wanted
    shapes = picture.ground("warnings").degrees
    assert (shapely.hausdorff_distance(frame.geometry.to_numpy(), shapes) < 1e-7).all()


def test_part_of_a_city_is_read_by_its_index(picture: Atlas, tmp_path: Path):
    west, south, east, north = picture.ground("warnings").bounds or (0, 0, 0, 0)
    box = (west, south, (west + east) / 2, (south + north) / 2)
    touching = set(picture.ground("warnings").ids[picture.rows("warnings", [box])])
    assert set(pyogrio.read_dataframe(export(picture, "fgb", tmp_path), bbox=box)["id"]) == touching
    by_bounds = geopandas.read_parquet(export(picture, "parquet", tmp_path), bbox=box)
    assert set(by_bounds[by_bounds.intersects(shapely.box(*box))]["id"]) == touching
    assert len(by_bounds) < 1_600


def test_an_archive_is_the_tiles_that_are_served(picture: Atlas, tmp_path: Path):
    out = export(picture, "pmtiles", tmp_path)
    _, found = archive(out)
    assert {z for z, _, _ in found} == set(range(15))
    for (z, x, y), content in found.items():
        assert content == picture.tile("warnings", tiles.Tile(z, x, y), "mvt").content
    deepest = {(z, x, y) for z, x, y in found if z == 14}
    bounds = picture.ground("warnings").bounds or (0, 0, 0, 0)
    west, north = drawn.tile_at(bounds[0], bounds[3], 14), drawn.tile_at(bounds[2], bounds[1], 14)
    for x in range(west.x - 1, north.x + 2):
        for y in range(west.y - 1, north.y + 2):
            if (14, x, y) not in deepest:
                assert picture.tile("warnings", tiles.Tile(14, x, y), "mvt").content == b""


def test_gdal_finds_every_division_in_an_archive(picture: Atlas, tmp_path: Path):
    frame = pyogrio.read_dataframe(export(picture, "pmtiles", tmp_path))
    rows = picture.properties("warnings", picture.rows("warnings"))
    assert set(zip(frame["id"], frame["colour"], strict=True)) == {(row["id"], row["colour"]) for row in rows}
