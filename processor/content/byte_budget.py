"""Limits the bytes that messages under way hold in memory, over all mailboxes of a process."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

MEGABYTE: Final = 1024 * 1024
CAPACITY: Final = 64 * MEGABYTE
"""Bytes; beside what a process needs anyway, so that it stays below 300 MB (ARCHITECTURE.md, Known bounds)."""


@dataclass(slots=True, eq=False)
class _Waiting:
    mailbox: Hashable
    size: int
    turn: "asyncio.Future[None]"


class ByteBudget:
    """Reservations of bytes, granted in the order in which they are requested; one mailbox holds half of them at most.

    So a slow or hostile mailbox does not keep the others waiting. A reservation larger than that half is granted when
    its mailbox holds no other. A holder must request no second one: two that wait for each other would never end.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._waiting: list[_Waiting] = []
        self._of_mailbox: Counter[Hashable] = Counter()

    @property
    def held(self) -> int:
        """Bytes that are reserved now."""
        return self._of_mailbox.total()

    @asynccontextmanager
    async def reserved(self, size: int, *, mailbox: Hashable) -> AsyncIterator[None]:
        """Hold a reservation of `size` bytes; may wait, but not for 0 bytes."""
        wanted = min(size, self._capacity)
        if wanted:
            await self._acquire(mailbox, wanted)
        try:
            yield
        finally:
            if wanted:
                self._release(mailbox, wanted)

    async def _acquire(self, mailbox: Hashable, size: int) -> None:
        place = _Waiting(mailbox, size, asyncio.get_running_loop().create_future())
        self._waiting.append(place)
        self._grant()
        try:
            await place.turn
        except asyncio.CancelledError:
            if place in self._waiting:
                self._waiting.remove(place)
                self._grant()
            else:
                self._release(mailbox, size)  # granted in the very moment
            raise

    def _release(self, mailbox: Hashable, size: int) -> None:
        self._of_mailbox[mailbox] -= size
        if not self._of_mailbox[mailbox]:
            del self._of_mailbox[mailbox]
        self._grant()

    def _grant(self) -> None:
        for place in list(self._waiting):
            own = self._of_mailbox[place.mailbox]
            if own and own + place.size > self._capacity // 2:
                continue  # granted when its mailbox holds less
            if self.held and self.held + place.size > self._capacity:
                return
            self._waiting.remove(place)
            self._of_mailbox[place.mailbox] += place.size
            if not place.turn.done():
                place.turn.set_result(None)
