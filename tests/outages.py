"""Ways in which a database stops working, on demand, as files, locks and connections really do it."""

import contextlib
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final, Protocol

from sqlalchemy import Engine, event, select, text
from sqlalchemy.engine import make_url

from db.engine import make_engine
from db.tables import message, queue_message
from tests.databases import Gateway
from tests.relay import Address, Relay

LOCKED: Final = "another process holds its lock"
READ_ONLY: Final = "read-only"
FULL: Final = "full"
GONE: Final = "its file"


class Fragile(Protocol):
    """A gateway whose trouble a test can make."""

    gateway: Gateway
    """It, past all trouble."""

    def engine(self) -> Engine:
        """A new engine, as another process would have it."""

    def locked(self) -> AbstractContextManager[None]:
        """Another transaction keeps all others from writing messages and queue."""

    def gone(self) -> AbstractContextManager[None]:
        """Nobody can reach it."""

    def close(self) -> None:
        """Take away what makes trouble."""


def fragile(gateway: Gateway) -> Fragile:
    """The gateway, to be troubled."""
    if gateway.backend == "sqlite":
        return FragileDatabase(gateway.file)
    return FragileServer(gateway)


class FragileServer:
    """A server behind a relay."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        url = make_url(gateway.url)
        self._folder = Path(tempfile.mkdtemp())
        if url.host is None:
            name = ".s.PGSQL.5432"
            server: Address = f"{url.query['host']}/{name}"
            self.relay = Relay(server, listen_at=self._folder / name)
            through = url.update_query_dict({"host": str(self._folder)})
        else:
            self.relay = Relay((url.host, url.port or 1433))
            through = url.set(host="127.0.0.1", port=int(self.relay.address[1]))
        self._through = Gateway(through.render_as_string(hide_password=False), gateway.schema)

    def engine(self) -> Engine:
        """A new engine, as another process would have it, that waits three seconds for an answer."""
        return self._through.engine(statement_seconds=3, login_seconds=3)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Another transaction keeps all others from writing messages and queue."""
        other = self.gateway.engine()
        with other.connect() as connection:
            for table in (message, queue_message):
                if self.gateway.backend == "postgresql":
                    connection.execute(text(f'LOCK TABLE "{table.name}" IN EXCLUSIVE MODE'))
                else:
                    connection.execute(
                        select(table).with_hint(table, "WITH (TABLOCKX, HOLDLOCK)", "mssql").limit(1)
                    ).all()
            yield
            connection.rollback()
        other.dispose()

    def gone(self) -> AbstractContextManager[None]:
        """Its connections are lost, and it takes no new ones."""
        return self.relay.refusing()

    def close(self) -> None:
        """End the relay."""
        self.relay.stop()
        shutil.rmtree(self._folder)


class FragileDatabase:
    """Engines on one file that can be made to fail. `kinds` names the ways."""

    kinds: Final = ("locked", "read_only", "full", "gone")

    def __init__(self, path: Path) -> None:
        self.path = path
        self.gateway = Gateway(f"sqlite:///{path}")
        self._pragmas: dict[str, object] = {}

    def engine(self) -> Engine:
        """A new engine, as another process would have it."""
        engine = make_engine(f"sqlite:///{self.path}")

        @event.listens_for(engine, "checkout")
        def configure(connection: Any, _record: object, _proxy: object) -> None:  # noqa: ANN401  # the driver's own
            pragmas = {"busy_timeout": 5000, "query_only": 0, "max_page_count": 2**30, **self._pragmas}
            for name, value in pragmas.items():
                connection.execute(f"PRAGMA {name} = {value}").close()

        return engine

    @contextlib.contextmanager
    def broken(self, kind: str) -> Iterator[None]:
        """The database fails in this way meanwhile."""
        with getattr(self, kind)():
            yield

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Another connection keeps the write lock."""
        other = sqlite3.connect(self.path, isolation_level=None)
        try:
            other.execute("BEGIN EXCLUSIVE")
            with self._with_pragma("busy_timeout", 50):
                yield
        finally:
            other.close()

    @contextlib.contextmanager
    def read_only(self) -> Iterator[None]:
        """Nothing can be written. (Permissions would not stop root, as whom the tests may run.)"""
        with self._with_pragma("query_only", 1):
            yield

    @contextlib.contextmanager
    def full(self) -> Iterator[None]:
        """The file has no room to grow, and none inside: a large write fails."""
        with self._with_pragma("max_page_count", 1):
            yield

    @contextlib.contextmanager
    def gone(self) -> Iterator[None]:
        """The folder with the file is away, as a share that is not mounted."""
        away = self.path.parent.with_name("away")
        self.path.parent.rename(away)
        try:
            yield
        finally:
            away.rename(self.path.parent)

    def close(self) -> None:
        """There is nothing to take away."""

    @contextlib.contextmanager
    def _with_pragma(self, name: str, value: object) -> Iterator[None]:
        self._pragmas = {name: value}
        try:
            yield
        finally:
            self._pragmas = {}
