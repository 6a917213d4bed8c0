"""The docs say what the program does: settings, commands, errors, terms and promises are compared, both ways."""

import argparse
import dataclasses
import re
import tomllib
from pathlib import Path

import pytest

import geo_service
from geo_service import cli, errors, settings

HOUSE = Path(__file__).resolve().parents[2]
PAGES = sorted([*HOUSE.glob("*.md"), *(HOUSE / "docs").rglob("*.md")])


def page(name: str) -> str:
    return (HOUSE / "docs" / name).read_text(encoding="utf-8")


def table(text: str) -> list[list[str]]:
    """Read the rows of every Markdown table, without heads and rules."""
    rows: list[list[str]] = []
    lines = text.splitlines()
    for number, line in enumerate(lines):
        is_head = number + 1 < len(lines) and re.fullmatch(r"[|\s:-]+", lines[number + 1] or "x")
        if line.startswith("|") and not is_head and not re.fullmatch(r"[|\s:-]+", line):
            rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def commands() -> dict[str, argparse.ArgumentParser]:
    """Give every command of the parser; those of `load` are `load zones` and so on."""

    def below(parser: argparse.ArgumentParser, name: str) -> dict[str, argparse.ArgumentParser]:
        found = {name: parser} if name else {}
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                for child, sub in action.choices.items():
                    found |= below(sub, f"{name} {child}".strip())
        return found

    return below(cli._parser(), "")


def section(text: str, heading: str) -> str:
    found = re.search(rf"^## `{re.escape(heading)}`$(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"docs/cli.md has no section ## `{heading}`"
    return found[1]


def test_every_setting_stands_in_its_page_with_default_and_help():
    rows = {row[0]: row[1:] for row in table(page("settings.md"))}
    wanted = {
        f"`GEO_{knob.name.upper()}`": [f"`{knob.default}`" if knob.default != "" else "empty", knob.metadata["help"]]
        for knob in dataclasses.fields(settings.Settings)
    }
    assert rows == wanted


def test_every_command_and_option_stands_in_its_page():
    text = page("cli.md")
    for name, parser in commands().items():
        said = section(text, name)
        for action in parser._actions:
            for option in action.option_strings:
                if option.startswith("--") and option not in ("--help", "--json"):
                    assert f"`{option}" in said, f"docs/cli.md, {name}: nothing about {option}"


def test_no_page_tells_of_a_command_that_is_not_there():
    known = set(commands())
    for heading in re.findall(r"^## `(.+)`$", page("cli.md"), re.MULTILINE):
        assert heading in known


def test_the_tree_in_the_head_of_errors_is_the_tree():
    drawn: dict[str, str] = {}
    above: dict[int, str] = {}
    for line in (errors.__doc__ or "").splitlines():
        if found := re.match(r"^( {4}[ │├└─]*)([A-Z]\w+)(?:\s|$)", line):
            depth = (len(found[1]) - 4) // 4
            above[depth] = found[2]
            drawn[found[2]] = above[depth - 1] if depth else "Exception"
    real = {
        name: kind.__base__.__name__
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, Exception) and kind.__base__ is not None
    }
    assert drawn == real


def test_the_public_surface_is_what_is_written_here():
    public = {name for name in vars(geo_service) if not name.startswith("_")}
    modules = {path.stem for path in (HOUSE / "geo_service").iterdir()}  # imported by a test, not offered
    assert public - modules == set()
    assert geo_service.__version__ == tomllib.loads((HOUSE / "pyproject.toml").read_text())["project"]["version"]


def test_the_changelog_knows_this_version():
    assert f"## [{geo_service.__version__}]" in (HOUSE / "CHANGELOG.md").read_text(encoding="utf-8") or (
        "## [Unreleased]" in (HOUSE / "CHANGELOG.md").read_text(encoding="utf-8")
    )


def words_of_the_code() -> set[str]:
    """Give every word that stands in the package, the rules or the layers."""
    found: set[str] = set()
    for folder, pattern in (("geo_service", "*.py"), ("rules", "*.toml"), ("layers", "*.toml")):
        for path in (HOUSE / folder).rglob(pattern):
            if "node_modules" not in path.parts:
                found |= set(re.findall(r"\w+", path.read_text(encoding="utf-8")))
    return found


def test_a_name_in_the_glossary_is_a_name_in_the_code():
    rows = table(page("glossary.md"))
    known = words_of_the_code()
    assert len(rows) >= 60
    for chinese, _, names in rows:
        for name in re.findall(r"`(\w+)`", names):
            assert name in known, f"glossary, {chinese}: no `{name}` in the code"
        assert "`" in names or names.startswith("issue "), (
            f"glossary, {chinese}: neither a name nor the issue that brings it"
        )


def test_a_promise_names_a_test_that_is_there_or_the_issue_that_brings_it():
    rows = table(page("promises.md"))
    assert len(rows) >= 40
    for promise, held_by, seen in rows:
        tests = re.findall(r"`((?:tests|benchmarks|geo_service)/[\w./]+)(?:::(\w+))?`", held_by)
        assert tests or held_by.startswith("not yet built (issue "), f"nothing holds: {promise}"
        assert seen, f"no figure seen: {promise}"
        for path, name in tests:
            assert (HOUSE / path).exists(), f"{promise}: {path} is not there"
            if name:
                assert f"def {name}(" in (HOUSE / path).read_text(encoding="utf-8"), f"{promise}: no {name} in {path}"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(HOUSE)))
def test_a_link_leads_somewhere(path: Path):
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (path.parent / target).exists(), f"{path.name} links {target}"
