"""The held subscriptions, and the actions due on them."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Final

import pytest
from sqlalchemy import Connection, Engine

from db.queries import folders, subscriptions
from db.queries.schedule import FOLDERS, SUBSCRIPTIONS, Lease
from db.queries.subscriptions import HeldSubscription, LifecycleRequests
from tests.doubles.clock import SettableClock

NOW: Final = SettableClock()()
LEASE: Final = timedelta(minutes=5)
HOUR: Final = timedelta(hours=1)
QUIET: Final = timedelta(minutes=10)
HELD: Final = HeldSubscription("s1", 1, NOW + HOUR, "users/u/messages", "https://host/notifications", "key", NOW, NOW)


@pytest.fixture
def connection(database_engine: Engine) -> Iterator[Connection]:
    with database_engine.begin() as opened:
        yield opened


def take(connection: Connection, owner: str, *, later: timedelta = timedelta(0)) -> Lease:
    [lease] = SUBSCRIPTIONS.claim(connection, [1], owner=owner, now=NOW + later, lease=LEASE)
    return lease


def is_due(connection: Connection) -> bool:
    return SUBSCRIPTIONS.anything_due(connection, now=NOW + QUIET)


def test_attempt_is_noted_for_who_comes_next(connection: Connection) -> None:
    """The key of a subscription about to be made is known after a crash, until one is held."""
    SUBSCRIPTIONS.request(connection, 1, now=NOW)
    assert subscriptions.note_attempt(connection, take(connection, "one"), fingerprint="key", now=NOW)
    assert subscriptions.requests(connection, 1) == LifecycleRequests(attempt_fingerprint="key")
    subscriptions.hold(connection, HELD, now=NOW)
    assert subscriptions.requests(connection, 1) == LifecycleRequests()


def test_no_attempt_without_a_lease(connection: Connection) -> None:
    """Once the lease ended no create call may be made, even if the account has not been claimed since."""
    SUBSCRIPTIONS.request(connection, 1, now=NOW)
    lease = take(connection, "one")
    note = subscriptions.note_attempt
    assert note(connection, lease, fingerprint="key", now=NOW + LEASE - timedelta(seconds=1))
    assert not note(connection, lease, fingerprint="late", now=NOW + LEASE)
    assert not note(connection, replace(lease, owner="two"), fingerprint="theirs", now=NOW)
    take(connection, "two", later=LEASE)
    assert not note(connection, lease, fingerprint="late", now=NOW + LEASE)


def test_a_new_subscription_asks_for_catch_up(connection: Connection) -> None:
    """Subscribe first, then catch up: in one transaction, so that no crash falls between."""
    subscriptions.hold(connection, HELD, now=NOW)
    assert FOLDERS.anything_due(connection, now=NOW)
    assert folders.state(connection, 1, resource="users/u/messages").gap


def test_a_wish_to_reauthorize_is_heard_once(connection: Connection) -> None:
    """Dropped soon after a renewal, which did it, and for a subscription held no more; the next renewal ends it."""
    subscriptions.hold(connection, HELD, now=NOW)
    ask = subscriptions.ask_to_reauthorize
    assert not ask(connection, 1, "s1", received=NOW + QUIET - timedelta(seconds=1), quiet=QUIET)
    assert not ask(connection, 1, "other", received=NOW + QUIET, quiet=QUIET)
    assert not ask(connection, 2, "s1", received=NOW + QUIET, quiet=QUIET)
    assert not is_due(connection)
    assert ask(connection, 1, "s1", received=NOW + QUIET, quiet=QUIET)
    assert is_due(connection)
    assert subscriptions.requests(connection, 1) == LifecycleRequests(reauthorize=NOW + QUIET)
    subscriptions.extend(connection, 1, "s1", expires=NOW + 3 * HOUR, now=NOW + QUIET)
    assert subscriptions.requests(connection, 1) == LifecycleRequests()
    assert not ask(connection, 1, "s1", received=NOW + QUIET + timedelta(minutes=5), quiet=QUIET)


def test_a_removed_subscription_is_dropped_and_made_again(connection: Connection) -> None:
    """Only the one held is dropped; a late event of an older one changes nothing."""
    subscriptions.hold(connection, HELD, now=NOW)
    assert not subscriptions.lose(connection, 1, "older", now=NOW)
    assert not is_due(connection)
    assert subscriptions.lose(connection, 1, "s1", now=NOW)
    assert is_due(connection)
    assert subscriptions.held(connection) == {}
    assert not subscriptions.lose(connection, 1, "s1", now=NOW)


def test_one_that_does_not_notify_is_to_be_recreated_once(connection: Connection) -> None:
    """The order stands until there is another."""
    subscriptions.hold(connection, HELD, now=NOW)
    subscriptions.ask_to_recreate(connection, 1, now=NOW)
    assert is_due(connection)
    assert subscriptions.requests(connection, 1) == LifecycleRequests(recreate=True)
    subscriptions.hold(connection, replace(HELD, subscription_id="s2"), now=NOW)
    assert subscriptions.requests(connection, 1) == LifecycleRequests()


def test_one_account_holds_one_subscription(connection: Connection) -> None:
    """A new subscription takes the place of the old one; one that moves to another account leaves the first."""
    subscriptions.hold(connection, HELD, now=NOW)
    assert subscriptions.held(connection) == {1: HELD}
    newer = replace(HELD, subscription_id="s2")
    subscriptions.hold(connection, newer, now=NOW)
    subscriptions.hold(connection, newer, now=NOW)
    assert subscriptions.held(connection, [1, 2]) == {1: newer}
    moved = replace(newer, account_id=2)
    subscriptions.hold(connection, moved, now=NOW)
    assert subscriptions.held(connection) == {2: moved}
    assert subscriptions.held(connection, [1]) == {}


def test_ids_differ_in_case(connection: Connection) -> None:
    """Two subscriptions whose ids differ in case only are two."""
    lower, upper = replace(HELD, subscription_id="aa"), replace(HELD, subscription_id="AA", account_id=2)
    subscriptions.hold(connection, lower, now=NOW)
    subscriptions.hold(connection, upper, now=NOW)
    subscriptions.drop(connection, "AA")
    assert subscriptions.held(connection) == {1: lower}


def test_extended_subscription_lives_from_now(connection: Connection) -> None:
    """A renewal notes both the expiry and when it was granted."""
    subscriptions.hold(connection, HELD, now=NOW)
    subscriptions.extend(connection, 1, "s1", expires=NOW + 3 * HOUR, now=NOW + HOUR)
    assert subscriptions.held(connection) == {1: replace(HELD, expires=NOW + 3 * HOUR, granted=NOW + HOUR)}
