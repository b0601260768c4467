"""The subscription manager, put together from the settings."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

import structlog

from background.pulse import Pulse
from bus.queue import NotificationQueue
from console.settings import Settings
from console.wiring.graph import OpenedGraph
from db.engine import Database
from graph.client_state import ClientStateKeys
from graph.delta import DeltaReader
from graph.folders import MailFolders
from graph.messages import MailReader
from graph.subscriptions import SubscriptionClient
from subscriptions.catch_up import CatchUp
from subscriptions.certificates import CertificateWatch
from subscriptions.drift import DriftCheck
from subscriptions.listing_cache import SubscriptionListCache
from subscriptions.mailbox_addresses import MailboxAddresses
from subscriptions.manager import ManagerLimits, PeriodicTask, SubscriptionManager
from subscriptions.metrics import ManagerMetrics
from subscriptions.rate_limiter import RateLimiter
from subscriptions.reconciler import Addresses, SubscriptionReconciler
from subscriptions.retention import TraceRetention
from subscriptions.scan_checks import ScanChecks
from subscriptions.sweep_schedule import SweepSchedule

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ManagerContext:
    """Things from outside of a manager: the name of its process, time, chance, metrics and bounds.

    `sleep`: until a limit of Graph allows another call. `page_size`: messages of a folder in one call; `max_waiting`:
    see `SweepSchedule`. `finds_drift`: its subscriptions are compared with those at Graph.
    """

    owner: str
    clock: Callable[[], datetime]
    random: Random
    metrics: ManagerMetrics
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    limits: ManagerLimits | None = None
    page_size: int = 500
    max_waiting: int = 5_000
    finds_drift: bool = True
    pulse: Pulse = field(default_factory=Pulse)


def subscription_client(
    graph: OpenedGraph,
    database: Database,
    *,
    clock: Callable[[], datetime],
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> SubscriptionClient:
    """Calls about subscriptions, within the limits of Graph that all processes share."""
    return SubscriptionClient(graph.client, RateLimiter(database, clock=clock, sleep=sleep))


def manager_of(
    settings: Settings,
    graph: OpenedGraph,
    database: Database,
    queue: NotificationQueue,
    keys: ClientStateKeys,
    context: ManagerContext,
) -> SubscriptionManager:
    """The subscription manager of these settings."""
    clock, random, metrics = context.clock, context.random, context.metrics
    public = settings.notification_url
    addresses = None if public is None else Addresses(f"{public}/notifications", f"{public}/lifecycle")
    sweeps = SweepSchedule.of_settings(settings.sweep_interval, public, max_waiting=context.max_waiting)
    client = subscription_client(graph, database, clock=clock, sleep=context.sleep)
    listings = SubscriptionListCache(client, clock=clock)
    folders = MailFolders(graph.client, MailReader(graph.client), clock=clock)
    reconciler = SubscriptionReconciler(
        database,
        client,
        listings,
        folders,
        addresses=addresses,
        sweeps=sweeps,
        keys=keys,
        clock=clock,
        random=random,
        metrics=metrics,
    )
    catch_up = CatchUp(
        database,
        DeltaReader(graph.client, page_size=context.page_size),
        queue,
        folders,
        rules=sweeps,
        clock=clock,
        random=random,
        metrics=metrics,
    )
    periodic_tasks: list[PeriodicTask] = [
        CertificateWatch(database, graph.certificates, graph.tokens, clock=clock, metrics=metrics),
        TraceRetention(
            database,
            kept=timedelta(days=settings.trace_days),
            clock=clock,
            queue_is_table=settings.queue == "database",
        ),
        ScanChecks(database, queue, clock=clock),
        MailboxAddresses(database, graph.client, clock=clock),
    ]
    if addresses is None:
        log.warning(
            "no_inbound_address",
            detail="notification_url is not set: no webhooks; every account is swept every minute instead.",
        )
    elif context.finds_drift:
        periodic_tasks.append(
            DriftCheck(
                database,
                client,
                notification_url=addresses.notifications,
                clock=clock,
                random=random,
                metrics=metrics,
            )
        )
    return SubscriptionManager(
        database,
        [reconciler, catch_up],
        periodic_tasks,
        owner=context.owner,
        served_with=reconciler.served_with,
        clock=clock,
        random=random,
        metrics=metrics,
        pulse=context.pulse,
        limits=context.limits,
    )
