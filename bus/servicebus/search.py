"""The search for messages that an operator selected: Service Bus receives none by its number, only the oldest first.

What is received before them is *passed over*. Of the dead letters these stay locked until the search is over: handed
back at once, they would come again first. In the queue itself they may be mail that waits, so none is held and no
delivery of it counted: a copy is sent behind the others, and the original completed.

A search ends when the queue has nothing more, when it held as much as it may, or when a message comes again: from then
on it would go in circles.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, TypeVar

from azure.servicebus import ServiceBusReceivedMessage

import background
from bus.errors import LockLost, QueueUnavailable
from bus.servicebus.errors import QueueRef
from bus.servicebus.links import ReceiverLink, Settle
from bus.servicebus.messages import is_late
from phrases import Phrase

T = TypeVar("T")

_AT_ONCE: Final = 128
_WAIT_SECONDS: Final = 1.0
_MAX_HELD: Final = 5000
"""Their locks are renewed within seconds, and they take some 25 MB (measured)."""
_MAX_WANTED: Final = 500
_MAX_RENEWAL_SECONDS: Final = 30.0
_LOOK_SECONDS: Final = 0.5
_SETTLED_TOGETHER: Final = 100
_CANCEL_SECONDS: Final = 2.0

MoveBehind = Callable[[Sequence[ServiceBusReceivedMessage]], Awaitable[None]]
"""Sends copies of the messages."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Messages an operator selected, locked."""

    link: ReceiverLink
    wanted: Sequence[ServiceBusReceivedMessage]

    async def complete(self) -> list[str]:
        """Complete them; return the entries whose lock still held."""
        return [str(each.sequence_number) for each in await _completed(self.link, self.wanted)]


async def dead_letters(
    link: ReceiverLink, wanted: Collection[int], at_once: int, place: QueueRef
) -> AsyncGenerator[Batch, None]:
    """The dead letters of these sequence numbers, locked, in batches; those that another process has locked are absent.

    Closes the link at its end.

    Raises:
        QueueUnavailable: no more than those yielded were reached.
    """
    async with _holding(link) as held:
        for chunk in _chunks(sorted(wanted), _MAX_WANTED):
            problem = await _search(held, set(chunk), place)
            missing = len(set(chunk) - held.numbers)
            await held.hand_back(held.numbers - set(chunk))
            for numbers in _chunks(sorted(held.numbers), at_once):
                yield Batch(link, held.messages(numbers))
                held.forget(numbers)
            if missing and problem is not None:
                raise QueueUnavailable(Phrase.joined(_not_reached(missing, place), problem))


async def waiting(
    link: ReceiverLink, wanted: Collection[int], browsed: int, at_once: int, move_behind: MoveBehind, place: QueueRef
) -> AsyncGenerator[Batch, None]:
    """The messages of these sequence numbers, locked, in batches; those that a consumer has locked are absent.

    Closes the link at its end. `browsed`: the number of messages up to the last of these. No more are received, as
    those that are moved get new numbers.

    Raises:
        QueueUnavailable: no more than those yielded were reached.
    """
    left, seen = set(wanted), set[int]()
    async with _holding(link) as held:
        while left and (found := held.add(await _receive(link, place, limit=max(1, browsed - len(seen))))):
            if found & seen:
                raise QueueUnavailable(Phrase.joined(_not_reached(len(left), place), _again(len(seen))))
            seen |= found
            await _move(held, sorted(found - left), move_behind)
            for numbers in _chunks(sorted(found & left), at_once):
                yield Batch(link, held.messages(numbers))
                held.forget(numbers)
            left -= found
            if max(found) > max(wanted):  # those that are left are locked
                return


