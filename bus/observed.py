"""A queue that reports its availability: each put and receipt is an answer, or a failure to reach the queue."""

from collections.abc import AsyncGenerator, Sequence
from datetime import timedelta

from availability import Availability, Service
from bus.errors import QueueUnavailable
from bus.queue import EVERYTHING, Delivery, Message, NotificationQueue, QueuedMessage, QueueStatus, Selection
from phrases import Phrase


class ObservedQueue(NotificationQueue):
    """Another queue, observed by what its senders and consumers do."""

    def __init__(self, queue: NotificationQueue, availability: Availability) -> None:
        self._queue = queue
        self._availability = availability

    async def put(self, messages: Sequence[Message]) -> int:
        """See `NotificationSender.put`."""
        try:
            ignored = await self._queue.put(messages)
        except QueueUnavailable as exc:
            self._availability.failed(Service.QUEUE, Phrase.of(exc))
            raise
        self._availability.answered(Service.QUEUE)
        return ignored

    async def receive(self, limit: int, *, wait: timedelta) -> list[Delivery]:
        """See `NotificationConsumer.receive`."""
        try:
            deliveries = await self._queue.receive(limit, wait=wait)
        except QueueUnavailable as exc:
            self._availability.failed(Service.QUEUE, Phrase.of(exc))
            raise
        self._availability.answered(Service.QUEUE)
        return deliveries

    async def check(self) -> None:
        """See `NotificationSender.check`."""
        await self._queue.check()

    async def waiting(self, *, limit: int) -> int:
        """See `CatchUpQueue.waiting`."""
        return await self._queue.waiting(limit=limit)

    async def renew(self, delivery: Delivery) -> Delivery:
        """See `NotificationConsumer.renew`."""
        return await self._queue.renew(delivery)

    async def complete(self, delivery: Delivery, *, remembered: bool = True) -> None:
        """See `NotificationConsumer.complete`."""
        await self._queue.complete(delivery, remembered=remembered)

    async def abandon(self, delivery: Delivery, *, delay: timedelta = timedelta(0), counted: bool = True) -> None:
        """See `NotificationConsumer.abandon`."""
        await self._queue.abandon(delivery, delay=delay, counted=counted)

    async def dead_letter(self, delivery: Delivery, *, reason: str, description: str) -> None:
        """See `NotificationConsumer.dead_letter`."""
        await self._queue.dead_letter(delivery, reason=reason, description=description)

    async def status(self) -> QueueStatus:
        """See `NotificationQueue.status`."""
        return await self._queue.status()

    async def peek(
        self, *, limit: int, dead_letters: bool = False, selection: Selection = EVERYTHING, after: str | None = None
    ) -> list[QueuedMessage]:
        """See `NotificationQueue.peek`."""
        return await self._queue.peek(limit=limit, dead_letters=dead_letters, selection=selection, after=after)

    def replay(self, entries: Sequence[str], *, at_once: int = 100) -> AsyncGenerator[list[str], None]:
        """See `NotificationQueue.replay`."""
        return self._queue.replay(entries, at_once=at_once)

    def make_due(self, entries: Sequence[str], *, at_once: int = 100) -> AsyncGenerator[list[str], None]:
        """See `NotificationQueue.make_due`."""
        return self._queue.make_due(entries, at_once=at_once)

    def purge(
        self, entries: Sequence[str], *, dead_letters: bool, at_once: int = 100
    ) -> AsyncGenerator[list[str], None]:
        """See `NotificationQueue.purge`."""
        return self._queue.purge(entries, dead_letters=dead_letters, at_once=at_once)

    async def close(self) -> None:
        """See `NotificationQueue.close`."""
        await self._queue.close()
