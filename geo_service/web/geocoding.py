"""Geocoding over HTTP: one address in full, thousands as a stream, and what lies nearest to a point.

Answers come from the newest gazetteer in the store; nothing is changed and nothing kept.  Work is done in threads, a
few hundred addresses at a time, so that tiles are served meanwhile.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from datetime import date
from typing import Annotated

import orjson
from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response, StreamingResponse

from geo_service.errors import StoreFailed
from geo_service.geography.addresses.locate import Solver
from geo_service.service import Service
from geo_service.store import news
from geo_service.web import answers
from geo_service.web.bodies import LONGEST_TEXT, ON, AddressesBody
from geo_service.web.parameters import Nothing

NDJSON = "application/x-ndjson"
A_PIECE = 500  # addresses solved before the next are begun: 50 ms

_DECIMALS = {"lon": 7, "lat": 7, "uncertainty_m": 1, "score": 4, "confidence": 4}  # 7 decimals of a degree: 11 mm


class OneText(Nothing):
    """A query for one address."""

    text: str = Field(max_length=LONGEST_TEXT, description="The address")
    on: date | None = Field(None, description=ON)


class Point(Nothing):
    """A query about a point."""

    lon: float = Field(ge=-180, le=180, allow_inf_nan=False, description="Longitude, WGS 84 [deg]")
    lat: float = Field(ge=-90, le=90, allow_inf_nan=False, description="Latitude, WGS 84 [deg]")


def routes(library: Service) -> APIRouter:
    """Make the routes that answer from a library's gazetteer."""
    return Geocoder(library).router()


class Geocoder:
    """The questions about addresses."""

    def __init__(self, library: Service) -> None:
        self._library = library

    def router(self) -> APIRouter:
        """Give the routes, each with the method that answers it."""
        router = APIRouter(tags=["addresses"])
        router.add_api_route("/geocode", self.one, methods=["GET"], response_class=Response)
        router.add_api_route("/geocode", self.one_or_many, methods=["POST"], response_class=Response)
        router.add_api_route("/geocode/reverse", self.reverse, methods=["GET"], response_class=Response)
        return router

    def one(self, query: Annotated[OneText, Query()]) -> Response:
        """One address: the place it means, how sure, what else it may mean, what to ask, and why."""
        return answers.as_json(self._solver().locate(query.text, query.on).as_table())

    async def one_or_many(self, body: AddressesBody) -> Response:
        """One address in full, or up to 10,000 in their order, one JSON object a line (NDJSON)."""
        solver = await asyncio.to_thread(self._solver)
        if body.texts is None:
            answer = await asyncio.to_thread(solver.locate, body.text or "", body.on)
            return answers.as_json(answer.as_table())
        return StreamingResponse(
            _lines(solver, body.texts, body.on, full=body.trace), headers=answers.UNKEPT, media_type=NDJSON
        )

    def reverse(self, query: Annotated[Point, Query()]) -> Response:
        """What lies at or around a point, the nearest first: door, building, compound, unit, street."""
        near = self._solver().reverse(query.lon, query.lat)
        return answers.as_json({"lon": query.lon, "lat": query.lat, "nearest": [one._asdict() for one in near]})

    def _solver(self) -> Solver:
        with news.snapshot(self._library.engine) as connection:
            solver = self._library.solver_at_hand(connection)
        if solver is None:
            raise StoreFailed("no gazetteer has been loaded yet; run: geo-service load gazetteer FILE --signed-by ID")
        return solver


async def _lines(solver: Solver, texts: Sequence[str], on: date | None, *, full: bool) -> AsyncGenerator[bytes]:
    tell = _full if full else _plain
    for begin in range(0, len(texts), A_PIECE):
        yield await asyncio.to_thread(tell, solver, texts[begin : begin + A_PIECE], on)


def _full(solver: Solver, texts: Sequence[str], on: date | None) -> bytes:
    return b"".join(orjson.dumps(solver.locate(text, on).as_table()) + b"\n" for text in texts)


def _plain(solver: Solver, texts: Sequence[str], on: date | None) -> bytes:
    rows = (
        solver.locate_all(texts, [on] * len(texts) if on else None)
        .round(_DECIMALS)
        .assign(text=list(texts))
        .to_dict("records")
    )
    return b"".join(orjson.dumps(row) + b"\n" for row in rows)
