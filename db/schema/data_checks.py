"""Queries of the rows of a table: whether they satisfy a key, a check, a column without null."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Column,
    Connection,
    ForeignKeyConstraint,
    Table,
    and_,
    exists,
    func,
    literal,
    not_,
    select,
)


def has_rows(connection: Connection, table: Table) -> bool:
    """Check whether there is any row."""
    return connection.scalar(select(literal(1)).select_from(table).limit(1)) is not None


def count_rows(connection: Connection, table: Table) -> int:
    """Count the rows."""
    return int(connection.scalar(select(func.count()).select_from(table)) or 0)


def count_null(connection: Connection, column: Column[Any]) -> int:
    """Count the rows where the column is null."""
    return _count(connection, column.table, column.is_(None))


def allowed(check: CheckConstraint) -> tuple[str, tuple[str, ...]]:
    """The column of an expected check, and its allowed values."""
    condition: Any = check.sqltext
    return condition.left.name, tuple(condition.right.value)


def count_others(connection: Connection, table: Table, check: CheckConstraint) -> int:
    """Count the rows that violate the check."""
    return _count(connection, table, not_(check.sqltext))


def count_orphans(connection: Connection, key: ForeignKeyConstraint) -> int:
    """Count the rows that refer to a missing row."""
    pairs = [each.parent == each.column for each in key.elements]
    given = and_(*(each.parent.is_not(None) for each in key.elements))
    there = exists().where(*pairs).select_from(key.referred_table).correlate(key.table)
    return _count(connection, key.table, and_(given, not_(there)))


def count_repeated(connection: Connection, table: Table, columns: Sequence[str]) -> int:
    """Count the values, of these columns together, in more than one row."""
    grouped = select(*(table.c[each] for each in columns)).group_by(*(table.c[each] for each in columns))
    repeated = grouped.having(func.count() > 1).subquery()
    return int(connection.scalar(select(func.count()).select_from(repeated)) or 0)


def _count(connection: Connection, table: Any, condition: Any) -> int:  # noqa: ANN401  # SQLAlchemy's clauses
    return int(connection.scalar(select(func.count()).select_from(table).where(condition)) or 0)
