"""Exporting: a layer of a picture as one file that says what it stands on: places in a format, or tiles as PMTiles.

The file is written beside its name and given it when it is complete; nothing half-written is ever found there.  Every
row carries the revision, the rule's version, what moment it was known at and when it was written, so that a row copied
elsewhere still says so; the head of the file, where the form has one, and the metadata of PMTiles say it too.
The forms are those of feature_files.py; which picture is exported is the work of drawing.py.
"""

import gzip
import os
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO

import numpy as np
import shapely
from pmtiles.tile import Compression, TileType, zxy_to_tileid
from pmtiles.writer import Writer

from geo_service import feature_files
from geo_service.errors import BadParameter, NotFound
from geo_service.feature_files import Features
from geo_service.geography import crs
from geo_service.maps import tiles
from geo_service.maps.atlas import Atlas
from geo_service.maps.ground import FINEST, Boxes, Ground
from geo_service.maps.layers import Layer

PMTILES = "pmtiles"
FORMS = ("geojson", "geojsonseq", "fgb", "parquet", "csv", PMTILES)

_DEGREES_ONLY = ("geojson", "geojsonseq", PMTILES)  # RFC 7946, 4; tiles lie on the Web Mercator square

Tell = Callable[[float], object]  # takes the share that is done, 0 to 1


@dataclass(frozen=True)
class Order:
    """What is to be exported: a layer in one of FORMS to a file, in a month ("": the current one) and a system.

    `force`: a file that is there may be replaced; `language` is that of titles in the file's head.
    """

    layer: str
    form: str
    out: Path
    month: str = ""
    system: str = feature_files.CRS84
    force: bool = False
    language: str = "zh"


@dataclass(frozen=True)
class Provenance:
    """What the rows stand on besides the revision: the rule's version ("": no colours), and two moments."""

    rule_version: str
    as_of: datetime
    generated_at: datetime

    def told(self, revision: int) -> dict[str, str | int]:
        """Give it as values, moments as ISO 8601."""
        moments = {"as_of": self.as_of.isoformat(), "generated_at": self.generated_at.isoformat(timespec="seconds")}
        return {"revision": revision, "rule_version": self.rule_version, **moments}


def check(order: Order) -> None:
    """Refuse what cannot be written, before anything is drawn.  Raises BadParameter."""
    if order.form not in FORMS:
        raise BadParameter(f"--format {order.form}: expected one of {', '.join(FORMS)}")
    if order.system != feature_files.CRS84:
        system = crs.read_system(order.system)
        if not system.base.startswith("EPSG:") or system.towgs84 or system.north_first:
            raise BadParameter(f"--crs {order.system}: expected a plain EPSG code, such as EPSG:4548")
        if order.form in _DEGREES_ONLY:
            raise BadParameter(f"--crs {order.system}: {order.form} cannot hold it; choose fgb, parquet or csv")
    if order.out.is_dir():
        raise BadParameter(f"--out {order.out} is a folder; name a file in it")
    if order.out.exists() and not order.force:
        raise BadParameter(f"--out {order.out} is there already; give --force to replace it, or another name")


def export(atlas: Atlas, order: Order, provenance: Provenance, tell: Tell) -> dict[str, object]:
    """Write a layer of a picture to a file; give what was written, for people and programs.

    Raises BadParameter where the order cannot be carried out, NotFound for a layer that does not exist.
    """
    check(order)
    layer, month = atlas.layer(order.layer), order.month or atlas.month
    if order.month and not layer.wears_levels:
        raise BadParameter(f"--month {order.month}: layer {layer.id} is the same in every month; leave --month out")
    if layer.wears_levels and not atlas.on_record(month):
        span = f"{atlas.months[0]} to {max(atlas.months[-1], atlas.month)}" if atlas.months else "none"
        raise BadParameter(f"--month {month}: nothing is on record there; months on record: {span}")
    about = {
        "layer": layer.id,
        "title": layer.title[order.language],
        "description": layer.description[order.language],
        "fields": dict(layer.fields),
        **({"month": month} if layer.wears_levels else {}),
        **provenance.told(atlas.seq),
    }
    with _whole(order.out) as file:
        if order.form == PMTILES:
            count = _write_tiles(atlas, layer, month, about, (file, tell))
        else:
            count = _write_places(_features(atlas, order, month, about, provenance), order.form, file)
        size = file.tell()
    what = "tiles" if order.form == PMTILES else "places"
    return {
        "file": str(order.out),
        **{name: about[name] for name in about if name != "fields"},
        what: count,
        "bytes": size,
    }


