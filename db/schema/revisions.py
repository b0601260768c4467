"""Upgrade the schema, report its revision, and check it."""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import structlog
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import (
    Column,
    Connection,
    Dialect,
    Engine,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Unicode,
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
from db.schema.operations import Additions
from db.schema.postgresql import PostgreSQLScript
from db.schema.reflection import schema_of
from db.schema.script import Script, Stamp
from db.schema.sqlserver import SqlServerScript
from db.tables import importer_secret
from phrases import Phrase

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


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parents[1] / "migrations"))
    config.attributes["connection"] = connection
    return config


def _head() -> str:
    head = ScriptDirectory.from_config(_config()).get_current_head()
    if head is None:
        raise SchemaNotCurrent(
            Phrase("This installation has no migrations: it is damaged. Install mail-importer again.")
        )
    return head


def _known() -> list[str]:
    """The revisions of this program, the latest first."""
    return [script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()]


def state(engine: Engine) -> SchemaState:
    """Compare the database with this program. Writes nothing, not even the empty file SQLite creates on connecting."""
    if _file_is_missing(engine.url):
        return SchemaState(None, _head(), False)
    return run_reading(_for_the_catalog(engine), _state)


def _for_the_catalog(engine: Engine) -> Engine:
    """The engine in an isolation that can read the catalog, and sees the new state after a wait for a lock.

    SQLAlchemy reads keys of SQL Server with READPAST, which SNAPSHOT and SERIALIZABLE refuse (error 650).
    """
    if engine.dialect.name == "sqlite":
        return engine
    return engine.execution_options(isolation_level="READ COMMITTED")


def _state(connection: Connection) -> SchemaState:
    head = _head()
    options = {"version_table": VERSION_TABLE, "version_table_schema": schema_of(connection)}
    current = MigrationContext.configure(connection, opts=options).get_current_revision()
    if current is None or current in _known():
        return SchemaState(current, head, current == head)
    oldest = _oldest_program(connection)
    # Revisions are numbers of four digits: text that sorts in their order.
    return SchemaState(current, head, oldest is not None and head >= oldest)


def _version_table(connection: Connection) -> Table:
    columns = (Column(name, Unicode(32)) for name in ("version_num", OLDEST_PROGRAM, OLDEST_PROGRAM_OF))
    return Table(VERSION_TABLE, MetaData(schema=schema_of(connection)), *columns)


def _oldest_program(connection: Connection) -> str | None:
    table = _version_table(connection)
    if not any(each["name"] == OLDEST_PROGRAM for each in inspect(connection).get_columns(table.name, table.schema)):
        return None  # older than the first program that writes it
    return connection.scalar(select(table.c[OLDEST_PROGRAM]).where(table.c[OLDEST_PROGRAM_OF] == table.c.version_num))


def _file_is_missing(url: URL) -> bool:
    if url.get_backend_name() != "sqlite" or not url.database or url.database.startswith((":memory:", "file:")):
        return False
    return not Path(url.database).exists()


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
        if not found.is_current:
            _run_steps(connection)
        if stored_client_state_secret(connection) is None:
            connection.execute(
                insert(importer_secret).values(
                    sName=CLIENT_STATE_SECRET, sValue=secrets.token_urlsafe(48), dtCreated=now
                )
            )

    run_writing(_for_the_catalog(engine), work)
    return state(engine)


def _run_steps(connection: Connection) -> None:
    in_the_way = [each.phrase for each in differences(connection) if each.weight is Weight.BLOCKS]
    if in_the_way:
        raise SchemaUnusable(in_the_way)
    _add_version_table(Additions(Applied(connection), schema=schema_of(connection)))
    command.upgrade(_config(connection), "head")
    version = _version_table(connection)
    values = {OLDEST_PROGRAM: _oldest_served(), OLDEST_PROGRAM_OF: version.c.version_num}
    connection.execute(update(version).values(values))


def _add_version_table(add: Additions) -> None:
    """Create it; Alembic would use `varchar`."""
    key = PrimaryKeyConstraint("version_num", name=f"{VERSION_TABLE}_pkc")
    add.table(VERSION_TABLE, Column("version_num", Unicode(32), nullable=False), key)


def _steps() -> list[Any]:
    """The steps of this program, the first one first."""
    return [script.module for script in reversed(list(ScriptDirectory.from_config(_config()).walk_revisions()))]


def _oldest_served() -> str:
    """The oldest revision whose programs work on the schema of this one."""
    named = [step.oldest_program for step in _steps() if getattr(step, "oldest_program", None) is not None]
    return str(named[-1])


def script(backend: str, *, schema: str | None = None) -> str:
    """The upgrade as a text that a database administrator runs, whatever the database holds. Connects to nothing.

    `backend`: one of SCRIPTED. `schema`: of the tables; None: `dbo`, or on PostgreSQL the current schema.
    """
    kind, dialect = _SCRIPTS[backend]
    place = schema or ("dbo" if backend == "mssql" else None)
    quoted = None if place is None else quoted_name(place, quote=True)
    written = kind(dialect(), quoted)
    add = Additions(written, schema=quoted)
    head = _head()
    written.heading(f"mail-importer: the gateway database, up to revision {head}. Safe to run again.")
    written.begin(VERSION_TABLE, sorted(_known()))
    _add_version_table(add)
    for step in _steps():
        written.heading(f"{step.revision}: {step.__doc__.splitlines()[0]}")
        step.upgrade(add)
    written.end(Stamp(VERSION_TABLE, head, _oldest_served(), CLIENT_STATE_SECRET))
    return str(written).lstrip()


def check(engine: Engine) -> list[Difference]:
    """Differences from a database as this program would create it; see `db.schema.comparison`. Writes nothing."""
    return run_reading(_for_the_catalog(engine), differences)


def stored_client_state_secret(connection: Connection) -> str | None:
    """The key that `upgrade` created, None before."""
    return connection.scalar(select(importer_secret.c.sValue).where(importer_secret.c.sName == CLIENT_STATE_SECRET))
