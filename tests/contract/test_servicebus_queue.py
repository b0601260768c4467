"""The queue on Azure Service Bus: the contract, and guarantees of this adapter alone.

The SDK is the real one, its sockets too; the broker is `tests.doubles.broker`.
"""

import asyncio
import base64
import gc
import logging
import math
import os
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

import pytest
import structlog
from azure.servicebus import ServiceBusReceivedMessage
from azure.servicebus.aio import ServiceBusClient

from bus.errors import LockLost, QueueUnavailable
from bus.queue import Message, MessageId, NotificationQueue, Selection
from bus.servicebus import adapter, search
from bus.servicebus.adapter import ServiceBusQueue
from bus.servicebus.connection import ServiceBusAddress
from bus.servicebus.credential import EntraCredential
from bus.servicebus.links import ReceiverLink
from tests.contract.queue_contract import (
    A_WHILE,
    AT_ONCE,
    QueueBackend,
    QueueContract,
    drain,
    message,
    messages,
    purge,
    replay_entries,
    take,
    take_one,
)
from tests.doubles.broker.process import BrokerProcess, running_broker
from tests.doubles.transports import open_transports
from tests.waiting import until

REAL: Final = os.environ.get("MAIL_IMPORTER_TEST_SERVICEBUS", "")

# The SDK leaves the session and the socket of a broken connection to the garbage collector.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning", "ignore:loop is closed:ResourceWarning"),
]


@pytest.fixture(autouse=True)
async def _sockets_of_broken_connections() -> AsyncIterator[None]:
    """Close what Azure's SDK (azure-servicebus 7.15) leaves to the garbage collector, which may run in another test."""
    yield
    for each in open_transports(asyncio.get_running_loop()):
        each.abort()


class ServiceBusBackend(QueueBackend):
    """The one queue of a broker."""

    lock_duration = timedelta(seconds=60)
    duplicate_window = timedelta(minutes=10)
    max_deliveries = 3
    reports_locked = False

    def __init__(self, broker: BrokerProcess) -> None:
        self.broker = broker
        self._opened: list[ServiceBusQueue] = []

    def clock(self) -> datetime:
        return datetime.fromtimestamp(time.time() + self.broker.ahead, UTC)

    async def open(self) -> NotificationQueue:
        return self.open_queue()

    def open_queue(self, name: str = "mail-notifications", *, counting_seconds: float = math.inf) -> ServiceBusQueue:
        address = ServiceBusAddress(name, connection_string=self.broker.connection_string)
        queue = ServiceBusQueue(
            address, clock=self.clock, max_deliveries=self.max_deliveries, counting_seconds=counting_seconds
        )
        self._opened.append(queue)
        return queue

    async def pass_time(self, duration: timedelta) -> None:
        self.broker.advance(duration.total_seconds())

    def outage(self) -> AbstractContextManager[None]:
        return self._refusing()

    @contextmanager
    def _refusing(self) -> Iterator[None]:
        self.broker.refuse(on=True)
        try:
            yield
        finally:
            self.broker.refuse(on=False)

    async def close(self) -> None:
        await asyncio.gather(*(queue.close() for queue in self._opened))


@pytest.fixture(scope="session")
def broker() -> Iterator[BrokerProcess]:
    with running_broker() as running:
        yield running


