"""A layer as one file: the rows of the picture with what they stand on, or its tiles; whole or not there."""

import csv
import gzip
import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pyogrio
import pytest
import shapely
import sqlalchemy as sa
from pmtiles.reader import MmapSource, Reader, all_tiles
from pmtiles.tile import Compression, TileType

from geo_service import cli, exporting
from geo_service.errors import BadParameter, NotFound
from geo_service.maps import ground, tiles
from geo_service.maps.atlas import Atlas
from geo_service.store import reading
from tests.maps import drawn
from tests.web import serving

GENERATED = datetime(2024, 6, 20, 4, 0, tzinfo=UTC)
KNOWN = exporting.Provenance("2024", datetime(2024, 6, 20, 3, 50, tzinfo=UTC), GENERATED)
STANDS = {
    "revision": 1,
    "rule_version": "2024",
    "as_of": "2024-06-20T03:50:00+00:00",
    "generated_at": "2024-06-20T04:00:00+00:00",
}


def city(count: int = 40) -> Atlas:
    """Give blocks in rows of eight, coloured in June and in March."""
    lon, lat = drawn.CENTRE
    blocks = [
        shapely.box(lon + at % 8 / 90, lat + at // 8 / 90, lon + (at % 8 + 0.9) / 90, lat + (at // 8 + 0.9) / 90)
        for at in range(count)
    ]
    june = {f"{at:03}": (incidents, at + 1) for at, incidents in enumerate([1, 3, 5, 7])}
    return drawn.picture(blocks, {"2024-03": {"001": (2, 2)}, "2024-06": june})


def order(out: Path, form: str, **others: Any) -> exporting.Order:
    return exporting.Order(**{"layer": "warnings", "form": form, "out": out, "language": "en", **others})


def export(picture: Atlas, wanted: exporting.Order) -> dict[str, object]:
    return exporting.export(picture, wanted, KNOWN, lambda _: None)


def read(path: Path, form: str) -> pd.DataFrame:
    """Read an exported file with a reader that is not ours, ordered by place."""
    if form == "parquet":
        frame = geopandas.read_parquet(path)
    elif form == "csv":
        lines = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline="")))
        shapes = [shapely.from_wkt(line.pop("geometry")) for line in lines]
        frame = geopandas.GeoDataFrame([{k: v or None for k, v in line.items()} for line in lines], geometry=shapes)
    else:
        frame = pyogrio.read_dataframe(path)
    return frame.sort_values("id", ignore_index=True)


def said(value: object) -> str | None:
    """Write a value in one way, whatever a reader made of it: GDAL takes moments for such, pandas 1 for 1.0."""
    if value is None or pd.isna(value):
        return None
    return value.isoformat() if isinstance(value, datetime) else str(value).removesuffix(".0")


@pytest.mark.parametrize("form", ["geojson", "geojsonseq", "fgb", "parquet", "csv"])
@pytest.mark.parametrize("month", ["", "2024-03", "2024-04"])
def test_every_row_is_that_of_the_picture_and_says_what_it_stands_on(tmp_path: Path, form: str, month: str):
    picture, out = city(), tmp_path / f"warnings.{form}"
    told = export(picture, order(out, form, month=month))
    assert (told["places"], told["month"], told["bytes"]) == (40, month or "2024-06", out.stat().st_size)
    frame = read(out, form)
    rows = picture.rows("warnings")
    for at, place in enumerate(picture.properties("warnings", rows, month)):
        for name, value in {**place, **STANDS}.items():
            assert said(frame[name][at]) == said(value), name
    shapes = picture.ground("warnings").degrees
    assert (shapely.hausdorff_distance(frame.geometry.to_numpy(), shapes) < 1e-7).all()


def test_the_head_of_a_file_says_what_it_is(tmp_path: Path):
    picture = city(3)
    for form in ("geojson", "fgb", "parquet"):
        export(picture, order(tmp_path / form, form))
    heads = [
        json.loads((tmp_path / "geojson").read_bytes())["about"],
        json.loads(pyogrio.read_info(tmp_path / "fgb")["layer_metadata"]["about"]),
        json.loads(pq.read_schema(tmp_path / "parquet").metadata[b"about"]),
    ]
    for head in heads:
        assert head["title"] == "Community warnings"
        assert head["fields"]["count"].endswith("[incidents]")
        assert {name: head[name] for name in STANDS} == STANDS
        assert head["month"] == "2024-06"


@pytest.mark.parametrize("form", ["fgb", "parquet", "csv"])
def test_metres_are_those_of_the_city(tmp_path: Path, form: str):
    picture, out = city(3), tmp_path / "places"
    export(picture, order(out, form, system="EPSG:4548"))
    frame = read(out, form)
    if form == "csv":
        assert set(frame["crs"]) == {"EPSG:4548"}
        frame = frame.set_crs("EPSG:4548")
    assert frame.crs.to_epsg() == 4548
    back = frame.to_crs("OGC:CRS84").geometry.to_numpy()
    assert (shapely.hausdorff_distance(back, picture.ground("warnings").degrees) < 1e-7).all()


