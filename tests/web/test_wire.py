"""The short cut answers as the usual way does, and keeps its place in the queue."""

import re
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from statistics import median

import httpx
import pytest

from tests.web.serving import tile

READY, ASKED = tile(form="mvt"), "/tiles/warnings.json"
HOUSE = Path(__file__).resolve().parents[2]


def spoken(client: httpx.Client, text: str, answers: int) -> list[bytes]:
    """Send bytes on one connection and read so many answers."""
    got: list[bytes] = []
    with socket.create_connection((client.base_url.host, client.base_url.port), timeout=10) as line:
        line.sendall(text.replace("\n", "\r\n").encode())
        with line.makefile("rb") as stream:
            while len(got) < answers:
                head = b"".join(iter(stream.readline, b"\r\n"))
                lengths = [int(row.split(b":")[1]) for row in head.splitlines() if row.startswith(b"content-length:")]
                body = stream.read(lengths[0]) if lengths and not head.startswith(b"HTTP/1.1 304") else b""
                got.append(head + b"\r\n" + body)
    return got


def asks(path: str, *headers: str) -> str:
    return "\n".join([f"GET {path} HTTP/1.1", "Host: here", *headers, "", ""])


def status_and_type(answer: bytes) -> tuple[bytes, bytes]:
    rows = answer.partition(b"\r\n\r\n")[0].splitlines()
    kind = next((row for row in rows if row.startswith(b"content-type:")), b"")
    return rows[0].split(b" ", 1)[1], kind.removeprefix(b"content-type: ")


@pytest.fixture(autouse=True)
def _ready(client: httpx.Client) -> None:
    client.get(READY, headers={"accept-encoding": "identity"})


@pytest.mark.parametrize("held", ["", "If-None-Match: *"])
def test_the_short_cut_answers_as_the_usual_way(client: httpx.Client, held: str):
    sent = [held] if held else []
    [quick] = spoken(client, asks(READY, *sent), 1)
    [usual] = spoken(client, asks(READY, *sent, "Connection: close"), 1)  # who will not come again is not hurried
    rows = [
        sorted(
            row for row in one.partition(b"\r\n\r\n")[0].splitlines() if not row.startswith((b"date", b"connection"))
        )
        for one in (quick, usual)
    ]
    assert rows[0] == rows[1]
    assert quick.partition(b"\r\n\r\n")[2] == usual.partition(b"\r\n\r\n")[2]
    assert (b"date: " in quick) == (b"date: " in usual) is True


def test_answers_come_in_the_order_of_the_questions(client: httpx.Client):
    paths = [READY, ASKED, READY, READY, "/nothing", READY, ASKED]
    told = [status_and_type(answer) for answer in spoken(client, "".join(map(asks, paths)), len(paths))]
    tile_told = b"200 OK", b"application/vnd.mapbox-vector-tile"
    tilejson_told, nothing = (b"200 OK", b"application/json"), (b"404 Not Found", b"application/problem+json")
    assert told == [tile_told, tilejson_told, tile_told, tile_told, nothing, tile_told, tilejson_told]


def test_a_body_that_comes_with_a_get_is_passed_over(client: httpx.Client):
    with_body = asks(READY, "Content-Length: 5") + "hello"
    told = [status_and_type(answer) for answer in spoken(client, with_body + asks(ASKED), 2)]
    assert [status for status, _ in told] == [b"200 OK", b"200 OK"]


def test_the_line_stays_open_and_is_used_again(client: httpx.Client):
    with socket.create_connection((client.base_url.host, client.base_url.port), timeout=10) as line:
        for _ in range(100):
            line.sendall(asks(READY, "If-None-Match: *").replace("\n", "\r\n").encode())
            assert line.recv(65536).startswith(b"HTTP/1.1 304 Not Modified\r\n")


def test_head_of_a_tile_that_lies_ready_has_no_body(client: httpx.Client):
    head, get = client.head(READY), client.get(READY)
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", get.headers["content-length"])


class Lines:
    """Eight connections to a server, each with one question under way, and the processor time of its thread."""

    def __init__(self, process: int, port: int, thread: int) -> None:
        self._lines = [socket.create_connection(("127.0.0.1", port), timeout=10) for _ in range(8)]
        self._clock = Path(f"/proc/{process}/task/{thread}/schedstat")
        self.ask(100)

    def close(self) -> None:
        """Hang up."""
        for line in self._lines:
            line.close()

    def ask(self, rounds: int) -> list[bytes]:
        """Ask for the tile so many times on every line; give the last answer of each."""
        question = asks("/tiles/warnings/10/843/404.mvt", "Accept-Encoding: gzip").replace("\n", "\r\n").encode()
        answers: list[bytes] = []
        for _ in range(rounds):
            for line in self._lines:
                line.sendall(question)
            answers = [self._read(line) for line in self._lines]
        return answers

    def cost_us(self, rounds: int = 200) -> float:
        """Give the processor time of an answer [µs]."""
        began = self._clock_ns()
        self.ask(rounds)
        return (self._clock_ns() - began) / 1000 / rounds / len(self._lines)

    def _clock_ns(self) -> int:
        return int(self._clock.read_text().split()[0])

    @staticmethod
    def _read(line: socket.socket) -> bytes:
        got = line.recv(1 << 20)
        head, _, body = got.partition(b"\r\n\r\n")
        missing = int(re.search(rb"content-length: (\d+)", head)[1]) - len(body)
        while missing > 0:
            got += (more := line.recv(1 << 20))
            missing -= len(more)
        return got


@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="the kernel tells no processor time of threads")
def test_a_kept_tile_costs_at_most_a_quarter_of_a_fastapi_route():
    command = [sys.executable, "-m", "tests.web.two_servers"]
    with subprocess.Popen(command, cwd=HOUSE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        numbers = [int(number) for number in process.stdout.readline().split()]
        ours, theirs = Lines(process.pid, *numbers[:2]), Lines(process.pid, *numbers[2:])
        with closing(ours), closing(theirs):
            assert ours.ask(1)[0].partition(b"\r\n\r\n")[2] == theirs.ask(1)[0].partition(b"\r\n\r\n")[2]
            costs = [(ours.cost_us(), theirs.cost_us()) for _ in range(5)]
        process.stdin.close()
    assert median(route / tile for tile, route in costs) >= 4, costs
