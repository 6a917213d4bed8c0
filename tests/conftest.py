"""What every test may ask for: a database of its own, and the shared data sets; and how a run is cut among workers.

The server is a private PostGIS made for the run, one a worker, or the one GEO_TEST_DATABASE_URL names (its user must be
allowed to create databases).  Without PostGIS a test that needs it ends the whole run with exit code 3: it is
never skipped.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

import hypothesis
import pytest
import sqlalchemy as sa
from xdist.scheduler import LoadScopeScheduling

from geo_service.errors import StoreFailed
from geo_service.store import opening
from geo_service.store.cluster import Cluster

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
RUN = uuid4().hex[:8]  # several runs may share a server
NUMBERS = count(1)
TOGETHER = ("tests/clients/",)  # folders that one worker runs: what their tests share takes too long to make twice
FIRST = (
    "tests/house/",
    "tests/walks/",
    "tests/clients/",
    "tests/browser/",
)  # minutes each: begun last, one worker waits

hypothesis.settings.register_profile("ours", deadline=None)  # machines are noisy: no test asserts a time
hypothesis.settings.load_profile("ours")


def cut(nodeid: str) -> str:
    """Give what a worker is handed at a time: the file of a test, or the folder that is to stay together."""
    file = nodeid.split("::", 1)[0]
    return next((folder for folder in TOGETHER if file.startswith(folder)), file)


class Files(LoadScopeScheduling):
    """Hands the workers what `cut` says."""

    def _split_scope(self, nodeid: str) -> str:
        return cut(nodeid)


@pytest.hookimpl(optionalhook=True)  # without xdist nobody asks
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Files:
    """Cut the run into files, for however many workers `-n` asks for."""
    return Files(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the longest folders first, so that workers end together; within them nothing changes its place."""
    items.sort(key=lambda item: next((at for at, folder in enumerate(FIRST) if item.nodeid.startswith(folder)), 99))


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest) -> Iterator[sa.Engine]:
    """The server's maintenance database, every statement its own commit."""
    if named := os.environ.get("GEO_TEST_DATABASE_URL", ""):
        with or_end_the_run(request.config):
            engine = opening.connect(named).execution_options(isolation_level="AUTOCOMMIT")
        yield engine
        engine.dispose()
        return
    folder = Path(tempfile.mkdtemp(prefix="geo_service-tests-"))
    folder.chmod(0o711)  # as root the server runs as `postgres`, who must pass through
    cluster = Cluster(folder / "postgis")
    try:
        with or_end_the_run(request.config):
            engine = opening.connect(cluster.start()).execution_options(isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(sa.text("ALTER SYSTEM SET fsync = off"))  # tests may lose a power cut
            connection.execute(sa.text("SELECT pg_reload_conf()"))
        yield engine
        engine.dispose()
    finally:
        cluster.stop()
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def template(request: pytest.FixtureRequest, server: sa.Engine) -> Iterator[str]:
    """The name of a database with our tables and nothing in them, to be cloned."""
    name = f"geo_service_template_{RUN}"
    with or_end_the_run(request.config):
        with server.connect() as connection:
            connection.execute(sa.text(f"CREATE DATABASE {name}"))
        engine = opening.connect(address(server, name))
        opening.migrate(engine)
        engine.dispose()
    yield name
    with server.connect() as connection:
        connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
def database(server: sa.Engine, template: str) -> Iterator[sa.Engine]:
    """A database of the test's own, with our tables and nothing in them."""
    name = f"geo_service_test_{RUN}_{next(NUMBERS)}"
    with server.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name} TEMPLATE {template}"))
    engine = opening.connect(address(server, name))
    yield engine
    engine.dispose()
    with server.connect() as connection:
        connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data sets beside the repository."""
    if not SHARED.is_dir():
        pytest.skip(f"the shared data sets are not beside the repository ({SHARED})")
    return SHARED


@contextmanager
def or_end_the_run(config: pytest.Config) -> Generator[None]:
    try:
        yield
    except StoreFailed as error:
        says = f"tests need PostGIS: {error}"
        capture = config.pluginmanager.getplugin("capturemanager")
        if capture and hasattr(config, "workerinput"):  # xdist keeps a worker's last words to itself
            with capture.global_and_fixture_disabled():
                sys.stderr.write(f"\n{says}\n")
        pytest.exit(says, returncode=3)


def address(server: sa.Engine, database: str) -> str:
    return server.url.set(database=database).render_as_string(hide_password=False)
