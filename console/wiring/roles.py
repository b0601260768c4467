"""The wiring: from settings to running roles. The only place that connects the packages."""

import asyncio
import gc
import signal
import time
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from random import SystemRandom
from typing import Any, Final

import structlog
from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector

from bus.queue import NotificationQueue
from console.loop import run_async
from console.metrics_endpoint import serving_metrics
from console.settings import Settings, SettingsError
from console.wiring.clock import utc_now
from console.wiring.database import open_engine, warning_of_modes
from console.wiring.graph import OpenedGraph, open_graph
from console.wiring.host import host_name, process_name, program_version
from console.wiring.queue import open_queue
from db.engine import Database
from db.heartbeat import Heartbeat
from db.queries.messages import MessageStore
from db.queries.processes import Process
from db.schema import revisions
from graph.client import GraphClient
from graph.client_state import ClientStateKeys
from graph.delta import DeltaReader
from graph.folders import MailFolders
from graph.messages import MailReader
from graph.slots import Slots
from graph.subscriptions import SubscriptionClient
from phrases import Phrase
from processor.accounts import AccountBackoff, AccountCache
from processor.after_import import AfterImport
from processor.content.attachments import AttachmentLimits
from processor.importer import Importer, worker_processes
from processor.lifecycle import LifecycleHandler
from processor.mailbox_actions import MailboxActions
from processor.mailbox_fairness import PROCESSOR, ProcessShare
from processor.message_trace import TraceWriter
from processor.metrics import ProcessorMetrics
from processor.missed_notifications import MissedNotifications
from processor.process_pool import ProcessPool
from processor.worker import Processor
from receiver.app import Receiver
from receiver.body import BodyLimits
from receiver.connections import ConnectionLimits
from receiver.metrics import ReceiverMetrics
from receiver.server import Listener
from receiver.throttled_log import ThrottledLog
from receiver.tls import ServerCertificate
from subscriptions.catch_up import CatchUp
from subscriptions.certificates import CertificateWatch
from subscriptions.drift import DriftCheck
from subscriptions.listing_cache import SubscriptionListCache
from subscriptions.manager import PeriodicTask, SubscriptionManager
from subscriptions.metrics import ManagerMetrics
from subscriptions.rate_limiter import RateLimiter
from subscriptions.reconciler import Addresses, SubscriptionReconciler
from subscriptions.retention import TraceRetention
from subscriptions.scan_checks import ScanChecks
from subscriptions.sweep_schedule import SweepSchedule
from threads import DaemonThreads

RECEIVER: Final = "receiver"
SUBSCRIPTIONS: Final = "subscriptions"
ALL: Final = (RECEIVER, PROCESSOR, SUBSCRIPTIONS)

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Started:
    """The running roles. `port`: of the receiver; None without that role."""

    port: int | None


def freeze_gc() -> None:
    """Exclude the objects of start-up from garbage collection.

    They live as long as the process; scanned again and again under load, they make one request in a hundred three times
    as slow (bench/receiver.py).
    """
    gc.collect()
    gc.freeze()


def run_until_signalled(
    work: Callable[[asyncio.Event], Coroutine[Any, Any, None]], *, reload: asyncio.Event | None = None
) -> None:
    """Run `work` with an event that SIGTERM or SIGINT sets; SIGHUP, where it exists, sets `reload`."""

    async def with_signals() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()

        def tell(number: int, _frame: object = None) -> None:
            log.info("stop_requested", signal=signal.Signals(number).name)
            loop.call_soon_threadsafe(stop.set)

        for number in (signal.SIGTERM, signal.SIGINT):
            try:
                loop.add_signal_handler(number, tell, number)
            except NotImplementedError:  # Windows
                signal.signal(number, tell)
        if reload is not None and hasattr(signal, "SIGHUP"):
            loop.add_signal_handler(signal.SIGHUP, reload.set)
        await work(stop)

    run_async(with_signals())


async def run_roles(
    settings: Settings,
    roles: tuple[str, ...],
    stop: asyncio.Event,
    *,
    reload: asyncio.Event | None = None,
    on_started: Callable[[Started], None] = lambda _started: None,
) -> None:
    """Run these roles until `stop` is set or one of them fails. `reload` makes the receiver read its certificate anew.

    Raises:
        SettingsError, DatabaseError: before anything was started.
        OSError, ssl.SSLError: the receiver cannot listen as configured.
        MetricsUnavailable: the metrics cannot be served at their address.
    """
    async with AsyncExitStack() as resources:
        wiring = await _Wiring.open(settings, roles, resources)
        await wiring.serve_metrics(resources)
        await wiring.introduce(roles, resources)
        port, certificate = None, None
        if RECEIVER in roles:
            port, certificate = await wiring.listen(resources)
        works = await wiring.work(roles, stop, resources)
        if certificate is not None:
            works.append((RECEIVER, certificate.watch(stop, reload or asyncio.Event())))
        running = {name: asyncio.create_task(work) for name, work in works}
        shown = settings.shown_database_url if _needs_database(settings, roles) else None
        log.info("roles_started", roles=list(roles), database=shown, queue=settings.queue)
        freeze_gc()
        on_started(Started(port))
        await _until_stopped(running, stop)
    log.info("roles_stopped", roles=list(roles))


