"""A simulated tenant, and the product wired to it by the rules of `console.wiring.roles`, with a settable clock."""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import structlog
from click.testing import CliRunner, Result
from prometheus_client import CollectorRegistry
from pydantic import SecretStr
from sqlalchemy import Connection, func, select

from background.pulse import Pulse
from bus.database.adapter import DatabaseQueue
from bus.notification import Notification
from bus.queue import Message, MessageId, QueuedMessage
from console.invocation import Invocation
from console.main import cli
from console.settings import Settings
from console.wiring.calls import CallContext
from console.wiring.graph import OpenedGraph, open_graph
from console.wiring.processor import ImportOptions, importer_of, processor_of
from db.engine import Database
from db.heartbeat import Heartbeat
from db.queries import accounts
from db.queries.processes import PROCESSOR, Process
from db.schema import revisions
from db.tables import attachment, message, queue_message, recipient
from graph.certificates import Certificate, write_pair
from graph.client import GraphClient
from graph.client_state import ClientStateKeys
from graph.mailbox import Mailbox as OpenedMailbox
from graph.messages import MailReader
from graph.slots import Slots
from processor.content.attachments import AttachmentLimits
from processor.mailbox_fairness import CallShare, ProcessShare
from processor.message_trace import TraceWriter
from processor.metrics import ProcessorMetrics
from processor.process_pool import ProcessPool
from processor.worker import Processor, WorkerContext, WorkerLimits
from simulator.api.delivery import DeliveryRules
from simulator.calls import Operation
from simulator.content.mail import Mail
from simulator.faults import Fault, FaultKind
from simulator.simulator import Simulator, system_clock
from simulator.state.mail_server import DeliveredMessage
from simulator.state.mailboxes import Mailbox
from simulator.state.subscriptions import SubscriptionRules
from simulator.state.tenants import Application
from tests.databases import Gateway
from tests.doubles.outages import Fragile, fragile
from tests.waiting import PATIENCE_SECONDS, until

SLEEP_SCALE = 0.01
_ON_THE_WAY_SECONDS = 1.0


class Clock:
    """The machine's time plus the test's offset."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def advance(self, **by: float) -> None:
        self.ahead += timedelta(**by)


class Sleeps:
    """Records the length of each sleep, and sleeps a hundredth of it."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        await asyncio.sleep(seconds * SLEEP_SCALE)


@dataclass(frozen=True)
class Part:
    """Fields of a row of `tblEmailAttachment` that tests check."""

    kind: str
    graph_id: str
    sha256: str | None
    content: bytes | None
    inline: bool
    content_id: str | None
    size: int
    state: str
    detail: str | None
    file_name: str | None
    safe_name: str
    item_type: str | None
    parent: int | None
    origin: str


@dataclass(frozen=True)
class Imported:
    """Fields of a row of `tblEmailMessage` that tests check, with everything below it in order."""

    account_id: int
    graph_id: str
    subject: str | None
    body: str | None
    internet_message_id: str | None
    recipients: tuple[tuple[str, str | None, str | None], ...]
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class ActionRow:
    """Fields of a pending action after an import that tests check."""

    graph_id: str
    kind: str | None
    state: str | None
    detail: str | None
    attempts: int | None
    due: datetime | None


