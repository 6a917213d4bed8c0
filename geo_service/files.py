"""Files: reads zones, gazetteers, feeds, rules and layers.

What a file says is checked in the rooms it is about (feed.py, rules.py, maps/layers.py); here it is only found, opened
and named in errors.  Incident files are the work of feeds/, results that of results.py.
"""

import ctypes
import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import geopandas
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio
import pyogrio.errors
import shapely

from geo_service.analysis import alert_rules, jurisdictions, prevention, rules, task_rules, trust
from geo_service.analysis import feed as feeds
from geo_service.errors import AxisOrder, BadGazetteer, BadInput, BadRule, BadZones, UndeclaredCRS
from geo_service.geography import crs
from geo_service.geography.zones import Zones
from geo_service.maps import layers, written

if TYPE_CHECKING:
    from geo_service.geography.addresses.calibrate import Calibration
    from geo_service.geography.addresses.locate import Solver

_PACKAGE = Path(__file__).resolve().parent
_SHOWN = 5  # ids named in an error before "and n more"
_UNDECLARED = (".geojson", ".json")  # formats that always say WGS 84, whatever they hold


def shipped(name: str, chosen: str = "") -> Path:
    """Give a folder that comes with the program, rules or layers, unless the operator has chosen another.

    It is the checkout's, or the one inside the package.
    """
    if chosen:
        return Path(chosen)
    checkout = _PACKAGE.parent / name
    return checkout if checkout.is_dir() else _PACKAGE / "_shipped" / name


def read_toml(path: Path) -> Mapping[str, object]:
    """Read a TOML file.  Raises BadRule when it is missing or not TOML."""
    return _as_written(path)[0]


