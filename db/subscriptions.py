"""The subscriptions we hold, and who looks after which account when.

`tblSubscriptionSchedule` has one row an account: when it is due, and which manager has it under a lease. Work per look
grows with the accounts that are due, not with all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, delete, insert, literal, or_, select, update

from db.tables import account_settings, graph_subscription, subscription_schedule

_held = graph_subscription.c
_schedule = subscription_schedule.c


@dataclass(frozen=True, slots=True)
class HeldSubscription:
    """A row of `tblGraphSubscription`. `state`: active."""

    subscription_id: str
    account_id: int
    expires: datetime
    resource: str
    notification_url: str
    key_fingerprint: str
    granted: datetime
    """When Graph last granted the expiry: a life is measured from then."""
    state: str = "active"


@dataclass(frozen=True, slots=True)
class Turn:
    """An account that is this manager's to serve until `lease_until`."""

    account_id: int
    failures: int
    attempt_fingerprint: str | None
    lease_until: datetime


def unscheduled(connection: Connection) -> bool:
    """True when another program added accounts, which have no row in the schedule yet."""
    return connection.scalar(_unscheduled(literal(1)).limit(1)) is not None


def seed(connection: Connection, *, now: datetime) -> None:
    """Give accounts that have none a row in the schedule, due now."""
    missing = _unscheduled(account_settings.c.nAccountID, literal(now, _schedule.dtDue.type))
    connection.execute(insert(subscription_schedule).from_select(["nAccountID", "dtDue"], missing))


def _unscheduled(*columns: ColumnElement[Any]) -> Select[Any]:
    return (
        select(*columns)
        .select_from(account_settings)
        .outerjoin(subscription_schedule, _schedule.nAccountID == account_settings.c.nAccountID)
        .where(_schedule.nAccountID.is_(None))
    )


def claim(connection: Connection, *, owner: str, now: datetime, lease: timedelta, most: int) -> list[Turn]:
    """Take up to `most` accounts that are due and that no living manager has."""
    rows = connection.execute(
        select(subscription_schedule)
        .with_hint(subscription_schedule, "WITH (UPDLOCK, READPAST, ROWLOCK)", "mssql")
        .where(_schedule.dtDue <= now, or_(_schedule.dtLeaseUntil.is_(None), _schedule.dtLeaseUntil <= now))
        .order_by(_schedule.dtDue)
        .limit(most)
        .with_for_update(skip_locked=True)
    ).all()
    until = now + lease
    if rows:
        connection.execute(
            update(subscription_schedule)
            .where(_schedule.nAccountID.in_([row.nAccountID for row in rows]))
            .values(sOwner=owner, dtLeaseUntil=until)
        )
    return [Turn(row.nAccountID, row.nFailures, row.sAttemptFingerprint, until) for row in rows]


def anything_due(connection: Connection, *, now: datetime) -> bool:
    """True when `claim` would find something; writes nothing."""
    return (
        connection.scalar(
            select(literal(1))
            .select_from(subscription_schedule)
            .where(_schedule.dtDue <= now, or_(_schedule.dtLeaseUntil.is_(None), _schedule.dtLeaseUntil <= now))
            .limit(1)
        )
        is not None
    )


def release(
    connection: Connection, account_id: int, *, owner: str, started: datetime, due: datetime, failures: int
) -> bool:
    """End a turn: the account is due again at `due`. False when the lease was lost.

    An account that was changed since the turn `started` stays due: what the turn did rests on older settings.
    """
    mine = (_schedule.nAccountID == account_id) & (_schedule.sOwner == owner)
    freed = connection.execute(
        update(subscription_schedule)
        .where(mine, _schedule.dtDue <= started)
        .values(dtDue=due, sOwner=None, dtLeaseUntil=None, nFailures=failures)
    ).rowcount
    if freed:
        return True
    return bool(
        connection.execute(update(subscription_schedule).where(mine).values(sOwner=None, dtLeaseUntil=None)).rowcount
    )


def note_attempt(connection: Connection, account_id: int, *, owner: str, fingerprint: str, now: datetime) -> bool:
    """Write down, before a create call, with which key it is made. False when the lease was lost: make no call then."""
    return bool(
        connection.execute(
            update(subscription_schedule)
            .where(_schedule.nAccountID == account_id, _schedule.sOwner == owner, _schedule.dtLeaseUntil > now)
            .values(sAttemptFingerprint=fingerprint)
        ).rowcount
    )


def held(connection: Connection, account_ids: Sequence[int] | None = None) -> dict[int, HeldSubscription]:
    """The subscriptions of these accounts (None: of all), by account."""
    statement = select(graph_subscription)
    if account_ids is not None:
        statement = statement.where(_held.nAccountID.in_(account_ids))
    return {
        row.nAccountID: HeldSubscription(
            subscription_id=row.sSubscriptionID,
            account_id=row.nAccountID,
            expires=row.dtExpires,
            resource=row.sResource,
            notification_url=row.sNotificationURL,
            key_fingerprint=row.sKeyFingerprint,
            granted=row.dtGranted,
            state=row.sState,
        )
        for row in connection.execute(statement)
    }


def hold(connection: Connection, subscription: HeldSubscription) -> None:
    """Note that this is now the account's subscription, in place of any other."""
    connection.execute(delete(graph_subscription).where(_of(subscription.account_id, subscription.subscription_id)))
    connection.execute(
        insert(graph_subscription).values(
            sSubscriptionID=subscription.subscription_id,
            nAccountID=subscription.account_id,
            dtExpires=subscription.expires,
            sState=subscription.state,
            sResource=subscription.resource,
            sNotificationURL=subscription.notification_url,
            sKeyFingerprint=subscription.key_fingerprint,
            dtGranted=subscription.granted,
        )
    )


def drop(connection: Connection, subscription_id: str) -> None:
    """Note that the subscription is no more."""
    connection.execute(delete(graph_subscription).where(_held.sSubscriptionID == subscription_id))


def extend(connection: Connection, subscription_id: str, *, expires: datetime, now: datetime) -> None:
    """Note the expiry that Graph granted now."""
    connection.execute(
        update(graph_subscription)
        .where(_held.sSubscriptionID == subscription_id)
        .values(dtExpires=expires, dtGranted=now)
    )


def _of(account_id: int, subscription_id: str) -> ColumnElement[bool]:
    return (_held.nAccountID == account_id) | (_held.sSubscriptionID == subscription_id)
