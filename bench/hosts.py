"""Scaling from one processor to several, with a slow Graph.

Three with 100 ms and fifty mailboxes, on the broker of the tests and on PostgreSQL (including the queue); five on
PostgreSQL with 250 ms and sixty mailboxes that all received mail before the five started, simultaneously. Each process
handles a few deliveries at a time, so that it waits for Graph, and not for the machine's two cores, shared by all
processes. The baseline is the one process of the same run. At last one process with its usual limits, as docs/sizing.md
counts them.

    python -m bench hosts [--only servicebus|postgresql|backlog|one] [--rounds N]
"""

import argparse
import asyncio
import multiprocessing
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from itertools import dropwhile
from multiprocessing.sharedctypes import SynchronizedArray
from multiprocessing.synchronize import Barrier
from pathlib import Path
from random import Random
from statistics import median
from typing import Any, Final

from prometheus_client import CollectorRegistry
from sqlalchemy import Engine, event, func, select

from bench.figure import Figure
from bench.stage import Stage, notification, settings_at, stage
from bus.database.adapter import DatabaseQueue
from bus.queue import NotificationQueue
from bus.servicebus.adapter import ServiceBusQueue
from bus.servicebus.connection import ServiceBusAddress
from console import logs
from console.wiring.clock import utc_now
from console.wiring.graph import open_graph
from console.wiring.processor import ImportOptions, importer_of, processor_of
from db.engine import Database, make_engine
from db.heartbeat import Heartbeat
from db.queries.processes import PROCESSOR, Process
from db.tables import process, queue_message
from graph.messages import MailReader
from graph.slots import Slots
from processor.mailbox_fairness import ProcessShare
from processor.metrics import ProcessorMetrics
from processor.worker import WorkerContext, WorkerLimits
from simulator.faults import Fault, FaultKind
from tests.databases import PostgreSQLServer
from tests.doubles.broker.process import running_broker

_QUEUE: Final = "mail-notifications"
_LATENCY_SECONDS = 0.1
_MAILBOXES = 50
_MESSAGES = 600
_IN_HAND: Final = 4
"""Deliveries at a time in each of three processes: with fewer, two of one mailbox seldom wait for each other."""
_BOXES_ON_POSTGRESQL: Final = 60
_LATENCY_ON_POSTGRESQL: Final = 0.25
_BACKLOG: Final = 720
_IN_HAND_OF_BACKLOG: Final = 8
_ROUNDS: Final = 3
_GOAL: Final = 2.9
_GOAL_OF_BACKLOG: Final = 1.5
_SERVICE_BUS: Final = "servicebus"
_POSTGRESQL: Final = "postgresql"
_BACKLOGS: Final = "backlog"
_ONE: Final = "one"


@dataclass(frozen=True)
class _Place:
    """The addresses that a processor needs, and its deliveries at a time (`in_hand`; None: as usual).

    `connection_string` None: the queue is in the database.
    """

    folder: Path
    url: str
    ca_file: Path
    database_url: str
    connection_string: str | None = None
    in_hand: int | None = _IN_HAND


@dataclass(frozen=True)
class _Counts:
    """State shared by the processes of a round."""

    begin: Barrier
    statements: "SynchronizedArray[int]"
    """Statements for mailbox sharing, and all."""


@dataclass(frozen=True)
class _Round:
    """Figures of one backlog. `failed`: deliveries that count as failed; `slots`: statements per message for shares."""

    first: float
    rate: float
    failed: int
    slots: float
    statements: float


@dataclass(frozen=True, slots=True)
class _Scaling:
    """Messages per second of one process and of three; refused calls, and calls of a mailbox at once at most."""

    one: float
    three: float
    throttled: int
    at_once: int

    @property
    def ratio(self) -> float:
        """Three against one."""
        return self.three / self.one


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser("python -m bench hosts")
    parser.add_argument("--only", choices=(_SERVICE_BUS, _POSTGRESQL, _BACKLOGS, _ONE), help="one of the four")
    parser.add_argument("--rounds", type=int, default=_ROUNDS, help="backlogs (default: 3)")
    given = parser.parse_args(list(dropwhile(lambda each: not each.startswith("-"), sys.argv[1:])))
    if given.only in {None, _SERVICE_BUS}:
        _print_scaling("Service Bus", asyncio.run(_three_on_service_bus()))
    if given.only in {None, _POSTGRESQL}:
        _print_scaling("PostgreSQL", asyncio.run(_three_on_postgresql()))
    if given.only in {None, _BACKLOGS}:
        asyncio.run(_backlogs(given.rounds))
    if given.only in {None, _ONE}:
        rate = asyncio.run(_one_with_usual_limits())
        print(f"one processor with its usual limits on PostgreSQL, {_LATENCY_ON_POSTGRESQL * 1000:.0f} ms:")
        print(
            f"  {rate:7.1f} messages/s; {WorkerLimits().max_in_flight / _LATENCY_ON_POSTGRESQL:.0f} allowed by latency"
        )


