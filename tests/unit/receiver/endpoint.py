"""A running receiver on a real socket, before a real queue, and the requests of tests to it."""

import asyncio
import io
import json
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import aiohttp
from prometheus_client import CollectorRegistry
from sqlalchemy import event
from yarl import URL

from background.readiness import Readiness
from bus.database.adapter import DatabaseQueue
from bus.notification import Notification
from bus.queue import Message, NotificationSender
from console.wiring.health import QUEUE, probing
from db.engine import Database, make_engine
from graph.client_state import ClientStateKeys
from receiver.app import Receiver
from receiver.body import BodyLimits
from receiver.connections import ConnectionLimits
from receiver.intake import IntakeLimits
from receiver.metrics import ReceiverMetrics
from receiver.server import Listener, ServerTls
from receiver.throttled_log import ThrottledLog
from tests.waiting import until

NOW: Final = datetime(2027, 3, 8, 9, 0, tzinfo=UTC)
SECRET: Final = "the-key-in-use-0123456789-0123456789"
PREVIOUS_SECRET: Final = "the-key-before-0123456789-0123456789"
MIB: Final = 1024 * 1024
DEADLINE_SECS: Final = 20.0


def item(client_state: object, message: object = "AAkALg-1", **properties: object) -> dict[str, object]:
    """A change notification in Graph's form (docs/graph.md, section 3)."""
    return {
        "subscriptionId": "0f2a0000-0000-0000-0000-000000000001",
        "subscriptionExpirationDateTime": "2027-03-08T09:00:00.1234567+00:00",
        "clientState": client_state,
        "changeType": "created",
        "tenantId": "9c41",
        "resource": f"Users/6b1f/Messages/{message}",
        "resourceData": {
            "@odata.type": "#Microsoft.Graph.Message",
            "@odata.id": f"Users/6b1f/Messages/{message}",
            "@odata.etag": 'W/"CQAAABYAAA"',
            "id": message,
        },
    } | properties


def collection(*items: object) -> bytes:
    return json.dumps({"value": items}).encode()


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes
    headers: Mapping[str, str]

    @property
    def text(self) -> str:
        return self.body.decode()


class HeldQueue:
    """A queue that responds only when it is released, to stand for a slow one."""

    def __init__(self, queue: NotificationSender) -> None:
        self._queue = queue
        self.let = asyncio.Event()
        self.under_way = 0

    async def put(self, messages: Sequence[Message]) -> int:
        self.under_way += 1
        try:
            await self.let.wait()
            return await self._queue.put(messages)
        finally:
            self.under_way -= 1

    async def check(self) -> None:
        await self._queue.check()


class Disk:
    """Failures of the database's file. Takes effect for the next transaction."""

    def __init__(self, path: Path, database: Database) -> None:
        self.path = path
        self.read_only = False
        self.full = False
        self.busy_milliseconds = 50
        self.commits = 0
        event.listen(database.engine, "checkout", self._prepare)
        event.listen(database.engine, "commit", self._count)

    def _prepare(self, connection: Any, _record: object, _proxy: object) -> None:  # noqa: ANN401  # the driver's
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        for pragma in (
            f"busy_timeout={self.busy_milliseconds}",
            f"query_only={int(self.read_only)}",
            f"max_page_count={pages if self.full else 2**30}",
        ):
            connection.execute(f"PRAGMA {pragma}").fetchall()

    def _count(self, _connection: object) -> None:
        self.commits += 1

    def lock(self) -> sqlite3.Connection:
        """Acquire the write lock, like another process, until the connection is closed."""
        connection = sqlite3.connect(self.path, isolation_level=None)
        connection.execute("BEGIN IMMEDIATE")
        return connection