def _as_written(path: Path) -> tuple[Mapping[str, object], written.Written]:
    try:
        text = path.read_text(encoding="utf-8")
        return tomllib.loads(text), written.Written(str(path), text)
    except FileNotFoundError:
        raise BadRule(f"{path}: no such file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadRule(f"{path}: is not TOML: {error}") from None


def read_feed(path: Path) -> feeds.Feed:
    """Read a feed file."""
    return feeds.parse(read_toml(path), path)


def read_rules(folder: Path, placing: str) -> rules.Rules:
    """Read rules/levels.toml, placing.toml (the named policy) and categories.toml."""
    tables = [read_toml(folder / f"{name}.toml") for name in ("levels", "placing", "categories")]
    return rules.parse_rules(*tables, policy=placing, where=str(folder))


def read_roles(folder: Path) -> dict[str, jurisdictions.Role]:
    """Read rules/roles.toml, who may be told or asked."""
    path = folder / "roles.toml"
    return jurisdictions.parse_roles(read_toml(path), str(path))


def read_trust(folder: Path) -> trust.Trust:
    """Read rules/trust.toml."""
    path = folder / "trust.toml"
    return trust.parse(read_toml(path), str(path))


def read_alert_rules(folder: Path) -> tuple[alert_rules.AlertRules, ...]:
    """Read rules/alerts.toml, whose roles are those of roles.toml."""
    path = folder / "alerts.toml"
    return alert_rules.parse(read_toml(path), read_roles(folder), str(path))


def read_task_rules(folder: Path) -> tuple[task_rules.TaskRule, ...]:
    """Read rules/tasks.toml, and check it against roles.toml beside it."""
    path = folder / "tasks.toml"
    return task_rules.parse(read_toml(path), str(path), tuple(read_roles(folder)))


def read_prevention(folder: Path) -> prevention.Rules:
    """Read rules/prevention.toml."""
    path = folder / "prevention.toml"
    return prevention.parse_rules(read_toml(path), str(path))


def read_layers(folder: Path) -> dict[str, layers.Layer]:
    """Read every layer definition of a folder.  Raises BadRule for the first wrong one; layer_files.py reads on."""
    grouped = read_grouped_fields(folder, read_level_scheme(folder))
    return {path.stem: read_layer(path, grouped) for path in sorted(folder.glob("*.toml"))}


def read_layer(path: Path, grouped: Mapping[str, str]) -> layers.Layer:
    """Read a layer definition.  Raises BadRule, with the line, also when its id is not the name of its file."""
    table, file = _as_written(path)
    layer = layers.parse(table, file, grouped)
    if layer.id != path.stem:
        raise BadRule(f"{file.at('id')}: the layer's id must be the file's name, {path.stem}, came {layer.id}")
    return layer


def read_grouped_fields(folder: Path, scheme: layers.LevelScheme) -> dict[str, str]:
    """Read what is said of features that stand for many places."""
    return layers.parse_grouped(*_as_written(folder / "fields" / "grouped.toml"), scheme)


def read_level_scheme(folder: Path) -> layers.LevelScheme:
    """Read the colours and words of the levels."""
    return layers.parse_levels(*_as_written(folder / "styles" / "levels.toml"))


def read_marks(folder: Path) -> layers.Marks:
    """Read the looks of what wears no level."""
    return layers.parse_marks(*_as_written(folder / "styles" / "marks.toml"))


def read_texts() -> dict[str, Mapping[str, object]]:
    """Read the catalogue of every word people see, by language."""
    return {path.stem: read_toml(path) for path in sorted((_PACKAGE / "texts").glob("*.toml"))}


@dataclass(frozen=True)
class ZoneFile:
    """A zone file on the command line: where, which property is the id, and the system it does not declare itself."""

    kind: str
    path: Path
    id_property: str = ""
    system: str = ""


def read_zones(file: ZoneFile) -> tuple[Zones, list[str]]:
    """Read the zones of one kind (GeoJSON, GeoPackage, Shapefile, GeoParquet, FlatGeobuf), and what was repaired.

    Invalid polygons are repaired and reported.  Ids become text.  `name` and `class` properties are taken where
    there are any. Raises UndeclaredCRS, BadZones (missing or repeated ids, empty geometry, no polygons), AxisOrder.
    """
    return zones_of(_read_frame(file.path), file)


def zones_of(frame: geopandas.GeoDataFrame, file: ZoneFile) -> tuple[Zones, list[str]]:
    """Make zones of a frame that was read (or made) elsewhere; `file` names it in errors.  As read_zones."""
    frame = _to_wgs84(frame, file)
    ids = _zone_ids(frame, file)
    geometry, report = _polygons(np.asarray(frame.geometry), ids, file.path)
    order = np.argsort(ids.astype("U"), kind="stable")
    zones = Zones(
        kind=file.kind,
        ids=ids[order],
        names=_column(frame, ("name", "NAME", "名称"), ids)[order],
        classes=_column(frame, ("class", "类别"), np.full(len(ids), "", dtype=object))[order],
        geometry=geometry[order],
    )
    return zones, report


def _read_frame(path: Path) -> geopandas.GeoDataFrame:
    if not path.exists():
        raise BadZones(f"{path}: no such zone file")
    try:
        if path.suffix in (".parquet", ".geoparquet"):
            return geopandas.read_parquet(path)
        return pyogrio.read_dataframe(path)
    except (pyogrio.errors.DataSourceError, pa.ArrowInvalid, ValueError) as error:
        raise BadZones(
            f"{path}: cannot be read as zones: {error}; GeoJSON, GeoPackage, Shapefile, FlatGeobuf and GeoParquet can"
        ) from None


def _to_wgs84(frame: geopandas.GeoDataFrame, file: ZoneFile) -> geopandas.GeoDataFrame:
    declared = frame.crs
    if declared is None and not file.system:
        raise UndeclaredCRS(
            f"{file.path.name} declares no CRS; pass --crs (CGCS2000 is EPSG:4490, WGS 84 is EPSG:4326, or GCJ-02)"
        )
    west, south, east, north = frame.total_bounds
    geographic = crs.is_geographic(file.system) if file.system else bool(declared and declared.is_geographic)
    if geographic and max(abs(south), abs(north)) > 90 >= max(abs(west), abs(east)):
        raise AxisOrder(
            f"{file.path.name}: latitudes reach {north:g} degrees; longitude and latitude look exchanged: write "
            f"longitude first"
        )
    if not file.system:
        code = declared.to_epsg() if declared else None
        if code:
            crs.check_system(f"EPSG:{code}", file.path.name)  # Beijing 1954 would come out 70 m off, without a word
        return frame.to_crs(4326)
    system = crs.check_system(file.system, "--crs")
    moved = shapely.transform(
        np.asarray(frame.geometry), lambda xy: np.column_stack(crs.to_wgs84(xy[:, 0], xy[:, 1], system))
    )
    return frame.set_geometry(geopandas.GeoSeries(moved, index=frame.index, crs=4326))


def _zone_ids(frame: geopandas.GeoDataFrame, file: ZoneFile) -> np.ndarray:
    column = file.id_property or next((name for name in ("zone_id", "id") if name in frame), "")
    if column not in frame:
        had = ", ".join(c for c in frame.columns if c != frame.geometry.name)
        raise BadZones(
            f"{file.path.name}: no property '{file.id_property or 'zone_id'}'; it has {had}; write --zones "
            f"{file.kind}=FILE:PROPERTY"
        )
    if frame[column].isna().any():
        raise BadZones(
            f"{file.path.name}: {int(frame[column].isna().sum())} zones have no {column}; every zone needs an id"
        )
    ids = (
        frame[column]
        .map(lambda v: str(int(v)) if isinstance(v, float) and v.is_integer() else str(v))
        .to_numpy(dtype=object)
    )
    twice = sorted({str(i) for i in ids[pd.Series(ids).duplicated().to_numpy()]})
    if twice:
        raise BadZones(
            f"{file.path.name}: {column} is not unique: {_some(twice)} stand more than once; merge them or choose "
            f"another property"
        )
    return ids


def _polygons(geometry: np.ndarray, ids: np.ndarray, path: Path) -> tuple[np.ndarray, list[str]]:
    empty = shapely.is_missing(geometry) | shapely.is_empty(geometry)
    if empty.any():
        raise BadZones(
            f"{path.name}: no geometry in zone {_some(ids[empty])}; draw it or take the zone out of the file"
        )
    wrong = ~np.isin(shapely.get_type_id(geometry), (3, 6))
    if wrong.any():
        raise BadZones(
            f"{path.name}: zone {_some(ids[wrong])} is a {geometry[wrong][0].geom_type}; zones must be polygons"
        )
    geometry = shapely.force_2d(geometry)
    report: list[str] = []
    for i in np.flatnonzero(~shapely.is_valid(geometry)).tolist():
        reason = shapely.is_valid_reason(geometry[i])
        geometry[i] = _repaired(geometry[i])
        if shapely.is_empty(geometry[i]):
            raise BadZones(f"{path.name}: zone {ids[i]} has no area ({reason}); draw it anew")
        report.append(f"{path.name}: zone {ids[i]} was invalid ({reason}) and has been repaired; look at it on the map")
    return geometry, report


def _repaired(polygon: shapely.Geometry) -> shapely.Geometry:
    parts = shapely.get_parts(shapely.make_valid(polygon))
    return shapely.union_all(parts[np.isin(shapely.get_type_id(parts), (3, 6))])


def _column(frame: pd.DataFrame, names: Sequence[str], default: np.ndarray) -> np.ndarray:
    name = next((name for name in names if name in frame), None)
    if name is None:
        return default
    found = frame[name].astype("str").to_numpy(dtype=object)
    return np.where(frame[name].isna(), default, found)


def _some(ids: Sequence[str] | np.ndarray) -> str:
    shown = ", ".join(str(i) for i in list(ids)[:_SHOWN])
    return shown + (f" and {len(ids) - _SHOWN} more" if len(ids) > _SHOWN else "")


def read_lineage(path: Path) -> pd.DataFrame:
    """Read which areas places lie in (CSV or Parquet): zone_kind, zone_id and any of LINEAGE_COLUMNS, as text.

    Raises BadInput when the file is missing, is none of these or lacks the two columns.
    """
    try:
        table = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path, dtype="str")
    except (OSError, ValueError) as error:
        raise BadInput(f"{path}: cannot be read as CSV or Parquet: {error}") from None
    lacking = [name for name in ("zone_kind", "zone_id") if name not in table]
    if lacking:
        raise BadInput(f"{path.name}: no column {', '.join(lacking)}; it has {', '.join(table.columns)}")
    known = ["zone_kind", "zone_id", *(name for name in jurisdictions.LINEAGE_COLUMNS if name in table)]
    return table[known].fillna("").astype("str")


