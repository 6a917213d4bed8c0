"""Sheets: a table of statistics as CSV, Parquet, JSON or HTML, with a head that says what its numbers mean.

Pure.  The head, `About`, stands in JSON as "about", in the Parquet file's metadata, on the page around the table; a CSV
file is rows only, so that any program reads it, and whoever writes one puts the head beside it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import numpy as np
import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from geo_service.analysis import rules, statistics
from geo_service.errors import BadParameter
from geo_service.maps import layers
from geo_service.prints import charts, page
from geo_service.prints import words as words_of
from geo_service.prints.words import Texts, Words, joined, safe

_PLACES = {  # columns of a page's table; a file has all
    "zero-incident": ("places", "zero_places", "share"),
    "colours": ("month", *rules.LEVEL_NAMES),
    "changes": ("month", "now", "past_month", "past", "percent", "ratio", "poisson_z", "p", "verdict"),
    "streaks": ("months", "places", "share", "expected", "range"),
    "control": ("month", "count", "method", "expected", "upper", "p", "alarm"),
}
FORMS: Mapping[str, str] = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
    "html": "text/html; charset=utf-8",
}


@dataclass(frozen=True)
class Edition:
    """What every print needs beside its numbers: rules, words, colours, how far the record had come, and the time."""

    rules: rules.Rules
    texts: Texts
    scheme: layers.LevelScheme
    as_of: datetime
    generated_at: datetime


@dataclass(frozen=True)
class About:
    """What a table is about: its name, the question as it was answered, and how far the record had come."""

    name: str
    kind: str
    question: statistics.Question
    span: statistics.Span
    rule: rules.Levels
    as_of: datetime
    generated_at: datetime

    def told(self, texts: Texts) -> dict[str, object]:
        """Give the head as values: titles, units and basis in both languages, moments as ISO 8601."""
        asked, words = self.question, words_of.in_languages(texts, "both")
        return {
            "table": self.name,
            "title": words.each(f"statistics.title.{self.name}"),
            "unit": words.each(f"statistics.unit.{self.name}"),
            "meaning": words.each(f"statistics.meaning.{self.name}"),
            "basis": words.each("statistics.basis"),
            "kind": self.kind,
            "class": asked.zone_class,
            "tree": asked.tree,
            "level": asked.level,
            "area": asked.area,
            "month": self.span.month,
            "months": list(self.span.months),
            "counted": list(self.rule.counted),
            "rule_version": self.rule.version,
            "as_of": self.as_of.isoformat(),
            "generated_at": self.generated_at.isoformat(),
        }


def about(name: str, kind: str, record: statistics.Record, question: statistics.Question, edition: Edition) -> About:
    """Say what a table about a record is about."""
    span = statistics.span(record, question)
    rule = edition.rules.levels_at(span.month)
    return About(name, kind, question, span, rule, edition.as_of, edition.generated_at)


def written(form: str, rows: pd.DataFrame, about: About, edition: Edition, language: str) -> bytes:
    """Give a table in one of FORMS; `language` (zh, en, both) is that of the page.

    Raises BadParameter for another form.
    """
    if form == "csv":
        return as_csv(rows)
    if form in ("json", "parquet"):
        head = about.told(edition.texts)
        return as_json(rows, head) if form == "json" else as_parquet(rows, head)
    if form != "html":
        raise BadParameter(f"f={form}: expected one of {', '.join(FORMS)}")
    return as_page(rows, about, edition, words_of.in_languages(edition.texts, language)).encode()


def as_page(rows: pd.DataFrame, about: About, edition: Edition, words: Words, above: Sequence[str] = ()) -> str:
    """Give a table as a page of its own, with pieces of HTML above it."""
    title = f"{words.plain('statistics.heading')} · {words.plain(f'statistics.title.{about.name}')} {about.span.month}"
    head = f"<header><h1>{words.say('statistics.heading')}</h1></header>"
    return page.document(title, [head, *above, as_html(rows, about, words, edition.scheme)], words, edition.scheme)


def as_csv(rows: pd.DataFrame) -> bytes:
    r"""Give a table as CSV: UTF-8, a head line, an empty field for what is missing.

    >>> as_csv(pd.DataFrame({"area": ["东门,甲"], "percent": [None]})).decode()
    '"area","percent"\n"东门,甲",\n'
    """
    sink = pa.BufferOutputStream()
    pa_csv.write_csv(_arrow(rows), sink)
    return sink.getvalue().to_pybytes()


def as_parquet(rows: pd.DataFrame, about: Mapping[str, object]) -> bytes:
    """Give a table as Parquet, its head as JSON under `about` in the file's metadata."""
    table = _arrow(rows)
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), b"about": orjson.dumps(about)})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue().to_pybytes()


