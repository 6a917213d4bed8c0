"""The wheel carries what the program reads: rules, layers, texts, migrations, the built page; not its sources."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

HOUSE = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder],
        cwd=HOUSE,
        check=True,
        capture_output=True,
    )
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def names(folder: Path, pattern: str) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob(pattern)}


@pytest.mark.parametrize(
    ("checkout", "inside", "pattern"),
    [
        ("rules", "_shipped/rules", "*.toml"),
        ("layers", "_shipped/layers", "*.toml"),
        ("geo_service/texts", "texts", "*.toml"),
        ("geo_service/store/migrations", "store/migrations", "*.py"),
        ("geo_service/web/page/dist", "web/page/dist", "*.*"),
    ],
)
def test_the_wheel_carries(unpacked: Path, checkout: str, inside: str, pattern: str):
    wanted = names(HOUSE / checkout, pattern)
    assert wanted
    assert names(unpacked / "geo_service" / inside, pattern) == wanted


def test_nothing_the_program_does_not_read_is_carried(unpacked: Path):
    carried = names(unpacked / "geo_service", "*")
    strange = {
        name
        for name in carried
        if "node_modules" in name or "/src/" in name or name.endswith((".ts", ".map", "package.json"))
    }
    assert strange == set()


def test_the_unpacked_wheel_finds_what_it_carries(unpacked: Path):
    program = (
        "from geo_service import files; layers = files.shipped('layers');"
        "files.read_rules(files.shipped('rules'), 'unit_first');"
        "print(files.__file__, layers, len(files.read_layers(layers)))"
    )
    said = subprocess.run(
        [sys.executable, "-c", program],
        cwd=unpacked,
        env={**os.environ, "PYTHONPATH": str(unpacked)},
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    assert said == [
        str(unpacked / "geo_service" / "files.py"),
        str(unpacked / "geo_service" / "_shipped" / "layers"),
        str(len(list((HOUSE / "layers").glob("*.toml")))),
    ]
