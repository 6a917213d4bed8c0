"""The monthly bulletin as one HTML file: headline, map, change, red and black places, streaks, control charts, methods.

Pure.  What it tells is made in analysis/bulletin.py, a chapter for each kind of place; here it is put into words and
drawn, for A4 and in one language or two.  It holds no script and asks for nothing.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from geo_service.analysis import rules, trends
from geo_service.analysis.bulletin import Chapter
from geo_service.geography.zones import Zones
from geo_service.prints import charts, city_map, page, sheets
from geo_service.prints import words as words_of
from geo_service.prints.words import Words, joined, safe

_MOST_HOT = 40  # places listed of each kind: what more there is stands in the tables
_CHARTS = 6  # control charts drawn


def as_html(chapters: Sequence[Chapter], zones: Mapping[str, Zones], edition: sheets.Edition, language: str) -> str:
    """Give a month's bulletin; `zones` of a kind draw its map, and a kind without them has none.

    Raises BadParameter for a language that is none of zh, en and both.
    """
    words = words_of.in_languages(edition.texts, language)
    month = chapters[0].span.month
    told = [_Chapter(chapter, zones.get(chapter.kind), edition, words).html() for chapter in chapters]
    body = [_head(month, edition, words), _headline(chapters, words), *told, _methods(month, edition, words)]
    title = f"{words.plain('bulletin.title')} {_month(month, words)[words.leading]}"
    return page.document(title, body, words, edition.scheme)


def _month(month: str, words: Words) -> dict[str, str]:
    """Write a month in each language."""
    return {
        language: words.plain(
            "bulletin.of_month",
            language,
            year=month[:4],
            month=words.plain(f"month_name.{month[5:]}", language),
        )
        for language in words.languages
    }


def _head(month: str, edition: sheets.Edition, words: Words) -> str:
    named = {
        language: words.plain(
            "bulletin.subtitle",
            language,
            month=_month(month, words)[language],
            version=edition.rules.levels_at(month).version,
            as_of=f"{edition.as_of:%Y-%m-%d %H:%M}",
        )
        for language in words.languages
    }
    return f'<header><h1>{words.say("bulletin.title")}</h1><p class="quiet">{words.titled(named)}</p></header>'


def _headline(chapters: Sequence[Chapter], words: Words) -> str:
    """Give the share at zero of each kind, in figures one sees across a room."""
    drawn: list[str] = []
    for chapter in chapters:
        row = chapter.shares.iloc[0]
        said = words.say(
            "bulletin.at_zero_of",
            zero=f"{row['zero_places']:,}",
            places=f"{row['places']:,}",
            months=len(chapter.span.months),
            low=sheets.percent(row["low"]),
            high=sheets.percent(row["high"]),
        )
        drawn.append(
            f'<div><div class="figure">{sheets.percent(row["share"])}</div>'
            f"<b>{words.say(f'statistics.kind.{chapter.kind}')}</b> {words.say('bulletin.at_zero')}"
            f'{charts.share(row["share"], row["low"], row["high"])}<p class="note">{said}</p></div>'
        )
    return f'<section class="figures">{"".join(drawn)}</section>'


class _Chapter:
    """A chapter in words: one kind of places."""

    def __init__(self, told: Chapter, zones: Zones | None, edition: sheets.Edition, words: Words) -> None:
        self._told = told
        self._zones = zones
        self._edition = edition
        self._words = words

    def html(self) -> str:
        """Give the chapter."""
        parts = [self._map(), self._shares(), self._change(), self._districts(), self._hot(), self._streaks()]
        parts += [self._control(), self._restated()]
        return joined([f'<section class="chapter">{self._kind()}', *parts, "</section>"])

    def _kind(self) -> str:
        return f'<h2 class="kind">{self._words.say(f"statistics.kind.{self._told.kind}")}</h2>'

    def _map(self) -> str:
        """Draw the map, with the levels' legend and how many places wear each."""
        words, scheme, told = self._words, self._edition.scheme, self._told
        rule = self._edition.rules.levels_at(told.span.month)
        ranges = scheme.ranges([rule.yellow, rule.orange, rule.red, rule.black])
        worn = np.bincount(told.levels, minlength=len(scheme.levels))
        legend = city_map.legend(
            {
                level.name: f"{words.titled(_beside(level.text, span))} <b>{count:,}</b>"
                for level, span, count in zip(scheme.levels, ranges, worn.tolist(), strict=True)
            }
        )
        bar = charts.colours(worn.tolist(), scheme)
        if self._zones is None:
            return f"<h3>{words.say('bulletin.map')}</h3>{bar}{legend}"
        level = pd.Series(told.levels, index=told.zone_ids).reindex(self._zones.ids, fill_value=0).to_numpy()
        label = words.plain("bulletin.map_of", kind=words.plain(f"statistics.kind.{told.kind}"), month=told.span.month)
        drawn = city_map.draw(self._zones, level, scheme, label)
        return f"<h3>{words.say('bulletin.map')}</h3><figure>{drawn}<figcaption>{legend}</figcaption></figure>"

    def _shares(self) -> str:
        """Give the shares by class, where there are classes."""
        words, rows = self._words, self._told.shares
        if len(rows) == 1:
            return ""
        body = [
            [
                sheets.group_name(row, words),
                _number(f"{row['zero_places']:,} / {row['places']:,}"),
                _number(sheets.percent(float(str(row["share"])))),
                sheets.drawn_interval(row, "zero-incident"),
            ]
            for row in sheets.each(rows)
        ]
        heads = ["statistics.column.group", "statistics.column.zero_places", "statistics.column.share"]
        return self._titled("bulletin.shares", self._table([*heads, "statistics.column.interval"], body))

    def _change(self) -> str:
        """Say the change on the year and on the month, and draw the months with the band of chance."""
        words, told = self._words, self._told
        lines = [
            f"<dt>{words.say(f'bulletin.{name}')}</dt><dd>{self._compared(row)}</dd>"
            for name, row in (("on_the_year", told.year), ("on_the_month", told.month_before))
        ]
        if told.warned:
            now, past, band = told.warned
            said = words.say("change.band", past=past, now=now, low=band.low, high=band.high)
            lines.append(f"<dt>{words.say('bulletin.warned')}</dt><dd>{said}</dd>")
        history = told.history
        nothing = np.full(len(history), np.nan)
        drawn = charts.series(
            charts.Series(
                history["month"].tolist(),
                history["count"].to_numpy(dtype=np.float64),
                history["low"].to_numpy(),
                history["high"].to_numpy(),
                nothing,
                np.zeros(len(history), dtype=bool),
            ),
            words.plain("bulletin.history"),
        )
        key = {"counts": words.say("bulletin.history_counts")}
        if history["high"].notna().any():
            key["noise"] = words.say("bulletin.history_noise")
        figure = f"<figure>{drawn}<figcaption>{charts.key(key)}</figcaption></figure>"
        return self._titled("bulletin.change", joined([f"<dl>{''.join(lines)}</dl>", figure]))

    def _compared(self, row: "pd.Series | None") -> str:
        if row is None:
            return self._words.say("bulletin.no_past")
        sentence, values = trends.told({str(name): value for name, value in row.items()})
        return self._words.say(f"change.{sentence}", **values)

    def _districts(self) -> str:
        """Give each area's colours and change, the warned ones first."""
        told, words = self._told, self._words
        if told.district is None:
            return ""
        rows = told.districts.sort_values(["black", "red", "orange"], ascending=False, kind="stable")
        rows = pd.concat([rows[rows["group"] == "all"], rows[rows["group"] != "all"]])
        body: list[list[str]] = []
        for row in sheets.each(rows):
            counts = [int(str(row[name])) for name in rules.LEVEL_NAMES]
            cells = [sheets.group_name(row, words), charts.colours(counts, self._edition.scheme)]
            cells += [_number(str(counts[level])) for level in (rules.RED, rules.BLACK)]
            if "verdict" in row:
                moved = f"{row['past']} → {row['now']}"
                drawn = charts.ratio(
                    float(str(row["ratio"])), float(str(row["ratio_low"])), float(str(row["ratio_high"]))
                )
                cells += [_number(moved), _number(sheets.moved(row)), drawn, sheets.verdict(row, words)]
            body.append(cells)
        titles = [level.text for level in self._edition.scheme.levels]
        heads = ["bulletin.column.area", "bulletin.column.colours", titles[rules.RED], titles[rules.BLACK]]
        if "verdict" in rows:
            heads += ["bulletin.column.then_now", "statistics.column.percent", "statistics.column.interval"]
            heads.append("statistics.column.verdict")
        key = charts.key({name: words.say(f"statistics.key.{name}") for name in ("interval", "one")})
        note = f'<p class="note">{words.say("bulletin.colours_note")}</p>'
        return self._titled(
            "bulletin.colours", joined([note, key if "verdict" in rows else "", self._table(heads, body)])
        )

    def _hot(self) -> str:
        """List the red and black places beside what was expected."""
        words, hot = self._words, self._told.hot
        if hot.empty:
            return self._titled("bulletin.hot", f"<p>{words.say('bulletin.hot_none')}</p>")
        looks = self._edition.scheme.levels
        body = [
            [
                safe(row["name"]),
                sheets.class_name(str(row["class"]), words) if row["class"] else "–",
                safe(row["area_name"]) or "–",
                city_map.box(looks[int(str(row["level"]))].name) + words.titled(looks[int(str(row["level"]))].text),
                _number(str(row["count"])),
                _number(_expected(row)),
                _number(sheets.percent(float(str(row["chance_red"])), 0)),
            ]
            for row in sheets.each(hot.head(_MOST_HOT))
        ]
        columns = ("place", "class", "station", "level", "count", "expected", "chance")
        more = len(hot) - len(body)
        left = f'<p class="note">{words.say("bulletin.hot_more", n=more)}</p>' if more else ""
        note = f'<p class="note">{words.say("bulletin.hot_note")}</p>'
        return self._titled(
            "bulletin.hot", joined([note, self._table([f"bulletin.column.{name}" for name in columns], body), left])
        )

    def _streaks(self) -> str:
        """Give how many places have been at zero for how long, beside what their rates would give."""
        words, rows = self._words, self._told.streaks
        body = [
            [
                _number(str(row["months"])),
                _number(f"{row['places']:,}"),
                _number(sheets.percent(float(str(row["share"])))),
                _number(f"{float(str(row['expected'])):,.0f}" if np.isfinite(float(str(row["expected"]))) else "–"),
                _number(sheets.within(row)),
            ]
            for row in sheets.each(rows[rows["group"] == "all"])
        ]
        heads = [f"statistics.column.{name}" for name in ("months", "places", "share", "expected", "range")]
        note = f'<p class="note">{words.say("statistics.meaning.streaks")}</p>'
        return self._titled("bulletin.streaks", joined([note, self._table(heads, body)]))

    def _restated(self) -> str:
        """List the counts that became others after their month, and why; what never happened takes no room."""
        words, rows = self._words, self._told.restated
        if rows.empty:
            return ""
        body = [
            [
                safe(row["name"]),
                safe(row["month"]),
                _number(f"{row['count_before']} → {row['count_after']}"),
                ", ".join(words.say(f"restated_why.{cause}") for cause in str(row["causes"]).split()),
            ]
            for row in sheets.each(rows.head(_MOST_HOT))
        ]
        note = f'<p class="note">{words.say("bulletin.restated_note", n=len(rows))}</p>'
        columns = [f"bulletin.column.{name}" for name in ("place", "month", "restated", "why")]
        return self._titled("bulletin.restated", joined([note, self._table(columns, body)]))

    def _control(self) -> str:
        """Name the areas above their limit, and draw the charts of those and of the nearest to it."""
        words, table = self._words, self._told.control
        if table.empty:
            return self._titled("bulletin.control", f"<p>{words.say('bulletin.control_short')}</p>")
        areas = table[table["group"] == "area"] if (table["group"] == "area").any() else table
        latest = areas[areas["month"] == self._told.span.month].copy()
        alarms = latest[latest["alarm"]]
        names = [sheets.group_name(row, words) for row in sheets.each(alarms)]
        said = words.say("bulletin.control_none")
        if len(alarms):
            said = words.titled(
                {
                    each: words.plain("bulletin.control_found", each, n=len(alarms), names=_COMMA[each].join(names))
                    for each in words.languages
                }
            )
        latest["near"] = latest["statistic"] / latest["upper"].clip(lower=0.5)
        first = latest.sort_values(["alarm", "near"], ascending=False, kind="stable").head(_CHARTS)
        drawn = [self._chart(row, areas[areas["area"] == row["area"]]) for row in sheets.each(first)]
        smoothed = (areas["method"] == "ewma").any()
        key = {"counts": words.say("bulletin.control_count"), "line": words.say("bulletin.control_upper")}
        key["ring"] = words.say("bulletin.control_ring")
        note = f'<p class="note">{words.say("bulletin.control_shown")} {words.say("statistics.meaning.control")}</p>'
        if smoothed:
            key["counts"] = words.say("bulletin.control_statistic")
        return self._titled(
            "bulletin.control",
            joined([f"<p>{said}</p>", note, charts.key(key), f'<div class="many">{"".join(drawn)}</div>']),
        )

    def _chart(self, row: Mapping[str, object], months: pd.DataFrame) -> str:
        nothing = np.full(len(months), np.nan)
        drawn = charts.Series(
            months["month"].tolist(),
            months["statistic"].to_numpy(),
            nothing,
            nothing,
            months["upper"].to_numpy(),
            months["alarm"].to_numpy(dtype=bool),
        )
        name = sheets.group_name(row, self._words)
        return f"<figure><h3>{name}</h3>{charts.series(drawn, safe(str(row['area'])), (310.0, 130.0))}</figure>"

    def _titled(self, key: str, body: str) -> str:
        return f"<section><h3>{self._words.say(key)}</h3>{body}</section>"

    def _table(self, heads: Sequence[str | Mapping[str, str]], body: Sequence[Sequence[str]]) -> str:
        """Make a table of HTML cells; heads are keys of texts or titles in both languages."""
        words = self._words
        said = [words.say(head) if isinstance(head, str) else words.titled(head) for head in heads]
        numeric = [cell.startswith(_MARK) for cell in body[0]] if body else [False] * len(heads)
        top = [f"<th{_NUMBER if right else ''}>{head}</th>" for head, right in zip(said, numeric, strict=True)]
        rows = [f"<tr>{''.join(_cell(cell) for cell in row)}</tr>" for row in body]
        return f"<table><thead><tr>{''.join(top)}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


