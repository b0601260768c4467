"""Connections to the gateway database, and transactions on threads.

The drivers block (`pyodbc`, `sqlite3`); the program is asynchronous. `Database` runs plain functions of a connection,
each in a transaction of its own, on worker threads. What touches tables is written as such functions and knows no
thread.
"""

import asyncio
import contextlib
import os
import sqlite3
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Any, Final, Protocol, TypeVar

import tenacity
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from db.errors import DatabaseUnavailable, DriverMissing, as_unavailable

T = TypeVar("T")

_POOL_THREADS: Final = 8
_MOST_SHARING: Final = 64
_SQLITE_BUSY_SECONDS: Final = 5
# 16 MB instead of 4 between two checkpoints: mail with attachments writes a page often before it rests.
_CHECKPOINT: Final = "wal_autocheckpoint=4000"
_READ_ONLY: Final = "mail_importer_read_only"


def _is_busy(error: BaseException) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY


def _patiently(work: Callable[[], object]) -> None:
    """Do it, again and again while another process holds SQLite's lock, as long as SQLite itself would wait."""
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception(_is_busy),
        wait=tenacity.wait_random(0.005, 0.05),
        stop=tenacity.stop_after_delay(_SQLITE_BUSY_SECONDS),
        reraise=True,
    )
    retrying(work)


def make_engine(url: str) -> Engine:
    """Prepare, without connecting, an engine for `url` (SQLAlchemy's form).

    Raises:
        DriverMissing: the driver of the URL, or a library under it, cannot be loaded here.
        ValueError: the text is no database URL.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        # The text may hold a password, so neither it nor a cause that quotes it is repeated. A ValueError is a port
        # that is no number: for the most part the end of a password with an unescaped @ or / in it.
        raise ValueError("is not a database URL such as sqlite:///mail-importer.db or mssql+pyodbc://…") from None
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
    if isinstance(exc, ModuleNotFoundError):
        return f"The database driver {url.drivername!r} is not installed. Install it: pip install {exc.name}"
    return f"The database driver {url.drivername!r} cannot be loaded: {exc}. A library under it is missing or damaged."


class _OpenedFile:
    """Notices that the file of a SQLite database was deleted, moved or replaced.

    Connections that are open would go on writing, successfully, to a file that nobody will find again.
    """

    def __init__(self) -> None:
        self._path = ""
        self._identity: tuple[int, int] | None = None

    def opened(self, path: str) -> None:
        """Remember which file has this path; no path: it is in memory."""
        if path and self._identity is None:
            self._path, self._identity = path, _identity(path)

    def forget(self) -> None:
        """No connection is open any more."""
        self._identity = None

    def check(self) -> None:
        """Refuse to work on when the path names another file, or none."""
        if self._identity is None:
            return
        try:
            found = _identity(self._path)
        except OSError as exc:
            raise DatabaseUnavailable(
                f"The gateway database cannot be used: its file {self._path} is gone. Put it back."
            ) from exc
        if found != self._identity:
            raise DatabaseUnavailable(
                f"The gateway database cannot be used: its file {self._path} was replaced by another while this "
                "program had it open. Start the program again."
            )


def _identity(path: str) -> tuple[int, int]:
    found = os.stat(path)  # noqa: PTH116  # at every transaction: Path costs more than the call
    return (found.st_dev, found.st_ino)


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _prepare_sqlite(engine: Engine) -> None:
    file = _OpenedFile()
    event.listen(engine, "engine_disposed", lambda _engine: file.forget())

    @event.listens_for(engine, "do_connect")
    def make_no_new_file(*_: object) -> None:
        file.check()

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: object) -> None:  # noqa: ANN401  # whatever the driver gives
        connection.isolation_level = None  # we say BEGIN; the driver would say it too late
        # Not every lock of that switch is waited for by SQLite, however long its time-out: two hosts may open a fresh
        # file at once.
        _patiently(lambda: connection.execute("PRAGMA journal_mode=WAL").close())
        for pragma in ("synchronous=FULL", "foreign_keys=ON", _CHECKPOINT):
            connection.execute(f"PRAGMA {pragma}").close()
        # Its own knows no letters but those of ASCII: a search for PRÜFBERICHT would not find a Prüfbericht.
        connection.create_function("lower", 1, _lower, deterministic=True)
        file.opened(connection.execute("PRAGMA database_list").fetchone()[2])

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        file.check()
        # A transaction that reads first and writes later can fail with SQLITE_BUSY at once, whatever the time-out.
        read_only = connection.get_execution_options().get(_READ_ONLY, False)
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")


class Database:
    """Runs functions of a connection in transactions, off the event loop."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._writers: _Writers = _SharedCommits(engine) if engine.dialect.name == "sqlite" else _PooledWriters(engine)
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
        return await asyncio.wrap_future(self._writers.submit(work))

    async def close(self) -> None:
        """Wait for the transactions under way, then close all connections."""
        await asyncio.to_thread(self._shut_down)

    def _shut_down(self) -> None:
        self._writers.shutdown()
        self._readers.shutdown()
        self.engine.dispose()


