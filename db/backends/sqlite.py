"""SQLite as the gateway database: its locks, its durability, and the file under it."""

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Final

import tenacity
from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import DBAPIError

from db.errors import DatabaseUnavailable
from operatingsystem import others_access
from phrases import Phrase

BUSY_SECONDS: Final = 5
"""Maximum time a transaction waits for the lock of another process."""
READ_ONLY: Final = "mail_importer_read_only"
"""The execution option of a connection whose transaction writes nothing."""

WAIT_SECONDS: Final = "mail_importer_wait_seconds"
"""The execution option of a connection whose transaction may wait longer for the one writer than `BUSY_SECONDS`."""

# 16 MB instead of 4 between two checkpoints: mail with attachments writes a page often before it is final.
_CHECKPOINT: Final = "wal_autocheckpoint=4000"


_AS_TEXT: Final = partial(str, encoding="utf-8", errors="replace")


def _is_busy(error: BaseException) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY


def _retrying(work: Callable[[], object]) -> None:
    """Repeat the work while another process holds SQLite's lock, as long as SQLite itself would wait."""
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception(_is_busy),
        wait=tenacity.wait_random(0.005, 0.05),
        stop=tenacity.stop_after_delay(BUSY_SECONDS),
        reraise=True,
    )
    retrying(work)


class _OpenedFile:
    """Detects that the file of a SQLite database was deleted, moved or replaced.

    Open connections would continue to write, successfully, to a file that is lost.
    """

    def __init__(self) -> None:
        self._path = ""
        self._identity: tuple[int, int] | None = None

    def opened(self, path: str) -> None:
        """Record which file has this path; no path: it is in memory."""
        if path and self._identity is None:
            self._path, self._identity = path, _identity(path)

    def forget(self) -> None:
        """Accept another file from now on; no connection is open."""
        self._identity = None

    def check(self) -> None:
        """Refuse to continue if the path names another file, or none."""
        if self._identity is None:
            return
        try:
            found = _identity(self._path)
        except OSError as exc:
            raise DatabaseUnavailable(
                Phrase("The gateway database cannot be used: its file {path} is gone. Put it back.", path=self._path)
            ) from exc
        if found != self._identity:
            raise DatabaseUnavailable(
                Phrase(
                    "The gateway database cannot be used: its file {path} was replaced by another while this program "
                    "had it open. Start the program again.",
                    path=self._path,
                )
            )


def _identity(path: str) -> tuple[int, int]:
    found = os.stat(path)  # noqa: PTH116  # at every transaction: Path costs more than the call
    return (found.st_dev, found.st_ino)


def _create_for_owner_only(path: str) -> None:
    """Create the file with mode 0600 if it does not exist: it will hold mail, and a key.

    SQLite would use 0644; it gives `-wal` and `-shm` the mode of the file itself (https://www.sqlite.org/wal.html).
    """
    if path == ":memory:" or path.startswith("file:"):
        return
    # SQLite reports any fault of the path next.
    with contextlib.suppress(OSError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


def open_to_others(engine: Engine) -> dict[str, str]:
    """The modes, such as `0644`, of the database's files that others than their owner may read or write, by path."""
    path = engine.url.database
    found: dict[str, str] = {}
    if engine.dialect.name != "sqlite" or not path:
        return found
    for name in (path, f"{path}-wal", f"{path}-shm"):
        with contextlib.suppress(OSError):
            access = others_access(name)
            if access:
                found[name] = f"{access:04o}"
    return found


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def referring_table(connection: Connection, table: str) -> str | None:
    """A table whose foreign key keeps rows of that one from deletion; SQLite's error names none."""
    found = connection.exec_driver_sql(
        "SELECT master.name FROM sqlite_master AS master, pragma_foreign_key_list(master.name) AS key "
        "WHERE master.type = 'table' AND key.\"table\" = ? COLLATE NOCASE "
        "AND key.on_delete NOT IN ('CASCADE', 'SET NULL', 'SET DEFAULT') ORDER BY master.name",
        (table,),
    ).scalars()
    return next(iter(found.all()), None)


def control(connection: Connection, text: str) -> None:
    """Execute a statement that begins or ends something, by the driver itself: it has neither values nor rows.

    Raises:
        SQLAlchemyError: as for any other statement.
    """
    try:
        cursor = connection.connection.cursor()
        cursor.execute(text)
        cursor.close()
    except sqlite3.Error as exc:
        raise DBAPIError.instance(
            text, None, exc, sqlite3.Error, hide_parameters=True, dialect=connection.dialect
        ) from exc


def prepare(engine: Engine) -> None:
    """Configure each connection, and each transaction, of an engine on SQLite."""
    file = _OpenedFile()
    event.listen(engine, "engine_disposed", lambda _engine: file.forget())

    @event.listens_for(engine, "do_connect")
    def make_no_new_file(_dialect: object, _record: object, arguments: Sequence[str], _named: object) -> None:
        file.check()
        _create_for_owner_only(arguments[0])

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: object) -> None:  # noqa: ANN401  # the driver's own
        # Text that is no UTF-8 would make all rows of its query unreadable.
        connection.text_factory = _AS_TEXT
        connection.isolation_level = None  # BEGIN is sent here; the driver would send it too late
        # SQLite does not wait for every lock of that switch, however long its time-out: two hosts may open a fresh
        # file at once.
        _retrying(lambda: connection.execute("PRAGMA journal_mode=WAL").close())
        for pragma in ("synchronous=FULL", "foreign_keys=ON", _CHECKPOINT):
            connection.execute(f"PRAGMA {pragma}").close()
        # SQLite's own handles letters of ASCII only: a search for PRÜFBERICHT would not find a Prüfbericht.
        connection.create_function("lower", 1, _lower, deterministic=True)
        file.opened(connection.execute("PRAGMA database_list").fetchone()[2])

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        file.check()
        # A transaction that reads first and writes later can fail with SQLITE_BUSY at once, whatever the time-out.
        options = connection.get_execution_options()
        wait = options.get(WAIT_SECONDS, BUSY_SECONDS)
        with _waiting(connection, wait) if wait != BUSY_SECONDS else contextlib.nullcontext():
            control(connection, "BEGIN" if options.get(READ_ONLY, False) else "BEGIN IMMEDIATE")


@contextlib.contextmanager
def _waiting(connection: Connection, seconds: int) -> Iterator[None]:
    """Wait this long for a lock: https://www.sqlite.org/pragma.html#pragma_busy_timeout."""
    connection.exec_driver_sql(f"PRAGMA busy_timeout={seconds * 1000}").close()
    try:
        yield
    finally:
        connection.exec_driver_sql(f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}").close()
