"""Items: a page of a layer's places as a table that people read, each with its colour, and the ways on from there.

Pure.  The legend counts the colours of this page only; what a field means stands as a hint on its column.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from geo_service.maps.layers import Layer, LevelScheme
from geo_service.prints import charts, page, sheets
from geo_service.prints.words import Words, joined, safe

Columns = Mapping[str, Sequence[object]]


@dataclass(frozen=True)
class Items:
    """What a page shows: a layer's places by column, and the address of each, in `hrefs`.

    `matched` is how many there are in all, None where nobody counted; `links` are those of the answer, with rel, href,
    type and title; `crs` names the system of the coordinates.
    """

    layer: Layer
    columns: Columns
    hrefs: Sequence[str]
    returned: int
    matched: int | None
    links: Sequence[Mapping[str, str]]
    crs: str
    stamp: str


def as_page(items: Items, words: Words, scheme: LevelScheme) -> str:
    """Give the page: title, legend, table, links to the pages beside it and to the same places in other formats."""
    layer = items.layer
    title = {language: f"{text} {safe(_month(items.columns))}".rstrip() for language, text in layer.title.items()}
    known = "items.shown" if items.matched is None else "items.shown_of"
    shown = words.say(known, returned=f"{items.returned:,}", matched=f"{items.matched or 0:,}")
    body = [
        f"<header><h1>{words.titled(title)}</h1>",
        f'<p class="quiet">{words.titled(layer.description)}</p></header>',
        _ways(items.links, words),
        f"<p>{shown}</p>",
        _legend(items.columns, words, scheme),
        _table(items, words, scheme),
        _ways([link for link in items.links if link["rel"] in ("prev", "next")], words),
        f"<footer>{words.say('items.footing', stamp=items.stamp, crs=items.crs)}</footer>",
    ]
    return page.document(title[words.leading], body, words, scheme)


def _ways(links: Sequence[Mapping[str, str]], words: Words) -> str:
    """Link to the pages beside this one, to the collection, and to other formats."""
    beside = [
        f'<a rel="{link["rel"]}" href="{safe(link["href"])}">{words.say("items." + link["rel"])}</a>'
        for rel in ("prev", "next", "collection")
        for link in links
        if link["rel"] == rel
    ]
    others = [
        f'<a rel="alternate" type="{safe(link["type"])}" href="{safe(link["href"])}">{safe(link["title"])}</a>'
        for link in links
        if link["rel"] == "alternate"
    ]
    if others:
        others = [f"<span>{words.say('items.formats')}</span>", *others]
    return f"<nav>{joined([*beside, *others])}</nav>" if beside or others else ""


def _legend(columns: Columns, words: Words, scheme: LevelScheme) -> str:
    """Give the colours and how many places of this page wear each; nothing for a layer without colours."""
    if "level_name" not in columns:
        return ""
    worn = Counter(str(name) for name in columns["level_name"])
    looks = [*scheme.levels, *([scheme.unknown] if worn[scheme.unknown.name] else [])]
    entries = [f"<li>{_colour(look.name, words, scheme)} {worn[look.name]:,}</li>" for look in looks]
    return f'<ul class="key">{"".join(entries)}</ul>'


def _table(items: Items, words: Words, scheme: LevelScheme) -> str:
    if not items.returned:
        return f'<p class="note">{words.say("items.none")}</p>'
    columns, names = items.columns, _shown(items.columns)
    numbers = {name for name in names if any(isinstance(value, int | float) for value in columns[name])}
    places = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    rows = [
        "".join(f"<td{_right(name in numbers)}>{_said(name, place, href, (words, scheme))}</td>" for name in names)
        for place, href in zip(places, items.hrefs, strict=False)  # no columns, no cells
    ]
    heads = "".join(_head(name, items.layer, words, right=name in numbers) for name in names)
    table = [f"<table><thead><tr>{heads}</tr></thead><tbody>", *(f"<tr>{row}</tr>" for row in rows), "</tbody></table>"]
    return joined(['<div class="scroll">', *table, "</div>"])


def _month(columns: Columns) -> str:
    """Give the month that every row shares, which is said once, above the table; "" where they differ."""
    months = {str(month) for month in columns.get("month", ())}
    return months.pop() if len(months) == 1 else ""


def _shown(columns: Columns) -> list[str]:
    """Name the columns of the table: a colour is shown, not told by its code."""
    told = {"level", "colour", "withheld"} if "level_name" in columns else set[str]()
    return [name for name in columns if name not in told and (name != "month" or not _month(columns))]


def _head(name: str, layer: Layer, words: Words, *, right: bool) -> str:
    title = words.say(f"field.{name}") if words.knows(f"field.{name}") else safe(name)
    return f'<th title="{safe(layer.fields.get(name, name))}"{_right(right)}>{title}</th>'


def _right(right: bool) -> str:
    return ' class="number"' if right else ""


def _said(name: str, place: Mapping[str, object], href: str, look: tuple[Words, LevelScheme]) -> str:
    words, scheme = look
    value = place[name]
    if value is None:
        return "–"
    if name == "level_name":
        why = place.get("withheld")
        quiet = f' <span class="quiet">{words.say(f"outlook.{why}")}</span>' if why else ""
        return _colour(str(value), words, scheme) + quiet
    if isinstance(value, int | float):
        return f"{value:,}"
    if name == "id":
        return f'<a href="{safe(href)}">{safe(value)}</a>'
    return sheets.class_name(str(value), words) if name == "class" else safe(value)


def _colour(name: str, words: Words, scheme: LevelScheme) -> str:
    """Show a level by its colour, its pattern and its name."""
    if name == scheme.unknown.name:
        return words.titled(scheme.unknown.text)
    drawn = charts.swatch(name, (0, 0, 14, 14))
    sample = f'<svg viewBox="0 0 14 14" width="14" height="14" aria-hidden="true">{drawn}</svg>'
    return f"{sample} {words.titled(sheets.scheme_text(scheme, name))}"
