"""Compares Graph's subscriptions with those held, from time to time: subscriptions vanish, and surplus ones appear.

Graph's guard against two for one mailbox is uneven (docs/graph.md, section 1), and a crash can leave one that is not
held.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import Final

import structlog

from db.engine import Database
from db.queries import accounts, call_budget, subscriptions
from db.queries.schedule import ApplicationKey
from graph.errors import GraphError
from graph.folders import named_directly
from graph.mailbox import Mailbox
from graph.subscriptions import SubscriptionClient, mail_resource
from subscriptions.metrics import ManagerMetrics
from subscriptions.plan import is_ours

_SELDOM: Final = timedelta(hours=1)
_FOR_EACH: Final = timedelta(seconds=9)
"""Beyond an hour, the wait for each one held: a page, one call, lists about a hundred (docs/graph.md, section 8)."""
_AFTER_TROUBLE: Final = timedelta(minutes=1)
_TOGETHER: Final = timedelta(seconds=60)
"""Managers that start within this time need not each check."""
_SHORTENED: Final = 0.8
"""Part of the wait after which another manager may check: it is less than jitter leaves of it."""

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class DriftCheck:
    """Checks at start-up, then every hour, or less often for many; of several managers one checks for all."""

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
        self._known: set[ApplicationKey] = set()
        """Applications that this manager checked, or found checked, since its start."""
        self._postponed: dict[ApplicationKey, datetime] = {}
        """The time at which a check of shortly before kept this manager from its first: its former self's, perhaps."""

    async def work(self) -> timedelta:
        """Reconcile the applications that are due; return the time to wait until the next run.

        Raises:
            DatabaseUnavailable
        """
        complete, pauses = True, list[timedelta]()
        for application in await self._database.read(accounts.applications):
            held = await self._database.read(partial(subscriptions.count_of_application, application=application))
            pause = max(_SELDOM, _FOR_EACH * held)
            pauses.append(pause)
            complete &= await self._check(application, pause)
        pause = min(pauses, default=_SELDOM) if complete else _AFTER_TROUBLE
        return pause * self._random.uniform(0.9, 1.1)

    async def _check(self, application: ApplicationKey, pause: timedelta) -> bool:
        """Reconcile it, unless a manager did so within the pause; return False if it is to be tried again soon.

        At start-up the pause is short; where another check fell into it, a second attempt counts only those made since.
        """
        work = f"reconcile/{'/'.join(application)}"
        now = self._clock().replace(microsecond=0)  # claims are kept to the second
        if application in self._known:
            interval = _SHORTENED * pause
        else:
            interval = now - self._postponed.get(application, now - _TOGETHER)
        claimed = await self._database.write(partial(call_budget.claim, work=work, now=now, interval=interval))
        if not claimed and application not in self._known and application not in self._postponed:
            self._postponed[application] = now
            return False
        self._known.add(application)
        if not claimed or await self.reconcile(application):
            return True
        await self._database.write(partial(call_budget.release, work=work))
        return False

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
        return True


@dataclass(slots=True)
class Drift:
    """Counts of repairs, also of those before an error. `listed`: by Graph."""

    listed: int = 0
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

    Only ids are kept of the list, which may have as many entries as there are mailboxes in the tenant.

    Raises:
        DatabaseUnavailable, GraphError
    """
    missing = await database.read(partial(subscriptions.ids_of_application, application=application))
    account = await database.read(partial(accounts.one_of_application, application=application))
    if account is None:
        return
    mailbox = Mailbox.of(account.account_id, account.settings)
    unknown: dict[str, str] = {}
    """The resource of each that was not held before."""
    async for page in client.pages(mailbox):
        drift.listed += len(page)
        for each in page:
            if is_ours(each, notification_url) and missing.pop(each.id, None) is None:
                unknown[each.id] = each.resource
    for subscription_id, account_id in missing.items():
        log.warning("subscription_gone", subscription=subscription_id, account_id=account_id)
        lose = partial(subscriptions.lose, account_id=account_id, subscription_id=subscription_id, now=clock())
        drift.gone += await database.write(lose)
    if not unknown:
        return
    # Read after the list: one that another manager made before it is held, or about to be, by an account.
    waiting = await database.read(partial(accounts.unsubscribed, application=application))
    held = await database.read(partial(subscriptions.known, subscription_ids=unknown.keys()))
    resources = [(each.user_id, each.folder) for each in waiting]
    for subscription_id in surplus(unknown, held, resources):
        await client.delete(mailbox, subscription_id)
        drift.deleted += 1
        log.warning("subscription_surplus", subscription=subscription_id)


def surplus(listed: Mapping[str, str], held: Collection[str], waiting: Iterable[tuple[str, str]]) -> list[str]:
    """The ids of subscriptions of Graph, by their resources, that no account holds or is about to hold.

    An account that is `waiting` (user id and folder), because it holds nothing, may be in the middle of its run: it
    adopts or deletes what is on its resource.
    """
    theirs = defaultdict[str, list[str]](list)
    for user_id, folder in waiting:
        resource = resources_of(user_id, folder).casefold()
        theirs[_user_in(resource)].append(resource)

    def is_awaited(resource: str) -> bool:
        text = resource.strip("/").casefold()
        return text.startswith(tuple(theirs.get(_user_in(text), ())))

    return [each for each, resource in listed.items() if each not in held and not is_awaited(resource)]


def _user_in(resource: str) -> str:
    return resource.split("/", 2)[1] if "/" in resource else ""


def resources_of(user_id: str, folder: str) -> str:
    """The beginning of the resource that an account's run handles: of its mailbox, while its folder is not known."""
    named = named_directly(folder)
    return f"users/{user_id}/" if named is None else mail_resource(user_id, named)
