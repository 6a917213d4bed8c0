"""One city behind one server for every client here: a process of its own, started as an operator starts it."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from time import monotonic, sleep

import httpx
import pytest
import sqlalchemy as sa

from geo_service.store import opening
from tests.clients import made
from tests.conftest import address

HOUSE = Path(__file__).resolve().parents[2]
READY_WITHIN_S = 120


@pytest.fixture(scope="session")
def city(server: sa.Engine, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[made.City]:
    """The served city; nobody changes it."""
    name = f"{template}_clients"
    with server.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name} TEMPLATE {template}"))
    engine = opening.connect(address(server, name))
    zones, gates = made.fill(address(server, name))
    log = tmp_path_factory.mktemp("serve") / "log"
    port = _free_port()
    with log.open("w") as said:
        serve = subprocess.Popen(
            [sys.executable, "-m", "geo_service", "serve"],
            cwd=HOUSE,
            env={
                **{key: value for key, value in os.environ.items() if not key.startswith("GEO_")},
                "GEO_DATABASE_URL": address(server, name),
                "GEO_PORT": str(port),
            },
            stdout=said,
            stderr=subprocess.STDOUT,
        )
    at = f"http://127.0.0.1:{port}"
    try:
        _wait_until_ready(at, serve, log)
        yield made.City(at, engine, zones, gates)
    finally:
        serve.terminate()
        serve.wait()
        engine.dispose()
        with server.connect() as connection:
            connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
    assert log.read_text() == ""  # whatever the clients asked for, the server had nothing to complain about


def _free_port() -> int:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        return door.getsockname()[1]


def _wait_until_ready(at: str, serve: "subprocess.Popen[bytes]", log: Path) -> None:
    until = monotonic() + READY_WITHIN_S
    while monotonic() < until:
        assert serve.poll() is None, f"the server ended:\n{log.read_text()}"
        try:
            if httpx.get(f"{at}/health/ready").status_code == 200:
                return
        except httpx.TransportError:
            pass
        sleep(0.1)
    pytest.fail(f"the server was not ready within {READY_WITHIN_S} s:\n{log.read_text()}")


@pytest.fixture(scope="session")
def client(city: made.City) -> Iterator[httpx.Client]:
    """A client that asks as a program would."""
    with httpx.Client(base_url=city.address, timeout=30) as asking:
        yield asking