@dataclass(frozen=True)
class GazetteerFiles:
    """A gazetteer on the command line: its files, the system of those that declare none, and what scores mean."""

    paths: Sequence[Path]
    system: str = ""
    calibration: Path | None = None

    def resolved(self) -> "GazetteerFiles":
        """Name the same files for whoever has another working folder."""
        calibration = self.calibration and self.calibration.resolve()
        return GazetteerFiles([path.resolve() for path in self.paths], self.system, calibration)


def read_solver(given: GazetteerFiles) -> "Solver":
    """Make a solver of gazetteer files; without a calibration it accepts nothing.

    Raises as read_gazetteer, and BadRule for the calibration.  What locates takes half a second to import, so only who
    reads a gazetteer does.
    """
    from geo_service.geography.addresses import gazetteer, locate

    rows = read_gazetteer(given.paths, given.system)
    calibration = read_calibration(given.calibration) if given.calibration else None
    solver = locate.Solver(gazetteer.build(rows, projection_of(rows)), calibration)
    del rows
    give_back_memory()
    return solver


def give_back_memory() -> None:
    """Give the machine back what large tables took and left: Arrow and the C library keep it for the next ones."""
    pa.default_memory_pool().release_unused()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc
    if trim:
        trim(0)


def calibration_among(rules_dir: str) -> Path | None:
    """Give what the rules say of scores, calibration.toml; None where a city's own rules have none."""
    path = shipped("rules", rules_dir) / "calibration.toml"
    return path if path.exists() else None


