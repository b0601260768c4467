"""The contract of every adapter of `bus.queue.NotificationQueue`.

An adapter's test module derives from `QueueContract` and gives the fixture `backend`. See `test_database_queue.py`.
"""

import asyncio
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import timedelta
from typing import Final

import pytest

from bus.errors import LockLost, QueueUnavailable
from bus.queue import EVERYTHING, TOO_MANY_DELIVERIES, Delivery, Message, MessageId, NotificationQueue, Selection

AT_ONCE: Final = timedelta(0)
SOON: Final = timedelta(seconds=10)
"""Long enough for any immediate effect, on a busy machine too."""
A_WHILE: Final = timedelta(seconds=1)
DELAY: Final = timedelta(seconds=10)


class QueueBackend(ABC):
    """One empty queue, and control over it."""

    lock_duration: timedelta
    duplicate_window: timedelta
    max_deliveries: int
    reports_locked = True
    """True if it shows operators the messages that consumers have locked."""

    @abstractmethod
    async def open(self) -> NotificationQueue:
        """Another client of the same queue, as of another process. The backend closes it."""

    @abstractmethod
    async def pass_time(self, duration: timedelta) -> None:
        """Return when the queue's clock is later by `duration` at least, and by little more."""

    @abstractmethod
    def outage(self) -> AbstractContextManager[None]:
        """The queue cannot be reached meanwhile."""


def message(name: str, body: str | None = None) -> Message:
    return Message(MessageId(name), body if body is not None else f"body of {name}", account_id=7)


def messages(names: Iterable[str]) -> list[Message]:
    return [message(name) for name in names]


async def take(queue: NotificationQueue, count: int = 1) -> list[Delivery]:
    """Receive exactly `count` deliveries, in as many calls as necessary; fails when there are fewer."""
    taken: list[Delivery] = []
    deadline = time.monotonic() + SOON.total_seconds()
    while len(taken) < count and time.monotonic() < deadline:
        taken += await queue.receive(count - len(taken), wait=A_WHILE)
    assert len(taken) == count
    return taken


async def take_one(queue: NotificationQueue) -> Delivery:
    return (await take(queue))[0]


async def nothing_to_receive(queue: NotificationQueue) -> bool:
    return not await queue.receive(10, wait=AT_ONCE)


async def dead_letter(queue: NotificationQueue, name: str, reason: str) -> str:
    """Put a message and dead-letter it; return its entry."""
    await queue.put([message(name)])
    await queue.dead_letter(await take_one(queue), reason=reason, description=f"{name} failed")
    return next(each.entry for each in await queue.peek(limit=100, dead_letters=True) if each.message_id == name)


async def replay(queue: NotificationQueue, selection: Selection = EVERYTHING) -> int:
    """Replay the dead letters of a selection as an operator does; return their number."""
    found = await queue.peek(limit=10_000, dead_letters=True, selection=selection)
    return await replay_entries(queue, [each.entry for each in found])


async def replay_entries(queue: NotificationQueue, entries: Sequence[str]) -> int:
    return sum([len(batch) async for batch in queue.replay(entries)])


async def purge(queue: NotificationQueue, entries: Sequence[str], *, dead_letters: bool) -> list[str]:
    return [entry async for batch in queue.purge(entries, dead_letters=dead_letters) for entry in batch]


async def drain(queue: NotificationQueue) -> list[MessageId]:
    """Receive and complete all messages that can be received now."""
    seen: list[MessageId] = []
    while batch := await queue.receive(10, wait=AT_ONCE):
        await asyncio.gather(*(queue.complete(delivery) for delivery in batch))
        seen += [delivery.message_id for delivery in batch]
    return seen


