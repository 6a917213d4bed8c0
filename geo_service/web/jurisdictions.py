"""Jurisdictions over HTTP: the two trees, where a place lies in them, which roles answer for it, and where nobody does.

Only areas, roles and how many hold them: neither staff ids nor addresses leave the store by this door.  Answers are of
a day, today where none is named, so that any past day can be asked.
"""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

import pandas as pd
from fastapi import APIRouter, Query, Request
from pydantic import Field
from starlette.responses import Response

from geo_service.analysis import jurisdictions, rules
from geo_service.errors import NotFound
from geo_service.service import Service
from geo_service.store import jurisdictions as registers
from geo_service.store import news, reading
from geo_service.web import access, answers
from geo_service.web.parameters import Nothing

SHOWN = 100  # places named of one gap; how many there are is always told

_GAP = ["role", "tree", "area", "area_name"]


class OfDay(Nothing):
    """A query about one day."""

    on: date | None = Field(None, description="Day asked about, YYYY-MM-DD; without it today in the city")


class OfTree(OfDay):
    """A query for a tree."""

    tree: Literal["civil", "police"] | None = Field(None, description="One tree; without it both")


DayQuery = Annotated[OfDay, Query()]
TreeQuery = Annotated[OfTree, Query()]


def routes(library: Service) -> APIRouter:
    """Make the routes that ask a library's store who answers for places."""
    return Jurisdictions(library).router()


class Jurisdictions:
    """The questions about jurisdictions."""

    def __init__(self, library: Service) -> None:
        self._library = library
        self._zone = ZoneInfo(library.settings.time_zone)

    def router(self) -> APIRouter:
        """Give the routes, each with the method that answers it."""
        router = APIRouter(tags=["jurisdictions"])
        for path, method in (
            ("/jurisdictions", self.trees),
            ("/jurisdictions/gaps", self.gaps),
            ("/jurisdictions/{zone_kind}/{zone_id:path}", self.place),
        ):
            router.add_api_route(path, method, methods=["GET"], response_class=Response)
        return router

    def trees(self, request: Request, query: TreeQuery) -> Response:
        """The areas of a day, each with its parent and how many places lie in it, those below it included."""
        day = self._day(query)
        with news.snapshot(self._library.engine) as connection:
            trees = registers.trees(connection, access.view_of(request.scope))
        sizes: dict[tuple[str, str], dict[str, int]] = {}
        for tree, area, kind, places in trees.sizes(day).itertuples(index=False):
            sizes.setdefault((tree, area), {})[kind] = places
        areas = trees.on(day).areas
        wanted = areas[areas["tree"] == query.tree] if query.tree else areas
        columns = wanted[["tree", "code", "level", "name", "parent"]].sort_values(["tree", "code"])
        told = [{**row, "places": sizes.get((row["tree"], row["code"]), {})} for row in columns.to_dict("records")]
        return answers.as_json({"on": day, "areas": told})

    def gaps(self, request: Request, query: DayQuery) -> Response:
        """Every role that nobody holds for some places, with those places: where an alert would reach nobody."""
        day = self._day(query)
        with news.snapshot(self._library.engine) as connection:
            places = reading.places(connection, access.view_of(request.scope))
            answering = self._answering(connection, request, day)
        found = [self._gap(group) for _, group in answering.gaps(places).groupby(_GAP, sort=False)]
        return answers.as_json({"on": day, "gaps": found})

    def place(self, request: Request, zone_kind: str, zone_id: str, query: DayQuery) -> Response:
        """The areas a place lies in, and by role in which of them it is held and by how many."""
        day = self._day(query)
        with news.snapshot(self._library.engine) as connection:
            answering = self._answering(connection, request, day)
            places = reading.places(connection, access.view_of(request.scope))
        known = ((places["zone_kind"] == zone_kind) & (places["zone_id"] == zone_id)).any()
        if not known and (zone_kind, zone_id) not in answering.lineage.index:
            raise NotFound(f"no place '{zone_id}' among {zone_kind}; kinds are {', '.join(rules.ZONE_KINDS)}")
        recipients = answering.recipients(zone_kind, zone_id, list(self._library.roles))
        told = {
            "zone_kind": zone_kind,
            "zone_id": zone_id,
            "on": day,
            "lineage": _lineage(answering, zone_kind, zone_id),
            "roles": [
                {**self._role(str(role)), "area": area, "area_name": name, "staff": int((held["staff_id"] != "").sum())}
                for (role, _, area, name), held in recipients.groupby(_GAP, sort=False)
            ],
        }
        return answers.as_json(told)

    def _answering(self, connection: news.Connection, request: Request, day: date) -> jurisdictions.Answering:
        return registers.answering(connection, self._library.roles, day, access.view_of(request.scope))

    def _gap(self, group: pd.DataFrame) -> Mapping[str, object]:
        role, _, area, name = (str(group[column].iloc[0]) for column in _GAP)
        of_level = self._library.roles[role].level
        why = "nobody holds the role" if area or not of_level else f"in no area of level {of_level}"
        counts = {str(kind): int(count) for kind, count in group["zone_kind"].value_counts(sort=False).items()}
        shown = group[["zone_kind", "zone_id"]].head(SHOWN).to_dict("records")
        return {**self._role(role), "area": area, "area_name": name, "why": why, "places": counts, "shown": shown}

    def _role(self, name: str) -> Mapping[str, object]:
        role = self._library.roles[name]
        return {"role": role.id, "title": dict(role.title), "tree": role.tree, "level": role.level}

    def _day(self, query: OfDay) -> date:
        return query.on or self._library.now().astimezone(self._zone).date()


def _lineage(answering: jurisdictions.Answering, kind: str, zone_id: str) -> Mapping[str, list[Mapping[str, str]]]:
    """Give the areas of each tree that a place lies in, the widest first."""
    codes = answering.lineage.to_dict("index").get((kind, zone_id), {})
    return {
        tree: [
            {"level": level, "code": code, "name": answering.names.get((tree, code), "")}
            for level in levels
            if (code := str(codes.get(f"{tree}_{level}", "")))
        ]
        for tree, levels in jurisdictions.TREES.items()
    }
