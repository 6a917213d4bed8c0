from pathlib import Path

import geopandas
import pytest
import shapely

from geo_service import files
from geo_service.errors import AxisOrder, BadRule, BadZones, UndeclaredCRS

SQUARE = shapely.box(116.0, 35.0, 116.01, 35.01)
EAST = shapely.box(116.01, 35.0, 116.02, 35.01)
BOW_TIE = shapely.Polygon([(0, 0), (1, 1), (1, 0), (0, 1)])


def written(
    folder: Path, geometry: list[object], ids: list[object], crs: object = 4326, name: str = "zones.gpkg"
) -> files.ZoneFile:
    """Write a zone file and say how to read it."""
    path = folder / name
    frame = geopandas.GeoDataFrame({"zone_id": ids}, geometry=geometry, crs=crs)
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_file(path)
    return files.ZoneFile("communities", path)


@pytest.mark.parametrize("name", ["zones.gpkg", "zones.geojson", "zones.shp", "zones.fgb", "zones.parquet"])
def test_every_format_gives_the_same_zones_in_order_of_their_ids(name: str, tmp_path: Path):
    zones, report = files.read_zones(written(tmp_path, [SQUARE, EAST], ["b", "a"], name=name))
    assert zones.ids.tolist() == zones.names.tolist() == ["a", "b"]
    assert [shapely.equals(a, b) for a, b in zip(zones.geometry, [EAST, SQUARE], strict=True)] == [True, True]
    assert report == []


def test_ids_become_text_and_names_and_classes_are_taken(tmp_path: Path):
    frame = geopandas.GeoDataFrame(
        {"code": [10, 9], "name": ["水景花园", None], "class": ["residential", "village"]},
        geometry=[SQUARE, EAST],
        crs=4326,
    )
    frame.to_file(tmp_path / "z.gpkg")
    zones, _ = files.read_zones(files.ZoneFile("communities", tmp_path / "z.gpkg", "code"))
    assert [zones.ids.tolist(), zones.names.tolist(), zones.classes.tolist()] == [
        ["10", "9"],
        ["水景花园", "9"],
        ["residential", "village"],
    ]


def test_projected_and_gcj02_zones_become_wgs84(tmp_path: Path):
    metres = geopandas.GeoSeries([SQUARE], crs=4326).to_crs(4548)
    projected, _ = files.read_zones(written(tmp_path, list(metres), ["a"], crs=4548))
    assert shapely.equals_exact(projected.geometry[0], SQUARE, 1e-7)
    file = written(tmp_path, [SQUARE], ["a"], name="gcj.gpkg")
    shifted, _ = files.read_zones(files.ZoneFile("communities", file.path, system="GCJ-02"))
    away = (shifted.geometry[0].centroid.x - SQUARE.centroid.x) * 91_000
    assert -700 < away < -300


def test_an_invalid_polygon_is_repaired_and_reported(tmp_path: Path):
    zones, report = files.read_zones(written(tmp_path, [BOW_TIE], ["b1"]))
    assert zones.geometry[0].is_valid
    assert zones.geometry[0].area == pytest.approx(0.5)
    assert len(report) == 1
    assert "zone b1 was invalid (Self-intersection" in report[0]


@pytest.mark.parametrize(
    ("geometry", "ids", "telling"),
    [
        ([SQUARE, shapely.Polygon()], ["a", "b"], "no geometry in zone b; draw it"),
        ([SQUARE, None], ["a", "b"], "no geometry in zone b"),
        ([SQUARE, EAST], ["a", "a"], "zone_id is not unique: a stand more than once"),
        ([SQUARE, EAST], ["a", None], "1 zones have no zone_id"),
        ([SQUARE, shapely.Point(116, 35)], ["a", "p"], "zone p is a Point; zones must be polygons"),
        ([shapely.Polygon([(0, 0), (1, 1), (0, 0)])], ["flat"], "zone flat has no area"),
    ],
)
def test_zones_that_cannot_be_used_are_refused_by_id(
    geometry: list[object], ids: list[object], telling: str, tmp_path: Path
):
    with pytest.raises(BadZones, match=telling):
        files.read_zones(written(tmp_path, geometry, ids))


def test_no_crs_no_property_no_file_no_zones_at_all(tmp_path: Path):
    bare = written(tmp_path, [SQUARE], ["a"], name="zones.shp")
    bare.path.with_suffix(".prj").unlink()
    with pytest.raises(UndeclaredCRS, match=r"zones.shp declares no CRS; pass --crs"):
        files.read_zones(bare)
    file = written(tmp_path, [SQUARE], ["a"])
    with pytest.raises(
        BadZones, match="no property 'DIVISION'; it has zone_id; write --zones communities=FILE:PROPERTY"
    ):
        files.read_zones(files.ZoneFile("communities", file.path, "DIVISION"))
    with pytest.raises(BadZones, match="no such zone file"):
        files.read_zones(files.ZoneFile("communities", tmp_path / "none.gpkg"))
    (tmp_path / "note.geojson").write_text("not zones")
    with pytest.raises(BadZones, match="cannot be read as zones"):
        files.read_zones(files.ZoneFile("communities", tmp_path / "note.geojson"))


def test_exchanged_axes_are_refused(tmp_path: Path):
    exchanged = shapely.transform(SQUARE, lambda xy: xy[:, ::-1])
    with pytest.raises(AxisOrder, match=r"latitudes reach 116.01 degrees; .* write longitude first"):
        files.read_zones(written(tmp_path, [exchanged], ["a"]))


def test_a_rule_file_that_is_not_toml_is_named(tmp_path: Path):
    (tmp_path / "levels.toml").write_text("levels = [")
    with pytest.raises(BadRule, match=r"levels.toml: is not TOML"):
        files.read_toml(tmp_path / "levels.toml")
    with pytest.raises(BadRule, match="no such file"):
        files.read_toml(tmp_path / "none.toml")
