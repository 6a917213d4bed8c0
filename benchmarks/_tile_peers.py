"""Who else draws tiles of the same places: ST_AsMVT asked through psycopg, tipg and pygeoapi over HTTP.

All draw the table peers.warnings of one private PostGIS: the properties of our layer `warnings`, geometry in Web
Mercator, a GiST index, statistics, no compiling.  tipg and pygeoapi run with one worker of uvicorn (httptools, uvloop),
no debug, and our margin of 64 steps; tipg with its default pool of 10, no limit of features that would cut a tile
short, and without looking for new tables meanwhile; pygeoapi with its provider for MVT from PostgreSQL.  Neither keeps
tiles.  They carry the number of a feature as a property, for they give features no ids.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import numpy as np
import pandas as pd
import psycopg
import shapely

from benchmarks import _http
from benchmarks._peers import environment
from geo_service.geography.zones import Zones
from geo_service.maps.layers import LevelScheme
from geo_service.maps.tiles import Tile

LAYER = "warnings"
_READY_WITHIN_S = 40.0
_TABLE = """
    DROP SCHEMA IF EXISTS peers CASCADE;
    CREATE SCHEMA peers;
    CREATE TABLE peers.warnings (fid bigint PRIMARY KEY, id text, name text, class text, month text, count integer,
        level smallint, level_name text, colour text, geom geometry(Geometry, 3857))"""
_READY = """
    CREATE INDEX ON peers.warnings USING gist (geom);
    CREATE UNIQUE INDEX ON peers.warnings (id);
    VACUUM ANALYZE peers.warnings"""
_AS_MVT = """
    SELECT ST_AsMVT(drawn, 'warnings', 4096, 'geom', 'fid') FROM (
        SELECT fid, id, name, class, month, count, level, level_name, colour,
               ST_AsMVTGeom(geom, ST_TileEnvelope(%(z)s, %(x)s, %(y)s), 4096, 64) AS geom
        FROM peers.warnings
        WHERE geom && ST_TileEnvelope(%(z)s, %(x)s, %(y)s, margin => 64.0 / 4096)
    ) AS drawn WHERE geom IS NOT NULL"""


class Database:
    """A connection to the private PostGIS; with it the table is filled, and tiles are asked of ST_AsMVT alone."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url.replace("+psycopg", ""), autocommit=True)

    def fill(self, zones: Zones, fids: dict[str, int], levels: pd.DataFrame, scheme: LevelScheme, month: str) -> None:
        """Put the places, and how they stand in a month (zone_id, count, level), in the place of those before."""
        for statement in (_TABLE, "CREATE TEMP TABLE drawn (fid bigint, id text, name text, class text, wkb bytea)"):
            self._connection.execute(statement)
        shapes = shapely.to_wkb(zones.geometry)
        with self._connection.cursor().copy("COPY drawn FROM STDIN") as to:
            for id_, name, class_, wkb in zip(zones.ids, zones.names, zones.classes, shapes, strict=True):
                to.write_row((fids[id_], id_, name, class_, wkb))
        self._connection.execute(
            "INSERT INTO peers.warnings SELECT fid, id, name, class, %s, 0, 0, '', '', "
            "ST_Transform(ST_GeomFromWKB(wkb, 4326), 3857) FROM drawn ORDER BY fid",
            [month],
        )
        self._connection.execute("DROP TABLE drawn")
        self.colour(levels, scheme)
        for statement in _READY.split(";"):
            self._connection.execute(statement)

    def colour(self, levels: pd.DataFrame, scheme: LevelScheme) -> None:
        """Say how the places stand; those that are not named have no incidents."""
        looks = {level.code: level for level in scheme.levels}
        rows = [
            (id_, count, level, looks[level].name, looks[level].colour)
            for id_, count, level in levels[["zone_id", "count", "level"]].itertuples(index=False)
        ]
        none = looks[0]
        self._connection.execute("CREATE TEMP TABLE said (id text, count int, level int, level_name text, colour text)")
        with self._connection.cursor().copy("COPY said FROM STDIN") as to:
            for row in rows:
                to.write_row(row)
        columns = "count, level, level_name, colour"
        self._connection.execute(
            f"UPDATE peers.warnings SET ({columns}) = (0, 0, %s, %s) WHERE level <> 0 OR level_name = ''",
            [none.name, none.colour],
        )
        self._connection.execute(
            "UPDATE peers.warnings AS p SET (count, level, level_name, colour) = (s.count, s.level, s.level_name, "
            "s.colour) FROM said AS s WHERE p.id = s.id"
        )
        self._connection.execute("DROP TABLE said")

    def tile(self, tile: Tile) -> bytes:
        """Have PostGIS draw a tile; the statement is prepared once."""
        where = {"z": tile.z, "x": tile.x, "y": tile.y}
        row = self._connection.execute(_AS_MVT, where, prepare=True, binary=True).fetchone()
        assert row
        return row[0]

    def places(self) -> tuple[np.ndarray, np.ndarray]:
        """Read ids and shapes [m of Web Mercator] of the places."""
        rows = self._connection.execute("SELECT id, ST_AsBinary(geom) FROM peers.warnings ORDER BY fid").fetchall()
        ids, shapes = zip(*rows, strict=True)
        return np.array(ids, dtype=object), np.asarray(shapely.from_wkb(shapes))

    def versions(self) -> str:
        """Tell which PostgreSQL and PostGIS answer."""
        row = self._connection.execute("SELECT version(), postgis_lib_version()").fetchone()
        assert row
        return f"PostgreSQL {row[0].split()[1]}, PostGIS {row[1]}"

    def close(self) -> None:
        """Leave."""
        self._connection.close()


