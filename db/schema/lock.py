"""One upgrade at a time: the second finds the work done."""

from collections.abc import Callable, Mapping
from typing import Final

from sqlalchemy import Connection, Engine

from db.backends import sqlite
from db.errors import DatabaseUnavailable
from db.schema import postgresql, sqlserver
from db.schema.script import LOCK_SECONDS
from phrases import Phrase

_POSTGRESQL_TIMEOUTS: Final = ("lock_timeout", "statement_timeout")


def patient(engine: Engine) -> Engine:
    """The engine whose transactions wait for an upgrade on SQLite, which has one writer, as on servers."""
    if engine.dialect.name != "sqlite":
        return engine
    return engine.execution_options(**{sqlite.WAIT_SECONDS: LOCK_SECONDS})


def take(connection: Connection) -> None:
    """Wait for the lock, which ends with the transaction. On SQLite the transaction itself is the lock.

    Raises:
        DatabaseUnavailable: another upgrade holds it for long.
    """
    lock = _LOCKS.get(connection.dialect.name)
    if lock is not None:
        lock(connection)


def _of_sql_server(connection: Connection) -> None:
    # The lock is the transaction's, and none begins before a table is read.
    connection.exec_driver_sql("SELECT COUNT(*) FROM sys.schemas").scalar_one()
    taken = connection.exec_driver_sql(
        "SET NOCOUNT ON; DECLARE @lock INT; "
        f"EXEC @lock = sp_getapplock @Resource = N'{sqlserver.LOCK}', @LockMode = N'Exclusive', "
        f"@LockOwner = N'Transaction', @LockTimeout = {LOCK_SECONDS * 1000}; "
        "SET NOCOUNT OFF; SELECT @lock;"
    ).scalar_one()
    if taken < 0:
        raise DatabaseUnavailable(
            Phrase("Another upgrade of the gateway database is under way. Try again when it has ended.")
        )


def _of_postgresql(connection: Connection) -> None:
    # Both time-outs of the connection are shorter than an upgrade on a slow disk may take.
    for name in _POSTGRESQL_TIMEOUTS:
        connection.exec_driver_sql(f"SET LOCAL {name} = '{LOCK_SECONDS}s'")
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({postgresql.LOCK})").close()
    for name in _POSTGRESQL_TIMEOUTS:
        connection.exec_driver_sql(f"SET LOCAL {name} TO DEFAULT")


_LOCKS: Final[Mapping[str, Callable[[Connection], None]]] = {"mssql": _of_sql_server, "postgresql": _of_postgresql}
