"""Memory of a fresh process that has read a gazetteer and answered: `python -m benchmarks._resident FOLDER`.

FOLDER holds gazetteer.parquet and texts.json; printed is the resident memory [MB].
"""

import json
import sys
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import shapely

from geo_service.geography.addresses import gazetteer, locate


def read(path: Path) -> pd.DataFrame:
    """Read a gazetteer's GeoParquet."""
    frame = pq.read_table(path).to_pandas()
    frame["geometry"] = shapely.from_wkb(frame["geometry"])
    return frame


def main() -> None:
    """Load, answer, tell."""
    folder = Path(sys.argv[1])
    solver = locate.Solver(gazetteer.build(read(folder / "gazetteer.parquet"), projected="EPSG:4548"))
    solver.locate_all(json.loads((folder / "texts.json").read_text()))
    status = Path("/proc/self/status").read_text()
    kib = next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))
    print(int(kib) * 1024 / 1e6)


if __name__ == "__main__":
    main()
