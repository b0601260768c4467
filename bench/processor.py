"""Messages per second from a simulator without latency, and from one mailbox with 100 ms.

Baseline of the same run: a bare loop that GETs the same messages and attachments, over the same transport, with the
same concurrency (4 per mailbox), and inserts into the same tables, with plain `sqlite3`, the rows that the processor
wrote of each; with a durable commit (synchronous=FULL) each. It decides nothing: what it inserts was made before.
"""

import asyncio
import json
import sqlite3
import tempfile
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from yarl import URL

from bench.figure import Figure
from bench.stage import Stage, stage
from console.wiring.clock import utc_now
from console.wiring.process import freeze_gc
from db.engine import make_engine
from db.schema import migration
from db.tables import attachment, header, message, message_identity, recipient
from graph.client import encode_segment, open_session
from graph.messages import EXTENDED_PROPERTIES, HEADERS_FIELD, MESSAGE_FIELDS
from simulator.faults import Fault, FaultKind

MESSAGES: Final = 2000
MAILBOXES: Final = 8
# The product's own: the simulator renders a message once for each form requested.
_SELECT: Final = f"{MESSAGE_FIELDS},{HEADERS_FIELD}"
_EXPAND: Final = EXTENDED_PROPERTIES.replace(" ", "%20")
_GOAL: Final = 0.6
_LATENCY_SECONDS: Final = 0.1
_OF_ONE_MAILBOX: Final = 200
_LIMIT_OF_ONE_MAILBOX: Final = 4 / _LATENCY_SECONDS
"""Messages a second that four calls at a time allow."""
_GOAL_OF_ONE_MAILBOX: Final = 0.97
_ITEM: Final = "#microsoft.graph.itemAttachment"
"""The type of attachment that is fetched alone."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Time of one run, and computing time of this process in it: on a shared machine only the latter is comparable."""

    seconds: float
    cpu_seconds: float
    calls: float
    """Of Graph, for a message."""
    messages: int

    @property
    def cpu_ms(self) -> float:
        """For a message."""
        return self.cpu_seconds / self.messages * 1000

    @property
    def rate(self) -> float:
        """Messages a second."""
        return self.messages / self.seconds

    def shown(self) -> str:
        """Format the figures of a message."""
        return (
            f"{self.rate:7.0f} messages/s, {self.cpu_ms:5.2f} ms of CPU time and {self.calls:.2f} calls of Graph each"
        )


def main() -> None:
    """Print the figures."""
    bare, ours = asyncio.run(compare())
    print(f"processor, {MESSAGES} messages in {MAILBOXES} mailboxes, no latency:")
    print(f"  bare loop   {bare.shown()}")
    print(f"  processor   {ours.shown()}")
    of_cpu = bare.cpu_seconds / ours.cpu_seconds
    print(f"  ratio {bare.seconds / ours.seconds:.2f}, of CPU time {of_cpu:.2f} (to reach: {_GOAL:g})")
    most, rate = asyncio.run(_rates_of_one_mailbox())
    print(f"processor, one mailbox, {_LATENCY_SECONDS * 1000:.0f} ms latency, messages without attachments:")
    print(f"  bare loop   {most:7.1f} messages/s; four at a time allow {_LIMIT_OF_ONE_MAILBOX:.0f}")
    print(f"  processor   {rate:7.1f} messages/s, {rate / most:.2f} of the bare loop's")
    print(f"  ratio {rate / _LIMIT_OF_ONE_MAILBOX:.2f} (to reach: {_GOAL_OF_ONE_MAILBOX:g})")


def figures() -> Iterator[Figure]:
    """Those of a run."""
    bare, ours = asyncio.run(compare())
    yield Figure(
        "processor: CPU time of a message, bare loop ÷ ours",
        bare.cpu_seconds / ours.cpu_seconds,
        "times",
        _GOAL,
        f"bare loop {bare.cpu_ms:.2f} ms, ours {ours.cpu_ms:.2f} ms",
    )
    yield Figure(
        "processor: messages/s ÷ bare loop's",
        bare.seconds / ours.seconds,
        "times",
        _GOAL,
        f"bare loop {bare.rate:.0f} messages/s",
    )
    most, rate = asyncio.run(_rates_of_one_mailbox())
    yield Figure(
        f"one mailbox, {_LATENCY_SECONDS * 1000:.0f} ms: messages/s ÷ what four calls allow",
        rate / _LIMIT_OF_ONE_MAILBOX,
        "times",
        _GOAL_OF_ONE_MAILBOX,
        f"{_LIMIT_OF_ONE_MAILBOX:.0f} messages/s, of which the bare loop has {most:.1f}",
    )


async def compare() -> tuple[Cost, Cost]:
    """Measure the bare loop and the processor."""
    async with stage(MAILBOXES) as scene:
        ledger = await scene.deliver(MESSAGES)
        await bare_loop(scene, ledger, {})  # unmeasured warm-up: the simulator caches its renderings, for both
        freeze_gc()
        ours = await cost(scene, scene.import_all(ledger))
        rows = await asyncio.to_thread(_rows_written, scene.folder / "gateway.db")
        freeze_gc()
        bare = await cost(scene, bare_loop(scene, ledger, rows))
    return bare, ours


