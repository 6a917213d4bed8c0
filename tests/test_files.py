from pathlib import Path

import geopandas
import pytest
import shapely

from geo_service import files
from geo_service.errors import AxisOrder, BadGazetteer, BadRule, BadZones, UndeclaredCRS
from geo_service.geography.addresses import gazetteer

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


def gazetteer_rows() -> geopandas.GeoDataFrame:
    """Give a county, a road, a compound with a building, and a place that nobody drew."""
    return geopandas.GeoDataFrame(
        {
            "entry_id": ["RC", "R1", "K1", "B1", "V1"],
            "kind": ["county", "road", "compound", "building", "village"],
            "name": ["任城区", "古槐路", "水景花园", "3", "张庄村"],
            "parent": [None, "RC", "RC", "K1", "RC"],
            "code": [370811.0, None, None, None, None],
            "valid_from": ["2013-10-18", None, None, None, None],
            "remark": ["x"] * 5,
        },
        geometry=[None, shapely.LineString([(116.5, 35.4), (116.5, 35.5)]), SQUARE, shapely.Point(116.0, 35.0), None],
        crs=4326,
    )


def saved(folder: Path, name: str) -> Path:
    """Write the gazetteer as a file of this kind."""
    path, frame = folder / name, gazetteer_rows()
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    elif path.suffix == ".csv":
        frame.assign(wkt=frame.geometry.to_wkt()).drop(columns="geometry").to_csv(path, index=False)
    else:
        frame.to_file(path)
    return path


@pytest.mark.parametrize("name", ["g.gpkg", "g.geojson", "g.parquet", "g.csv"])
def test_a_gazetteer_reads_the_same_from_every_format(name: str, tmp_path: Path):
    rows = files.read_gazetteer([saved(tmp_path, name)], "EPSG:4326")
    assert list(rows.columns) == [*gazetteer.COLUMNS, "geometry"]
    assert rows["code"].str.removesuffix(".0").tolist() == ["370811", "", "", "", ""]
    assert rows["parent"].tolist() == ["", "RC", "RC", "K1", "RC"]
    assert (rows["aliases"] == "").all()
    wanted = list(gazetteer_rows().geometry)
    assert [
        (a is None and b is None) or shapely.equals_exact(a, b) for a, b in zip(rows["geometry"], wanted, strict=True)
    ]
    built = gazetteer.build(rows, files.projection_of(rows))
    assert built.identity(3)[0] == "B1"


def test_several_gazetteer_files_are_one_each_in_its_own_system(tmp_path: Path):
    (tmp_path / "poi.csv").write_text(
        "entry_id,kind,name,lon,lat\nP1,poi,门店,116.5,35.4\nP2,poi,茶馆,,\n", "utf-8-sig"
    )
    rows = files.read_gazetteer([saved(tmp_path, "g.gpkg"), tmp_path / "poi.csv"], "GCJ-02")
    assert rows["entry_id"].tolist() == ["RC", "R1", "K1", "B1", "V1", "P1", "P2"]
    assert rows["geometry"][3] == shapely.Point(116.0, 35.0)  # the GeoPackage declares WGS 84
    assert 400 < (116.5 - rows["geometry"][5].x) * 91_000 < 600
    assert rows["geometry"][6] is None


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("entry_id,name\n1,a\n", BadGazetteer, "no column kind; it has entry_id, name"),
        ("entry_id,kind,name,lon,lat\n1,poi,a,116,x\n", BadGazetteer, "lon and lat are no numbers in row 1"),
        ("entry_id,kind,name,wkt\n1,poi,a,POINT (1\n", BadGazetteer, "wkt is no geometry"),
        ("entry_id,kind,name,lon,lat\n1,poi,a,116,35\n", UndeclaredCRS, "--gazetteer-crs"),
    ],
)
def test_a_gazetteer_that_cannot_be_used_says_what_to_do(text: str, error: type[Exception], says: str, tmp_path: Path):
    path = tmp_path / "g.csv"
    path.write_text(text, "utf-8")
    with pytest.raises(error, match=says):
        files.read_gazetteer([path], "" if error is UndeclaredCRS else "EPSG:4326")


def test_a_gazetteer_in_another_encoding_or_with_its_axes_exchanged_is_refused(tmp_path: Path):
    path = tmp_path / "g.csv"
    path.write_text("entry_id,kind,name,lon,lat\n1,poi,茶馆,35.4,116.5\n", "gbk")
    with pytest.raises(BadGazetteer, match=r"cannot be read as a gazetteer.*UTF-8"):
        files.read_gazetteer([path], "EPSG:4326")
    path.write_text("entry_id,kind,name,lon,lat\n1,poi,茶馆,35.4,116.5\n", "utf-8")
    with pytest.raises(AxisOrder, match="write longitude first"):
        files.read_gazetteer([path], "EPSG:4326")


def test_the_projection_is_that_of_the_gazetteers_middle():
    rows = gazetteer_rows()
    assert files.projection_of(rows) == "EPSG:4548"
    with pytest.raises(BadGazetteer, match="no row of the gazetteer has a position"):
        files.projection_of(rows.assign(geometry=None))


def test_zones_in_beijing_1954_are_refused_without_its_local_parameters(tmp_path: Path):
    frame = geopandas.GeoDataFrame({"zone_id": ["a"]}, geometry=[shapely.box(116, 35, 117, 36)], crs=4214)
    frame.to_file(tmp_path / "old.gpkg")
    with pytest.raises(UndeclaredCRS, match=r"old\.gpkg.*towgs84"):
        files.read_zones(files.ZoneFile("communities", tmp_path / "old.gpkg"))
