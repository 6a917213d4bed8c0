"""Messages over HTTP: what was told to whom and what became of it; dead letters go again, receipts come in.

Replaying and cancelling is for our own pages (posts.py), signed with a staff id.  A receipt is signed by the webhook's
receiver instead (outbox/signatures.py).
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Body, Query, Request
from pydantic import AwareDatetime, Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from geo_service.outbox import delivery, signatures
from geo_service.service import Service
from geo_service.store import messages, news
from geo_service.web import access, answers
from geo_service.web.bodies import SignedBody
from geo_service.web.parameters import FARTHEST, Nothing, NothingQuery, Number

MOST = 1_000  # messages in one page


class OfMessages(Nothing):
    """A query for a page of messages."""

    state: Literal["waiting", "sent", "dead", "cancelled", "any"] = Field("any", description="What became of them")
    limit: int = Field(100, ge=1, le=MOST, description=f"Messages in one page, at most {MOST}")
    offset: int = Field(0, ge=0, le=FARTHEST, description="Messages to pass over, the newest first")


class Receipt(Nothing):
    """What a receiver says became of a message."""

    key: str = Field(min_length=1, max_length=64, description="Key of the message")
    status: Literal["delivered", "read", "failed"] = Field(description="What became of it")
    at: AwareDatetime = Field(description="When, ISO 8601 with its zone")


MessagesQuery = Annotated[OfMessages, Query()]
ReceiptBody = Annotated[Receipt, Body()]


def routes(library: Service) -> APIRouter:
    """Make the routes that ask and change a library's outbox."""
    return Messages(library).router()


class Messages:
    """The outbox as people and receivers see it."""

    def __init__(self, library: Service) -> None:
        self._library = library
        self._zone = ZoneInfo(library.settings.time_zone)

    def router(self) -> APIRouter:
        """Give the routes, each with the method that answers it."""
        router = APIRouter(tags=["messages"])
        for path, method, asks in (
            ("/queues/messages", self.listed, "GET"),
            ("/queues/messages/receipts", self.receive, "POST"),
            ("/queues/messages/{number}", self.message, "GET"),
            ("/queues/messages/{number}/replay", self.replay, "POST"),
            ("/queues/messages/{number}/cancel", self.cancel, "POST"),
        ):
            router.add_api_route(path, method, methods=[asks], response_class=Response)
        return router

    def listed(self, request: Request, query: MessagesQuery) -> Response:
        """Messages and what became of them, the newest first; a digest with those it carries."""
        state = "" if query.state == "any" else query.state
        with news.snapshot(self._library.engine) as connection:
            view = access.view_of(request.scope)
            matched, page = messages.listed(connection, state, query.limit, query.offset, view)
        told = [self._told(row) for row in page]
        return self._json({"numberMatched": matched, "numberReturned": len(told), "messages": told})

    def message(self, request: Request, number: Number, _: NothingQuery) -> Response:
        """One of them."""
        with news.snapshot(self._library.engine) as connection:
            return self._json(self._told(messages.one(connection, number, access.view_of(request.scope))))

    def replay(self, request: Request, number: Number, body: SignedBody) -> Response:
        """Let a dead letter go again, with its key; where nobody held the role, to whoever holds it now."""
        delivery.replay(self._library.engine, self._library.post, number, body.signature(self._library.now()))
        return self.message(request, number, Nothing())

    def cancel(self, request: Request, number: Number, body: SignedBody) -> Response:
        """Say that a message need not go any more."""
        with self._library.engine.begin() as connection:
            messages.cancel(connection, number, body.signature(self._library.now()))
        return self.message(request, number, Nothing())

    async def receive(self, request: Request, body: ReceiptBody) -> Response:
        """A receiver says what became of a message, signed with its webhook's secret."""
        signed = tuple(request.headers.get(name, "") for name in (signatures.TIMESTAMP, signatures.SIGNATURE))
        said = delivery.Receipt(body.key, body.status, body.at, (signed[0], signed[1]), await request.body())
        await run_in_threadpool(delivery.receive, self._library.engine, said, self._library.now())
        return self._json({"key": body.key, "receipt": body.status})

    def _told(self, row: Mapping[str, Any]) -> Mapping[str, Any]:
        carries = [self._told(one) for one in row.get("carries", [])]
        role = self._library.roles.get(row["role"])
        titles = dict(role.title) if role else {}
        return {**row, "role_title": titles, "href": f"/queues/messages/{row['id']}", "carries": carries}

    def _json(self, content: object) -> Response:
        return answers.as_json(answers.local(content, self._zone))