def test_a_layer_without_places_is_a_file_without_rows(tmp_path: Path):
    for form in ("geojson", "geojsonseq", "fgb", "parquet", "csv"):
        told = export(city(1), order(tmp_path / form, form, layer="unit_warnings"))
        assert told["places"] == 0
    assert json.loads((tmp_path / "geojson").read_bytes())["features"] == []
    assert (tmp_path / "geojsonseq").read_bytes() == b""
    assert [len(pyogrio.read_dataframe(tmp_path / "fgb")), len(geopandas.read_parquet(tmp_path / "parquet"))] == [0, 0]
    assert len((tmp_path / "csv").read_text(encoding="utf-8-sig").splitlines()) == 1


def archive(path: Path) -> tuple[Reader, dict[tuple[int, int, int], bytes]]:
    """Read an archive: its head, and every tile, unpacked."""
    with path.open("rb") as file:
        source = MmapSource(file)
        return Reader(source), {place: gzip.decompress(content) for place, content in all_tiles(source)}


def tiles_around(picture: Atlas, layer: str, z: int) -> list[tiles.Tile]:
    """Give every tile of a zoom in and around the city."""
    west, south, east, north = picture.ground(layer).bounds or (0, 0, 0, 0)
    first, last = drawn.tile_at(west, north, z), drawn.tile_at(east, south, z)
    around = [tiles.Tile(z, x, y) for x in range(first.x - 2, last.x + 3) for y in range(first.y - 2, last.y + 3)]
    return [tile for tile in around if tile.exists()]


@pytest.mark.parametrize("month", ["", "2024-03"])
def test_an_archive_holds_every_tile_of_the_picture_and_no_other(tmp_path: Path, month: str):
    picture, out = city(), tmp_path / "warnings.pmtiles"
    told = export(picture, order(out, "pmtiles", month=month))
    reader, found = archive(out)
    wanted = {
        (tile.z, tile.x, tile.y): content
        for z in range(15)
        for tile in tiles_around(picture, "warnings", z)
        if (content := picture.tile("warnings", tile, "mvt", month).content)
    }
    assert found == wanted
    assert told["tiles"] == len(wanted)
    header = reader.header()
    assert (header["tile_type"], header["tile_compression"]) == (TileType.MVT, Compression.GZIP)
    assert (header["min_zoom"], header["max_zoom"], header["clustered"]) == (0, 14, True)
    bounds = [header[name] / 1e7 for name in ("min_lon_e7", "min_lat_e7", "max_lon_e7", "max_lat_e7")]
    assert bounds == pytest.approx(picture.ground("warnings").bounds)
    head = reader.metadata()
    assert head["name"] == "Community warnings"
    assert [(one["id"], one["minzoom"], one["maxzoom"]) for one in head["vector_layers"]] == [("warnings", 0, 14)]
    assert set(head["vector_layers"][0]["fields"]) == set(picture.layers["warnings"].fields)
    assert {name: head[name] for name in STANDS} == STANDS


def test_an_archive_of_grouped_zooms_holds_every_tile_too(tmp_path: Path):
    rng = np.random.default_rng(7)
    lon, lat = drawn.CENTRE
    where = np.column_stack([lon + rng.normal(0, 0.4, 12_000), lat + rng.normal(0, 0.3, 12_000)])
    objects = pd.DataFrame(where, columns=["lon", "lat"]).assign(
        fid=np.arange(12_000), id=[f"{at:05}" for at in range(12_000)], name="", kind="venue", grade="A"
    )
    objects = objects.assign(valid_from="2024-01-01", regrade_on="", community_id="", unit_id="")
    picture = city(1).pinned([ground.pin("venues", objects)], seq=2)
    assert picture.ground("venues").sheet(6).members is not None
    wanted = order(tmp_path / "venues.pmtiles", "pmtiles", layer="venues")
    export(picture, wanted)
    _, found = archive(wanted.out)
    for z in range(11):
        for tile in tiles_around(picture, "venues", z):
            content = picture.tile("venues", tile, "mvt").content
            assert found.get((tile.z, tile.x, tile.y), b"") == content


def test_gdal_reads_an_archive(tmp_path: Path):
    picture, out = city(), tmp_path / "warnings.pmtiles"
    export(picture, order(out, "pmtiles"))
    assert pyogrio.list_layers(out)[:, 0].tolist() == ["warnings"]
    frame = pyogrio.read_dataframe(out)  # of the deepest zoom; a place on a seam comes once a tile
    colours = {place["id"]: place["colour"] for place in picture.properties("warnings", picture.rows("warnings"))}
    assert dict(zip(frame["id"], frame["colour"], strict=True)) == colours
    whole = frame.dissolve("id").to_crs("OGC:CRS84").geometry
    for at, shape in zip(picture.ground("warnings").ids, picture.ground("warnings").degrees, strict=True):
        assert whole[at].symmetric_difference(shape).area < 0.01 * shape.area


