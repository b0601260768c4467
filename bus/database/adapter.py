"""The queue as a table of the gateway database: nothing else to run.

Time is this host's clock: hosts that share the table keep theirs within a few seconds of each other (NTP), far less
than a lock lasts.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final, TypeVar

import structlog
from sqlalchemy import Connection

import background
from bus.database import statements
from bus.database.statements import Handle, Settlement, SettlementKind
from bus.errors import LockLost, QueueUnavailable
from bus.queue import (
    EVERYTHING,
    MAX_DELAY,
    TOO_MANY_DELIVERIES,
    AccountStatus,
    Delivery,
    Message,
    QueuedMessage,
    QueueStatus,
    Selection,
)
from db.engine import Database
from db.errors import DatabaseUnavailable
from db.leases import CLOCK_TOLERANCE, MAX_LEASE, age, is_over
from groupcommit import GroupCommit, GroupCommitClosed
from longtext import storable
from phrases import Phrase

T = TypeVar("T")
Item = TypeVar("Item", Message, Settlement)

POLL_SECONDS: Final = 0.5
"""Interval at which waiting consumers poll for puts of other processes; those of this process wake them at once."""

_HOUSEKEEPING_EVERY: Final = timedelta(seconds=10)
_CORRECTED_EVERY: Final = timedelta(seconds=30)
_RENEWED_WITHIN: Final = timedelta(seconds=5)
_MAX_IN_ONE_GROUP: Final = 1000
_CLOSING: Final = Phrase("The queue is being closed: this process is stopping.")

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class DatabaseQueue:
    """The `NotificationQueue` on the gateway database.

    Messages put at the same time share one transaction, as do deliveries settled at the same time.
    """

    def __init__(
        self,
        database: Database,
        *,
        clock: Callable[[], datetime],
        lock_duration: timedelta = timedelta(seconds=30),
        max_deliveries: int = 10,
        duplicate_window: timedelta = timedelta(minutes=10),
    ) -> None:
        """`lock_duration`: MAX_LEASE at most; a longer lock would count as one of a wrong clock."""
        if lock_duration > MAX_LEASE:
            raise ValueError("no lock lasts that long")
        self._database = database
        self._clock = clock
        self._lock_duration = lock_duration
        self._max_deliveries = max_deliveries
        self._duplicate_window = duplicate_window
        self._settlements: GroupCommit[Settlement, Exception | bool] = GroupCommit(
            partial(_written_apart, self._write_settlements), max_items=_MAX_IN_ONE_GROUP
        )
        self._puts: GroupCommit[Message, Exception | bool] = GroupCommit(
            partial(_written_apart, self._write_puts), max_items=_MAX_IN_ONE_GROUP
        )
        self._waiters: set[asyncio.Event] = set()
        self._flowing = False
        self._handing_back: set[asyncio.Task[None]] = set()
        self._housekeeping: asyncio.Task[None] | None = None
        self._next_housekeeping = clock()
        self._kept_up_to = 0
        self._kept_at: datetime | None = None
        self._next_correction = self._previous_clock = clock()
        self._closed = False

    # For the receiver.

    async def put(self, messages: Sequence[Message]) -> int:
        """See `NotificationSender.put`."""
        if not messages:
            return 0
        if self._closed:
            raise QueueUnavailable(_CLOSING)
        ignored = 0
        for outcome in await _available(self._puts.submit(messages)):
            if isinstance(outcome, Exception):
                raise outcome
            ignored += outcome
        self._wake()
        now = self._clock()
        if is_over(self._next_housekeeping, now, longest=_HOUSEKEEPING_EVERY) and self._housekeeping is None:
            self._next_housekeeping = now + _HOUSEKEEPING_EVERY
            self._housekeeping = background.start(self._run_housekeeping(), name="queue_housekeeping")
        return ignored

    async def _write_puts(self, messages: Sequence[Message]) -> list[bool]:
        """Put the messages of several callers; for each, return true if it was ignored."""
        now = self._clock()
        horizon = None if self._housekeeping_is_current(now) else now - self._duplicate_window
        ignored = await self._database.write(lambda connection: statements.put(connection, messages, now, horizon))
        met: set[str] = set(ignored)
        outcomes: list[bool] = []
        for message in messages:
            outcomes.append(message.message_id in met)
            met.add(message.message_id)
        return outcomes

    async def check(self) -> None:
        """See `NotificationSender.check`. Acquires the write lock, which a read-only or full database refuses."""
        await _available(self._database.write(statements.touch_nothing))

    async def waiting(self, *, limit: int) -> int:
        """See `CatchUpQueue.waiting`."""
        count = statements.waiting(self._clock(), limit)
        return await _available(self._database.read(lambda connection: connection.scalar(count))) or 0

    # For a processor.

    async def receive(self, limit: int, *, wait: timedelta) -> list[Delivery]:
        """See `NotificationConsumer.receive`. Costs two small reading queries a second when idle."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait.total_seconds()
        woken = asyncio.Event()
        self._waiters.add(woken)
        try:
            while True:
                woken.clear()
                deliveries = await self._receive_now(limit)
                left = deadline - loop.time()
                if deliveries or left <= 0:
                    return deliveries
                await _wait_for(woken, min(left, POLL_SECONDS))
        finally:
            self._waiters.discard(woken)

    async def _receive_now(self, limit: int) -> list[Delivery]:
        now = self._clock()
        await self._correct_times(now)
        # Idle, a poll acquires no lock; after deliveries a moment ago, or a put, there are likely some: it is skipped.
        if not self._flowing and not await _available(
            self._database.read(lambda connection: connection.scalar(statements.anything(now)))
        ):
            return []
        locking = asyncio.ensure_future(
            _available(self._database.write(lambda connection: self._lock_some(connection, limit, now)))
        )
        try:
            deliveries = await asyncio.shield(locking)
        except asyncio.CancelledError:
            # The transaction continues; messages that it locks must not wait for the end of the lock, even if the
            # caller cancels a second time.
            handing_back = asyncio.create_task(self._hand_back(locking))
            self._handing_back.add(handing_back)
            handing_back.add_done_callback(self._handing_back.discard)
            await asyncio.shield(handing_back)
            raise
        self._flowing = bool(deliveries)
        return deliveries

    async def _hand_back(self, locking: Awaitable[list[Delivery]]) -> None:
        with contextlib.suppress(QueueUnavailable, LockLost):
            await asyncio.gather(*(self.abandon(delivery, counted=False) for delivery in await locking))

    async def _correct_times(self, now: datetime) -> None:
        """Correct, at intervals and soon after the clock was set back, times that a wrong clock set too far ahead."""
        if now < self._previous_clock - CLOCK_TOLERANCE:
            # First, processes with deliveries in flight may renew locks.
            self._next_correction = now + _RENEWED_WITHIN
        self._previous_clock = now
        if not is_over(self._next_correction, now, longest=_CORRECTED_EVERY):
            return
        self._next_correction = now + _CORRECTED_EVERY
        if not await _available(
            self._database.read(lambda connection: connection.scalar(statements.anything_put_off(now)))
        ):
            return
        found = statements.CORRECTED_ROWS
        while found == statements.CORRECTED_ROWS:
            found = await _available(self._database.write(lambda connection: statements.correct_times(connection, now)))
            log.warning("queue_times_put_right", count=found)

    def _lock_some(self, connection: Connection, limit: int, now: datetime) -> list[Delivery]:
        until = now + self._lock_duration
        return statements.lock_some(connection, limit, now=now, until=until, max_deliveries=self._max_deliveries)

    async def renew(self, delivery: Delivery) -> Delivery:
        """See `NotificationConsumer.renew`."""
        until = self._clock() + self._lock_duration
        await self._settle(Settlement(_handle(delivery), SettlementKind.RENEW, visible=until))
        return replace(delivery, locked_until=until)

    async def complete(self, delivery: Delivery, *, remembered: bool = True) -> None:
        """See `NotificationConsumer.complete`."""
        await self._settle(
            Settlement(_handle(delivery), SettlementKind.COMPLETE if remembered else SettlementKind.FORGET)
        )

    async def abandon(self, delivery: Delivery, *, delay: timedelta = timedelta(0), counted: bool = True) -> None:
        """See `NotificationConsumer.abandon`."""
        if counted and delivery.delivery_count >= self._max_deliveries:
            text = f"Delivered {delivery.delivery_count} times and handed back each time."
            await self.dead_letter(delivery, reason=TOO_MANY_DELIVERIES, description=text)
            return
        await self._settle(
            Settlement(
                _handle(delivery),
                SettlementKind.ABANDON,
                visible=self._clock() + min(delay, MAX_DELAY),
                delivery_count=delivery.delivery_count if counted else delivery.delivery_count - 1,
            )
        )
        if delay <= timedelta(0):
            self._wake()

    async def dead_letter(self, delivery: Delivery, *, reason: str, description: str) -> None:
        """See `NotificationConsumer.dead_letter`."""
        text, _ = storable(description)
        await self._settle(
            Settlement(_handle(delivery), SettlementKind.DEAD_LETTER, reason=reason[:100], description=text)
        )

    async def _settle(self, settlement: Settlement) -> None:
        (settled,) = await _available(self._settlements.submit([settlement]))
        if isinstance(settled, Exception):
            raise settled
        if not settled:
            raise LockLost(Phrase("The lock of the delivery expired; the message may be another consumer's by now."))

    async def _write_settlements(self, settlements: Sequence[Settlement]) -> list[bool]:
        """Apply the settlements of several callers; for each, return true if its lock still held."""
        now = self._clock()
        return await self._database.write(lambda connection: statements.settle(connection, settlements, now))

    # For operators.

    async def status(self) -> QueueStatus:
        """See `NotificationQueue.status`."""
        now = self._clock()
        rows = await _available(self._database.read(lambda connection: connection.execute(statements.count(now)).all()))
        return QueueStatus(
            [
                AccountStatus(
                    statements.account_of(row.nAccountID),
                    row.active,
                    row.locked,
                    row.scheduled,
                    row.dead,
                    oldest=row.oldest,
                    waiting_since=row.waiting_since,
                )
                for row in rows
            ]
        )

    async def peek(
        self, *, limit: int, dead_letters: bool = False, selection: Selection = EVERYTHING, after: str | None = None
    ) -> list[QueuedMessage]:
        """See `NotificationQueue.peek`."""
        query = statements.peek(
            limit=limit, dead_letters=dead_letters, selection=selection, after=after, now=self._clock()
        )
        return await _available(self._database.read(query))

    async def replay(self, entries: Sequence[str], *, at_once: int = 100) -> AsyncGenerator[list[str], None]:
        """See `NotificationQueue.replay`."""
        for chunk in statements.chunks(entries, at_once):
            replayed = await _available(self._database.write(statements.replay(chunk, self._clock())))
            self._wake()
            if replayed:
                yield [str(sequence) for sequence in replayed]

    async def make_due(self, entries: Sequence[str], *, at_once: int = 100) -> AsyncGenerator[list[str], None]:
        """See `NotificationQueue.make_due`."""
        for chunk in statements.chunks(entries, at_once):
            due = await _available(self._database.write(statements.make_due(chunk, self._clock())))
            self._wake()
            if due:
                yield [str(sequence) for sequence in due]

    async def purge(
        self, entries: Sequence[str], *, dead_letters: bool, at_once: int = 100
    ) -> AsyncGenerator[list[str], None]:
        """See `NotificationQueue.purge`."""
        for chunk in statements.chunks(entries, at_once):
            purge = statements.purge(chunk, dead_letters=dead_letters, now=self._clock())
            if purged := await _available(self._database.write(purge)):
                yield [str(sequence) for sequence in purged]

    async def close(self) -> None:
        """See `NotificationQueue.close`. The database stays open: its owner closes it."""
        self._closed = True
        await self._puts.close()
        await asyncio.gather(*self._handing_back)
        await self._settlements.close()
        if self._housekeeping is not None:
            await self._housekeeping

    # Internal.

    def _wake(self) -> None:
        self._flowing = True
        for waiter in self._waiters:
            waiter.set()

    def _housekeeping_is_current(self, now: datetime) -> bool:
        """True if housekeeping lags so little that no id is refused much longer than its window."""
        return self._kept_at is not None and age(self._kept_at, now) <= 2 * _HOUSEKEEPING_EVERY

    async def _run_housekeeping(self) -> None:
        """Release the ids whose duplicate window is over: delete completed rows, free the id of the others."""
        begun = self._clock()
        try:
            while True:
                start = self._kept_up_to
                seen, self._kept_up_to = await self._database.write(
                    lambda connection, start=start: statements.retire(  # type: ignore[misc]  # mypy cannot infer a lambda with defaults
                        connection, start, now=begun, window=self._duplicate_window
                    )
                )
                if seen < statements.HOUSEKEEPING_ROWS:
                    self._kept_at = begun
                    return
        except DatabaseUnavailable as exc:
            log.warning("queue_housekeeping_postponed", error=str(exc))
        finally:
            self._housekeeping = None


def _handle(delivery: Delivery) -> Handle:
    if not isinstance(delivery.handle, Handle):
        raise TypeError("this delivery came from another queue")
    return delivery.handle


async def _written_apart(
    write: Callable[[Sequence[Item]], Awaitable[list[bool]]], items: Sequence[Item]
) -> list[Exception | bool]:
    """Write items of several callers; one that cannot be written, whose outcome is its error, does not affect the rest.

    Raises:
        DatabaseUnavailable: none was written.
    """
    try:
        return [*await write(items)]
    except DatabaseUnavailable:
        raise
    except Exception as exc:  # noqa: BLE001  # reported to the caller of that item
        if len(items) == 1:
            return [exc]
        return [outcome for each in items for outcome in await _written_apart(write, [each])]


async def _available(call: Awaitable[T]) -> T:
    try:
        return await call
    except DatabaseUnavailable as exc:
        raise QueueUnavailable(Phrase.of(exc)) from exc
    except GroupCommitClosed as exc:
        raise QueueUnavailable(_CLOSING) from exc


async def _wait_for(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass
