"""The revision of the schema: that of a database, and those that this program can work with.

Every process reads it, few upgrade (`db.schema.migration`).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog
from sqlalchemy import (
    Column,
    Connection,
    Engine,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Unicode,
    func,
    inspect,
    select,
)
from sqlalchemy.engine import URL

from db.engine import run_reading
from db.errors import SchemaNotCurrent
from db.schema.reflection import schema_of
from db.tables import importer_secret
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


def known() -> list[str]:
    """The revisions of this program and of all before it."""
    return [f"{number:04}" for number in range(1, int(HEAD) + 1)]


def state(engine: Engine) -> SchemaState:
    """Compare the database with this program. Writes nothing, not even the empty file SQLite creates on connecting."""
    if _file_is_missing(engine.url):
        return SchemaState(None, HEAD, False)
    return run_reading(for_the_catalog(engine), state_of)


def current_of(connection: Connection) -> str | None:
    """The revision of a database that `require_current` accepts."""
    table = version_table(schema_of(connection))
    found: str | None = connection.scalar(select(func.max(table.c.version_num)))
    return found


def for_the_catalog(engine: Engine) -> Engine:
    """The engine in an isolation that can read the catalog, and sees the new state after a wait for a lock.

    SQLAlchemy reads keys of SQL Server with READPAST, which SNAPSHOT and SERIALIZABLE refuse (error 650).
    """
    if engine.dialect.name == "sqlite":
        return engine
    return engine.execution_options(isolation_level="READ COMMITTED")


def state_of(connection: Connection) -> SchemaState:
    """As `state`, of a database that there is."""
    table = version_table(schema_of(connection))
    there = inspect(connection)
    if not there.has_table(table.name, table.schema):
        return SchemaState(None, HEAD, False)
    current = connection.scalar(select(func.max(table.c.version_num)))
    if current is None or current in known():
        return SchemaState(current, HEAD, current == HEAD)
    of_that = select(table.c[OLDEST_PROGRAM]).where(table.c[OLDEST_PROGRAM_OF] == table.c.version_num)
    written = any(each["name"] == OLDEST_PROGRAM for each in there.get_columns(table.name, table.schema))
    oldest = connection.scalar(of_that) if written else None
    return SchemaState(current, HEAD, oldest is not None and oldest <= HEAD)


def version_table(schema: str | None) -> Table:
    """The table that holds the revision."""
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
    # Without its folder, as of a share that is not mounted, or one that this user may not search, the connection fails
    # with the real error.
    try:
        return not path.exists() and path.absolute().parent.is_dir()
    except OSError:
        return False


def require_current(engine: Engine) -> None:
    """Refuse to work on a schema this program was not made for.

    A newer one is accepted if its steps only added: so old processes continue, and may be restarted, while hosts are
    upgraded one after the other.

    Raises:
        SchemaNotCurrent: with the command to run.
    """
    found = state(engine)
    if not found.serves:
        raise refused(found)
    if not found.is_current:
        log.info("schema_newer", revision=found.current, head=found.head)


def refused(found: SchemaState) -> SchemaNotCurrent:
    """The error of a schema that does not serve this program."""
    if found.current is None:
        return SchemaNotCurrent(
            Phrase("The gateway database has no tables of mail-importer yet. Run: mail-importer db upgrade")
        )
    if found.current not in known():
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


def stored_client_state_secret(connection: Connection) -> str | None:
    """The key that `upgrade` created, None before."""
    return connection.scalar(select(importer_secret.c.sValue).where(importer_secret.c.sName == CLIENT_STATE_SECRET))
