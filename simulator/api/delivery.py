"""Delivery of notifications: collected, sent in batches, retried (docs/graph.md, section 3)."""

import asyncio
from collections import deque
from collections.abc import Coroutine
from dataclasses import dataclass, field
from random import Random
from typing import Any

import aiohttp

from simulator.api.notifications import LifecycleEvent, change_item, lifecycle_item
from simulator.calls import json_bytes
from simulator.faults import FaultKind, Faults, Subject
from simulator.identifiers import Identifiers
from simulator.state.mailboxes import Change
from simulator.state.subscriptions import Subscription, Subscriptions

_SUCCESS = range(200, 300)


@dataclass(frozen=True)
class DeliveryRules:
    """Times of docs/graph.md, section 3; the window, the batch and the concurrency are the simulator's own."""

    window_secs: float = 0.05
    max_items: int = 100
    most_concurrent: int = 16
    first_timeout_secs: float = 3.0
    retry_timeout_secs: float = 10.0
    backoff_secs: float = 1.0
    longest_backoff_secs: float = 600.0
    give_up_after_secs: float = 4 * 3600


@dataclass
class DeliveryFigures:
    """Outcomes of the notifications; `answer_secs` are those of the latest requests, of all outcomes."""

    items: int = 0
    requests: int = 0
    delivered_items: int = 0
    delivered_requests: int = 0
    retries: int = 0
    refused: int = 0
    failed: int = 0
    given_up_items: int = 0
    slow_answers: int = 0
    largest_batch: int = 0
    statuses: dict[int, int] = field(default_factory=dict)
    answer_secs: deque[float] = field(default_factory=lambda: deque(maxlen=100_000))

    def as_dict(self) -> dict[str, Any]:
        """Return the figures as JSON values, the answer times as percentiles."""
        names = (
            "items requests delivered_items delivered_requests retries refused failed given_up_items slow_answers "
            "largest_batch"
        )
        values: dict[str, Any] = {name: getattr(self, name) for name in names.split()}
        times = sorted(self.answer_secs)
        values["statuses"] = {str(status): count for status, count in sorted(self.statuses.items())}
        values["answer_secs"] = {name: _quantile(times, q) for name, q in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))}
        values["answer_secs"]["max"] = times[-1] if times else None
        return values


