"""Cache of Graph's subscription lists: a list is limited to 25 calls in 20 s (docs/graph.md, section 8)."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from db.leases import age
from db.queries.schedule import ApplicationKey
from graph.mailbox import Mailbox
from graph.subscriptions import GraphSubscription, SubscriptionClient

_FRESH_FOR: Final = timedelta(seconds=60)


class SubscriptionListCache:
    """The subscriptions of each application, at most a minute old."""

    def __init__(self, client: SubscriptionClient, *, clock: Callable[[], datetime]) -> None:
        self._client = client
        self._clock = clock
        self._lists: dict[ApplicationKey, tuple[datetime, list[GraphSubscription]]] = {}
        self._locks: dict[ApplicationKey, asyncio.Lock] = {}

    async def get(self, mailbox: Mailbox, *, fresh: bool = False) -> list[GraphSubscription]:
        """All subscriptions that the mailbox's application has in its tenant.

        Raises:
            GraphError
        """
        application = (mailbox.tenant_id, mailbox.client_id)
        async with self._locks.setdefault(application, asyncio.Lock()):
            known = self._lists.get(application)
            now = self._clock()
            if known is None or fresh or age(known[0], now) >= _FRESH_FOR:
                known = (now, await self._client.list(mailbox))
                self._lists[application] = known
            return known[1]
