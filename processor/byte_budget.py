"""Limits the bytes that messages under way hold in memory, over all mailboxes of a process."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

MEGABYTE: Final = 1024 * 1024
CAPACITY: Final = 64 * MEGABYTE
"""Bytes; beside what a process needs anyway, so that it stays below 300 MB (ARCHITECTURE.md, Known bounds)."""


class ByteBudget:
    """Reservations of bytes, granted in the order in which they are asked for.

    A reservation larger than the whole capacity is granted when no other is held. A holder must ask for no second one:
    two that wait for each other would never end.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()
        self.held = 0
        """Bytes that are reserved now."""

    @asynccontextmanager
    async def reserved(self, size: int) -> AsyncIterator[None]:
        """Hold a reservation of `size` bytes, after those asked for before; may wait."""
        wanted = min(size, self._capacity)
        await self._acquire(wanted)
        try:
            yield
        finally:
            self._release(wanted)

    async def _acquire(self, size: int) -> None:
        if not self._waiting and self.held + size <= self._capacity:
            self.held += size
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (size, turn)
        self._waiting.append(entry)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                self._release(size)  # granted in the very moment
            elif entry in self._waiting:
                self._waiting.remove(entry)
                self._grant()
            raise

    def _release(self, size: int) -> None:
        self.held -= size
        self._grant()

    def _grant(self) -> None:
        while self._waiting and self.held + self._waiting[0][0] <= self._capacity:
            size, turn = self._waiting.popleft()
            if not turn.cancelled():
                self.held += size
                turn.set_result(None)
