"""The task of keeping subscriptions: carries out an account's plan at Graph and notes the result in the database."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random
from typing import Final, TypeVar

import structlog
from sqlalchemy import Connection

from db.engine import Database
from db.queries import accounts, subscriptions
from db.queries.schedule import FOLDERS, MAX_WAIT, SUBSCRIPTIONS, Lease, Schedule
from db.queries.subscriptions import HeldSubscription, LifecycleRequests
from graph.client_state import ClientStateKeys
from graph.errors import (
    AccessDenied,
    ExpirationTooFar,
    GraphError,
    GraphUnavailable,
    RequestRejected,
    SubscriptionExists,
    SubscriptionGone,
)
from graph.folders import MailFolders
from graph.mailbox import Mailbox
from graph.subscriptions import GraphSubscription, SubscriptionClient, mail_resource
from subscriptions.listing_cache import ListIncomplete, SubscriptionListCache
from subscriptions.metrics import ManagerMetrics
from subscriptions.plan import (
    Adopt,
    Create,
    Delete,
    DesiredSubscription,
    Renew,
    fits,
    is_ours,
    plan,
    renewal_due,
    same_resource,
)
from subscriptions.scheduler import LeaseLost
from subscriptions.sweep_schedule import SweepSchedule

SUBSCRIPTIONS_ROLE: Final = "subscriptions"

MAX_LIFE: Final = timedelta(minutes=10_000)
"""Graph documents 10,080 minutes and grants 10,070 (docs/graph.md, section 1)."""

_CEILING_MARGIN: Final = timedelta(minutes=5)
"""Clocks differ, and a request takes its time: stay this far below the limit that Graph reports."""

_DELETION_SECONDS: Final = 10.0
"""A deletion that hangs must leave its run time for the creation."""

_LOOK_AGAIN: Final = timedelta(days=1)
_SOON: Final = timedelta(seconds=5)

T = TypeVar("T")

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Addresses:
    """The addresses that Graph delivers to."""

    notifications: str
    lifecycle: str


class SubscriptionReconciler:
    """Brings an account's subscription to its desired state. The caller holds the account's lease."""

    role = SUBSCRIPTIONS_ROLE
    schedule: Schedule = SUBSCRIPTIONS

    def __init__(
        self,
        database: Database,
        client: SubscriptionClient,
        listings: SubscriptionListCache,
        folders: MailFolders,
        *,
        addresses: Addresses | None,
        sweeps: SweepSchedule,
        keys: ClientStateKeys,
        clock: Callable[[], datetime],
        random: Random,
        metrics: ManagerMetrics,
    ) -> None:
        """`addresses` None: no inbound address, so no subscriptions; accounts are served by sweeps alone."""
        self._database = database
        self._client = client
        self._listings = listings
        self._folders = folders
        self._addresses = addresses
        self._sweeps = sweeps
        self._keys = keys
        self._clock = clock
        self._random = random
        self._metrics = metrics
        self._longest_life = MAX_LIFE
        facts = (addresses, keys.fingerprint(), sweeps.interval, sweeps.webhooks)
        self.served_with = hashlib.sha256(repr(facts).encode()).hexdigest()
        """Digest of this manager's settings that accounts are served with."""

    @property
    def longest_wait(self) -> timedelta:
        """See `AccountTask.longest_wait`: no subscription lives longer."""
        return MAX_WAIT

    def end(self, connection: Connection, account: accounts.Account) -> None:
        """Note the settings acted on, so that a change of them is detected."""
        subscriptions.note_served(
            connection, account.account_id, served=account.fingerprint, served_with=self.served_with
        )

    async def serve(self, lease: Lease, account: accounts.Account) -> datetime:
        """Do what is due; return the account's next due time.

        Raises:
            GraphError, DatabaseUnavailable: a later run does the rest.
            LeaseLost
        """
        try:
            return await self._serve(lease, account)
        except ListIncomplete:
            return self._clock() + _SOON

    async def _serve(self, lease: Lease, account: accounts.Account) -> datetime:
        mailbox = Mailbox.of(account.account_id, account.settings)
        await self._database.write(lambda connection: self._schedule_sweeps(connection, account))
        held, requests = await self._database.read(
            lambda connection: _held_and_requests(connection, account.account_id)
        )
        if account.removed:
            return await self._retire(mailbox, account, held)
        wanted = await self._wanted(mailbox, account)
        if wanted is None:
            await self._remove(mailbox, held)
            return self._clock() + _LOOK_AGAIN
        # Only an attempt whose outcome was not noted can have left one that is not held.
        unnoted = held is None and requests.attempt_fingerprint is not None
        actual = await self._found(mailbox, wanted) if unnoted else []
        for action in plan(wanted, held, actual, requests=requests, now=self._clock()):
            match action:
                case Delete(subscription_id):
                    await self._delete_if_possible(mailbox, subscription_id)
                case Adopt(found):
                    held = await self._hold(account.account_id, wanted, found, "subscription_adopted")
                case Renew():
                    assert held is not None  # noqa: S101  # only a held or just adopted one is renewed
                    held = await self._renew(lease, requests, mailbox, wanted, held)
                case Create():
                    with self._folders.followed(mailbox, account.settings.folder):
                        held = await self._create(lease, requests, mailbox, wanted, replaced=held)
        assert held is not None  # noqa: S101  # every plan for a wanted subscription ends in one
        return renewal_due(held.granted, held.expires, jitter=self._random.random())

    def _schedule_sweeps(self, connection: Connection, account: accounts.Account) -> None:
        now = self._clock()
        if account.removed or not account.enabled:
            return
        accounts.settle_import_since(connection, account.account_id, now=now)
        first = self._sweeps.first_due(now)
        FOLDERS.seed(connection, account.account_id, due=first)
        FOLDERS.at_latest(connection, account.account_id, due=first)

    async def _wanted(self, mailbox: Mailbox, account: accounts.Account) -> DesiredSubscription | None:
        if not account.enabled or self._addresses is None:
            return None
        folder = await self._folders.locate(mailbox, account.settings.folder)
        return DesiredSubscription(
            resource=mail_resource(account.settings.user_id, folder),
            notification_url=self._addresses.notifications,
            lifecycle_url=self._addresses.lifecycle,
            key_fingerprint=self._keys.fingerprint(),
        )

    async def _found(self, mailbox: Mailbox, wanted: DesiredSubscription) -> list[GraphSubscription]:
        return [
            each
            for each in await self._listings.get(mailbox)
            if is_ours(each, wanted.notification_url) and same_resource(each.resource, wanted.resource)
        ]

    async def _retire(self, mailbox: Mailbox, account: accounts.Account, held: HeldSubscription | None) -> datetime:
        """Delete the subscription of a removed account, and its schedules: no run follows."""
        if held is not None and account.unreadable and held.expires > self._clock():
            return held.expires  # its credentials cannot be used: it ends by itself
        await self._remove(mailbox, held)
        if await self._database.write(lambda connection: accounts.retire(connection, account.account_id)):
            log.info("account_retired", account_id=account.account_id)
        return self._clock() + _LOOK_AGAIN

    async def _remove(self, mailbox: Mailbox, held: HeldSubscription | None) -> None:
        if held is None:
            return
        try:
            await self._delete(mailbox, held.subscription_id)
        except GraphError:
            # Without access it cannot be deleted; it ends by itself.
            if held.expires > self._clock():
                raise
            await self._drop(held.subscription_id)

    async def _delete(self, mailbox: Mailbox, subscription_id: str) -> None:
        await self._client.delete(mailbox, subscription_id)
        await self._drop(subscription_id)
        self._metrics.actions.labels("deleted").inc()
        log.info("subscription_deleted", subscription=subscription_id)

    async def _delete_if_possible(self, mailbox: Mailbox, subscription_id: str) -> None:
        """Delete a subscription other than the wanted one, which must not wait for that.

        If the deletion fails, it ends by itself; the drift check deletes it earlier.
        """
        try:
            async with asyncio.timeout(_DELETION_SECONDS):
                await self._delete(mailbox, subscription_id)
        except (GraphError, TimeoutError) as exc:
            log.warning("subscription_not_deleted", subscription=subscription_id, error=str(exc))

    async def _drop(self, subscription_id: str) -> None:
        await self._database.write(lambda connection: subscriptions.drop(connection, subscription_id))

    async def _renew(
        self,
        lease: Lease,
        requests: LifecycleRequests,
        mailbox: Mailbox,
        wanted: DesiredSubscription,
        held: HeldSubscription,
    ) -> HeldSubscription:
        subscription_id = held.subscription_id
        try:
            expires = await self._within_ceiling(lambda until: self._client.renew(mailbox, subscription_id, until))
        except SubscriptionGone:
            log.warning("subscription_gone", subscription=subscription_id)
            await self._drop(subscription_id)
            return await self._create(lease, requests, mailbox, wanted)
        except (AccessDenied, RequestRejected, SubscriptionExists, GraphUnavailable) as refusal:
            if isinstance(refusal, GraphUnavailable) and not self._ends_soon(held):
                raise
            # A new one replaces it, if Graph accepts it beside this one.
            try:
                made = await self._attempt(lease, requests, mailbox, wanted)
            except SubscriptionExists:
                raise refusal from None
            renewed = await self._hold(mailbox.account_id, wanted, made, "subscription_created")
            await self._delete_if_possible(mailbox, subscription_id)
            return renewed
        now = self._clock()
        await self._database.write(
            lambda connection: subscriptions.extend(
                connection, mailbox.account_id, subscription_id, expires=expires, now=now
            )
        )
        self._metrics.actions.labels("renewed").inc()
        log.info(
            "subscription_renewed",
            subscription=subscription_id,
            expires=expires.isoformat(),
            reauthorized=requests.reauthorize is not None,
        )
        return replace(held, expires=expires, granted=now)

    def _ends_soon(self, held: HeldSubscription) -> bool:
        return held.expires - self._clock() < (held.expires - held.granted) / 6

    async def _create(
        self,
        lease: Lease,
        requests: LifecycleRequests,
        mailbox: Mailbox,
        wanted: DesiredSubscription,
        replaced: HeldSubscription | None = None,
    ) -> HeldSubscription:
        try:
            made = await self._attempt(lease, requests, mailbox, wanted)
        except SubscriptionExists as exc:
            found = await self._in_the_way(mailbox, wanted, exc)
            if found is None:
                raise
            ours = requests.attempt_fingerprint == wanted.key_fingerprint and fits(found, wanted, self._clock())
            if ours and (replaced is None or found.id != replaced.subscription_id):
                return await self._hold(mailbox.account_id, wanted, found, "subscription_adopted")
            # Its clientState may be one that the receiver refuses, or it delivers elsewhere.
            await self._delete(mailbox, found.id)
            made = await self._attempt(lease, requests, mailbox, wanted)
        return await self._hold(mailbox.account_id, wanted, made, "subscription_created")

    async def _attempt(
        self, lease: Lease, requests: LifecycleRequests, mailbox: Mailbox, wanted: DesiredSubscription
    ) -> GraphSubscription:
        await self._note_attempt(lease, wanted.key_fingerprint)
        try:
            return await self._ask_for_one(mailbox, wanted)
        except SubscriptionExists:
            # Nothing was made with the present key: an existing one must not be taken for the outcome of this attempt.
            await self._note_attempt(lease, requests.attempt_fingerprint)
            raise

    async def _note_attempt(self, lease: Lease, fingerprint: str | None) -> None:
        now = self._clock()
        if not await self._database.write(
            lambda connection: subscriptions.note_attempt(connection, lease, fingerprint=fingerprint, now=now)
        ):
            raise LeaseLost

    async def _ask_for_one(self, mailbox: Mailbox, wanted: DesiredSubscription) -> GraphSubscription:
        return await self._within_ceiling(
            lambda until: self._client.create(
                mailbox,
                resource=wanted.resource,
                notification_url=wanted.notification_url,
                lifecycle_url=wanted.lifecycle_url,
                client_state=self._keys.sign(mailbox.account_id),
                expires=until,
            )
        )

    async def _in_the_way(
        self, mailbox: Mailbox, wanted: DesiredSubscription, exc: SubscriptionExists
    ) -> GraphSubscription | None:
        if exc.subscription_id is not None:
            try:
                return await self._client.get(mailbox, exc.subscription_id)
            except SubscriptionGone:
                return None
        listed = await self._listings.get(mailbox, fresh=True)
        return next((each for each in listed if same_resource(each.resource, wanted.resource)), None)

    async def _within_ceiling(self, ask: Callable[[datetime], Awaitable[T]]) -> T:
        try:
            return await ask(self._clock() + self._longest_life)
        except ExpirationTooFar as exc:
            self._longest_life = min(self._longest_life, timedelta(minutes=exc.minutes)) - _CEILING_MARGIN
            log.warning("subscription_life_clamped", minutes=self._longest_life.total_seconds() / 60)
            return await ask(self._clock() + self._longest_life)

    async def _hold(
        self, account_id: int, wanted: DesiredSubscription, subscription: GraphSubscription, event: str
    ) -> HeldSubscription:
        now = self._clock()
        held = HeldSubscription(
            subscription_id=subscription.id,
            account_id=account_id,
            expires=subscription.expires,
            resource=wanted.resource,
            notification_url=wanted.notification_url,
            key_fingerprint=wanted.key_fingerprint,
            granted=now,
            created=now,
        )
        await self._database.write(lambda connection: subscriptions.hold(connection, held, now=now))
        self._metrics.actions.labels(event.removeprefix("subscription_")).inc()
        log.info(event, subscription=held.subscription_id, expires=held.expires.isoformat())
        return held


def _held_and_requests(connection: Connection, account_id: int) -> tuple[HeldSubscription | None, LifecycleRequests]:
    return subscriptions.held(connection, [account_id]).get(account_id), subscriptions.requests(connection, account_id)