def as_json(rows: pd.DataFrame, about: Mapping[str, object]) -> bytes:
    """Give a table as JSON: about, and rows as objects; null for what is missing or infinite."""
    told = [{name: _value(value) for name, value in row.items()} for row in each(rows)]
    return orjson.dumps({"about": about, "rows": told}, option=orjson.OPT_INDENT_2)


def as_html(rows: pd.DataFrame, about: About, words: Words, scheme: layers.LevelScheme) -> str:
    """Give a table as HTML: its title, the head, the legend of what is drawn, and the rows."""
    shown = _PLACES[about.name]
    drawn = _INTERVALS.get(about.name, ("",))[0]
    heads = [f"<th>{words.say('statistics.column.group')}</th>"]
    for name in shown:
        title = (
            words.titled(scheme_text(scheme, name))
            if name in rules.LEVEL_NAMES
            else words.say(f"statistics.column.{name}")
        )
        heads.append(f"<th{'' if name in _TEXTS else _NUMBER}>{title}</th>")
        if name == drawn:
            heads.append(f"<th>{words.say('statistics.column.interval')}</th>")
    if about.name == "colours":
        heads.append("<th></th>")
    body = [_row(row, about, shown, (words, scheme)) for row in each(rows)]
    marks = {"interval": words.say("statistics.key.interval")} if drawn else {}
    if drawn == "ratio":
        marks["one"] = words.say("statistics.key.one")
    return joined(
        [
            f"<h2>{words.say(f'statistics.title.{about.name}')}</h2>",
            f"<p>{words.say(f'statistics.meaning.{about.name}')}</p>",
            charts.key(marks) if marks else "",
            f'<div class="scroll"><table><thead><tr>{"".join(heads)}</tr></thead><tbody>',
            *body,
            "</tbody></table></div>",
            footing(about, words),
        ]
    )


def each(rows: pd.DataFrame) -> list[Mapping[str, object]]:
    """Give the rows of a table one by one."""
    return cast("list[Mapping[str, object]]", rows.to_dict("records"))


def footing(about: About, words: Words) -> str:
    """Say below a table which rule, basis and moment its numbers have."""
    months = about.span.months
    said = words.say(
        "statistics.footing",
        kind=words.plain(f"statistics.kind.{about.kind}"),
        first=months[0],
        last=months[-1],
        version=about.rule.version,
        as_of=f"{about.as_of:%Y-%m-%d %H:%M}",
        generated_at=f"{about.generated_at:%Y-%m-%d %H:%M}",
    )
    return f'<p class="note">{said} {words.say("statistics.basis")}</p>'


def group_name(row: Mapping[str, object], words: Words) -> str:
    """Name what a row is about (HTML): all places, a class, or an area."""
    if row["group"] == "area":
        return safe(row["area_name"]) if row["area"] else words.say("statistics.no_area")
    if row["group"] == "class" or row["class"]:
        return class_name(str(row["class"]), words)
    return words.say("statistics.all")


def class_name(name: str, words: Words) -> str:
    """Name a class of places (HTML); one the catalogue does not know stands as it is."""
    if not name:
        return words.say("class.unknown")
    return words.say(f"class.{name}") if words.knows(f"class.{name}") else safe(name)


def scheme_text(scheme: layers.LevelScheme, name: str) -> Mapping[str, str]:
    """Give a level's name in both languages."""
    return next(level.text for level in scheme.levels if level.name == name)


def drawn_interval(row: Mapping[str, object], table: str) -> str:
    """Draw and write the interval of a row of zero-incident or changes (HTML)."""
    value, low, high = (float(str(row[name])) for name in _INTERVALS[table])
    if table == "zero-incident":
        return f"{charts.share(value, low, high)} {percent(low)} – {percent(high)}"
    bar = charts.ratio(value, low, high)
    return f"{bar} {interval(low, high)}" if bar else ""


