"""From one processor to three, with 100 ms of Graph, fifty mailboxes, and the broker of the tests as the queue.

Each process works on eight deliveries at a time, so that it is Graph it waits for, and not the two cores of the machine
that all of it runs on. The baseline is the one process of the same run.
"""

import asyncio
import multiprocessing
import time
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

from prometheus_client import CollectorRegistry

from bench.stage import Stage, notification, stage
from bus.servicebus.adapter import ServiceBusQueue
from bus.servicebus.connection import ServiceBusAddress
from console import logs
from console.clock import utc_now
from db.engine import Database, make_engine
from db.heartbeat import Heartbeat
from db.messages import MessageStore
from db.processes import Process
from graph.certificates import FolderStore
from graph.client import GraphClient, open_session
from graph.messages import MailReader
from graph.slots import Slots
from graph.token import TokenSource
from processor.accounts import AccountDirectory, Holds
from processor.after_import import AfterImport
from processor.importer import Importer
from processor.lifecycle import LifecycleDesk
from processor.mailbox_actions import ActionTaker
from processor.metrics import ProcessorMetrics
from processor.shares import PROCESSOR, ProcessShare
from processor.silence import SilenceWatch
from processor.tracing import TraceLog
from processor.worker import Processor, WorkerLimits
from simulator.faults import Fault, FaultKind
from tests.broker.process import running_broker

_QUEUE: Final = "mail-notifications"
_LATENCY_SECONDS = 0.1
_MAILBOXES = 50
_MESSAGES = 600
_IN_HAND = 8


@dataclass(frozen=True)
class _Place:
    """Where a processor finds everything."""

    folder: Path
    url: str
    ca_file: Path
    connection_string: str


def main() -> None:
    """Print the figures."""
    asyncio.run(_run())


async def _run() -> None:
    with running_broker() as broker:
        async with stage(_MAILBOXES) as scene:
            ledger = [each for each in await scene.deliver(4 * 4 * _MESSAGES) if not each["attachments"]]
            await scene.control.add_fault(Fault(FaultKind.LATENCY, seconds=_LATENCY_SECONDS))
            place = _Place(scene.folder, scene.url, scene.ca_file, broker.connection_string)
            one = await _rate(scene, place, ledger[:_MESSAGES], processes=1)
            three = await _rate(scene, place, ledger[_MESSAGES : 4 * _MESSAGES], processes=3)
            found = await scene.control.statistics()
    print(f"processors on Service Bus, {_MAILBOXES} mailboxes, 100 ms, {_IN_HAND} at a time in each:")
    print(f"  one process      {one:7.1f} messages/s")
    print(f"  three processes  {three:7.1f} messages/s")
    print(f"  ratio {three / one:.2f} (to reach: 2.7)")
    print(f"  429s {found['throttled']}, most calls at once {max(found['concurrency_high_water'].values())}")


async def _rate(scene: Stage, place: _Place, ledger: list[dict[str, Any]], *, processes: int) -> float:
    """Messages a second, from the first tenth to the last."""
    address = ServiceBusAddress(_QUEUE, connection_string=place.connection_string)
    queue = ServiceBusQueue(address, clock=utc_now)
    before = await scene.imported()
    await queue.put([notification(scene.account_of_user[each["user_id"]].account_id, each) for each in ledger])
    await queue.close()
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_work, args=(place, number)) for number in range(processes)]
    for worker in workers:
        worker.start()
    try:
        begun = await _reached(scene, before + len(ledger) // 10)
        ended = await _reached(scene, before + len(ledger) * 9 // 10)
        await _reached(scene, before + len(ledger))
    finally:
        for worker in workers:
            worker.terminate()
            worker.join()
    return len(ledger) * 0.8 / (ended - begun)


async def _reached(scene: Stage, count: int) -> float:
    while await scene.imported() < count:  # noqa: ASYNC110  # other processes
        await asyncio.sleep(0.02)
    return time.monotonic()


def _work(place: _Place, number: int) -> None:
    with (place.folder / f"log-{number}").open("w", encoding="utf-8") as log:
        logs.configure(log, "json")
        asyncio.run(_process(place, f"bench-{number}-{time.monotonic_ns()}"))


async def _process(place: _Place, owner: str) -> None:
    database = Database(make_engine(f"sqlite:///{place.folder / 'gateway.db'}"))
    random, metrics = Random(1), ProcessorMetrics(CollectorRegistry())
    store = MessageStore(database, clock=utc_now)
    tokens = TokenSource(
        FolderStore(place.folder / "certificates"),
        authority_url=place.url,
        graph_url=place.url,
        ca_bundle=place.ca_file,
    )
    address = ServiceBusAddress(_QUEUE, connection_string=place.connection_string)
    async with (
        Heartbeat(database, Process(owner, owner, (PROCESSOR,), "", utc_now()), clock=utc_now).kept() as heartbeat,
        open_session(place.url, ca_bundle=place.ca_file) as session,
    ):
        share = ProcessShare(heartbeat, name=owner)
        client = GraphClient(session, tokens, base_url=place.url, slots=Slots(share.of))
        directory = AccountDirectory(database, clock=utc_now)
        await Processor(
            ServiceBusQueue(address, clock=utc_now),
            Importer(MailReader(client), store, clock=utc_now),
            store,
            directory,
            Holds(database, clock=utc_now, random=random, metrics=metrics),
            LifecycleDesk(database),
            SilenceWatch(database),
            share,
            TraceLog(database, host=owner, clock=utc_now, metrics=metrics),
            AfterImport(
                database,
                ActionTaker(client, clock=utc_now),
                directory,
                share,
                clock=utc_now,
                random=random,
                metrics=metrics,
            ),
            clock=utc_now,
            random=random,
            metrics=metrics,
            limits=WorkerLimits(in_hand=_IN_HAND, of_one_mailbox=_IN_HAND),
        ).run(asyncio.Event())
