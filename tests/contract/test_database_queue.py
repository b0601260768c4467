"""The queue on the gateway database: the contract, and guarantees of this adapter alone."""

import asyncio
import json
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from sqlalchemy import Engine, event, func, select, text

from bus.database.adapter import DatabaseQueue
from bus.errors import QueueUnavailable
from bus.queue import MAX_DELAY, Message, MessageId, NotificationQueue
from db.engine import Database
from db.tables import queue_message
from tests.contract.queue_contract import (
    AT_ONCE,
    SOON,
    QueueBackend,
    QueueContract,
    drain,
    message,
    messages,
    nothing_to_receive,
    take,
    take_one,
)
from tests.databases import Gateway
from tests.doubles.clock import SettableClock
from tests.doubles.outages import FULL, GONE, LOCKED, READ_ONLY, FragileDatabase, fragile
from tests.paths import ROOT
from tests.waiting import until

HOUR: Final = timedelta(hours=1)


class DatabaseBackend(QueueBackend):
    """The queue table of one gateway."""

    lock_duration = timedelta(seconds=60)
    duplicate_window = timedelta(minutes=10)
    max_deliveries = 3

    def __init__(self, gateway: Gateway, clock: Callable[[], datetime] | None = None) -> None:
        self.gateway = gateway
        self.fragile = fragile(gateway)
        self.clock = SettableClock()
        self._clock = clock or self.clock
        self._opened: list[tuple[DatabaseQueue, Database]] = []

    async def open(self) -> NotificationQueue:
        return await self.open_with_database()

    async def open_with_database(self) -> DatabaseQueue:
        database = Database(self.fragile.engine())
        queue = DatabaseQueue(
            database,
            clock=self._clock,
            lock_duration=self.lock_duration,
            max_deliveries=self.max_deliveries,
            duplicate_window=self.duplicate_window,
        )
        self._opened.append((queue, database))
        return queue

    async def pass_time(self, duration: timedelta) -> None:
        self.clock.advance(duration)

    def outage(self) -> AbstractContextManager[None]:
        return self.fragile.gone()

    @property
    def engine(self) -> Engine:
        """The engine of the queue opened last."""
        return self._opened[-1][1].engine

    async def close(self) -> None:
        for queue, database in self._opened:
            await queue.close()
            await database.close()
        self.fragile.close()


on_sqlite: Final = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
"""Marks tests of files, and of columns that accept any value."""


@pytest.fixture
async def backend(gateway: Gateway) -> AsyncIterator[DatabaseBackend]:
    made = DatabaseBackend(gateway)
    yield made
    await made.close()


@pytest.fixture
async def real_time(gateway: Gateway) -> AsyncIterator[DatabaseBackend]:
    """The real clock, for interaction between processes, which have clocks of their own."""
    made = DatabaseBackend(gateway, lambda: datetime.now(UTC))
    yield made
    await made.close()


class TestDatabaseQueue(QueueContract):
    """The contract."""


# Failures of the database.


@on_sqlite
@pytest.mark.parametrize(
    ("kind", "cause"), [("locked", LOCKED), ("read_only", READ_ONLY), ("full", FULL), ("gone", GONE)]
)
async def test_trouble_of_the_database_is_named_and_loses_nothing(
    backend: DatabaseBackend, kind: str, cause: str
) -> None:
    """A put that the database cannot store is refused with the cause; earlier messages are still there afterwards."""
    queue = await backend.open()
    await queue.put(messages("ab"))
    held = await take_one(queue)
    large = message("refused", "x" * 200_000)
    assert isinstance(backend.fragile, FragileDatabase)
    with backend.fragile.broken(kind):
        with pytest.raises(QueueUnavailable, match=cause):
            await queue.put([message("small"), large])
        if kind != "full":
            with pytest.raises(QueueUnavailable, match=cause):
                await queue.check()
            with pytest.raises(QueueUnavailable, match=cause):
                await queue.complete(held)
            with pytest.raises(QueueUnavailable, match=cause):
                await queue.receive(1, wait=AT_ONCE)

    await queue.complete(held)
    await queue.put([large, message("small")])
    assert sorted([held.message_id, *await drain(queue)]) == ["a", "b", "refused", "small"]


