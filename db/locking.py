"""How a statement locks what it finds.

PostgreSQL is told by `FOR UPDATE`, SQLite has one writer at a time; SQL Server is told by hints
(https://learn.microsoft.com/sql/t-sql/queries/hints-transact-sql-table). Where row versions serve readers
(`READ_COMMITTED_SNAPSHOT`), it passes over locked rows only with READCOMMITTEDLOCK.
"""

from typing import Any, Final, TypeVar

from sqlalchemy import Delete, Select, Table, Update
from sqlalchemy.sql.selectable import FromClause

S = TypeVar("S", bound=Select[Any])
W = TypeVar("W", Delete, Update)

_MSSQL: Final = "mssql"


def locking(statement: S, table: Table) -> S:
    """Keep the rows from other writers until the transaction ends; wait for those that others have."""
    return statement.with_hint(table, "WITH (UPDLOCK, ROWLOCK)", _MSSQL).with_for_update()


def skipping_locked(statement: S, table: Table) -> S:
    """Keep the rows from other writers until the transaction ends; pass over those that others have."""
    hint = "WITH (UPDLOCK, READPAST, ROWLOCK, READCOMMITTEDLOCK)"
    return statement.with_hint(table, hint, _MSSQL).with_for_update(skip_locked=True)


def locking_gaps(statement: S, table: FromClause) -> S:
    """On SQL Server, also keep others from writing rows that would be found: PostgreSQL and SQLite have other ways.

    By an index that begins with what is looked for: a scan would keep others from writing any row.
    """
    return statement.with_hint(table, "WITH (UPDLOCK, HOLDLOCK, FORCESEEK)", _MSSQL)


def by_row(statement: W) -> W:
    """Write to these rows only: SQL Server may choose to lock pages else, and with them rows that others read."""
    return statement.with_hint("WITH (ROWLOCK)", dialect_name=_MSSQL)
