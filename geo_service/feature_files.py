"""Features as files: places and what is said of them as GeoJSON, GeoJSONSeq, CSV, FlatGeobuf and GeoParquet.

Every form holds the same rows: the feature's numeric id (`fid`), its properties, its shape.  Coordinates stand
longitude or easting first, whatever order their authority prefers, as WKT, WKB and FlatGeobuf readers take them.
What the file as a whole is about stands in its head, where the form has one.  Writing to disk is the work of
exporting.py, answering of web/formats.py.
"""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio
import pyproj
import shapely

from geo_service.maps import geojson

CRS84 = "OGC:CRS84"  # WGS 84, longitude first

_BATCH = 500  # features of GeoJSONSeq written at a time
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_RUN_BY_SPREADSHEETS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # OWASP, CSV injection
_WHOLE_NUMBERS = frozenset({"count", "level"})  # also where a month is not on record and every value is missing
_METRE_DECIMALS = 3  # [mm]

Shapes = npt.NDArray[np.object_]
Columns = Mapping[str, Sequence[object]]


@dataclass(frozen=True)
class Features:
    """Places as rows: numeric ids, columns of equal length, and shapes (one may be None; None: without geometry).

    `system` is that of the shapes, "OGC:CRS84" or an EPSG code as "EPSG:4548"; `about` what the file's head says.
    """

    name: str
    fids: Sequence[int]
    columns: Columns
    shapes: Shapes | None
    system: str = CRS84
    about: Mapping[str, object] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.fids)


@cache
def crs_of(system: str) -> pyproj.CRS:
    """Give the coordinate system of a name."""
    return pyproj.CRS(system)


def decimals_of(system: str) -> int:
    """Say how many decimals of a coordinate are worth writing: a centimetre in degrees, else a millimetre.

    >>> decimals_of("OGC:CRS84"), decimals_of("EPSG:4548")
    (7, 3)
    """
    return geojson.DECIMALS if crs_of(system).is_geographic else _METRE_DECIMALS


def as_geojson(features: Features, **members: object) -> bytes:
    """Write one FeatureCollection (RFC 7946); `members` stand beside its features.

    >>> as_geojson(Features("units", [7], {"id": ["A1"]}, None), numberReturned=1).decode()
    '{"type":"FeatureCollection","features":[{"type":"Feature","id":7,"geometry":null,"properties":{"id":"A1"}}],...}'
    """
    return geojson.collection(_each(features, slice(None)), **members)


def as_geojsonseq(features: Features) -> Iterator[bytes]:
    r"""Write a sequence of features (RFC 8142), some hundred at a time: RS, JSON, LF.

    >>> list(as_geojsonseq(Features("units", [7], {}, None)))
    [b'\x1e{"type":"Feature","id":7,"geometry":null,"properties":{}}\n']
    """
    for start in range(0, len(features), _BATCH):
        made = _each(features, slice(start, start + _BATCH))
        yield b"".join(b"\x1e" + orjson.dumps(one, option=orjson.OPT_APPEND_NEWLINE) for one in made)


def as_csv(features: Features) -> bytes:
    r"""Write CSV (RFC 4180): a head line always, a missing value empty, shapes as WKT in the last column `geometry`.

    It begins with a byte order mark, without which a Chinese Excel takes UTF-8 for GBK.  A text that a spreadsheet
    would run as a formula stands after an apostrophe; numbers stand as they are.

    >>> as_csv(Features("units", [7, 8], {"name": ["东门,甲", "=1+1"], "count": [-1, None]}, None)).decode("utf-8-sig")
    'fid,name,count\r\n7,"东门,甲",-1\r\n8,\'=1+1,\r\n'
    """
    text = io.StringIO(newline="")
    lines = csv.writer(text)
    columns = [features.fids, *features.columns.values()]
    names = ["fid", *features.columns]
    if features.shapes is not None:
        columns.append(shapely.to_wkt(features.shapes, rounding_precision=decimals_of(features.system)).tolist())
        names.append("geometry")
    lines.writerow(names)
    lines.writerows([_harmless(value) for value in row] for row in zip(*columns, strict=True))
    return _BYTE_ORDER_MARK + text.getvalue().encode()


