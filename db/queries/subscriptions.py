"""The stored subscriptions (`tblGraphSubscription`), and the requests for them beside their regular renewal."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, delete, func, insert, select, update

from db.keys import in_queries, of_accounts, rounded
from db.queries.accounts import fingerprint_of
from db.queries.folders import note_gap
from db.queries.schedule import SUBSCRIPTIONS, ApplicationKey, Lease
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
    """Time of Graph's last grant of the expiry: a lifetime is measured from then."""
    created: datetime
    """Start of Graph's notifications by it."""
    state: str = "active"


@dataclass(frozen=True, slots=True)
class LifecycleRequests:
    """Requests for the next turn of an account beside its settings and its subscription.

    `attempt_fingerprint`: the key of an attempt to create a subscription whose outcome was never recorded.
    `reauthorize`: time of Graph's request to reauthorize the one held. `recreate`: it lives and does not notify.
    """

    attempt_fingerprint: str | None = None
    reauthorize: datetime | None = None
    recreate: bool = False


def requests(connection: Connection, account_id: int) -> LifecycleRequests:
    """The requests for the account."""
    row = connection.execute(
        select(_schedule.sAttemptFingerprint, _schedule.dtReauthorize, _schedule.bRecreate).where(
            _schedule.nAccountID == account_id
        )
    ).one_or_none()
    return (
        LifecycleRequests()
        if row is None
        else LifecycleRequests(row.sAttemptFingerprint, row.dtReauthorize, row.bRecreate)
    )


def note_attempt(connection: Connection, lease: Lease, *, fingerprint: str | None, now: datetime) -> bool:
    """Record, before a create call, the key that it uses. False when the lease was lost: make no call then."""
    if not SUBSCRIPTIONS.holds(connection, lease, now=now):
        return False
    _change(connection, lease.account_id, sAttemptFingerprint=fingerprint)
    return True


def ask_to_reauthorize(
    connection: Connection, account_id: int, subscription_id: str | None, *, received: datetime, quiet: timedelta
) -> bool:
    """Request renewal of the subscription at once; False if that was done within `quiet` before, or it is not held.

    Graph repeats its request, and two calls within ten minutes leave it in an inconsistent state (docs/graph.md,
    section 4).
    """
    found = held(connection, [account_id]).get(account_id)
    if found is None or found.subscription_id != subscription_id or received < found.granted + quiet:
        return False
    SUBSCRIPTIONS.request(connection, account_id, now=received)
    _change(connection, account_id, dtReauthorize=received)
    return True


def ask_to_recreate(connection: Connection, account_id: int, *, now: datetime) -> None:
    """Request another subscription in place of the one held."""
    SUBSCRIPTIONS.request(connection, account_id, now=now)
    _change(connection, account_id, bRecreate=True)


def lose(connection: Connection, account_id: int, subscription_id: str | None, *, now: datetime) -> bool:
    """Request another subscription: Graph no longer has this one. False when it is not the one held."""
    found = held(connection, [account_id]).get(account_id)
    if found is None or found.subscription_id != subscription_id:
        return False
    drop(connection, found.subscription_id)
    SUBSCRIPTIONS.request(connection, account_id, now=now)
    return True


def note_served(connection: Connection, account_id: int, *, served: str, served_with: str) -> None:
    """Record the settings of the account (`Account.fingerprint`) and of the manager that were acted on."""
    stored = fingerprint_of(account_id)
    # Bytes that are not UTF-8, which SQLite accepts, are read as this mark, and the row would differ from it for ever.
    is_marked = "\ufffd" in served and connection.scalar(select(stored)) == served
    _change(connection, account_id, sServed=stored if is_marked else served, sServedWith=served_with)


def _change(connection: Connection, account_id: int, **values: object) -> None:
    connection.execute(update(subscription_schedule).where(_schedule.nAccountID == account_id).values(**values))


def held(connection: Connection, account_ids: Collection[int] | None = None) -> dict[int, HeldSubscription]:
    """The subscriptions of these accounts (None: of all), by account."""
    statement = of_accounts(select(graph_subscription), _held.nAccountID, account_ids)
    return {
        row.nAccountID: HeldSubscription(
            subscription_id=row.sSubscriptionID,
            account_id=row.nAccountID,
            expires=row.dtExpires,
            resource=row.sResource,
            notification_url=row.sNotificationURL,
            key_fingerprint=row.sKeyFingerprint,
            granted=row.dtGranted,
            created=row.dtCreated or row.dtGranted,
            state=row.sState,
        )
        for row in connection.execute(statement)
    }


def known(connection: Connection, subscription_ids: Collection[str]) -> set[str]:
    """Those of the ids that are held, by any account."""
    found: set[str] = set()
    for ids in in_queries(subscription_ids):
        found.update(
            connection.scalars(select(_held.sSubscriptionID).where(_held.sSubscriptionID.in_(rounded(list(ids)))))
        )
    return found


def count_of_application(connection: Connection, application: ApplicationKey) -> int:
    """The number of subscriptions that an application's accounts hold."""
    settings = account_settings.c
    statement = (
        select(func.count())
        .select_from(graph_subscription)
        .join(account_settings, settings.nAccountID == _held.nAccountID)
        .where(settings.sTenantID == application[0], settings.sClientID == application[1])
    )
    return connection.scalar(statement) or 0


def ids_of_application(connection: Connection, application: ApplicationKey) -> dict[str, int]:
    """The ids of the subscriptions of an application's accounts, each with its account's number."""
    settings = account_settings.c
    rows = connection.execute(
        select(_held.sSubscriptionID, _held.nAccountID)
        .join(account_settings, settings.nAccountID == _held.nAccountID)
        .where(settings.sTenantID == application[0], settings.sClientID == application[1])
    )
    return {row[0]: row[1] for row in rows}


def hold(connection: Connection, subscription: HeldSubscription, *, now: datetime) -> None:
    """Record this as the account's subscription, in place of any other; the gap before it is caught up with.

    The order after any gap is: subscribe first, then delta, so that nothing falls between (docs/graph.md, section 4).
    """
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
            dtCreated=subscription.created,
        )
    )
    _change(connection, subscription.account_id, sAttemptFingerprint=None, dtReauthorize=None, bRecreate=False)
    note_gap(connection, subscription.account_id, now=now)


def drop(connection: Connection, subscription_id: str) -> None:
    """Record that the subscription has ended."""
    connection.execute(delete(graph_subscription).where(_held.sSubscriptionID == subscription_id))


def extend(connection: Connection, account_id: int, subscription_id: str, *, expires: datetime, now: datetime) -> None:
    """Record the expiry that Graph granted now; a renewal reauthorizes as well (docs/graph.md, section 1)."""
    _change(connection, account_id, dtReauthorize=None)
    connection.execute(
        update(graph_subscription)
        .where(_held.sSubscriptionID == subscription_id)
        .values(dtExpires=expires, dtGranted=now)
    )


def _of(account_id: int, subscription_id: str) -> ColumnElement[bool]:
    return (_held.nAccountID == account_id) | (_held.sSubscriptionID == subscription_id)