class World:
    """Simulator, database, queue and Graph client of one test; processors are started from it."""

    def __init__(
        self,
        *,
        simulator: Simulator,
        application: Application,
        certificate: Certificate,
        settings: Settings,
        fragile: Fragile,
        database: Database,
        services: OpenedGraph,
        heartbeat: Heartbeat,
        share: ProcessShare,
        slots: Slots,
        processes: ProcessPool,
        clock: Clock,
        sleeps: Sleeps,
    ) -> None:
        self.simulator = simulator
        self.application = application
        self.certificate = certificate
        self.settings = settings
        self.store = Path(settings.certificate_store)
        self.fragile = fragile
        self.database = database
        self.clock = clock
        self.sleeps = sleeps
        self.services = services
        self.heartbeat = heartbeat
        self.share = share
        self.slots = slots
        self.processes = processes
        """Shared by the importers of all tests: each start takes a quarter of a second of computing time."""
        self._queues: list[DatabaseQueue] = []
        self.queue = self.new_queue()
        self._numbers = iter(range(1_000_000))
        self._registries: list[CollectorRegistry] = []
        self._traces: list[TraceWriter] = []

    @property
    def graph(self) -> GraphClient:
        return self.services.client

    @property
    def context(self) -> CallContext:
        """The time and chance of calls of Graph, and their bounds."""
        return call_context(self.clock, self.sleeps)

    @asynccontextmanager
    async def calling_graph(self, share: CallShare | None = None, **changed: float) -> AsyncIterator[GraphClient]:
        """A client beside that of the world, with bounds of its own, or another process's share."""
        slots = self.slots if share is None else Slots(share.of)
        async with open_graph(self.settings, slots, replace(self.context, **changed)) as services:  # type: ignore[arg-type]  # of its bounds
            yield services.client

    def new_queue(self, **options: Any) -> DatabaseQueue:  # noqa: ANN401  # passed through
        queue = DatabaseQueue(self.database, clock=self.clock, **options)
        self._queues.append(queue)
        return queue

    # Accounts.

    def new_mailbox(self, name: str) -> Mailbox:
        return self.simulator.add_mailbox(f"{name}@riviere.example", name, self.application.tenant_id)

    async def add_account(self, mailbox: Mailbox, name: str | None = None, **changed: Any) -> int:  # noqa: ANN401  # passed through
        facts: dict[str, Any] = {
            "name": name or mailbox.display_name,
            "tenant_id": self.application.tenant_id,
            "client_id": self.application.client_id,
            "user_id": mailbox.user_id,
            "thumbprint": self.certificate.thumbprint,
            "secure_certificate_access": False,
            **changed,
        }
        settings = accounts.AccountSettings(**facts)
        return await self.database.write(lambda connection: accounts.add(connection, settings, now=self.clock()))

    def opened(self, mailbox: Mailbox) -> OpenedMailbox:
        """The mailbox in the product's form."""
        return OpenedMailbox(
            account_id=1,
            account_name=mailbox.display_name,
            tenant_id=self.application.tenant_id,
            client_id=self.application.client_id,
            user_id=mailbox.user_id,
            thumbprint=self.certificate.thumbprint,
            secure_certificate_access=False,
        )

    async def account_of(self, name: str) -> tuple[Mailbox, int]:
        mailbox = self.new_mailbox(name)
        return mailbox, await self.add_account(mailbox)

    async def set_enabled(self, name: str, enabled: bool) -> None:
        await self.database.write(lambda c: accounts.set_enabled(c, name, enabled, now=self.clock()))

    async def conditions(self) -> list[accounts.Condition]:
        return await self.database.read(accounts.conditions)

    async def keys(self) -> ClientStateKeys:
        secret = await self.database.read(revisions.stored_client_state_secret)
        assert secret is not None
        return ClientStateKeys(secret)

    # Mail and notifications.

    async def deliver(self, mailbox: Mailbox, count: int, mail: Mail | None = None) -> list[DeliveredMessage]:
        return [
            await self.simulator.deliver(mailbox, mail or Mail(subject=f"Letter {number}", body=f"Body {number}"))
            for number in range(count)
        ]

    def notification(self, account_id: int, message_id: str | None, **changed: Any) -> Notification:  # noqa: ANN401  # passed through
        """A notification in the receiver's form; each has another etag, so that none is a duplicate."""
        number = next(self._numbers)
        facts: dict[str, Any] = {
            "account_id": account_id,
            "subscription_id": "8a1c4a52-11d1-4a4e-8a5e-0e37c1b5a001",
            "change_type": "created",
            "message_id": message_id,
            "etag": f'W/"{number}"',
            "received": self.clock(),
            "correlation": f"correlation-{number}",
            **changed,
        }
        return Notification(**facts)

    async def notify(self, account_id: int, messages: Sequence[DeliveredMessage | str]) -> None:
        ids = [each if isinstance(each, str) else each.message_id for each in messages]
        await self.queue.put([self.notification(account_id, each).to_message() for each in ids])

    async def put_body(self, body: str, name: str = "odd", account_id: int | None = None) -> None:
        await self.queue.put([Message(MessageId(name), body, account_id)])

    async def tamper(self, delivered: DeliveredMessage, change: Callable[[Any], Any]) -> None:
        """Make the simulator respond to the importer's GET of the message with changed JSON."""
        await MailReader(self.graph).message(self.opened(delivered.mailbox), delivered.message_id, with_headers=True)
        rendered = delivered.message.rendered
        assert rendered is not None
        body = json.dumps(change(json.loads(rendered[1]))).encode()
        delivered.message.rendered = (rendered[0], body)

    def fault(self, kind: FaultKind, **facts: Any) -> int:  # noqa: ANN401  # passed through
        return self.simulator.faults.add(Fault(kind, **facts))

    def calls(self, operation: Operation) -> int:
        found: int = self.simulator.statistics()["calls"].get(str(operation), 0)
        return found

    # Contents of the database.

    async def imported(self) -> list[Imported]:
        return await self.database.read(_imported)

    async def imported_ids(self) -> list[str]:
        return sorted(
            await self.database.read(lambda connection: list(connection.scalars(select(message.c.sGraphMessageID))))
        )

    async def dead_letters(self) -> list[QueuedMessage]:
        return await self.queue.peek(limit=100, dead_letters=True)

    async def waiting(self) -> list[QueuedMessage]:
        return await self.queue.peek(limit=1000)

    async def queue_is_empty(self) -> bool:
        status = await self.queue.status()
        return not (status.active or status.locked or status.scheduled)

    async def actions(self) -> list[ActionRow]:
        """Return the actions after the imports, by message, in the order of import."""
        return await self.database.read(_actions)

    async def actions_ended(self) -> bool:
        """Check that no action is left."""
        return all(each.state != "pending" for each in await self.actions())

    # Processors.

    def new_processor(
        self,
        *,
        queue: DatabaseQueue | None = None,
        graph: GraphClient | None = None,
        reader: MailReader | None = None,
        limits: WorkerLimits | None = None,
        kept: AttachmentLimits | None = None,
        keep_mime: bool = False,
        host: str = "host",
        share: CallShare | None = None,
        pulse: Pulse | None = None,
    ) -> Processor:
        client = graph or self.graph
        importer = importer_of(
            reader or MailReader(client),
            self.database,
            ImportOptions(limits=kept, keep_mime=keep_mime),
            clock=self.clock,
            processes=self.processes,
            sleep=self.sleeps,
        )
        self._registries.append(CollectorRegistry())
        metrics = ProcessorMetrics(self._registries[-1])
        context = WorkerContext(share or self.share, self.clock, Random(1), metrics, limits, pulse=pulse or Pulse())
        processor = processor_of(
            queue or self.queue, self.database, client, importer, context, host=host, action_poll_seconds=0.05
        )
        self._traces += [each for each in processor._settlement._observers if isinstance(each, TraceWriter)]
        return processor

    def deliveries_at_work(self) -> int:
        """Return the number of deliveries that the processors of the test work on."""
        return sum(int(each.get_sample_value("mail_importer_deliveries_in_hand") or 0) for each in self._registries)

    @asynccontextmanager
    async def processing(self, **options: Any) -> AsyncIterator[asyncio.Event]:  # noqa: ANN401  # passed through
        """A processor at work; it is stopped at the end, and must stop."""
        stop = asyncio.Event()
        running = asyncio.create_task(self.new_processor(**options).run(stop))
        try:
            yield stop
        finally:
            stop.set()
            await asyncio.wait_for(running, PATIENCE_SECONDS)

    @asynccontextmanager
    async def another_process(self, name: str, **options: Any) -> AsyncIterator[Heartbeat]:  # noqa: ANN401  # passed through
        """A processor with a heartbeat, a share and a queue of its own, as on another host."""
        process = Process(name, name, (PROCESSOR,), "", self.clock())
        async with Heartbeat(self.database, process, clock=self.clock).kept() as heartbeat:
            share = ProcessShare(heartbeat, name=name)
            queue = self.new_queue()
            async with (
                self.calling_graph(share) as graph,
                self.processing(queue=queue, graph=graph, share=share, host=name, **options),
            ):
                yield heartbeat
            await queue.close()

    async def import_all(self, **options: Any) -> None:  # noqa: ANN401  # passed through
        """Run a processor until the queue is empty."""
        async with self.processing(**options):
            await until(self.queue_is_empty)

    async def pass_time_until(
        self, condition: Callable[[], Awaitable[object]] | Callable[[], object], *, step: float = 3600.0
    ) -> None:
        """Like `until`, for a processor at work; the clock advances whenever all remaining work waits for its time.

        That is the time of a delay, or the end of the lock of a delivery that was left without being settled. Consumers
        notice it at once, without the half second of their next poll. `step`: seconds that it advances at most.
        """
        left_since = time.monotonic()

        async def met() -> object:
            nonlocal left_since
            found = condition()
            if isinstance(found, Awaitable):
                found = await found
            if not found:
                status, now = await self.queue.status(), time.monotonic()
                waits = not status.active and not self.deliveries_at_work() and self._traces_are_written()
                if not (waits and status.locked):
                    left_since = now
                # What is locked may be on its way from the queue to its worker.
                if waits and (not status.locked or now - left_since > _ON_THE_WAY_SECONDS):
                    self.clock.advance(seconds=min(step, await self._seconds_until_due()))
                    for queue in self._queues:
                        queue._wake()
            return found

        await until(met)

    def _traces_are_written(self) -> bool:
        """The next attempt reads how the last one failed, which is written within a second of it."""
        waiting = [
            each for each in self._traces if each._entries and each._writing is not None and not each._writing.done()
        ]
        for each in waiting:
            each._enough.set()
        return not waiting

    async def _seconds_until_due(self) -> float:
        earliest = select(func.min(queue_message.c.dtVisible)).where(queue_message.c.sState == "active")
        due: datetime | None = await self.database.read(lambda connection: connection.scalar(earliest))
        return max(1.0, (due - self.clock()).total_seconds()) if due is not None else 1.0

    async def import_over_time(self, **options: Any) -> None:  # noqa: ANN401  # passed through
        """Like `import_all`, without waiting for the time of delayed messages."""
        async with self.processing(**options):
            await self.pass_time_until(self.queue_is_empty)

    async def import_and_act(self, **options: Any) -> None:  # noqa: ANN401  # passed through
        """Run a processor until the queue is empty and no action is left in the mailboxes."""
        async with self.processing(**options):
            await until(self.queue_is_empty)
            await until(self.actions_ended)


