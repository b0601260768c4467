"""One upgrade at a time: the second finds the work done."""

from collections.abc import Callable, Mapping
from typing import Final

from sqlalchemy import Connection

from db.errors import DatabaseUnavailable
from db.schema import postgresql, sqlserver
from db.schema.script import LOCK_SECONDS
from phrases import Phrase


def take(connection: Connection) -> None:
    """Wait for the lock, which ends with the transaction. SQLite has one writer anyway.

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
    # Waits for lock_timeout, which every connection has.
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({postgresql.LOCK})").close()


_LOCKS: Final[Mapping[str, Callable[[Connection], None]]] = {"mssql": _of_sql_server, "postgresql": _of_postgresql}
