"""Opening the store: connect, bring the schema up to date, or say in one sentence why not.

Every failure of the database rises as StoreFailed, wherever in the program the connection is used.
"""

from pathlib import Path

import psycopg
import sqlalchemy as sa
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from sqlalchemy import event, exc

from geo_service.errors import StoreFailed

_STEPS = ScriptDirectory(str(Path(__file__).parent / "migrations"))
_CONNECT_TIMEOUT_S = 10


def connect(url: str) -> sa.Engine:
    """Make an engine for a PostGIS URL, postgresql://… or postgresql+psycopg://….  Nothing is asked of the server yet.

    Connections lost while they wait in the pool are replaced unseen, so that a restarted server is found again.
    Times come back as UTC whatever the server's zone.
    """
    try:
        address = sa.make_url(url)
    except exc.ArgumentError as error:
        raise StoreFailed(
            "GEO_DATABASE_URL is no database address; expected postgresql://user@host/database"
        ) from error
    if address.get_backend_name() != "postgresql":
        raise StoreFailed(f"the store is PostGIS; expected postgresql://…, not {address.drivername}://…")
    engine = sa.create_engine(
        address.set(drivername="postgresql+psycopg"),
        pool_pre_ping=True,
        connect_args={
            "connect_timeout": _CONNECT_TIMEOUT_S,
            "application_name": "geo_service",
            "options": "-c timezone=UTC -c datestyle=ISO",
        },
    )
    event.listen(engine, "handle_error", _say)
    return engine


def _say(context: sa.engine.ExceptionContext) -> None:
    error = context.original_exception
    # A failing ping is the pool's own question, not our caller's.
    if isinstance(error, psycopg.OperationalError) and not context.is_pre_ping:
        said = str(error).strip().replace("\n", " ")
        raise StoreFailed(
            f"the database cannot be used: {said}; see that it runs and that GEO_DATABASE_URL is right"
        ) from error


def migrate(engine: sa.Engine) -> None:
    """Bring the schema up to what this program needs.  Two programs that start together wait for each other.

    Raises StoreFailed when PostGIS is missing, or when the schema is newer than the program.
    """
    with engine.begin() as connection:
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended("geo_service migrate", 0))))
        missing = _missing(connection)
        if missing:
            _require_postgis(connection)
        stands = MigrationContext.configure(connection)
        for step in missing:
            with Operations.context(stands):
                step.module.upgrade()
            stands.stamp(_STEPS, step.revision)


def check(engine: sa.Engine) -> None:
    """Raise StoreFailed unless the schema is the one this program was written for."""
    with engine.connect() as connection:
        missing = _missing(connection)
    if missing:
        raise StoreFailed(
            f"the database stands {len(missing)} migrations behind this program; run: geo-service migrate"
        )


def _missing(connection: sa.Connection) -> list[Script]:
    """List the migrations the database lacks, oldest first."""
    steps = list(_STEPS.walk_revisions())[::-1]
    stands = MigrationContext.configure(connection).get_current_revision()
    known: list[str | None] = [None, *(step.revision for step in steps)]
    if stands not in known:
        raise StoreFailed(
            f"the database was migrated by a newer geo_service (to {stands}); use that version of the program"
        )
    return steps[known.index(stands) :]


def _require_postgis(connection: sa.Connection) -> None:
    try:
        connection.execute(sa.text("CREATE EXTENSION IF NOT EXISTS postgis"))
    except exc.DBAPIError as error:
        if isinstance(error.orig, psycopg.errors.InsufficientPrivilege):
            name = connection.engine.url.database
            raise StoreFailed(
                f"PostGIS is not enabled; let an administrator run in {name}: CREATE EXTENSION postgis"
            ) from error
        raise StoreFailed(
            f"the database server has no PostGIS ({error.orig}); install it there: apt-get install postgresql-postgis"
        ) from error
