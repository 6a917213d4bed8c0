"""Statistics over HTTP: the tables of analysis/statistics.py as JSON, CSV, Parquet and a page; the monthly bulletin.

A record is read from the store once a revision and kind of place, and kept.  The page asks with a plain form and holds
no script: the Content-Security-Policy admits its own style and nothing else.
"""

import calendar
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime
from typing import Annotated, Literal
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import orjson
from fastapi import APIRouter, Query, Request
from fastapi import Path as PathParameter
from pydantic import Field
from starlette.responses import Response

from geo_service.analysis import bulletin, early_warnings, intake, jurisdictions, rules, statistics
from geo_service.errors import BadParameter, BadRule
from geo_service.prints import bulletin as printed
from geo_service.prints import page, sheets
from geo_service.prints import words as words_of
from geo_service.service import Service
from geo_service.store import history, news, reading
from geo_service.store import statistics as stored
from geo_service.web import access
from geo_service.web.parameters import MONTH, MONTH_OR_NONE, Instant, Nothing, OfMonth
from geo_service.web.tiles import origin

_MOST_MONTHS = 120
_KEPT = 6  # records: three kinds of place, this revision's and the last one's


class OfTable(OfMonth):
    """A question about one table."""

    month: str = Field("", pattern=MONTH_OR_NONE, description="Month, YYYY-MM; without it the last one over")
    months: int = Field(6, ge=1, le=_MOST_MONTHS, description="Months back from there, that one included")
    kind: Literal["communities", "units", "patrol_zones"] = Field("communities", description="Which kind of place")
    zone_class: str = Field("", alias="class", description="Only places of this class, such as hospital")
    tree: Literal["police", "civil"] = Field("police", description="Tree of areas that level and area mean")
    level: str = Field("", description="A row for each area of this level; without it for each class")
    area: str = Field("", description="Only places in the area of this code")
    against: Literal["year", "month"] = Field("year", description="Changes: against the year or the month before")
    programme: str = Field("", description="Programme of rules/levels.toml that colours; without it the first one")
    as_of: Instant | None = Field(
        None, description="As known at this moment, such as 2024-06-02T08:00:00+08:00; without it as known now"
    )
    f: Literal["", "json", "csv", "parquet", "html"] = Field("", description="Form; without it by the Accept header")
    language: Literal["", "zh", "en", "both"] = Field("", description="Language of a page")

    def question(self) -> statistics.Question:
        """Give the question as the analysis takes it."""
        said = (self.month, self.months, self.zone_class, self.tree, self.level, self.area, self.against)
        return statistics.Question(*said)


class OfBulletin(Nothing):
    """How a bulletin is to be written."""

    language: Literal["", "zh", "en", "both"] = Field("", description="Language of the page; without it both")


TableQuery = Annotated[OfTable, Query()]
BulletinQuery = Annotated[OfBulletin, Query()]
BulletinMonth = Annotated[str, PathParameter(pattern=MONTH, description="Month, YYYY-MM")]


def routes(library: Service) -> APIRouter:
    """Make the routes that answer from a library's store."""
    return Statistics(library).router()


