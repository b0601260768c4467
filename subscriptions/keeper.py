"""Serves one account: carries out its plan at Graph and notes the result in the database."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Final, TypeVar

import structlog

from db import accounts, subscriptions
from db.engine import Database
from db.subscriptions import HeldSubscription, Turn
from graph.client_state import ClientStateKeys
from graph.errors import AccountError, ExpirationTooFar, SubscriptionExists, SubscriptionGone
from graph.mailbox import Mailbox
from graph.subscriptions import GraphSubscription, SubscriptionClient, mail_resource
from subscriptions.metrics import ManagerMetrics
from subscriptions.plan import Adopt, Create, Delete, Renew, Wanted, fits, is_ours, plan, renewal_due, same_resource
from subscriptions.survey import Survey

LONGEST_LIFE: Final = timedelta(minutes=10_000)
"""Graph documents 10,080 minutes and grants 10,070 (graph.md, section 1)."""

_CEILING_MARGIN: Final = timedelta(minutes=5)
"""Clocks differ, and a request takes its time: stay that far below what Graph says it grants."""

_LOOK_AGAIN: Final = timedelta(days=1)

T = TypeVar("T")

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class LeaseLost(Exception):
    """Another manager serves the account by now: leave it to that one."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where Graph delivers."""

    notifications: str
    lifecycle: str


