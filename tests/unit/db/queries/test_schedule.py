"""Leases of accounts, and their due times."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Final

import pytest
from sqlalchemy import Connection, Engine

from db.engine import run_writing
from db.queries import accounts
from db.queries.accounts import AccountSettings
from db.queries.schedule import FOLDERS, NEVER, SUBSCRIPTIONS, Lease
from tests.databases import Gateway
from tests.doubles.clock import SettableClock

NOW: Final = SettableClock()()
LEASE: Final = timedelta(minutes=5)
HOUR: Final = timedelta(hours=1)


@pytest.fixture
def connection(database_engine: Engine) -> Iterator[Connection]:
    with database_engine.begin() as opened:
        yield opened


def take(connection: Connection, owner: str, *, later: timedelta = timedelta(0), limit: int = 10) -> list[Lease]:
    found = SUBSCRIPTIONS.due_accounts(connection, now=NOW + later, limit=limit)
    turns = SUBSCRIPTIONS.claim(
        connection, [each.account_id for each in found], owner=owner, now=NOW + later, lease=LEASE
    )
    assert all((lease.owner, lease.lease_until) == (owner, NOW + later + LEASE) for lease in turns)
    return sorted(turns, key=lambda lease: lease.account_id)


def claim(connection: Connection, owner: str, *, later: timedelta = timedelta(0), limit: int = 10) -> list[int]:
    return [lease.account_id for lease in take(connection, owner, later=later, limit=limit)]


def make_due(connection: Connection, *numbers: int, later: timedelta = timedelta(0)) -> None:
    for number in numbers:
        accounts.make_due(connection, number, now=NOW + later)


def release(connection: Connection, lease: Lease, *, due: timedelta = HOUR, failures: int = 0) -> bool:
    return SUBSCRIPTIONS.release(connection, lease, due=NOW + due, failures=failures)


def test_account_is_one_managers(connection: Connection) -> None:
    """While a lease lasts no manager gets the account, its owner neither; then any does."""
    make_due(connection, 1, 2)
    assert claim(connection, "one") == [1, 2]
    assert claim(connection, "two") == claim(connection, "one") == []
    assert claim(connection, "two", later=LEASE - timedelta(seconds=1)) == []
    assert claim(connection, "two", later=LEASE) == [1, 2]


def test_only_what_is_due_is_claimed(connection: Connection) -> None:
    """An account whose time has not come is not claimed; the check for due accounts agrees with the claim."""
    make_due(connection, 1, later=HOUR)
    assert not SUBSCRIPTIONS.anything_due(connection, now=NOW)
    assert claim(connection, "one") == []
    assert SUBSCRIPTIONS.anything_due(connection, now=NOW + HOUR)
    assert claim(connection, "one", later=HOUR) == [1]
    assert not SUBSCRIPTIONS.anything_due(connection, now=NOW + HOUR)


def test_no_more_than_asked_for_the_longest_due_first(connection: Connection) -> None:
    """Managers share the work; the account that waits longest comes first."""
    for number in (1, 2, 3):
        make_due(connection, number, later=-number * HOUR)
    assert claim(connection, "one", limit=2) == [2, 3]
    assert claim(connection, "two", limit=2) == [1]


def test_managers_in_a_race_never_share_an_account(gateway: Gateway, database_engine: Engine) -> None:
    """Managers that claim at the same moment get different accounts, and together all of them."""
    run_writing(database_engine, lambda c: make_due(c, *range(1, 101)))

    def work(owner: int) -> list[int]:
        engine = gateway.engine()
        mine: list[int] = []
        while batch := run_writing(engine, lambda c: claim(c, str(owner), limit=7)):
            mine += batch
        engine.dispose()
        return mine

    with ThreadPoolExecutor(4) as threads:
        claimed = [number for each in threads.map(work, range(4)) for number in each]
    assert sorted(claimed) == list(range(1, 101))


def test_released_account_is_due_again_later(connection: Connection) -> None:
    """A turn that ended well or badly sets the time of the next one, and the number of failures."""
    make_due(connection, 1)
    [lease] = take(connection, "one")
    assert release(connection, lease, due=HOUR / 4, failures=3)
    assert claim(connection, "two") == []
    [lease] = take(connection, "two", later=HOUR / 4)
    assert lease.failures == 3


@pytest.mark.parametrize(("due", "failures"), [(timedelta(days=8), 0), (3 * HOUR, 1)])
def test_an_account_that_a_wrong_clock_put_off_is_due_now(
    connection: Connection, due: timedelta, failures: int
) -> None:
    """No turn postpones for so long; after a failed one for much less."""
    make_due(connection, 1)
    [lease] = take(connection, "one")
    assert release(connection, lease, due=due, failures=failures)
    SUBSCRIPTIONS.correct_due_times(connection, now=NOW)
    assert SUBSCRIPTIONS.anything_due(connection, now=NOW)
    assert claim(connection, "two") == [1]


def test_a_lease_of_a_clock_that_was_ahead_is_over(connection: Connection) -> None:
    make_due(connection, 1)
    assert claim(connection, "one", later=3 * HOUR) == [1]
    make_due(connection, 1)
    assert claim(connection, "two") == [1]


def test_what_is_due_only_when_asked_for_stays_so(connection: Connection) -> None:
    accounts.make_due(connection, 1, now=NOW)
    [lease] = take(connection, "one")
    assert SUBSCRIPTIONS.release(connection, lease, due=NEVER, failures=0)
    assert claim(connection, "two") == []


def test_account_changed_meanwhile_stays_due(connection: Connection) -> None:
    """A change by an administrator during a turn is processed at once, not at the time that the turn set."""
    make_due(connection, 1)
    [lease] = take(connection, "one")
    make_due(connection, 1)
    assert release(connection, lease)
    assert claim(connection, "two") == [1]


def test_lost_lease_is_reported(connection: Connection) -> None:
    """A manager that was too slow neither ends nor moves the turn of the present owner."""
    make_due(connection, 1)
    [slow] = take(connection, "one")
    [lease] = take(connection, "two", later=LEASE)
    assert not SUBSCRIPTIONS.holds(connection, slow, now=NOW + LEASE)
    assert not release(connection, slow)
    assert claim(connection, "three", later=LEASE) == []
    assert SUBSCRIPTIONS.holds(connection, lease, now=NOW + LEASE)
    assert release(connection, lease)


def test_an_application_may_be_left_out(connection: Connection) -> None:
    """An application that has all its turns blocks no other."""
    for tenant in ("a", "b", "b"):
        number = len(accounts.every(connection))
        settings = AccountSettings(f"{number}", tenant, "client", f"user-{number}", "AB" * 20)
        accounts.add(connection, settings, now=NOW)
    found = SUBSCRIPTIONS.due_accounts(connection, now=NOW, limit=10, without=[("b", "client")])
    assert [each.application for each in found] == [("a", "client")]
    found = SUBSCRIPTIONS.due_accounts(connection, now=NOW, limit=10, without=[("b", "other"), ("a", "client")])
    assert [each.application for each in found] == [("b", "client")] * 2


def test_schedules_are_independent(connection: Connection) -> None:
    """An account may be kept by one manager and swept by another."""
    SUBSCRIPTIONS.request(connection, 1, now=NOW)
    FOLDERS.request(connection, 1, now=NOW)
    assert claim(connection, "one") == [1]
    assert [lease.owner for lease in FOLDERS.claim(connection, [1], owner="two", now=NOW, lease=LEASE)] == ["two"]


def test_a_latest_time_moves_only_what_is_due_later(connection: Connection) -> None:
    """An account due only on request gets a time, too."""
    FOLDERS.seed(connection, 1, due=NEVER)
    FOLDERS.seed(connection, 1, due=NOW)
    assert not FOLDERS.anything_due(connection, now=NOW + 1000 * HOUR)
    FOLDERS.at_latest(connection, 1, due=NOW + HOUR)
    FOLDERS.at_latest(connection, 1, due=NOW + 2 * HOUR)
    assert FOLDERS.anything_due(connection, now=NOW + HOUR)
