"""Graph's limits on subscription calls, shared by all managers through the database (docs/graph.md, section 8).

A window of Graph's has 20 seconds, and its beginning is unknown. So calls are taken from short slots: any 20 seconds
that Graph counts touch eleven slots at most, and eleven slots hold fewer calls than the limit.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from db.engine import Database
from db.queries import call_budget
from graph.mailbox import Mailbox
from graph.subscriptions import CallKind

_SLOT_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class _Limit:
    """Calls in a slot: of one application in one tenant, and in all; `chunk` are reserved at a time."""

    tenant: int
    application: int
    chunk: int


# Times eleven: 440 of 500 and 1,760 of 2,000 in 20 s; of lists 22 of 25 and 33 of 40.
_LIMITS: Final = {
    CallKind.CHANGE: _Limit(tenant=40, application=160, chunk=8),
    CallKind.LIST: _Limit(tenant=2, application=3, chunk=1),
}


@dataclass(slots=True)
class _Window:
    slot: int
    left: int


class RateLimiter:
    """The `graph.subscriptions.CallBudget` of every manager on one database."""

    def __init__(
        self,
        database: Database,
        *,
        clock: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._database = database
        self._clock = clock
        self._sleep = sleep
        self._windows: dict[str, _Window] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def acquire(self, mailbox: Mailbox, kind: CallKind) -> None:
        """Return when a call of this kind may be made.

        Raises:
            DatabaseUnavailable
        """
        allowance = _LIMITS[kind]
        client = mailbox.client_id.lower()
        await self._acquire(f"{kind}/{client}/{mailbox.tenant_id.lower()}", allowance.tenant, allowance.chunk)
        await self._acquire(f"{kind}/{client}", allowance.application, allowance.chunk)

    async def _acquire(self, name: str, limit: int, chunk: int) -> None:
        async with self._locks.setdefault(name, asyncio.Lock()):
            while True:
                now = self._clock()
                seconds = now.timestamp()
                slot, last = call_budget.slots(now, _SLOT_SECONDS)
                stock = self._windows.get(name)
                if stock is None or stock.slot != slot or not stock.left:
                    granted = await self._database.write(
                        lambda connection, slot=slot, last=last: call_budget.reserve(  # type: ignore[misc]  # mypy cannot infer a lambda with defaults
                            connection, name, slot=slot, last=last, wanted=chunk, limit=limit
                        )
                    )
                    stock = self._windows[name] = _Window(slot, granted)
                if stock.left:
                    stock.left -= 1
                    return
                await self._sleep((slot + 1) * _SLOT_SECONDS - seconds)
