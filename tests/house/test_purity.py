"""What import-linter cannot see: a pure room opens no file, reads no clock and rolls no dice through its imports."""

import ast
from pathlib import Path

import pytest

HOUSE = Path(__file__).resolve().parents[2]
PURE = ("geography", "analysis", "maps", "prints")
CALLS = {"open", "input", "print", "exec", "eval", "__import__", "breakpoint"}
METHODS = {
    "now": "a clock",
    "today": "a clock",
    "utcnow": "a clock",
    "default_rng": "chance",
    "rand": "chance",
    "sample": "chance",
    "shuffle": "chance",
    "read_csv": "a file",
    "read_file": "a file",
    "read_json": "a file",
    "read_parquet": "a file",
    "read_text": "a file",
    "read_bytes": "a file",
    "to_csv": "a file",
    "to_file": "a file",
    "write_text": "a file",
    "write_bytes": "a file",
    "savez": "a file",
    "loadtxt": "a file",
}


def impurities(source: str) -> list[str]:
    """Name each call that reaches out of the function, with its line."""
    found: list[str] = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(func=ast.Name(id=name)) if name in CALLS:
                found.append(f"line {node.lineno}: {name}()")
            case ast.Call(func=ast.Attribute(attr=name)) if name in METHODS:
                found.append(f"line {node.lineno}: .{name}() touches {METHODS[name]}")
            case ast.ImportFrom(module="pathlib", names=imported) if {alias.name for alias in imported} != {"PurePath"}:
                found.append(f"line {node.lineno}: of pathlib only PurePath, which is a name and no file")
            case ast.Import(names=imported) if "pathlib" in {alias.name for alias in imported}:
                found.append(f"line {node.lineno}: of pathlib only PurePath, which is a name and no file")
            case _:
                pass
    return found


@pytest.mark.parametrize(
    "path", sorted(p for room in PURE for p in (HOUSE / "geo_service" / room).rglob("*.py")), ids=lambda p: p.name
)
def test_a_pure_room_calls_nothing_outside_itself(path: Path):
    assert impurities(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "fault",
    [
        "text = open('zones.csv')",
        "frame = pd.read_csv(path)",
        "at = datetime.now(UTC)",
        "month = pd.Timestamp.today()",
        "noise = np.random.default_rng().normal()",
        "some = frame.sample(3)",
        "from pathlib import Path",
        "import pathlib",
    ],
)
def test_a_planted_impurity_is_found(fault: str):
    assert impurities(fault)
