"""`geo-service demo --once` from an empty folder, as a newcomer starts it, and again."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

WITH_EVERYTHING_PRESENT_S = 15.0


@pytest.fixture
def folder() -> Iterator[Path]:
    """Give an empty data folder; as root the server runs as `postgres`, who must pass through to it."""
    made = Path(tempfile.mkdtemp(prefix="geo_service-demo-"))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made)


def free_port() -> int:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        return door.getsockname()[1]


def prove(folder: Path, size: float) -> dict[str, object]:
    said = subprocess.run(
        [
            *[sys.executable, "-m", "geo_service", "demo", "--once", "--json"],
            *["--size", str(size), "--port", str(free_port())],
        ],
        env={**{k: v for k, v in os.environ.items() if not k.startswith("GEO_")}, "GEO_DATA_DIR": str(folder)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert said.returncode == 0, said.stderr
    return json.loads(said.stdout)


def test_it_proves_its_map_and_leaves_no_server_behind(folder: Path):
    proof = prove(folder, 0.1)
    assert proof["places"] == 120
    assert sum(proof["levels"].values()) == 120
    assert proof["health"] == "ready"
    assert list(folder.rglob("postmaster.pid")) == []


@pytest.mark.slow
def test_a_second_start_proves_itself_in_time(folder: Path):
    assert prove(folder, 1)["places"] == 1200
    start = time.monotonic()
    assert prove(folder, 1)["places"] == 1200
    assert time.monotonic() - start < WITH_EVERYTHING_PRESENT_S
