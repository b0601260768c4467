"""The order of columns on SQLite, which no other database requires."""

import sqlite3
from typing import Any, Final

from sqlalchemy import Column, Connection, LargeBinary, Table, text

from db.schema.operations import AddColumn

_DROPS_COLUMNS: Final = (3, 35)


def keep_contents_last(connection: Connection, table: Table) -> None:
    """Move a large content behind the columns that were added after it.

    Room for a large content is reserved without filling memory with it only where no column follows in the row
    (https://www.sqlite.org/c3ref/blob_open.html). Left in place by a SQLite that cannot drop columns, and where a
    trigger, view or index of another program names it: then it only costs memory.
    """
    for column in table.columns:
        if isinstance(column.type, LargeBinary):
            _move_to_end(connection, column)


def _move_to_end(connection: Connection, column: Column[Any]) -> None:
    table = connection.dialect.identifier_preparer.format_table(column.table)
    found = connection.execute(text(f"PRAGMA table_info({table})")).all()
    before = [each for each in found[:-1] if each.name == column.name]
    if not before or sqlite3.sqlite_version_info < _DROPS_COLUMNS or _is_named_elsewhere(connection, column):
        return
    if before[0].notnull or before[0].dflt_value is not None or before[0].pk:
        return
    name = connection.dialect.identifier_preparer.format_column(column)
    old = connection.dialect.identifier_preparer.quote(f"{column.name}Before")
    connection.execute(text(f"ALTER TABLE {table} RENAME COLUMN {name} TO {old}"))
    connection.execute(AddColumn(column))
    connection.execute(text(f"UPDATE {table} SET {name} = {old} WHERE {old} IS NOT NULL"))  # noqa: S608  # fixed names
    connection.execute(text(f"ALTER TABLE {table} DROP COLUMN {old}"))


def _is_named_elsewhere(connection: Connection, column: Column[Any]) -> bool:
    named = text("SELECT COUNT(*) FROM sqlite_master WHERE type <> 'table' AND instr(lower(sql), lower(:name))")
    return bool(connection.scalar(named, {"name": column.name}))
