"""Queueing of requests: grouped with concurrent requests, and with a bounded number waiting."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from bus.errors import QueueUnavailable
from bus.notification import Notification
from bus.queue import NotificationSender
from groupcommit import GroupCommit
from phrases import Phrase
from receiver.metrics import ReceiverMetrics


@dataclass(frozen=True, slots=True)
class IntakeLimits:
    """The bounds on what waits for the queue: beyond them Graph must retry, and keeps the notifications.

    A request waits for the put in progress and then for its own. Two puts of few items end within 2.8 s, before the 3 s
    after which Graph abandons a first attempt (docs/graph.md, section 3). Each item adds `put_seconds_per_item`: two
    full puts may take 3.2 s, and a body with very many items longer; they succeed in one of the later attempts, which
    have 10 s, instead of being retried for ever.
    """

    waiting_requests: int = 256
    waiting_items: int = 50_000
    items_in_one_put: int = 1000
    put_seconds: float = 1.4
    put_seconds_per_item: float = 0.0002


class Intake:
    """Queues the genuine items of a request, or refuses at once when too many wait already.

    Requests that arrive during a put share the next one: one durable write for all of them.
    """

    def __init__(self, queue: NotificationSender, limits: IntakeLimits, metrics: ReceiverMetrics) -> None:
        self._queue = queue
        self._limits = limits
        self._requests = 0
        self._items = 0
        self._group: GroupCommit[Notification, None] = GroupCommit(self._put, max_items=limits.items_in_one_put)
        metrics.waiting.set_function(lambda: self._requests)

    async def take(self, notifications: Sequence[Notification]) -> None:
        """Queue the notifications durably.

        Raises:
            QueueUnavailable: Graph must send them again.
        """
        size = len(notifications)
        full = self._requests >= self._limits.waiting_requests
        # One oversized body alone is accepted: refused, it would be retried for ever.
        if full or (self._items and self._items + size > self._limits.waiting_items):
            raise QueueUnavailable(
                Phrase(
                    "{requests} requests with {items} items wait for the queue already.",
                    requests=self._requests,
                    items=self._items,
                )
            )
        self._requests += 1
        self._items += size
        try:
            if self._items <= self._limits.items_in_one_put:
                await self._group.submit(notifications)  # the next put includes it
            else:
                await self._submit_in_time(notifications)
        finally:
            self._requests -= 1
            self._items -= size

    async def _submit_in_time(self, notifications: Sequence[Notification]) -> None:
        """Submit with a deadline: several puts may come first, each with its full time; no request waits for all."""
        seconds = 2 * self._limits.put_seconds + self._limits.put_seconds_per_item * self._items
        try:
            async with asyncio.timeout(seconds):
                await self._group.submit(notifications)
        except TimeoutError as exc:
            raise QueueUnavailable(
                Phrase("The queue did not reach it within {seconds:.1f} s.", seconds=seconds)
            ) from exc

    async def _put(self, notifications: list[Notification]) -> list[None]:
        messages = [notification.to_message() for notification in notifications]
        seconds = self._limits.put_seconds + self._limits.put_seconds_per_item * len(messages)
        try:
            async with asyncio.timeout(seconds):
                await self._queue.put(messages)
        except TimeoutError as exc:
            raise QueueUnavailable(Phrase("The queue took longer than {seconds:.1f} s.", seconds=seconds)) from exc
        return [None] * len(messages)
