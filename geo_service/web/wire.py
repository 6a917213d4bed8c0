"""Wire: uvicorn's HTTP protocol with a short cut for answers that lie ready, and how we run it.

uvicorn makes a task of every request and checks every header of every answer: of the 21 µs that a kept tile costs, all
but 2 are spent there (docs/decisions/0002-uvicorn.md).  What the application has at hand is therefore written straight
to the socket; everything else, and whatever waits behind something else, goes the usual way and is answered alike.
"""

import asyncio
from typing import Protocol, cast

import uvicorn
from httptools import HttpRequestParser
from starlette.types import ASGIApp, Scope
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from geo_service.web.kept import Answer


class HasAtHand(Protocol):
    """An application that can say at once, without waiting, what it answers to some requests."""

    def at_hand(self, scope: Scope) -> Answer | None:
        """Give the answer to a GET that lies ready.  The scope holds headers, raw_path and query_string."""
        ...


class QuickProtocol(HttpToolsProtocol):
    """One connection.  A request whose answer lies ready makes no task."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, object],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._at_hand = cast(HasAtHand, config.app).at_hand
        self._ready: Answer | None = None

    def on_headers_complete(self) -> None:
        """Look whether the answer lies ready; else begin the usual way."""
        self._ready = self._look()
        if self._ready is None:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Read on; a GET's body says nothing."""
        if self._ready is None:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Answer, where the answer lay ready."""
        if self._ready is None:
            super().on_message_complete()
            return
        head = [STATUS_LINE[self._ready.status]]
        for name, value in self.server_state.default_headers:
            head += name, b": ", value, b"\r\n"
        self.transport.write(b"".join((*head, self._ready.head, self._ready.content)))
        self._ready = None
        self.on_response_complete()

    def _look(self) -> Answer | None:
        """Ask for the answer, unless another one is still being sent here, or the client wants to talk differently."""
        parser, cycle = cast(HttpRequestParser, self.parser), cast(RequestResponseCycle | None, self.cycle)
        is_plain = parser.get_method() == b"GET" and parser.should_keep_alive() and not parser.should_upgrade()
        is_busy = self.flow.write_paused or (cycle is not None and not cycle.response_complete)
        if is_busy or self.expect_100_continue or not is_plain:
            return None
        self.scope["raw_path"], _, self.scope["query_string"] = self.url.partition(b"?")
        return self._at_hand(cast(Scope, self.scope))


def configured(app: ASGIApp, *, host: str = "127.0.0.1", port: int = 8080, leave_after_s: int = 2) -> uvicorn.Config:
    """Say how an application that has answers at hand is run: in one process, without a log line for each request.

    Streams are cut `leave_after_s` after the server was asked to end.
    """
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        http=QuickProtocol,
        ws="none",
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=leave_after_s,
    )
