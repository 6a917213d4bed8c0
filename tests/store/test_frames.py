"""Frames out of PostgreSQL: whole, in order, and with the error that stopped them."""

import pandas as pd
import psycopg
import pytest
import sqlalchemy as sa

from geo_service.errors import StoreFailed
from geo_service.store import frames

NUMBER = sa.func.generate_series(1, 200_000).column_valued("number")


def test_an_answer_of_many_packets_comes_whole_and_in_order(database: sa.Engine):
    text = sa.cast(NUMBER, sa.Text).label("text")
    with database.connect() as connection:
        found = frames.fetch(connection, sa.select(sa.cast(NUMBER, sa.Integer).label("number"), text))
    expected = pd.Series(range(1, 200_001), dtype="int64")
    pd.testing.assert_frame_equal(found, pd.DataFrame({"number": expected, "text": expected.astype("str")}))


def test_an_error_after_many_rows_rises_and_leaves_the_connection_usable(database: sa.Engine):
    late = sa.cast(1 / (NUMBER - 150_000), sa.Integer).label("late")
    with database.connect() as connection:
        own = connection.scalar(sa.func.pg_backend_pid())
        with pytest.raises(psycopg.errors.DivisionByZero):
            frames.fetch(connection, sa.select(late))
    with database.connect() as connection:  # from the pool, which has rolled it back
        assert connection.scalar(sa.func.pg_backend_pid()) == own
        assert frames.fetch(connection, sa.select(sa.literal(1).label("one")))["one"].tolist() == [1]


def test_a_database_that_goes_away_in_the_midst_is_the_stores_failure(database: sa.Engine):
    end = sa.case((NUMBER == 150_000, sa.func.pg_terminate_backend(sa.func.pg_backend_pid())), else_=False)
    with database.connect() as connection:
        with pytest.raises(StoreFailed, match="went away"):
            frames.fetch(connection, sa.select(sa.cast(end, sa.Text).label("end")))
        connection.invalidate()
