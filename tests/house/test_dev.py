"""./dev and the lock: what a newcomer starts with."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests import conftest

HOUSE = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((HOUSE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LOCK = (HOUSE / "requirements.lock").read_text(encoding="utf-8")
WANTED = [Requirement(text) for text in [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"]]]


def dev(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([HOUSE / "dev", *words], capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("words", [(), ("--help",), ("tset",)])
def test_what_it_does_not_know_is_answered_with_what_it_does(words: tuple[str, ...]):
    said = dev(*words)
    assert said.returncode == 2
    for command in ("demo", "test", "check", "bench"):
        assert f"./dev {command}" in said.stderr


def test_an_unknown_benchmark_is_answered_with_those_there_are():
    said = dev("bench", "nothing")
    assert said.returncode == 1
    for path in (HOUSE / "benchmarks").glob("[!_]*.py"):
        assert path.stem in said.stderr


def test_ci_runs_what_a_developer_runs():
    lines = [line for line in (HOUSE / ".ci" / "run").read_text().splitlines() if line and not line.startswith("#")]
    assert lines[0] == "set -euo pipefail"
    assert lines[-1] == "./dev test"
    assert len(lines) == 3


def test_workers_share_the_run_file_by_file_and_a_costly_folder_stays_together():
    assert conftest.cut("tests/house/test_dev.py::test_a[b::c]") == "tests/house/test_dev.py"
    assert conftest.cut("geo_service/errors.py::geo_service.errors") == "geo_service/errors.py"
    assert (
        conftest.cut("tests/clients/test_a.py::test_b")
        == conftest.cut("tests/clients/test_c.py::test_d")
        == "tests/clients/"
    )


@pytest.mark.parametrize("wanted", WANTED, ids=str)
def test_the_lock_holds_a_version_that_is_asked_for(wanted: Requirement):
    locked = re.findall(rf"^{re.escape(canonicalize_name(wanted.name))}==([^ ;\\]+)", LOCK, re.MULTILINE)
    assert locked
    assert all(wanted.specifier.contains(version, prereleases=True) for version in locked)


def test_the_lock_carries_a_hash_for_everything_and_no_address():
    entries = re.split(r"^(?=\S)", LOCK, flags=re.MULTILINE)[1:]
    assert len(entries) > 80
    assert [entry.splitlines()[0] for entry in entries if "--hash=sha256:" not in entry] == []
    assert not re.search(r"://|@ |^-|/", LOCK, re.MULTILINE)


def test_the_page_locks_no_address_either():
    assert '"resolved"' not in (HOUSE / "geo_service" / "web" / "page" / "package-lock.json").read_text(
        encoding="utf-8"
    )
