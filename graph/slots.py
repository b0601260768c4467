"""How many calls of a mailbox are under way at once: four per application and mailbox (graph.md section 8)."""

import asyncio
from dataclasses import dataclass
from typing import Final, Protocol

MOST_AT_ONCE: Final = 4

SlotKey = tuple[str, str]
"""What Graph counts by: application and user."""


class CallSlots(Protocol):
    """Where a call gets its slot."""

    async def take(self, key: SlotKey) -> None:
        """Return once the call may begin."""
        ...

    def give_back(self, key: SlotKey) -> None:
        """The call has ended."""
        ...


class LocalSlots:
    """The slots of one process, first come first served; a key nobody uses takes no memory."""

    def __init__(self, limit: int = MOST_AT_ONCE) -> None:
        self._limit = limit
        self._used: dict[SlotKey, _Gate] = {}

    def __len__(self) -> int:
        return len(self._used)

    async def take(self, key: SlotKey) -> None:
        """See `CallSlots.take`."""
        gate = self._used.get(key)
        if gate is None:
            gate = self._used[key] = _Gate(asyncio.Semaphore(self._limit))
        gate.users += 1
        try:
            await gate.semaphore.acquire()
        except BaseException:  # cancelled while it waited
            self._leave(key, gate)
            raise

    def give_back(self, key: SlotKey) -> None:
        """See `CallSlots.give_back`."""
        gate = self._used[key]
        gate.semaphore.release()
        self._leave(key, gate)

    def _leave(self, key: SlotKey, gate: "_Gate") -> None:
        gate.users -= 1
        if not gate.users:
            del self._used[key]


@dataclass(slots=True)
class _Gate:
    semaphore: asyncio.Semaphore
    users: int = 0
