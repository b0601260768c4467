"""Whether the gateway database takes what an import writes, without leaving anything behind."""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Connection, insert

from db import accounts
from db.accounts import AccountSettings
from db.engine import Database
from db.tables import message


class _RolledBack(Exception):
    """Ends a transaction that was to end so."""


async def write_and_roll_back(database: Database, work: Callable[[Connection], object]) -> None:
    """Do the work in a writing transaction, and undo it.

    Raises:
        DatabaseUnavailable: the database does not take it.
    """

    def undone(connection: Connection) -> None:
        work(connection)
        raise _RolledBack

    try:
        await database.write(undone)
    except _RolledBack:
        return


def import_one(connection: Connection, account_id: int, *, now: datetime) -> None:
    """Write a message of an account, as bare as one can be."""
    connection.execute(
        # Inline, see db.messages: there may be triggers.
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
    """The same for an account that is still to be added.

    Raises:
        AccountExists: the name is taken, or another account imports the same folder.
    """
    import_one(connection, accounts.add(connection, settings, now=now), now=now)
