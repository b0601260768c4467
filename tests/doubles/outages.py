"""Failures of a database, on demand, produced by real files, locks and connections."""

import contextlib
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final, Protocol

import pytest
from sqlalchemy import Connection, Engine, Table, event, select, text
from sqlalchemy.engine import URL, make_url

from db.engine import make_engine
from db.tables import message, queue_message
from tests.databases import UNNOTED, Gateway
from tests.doubles.relay import Relay

LOCKED: Final = "another process holds its lock"
READ_ONLY: Final = "read-only"
FULL: Final = "full"
GONE: Final = "its file"

_FULL: Final = """
CREATE FUNCTION "full"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'could not extend file "base/1/2": No space left on device' USING ERRCODE = 'disk_full'; END $$;
CREATE TRIGGER "full" BEFORE INSERT ON "tblEmailMessage" EXECUTE FUNCTION "full"()
"""
_READ_ONLY: Final = ("SET default_transaction_read_only = on", "RESET default_transaction_read_only")


class Fragile(Protocol):
    """A gateway that a test can make fail. Each kind of gateway has some of the failures."""

    gateway: Gateway
    """The gateway without failures."""

    def engine(self) -> Engine:
        """A new engine, as of another process."""

    def broken(self, kind: str) -> AbstractContextManager[None]:
        """Fail in this way meanwhile: the name of a method that is a context."""

    def locked(self) -> AbstractContextManager[None]:
        """Block writes of messages and queue by another transaction."""

    def gone(self) -> AbstractContextManager[None]:
        """The database cannot be reached."""

    def close(self) -> None:
        """Remove the failure."""


def every_outage() -> list[Any]:
    """Parameters `database_kind` and `kind` of a test that covers every failure of every database."""
    servers = [("postgresql", kind) for kind in FragilePostgreSQL.kinds]
    of_mssql = [pytest.param("mssql", kind, marks=pytest.mark.mssql) for kind in FragileServer.kinds]
    return [*(("sqlite", kind) for kind in FragileDatabase.kinds), *servers, *of_mssql]


def fragile(gateway: Gateway) -> Fragile:
    """The gateway, ready to fail."""
    if gateway.backend == "sqlite":
        return FragileDatabase(gateway.file)
    return FragilePostgreSQL(gateway) if gateway.backend == "postgresql" else FragileServer(gateway)