class _Writers(Protocol):
    def submit(self, work: Callable[[Connection], T]) -> "Future[T]": ...
    def shutdown(self) -> None: ...


class _PooledWriters:
    """Transactions side by side, on servers that have many writers and share commits by themselves."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._threads = ThreadPoolExecutor(_POOL_THREADS, thread_name_prefix="db-write")

    def submit(self, work: Callable[[Connection], T]) -> "Future[T]":
        return self._threads.submit(run_writing, self._engine, work)

    def shutdown(self) -> None:
        self._threads.shutdown()


@dataclass(slots=True)
class _Write:
    work: Callable[[Connection], Any]
    result: "Future[Any]"


class _SharedCommits:
    """SQLite has one writer at a time, and a durable commit costs more than what is in it.

    So there is one thread, and what waits while a commit is under way shares the next one, each in a savepoint: rolled
    back alone if it fails, durable with the others before its result is told.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._waiting: SimpleQueue[_Write | None] = SimpleQueue()
        self._closed = False
        self._closing = Lock()
        self._thread = Thread(target=self._run, name="db-write", daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[Connection], T]) -> "Future[T]":
        write = _Write(work, Future())
        with self._closing:
            if self._closed:
                raise RuntimeError("the database was closed")  # nobody would ever look at it
            self._waiting.put(write)
        return write.result

    def shutdown(self) -> None:
        with self._closing:
            self._closed = True
            self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (write := self._waiting.get()) is not None:
            group = [write]
            with contextlib.suppress(Empty):
                while len(group) < _MOST_SHARING:
                    more = self._waiting.get_nowait()
                    if more is None:
                        self._waiting.put(None)  # seen again, and obeyed, after this group
                        break
                    group.append(more)
            self._commit([each for each in group if each.result.set_running_or_notify_cancel()])

    def _commit(self, group: list[_Write]) -> None:
        outcomes: list[tuple[Any, Exception | None]] = []

        def work(connection: Connection) -> None:
            outcomes.extend(_in_savepoint(connection, write.work) for write in group)

        try:
            if len(group) == 1:
                outcomes.append((run_writing(self._engine, group[0].work), None))
            elif group:
                run_writing(self._engine, work)
        except Exception as exc:  # noqa: BLE001  # whatever it is, it reaches who waits for the result
            outcomes = [(None, exc)] * len(group)
        for write, (value, failure) in zip(group, outcomes, strict=True):
            if failure is None:
                write.result.set_result(value)
            else:
                write.result.set_exception(failure)


def _in_savepoint(connection: Connection, work: Callable[[Connection], Any]) -> tuple[Any, Exception | None]:
    savepoint = connection.begin_nested()
    try:
        value = work(connection)
        savepoint.commit()
    except Exception as exc:
        if isinstance(exc, SQLAlchemyError) and as_unavailable(exc) is not None:
            # Full or failing: SQLite may have rolled back everything, so nobody's work may be called done. The
            # savepoint may be gone with it, and its rollback would fail with an error that hides this one.
            raise
        savepoint.rollback()
        return None, exc
    return value, None


def run_writing(engine: Engine, work: Callable[[Connection], T]) -> T:
    """Run `work` in one transaction on the calling thread; as `Database.write`."""
    try:
        with engine.begin() as connection:
            return work(connection)
    except SQLAlchemyError as exc:
        unavailable = as_unavailable(exc)
        if unavailable is None:
            raise  # not `from` itself: who follows the causes, as the log does, would never end
        raise unavailable from exc


def run_reading(engine: Engine, work: Callable[[Connection], T]) -> T:
    """Run `work` in a reading transaction on the calling thread; as `Database.read`."""
    try:
        with engine.connect() as connection, connection.execution_options(**{_READ_ONLY: True}).begin():
            return work(connection)
    except SQLAlchemyError as exc:
        unavailable = as_unavailable(exc)
        if unavailable is None:
            raise  # not `from` itself: who follows the causes, as the log does, would never end
        raise unavailable from exc


__all__ = ["Database", "DatabaseUnavailable", "DriverMissing", "make_engine", "run_reading", "run_writing"]