@pytest.mark.parametrize("database_kind", ["sqlite", "postgresql"], indirect=True)
async def test_operators_see_a_queue_that_cannot_be_written(backend: DatabaseBackend) -> None:
    """Peeking needs no write lock."""
    queue = await backend.open()
    await queue.put(messages("ab"))
    with backend.fragile.locked():
        assert (await queue.status()).active == 2
        assert len(await queue.peek(limit=10)) == 2


@on_sqlite
async def test_replaced_file_takes_nothing(backend: DatabaseBackend) -> None:
    """A backup is restored under it: the queue acknowledges nothing to the old file, which would be lost."""
    queue = await backend.open()
    await queue.put([message("before")])
    path = backend.gateway.file
    copy = path.with_name("copy.db")
    shutil.copy(path, copy)
    copy.replace(path)
    with pytest.raises(QueueUnavailable, match="was replaced"):
        await queue.put([message("after")])


@on_sqlite
async def test_deleted_file_takes_nothing(backend: DatabaseBackend) -> None:
    """Its file is deleted under it: the queue acknowledges nothing that would be lost with it."""
    queue = await backend.open()
    await queue.put([message("before")])
    backend.gateway.file.unlink()
    with pytest.raises(QueueUnavailable, match=GONE):
        await queue.put([message("after")])
    assert not backend.gateway.file.exists()


# Waiting.


@contextmanager
def statements(engine: Engine) -> Iterator[list[str]]:
    """The statements executed meanwhile."""
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        seen.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    yield seen
    event.remove(engine, "before_cursor_execute", note)


async def test_idle_consumer_costs_two_reads_a_second(real_time: DatabaseBackend) -> None:
    """A waiting consumer executes at most two queries a second and never acquires the write lock."""
    queue = await real_time.open()
    await queue.put([message("done")])
    await queue.complete(await take_one(queue))
    assert await nothing_to_receive(queue)
    with statements(real_time.engine) as seen:
        assert await queue.receive(10, wait=timedelta(seconds=2)) == []
    queries = [statement for statement in seen if not statement.startswith("BEGIN")]
    # One at once, then one each half second; and one where the timer of the last ends a moment early.
    assert 2 <= len(queries) <= 6
    assert all(query.startswith("SELECT") for query in queries)
    assert "BEGIN IMMEDIATE" not in seen


async def test_message_of_another_process_is_noticed(real_time: DatabaseBackend) -> None:
    """A waiting consumer gets a message put by another process long before its wait ends: it polls twice a second."""
    queue = await real_time.open()
    receiving = asyncio.create_task(queue.receive(1, wait=timedelta(minutes=10)))
    await asyncio.to_thread(run_child, real_time.gateway, 'await queue.put([Message(MessageId("m"), "body")])')
    [delivery] = await receiving
    assert delivery.message_id == "m"


async def test_scheduled_message_wakes_a_waiting_consumer(real_time: DatabaseBackend) -> None:
    """A waiting consumer notices that the time of a message has come: at its first poll from then on."""
    queue = await real_time.open()
    due = datetime.now(UTC) + timedelta(seconds=0.4)
    scheduled = message("m")
    await queue.put([type(scheduled)(scheduled.message_id, scheduled.body, not_before=due)])
    with statements(real_time.engine) as seen:
        receiving = asyncio.create_task(queue.receive(1, wait=timedelta(minutes=10)))
        await until(lambda: datetime.now(UTC) >= due)
        before = len(seen)
        [delivery] = await receiving
    assert delivery.message_id == "m"
    assert datetime.now(UTC) >= due
    # A poll that began a moment earlier; then the one that finds the message, and locks it.
    assert len([each for each in seen[before:] if each.startswith("SELECT")]) <= 4


# Clocks that step back.


@pytest.mark.parametrize("delay", [None, timedelta(0), timedelta(minutes=15)])
async def test_what_a_clock_put_off_that_was_ahead_comes_again_soon(
    backend: DatabaseBackend, delay: timedelta | None
) -> None:
    """Locked by a killed process, abandoned, or abandoned with a delay: no message waits for three hours."""
    queue = await backend.open()
    backend.clock.advance(3 * HOUR)
    await queue.put([message("m")])
    delivery = await take_one(queue)
    if delay is not None:
        await queue.abandon(delivery, delay=delay)
    backend.clock.advance(-3 * HOUR)
    assert await nothing_to_receive(queue)  # first, a process at work on it may renew its lock
    backend.clock.advance(timedelta(seconds=5))
    assert (await take_one(queue)).message_id == "m"


