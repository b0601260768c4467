"""Compares, from time to time, what Graph has with what we hold: subscriptions vanish, and surplus ones appear.

Graph's guard against two for one mailbox is uneven (graph.md, section 1, 409), and a crash can leave one that nobody
holds.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable
from datetime import datetime, timedelta
from random import Random
from typing import Final

import structlog
from sqlalchemy import Connection

from db import accounts, subscriptions
from db.accounts import Account
from db.engine import Database
from db.errors import DatabaseUnavailable
from db.subscriptions import HeldSubscription
from graph.errors import GraphError
from graph.mailbox import Mailbox
from graph.subscriptions import GraphSubscription, SubscriptionClient, mail_resource
from subscriptions.metrics import ManagerMetrics
from subscriptions.plan import is_ours
from subscriptions.survey import Application, Survey

_EVERY: Final = timedelta(hours=1)
_AFTER_TROUBLE: Final = timedelta(minutes=1)

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class Reconciler:
    """Looks at start-up, then every hour."""

    def __init__(
        self,
        database: Database,
        client: SubscriptionClient,
        survey: Survey,
        *,
        notification_url: str,
        clock: Callable[[], datetime],
        random: Random,
        metrics: ManagerMetrics,
    ) -> None:
        """`notification_url`: the address that makes a subscription ours."""
        self._database = database
        self._client = client
        self._survey = survey
        self._notification_url = notification_url
        self._clock = clock
        self._random = random
        self._metrics = metrics

    async def run(self) -> None:
        """Reconcile until cancelled."""
        while True:
            complete = True
            try:
                for application in await self._database.read(accounts.applications):
                    complete &= await self.reconcile(application)
            except DatabaseUnavailable as exc:
                complete = False
                log.warning("reconciliation_postponed", error=str(exc))
            wait = _EVERY if complete else _AFTER_TROUBLE
            await asyncio.sleep(wait.total_seconds() * self._random.uniform(0.9, 1.1))

    async def reconcile(self, application: Application) -> bool:
        """Reconcile one application; False when Graph did not let us.

        Raises:
            DatabaseUnavailable
        """
        held_before = await self._database.read(subscriptions.held)
        known = await self._database.read(lambda connection: accounts.of_application(connection, *application))
        mailbox = next((Mailbox.of(each.account_id, each.settings) for each in known.values() if each.enabled), None)
        if mailbox is None:
            return True
        try:
            listed = await self._survey.of(mailbox, fresh=True)
            ours = [each for each in listed if is_ours(each, self._notification_url)]
            for held in vanished((each for each in held_before.values() if each.account_id in known), ours):
                log.warning("subscription_gone", subscription=held.subscription_id, account_id=held.account_id)
                await self._lose(held)
            # Read after the list: whatever another manager made before it is held, or about to be, by an account.
            known = await self._database.read(lambda connection: accounts.of_application(connection, *application))
            held_after = await self._database.read(subscriptions.held)
            for each in surplus(ours, held_after, known.values()):
                await self._client.delete(mailbox, each.id)
                self._metrics.actions.labels("deleted").inc()
                log.warning("subscription_surplus", subscription=each.id)
        except GraphError as exc:
            log.warning("reconciliation_postponed", tenant=application[0], client=application[1], error=str(exc))
            return False
        return True

    async def _lose(self, held: HeldSubscription) -> None:
        now = self._clock()

        def work(connection: Connection) -> None:
            subscriptions.drop(connection, held.subscription_id)
            accounts.make_due(connection, held.account_id, now=now)

        await self._database.write(work)


def vanished(held: Iterable[HeldSubscription], listed: Collection[GraphSubscription]) -> list[HeldSubscription]:
    """What we held before Graph was asked, and Graph does not have."""
    there = {each.id for each in listed}
    return [each for each in held if each.subscription_id not in there]


def surplus(
    listed: Iterable[GraphSubscription], held: dict[int, HeldSubscription], known: Iterable[Account]
) -> list[GraphSubscription]:
    """What Graph has and no account holds or is about to hold.

    An account that holds nothing may be in the middle of its turn: it adopts or deletes what is on its resource.
    """
    ids = {each.subscription_id for each in held.values()}
    waiting = {
        mail_resource(each.settings.user_id, each.settings.folder).casefold()
        for each in known
        if each.enabled and each.account_id not in held
    }
    return [each for each in listed if each.id not in ids and each.resource.strip("/").casefold() not in waiting]