class Statistics:
    """The tables, their page and the bulletin."""

    def __init__(self, library: Service) -> None:
        self._library = library
        self._zone = ZoneInfo(library.settings.time_zone)
        self._kept: dict[tuple[object, ...], statistics.Record] = {}
        policy = (
            f"default-src 'none'; style-src {page.style_digest(library.scheme)}; img-src data:; base-uri 'none'; "
            "form-action 'self'; frame-ancestors 'self'"
        )
        self._page_marks = {"content-security-policy": policy, "x-content-type-options": "nosniff"}

    def router(self) -> APIRouter:
        """Give the routes, each with the method that answers it."""
        router = APIRouter(tags=["statistics"])
        asked = (("/statistics", self.tables), ("/statistics/{name}", self.table), ("/bulletin/{month}", self.bulletin))
        for path, method in asked:
            router.add_api_route(path, method, methods=["GET"], response_class=Response)
        hidden = "/statistics/auditors/under-recording"  # whoever is watched need not read at /api how
        router.add_api_route(hidden, self.under_recording, methods=["GET"], include_in_schema=False)
        return router

    def tables(self, request: Request, query: TableQuery) -> Response:
        """Which tables there are; to a browser the page, with the headline first."""
        if _form(request, query) == "html":
            return self.table(request, "zero-incident", query)
        at, words = origin(request.scope), words_of.in_languages(self._library.texts, "both")
        told = [
            {
                "name": name,
                "title": words.each(f"statistics.title.{name}"),
                "href": f"{at}/statistics/{name}",
            }
            for name in statistics.TABLES
        ]
        return Response(orjson.dumps({"tables": told}), media_type="application/json")

    def table(self, request: Request, name: str, query: TableQuery) -> Response:
        """One table, as JSON, CSV, Parquet or a page."""
        form, question = _form(request, query), query.question()
        record, edition = self._seen(request, query, *self._record(request, query.kind, query.month))
        rows = statistics.table(name, record, question)
        about = sheets.about(name, query.kind, record, question, edition)
        language = query.language or self._library.settings.language
        marks = {"cache-control": "no-cache", "vary": "accept"}
        if form == "html":
            words = words_of.in_languages(edition.texts, language)
            above = [_tables(name, query, words), _form_of(name, query, record, words), _files(name, query, words)]
            content = sheets.as_page(rows, about, edition, words, above).encode()
            marks |= self._page_marks
        else:
            content = sheets.written(form, rows, about, edition, language)
        if form == "csv":
            marks["link"] = f'<{_address(name, query, f="json")}>; rel="describedby"; type="application/json"'
        return Response(content, headers=marks, media_type=sheets.FORMS[form])

    def under_recording(self, request: Request, query: TableQuery) -> Response:
        """Signs of under-recording by area, as JSON, to who bears the auditors' token."""
        access.admit_auditor(request, self._library.settings.auditor_token)
        record, edition = self._record(request, query.kind, query.month)
        about = sheets.about("under-recording", query.kind, record, query.question(), edition)
        rows = statistics.under_recording(record, query.question(), about.rule)
        content = sheets.as_json(rows, about.told(edition.texts))
        return Response(content, headers={"cache-control": "no-store"}, media_type=sheets.FORMS["json"])

    def bulletin(self, request: Request, month: BulletinMonth, query: BulletinQuery) -> Response:
        """The bulletin of a month that is over, as one page to print."""
        view = access.view_of(request.scope)
        found = {kind: self._record(request, kind, month) for kind in rules.ZONE_KINDS}
        found = {kind: one for kind, one in found.items() if len(one[0].places)}
        if not found:
            raise BadParameter("no place is on record; load zones first")
        try:
            rule = self._library.rules.levels_at(month)
        except BadRule as error:
            raise BadParameter(f"month={month}: {error}") from None
        chapters = [bulletin.chapter(kind, record, month, rule) for kind, (record, _) in found.items()]
        with news.snapshot(self._library.engine) as connection:
            zones = {kind: reading.zones(connection, kind, view) for kind in found}
            log = history.restatements(connection, bulletin.restated_months(month), view)
        chapters = [bulletin.restated(told, found[told.kind][0], log) for told in chapters]
        edition = next(iter(found.values()))[1]
        content = printed.as_html(chapters, zones, edition, query.language or "both").encode()
        marks = {"cache-control": "no-cache", **self._page_marks}
        return Response(content, headers=marks, media_type=sheets.FORMS["html"])

    def _record(self, request: Request, kind: str, month: str) -> tuple[statistics.Record, sheets.Edition]:
        """Give what is known of a kind of places, in the areas of a month's last day, and what a print says of it."""
        now = self._library.now()
        current = f"{now.astimezone(self._zone):%Y-%m}"
        day = _last_day(month) if month and month < current else now.astimezone(self._zone).date()
        with news.snapshot(self._library.engine) as connection:
            revision = reading.revision(connection)
            key = (revision.seq, kind, day, current)
            record = self._kept.get(key)
            if record is None:
                record = stored.record(connection, kind, day, current, access.view_of(request.scope))
                self._kept = {**dict(list(self._kept.items())[1 - _KEPT :]), key: record}
        return record, self._edition(revision.at, now)

    def _seen(
        self, request: Request, query: OfTable, record: statistics.Record, edition: sheets.Edition
    ) -> tuple[statistics.Record, sheets.Edition]:
        """Give a record as another programme colours it, or as it was known at a moment."""
        city, view = self._library.rules, access.view_of(request.scope)
        if query.programme:
            city = city.of_programme(query.programme)
        if not (query.programme or query.as_of) or record.places.empty or not record.months:
            return record, edition
        with news.snapshot(self._library.engine) as connection:
            zones = {query.kind: self._library.zones(connection)[query.kind]}
            if query.as_of is None:
                levels = early_warnings.levels(reading.zone_months(connection, query.kind, view), city, zones)
                return replace(record, levels=levels), replace(edition, rules=city)
            wanted = reading.Wanted(record.months[0], record.months[-1], query.as_of)
            levels = intake.levels_of(reading.incidents_in(connection, wanted, view), zones, city)
        running = self._library.month(query.as_of)
        months = tuple(month for month in record.months if month <= running)
        record = replace(record, levels=levels, months=months, current=running)
        return record, replace(edition, rules=city, as_of=query.as_of.astimezone(self._zone))

    def _edition(self, as_of: datetime, now: datetime) -> sheets.Edition:
        moments = as_of.astimezone(self._zone), now.astimezone(self._zone)
        return sheets.Edition(self._library.rules, self._library.texts, self._library.scheme, *moments)


