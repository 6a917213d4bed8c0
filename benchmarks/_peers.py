"""Peers that do not share our lock or our process: engines in an environment of their own, and a private PostGIS.

A peer's join leaves the answer where the peer puts it; reading it for the comparison is off the clock.
"""

import hashlib
import io
import os
import shutil
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import shapely

from geo_service.store.cluster import Cluster

HOUSE = Path(__file__).resolve().parents[1]
PEERS = HOUSE / "benchmarks" / "peers"
CRIME = HOUSE.parent / "shared" / "data" / "crime"  # beside the repository, not in it

Pairs = tuple[np.ndarray, np.ndarray]  # positions of points and of the polygons that hold them, in no order


class Program:
    """A process of benchmarks/peers in an environment of its own, told what to do line by line."""

    def __init__(self, home: str, script: str) -> None:
        command = [environment(home), "-W", "ignore", str(PEERS / script)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def tell(self, line: str) -> None:
        """Have a command carried out."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        said = self._process.stdout.readline().strip()
        assert said == "done", f"the peer said {said!r} to {line!r}"

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


class Engines(Program):
    """A process of benchmarks/peers/engines.py that has loaded points and polygons."""

    NAMES = ("sedonadb", "duckdb", "dask-geopandas")

    def __init__(self, folder: Path, shapes: np.ndarray, lon: np.ndarray, lat: np.ndarray) -> None:
        self._folder = folder
        pq.write_table(pa.table({"id": np.arange(len(lon)), "x": lon, "y": lat}), folder / "points.parquet")
        pq.write_table(
            pa.table({"zone": np.arange(len(shapes)), "wkb": shapely.to_wkb(shapes)}), folder / "zones.parquet"
        )
        super().__init__("join", "engines.py")
        for name in self.NAMES:
            self.tell(f"load {name} {folder}")

    def join(self, name: str) -> None:
        """Let an engine join; it keeps the answer."""
        self.tell(f"join {name}")

    def pairs(self, name: str) -> Pairs:
        """Read an engine's last answer."""
        path = self._folder / f"{name}.parquet"
        self.tell(f"save {name} {path}")
        answer = pq.read_table(path)
        return answer["id"].to_numpy(), answer["zone"].to_numpy()


class PostGIS:
    """A private PostGIS that has points and polygons in tables; tuned as its manual and PostgreSQL's advise.

    A GiST index on both sides and statistics; no compiling; memory for sorting, building and keeping every table; every
    core, also for tables that look too small for it: with that the planner walks through the polygons and looks up the
    points of each (0.7 s and 1.2 s for the points' index), not the polygons of each point (5.6 s).  Polygons are stored
    uncompressed, tables without a journal.  The index over the points is built on the clock, as new points need it.
    """

    SETTINGS = (
        "jit = off",
        "work_mem = '256MB'",
        "maintenance_work_mem = '1GB'",
        "synchronous_commit = off",
        f"max_parallel_workers_per_gather = {os.cpu_count()}",
        "min_parallel_table_scan_size = 0",
        "parallel_setup_cost = 0",
        "parallel_tuple_cost = 0",
    )

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url.replace("+psycopg", ""), autocommit=True)
        self._do("CREATE EXTENSION IF NOT EXISTS postgis", *(f"SET {setting}" for setting in self.SETTINGS))

    def load(self, shapes: np.ndarray, lon: np.ndarray, lat: np.ndarray) -> None:
        """Put points and polygons in the place of those before."""
        self._do(
            "DROP TABLE IF EXISTS raw, p, z",
            "CREATE UNLOGGED TABLE raw (id bigint, x float8, y float8)",
            "CREATE UNLOGGED TABLE z (zone bigint, g geometry)",
            "ALTER TABLE z ALTER g SET STORAGE EXTERNAL",
        )
        self._copy("raw", id=np.arange(len(lon)), x=lon, y=lat)
        self._copy("z", zone=np.arange(len(shapes)), g=shapely.to_wkb(shapes, hex=True))
        self._do("CREATE UNLOGGED TABLE p AS SELECT id, ST_Point(x, y) AS g FROM raw", "ANALYZE p")
        self.index()

    def index(self) -> None:
        """Build the polygons' index anew."""
        self._do("DROP INDEX IF EXISTS z_g", "CREATE INDEX z_g ON z USING gist (g)", "ANALYZE z")

    def join(self) -> None:
        """Join into a new table."""
        self._do(
            "DROP INDEX IF EXISTS p_g",
            "CREATE INDEX p_g ON p USING gist (g)",
            "DROP TABLE IF EXISTS answer",
            "CREATE UNLOGGED TABLE answer AS SELECT p.id, z.zone FROM z JOIN p ON ST_Covers(z.g, p.g)",
        )

    def pairs(self) -> Pairs:
        """Read the last answer."""
        with self._connection.cursor().copy("COPY answer TO STDOUT WITH (FORMAT csv)") as rows:
            text = io.BytesIO(b"".join(bytes(row) for row in rows))
        answer = pyarrow.csv.read_csv(text, pyarrow.csv.ReadOptions(column_names=["id", "zone"]))
        return answer["id"].to_numpy(), answer["zone"].to_numpy()

    def close(self) -> None:
        """Leave the server."""
        self._connection.close()

    def _do(self, *statements: str) -> None:
        for statement in statements:
            self._connection.execute(statement.encode())

    def _copy(self, table: str, **columns: np.ndarray) -> None:
        text = io.BytesIO()
        pyarrow.csv.write_csv(pa.table(columns), text, pyarrow.csv.WriteOptions(include_header=False))
        with self._connection.cursor().copy(f"COPY {table} FROM STDIN WITH (FORMAT csv)".encode()) as to:
            to.write(text.getbuffer())


@contextmanager
def postgis() -> Generator[PostGIS]:
    """Run a private PostGIS in a temporary folder, with memory for every table of a race."""
    folder = Path(tempfile.mkdtemp(prefix="geo_service-bench-"))
    folder.chmod(0o711)  # as root the server runs as `postgres`, who must pass through
    cluster = Cluster(folder / "postgis")
    try:
        with psycopg.connect(cluster.start().replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET shared_buffers = '1GB'")
            connection.execute("ALTER SYSTEM SET autovacuum = off")  # it would work while others are on the clock
        cluster.stop()  # takes effect with the next start
        peer = PostGIS(cluster.start())
        yield peer
        peer.close()
    finally:
        cluster.stop()
        shutil.rmtree(folder)


def environment(name: str, locks: Path = PEERS) -> str:
    """Give the interpreter of .venv-NAME, made as NAME.lock says among the locks."""
    lock, home = locks / f"{name}.lock", HOUSE / f".venv-{name}"
    python, stamp = home / "bin" / "python", home / ".stamp"
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != digest:
        ours = HOUSE / ".venv" / "bin"
        # uv does not read pip's settings; a mirror that the machine's pip uses is for uv too.
        asked = [ours / "python", "-m", "pip", "config", "get", "global.index-url"]
        mirror = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
        settings = {**({"UV_DEFAULT_INDEX": mirror} if mirror else {}), **os.environ}
        for command in (
            ["venv", "-q", "--clear", "--python", ours / "python", home],
            ["pip", "sync", "-q", "--require-hashes", "--python", python, lock],
        ):
            subprocess.run([ours / "uv", *command], check=True, env=settings)
        stamp.write_text(digest)
    return str(python)
