"""Many who listen to /live, in a process of their own: `python -m benchmarks._listeners PORT COUNT`.

It says "ready" once each has heard the first revision; after a line on its standard input it says, as JSON, when each
was told of each revision: {seq: [seconds of the system's monotonic clock, …]}.  A stream that breaks ends it with 1.
"""

import asyncio
import json
import re
import sys
import time
from collections import defaultdict

import uvloop

_REVISION = re.compile(rb"event: revision\nid: (\d+)-")
_ASKED = b"GET /live HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\r\n"
_AT_ONCE = 100  # that knock together; the rest of the backlog waits

Told = dict[int, list[float]]


async def listen(port: int, told: Told, begun: asyncio.Semaphore, is_here: asyncio.Event) -> None:
    """Hear one stream for as long as it lasts."""
    async with begun:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 22)
        writer.write(_ASKED)
        await _next(reader, told)
        is_here.set()
    while True:
        await _next(reader, told)


async def _next(reader: asyncio.StreamReader, told: Told) -> None:
    """Read on to the end of the next revision event, and note when that was."""
    while True:
        if found := _REVISION.search(await reader.readuntil(b"\n\n")):
            told[int(found[1])].append(time.monotonic())
            return


async def run(port: int, count: int) -> None:
    """Listen until told to tell."""
    told: Told = defaultdict(list)
    begun, here = asyncio.Semaphore(_AT_ONCE), [asyncio.Event() for _ in range(count)]
    streams = [asyncio.create_task(listen(port, told, begun, is_here)) for is_here in here]
    waiting = asyncio.gather(*(is_here.wait() for is_here in here))
    await asyncio.wait([*streams, waiting], return_when=asyncio.FIRST_COMPLETED)
    print("ready" if waiting.done() else "a stream broke", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    for stream in streams:
        if stream.done():
            stream.result()  # says what broke it
        stream.cancel()
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    uvloop.run(run(int(sys.argv[1]), int(sys.argv[2])))
