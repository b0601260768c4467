"""The monitor and the watch of outages, put together for a process that works on the gateway database."""

from availability import Availability, Service
from bus.queue import NotificationQueue
from console.settings import Settings
from console.wiring.clock import utc_now
from console.wiring.disk import disk_of
from console.wiring.graph import OpenedGraph
from db.engine import Database
from db.heartbeat import Heartbeat
from monitoring.monitor import Monitor, MonitorLimits, Observer
from monitoring.outages import OutageWatch

_SERVICE_BUS = MonitorLimits(queue_every_seconds=30.0)
"""Service Bus counts nothing: each message is read for it."""


def monitor_of(
    settings: Settings,
    database: Database,
    queue: NotificationQueue,
    heartbeat: Heartbeat,
    observers: list[Observer],
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


def outage_watch_of(database: Database, owner: str, availability: Availability, graph: OpenedGraph) -> OutageWatch:
    """The watch of the services that this process calls."""
    probes = {Service.GRAPH: graph.client.reach, Service.SIGN_IN: graph.tokens.reach}
    return OutageWatch(database, owner, availability, probes)
