"""Live: tells who listens what has changed in the picture, as Server-Sent Events.

    revision  {seq, month, edition}: there is a new picture; at once on connecting, and with each change
    delta     {since, seq, month, layers: {layer: [[feature id, class], …]}, months, geometry: {layer: digest}}: classes
              of the current month that are others now, other months that have changed, layers with other geometry
    resync    {seq, why}: what was missed cannot be told; ask for state tiles anew

An event's id names the position it leads to (chronicle.py).  Who comes back with it (Last-Event-ID, or `since`) is told
what it missed, or to resync.  A listener is held by its position alone: one that reads slowly costs no memory, and is
told to resync when the chronicle has gone on without it.  What keeps the picture equal to the store: following.py.
"""

import asyncio

from pydantic import Field
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from geo_service.errors import BadParameter
from geo_service.maps import atlas as maps
from geo_service.maps.layers import View
from geo_service.web import access, chronicle, parameters
from geo_service.web.following import Desk

HEARTBEAT_S = 15.0  # under the 30 s after which proxies cut a silent stream

_HEADERS = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-store"), (b"x-accel-buffering", b"no")]
_RETRY = b"retry: 2000\n\n"


class Listening(parameters.Nothing):
    """A query for the stream."""

    layers: str = Field("", description="Layers to hear of, by comma; without it all that wear levels")
    since: str = Field("", description="Id of the last event heard; Last-Event-ID, which browsers send, comes first")


async def stream(desk: Desk, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer one listener until it leaves.  Raises BadParameter for an unknown layer, StoreFailed without a picture."""
    query = parameters.read(Listening, scope["query_string"])
    layers = _chosen(desk.atlas, query.layers, access.view_of(scope))
    listener = Listener(desk.chronicle, layers, send)
    marks = [(name.encode(), value.encode()) for name, value in desk.marks().items()]
    await send({"type": "http.response.start", "status": 200, "headers": [*_HEADERS, *marks]})
    await listener.begin(Headers(scope=scope).get("last-event-id") or query.since)
    leaving = asyncio.create_task(listener.leave_with(receive))
    try:
        await listener.tell()
    finally:
        leaving.cancel()


class Listener:
    """One who listens: the number of the last step it was told, and what wakes it."""

    def __init__(self, told: chronicle.Chronicle, layers: frozenset[str], send: Send) -> None:
        self._chronicle = told
        self._layers = layers
        self._send = send
        self._woken = asyncio.Event()
        self._at = told.newest.number
        self._is_here = True

    async def begin(self, name: str) -> None:
        """Tell the newest revision, to who comes back what it has missed too."""
        resumed = self._chronicle.position(name) if name else self._at
        if resumed is None:
            await self._write(_RETRY + self._resync(chronicle.UNKNOWN) + self._chronicle.newest.news())
        elif resumed == self._at:
            await self._write(_RETRY + self._chronicle.newest.news())
        else:
            self._at = resumed
            await self._write(_RETRY)

    async def leave_with(self, receive: Receive) -> None:
        """Wait until the client has left."""
        while (await receive())["type"] != "http.disconnect":
            pass
        self._is_here = False
        self._woken.set()

    async def tell(self) -> None:
        """Tell each step as it comes, and now and then that there was none."""
        self._chronicle.listen(self._woken)
        try:
            while self._is_here:
                if self._at < self._chronicle.newest.number:
                    await self._catch_up()
                elif await self._sleep():
                    self._woken.clear()
                else:
                    await self._write(b": still here\n\n")
        finally:
            self._chronicle.leave(self._woken)

    async def _sleep(self) -> bool:
        try:
            async with asyncio.timeout(HEARTBEAT_S):
                return await self._woken.wait()
        except TimeoutError:
            return False

    async def _catch_up(self) -> None:
        """Tell the steps since the last one told, then that the picture is another one."""
        while self._is_here and self._at < self._chronicle.newest.number:
            step = self._chronicle.after(self._at)
            if step is None or step.is_whole:
                self._at = self._chronicle.newest.number
                await self._write(self._resync(chronicle.WHOLE if step else chronicle.BEHIND))
            else:
                self._at = step.number
                await self._write(step.told(self._layers))
        await self._write(self._chronicle.newest.news())

    def _resync(self, why: str) -> bytes:
        newest = self._chronicle.newest
        return chronicle.event("resync", newest.name, {"seq": newest.delta.seq, "why": why})

    async def _write(self, text: bytes) -> None:
        """Write to the client; waits while it reads slowly."""
        if text:
            await self._send({"type": "http.response.body", "body": text, "more_body": True})


def _chosen(atlas: maps.Atlas, names: str, view: View) -> frozenset[str]:
    """Read which layers are to be heard of.

    Raises BadParameter for one that does not exist.
    """
    shown = [name for name in atlas.layers if view.shows(name)]
    if not names:
        return frozenset(name for name in shown if atlas.layers[name].wears_levels)
    for name in names.split(","):
        if name not in shown:
            raise BadParameter(f"layers={names}: there is no layer '{name}'; there are {', '.join(shown)}")
    return frozenset(names.split(","))
