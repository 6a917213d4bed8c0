"""Auditors: signs of under-recording that need the calls themselves, to who bears the auditors' token.

Heaping, which needs counts only, stands among the statistics.  Whoever is watched need not read at /api how.
"""

from datetime import timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from fastapi import APIRouter, Query, Request
from pydantic import Field
from starlette.responses import Response

from geo_service.analysis import sentinel
from geo_service.errors import BadParameter
from geo_service.service import Service
from geo_service.store import news
from geo_service.store import statistics as stored
from geo_service.web import access, answers
from geo_service.web.parameters import OfMonth


class OfSigns(OfMonth):
    """A question about the calls of some months."""

    months: int = Field(6, ge=1, le=24, description="Months back from the month, that one included")


SignsQuery = Annotated[OfSigns, Query()]


def routes(library: Service) -> APIRouter:
    """Make the routes, none of which /api lists."""
    signs = Signs(library)
    router = APIRouter(include_in_schema=False)
    for name, method in (
        ("category-drift", signs.drift),
        ("recording-lags", signs.lags),
        ("retyping", signs.retyping),
    ):
        router.add_api_route(f"/statistics/auditors/{name}", method, methods=["GET"], response_class=Response)
    return router


class Signs:
    """The questions of auditors about stations."""

    def __init__(self, library: Service) -> None:
        self._library = library

    def drift(self, request: Request, query: SignsQuery) -> Response:
        """Whether a station's calls drift to lesser categories, against the same months a year before."""
        now = self._calls(request, query)
        past = stored.Calls(_months_before(now.first, 12), _months_before(now.last, 12), now.counted)
        with news.snapshot(self._library.engine) as connection:
            view = access.view_of(request.scope)
            calls = stored.written_down(connection, now, past, self._library.rules.lesser, view)
        return self._told(now, sentinel.category_drift(calls))

    def lags(self, request: Request, query: SignsQuery) -> Response:
        """Whether the time from call to record has changed at a station, and when; the last days are left out."""
        calls = self._calls(request, query)
        until = self._library.now() - timedelta(days=stored.LATEST_DAYS)
        with news.snapshot(self._library.engine) as connection:
            found = stored.recordings(connection, calls, until, access.view_of(request.scope))
        return self._told(calls, sentinel.recording_lags(found))

    def retyping(self, request: Request, query: SignsQuery) -> Response:
        """Which stations' calls leave the counted categories more often than the city's do."""
        calls = self._calls(request, query)
        with news.snapshot(self._library.engine) as connection:
            found = stored.left_the_count(connection, calls, access.view_of(request.scope))
        return self._told(calls, sentinel.retyping(found))

    def _calls(self, request: Request, query: OfSigns) -> stored.Calls:
        access.admit_auditor(request, self._library.settings.auditor_token)
        current = self._library.month(self._library.now())
        month = query.month or _months_before(current, 1)
        if month > current:
            raise BadParameter(f"month={month} has not begun")
        counted = self._library.rules.levels_at(month).counted
        return stored.Calls(_months_before(month, query.months - 1), month, counted)

    def _told(self, calls: stored.Calls, found: pd.DataFrame) -> Response:
        unknown = found.astype(object).where(found.notna() & ~found.isin([np.inf, -np.inf]), None)
        rows = answers.local(unknown.to_dict("records"), ZoneInfo(self._library.settings.time_zone))
        return answers.as_json({"months": [calls.first, calls.last], "stations": rows})


def _months_before(month: str, number: int) -> str:
    """Give the month so many months before one.

    >>> _months_before("2024-02", 3)
    '2023-11'
    """
    return str(pd.Period(month, freq="M") - number)
