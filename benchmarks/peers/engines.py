"""SedonaDB and DuckDB in an environment of their own: joins points to polygons when told to on standard input.

Each line names an engine and is answered when the joined table stands in memory; "save PATH" writes the last one as
Parquet (id, zone).  Tuned as their documentation advises: geometry columns made once beforehand, every core used.  Both
build their index inside the query; neither can keep one.
"""

import sys
from pathlib import Path

import duckdb
import duckdb_extension_spatial
import pyarrow.parquet as pq
import sedonadb

JOIN = "SELECT p.id AS id, z.zone AS zone FROM p JOIN z ON ST_Intersects(z.g, p.g)"


def main(folder: str) -> None:
    """Load the tables into both engines, then obey."""
    points, zones = pq.read_table(f"{folder}/points.parquet"), pq.read_table(f"{folder}/zones.parquet")
    sedona = sedonadb.connect()
    sedona.create_data_frame(points).to_view("points")
    sedona.create_data_frame(zones).to_view("zones")
    sedona.sql("SELECT id, ST_Point(x, y) AS g FROM points").to_memtable().to_view("p")
    sedona.sql("SELECT zone, ST_GeomFromWKB(wkb) AS g FROM zones").to_memtable().to_view("z")
    duck = duckdb.connect()
    [extension] = Path(duckdb_extension_spatial.__file__).parent.rglob("*.duckdb_extension")
    duck.execute(f"LOAD '{extension}'")
    duck.execute("CREATE TABLE p AS SELECT id, ST_Point(x, y) AS g FROM points")
    duck.execute("CREATE TABLE z AS SELECT zone, ST_GeomFromWKB(wkb) AS g FROM zones")
    engines = {
        "sedonadb": lambda: sedona.sql(JOIN).to_arrow_table(),
        "duckdb": lambda: duck.execute(JOIN).to_arrow_table(),
    }
    found = None
    print("ready", flush=True)
    for line in sys.stdin:
        word, _, path = line.strip().partition(" ")
        if word == "save":
            pq.write_table(found, path)
        else:
            found = None
            found = engines[word]()
        print("done", flush=True)


main(sys.argv[1])
