"""Graph's subscriptions beside those that the database has. No I/O."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from db.queries.accounts import Account
from db.queries.subscriptions import HeldSubscription
from graph.subscriptions import GraphSubscription
from subscriptions.drift import resources_of, surplus
from subscriptions.plan import is_ours


class State(StrEnum):
    """The state of a subscription on both sides."""

    ACTIVE = "active"
    """Graph has it, and an account holds it."""
    GONE = "gone"
    """An account holds it, and Graph has it no more."""
    MISSING = "missing"
    """An enabled account has none on either side."""
    PENDING = "pending"
    """Graph has it, and the account that made it is about to hold it."""
    SURPLUS = "surplus"
    """Graph has it with the address of this installation, and no account holds it."""
    OTHER = "other"
    """It belongs to another installation, or another program, that signs in with the same application."""


@dataclass(frozen=True, slots=True)
class ComparedSubscription:
    """A subscription with its state; None in what its state lacks."""

    state: State
    account_id: int | None
    subscription_id: str | None = None
    expires: datetime | None = None
    resource: str | None = None
    notification_url: str | None = None


def compared(
    listed: Sequence[GraphSubscription],
    held: Mapping[int, HeldSubscription],
    accounts: Sequence[Account],
    notification_url: str | None,
    *,
    listed_of: Collection[int],
) -> Iterator[ComparedSubscription]:
    """Compare Graph's list for one application.

    Args:
        listed: all that Graph has for the application.
        held: of all applications, by account.
        accounts: those of the application that were not removed.
        notification_url: of this installation; None: it has no subscriptions.
        listed_of: the accounts, removed ones included, that sign in with the application.
    """
    by_id = {each.subscription_id: each.account_id for each in held.values()}
    waiting = [each for each in accounts if each.enabled and each.account_id not in held]
    ours = [each for each in listed if notification_url is not None and is_ours(each, notification_url)]
    awaited = [(each.settings.user_id, each.settings.folder) for each in waiting]
    unclaimed = set(surplus({each.id: each.resource for each in ours}, by_id, awaited))
    own = {each.id for each in ours}
    pending = set()
    for each in listed:
        account_id, state = by_id.get(each.id), State.ACTIVE
        if account_id is None:
            account_id = _account_on(each, accounts)
            state = State.OTHER if each.id not in own else State.SURPLUS if each.id in unclaimed else State.PENDING
        if state is State.OTHER:
            account_id = None
        if state is State.PENDING:
            pending.add(account_id)
        yield ComparedSubscription(state, account_id, each.id, each.expires, each.resource, each.notification_url)
    there = {each.id for each in listed}
    for mine in held.values():
        if mine.account_id in listed_of and mine.subscription_id not in there:
            yield ComparedSubscription(
                State.GONE, mine.account_id, mine.subscription_id, mine.expires, mine.resource, mine.notification_url
            )
    if notification_url is not None:
        for account in waiting:
            if account.account_id not in pending:
                yield ComparedSubscription(State.MISSING, account.account_id)


def _account_on(subscription: GraphSubscription, accounts: Sequence[Account]) -> int | None:
    """The account on that folder, else one on that mailbox."""
    resource = subscription.resource.strip("/").casefold()
    for of in (resources_of, lambda user_id, _: f"users/{user_id}/"):
        for each in accounts:
            if resource.startswith(of(each.settings.user_id, each.settings.folder).casefold()):
                return each.account_id
    return None
