"""The wiring: from settings to running roles. The only place that connects the packages."""

import asyncio
import os
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from random import SystemRandom
from socket import socket
from typing import TYPE_CHECKING, Any, Final, Protocol

import structlog
from prometheus_client import CollectorRegistry

import background
from availability import Availability
from background.pulse import Pulse
from background.readiness import STARTING, STOPPING, Readiness
from bus.observed import ObservedQueue
from bus.queue import NotificationQueue
from console.metrics_endpoint import serving_metrics
from console.process_metrics import add_process_metrics
from console.settings import Settings
from console.wiring.client_state import client_state_keys
from console.wiring.clock import utc_now
from console.wiring.database import open_engine, warning_of_modes
from console.wiring.health import watch_database, watch_heartbeat, watch_loops, watch_queue
from console.wiring.host import host_name, process_name, program_version
from console.wiring.process import freeze_gc
from console.wiring.queue import open_queue
from console.wiring.systemd import ServiceManager
from console.wiring.telemetry import telemetry_of
from db.engine import Database
from db.heartbeat import Heartbeat
from db.queries.processes import CONSOLE, DELIVERY, PROCESSOR, RECEIVER, SUBSCRIPTIONS, Process
from db.schema import revisions
from graph.client_state import ClientStateKeys
from graph.slots import LocalSlots, Slots
from operatingsystem import ADDRESS_IN_USE
from processor.mailbox_fairness import ProcessShare
from threads import DaemonThreads

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

    from console.wiring.graph import OpenedGraph
    from console.wiring.otlp import Telemetry
    from graph.client import GraphClient
    from monitoring.monitor import Observer
    from receiver.tls import ServerCertificate

MONITOR: Final = "monitor"
"""The work that every process with a processor or a manager does beside its roles."""
_COUNTING_SECONDS: Final = 8.0
"""Less than half of the monitor's bound of a count."""
ALL: Final = (RECEIVER, PROCESSOR, SUBSCRIPTIONS, DELIVERY, CONSOLE)
_WITHOUT_QUEUE: Final = frozenset({DELIVERY, CONSOLE})
"""Roles that do not use the queue of this wiring: delivery has none, the console one of its own."""

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class ConsoleUnavailable(Exception):
    """The web console cannot listen as configured. The cause is the system's error."""


@dataclass(frozen=True, slots=True)
class Started:
    """The running roles. `port`: of the receiver, `console_port`: of the web console; None without that role."""

    port: int | None
    console_port: int | None = None


@dataclass(frozen=True, slots=True)
class ConsoleContext:
    """State that the web console shares with the other roles of its process."""

    registry: CollectorRegistry
    readiness: Readiness
    stop: asyncio.Event
    reload: asyncio.Event


class Supervision(Protocol):
    """The supervisor of this process, which serves metrics and health of several, and reports to systemd for them."""

    @property
    def listening(self) -> Sequence[socket]:
        """The sockets of the receiver, on which other processes accept, too; none: it has its own."""
        ...

    def expose(self, registry: CollectorRegistry, readiness: Readiness, availability: Availability) -> None:
        """Answer questions about this process from now on, and report to `availability` how its other workers are."""
        ...

    async def attend(self, pulse: Pulse, stop: asyncio.Event) -> None:
        """Report that the process lives, and which of its loops are stuck, until `stop` is set."""
        ...


class ConsoleStarter(Protocol):
    """Starts the web console, which uses the commands and therefore is not wired here: `console.web.start`."""

    async def __call__(self, settings: Settings, context: ConsoleContext, resources: AsyncExitStack) -> int:
        """Start it, until `resources` are closed; return its port."""
        ...


