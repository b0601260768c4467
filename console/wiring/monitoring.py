"""The monitor and the watch of outages, put together for a process that works on the gateway database."""

import asyncio
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from datetime import datetime

from prometheus_client import CollectorRegistry

from availability import Availability, Service
from background.pulse import Pulse
from bus.queue import NotificationQueue
from console.settings import Settings
from console.wiring.clock import utc_now
from console.wiring.disk import disk_of
from console.wiring.graph import OpenedGraph
from db.engine import Database
from db.heartbeat import Heartbeat
from db.queries import accounts, filters
from graph.errors import CertificateError, GraphError
from graph.folders import MailFolders
from graph.mailbox import Mailbox
from graph.messages import MailReader
from monitoring.metrics import InstallationMetrics
from monitoring.metrics_observer import MetricsObserver
from monitoring.monitor import Monitor, MonitorLimits, Observer
from monitoring.outages import OutageLimits, OutageWatch
from monitoring.recovery import Recovery
from processor.accounts import mail_filter_of
from threads import DaemonThreads

_SERVICE_BUS = MonitorLimits(queue_every_seconds=30.0)
"""Service Bus counts nothing: each message is read for it."""


def monitor_of(
    settings: Settings,
    database: Database,
    queue: NotificationQueue,
    heartbeat: Heartbeat,
    observers: Sequence[Observer],
) -> Monitor:
    """The monitor of this process."""
    return Monitor(
        database,
        queue,
        heartbeat,
        observers,
        clock=utc_now,
        disk=disk_of(settings),
        limits=_SERVICE_BUS if settings.queue == "servicebus" else None,
    )


def recovery_of(
    database: Database,
    graph: OpenedGraph,
    *,
    clock: Callable[[], datetime] = utc_now,
    monotonic: Callable[[], float] = time.monotonic,
) -> Recovery:
    """The probes of accounts in trouble."""
    reader = MailReader(graph.client)
    folders = MailFolders(graph.client, reader, clock=clock)

    async def probe(account_id: int) -> bool:
        found = await database.read(lambda connection: accounts.by_id(connection, [account_id]))
        account = found.get(account_id)
        if account is None or account.unreadable:
            return False
        mailbox = Mailbox.of(account_id, account.settings)
        try:
            if account.settings.filters != filters.NONE:
                mail_filter_of(account.settings)
            await reader.probe(mailbox, await folders.locate(mailbox, account.settings.folder))
        except GraphError:
            return False
        return True

    return Recovery(database, probe, clock=clock, monotonic=monotonic)


def metrics_of(
    settings: Settings, database: Database, graph: OpenedGraph, registry: CollectorRegistry
) -> MetricsObserver:
    """The metrics of the installation."""
    # A store on a network share, or of a device, may hang.
    threads = DaemonThreads("certificate ends", limit=1)

    def ends(thumbprints: Collection[str]) -> dict[str, datetime]:
        found = {}
        for each in thumbprints:
            with suppress(CertificateError, GraphError):  # the sign-in reports it
                found[each] = graph.certificates.expiry(each)
        return found

    async def certificate_ends() -> dict[str, datetime]:
        if settings.graph_credential != "certificate":
            return {}
        uses = await database.read(accounts.certificate_uses)
        thumbprints = {each for use in uses for each in (use.thumbprint, use.next_thumbprint) if each}
        return await asyncio.get_running_loop().run_in_executor(threads, ends, thumbprints)

    metrics = InstallationMetrics(registry, accounts=settings.metrics_accounts, clock=utc_now)
    return MetricsObserver(database, metrics, certificate_ends)


def outage_watch_of(
    database: Database,
    owner: str,
    availability: Availability,
    graph: OpenedGraph,
    pulse: Pulse,
    limits: OutageLimits | None = None,
) -> OutageWatch:
    """The watch of the services that this process calls, and of its own loops."""
    probes = {Service.GRAPH: graph.client.reach, Service.SIGN_IN: graph.tokens.reach}
    return OutageWatch(database, owner, availability, probes, pulse=pulse, clock=utc_now, limits=limits)
