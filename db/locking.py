"""Locking of the rows that a statement finds.

PostgreSQL uses `FOR UPDATE`, SQLite has one writer at a time; SQL Server uses hints
(https://learn.microsoft.com/sql/t-sql/queries/hints-transact-sql-table). Where row versions serve readers
(`READ_COMMITTED_SNAPSHOT`), it skips locked rows only with READCOMMITTEDLOCK.
"""

from typing import Any, Final, TypeVar

from sqlalchemy import Delete, Select, Table, Update
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