@pytest.fixture(autouse=True)
def quiet_sdk(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Drop the SDK's log records: it raises them as well, and a record kept would keep its sockets."""
    caplog.set_level(logging.CRITICAL + 1, logger="azure")
    yield
    gc.collect()  # the connections that the SDK left open, here, where its warnings are expected


@pytest.fixture
async def backend(broker: BrokerProcess) -> AsyncIterator[ServiceBusBackend]:
    broker.reset()
    made = ServiceBusBackend(broker)
    yield made
    await made.close()


class TestServiceBusQueue(QueueContract):
    """The contract."""


class RealBackend(QueueBackend):
    """A queue of its own in a real namespace. Time passes there by itself only, and connections cannot be cut."""

    lock_duration = timedelta(seconds=5)
    duplicate_window = timedelta(seconds=20)
    max_deliveries = 3
    reports_locked = False

    def __init__(self, connection_string: str, name: str) -> None:
        self._address = ServiceBusAddress(name, connection_string=connection_string)
        self._opened: list[ServiceBusQueue] = []

    async def open(self) -> NotificationQueue:
        queue = ServiceBusQueue(self._address, clock=lambda: datetime.now(UTC), max_deliveries=self.max_deliveries)
        self._opened.append(queue)
        return queue

    async def pass_time(self, duration: timedelta) -> None:
        await asyncio.sleep(duration.total_seconds())

    def outage(self) -> AbstractContextManager[None]:
        pytest.skip("a real namespace has its outages when it likes")

    async def create(self) -> None:
        async with self._address.administration() as administration:
            await administration.create_queue(
                self._address.queue,
                lock_duration=self.lock_duration,
                requires_duplicate_detection=True,
                duplicate_detection_history_time_window=self.duplicate_window,
                max_delivery_count=10,
            )

    async def delete(self) -> None:
        await asyncio.gather(*(queue.close() for queue in self._opened))
        async with self._address.administration() as administration:
            await administration.delete_queue(self._address.queue)


if REAL:  # MAIL_IMPORTER_TEST_SERVICEBUS holds a connection string with the right Manage

    @pytest.mark.timeout(600)
    class TestRealNamespace(QueueContract):
        """The contract, at Azure."""

        @pytest.fixture
        async def backend(self) -> AsyncIterator[QueueBackend]:
            made = RealBackend(REAL, f"mail-importer-test-{uuid.uuid4().hex[:12]}")
            await made.create()
            yield made
            await made.delete()


async def test_a_count_ends_in_time_with_what_it_found(backend: ServiceBusBackend) -> None:
    """A long queue is not one that does not answer: messages and dead letters are seen, the oldest first."""
    queue = backend.open_queue(counting_seconds=0.0)
    await queue.put(messages("abcd"))
    for delivery in await take(queue, 2):
        await queue.dead_letter(delivery, reason="Odd", description="It is odd.")
    status = await queue.status()
    assert (status.active, status.dead, status.complete) == (1, 1, False)
    assert status.waiting_since is not None


# Failures between client and Service Bus. Each recovers by itself.


async def test_a_send_whose_answer_is_lost_is_not_doubled(backend: ServiceBusBackend) -> None:
    """The SDK sends again a message that Service Bus has already; the message id shows it."""
    queue = await backend.open()
    await queue.check()
    backend.broker.fault("drop_on_send", "send")
    await queue.put(messages("ab"))
    assert sorted(await drain(queue)) == ["a", "b"]
    assert backend.broker.state()["queues"]["mail-notifications"]["duplicates"] == 2


async def test_a_connection_that_drops_before_a_send_costs_nothing(backend: ServiceBusBackend) -> None:
    queue = await backend.open()
    backend.broker.fault("drop_before_send", "send")
    await queue.put(messages("ab"))
    assert sorted(await drain(queue)) == ["a", "b"]


@pytest.mark.parametrize("kind", ["drop_before_settle", "drop_on_settle"])
async def test_a_connection_that_drops_in_the_middle_of_settling(backend: ServiceBusBackend, kind: str) -> None:
    """Settled, or reported as unknown; the other deliveries of the receiver can be settled as before."""
    queue = await backend.open()
    await queue.put(messages("abcd"))
    deliveries = await take(queue, 4)
    backend.broker.fault(kind, "settle")
    outcomes = await asyncio.gather(*(queue.complete(each) for each in deliveries), return_exceptions=True)
    assert all(outcome is None or isinstance(outcome, LockLost | QueueUnavailable) for outcome in outcomes)
    await backend.pass_time(backend.lock_duration + A_WHILE)
    left = await drain(queue)
    assert len(left) <= sum(outcome is not None for outcome in outcomes)
    assert await queue.peek(limit=10) == []


async def test_connections_that_drop_while_idle(backend: ServiceBusBackend) -> None:
    """Locked deliveries can be settled, new messages are received and can be put."""
    queue = await backend.open()
    await queue.put(messages("ab"))
    held = await take_one(queue)
    backend.broker.drop()
    await queue.complete(held)
    await queue.put([message("c")])
    assert sorted(await drain(queue)) == ["b", "c"]


async def test_a_connection_that_drops_while_many_are_in_flight(backend: ServiceBusBackend) -> None:
    """All can be settled, at the same time: no message comes again."""
    queue = await backend.open()
    await queue.put(messages(f"m{number}" for number in range(50)))
    held = await take(queue, 50)
    backend.broker.drop()
    await asyncio.gather(*(queue.complete(each) for each in held))
    assert await queue.peek(limit=10) == []


async def test_a_waiting_consumer_survives_a_drop(backend: ServiceBusBackend) -> None:
    queue = await backend.open()
    await queue.check()
    receiving = asyncio.create_task(queue.receive(1, wait=timedelta(seconds=20)))
    await until(lambda: backend.broker.state()["connections"] >= 1)
    backend.broker.drop()
    await queue.put([message("m")])
    [delivery] = await receiving
    assert delivery.message_id == "m"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("server_busy", "throttled"),
        ("unauthorized", "refuses the sign-in"),
        ("disabled", "is disabled"),
        ("quota", "is full"),
    ],
)
async def test_a_refusal_is_named_and_passes(backend: ServiceBusBackend, kind: str, text: str) -> None:
    """The caller of put gets the reason; once the cause is gone, puts succeed, without a restart."""
    queue = await backend.open()
    await queue.check()
    backend.broker.fault(kind, "send", count=10)
    with pytest.raises(QueueUnavailable, match=text) as caught:
        await queue.put([message("m")])
    assert caught.value.retry_after is not None
    backend.broker.clear_faults()
    await queue.put([message("m")])
    assert await drain(queue) == ["m"]


