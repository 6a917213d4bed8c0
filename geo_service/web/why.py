"""Why a place has its colour, over HTTP: rule, incidents and how each was placed, what stands beside the colour.

`/restatements` is the log of ended months whose counts became others; `/collections/{layer}/outlook` tells of every
place what stands beside its colour in the running month; `/collections/{layer}/items/{id}/why` of one place and month
why it has its colour, as known now or at a past moment.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo

import numpy as np
import orjson
import pandas as pd
from fastapi import APIRouter, Query, Request
from pydantic import Field
from starlette.responses import Response

from geo_service.analysis import counts, early_warnings, outlooks
from geo_service.analysis.rules import LEVEL_NAMES, Levels
from geo_service.errors import BadParameter, BadRule, NotFound
from geo_service.maps.layers import View
from geo_service.service import Service
from geo_service.store import archives, history, news, reading
from geo_service.web import access, following
from geo_service.web.parameters import MONTH, Instant, Nothing, OfMonth

_EARLIEST = "0000-00"
_UNKEPT = {"cache-control": "no-cache"}
_HOW_PLACED = ("placed", "located_by", "match_level", "uncertainty_m", "confidence", "conflict")


class OfWhy(OfMonth):
    """A query about one place and month."""

    as_of: Instant | None = Field(
        None, description="As known at this moment, such as 2024-06-02T08:00:00+08:00; without it as known now"
    )


class OfOutlook(Nothing):
    """A query about what stands beside the colours."""

    differ: bool = Field(False, description="Only places where one of the two colours alone is red or black")


class OfDay(Nothing):
    """A query about chances told on a day of the month."""

    day: int = Field(5, ge=5, le=25, multiple_of=5, description="Day of the month on which chances were told: 5 to 25")


class OfLog(Nothing):
    """A query about the months that were restated."""

    first: str = Field("", pattern=MONTH, description="First month, YYYY-MM; without it from the earliest on")
    last: str = Field("", pattern=MONTH, description="Last month, YYYY-MM; without it up to the current one")


DayQuery = Annotated[OfDay, Query()]
LogQuery = Annotated[OfLog, Query()]
WhyQuery = Annotated[OfWhy, Query()]
OutlookQuery = Annotated[OfOutlook, Query()]


def routes(library: Service, desk: following.Desk) -> APIRouter:
    """Make the routes that ask a library's store about the colours on a desk's picture."""
    return Reasons(library, desk).router()


class Reasons:
    """The questions about colours."""

    def __init__(self, library: Service, desk: following.Desk) -> None:
        self._library = library
        self._desk = desk
        self._zone = ZoneInfo(library.settings.time_zone)
        self._kept: dict[str, tuple[tuple[int, str], pd.DataFrame]] = {}

    def router(self) -> APIRouter:
        """Give the routes, each with the method that answers it."""
        router = APIRouter(tags=["places"])
        for path, method in (
            ("/restatements", self.restatements),
            ("/collections/{layer}/outlook/reliability", self.reliability),
            ("/collections/{layer}/outlook", self.outlook),
            ("/collections/{layer}/items/{zone_id:path}/why", self.why),
        ):
            router.add_api_route(path, method, methods=["GET"], response_class=Response)
        return router

    def restatements(self, request: Request, query: LogQuery) -> Response:
        """Every count of an ended month that became another one, in the order of recording, and which calls did it."""
        last = query.last or self._library.month(self._library.now())
        with news.snapshot(self._library.engine) as connection:
            found = history.restatements(connection, (query.first or _EARLIEST, last), access.view_of(request.scope))
        rows = [
            {**row, "at": at.isoformat(), "why": orjson.loads(str(row["why"]))}
            for row, at in zip(_records(found.drop(columns="at")), found["at"].dt.tz_convert(self._zone), strict=True)
        ]
        return Response(orjson.dumps({"restatements": rows}), headers=_UNKEPT, media_type="application/json")

    def outlook(self, request: Request, layer: str, query: OutlookQuery) -> Response:
        """What stands beside every colour of the running month: chances, expectation, confidence, shadow, streak."""
        view = access.view_of(request.scope)
        found = self._outlook(self._kind(layer, view), view)
        found = found.assign(differs=outlooks.differing(found))
        found = found[(found["differs"] != "").to_numpy(dtype=bool)] if query.differ else found
        answer = {"month": self._library.month(self._library.now()), "places": _records(found)}
        return Response(orjson.dumps(answer), headers=_UNKEPT, media_type="application/json")

    def reliability(self, request: Request, layer: str, query: DayQuery) -> Response:
        """Whether the chances of red told on a day of the month came true: Brier, AUC and the reliability table."""
        view = access.view_of(request.scope)
        kind, month = self._kind(layer, view), self._library.month(self._library.now())
        with news.snapshot(self._library.engine) as connection:
            before = [one for one in reading.months(connection) if one < month]
            months = early_warnings.months_between(before[0], before[-1]) if before else []
            months = months[-(self._library.trust.history_months + 12) :]
            wanted = reading.Wanted(months[0], months[-1]) if months else reading.Wanted(month, month)
            zones = self._library.zones(connection).get(kind) or reading.zones(connection, kind, view)
            record = outlooks.Record(zones, pd.DataFrame(), months, reading.incidents_in(connection, wanted, view))
        told = outlooks.reliability_of(record, self._library.rules, self._zone, query.day)
        answer = {
            name: _records(value) if isinstance(value, pd.DataFrame) else _plain(value) for name, value in told.items()
        }
        return Response(orjson.dumps(answer), headers=_UNKEPT, media_type="application/json")

    def why(self, request: Request, layer: str, zone_id: str, query: WhyQuery) -> Response:
        """Why a place has its colour: rule, incidents and how each was placed, chances, what would change it.

        `provisional` is how many of the counted ones nobody has looked at yet.
        """
        atlas, view = self._desk.atlas, access.view_of(request.scope)
        month, kind = query.month or atlas.month, self._kind(layer, view)
        [place] = atlas.properties(layer, atlas.row(layer, zone_id, view), month, view)
        rule, known = self._rule(month), atlas.on_record(month)
        with news.snapshot(self._library.engine) as connection:
            wanted = reading.Wanted(month, month, query.as_of)
            incidents = reading.incidents_of(connection, kind, zone_id, wanted, view)
            restated = history.restatements_of(connection, kind, zone_id, month, view)
            sources = archives.provenance(connection, incidents, view)
        listed = self._listed(incidents, kind, month, rule, sources)
        limits = rule.thresholds(kind, str(place["class"]))
        count = sum(bool(one["counted"]) for one in listed)
        level = int(np.searchsorted(limits, count, side="right"))
        is_withheld = "withheld" in place
        worn = atlas.scheme.levels[level] if known and not is_withheld else atlas.scheme.unknown
        provisional = sum(bool(one["counted"]) and one["triage"] == "" for one in listed)
        answer = {
            "zone_kind": kind,
            **{name: place[name] for name in ("id", "name", "class")},
            "month": month,
            "as_of": query.as_of,
            "count": count if known else None,
            "level": worn.code,
            "level_name": worn.name,
            **({"withheld": place["withheld"]} if is_withheld else {}),
            "rule": {**_told(rule), **dict(zip(LEVEL_NAMES[1:], limits, strict=True))},
            "provisional": provisional,
            "changes": _changes(count, provisional, limits),
            "restated": [{**one, "at": one["at"].astimezone(self._zone)} for one in restated],
            **self._beside(kind, zone_id, month, query.as_of, view),
            "incidents": listed,
        }
        return Response(orjson.dumps(answer), headers=_UNKEPT, media_type="application/json")

    def _kind(self, layer: str, view: View) -> str:
        described = self._desk.atlas.layer(layer, view)
        if not described.is_of_zones:
            what = "objects, which have no colour" if described.objects else "cells; the places they lie in say why"
            raise NotFound(f"layer {layer} holds {what}; /collections/warnings is about places")
        return described.zones

    def _beside(self, kind: str, zone_id: str, month: str, as_of: datetime | None, view: View) -> Mapping[str, object]:
        """Give what stands beside the colour of one place, of the running month as it is known now."""
        if as_of is not None or month != self._library.month(self._library.now()):
            return {}
        found = self._outlook(kind, view)
        row = found[(found["zone_id"] == zone_id).to_numpy(dtype=bool)].drop(columns=["zone_id", "count", "level"])
        return {"outlook": {**_records(row)[0], "sure": self._library.trust.sure}} if len(row) else {}

    def _outlook(self, kind: str, view: View) -> pd.DataFrame:
        """Make the outlook of one kind, or give it again while neither the store nor the hour is another one."""
        now = self._library.now().astimezone(self._zone)
        mark = (self._desk.atlas.seq, f"{now:%Y-%m-%d %H}")
        kept = self._kept.get(kind)
        if kept is None or kept[0] != mark:
            kept = mark, outlooks.outlook(self._record(kind, view, now), self._library.rules, self._library.trust, now)
            self._kept[kind] = kept
        return kept[1]

    def _record(self, kind: str, view: View, now: datetime) -> outlooks.Record:
        this = pd.Period(f"{now:%Y-%m}", freq="M")
        with news.snapshot(self._library.engine) as connection:
            on_record = reading.months(connection)
            first = max(str(this - self._library.trust.history_months), on_record[0] if on_record else str(this))
            months = early_warnings.months_between(first, str(this - 1)) if first < str(this) else []
            return outlooks.Record(
                self._library.zones(connection).get(kind) or reading.zones(connection, kind, view),
                reading.counts_before(connection, kind, months, view),
                months,
                reading.whole_incidents_in(connection, reading.Wanted(str(this - 1), str(this)), view),
            )

    def _rule(self, month: str) -> Levels:
        try:
            return self._library.rules.levels_at(month)
        except BadRule as error:
            raise BadParameter(f"month={month}: {error}") from error

    def _listed(
        self, incidents: pd.DataFrame, kind: str, month: str, rule: Levels, sources: pd.DataFrame
    ) -> list[dict[str, object]]:
        counted = counts.counting(incidents, kind, self._library.rules.placing)
        counted = counted & early_warnings.counted_mask(incidents, {month: rule})
        counted = counted & incidents.index.isin(early_warnings.standing(incidents, self._library.rules).index)
        archive = {(row["feed"], row["incident_id"]): _source(row) for _, row in sources.iterrows()}
        rows = incidents.assign(called_at=incidents["called_at"].dt.tz_convert(self._zone), counted=counted)
        return [
            {
                "id": row["incident_id"],
                "feed": row["feed"],
                "called_at": row["called_at"].isoformat(),
                "category": row["category"],
                "counted": bool(row["counted"]),
                "triage": row["triage"],
                **{name: None if pd.isna(row[name]) else row[name] for name in _HOW_PLACED},
                **archive.get((row["feed"], row["incident_id"]), {}),
            }
            for row in rows.to_dict("records")
        ]


def _source(row: "pd.Series") -> Mapping[str, object]:
    """Say from which row of which archive an incident came."""
    return {"archive": {name: row[name] for name in ("file", "row", "signed_by", "because")}}


def _changes(count: int, provisional: int, limits: Sequence[int]) -> list[Mapping[str, object]]:
    """Say what would give the place another colour: so many incidents more or fewer, or calls found to be no case.

    >>> _changes(4, 2, (1, 2, 4, 6))
    [{'by': 'more', 'incidents': 2, 'level': 4}, {'by': 'fewer', 'incidents': 1, 'level': 2}, \
{'by': 'triage', 'incidents': 2, 'level': 2}]
    """
    level = int(np.searchsorted(limits, count, side="right"))
    found: list[Mapping[str, object]] = []
    if level < len(limits):
        found.append({"by": "more", "incidents": limits[level] - count, "level": level + 1})
    if level:
        found.append({"by": "fewer", "incidents": count - limits[level - 1] + 1, "level": level - 1})
    left = int(np.searchsorted(limits, count - provisional, side="right"))
    if left != level:
        found.append({"by": "triage", "incidents": provisional, "level": left})
    return found


def _told(rule: Levels) -> dict[str, object]:
    told = asdict(rule)
    return {name: told[name] for name in ("version", "valid_from", "counted", "basis", "counts")}


def _records(frame: pd.DataFrame) -> list[dict[str, object]]:
    """Write rows for JSON: what is unknown is null, shares have four digits."""
    return [{str(name): _plain(value) for name, value in row.items()} for row in frame.to_dict("records")]


def _plain(value: object) -> object:
    if not isinstance(value, float):
        return value
    return None if np.isnan(value) else round(value, 4)
