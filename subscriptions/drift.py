"""Compares Graph's subscriptions with those held, from time to time: subscriptions vanish, and surplus ones appear.

Graph's guard against two for one mailbox is uneven (docs/graph.md, section 1), and a crash can leave one that is not
held.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import Final

import structlog

from db.engine import Database
from db.queries import accounts, call_budget, subscriptions
from db.queries.accounts import Account
from db.queries.schedule import ApplicationKey
from graph.errors import GraphError
from graph.folders import named_directly
from graph.mailbox import Mailbox
from graph.subscriptions import GraphSubscription, SubscriptionClient, mail_resource
from subscriptions.metrics import ManagerMetrics
from subscriptions.plan import is_ours

_SELDOM: Final = timedelta(hours=1)
_FOR_EACH: Final = timedelta(seconds=9)
"""Beyond an hour, the wait for each one listed: a page, one call, holds about a hundred (docs/graph.md, section 8)."""
_AFTER_TROUBLE: Final = timedelta(minutes=1)
_TOGETHER: Final = 60
"""Managers that start within this many seconds need not each check."""

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class DriftCheck:
    """Checks at start-up, then every hour, or less often for a long list; of several managers one checks for all."""

    def __init__(
        self,
        database: Database,
        client: SubscriptionClient,
        *,
        notification_url: str,
        clock: Callable[[], datetime],
        random: Random,
        metrics: ManagerMetrics,
    ) -> None:
        """`notification_url`: the address that marks a subscription of this installation."""
        self._database = database
        self._client = client
        self._notification_url = notification_url
        self._clock = clock
        self._random = random
        self._metrics = metrics
        self._pauses: dict[ApplicationKey, timedelta] = {}
        """Of the applications that were compared since this manager started, by it or by another one."""
        self._left_to_another: dict[ApplicationKey, int] = {}
        """The span of the start in which another manager had compared already: this one's former self, perhaps."""

    async def work(self) -> timedelta:
        """Reconcile the applications that are due; return the time to wait until the next run.

        Raises:
            DatabaseUnavailable
        """
        complete = True
        for application in await self._database.read(accounts.applications):
            if await self._is_ours_to_look_at(application):
                complete &= await self.reconcile(application)
            complete &= application in self._pauses
        pause = min(self._pauses.values(), default=_SELDOM) if complete else _AFTER_TROUBLE
        return pause * self._random.uniform(0.9, 1.1)

    async def _is_ours_to_look_at(self, application: ApplicationKey) -> bool:
        """True for one manager in each span of time.

        At start-up the span is short; one in which another compared before this one started is followed by a second.
        """
        pause = self._pauses.get(application)
        span = _TOGETHER if pause is None else pause.total_seconds()
        name = f"reconcile/{'/'.join(application)}/{span:.0f}"
        slot, last = call_budget.slots(self._clock(), span)
        is_ours = bool(
            await self._database.write(
                lambda connection: call_budget.reserve(connection, name, slot=slot, last=last, wanted=1, limit=1)
            )
        )
        if pause is None and (is_ours or self._left_to_another.setdefault(application, slot) != slot):
            self._pauses[application] = _SELDOM
        return is_ours

    async def reconcile(self, application: ApplicationKey) -> bool:
        """Reconcile one application; return False after a GraphError.

        Raises:
            DatabaseUnavailable
        """
        drift = Drift()
        try:
            await repair(
                self._database,
                self._client,
                application,
                drift,
                notification_url=self._notification_url,
                clock=self._clock,
            )
        except GraphError as exc:
            log.warning("reconciliation_postponed", tenant=application[0], client=application[1], error=str(exc))
            return False
        finally:
            self._metrics.actions.labels("deleted").inc(drift.deleted)
            if drift.listed is not None:
                self._pauses[application] = max(_SELDOM, _FOR_EACH * drift.listed)
        return True


@dataclass(slots=True)
class Drift:
    """What repairs found and did; they count up, also until an error. `listed`: by Graph; None: it gave no list."""

    listed: int | None = None
    gone: int = 0
    deleted: int = 0


async def repair(
    database: Database,
    client: SubscriptionClient,
    application: ApplicationKey,
    drift: Drift,
    *,
    notification_url: str,
    clock: Callable[[], datetime],
) -> None:
    """Have each subscription of the application made anew that Graph lost, and delete those that no account holds.

    Raises:
        DatabaseUnavailable, GraphError
    """
    read = database.read
    held_before = await read(lambda connection: subscriptions.ids_of_application(connection, application))
    account = await read(lambda connection: accounts.one_of_application(connection, application))
    if account is None:
        return
    mailbox = Mailbox.of(account.account_id, account.settings)
    listed = await client.list(mailbox)
    drift.listed = (drift.listed or 0) + len(listed)
    ours = [each for each in listed if is_ours(each, notification_url)]
    for subscription_id in vanished(held_before, ours):
        account_id = held_before[subscription_id]
        log.warning("subscription_gone", subscription=subscription_id, account_id=account_id)
        lose = partial(subscriptions.lose, account_id=account_id, subscription_id=subscription_id, now=clock())
        drift.gone += await database.write(lose)
    # Read after the list: one that another manager made before it is held, or about to be, by an account.
    waiting = await read(lambda connection: accounts.unsubscribed(connection, application))
    held_after = await read(subscriptions.ids)
    for each in surplus(ours, held_after, waiting):
        await client.delete(mailbox, each.id)
        drift.deleted += 1
        log.warning("subscription_surplus", subscription=each.id)


def vanished(held: Iterable[str], listed: Collection[GraphSubscription]) -> list[str]:
    """Subscriptions held before Graph was queried that Graph does not have; both by id."""
    there = {each.id for each in listed}
    return [each for each in held if each not in there]


def surplus(
    listed: Iterable[GraphSubscription], held: Collection[str], waiting: Iterable[Account]
) -> list[GraphSubscription]:
    """Subscriptions of Graph that no account holds or is about to hold.

    An account that is `waiting`, because it holds nothing, may be in the middle of its run: it adopts or deletes what
    is on its resource.
    """
    theirs = tuple(resources_of(each).casefold() for each in waiting)
    return [
        each for each in listed if each.id not in held and not each.resource.strip("/").casefold().startswith(theirs)
    ]


def resources_of(account: Account) -> str:
    """The beginning of the resource that the account's run handles: of its mailbox, while its folder is not known."""
    folder = named_directly(account.settings.folder)
    user_id = account.settings.user_id
    return f"users/{user_id}/" if folder is None else mail_resource(user_id, folder)
