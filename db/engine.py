"""Connections to the gateway database, and transactions on threads.

The drivers block (`pyodbc`, `sqlite3`); the program is asynchronous. `Database` runs plain functions of a connection,
each in a transaction of its own, on worker threads. Code that uses tables is written as such functions, independent of
threads.
"""

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Any, Final, Protocol, TypeVar

import tenacity
from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.engine import URL
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.pool import QueuePool

from db.backends import faults, odbc, postgresql, sqlite, sqlserver
from db.backends.translate import as_unavailable, is_lost, must_be_retried
from db.connection import ConnectionOptions, parse_url
from db.errors import DatabaseUnavailable, DriverMissing
from phrases import Phrase
from threads import DaemonThreads

T = TypeVar("T")

_PACKAGES: Final = {
    "pyodbc": "pyodbc",
    "psycopg": "'mail-importer[postgresql]'",
}
"""Packages of the drivers, by name in a URL."""
_SQLITE_READERS: Final = 8
_MAX_SHARING: Final = 64


def _is_enough(state: tenacity.RetryCallState) -> bool:
    # A key that another transaction wrote first is found there the next time; if not, the data itself is wrong. A pool
    # whose connection was dead makes new ones.
    failure = None if state.outcome is None else state.outcome.exception()
    limit = 3 if isinstance(failure, IntegrityError) else 2 if failure is not None and is_lost(failure) else 8
    return state.attempt_number >= limit


_AGAIN: Final[dict[str, Any]] = {
    "retry": tenacity.retry_if_exception(must_be_retried),
    "wait": tenacity.wait_random_exponential(multiplier=0.02, max=1),
    "stop": _is_enough,
    "reraise": True,
}


def make_engine(url: str, options: ConnectionOptions | None = None) -> Engine:
    """Prepare, without connecting, an engine for `url` (SQLAlchemy's form).

    Raises:
        DriverMissing: the driver of the URL, or a library under it, cannot be loaded here.
        ValueError: the text is no database URL, its driver is not supported, or it cannot sign in.
    """
    parsed = parse_url(url)
    options = options or ConnectionOptions()
    try:
        if parsed.get_backend_name() == "mssql":
            parsed = sqlserver.complete(parsed, options)
        # Parameters are mail and secrets; an error that repeated them would copy them into a log.
        engine = create_engine(parsed, hide_parameters=True, **_arguments(parsed, options))
    except ImportError as exc:
        raise DriverMissing(_how_to_install(parsed, exc)) from exc
    if engine.dialect.name == "sqlite":
        sqlite.prepare(engine)
    else:
        faults.watch(engine)
    if engine.dialect.name == "postgresql":
        postgresql.prepare(engine)
    if engine.dialect.name == "mssql":
        sqlserver.prepare(engine, options)
    return engine


def _arguments(url: URL, options: ConnectionOptions) -> dict[str, Any]:
    backend = url.get_backend_name()
    if backend == "sqlite":
        # Threads of the pools share connections; one uses it at a time.
        return {"connect_args": {"timeout": sqlite.BUSY_SECONDS, "check_same_thread": False}}
    schema = options.schema or ("dbo" if backend == "mssql" else None)
    return {
        "pool_size": options.pool_size,
        "max_overflow": 0,
        "pool_timeout": options.login_seconds,
        "isolation_level": options.isolation,
        "execution_options": {"schema_translate_map": {None: schema}} if schema else {},
        **(sqlserver.arguments(options) if backend == "mssql" else {}),
        **(postgresql.arguments(url, options) if backend == "postgresql" else {}),
    }


def _how_to_install(url: URL, exc: ImportError) -> Phrase:
    library = odbc.needs(exc)
    if library is not None:
        return Phrase(
            "The database driver {drivername!r} cannot be loaded: {library}", drivername=url.drivername, library=library
        )
    # psycopg without libpq reports that in its own words.
    if isinstance(exc, ModuleNotFoundError) or url.get_driver_name() == "psycopg":
        package = _PACKAGES.get(url.get_driver_name(), exc.name)
        return Phrase(
            "The database driver {drivername!r} is not installed. Install it: pip install {package}",
            drivername=url.drivername,
            package=package,
        )
    return Phrase(
        "The database driver {drivername!r} cannot be loaded: {why}. A library under it is missing or damaged.",
        drivername=url.drivername,
        why=exc,
    )


