"""Concurrent calls of a mailbox: at most four per application and mailbox (docs/graph.md, section 8)."""

import asyncio
import hashlib
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Final, Protocol

from graph.mailbox import SlotKey

MAX_AT_ONCE: Final = 4
"""Calls that Graph serves at once, of one application and mailbox, from all hosts together."""


class CallSlots(Protocol):
    """The source of slots for calls."""

    async def acquire(self, key: SlotKey) -> None:
        """Return once the call may begin."""
        ...

    def release(self, key: SlotKey) -> None:
        """Release the slot of a call that has ended."""
        ...


def share_of(key: SlotKey, process: str, processes: Collection[str]) -> int:
    """Return the number of the mailbox's slots for `process`, of the MAX_AT_ONCE that all `processes` have together.

    Rendezvous hashing: each mailbox ranks the processes by its own hash, and the slots are dealt in that order. So
    every process computes the same without communication, the shares of a mailbox sum to MAX_AT_ONCE, they differ by
    one at most, and a process that starts or ends changes no slots but those it gets or leaves. With more processes
    than slots, some have none.
    """
    if process not in processes:
        return 0
    mine = _rank(key, process)
    before = sum(_rank(key, each) < mine for each in processes)
    return MAX_AT_ONCE // len(processes) + (before < MAX_AT_ONCE % len(processes))


def _rank(key: SlotKey, process: str) -> tuple[bytes, str]:
    text = "\n".join((*key, process))
    return hashlib.blake2b(text.encode(), digest_size=8, usedforsecurity=False).digest(), process


class Slots:
    """The slots of this process, first come first served for each mailbox; an unused key occupies no memory."""

    def __init__(self, allowance: Callable[[SlotKey], int]) -> None:
        """`allowance`: calls of the mailbox this process may have in progress now. At least one is always allowed: work
        begun with a slot ends, and a rare call that no other process could make never waits for ever. An exception of
        it ends the wait.
        """
        self._allowance = allowance
        self._gates: dict[SlotKey, _Gate] = {}

    @property
    def mailboxes(self) -> int:
        """The number of mailboxes that calls are made of, or wait for."""
        return len(self._gates)

    @property
    def in_use(self) -> int:
        """The number of calls in progress. May be read on any thread, as `waiting`."""
        return sum(gate.under_way for gate in list(self._gates.values()))

    @property
    def waiting(self) -> int:
        """The number of calls that wait."""
        return sum(len(gate.waiting) for gate in list(self._gates.values()))

    async def acquire(self, key: SlotKey) -> None:
        """See `CallSlots.acquire`."""
        limit = max(1, self._allowance(key))
        gate = self._gates.get(key)
        if gate is None:
            gate = self._gates[key] = _Gate()
        if not gate.waiting and gate.under_way < limit:
            gate.under_way += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        gate.waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.release(key)  # it was granted at the same moment
            elif turn in gate.waiting:
                gate.waiting.remove(turn)
            raise

    def release(self, key: SlotKey) -> None:
        """See `CallSlots.release`."""
        gate = self._gates[key]
        gate.under_way -= 1
        self._serve(key, gate)
        if not gate.under_way and not gate.waiting:
            del self._gates[key]

    def _serve(self, key: SlotKey, gate: "_Gate") -> None:
        while gate.waiting:
            try:
                limit = max(1, self._allowance(key))
            except Exception as exc:  # noqa: BLE001  # raised in each waiting call
                turn = gate.waiting.popleft()
                if not turn.done():
                    turn.set_exception(exc)
                continue
            if gate.under_way >= limit:
                return
            turn = gate.waiting.popleft()
            if not turn.done():
                gate.under_way += 1
                turn.set_result(None)


class LocalSlots(Slots):
    """A fixed number of slots for every mailbox, independent of other processes."""

    def __init__(self, limit: int = MAX_AT_ONCE) -> None:
        super().__init__(lambda _key: limit)


@dataclass(slots=True)
class _Gate:
    under_way: int = 0
    waiting: "deque[asyncio.Future[None]]" = field(default_factory=deque)
