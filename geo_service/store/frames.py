"""Frames in and out of PostgreSQL by COPY: 60,000 rows in a fraction of a second where single INSERTs take a minute.

Text with NUL, which PostgreSQL cannot keep, goes in with U+FFFD in its place: one odd row must not hold up a feed.
Missing is null in the database and NaN, NaT or None in the frame; empty text stays empty text.
"""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from functools import cache
from io import BytesIO
from typing import Any

import pandas as pd
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import sqlalchemy as sa
from psycopg.abc import PQGen
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGconn
from psycopg.waiting import Wait
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable
from sqlalchemy.types import TypeEngine

from geo_service.errors import StoreFailed

_LONGEST_ROW_BYTES = 16 << 20


def staging(name: str, columns: Mapping[str, TypeEngine[Any]]) -> sa.Table:
    """Describe a temporary table, once for the program: statements about it are then compiled once too."""
    return sa.Table(
        f"staged_{name}",
        sa.MetaData(),
        *(sa.Column(column, kind, autoincrement=False) for column, kind in columns.items()),
        prefixes=["TEMPORARY"],
        postgresql_on_commit="DROP",
    )


def stage(connection: sa.Connection, staged: sa.Table, frame: pd.DataFrame) -> None:
    """Lay a frame into a temporary table, anew; the table ends with the transaction."""
    connection.exec_driver_sql(f"DROP TABLE IF EXISTS pg_temp.{staged.name}; {_create(staged)}")
    columns = ", ".join(f'"{column.name}"' for column in staged.columns)
    into = f"COPY {staged.name} ({columns}) FROM STDIN (FORMAT csv)".encode()
    with driver(connection) as below, below.cursor() as cursor, cursor.copy(into) as copy:
        copy.write(_as_csv(frame, staged))


def fetch(connection: sa.Connection, question: sa.Select[*tuple[object, ...]]) -> pd.DataFrame:
    """Answer a question as a frame: text as str, times as datetime64[us, UTC], whole numbers as int64."""
    asked = question.compile(dialect=connection.dialect, compile_kwargs={"render_postcompile": True})
    types = {column.name: _arrow(column.type) for column in question.selected_columns}
    out = f"COPY ({asked}) TO STDOUT (FORMAT csv)".encode()
    with driver(connection) as below, below.cursor() as cursor, cursor.copy(out, asked.params):
        answer = below.wait(_rest_of_copy(below.pgconn))
    if not answer:
        return pa.schema(types).empty_table().to_pandas()
    return pa_csv.read_csv(
        BytesIO(answer),
        read_options=pa_csv.ReadOptions(column_names=list(types), block_size=_LONGEST_ROW_BYTES),
        parse_options=pa_csv.ParseOptions(newlines_in_values=True),
        convert_options=pa_csv.ConvertOptions(
            column_types=types, null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=False
        ),
    ).to_pandas()


@contextmanager
def driver(connection: sa.Connection) -> "Generator[psycopg.Connection[tuple[object, ...]]]":
    """Give the psycopg connection below, for what SQLAlchemy has no words for; what fails there is StoreFailed too."""
    below = connection.connection.dbapi_connection
    if not isinstance(below, psycopg.Connection):
        raise StoreFailed("the store speaks to PostgreSQL through psycopg; use a postgresql+psycopg:// URL")
    try:
        yield below
    except psycopg.OperationalError as error:
        raise StoreFailed(f"the database went away: {error}; see that it runs") from error


def _rest_of_copy(below: PGconn) -> PQGen[bytes]:
    """Take all that a COPY TO sends.  psycopg's own loop gets ready to wait before each row: 90 ms for 30,000."""
    rows: list[bytes] = []
    size, row = below.get_copy_data(1)
    while size >= 0:
        if size > 0:
            rows.append(bytes(row))
        else:  # nothing has come yet
            yield Wait.R
            below.consume_input()
        size, row = below.get_copy_data(1)
    for result in list(iter(below.get_result, None)):  # all of them, or the connection stays busy
        if result.status != ExecStatus.COMMAND_OK:
            raise psycopg.errors.error_from_result(result)
    return b"".join(rows)


@cache
def _create(staged: sa.Table) -> str:
    return str(CreateTable(staged).compile(dialect=postgresql.dialect()))


def _as_csv(frame: pd.DataFrame, staged: sa.Table) -> bytes:
    schema = pa.schema([(column.name, _arrow(column.type)) for column in staged.columns])
    table = pa.Table.from_pandas(frame[schema.names], schema=schema, preserve_index=False, nthreads=1)
    without_nul = pc.ReplaceSubstringOptions("\x00", "\ufffd")
    for position, column in enumerate(schema):
        if pa.types.is_string(column.type):
            clean = pc.call_function("replace_substring", [table.column(position)], without_nul)
            table = table.set_column(position, column, clean)
    sink = BytesIO()
    # Quoting every value tells empty text from null, which is nothing between two commas.
    pa_csv.write_csv(table, sink, pa_csv.WriteOptions(include_header=False, quoting_style="all_valid"))
    return sink.getvalue()


def _arrow(kind: TypeEngine[Any]) -> object:
    if isinstance(kind, sa.DateTime):
        return pa.timestamp("us", tz="UTC")
    if isinstance(kind, sa.Integer):
        return pa.int64()
    return pa.float64() if isinstance(kind, sa.Float) else pa.string()
