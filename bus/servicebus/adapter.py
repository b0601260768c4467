"""The queue on Azure Service Bus.

The queue has no sessions, peek-locks its messages, and detects duplicates by message id (docs/servicebus.md,
section 1); `queue check` lists its other properties. `bus.servicebus.messages` adds what Service Bus lacks.
"""

import asyncio
import math
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

import structlog
from azure.servicebus import ServiceBusReceivedMessage, ServiceBusReceiveMode, ServiceBusSubQueue
from azure.servicebus.aio import ServiceBusClient, ServiceBusReceiver, ServiceBusSender

import background
from bus.errors import LockLost, QueueError
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
from bus.servicebus import search
from bus.servicebus.connection import POLL_SECONDS, ServiceBusAddress
from bus.servicebus.errors import LOST_LOCK, QueueRef, translated
from bus.servicebus.links import ReceiverLink, SenderLink, Settle, closed, too_late
from bus.servicebus.messages import (
    CopyOf,
    account_of,
    body_of,
    copy_of,
    deliveries_of,
    described,
    enqueued_of,
    is_late,
    is_scheduled,
    message_id_of,
    outgoing,
    queued,
    visible_since,
)
from groupcommit import GroupCommitClosed
from longtext import storable

T = TypeVar("T")

_MAX_REASON: Final = 100
_MAX_DESCRIPTION: Final = 4000
"""Service Bus accepts 4,096 characters of either."""
_PEEKED_AT_ONCE: Final = 250
_MAX_COUNTED: Final = 100_000
_CHECKED_FOR: Final = 5.0
_CLOSE_SECONDS: Final = 2.0
"""For all links together: the SDK waits for a peer that does not answer."""
_REPORT_SECONDS: Final = 60.0

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


@dataclass(slots=True, eq=False)
class _Handle:
    """The handle of a delivery of this adapter."""

    received: ServiceBusReceivedMessage
    settled: bool = False


@dataclass(slots=True)
class _Tally:
    """The counts of `status` for one account."""

    account_id: int | None
    active: int = 0
    scheduled: int = 0
    dead: int = 0
    oldest: datetime | None = field(default=None)
    waiting_since: datetime | None = field(default=None)

    def status(self) -> AccountStatus:
        return AccountStatus(
            self.account_id,
            active=self.active,
            scheduled=self.scheduled,
            dead=self.dead,
            oldest=self.oldest,
            waiting_since=self.waiting_since,
        )


@dataclass(slots=True)
class _Found:
    """The messages of some entries. `browsed`: all up to the last of `numbers` in the queue, but for scheduled ones."""

    numbers: set[int] = field(default_factory=set)
    scheduled: list[ServiceBusReceivedMessage] = field(default_factory=list)
    browsed: int = 0


