"""Locking of the rows that a statement finds, or of a whole table.

PostgreSQL uses `FOR UPDATE`, SQLite has one writer at a time; SQL Server uses hints
(https://learn.microsoft.com/sql/t-sql/queries/hints-transact-sql-table). Where row versions serve readers
(`READ_COMMITTED_SNAPSHOT`), it skips locked rows only with READCOMMITTEDLOCK.
"""

from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Delete, Row, Select, Table, Update, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import ExecutableDDLElement
from sqlalchemy.sql.compiler import DDLCompiler
from sqlalchemy.sql.selectable import FromClause

S = TypeVar("S", bound=Select[Any])
W = TypeVar("W", Delete, Update)

_MSSQL: Final = "mssql"


def locking(statement: S, table: Table) -> S:
    """Lock the rows against other writers until the transaction ends; wait for rows locked by others."""
    return statement.with_hint(table, "WITH (UPDLOCK, ROWLOCK)", _MSSQL).with_for_update()


def skipping_locked(statement: S, table: Table) -> S:
    """Lock the rows against other writers until the transaction ends; skip rows locked by others."""
    hint = "WITH (UPDLOCK, READPAST, ROWLOCK, READCOMMITTEDLOCK)"
    return statement.with_hint(table, hint, _MSSQL).with_for_update(skip_locked=True)


def locking_gaps(statement: S, table: FromClause) -> S:
    """On SQL Server, also keep others from writing rows that would be found: PostgreSQL and SQLite have other means.

    Needs an index that begins with the searched columns: a scan would keep others from writing any row.
    """
    return statement.with_hint(table, "WITH (UPDLOCK, HOLDLOCK, FORCESEEK)", _MSSQL)


def by_row(statement: W) -> W:
    """Lock these rows only: SQL Server may otherwise lock pages, and with them rows that others read."""
    return statement.with_hint("WITH (ROWLOCK)", dialect_name=_MSSQL)


class _LockTable(ExecutableDDLElement):
    """Locks a table of PostgreSQL against other writers, before the transaction has seen anything of it."""

    def __init__(self, table: Table) -> None:
        self.table = table


@compiles(_LockTable, "postgresql")
def _lock_table(lock: _LockTable, compiler: DDLCompiler, **_: Any) -> str:  # noqa: ANN401  # the signature is SQLAlchemy's
    return f"LOCK TABLE {compiler.preparer.format_table(lock.table)} IN SHARE ROW EXCLUSIVE MODE"


def locked_rows(connection: Connection, table: Table) -> list[Row[Any]]:
    """All rows of a small table, by their key; until the transaction ends others read, but write and add none."""
    if connection.dialect.name == "postgresql":
        connection.execute(_LockTable(table))
    statement = select(table).order_by(*table.primary_key)
    # The order is that of the clustered index: SQL Server locks all rows, and the gaps between them, in it.
    return list(connection.execute(statement.with_hint(table, "WITH (UPDLOCK, HOLDLOCK)", _MSSQL)).all())