def read_calibration(path: Path) -> "Calibration":
    """Read what scores mean (TOML or JSON, as calibrate.Calibration writes it).  Raises BadRule."""
    from geo_service.geography.addresses import calibrate

    if path.suffix != ".json":
        return calibrate.parse(read_toml(path), str(path))
    try:
        return calibrate.parse(json.loads(path.read_text(encoding="utf-8")), str(path))
    except FileNotFoundError:
        raise BadRule(f"{path}: no such file") from None
    except ValueError as error:
        raise BadRule(f"{path}: is not JSON: {error}") from None


def read_gazetteer(paths: Sequence[Path], system: str = "") -> pd.DataFrame:
    """Read the rows of gazetteer files one after another: gazetteer.COLUMNS as text, `geometry` in WGS 84 or None.

    CSV and plain Parquet hold `lon`, `lat` or a `wkt`, which win over each other in this order; GeoPackage (all its
    layers), GeoJSON, Shapefile, FlatGeobuf and GeoParquet their geometry.  `system` is that of files that declare none.
    Raises BadGazetteer (cannot be read, lacks a column, coordinates that are none), UndeclaredCRS, AxisOrder.
    """
    system = crs.check_system(system, "--crs") if system else ""
    frames = [_entries(part, path, system) for path in paths for part in _table_parts(path, "gazetteer", BadGazetteer)]
    return pd.concat(frames, ignore_index=True)


def read_objects(path: Path, system: str = "") -> pd.DataFrame:
    """Read a table of prevention objects, visits or measures: text columns, `lon` and `lat` in WGS 84 (NaN: none).

    CSV and plain Parquet hold `lon`, `lat` or a `wkt`; GeoPackage, GeoJSON, Shapefile, FlatGeobuf and GeoParquet
    points.  `system` is that of files that declare none.  Raises BadInput, UndeclaredCRS, AxisOrder.
    """
    parts = _table_parts(path, "prevention table", BadInput)
    return pd.concat([objects_of(table, path, system) for table in parts], ignore_index=True)