class FragileServer:
    """A server behind a relay."""

    kinds: tuple[str, ...] = ("locked", "gone", "lost", "mute")

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.relay, through = self._relayed(make_url(gateway.url))
        self.through = Gateway(through.render_as_string(hide_password=False), gateway.schema)

    def _relayed(self, url: URL) -> tuple[Relay, URL]:
        relay = Relay((url.host or "127.0.0.1", url.port or 1433))
        return relay, url.set(host="127.0.0.1", port=int(relay.address[1]))

    def engine(self) -> Engine:
        """A new engine, as of another process, that waits three seconds for a response."""
        return self.through.engine(statement_seconds=3, login_seconds=3)

    def broken(self, kind: str) -> AbstractContextManager[None]:
        """Fail in this way meanwhile."""
        found: AbstractContextManager[None] = getattr(self, kind)()
        return found

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Block writes of messages and queue by another transaction."""
        other = self.gateway.engine()
        with other.connect() as connection:
            for table in (message, queue_message):
                self._lock(connection, table)
            yield
            connection.rollback()
        other.dispose()

    def _lock(self, connection: Connection, table: Table) -> None:
        connection.execute(select(table).with_hint(table, "WITH (TABLOCKX, HOLDLOCK)", "mssql").limit(1)).all()

    def gone(self) -> AbstractContextManager[None]:
        """Break its connections, and accept no new ones."""
        return self.relay.refusing()

    @contextlib.contextmanager
    def lost(self) -> Iterator[None]:
        """Break its connections, at any point of their work; new ones are accepted."""
        self.relay.lose_connections()
        yield

    def mute(self) -> AbstractContextManager[None]:
        """Accept all requests, and respond to none."""
        return self.relay.mute()

    def close(self) -> None:
        """End the relay."""
        self.relay.stop()


class FragilePostgreSQL(FragileServer):
    """A database of PostgreSQL behind a relay, used by a role of its own."""

    kinds = (*FragileServer.kinds, "read_only", "full", "denied", "locked_out")

    def __init__(self, gateway: Gateway) -> None:
        self._folder = Path(tempfile.mkdtemp())
        url = make_url(gateway.url)
        self._role = f"importer_{url.database}"
        self._schema = gateway.schema or "public"
        super().__init__(gateway)
        self._say(
            UNNOTED,
            # Another of the same gateway may have made it.
            f'DO $$ BEGIN CREATE ROLE "{self._role}" LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$',
            f'GRANT USAGE ON SCHEMA "{self._schema}" TO "{self._role}"',
            f'GRANT ALL ON ALL TABLES IN SCHEMA "{self._schema}" TO "{self._role}"',
            f'GRANT ALL ON ALL SEQUENCES IN SCHEMA "{self._schema}" TO "{self._role}"',
        )

    def _relayed(self, url: URL) -> tuple[Relay, URL]:
        name = ".s.PGSQL.5432"
        relay = Relay(f"{url.query['host']}/{name}", listen_at=self._folder / name)
        return relay, url.set(username=self._role).update_query_dict({"host": str(self._folder)})

    def _lock(self, connection: Connection, table: Table) -> None:
        connection.execute(text(f'LOCK TABLE "{self._schema}"."{table.name}" IN EXCLUSIVE MODE'))

    def read_only(self) -> AbstractContextManager[None]:
        """Refuse writes, as a standby does after a failover."""
        on, off = (f'ALTER ROLE "{self._role}" {each}' for each in _READ_ONLY)
        return self._meanwhile(on, off, disconnecting=True)

    def full(self) -> AbstractContextManager[None]:
        """Leave no room for messages; raised by a trigger, since the disk is shared."""
        return self._meanwhile(_FULL, 'DROP FUNCTION "full" CASCADE')

    def denied(self) -> AbstractContextManager[None]:
        """Revoke a right, on one table of all."""
        right = 'INSERT ON "tblEmailMessage"'
        return self._meanwhile(f'REVOKE {right} FROM "{self._role}"', f'GRANT {right} TO "{self._role}"')

    def locked_out(self) -> AbstractContextManager[None]:
        """Revoke the login's right to connect."""
        role = f'ALTER ROLE "{self._role}"'
        return self._meanwhile(f"{role} NOLOGIN", f"{role} LOGIN", disconnecting=True)

    def close(self) -> None:
        """End the relay."""
        super().close()
        shutil.rmtree(self._folder)

    @contextlib.contextmanager
    def _meanwhile(self, begin: str, end: str, *, disconnecting: bool = False) -> Iterator[None]:
        disconnect = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{self._role}'"  # noqa: S608  # own name
        more = [disconnect] if disconnecting else []
        self._say(begin, *more)
        try:
            yield
        finally:
            self._say(end, *more)

    def _say(self, *statements: str) -> None:
        owner = self.gateway.engine()
        with owner.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            for statement in (f'SET search_path TO "{self._schema}"', *statements):
                connection.exec_driver_sql(statement)
        owner.dispose()


class FragileDatabase:
    """Engines on one file that can be made to fail. `kinds` names the ways."""

    kinds: Final = ("locked", "read_only", "full", "gone")

    def __init__(self, path: Path) -> None:
        self.path = path
        self.gateway = Gateway(f"sqlite:///{path}")
        self._pragmas: dict[str, object] = {}

    def engine(self) -> Engine:
        """A new engine, as of another process."""
        engine = make_engine(f"sqlite:///{self.path}")

        @event.listens_for(engine, "checkout")
        def configure(connection: Any, _record: object, _proxy: object) -> None:  # noqa: ANN401  # the driver's own
            pragmas = {"busy_timeout": 5000, "query_only": 0, "max_page_count": 2**30, **self._pragmas}
            for name, value in pragmas.items():
                connection.execute(f"PRAGMA {name} = {value}").close()

        return engine

    @contextlib.contextmanager
    def broken(self, kind: str) -> Iterator[None]:
        """Make the database fail in this way meanwhile."""
        with getattr(self, kind)():
            yield

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the write lock in another connection."""
        other = sqlite3.connect(self.path, isolation_level=None)
        try:
            other.execute("BEGIN EXCLUSIVE")
            with self._with_pragma("busy_timeout", 50):
                yield
        finally:
            other.close()

    @contextlib.contextmanager
    def read_only(self) -> Iterator[None]:
        """Refuse writes. (Permissions would not stop root, the user of some test runs.)"""
        with self._with_pragma("query_only", 1):
            yield

    @contextlib.contextmanager
    def full(self) -> Iterator[None]:
        """Leave the file no room to grow, and none inside: a large write fails."""
        with self._with_pragma("max_page_count", 1):
            yield

    @contextlib.contextmanager
    def gone(self) -> Iterator[None]:
        """Move the folder with the file away, like a share that is not mounted."""
        away = self.path.parent.with_name("away")
        self.path.parent.rename(away)
        try:
            yield
        finally:
            away.rename(self.path.parent)

    def close(self) -> None:
        """Do nothing: there is nothing to remove."""

    @contextlib.contextmanager
    def _with_pragma(self, name: str, value: object) -> Iterator[None]:
        self._pragmas = {name: value}
        try:
            yield
        finally:
            self._pragmas = {}
