"""The processor and the importer, put together: for the role, for commands, benchmarks and tests."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self

import background
from bus.queue import NotificationConsumer
from console.settings import Settings
from console.wiring.host import host_name
from db.engine import Database
from db.queries.messages import MessageStore
from graph.client import GraphClient
from graph.messages import MailReader
from processor.accounts import AccountBackoff, AccountCache
from processor.after_import import POLL_SECONDS, AfterImport
from processor.content.attachments import AttachmentLimits
from processor.content.headers import Kept
from processor.content.spool import remove_abandoned_folders
from processor.importer import Importer, worker_processes
from processor.lifecycle import LifecycleHandler
from processor.mailbox_actions import MailboxActions
from processor.message_trace import TraceWriter
from processor.missed_notifications import MissedNotifications
from processor.process_pool import ProcessPool
from processor.settlement import DeliveryLog, DeliveryMetrics, DeliveryObserver
from processor.worker import Processor, WorkerContext

_CANCEL_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """Parts of a message that are stored: `headers`, its internet headers; `keep_mime`, its original."""

    headers: Kept = "selected"
    limits: AttachmentLimits | None = None
    keep_mime: bool = False

    @classmethod
    def of_settings(cls, settings: Settings) -> Self:
        """The options that the settings give."""
        limits = AttachmentLimits(settings.attachment_limit_mb, settings.message_limit_mb)
        return cls(settings.internet_headers, limits, settings.keep_mime)


def importer_of(
    reader: MailReader,
    database: Database,
    options: ImportOptions,
    *,
    clock: Callable[[], datetime],
    processes: ProcessPool | None = None,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Importer:
    """The importer of these options; its store is to be closed. `processes`: unpack attachments; None: its own."""
    return Importer(
        reader,
        MessageStore(database, clock=clock),
        clock=clock,
        headers=options.headers,
        limits=options.limits,
        keep_mime=options.keep_mime,
        processes=processes,
        sleep=sleep,
    )


def processor_of(
    queue: NotificationConsumer,
    database: Database,
    graph: GraphClient,
    importer: Importer,
    context: WorkerContext,
    *,
    host: str,
    action_poll_seconds: float = POLL_SECONDS,
    observer: DeliveryObserver | None = None,
) -> Processor:
    """The workers of one process on that queue and database; `host`: its name, for the trace.

    `observer`: one more that learns of each delivery.
    """
    clock, random, metrics = context.clock, context.random, context.metrics
    accounts = AccountCache(database, clock=clock)
    after_import = AfterImport(
        database,
        MailboxActions(graph, clock=clock),
        accounts,
        context.calls,
        clock=clock,
        random=random,
        metrics=metrics,
        pulse=context.pulse,
        poll_seconds=action_poll_seconds,
    )
    observers: list[DeliveryObserver] = [
        DeliveryMetrics(metrics, clock=clock),
        TraceWriter(database, host=host, clock=clock, metrics=metrics),
        DeliveryLog(clock=clock),
        after_import,
        *([] if observer is None else [observer]),
    ]
    return Processor(
        queue,
        importer,
        accounts,
        AccountBackoff(database, clock=clock, random=random, metrics=metrics),
        LifecycleHandler(database),
        MissedNotifications(database),
        observers,
        context,
    )


async def run_processor(
    settings: Settings,
    queue: NotificationConsumer,
    database: Database,
    graph: GraphClient,
    context: WorkerContext,
    stop: asyncio.Event,
    *,
    observer: DeliveryObserver | None = None,
) -> None:
    """Run the workers of this process until `stop` is set; `observer`: see `processor_of`."""
    async with worker_processes() as processes:
        options = ImportOptions.of_settings(settings)
        importer = importer_of(MailReader(graph), database, options, clock=context.clock, processes=processes)
        removing = asyncio.create_task(
            background.restarted(lambda: remove_abandoned_folders(context.clock), name="abandoned_folders")
        )
        try:
            processor = processor_of(queue, database, graph, importer, context, host=host_name(), observer=observer)
            await processor.run(stop)
        finally:
            await background.cancel(removing, within=_CANCEL_SECONDS)
            await importer.store.close()
