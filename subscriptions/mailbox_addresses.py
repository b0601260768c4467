"""Periodic task: learns the addresses of mailboxes, for display beside or in place of the object ID."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, TypeVar

import structlog

from db.engine import Database
from db.leases import is_over
from db.queries import mailbox_addresses
from db.queries.accounts import Account
from graph.client import GraphClient
from graph.errors import AccountError, GraphError, GraphUnavailable, MailboxNotFound
from graph.mailbox import Mailbox
from graph.probes import address

_K = TypeVar("_K")

_INTERVAL: Final = timedelta(minutes=1)
_AT_ONCE: Final = 20
_REFUSED_FOR: Final = timedelta(days=1)
_MAX_REMEMBERED: Final = 5_000

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class MailboxAddresses:
    """Asks Graph for addresses, a few in a minute, where the application may read users (`User.Read.All`).

    Nothing depends on it: an application that may not, as most, is asked about once a day.
    """

    def __init__(self, database: Database, client: GraphClient, *, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._client = client
        self._clock = clock
        self._refused: dict[tuple[str, str], datetime] = {}
        self._unknown: dict[int, datetime] = {}

    async def work(self) -> timedelta:
        """Learn some addresses; return the time to wait until the next run.

        Raises:
            DatabaseUnavailable
        """
        now = self._clock()
        self._refused, self._unknown = _still(self._refused, now), _still(self._unknown, now)
        if len(self._unknown) < _MAX_REMEMBERED:
            skipped = set(self._unknown)
            for account in await self._database.read(
                lambda connection: mailbox_addresses.missing(connection, but=skipped, limit=_AT_ONCE)
            ):
                await self._learn(account, now)
        return _INTERVAL

    async def _learn(self, account: Account, now: datetime) -> None:
        application = (account.settings.tenant_id, account.settings.client_id)
        found = None
        if application not in self._refused:
            try:
                found = await address(self._client, Mailbox.of(account.account_id, account.settings))
            except GraphUnavailable:
                return
            except MailboxNotFound as exc:  # says nothing of the others
                log.debug("address_not_learned", account_id=account.account_id, error=str(exc))
            except AccountError:
                self._refused[application] = now + _REFUSED_FOR
            except GraphError as exc:
                log.debug("address_not_learned", account_id=account.account_id, error=str(exc))
        if found is None:
            self._unknown[account.account_id] = now + _REFUSED_FOR
            return
        learned = found
        await self._database.write(lambda c: mailbox_addresses.note(c, account, learned, now=now))


def _still(waits: dict[_K, datetime], now: datetime) -> dict[_K, datetime]:
    """Those of the waits that are not over."""
    return {key: until for key, until in waits.items() if not is_over(until, now, longest=_REFUSED_FOR)}
