"""Bring the schema up to date, and say where it is."""

import secrets
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, insert, select
from sqlalchemy.engine import URL

from db.engine import run_reading, run_writing
from db.errors import SchemaNotCurrent
from db.tables import importer_secret

VERSION_TABLE: Final = "tblMailImporterVersion"
CLIENT_STATE_SECRET: Final = "client_state_secret"  # noqa: S105  # the name of the secret, not the secret


@dataclass(frozen=True, slots=True)
class SchemaState:
    """Where the schema is (`current`, None before the first upgrade) and where this program needs it (`head`)."""

    current: str | None
    head: str

    @property
    def is_current(self) -> bool:
        """True when nothing is to be done."""
        return self.current == self.head


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config


def state(engine: Engine) -> SchemaState:
    """Compare the database with this program. Writes nothing, not even the empty file SQLite makes when it connects."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    if head is None:
        raise SchemaNotCurrent("This installation has no migrations: it is damaged. Install mail-importer again.")

    def current(connection: Connection) -> str | None:
        return MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_revision()

    return SchemaState(None if _file_is_missing(engine.url) else run_reading(engine, current), head)


def _file_is_missing(url: URL) -> bool:
    if url.get_backend_name() != "sqlite" or not url.database or url.database.startswith((":memory:", "file:")):
        return False
    return not Path(url.database).exists()


def require_current(engine: Engine) -> None:
    """Refuse to work on a schema this program was not made for.

    Raises:
        SchemaNotCurrent: with the command to run.
    """
    found = state(engine)
    if found.is_current:
        return
    if found.current is None:
        raise SchemaNotCurrent("The gateway database has no tables of mail-importer yet. Run: mail-importer db upgrade")
    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    if found.current not in known:
        raise SchemaNotCurrent(
            f"The gateway database is at revision {found.current}, which this version of mail-importer does not know: "
            "it was upgraded by a newer one. Install that version here."
        )
    raise SchemaNotCurrent(
        f"The gateway database is at revision {found.current}; this version needs {found.head}. "
        "Run: mail-importer db upgrade"
    )


def upgrade(engine: Engine, *, now: datetime) -> SchemaState:
    """Bring the schema up to date and make the `client_state_secret` where there is none. Safe to repeat."""

    def work(connection: Connection) -> None:
        command.upgrade(_config(connection), "head")
        if stored_client_state_secret(connection) is None:
            connection.execute(
                insert(importer_secret).values(
                    sName=CLIENT_STATE_SECRET, sValue=secrets.token_urlsafe(48), dtCreated=now
                )
            )

    run_writing(engine, work)
    return state(engine)


def stored_client_state_secret(connection: Connection) -> str | None:
    """The key that `upgrade` made, None before."""
    return connection.scalar(select(importer_secret.c.sValue).where(importer_secret.c.sName == CLIENT_STATE_SECRET))
