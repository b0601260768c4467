"""Dry run: writes to the gateway database and rolls back."""

import contextlib
from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Connection, Engine, insert

from db.engine import run_writing
from db.queries import accounts
from db.queries.accounts import AccountSettings
from db.tables import message


class _RolledBack(Exception):
    """Ends a transaction by rollback."""


def rolled_back(engine: Engine, work: Callable[[Connection], object]) -> None:
    """Do the work in a writing transaction on the calling thread, and roll it back.

    Raises:
        DatabaseUnavailable: the database does not accept it.
        Any error of `work`.
    """

    def undone(connection: Connection) -> None:
        work(connection)
        raise _RolledBack

    with contextlib.suppress(_RolledBack):
        run_writing(engine, undone)


def import_one(connection: Connection, account_id: int, *, now: datetime) -> None:
    """Write a minimal message of an account."""
    connection.execute(
        # Inline, see db.queries.messages: there may be triggers.
        insert(message)
        .inline()
        .values(
            nAccountID=account_id,
            sGraphMessageID=f"mail-importer test {now.isoformat()}",
            bHasAttachments=False,
            dtImported=now,
        )
    )


def add_and_import_one(connection: Connection, settings: AccountSettings, *, now: datetime) -> None:
    """Do the same for an account that is still to be added.

    Raises:
        AccountExists: the name is taken, or another account imports the same folder.
    """
    import_one(connection, accounts.add(connection, settings, now=now), now=now)
