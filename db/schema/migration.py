"""Upgrade the schema, and check it.

The schema is that of `db.tables` and `db.views`, whatever the database holds: an upgrade adds what is missing, and
records the revision.
"""

import secrets
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, Dialect, Engine, func, insert, select, update
from sqlalchemy.dialects import mssql, postgresql
from sqlalchemy.sql import quoted_name

from db.engine import run_reading, run_writing
from db.errors import SchemaUnusable
from db.schema import lock, revisions
from db.schema.apply import Applied
from db.schema.comparison import Difference, Weight, differences
from db.schema.operations import Target
from db.schema.postgresql import PostgreSQLScript
from db.schema.reflection import schema_of
from db.schema.script import Script, Stamp
from db.schema.sqlserver import SqlServerScript
from db.tables import importer_secret, in_schema, metadata
from db.views import VIEWS

_SCRIPTS: Final[Mapping[str, tuple[type[Script], Callable[[], Dialect]]]] = {
    "mssql": (SqlServerScript, mssql.dialect),
    "postgresql": (PostgreSQLScript, postgresql.dialect),
}
SCRIPTED: Final = frozenset(_SCRIPTS)
"""The databases whose upgrade can be written as a script."""


def upgrade(engine: Engine, *, now: datetime) -> revisions.SchemaState:
    """Upgrade the schema and create the `client_state_secret` if there is none. Safe to repeat.

    At the head, too, it adds what was lost since: a table, column, key or index; and restores a changed view.

    Existing tables keep their rows and unknown columns; all or nothing is changed.

    Raises:
        SchemaNotCurrent: a newer version of this program upgraded it, to a revision that this one cannot use.
        SchemaUnusable: with all that prevents it.
    """

    def work(connection: Connection) -> None:
        lock.take(connection)
        found = revisions.state_of(connection)
        if found.current is not None and found.current not in revisions.known():
            if found.serves:
                return
            raise revisions.refused(found)
        differing = differences(connection)
        if not found.is_current or any(each.weight is Weight.MISSING for each in differing):
            _add_what_is_missing(connection, differing)
        if revisions.stored_client_state_secret(connection) is None:
            connection.execute(
                insert(importer_secret).values(
                    sName=revisions.CLIENT_STATE_SECRET, sValue=secrets.token_urlsafe(48), dtCreated=now
                )
            )

    run_writing(lock.patient(revisions.for_the_catalog(engine)), work)
    return revisions.state(engine)


def _add_what_is_missing(connection: Connection, differing: list[Difference]) -> None:
    in_the_way = [each.phrase for each in differing if each.weight is Weight.BLOCKS]
    if in_the_way:
        raise SchemaUnusable(in_the_way)
    place = schema_of(connection)
    _ensure(Applied(connection, [revisions.VERSION_TABLE, *metadata.tables]), place)
    version = revisions.version_table(place)
    if connection.scalar(select(func.count()).select_from(version)) == 0:
        connection.execute(insert(version).values(version_num=revisions.HEAD))
    values = {
        "version_num": revisions.HEAD,
        revisions.OLDEST_PROGRAM: revisions.OLDEST_SERVED,
        revisions.OLDEST_PROGRAM_OF: revisions.HEAD,
    }
    connection.execute(update(version).values(values))


def _ensure(target: Target, schema: str | None) -> None:
    """Ensure that tables and views exist as they are defined, in the schema; None: the current schema."""
    target.table(revisions.version_table(schema))
    for table in in_schema(schema).sorted_tables:
        target.table(table)
    for view in VIEWS:
        target.view(view)


def script(backend: str, *, schema: str | None = None) -> str:
    """The upgrade as a text that a database administrator runs, whatever the database holds. Connects to nothing.

    `backend`: one of SCRIPTED. `schema`: of the tables; None: `dbo`, or on PostgreSQL the current schema.
    """
    kind, dialect = _SCRIPTS[backend]
    place = schema or ("dbo" if backend == "mssql" else None)
    quoted = None if place is None else quoted_name(place, quote=True)
    written = kind(dialect(), quoted)
    written.heading(f"mail-importer: the gateway database, up to revision {revisions.HEAD}. Safe to run again.")
    written.begin(revisions.VERSION_TABLE, revisions.known())
    _ensure(written, quoted)
    written.end(Stamp(revisions.VERSION_TABLE, revisions.HEAD, revisions.OLDEST_SERVED, revisions.CLIENT_STATE_SECRET))
    return str(written).lstrip()


def check(engine: Engine) -> list[Difference]:
    """Differences from a database as this program would create it; see `db.schema.comparison`. Writes nothing."""
    return run_reading(revisions.for_the_catalog(engine), differences)
