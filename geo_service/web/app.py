"""The application: assembles the HTTP door from a service.

    Doorway      CORS on every status, HEAD, OPTIONS, errors as problems
    ├── tiles    tiles.py, on a bare path: the one that must be fast
    ├── /live    live.py, Server-Sent Events
    └── the rest FastAPI: one module a subject, health and /api below

Run it as wire.py says, with one process: the picture lives in it.  Any ASGI server will do, only more slowly; a stream
at /live ends only when its client leaves, so give it a second or two for a graceful shutdown.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import orjson
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import DEFAULT_EXCLUDED_CONTENT_TYPES, GZipMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from geo_service.service import Service
from geo_service.web import (
    api_page,
    auditors,
    cors,
    features,
    geocoding,
    jurisdictions,
    kept,
    live,
    map_page,
    messages,
    posts,
    prevention,
    problems,
    queue_page,
    queues,
    statistics,
    tasks,
    tasks_page,
    tiles,
    triage,
    triage_page,
    why,
)
from geo_service.web.parameters import NothingQuery

_METHODS = ("GET", "HEAD", "OPTIONS")
_UNKEPT = {"cache-control": "no-store"}


def create_app(library: Service, page: Path = map_page.DIST) -> "Doorway":
    """Make the ASGI application that serves a library's layers; `page` is where the map page was built."""
    desk = live.Desk(library.now)
    app = FastAPI(
        title="geo_service",
        version="1",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        lifespan=_following(library, desk),
    )
    problems.install(app)
    streamed = (*DEFAULT_EXCLUDED_CONTENT_TYPES, geocoding.NDJSON)  # a compressor would hold lines back
    app.add_middleware(GZipMiddleware, minimum_size=1000, exclude_content_types=streamed)
    app.include_router(why.routes(library, desk))
    app.include_router(features.routes(library, desk))
    app.include_router(geocoding.routes(library))
    app.include_router(queue_page.routes(library))
    app.include_router(queues.routes(library, desk))
    app.include_router(jurisdictions.routes(library))
    app.include_router(queue_page.page_routes(library, queue_page.MESSAGES))
    app.include_router(messages.routes(library))
    app.include_router(tasks_page.routes(library))
    app.include_router(tasks.routes(library))
    app.include_router(prevention.routes(library))
    app.include_router(auditors.routes(library))
    app.include_router(statistics.routes(library))
    app.include_router(triage.routes(library))
    app.include_router(triage_page.routes(library))
    app.include_router(map_page.routes(library, desk, page))
    _add_health(app, desk)
    api_page.add(app)
    return Doorway(app, tiles.TileDoor(desk, library.settings.language), desk)


def _following(library: Service, desk: live.Desk) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        follower = live.Follower(library, desk, asyncio.get_running_loop())
        follower.start()
        # Who knocks right after the start meets a map, not a 503; without a database the doors open all the same.
        await asyncio.to_thread(follower.first.wait, live.FIRST_PICTURE_S)
        try:
            yield
        finally:
            await asyncio.to_thread(follower.leave)

    return lifespan


def _add_health(app: FastAPI, desk: live.Desk) -> None:
    @app.get("/health/live", tags=["health"])
    async def alive(_: NothingQuery) -> Response:
        """The process answers."""
        return Response(orjson.dumps({"status": "live"}), headers=_UNKEPT, media_type="application/json")

    @app.get("/health/ready", tags=["health"])
    async def ready(_: NothingQuery) -> Response:
        """The picture equals the store: 200; it does not, or there is none yet: 503."""
        if not desk.is_drawn():
            told = {"status": "starting", "database": "down", "revision": None, "picture_age_s": None, "month": None}
            return Response(orjson.dumps(told), 503, _UNKEPT, "application/json")
        stale = desk.is_stale()
        told = {
            "status": "stale" if stale else "ready",
            "database": "down" if stale else "up",
            "revision": desk.atlas.seq,
            "picture_age_s": round(desk.age().total_seconds(), 1),
            "month": desk.atlas.month,
        }
        return Response(orjson.dumps(told), 503 if stale else 200, _UNKEPT, "application/json")


class Doorway:
    """What every request passes: CORS on every status, HEAD as GET without a body, errors as problems."""

    def __init__(self, app: ASGIApp, tile_door: tiles.TileDoor, desk: live.Desk) -> None:
        self._app = app
        self._tile_door = tile_door
        self._desk = desk

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or run the application's lifespan."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["method"] in ("GET", "HEAD") and (ready := self.at_hand(scope)) is not None:
            await ready(scope, receive, send)  # the server sends no body after HEAD
            return
        leave = Leaving(send, head_only=scope["method"] == "HEAD")
        try:
            await self._answer(scope, leave.receiving(receive), leave)
        except Exception as error:
            if leave.has_begun:
                raise
            await problems.answer(error)(scope, receive, leave)

    def at_hand(self, scope: Scope) -> kept.Answer | None:
        """Give the answer to a GET that lies ready; None: it is to be asked for."""
        return self._tile_door.at_hand(scope)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        method, path = scope["method"], scope["path"]
        if method == "OPTIONS":
            methods = ", ".join((*_METHODS, "POST") if posts.is_open_to_all(path) else _METHODS)
            preflight = {"access-control-allow-methods": methods, **cors.PREFLIGHT}
            await Response(status_code=204, headers=preflight)(scope, receive, send)
        elif method == "POST" and posts.takes(path):
            posts.check(scope)
            await self._app(scope, posts.bounded(receive), send)
        elif method not in _METHODS:
            raise HTTPException(
                405, f"{method} is not for this path; /api lists what is", {"allow": ", ".join(_METHODS)}
            )
        elif self._tile_door.takes(path):
            await (await self._tile_door.answer(scope))(scope, receive, send)
        elif path == "/live":
            await live.stream(self._desk, scope, receive, send)
        else:
            await self._app({**scope, "method": "GET"}, receive, send)


class Leaving:
    """Sends an answer, with the CORS headers; for HEAD without its body, and telling a stream that nobody reads on."""

    def __init__(self, send: Send, *, head_only: bool) -> None:
        self._send = send
        self._head_only = head_only
        self.has_begun = False

    async def __call__(self, message: Message) -> None:
        """Send a message of the answer."""
        if message["type"] == "http.response.start":
            self.has_begun = True
            had = {name for name, _ in message.get("headers", ())}
            missing = [pair for pair in cors.PAIRS if pair[0] not in had]
            await self._send({**message, "headers": [*message.get("headers", ()), *missing]})
            if self._head_only:
                await self._send({"type": "http.response.body", "body": b""})
        elif not self._head_only:
            await self._send(message)

    def receiving(self, receive: Receive) -> Receive:
        """Give what the application reads of its client."""

        async def gone_after_the_head() -> Message:
            if self._head_only and self.has_begun:
                return {"type": "http.disconnect"}
            return await receive()

        return gone_after_the_head
