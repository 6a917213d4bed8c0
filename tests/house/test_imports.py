"""The arrows of the house point down only; each contract can break, so each is worth its run."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HOUSE = Path(__file__).resolve().parents[2]
LINT_IMPORTS = Path(sys.executable).with_name("lint-imports")


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [LINT_IMPORTS, "--no-cache", "--no-logo"],
        cwd=folder,
        env={**os.environ, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Give a copy of the package's Python files, to plant faults in."""
    shutil.copy(HOUSE / "pyproject.toml", tmp_path)
    for source in (HOUSE / "geo_service").rglob("*.py"):
        if "node_modules" not in source.parts:
            target = tmp_path / source.relative_to(HOUSE)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
    return tmp_path


def test_the_arrows_hold():
    found = lint(HOUSE)
    assert found.returncode == 0, found.stdout


@pytest.mark.parametrize(
    ("module", "fault", "contract"),
    [
        ("geography/zones.py", "from geo_service.analysis import counts", "Arrows point down only"),
        ("analysis/counts.py", "from geo_service.maps import layers", "Arrows point down only"),
        ("store/reading.py", "from geo_service import feeds", "Arrows point down only"),
        ("feeds.py", "from geo_service import service", "Arrows point down only"),
        ("attic.py", "", "Arrows point down only"),
        ("jobs/working.py", "from geo_service.web import app", "web and jobs never meet"),
        ("web/app.py", "from geo_service import jobs", "web and jobs never meet"),
        ("geography/zones.py", "import sqlalchemy", "Pure rooms reach nothing outside"),
        ("analysis/intake.py", "import time", "Pure rooms reach nothing outside"),
        ("analysis/rules.py", "from geo_service import files", "Pure rooms reach nothing outside"),
        ("maps/tiles.py", "import os", "Pure rooms reach nothing outside"),
        ("maps/layers.py", "import random", "Pure rooms reach nothing outside"),
        ("web/items.py", "import sqlalchemy", "web holds no SQL"),
        ("jobs/working.py", "import geoalchemy2", "SQL lives in store"),
        ("web/app.py", "import dask", "Dask is known to batch only"),
    ],
)
def test_a_planted_fault_breaks_its_contract(copy: Path, module: str, fault: str, contract: str):
    path = copy / "geo_service" / module
    before = path.read_text(encoding="utf-8") if path.exists() else '"""Planted."""\n'
    path.write_text(f"{before}\n{fault}\n", encoding="utf-8")

    found = lint(copy)

    assert found.returncode != 0
    assert any(line.startswith(f"{contract} BROKEN") for line in found.stdout.splitlines()), found.stdout
