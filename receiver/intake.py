"""The way from a request into the queue, with room for a bounded number of requests."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from bus.errors import QueueUnavailable
from bus.notification import Notification
from bus.queue import NotificationSender
from receiver.metrics import ReceiverMetrics


@dataclass(frozen=True, slots=True)
class IntakeLimits:
    """How much may wait for the queue: beyond it Graph is asked to come again, and keeps the notifications.

    `put_seconds` stays below the 3 s after which Graph gives a first attempt up (graph.md, section 3).
    """

    waiting_requests: int = 256
    waiting_items: int = 50_000
    put_seconds: float = 2.5


class Intake:
    """Puts the genuine items of a request into the queue, or refuses at once when too many wait already."""

    def __init__(self, queue: NotificationSender, limits: IntakeLimits, metrics: ReceiverMetrics) -> None:
        self._queue = queue
        self._limits = limits
        self._metrics = metrics
        self._requests = 0
        self._items = 0

    async def take(self, notifications: Sequence[Notification]) -> None:
        """Queue the notifications durably.

        Raises:
            QueueUnavailable: Graph must send them again.
        """
        size = len(notifications)
        full = self._requests >= self._limits.waiting_requests
        # One oversized body alone is taken: refused, it would come again for ever.
        if full or (self._items and self._items + size > self._limits.waiting_items):
            raise QueueUnavailable(f"{self._requests} requests with {self._items} items wait for the queue already.")
        self._requests += 1
        self._items += size
        self._metrics.waiting.set(self._requests)
        try:
            async with asyncio.timeout(self._limits.put_seconds):
                await self._queue.put([notification.to_message() for notification in notifications])
        except TimeoutError as exc:
            raise QueueUnavailable(f"The queue took longer than {self._limits.put_seconds} s.") from exc
        finally:
            self._requests -= 1
            self._items -= size
            self._metrics.waiting.set(self._requests)