async def run_roles(
    settings: Settings,
    roles: tuple[str, ...],
    stop: asyncio.Event,
    *,
    reload: asyncio.Event | None = None,
    on_started: Callable[[Started], None] = lambda _started: None,
    start_console: ConsoleStarter | None = None,
    supervision: Supervision | None = None,
) -> None:
    """Run these roles until `stop` is set or one of them fails. `reload` makes the receiver read its certificate anew.

    `start_console`: of the role `console`. `supervision`: of a process that is one of several.

    Raises:
        SettingsError, DatabaseError: before anything was started.
        OSError, ssl.SSLError: the receiver cannot listen as configured.
        ConsoleUnavailable: the web console cannot.
        MetricsUnavailable: the metrics cannot be served at their address.
    """
    async with AsyncExitStack() as resources:
        wiring = await _Wiring.open(settings, roles, resources, supervision)
        await wiring.serve_metrics(stop, resources)
        await wiring.introduce(roles, resources)
        wiring.watch(roles)
        wiring.open_telemetry(roles, resources)
        port, certificate = None, None
        if RECEIVER in roles:
            port, certificate = await wiring.receive(resources)
        works = await wiring.work(roles, stop, resources)
        console_port = None
        if CONSOLE in roles and start_console is not None:
            console_port = await wiring.start_console(roles, start_console, stop, reload or asyncio.Event(), resources)
        if certificate is not None:
            works.append((RECEIVER, certificate.watch(stop, reload or asyncio.Event())))
        works.append(("service manager", wiring.attend(stop)))  # last: it learns of what was started
        running = {name: asyncio.create_task(work) for name, work in works}
        shown = settings.shown_database_url if _needs_database(settings, roles) else None
        log.info("roles_started", roles=list(roles), database=shown, queue=settings.queue)
        freeze_gc()
        wiring.readiness.add(STARTING, lambda: None)
        on_started(Started(port, console_port))
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
    """The state that roles of one process share. No role is loaded that is not run: each takes time, and memory.

    `database` is None where only the receiver runs, on Service Bus; `keys` where only a processor runs: a process
    without the key cannot leak it.
    """

    def __init__(
        self,
        settings: Settings,
        database: Database | None,
        queue: NotificationQueue,
        keys: ClientStateKeys | None,
        supervision: Supervision | None,
    ) -> None:
        self._settings = settings
        self._supervision = supervision
        self._gateway = database
        self._availability = Availability(clock=utc_now)
        # The outage of a queue in the database is one of the database.
        self._queue = ObservedQueue(queue, self._availability) if settings.queue == "servicebus" else queue
        self._client_state_keys = keys
        self._random = SystemRandom()
        self._owner = process_name()
        self._heartbeat: Heartbeat | None = None
        self._telemetry: Telemetry | None = None
        self._tracer: Tracer | None = None
        self._pulse = Pulse()
        self.readiness = Readiness()
        self._registry = CollectorRegistry()

    @classmethod
    async def open(
        cls,
        settings: Settings,
        roles: tuple[str, ...],
        resources: AsyncExitStack,
        supervision: Supervision | None,
    ) -> "_Wiring":
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
        if _WITHOUT_QUEUE.issuperset(roles):
            settings = settings.model_copy(update={"queue": "database"})  # it uses none: no other is connected to
        keys = None if not {RECEIVER, SUBSCRIPTIONS} & set(roles) else await client_state_keys(settings, database)
        opened = open_queue(settings, database, clock=utc_now, counting_seconds=_COUNTING_SECONDS)
        queue = await resources.enter_async_context(opened)
        return cls(settings, database, queue, keys, supervision)

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

    async def serve_metrics(self, stop: asyncio.Event, resources: AsyncExitStack) -> None:
        """Serve metrics and health of all roles of this process, if configured."""
        self.readiness.add(STOPPING, lambda: "The process was signalled to stop." if stop.is_set() else None)
        self.readiness.add(STARTING, lambda: "The roles of the process are not started yet.")
        resources.push_async_callback(self.readiness.close)
        host, port = self._settings.metrics_host, self._settings.metrics_port
        if self._supervision is not None:
            self._supervision.expose(self._registry, self.readiness, self._availability)
        elif port:
            await resources.enter_async_context(serving_metrics(self._registry, self.readiness, host, port))

    async def introduce(self, roles: tuple[str, ...], resources: AsyncExitStack) -> None:
        """Announce this process to the others, until the very end: it may use its share of calls as long."""
        if self._gateway is None:
            return
        process = Process(self._owner, host_name(), roles, program_version(), utc_now())
        self._heartbeat = await resources.enter_async_context(Heartbeat(self._gateway, process, clock=utc_now).kept())

    def watch(self, roles: tuple[str, ...]) -> None:
        """Define when this process is ready, able to do the work of all its roles; and its metrics."""
        watch_loops(self.readiness, self._pulse)
        if self._heartbeat is not None and roles != (RECEIVER,):
            watch_heartbeat(self.readiness, self._heartbeat)
        if self._gateway is not None:
            watch_database(self.readiness, self._gateway)
        if not _WITHOUT_QUEUE.issuperset(roles):
            puts = RECEIVER in roles or SUBSCRIPTIONS in roles
            watch_queue(self.readiness, self._queue, puts=puts, receives=PROCESSOR in roles)
        add_process_metrics(
            self._registry,
            version=program_version(),
            roles=roles,
            pulse=self._pulse,
            database=self._gateway,
            heartbeat=self._heartbeat,
        )

    async def attend(self, stop: asyncio.Event) -> None:
        """Report to the supervisor, or to systemd, if one of them runs this process, until `stop` is set."""
        if self._supervision is not None:
            await self._supervision.attend(self._pulse, stop)
        else:
            await ServiceManager.of(os.environ, process_id=os.getpid()).attend(self._pulse, stop)

    def open_telemetry(self, roles: tuple[str, ...], resources: AsyncExitStack) -> None:
        """Send traces and metrics, if the variables of OpenTelemetry ask for it."""
        self._telemetry = telemetry_of(os.environ, self._registry, process=self._owner, roles=roles)
        if self._telemetry is not None:
            self._tracer = self._telemetry.tracer
            resources.push_async_callback(self._telemetry.close)

    async def receive(self, resources: AsyncExitStack) -> "tuple[int, ServerCertificate | None]":
        """Start the receiver; see `start_receiver`. It stops first of all, so that what arrives is still queued."""
        from console.wiring.receiver import start_receiver  # noqa: PLC0415  # of one role

        spans = None
        if self._tracer is not None:
            from console.wiring.otlp import NotificationSpans  # noqa: PLC0415  # of an optional extra

            spans = NotificationSpans(self._tracer)
        return await start_receiver(
            self._settings,
            self._queue,
            self._keys,
            self._registry,
            self.readiness,
            resources,
            spans,
            () if self._supervision is None else self._supervision.listening,
        )

    async def start_console(
        self,
        roles: tuple[str, ...],
        start: ConsoleStarter,
        stop: asyncio.Event,
        reload: asyncio.Event,
        resources: AsyncExitStack,
    ) -> int | None:
        """Start the web console; its port. Beside other roles it is left out where its port is in use.

        No mail may wait for a page: other programs of the host, or a second process of this one, may have the port.
        """
        context = ConsoleContext(self._registry, self.readiness, stop, reload)
        try:
            return await start(self._settings, context, resources)
        except OSError as exc:
            if exc.errno not in ADDRESS_IN_USE or roles == (CONSOLE,):
                raise ConsoleUnavailable(exc) from exc
            log.error(  # noqa: TRY400  # a traceback does not help an administrator
                "console_not_served",
                host=self._settings.console_host,
                port=self._settings.console_port,
                error=exc.strerror,
                detail="Another process listens there. Set console_port to another one, and restart.",
            )
            return None

    async def work(
        self, roles: tuple[str, ...], stop: asyncio.Event, resources: AsyncExitStack
    ) -> list[tuple[str, Coroutine[Any, Any, None]]]:
        """Return the work of the other roles until `stop` is set. They share tokens and connections."""
        work: list[tuple[str, Coroutine[Any, Any, None]]] = []
        if self._telemetry is not None and self._telemetry.sends_metrics:
            work.append(("telemetry", self._telemetry.send_metrics(stop)))
        if DELIVERY in roles:
            work.append((DELIVERY, self._save_files(stop)))
        if PROCESSOR not in roles and SUBSCRIPTIONS not in roles:
            return work
        from console.wiring.graph import open_graph  # noqa: PLC0415  # of two roles
        from graph.metrics import GraphMetrics  # noqa: PLC0415  # of two roles

        share = None
        if PROCESSOR in roles and self._heartbeat is not None:
            share = ProcessShare(self._heartbeat, name=self._owner)
        # A manager alone makes few calls: one at a time beside the processors' four, and Graph's 429 decides.
        slots = LocalSlots(1) if share is None else Slots(share.of)
        observer = GraphMetrics(self._registry, slots).observe
        graph = await resources.enter_async_context(
            open_graph(self._settings, slots, availability=self._availability, observer=observer)
        )
        if self._heartbeat is not None:
            observers = self._observers(graph, resources)
            work.append((MONITOR, self._monitor(self._heartbeat, graph, observers, stop)))
        if share is not None:
            work.append((PROCESSOR, self._process(graph.client, share, stop)))
        if SUBSCRIPTIONS in roles:
            from console.wiring.subscriptions import ManagerContext, manager_of  # noqa: PLC0415  # of one role
            from subscriptions.metrics import ManagerMetrics  # noqa: PLC0415  # of one role

            manager = manager_of(
                self._settings,
                graph,
                self._database,
                self._queue,
                self._keys,
                ManagerContext(self._owner, utc_now, self._random, ManagerMetrics(self._registry), pulse=self._pulse),
            )
            work.append((SUBSCRIPTIONS, manager.run(stop)))
        return work

    def _observers(self, graph: "OpenedGraph", resources: AsyncExitStack) -> "list[Observer]":
        """The components that act on what the monitor finds."""
        from console.wiring.alerts import AlertObserver, alerter_of  # noqa: PLC0415  # of two roles
        from console.wiring.monitoring import metrics_of, recovery_of  # noqa: PLC0415  # of two roles

        observers: list[Observer] = [recovery_of(self._database, graph)]
        alerter = alerter_of(self._settings, self._database, clock=utc_now)
        if alerter is not None:
            resources.push_async_callback(alerter.close)
            observers.append(AlertObserver(alerter))
        if self._settings.metrics_port or self._telemetry is not None:
            observers.append(metrics_of(self._settings, self._database, graph, self._registry))
        return observers

    async def _monitor(
        self, heartbeat: Heartbeat, graph: "OpenedGraph", observers: "list[Observer]", stop: asyncio.Event
    ) -> None:
        from console.wiring.monitoring import monitor_of, outage_watch_of  # noqa: PLC0415  # of two roles

        monitor = monitor_of(self._settings, self._database, self._queue, heartbeat, observers)
        watch = outage_watch_of(self._database, self._owner, self._availability, graph, self._pulse)
        await asyncio.gather(
            background.restarted(lambda: monitor.run(stop), name="monitor"),
            background.restarted(lambda: watch.run(stop), name="outage watch"),
        )

    async def _process(self, graph: "GraphClient", share: ProcessShare, stop: asyncio.Event) -> None:
        from console.wiring.processor import run_processor  # noqa: PLC0415  # of one role
        from processor.metrics import ProcessorMetrics  # noqa: PLC0415  # of one role
        from processor.worker import WorkerContext  # noqa: PLC0415  # of one role

        metrics = ProcessorMetrics(self._registry)
        context = WorkerContext(share, utc_now, self._random, metrics, pulse=self._pulse)
        observer = None
        if self._tracer is not None:
            from console.wiring.delivery_spans import DeliverySpans  # noqa: PLC0415  # of an optional extra

            observer = DeliverySpans(self._tracer)
        await run_processor(self._settings, self._queue, self._database, graph, context, stop, observer=observer)

    async def _save_files(self, stop: asyncio.Event) -> None:
        from console.wiring.delivery import DeliveryContext, run_delivery  # noqa: PLC0415  # of one role

        context = DeliveryContext(self._owner, utc_now, self._random, self._registry, self._pulse)
        await run_delivery(self._settings, self._database, context, stop)


def _needs_database(settings: Settings, roles: tuple[str, ...]) -> bool:
    """False for a receiver in front of Service Bus, which may run without access to the database."""
    return settings.queue == "database" or roles != (RECEIVER,)
