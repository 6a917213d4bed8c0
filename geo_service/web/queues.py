"""Queues over HTTP: incidents whose place a person must look at, what was decided, and the aliases that taught.

A decision is written down and answered with 202 and where to look; the worker applies it, with all that follows, in one
commit.  Only pages of our own may send one (app.py), as JSON, signed with a staff id.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any, Literal
from urllib.parse import quote
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Request
from pydantic import Field
from starlette.responses import Response

from geo_service.analysis import corrections
from geo_service.errors import BadParameter
from geo_service.service import Service
from geo_service.store import decisions, gazetteers, news, reviews
from geo_service.web import access, answers, following
from geo_service.web.bodies import Correction, CorrectionBody, SignedBody
from geo_service.web.parameters import FARTHEST, Nothing, NothingQuery, Number
from geo_service.web.tiles import origin

MOST = 1_000  # reviews in one page


class OfQueue(Nothing):
    """A query for a page of the queue."""

    state: Literal["open", "corrected", "rejected", "settled", "any"] = Field("open", description="What was decided")
    reason: Literal["", "unlocated", "uncertain", "conflict"] = Field("", description="Why a person is asked")
    limit: int = Field(100, ge=1, le=MOST, description=f"Reviews in one page, at most {MOST}")
    offset: int = Field(0, ge=0, le=FARTHEST, description="Reviews to pass over, the longest waiting first")


QueueQuery = Annotated[OfQueue, Query()]


def routes(library: Service, desk: following.Desk) -> APIRouter:
    """Make the routes that ask and change a library's store; the desk's picture says where the city is."""
    return Queues(library, desk).router()


class Queues:
    """The queue of reviews, decisions, aliases and versions of the gazetteer."""

    def __init__(self, library: Service, desk: following.Desk) -> None:
        self._library = library
        self._desk = desk
        self._zone = ZoneInfo(library.settings.time_zone)

    def router(self) -> APIRouter:
        """Give the routes, each with the method that answers it."""
        router = APIRouter(tags=["review"])
        for path, method, asks in (
            ("/queues/review", self.reviews, "GET"),
            ("/queues/review/rerun", self.rerun, "POST"),
            ("/queues/review/{feed}/{incident_id:path}/correct", self.correct, "POST"),
            ("/queues/review/{feed}/{incident_id:path}/reject", self.reject, "POST"),
            ("/queues/review/{feed}/{incident_id:path}", self.review, "GET"),
            ("/queues/decisions/{number}", self.decision, "GET"),
            ("/gazetteer/versions", self.versions, "GET"),
            ("/gazetteer/aliases", self.aliases, "GET"),
            ("/gazetteer/aliases/{number}", self.alias, "GET"),
            ("/gazetteer/aliases/{number}/revoke", self.revoke, "POST"),
        ):
            status = HTTPStatus.OK if asks == "GET" else HTTPStatus.ACCEPTED  # decisions are applied after the answer
            router.add_api_route(path, method, methods=[asks], status_code=status, response_class=Response)
        return router

    def reviews(self, request: Request, query: QueueQuery) -> Response:
        """Incidents whose place a person must look at, the longest waiting first."""
        state = "" if query.state == "any" else query.state
        wanted = reviews.Wanted(state, query.reason, query.limit, query.offset)
        with news.snapshot(self._library.engine) as connection:
            matched, page = reviews.listed(connection, wanted, access.view_of(request.scope))
        told = [self._told(row) for row in page]
        return self._json({"numberMatched": matched, "numberReturned": len(told), "reviews": told})

    def review(self, request: Request, feed: str, incident_id: str, _: NothingQuery) -> Response:
        """One of them whole: what the solver said, its alternatives, the question to ask, and why."""
        with news.snapshot(self._library.engine) as connection:
            row = reviews.one(connection, feed, incident_id, access.view_of(request.scope))
        return self._json(self._told(row))

    def correct(self, request: Request, feed: str, incident_id: str, body: CorrectionBody) -> Response:
        """Say where an incident was: it is placed there, and its words are learned for every other text."""
        self._check_near(body)
        said = decisions.Correction(feed, incident_id, body.words, body.entry_id, body.position(), body.teach)
        with self._library.engine.begin() as connection:
            number = decisions.correct(connection, said, body.signature(self._library.now()))
        return self._accepted(request, number)

    def reject(self, request: Request, feed: str, incident_id: str, body: SignedBody) -> Response:
        """Say that nobody can tell more about an incident's place: it stays where it stands."""
        with self._library.engine.begin() as connection:
            number = decisions.reject(connection, feed, incident_id, body.signature(self._library.now()))
        return self._accepted(request, number)

    def rerun(self, request: Request, body: SignedBody) -> Response:
        """Locate again everything that waits: with today's gazetteer and aliases."""
        with self._library.engine.begin() as connection:
            number = decisions.rerun(connection, body.signature(self._library.now()))
        return self._accepted(request, number)

    def decision(self, request: Request, number: Number, _: NothingQuery) -> Response:
        """A decision, and whether all that follows from it has been recorded."""
        with news.snapshot(self._library.engine) as connection:
            row = decisions.one(connection, number, access.view_of(request.scope))
        return self._json({**row, "state": "pending" if row["applied_at"] is None else "applied"})

    def versions(self, request: Request, _: NothingQuery) -> Response:
        """Every change of what addresses are read by, signed, newest first."""
        with news.snapshot(self._library.engine) as connection:
            return self._json({"versions": gazetteers.versions(connection, access.view_of(request.scope))})

    def aliases(self, request: Request, _: NothingQuery) -> Response:
        """Every name that was learned from a correction, newest first, revoked ones too."""
        with news.snapshot(self._library.engine) as connection:
            return self._json({"aliases": gazetteers.aliases(connection, access.view_of(request.scope))})

    def alias(self, request: Request, number: Number, _: NothingQuery) -> Response:
        """One of them."""
        with news.snapshot(self._library.engine) as connection:
            return self._json(gazetteers.alias(connection, number, access.view_of(request.scope)))

    def revoke(self, request: Request, number: Number, body: SignedBody) -> Response:
        """Take an alias back: what it had located is located anew, and its incident is asked about again."""
        with self._library.engine.begin() as connection:
            decided = decisions.revoke(connection, number, body.signature(self._library.now()))
        return self._accepted(request, decided)

    def _check_near(self, body: Correction) -> None:
        atlas = self._desk.atlas
        boxes = [found for name in atlas.layers if (found := atlas.ground(name).bounds)]
        if body.lon is not None and body.lat is not None and not corrections.is_near(body.lon, body.lat, boxes):
            raise BadParameter(
                f"lon={body.lon:g}, lat={body.lat:g} is far from every zone of the city; write WGS 84 degrees, "
                "longitude as lon"
            )

    def _accepted(self, request: Request, number: int) -> Response:
        where = f"{origin(request.scope)}/queues/decisions/{number}"
        return answers.as_json({"decision": number, "href": where}, HTTPStatus.ACCEPTED, location=where)

    def _told(self, row: Mapping[str, Any]) -> Mapping[str, Any]:
        path = f"/queues/review/{quote(row['feed'], safe='')}/{quote(row['incident_id'], safe='')}"
        return {**row, "href": path}

    def _json(self, content: object) -> Response:
        return answers.as_json(answers.local(content, self._zone))