def percent(share: float, digits: int = 1) -> str:
    """Write a share.

    >>> percent(0.68803), percent(float("nan"))
    ('68.8 %', '–')
    """
    return f"{100 * share:.{digits}f} %" if np.isfinite(share) else "–"


def interval(low: float, high: float) -> str:
    """Write the interval of a ratio; what has no end is open.

    >>> interval(0.314, 1.374), interval(0.41, float("inf"))
    ('0.31 – 1.37', '0.41 –')
    """
    return f"{low:.2f} – {high:.2f}" if np.isfinite(high) else f"{low:.2f} –"


_INTERVALS = {  # what is drawn beside a value: its ends, and how they are written
    "zero-incident": ("share", "low", "high"),
    "changes": ("ratio", "ratio_low", "ratio_high"),
}
_TEXTS = frozenset({"month", "past_month", "verdict", "method", "alarm"})
_DIGITS = {"expected": 1, "upper": 1, "poisson_z": 2, "p": 3, "ratio": 2}


def _row(
    row: Mapping[str, object], about: About, shown: tuple[str, ...], look: tuple[Words, layers.LevelScheme]
) -> str:
    words, scheme = look
    cells = [f"<td>{group_name(row, words)}</td>"]
    for name in shown:
        cells.append(_cell(name, row, words))
        if name == _INTERVALS.get(about.name, ("",))[0]:
            cells.append(f"<td>{drawn_interval(row, about.name)}</td>")
    if about.name == "colours":
        counts = [int(str(row[name])) for name in rules.LEVEL_NAMES]
        cells.append(f"<td>{charts.colours(counts, scheme)}</td>")
    return f'<tr class="{safe(row["group"])}">{"".join(cells)}</tr>'


def _cell(name: str, row: Mapping[str, object], words: Words) -> str:
    text = name in _TEXTS
    return f"<td{'' if text else _NUMBER}>{_SAID[name](row, words) if name in _SAID else _number(name, row)}</td>"


def _number(name: str, row: Mapping[str, object]) -> str:
    if name not in _DIGITS:
        return safe(row[name])
    number = float(str(row[name]))
    return f"{number:.{_DIGITS[name]}f}" if np.isfinite(number) else "–"


def moved(row: Mapping[str, object]) -> str:
    """Say a change in percent, or from nothing: 0 → n.

    >>> moved({"now": 7, "percent": pd.NA}), moved({"now": 14, "percent": -33.33})
    ('0 → 7', '-33.3 %')
    """
    value = row["percent"]
    return f"{value:+.1f} %" if isinstance(value, float) and np.isfinite(value) else f"0 → {row['now']}"


def verdict(row: Mapping[str, object], words: Words) -> str:
    """Say whether a change is real (HTML); what is none is said quietly."""
    real = {"real_rise": "▲ ", "real_fall": "▼ "}.get(str(row["verdict"]))
    said = words.say(f"statistics.verdict.{row['verdict']}")
    return f'<b class="alarm">{real}{said}</b>' if real else f'<span class="quiet">{said}</span>'


def within(row: Mapping[str, object]) -> str:
    """Write the range of a count that was expected; nothing where nothing was.

    >>> within({"low": 3.6, "high": 8.2}), within({"low": float("nan"), "high": float("nan")})
    ('4 – 8', '–')
    """
    low, high = float(str(row["low"])), float(str(row["high"]))
    return f"{low:.0f} – {high:.0f}" if np.isfinite(high) else "–"


_NUMBER = ' class="number"'
_SAID: Mapping[str, Callable[[Mapping[str, object], Words], str]] = {
    "percent": lambda row, _: moved(row),
    "range": lambda row, _: within(row),
    "share": lambda row, _: percent(float(str(row["share"]))),
    "verdict": verdict,
    "method": lambda row, words: words.say(f"statistics.method.{row['method']}"),
    "alarm": lambda row, words: f'<span class="alarm">{words.say("statistics.alarm")}</span>' if row["alarm"] else "",
}


def _arrow(rows: pd.DataFrame) -> Any:
    return pa.Table.from_pandas(rows, preserve_index=False).replace_schema_metadata(None)


def _value(value: object) -> object:
    if value is pd.NA or value is None or (isinstance(value, float) and not np.isfinite(value)):
        return None
    return value.item() if isinstance(value, np.generic) else value
