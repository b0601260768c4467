"""An account opened for one command: its row, and its mailbox at Graph."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime

from console.delays import DelayNotice
from console.invocation import Invocation
from console.settings import Settings
from console.wiring.calls import CallContext
from console.wiring.graph import open_graph
from db.engine import Database
from db.queries import accounts
from db.queries.accounts import Account
from graph.folders import MailFolders
from graph.mailbox import Mailbox
from graph.messages import MailReader


@dataclass(frozen=True, slots=True)
class OpenedAccount:
    """The account that the operator names, the database, and the components that read its mailbox."""

    account: Account
    mailbox: Mailbox
    database: Database
    reader: MailReader
    folders: MailFolders


@asynccontextmanager
async def opened_account(invocation: Invocation, name: str) -> AsyncIterator[OpenedAccount]:
    """The account of this name, for as long as the context lasts; see `accounts.usable`."""
    calls = replace(invocation.calls, on_delay=DelayNotice())
    async with (
        invocation.database() as database,
        opened_mailbox(invocation.settings, database, name, calls, clock=invocation.clock) as opened,
    ):
        yield opened


@asynccontextmanager
async def opened_mailbox(
    settings: Settings, database: Database, name: str, calls: CallContext, *, clock: Callable[[], datetime]
) -> AsyncIterator[OpenedAccount]:
    """As `opened_account`, with a database that is open already."""
    account = await database.read(lambda connection: accounts.usable(connection, name))
    async with open_graph(settings, context=calls) as graph:
        reader = MailReader(graph.client)
        yield OpenedAccount(
            account,
            Mailbox.of(account.account_id, account.settings),
            database,
            reader,
            MailFolders(graph.client, reader, clock=clock),
        )