async def test_a_process_that_starts_after_a_clock_stepped_back_finds_it(backend: DatabaseBackend) -> None:
    before = await backend.open()
    backend.clock.advance(3 * HOUR)
    await before.put([message("m")])
    await take_one(before)
    backend.clock.advance(-3 * HOUR)
    assert (await take_one(await backend.open())).message_id == "m"


async def test_a_lock_that_is_renewed_after_a_clock_stepped_back_is_kept(backend: DatabaseBackend) -> None:
    queue = await backend.open()
    backend.clock.advance(3 * HOUR)
    await queue.put([message("m")])
    delivery = await take_one(queue)
    backend.clock.advance(-3 * HOUR)
    assert await nothing_to_receive(queue)
    delivery = await queue.renew(delivery)
    backend.clock.advance(timedelta(seconds=6))
    assert await nothing_to_receive(queue)
    await queue.complete(delivery)


@pytest.mark.parametrize("done", [True, False])
async def test_an_id_that_a_clock_put_that_was_ahead_is_not_refused_for_hours(
    backend: DatabaseBackend, done: bool
) -> None:
    queue = await backend.open()
    backend.clock.advance(3 * HOUR)
    await queue.put([message("m")])
    if done:
        await queue.complete(await take_one(queue))
    backend.clock.advance(-3 * HOUR)
    await queue.put([message("m")])
    backend.clock.advance(timedelta(seconds=60))
    assert set(await drain(queue)) == {"m"}


async def test_what_is_put_off_for_as_long_as_may_be_stays_away(backend: DatabaseBackend) -> None:
    queue = await backend.open()
    await queue.put([message("m")])
    await queue.abandon(await take_one(queue), delay=timedelta(days=1))
    backend.clock.advance(MAX_DELAY - timedelta(seconds=1))
    assert await nothing_to_receive(queue)
    backend.clock.advance(timedelta(seconds=1))
    assert (await take_one(queue)).message_id == "m"


# Consumers that die.


async def test_killed_consumer_loses_nothing(real_time: DatabaseBackend) -> None:
    """Deliveries locked by a killed process come back when the lock expires, counted; nothing else is affected."""
    queue = await real_time.open()
    await queue.put(messages(["held", "done", "free"]))
    child = start_child(
        real_time.gateway,
        """
        deliveries = await queue.receive(2, wait=timedelta(seconds=10))
        await queue.complete(next(each for each in deliveries if each.message_id == "done"))
        print(json.dumps([each.message_id for each in deliveries]), flush=True)
        await asyncio.sleep(60)
        """,
    )
    with child:
        assert child.stdout is not None
        got = json.loads(await asyncio.to_thread(child.stdout.readline))
        child.send_signal(signal.SIGKILL)
    assert got == ["held", "done"]
    assert [each.message_id for each in await take(queue)] == ["free"]
    assert await nothing_to_receive(queue)

    later = DatabaseBackend(real_time.gateway, lambda: datetime.now(UTC) + timedelta(seconds=61))
    [held, free] = await take(await later.open(), 2)
    await later.close()
    assert {(each.message_id, each.delivery_count) for each in (held, free)} == {("held", 2), ("free", 2)}


