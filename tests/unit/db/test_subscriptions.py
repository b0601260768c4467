"""Who looks after which account when, and the subscriptions we hold."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Final

import pytest
from sqlalchemy import Connection, Engine

from db import accounts, subscriptions
from db.engine import make_engine, run_writing
from db.subscriptions import HeldSubscription
from tests.clock import SettableClock

NOW: Final = SettableClock()()
LEASE: Final = timedelta(minutes=5)
HOUR: Final = timedelta(hours=1)
HELD: Final = HeldSubscription("s1", 1, NOW + HOUR, "users/u/messages", "https://host/notifications", "key", NOW)


@pytest.fixture
def connection(database_engine: Engine) -> Iterator[Connection]:
    with database_engine.begin() as opened:
        yield opened


def claim(connection: Connection, owner: str, *, later: timedelta = timedelta(0), most: int = 10) -> list[int]:
    turns = subscriptions.claim(connection, owner=owner, now=NOW + later, lease=LEASE, most=most)
    assert all(turn.lease_until == NOW + later + LEASE for turn in turns)
    return sorted(turn.account_id for turn in turns)


def make_due(connection: Connection, *numbers: int, later: timedelta = timedelta(0)) -> None:
    for number in numbers:
        accounts.make_due(connection, number, now=NOW + later)


def release(connection: Connection, owner: str, *, started: timedelta = timedelta(0), failures: int = 0) -> bool:
    return subscriptions.release(connection, 1, owner=owner, started=NOW + started, due=NOW + HOUR, failures=failures)


def test_account_is_one_managers(connection: Connection) -> None:
    """While a lease lasts nobody else gets the account, its owner neither; then anybody."""
    make_due(connection, 1, 2)
    assert claim(connection, "one") == [1, 2]
    assert claim(connection, "two") == claim(connection, "one") == []
    assert claim(connection, "two", later=LEASE - timedelta(seconds=1)) == []
    assert claim(connection, "two", later=LEASE) == [1, 2]


def test_only_what_is_due_is_claimed(connection: Connection) -> None:
    """An account whose time has not come is nobody's work; the look ahead agrees with the claim."""
    make_due(connection, 1, later=HOUR)
    assert not subscriptions.anything_due(connection, now=NOW)
    assert claim(connection, "one") == []
    assert subscriptions.anything_due(connection, now=NOW + HOUR)
    assert claim(connection, "one", later=HOUR) == [1]
    assert not subscriptions.anything_due(connection, now=NOW + HOUR)


def test_no_more_than_asked_for_the_longest_due_first(connection: Connection) -> None:
    """Managers share the work; who waits longest comes first."""
    for number in (1, 2, 3):
        make_due(connection, number, later=-number * HOUR)
    assert claim(connection, "one", most=2) == [2, 3]
    assert claim(connection, "two", most=2) == [1]


def test_managers_in_a_race_never_share_an_account(database_engine: Engine) -> None:
    """Managers that claim at the same moment get different accounts, and together all of them."""
    run_writing(database_engine, lambda c: make_due(c, *range(1, 101)))

    def work(owner: int) -> list[int]:
        engine = make_engine(str(database_engine.url))
        mine: list[int] = []
        while batch := run_writing(engine, lambda c: claim(c, str(owner), most=7)):
            mine += batch
        engine.dispose()
        return mine

    with ThreadPoolExecutor(4) as threads:
        claimed = [number for each in threads.map(work, range(4)) for number in each]
    assert sorted(claimed) == list(range(1, 101))


def test_released_account_is_due_again_later(connection: Connection) -> None:
    """A turn that ended well or badly says when the next one is, and how often it failed."""
    make_due(connection, 1)
    claim(connection, "one")
    assert release(connection, "one", failures=3)
    assert claim(connection, "two") == []
    [turn] = subscriptions.claim(connection, owner="two", now=NOW + HOUR, lease=LEASE, most=1)
    assert turn.failures == 3


def test_account_changed_meanwhile_stays_due(connection: Connection) -> None:
    """What an administrator changed during a turn is looked at at once, not when the turn thought."""
    make_due(connection, 1)
    claim(connection, "one")
    make_due(connection, 1, later=timedelta(seconds=10))
    assert release(connection, "one")
    assert claim(connection, "two", later=timedelta(seconds=10)) == [1]


def test_lost_lease_is_told(connection: Connection) -> None:
    """Who was too slow neither ends nor moves the turn of who has the account now."""
    make_due(connection, 1)
    claim(connection, "one")
    assert claim(connection, "two", later=LEASE) == [1]
    assert not release(connection, "one")
    assert claim(connection, "three", later=LEASE) == []
    assert release(connection, "two", started=LEASE)


def test_attempt_is_noted_for_who_comes_next(connection: Connection) -> None:
    """With which key a subscription was about to be made is known after a crash."""
    make_due(connection, 1)
    claim(connection, "one")
    assert subscriptions.note_attempt(connection, 1, owner="one", fingerprint="key", now=NOW)
    [turn] = subscriptions.claim(connection, owner="two", now=NOW + LEASE, lease=LEASE, most=1)
    assert turn.attempt_fingerprint == "key"


def test_no_attempt_without_a_lease(connection: Connection) -> None:
    """Once the lease ended no create call may be made, whether anybody took the account or not."""
    make_due(connection, 1)
    claim(connection, "one")
    note = subscriptions.note_attempt
    assert note(connection, 1, owner="one", fingerprint="key", now=NOW + LEASE - timedelta(seconds=1))
    assert not note(connection, 1, owner="one", fingerprint="late", now=NOW + LEASE)
    assert not note(connection, 1, owner="two", fingerprint="theirs", now=NOW)
    claim(connection, "two", later=LEASE)
    assert not note(connection, 1, owner="one", fingerprint="late", now=NOW + LEASE)


def test_one_account_holds_one_subscription(connection: Connection) -> None:
    """A new subscription takes the place of the old one; one that moves to another account leaves the first."""
    subscriptions.hold(connection, HELD)
    assert subscriptions.held(connection) == {1: HELD}
    newer = replace(HELD, subscription_id="s2")
    subscriptions.hold(connection, newer)
    subscriptions.hold(connection, newer)
    assert subscriptions.held(connection, [1, 2]) == {1: newer}
    moved = replace(newer, account_id=2)
    subscriptions.hold(connection, moved)
    assert subscriptions.held(connection) == {2: moved}
    assert subscriptions.held(connection, [1]) == {}


def test_ids_differ_in_case(connection: Connection) -> None:
    """Two subscriptions whose ids differ in case only are two."""
    lower, upper = replace(HELD, subscription_id="aa"), replace(HELD, subscription_id="AA", account_id=2)
    subscriptions.hold(connection, lower)
    subscriptions.hold(connection, upper)
    subscriptions.drop(connection, "AA")
    assert subscriptions.held(connection) == {1: lower}


def test_extended_subscription_lives_from_now(connection: Connection) -> None:
    """A renewal notes both the expiry and when it was granted."""
    subscriptions.hold(connection, HELD)
    subscriptions.extend(connection, "s1", expires=NOW + 3 * HOUR, now=NOW + HOUR)
    assert subscriptions.held(connection) == {1: replace(HELD, expires=NOW + 3 * HOUR, granted=NOW + HOUR)}
