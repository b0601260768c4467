"""Figures of benchmarks that print them only: put together from the parts of those."""

import asyncio
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Final

from bench import processor
from bench.catch_up import _MESSAGES as _MISSED
from bench.catch_up import _ours as _catch_up
from bench.database import _MESSAGES as _SAVED
from bench.database import _ROWS, _WHOLE, _bare_postgresql, _bare_sqlite, _records, collect_statistics
from bench.database import _ours as _save
from bench.figure import Figure
from bench.latency import _MAILBOXES as _MAILBOXES_OF_LATENCY
from bench.latency import _bare as _bare_webhook
from bench.latency import _ours as _pipeline
from bench.receiver import SECRET, _grouped, measure
from bench.receiver import _ours as _receiver
from bench.stage import stage
from console.wiring.process import freeze_gc
from db.records import MessageRecord
from graph.client_state import ClientStateKeys
from simulator.faults import Fault, FaultKind
from tests.databases import Databases, Gateway, PostgreSQL, PostgreSQLServer, SQLite

_ROUNDS: Final = 3
_MANY_ITEMS: Final = 20
_LATENCY_SECONDS: Final = 0.1
_CALLS_AT_ONCE: Final = 4
_MESSAGES_OF_ONE_MAILBOX: Final = 200
_OF_RECEIVER: Final = (
    *((1, "neighbours", 0.85), (_MANY_ITEMS, "neighbours", 0.9)),
    *((1, "scattered", 0.75), (_MANY_ITEMS, "scattered", 0.6)),
)


def processor_figures() -> Iterator[Figure]:
    """A processor without latency against a bare loop."""
    bare, ours = asyncio.run(processor.compare())
    yield Figure(
        "processor: CPU time of a message, bare loop ÷ ours",
        bare.cpu_seconds / ours.cpu_seconds,
        "times",
        0.6,
        f"bare loop {bare.cpu_ms:.2f} ms, ours {ours.cpu_ms:.2f} ms",
    )
    yield Figure(
        "processor: messages/s ÷ bare loop's",
        bare.seconds / ours.seconds,
        "times",
        0.6,
        f"bare loop {bare.rate:.0f} messages/s",
    )


def one_mailbox_figures() -> Iterator[Figure]:
    """One mailbox with latency, against what its four calls allow."""
    limit = _CALLS_AT_ONCE / _LATENCY_SECONDS
    yield Figure(
        f"one mailbox, {_LATENCY_SECONDS * 1000:.0f} ms: messages/s ÷ what four calls allow",
        _MESSAGES_OF_ONE_MAILBOX / asyncio.run(_one_mailbox()) / limit,
        "times",
        0.97,
        f"{limit:.0f} messages/s",
    )


async def _one_mailbox() -> float:
    async with stage(1) as scene:
        delivered = await scene.deliver(4 * _MESSAGES_OF_ONE_MAILBOX)
        ledger = [each for each in delivered if not each["attachments"]][:_MESSAGES_OF_ONE_MAILBOX]
        await scene.control.add_fault(Fault(FaultKind.LATENCY, seconds=_LATENCY_SECONDS))
        return await scene.import_all(ledger)


def receiver_figures() -> Iterator[Figure]:
    """The receiver against a bare durable handler, and catch-up against the receiver. Without `wrk` there are none."""
    if shutil.which("wrk") is None:
        return
    state, put = ClientStateKeys(SECRET).sign(1), 0.0
    for items, ids, goal in _OF_RECEIVER:
        bare, ours = (measure(each, state, items, ids).requests for each in (_grouped, _receiver))
        if (items, ids) == (_MANY_ITEMS, "neighbours"):
            put = ours * items
        yield Figure(
            f"receiver, bodies of {items}, {ids} ÷ bare durable handler",
            ours / bare,
            "times",
            goal,
            f"{bare * items:.0f} notifications/s",
        )
    yield Figure(
        f"catch-up of {_MISSED:,} ÷ the receiver's put of {_MANY_ITEMS}-item bodies, items/s",
        _MISSED / asyncio.run(_caught_up()) / put,
        "times",
        0.6,
        f"receiver {put:.0f} items/s",
    )


async def _caught_up() -> float:
    async with stage(1, messages=_MISSED) as scene:
        freeze_gc()
        return await _catch_up(scene)


def latency_figures() -> Iterator[Figure]:
    """Arrival to row."""
    bare, ours = asyncio.run(_latencies())
    yield Figure(
        "arrival to row at 20/s, 50 ms Graph: p99",
        ours * 1000,
        "ms",
        200,
        f"bare webhook {bare * 1000:.0f} ms",
        is_most=True,
        shown=".0f",
    )


async def _latencies() -> tuple[float, float]:
    async with stage(_MAILBOXES_OF_LATENCY) as scene:
        _, bare = await _bare_webhook(scene)
    async with stage(_MAILBOXES_OF_LATENCY) as scene:
        _, ours = await _pipeline(scene)
    return bare, ours


def database_figures() -> Iterator[Figure]:
    """Whole messages into both databases, in fewer rounds."""
    records = list(_records(_WHOLE))
    freeze_gc()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        place = folder / "postgresql"
        place.mkdir(mode=0o700)
        yield _saved("SQLite", SQLite(folder), folder, records, _bare_sqlite)
        server = PostgreSQLServer(place, durable=True)
        try:
            collect_statistics(server)
            yield _saved("PostgreSQL", PostgreSQL(server), folder, records, _bare_postgresql)
        finally:
            server.stop()


def _saved(
    title: str,
    databases: Databases,
    folder: Path,
    records: Sequence[MessageRecord],
    bare: Callable[[Gateway, Sequence[MessageRecord]], float],
) -> Figure:
    ours, theirs = list[float](), list[float]()
    for number in range(_ROUNDS + 1):  # the first one warms up
        run = folder / f"{title}-{number}"
        run.mkdir()
        with databases.migrated(run) as gateway:
            theirs.append(bare(gateway, records))
        (run / "ours").mkdir()
        with databases.migrated(run / "ours") as gateway:
            ours.append(asyncio.run(_save(gateway, records))[0])
    return Figure(
        f"{_SAVED} whole messages into {title} ÷ bare executemany",
        median(there / here for there, here in zip(theirs[1:], ours[1:], strict=True)),
        "times",
        0.85,
        f"{_ROWS / median(theirs[1:]):.0f} rows/s",
    )