def _features(atlas: Atlas, order: Order, month: str, about: Mapping[str, object], provenance: Provenance) -> Features:
    """Give the places of a layer, every row with what it stands on."""
    ground, rows = atlas.ground(order.layer), atlas.rows(order.layer)
    columns = {name: column.said(rows) for name, column in atlas.columns(order.layer, month).items()}
    stands = provenance.told(atlas.seq)
    if order.form == "csv":  # its head has no other place for it
        stands = {**stands, "crs": order.system}
    columns |= {name: [value] * len(rows) for name, value in stands.items()}
    shapes = ground.degrees[rows]
    if order.system != feature_files.CRS84:
        shapes = shapely.transform(
            shapes, lambda corners: np.column_stack(crs.from_wgs84(corners[:, 0], corners[:, 1], order.system))
        )
    return Features(order.layer, ground.fids[rows].tolist(), columns, shapes, order.system, about)


def _write_places(features: Features, form: str, file: IO[bytes]) -> int:
    if form == "geojsonseq":
        file.writelines(feature_files.as_geojsonseq(features))
        return len(features)
    writers: Mapping[str, Callable[[], bytes]] = {
        "geojson": lambda: feature_files.as_geojson(features, about=features.about),
        "csv": lambda: feature_files.as_csv(features),
        "fgb": lambda: feature_files.as_flatgeobuf(features),
        "parquet": lambda: feature_files.as_parquet(features),
    }
    file.write(writers[form]())
    return len(features)


def _write_tiles(
    atlas: Atlas, layer: Layer, month: str, about: Mapping[str, object], sink: tuple[IO[bytes], Tell]
) -> int:
    """Write every tile of the layer's zooms that is not empty, compressed, equal ones once (PMTiles 3)."""
    file, tell = sink
    ground = atlas.ground(layer.id)
    if ground.bounds is None:
        raise NotFound(f"layer {layer.id} has no places, and an archive of no tiles is none; load its places first")
    wanted = [tile for z in range(layer.minzoom, layer.maxzoom + 1) for tile in _tiles(ground, z)]
    writer = Writer(file)
    with writer.tile_f:  # its tiles, until they are laid behind their directory
        for done, tile in enumerate(wanted, start=1):
            content = atlas.tile(layer.id, tile, "mvt", month).content
            if content:
                writer.write_tile(_place(tile), gzip.compress(content, mtime=0))
            tell(done / len(wanted))
        writer.finalize(*_head(layer, ground.bounds, about))
    return writer.addressed_tiles


def _head(
    layer: Layer, bounds: Sequence[float], about: Mapping[str, object]
) -> tuple[dict[str, object], dict[str, object]]:
    """Make the header and the metadata of an archive, as TileJSON tells of tiles."""
    sides = zip(("min_lon_e7", "min_lat_e7", "max_lon_e7", "max_lat_e7"), bounds, strict=True)
    header: dict[str, object] = {"tile_type": TileType.MVT, "tile_compression": Compression.GZIP}
    header |= {name: round(side * 10_000_000) for name, side in sides}
    drawn = {"id": layer.id, "fields": about["fields"], "minzoom": layer.minzoom, "maxzoom": layer.maxzoom}
    said = {name: value for name, value in about.items() if name not in ("fields", "title")}
    return header, {"name": about["title"], **said, "type": "overlay", "vector_layers": [drawn]}


def _tiles(ground: Ground, z: int) -> list[tiles.Tile]:
    """Give the tiles of a zoom that the boxes of features meet, margin and all, in the order of an archive."""
    boxes = ground.sheet(z).boxes if z <= FINEST else _steps(ground.sides, z)
    first = (boxes[:, :2] - tiles.MARGIN) // tiles.EXTENT
    last = (boxes[:, 2:] + tiles.MARGIN) // tiles.EXTENT
    spans = np.unique(np.clip(np.hstack([first, last]), 0, 2**z - 1).astype(np.int64), axis=0).tolist()
    met = {
        tiles.Tile(z, x, y)
        for west, north, east, south in spans
        for x in range(west, east + 1)
        for y in range(north, south + 1)
    }
    return sorted(met, key=_place)


def _steps(sides: Boxes, z: int) -> Boxes:
    """Put west, south, east, north [m] on the world grid of a zoom: west, north, east, south [steps]."""
    half = tiles.step_m(0) * tiles.EXTENT / 2
    west, south, east, north = sides.T
    return np.column_stack([west + half, half - north, east + half, half - south]) / tiles.step_m(z)


def _place(tile: tiles.Tile) -> int:
    """Give the place of a tile in an archive: zoom by zoom along a Hilbert curve."""
    return zxy_to_tileid(tile.z, tile.x, tile.y)


@contextmanager
def _whole(path: Path) -> Generator[IO[bytes]]:
    """Give a file to write; it gets its name when all is written, and is gone when something goes wrong.

    Raises BadParameter when it cannot be written.
    """
    waiting = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with waiting.open("wb") as file:
            yield file
        waiting.replace(path)
    except OSError as error:
        raise BadParameter(f"--out {path}: cannot be written: {error.strerror}") from None
    finally:
        waiting.unlink(missing_ok=True)
