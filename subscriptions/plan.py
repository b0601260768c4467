"""Turns desired, held and actual subscriptions into actions. No I/O.

One subscription for each enabled account: on its folder, with both addresses of this installation, made with a key the
receiver accepts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from db.queries.subscriptions import HeldSubscription, LifecycleRequests
from graph.subscriptions import GraphSubscription


@dataclass(frozen=True, slots=True)
class DesiredSubscription:
    """The subscription an enabled account should have."""

    resource: str
    notification_url: str
    lifecycle_url: str
    key_fingerprint: str


@dataclass(frozen=True, slots=True)
class Create:
    """Request a new one from Graph."""


@dataclass(frozen=True, slots=True)
class Adopt:
    """Hold one that Graph has already."""

    subscription: GraphSubscription


@dataclass(frozen=True, slots=True)
class Renew:
    """Request that Graph keep it for longer."""

    subscription_id: str


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove it from Graph, and hold it no more."""

    subscription_id: str


Action = Create | Adopt | Renew | Delete


def plan(
    wanted: DesiredSubscription | None,
    held: HeldSubscription | None,
    actual: Sequence[GraphSubscription],
    *,
    requests: LifecycleRequests,
    now: datetime,
) -> list[Action]:
    """The actions for one account, in the order of execution.

    Args:
        wanted: None when the account shall have none (disabled, removed).
        held: the row of `tblGraphSubscription`.
        actual: Graph's list for this account and this installation's address; empty when it was not requested.
        requests: among them the key of an attempt to create one that was never noted. Only after an attempt with the
            present key is a subscription adopted that is found but not held: Graph does not show its `clientState`.
        now: aware, UTC.
    """
    if wanted is None:
        gone = {held.subscription_id} if held else set()
        return [Delete(each) for each in sorted(gone | {each.id for each in actual})]
    keep = held if held is not None and not requests.recreate and _holds_good(held, wanted, now) else None
    adopted = None
    if keep is None and requests.attempt_fingerprint == wanted.key_fingerprint:
        fitting = [each for each in actual if fits(each, wanted, now)]
        adopted = max(fitting, key=lambda each: each.expires, default=None)
    kept_id = keep.subscription_id if keep else adopted.id if adopted else None
    surplus = {each.id for each in actual} | ({held.subscription_id} if held else set())
    if kept_id is not None:
        surplus.discard(kept_id)
    # Graph refuses a second one on the same resource (docs/graph.md, section 1); any other is deleted once its
    # successor exists, so that no notification is lost between.
    in_the_way = {each.id for each in actual if same_resource(each.resource, wanted.resource)}
    if held is not None and held.expires > now and same_resource(held.resource, wanted.resource):
        in_the_way.add(held.subscription_id)
    actions: list[Action] = [Delete(each) for each in sorted(surplus & in_the_way)]
    if keep is not None:
        # One call for both: a renewal reauthorizes (docs/graph.md, section 4).
        if requests.reauthorize is not None or now >= renewal_due(keep.granted, keep.expires, jitter=1.0):
            actions.append(Renew(keep.subscription_id))
    elif adopted is not None:
        # Its age is unknown; a renewal makes its life known.
        actions += [Adopt(adopted), Renew(adopted.id)]
    else:
        actions.append(Create())
    return actions + [Delete(each) for each in sorted(surplus - in_the_way)]


def renewal_due(since: datetime, expires: datetime, *, jitter: float = 0.0) -> datetime:
    """The time with a third of the life from `since` to `expires` left; a tenth of the life earlier with `jitter` 1."""
    life = expires - since
    return expires - life / 3 - life * 0.1 * jitter


def is_ours(subscription: GraphSubscription, notification_url: str) -> bool:
    """True when it delivers to this installation's address: those of other installations are left alone."""
    return subscription.notification_url == notification_url


def same_resource(one: str, other: str) -> bool:
    """Graph's letter case varies (docs/graph.md, section 3)."""
    return one.strip("/").casefold() == other.strip("/").casefold()


def _holds_good(held: HeldSubscription, wanted: DesiredSubscription, now: datetime) -> bool:
    return (
        same_resource(held.resource, wanted.resource)
        and held.notification_url == wanted.notification_url
        and held.key_fingerprint == wanted.key_fingerprint
        and held.expires > now
    )


def fits(actual: GraphSubscription, wanted: DesiredSubscription, now: datetime) -> bool:
    """True when a subscription of Graph delivers what is wanted, for some time yet."""
    return (
        same_resource(actual.resource, wanted.resource)
        and actual.notification_url == wanted.notification_url
        and actual.lifecycle_url == wanted.lifecycle_url
        and actual.change_type == "created"
        and actual.expires > now + timedelta(minutes=5)
    )