def test_equal_tiles_are_kept_once(tmp_path: Path):
    lon, lat = drawn.CENTRE
    out = tmp_path / "one.pmtiles"
    export(drawn.picture([shapely.box(lon, lat, lon + 0.3, lat + 0.3)], {"2024-06": {}}), order(out, "pmtiles"))
    reader, found = archive(out)
    header = reader.header()
    assert header["addressed_tiles_count"] == len(found)
    assert header["tile_contents_count"] == len(set(found.values())) < len(found)


@pytest.mark.parametrize(
    ("others", "said"),
    [
        ({"form": "xml"}, "expected one of geojson, geojsonseq"),
        ({"system": "EPSG:4548"}, "geojson cannot hold it; choose fgb"),
        ({"form": "pmtiles", "system": "EPSG:4548"}, "pmtiles cannot hold it"),
        ({"form": "csv", "system": "GCJ-02"}, "expected a plain EPSG code"),
        ({"form": "csv", "system": "EPSG:4548 north first"}, "expected a plain EPSG code"),
        ({"month": "2031-01"}, "months on record: 2024-03 to 2024-06"),
        ({"layer": "communities", "month": "2024-03"}, "the same in every month"),
    ],
)
def test_what_cannot_be_written_is_refused_and_leaves_nothing(tmp_path: Path, others: dict[str, str], said: str):
    with pytest.raises(BadParameter, match=said):
        export(city(1), order(tmp_path / "places", **{"form": "geojson", **others}))
    assert list(tmp_path.iterdir()) == []


def test_no_layer_and_no_tiles_are_not_found(tmp_path: Path):
    with pytest.raises(NotFound, match="there is no layer 'moons'"):
        export(city(1), order(tmp_path / "moons", "csv", layer="moons"))
    with pytest.raises(NotFound, match="no places"):
        export(city(1), order(tmp_path / "units", "pmtiles", layer="units"))
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_there_is_replaced_by_force_only(tmp_path: Path):
    out = tmp_path / "places.csv"
    out.write_text("mine")
    with pytest.raises(BadParameter, match="there already; give --force"):
        export(city(1), order(out, "csv"))
    assert out.read_text() == "mine"
    export(city(1), order(out, "csv", force=True))
    assert out.read_text(encoding="utf-8-sig").startswith("fid,id,name")
    with pytest.raises(BadParameter, match="is a folder"):
        export(city(1), order(tmp_path, "csv", force=True))


def test_an_export_that_breaks_off_leaves_what_was_there(tmp_path: Path):
    out = tmp_path / "places.pmtiles"
    out.write_text("mine")

    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        exporting.export(city(1), order(out, "pmtiles", force=True), KNOWN, interrupt)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("places.pmtiles", "mine")]


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path):
    with pytest.raises(BadParameter, match="cannot be written: No such file or directory"):
        export(city(1), order(tmp_path / "nowhere" / "places.csv", "csv"))


def test_the_bar_runs_from_nothing_to_all(tmp_path: Path):
    shares: list[float] = []
    exporting.export(city(3), order(tmp_path / "places", "pmtiles"), KNOWN, shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


@pytest.fixture
def stored(database: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> serving.InJune:
    """A city in a real store, which the command reads."""
    monkeypatch.setenv("GEO_DATABASE_URL", database.url.render_as_string(hide_password=False))
    return serving.city(database)


def test_the_command_writes_what_the_store_holds(
    stored: serving.InJune, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    out = tmp_path / "june.csv"
    command = ["export", "warnings", "--format", "csv", "--month", "2024-06", "--out", str(out)]
    assert cli.main([*command, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["places"], told["month"], told["bytes"]) == (4, "2024-06", out.stat().st_size)
    lines = list(csv.DictReader(io.StringIO(out.read_text(encoding="utf-8-sig"), newline="")))
    assert [(line["id"], line["count"], line["level_name"]) for line in lines] == [
        ("a", "1", "yellow"),
        ("b", "0", "none"),
        ("c", "0", "none"),
        ("d", "1", "yellow"),
    ]
    with stored.engine.connect() as connection:
        revision = reading.revision(connection)
    assert {line["revision"] for line in lines} == {str(revision.seq)}
    assert {datetime.fromisoformat(line["as_of"]) for line in lines} == {revision.at}
    assert {line["rule_version"] for line in lines} == {stored.rules.levels_at("2024-06").version}
    assert cli.main(command) == 2
    assert "there already; give --force" in capsys.readouterr().err
    assert cli.main([*command, "--force"]) == 0


def test_the_command_says_what_is_wrong_with_a_month(
    stored: serving.InJune, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    for month in ("2024-6", "June"):
        out = str(tmp_path / "june.fgb")
        assert cli.main(["export", "warnings", "--format", "fgb", "--month", month, "--out", out]) == 2
        assert f"--month {month}: expected YYYY-MM" in capsys.readouterr().err
