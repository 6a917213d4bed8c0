import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from geoalchemy2 import Geometry
from sqlalchemy import exc

from geo_service.errors import StoreFailed
from geo_service.store import opening, tables
from tests.conftest import address

CHECKS = sa.text(
    "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint "
    "WHERE contype IN ('c', 'p', 'u', 'f') AND connamespace IN ('public'::regnamespace, 'staff'::regnamespace) "
    "AND conrelid::regclass::text NOT IN ('spatial_ref_sys', 'alembic_version') ORDER BY 1, 2"
)
UNCOMMENTED = sa.text(
    "SELECT c.relname, a.attname FROM pg_class c "
    "JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 "
    "WHERE c.relkind = 'r' AND c.relnamespace IN ('public'::regnamespace, 'staff'::regnamespace) "
    "AND c.relname NOT IN ('spatial_ref_sys', 'alembic_version') AND NOT a.attisdropped "
    "AND coalesce(col_description(c.oid, a.attnum), '') = ''"
)


@pytest.fixture
def bare(server: sa.Engine) -> Iterator[sa.Engine]:
    """A database with nothing in it, not even PostGIS."""
    name = f"geo_service_bare_{threading.get_native_id()}"
    with server.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    engine = opening.connect(address(server, name))
    yield engine
    engine.dispose()
    with server.connect() as connection:
        connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))


def differences(database: sa.Engine, metadata: sa.MetaData) -> list[object]:
    """What alembic would have to do to make the database like the page."""
    with database.connect() as connection:
        ours = {"alembic_version", "spatial_ref_sys"}
        schemas = {None, tables.STAFF_SCHEMA}
        context = MigrationContext.configure(
            connection,
            opts={
                "compare_type": True,
                "compare_server_default": True,
                "include_schemas": True,
                "include_name": lambda name, kind, _: name in schemas if kind == "schema" else name not in ours,
            },
        )
        return list(compare_metadata(context, metadata))


def test_the_tables_equal_the_sum_of_the_migrations(database: sa.Engine):
    assert differences(database, tables.metadata) == []


