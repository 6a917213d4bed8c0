"""The queue page: where a duty officer looks at open reviews and says, in two clicks, where an incident was.

Plain HTML and a script of our own, asking this server only: the Content-Security-Policy holds it to that.
"""

from pathlib import Path

import orjson
from fastapi import APIRouter
from starlette.responses import FileResponse, Response

from geo_service.service import Service
from geo_service.web.parameters import NothingQuery

_FOLDER = Path(__file__).parent / "queue"
_MARKS = {
    "cache-control": "no-cache",
    "content-security-policy": (
        "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'self'"
    ),
    "x-content-type-options": "nosniff",
}
_GROUPS = ("queue", "review_reason", "ask_about", "level", "placed")  # of texts/, what the page says


def routes(library: Service) -> APIRouter:
    """Make the routes of the page, its script, its style and its words."""
    router = APIRouter(include_in_schema=False)

    @router.get("/queues")
    async def page(_: NothingQuery) -> Response:
        return FileResponse(_FOLDER / "index.html", headers=_MARKS, media_type="text/html; charset=utf-8")

    @router.get("/queues/queue.js")
    async def script(_: NothingQuery) -> Response:
        return FileResponse(_FOLDER / "queue.js", headers=_MARKS, media_type="text/javascript; charset=utf-8")

    @router.get("/queues/queue.css")
    async def style(_: NothingQuery) -> Response:
        return FileResponse(_FOLDER / "queue.css", headers=_MARKS, media_type="text/css; charset=utf-8")

    @router.get("/queues/words.json")
    async def words(_: NothingQuery) -> Response:
        told = {code: {group: said[group] for group in _GROUPS} for code, said in library.texts.items()}
        content = orjson.dumps({"language": library.settings.language, "texts": told})
        return Response(content, headers=_MARKS, media_type="application/json")

    return router
