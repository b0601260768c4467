"""The subscription manager, put together from the settings."""

from datetime import timedelta
from random import Random

import structlog
from prometheus_client import CollectorRegistry

from bus.queue import NotificationQueue
from console.settings import Settings
from console.wiring.clock import utc_now
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
from subscriptions.manager import PeriodicTask, SubscriptionManager
from subscriptions.metrics import ManagerMetrics
from subscriptions.rate_limiter import RateLimiter
from subscriptions.reconciler import Addresses, SubscriptionReconciler
from subscriptions.retention import TraceRetention
from subscriptions.scan_checks import ScanChecks
from subscriptions.sweep_schedule import SweepSchedule

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


def manager_of(
    settings: Settings,
    graph: OpenedGraph,
    database: Database,
    queue: NotificationQueue,
    keys: ClientStateKeys,
    registry: CollectorRegistry,
    *,
    owner: str,
    random: Random,
) -> SubscriptionManager:
    """The subscription manager of these settings. `owner`: the name of this process."""
    metrics = ManagerMetrics(registry)
    public = settings.notification_url
    addresses = None if public is None else Addresses(f"{public}/notifications", f"{public}/lifecycle")
    sweeps = SweepSchedule.of_settings(settings.sweep_interval, public)
    client = SubscriptionClient(graph.client, RateLimiter(database, clock=utc_now))
    listings = SubscriptionListCache(client, clock=utc_now)
    folders = MailFolders(graph.client, MailReader(graph.client), clock=utc_now)
    reconciler = SubscriptionReconciler(
        database,
        client,
        listings,
        folders,
        addresses=addresses,
        sweeps=sweeps,
        keys=keys,
        clock=utc_now,
        random=random,
        metrics=metrics,
    )
    catch_up = CatchUp(
        database,
        DeltaReader(graph.client),
        queue,
        folders,
        rules=sweeps,
        clock=utc_now,
        random=random,
        metrics=metrics,
    )
    periodic_tasks: list[PeriodicTask] = [
        CertificateWatch(database, graph.certificates, graph.tokens, clock=utc_now, metrics=metrics),
        TraceRetention(database, kept=timedelta(days=settings.trace_days), clock=utc_now),
        ScanChecks(database, queue, clock=utc_now),
    ]
    if addresses is None:
        log.warning(
            "no_inbound_address",
            detail="notification_url is not set: no webhooks; every account is swept every minute instead.",
        )
    else:
        periodic_tasks.append(
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
        [reconciler, catch_up],
        periodic_tasks,
        owner=owner,
        served_with=reconciler.served_with,
        clock=utc_now,
        random=random,
        metrics=metrics,
    )