def objects_of(table: pd.DataFrame, path: Path, system: str = "") -> pd.DataFrame:
    """Bring a table that was read elsewhere to the form of read_objects; `path` names it in errors."""
    system = crs.check_system(system, "--crs") if system else ""
    geometry = table.geometry.name if isinstance(table, geopandas.GeoDataFrame) else "wkt"
    found = pd.DataFrame({name: _plain(table, name) for name in table.columns if name not in (geometry, "lon", "lat")})
    rows = pd.Series(np.arange(1, len(table) + 1), index=table.index).astype("str")
    shapes, declared = _drawn(table, rows, path, BadInput)
    drawn = ~shapely.is_missing(shapes)
    _refuse(drawn & (shapely.get_type_id(shapes) != 0), rows, path, BadInput, "the geometry is no point")
    if system and path.suffix in _UNDECLARED:
        declared = system
    if drawn.any() and not (declared or system):
        raise _undeclared(path)
    if drawn.any():
        shapes[drawn] = _on_earth(shapes[drawn], declared or system, path)
    return found.assign(lon=shapely.get_x(shapes), lat=shapely.get_y(shapes)).reset_index(drop=True)


def projection_of(rows: pd.DataFrame) -> str:
    """Name the metric system of a gazetteer: CGCS2000 in the 3 degree zone (without prefix) that its middle lies in."""
    west, _, east, _ = shapely.total_bounds(rows["geometry"].to_numpy(dtype=object))
    if not np.isfinite(west):
        raise BadGazetteer("no row of the gazetteer has a position; give lon and lat, wkt or a geometry")
    meridian = 3 * round((west + east) / 2 / 3)
    if not 75 <= meridian <= 135:
        raise BadGazetteer(f"the gazetteer lies around {meridian} E; CGCS2000 has zones from 75 E to 135 E")
    return crs.GaussKrueger(meridian, 3, False).system


def _table_parts(path: Path, what: str, error_of: type[BadInput]) -> list[pd.DataFrame]:
    """Read the tables of a file as they are; `what` names in errors what they should hold."""
    if not path.exists():
        raise error_of(f"{path}: no such {what} file")
    try:
        written = path.name.lower().removesuffix(".gz")
        if written.endswith((".csv", ".tsv")):
            by = "\t" if written.endswith(".tsv") else ","
            return [pd.read_csv(path, sep=by, dtype="str", keep_default_na=False, encoding="utf-8-sig")]
        if path.suffix in (".parquet", ".geoparquet"):
            has_geometry = b"geo" in (pq.read_schema(path).metadata or {})
            return [geopandas.read_parquet(path) if has_geometry else pd.read_parquet(path)]
        return [pyogrio.read_dataframe(path, layer=name) for name in pyogrio.list_layers(path)[:, 0]]
    except (pyogrio.errors.DataSourceError, pa.ArrowInvalid, ValueError) as error:
        raise error_of(
            f"{path}: cannot be read as a {what}: {error}; CSV (UTF-8), GeoPackage, GeoJSON, Shapefile, FlatGeobuf "
            "and Parquet can"
        ) from None


def _entries(table: pd.DataFrame, path: Path, system: str) -> pd.DataFrame:
    """Bring one table to the schema."""
    from geo_service.geography.addresses import gazetteer

    lacking = [column for column in gazetteer.NEEDED if column not in table]
    if lacking:
        had = ", ".join(str(column) for column in table.columns)
        raise BadGazetteer(
            f"{path.name}: no column {', '.join(lacking)}; it has {had}; the schema is {', '.join(gazetteer.COLUMNS)} "
            "and lon, lat or wkt"
        )
    found = pd.DataFrame({name: _plain(table, name) for name in gazetteer.COLUMNS})
    geometry, declared = _drawn(table, found["entry_id"], path, BadGazetteer)
    drawn = ~shapely.is_missing(geometry)
    if system and path.suffix in _UNDECLARED:
        declared = system
    if drawn.any() and not (declared or system):
        raise _undeclared(path)
    if drawn.any():
        geometry[drawn] = _on_earth(geometry[drawn], declared or system, path)
    return found.assign(geometry=pd.Series(geometry, index=found.index, dtype=object))


