"""Gateways in the state that earlier revisions left.

`released/*.sql` has the statements that led from each revision to the next, as they ran at their time. What is there
never changes; a new revision adds what its upgrade executes. On SQL Server revisions up to 0011 never ran: theirs were
written down from the steps of that time.
"""

import re
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine, Inspector, inspect, text

from db.engine import run_reading, run_writing
from db.schema import revisions
from db.schema.reflection import schema_of

REVISIONS: Final = revisions.known()
_SQL: Final = Path(__file__).with_name("released")


def make(engine: Engine, revision: str) -> None:
    """Bring an empty gateway to a revision of the past, or to that of today as upgrades lead to it."""

    def work(connection: Connection) -> None:
        history = (_SQL / f"{engine.dialect.name}.sql").read_text("utf-8")
        for part in re.split(r"(?m)^(?=-- 0\d\d\d$)", history)[1:]:
            number, _, statements = part.removeprefix("-- ").partition("\n")
            if number <= revision:
                for statement in statements.split(";\n"):
                    if statement.strip():
                        connection.exec_driver_sql(statement.replace("past.[", f"[{schema_of(connection)}].["))

    run_writing(engine, work)


def description(engine: Engine) -> list[str]:
    """The database's own description of tables and views; the order of columns of a table is left out."""

    def read(connection: Connection) -> list[str]:
        if engine.dialect.name == "sqlite":
            return _of_sqlite(inspect(connection))
        columns = connection.execute(
            text(
                "SELECT table_name, column_name, data_type, character_maximum_length, "
                "collation_name, is_nullable, column_default FROM information_schema.columns "
                "WHERE table_schema = current_schema()"
            )
        ).all()
        keys = connection.execute(
            text(
                "SELECT conrelid::regclass, conname, pg_get_constraintdef(oid) FROM pg_constraint "
                "WHERE connamespace = current_schema()::regnamespace"
            )
        ).all()
        indexes = connection.execute(text("SELECT indexdef FROM pg_indexes WHERE schemaname = current_schema()")).all()
        views = connection.execute(
            text("SELECT viewname, definition FROM pg_views WHERE schemaname = current_schema()")
        )
        return sorted(str(tuple(row)) for rows in (columns, keys, indexes, views) for row in rows)

    return run_reading(engine, read)


def _of_sqlite(found: Inspector) -> list[str]:
    views = [f"{name}: {found.get_view_definition(name)}" for name in found.get_view_names()]
    tables = [
        f"{name}: {each}"
        for name in found.get_table_names()
        for each in (
            *found.get_columns(name),
            found.get_pk_constraint(name),
            *found.get_unique_constraints(name),
            *found.get_check_constraints(name),
            *found.get_foreign_keys(name),
            *found.get_indexes(name),
        )
    ]
    return sorted([*tables, *views])
