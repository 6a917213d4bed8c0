"""The command geocode: addresses become places; with gazetteer files alone, or with the database's gazetteer."""

import json
import sys
from collections.abc import Generator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import pandas as pd

from geo_service import cli, files, settings
from geo_service.cli import Arguments
from geo_service.errors import BadParameter
from geo_service.geography.addresses import locate

_TABLES = (".csv", ".tsv")
_A_PIECE = 2_000  # addresses between two steps of the bar: some 0.2 s
_DECIMALS = {"lon": 7, "lat": 7, "uncertainty_m": 1, "score": 4, "confidence": 4}  # 7 decimals of a degree: 11 mm


def geocode(arguments: Arguments, knobs: settings.Settings) -> None:
    """Say where an address is, or each of a file's."""
    asked: str = arguments.what
    is_file = Path(asked).is_file() if len(asked) < 256 and "\0" not in asked else False
    if not is_file and Path(asked).suffix in (*_TABLES, ".txt"):
        raise BadParameter(f"{asked}: no such file; an address is given as it is, a file by its path")
    texts = _texts(Path(asked), arguments.column) if is_file else []
    with _solver(arguments, knobs) as solver:
        if is_file:
            _print_all(solver, texts, arguments)
        else:
            _print_one(solver, asked, arguments)


def _texts(path: Path, column: str) -> list[str]:
    """Read the addresses of a file: one a line, or a column of a table."""
    try:
        if not column and path.suffix not in _TABLES:
            return path.read_text(encoding="utf-8-sig").splitlines()
        table = pd.read_csv(path, sep=None, engine="python", dtype="str", keep_default_na=False, encoding="utf-8-sig")
    except (UnicodeDecodeError, ValueError) as error:
        raise BadParameter(f"{path}: cannot be read: {error}; write it as UTF-8, one address a line or CSV") from None
    if column not in table:
        raise BadParameter(f"{path}: name the column of the addresses with --column; it has {', '.join(table.columns)}")
    return table[column].tolist()


@contextmanager
def _solver(arguments: Arguments, knobs: settings.Settings) -> Generator[locate.Solver]:
    if arguments.gazetteer:
        calibration = arguments.calibration or files.calibration_among(knobs.rules_dir)
        yield files.read_solver(files.GazetteerFiles(arguments.gazetteer, arguments.crs, calibration))
        return
    from geo_service import service

    with closing(service.open_service(knobs)) as parts:
        with parts.engine.connect() as connection:
            solver = parts.solver(connection)
        if solver is None:
            raise BadParameter(
                "no gazetteer has been loaded; pass --gazetteer FILE, or load one: geo-service load gazetteer"
            )
        yield solver


def _print_one(solver: locate.Solver, text: str, arguments: Arguments) -> None:
    told = dict(solver.locate(text).as_table())
    if not arguments.json:
        told = {name: _plainly(value) for name, value in told.items() if name not in ("shape", "parts", "text")}
    cli.print_summary(told, arguments)


def _plainly(value: object) -> object:
    """Write lists of things a line each, each thing as its values."""
    if isinstance(value, dict):
        return "  ".join(f"{name} {_plainly(one)}" for name, one in value.items())
    if isinstance(value, list | tuple):
        return (
            "".join(f"\n{'':20} {_plainly(one)}" for one in value)
            if value and isinstance(value[0], dict)
            else (", ".join(str(one) for one in value))
        )
    return value


def _print_all(solver: locate.Solver, texts: Sequence[str], arguments: Arguments) -> None:
    """Print a line an address, in their order: CSV with a head, or with --json an object."""
    with cli.bar() as tell:
        for begin in range(0, len(texts), _A_PIECE):
            piece = texts[begin : begin + _A_PIECE]
            rows = solver.locate_all(piece).round(_DECIMALS)
            rows.insert(0, "text", piece)
            if arguments.json:
                rows = rows.astype(object).where(rows.notna(), None)
                sys.stdout.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows.to_dict("records"))
            else:
                rows.to_csv(sys.stdout, index=False, header=begin == 0)
            tell((begin + len(piece)) / len(texts))