async def cost(scene: Stage, run: Awaitable[float], messages: int = MESSAGES) -> Cost:
    """Measure a run through so many messages, which returns the seconds that it took."""
    calls, cpu_seconds = await _calls(scene), time.process_time()
    seconds = await run
    return Cost(seconds, time.process_time() - cpu_seconds, (await _calls(scene) - calls) / messages, messages)


async def _calls(scene: Stage) -> int:
    counted: dict[str, int] = (await scene.control.statistics())["calls"]
    return sum(counted.values())


async def _rates_of_one_mailbox() -> tuple[float, float]:
    """Messages a second of the bare loop, which fetches alone, and of the processor."""
    async with stage(1) as scene:
        delivered = await scene.deliver(4 * _OF_ONE_MAILBOX)
        ledger = [each for each in delivered if not each["attachments"]][:_OF_ONE_MAILBOX]
        await scene.control.add_fault(Fault(FaultKind.LATENCY, seconds=_LATENCY_SECONDS))
        bare = await bare_loop(scene, ledger, {})
        return len(ledger) / bare, len(ledger) / await scene.import_all(ledger)


@dataclass(slots=True)
class _Rows:
    """The rows of one message: its own, and those below it by table, without the number of the message."""

    own: tuple[Any, ...]
    below: dict[str, list[tuple[Any, ...]]] = field(default_factory=lambda: defaultdict(list))


_OWN: Final = [each.name for each in message.columns if each.name != "nMessageID"]
_BELOW: Final = {
    table.name: [each.name for each in table.columns if each.name not in {"nMessageID", "nAttachmentID"}]
    for table in (recipient, header, attachment, message_identity)
}


def _rows_written(file: Path) -> dict[str, _Rows]:
    """The rows that the processor wrote, by the id of the message at Graph."""
    with closing(sqlite3.connect(file)) as database:
        own = database.execute(f"SELECT nMessageID, sGraphMessageID, {', '.join(_OWN)} FROM {message.name}")
        numbers: dict[int, _Rows] = {}
        found: dict[str, _Rows] = {}
        for number, graph_id, *values in own:
            numbers[number] = found[graph_id] = _Rows(tuple(values))
        for table, columns in _BELOW.items():
            for number, *values in database.execute(f"SELECT nMessageID, {', '.join(columns)} FROM {table}"):
                numbers[number].below[table].append(tuple(values))
    return found


async def bare_loop(scene: Stage, ledger: list[dict[str, Any]], rows: dict[str, _Rows]) -> float:
    """Fetch all messages, and insert those of which there are rows; return the seconds taken."""
    headers = {
        "Authorization": f"Bearer {await scene.sign_in()}",
        "Prefer": 'IdType="ImmutableId", outlook.allow-unsafe-html',
    }
    with tempfile.TemporaryDirectory() as folder:
        database = _bare_database(Path(folder) / "bare.db")
        async with open_session(scene.url, ca_bundle=scene.ca_file) as session:

            async def get(path: str) -> bytes:
                async with session.get(URL(f"{scene.url}/v1.0/{path}", encoded=True), headers=headers) as response:
                    response.raise_for_status()
                    return await response.read()

            async def fetch(user: str, message_id: str) -> None:
                path = f"users/{user}/messages/{encode_segment(message_id)}"
                found = json.loads(await get(f"{path}?$select={_SELECT}&$expand={_EXPAND}"))
                if found["hasAttachments"] or "cid:" in found["body"]["content"]:
                    for part in json.loads(await get(f"{path}/attachments"))["value"]:
                        if part["@odata.type"] == _ITEM:
                            await get(f"{path}/attachments/{encode_segment(part['id'])}/$value")
                if message_id in rows:
                    _insert(database, rows[message_id])

            seconds = await fetch_all(ledger, fetch)
        database.close()
    return seconds


async def fetch_all(ledger: list[dict[str, Any]], fetch: Callable[[str, str], Awaitable[None]]) -> float:
    """Fetch all messages, by mailbox and id, four of a mailbox at a time; return the seconds taken."""
    waiting: dict[str, list[str]] = {}
    for entry in ledger:
        waiting.setdefault(entry["user_id"], []).append(entry["message_id"])

    async def work(user: str) -> None:
        while waiting[user]:
            await fetch(user, waiting[user].pop())

    loop = asyncio.get_running_loop()
    started = loop.time()
    await asyncio.gather(*(work(user) for user in waiting for _ in range(4)))
    return loop.time() - started


def _bare_database(file: Path) -> sqlite3.Connection:
    engine = make_engine(f"sqlite:///{file}")
    migration.upgrade(engine, now=utc_now())
    engine.dispose()
    database = sqlite3.connect(file, isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    return database


def _insert(database: sqlite3.Connection, rows: _Rows) -> None:
    database.execute("BEGIN IMMEDIATE")
    number = database.execute(_INSERT_OWN, rows.own).lastrowid
    for table, below in rows.below.items():
        database.executemany(_INSERT_BELOW[table], [(number, *each) for each in below])
    database.execute("COMMIT")


def _insert_into(table: str, columns: list[str]) -> str:
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"


_INSERT_OWN: Final = _insert_into(message.name, _OWN)
_INSERT_BELOW: Final = {table: _insert_into(table, ["nMessageID", *columns]) for table, columns in _BELOW.items()}