_COMMA = {"zh": "、", "en": ", "}
_NUMBER = ' class="number"'
_MARK = "\x00"  # before a cell that is a number; never printed


def _number(text: str) -> str:
    return f"{_MARK}{safe(text)}"


def _cell(cell: str) -> str:
    return f"<td{_NUMBER}>{cell[1:]}</td>" if cell.startswith(_MARK) else f"<td>{cell}</td>"


def _beside(one: Mapping[str, str], other: Mapping[str, str]) -> dict[str, str]:
    """Write two texts side by side, language by language."""
    return {language: f"{text} {other[language]}" for language, text in one.items()}


def _expected(row: Mapping[str, object]) -> str:
    expected = float(str(row["expected"]))
    return f"{expected:.1f} ({sheets.within(row)})" if np.isfinite(expected) else "–"


def _methods(month: str, edition: sheets.Edition, words: Words) -> str:
    """Say how the numbers were made: what was counted, by which rule, with which methods."""
    rule = edition.rules.levels_at(month)
    ranges = edition.scheme.ranges([rule.yellow, rule.orange, rule.red, rule.black])
    counted = {
        language: words.plain(
            "bulletin.method_counted",
            language,
            categories=_COMMA[language].join(edition.rules.categories[name][language] for name in rule.counted),
            version=safe(rule.version),
            ranges=("；" if language == "zh" else "; ").join(
                f"{level.text[language]} {span[language]}"
                for level, span in zip(edition.scheme.levels, ranges, strict=True)
            ),
        )
        for language in words.languages
    }
    paragraphs = [words.titled(counted), words.say("statistics.basis")]
    paragraphs += [words.say(f"bulletin.method_{name}") for name in ("zero", "expected", "control", "places")]
    told = "".join(f"<p>{paragraph}</p>" for paragraph in paragraphs)
    return f"<footer><h3>{words.say('bulletin.method')}</h3>{told}</footer>"