class ServiceBusQueue:
    """The `NotificationQueue` on one queue of a namespace.

    Links are opened when first needed and kept; the SDK opens them again when a connection drops.
    """

    def __init__(
        self,
        address: ServiceBusAddress,
        *,
        clock: Callable[[], datetime],
        max_deliveries: int = 10,
        counting_seconds: float = math.inf,
    ) -> None:
        """`max_deliveries`: at most the queue's own maximum, which does not include copies.

        `counting_seconds`: bound of a count of the messages, and of another one of the dead letters.
        """
        self._address = address
        self._place = QueueRef(address.host, address.queue)
        self._clock = clock
        self._max_deliveries = max_deliveries
        self._counting_seconds = counting_seconds
        self._client: ServiceBusClient | None = None
        self._sender = SenderLink(self._open_sender, self._place)
        self._receiver = ReceiverLink(self._open_receiver, self._place)
        self._browsers: dict[bool, ReceiverLink] = {}
        self._sent_at: float | None = None
        self._closed = False
        self._late = 0
        """Deliveries dropped since the last report."""
        self._late_reported = -math.inf

    # For the receiver.

    async def put(self, messages: Sequence[Message]) -> int:
        """See `NotificationSender.put`."""
        now = self._clock()
        await self._send([outgoing(message, now=now) for message in messages])
        return 0

    async def check(self) -> None:
        """See `NotificationSender.check`. Opens a sender link, which shows a refusal of any kind."""
        self._refuse_when_closed()
        loop = asyncio.get_running_loop()
        if self._sent_at is not None and loop.time() - self._sent_at < _CHECKED_FOR:
            return
        sender = self._open_sender()
        try:
            await translated(sender.create_message_batch(), self._place)
        finally:
            await closed(sender)

    async def _send(self, messages: Sequence[Any]) -> None:
        self._sent_at, sent_at = None, asyncio.get_running_loop().time()
        try:
            await self._sender.send(messages)
        except GroupCommitClosed as exc:
            raise too_late() from exc
        if messages:
            self._sent_at = sent_at

    async def waiting(self, *, limit: int) -> int:
        """See `CatchUpQueue.waiting`. Needs the right to receive; messages locked by consumers count as well."""
        count = 0
        async for received in self._browse(dead_letters=False, after=None):
            count += not is_scheduled(received)
            if count >= limit:
                break
        return count

    # For a processor.

    async def receive(self, limit: int, *, wait: timedelta) -> list[Delivery]:
        """See `NotificationConsumer.receive`. Messages delivered too often become dead letters instead."""
        self._refuse_when_closed()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait.total_seconds()
        while True:
            received = await self._receiver.receive(limit, wait=deadline - loop.time())
            now = datetime.now(UTC)
            self._report_late([each for each in received if is_late(each, now=now)], now)
            deliveries = [self._delivery(each) for each in received if not is_late(each, now=now)]
            spent = [each for each in deliveries if each.delivery_count > self._max_deliveries]
            for each in spent:
                await self._give_up(each)
            found = [each for each in deliveries if each.delivery_count <= self._max_deliveries]
            if found or not received or loop.time() >= deadline:
                return found

    def _report_late(self, late: Sequence[ServiceBusReceivedMessage], now: datetime) -> None:
        """Warn of deliveries whose locks had ended, once a minute: each is dropped, comes again, and is counted."""
        self._late += len(late)
        time = asyncio.get_running_loop().time()
        if late and time >= self._late_reported + _REPORT_SECONDS:
            ended = max(now - each.locked_until_utc for each in late if each.locked_until_utc is not None)
            log.warning(
                "deliveries_expired",
                count=self._late,
                seconds=round(ended.total_seconds(), 1),
                cause="the clock of this host is ahead, or this process stood still",
                remedy="synchronize the clock of this host (NTP): messages received too often become dead letters",
            )
            self._late, self._late_reported = 0, time

    async def _give_up(self, delivery: Delivery) -> None:
        text = f"Delivered {self._max_deliveries} times and never settled."
        try:
            await self.dead_letter(delivery, reason=TOO_MANY_DELIVERIES, description=text)
        except QueueError as exc:
            log.warning("delivery_not_settled", delivery=delivery.message_id, error=str(exc))

    def _delivery(self, received: ServiceBusReceivedMessage) -> Delivery:
        return Delivery(
            message_id=message_id_of(received),
            body=body_of(received),
            account_id=account_of(received),
            enqueued=enqueued_of(received),
            delivery_count=deliveries_of(received) + 1,
            locked_until=received.locked_until_utc or datetime.now(UTC),
            handle=_Handle(received),
        )

    async def renew(self, delivery: Delivery) -> Delivery:
        """See `NotificationConsumer.renew`."""
        handle = _handle(delivery)
        until: datetime = await self._settle(handle, lambda receiver: receiver.renew_message_lock(handle.received))
        return replace(delivery, locked_until=until)

    async def complete(self, delivery: Delivery, *, remembered: bool = True) -> None:  # noqa: ARG002  # Service Bus frees no id
        """See `NotificationConsumer.complete`."""
        handle = _handle(delivery)
        await self._end(handle, lambda receiver: receiver.complete_message(handle.received))

    async def abandon(self, delivery: Delivery, *, delay: timedelta = timedelta(0), counted: bool = True) -> None:
        """See `NotificationConsumer.abandon`. Uncounted, or with a delay, the next delivery is a copy."""
        handle = _handle(delivery)
        if counted and delivery.delivery_count >= self._max_deliveries:
            text = f"Delivered {delivery.delivery_count} times and handed back each time."
            await self.dead_letter(delivery, reason=TOO_MANY_DELIVERIES, description=text)
            return
        if counted and delay <= timedelta(0):
            await self._end(handle, lambda receiver: receiver.abandon_message(handle.received))
            return
        # With the lock lost to another consumer, a copy would be one too many.
        await self.renew(delivery)
        attempts = delivery.delivery_count if counted else delivery.delivery_count - 1
        not_before = self._clock() + min(delay, MAX_DELAY) if delay > timedelta(0) else None
        await self._send([copy_of(handle.received, CopyOf.DELIVERY, attempts=attempts, not_before=not_before)])
        await self._end(handle, lambda receiver: receiver.complete_message(handle.received))

    async def dead_letter(self, delivery: Delivery, *, reason: str, description: str) -> None:
        """See `NotificationConsumer.dead_letter`."""
        handle = _handle(delivery)
        text, _ = storable(described(description[:_MAX_DESCRIPTION], now=self._clock()))
        await self._end(
            handle,
            lambda receiver: receiver.dead_letter_message(
                handle.received, reason=reason[:_MAX_REASON], error_description=text
            ),
        )

    async def _end(self, handle: _Handle, work: Settle) -> None:
        if handle.settled:
            raise LockLost(LOST_LOCK)
        handle.settled = True
        try:
            await self._settle(handle, work, ends=True)
        except QueueError as exc:
            handle.settled = isinstance(exc, LockLost)
            raise

    async def _settle(self, handle: _Handle, work: Settle, *, ends: bool = False) -> Any:  # noqa: ANN401  # the result of `work`
        if handle.settled and not ends:
            raise LockLost(LOST_LOCK)
        try:
            return await self._receiver.settle(work)
        except GroupCommitClosed as exc:
            raise too_late() from exc

    # For operators.

    async def status(self) -> QueueStatus:
        """See `NotificationQueue.status`. Counts by reading every message, the first ones at least, up to limits."""
        tallies: dict[int | None, _Tally] = {}
        counted, is_complete = 0, True
        loop = asyncio.get_running_loop()
        for dead in (False, True):
            before, until = counted, loop.time() + self._counting_seconds
            async for received in self._browse(dead_letters=dead, after=None):
                if counted >= _MAX_COUNTED or (counted > before and loop.time() >= until):
                    is_complete = False
                    break
                account_id = account_of(received)
                tally = tallies.setdefault(account_id, _Tally(account_id))
                _count(tally, received, dead=dead)
                counted += 1
        accounts = [tally.status() for tally in tallies.values()]
        return QueueStatus(accounts, reports_locked=False, complete=is_complete)

    async def peek(
        self, *, limit: int, dead_letters: bool = False, selection: Selection = EVERYTHING, after: str | None = None
    ) -> list[QueuedMessage]:
        """See `NotificationQueue.peek`. Reads every message, as Service Bus cannot filter them."""
        found: list[QueuedMessage] = []
        if selection.entries is not None and not selection.entries:
            return found
        async for received in self._browse(dead_letters=dead_letters, after=after):
            message = queued(received, dead=dead_letters)
            if selection.takes(message):
                found.append(message)
                if len(found) >= limit:
                    break
        return found

    async def _browse(self, *, dead_letters: bool, after: str | None) -> AsyncIterator[ServiceBusReceivedMessage]:
        self._refuse_when_closed()
        browser = self._browsers.get(dead_letters)
        if browser is None:
            browser = self._browsers[dead_letters] = ReceiverLink(
                self._open_dead_letters if dead_letters else self._open_receiver, self._place
            )
        sequence = int(after or 0) + 1
        while True:
            page = await browser.use(_peek_from(sequence))
            for received in page:
                yield received
                sequence = max(sequence, (received.sequence_number or 0) + 1)
            if not page:
                return

    async def replay(self, entries: Sequence[str], *, at_once: int = 100) -> AsyncGenerator[list[str], None]:
        """See `NotificationQueue.replay`."""
        async with aclosing(self._dead_letters(entries, at_once)) as batches:
            async for batch in batches:
                copies = [copy_of(each, CopyOf.DEAD_LETTER, attempts=0, not_before=None) for each in batch.wanted]
                await self._send(copies)
                yield await batch.complete()

    async def make_due(self, entries: Sequence[str], *, at_once: int = 100) -> AsyncGenerator[list[str], None]:
        """See `NotificationQueue.make_due`. A copy is sent, then the scheduled message is cancelled."""
        scheduled = (await self._find(entries, dead_letters=False)).scheduled
        for start in range(0, len(scheduled), at_once):
            batch = scheduled[start : start + at_once]
            await self._send(
                [copy_of(each, CopyOf.SCHEDULED, attempts=deliveries_of(each), not_before=None) for each in batch]
            )
            # One that became due meanwhile comes twice, and is found imported.
            await self._cancel_scheduled(batch)
            yield [str(each.sequence_number) for each in batch]

    async def purge(
        self, entries: Sequence[str], *, dead_letters: bool, at_once: int = 100
    ) -> AsyncGenerator[list[str], None]:
        """See `NotificationQueue.purge`. Messages that wait before the last of these move behind the others."""
        if dead_letters:
            batches = self._dead_letters(entries, at_once)
        else:
            found = await self._find(entries, dead_letters=False)
            if cancelled := await self._cancel_scheduled(found.scheduled):
                yield cancelled
            batches = self._waiting(found, at_once)
        async with aclosing(batches):
            async for batch in batches:
                yield await batch.complete()

    async def _dead_letters(self, entries: Sequence[str], at_once: int) -> AsyncGenerator[search.Batch, None]:
        found = await self._find(entries, dead_letters=True)
        if found.numbers:
            link = ReceiverLink(self._open_dead_letters, self._place)
            async with aclosing(search.dead_letters(link, found.numbers, at_once, self._place)) as batches:
                async for batch in batches:
                    yield batch

    async def _waiting(self, found: "_Found", at_once: int) -> AsyncGenerator[search.Batch, None]:
        async def move_behind(messages: Sequence[ServiceBusReceivedMessage]) -> None:
            await self._send(
                [copy_of(each, CopyOf.DELIVERY, attempts=deliveries_of(each), not_before=None) for each in messages]
            )

        if found.numbers:
            link = ReceiverLink(self._open_receiver, self._place)
            searching = search.waiting(link, found.numbers, found.browsed, at_once, move_behind, self._place)
            async with aclosing(searching) as batches:
                async for batch in batches:
                    yield batch

    async def _find(self, entries: Sequence[str], *, dead_letters: bool) -> "_Found":
        """The messages of these entries that exist; nothing is locked for it."""
        wanted, found = _sequences(entries), _Found()
        if wanted:
            first, last = min(wanted), max(wanted)
            async for received in self._browse(
                dead_letters=dead_letters, after=str(first - 1) if dead_letters else None
            ):
                number = received.sequence_number or 0
                if number > last:
                    break
                if is_scheduled(received):
                    if number in wanted:
                        found.scheduled.append(received)
                    continue
                found.browsed += 1
                if number in wanted:
                    found.numbers.add(number)
        return found

    async def _cancel_scheduled(self, messages: Sequence[ServiceBusReceivedMessage]) -> list[str]:
        """Cancel these; return the entries of those that were still scheduled."""
        if not messages:
            return []
        numbers = [each.sequence_number or 0 for each in messages]
        sender = self._open_sender()
        try:
            await translated(sender.cancel_scheduled_messages(numbers), self._place)
            return [str(each) for each in numbers]
        except LockLost:  # one of them became due: which, the answer does not state
            return [str(each) for each in numbers if await self._is_cancelled(sender, each)]
        finally:
            await closed(sender)

    async def _is_cancelled(self, sender: ServiceBusSender, number: int) -> bool:
        try:
            await translated(sender.cancel_scheduled_messages(number), self._place)
        except LockLost:
            return False
        return True

    async def close(self) -> None:
        """See `NotificationQueue.close`."""
        if self._closed:
            return
        self._closed = True
        closing = background.start(self._close(), name="queue_close")
        await asyncio.wait([closing], timeout=_CLOSE_SECONDS)
        if not closing.done():  # locks end by themselves, and connections with the process
            log.warning("queue_not_closed", queue=self._address.queue, seconds=_CLOSE_SECONDS)
            closing.cancel()
            if self._client is not None:
                await closed(self._client)

    async def _close(self) -> None:
        await self._receiver.settle_rest(lambda received: self.abandon(self._delivery(received), counted=False))
        # Each takes time to close.
        browsers = self._browsers.values()
        await asyncio.gather(self._receiver.close(), self._sender.close(), *(each.close() for each in browsers))
        if self._client is not None:
            await self._client.close()

    # Internal.

    def _refuse_when_closed(self) -> None:
        if self._closed:
            raise too_late()

    def _opened(self) -> ServiceBusClient:
        if self._client is None:
            self._client = self._address.open()
        return self._client

    def _open_sender(self) -> ServiceBusSender:
        return self._opened().get_queue_sender(self._address.queue, socket_timeout=POLL_SECONDS)

    def _open_receiver(self) -> ServiceBusReceiver:
        return self._opened().get_queue_receiver(
            self._address.queue, receive_mode=ServiceBusReceiveMode.PEEK_LOCK, socket_timeout=POLL_SECONDS
        )

    def _open_dead_letters(self) -> ServiceBusReceiver:
        return self._opened().get_queue_receiver(
            self._address.queue,
            sub_queue=ServiceBusSubQueue.DEAD_LETTER,
            receive_mode=ServiceBusReceiveMode.PEEK_LOCK,
            socket_timeout=POLL_SECONDS,
        )


def _peek_from(sequence: int) -> Callable[[ServiceBusReceiver], Awaitable[list[ServiceBusReceivedMessage]]]:
    return lambda receiver: receiver.peek_messages(_PEEKED_AT_ONCE, sequence_number=sequence)


def _count(tally: _Tally, received: ServiceBusReceivedMessage, *, dead: bool) -> None:
    if dead:
        tally.dead += 1
        return
    if is_scheduled(received):
        tally.scheduled += 1
    else:
        tally.active += 1
        tally.waiting_since = _earlier(tally.waiting_since, visible_since(received))
    enqueued = enqueued_of(received)
    tally.oldest = _earlier(tally.oldest, enqueued)


def _earlier(one: datetime | None, other: datetime) -> datetime:
    return other if one is None else min(one, other)


def _sequences(entries: Iterable[str]) -> set[int]:
    return {int(entry) for entry in entries if entry.isascii() and entry.isdecimal()}


def _handle(delivery: Delivery) -> _Handle:
    if not isinstance(delivery.handle, _Handle):
        raise TypeError("this delivery came from another queue")
    return delivery.handle
