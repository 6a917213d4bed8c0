"""A feed file: what one incident source says and how to read it.

Pure.  rules/feeds/*.toml, parsed by files.py, is checked here.  A feed lists the columns it takes; nothing else is
ever read, so no personal field can reach even a reject.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import PurePath
from typing import cast
from zoneinfo import ZoneInfo

from geo_service.errors import BadRule, UndeclaredCRS
from geo_service.geography import crs

_CANONICAL = (
    "id", "called_at", "occurred_from", "occurred_to", "occurred_date", "occurred_window", "filed_at", "updated_at",
    "place",
    "category", "retyped", "lon", "lat", "unit",
)  # fmt: skip
_DIRECTIVES = "YmdHMSfzZKyjbBp"
EARLIEST = date(1990, 1, 1)


@dataclass(frozen=True)
class Categories:
    """From `valid_from` on: code prefix -> canonical category; the longest prefix wins."""

    valid_from: date
    prefixes: Mapping[str, str]

    def of(self, code: str) -> str | None:
        """Give the category of a source's code, None when no prefix fits.

        >>> Categories(date(2000, 1, 1), {"05": "theft", "0501": "robbery"}).of("050103")
        'robbery'
        """
        fitting = [prefix for prefix in self.prefixes if code.startswith(prefix)]
        return self.prefixes[max(fitting, key=len)] if fitting else None


@dataclass(frozen=True)
class Feed:
    """One incident source.

    `columns`: canonical name -> source columns; `system`: a coordinate system's name, or "" when `system_column` names
    it row by row through `systems`; `formats`: canonical time column -> strptime format, "iso", %K the ROC (民国) year.
    """

    id: str
    title: Mapping[str, str]
    columns: Mapping[str, tuple[str, ...]]
    zone: str
    city_zone: str
    formats: Mapping[str, str]
    called_at_from: str
    earliest: date
    system: str
    system_column: str
    systems: Mapping[str, str]
    unknown_positions: tuple[tuple[float, float], ...]
    unknown_places: tuple[str, ...]
    categories: tuple[Categories, ...]
    source: Mapping[str, object]
    path: PurePath

    @property
    def columns_taken(self) -> tuple[str, ...]:
        """Every source column the feed reads, once, in the order of the file."""
        named = [column for columns in self.columns.values() for column in columns]
        if self.system_column:
            named.append(self.system_column)
        return tuple(dict.fromkeys(named))

    @property
    def layouts(self) -> Mapping[str, str]:
        """The strptime layout of each source column that holds a time, or the part of it that the column holds."""
        found: dict[str, str] = {}
        for name, layout in self.formats.items():
            columns = self.columns.get(name, ())
            parts = layout.split(" ") if len(columns) > 1 else [layout]
            if len(parts) == len(columns):
                found |= dict(zip(columns, parts, strict=True))
        return found


def parse(table: Mapping[str, object], path: PurePath) -> Feed:
    """Check a feed file and make a Feed of it.

    Raises BadRule with the file and key when something is missing or unknown, UndeclaredCRS when it takes
    coordinates and names no system.
    """
    where = f"feed file {path.name}"
    unknown = set(table) - {"id", "title", "crs", "columns", "time", "unknown", "categories", "source"}
    if unknown:
        raise BadRule(f"{where}: unknown key {', '.join(sorted(unknown))}")
    columns = _columns(_section(table, "columns", where), where)
    time = _section(table, "time", where)
    system, system_column, systems = _system(table, "lon" in columns, where)
    zone = _zone(time, "zone", where)
    nowhere = cast(Mapping[str, Sequence[object]], table.get("unknown", {}))
    return Feed(
        id=_text(table, "id", where),
        title=cast(Mapping[str, str], table.get("title", {})),
        columns=columns,
        zone=zone,
        city_zone=_zone(time, "city_zone", where) if "city_zone" in time else zone,
        formats=_formats(time, where),
        called_at_from=_called_at_from(time, columns, where),
        earliest=cast(date, time.get("earliest", EARLIEST)),
        system=system,
        system_column=system_column,
        systems=systems,
        unknown_positions=tuple(
            (float(x), float(y)) for x, y in cast(Sequence[tuple[float, float]], nowhere.get("lon_lat", ()))
        ),
        unknown_places=tuple(cast(Sequence[str], nowhere.get("place", ()))),
        categories=_categories(cast(Sequence[Mapping[str, object]], table.get("categories", ())), where),
        source=cast(Mapping[str, object], table.get("source", {})),
        path=path,
    )


def _section(table: Mapping[str, object], key: str, where: str) -> Mapping[str, object]:
    section = table.get(key)
    if not isinstance(section, dict):
        raise BadRule(f"{where}: the table [{key}] is missing")
    return cast(Mapping[str, object], section)


def _text(table: Mapping[str, object], key: str, where: str) -> str:
    value = table.get(key)
    if not isinstance(value, str) or not value:
        raise BadRule(f"{where}: {key} must be a text, came {value!r}")
    return value


def _columns(section: Mapping[str, object], where: str) -> dict[str, tuple[str, ...]]:
    unknown = [name for name in section if name not in _CANONICAL]
    if unknown:
        raise BadRule(f"{where} [columns]: unknown {', '.join(unknown)}; known are {', '.join(_CANONICAL)}")
    columns = {
        name: (value,) if isinstance(value, str) else tuple(cast(Sequence[str], value))
        for name, value in section.items()
    }
    for name in ("id", "category"):
        if not columns.get(name):
            raise BadRule(f"{where} [columns]: {name} is missing; name the source's column")
    if ("lon" in columns) != ("lat" in columns):
        raise BadRule(f"{where} [columns]: lon and lat must both be named, or neither")
    if ("occurred_date" in columns) != ("occurred_window" in columns):
        raise BadRule(f"{where} [columns]: occurred_date and occurred_window must both be named, or neither")
    return columns


def _zone(time: Mapping[str, object], key: str, where: str) -> str:
    name = _text(time, key, f"{where} [time]")
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise BadRule(f"{where} [time]: {key} {name!r} is no time zone; write one such as Asia/Shanghai") from None
    return name


def _formats(time: Mapping[str, object], where: str) -> dict[str, str]:
    unknown = set(time) - {"zone", "city_zone", "format", "formats", "window", "called_at_from", "earliest"}
    if unknown:
        raise BadRule(f"{where} [time]: unknown key {', '.join(sorted(unknown))}")
    default = cast(str, time.get("format", "iso"))
    own = cast(Mapping[str, str], time.get("formats", {}))
    names = ("called_at", "occurred_from", "occurred_to", "occurred_date", "filed_at", "updated_at")
    formats = {name: own.get(name, default) for name in names}
    for name, layout in formats.items():
        _check_format(layout, f"{where} [time] format of {name}")
    if time.get("window", "%H~%H") != "%H~%H":
        raise BadRule(f"{where} [time]: window must be '%H~%H', came {time['window']!r}")
    return formats


def _check_format(layout: str, where: str) -> None:
    if layout == "iso":
        return
    directives = re.findall(r"%(.)", layout.replace("%%", ""))
    unknown = [d for d in directives if d not in _DIRECTIVES]
    if unknown or not directives:
        raise BadRule(
            f"{where}: unknown time format {layout!r}; write strptime directives such as %Y-%m-%d %H:%M:%S, %K "
            f"(ROC year) or iso"
        )
    if not {"Y", "y", "K"} & set(directives):
        raise BadRule(f"{where}: unknown time format {layout!r}: it holds no year (%Y, or %K for the ROC calendar)")


def _called_at_from(time: Mapping[str, object], columns: Mapping[str, object], where: str) -> str:
    origin = cast(str, time.get("called_at_from", ""))
    if origin not in ("", "occurred"):
        raise BadRule(f"{where} [time]: called_at_from must be 'occurred', came {origin!r}")
    if "called_at" not in columns and not origin:
        raise BadRule(
            f"{where} [columns]: called_at is missing; the call time decides the month. Where the source has none, "
            "write called_at_from = 'occurred' under [time]"
        )
    return origin


def _system(table: Mapping[str, object], needed: bool, where: str) -> tuple[str, str, dict[str, str]]:
    declared = table.get("crs")
    if declared is None:
        if needed:
            raise UndeclaredCRS(
                f'{where} takes coordinates but declares no crs; write crs = "EPSG:4326" (WGS 84), "EPSG:4490" '
                '(CGCS2000), "GCJ-02" or "BD-09", whichever the source uses'
            )
        return "", "", {}
    if isinstance(declared, str):
        return crs.check_system(declared, where), "", {}
    by_row = cast(Mapping[str, object], declared)
    systems = cast(Mapping[str, str], by_row.get("map", {}))
    return (
        "",
        _text(by_row, "column", f"{where} crs"),
        {key: crs.check_system(value, where) for key, value in systems.items()},
    )


def _categories(entries: Sequence[Mapping[str, object]], where: str) -> tuple[Categories, ...]:
    found: list[Categories] = []
    for entry in entries:
        valid_from = entry.get("valid_from")
        if not isinstance(valid_from, date) or isinstance(valid_from, datetime):
            raise BadRule(f"{where} [[categories]]: valid_from must be a date such as 2024-01-01, came {valid_from!r}")
        found.append(Categories(valid_from, cast(Mapping[str, str], entry.get("map", {}))))
    return tuple(sorted(found, key=lambda entry: entry.valid_from))