class QueueContract:
    """Derive from it and provide `backend`."""

    @pytest.fixture
    async def queue(self, backend: QueueBackend) -> NotificationQueue:
        return await backend.open()

    # Putting.

    async def test_what_was_put_outlives_its_sender(self, backend: QueueBackend) -> None:
        """Messages put are there for a client that comes later, each with its id, body and account."""
        first = await backend.open()
        names = [f"m{number}" for number in range(250)]
        await first.put(messages(names))
        await first.close()

        deliveries = await take(await backend.open(), len(names))

        assert {(each.message_id, each.body, each.account_id) for each in deliveries} == {
            (MessageId(name), f"body of {name}", 7) for name in names
        }

    async def test_put_of_nothing_is_no_error(self, queue: NotificationQueue) -> None:
        """An empty put changes nothing."""
        await queue.put([])
        assert await nothing_to_receive(queue)

    async def test_message_without_an_account(self, queue: NotificationQueue) -> None:
        """A message need not belong to an account."""
        await queue.put([Message(MessageId("m"), "body")])
        assert (await take_one(queue)).account_id is None

    @pytest.mark.parametrize("body", ["{}", "", "Prüfbericht 測定 🧪 \u200e \\ ' \" % :x", "x" * 50_000], ids=range(4))
    async def test_bodies_come_back_as_they_were_put(self, queue: NotificationQueue, body: str) -> None:
        """No character of a body is lost or changed."""
        await queue.put([message("m", body)])
        assert (await take_one(queue)).body == body

    async def test_concurrent_puts_all_arrive(self, queue: NotificationQueue) -> None:
        """Puts that share a write lose no message."""
        await asyncio.gather(*(queue.put(messages([f"{n}a", f"{n}b"])) for n in range(50)))
        assert Counter(await drain(queue)) == Counter(f"{n}{letter}" for n in range(50) for letter in "ab")

    async def test_messages_come_roughly_in_the_order_they_were_put(self, queue: NotificationQueue) -> None:
        """An early message does not wait for ever behind later ones."""
        for batch in range(3):
            await queue.put(messages(str(10 * batch + number) for number in range(10)))
        order = [int(each.message_id) for each in await take(queue, 30)]
        assert sum(order[:10]) < sum(order[20:])

    async def test_check_says_yes_and_puts_nothing(self, queue: NotificationQueue) -> None:
        """The health check leaves no trace."""
        await queue.check()
        assert await queue.peek(limit=10) == []

    # Duplicates.

    async def test_duplicate_is_ignored(self, backend: QueueBackend) -> None:
        """An id put twice within the window, by any client, is one message: the first."""
        first, second = await backend.open(), await backend.open()
        await first.put([message("m", "first")])
        await backend.pass_time(backend.duplicate_window / 4)
        await second.put([message("m", "second"), message("n")])

        assert {each.body for each in await take(first, 2)} == {"first", "body of n"}
        assert await nothing_to_receive(second)

    async def test_duplicate_within_one_put_is_ignored(self, queue: NotificationQueue) -> None:
        """The same id twice in one put is one message."""
        await queue.put(messages(["m", "n", "m"]))
        assert Counter(await drain(queue)) == {"m": 1, "n": 1}

    async def test_duplicate_in_concurrent_puts_is_ignored(self, backend: QueueBackend) -> None:
        """The same id from two clients at the same time is one message."""
        first, second = await backend.open(), await backend.open()
        names = [f"m{number}" for number in range(20)]
        await asyncio.gather(*(queue.put(messages(names)) for queue in [first, second] * 5))
        assert Counter(await drain(first)) == dict.fromkeys(names, 1)

    async def test_duplicate_of_a_completed_message_is_ignored(self, queue: NotificationQueue) -> None:
        """An id is remembered for the window also when its message is done."""
        await queue.put([message("m")])
        await queue.complete(await take_one(queue))
        await queue.put([message("m")])
        assert await nothing_to_receive(queue)

    async def test_duplicate_of_a_dead_letter_is_ignored(self, queue: NotificationQueue) -> None:
        """An id is remembered for the window also when its message is a dead letter."""
        await dead_letter(queue, "m", "Broken")
        await queue.put([message("m")])
        assert await nothing_to_receive(queue)

    async def test_ids_that_differ_in_case_are_no_duplicates(self, queue: NotificationQueue) -> None:
        """Message ids are compared exactly."""
        await queue.put(messages(["AAMk", "aamk"]))
        assert Counter(await drain(queue)) == {"AAMk": 1, "aamk": 1}

    @pytest.mark.parametrize("fate", ["waiting", "completed", "dead"])
    async def test_id_is_free_again_after_the_window(self, backend: QueueBackend, fate: str) -> None:
        """Put after the window, the id is a new message, whatever the outcome of the old one."""
        queue = await backend.open()
        await queue.put([message("m", "old")])
        if fate == "completed":
            await queue.complete(await take_one(queue))
        elif fate == "dead":
            await queue.dead_letter(await take_one(queue), reason="Broken", description="")
        await backend.pass_time(backend.duplicate_window + A_WHILE)

        await queue.put([message("m", "new")])

        expected = ["old", "new"] if fate == "waiting" else ["new"]
        assert [each.body for each in await take(queue, len(expected))] == expected
        assert await nothing_to_receive(queue)

    # Receiving, and the lock.

    async def test_empty_queue_gives_nothing_after_the_wait(self, queue: NotificationQueue) -> None:
        """A consumer waits as long as requested, not longer, and gets an empty list."""
        start = time.monotonic()
        assert await queue.receive(1, wait=timedelta(seconds=0.3)) == []
        assert 0.25 <= time.monotonic() - start < 9

    async def test_no_more_are_received_than_asked_for(self, queue: NotificationQueue) -> None:
        """`limit` is a maximum."""
        await queue.put(messages("abcde"))
        assert 1 <= len(await queue.receive(2, wait=SOON)) <= 2

    async def test_delivery_belongs_to_one_consumer(self, backend: QueueBackend) -> None:
        """A delivery that one consumer has locked goes to no other."""
        first, second = await backend.open(), await backend.open()
        await first.put([message("m")])
        delivery = await take_one(first)
        assert delivery.delivery_count == 1
        assert delivery.locked_until > delivery.enqueued
        assert await nothing_to_receive(first)
        assert await nothing_to_receive(second)

    async def test_unsettled_delivery_comes_back(self, backend: QueueBackend) -> None:
        """An unsettled delivery is handed out again when its lock expires, its count raised."""
        first, second = await backend.open(), await backend.open()
        await first.put([message("m")])
        before = await take_one(first)
        await backend.pass_time(backend.lock_duration + A_WHILE)
        again = await take_one(second)
        assert (again.message_id, again.body, again.delivery_count) == ("m", before.body, 2)

    async def test_renewed_lock_lasts_longer(self, backend: QueueBackend) -> None:
        """A consumer that renews in time keeps its delivery, and can settle it late."""
        first, second = await backend.open(), await backend.open()
        await first.put([message("m")])
        delivery = await take_one(first)
        for _ in range(3):
            await backend.pass_time(backend.lock_duration * 0.6)
            renewed = await first.renew(delivery)
            assert renewed.locked_until > delivery.locked_until
            delivery = renewed
            assert await nothing_to_receive(second)
        assert delivery.delivery_count == 1
        await first.complete(delivery)
        await backend.pass_time(backend.lock_duration + A_WHILE)
        assert await nothing_to_receive(second)

    # Settling.

    async def test_completed_message_never_comes_again(self, backend: QueueBackend) -> None:
        """Complete ends a message for good."""
        queue = await backend.open()
        await queue.put([message("m")])
        await queue.complete(await take_one(queue))
        await backend.pass_time(backend.lock_duration + A_WHILE)
        assert await nothing_to_receive(queue)
        assert await queue.peek(limit=10) == await queue.peek(limit=10, dead_letters=True) == []

    @pytest.mark.parametrize("settle", ["complete", "renew", "abandon", "dead_letter"])
    @pytest.mark.parametrize("taken_by_another", [False, True])
    async def test_settling_after_the_lock_expired(
        self, backend: QueueBackend, settle: str, taken_by_another: bool
    ) -> None:
        """Settling too late raises `LockLost`, and the message is untouched, whichever consumer has it now."""
        queue, other = await backend.open(), await backend.open()
        await queue.put([message("m")])
        late = await take_one(queue)
        await backend.pass_time(backend.lock_duration + A_WHILE)
        theirs = await take_one(other) if taken_by_another else None

        with pytest.raises(LockLost):
            await SETTLE[settle](queue, late)

        assert (theirs or await take_one(other)).delivery_count == 2
        if theirs is not None:
            assert await nothing_to_receive(queue)
            await other.complete(theirs)

    @pytest.mark.parametrize("second", ["complete", "renew", "abandon", "dead_letter"])
    @pytest.mark.parametrize("first", ["complete", "abandon", "dead_letter"])
    async def test_settling_twice(self, queue: NotificationQueue, first: str, second: str) -> None:
        """A delivery is settled once; the second attempt gets an error, and changes nothing."""
        await queue.put([message("m")])
        delivery = await take_one(queue)
        await SETTLE[first](queue, delivery)
        before = await queue.status()
        with pytest.raises(LockLost):
            await SETTLE[second](queue, delivery)
        assert await queue.status() == before

    async def test_settling_twice_at_the_same_time(self, queue: NotificationQueue) -> None:
        """Exactly one of several attempts at once settles."""
        await queue.put([message("m")])
        delivery = await take_one(queue)
        results = await asyncio.gather(*(queue.complete(delivery) for _ in range(5)), return_exceptions=True)
        assert Counter(type(result) for result in results) == {type(None): 1, LockLost: 4}

    async def test_abandoned_delivery_comes_back(self, backend: QueueBackend) -> None:
        """An abandoned message is available at once to any consumer, the delivery counted."""
        first, second = await backend.open(), await backend.open()
        await first.put([message("m")])
        await first.abandon(await take_one(first))
        assert (await take_one(second)).delivery_count == 2

    async def test_abandoned_with_a_delay(self, backend: QueueBackend) -> None:
        """An abandoned message stays away for its delay, and not longer."""
        queue = await backend.open()
        await queue.put([message("m")])
        await queue.abandon(await take_one(queue), delay=DELAY)
        assert await nothing_to_receive(queue)
        await backend.pass_time(DELAY / 2)
        assert await nothing_to_receive(queue)
        await backend.pass_time(DELAY / 2 + A_WHILE)
        assert (await take_one(queue)).delivery_count == 2

    async def test_abandoned_uncounted(self, backend: QueueBackend) -> None:
        """A failure not caused by the message never makes a dead letter of it."""
        queue = await backend.open()
        await queue.put([message("m")])
        for _ in range(backend.max_deliveries + 2):
            delivery = await take_one(queue)
            assert delivery.delivery_count == 1
            await queue.abandon(delivery, counted=False)
        assert (await queue.status()).dead == 0

    # Dead letters.

    async def test_dead_letter_has_its_reason(self, backend: QueueBackend) -> None:
        """A dead letter is not delivered any more; an operator finds it with its reason, description and time."""
        queue = await backend.open()
        await queue.put([message("m")])
        delivery = await take_one(queue)
        await queue.dead_letter(delivery, reason="ItemCorrupt", description="Anhang № 3 unlesbar")
        await backend.pass_time(backend.lock_duration + A_WHILE)

        assert await nothing_to_receive(queue)
        [found] = await queue.peek(limit=10, dead_letters=True)
        assert (found.message_id, found.body, found.account_id) == ("m", "body of m", 7)
        assert (found.reason, found.description) == ("ItemCorrupt", "Anhang № 3 unlesbar")
        assert found.dead_lettered is not None
        assert found.dead_lettered >= found.enqueued
        assert not found.locked

    @pytest.mark.parametrize("sign", ["\0", "\ud800"], ids=["NUL", "half a pair"])
    async def test_any_text_describes_a_dead_letter(self, queue: NotificationQueue, sign: str) -> None:
        """Signs that the queue cannot store are replaced: the message could not be set aside otherwise."""
        await queue.put([message("bad")])
        await queue.dead_letter(await take_one(queue), reason="Broken", description=f"by {sign}")
        (found,) = await queue.peek(limit=10, dead_letters=True)
        assert found.description == "by \ufffd"

    async def test_abandoned_too_often(self, backend: QueueBackend) -> None:
        """Abandoned the maximum number of times, a message becomes a dead letter automatically."""
        queue = await backend.open()
        await queue.put([message("m")])
        for count in range(1, backend.max_deliveries + 1):
            delivery = await take_one(queue)
            assert delivery.delivery_count == count
            await queue.abandon(delivery)
        assert await nothing_to_receive(queue)
        [found] = await queue.peek(limit=10, dead_letters=True)
        assert found.reason == TOO_MANY_DELIVERIES
        assert found.description

    async def test_never_settled_too_often(self, backend: QueueBackend) -> None:
        """A message that kills every consumer becomes a dead letter automatically, and blocks no other message."""
        queue = await backend.open()
        await queue.put([message("killer")])
        for _ in range(backend.max_deliveries):
            await take_one(queue)
            await backend.pass_time(backend.lock_duration + A_WHILE)
        await queue.put([message("m")])
        assert (await take_one(queue)).message_id == "m"
        [found] = await queue.peek(limit=10, dead_letters=True)
        assert (found.message_id, found.reason) == ("killer", TOO_MANY_DELIVERIES)

    async def test_replay_all(self, queue: NotificationQueue) -> None:
        """Replayed dead letters are like new: received again, their deliveries counted from 0."""
        for name in "abc":
            await dead_letter(queue, name, "Broken")
        assert await replay(queue) == 3
        deliveries = await take(queue, 3)
        assert {(each.message_id, each.delivery_count) for each in deliveries} == {("a", 1), ("b", 1), ("c", 1)}
        assert await queue.peek(limit=10, dead_letters=True) == []

    async def test_replay_by_entry(self, queue: NotificationQueue) -> None:
        """An operator replays just the entries named; unknown ones are skipped."""
        first, _, third = [await dead_letter(queue, name, "Broken") for name in "abc"]
        assert await replay(queue, Selection(entries=[third, first, "999999", "nonsense"])) == 2
        assert Counter(await drain(queue)) == {"a": 1, "c": 1}
        assert [each.message_id for each in await queue.peek(limit=10, dead_letters=True)] == ["b"]

    async def test_replay_of_no_entries(self, queue: NotificationQueue) -> None:
        """An empty list of entries is none, not all."""
        await dead_letter(queue, "a", "Broken")
        assert await replay(queue, Selection(entries=[])) == 0

    async def test_replay_by_reason(self, queue: NotificationQueue) -> None:
        """An operator replays dead letters of one reason."""
        for name, reason in [("a", "Broken"), ("b", "Forbidden"), ("c", "Broken")]:
            await dead_letter(queue, name, reason)
        assert await replay(queue, Selection(reason="Broken")) == 2
        assert Counter(await drain(queue)) == {"a": 1, "c": 1}

    async def test_replay_since(self, backend: QueueBackend) -> None:
        """An operator replays messages dead-lettered since a time, that time included."""
        queue = await backend.open()
        for name in "abc":
            await dead_letter(queue, name, "Broken")
            await backend.pass_time(A_WHILE)
        since = {each.message_id: each.dead_lettered for each in await queue.peek(limit=10, dead_letters=True)}
        assert await replay(queue, Selection(since=since[MessageId("b")])) == 2
        assert Counter(await drain(queue)) == {"b": 1, "c": 1}

    async def test_replay_until(self, backend: QueueBackend) -> None:
        """An operator replays messages dead-lettered before a time, that time excluded."""
        queue = await backend.open()
        for name in "abc":
            await dead_letter(queue, name, "Broken")
            await backend.pass_time(A_WHILE)
        times = {each.message_id: each.dead_lettered for each in await queue.peek(limit=10, dead_letters=True)}
        assert await replay(queue, Selection(until=times[MessageId("b")])) == 1
        assert await drain(queue) == ["a"]

    async def test_replay_of_one_account(self, queue: NotificationQueue) -> None:
        """An operator replays the dead letters of one mailbox."""
        await dead_letter(queue, "a", "Broken")
        assert await replay(queue, Selection(account_id=8)) == 0
        assert await replay(queue, Selection(account_id=7)) == 1

    async def test_replay_goes_on_after_it_died(self, queue: NotificationQueue) -> None:
        """A replay that ends in the middle has lost nothing; another one replays the rest."""
        names = [f"m{number}" for number in range(12)]
        entries = [await dead_letter(queue, name, "Broken") for name in names]
        async for first in queue.replay(entries, at_once=5):
            assert 1 <= len(first) <= 5
            break
        assert await replay_entries(queue, entries) == len(names) - len(first)
        assert Counter(await drain(queue)) == dict.fromkeys(names, 1)

    async def test_purge_of_dead_letters(self, queue: NotificationQueue) -> None:
        """Purged dead letters are gone, and only those."""
        first, second = [await dead_letter(queue, name, "Broken") for name in "ab"]
        await queue.put([message("alive")])
        assert await purge(queue, [first, "999999", "nonsense"], dead_letters=True) == [first]
        assert [each.entry for each in await queue.peek(limit=10, dead_letters=True)] == [second]
        assert await drain(queue) == ["alive"]

    async def test_purge_of_what_waits(self, queue: NotificationQueue) -> None:
        """Purged messages never come; scheduled ones can be purged too, locked ones cannot."""
        await queue.put([message("held")])
        held = await take_one(queue)
        later = held.enqueued + timedelta(days=1)
        await queue.put([message("a"), message("b"), replace(message("later"), not_before=later)])
        entries = {each.message_id: each.entry for each in await queue.peek(limit=10)}
        wanted = [entries[MessageId(name)] for name in ("held", "a", "later")]
        assert sorted(await purge(queue, wanted, dead_letters=False)) == sorted(wanted[1:])
        assert await drain(queue) == ["b"]
        await queue.complete(held)
        assert await queue.peek(limit=10) == []

    async def test_replay_by_all_of_it(self, queue: NotificationQueue) -> None:
        """A dead letter is replayed if it matches all criteria given."""
        first = await dead_letter(queue, "a", "Broken")
        second = await dead_letter(queue, "b", "Forbidden")
        assert await replay(queue, Selection(entries=[first, second], reason="Forbidden")) == 1
        assert await drain(queue) == ["b"]

    async def test_replay_of_many(self, queue: NotificationQueue) -> None:
        """All are replayed, once, however many there are."""
        names = [f"m{number}" for number in range(1100)]
        await queue.put(messages(names))
        deliveries = await take(queue, len(names))
        await asyncio.gather(*(queue.dead_letter(each, reason="Broken", description="") for each in deliveries))
        assert await replay(queue, Selection(reason="Broken")) == len(names)
        assert {each.message_id for each in await take(queue, len(names))} == set(names)

    async def test_replay_twice(self, backend: QueueBackend) -> None:
        """A second replay, later or at the same time, finds nothing left and duplicates nothing."""
        first, second = await backend.open(), await backend.open()
        for name in "abc":
            await dead_letter(first, name, "Broken")
        counts = await asyncio.gather(replay(first), replay(second))
        assert sum(counts) == 3
        assert await replay(first) == 0
        assert Counter(await drain(second)) == {"a": 1, "b": 1, "c": 1}

    async def test_replay_touches_nothing_that_is_alive(self, queue: NotificationQueue) -> None:
        """A message locked by a consumer is not handed out again by a replay."""
        await queue.put([message("m")])
        delivery = await take_one(queue)
        assert await replay(queue) == 0
        assert await nothing_to_receive(queue)
        await queue.complete(delivery)

    # Scheduled messages that an operator has tried at once.

    async def test_scheduled_messages_are_made_due(self, backend: QueueBackend) -> None:
        """They are received at once, each once, the deliveries before counted; others are left alone."""
        queue = await backend.open()
        await queue.put([message("retried")])
        first = await take_one(queue)
        await queue.abandon(first, delay=DELAY)
        later = first.enqueued + timedelta(days=1)
        await queue.put([replace(message(name), not_before=later) for name in ("a", "b")])
        found = await queue.peek(limit=10, selection=Selection(due_after=first.enqueued + A_WHILE))
        entries = {str(each.message_id): each.entry for each in found}
        assert entries.keys() == {"retried", "a", "b"}

        wanted = [entries["retried"], entries["a"], "999999", "nonsense"]
        batches = [batch async for batch in queue.make_due(wanted, at_once=1)]

        assert sorted(batches) == sorted([[entry] for entry in wanted[:2]])
        deliveries = await take(queue, 2)
        assert {(each.message_id, each.delivery_count) for each in deliveries} == {("retried", 2), ("a", 1)}
        assert {each.enqueued for each in deliveries if each.message_id == "retried"} == {first.enqueued}
        await asyncio.gather(*(queue.complete(each) for each in deliveries))
        assert [each.message_id for each in await queue.peek(limit=10)] == ["b"]
        await backend.pass_time(DELAY + A_WHILE)
        assert await nothing_to_receive(queue)

    async def test_made_due_twice_at_once_a_message_comes_once(self, backend: QueueBackend) -> None:
        """Two operators may do the same."""
        first, second = await backend.open(), await backend.open()
        await first.put([message("now")])
        later = (await first.peek(limit=1))[0].enqueued + timedelta(days=1)
        await first.put([replace(message(name), not_before=later) for name in ("a", "b")])
        entries = [each.entry for each in await first.peek(limit=10)]

        async def make_due(queue: NotificationQueue) -> None:
            async for _ in queue.make_due(entries):
                pass

        await asyncio.gather(make_due(first), make_due(second))
        assert Counter(await drain(first)) == {"now": 1, "a": 1, "b": 1}

    async def test_what_is_due_locked_or_dead_is_not_made_due(self, queue: NotificationQueue) -> None:
        """Neither its lock nor its place among the dead letters is touched."""
        await dead_letter(queue, "dead", "Broken")
        await queue.put([message("held")])
        held = await take_one(queue)
        await queue.put([message("waiting")])
        entries = [each.entry for dead in (True, False) for each in await queue.peek(limit=10, dead_letters=dead)]
        assert [batch async for batch in queue.make_due(entries)] == []
        assert await drain(queue) == ["waiting"]
        await queue.complete(held)
        assert [each.message_id for each in await queue.peek(limit=10, dead_letters=True)] == ["dead"]

    # Time.

    async def test_scheduled_message_waits_for_its_time(self, backend: QueueBackend) -> None:
        """No consumer receives a message before its time; then any consumer does."""
        queue = await backend.open()
        await queue.put([message("now")])
        now = (await queue.peek(limit=1))[0].enqueued
        await queue.put([replace(message("later"), not_before=now + DELAY)])
        assert await drain(queue) == ["now"]
        await backend.pass_time(DELAY / 2)
        assert await nothing_to_receive(queue)
        await backend.pass_time(DELAY / 2 + A_WHILE)
        assert (await take_one(queue)).delivery_count == 1

    # Peeking and counting.

    async def test_peek_touches_nothing(self, queue: NotificationQueue) -> None:
        """Peeking neither locks nor counts, for messages as for dead letters."""
        await dead_letter(queue, "dead", "Broken")
        await queue.put(messages("ab"))
        before = await queue.status()
        for _ in range(3):
            assert [each.message_id for each in await queue.peek(limit=10)] == ["a", "b"]
            assert [each.message_id for each in await queue.peek(limit=10, dead_letters=True)] == ["dead"]
        assert await queue.status() == before
        assert [each.delivery_count for each in await take(queue, 2)] == [1, 1]
        assert await replay(queue) == 1

    async def test_peek_shows_the_oldest_first_and_no_more_than_asked(self, queue: NotificationQueue) -> None:
        """An operator sees the head of the queue."""
        await queue.put(messages("abc"))
        await queue.put(messages("def"))
        assert [each.message_id for each in await queue.peek(limit=4)] == list("abcd")

    async def test_peek_shows_locked_messages(self, backend: QueueBackend) -> None:
        """An operator sees the locked messages of a queue that shows them, and all messages in any case."""
        queue = await backend.open()
        await queue.put(messages("ab"))
        held = (await take_one(queue)).message_id
        assert {each.message_id: each.locked for each in await queue.peek(limit=10)} == {
            name: name == held and backend.reports_locked for name in "ab"
        }

    async def test_peek_page_by_page(self, queue: NotificationQueue) -> None:
        """Each message is seen once, however many there are."""
        await queue.put(messages("abcde"))
        seen: list[str] = []
        after = None
        while page := await queue.peek(limit=2, after=after):
            assert len(page) <= 2
            seen += [each.message_id for each in page]
            after = page[-1].entry
        assert seen == list("abcde")

    async def test_peek_of_one_account(self, queue: NotificationQueue) -> None:
        """An operator peeks at the messages of one mailbox."""
        await queue.put([message("a"), Message(MessageId("b"), "", account_id=8), Message(MessageId("c"), "")])
        found = await queue.peek(limit=10, selection=Selection(account_id=8))
        assert [(each.message_id, each.account_id) for each in found] == [("b", 8)]

    async def test_status_of_an_empty_queue(self, queue: NotificationQueue) -> None:
        """An empty queue counts as zero."""
        status = await queue.status()
        assert (status.active, status.locked, status.scheduled, status.dead, status.oldest) == (0, 0, 0, 0, None)

    async def test_status_counts(self, backend: QueueBackend) -> None:
        """Each message is counted once, by its present state."""
        queue = await backend.open()
        await dead_letter(queue, "dead", "Broken")
        await queue.put(messages(["locked", "done"]))
        held, done = await take(queue, 2)
        await queue.complete(done)
        await backend.pass_time(A_WHILE)
        await queue.put(messages("abc"))
        oldest = (await queue.peek(limit=1))[0].enqueued
        await queue.put([replace(message("later"), not_before=oldest + timedelta(days=1))])

        status = await queue.status()

        assert status.reports_locked == backend.reports_locked
        active, locked = (3, 1) if backend.reports_locked else (4, 0)
        assert (status.active, status.locked, status.scheduled, status.dead) == (active, locked, 1, 1)
        assert status.oldest == held.enqueued
        assert status.complete

    async def test_waiting_is_counted_up_to_a_limit(self, queue: NotificationQueue) -> None:
        """A producer can check whether enough messages wait, at a cost that does not grow with the queue."""
        await queue.put(messages("abc"))
        assert await queue.waiting(limit=10) == 3
        assert await queue.waiting(limit=2) == 2

    async def test_status_counts_by_account(self, queue: NotificationQueue) -> None:
        """An operator sees which mailbox is behind."""
        await dead_letter(queue, "dead", "Broken")
        await queue.put([message("a"), message("b"), Message(MessageId("c"), "", account_id=8)])
        first, second = sorted((await queue.status()).accounts, key=lambda each: each.account_id or 0)
        assert (first.account_id, first.active, first.dead) == (7, 2, 1)
        assert (second.account_id, second.active, second.dead) == (8, 1, 0)
        assert first.oldest is not None

    # Many consumers.

    async def test_competing_consumers(self, backend: QueueBackend) -> None:
        """Each message goes to exactly one consumer, for any number of consumers in any number of processes."""
        names = [f"m{number}" for number in range(300)]
        queues = [await backend.open() for _ in range(3)]
        seen: list[str] = []

        async def consume(queue: NotificationQueue) -> None:
            while len(seen) < len(names):
                batch = await queue.receive(7, wait=timedelta(seconds=0.05))
                seen.extend(delivery.message_id for delivery in batch)
                await asyncio.gather(*(queue.complete(delivery) for delivery in batch))

        async with asyncio.timeout(30), asyncio.TaskGroup() as group:
            for queue in queues * 3:
                group.create_task(consume(queue))
            for start in range(0, len(names), 30):
                await queues[0].put(messages(names[start : start + 30]))

        assert Counter(seen) == dict.fromkeys(names, 1)
        assert await nothing_to_receive(queues[0])

    async def test_cancelled_receive_loses_nothing(self, queue: NotificationQueue) -> None:
        """Cancelled at any moment, a consumer leaves the message to be received at once, its count not raised."""
        await queue.put([message("m")])
        for steps in range(60):
            receiving = asyncio.create_task(queue.receive(1, wait=SOON))
            for _ in range(steps % 20):
                await asyncio.sleep(0.0002 if steps >= 20 else 0)
            receiving.cancel()
            try:
                deliveries = await receiving
            except asyncio.CancelledError:
                deliveries = await take(queue)
            assert [each.delivery_count for each in deliveries] == [1]
            await queue.abandon(deliveries[0], counted=False)

    async def test_waiting_consumer_learns_at_once(
        self, queue: NotificationQueue, record_property: Callable[[str, object], None]
    ) -> None:
        """A waiting consumer gets a message put in the same process within milliseconds."""
        fastest = SOON.total_seconds()
        for attempt in range(5):
            receiving = asyncio.create_task(queue.receive(1, wait=SOON))
            await asyncio.sleep(0.1)  # it waits by now; were it not, the test would be easier, not wrong
            start = time.monotonic()
            await queue.put([message(f"m{attempt}")])
            assert len(await receiving) == 1
            fastest = min(fastest, time.monotonic() - start)
        record_property("seconds_from_put_to_delivery", fastest)
        assert fastest < 0.05

    # Outages.

    @pytest.mark.slow
    async def test_outage_is_reported_and_loses_nothing(self, backend: QueueBackend) -> None:
        """While the queue cannot be reached every call raises an error; afterwards the state is as before."""
        queue = await backend.open()
        await queue.put(messages("ab"))
        held = await take_one(queue)
        with backend.outage():
            for call in (
                lambda: queue.put([message("refused")]),
                queue.check,
                lambda: queue.receive(1, wait=AT_ONCE),
                lambda: queue.renew(held),
                lambda: queue.complete(held),
                lambda: queue.abandon(held),
                lambda: queue.dead_letter(held, reason="Broken", description=""),
                queue.status,
                lambda: queue.peek(limit=1),
                lambda: replay_entries(queue, ["1"]),
            ):
                with pytest.raises(QueueUnavailable):
                    await call()

        await queue.check()
        await queue.complete(held)
        await queue.put([message("c")])
        assert sorted([held.message_id, *await drain(queue)]) == ["a", "b", "c"]

    async def test_close_writes_what_was_submitted(self, backend: QueueBackend) -> None:
        """Closing loses no put and no settlement that was under way, and refuses later ones."""
        queue = await backend.open()
        await queue.put(messages("ab"))
        held, other = await take(queue, 2)
        pending = [asyncio.ensure_future(queue.put([message(f"m{number}")])) for number in range(20)]
        completing = asyncio.ensure_future(queue.complete(held))
        await asyncio.sleep(0)
        await queue.close()
        await asyncio.gather(*pending, completing)

        for late in (queue.put([message("late")]), queue.complete(other)):
            with pytest.raises(QueueUnavailable):
                await late
        assert Counter(await drain(await backend.open())) == dict.fromkeys((f"m{number}" for number in range(20)), 1)

    async def test_close_twice(self, queue: NotificationQueue) -> None:
        """Closing again is no error."""
        await queue.close()
        await queue.close()


async def _dead_letter(queue: NotificationQueue, delivery: Delivery) -> None:
    await queue.dead_letter(delivery, reason="Broken", description="It is broken.")


async def _renew(queue: NotificationQueue, delivery: Delivery) -> None:
    await queue.renew(delivery)


SETTLE: Final = {
    "complete": lambda queue, delivery: queue.complete(delivery),
    "abandon": lambda queue, delivery: queue.abandon(delivery),
    "renew": _renew,
    "dead_letter": _dead_letter,
}