async def test_a_throttling_that_passes_soon_is_waited_for(backend: ServiceBusBackend) -> None:
    queue = await backend.open()
    backend.broker.fault("server_busy", "send")
    await queue.put([message("m")])
    assert await drain(queue) == ["m"]


async def test_a_slow_answer_is_waited_for(backend: ServiceBusBackend) -> None:
    queue = await backend.open()
    backend.broker.fault("delay", "send", seconds=1.5)
    await queue.put([message("m")])
    delivery = await take_one(queue)
    backend.broker.fault("delay", "settle", seconds=1.5)
    await queue.complete(delivery)


async def test_closing_does_not_wait_for_a_settlement_without_answer(backend: ServiceBusBackend) -> None:
    """The process ends in time, and reports what it left; the lock of the delivery ends by itself."""
    queue = await backend.open()
    await queue.put([message("m")])
    delivery = await take_one(queue)
    backend.broker.fault("delay", "settle", seconds=60)
    settling = asyncio.create_task(queue.complete(delivery))
    await asyncio.sleep(0)  # it is submitted
    with structlog.testing.capture_logs() as logs:
        async with asyncio.timeout(60):
            await queue.close()
    settling.cancel()
    await asyncio.wait([settling])
    assert [each["event"] for each in logs] == ["queue_not_closed"]


async def test_a_queue_that_does_not_exist_is_named(backend: ServiceBusBackend) -> None:
    queue = backend.open_queue("mail-notification")
    for call in (queue.check, lambda: queue.put([message("m")]), lambda: queue.receive(1, wait=AT_ONCE)):
        with pytest.raises(QueueUnavailable, match=r"'mail-notification' at 127\.0\.0\.1:\d+ does not exist"):
            await call()


class PlainAddress(ServiceBusAddress):
    """A namespace without TLS, as the broker is one."""

    def open(self) -> ServiceBusClient:
        assert self.credential is not None
        return ServiceBusClient(self.namespace or "", self.credential, use_tls=False)


async def test_the_sign_in_by_certificate_is_a_credential(backend: ServiceBusBackend) -> None:
    """Tokens are requested, and a queue signed in to this way works like any other."""
    asked: list[str] = []

    async def issue() -> tuple[str, float]:
        asked.append("token")
        return "token", 3600.0

    credential = EntraCredential(issue, refused=PermissionError)
    namespace = f"127.0.0.1:{backend.broker.port}"
    queue = ServiceBusQueue(
        PlainAddress("mail-notifications", namespace=namespace, credential=credential), clock=backend.clock
    )
    await queue.put([message("m")])
    assert await drain(queue) == ["m"]
    await queue.close()
    assert asked


