"""The supervisor of the roles of this host, put together from the settings."""

import asyncio
import os
from collections.abc import Callable
from contextlib import AsyncExitStack, closing
from typing import Final

import structlog
from prometheus_client import CollectorRegistry

import background
from console.metrics_endpoint import serving_metrics
from console.settings import Settings
from console.supervision.messages import Assignment
from console.supervision.metrics import AllMetrics
from console.supervision.supervisor import Supervisor, SupervisorLimits
from console.translation import language
from console.wiring.process import freeze_gc
from console.wiring.roles import ALL, Started
from console.wiring.systemd import ServiceManager
from db.queries.processes import PROCESSOR, RECEIVER
from operatingsystem import exported_socket
from operatingsystem.listening import listening_sockets

_BACKLOG: Final = 1024
_CANCEL_SECONDS: Final = 0.5
_CALLS_OF_A_ROUND: Final = 3
"""Calls of the database in a row, each as slow as it may be, for which a worker is not taken for one that hangs."""

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


def roles_of_worker(number: int, roles: tuple[str, ...]) -> tuple[str, ...]:
    """The roles of a worker, by its number. Of `run all` the first one has all, and the others what takes load.

    One process of a host is enough for the rest; the web console has its jobs and live pages in memory, and a port.
    """
    return roles if number == 1 or roles != ALL else (RECEIVER, PROCESSOR)


async def supervise(
    settings: Settings,
    roles: tuple[str, ...],
    stop: asyncio.Event,
    write_log: Callable[[str], None],
    *,
    reload: asyncio.Event | None = None,
    on_started: Callable[[Started], None] = lambda _started: None,
) -> None:
    """Run `settings.processes` processes of these roles until `stop` is set.

    `write_log` takes lines of JSON, `reload` makes all read their certificates anew, `on_started` is called once all
    of them serve.

    Raises:
        WorkerFailed, SettingsError: a worker cannot work, with its reason.
        OSError: the receiver cannot listen as configured.
        MetricsUnavailable: the metrics cannot be served at their address.
        StopOverdue: a worker did not end in time.
    """
    async with AsyncExitStack() as resources:
        # The same for all workers, rather than one each by SO_REUSEPORT: what waits to be accepted is not lost with the
        # worker that ends, and no other program can join.
        listening = (
            await listening_sockets(settings.receiver_host, settings.receiver_port, _BACKLOG)
            if RECEIVER in roles
            else ()
        )
        for each in listening:
            resources.enter_context(closing(each))
        spoken = language.chosen()
        own = settings.model_copy(update={"processes": 1})

        def assignment(number: int, pid: int) -> Assignment:
            sockets = tuple(exported_socket(each, pid) for each in listening)
            return Assignment(number, own, roles_of_worker(number, roles), spoken, sockets)

        async def attend() -> None:
            await ServiceManager.of(os.environ, process_id=os.getpid()).attend(supervisor, stop)

        def started(found: Started) -> None:
            tasks.append(background.start(attend(), name="service manager"))
            log.info("roles_started", roles=list(roles), processes=settings.processes)
            freeze_gc()
            on_started(found)

        tasks: list[asyncio.Task[None]] = []
        slow = _CALLS_OF_A_ROUND * settings.database_statement_timeout
        limits = SupervisorLimits(stuck=max(SupervisorLimits().stuck, slow))
        supervisor = Supervisor(
            settings.processes, assignment, write_log, on_started=started, listening=listening, limits=limits
        )
        if settings.metrics_port:
            registry = CollectorRegistry()
            registry.register(AllMetrics(supervisor, asyncio.get_running_loop()))
            await resources.enter_async_context(
                serving_metrics(
                    registry,
                    supervisor,
                    settings.metrics_host,
                    settings.metrics_port,
                    is_alive=lambda: not supervisor.silent(),
                )
            )
        if reload is not None:
            tasks.append(background.start(_pass_on(reload, supervisor), name="reload"))
        try:
            await supervisor.run(stop)
        finally:
            stop.set()
            await background.cancel(*tasks, within=_CANCEL_SECONDS)
    log.info("roles_stopped", roles=list(roles))


async def _pass_on(reload: asyncio.Event, supervisor: Supervisor) -> None:
    while True:
        await reload.wait()
        reload.clear()
        supervisor.reload()
