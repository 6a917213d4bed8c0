"""A page of ours fits a reader: no module past 600 lines, no function past a screen."""

import ast
from pathlib import Path

import pytest

HOUSE = Path(__file__).resolve().parents[2]
LINES_A_MODULE = 600
LINES_A_FUNCTION = 40
MODULES = sorted(
    path
    for folder in ("geo_service", "tests", "benchmarks")
    for path in (HOUSE / folder).rglob("*.py")
    if "node_modules" not in path.parts
)


def long_functions(source: str) -> list[str]:
    """Name the functions past a screen; a docstring is reading, not code, and does not count."""
    found: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[1] if ast.get_docstring(node) and len(node.body) > 1 else node.body[0]
            lines = (node.end_lineno or 0) - first.lineno + 1 + (node.body[0].lineno - node.lineno)
            if lines > LINES_A_FUNCTION:
                found.append(f"{node.name}: {lines} lines")
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(HOUSE)))
def test_a_module_fits_a_reader(path: Path):
    source = path.read_text(encoding="utf-8")
    assert source.count("\n") <= LINES_A_MODULE
    assert long_functions(source) == []


def test_a_long_function_is_found():
    assert long_functions("def f():\n" + "    x = 1\n" * 41) == ["f: 42 lines"]
    assert long_functions('def f():\n    """Text."""\n' + "    x = 1\n" * 39) == []