@dataclass
class Endpoint:
    """A listening receiver."""

    port: int
    queue: DatabaseQueue
    disk: Disk
    readiness: Readiness
    listener: Listener
    session: aiohttp.ClientSession
    keys: ClientStateKeys
    registry: CollectorRegistry

    def state(self, account: int = 1) -> str:
        return self.keys.sign(account)

    async def request(
        self, method: str, target: str, body: bytes | AsyncIterator[bytes] | None = None, **headers: str
    ) -> Answer:
        """Send a request; header names with `_` for `-`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        url = URL(f"http://127.0.0.1:{self.port}{target}", encoded=True)
        data = io.BytesIO(body) if isinstance(body, bytes) else body
        async with self.session.request(method, url, data=data, headers=named) as got:
            return Answer(got.status, await got.read(), got.headers.copy())

    async def post(
        self,
        body: bytes | AsyncIterator[bytes],
        path: str = "/notifications",
        *,
        content_type: str = "application/json",
    ) -> Answer:
        return await self.request("POST", path, body, Content_Type=content_type)

    async def deliver(self, *items: object, path: str = "/notifications") -> Answer:
        return await self.post(collection(*items), path)

    async def queued(self) -> list[Notification]:
        return [Notification.from_json(message.body) for message in await self.queue.peek(limit=1_000_000)]

    async def queued_ids(self) -> list[str | None]:
        return [notification.message_id for notification in await self.queued()]

    def metric(self, name: str, **labels: str) -> float:
        """The value of a sample of the metrics, 0 when there is none."""
        return self.registry.get_sample_value(name, labels) or 0.0

    def outcomes(self) -> dict[str, float]:
        """Count the items recorded as genuine, forged and malformed."""
        name = "mail_importer_notifications_total"
        return {outcome: self.metric(name, outcome=outcome) for outcome in ("genuine", "forged", "malformed")}

    def waiting(self) -> float:
        return self.metric("mail_importer_receiver_waiting")

    async def until_waiting(self, requests: int) -> None:
        await until(lambda: self.waiting() == requests, f"{requests} requests wait")

    @asynccontextmanager
    async def connection(self) -> AsyncIterator["Connection"]:
        """A raw connection, also for data that no client library would send."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield Connection(reader, writer)
        finally:
            await hang_up(writer)


async def hang_up(writer: asyncio.StreamWriter) -> None:
    """Close a connection to its end: one with TLS would be left open when its loop ends."""
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


@dataclass(frozen=True, slots=True)
class Connection:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def say(self, *lines: str, body: bytes = b"") -> None:
        self.writer.write("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
        await self.writer.drain()

    async def answer(self) -> Answer:
        """Read one response."""
        async with asyncio.timeout(DEADLINE_SECS):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            status, *lines = head.removesuffix("\r\n\r\n").split("\r\n")
            headers = dict(line.split(": ", 1) for line in lines)
            body = await self.reader.readexactly(int(headers.get("Content-Length", "0")))
        return Answer(int(status.split()[1]), body, headers)

    async def closed(self) -> bytes:
        """Wait until the other side closes; return the data it sent before."""
        async with asyncio.timeout(DEADLINE_SECS):
            try:
                return await self.reader.read()
            except ConnectionError:
                return b""


class Endpoints:
    """Starts receivers on a migrated database and stops them."""

    def __init__(self, database_file: Path, resources: AsyncExitStack) -> None:
        self._file = database_file
        self._resources = resources

    async def start(
        self,
        *,
        queue_of: Callable[[DatabaseQueue], NotificationSender] = lambda queue: queue,
        intake: IntakeLimits | None = None,
        body: BodyLimits | None = None,
        connections: ConnectionLimits | None = None,
        tls: ServerTls | None = None,
    ) -> Endpoint:
        enter = self._resources
        database = Database(make_engine(f"sqlite:///{self._file}"))
        enter.push_async_callback(database.close)
        disk = Disk(self._file, database)
        queue = DatabaseQueue(database, clock=lambda: NOW)
        enter.push_async_callback(queue.close)
        keys = ClientStateKeys(SECRET, PREVIOUS_SECRET)
        registry = CollectorRegistry()
        metrics = ReceiverMetrics(registry)
        readiness = Readiness(remembered_seconds=0)
        readiness.probe(QUEUE, probing(queue.check))
        enter.push_async_callback(readiness.close)
        throttled = ThrottledLog(time.monotonic)
        receiver = Receiver(
            queue_of(queue),
            account_of=keys.verify,
            clock=lambda: NOW,
            metrics=metrics,
            throttled=throttled,
            readiness=readiness,
            intake_limits=intake,
            body_limits=body,
        )
        listener = Listener(
            receiver.answer,
            host="127.0.0.1",
            port=0,
            tls=tls,
            limits=connections or ConnectionLimits(),
            metrics=metrics,
            throttled=throttled,
        )
        port = await listener.start()
        enter.push_async_callback(listener.stop)
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=DEADLINE_SECS)
        )
        await enter.enter_async_context(session)
        return Endpoint(port, queue, disk, readiness, listener, session, keys, registry)


def statuses(answers: Iterable[Answer]) -> list[int]:
    return [answer.status for answer in answers]