class Keeper:
    """Brings the subscription of one account to what it should be. The caller holds the account's lease."""

    def __init__(
        self,
        database: Database,
        client: SubscriptionClient,
        survey: Survey,
        *,
        owner: str,
        addresses: Addresses,
        keys: ClientStateKeys,
        clock: Callable[[], datetime],
        random: Random,
        metrics: ManagerMetrics,
    ) -> None:
        self._database = database
        self._client = client
        self._survey = survey
        self._owner = owner
        self._addresses = addresses
        self._keys = keys
        self._clock = clock
        self._random = random
        self._metrics = metrics
        self._longest_life = LONGEST_LIFE

    async def serve(self, turn: Turn, account: accounts.Account) -> datetime:
        """Do what is to be done; when the account is due again.

        Raises:
            GraphError, DatabaseUnavailable: the rest is for a later turn.
            LeaseLost
        """
        mailbox = Mailbox.of(account.account_id, account.settings)
        wanted = self._wanted(account)
        held = (await self._database.read(lambda connection: subscriptions.held(connection, [account.account_id]))).get(
            account.account_id
        )
        if wanted is None:
            await self._remove(mailbox, held)
            return self._clock() + _LOOK_AGAIN
        actual = [] if held is not None else await self._found(mailbox, wanted)
        actions = plan(wanted, held, actual, attempt_fingerprint=turn.attempt_fingerprint, now=self._clock())
        for action in actions:
            match action:
                case Delete(subscription_id):
                    await self._delete(mailbox, subscription_id)
                case Adopt(found):
                    held = await self._hold(account.account_id, wanted, found, "subscription_adopted")
                case Renew(subscription_id):
                    held = await self._renew(turn, mailbox, wanted, subscription_id)
                case Create():
                    held = await self._create(turn, mailbox, wanted)
        assert held is not None  # noqa: S101  # every plan for a wanted subscription ends in one
        return renewal_due(held.granted, held.expires, jitter=self._random.random())

    def _wanted(self, account: accounts.Account) -> Wanted | None:
        if account.removed or not account.enabled:
            return None
        return Wanted(
            resource=mail_resource(account.settings.user_id, account.settings.folder),
            notification_url=self._addresses.notifications,
            lifecycle_url=self._addresses.lifecycle,
            key_fingerprint=self._keys.fingerprint(),
        )

    async def _found(self, mailbox: Mailbox, wanted: Wanted) -> list[GraphSubscription]:
        return [
            each
            for each in await self._survey.of(mailbox)
            if is_ours(each, wanted.notification_url) and same_resource(each.resource, wanted.resource)
        ]

    async def _remove(self, mailbox: Mailbox, held: HeldSubscription | None) -> None:
        if held is None:
            return
        try:
            await self._delete(mailbox, held.subscription_id)
        except AccountError:
            # Without access nobody can delete it; it ends by itself.
            if held.expires > self._clock():
                raise
            await self._drop(held.subscription_id)

    async def _delete(self, mailbox: Mailbox, subscription_id: str) -> None:
        await self._client.delete(mailbox, subscription_id)
        await self._drop(subscription_id)
        self._metrics.actions.labels("deleted").inc()
        log.info("subscription_deleted", subscription=subscription_id)

    async def _drop(self, subscription_id: str) -> None:
        await self._database.write(lambda connection: subscriptions.drop(connection, subscription_id))

    async def _renew(self, turn: Turn, mailbox: Mailbox, wanted: Wanted, subscription_id: str) -> HeldSubscription:
        try:
            expires = await self._within_ceiling(lambda until: self._client.renew(mailbox, subscription_id, until))
        except SubscriptionGone:
            log.warning("subscription_gone", subscription=subscription_id)
            await self._drop(subscription_id)
            return await self._create(turn, mailbox, wanted)
        now = self._clock()
        await self._database.write(
            lambda connection: subscriptions.extend(connection, subscription_id, expires=expires, now=now)
        )
        self._metrics.actions.labels("renewed").inc()
        log.info("subscription_renewed", subscription=subscription_id, expires=expires.isoformat())
        return _held(mailbox.account_id, wanted, subscription_id, expires, now)

    async def _create(self, turn: Turn, mailbox: Mailbox, wanted: Wanted) -> HeldSubscription:
        await self._note_attempt(mailbox, wanted)
        try:
            made = await self._ask_for_one(mailbox, wanted)
        except SubscriptionExists as exc:
            found = await self._in_the_way(mailbox, wanted, exc)
            if found is None:
                raise
            if turn.attempt_fingerprint == wanted.key_fingerprint and fits(found, wanted, self._clock()):
                return await self._hold(mailbox.account_id, wanted, found, "subscription_adopted")
            # Its clientState may be one that the receiver refuses, or it delivers elsewhere.
            await self._delete(mailbox, found.id)
            made = await self._ask_for_one(mailbox, wanted)
        return await self._hold(mailbox.account_id, wanted, made, "subscription_created")

    async def _note_attempt(self, mailbox: Mailbox, wanted: Wanted) -> None:
        now = self._clock()
        still_ours = await self._database.write(
            lambda connection: subscriptions.note_attempt(
                connection, mailbox.account_id, owner=self._owner, fingerprint=wanted.key_fingerprint, now=now
            )
        )
        if not still_ours:
            raise LeaseLost(f"account {mailbox.account_id}")

    async def _ask_for_one(self, mailbox: Mailbox, wanted: Wanted) -> GraphSubscription:
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

    async def _in_the_way(self, mailbox: Mailbox, wanted: Wanted, exc: SubscriptionExists) -> GraphSubscription | None:
        if exc.subscription_id is not None:
            try:
                return await self._client.get(mailbox, exc.subscription_id)
            except SubscriptionGone:
                return None
        listed = await self._survey.of(mailbox, fresh=True)
        return next((each for each in listed if same_resource(each.resource, wanted.resource)), None)

    async def _within_ceiling(self, ask: Callable[[datetime], Awaitable[T]]) -> T:
        try:
            return await ask(self._clock() + self._longest_life)
        except ExpirationTooFar as exc:
            self._longest_life = min(self._longest_life, timedelta(minutes=exc.minutes)) - _CEILING_MARGIN
            log.warning("subscription_life_clamped", minutes=self._longest_life.total_seconds() / 60)
            return await ask(self._clock() + self._longest_life)

    async def _hold(
        self, account_id: int, wanted: Wanted, subscription: GraphSubscription, event: str
    ) -> HeldSubscription:
        held = _held(account_id, wanted, subscription.id, subscription.expires, self._clock())
        await self._database.write(lambda connection: subscriptions.hold(connection, held))
        self._metrics.actions.labels(event.removeprefix("subscription_")).inc()
        log.info(event, subscription=held.subscription_id, expires=held.expires.isoformat())
        return held


def _held(
    account_id: int, wanted: Wanted, subscription_id: str, expires: datetime, granted: datetime
) -> HeldSubscription:
    return HeldSubscription(
        subscription_id=subscription_id,
        account_id=account_id,
        expires=expires,
        resource=wanted.resource,
        notification_url=wanted.notification_url,
        key_fingerprint=wanted.key_fingerprint,
        granted=granted,
    )