async def test_a_sign_in_that_fails_shows_its_own_reason(backend: ServiceBusBackend) -> None:
    """The error of the certificate's sign-in reaches the operator, not the SDK's wrapping of it."""

    async def issue() -> tuple[str, float]:
        raise PermissionError("The certificate 9F86 has expired.")

    credential = EntraCredential(issue, refused=PermissionError)
    namespace = f"127.0.0.1:{backend.broker.port}"
    queue = ServiceBusQueue(
        PlainAddress("mail-notifications", namespace=namespace, credential=credential), clock=backend.clock
    )
    for call in (queue.check, lambda: queue.put([message("m")]), lambda: queue.receive(1, wait=AT_ONCE)):
        with pytest.raises(QueueUnavailable, match="certificate 9F86 has expired"):
            await call()
    await queue.close()


# Azure's SDK (azure-servicebus 7.15) signs in at proxies in a way that aiohttp 4 will refuse.
@pytest.mark.filterwarnings("ignore:BasicAuth is deprecated:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:The 'proxy_auth' parameter is deprecated:DeprecationWarning")
async def test_web_sockets_go_through_the_proxy(backend: ServiceBusBackend) -> None:
    """The proxy gets CONNECT for the namespace's port 443, as the user in HTTPS_PROXY; its refusal is reported."""
    asked: list[str] = []

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    async def issue() -> tuple[str, float]:
        return "token", 3600.0

    server = await asyncio.start_server(proxy, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        address = ServiceBusAddress(
            "mail-notifications",
            namespace="riviere.servicebus.windows.net",
            credential=EntraCredential(issue, refused=PermissionError),
            websockets=True,
            proxy=f"http://gate%40way:p%3Ass%2Fword@127.0.0.1:{port}",
        )
        queue = ServiceBusQueue(address, clock=backend.clock)
        with pytest.raises(QueueUnavailable):
            await queue.check()
        await queue.close()
    assert asked[0].startswith("CONNECT riviere.servicebus.windows.net:443 ")
    credentials = base64.b64encode(b"gate@way:p:ss/word").decode()
    assert f"Proxy-Authorization: Basic {credentials}\r\n" in asked[0]


async def test_many_locks_are_renewed_together(backend: ServiceBusBackend) -> None:
    """Also when nothing was renewed before: the SDK opens a link for it, and fails where several do so at once."""
    queue = await backend.open()
    await queue.put(messages(f"m{number}" for number in range(100)))
    deliveries = await take(queue, 100)
    renewed = await asyncio.gather(*(queue.renew(each) for each in deliveries))
    assert all(new.locked_until > old.locked_until for new, old in zip(renewed, deliveries, strict=True))
    assert backend.broker.state()["connections"] <= 2


# Operators. Service Bus receives only the oldest first, so what they select may lie behind others.


async def bury(queue: NotificationQueue, count: int) -> list[str]:
    """Make dead letters; return their entries, in the order in which they are received."""
    await queue.put(messages(f"m{number}" for number in range(count)))
    deliveries = await take(queue, count)
    await asyncio.gather(*(queue.dead_letter(each, reason="Broken", description="") for each in deliveries))
    return [each.entry for each in await queue.peek(limit=count, dead_letters=True)]


async def wait(queue: NotificationQueue, count: int) -> list[str]:
    """Put messages; return their entries, in the order in which they are received."""
    await queue.put(messages(f"m{number}" for number in range(count)))
    return [each.entry for each in await queue.peek(limit=count)]


async def test_a_dead_letter_behind_many_is_received_in_large_batches(backend: ServiceBusBackend) -> None:
    """Those before it are received once, and are there for others at once."""
    queue = await backend.open()
    entries = await bury(queue, 600)
    assert await replay_entries(queue, entries[-1:]) == 1
    found = backend.broker.state()["queues"]["mail-notifications"]
    assert (found["dead"], found["dead_locked"]) == (599, 0)
    assert found["dead_delivered"] < 800  # with those that came to the open link again, and were released
    assert await replay_entries(queue, entries) == 599


@pytest.mark.timeout(120)
async def test_a_replay_whose_locks_end_before_it_is_there_ends_with_an_error(backend: ServiceBusBackend) -> None:
    """Those passed over come again then, for ever."""
    queue = await backend.open()
    entries = await bury(queue, 300)
    replaying = asyncio.create_task(replay_entries(queue, entries[-1:]))

    async def ends_while_time_passes() -> bool:
        await backend.pass_time(backend.lock_duration)
        return replaying.done()

    await until(ends_while_time_passes, pause=0)
    with pytest.raises(QueueUnavailable, match=r"1 of the messages selected .* was not reached.*came again"):
        await replaying
    await backend.pass_time(backend.lock_duration + A_WHILE)
    assert await replay_entries(queue, entries) == 300


async def test_no_more_dead_letters_are_held_than_the_bound(
    backend: ServiceBusBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those up to there are replayed; the error names the others, and none stays locked."""
    monkeypatch.setattr(search, "_MAX_HELD", 20)
    queue = await backend.open()
    entries = await bury(queue, 200)
    replayed: list[str] = []

    async def replay() -> None:
        async for batch in queue.replay([entries[4], *entries[-2:]]):
            replayed.extend(batch)

    with pytest.raises(QueueUnavailable, match=r"2 of the messages selected .* were not reached.*others come before"):
        await replay()
    assert replayed == entries[4:5]
    found = backend.broker.state()["queues"]["mail-notifications"]
    assert (found["dead"], found["dead_locked"]) == (199, 0)


async def test_dead_letters_behind_the_last_selected_one_are_not_searched(
    backend: ServiceBusBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be locked by another process: then those behind it are not held, and no bound is met."""
    monkeypatch.setattr(search, "_MAX_HELD", 20)
    monkeypatch.setattr(search, "_AT_ONCE", 10)
    queue = await backend.open()
    entries = await bury(queue, 60)
    other = backend.open_queue()
    link = ReceiverLink(other._open_dead_letters, other._place)
    [locked] = await link.receive(1, wait=5)
    assert str(locked.sequence_number) == entries[0]
    assert await replay_entries(queue, entries[:1]) == 0
    assert backend.broker.state()["queues"]["mail-notifications"]["dead_locked"] == 1
    await link.close()


async def test_a_slow_replay_keeps_its_locks() -> None:
    """At a low rate the caller takes longer for the next batch than a lock lasts."""
    with running_broker("--lock-seconds", "12") as broker:
        backend = ServiceBusBackend(broker)
        queue = await backend.open()
        entries = await bury(queue, 3)
        replayed: list[str] = []

        def renewed(times: int) -> bool:
            return bool(broker.state()["queues"]["mail-notifications"]["dead_renewed"] >= times)

        async for batch in queue.replay(entries, at_once=1):
            replayed += batch
            if len(replayed) == 1:
                await until(lambda: renewed(6), "the two others were renewed for longer than a lock lasts")
        assert replayed == entries
        assert sorted(await drain(queue)) == ["m0", "m1", "m2"]
        await backend.close()


async def test_what_is_not_there_locks_nothing(backend: ServiceBusBackend) -> None:
    """An entry that is gone by now ends the search before it begins."""
    queue = await backend.open()
    await bury(queue, 2)
    await wait(queue, 10)
    before = backend.broker.state()
    assert await purge(queue, ["999999"], dead_letters=False) == []
    assert await purge(queue, ["999999"], dead_letters=True) == []
    assert await replay_entries(queue, ["999999"]) == 0
    after = backend.broker.state()
    for count in ("delivered", "dead_delivered"):
        assert after["queues"]["mail-notifications"][count] == before["queues"]["mail-notifications"][count]


async def test_a_purge_counts_no_delivery_of_what_waits_before(backend: ServiceBusBackend) -> None:
    """However often an operator purges: mail is not brought closer to its dead-lettering, and is not withheld."""
    queue = await backend.open()
    names = [f"m{number}" for number in range(30)]
    await queue.put(messages(names))
    kept = await take_one(queue)
    await queue.abandon(kept)
    for name in names[-1:-6:-1]:
        entries = {str(each.message_id): each.entry for each in await queue.peek(limit=30)}
        assert await purge(queue, [entries[name]], dead_letters=False) == [entries[name]]
        assert backend.broker.state()["queues"]["mail-notifications"]["locked"] == 0
    counts = {str(each.message_id): each.delivery_count for each in await queue.peek(limit=30)}
    assert counts == {name: int(name == kept.message_id) for name in names[:-5]}
    assert sorted(await drain(queue)) == sorted(names[:-5])


async def test_a_purge_passes_over_what_waits_once(backend: ServiceBusBackend) -> None:
    """Selected page by page, as a command does, the messages between them are not received for each page."""
    queue = await backend.open()
    await queue.put([replace(message(f"m{number}"), account_id=number % 5) for number in range(300)])
    selection, after, purged = Selection(account_id=3), None, 0
    while page := [each.entry for each in await queue.peek(limit=10, selection=selection, after=after)]:
        purged += len(await purge(queue, page, dead_letters=False))
        after = page[-1]
    assert purged == 60
    # A copy of each of the 239 others moved behind, and no more. Deliveries would be no measure: where a wait ends
    # early, on a busy machine, what is under way is handed back and comes again.
    assert backend.broker.state()["queues"]["mail-notifications"]["sent"] == 300 + 239
    assert len(await drain(queue)) == 240


async def test_a_purge_ends_at_what_a_consumer_has_locked(backend: ServiceBusBackend) -> None:
    """It looks no further than to the last of those selected."""
    queue = await backend.open()
    await queue.put([message("held")])
    held = await take_one(queue)
    await queue.put(messages(f"m{number}" for number in range(300)))
    entry = (await queue.peek(limit=1))[0].entry
    assert await purge(queue, [entry], dead_letters=False) == []
    assert backend.broker.state()["queues"]["mail-notifications"]["delivered"] <= 2
    await queue.complete(held)
    assert len(await drain(queue)) == 300


async def test_a_purge_that_cannot_complete_what_it_moves_ends(
    backend: ServiceBusBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those passed over come again when their locks end, and would be moved for ever."""

    async def too_late(*_: object) -> list[ServiceBusReceivedMessage]:
        await backend.pass_time(backend.lock_duration)
        return []

    monkeypatch.setattr(search, "_completed", too_late)
    queue = await backend.open()
    entries = await wait(queue, 5)
    with pytest.raises(QueueUnavailable, match=r"1 of the messages selected .* was not reached.*came again"):
        await purge(queue, entries[-1:], dead_letters=False)
    assert {each.message_id for each in await queue.peek(limit=20)} == {f"m{number}" for number in range(5)}


class Ahead(datetime):
    """The clock of a host that is two minutes ahead."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> "Ahead":
        return super().now(tz) + timedelta(minutes=2)


async def test_a_clock_that_is_ahead_is_named(backend: ServiceBusBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each delivery is dropped then, until Service Bus makes dead letters: the log tells it, once a minute."""
    queue = await backend.open()
    await queue.put(messages("abcd"))
    monkeypatch.setattr(adapter, "datetime", Ahead)
    with structlog.testing.capture_logs() as logs:
        assert await queue.receive(1, wait=AT_ONCE) == []
        assert await queue.receive(1, wait=AT_ONCE) == []
    [line] = logs
    assert (line["event"], line["log_level"], line["count"]) == ("deliveries_expired", "warning", 1)
    assert 0 < line["seconds"] <= 120
    assert "clock of this host is ahead" in line["cause"]
    assert "NTP" in line["remedy"]


async def test_a_receive_ends_in_time_although_what_comes_is_dropped(
    backend: ServiceBusBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = await backend.open()
    await queue.put(messages(f"m{number}" for number in range(100)))
    monkeypatch.setattr(adapter, "datetime", Ahead)
    assert await queue.receive(1, wait=AT_ONCE) == []
    assert backend.broker.state()["queues"]["mail-notifications"]["delivered"] < 20


@pytest.mark.parametrize("dead", [True, False], ids=["dead letters", "waiting"])
async def test_an_operation_with_a_clock_that_is_ahead_changes_nothing(
    backend: ServiceBusBackend, monkeypatch: pytest.MonkeyPatch, dead: bool
) -> None:
    """The SDK completes no message whose lock seems to have ended: copies of them would be left beside them."""
    queue = await backend.open()
    entries = await (bury if dead else wait)(queue, 3)
    monkeypatch.setattr(search, "datetime", Ahead)
    with pytest.raises(QueueUnavailable, match="clock of this host"):
        await purge(queue, entries[-1:], dead_letters=dead)
    assert [each.entry for each in await queue.peek(limit=10, dead_letters=dead)] == entries


async def test_a_batch_that_is_full_to_the_last_byte_is_sent(backend: ServiceBusBackend) -> None:
    """The SDK gives the envelope of a batch the id of its first message, and does not count it."""
    queue = backend.open_queue()
    for size in (516, 532, 547):  # the last message that fits leaves less room than the id takes
        assert await queue.put([Message(MessageId(f"{size}-{n}-{'i' * 30}"), "x" * size, 7) for n in range(600)]) == 0
    assert await queue.waiting(limit=2000) == 3 * 600