class Delivery:
    """Sends notifications to the URLs of subscriptions; `stop` ends it, unsent ones are lost."""

    def __init__(
        self,
        *,
        session: aiohttp.ClientSession,
        subscriptions: Subscriptions,
        rules: DeliveryRules,
        faults: Faults,
        identifiers: Identifiers,
        random: Random,
    ) -> None:
        self.figures = DeliveryFigures()
        self.rules = rules
        self._session = session
        self._subscriptions = subscriptions
        self._faults = faults
        self._identifiers = identifiers
        self._random = random
        self._waiting: dict[str, list[dict[str, Any]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        # One for each URL: an endpoint that hangs must not delay the others.
        self._slots: dict[str, asyncio.Semaphore] = {}

    def changed(self, change: Change) -> None:
        """Raise the notifications of a change; returns at once."""
        for subscription in self._subscriptions.matching(change):
            item = change_item(subscription, change, self._random)
            if self._faults:
                self._notify_with_faults(subscription, change, item)
            else:
                self.notify(subscription.notification_url, item)

    def send_lifecycle(self, subscription: Subscription, event: LifecycleEvent) -> bool:
        """Send a lifecycle event; `subscriptionRemoved` also removes it. False: it has no lifecycle URL."""
        if event is LifecycleEvent.SUBSCRIPTION_REMOVED:
            self._subscriptions.remove(subscription)
        if subscription.lifecycle_notification_url is None:
            return False
        item = lifecycle_item(subscription, event, as_in_production=self._random.random() < 0.5)
        self.notify(subscription.lifecycle_notification_url, item)
        return True

    def notify(self, url: str, item: dict[str, Any]) -> None:
        """Put an item into the next batch for a URL."""
        self.figures.items += 1
        waiting = self._waiting.get(url)
        if waiting is not None:
            waiting.append(item)
            return
        self._waiting[url] = [item]
        self._start(self._collect(url))

    async def settled(self) -> None:
        """Return when no notification waits: all were delivered or given up."""
        while self._tasks:
            await asyncio.wait(list(self._tasks))

    @property
    def pending(self) -> int:
        """Number of batches waiting, under way or to be retried."""
        return len(self._tasks)

    async def stop(self) -> None:
        """Stop sending."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _notify_with_faults(self, subscription: Subscription, change: Change, item: dict[str, Any]) -> None:
        subject = Subject(
            mailbox=(change.mailbox.user_id.lower(), change.mailbox.address.lower()),
            message=(change.immutable_id, change.default_id),
        )
        strike, url = self._faults.strike, subscription.notification_url
        if strike(FaultKind.NOTIFICATION_LOST, subject):
            return
        if strike(FaultKind.NOTIFICATION_FORGED, subject):
            self.notify(url, {**item, "clientState": self._identifiers.guid()})
        if strike(FaultKind.NOTIFICATION_UNSIGNED, subject):
            self.notify(url, {name: value for name, value in item.items() if name != "clientState"})
        if strike(FaultKind.NOTIFICATION_DUPLICATED, subject):
            self.notify(url, item)
            # The second copy comes in another request, as a retry's would.
            self._start(self._notify_later(url, item, 2 * self.rules.window_secs))
            return
        delayed = strike(FaultKind.NOTIFICATION_DELAYED, subject)
        if delayed:
            self._start(self._notify_later(url, item, delayed.seconds))
            return
        self.notify(url, item)
        if strike(FaultKind.NOTIFICATION_REORDERED, subject):
            self._random.shuffle(self._waiting[url])

    async def _notify_later(self, url: str, item: dict[str, Any], delay: float) -> None:
        await asyncio.sleep(delay)
        self.notify(url, item)

    async def _collect(self, url: str) -> None:
        await asyncio.sleep(self.rules.window_secs)
        items = self._waiting.pop(url)
        limit = self.rules.max_items
        for start in range(0, len(items), limit):
            self._start(self._deliver(url, items[start : start + limit]))

    async def _deliver(self, url: str, items: list[dict[str, Any]]) -> None:
        rules, figures = self.rules, self.figures
        loop = asyncio.get_running_loop()
        body = json_bytes({"value": items})
        figures.largest_batch = max(figures.largest_batch, len(items))
        slots = self._slots.setdefault(url, asyncio.Semaphore(rules.most_concurrent))
        started = loop.time()
        timeout, backoff = rules.first_timeout_secs, rules.backoff_secs
        while True:
            async with slots:
                if await self._attempt(url, body, timeout):
                    figures.delivered_items += len(items)
                    figures.delivered_requests += 1
                    return
            if loop.time() + backoff - started > rules.give_up_after_secs:
                figures.given_up_items += len(items)
                return
            await asyncio.sleep(backoff)
            figures.retries += 1
            timeout, backoff = rules.retry_timeout_secs, min(2 * backoff, rules.longest_backoff_secs)

    async def _attempt(self, url: str, body: bytes, timeout: float) -> bool:
        figures = self.figures
        figures.requests += 1
        loop = asyncio.get_running_loop()
        started = loop.time()
        try:
            async with self._session.post(
                url,
                data=body,
                headers={"Content-Type": "application/json; charset=utf-8"},
                timeout=aiohttp.ClientTimeout(total=timeout),
                allow_redirects=False,
            ) as response:
                await response.read()
                status = response.status
        except (aiohttp.ClientError, TimeoutError, OSError):
            figures.failed += 1
            return False
        finally:
            elapsed = loop.time() - started
            figures.answer_secs.append(elapsed)
            figures.slow_answers += elapsed > self.rules.first_timeout_secs
        figures.statuses[status] = figures.statuses.get(status, 0) + 1
        if status in _SUCCESS:
            return True
        figures.refused += 1
        return False

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _quantile(ordered: list[float], share: float) -> float | None:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None