def figures() -> Iterator[Figure]:
    """1 → 3 processors, on both queues."""
    for title, measure in (("Service Bus", _three_on_service_bus), ("PostgreSQL", _three_on_postgresql)):
        found = asyncio.run(measure())
        yield Figure(
            f"1 → 3 processors on {title}, 100 ms, {_MAILBOXES} mailboxes",
            found.ratio,
            "times",
            _GOAL,
            f"one process {found.one:.0f} messages/s",
        )


def _print_scaling(title: str, found: _Scaling) -> None:
    print(f"processors on {title}, {_MAILBOXES} mailboxes, 100 ms, {_IN_HAND} at a time in each:")
    print(f"  one process      {found.one:7.1f} messages/s")
    print(f"  three processes  {found.three:7.1f} messages/s")
    print(f"  ratio {found.ratio:.2f} (to reach: {_GOAL})")
    print(f"  429s {found.throttled}, most calls at once {found.at_once}")


async def _three_on_service_bus() -> _Scaling:
    with running_broker() as broker:
        async with stage(_MAILBOXES, roles=()) as scene:
            file = f"sqlite:///{scene.folder / 'gateway.db'}"
            return await _scaling(scene, _Place(scene.folder, scene.url, scene.ca_file, file, broker.connection_string))


async def _three_on_postgresql() -> _Scaling:
    with _postgresql() as url:
        async with stage(_MAILBOXES, database_url=url, roles=()) as scene:
            return await _scaling(scene, _Place(scene.folder, scene.url, scene.ca_file, url))


async def _scaling(scene: Stage, place: _Place) -> _Scaling:
    ledger = [each for each in await scene.deliver(4 * 4 * _MESSAGES) if not each["attachments"]]
    await scene.control.add_fault(Fault(FaultKind.LATENCY, seconds=_LATENCY_SECONDS))
    one = await _rate(scene, place, ledger[:_MESSAGES], processes=1)
    three = await _rate(scene, place, ledger[_MESSAGES : 4 * _MESSAGES], processes=3)
    found = await scene.control.statistics()
    return _Scaling(one, three, found["throttled"], max(found["concurrency_high_water"].values()))


async def _one_with_usual_limits() -> float:
    with _postgresql() as url:
        async with stage(_BOXES_ON_POSTGRESQL, database_url=url, roles=()) as scene:
            ledger = await scene.deliver(4 * _MESSAGES)
            await scene.control.add_fault(Fault(FaultKind.LATENCY, seconds=_LATENCY_ON_POSTGRESQL))
            place = _Place(scene.folder, scene.url, scene.ca_file, url, in_hand=None)
            return await _rate(scene, place, ledger, processes=1)


@contextmanager
def _postgresql() -> Iterator[str]:
    """The URL of a database on a durable server of its own."""
    with tempfile.TemporaryDirectory() as name:
        server = PostgreSQLServer(Path(name), durable=True)
        try:
            server.execute('CREATE DATABASE "bench"')
            yield server.url("bench")
        finally:
            server.stop()


async def _backlogs(rounds_wanted: int) -> None:
    with _postgresql() as url:
        async with stage(_BOXES_ON_POSTGRESQL, database_url=url, roles=()) as scene:
            await scene.control.add_fault(Fault(FaultKind.LATENCY, seconds=_LATENCY_ON_POSTGRESQL))
            place = _Place(scene.folder, scene.url, scene.ca_file, url, in_hand=_IN_HAND_OF_BACKLOG)
            rounds = [
                (await _backlog(scene, place, processes=1), await _backlog(scene, place, processes=5))
                for _ in range(rounds_wanted)
            ]
            found = await scene.control.statistics()
    print(
        f"processors on PostgreSQL, {_BOXES_ON_POSTGRESQL} mailboxes, {_LATENCY_ON_POSTGRESQL * 1000:.0f} ms, "
        f"a backlog of {_BACKLOG}, {rounds_wanted} rounds, {_IN_HAND_OF_BACKLOG} at a time in each:"
    )
    for title, several in zip(("one process   ", "five processes"), zip(*rounds, strict=True), strict=True):
        print(
            f"  {title}  first import after {min(each.first for each in several):.2f} to "
            f"{max(each.first for each in several):.2f} s, {min(each.rate for each in several):.0f} to "
            f"{max(each.rate for each in several):.0f} messages/s, {sum(each.failed for each in several)} counted as "
            f"failed, {median(each.slots for each in several):.3f} statements a message for shares, of "
            f"{median(each.statements for each in several):.1f}"
        )
    ratios = [five.rate / one.rate for one, five in rounds]
    print(f"  ratio {min(ratios):.2f} to {max(ratios):.2f}, median {median(ratios):.2f} (to reach: {_GOAL_OF_BACKLOG})")
    print(f"  429s {found['throttled']}, most calls at once {max(found['concurrency_high_water'].values())}")