class Database:
    """Runs functions of a connection in transactions, off the event loop."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._writers: _Writers = _SharedCommits(engine) if engine.dialect.name == "sqlite" else _PooledWriters(engine)
        self._readers = ThreadPoolExecutor(_threads(engine), thread_name_prefix="db-read")
        self._pending: set[Future[Any]] = set()

    @property
    def writes_at_once(self) -> int:
        """The number of transactions that can write at a time."""
        return 1 if self.engine.dialect.name == "sqlite" else _threads(self.engine)

    @property
    def connections_in_use(self) -> int:
        """The number of connections that transactions use now."""
        pool = self.engine.pool
        return pool.checkedout() if isinstance(pool, QueuePool) else 0

    @property
    def transactions_waiting(self) -> int:
        """The number of transactions that wait for a thread, and so for its connection."""
        return sum(not each.running() and not each.done() for each in list(self._pending))

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in a transaction that writes nothing.

        Raises:
            DatabaseUnavailable: it may succeed later.
        """
        return await self._result(self._readers.submit(run_reading, self.engine, work))

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in one transaction and commit it durably; anything `work` raises rolls it back.

        Raises:
            DatabaseUnavailable: nothing was written, or the commit was cut off, outcome unknown; try again later.
        """
        return await self._result(self._writers.submit(work))

    async def _result(self, future: "Future[T]") -> T:
        self._pending.add(future)
        future.add_done_callback(self._pending.discard)
        return await asyncio.wrap_future(future)

    async def close(self) -> None:
        """Wait for the transactions under way, then close all connections."""
        closing = DaemonThreads("db-close", limit=1)
        await asyncio.get_running_loop().run_in_executor(closing, self._shut_down)

    def _shut_down(self) -> None:
        self._writers.shutdown()
        self._readers.shutdown()
        self.engine.dispose()


def _threads(engine: Engine) -> int:
    """Half of the connections for readers, half for writers: no thread waits for a connection."""
    pool = engine.pool
    if engine.dialect.name == "sqlite" or not isinstance(pool, QueuePool):
        return _SQLITE_READERS
    return max(1, pool.size() // 2)


class _Writers(Protocol):
    def submit(self, work: Callable[[Connection], T]) -> "Future[T]": ...
    def shutdown(self) -> None: ...


class _PooledWriters:
    """Concurrent transactions, on servers that have many writers and share commits by themselves."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._threads = ThreadPoolExecutor(_threads(engine), thread_name_prefix="db-write")

    def submit(self, work: Callable[[Connection], T]) -> "Future[T]":
        return self._threads.submit(run_writing, self._engine, work)

    def shutdown(self) -> None:
        self._threads.shutdown()


@dataclass(slots=True)
class _Write:
    work: Callable[[Connection], Any]
    result: "Future[Any]"


class _SharedCommits:
    """One thread for SQLite, which has one writer at a time, and where a durable commit costs more than its content.

    Writes that wait while a commit is under way share the next one, each in a savepoint: rolled back alone if it fails,
    durable with the others before its result is returned. They are gathered for one turn of the event loop: in it those
    that have the results of a commit ask for what follows, such as the next messages and the end of the deliveries.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._gathered: list[_Write] = []
        self._waiting: SimpleQueue[_Write | None] = SimpleQueue()
        self._closed = False
        self._closing = Lock()
        self._thread = Thread(target=self._run, name="db-write", daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[Connection], T]) -> "Future[T]":
        write = _Write(work, Future())
        with self._closing:
            if self._closed:
                raise RuntimeError("the database was closed")  # no thread would ever process it
            self._gathered.append(write)
        # For each, since the loop of an earlier one may have ended in between.
        asyncio.get_running_loop().call_soon(self._hand_over)
        return write.result

    def _hand_over(self) -> None:
        with self._closing:
            self._put_gathered()

    def _put_gathered(self) -> None:
        for each in self._gathered:
            self._waiting.put(each)
        self._gathered.clear()

    def shutdown(self) -> None:
        with self._closing:
            self._closed = True
            self._put_gathered()
            self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (write := self._waiting.get()) is not None:
            group = [write]
            with contextlib.suppress(Empty):
                while len(group) < _MAX_SHARING:
                    more = self._waiting.get_nowait()
                    if more is None:
                        self._waiting.put(None)  # received again, and obeyed, after this group
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
        except Exception as exc:  # noqa: BLE001  # any error reaches the caller that waits for the result
            outcomes = [(None, exc)] * len(group)
        for write, (value, failure) in zip(group, outcomes, strict=True):
            if failure is None:
                write.result.set_result(value)
            else:
                write.result.set_exception(failure)


def _in_savepoint(connection: Connection, work: Callable[[Connection], Any]) -> tuple[Any, Exception | None]:
    # Not by `begin_nested`, which takes longer than most of what is written in between.
    sqlite.control(connection, "SAVEPOINT of_one_write")
    try:
        value = work(connection)
        sqlite.control(connection, "RELEASE of_one_write")
    except Exception as exc:
        if isinstance(exc, SQLAlchemyError) and as_unavailable(exc) is not None:
            # Full or failing: SQLite may have rolled back everything, so no write may be reported as done. The
            # savepoint may be gone with it, and its rollback would fail with an error that hides this one.
            raise
        sqlite.control(connection, "ROLLBACK TO of_one_write")
        sqlite.control(connection, "RELEASE of_one_write")
        return None, exc
    return value, None


def run_writing(engine: Engine, work: Callable[[Connection], T]) -> T:
    """Run `work` in one transaction on the calling thread; as `Database.write`.

    On a server it is run again, whole, after a conflict with another transaction or on a dead connection.
    """
    try:
        for attempt in tenacity.Retrying(**_AGAIN):
            with attempt, engine.begin() as connection:
                return work(connection)
    except SQLAlchemyError as exc:
        unavailable = as_unavailable(exc)
        if unavailable is None:
            raise  # not `from` itself: following the causes, as the log does, would never end
        raise unavailable from exc
    raise AssertionError("tenacity ends by a result or an error")


def run_reading(engine: Engine, work: Callable[[Connection], T]) -> T:
    """Run `work` in a reading transaction on the calling thread; as `Database.read`."""
    try:
        for attempt in tenacity.Retrying(**_AGAIN):
            with (
                attempt,
                engine.connect() as connection,
                connection.execution_options(**{sqlite.READ_ONLY: True}).begin(),
            ):
                return work(connection)
    except SQLAlchemyError as exc:
        unavailable = as_unavailable(exc)
        if unavailable is None:
            raise  # not `from` itself: following the causes, as the log does, would never end
        raise unavailable from exc
    raise AssertionError("tenacity ends by a result or an error")


__all__ = ["Database", "DatabaseUnavailable", "DriverMissing", "make_engine", "run_reading", "run_writing"]
