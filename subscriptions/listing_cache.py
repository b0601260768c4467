"""Cache of Graph's subscription lists: a list is limited to 25 calls in 20 s (docs/graph.md, section 8)."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol

from db.leases import age
from db.queries.schedule import ApplicationKey
from graph.errors import GraphError
from graph.mailbox import Mailbox
from graph.subscriptions import GraphSubscription

_FRESH_FOR: Final = timedelta(seconds=60)
_TURN: Final = timedelta(seconds=20)
"""A list of more than some 2,000 takes longer than a turn of an account may."""


class ListIncomplete(Exception):
    """There are too many subscriptions for one turn; the next one continues."""


class Listing(Protocol):
    """A list under way: `graph.subscriptions.SubscriptionListing`."""

    complete: bool

    async def read(self) -> list[GraphSubscription]:
        """The next page."""


class ListingClient(Protocol):
    """The source of lists: `graph.subscriptions.SubscriptionClient`."""

    def listing(self, mailbox: Mailbox) -> Listing:
        """Begin a list."""


@dataclass(slots=True)
class _List:
    """A list, complete since `ended`."""

    listing: Listing
    began: datetime
    ended: datetime | None = None
    subscriptions: list[GraphSubscription] = field(default_factory=list)

    def is_fresh(self, now: datetime) -> bool:
        """True for a minute; for one that takes longer, as long as it took: it could not be newer."""
        return self.ended is not None and age(self.ended, now) < max(_FRESH_FOR, self.ended - self.began)


class SubscriptionListCache:
    """The subscriptions of each application, at most a minute old, or as old as it takes to list them."""

    def __init__(self, client: ListingClient, *, clock: Callable[[], datetime]) -> None:
        self._client = client
        self._clock = clock
        self._lists: dict[ApplicationKey, _List] = {}
        self._locks: dict[ApplicationKey, asyncio.Lock] = {}

    async def get(self, mailbox: Mailbox, *, fresh: bool = False) -> list[GraphSubscription]:
        """All subscriptions that the mailbox's application has in its tenant. `fresh`: a complete list is made anew.

        Raises:
            ListIncomplete: call again in the next turn.
            GraphError
        """
        application = (mailbox.tenant_id, mailbox.client_id)
        lock = self._locks.setdefault(application, asyncio.Lock())
        if lock.locked() and self._is_long(application):
            raise ListIncomplete
        async with lock:
            known, now = self._lists.get(application), self._clock()
            if known is None or (known.ended is not None and (fresh or not known.is_fresh(now))):
                known = self._lists[application] = _List(self._client.listing(mailbox), now)
            if known.ended is None:
                await self._read(application, known, until=now + _TURN)
            return known.subscriptions

    def _is_long(self, application: ApplicationKey) -> bool:
        known = self._lists.get(application)
        return known is not None and known.ended is None and self._clock() >= known.began + _TURN

    async def _read(self, application: ApplicationKey, known: _List, *, until: datetime) -> None:
        try:
            while not known.listing.complete:
                if self._clock() >= until:
                    raise ListIncomplete
                known.subscriptions += await known.listing.read()
        except GraphError:
            del self._lists[application]
            raise
        known.ended = self._clock()
