"""Kept answers: made once however many ask, and kept by name as long as there is room.

Who asks for an answer that is being made waits for it.  A making that fails fails for all who wait, and nothing of it
is kept.  Those longest not asked for make room.  On the event loop only, so that nobody needs a lock.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property

from starlette.types import Message, Receive, Scope, Send

from geo_service.web.cors import Pair

KEPT_BYTES = 128 << 20

_OVERHEAD_BYTES = 2000  # of keeping an answer without a body: names, headers, messages (test_kept.py weighs them)


@dataclass(frozen=True)
class Answer:
    """A whole answer, sent as it is to as many as ask."""

    status: int
    headers: tuple[Pair, ...]
    content: bytes

    @cached_property
    def head(self) -> bytes:
        """The headers as they stand on the wire, with the empty line after them."""
        return b"".join(b"%s: %s\r\n" % pair for pair in self.headers) + b"\r\n"

    @cached_property
    def messages(self) -> tuple[Message, Message]:
        """The headers and the body as ASGI has them."""
        start = {"type": "http.response.start", "status": self.status, "headers": list(self.headers)}
        return start, {"type": "http.response.body", "body": self.content}

    def with_headers(self, *pairs: Pair) -> "Answer":
        """Give the same answer with further headers."""
        return replace(self, headers=(*self.headers, *pairs)) if pairs else self

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Send it."""
        for message in self.messages:
            await send(message)


def answer(status: int, headers: Iterable[Pair], content: bytes = b"") -> Answer:
    """Make an answer; `headers` say all but the length."""
    length = () if status in (204, 304) else ((b"content-length", b"%d" % len(content)),)
    return Answer(status, (*headers, *length), content)


class Kept:
    """Answers by name, at most so many bytes."""

    def __init__(self, room_bytes: int = KEPT_BYTES) -> None:
        self._room_bytes = room_bytes
        self._answers: OrderedDict[str, Answer] = OrderedDict()
        self._making: dict[str, asyncio.Task[Answer]] = {}
        self.used_bytes = 0

    def at_hand(self, name: str) -> Answer | None:
        """Give an answer that is kept, None where it is not."""
        found = self._answers.get(name)
        if found is not None:
            self._answers.move_to_end(name)
        return found

    async def get(self, name: str, make: Callable[[], Awaitable[Answer]]) -> Answer:
        """Give an answer, made when it is not kept.  Raises what the making raises."""
        if (found := self.at_hand(name)) is not None:
            return found
        if name not in self._making:
            self._making[name] = asyncio.create_task(self._make(name, make))
        return await asyncio.shield(self._making[name])  # one who leaves does not spoil it for the others

    async def _make(self, name: str, make: Callable[[], Awaitable[Answer]]) -> Answer:
        try:
            made = await make()
        finally:
            del self._making[name]
        self._answers[name] = made
        self.used_bytes += len(made.content) + _OVERHEAD_BYTES
        while self.used_bytes > self._room_bytes:
            _, dropped = self._answers.popitem(last=False)
            self.used_bytes -= len(dropped.content) + _OVERHEAD_BYTES
        return made
