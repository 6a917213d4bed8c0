"""Two calls in every dress, a feed that takes four of their columns, and a server that answers as a test tells it."""

import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePath
from urllib.parse import parse_qs, urlsplit

import pandas as pd

from geo_service.analysis import feed as feed_files

COLUMNS = ("no", "time", "place", "code")
NOW = datetime(2024, 5, 2, 12, 0, tzinfo=UTC)
HEAD = "no,caller,time,place,phone,code\n"
ONE = "0103,王五,2024-05-01 08:00:00,太白楼路 5 号,13900000000,0501\n"
TWO = "0104,赵六,2024-05-01 09:30:00,建设路 1 号,13800000000,0502\n"
ROWS = [
    {"no": "0103", "time": "2024-05-01 08:00:00", "place": "太白楼路 5 号", "code": "0501"},
    {"no": "0104", "time": "2024-05-01 09:30:00", "place": "建设路 1 号", "code": "0502"},
]


def feed_with(**source: object) -> feed_files.Feed:
    table = {
        "id": "calls",
        "columns": {"id": "no", "called_at": "time", "place": "place", "category": "code"},
        "time": {"zone": "Asia/Shanghai"},
        "source": source,
    }
    return feed_files.parse(table, PurePath("calls.toml"))


def values(rows: pd.DataFrame) -> list[dict[str, str]]:
    return rows[list(COLUMNS)].to_dict("records")


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@dataclass
class Served:
    """What a test's server answers, one entry a request (the last one again and again), and what it was asked."""

    answers: list[tuple[int, bytes]]
    headers: dict[str, str] = field(default_factory=dict)
    announced: int | None = None
    asked: list[tuple[dict[str, list[str]], str]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    url: str = ""


def handler(served: Served) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            turn = min(len(served.asked), len(served.answers) - 1)
            served.asked.append((parse_qs(urlsplit(self.path).query), self.headers.get("Authorization", "")))
            served.times.append(time.monotonic())
            status, body = served.answers[turn]
            if status == 0:
                self.close_connection = True
                return
            self.send_response(status)
            for name, value in served.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(served.announced or len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    return Handler


@contextmanager
def serving(*answers: tuple[int, bytes], **more: object) -> Generator[Served]:
    served = Served(list(answers), **more)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(served))
    served.url = f"http://127.0.0.1:{server.server_port}/calls"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
