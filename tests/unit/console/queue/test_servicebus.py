"""`mail-importer queue replay` and `purge` at Service Bus: they end, and tell what they did."""

import asyncio
import gc
import json
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import Result
from sqlalchemy import Engine

from bus.queue import Message, MessageId, Selection
from bus.servicebus import search
from bus.servicebus.adapter import ServiceBusQueue
from bus.servicebus.connection import ServiceBusAddress
from console.queue.maintenance import BatchProgress, QueueMaintenance
from db.engine import Database, run_reading
from db.queries import audit
from db.queries.history import Author
from tests.doubles.broker.process import BrokerProcess, running_broker
from tests.doubles.transports import open_transports

Run = Callable[..., Result]

# The SDK leaves the session and the socket of a broken connection to the garbage collector.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning", "ignore:loop is closed:ResourceWarning"),
]


@pytest.fixture(scope="module")
def running() -> Iterator[BrokerProcess]:
    with running_broker() as process:
        yield process


@pytest.fixture
def broker(
    running: BrokerProcess, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> Iterator[BrokerProcess]:
    """The broker whose queue is that of the commands."""
    running.reset()
    monkeypatch.setenv("MAIL_IMPORTER_QUEUE", "servicebus")
    monkeypatch.setenv("MAIL_IMPORTER_SERVICEBUS_CONNECTION_STRING", running.connection_string)
    caplog.set_level(logging.CRITICAL + 1, logger="azure")
    yield running
    gc.collect()  # the connections that the SDK left open, here, where its warnings are expected


@pytest.fixture
async def queue(broker: BrokerProcess) -> AsyncIterator[ServiceBusQueue]:
    opened = open_queue(broker)
    yield opened
    await opened.close()
    for each in open_transports(asyncio.get_running_loop()):
        each.abort()


def open_queue(broker: BrokerProcess) -> ServiceBusQueue:
    address = ServiceBusAddress("mail-notifications", connection_string=broker.connection_string)
    return ServiceBusQueue(address, clock=lambda: datetime.now(UTC))


async def put(queue: ServiceBusQueue, count: int) -> None:
    await queue.put([Message(MessageId(f"m{number}"), "not JSON") for number in range(count)])


async def fail(queue: ServiceBusQueue, count: int) -> None:
    """Make dead letters of what waits, as a processor does."""
    failed = 0
    while failed < count:
        deliveries = await queue.receive(count - failed, wait=timedelta(seconds=10))
        assert deliveries
        await asyncio.gather(*(queue.dead_letter(each, reason="Broken", description="") for each in deliveries))
        failed += len(deliveries)


async def bury(broker: BrokerProcess, count: int) -> list[str]:
    """Make dead letters; return their entries."""
    queue = open_queue(broker)
    await put(queue, count)
    await fail(queue, count)
    entries = [each.entry for each in await queue.peek(limit=count, dead_letters=True)]
    await queue.close()
    return entries


def test_a_replay_that_cannot_reach_its_last_entry_ends_and_tells_what_it_did(
    run: Run, engine: Engine, broker: BrokerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit status 1, the number replayed, the cause and the remedy; the record has its end."""
    monkeypatch.setattr(search, "_MAX_HELD", 20)
    entries = asyncio.run(bury(broker, 200))
    result = run("queue", "replay", "--id", entries[0], "--id", entries[-1])
    told = " ".join(result.stderr.split())
    assert result.exit_code == 1
    assert "Done before the error: 1." in told
    assert "1 of the messages selected in Service Bus queue 'mail-notifications'" in told
    assert "Replay or purge those first" in told
    [row] = run_reading(engine, lambda connection: audit.latest(connection, limit=10))
    assert (row.action, row.messages) == ("replay", 1)
    assert row.ended is not None


@pytest.mark.usefixtures("engine")
def test_a_purge_tells_what_it_left(run: Run, broker: BrokerProcess) -> None:
    """A message in flight cannot be deleted, and Service Bus does not show that it is locked."""

    async def hold() -> ServiceBusQueue:
        queue = open_queue(broker)
        await put(queue, 3)
        assert len(await queue.receive(1, wait=timedelta(seconds=10))) == 1
        await queue.close()
        return queue

    asyncio.run(hold())
    result = run("queue", "purge", "--all", "--yes", "--json")
    assert json.loads(result.stdout)["purged"] == 2
    assert "1 of the messages selected was left" in " ".join(result.stderr.split())


async def test_a_replay_of_what_fails_again_at_once_ends(queue: ServiceBusQueue, database: Database) -> None:
    """Its new dead letters are later ones, and those of the same messages: they are for another command."""
    await put(queue, 3)
    await fail(queue, 3)
    rounds = 0

    async def processor(_pause: float) -> None:
        nonlocal rounds
        rounds += 1
        assert rounds <= 3, "replayed again"
        await fail(queue, 1)

    maintenance = QueueMaintenance(
        queue, database, author=Author("operator", "host"), clock=lambda: datetime.now(UTC), sleep=processor
    )
    progress = BatchProgress()
    await maintenance.replay(Selection(), progress, scheduled=False, rate=1.0, why=None, on_progress=lambda _done: None)
    assert (progress.selected, progress.done) == (3, 3)
    assert len(await queue.peek(limit=10, dead_letters=True)) == 3
