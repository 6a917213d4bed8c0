"""What every test may ask for: a database of its own, and the shared data sets.

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
from uuid import uuid4

import hypothesis
import pytest
import sqlalchemy as sa

from geo_service.errors import StoreFailed
from geo_service.store import opening
from geo_service.store.cluster import Cluster

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
RUN = uuid4().hex[:8]  # several runs may share a server
NUMBERS = count(1)

hypothesis.settings.register_profile("ours", deadline=None)  # machines are noisy: no test asserts a time
hypothesis.settings.load_profile("ours")


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