@contextmanager
def tipg(url: str, port: int) -> Generator[str]:
    """Serve with tipg; give the template of its tiles."""
    settings = {
        "DATABASE_URL": _dsn(url),
        "TIPG_DB_SCHEMAS": '["peers"]',
        "TIPG_SET_MVT_LAYERNAME": "true",
        "TIPG_TILE_BUFFER": "64",
        "TIPG_MAX_FEATURES_PER_TILE": "1000000",
        "TIPG_CATALOG_TTL": "0",
    }
    with _served("tipg.main:app", settings, port, "/healthz"):
        yield "/collections/peers.warnings/tiles/WebMercatorQuad/{z}/{x}/{y}"


@contextmanager
def pygeoapi(url: str, port: int, folder: Path) -> Generator[str]:
    """Serve with pygeoapi, its configuration written into a folder; give the template of its tiles."""
    config = folder / "pygeoapi.yml"
    config.write_text(json.dumps(_pygeoapi_config(url, port)))  # JSON is YAML
    settings = {
        "PYGEOAPI_CONFIG": str(config),
        "PYGEOAPI_OPENAPI": str(folder / "openapi.yml"),
        "PYTHONWARNINGS": "ignore",
    }
    programs = Path(environment("tiles")).parent
    command = [programs / "pygeoapi", "openapi", "generate", config, "--output-file", folder / "openapi.yml"]
    subprocess.run(command, check=True, env={**os.environ, **settings}, stdout=subprocess.DEVNULL)
    with _served("pygeoapi.starlette_app:APP", settings, port, "/conformance?f=json"):
        yield "/collections/warnings/tiles/WebMercatorQuad/{z}/{y}/{x}?f=mvt"


def _pygeoapi_config(url: str, port: int) -> dict[str, object]:
    address, text = f"http://127.0.0.1:{port}", "places"
    described = {"title": text, "description": text, "keywords": [text]}
    return {
        "server": {
            "bind": {"host": "127.0.0.1", "port": port},
            "url": address,
            "mimetype": "application/json; charset=UTF-8",
            "encoding": "utf-8",
            "gzip": True,
            "languages": ["en-US"],
            "limits": {"default_items": 10, "max_items": 1000},
            "map": {"url": address, "attribution": text},
        },
        "logging": {"level": "ERROR"},
        "metadata": {
            "identification": {**described, "url": address, "terms_of_service": address},
            "license": {"name": text, "url": address},
            "provider": {"name": text, "url": address},
            "contact": {"name": text},
        },
        "resources": {
            LAYER: {
                **described,
                "type": "collection",
                "extents": {"spatial": {"bbox": [-180, -90, 180, 90]}},
                "providers": [_provider(url)],
            }
        },
    }


def _provider(url: str) -> dict[str, object]:
    parts = urlsplit(url)
    return {
        "type": "tile",
        "name": "MVT-postgresql",
        "data": {
            "host": parse_qs(parts.query)["host"][0],
            "port": 5432,
            "dbname": parts.path.strip("/"),
            "user": parts.username,
            "password": "",
            "search_path": ["peers"],
        },
        "id_field": "id",
        "table": LAYER,
        "geom_field": "geom",
        "storage_crs": "http://www.opengis.net/def/crs/EPSG/0/3857",
        "options": {"zoom": {"min": 0, "max": 22}},
        "format": {"name": "pbf", "mimetype": "application/vnd.mapbox-vector-tile"},
    }


def _dsn(url: str) -> str:
    """Write the address of the server's socket as tipg's settings take it: in the place of the host."""
    parts = urlsplit(url)
    return f"postgresql://{parts.username}@{quote(parse_qs(parts.query)['host'][0], safe='')}:5432{parts.path}"


@contextmanager
def _served(app: str, settings: dict[str, str], port: int, ready: str) -> Generator[None]:
    command = [environment("tiles"), "-W", "ignore", "-m", "uvicorn", app, "--port", str(port), "--workers", "1"]
    with running([*command, "--log-level", "error", "--no-access-log"], settings, port, ready):
        yield


@contextmanager
def running(command: list[str], settings: dict[str, str], port: int, ready: str) -> Generator[subprocess.Popen[bytes]]:
    """Run a server until the end of the block; the block begins when it answers a path with 200 (or 204)."""
    server = subprocess.Popen(command, env={**os.environ, **settings}, stdout=sys.stderr)
    try:
        until = time.monotonic() + _READY_WITHIN_S
        while _http.status(port, ready) not in (200, 204):
            assert server.poll() is None, f"{' '.join(command)} ended with {server.returncode}"
            assert time.monotonic() < until, f"{' '.join(command)} does not answer {ready}"
            time.sleep(0.005)
        yield server
    finally:
        server.terminate()
        server.wait()
