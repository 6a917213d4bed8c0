"""Answers: JSON that nobody keeps, every moment in it written in the city's time."""

from collections.abc import Mapping
from datetime import datetime, tzinfo
from http import HTTPStatus

import orjson
from starlette.responses import Response

UNKEPT = {"cache-control": "no-store"}


def as_json(content: object, status: HTTPStatus = HTTPStatus.OK, **marks: str) -> Response:
    """Answer with JSON; `marks` are headers besides, with _ for -."""
    headers = {**{name.replace("_", "-"): value for name, value in marks.items()}, **UNKEPT}
    return Response(orjson.dumps(content), status, headers, "application/json")


def local(content: object, zone: tzinfo) -> object:
    """Write every moment in a zone's time, ISO 8601 with its offset, however deep it stands.

    >>> from datetime import UTC, timedelta, timezone
    >>> local({"calls": [{"at": datetime(2024, 6, 1, tzinfo=UTC)}]}, timezone(timedelta(hours=8)))
    {'calls': [{'at': '2024-06-01T08:00:00+08:00'}]}
    """
    if isinstance(content, datetime):
        return content.astimezone(zone).isoformat()
    if isinstance(content, Mapping):
        return {str(name): local(value, zone) for name, value in content.items()}
    return [local(one, zone) for one in content] if isinstance(content, list) else content
