"""A client that costs little: tiles asked one after another on a kept connection, or by several at once.

Bare sockets, because a client library takes longer over an answer than a server that has it ready.
"""

import asyncio
import itertools
import select
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import uvloop

_HOST = "127.0.0.1"
_HEAD_ENDS = b"\r\n\r\n"


@dataclass(frozen=True)
class Answer:
    """What came, and how long it took from the first byte sent to the last received [s]."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float


class Line:
    """A kept connection."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket = self._dialled()

    def _dialled(self) -> socket.socket:
        line = socket.create_connection((_HOST, self._port))
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return line

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        """Ask for a path and wait for all of the answer."""
        request = _request(path, headers or {})
        if select.select([self._socket], [], [], 0)[0]:  # the server hung up on a line that was long silent
            self._socket.close()
            self._socket = self._dialled()
        start = time.perf_counter()
        self._socket.sendall(request)
        came = b""
        while (at := came.find(_HEAD_ENDS)) < 0:
            came += self._more()
        status, said = _head(came[:at])
        body = self._rest(came[at + 4 :], status, said)
        return Answer(status, said, body, time.perf_counter() - start)

    def _rest(self, body: bytes, status: int, headers: Mapping[str, str]) -> bytes:
        if status in (204, 304):
            return b""
        if headers.get("transfer-encoding") != "chunked":
            while len(body) < int(headers["content-length"]):
                body += self._more()
            return body
        while not body.endswith(b"0\r\n\r\n"):
            body += self._more()
        return b"".join(_chunks(body))

    def _more(self) -> bytes:
        came = self._socket.recv(1 << 20)
        if not came:
            raise ConnectionError("the server hung up")
        return came

    def close(self) -> None:
        """Hang up."""
        self._socket.close()


def free_port() -> int:
    """Find a port that nobody listens on."""
    with socket.create_server((_HOST, 0)) as found:
        return found.getsockname()[1]


def status(port: int, path: str) -> int:
    """Ask for a path on a connection of its own; give the status, 0 where nobody answers."""
    try:
        line = Line(port)
    except ConnectionRefusedError:
        return 0
    try:
        return line.get(path).status
    except ConnectionError:
        return 0
    finally:
        line.close()


def per_second(port: int, paths: Sequence[str], requests: int, connections: int = 8) -> float:
    """Give how many answers a second come when several clients ask for the paths again and again."""
    return uvloop.run(_flood(port, [_request(path, {}) for path in paths], requests, connections))


async def _flood(port: int, asked: Sequence[bytes], requests: int, connections: int) -> float:
    loop = asyncio.get_running_loop()
    turns = itertools.cycle(asked)
    left = itertools.repeat(None, requests)
    clients: list[_Client] = []
    for _ in range(connections):
        _, client = await loop.create_connection(lambda: _Client(turns, left), _HOST, port)
        clients.append(client)
    start = time.perf_counter()
    for client in clients:
        client.ask()
    await asyncio.gather(*(client.done for client in clients))
    return requests / (time.perf_counter() - start)


class _Client(asyncio.Protocol):
    """Asks for the next path as soon as it has an answer, until none is left."""

    def __init__(self, turns: Iterator[bytes], left: Iterator[None]) -> None:
        self._turns, self._left = turns, left
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._missing = 0
        self._came = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the line."""
        self._line = cast("asyncio.Transport", transport)  # uvloop's own has no parent

    def ask(self) -> None:
        """Ask for the next path, if one is left."""
        if next(self._left, self) is self:
            self._line.close()
            self.done.set_result(None)
        else:
            self._line.write(next(self._turns))

    def data_received(self, data: bytes) -> None:
        """Count what comes; ask again when the answer is whole."""
        if self._missing:
            self._missing -= len(data)
        else:
            self._came += data
            at = self._came.find(_HEAD_ENDS)
            if at < 0:
                return
            self._missing = at + 4 + _length(self._came[:at]) - len(self._came)
            self._came = b""
        if not self._missing:
            self.ask()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell who waits that the server hung up."""
        if not self.done.done():
            self.done.set_exception(exc or ConnectionError("the server hung up"))


def _length(head: bytes) -> int:
    if not head.startswith(b"HTTP/1.1 200"):
        raise ConnectionError(head.decode("latin-1"))
    low = head.lower()
    at = low.index(b"content-length:") + 15
    end = low.find(b"\r", at)
    return int(low[at : end if end > 0 else len(low)])


def _request(path: str, headers: Mapping[str, str]) -> bytes:
    said = {"Host": _HOST, "Accept-Encoding": "gzip", **headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in said.items())
    return f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode("latin-1")


def _head(head: bytes) -> tuple[int, dict[str, str]]:
    first, *lines = head.decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines)
    return int(first.split()[1]), {name.lower(): value.strip() for name, _, value in pairs}


def _chunks(body: bytes) -> Iterator[bytes]:
    at = 0
    while True:
        end = body.index(b"\r\n", at)
        size = int(body[at:end], 16)
        if not size:
            return
        yield body[end + 2 : end + 2 + size]
        at = end + 4 + size