async def run_command(world: World, *arguments: str, **changed: Any) -> Result:  # noqa: ANN401  # of any setting
    """Run a command beside the simulator; settings may be given by name."""
    settings = world.settings.model_copy(update=changed)
    return await invoke(Invocation(settings, clock=world.clock, calls=world.context), *arguments)


async def invoke(invocation: Invocation, *arguments: str) -> Result:
    """Run a command on a thread of its own; errors that it does not expect are raised."""
    # What runs beside it logs to where it did, not into the output of the command, which is `sys.stdout` meanwhile.
    structlog.configure(logger_factory=structlog.WriteLoggerFactory(sys.stdout))
    result = await asyncio.to_thread(CliRunner().invoke, cli, list(arguments), obj=invocation)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def call_context(clock: Clock, sleeps: Sleeps) -> CallContext:
    """Calls of Graph that wait without sleeping, and give up soon."""
    return CallContext(
        clock=clock,
        sleep=sleeps,
        random=lambda: 1.0,
        read_seconds=10.0,
        call_seconds=30.0,
        failures_remembered_seconds=0.05,
    )


async def open_world(
    stack: AsyncExitStack,
    folder: Path,
    gateway: Gateway,
    certificate: Certificate,
    processes: ProcessPool,
    clock: Clock,
    *,
    one_clock: bool = False,
    token_lifetime: timedelta = timedelta(days=365),
    **rules: Any,  # noqa: ANN401  # of subscriptions
) -> World:
    """A world that ends with `stack`.

    With `one_clock` the simulator's time is the test's too; tokens then outlive any step of it, unless set otherwise.
    """
    simulated = clock if one_clock else system_clock
    simulator = Simulator(
        folder / "simulator",
        clock=simulated,
        token_lifetime=token_lifetime if one_clock else timedelta(hours=1),
        delivery=DeliveryRules(window_secs=0.01, backoff_secs=0.05),
        subscriptions=SubscriptionRules(**rules),
    )
    application = simulator.add_application()
    await stack.enter_async_context(simulator)
    simulator.register_certificate(application.tenant_id, application.client_id, certificate.public_pem.encode())
    store = folder / "certificates"
    write_pair(certificate, store, "importer")
    troubled = fragile(gateway)
    stack.callback(troubled.close)
    database = Database(troubled.engine())
    stack.push_async_callback(database.close)
    settings = Settings(
        database_url=SecretStr(gateway.url),
        graph_url=simulator.url,
        authority_url=simulator.url,
        ca_bundle=simulator.ca_file,
        certificate_store=str(store),
        log_format="json",
    )
    heartbeat = Heartbeat(database, Process("test", "test", (PROCESSOR,), "", clock()), clock=clock)
    sleeps = Sleeps()
    share = ProcessShare(heartbeat, name=heartbeat.process.name)
    slots = Slots(share.of)
    # The sign-in keeps to the time of the service: it refuses hosts whose clock differs.
    context = replace(call_context(clock, sleeps), clock=simulated)
    services = await stack.enter_async_context(open_graph(settings, slots, context))
    world = World(
        simulator=simulator,
        application=application,
        certificate=certificate,
        settings=settings,
        fragile=troubled,
        database=database,
        services=services,
        heartbeat=heartbeat,
        share=share,
        slots=slots,
        processes=processes,
        clock=clock,
        sleeps=sleeps,
    )
    stack.push_async_callback(world.queue.close)
    await stack.enter_async_context(world.heartbeat.kept())
    return world