async def test_cancelled_in_the_middle_of_the_transaction(backend: DatabaseBackend) -> None:
    """A consumer cancelled while its transaction locks messages abandons them, uncounted, before it ends."""
    queue = await backend.open()
    await queue.put(messages("ab"))
    inside, go_on = threading.Event(), threading.Event()

    def pause(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("UPDATE") and not inside.is_set():
            inside.set()
            go_on.wait(10)

    event.listen(backend.engine, "before_cursor_execute", pause)
    receiving = asyncio.create_task(queue.receive(2, wait=SOON))
    await asyncio.to_thread(inside.wait, 10)
    receiving.cancel()
    await asyncio.sleep(0)
    receiving.cancel()  # the caller that awaits the end may cancel again
    await asyncio.sleep(0)
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await receiving
    assert {(each.message_id, each.delivery_count) for each in await take(queue, 2)} == {("a", 1), ("b", 1)}


# Housekeeping.


async def put_with_housekeeping(queue: DatabaseQueue, name: str) -> None:
    """Put when no housekeeping is under way: a put that meets one begins no other."""
    await until(lambda: queue._housekeeping is None, "the end of the housekeeping of an earlier put")
    await queue.put([message(name)])


async def test_done_messages_are_forgotten_after_the_window(backend: DatabaseBackend) -> None:
    """The table does not grow with completed messages; waiting and failed ones are kept."""
    queue = await backend.open_with_database()
    await queue.put(messages(f"m{number}" for number in range(2500)))
    deliveries = await take(queue, 2500)
    await asyncio.gather(*(queue.complete(each) for each in deliveries[2:]))
    await queue.dead_letter(deliveries[0], reason="Broken", description="")
    assert await rows(backend.engine) == 2500
    await backend.pass_time(backend.duplicate_window + timedelta(seconds=11))

    await put_with_housekeeping(queue, "later")

    await until(lambda: count(backend.engine) == 3)
    assert {each.message_id for each in await take(queue, 2)} == {"m1", "later"}
    assert (await queue.status()).dead == 1


async def test_message_done_after_its_window_is_forgotten_at_once(backend: DatabaseBackend) -> None:
    """A message older than the window when it was completed leaves no row."""
    queue = await backend.open_with_database()
    await queue.put([message("slow")])
    await backend.pass_time(backend.duplicate_window + timedelta(seconds=11))
    await put_with_housekeeping(queue, "later")
    await until(lambda: queue._housekeeping is None)
    assert sorted(await drain(queue)) == ["later", "slow"]
    assert await rows(backend.engine) == 1


async def test_clock_of_another_host_ahead_keeps_no_row_for_ever(backend: DatabaseBackend) -> None:
    """Rows of a host whose clock is some seconds ahead are forgotten like the others."""
    queue = await backend.open_with_database()
    await queue.put([message("start")])
    await backend.pass_time(timedelta(seconds=5))
    await queue.put([message("ahead")])
    backend.clock.advance(timedelta(seconds=-5))
    await queue.put([message("behind")])
    backend.clock.advance(timedelta(seconds=5))
    assert len(await drain(queue)) == 3
    backend.clock.advance(backend.duplicate_window - timedelta(seconds=3))  # `behind` is old, `ahead` is not yet
    await put_with_housekeeping(queue, "first")
    await until(lambda: count(backend.engine) == 3)
    backend.clock.advance(timedelta(seconds=20))
    await put_with_housekeeping(queue, "second")
    await until(lambda: count(backend.engine) == 2)


# Children, and reading the table.

_CHILD: Final = """
import asyncio, json, sys, time
from datetime import UTC, datetime, timedelta
from bus.database.adapter import DatabaseQueue
from bus.queue import Message, MessageId
from db.engine import Database
from tests.databases import Gateway

async def main():
    database = Database(Gateway(*sys.argv[1:]).engine())
    queue = DatabaseQueue(database, clock=lambda: datetime.now(UTC))
%s
    await queue.close()
    await database.close()

asyncio.run(main())
"""


def _command(gateway: Gateway, work: str) -> list[str]:
    lines = "\n".join(f"    {line.strip()}" for line in work.strip().splitlines())
    return [sys.executable, "-c", _CHILD % lines, *gateway.arguments]


def run_child(gateway: Gateway, work: str) -> str:
    return subprocess.run(_command(gateway, work), cwd=ROOT, capture_output=True, text=True, check=True).stdout


def start_child(gateway: Gateway, work: str) -> subprocess.Popen[str]:
    return subprocess.Popen(_command(gateway, work), cwd=ROOT, stdout=subprocess.PIPE, text=True)


def count(engine: Engine) -> int:
    with engine.connect() as connection:
        found: Any = connection.scalar(select(func.count()).select_from(queue_message))
    return int(found)


async def rows(engine: Engine) -> int:
    return await asyncio.to_thread(count, engine)


async def test_a_put_reports_what_it_ignored(real_time: DatabaseBackend) -> None:
    """On each database: duplicates of queued and of completed messages, and within one put; also scheduled ones."""
    queue = await real_time.open()
    later = datetime.now(UTC) + timedelta(hours=1)

    assert await queue.put([]) == 0
    assert await queue.put([message("a"), message("b")]) == 0
    assert await queue.put([message("b"), message("c"), message("c")]) == 2
    await queue.complete(await take_one(queue))
    assert await queue.put([message("a")]) == 1
    assert await queue.put([Message(MessageId(each), "body", 1, not_before=later) for each in "cd"]) == 1


async def test_puts_that_share_a_transaction_report_each_its_own(real_time: DatabaseBackend) -> None:
    """A caller with new messages gets no other caller's duplicates, which a sweep would report as missed."""
    queue = await real_time.open()
    await queue.put([message("known")])
    puts = [queue.put([message(f"new{number}")]) for number in range(20)]
    puts += [queue.put([message("known"), message(f"more{number}")]) for number in range(20)]
    assert await asyncio.gather(*puts) == [0] * 20 + [1] * 20


async def test_an_id_is_free_at_once_if_it_is_not_remembered(real_time: DatabaseBackend) -> None:
    """A message that was completed without a record of it is queued when it is put again."""
    queue = await real_time.open()
    await queue.put([message("m")])
    await queue.complete(await take_one(queue), remembered=False)

    assert await queue.put([message("m")]) == 0
    assert (await take_one(queue)).message_id == "m"


@on_sqlite
async def test_a_row_that_cannot_be_read_keeps_no_other_from_being_received(real_time: DatabaseBackend) -> None:
    """SQLite accepts any value in any column; such a row is delivered as well, for its reader to dead-letter."""
    queue = await real_time.open()
    await queue.put(messages("abc"))
    with real_time.engine.begin() as connection:
        connection.execute(
            text(
                "UPDATE tblNotificationQueue SET sBody = x'00ff', nAccountID = 'eins', nDeliveryCount = 'viele', "
                "dtEnqueued = 'gestern' WHERE sMessageID = 'a'"
            )
        )
    assert len(await queue.peek(limit=10)) == 3
    assert sum(each.active for each in (await queue.status()).accounts) == 3
    found = {each.message_id: each for each in await take(queue, 3)}
    assert set(map(str, found)) == {"a", "b", "c"}
    bad = next(each for each in found.values() if each.message_id == "a")
    assert (bad.account_id, bad.delivery_count) == (None, 1)
    await queue.dead_letter(bad, reason="NotJson", description="why")
    assert len(await queue.peek(limit=10, dead_letters=True)) == 1


@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
async def test_waiting_puts_share_a_transaction(backend: DatabaseBackend) -> None:
    """Puts share it on a server, too, where a commit costs as much as a hundred rows."""
    queue = await backend.open_with_database()
    commits: list[object] = []
    with _listening(queue, "commit", commits):
        await asyncio.gather(*(queue.put([message(f"m{number}")]) for number in range(50)))
    assert len(commits) <= 3
    assert await queue.waiting(limit=100) == 50


@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
async def test_a_message_that_cannot_be_put_keeps_no_other_from_it(backend: DatabaseBackend) -> None:
    """PostgreSQL accepts no character 0."""
    queue = await backend.open_with_database()
    puts = [queue.put([each]) for each in (message("a"), replace(message("b"), body="\0"), message("c"))]
    failures = await asyncio.gather(*puts, return_exceptions=True)
    assert [isinstance(each, int) for each in failures] == [True, False, True]
    assert await queue.waiting(limit=100) == 2


@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
async def test_a_settlement_that_cannot_be_written_keeps_no_other_from_it(backend: DatabaseBackend) -> None:
    queue = await backend.open_with_database()
    await queue.put(messages("abc"))
    first, bad, last = await take(queue, 3)
    ends = (queue.complete(first), queue.dead_letter(bad, reason="\0", description=""), queue.complete(last))
    outcomes = await asyncio.gather(*ends, return_exceptions=True)
    assert [each is None for each in outcomes] == [True, False, True]
    assert (await queue.status()).locked == 1


@contextmanager
def _listening(queue: DatabaseQueue, name: str, met: list[object]) -> Iterator[None]:
    engine = queue._database.engine
    note = met.append
    event.listen(engine, name, note)
    yield
    event.remove(engine, name, note)