FAULTS: dict[str, Callable[[sa.MetaData], object]] = {
    "a table more": lambda m: sa.Table("more", m, sa.Column("id", sa.Integer)),
    "a table less": lambda m: m.remove(m.tables["meta"]),
    "a column more": lambda m: m.tables["meta"].append_column(sa.Column("more", sa.Text)),
    "another type": lambda m: setattr(m.tables["alerts"].c.count, "type", sa.Text()),
    "another kind of geometry": lambda m: setattr(m.tables["zones"].c.geometry, "type", Geometry("POINT", 4326)),
    "null allowed": lambda m: setattr(m.tables["incidents"].c.place, "nullable", True),
    "another comment of a column": lambda m: setattr(m.tables["incidents"].c.place, "comment", "Place"),
    "no comment of a table": lambda m: setattr(m.tables["incidents"], "comment", None),
    "no server default": lambda m: setattr(m.tables["rejected"].c.state, "server_default", None),
    "an index more": lambda m: sa.Index("more", m.tables["incidents"].c.cell),
    "an index less": lambda m: m.tables["incidents"].indexes.pop(),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_difference_is_found(database: sa.Engine, fault: str):
    page = sa.MetaData(naming_convention=tables.metadata.naming_convention)
    for table in tables.metadata.sorted_tables:
        table.to_metadata(page)
    assert differences(database, page) == []
    FAULTS[fault](page)
    assert differences(database, page) != []


def test_checks_and_keys_equal_those_of_the_page(database: sa.Engine, bare: sa.Engine):
    with bare.begin() as connection:
        connection.execute(sa.text("CREATE EXTENSION postgis"))
        connection.execute(sa.text(f"CREATE SCHEMA {tables.STAFF_SCHEMA}"))
        tables.metadata.create_all(connection)
        wanted = connection.execute(CHECKS).all()
    with database.connect() as connection:
        assert connection.execute(CHECKS).all() == wanted
    assert len([name for _, name, rule in wanted if rule.startswith("CHECK")]) >= 8


def test_every_table_and_column_says_what_it_is(database: sa.Engine):
    with database.begin() as connection:
        assert connection.execute(UNCOMMENTED).all() == []
        there = sa.inspect(connection)
        assert all(
            there.get_table_comment(table.name, schema=table.schema)["text"] for table in tables.metadata.sorted_tables
        )
        connection.execute(sa.text("CREATE TABLE planted (dumb int)"))
        assert connection.execute(UNCOMMENTED).all() == [("planted", "dumb")]


def test_two_programs_may_migrate_at_once(bare: sa.Engine):
    failed: list[BaseException] = []

    def migrate() -> None:
        try:
            opening.migrate(bare)
        except BaseException as error:  # noqa: BLE001 - whatever a thread meets belongs to the test
            failed.append(error)

    threads = [threading.Thread(target=migrate) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert differences(bare, tables.metadata) == []
    opening.check(bare)


def test_a_migration_that_fails_leaves_nothing(bare: sa.Engine):
    with bare.begin() as connection:
        connection.execute(sa.text("CREATE TABLE revisions (in_the_way int)"))
    with pytest.raises(exc.ProgrammingError, match="revisions"):
        opening.migrate(bare)
    with bare.connect() as connection:
        assert sa.inspect(connection).get_table_names() == ["revisions"]


def test_migrations_are_named_by_when_they_may_run():
    versions = Path(opening.__file__).parent / "migrations" / "versions"
    names = [path.name for path in versions.glob("*.py") if path.name != "__init__.py"]
    assert names
    assert [name for name in names if not name.startswith(("pre_", "post_"))] == []


@pytest.mark.parametrize("table", ["duties", "addresses"])
def test_nobody_but_the_owner_may_look_into_the_staff_room(database: sa.Engine, table: str):
    with database.connect() as connection:
        connection.execute(sa.text("SET ROLE pg_monitor"))
        with pytest.raises(exc.ProgrammingError, match="permission denied for schema"):
            connection.execute(sa.text(f"SELECT * FROM {tables.STAFF_SCHEMA}.{table}"))


def test_an_older_schema_says_what_to_do(bare: sa.Engine):
    number = len(list((Path(opening.__file__).parent / "migrations" / "versions").glob("p*_*.py")))
    with pytest.raises(StoreFailed, match=rf"{number} migrations behind .* geo-service migrate"):
        opening.check(bare)


@pytest.mark.parametrize("ask", [opening.check, opening.migrate])
def test_a_newer_schema_says_what_to_do(database: sa.Engine, ask: Callable[[sa.Engine], None]):
    with database.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = 'pre_9999'"))
    with pytest.raises(StoreFailed, match=r"newer geo_service \(to pre_9999\)"):
        ask(database)


def test_without_the_right_to_enable_postgis_it_says_who_can(server: sa.Engine, bare: sa.Engine):
    name = bare.url.database
    with server.connect() as connection:
        connection.execute(sa.text("DROP ROLE IF EXISTS powerless"))
        connection.execute(sa.text("CREATE ROLE powerless LOGIN PASSWORD 'none'"))
    url = server.url.set(username="powerless", password="none", database=name)
    weak = opening.connect(url.render_as_string(hide_password=False))
    try:
        with pytest.raises(StoreFailed, match=f"administrator run in {name}: CREATE EXTENSION postgis"):
            opening.migrate(weak)
    finally:
        weak.dispose()
        with server.connect() as connection:
            connection.execute(sa.text("DROP ROLE powerless"))


def test_a_server_that_is_not_there_is_named(tmp_path: Path):
    engine = opening.connect(f"postgresql://nobody@/nothing?host={tmp_path}")
    with pytest.raises(StoreFailed, match=r"cannot be used: .*GEO_DATABASE_URL"):
        opening.migrate(engine)


@pytest.mark.parametrize(
    ("url", "says"),
    [("sqlite:///x.db", "not sqlite://"), ("nonsense", "no database address"), ("mysql://h/x", "PostGIS")],
)
def test_an_address_that_is_no_postgis_is_refused(url: str, says: str):
    with pytest.raises(StoreFailed, match=says):
        opening.connect(url)


def test_a_password_is_not_in_the_message():
    engine = opening.connect("postgresql://me:sesame@127.0.0.1:1/x")
    with pytest.raises(StoreFailed) as caught:
        opening.check(engine)
    assert "sesame" not in str(caught.value)


def test_a_connection_lost_while_it_waited_is_replaced_unseen(database: sa.Engine, server: sa.Engine):
    with database.connect() as connection:
        pid = connection.scalar(sa.text("SELECT pg_backend_pid()"))
    with server.connect() as connection:
        connection.execute(sa.text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
    with database.connect() as connection:
        assert connection.scalar(sa.text("SELECT pg_backend_pid()")) != pid


def test_times_are_utc_whatever_the_server_thinks(database: sa.Engine, server: sa.Engine):
    with server.connect() as connection:
        connection.execute(sa.text(f"ALTER DATABASE {database.url.database} SET timezone = 'Asia/Shanghai'"))
    with database.connect() as connection:
        assert connection.scalar(sa.text("SHOW timezone")) == "UTC"
