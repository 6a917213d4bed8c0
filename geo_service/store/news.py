"""News: waiting until the store says that something was recorded, and reading it as of one moment."""

from collections.abc import Callable, Generator
from contextlib import contextmanager

import sqlalchemy as sa

from geo_service.store import frames, writing

Connection = sa.Connection


@contextmanager
def snapshot(engine: sa.Engine) -> Generator[Connection]:
    """Give a connection whose questions are all answered as of one moment, whatever is recorded meanwhile."""
    with engine.connect() as connection:
        yield connection.execution_options(isolation_level="REPEATABLE READ")


@contextmanager
def listening(engine: sa.Engine, channel: str = writing.CHANNEL) -> Generator[Callable[[float], bool]]:
    """Give a function that waits for the next notice, at most so many seconds, and tells whether there was one.

    What is recorded between two waits is not missed.  Only a wake-up: what has changed is asked of reading.py, what was
    decided (the channel of decisions.py) of that.  Raises StoreFailed when the database cannot be reached or goes away.
    """
    with engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").detach()  # back in the pool it would go on listening
        connection.exec_driver_sql(f"LISTEN {channel}")
        with frames.driver(connection) as below:
            yield lambda seconds: any(True for _ in below.notifies(timeout=seconds, stop_after=1))