class _Held:
    """Messages under locks that are renewed until they are settled."""

    def __init__(self, link: ReceiverLink) -> None:
        self.link = link
        self._messages: dict[int, ServiceBusReceivedMessage] = {}
        self._renewal: dict[int, float] = {}
        """The due time of each, in the loop's time."""
        self._renewing = background.start(self._renew_for_ever(), name="operator_locks")

    @property
    def numbers(self) -> set[int]:
        """The sequence numbers."""
        return set(self._messages)

    def messages(self, numbers: Iterable[int]) -> list[ServiceBusReceivedMessage]:
        """The messages of these numbers."""
        return [self._messages[each] for each in numbers]

    def add(self, received: Iterable[ServiceBusReceivedMessage]) -> set[int]:
        """Hold these, too; return their numbers. One that came again has its new lock."""
        by_number = {each.sequence_number or 0: each for each in received}
        self._messages |= by_number
        for number in by_number:
            self._schedule_renewal(number)
        return set(by_number)

    def forget(self, numbers: Iterable[int]) -> None:
        """They are settled."""
        for each in numbers:
            del self._messages[each], self._renewal[each]

    async def hand_back(self, numbers: Collection[int]) -> None:
        """Abandon these: not settled, they would be unavailable until their locks end."""
        messages = self.messages(numbers)
        self.forget(numbers)
        for chunk in _chunks(messages, _SETTLED_TOGETHER):
            await asyncio.gather(*(self.link.settle(_abandoning(each)) for each in chunk), return_exceptions=True)

    async def close(self) -> None:
        """Abandon what is left."""
        await background.cancel(self._renewing, within=_CANCEL_SECONDS)
        await self.hand_back(self.numbers)

    def _schedule_renewal(self, number: int) -> None:
        until = self._messages[number].locked_until_utc
        left = (until - datetime.now(UTC)).total_seconds() if until is not None else 0.0
        pause = min(left / 2, _MAX_RENEWAL_SECONDS) if left > 0 else _MAX_RENEWAL_SECONDS
        self._renewal[number] = asyncio.get_running_loop().time() + pause

    async def _renew_for_ever(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            now = asyncio.get_running_loop().time()
            due = [each for each, time in self._renewal.items() if time <= now]
            for numbers in _chunks(due, _SETTLED_TOGETHER):
                await self._renew(numbers)

    async def _renew(self, numbers: Iterable[int]) -> None:
        messages = {each: self._messages[each] for each in numbers if each in self._messages}
        # One whose lock ended comes again, which ends the search, or cannot be completed.
        await asyncio.gather(*(self.link.settle(_renewing(each)) for each in messages.values()), return_exceptions=True)
        for number in messages.keys() & self._messages.keys():
            self._schedule_renewal(number)


async def _search(held: _Held, wanted: set[int], place: QueueRef) -> Phrase | None:
    """Hold the messages up to the last one wanted; return the reason why it ended before, None: there are no more."""
    while not wanted <= held.numbers:
        if len(held.numbers) >= _MAX_HELD:
            return Phrase(
                "{passed} others come before, and no more are locked at a time. Replay or purge those first, or select "
                "them as well.",
                passed=len(held.numbers - wanted),
            )
        before = held.numbers
        found = held.add(await _receive(held.link, place))
        if not found:
            return None
        if found & before:
            return _again(len(before))
        if max(found) > max(wanted):  # those that are left are locked
            return None
    return None


async def _receive(link: ReceiverLink, place: QueueRef, *, limit: int = _AT_ONCE) -> list[ServiceBusReceivedMessage]:
    found = await link.receive(min(limit, _AT_ONCE), wait=_WAIT_SECONDS)
    if any(is_late(each, now=datetime.now(UTC)) for each in found):
        # The SDK settles none of them.
        raise QueueUnavailable(
            Phrase(
                "The locks of messages in {place} had ended when they were received. Is the clock of this host ahead? "
                "Synchronize it (NTP), then try again.",
                place=place,
            )
        )
    return found


async def _move(held: _Held, numbers: Sequence[int], move_behind: MoveBehind) -> None:
    """Put copies of these behind the others, and end the originals."""
    if numbers:
        messages = held.messages(numbers)
        await move_behind(messages)
        await _completed(held.link, messages)
        held.forget(numbers)


@asynccontextmanager
async def _holding(link: ReceiverLink) -> AsyncIterator[_Held]:
    held = _Held(link)
    try:
        yield held
    finally:
        await held.close()
        await link.settle_rest(lambda received: link.settle(_abandoning(received)))
        await link.close()


async def _completed(
    link: ReceiverLink, messages: Sequence[ServiceBusReceivedMessage]
) -> list[ServiceBusReceivedMessage]:
    """Complete the messages; return those whose lock still held."""
    outcomes = await asyncio.gather(*(link.settle(_completing(each)) for each in messages), return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException) and not isinstance(outcome, LockLost):
            raise outcome
    return [each for each, outcome in zip(messages, outcomes, strict=True) if outcome is None]


def _chunks(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def _completing(received: ServiceBusReceivedMessage) -> Settle:
    return lambda receiver: receiver.complete_message(received)


def _abandoning(received: ServiceBusReceivedMessage) -> Settle:
    return lambda receiver: receiver.abandon_message(received)


def _renewing(received: ServiceBusReceivedMessage) -> Settle:
    return lambda receiver: receiver.renew_message_lock(received)


def _not_reached(count: int, place: QueueRef) -> Phrase:
    return Phrase.counted(
        "{n} of the messages selected in {place} was not reached.",
        "{n} of the messages selected in {place} were not reached.",
        n=count,
        place=place,
    )


def _again(passed: int) -> Phrase:
    return Phrase(
        "After {passed} messages the first ones came again, as their locks had ended. Give the queue a longer lock "
        "duration (1 min is good), or select the messages before as well.",
        passed=passed,
    )
