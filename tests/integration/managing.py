"""Subscription managers on a world, wired as `console.roles` wires them, and a receiver that Graph can reach."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from random import Random

from prometheus_client import CollectorRegistry
from sqlalchemy import select, update

from db import accounts, subscriptions
from db.engine import Database
from db.subscriptions import HeldSubscription
from db.tables import account_settings, subscription_schedule
from graph.subscriptions import SubscriptionClient
from receiver.app import Receiver
from receiver.metrics import ReceiverMetrics
from receiver.server import ConnectionLimits, Listener
from simulator.mailboxes import Mailbox
from simulator.subscriptions import Subscription
from subscriptions.keeper import Addresses, Keeper
from subscriptions.manager import ManagerLimits, SubscriptionManager
from subscriptions.metrics import ManagerMetrics
from subscriptions.reconciler import Reconciler
from subscriptions.survey import Survey
from tests.integration.world import PATIENCE_SECONDS, World


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Office:
    """A world with a receiver's address; managers are started from it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    @asynccontextmanager
    async def receiving(self) -> AsyncIterator[None]:
        metrics = ReceiverMetrics(CollectorRegistry())
        keys = await self.world.keys()
        receiver = Receiver(self.world.queue, account_of=keys.verify, clock=self.world.clock, metrics=metrics)
        listener = Listener(
            receiver.answer,
            host="127.0.0.1",
            port=self.port,
            tls=None,
            limits=ConnectionLimits(),
            metrics=metrics,
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
        database: Database | None = None,
        limits: ManagerLimits | None = None,
    ) -> AsyncIterator[asyncio.Event]:
        """A manager at work; it is stopped at the end, and must stop."""
        world = self.world
        database = database or world.database
        client = SubscriptionClient(world.graph)
        survey = Survey(client, clock=world.clock)
        metrics = ManagerMetrics(CollectorRegistry())
        addresses = Addresses(f"{self.url}/notifications", f"{self.url}/lifecycle")
        keeper = Keeper(
            database,
            client,
            survey,
            owner=owner,
            addresses=addresses,
            keys=await world.keys(),
            clock=world.clock,
            random=Random(owner),
            metrics=metrics,
        )
        manager = SubscriptionManager(
            database,
            keeper,
            owner=owner,
            clock=world.clock,
            random=Random(owner),
            metrics=metrics,
            limits=limits,
        )
        reconciler = Reconciler(
            database,
            client,
            survey,
            notification_url=addresses.notifications,
            clock=world.clock,
            random=Random(owner),
            metrics=metrics,
        )
        stop = asyncio.Event()
        tasks = [asyncio.create_task(manager.run(stop))]
        if reconciling:
            tasks.append(asyncio.create_task(reconciler.run()))
        try:
            yield stop
        finally:
            stop.set()
            await asyncio.wait_for(tasks[0], PATIENCE_SECONDS)
            for task in tasks[1:]:
                task.cancel()
            await asyncio.gather(*tasks[1:], return_exceptions=True)

    # What is held, and what Graph has.

    async def held(self) -> dict[int, HeldSubscription]:
        return await self.world.database.read(subscriptions.held)

    async def held_count(self) -> int:
        return len(await self.held())

    def at_graph(self, mailbox: Mailbox | None = None) -> list[Subscription]:
        living = self.world.simulator.subscriptions.all()
        return [each for each in living if mailbox is None or each.mailbox is mailbox]

    async def in_step(self, count: int) -> bool:
        """Whether exactly `count` are held, and Graph has just these."""
        held = {each.subscription_id for each in (await self.held()).values()}
        return len(held) == count and {each.subscription_id for each in self.at_graph()} == held

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

    async def forget(self, account_id: int, subscription_id: str) -> None:
        """Leave what a crash between Graph's create and our row leaves."""
        await self.world.database.write(lambda c: subscriptions.drop(c, subscription_id))
        await self.make_due(account_id)

    async def set_attempt(self, account_id: int, fingerprint: str | None) -> None:
        schedule = subscription_schedule
        await self.world.database.write(
            lambda c: c.execute(
                update(schedule).where(schedule.c.nAccountID == account_id).values(sAttemptFingerprint=fingerprint)
            )
        )

    async def set_folder(self, account_id: int, folder: str) -> None:
        table = account_settings
        await self.world.database.write(
            lambda c: c.execute(update(table).where(table.c.nAccountID == account_id).values(sFolder=folder))
        )
        await self.make_due(account_id)