async def _backlog(scene: Stage, place: _Place, *, processes: int) -> _Round:
    """Queue a backlog for all mailboxes, then start that many processes simultaneously."""
    before = await scene.imported()
    known = len(await scene.control.ledger())
    ledger = (await scene.deliver(_BACKLOG, seed=before + 1))[known:]
    last = await scene.database.read(lambda connection: connection.scalar(select(func.max(queue_message.c.nSequence))))
    counted = (queue_message.c.nSequence > (last or 0)) & (queue_message.c.nDeliveryCount > 1)
    active = select(func.count()).where(queue_message.c.sState == "active")
    queue = DatabaseQueue(scene.database, clock=utc_now)
    await queue.put([notification(scene.account_of_user[each["user_id"]].account_id, each) for each in ledger])
    await queue.close()
    async with _working(place, processes) as counts:
        began = time.monotonic()
        first = await _reached(scene, before + 1) - began
        seconds = await _reached(scene, before + len(ledger)) - began
        while await scene.database.read(lambda connection: connection.scalar(active)):  # noqa: ASYNC110  # others settle
            await asyncio.sleep(0.02)
    failed = await scene.database.read(lambda connection: connection.scalar(select(func.count()).where(counted)))
    slots, statements = counts.statements[0], counts.statements[1]
    return _Round(first, len(ledger) / seconds, failed or 0, slots / len(ledger), statements / len(ledger))


async def _rate(scene: Stage, place: _Place, ledger: list[dict[str, Any]], *, processes: int) -> float:
    """Return messages per second between the first and last tenth."""
    queue = _queue(place, scene.database)
    before = await scene.imported()
    await queue.put([notification(scene.account_of_user[each["user_id"]].account_id, each) for each in ledger])
    await queue.close()
    async with _working(place, processes):
        begun = await _reached(scene, before + len(ledger) // 10)
        ended = await _reached(scene, before + len(ledger) * 9 // 10)
        await _reached(scene, before + len(ledger))
    return len(ledger) * 0.8 / (ended - begun)


@asynccontextmanager
async def _working(place: _Place, processes: int) -> AsyncIterator[_Counts]:
    """Processors, all loaded before the first one begins."""
    context = multiprocessing.get_context("spawn")
    counts = _Counts(context.Barrier(processes + 1), context.Array("q", 2))
    workers = [context.Process(target=_work, args=(place, number, counts)) for number in range(processes)]
    for worker in workers:
        worker.start()
    try:
        await asyncio.to_thread(counts.begin.wait)
        yield counts
    finally:
        for worker in workers:
            worker.terminate()
            worker.join()


async def _reached(scene: Stage, count: int) -> float:
    while await scene.imported() < count:  # noqa: ASYNC110  # other processes
        await asyncio.sleep(0.02)
    return time.monotonic()


def _work(place: _Place, number: int, counts: _Counts) -> None:
    with (place.folder / f"log-{number}").open("w", encoding="utf-8") as log:
        logs.configure(log, "json")
        engine = make_engine(place.database_url)
        _count(engine, counts.statements)
        counts.begin.wait()
        asyncio.run(_process(place, Database(engine), f"bench-{number}-{time.monotonic_ns()}"))


def _count(engine: Engine, statements: "SynchronizedArray[int]") -> None:
    @event.listens_for(engine, "before_cursor_execute")
    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        with statements.get_lock():
            statements[0] += process.name in statement
            statements[1] += 1


def _queue(place: _Place, database: Database) -> NotificationQueue:
    if place.connection_string is not None:
        return ServiceBusQueue(ServiceBusAddress(_QUEUE, connection_string=place.connection_string), clock=utc_now)
    return DatabaseQueue(database, clock=utc_now)


async def _process(place: _Place, database: Database, owner: str) -> None:
    process = Process(owner, owner, (PROCESSOR,), "", utc_now())
    heartbeat = Heartbeat(database, process, clock=utc_now)
    share = ProcessShare(heartbeat, name=owner)
    settings = settings_at(place.url, place.ca_file, place.folder)
    async with heartbeat.kept(), open_graph(settings, Slots(share.of)) as graph:
        importer = importer_of(MailReader(graph.client), database, ImportOptions(), clock=utc_now)
        limits = None if place.in_hand is None else WorkerLimits(place.in_hand, place.in_hand)
        context = WorkerContext(share, utc_now, Random(1), ProcessorMetrics(CollectorRegistry()), limits)
        processor = processor_of(_queue(place, database), database, graph.client, importer, context, host=owner)
        await processor.run(asyncio.Event())


if __name__ == "__main__":
    main()