def _last_day(month: str) -> date:
    year, number = int(month[:4]), int(month[5:])
    return date(year, number, calendar.monthrange(year, number)[1])


def _form(request: Request, query: OfTable) -> str:
    return query.f or ("html" if "text/html" in request.headers.get("accept", "") else "json")


def _address(name: str, query: OfTable, **changed: str) -> str:
    """Give the path of a table with the same question, some of it changed."""
    said = {**query.model_dump(mode="json", by_alias=True, exclude_defaults=True), **changed}
    return f"/statistics/{name}?{urlencode(said)}" if said else f"/statistics/{name}"


def _tables(name: str, query: OfTable, words: words_of.Words) -> str:
    links = [
        f'<a href="{words_of.safe(_address(other, query))}"{" aria-current=page" if other == name else ""}>'
        f"{words.say(f'statistics.title.{other}')}</a>"
        for other in statistics.TABLES
    ]
    return f"<nav>{''.join(links)}</nav>"


def _files(name: str, query: OfTable, words: words_of.Words) -> str:
    links = [
        f'<a href="{words_of.safe(_address(name, query, f=form))}">{form.upper()}</a>'
        for form in ("csv", "parquet", "json")
    ]
    return f"<nav><span>{words.say('statistics.download')}</span>{''.join(links)}</nav>"


def _form_of(name: str, query: OfTable, record: statistics.Record, words: words_of.Words) -> str:
    """Make the form that asks for another month, kind, class or level; without a script it is sent as it stands."""
    classes = sorted(set(record.places["class"]) - {""})
    spoken = "both" if len(words.languages) > 1 else words.leading
    levels = {level: words.plain(f"area_level.{level}") for level in jurisdictions.TREES[query.tree]}
    none, choice = words.plain("statistics.choice.none"), "statistics.choice"
    fields = [
        _choice("month", {month: month for month in record.months[::-1]}, record.month(query.month), words),
        _choice("kind", {kind: words.plain(f"statistics.kind.{kind}") for kind in rules.ZONE_KINDS}, query.kind, words),
        _choice("class", {"": "–", **{each: _class(each, words) for each in classes}}, query.zone_class, words),
        _choice("tree", {tree: words.plain(f"{choice}.{tree}") for tree in jurisdictions.TREES}, query.tree, words),
        _choice("level", {"": none, **levels}, query.level, words),
        _input("area", words, f'size="10" value="{words_of.safe(query.area)}"'),
        _input("months", words, f'type="number" min="1" max="{_MOST_MONTHS}" value="{query.months}"'),
        _choice("against", {each: words.plain(f"{choice}.{each}") for each in ("year", "month")}, query.against, words),
        _choice("language", {each: words.plain(f"{choice}.{each}") for each in words_of.LANGUAGES}, spoken, words),
    ]
    asks = f'<input type="hidden" name="f" value="html"><button>{words.plain("statistics.ask")}</button>'
    return f'<form action="/statistics/{name}" method="get">{"".join(fields)}{asks}</form>'


def _input(name: str, words: words_of.Words, attributes: str) -> str:
    return f'<label>{words.plain(f"statistics.parameter.{name}")}<input name="{name}" {attributes}></label>'


def _choice(name: str, options: Mapping[str, str], chosen: str, words: words_of.Words) -> str:
    drawn = [
        f'<option value="{words_of.safe(value)}"{" selected" if value == chosen else ""}>{words_of.safe(text)}</option>'
        for value, text in options.items()
    ]
    return (
        f'<label>{words.plain(f"statistics.parameter.{name}")}<select name="{name}">{"".join(drawn)}</select></label>'
    )


def _class(name: str, words: words_of.Words) -> str:
    return words.plain(f"class.{name}") if words.knows(f"class.{name}") else name
