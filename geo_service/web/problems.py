"""Problems: every error a client can meet, as RFC 9457 application/problem+json.

The class of an error decides its status, here and nowhere else; its text, written where the reason is known, is the
detail.
A wrong or unknown parameter is 400, never 422.
"""

import logging
from collections.abc import Sequence
from http import HTTPStatus
from typing import cast

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from geo_service.errors import AlreadyDecided, BadInput, BadParameter, GeoServiceError, NotFound, NotSigned, StoreFailed

log = logging.getLogger(__name__)

_STATUS: tuple[tuple[type[Exception], HTTPStatus], ...] = (
    (AlreadyDecided, HTTPStatus.CONFLICT),
    (NotSigned, HTTPStatus.FORBIDDEN),
    (BadInput, HTTPStatus.BAD_REQUEST),
    (NotFound, HTTPStatus.NOT_FOUND),
    (StoreFailed, HTTPStatus.SERVICE_UNAVAILABLE),
)
_SHOWN = 200  # letters of what came
_RETRY_AFTER_S = "5"  # the picture is asked for again every second; a database that restarts takes a few


def answer(error: Exception) -> Response:
    """Make the answer to an error; one that is nobody's fault but ours is logged and told without its insides."""
    if isinstance(error, HTTPException):
        return problem(HTTPStatus(error.status_code), str(error.detail), dict(error.headers or {}))
    for kind, status in _STATUS:
        if isinstance(error, kind):
            return problem(status, str(error))
    log.error("a request failed", exc_info=error)
    detail = str(error) if isinstance(error, GeoServiceError) else "the server failed; its log says how"
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, detail)


def problem(status: HTTPStatus, detail: str, headers: dict[str, str] | None = None) -> Response:
    """Make a problem of a status and a sentence."""
    body = {"type": "about:blank", "title": status.phrase, "status": status.value, "detail": detail}
    marks = {"cache-control": "no-store", **(headers or {})}
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        marks["retry-after"] = _RETRY_AFTER_S
    return Response(orjson.dumps(body), status.value, marks, "application/problem+json")


def bad_parameter(error: ValidationError | RequestValidationError) -> BadParameter:
    """Say in a sentence what a query's model found wrong with it."""
    return BadParameter(
        "; ".join(_said(found["loc"], found["type"], found["msg"], found["input"]) for found in error.errors())
    )


def _said(loc: Sequence[int | str], kind: str, message: str, came: object) -> str:
    name = ".".join(str(part) for part in loc if part not in ("query", "path", "body")) or (loc[0] if loc else "query")
    if kind == "extra_forbidden":
        return f"unknown parameter '{name}'; /api lists what this path takes"
    if kind == "missing":
        return f"{name} is missing; /api lists what this path takes"
    if kind == "json_invalid":
        return f"the body is not JSON: {message}"
    shown = str(came) if len(str(came)) <= _SHOWN else f"{str(came)[:_SHOWN]}…"
    return f"{name}={shown}: {message.removeprefix('Value error, ')}"


def install(app: FastAPI) -> None:
    """Let every error of the application become a problem."""

    async def of_any(_: Request, error: Exception) -> Response:
        return answer(error)

    async def of_parameters(_: Request, error: Exception) -> Response:
        return answer(bad_parameter(cast(RequestValidationError, error)))

    for kind in (GeoServiceError, HTTPException, Exception):
        app.add_exception_handler(kind, of_any)
    app.add_exception_handler(RequestValidationError, of_parameters)