def _undeclared(path: Path) -> UndeclaredCRS:
    return UndeclaredCRS(
        f"{path.name} declares no CRS for its positions; say which it is with --crs (geo-service digest: "
        "--gazetteer-crs), EPSG:4326 for WGS 84, EPSG:4490 for CGCS2000, GCJ-02 or BD-09"
    )


def _plain(table: pd.DataFrame, name: str) -> "pd.Series[str]":
    """Give a column as text: whole numbers without a point, days as ISO 8601, an empty text for nothing."""
    if name not in table:
        return pd.Series("", index=table.index, dtype="str")
    column = table[name]
    if pd.api.types.is_datetime64_any_dtype(column):
        column = column.dt.strftime("%Y-%m-%d")
    elif pd.api.types.is_float_dtype(column):
        column = column.map(lambda value: f"{value:.15g}", na_action="ignore")
    return column.astype("str").fillna("").str.strip()


def _drawn(table: pd.DataFrame, ids: "pd.Series[str]", path: Path, error_of: type[BadInput]) -> tuple[np.ndarray, str]:
    """Give each row's geometry as it is written, None where there is none, and the system the file declares."""
    if isinstance(table, geopandas.GeoDataFrame):
        code = table.crs.to_epsg() if table.crs else None
        if table.crs and not code:
            table, code = table.to_crs(4326), 4326
        shapes = np.array(table.geometry, dtype=object)
        shapes[shapely.is_empty(shapes)] = None
        return shapely.force_2d(shapes), f"EPSG:{code}" if code else ""
    if "lon" in table and "lat" in table:
        written = [_plain(table, name) for name in ("lon", "lat")]
        numbers = [pd.to_numeric(side, errors="coerce").to_numpy(dtype=np.float64) for side in written]
        known = np.isfinite(numbers[0]) & np.isfinite(numbers[1])
        _refuse(
            ~known & ((written[0] != "") | (written[1] != "")).to_numpy(),
            ids,
            path,
            error_of,
            "lon and lat are no numbers",
        )
        shapes = np.full(len(table), None, dtype=object)
        shapes[known] = shapely.points(numbers[0][known], numbers[1][known])
    else:
        shapes = np.full(len(table), None, dtype=object)
    if "wkt" in table:
        text = _plain(table, "wkt")
        given = (text != "").to_numpy() & shapely.is_missing(shapes)
        shapes[given] = shapely.from_wkt(text[given].to_numpy(dtype=object), on_invalid="ignore")
        _refuse(
            given & shapely.is_missing(shapes), ids, path, error_of, "wkt is no geometry, such as POINT (116.58 35.41)"
        )
    return shapely.force_2d(shapes), ""


def _refuse(wrong: np.ndarray, ids: "pd.Series[str]", path: Path, error_of: type[BadInput], why: str) -> None:
    if wrong.any():
        raise error_of(f"{path.name}: {why} in row {_some(ids.to_numpy()[wrong])}; correct or empty it")


def _on_earth(shapes: np.ndarray, system: str, path: Path) -> np.ndarray:
    west, south, east, north = shapely.total_bounds(shapes)
    if crs.is_geographic(system) and max(abs(south), abs(north)) > 90 >= max(abs(west), abs(east)):
        raise AxisOrder(
            f"{path.name}: latitudes reach {max(abs(south), abs(north)):g} degrees; longitude and latitude look "
            "exchanged: write longitude first"
        )
    return shapely.transform(shapes, lambda xy: np.column_stack(crs.to_wgs84(xy[:, 0], xy[:, 1], system)))
