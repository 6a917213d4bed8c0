"""Memory of a fresh process that has read a gazetteer and answered: `python -m benchmarks._resident FOLDER`.

FOLDER holds gazetteer.parquet and texts.json; printed is the resident memory [MB].
"""

import json
import os
import sys
from pathlib import Path

from geo_service import files


def main() -> None:
    """Load, answer, tell."""
    folder = Path(sys.argv[1])
    os.environ.setdefault("PYPINYIN_NO_PHRASES", "true")  # as the command line does
    solver = files.read_solver(files.GazetteerFiles([folder / "gazetteer.parquet"]))
    solver.locate_all(json.loads((folder / "texts.json").read_text()))
    status = Path("/proc/self/status").read_text()
    kib = next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))
    print(int(kib) * 1024 / 1e6)


if __name__ == "__main__":
    main()
