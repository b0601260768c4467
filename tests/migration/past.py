"""Gateways in the state that earlier versions of this program left.

`released/*.sql` has the statements of revisions 0001 to 0003, before steps handled existing tables. It is
history and never changes. On SQL Server none of them ever ran: there the steps of today make the past.
"""

import re
from pathlib import Path
from typing import Final

from alembic import command
from sqlalchemy import Connection, Engine, text

from db.engine import run_reading, run_writing
from db.schema import revisions

RELEASED: Final = ("0001", "0002", "0003")
_SQL: Final = Path(__file__).with_name("released")


def make(engine: Engine, revision: str) -> None:
    """Bring an empty gateway to a revision of the past."""

    def work(connection: Connection) -> None:
        if engine.dialect.name == "mssql":
            command.upgrade(revisions._config(connection), revision)
            return
        history = (_SQL / f"{engine.dialect.name}.sql").read_text("utf-8")
        for part in re.split(r"(?m)^(?=-- 0\d\d\d$)", history)[1:]:
            number, _, statements = part.removeprefix("-- ").partition("\n")
            if number <= revision:
                for statement in statements.split(";\n"):
                    if statement.strip():
                        connection.exec_driver_sql(statement)

    run_writing(engine, work)


def description(engine: Engine) -> list[str]:
    """The database's own description of the tables."""

    def read(connection: Connection) -> list[str]:
        if engine.dialect.name == "sqlite":
            rows = connection.execute(text("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL"))
            return sorted(re.sub(r"\s+", "", row[0]) for row in rows)
        columns = connection.execute(
            text(
                "SELECT table_name, ordinal_position, column_name, data_type, character_maximum_length, "
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
        indexes = connection.execute(text("SELECT indexdef FROM pg_indexes WHERE schemaname = current_schema()"))
        return sorted(str(tuple(row)) for rows in (columns, keys, indexes) for row in rows)

    return run_reading(engine, read)
