"""Inserts of many rows by the shortest way to each database.

SQLAlchemy makes a dictionary and a list of each row, and psycopg sends each as a statement; that takes longer than
SQLite takes to write it. Here the rows go to the driver as they are: on SQLite in one `executemany`, on PostgreSQL in
one COPY, which checks keys and constraints and gives defaults as INSERT does
(https://www.postgresql.org/docs/current/sql-copy.html). On SQL Server they take SQLAlchemy's way: its driver needs the
types of the columns, see `db.backends.prepared`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final

from sqlalchemy import Connection, Dialect, Insert, LargeBinary, Table, insert

from db.backends import postgresql
from db.prepared import values_reported

_MAX_PREPARED: Final = 64


def insert_rows(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert the rows, all with the columns of the first, two or more, in one statement."""
    if not rows:
        return
    columns = tuple(rows[0])
    dialect, schema = connection.dialect, _schema(connection)
    options: dict[str, Any] | None = {} if dialect.name == "sqlite" else None
    if dialect.name == "postgresql":
        options = postgresql.copy_options(connection, _name(table, dialect, schema), columns)
    if options is None:
        connection.execute(plain_insert(table), rows)
    else:
        prepared = _prepared(table, columns, dialect, schema)
        connection.exec_driver_sql(prepared.text, prepared.values_of(rows), options)


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A statement for the driver. `converters`: of the columns whose values the driver does not take as they are."""

    text: str
    values: Callable[[Mapping[str, Any]], tuple[Any, ...]]
    converters: Sequence[tuple[int, Callable[[Any], Any]]]

    def values_of(self, rows: Sequence[Mapping[str, Any]]) -> list[tuple[Any, ...]]:
        with values_reported(self.text):
            return [self._converted(row) for row in rows]

    def _converted(self, row: Mapping[str, Any]) -> tuple[Any, ...]:
        values = list(self.values(row))
        for at, convert in self.converters:
            values[at] = convert(values[at])
        return tuple(values)


@lru_cache(maxsize=_MAX_PREPARED)
def _prepared(table: Table, columns: tuple[str, ...], dialect: Dialect, schema: str | None) -> _Prepared:
    name = _name(table, dialect, schema)
    names = ", ".join(map(dialect.identifier_preparer.quote, columns))
    if dialect.name == "sqlite":
        text = f"INSERT INTO {name} ({names}) VALUES ({', '.join('?' * len(columns))})"  # noqa: S608  # fixed names
    else:
        text = f"COPY {name} ({names}) FROM STDIN (FORMAT BINARY)"
    kinds = [table.c[each].type.dialect_impl(dialect) for each in columns]
    converters = [
        # Drivers take bytes as they are.
        (at, convert)
        for at, kind in enumerate(kinds)
        if not isinstance(kind, LargeBinary) and (convert := kind.bind_processor(dialect)) is not None
    ]
    return _Prepared(text, itemgetter(*columns), converters)


@lru_cache(maxsize=_MAX_PREPARED)
def plain_insert(table: Table) -> Insert:
    """The statement of databases without a shorter way."""
    # Without the numbers of the rows: RETURNING would use OUTPUT on SQL Server, which a table with triggers refuses.
    return insert(table).inline()


def quoted_name(connection: Connection, table: Table) -> str:
    """The name of the table in text, which SQLAlchemy does not move into the schema of the engine."""
    return _name(table, connection.dialect, _schema(connection))


def _schema(connection: Connection) -> str | None:
    found: str | None = connection.get_execution_options().get("schema_translate_map", {}).get(None)
    return found


def _name(table: Table, dialect: Dialect, schema: str | None) -> str:
    quote = dialect.identifier_preparer.quote
    return ".".join(quote(name) for name in (schema, table.name) if name)