async def _until_stopped(running: dict[str, asyncio.Task[None]], stop: asyncio.Event) -> None:
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([stopping, *running.values()], return_when=asyncio.FIRST_COMPLETED)
    finally:
        # Even when one role ended by itself: half a service that appears alive is worse than none.
        stop.set()
        stopping.cancel()
        await asyncio.gather(stopping, *running.values(), return_exceptions=True)
    for name, task in running.items():
        failure = task.exception()
        if failure is not None:
            log.error("role_failed", role=name, error_type=type(failure).__name__)
            raise failure


class _Wiring:
    """The state that roles of one process share.

    `database` is None where only the receiver runs, on Service Bus; `keys` where only a processor runs: a process
    without the key cannot leak it.
    """

    def __init__(
        self, settings: Settings, database: Database | None, queue: NotificationQueue, keys: ClientStateKeys | None
    ) -> None:
        self._settings = settings
        self._gateway = database
        self._queue = queue
        self._client_state_keys = keys
        self._random = SystemRandom()
        self._owner = process_name()
        self._heartbeat: Heartbeat | None = None
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)

    @classmethod
    async def open(cls, settings: Settings, roles: tuple[str, ...], resources: AsyncExitStack) -> "_Wiring":
        database = None
        if _needs_database(settings, roles):
            engine = open_engine(settings)
            database = Database(engine)
            resources.push_async_callback(database.close)
            await asyncio.get_running_loop().run_in_executor(
                DaemonThreads("schema check", limit=1), revisions.require_current, engine
            )
            warning = warning_of_modes(engine)
            if warning is not None:
                log.warning("database_open_to_others", detail=str(warning))
        keys = None if roles == (PROCESSOR,) else await _client_state_keys(settings, database)
        queue = await resources.enter_async_context(open_queue(settings, database, clock=utc_now))
        return cls(settings, database, queue, keys)

    @property
    def _database(self) -> Database:
        if self._gateway is None:
            raise RuntimeError("a role that needs the database was wired without one")
        return self._gateway

    @property
    def _keys(self) -> ClientStateKeys:
        if self._client_state_keys is None:
            raise RuntimeError("a role that needs the keys was wired without them")
        return self._client_state_keys

    async def serve_metrics(self, resources: AsyncExitStack) -> None:
        """Serve the metrics of all roles of this process, if configured."""
        host, port = self._settings.metrics_host, self._settings.metrics_port
        if port:
            await resources.enter_async_context(serving_metrics(self._registry, host, port))

    async def introduce(self, roles: tuple[str, ...], resources: AsyncExitStack) -> None:
        """Announce this process to the others, until the very end: it may use its share of calls as long."""
        if self._gateway is None:
            return
        process = Process(self._owner, host_name(), roles, program_version(), utc_now())
        self._heartbeat = await resources.enter_async_context(Heartbeat(self._gateway, process, clock=utc_now).kept())

    def _cannot_process(self) -> bool:
        """True of a processor that receives nothing now, since the others may consider it dead."""
        heartbeat = self._heartbeat
        return heartbeat is not None and PROCESSOR in heartbeat.process.roles and heartbeat.is_late

    async def listen(self, resources: AsyncExitStack) -> tuple[int, ServerCertificate | None]:
        """Start the receiver; return its port, and its certificate unless it serves plain HTTP.

        It stops first of all, so that nothing arrives that is not accepted.
        """
        settings = self._settings
        metrics = ReceiverMetrics(self._registry)
        certificate = None
        if settings.receiver_tls_cert is not None and settings.receiver_tls_key is not None:
            certificate = ServerCertificate(
                settings.receiver_tls_cert, settings.receiver_tls_key, clock=utc_now, metrics=metrics
            )
        throttled = ThrottledLog(time.monotonic)
        receiver = Receiver(
            self._queue,
            account_of=self._keys.verify,
            clock=utc_now,
            metrics=metrics,
            throttled=throttled,
            body_limits=BodyLimits(body_bytes=settings.receiver_body_limit_mb * 1024 * 1024),
            is_useless=self._cannot_process,
        )
        listener = Listener(
            receiver.answer,
            host=settings.receiver_host,
            port=settings.receiver_port,
            tls=certificate,
            limits=ConnectionLimits(per_address=settings.receiver_connections_per_address),
            metrics=metrics,
            throttled=throttled,
        )
        port = await listener.start()
        resources.push_async_callback(listener.stop)
        resources.callback(receiver.stop_accepting)
        log.info("receiver_listening", host=settings.receiver_host, port=port)
        return port, certificate

    async def work(
        self, roles: tuple[str, ...], stop: asyncio.Event, resources: AsyncExitStack
    ) -> list[tuple[str, Coroutine[Any, Any, None]]]:
        """Return the work of the other roles until `stop` is set. They share tokens and connections."""
        work: list[tuple[str, Coroutine[Any, Any, None]]] = []
        if PROCESSOR not in roles and SUBSCRIPTIONS not in roles:
            return work
        share = None
        if PROCESSOR in roles and self._heartbeat is not None:
            share = ProcessShare(self._heartbeat, name=self._owner)
        # A manager alone makes few calls: one at a time beside the processors' four, and Graph's 429 decides.
        slots = None if share is None else Slots(share.of)
        graph = await resources.enter_async_context(open_graph(self._settings, slots))
        if share is not None:
            processes = await resources.enter_async_context(worker_processes())
            work.append((PROCESSOR, self._process(graph.client, share, processes, stop)))
        if SUBSCRIPTIONS in roles:
            work.append((SUBSCRIPTIONS, self._manager(graph).run(stop)))
        return work

    async def _process(
        self, graph: GraphClient, share: ProcessShare, processes: ProcessPool, stop: asyncio.Event
    ) -> None:
        metrics = ProcessorMetrics(self._registry)
        store = MessageStore(self._database, clock=utc_now)
        limits = AttachmentLimits(self._settings.attachment_limit_mb, self._settings.message_limit_mb)
        directory = AccountCache(self._database, clock=utc_now)
        after_import = AfterImport(
            self._database,
            MailboxActions(graph, clock=utc_now),
            directory,
            share,
            clock=utc_now,
            random=self._random,
            metrics=metrics,
        )
        processor = Processor(
            self._queue,
            Importer(
                MailReader(graph),
                store,
                clock=utc_now,
                headers=self._settings.internet_headers,
                limits=limits,
                keep_mime=self._settings.keep_mime,
                processes=processes,
            ),
            store,
            directory,
            AccountBackoff(self._database, clock=utc_now, random=self._random, metrics=metrics),
            LifecycleHandler(self._database),
            MissedNotifications(self._database),
            share,
            TraceWriter(self._database, host=host_name(), clock=utc_now, metrics=metrics),
            after_import,
            clock=utc_now,
            random=self._random,
            metrics=metrics,
        )
        await processor.run(stop)
        await store.close()

    def _manager(self, graph: OpenedGraph) -> SubscriptionManager:
        metrics = ManagerMetrics(self._registry)
        database, random = self._database, self._random
        public = self._settings.notification_url
        addresses = None if public is None else Addresses(f"{public}/notifications", f"{public}/lifecycle")
        sweeps = SweepSchedule.of_settings(self._settings.sweep_interval, public)
        client = SubscriptionClient(graph.client, RateLimiter(database, clock=utc_now))
        survey = SubscriptionListCache(client, clock=utc_now)
        folders = MailFolders(graph.client, MailReader(graph.client), clock=utc_now)
        keeper = SubscriptionReconciler(
            database,
            client,
            survey,
            folders,
            addresses=addresses,
            sweeps=sweeps,
            keys=self._keys,
            clock=utc_now,
            random=random,
            metrics=metrics,
        )
        catch_up = CatchUp(
            database,
            DeltaReader(graph.client),
            self._queue,
            folders,
            rules=sweeps,
            clock=utc_now,
            random=random,
            metrics=metrics,
        )
        chores: list[PeriodicTask] = [
            CertificateWatch(database, graph.certificates, graph.tokens, clock=utc_now, metrics=metrics),
            TraceRetention(database, kept=timedelta(days=self._settings.trace_days), clock=utc_now),
            ScanChecks(database, self._queue, clock=utc_now),
        ]
        if addresses is None:
            log.warning(
                "no_inbound_address",
                detail="notification_url is not set: no webhooks; every account is swept every minute instead.",
            )
        else:
            chores.append(
                DriftCheck(
                    database,
                    client,
                    notification_url=addresses.notifications,
                    clock=utc_now,
                    random=random,
                    metrics=metrics,
                )
            )
        return SubscriptionManager(
            database,
            [keeper, catch_up],
            chores,
            owner=self._owner,
            served_with=keeper.served_with,
            clock=utc_now,
            random=random,
            metrics=metrics,
        )


def _needs_database(settings: Settings, roles: tuple[str, ...]) -> bool:
    """False for a receiver in front of Service Bus, which may run without access to the database."""
    return settings.queue == "database" or roles != (RECEIVER,)


async def _client_state_keys(settings: Settings, database: Database | None) -> ClientStateKeys:
    previous = settings.client_state_secret_previous
    current = settings.client_state_secret
    if current is None and database is None:
        raise SettingsError(
            Phrase(
                "client_state_secret: must be set where the receiver runs without the gateway database; to the same "
                "text as at the subscription manager's."
            )
        )
    stored = await database.read(revisions.stored_client_state_secret) if current is None and database else None
    secret = current.get_secret_value() if current is not None else stored
    if secret is None:
        raise SettingsError(
            Phrase("client_state_secret: is neither set nor in the database. Run: mail-importer db upgrade")
        )
    return ClientStateKeys(secret, previous.get_secret_value() if previous is not None else None)