def _actions(connection: Connection) -> list[ActionRow]:
    row = message.c
    columns = (
        row.sGraphMessageID,
        row.sAfterImport,
        row.sAfterImportState,
        row.sAfterImportDetail,
        row.nAfterImportAttempts,
        row.dtAfterImportDue,
    )
    return [ActionRow(*each) for each in connection.execute(select(*columns).order_by(row.nMessageID))]


def _imported(connection: Connection) -> list[Imported]:
    recipients: dict[int, list[tuple[str, str | None, str | None]]] = {}
    kinds = ["to", "cc", "bcc", "replyTo"]
    rows = connection.execute(select(recipient)).all()
    for row in sorted(rows, key=lambda row: (row.nMessageID, kinds.index(row.sKind), row.nPosition)):
        recipients.setdefault(row.nMessageID, []).append((row.sKind, row.sName, row.sAddress))
    parts: dict[int, list[Part]] = {}
    for row in connection.execute(select(attachment).order_by(attachment.c.nMessageID, attachment.c.nPosition)):
        parts.setdefault(row.nMessageID, []).append(
            Part(
                kind=row.sKind,
                graph_id=row.sGraphAttachmentID,
                sha256=row.sSHA256,
                content=row.biContent,
                inline=row.bInline,
                content_id=row.sContentID,
                size=row.nSize,
                state=row.sState,
                detail=row.sStateDetail,
                file_name=row.sFileName,
                safe_name=row.sSafeFileName,
                item_type=row.sItemType,
                parent=row.nParentPosition,
                origin=row.sOrigin,
            )
        )
    return [
        Imported(
            account_id=row.nAccountID,
            graph_id=row.sGraphMessageID,
            subject=row.sSubject,
            body=row.sBody,
            internet_message_id=row.sInternetMessageID,
            recipients=tuple(recipients.get(row.nMessageID, ())),
            parts=tuple(parts.get(row.nMessageID, ())),
        )
        for row in connection.execute(select(message).order_by(message.c.nMessageID))
    ]
