"""The daily triage over HTTP: the calls of a day, what people found on looking at each, and verdicts in bulk.

A verdict is written down and answered with 202 and where to look; the worker applies it with all that follows.  Until
somebody has looked at a call its count is provisional (rules/levels.toml says whether it counts at all by then).
"""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from http import HTTPStatus
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Request
from pydantic import Field
from starlette.responses import Response

from geo_service.errors import BadParameter, BadRule
from geo_service.service import Service
from geo_service.store import news, triages
from geo_service.web import access, answers
from geo_service.web.bodies import VerdictsBody
from geo_service.web.parameters import AFTER_THE_LAST_DAY, EARLIEST_DAY, FARTHEST, Nothing
from geo_service.web.tiles import origin

MOST = 500  # calls in one page: one POST holds a verdict for each (bodies.MOST_VERDICTS)


class OfTriage(Nothing):
    """A query for calls of a day."""

    day: date | None = Field(
        None, ge=EARLIEST_DAY, lt=AFTER_THE_LAST_DAY, description="Day of the calls in the city; without it today"
    )
    state: Literal["untriaged", "confirmed", "invalid"] = Field("untriaged", description="What people found")
    category: str = Field(
        "",
        description="Categories, with commas; without it those that any programme counts in the day's month, and calls "
        "of others that somebody has looked at",
    )
    limit: int = Field(100, ge=1, le=MOST, description=f"Calls in one page, at most {MOST}")
    offset: int = Field(0, ge=0, le=FARTHEST, description="Calls to pass over, the earliest first")


TriageQuery = Annotated[OfTriage, Query()]


def routes(library: Service) -> APIRouter:
    """Make the routes that list a library's calls and take what was found on looking at them."""
    return Triage(library).router()


class Triage:
    """The calls of a day, and verdicts on them."""

    def __init__(self, library: Service) -> None:
        self._library = library
        self._zone = ZoneInfo(library.settings.time_zone)

    def router(self) -> APIRouter:
        """Give the routes, each with the method that answers it."""
        router = APIRouter(tags=["triage"])
        router.add_api_route("/queues/triage", self.calls, methods=["GET"], response_class=Response)
        router.add_api_route(
            "/queues/triage", self.decide, methods=["POST"], status_code=HTTPStatus.ACCEPTED, response_class=Response
        )
        return router

    def calls(self, request: Request, query: TriageQuery) -> Response:
        """The calls of a day in one state, the earliest first; and how many are in each.

        `verdict` is what was said last; where it is not yet in `triage`, the worker has not applied it.
        """
        day = query.day or self._library.now().astimezone(self._zone).date()
        counted = self._counted(day)
        categories = self._categories(query.category) or counted
        wanted = triages.Wanted(
            *(datetime.combine(day + timedelta(days=n), time(), self._zone) for n in (0, 1)),
            state=query.state,
            categories=categories,
            looked_at=not query.category,
            limit=query.limit,
            offset=query.offset,
        )
        view = access.view_of(request.scope)
        with news.snapshot(self._library.engine) as connection:
            states = triages.counted(connection, wanted, view)
            matched, page = triages.listed(connection, wanted, view)
        told = {"day": day, "categories": categories, "counted": counted, "states": states}
        calls = [answers.local(dict(call), self._zone) for call in page]
        return answers.as_json({**told, "numberMatched": matched, "numberReturned": len(calls), "calls": calls})

    def decide(self, request: Request, body: VerdictsBody) -> Response:
        """Say what was found on looking at calls, all or none: the numbers of the decisions, in their order.

        All have been applied when the one at `href` has.  What stands already keeps its number.
        """
        self._check_categories([one.category for one in body.verdicts if one.category])
        found = [triages.Verdict(one.feed, one.incident_id, one.verdict, one.category) for one in body.verdicts]
        with self._library.engine.begin() as connection:
            numbers = triages.decide(connection, found, body.signature(self._library.now()))
        where = f"{origin(request.scope)}/queues/decisions/{max(numbers)}"
        return answers.as_json({"decisions": numbers, "href": where}, HTTPStatus.ACCEPTED, location=where)

    def _counted(self, day: date) -> Sequence[str]:
        """Give the categories that any programme counts in a day's month."""
        city, month = self._library.rules, f"{day:%Y-%m}"
        counted: dict[str, None] = {}
        for programme in city.programmes:
            try:
                counted |= dict.fromkeys(city.of_programme(programme).levels_at(month).counted)
            except BadRule:
                continue  # it began later
        if not counted:
            raise BadParameter(f"day={day}: no programme counted anything then (rules/levels.toml)")
        return list(counted)

    def _categories(self, asked: str) -> Sequence[str]:
        found = [category.strip() for category in asked.split(",") if category.strip()]
        self._check_categories(found)
        return found

    def _check_categories(self, categories: Sequence[str]) -> None:
        self._library.rules.check_categories(categories, "category", BadParameter)
