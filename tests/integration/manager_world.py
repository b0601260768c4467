"""Subscription managers on a world, and a receiver that Graph can reach."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from random import Random

from prometheus_client import CollectorRegistry
from sqlalchemy import Connection, func, select, update

from background.pulse import Pulse
from background.readiness import Readiness
from console.wiring.subscriptions import ManagerContext, manager_of
from db.engine import Database
from db.queries import accounts, subscriptions
from db.queries.schedule import FOLDERS, SUBSCRIPTIONS
from db.queries.subscriptions import HeldSubscription
from db.tables import account_settings, subscription_schedule
from graph.subscriptions import GraphSubscription, SubscriptionClient
from receiver.app import Receiver
from receiver.connections import ConnectionLimits
from receiver.metrics import ReceiverMetrics
from receiver.server import Listener
from receiver.throttled_log import ThrottledLog
from simulator.state.mailboxes import Mailbox
from simulator.state.subscriptions import Subscription
from subscriptions.manager import ManagerLimits
from subscriptions.metrics import ManagerMetrics
from subscriptions.scheduler import SchedulerLimits
from tests.integration.world import World
from tests.ports import free_port
from tests.waiting import PATIENCE_SECONDS


class Office:
    """A world with a receiver's address; managers are started from it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.registry = CollectorRegistry()
        self.metrics = ManagerMetrics(self.registry)
        self.pulse = Pulse()
        self.page_size = 500
        self.max_waiting = 5_000

    @asynccontextmanager
    async def receiving(self) -> AsyncIterator[None]:
        metrics = ReceiverMetrics(CollectorRegistry())
        keys = await self.world.keys()
        throttled = ThrottledLog(time.monotonic)
        receiver = Receiver(
            self.world.queue,
            account_of=keys.verify,
            clock=self.world.clock,
            metrics=metrics,
            throttled=throttled,
            readiness=Readiness(),
        )
        listener = Listener(
            receiver.answer,
            host="127.0.0.1",
            port=self.port,
            tls=None,
            limits=ConnectionLimits(),
            metrics=metrics,
            throttled=throttled,
        )
        await listener.start()
        try:
            yield
        finally:
            await listener.stop()

    @asynccontextmanager
    async def managing(
        self,
        owner: str = "one",
        *,
        reconciling: bool = False,
        sweeping: timedelta | None = None,
        webhooks: bool = True,
        database: Database | None = None,
        limits: SchedulerLimits | None = None,
    ) -> AsyncIterator[asyncio.Event]:
        """A manager at work; it is stopped at the end, and must stop. `sweeping`: the interval of sweeps."""
        stop = asyncio.Event()
        world = self.world
        database = database or world.database
        settings = world.settings.model_copy(
            update={
                "notification_url": self.url if webhooks else None,
                "sweep_interval": 0 if sweeping is None else round(sweeping.total_seconds()),
            }
        )
        context = ManagerContext(
            owner,
            world.clock,
            Random(owner),
            self.metrics,
            limits=ManagerLimits(poll_seconds=0.05, scheduler=limits or SchedulerLimits()),
            page_size=self.page_size,
            max_waiting=self.max_waiting,
            finds_drift=reconciling,
            pulse=self.pulse,
        )
        manager = manager_of(settings, world.services, database, world.queue, await world.keys(), context)
        running = asyncio.create_task(manager.run(stop))
        try:
            yield stop
        finally:
            stop.set()
            await asyncio.wait_for(running, PATIENCE_SECONDS)

    # Held subscriptions, and those at Graph.

    async def held(self) -> dict[int, HeldSubscription]:
        return await self.world.database.read(subscriptions.held)

    async def held_count(self) -> int:
        return len(await self.held())

    def at_graph(self, mailbox: Mailbox | None = None) -> list[Subscription]:
        living = self.world.simulator.subscriptions.all()
        return [each for each in living if mailbox is None or each.mailbox is mailbox]

    async def in_step(self, count: int) -> bool:
        """Check whether exactly `count` are held, and Graph has just these."""
        held = {each.subscription_id for each in (await self.held()).values()}
        return len(held) == count and {each.subscription_id for each in self.at_graph()} == held

    async def at_rest(self) -> bool:
        """Check that nothing is due, and no turn is under way."""
        now = self.world.clock()

        def busy(connection: Connection) -> bool:
            return any(
                schedule.anything_due(connection, now=now)
                or connection.scalar(select(func.count()).where(schedule.table.c.sOwner.is_not(None)))
                for schedule in (FOLDERS, SUBSCRIPTIONS)
            )

        return not await self.world.database.read(busy)

    async def due(self, account_id: int) -> datetime:
        found: datetime | None = await self.world.database.read(
            lambda c: c.scalar(
                select(subscription_schedule.c.dtDue).where(subscription_schedule.c.nAccountID == account_id)
            )
        )
        assert found is not None
        return found

    async def make_due(self, account_id: int) -> None:
        await self.world.database.write(lambda c: accounts.make_due(c, account_id, now=self.world.clock()))

    async def forget(self, account_id: int, subscription_id: str, *, attempt: str | None) -> None:
        """Leave the state of a crash between Graph's create and its row: an attempt made with that key."""
        schedule = subscription_schedule

        def work(connection: Connection) -> None:
            subscriptions.drop(connection, subscription_id)
            connection.execute(
                update(schedule).where(schedule.c.nAccountID == account_id).values(sAttemptFingerprint=attempt)
            )
            accounts.make_due(connection, account_id, now=self.world.clock())

        await self.world.database.write(work)

    async def set_folder(self, account_id: int, folder: str) -> None:
        table = account_settings
        await self.world.database.write(
            lambda c: c.execute(update(table).where(table.c.nAccountID == account_id).values(sFolder=folder))
        )
        await self.make_due(account_id)


async def create_another(office: Office, mailbox: Mailbox, address: str, folder: str = "inbox") -> GraphSubscription:
    """Create a subscription that no row holds."""
    return await SubscriptionClient(office.world.graph).create(
        office.world.opened(mailbox),
        resource=f"users/{mailbox.user_id}/mailFolders('{folder}')/messages",
        notification_url=f"{address}/notifications",
        lifecycle_url=f"{address}/lifecycle",
        client_state="x",
        expires=office.world.clock() + timedelta(days=2),
    )
