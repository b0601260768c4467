"""Upgrade the schema, report its revision, and check it.

The schema is that of `db.tables` and `db.views`, whatever the database holds: an upgrade adds what is missing, and
records the revision.
"""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import structlog
from sqlalchemy import (
    Column,
    Connection,
    Dialect,
    Engine,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Unicode,
    func,
    insert,
    inspect,
    select,
    update,
)
from sqlalchemy.dialects import mssql, postgresql
from sqlalchemy.engine import URL
from sqlalchemy.sql import quoted_name

from db.engine import run_reading, run_writing
from db.errors import SchemaNotCurrent, SchemaUnusable
from db.schema import lock
from db.schema.apply import Applied
from db.schema.comparison import Difference, Weight, differences
from db.schema.operations import Target
from db.schema.postgresql import PostgreSQLScript
from db.schema.reflection import schema_of
from db.schema.script import Script, Stamp
from db.schema.sqlserver import SqlServerScript
from db.tables import importer_secret, in_schema, metadata
from db.views import VIEWS
from phrases import Phrase

HEAD: Final = "0015"
"""The revision of `db.tables` and `db.views`, one more with each change. Four digits, so that text sorts as numbers."""
OLDEST_SERVED: Final = "0001"
"""The oldest revision whose programs work on the schema of this one: unchanged as long as `db.tables` only grew."""
VERSION_TABLE: Final = "tblMailImporterVersion"
OLDEST_PROGRAM: Final = "sOldestProgram"
"""The column of the version table that names the oldest revision whose programs work on the schema as it is."""
OLDEST_PROGRAM_OF: Final = "sOldestProgramOf"
"""The column beside it: the revision for which this holds, and no other."""
CLIENT_STATE_SECRET: Final = "client_state_secret"  # noqa: S105  # the name of the secret, not the secret

_SCRIPTS: Final[Mapping[str, tuple[type[Script], Callable[[], Dialect]]]] = {
    "mssql": (SqlServerScript, mssql.dialect),
    "postgresql": (PostgreSQLScript, postgresql.dialect),
}
SCRIPTED: Final = frozenset(_SCRIPTS)
"""The databases whose upgrade can be written as a script."""

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class SchemaState:
    """The schema's revision (`current`, None before the first upgrade) and that required by this program (`head`).

    `serves`: this program can work with it: it is at the head, or beyond it by steps that only add.
    """

    current: str | None
    head: str
    serves: bool

    @property
    def is_current(self) -> bool:
        """True if there is nothing to do."""
        return self.current == self.head


def _known() -> list[str]:
    """The revisions of this program and of all before it."""
    return [f"{number:04}" for number in range(1, int(HEAD) + 1)]


def state(engine: Engine) -> SchemaState:
    """Compare the database with this program. Writes nothing, not even the empty file SQLite creates on connecting."""
    if _file_is_missing(engine.url):
        return SchemaState(None, HEAD, False)
    return run_reading(_for_the_catalog(engine), _state)


def current_of(connection: Connection) -> str | None:
    """The revision of a database that `require_current` accepts."""
    table = _version_table(schema_of(connection))
    found: str | None = connection.scalar(select(func.max(table.c.version_num)))
    return found


def _for_the_catalog(engine: Engine) -> Engine:
    """The engine in an isolation that can read the catalog, and sees the new state after a wait for a lock.

    SQLAlchemy reads keys of SQL Server with READPAST, which SNAPSHOT and SERIALIZABLE refuse (error 650).
    """
    if engine.dialect.name == "sqlite":
        return engine
    return engine.execution_options(isolation_level="READ COMMITTED")


def _state(connection: Connection) -> SchemaState:
    table = _version_table(schema_of(connection))
    there = inspect(connection)
    if not there.has_table(table.name, table.schema):
        return SchemaState(None, HEAD, False)
    current = connection.scalar(select(func.max(table.c.version_num)))
    if current is None or current in _known():
        return SchemaState(current, HEAD, current == HEAD)
    of_that = select(table.c[OLDEST_PROGRAM]).where(table.c[OLDEST_PROGRAM_OF] == table.c.version_num)
    written = any(each["name"] == OLDEST_PROGRAM for each in there.get_columns(table.name, table.schema))
    oldest = connection.scalar(of_that) if written else None
    return SchemaState(current, HEAD, oldest is not None and oldest <= HEAD)


