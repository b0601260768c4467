"""The subscriptions of this installation, opened for one command: its database, Graph, and the applications."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from console.delays import DelayNotice
from console.invocation import Invocation
from console.output import tell
from console.wiring.graph import open_graph
from console.wiring.subscriptions import subscription_client
from db.engine import Database
from db.queries import accounts
from db.queries import subscriptions as table
from db.queries.accounts import Account
from db.queries.subscriptions import HeldSubscription
from graph.errors import GraphError
from graph.mailbox import Mailbox
from graph.subscriptions import SubscriptionClient
from phrases import Phrase
from subscriptions.comparison import ComparedSubscription, compared

_Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Found:
    """A subscription, the name of its account, and a mailbox whose application can delete it."""

    subscription: ComparedSubscription
    account: str | None
    application: Mailbox


@dataclass(frozen=True, slots=True)
class OpenedSubscriptions:
    """The database, and the calls of Graph about subscriptions. `notification_url`: None without an address."""

    database: Database
    client: SubscriptionClient
    notification_url: str | None

    async def all(self, *, of_account: str | None = None, even_idle: bool = False) -> tuple[list[Found], int]:
        """Compare the list of Graph for each application; count the applications that gave no list.

        `of_account`: only of the application of that account. `even_idle`: also of applications whose accounts are all
        disabled and hold none. The reason for a missing list is printed.

        Raises:
            AccountNotFound
        """
        stored = await self.database.read(lambda connection: _stored(connection, of_account))
        found: list[Found] = []
        failures = 0
        for mine in stored.by_application(even_idle=even_idle):
            mailbox = Mailbox.of(mine[0].account_id, mine[0].settings)
            try:
                listed = await self.client.list(mailbox)
            except GraphError as error:
                tell(Phrase.of(error))
                failures += 1
                continue
            # Read after the list: what a manager made before it is held by now, or about to be.
            held = await self.database.read(table.held)
            entries = compared(
                listed,
                held,
                [each for each in mine if not each.removed],
                self.notification_url,
                listed_of={each.account_id for each in mine},
            )
            found += [Found(each, stored.name_of(each), mailbox) for each in entries]
        return found, failures


@dataclass(frozen=True, slots=True)
class _Stored:
    accounts: Sequence[Account]
    names: dict[int, str]
    held: dict[int, HeldSubscription]
    only: Account | None

    def by_application(self, *, even_idle: bool) -> list[list[Account]]:
        """The accounts of each application, one that can call Graph first."""
        groups: dict[_Key, list[Account]] = {}
        for each in self.accounts:
            groups.setdefault(_key(each), []).append(each)
        chosen = [groups[_key(self.only)]] if self.only is not None else list(groups.values())
        return [
            sorted(mine, key=lambda each: (bool(each.unreadable), each.removed, not each.enabled))
            for mine in chosen
            if any(not each.unreadable for each in mine)
            and any(each.account_id in self.held or ((each.enabled or even_idle) and not each.removed) for each in mine)
        ]

    def name_of(self, subscription: ComparedSubscription) -> str | None:
        return None if subscription.account_id is None else self.names.get(subscription.account_id)


def _key(account: Account) -> _Key:
    return account.settings.tenant_id.casefold(), account.settings.client_id.casefold()


def _stored(connection: Connection, of_account: str | None) -> _Stored:
    only = None if of_account is None else accounts.usable(connection, of_account)
    every = [*accounts.every(connection), *accounts.every_removed(connection)]
    names = {each.account_id: each.settings.name for each in every}
    return _Stored(every, names, table.held(connection), only)


@asynccontextmanager
async def opened_subscriptions(invocation: Invocation) -> AsyncIterator[OpenedSubscriptions]:
    """The subscriptions, for as long as the context lasts."""
    calls = replace(invocation.calls, on_delay=DelayNotice())
    public = invocation.settings.notification_url
    async with invocation.database() as database, open_graph(invocation.settings, context=calls) as graph:
        client = subscription_client(graph, database, clock=invocation.clock, sleep=calls.sleep)
        yield OpenedSubscriptions(database, client, None if public is None else f"{public}/notifications")