def as_parquet(features: Features) -> bytes:
    """Write GeoParquet 1.1: WKB, the system as PROJJSON, each row's bounds in `bbox`; without shapes plain Parquet."""
    table, shapes = _table(features), features.shapes
    head: dict[bytes, bytes] = {b"about": orjson.dumps(features.about)} if features.about else {}
    if shapes is not None:
        sides = [pa.array(side, pa.float64(), from_pandas=True) for side in shapely.bounds(shapes).reshape(-1, 4).T]
        box = pa.StructArray.from_arrays(sides, ["xmin", "ymin", "xmax", "ymax"])
        table = table.append_column("bbox", box).append_column("geometry", _wkb(shapes))
        head[b"geo"] = orjson.dumps(_geo(shapes, features.system))
    sink = pa.BufferOutputStream()
    pq.write_table(table.replace_schema_metadata(head or None), sink, compression="zstd")
    return sink.getvalue().to_pybytes()


def as_flatgeobuf(features: Features) -> bytes:
    """Write FlatGeobuf with its spatial index, which puts the rows in an order of its own.

    Polygons are written as multipolygons, so that every page of a layer has one type.  An index cannot hold what has
    no shape: where one is missing there is none.
    """
    shapes = np.full(len(features), None) if features.shapes is None else features.shapes
    kind, shapes = _of_one_kind(shapes)
    column = pa.field("geometry", pa.binary(), metadata={"ARROW:extension:name": "geoarrow.wkb"})
    sink = io.BytesIO()
    pyogrio.write_arrow(
        _table(features).append_column(column, _wkb(shapes)),
        sink,
        layer=features.name,
        driver="FlatGeobuf",
        geometry_name="geometry",
        geometry_type=kind,
        crs=features.system.replace(CRS84, "EPSG:4326"),  # the same here, and readers know its number
        layer_metadata={"about": orjson.dumps(features.about).decode()} if features.about else None,
        layer_options={"SPATIAL_INDEX": "NO" if shapely.is_missing(shapes).any() else "YES"},
    )
    return sink.getvalue()


def _each(features: Features, rows: slice) -> list[dict[str, object]]:
    fids = features.fids[rows]
    shapes = np.full(len(fids), None) if features.shapes is None else features.shapes[rows]
    said = zip(*(column[rows] for column in features.columns.values()), strict=True)
    properties = [dict(zip(features.columns, values, strict=True)) for values in said] or [{}] * len(fids)
    return geojson.features(fids, shapes, cast("Sequence[Mapping[str, geojson.Value]]", properties))


def _harmless(value: object) -> object:
    if isinstance(value, str) and value.startswith(_RUN_BY_SPREADSHEETS):
        return f"'{value}"
    return value.isoformat() if isinstance(value, date) else value


def _table(features: Features) -> Any:
    columns = {name: _array(name, values) for name, values in features.columns.items()}
    return pa.table({"fid": pa.array(features.fids, pa.int64()), **columns})


def _array(name: str, values: Sequence[object]) -> Any:
    made = pa.array(values)
    if pa.types.is_null(made.type):  # nothing to tell the type from, and a page without values must not change it
        return made.cast(pa.int64() if name in _WHOLE_NUMBERS else pa.string())
    return made


def _wkb(shapes: Shapes) -> Any:
    return pa.array(shapely.to_wkb(shapes).tolist(), pa.binary())


def _geo(shapes: Shapes, system: str) -> dict[str, object]:
    """Make the head of a GeoParquet file."""
    there = shapes[~shapely.is_missing(shapes)]
    column: dict[str, object] = {
        "encoding": "WKB",
        "geometry_types": sorted({str(shape.geom_type) for shape in there}),
        "crs": crs_of(system).to_json_dict(),
        "covering": {"bbox": {side: ["bbox", side] for side in ("xmin", "ymin", "xmax", "ymax")}},
    }
    if len(there):
        column["bbox"] = shapely.total_bounds(there).tolist()
    return {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": column}}


def _of_one_kind(shapes: Shapes) -> tuple[str, Shapes]:
    """Name the one type of the shapes, polygons made multipolygons; "Unknown" where there is none or more than one."""
    kinds = shapely.get_type_id(shapes)
    single = kinds == shapely.GeometryType.POLYGON
    if single.any():
        shapes = shapes.copy()
        shapes[single] = shapely.multipolygons(shapes[single], indices=np.arange(single.sum()))
    names = {str(shape.geom_type) for shape in shapes if shape is not None}
    return names.pop() if len(names) == 1 else "Unknown", shapes