def _version_table(schema: str | None) -> Table:
    return Table(
        VERSION_TABLE,
        MetaData(schema=schema),
        Column("version_num", Unicode(32), nullable=False),
        Column(OLDEST_PROGRAM, Unicode(32)),
        Column(OLDEST_PROGRAM_OF, Unicode(32)),
        PrimaryKeyConstraint("version_num", name=f"{VERSION_TABLE}_pkc"),
    )


def _file_is_missing(url: URL) -> bool:
    if url.get_backend_name() != "sqlite" or not url.database or url.database.startswith((":memory:", "file:")):
        return False
    path = Path(url.database)
    # Without its folder, as of a share that is not mounted, the connection fails with the real error.
    return not path.exists() and path.absolute().parent.is_dir()


def require_current(engine: Engine) -> None:
    """Refuse to work on a schema this program was not made for.

    A newer one is accepted if its steps only added: so old processes continue, and may be restarted, while hosts are
    upgraded one after the other.

    Raises:
        SchemaNotCurrent: with the command to run.
    """
    found = state(engine)
    if not found.serves:
        raise _refused(found)
    if not found.is_current:
        log.info("schema_newer", revision=found.current, head=found.head)


def _refused(found: SchemaState) -> SchemaNotCurrent:
    if found.current is None:
        return SchemaNotCurrent(
            Phrase("The gateway database has no tables of mail-importer yet. Run: mail-importer db upgrade")
        )
    if found.current not in _known():
        return SchemaNotCurrent(
            Phrase(
                "The gateway database is at revision {current}, which is unknown to this version of mail-importer: it "
                "was upgraded by a newer one. Install that version here.",
                current=found.current,
            )
        )
    return SchemaNotCurrent(
        Phrase(
            ("The gateway database is at revision {current}; this version needs {head}. Run: mail-importer db upgrade"),
            current=found.current,
            head=found.head,
        )
    )


def upgrade(engine: Engine, *, now: datetime) -> SchemaState:
    """Upgrade the schema and create the `client_state_secret` if there is none. Safe to repeat.

    At the head, too, it adds what was lost since: a table, column, key or index; and restores a changed view.

    Existing tables keep their rows and unknown columns; all or nothing is changed.

    Raises:
        SchemaNotCurrent: a newer version of this program upgraded it, to a revision that this one cannot use.
        SchemaUnusable: with all that prevents it.
    """

    def work(connection: Connection) -> None:
        lock.take(connection)
        found = _state(connection)
        if found.current is not None and found.current not in _known():
            if found.serves:
                return
            raise _refused(found)
        differing = differences(connection)
        if not found.is_current or any(each.weight is Weight.MISSING for each in differing):
            _add_what_is_missing(connection, differing)
        if stored_client_state_secret(connection) is None:
            connection.execute(
                insert(importer_secret).values(
                    sName=CLIENT_STATE_SECRET, sValue=secrets.token_urlsafe(48), dtCreated=now
                )
            )

    run_writing(lock.patient(_for_the_catalog(engine)), work)
    return state(engine)


def _add_what_is_missing(connection: Connection, differing: list[Difference]) -> None:
    in_the_way = [each.phrase for each in differing if each.weight is Weight.BLOCKS]
    if in_the_way:
        raise SchemaUnusable(in_the_way)
    place = schema_of(connection)
    _ensure(Applied(connection, [VERSION_TABLE, *metadata.tables]), place)
    version = _version_table(place)
    if connection.scalar(select(func.count()).select_from(version)) == 0:
        connection.execute(insert(version).values(version_num=HEAD))
    values = {"version_num": HEAD, OLDEST_PROGRAM: OLDEST_SERVED, OLDEST_PROGRAM_OF: HEAD}
    connection.execute(update(version).values(values))


def _ensure(target: Target, schema: str | None) -> None:
    """Ensure that tables and views exist as they are defined, in the schema; None: the current schema."""
    target.table(_version_table(schema))
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
    written.heading(f"mail-importer: the gateway database, up to revision {HEAD}. Safe to run again.")
    written.begin(VERSION_TABLE, _known())
    _ensure(written, quoted)
    written.end(Stamp(VERSION_TABLE, HEAD, OLDEST_SERVED, CLIENT_STATE_SECRET))
    return str(written).lstrip()


def check(engine: Engine) -> list[Difference]:
    """Differences from a database as this program would create it; see `db.schema.comparison`. Writes nothing."""
    return run_reading(_for_the_catalog(engine), differences)


def stored_client_state_secret(connection: Connection) -> str | None:
    """The key that `upgrade` created, None before."""
    return connection.scalar(select(importer_secret.c.sValue).where(importer_secret.c.sName == CLIENT_STATE_SECRET))
