"""Live: tells who listens that the picture has changed, as Server-Sent Events.

What keeps the picture equal to the store stands in following.py.
"""

import asyncio

import orjson
from starlette.types import Receive, Scope, Send

from geo_service.maps import atlas as maps
from geo_service.web import parameters
from geo_service.web.following import Desk

HEARTBEAT_S = 15.0  # under the 30 s after which proxies cut a silent stream


async def stream(desk: Desk, scope: Scope, receive: Receive, send: Send) -> None:
    """Send an event "revision" with seq and month, at once and whenever the picture has changed."""
    parameters.read(parameters.Nothing, scope["query_string"])
    told = desk.atlas
    headers = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-store"), (b"x-accel-buffering", b"no")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"retry: 2000\n\n" + event(told), "more_body": True})
    gone = asyncio.ensure_future(_until_gone(receive))
    try:
        while not gone.done():
            if desk.atlas is told:
                await asyncio.wait({gone, desk.change()}, timeout=HEARTBEAT_S, return_when=asyncio.FIRST_COMPLETED)
            text = b": still here\n\n" if desk.atlas is told else event(desk.atlas)
            told = desk.atlas
            await send({"type": "http.response.body", "body": text, "more_body": True})
    finally:
        gone.cancel()


def event(atlas: maps.Atlas) -> bytes:
    """Write the event that announces a picture."""
    return b"event: revision\nid: %d\ndata: %s\n\n" % (
        atlas.seq,
        orjson.dumps({"seq": atlas.seq, "month": atlas.month}),
    )


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
