"""The monitor and the watch of outages, put together for a process that works on the gateway database."""

from collections.abc import Sequence

from availability import Availability, Service
from bus.queue import NotificationQueue
from console.settings import Settings
from console.wiring.clock import utc_now
from console.wiring.disk import disk_of
from console.wiring.graph import OpenedGraph
from db.engine import Database
from db.heartbeat import Heartbeat
from db.queries import accounts
from graph.errors import GraphError
from graph.folders import MailFolders
from graph.mailbox import Mailbox
from graph.messages import MailReader
from monitoring.monitor import Monitor, MonitorLimits, Observer
from monitoring.outages import OutageWatch
from monitoring.recovery import Recovery

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


def recovery_of(database: Database, graph: OpenedGraph) -> Recovery:
    """The probes of accounts in trouble."""
    reader = MailReader(graph.client)
    folders = MailFolders(graph.client, reader, clock=utc_now)

    async def probe(account_id: int) -> bool:
        found = await database.read(lambda connection: accounts.by_id(connection, [account_id]))
        account = found.get(account_id)
        if account is None or account.unreadable:
            return False
        mailbox = Mailbox.of(account_id, account.settings)
        try:
            await reader.probe(mailbox, await folders.locate(mailbox, account.settings.folder))
        except GraphError:
            return False
        return True

    return Recovery(database, probe, clock=utc_now)


def outage_watch_of(database: Database, owner: str, availability: Availability, graph: OpenedGraph) -> OutageWatch:
    """The watch of the services that this process calls."""
    probes = {Service.GRAPH: graph.client.reach, Service.SIGN_IN: graph.tokens.reach}
    return OutageWatch(database, owner, availability, probes)
