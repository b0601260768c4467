"""Connections to the gateway database, and transactions on threads.

The drivers block (`pyodbc`, `sqlite3`); the program is asynchronous. `Database` runs plain functions of a connection,
each in a transaction of its own, on worker threads. What touches tables is written as such functions and knows no
thread.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from db.errors import DatabaseUnavailable, DriverMissing, as_unavailable

T = TypeVar("T")

_POOL_THREADS: Final = 8
_SQLITE_BUSY_SECONDS: Final = 5
_READ_ONLY: Final = "mail_importer_read_only"


def make_engine(url: str) -> Engine:
    """Prepare, without connecting, an engine for `url` (SQLAlchemy's form).

    Raises:
        DriverMissing: the driver of the URL, or a library under it, cannot be loaded here.
        ValueError: the text is no database URL.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as exc:
        # The text may hold a password, so it is not repeated.
        raise ValueError("is not a database URL such as sqlite:///mail-importer.db or mssql+pyodbc://…") from exc
    try:
        # Parameters are mail and secrets; an error that repeated them would carry them into a log.
        engine = create_engine(parsed, hide_parameters=True, **_arguments(parsed))
    except NoSuchModuleError as exc:
        raise DriverMissing(
            f"The database driver {parsed.drivername!r} is not known. Use mssql+pyodbc or sqlite."
        ) from exc
    except ImportError as exc:
        raise DriverMissing(_how_to_install(parsed, exc)) from exc
    if engine.dialect.name == "sqlite":
        _prepare_sqlite(engine)
    return engine


def _arguments(url: URL) -> dict[str, Any]:
    if url.get_backend_name() == "sqlite":
        # Threads of our pools hand connections on; one uses it at a time.
        return {"connect_args": {"timeout": _SQLITE_BUSY_SECONDS, "check_same_thread": False}}
    return {"pool_pre_ping": True, "pool_size": 2 * _POOL_THREADS, "pool_timeout": 30}


def _how_to_install(url: URL, exc: ImportError) -> str:
    if "libodbc" in str(exc):
        return (
            "pyodbc needs the ODBC driver manager, which is missing on this host (libodbc.so.2). "
            "Install it: apt-get install unixodbc, and Microsoft's ODBC Driver 18 for SQL Server."
        )
    return f"The database driver {url.drivername!r} cannot be loaded: {exc}. Install it: pip install {exc.name}"


def _prepare_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: object) -> None:  # noqa: ANN401  # whatever the driver gives
        connection.isolation_level = None  # we say BEGIN; the driver would say it too late
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}").close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A transaction that reads first and writes later can fail with SQLITE_BUSY at once, whatever the time-out.
        read_only = connection.get_execution_options().get(_READ_ONLY, False)
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")


class Database:
    """Runs functions of a connection in transactions, off the event loop."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        # SQLite has one writer at a time: a queue in front of it is fair and quick, its busy-waiting is neither.
        writers = 1 if engine.dialect.name == "sqlite" else _POOL_THREADS
        self._writers = ThreadPoolExecutor(writers, thread_name_prefix="db-write")
        self._readers = ThreadPoolExecutor(_POOL_THREADS, thread_name_prefix="db-read")

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in a transaction that writes nothing.

        Raises:
            DatabaseUnavailable: it may succeed later.
        """
        return await asyncio.get_running_loop().run_in_executor(self._readers, run_reading, self.engine, work)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in one transaction and commit it durably; anything `work` raises rolls it back.

        Raises:
            DatabaseUnavailable: nothing was written; it may succeed later.
        """
        return await asyncio.get_running_loop().run_in_executor(self._writers, run_writing, self.engine, work)

    async def close(self) -> None:
        """Wait for the transactions under way, then close all connections."""
        await asyncio.to_thread(self._shut_down)

    def _shut_down(self) -> None:
        self._writers.shutdown()
        self._readers.shutdown()
        self.engine.dispose()


def run_writing(engine: Engine, work: Callable[[Connection], T]) -> T:
    """Run `work` in one transaction on the calling thread; as `Database.write`."""
    try:
        with engine.begin() as connection:
            return work(connection)
    except SQLAlchemyError as exc:
        raise (as_unavailable(exc) or exc) from exc


def run_reading(engine: Engine, work: Callable[[Connection], T]) -> T:
    """Run `work` in a reading transaction on the calling thread; as `Database.read`."""
    try:
        with engine.connect() as connection, connection.execution_options(**{_READ_ONLY: True}).begin():
            return work(connection)
    except SQLAlchemyError as exc:
        raise (as_unavailable(exc) or exc) from exc


__all__ = ["Database", "DatabaseUnavailable", "DriverMissing", "make_engine", "run_reading", "run_writing"]
