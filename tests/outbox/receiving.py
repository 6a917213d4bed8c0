"""A real HTTP receiver on the loopback that honours keys, and the staff of a small city."""

import json
import os
import signal
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pandas as pd
import sqlalchemy as sa

from geo_service.analysis.jurisdictions import DUTY_COLUMNS, MEMBERSHIP_COLUMNS, Trees
from geo_service.service import Service
from geo_service.store import jurisdictions, tables
from tests.analysis.test_jurisdictions import frame
from tests.analysis.test_messages import AREAS

SECRET = "s3cr3t"
PLACES = [("communities", letter) for letter in "abcd"] + [("units", "s")]
MEMBERSHIPS = frame(
    MEMBERSHIP_COLUMNS,
    *(f"{kind} {zone} police g1 - -" for kind, zone in PLACES),
)


@dataclass
class Receiver:
    """What came, in order, and what was kept of it: the first of each key."""

    came: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    kill: int = 0  # the process to kill instead of answering, once
    port: int = 0

    @property
    def kept(self) -> dict[str, dict[str, Any]]:
        kept: dict[str, dict[str, Any]] = {}
        for headers, body in self.came:
            kept.setdefault(headers["idempotency-key"], json.loads(body))
        return kept

    @property
    def keys(self) -> list[str]:
        return [headers["idempotency-key"] for headers, _ in self.came]

    def address(self, path: str = "/sms") -> str:
        return f"http://:{SECRET}@127.0.0.1:{self.port}{path}"


@contextmanager
def receiving(*answers: tuple[int, dict[str, str]]) -> Generator[Receiver]:
    """Receive for as long as the block runs; `answers` are given in order, then 200."""
    receiver = Receiver(answers=list(answers))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            status, headers = receiver.answers.pop(0) if receiver.answers else (200, {})
            if status < 300:
                receiver.came.append(({name.lower(): value for name, value in self.headers.items()}, body))
            if receiver.kill:
                pid, receiver.kill = receiver.kill, 0
                os.kill(pid, signal.SIGKILL)
                return
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *_: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield receiver
    server.shutdown()
    server.server_close()
    thread.join()


def staff(service: Service, duties: Sequence[str], addresses: Sequence[str]) -> None:
    """Put people on the roster ("role tree area staff_id"), reached as "staff channel url language" says."""
    rows = [f"{role} {tree} {area} - - {staff_id} - -" for role, tree, area, staff_id in map(str.split, duties)]
    reached = pd.DataFrame([one.split() for one in addresses], columns=list(jurisdictions.ADDRESS_COLUMNS), dtype="str")
    with service.engine.begin() as connection:
        jurisdictions.replace_trees(connection, Trees(AREAS, MEMBERSHIPS))
        jurisdictions.replace_roster(connection, frame(DUTY_COLUMNS, *rows), reached)


def told(database: sa.Engine, *names: str, **where: object) -> list[tuple[object, ...]]:
    """Give columns of the messages, in the order they were written."""
    table = tables.messages.c
    question = sa.select(*(table[name] for name in names)).order_by(table.id)
    with database.connect() as connection:
        return [tuple(row) for row in connection.execute(question.filter_by(**where))]


def later(moment: datetime, **ahead: float) -> datetime:
    return moment.astimezone(UTC) + timedelta(**ahead)
