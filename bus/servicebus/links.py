"""Links for concurrent use.

A sender or receiver of the SDK is for one coroutine at a time: unguarded, sends are doubled and hang silently
(docs/servicebus.md, section 2). So each has one user: sends go out in groups; a receiver alternates between
receiving and settling.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Generic, TypeVar

from azure.servicebus import ServiceBusMessage, ServiceBusMessageBatch, ServiceBusReceivedMessage
from azure.servicebus.aio import ServiceBusClient, ServiceBusReceiver, ServiceBusSender
from azure.servicebus.exceptions import MessageSizeExceededError

from bus.errors import QueueError, QueueUnavailable
from bus.servicebus.errors import FROM_THE_SDK, QueueRef, explain, translated
from groupcommit import GroupCommit
from phrases import Phrase

T = TypeVar("T")
Handler = TypeVar("Handler", bound=ServiceBusSender | ServiceBusReceiver)

_MAX_SENT_TOGETHER: Final = 1000
_ENVELOPE_BYTES: Final = 1024
"""Message id, session id and partition key have 128 characters at most each."""
_MAX_SETTLED_TOGETHER: Final = 100
_SEND_SECONDS: Final = 20.0
_SETTLE_SECONDS: Final = 30.0
_OPEN_SECONDS: Final = 20.0
_CLOSE_SECONDS: Final = 1.0
_CANCEL_SECONDS: Final = 2.0
"""For a cancelled call of the SDK to end."""
_SHORTEST_WAIT_SECONDS: Final = 0.2
"""An empty queue shows only in that nothing arrives for a while."""
_MORE_SECONDS: Final = 0.1
_MAX_AT_ONCE: Final = 128

Settle = Callable[[ServiceBusReceiver], Awaitable[Any]]
"""An operation on a receiver: settle a message, or renew its lock."""


class _Reopened(Generic[Handler]):
    """A sender or receiver of the SDK, opened when it is needed, and replaced where its state is unknown."""

    def __init__(self, open_handler: Callable[[], Handler]) -> None:
        self._open_handler = open_handler
        self._handler: Handler | None = None
        self._closing: set[asyncio.Task[None]] = set()

    def get(self) -> Handler:
        """The one in use."""
        if self._handler is None:
            self._handler = self._open_handler()
        return self._handler

    def discard(self) -> None:
        """Close it in the background; the next use opens another."""
        if self._handler is None:
            return
        closing = asyncio.create_task(closed(self._handler))
        self._handler = None
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        """Close it, and wait for those that were discarded."""
        self.discard()
        await asyncio.gather(*self._closing)


class SenderLink:
    """One long-lived sender; concurrent sends share batches within the size limit of the queue."""

    def __init__(self, open_sender: Callable[[], ServiceBusSender], place: QueueRef) -> None:
        self._sender = _Reopened(open_sender)
        self._place = place
        self._group: GroupCommit[ServiceBusMessage, QueueError | None] = GroupCommit(
            self._send, max_items=_MAX_SENT_TOGETHER
        )

    async def send(self, messages: Sequence[ServiceBusMessage]) -> None:
        """Send the messages.

        Raises:
            QueueUnavailable: not all were sent.
            GroupCommitClosed: after `close`.
        """
        for outcome in await self._group.submit(messages):
            if outcome is not None:
                raise outcome

    async def close(self) -> None:
        """Send pending messages, then close."""
        await self._group.close()
        await self._sender.close()

    async def _send(self, messages: list[ServiceBusMessage]) -> list[QueueError | None]:
        try:
            async with asyncio.timeout(_OPEN_SECONDS + _SEND_SECONDS):
                return await self._send_in_batches(messages)
        except FROM_THE_SDK as exc:
            if isinstance(exc, TimeoutError | ValueError):
                self._sender.discard()  # its state is unknown
            return [explain(exc, self._place)] * len(messages)

    async def _send_in_batches(self, messages: list[ServiceBusMessage]) -> list[QueueError | None]:
        sender = self._sender.get()
        outcomes: list[QueueError | None] = []
        batch = await _new_batch(sender)
        for message in messages:
            try:
                batch.add_message(message)
            except MessageSizeExceededError:
                if len(batch):
                    await sender.send_messages(batch, timeout=_SEND_SECONDS)
                    batch = await _new_batch(sender)
                try:
                    batch.add_message(message)
                except MessageSizeExceededError as exc:
                    outcomes.append(explain(exc, self._place))
                    continue
            outcomes.append(None)
        if len(batch):
            await sender.send_messages(batch, timeout=_SEND_SECONDS)
        return outcomes


async def _new_batch(sender: ServiceBusSender) -> ServiceBusMessageBatch:
    """An empty batch with room for its envelope.

    The SDK (7.15) gives the envelope the properties of the first message, and does not count them: a batch filled to
    its last byte would be refused, with all its messages, at each attempt.
    """
    largest = (await sender.create_message_batch()).max_size_in_bytes
    return await sender.create_message_batch(max_size_in_bytes=largest - _ENVELOPE_BYTES)


class ReceiverLink:
    """One long-lived receiver of a queue, or of its dead letters.

    Settling interrupts a wait for messages. Only a wait for one message is ever interrupted: a receiver with credit
    for one message more than it took hoards it, locked, while its user is busy (docs/servicebus.md, section 3).
    """

    def __init__(self, open_receiver: Callable[[], ServiceBusReceiver], place: QueueRef) -> None:
        self._receiver = _Reopened(open_receiver)
        self._place = place
        self._using = asyncio.Lock()
        self._wanted = asyncio.Event()
        self._group: GroupCommit[Settle, Any] = GroupCommit(self._settle_all, max_items=_MAX_SETTLED_TOGETHER)
        self._left_over: list[ServiceBusReceivedMessage] = []
        self._pace = 1
        self._receiving: dict[asyncio.Task[list[ServiceBusReceivedMessage]], asyncio.Event] = {}
        """The turns under way, and their stop events."""

    async def receive(self, limit: int, *, wait: float) -> list[ServiceBusReceivedMessage]:
        """Receive up to `limit` messages once there is one, none after `wait` seconds. Cancelled, it loses nothing.

        Raises:
            QueueUnavailable
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + max(wait, _SHORTEST_WAIT_SECONDS)
        while True:
            if self._left_over:
                found, self._left_over = self._left_over[:limit], self._left_over[limit:]
                return found
            left = deadline - loop.time()
            if left <= 0:
                return []
            found = await self._turn(limit, max(left, _SHORTEST_WAIT_SECONDS))
            if found:
                return found

    async def settle(self, work: Settle) -> Any:  # noqa: ANN401  # the result of `work`
        """Run `work` with the receiver when it is free.

        Raises:
            LockLost, QueueUnavailable
            GroupCommitClosed: after `close`.
        """
        (outcome,) = await self._group.submit([work])
        if isinstance(outcome, QueueError):
            raise outcome
        return outcome

    async def use(self, work: Callable[[ServiceBusReceiver], Awaitable[T]]) -> T:
        """Run another operation with the receiver when it is free.

        Raises:
            QueueUnavailable
        """
        async with self._using:
            try:
                async with asyncio.timeout(_OPEN_SECONDS + _SETTLE_SECONDS):
                    return await translated(work(await self._opened()), self._place)
            except TimeoutError as exc:
                raise explain(exc, self._place) from exc

    async def settle_rest(self, hand_back: Callable[[ServiceBusReceivedMessage], Awaitable[None]]) -> None:
        """Stop receiving, and abandon messages not yet delivered."""
        if self._receiving:
            for stop in self._receiving.values():
                stop.set()
            await asyncio.wait(self._receiving)
        left_over, self._left_over = self._left_over, []
        for message in left_over:
            with contextlib.suppress(QueueError):
                await hand_back(message)

    async def close(self) -> None:
        """Settle pending deliveries, then close."""
        await self._group.close()
        await self._receiver.close()

    async def _opened(self) -> ServiceBusReceiver:
        """Return the receiver, its link reopened if it broke: receiving would do so by itself, settling does not."""
        receiver = self._receiver.get()
        try:
            async with asyncio.timeout(_OPEN_SECONDS):
                await receiver.__aenter__()
        except FROM_THE_SDK as exc:
            raise explain(exc, self._place) from exc
        return receiver

    async def _turn(self, limit: int, wait: float) -> list[ServiceBusReceivedMessage]:
        stop = asyncio.Event()
        receiving = asyncio.create_task(self._receive(limit, wait, stop))
        self._receiving[receiving] = stop
        receiving.add_done_callback(lambda _: self._receiving.pop(receiving))
        try:
            return await asyncio.shield(receiving)
        except asyncio.CancelledError:
            receiving.add_done_callback(self._keep)
            stop.set()
            await asyncio.wait([receiving])
            raise

    def _keep(self, receiving: "asyncio.Task[list[ServiceBusReceivedMessage]]") -> None:
        if not receiving.cancelled() and receiving.exception() is None:
            self._left_over += receiving.result()

    async def _receive(self, limit: int, wait: float, stop: asyncio.Event) -> list[ServiceBusReceivedMessage]:
        async with self._using:
            receiver = await self._opened()
            found = await self._first(receiver, wait, stop)
            wanted = min(limit, self._pace)
            if found and wanted > 1:
                found += await self._more(receiver, wanted - 1)
            if found:
                full = len(found) >= wanted
                self._pace = min(2 * self._pace, _MAX_AT_ONCE) if full else max(1, len(found))
            return found

    async def _first(
        self, receiver: ServiceBusReceiver, wait: float, stop: asyncio.Event
    ) -> list[ServiceBusReceivedMessage]:
        """One message; none when the wait is over, another task needs the receiver, or it is stopped."""
        receiving = asyncio.ensure_future(receiver.receive_messages(1, max_wait_time=wait))
        others = [asyncio.create_task(each.wait()) for each in (self._wanted, stop)]
        try:
            async with asyncio.timeout(wait + _OPEN_SECONDS):
                await asyncio.wait([receiving, *others], return_when=asyncio.FIRST_COMPLETED)
        except TimeoutError as exc:
            raise explain(exc, self._place) from exc
        finally:
            for task in (receiving, *others):
                task.cancel()
            await asyncio.wait([receiving], timeout=_CANCEL_SECONDS)
            if not receiving.done():
                self._receiver.discard()  # this call still uses it
        if not receiving.done():
            raise explain(TimeoutError(), self._place)
        # Cancelled between two messages, the SDK gives what came meanwhile to the next call.
        return [] if receiving.cancelled() else await translated(receiving, self._place)

    async def _more(self, receiver: ServiceBusReceiver, limit: int) -> list[ServiceBusReceivedMessage]:
        """Further messages; none where the SDK fails or does not return in time, as the first must not wait for it."""
        try:
            async with asyncio.timeout(_MORE_SECONDS + _CANCEL_SECONDS):
                return await receiver.receive_messages(limit, max_wait_time=_MORE_SECONDS)
        except TimeoutError:
            # Interrupted, its credit would lock messages that nothing takes. The management link settles the first.
            self._receiver.discard()
        except FROM_THE_SDK:
            pass  # the next receive reports it
        return []

    async def _settle_all(self, works: list[Settle]) -> list[Any]:
        self._wanted.set()
        async with self._using:
            self._wanted.clear()
            try:
                receiver = await self._opened()
            except QueueError as exc:
                return [exc] * len(works)
            # What goes over the management link opens it, which fails where several do so at once: the first is alone
            # (docs/servicebus.md, section 4).
            first = await self._settled(works[0](receiver))
            return [first, *await asyncio.gather(*(self._settled(work(receiver)) for work in works[1:]))]

    async def _settled(self, call: Awaitable[T]) -> T | QueueError:
        try:
            async with asyncio.timeout(_SETTLE_SECONDS):
                return await translated(call, self._place)
        except (QueueError, TimeoutError) as exc:
            return explain(exc, self._place)


async def closed(handler: ServiceBusSender | ServiceBusReceiver | ServiceBusClient) -> None:
    """Close it, but do not wait for one that hangs: its connection ends with the process at the latest."""
    with contextlib.suppress(*FROM_THE_SDK):
        async with asyncio.timeout(_CLOSE_SECONDS):
            await handler.close()


def too_late() -> QueueUnavailable:
    """The error of calls after `close`."""
    return QueueUnavailable(Phrase("The queue is being closed: this process is stopping."))
