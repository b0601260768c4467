"""Questions to the rows of a table: whether they would stand a key, a check, a column without null."""

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
    """Whether there is a row at all."""
    return connection.scalar(select(literal(1)).select_from(table).limit(1)) is not None


def count_rows(connection: Connection, table: Table) -> int:
    """How many rows there are."""
    return int(connection.scalar(select(func.count()).select_from(table)) or 0)


def count_null(connection: Connection, column: Column[Any]) -> int:
    """In how many rows the column has no value."""
    return _count(connection, column.table, column.is_(None))


def allowed(check: CheckConstraint) -> tuple[str, tuple[str, ...]]:
    """The column of a check of ours, and the values that it may have."""
    condition: Any = check.sqltext
    return condition.left.name, tuple(condition.right.value)


def count_others(connection: Connection, table: Table, check: CheckConstraint) -> int:
    """How many rows the check would not let in."""
    return _count(connection, table, not_(check.sqltext))


def count_orphans(connection: Connection, key: ForeignKeyConstraint) -> int:
    """How many rows refer to a row that is not there."""
    pairs = [each.parent == each.column for each in key.elements]
    given = and_(*(each.parent.is_not(None) for each in key.elements))
    there = exists().where(*pairs).select_from(key.referred_table).correlate(key.table)
    return _count(connection, key.table, and_(given, not_(there)))


def count_repeated(connection: Connection, table: Table, columns: Sequence[str]) -> int:
    """How many values, of these columns together, are in more than one row."""
    grouped = select(*(table.c[each] for each in columns)).group_by(*(table.c[each] for each in columns))
    repeated = grouped.having(func.count() > 1).subquery()
    return int(connection.scalar(select(func.count()).select_from(repeated)) or 0)


def _count(connection: Connection, table: Any, condition: Any) -> int:  # noqa: ANN401  # SQLAlchemy's clauses
    return int(connection.scalar(select(func.count()).select_from(table).where(condition)) or 0)
