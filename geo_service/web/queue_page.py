"""The pages of the queues: plain HTML and scripts of our own, asking this server only; their policy holds them to that.

At /queues a duty officer looks at open reviews and says, in two clicks, where an incident was.  Another page is served
the same way from a folder of its own (`page_routes`), and takes queues/common.js and queues/queue.css from here.
"""

from dataclasses import dataclass
from pathlib import Path

import orjson
from fastapi import APIRouter
from starlette.responses import FileResponse, Response

from geo_service.service import Service
from geo_service.web.parameters import NothingQuery

_MARKS = {
    "cache-control": "no-cache",
    "content-security-policy": (
        "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'self'"
    ),
    "x-content-type-options": "nosniff",
}
_KINDS = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}


@dataclass(frozen=True)
class QueuePage:
    """A page: its path, the folder with its index.html, and the groups of texts/ that it says.

    The group "category" holds the titles of rules/categories.toml.
    """

    path: str
    folder: Path
    groups: tuple[str, ...]


REVIEWS = QueuePage(
    "/queues", Path(__file__).parent / "queue", ("queue", "review_reason", "ask_about", "level", "placed")
)
MESSAGES = QueuePage(
    "/messages",
    Path(__file__).parent / "messages_page",
    ("messages", "message", "message_state", "message_reason", "queue"),
)


def routes(library: Service) -> APIRouter:
    """Make the routes of the page of reviews."""
    return page_routes(library, REVIEWS)


def page_routes(library: Service, shown: QueuePage) -> APIRouter:
    """Make the routes of a page, of the scripts and styles in its folder, and of its words."""
    router = APIRouter(include_in_schema=False)

    @router.get(shown.path)
    async def page(_: NothingQuery) -> Response:
        return FileResponse(shown.folder / "index.html", headers=_MARKS, media_type="text/html; charset=utf-8")

    @router.get(f"{shown.path}/words.json")
    async def words(_: NothingQuery) -> Response:
        told = {code: {group: _said(library, code, group) for group in shown.groups} for code in library.texts}
        content = orjson.dumps({"language": library.settings.language, "texts": told})
        return Response(content, headers=_MARKS, media_type="application/json")

    for file in sorted(shown.folder.iterdir()):
        if file.suffix in _KINDS:
            _add_file(router, f"{shown.path}/{file.name}", file)
    return router


def _said(library: Service, language: str, group: str) -> object:
    if group == "category":
        return {code: titles[language] for code, titles in library.rules.categories.items()}
    return library.texts[language][group]


def _add_file(router: APIRouter, path: str, file: Path) -> None:
    @router.get(path, name=path)
    async def content(_: NothingQuery) -> Response:
        return FileResponse(file, headers=_MARKS, media_type=_KINDS[file.suffix])
