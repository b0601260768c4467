"""Problems in the database, on every database: opened, kept, cleared, and opened again."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Final

import pytest
from sqlalchemy import Connection, Engine, func, select

from availability import Outage, Service
from db.queries import named_leases, outages, problems, processes
from db.queries.problems import Problem, ProblemKind, Severity
from db.queries.processes import Process
from db.tables import lease, problem, service_outage
from phrases import Phrase
from tests.doubles.clock import SettableClock

NOW: Final = SettableClock()()
MINUTE: Final = timedelta(minutes=1)
REFUSED: Final = Problem(
    ProblemKind.MAILBOX_REFUSED,
    Severity.ERROR,
    Phrase("{n} is refused.", n=7),
    Phrase("Allow it."),
    account_id=7,
    since=NOW - MINUTE,
)


@pytest.fixture
def connection(database_engine: Engine) -> Iterator[Connection]:
    with database_engine.begin() as opened:
        yield opened


def test_a_problem_is_kept_as_it_was_found(connection: Connection) -> None:
    changes = problems.reconcile(connection, [REFUSED], now=NOW)
    assert (changes.opened, changes.cleared) == ([REFUSED], [])
    (found,) = problems.open_problems(connection)
    assert (found.kind, found.severity, found.account_id, found.count) == ("mailbox_refused", "error", 7, 1)
    assert (found.first_seen, found.last_seen, found.cleared) == (NOW - MINUTE, NOW, None)
    assert (found.text, found.remedy) == ("7 is refused.", "Allow it.")
    assert isinstance(found.text, Phrase)


def test_a_problem_that_goes_on_keeps_its_begin_and_has_the_last_text(connection: Connection) -> None:
    problems.reconcile(connection, [REFUSED], now=NOW)
    later = replace(REFUSED, text=Phrase("8 is refused."), count=3, since=NOW)
    changes = problems.reconcile(connection, [later], now=NOW + MINUTE)
    assert (changes.opened, changes.cleared) == ([], [])
    (found,) = problems.open_problems(connection)
    assert (found.first_seen, found.last_seen) == (NOW - MINUTE, NOW + MINUTE)
    assert (found.text, found.count) == ("8 is refused.", 3)


def test_a_problem_that_is_over_is_cleared_and_may_come_again(connection: Connection) -> None:
    problems.reconcile(connection, [REFUSED], now=NOW)
    changes = problems.reconcile(connection, [], now=NOW + MINUTE)
    assert [each.kind for each in changes.cleared] == ["mailbox_refused"]
    assert problems.open_problems(connection) == []
    again = problems.reconcile(connection, [replace(REFUSED, since=None)], now=NOW + 2 * MINUTE)
    assert len(again.opened) == 1
    assert [each.first_seen for each in problems.open_problems(connection)] == [NOW + 2 * MINUTE]
    cleared = select(problem.c.dtCleared).where(problem.c.dtCleared.is_not(None))
    assert list(connection.scalars(cleared)) == [NOW + MINUTE]


def test_two_accounts_have_a_problem_each(connection: Connection) -> None:
    problems.reconcile(connection, [REFUSED, replace(REFUSED, account_id=8)], now=NOW)
    assert [each.account_id for each in problems.open_problems(connection)] == [7, 8]


def test_what_does_not_change_is_written_once_a_minute(connection: Connection) -> None:
    for second in range(0, 90, 10):
        problems.reconcile(connection, [REFUSED], now=NOW + timedelta(seconds=second))
    assert problems.open_problems(connection)[0].last_seen == NOW + MINUTE


def test_old_problems_are_deleted_and_open_ones_never(connection: Connection) -> None:
    problems.reconcile(connection, [REFUSED, replace(REFUSED, account_id=8)], now=NOW)
    problems.reconcile(connection, [REFUSED], now=NOW + MINUTE)
    assert problems.delete_old(connection, before=NOW + 2 * MINUTE, limit=10) == 1
    assert connection.scalar(select(func.count()).select_from(problem)) == 1


def test_one_process_has_the_lease_until_it_ends(connection: Connection) -> None:
    def acquire(owner: str, after: timedelta) -> bool:
        return named_leases.acquire(connection, "monitor", owner, now=NOW + after, length=MINUTE)

    assert acquire("one", timedelta(0))
    assert not acquire("two", timedelta(seconds=30))
    assert acquire("one", timedelta(seconds=50))
    assert list(connection.scalars(select(lease.c.sOwner))) == ["one"]
    assert acquire("two", timedelta(seconds=111))
    assert not acquire("one", timedelta(seconds=112))
    named_leases.release(connection, "monitor", "one")
    assert list(connection.scalars(select(lease.c.sOwner))) == ["two"]
    named_leases.release(connection, "monitor", "two")
    assert acquire("one", timedelta(seconds=113))


def test_a_lease_from_the_future_is_not_believed(connection: Connection) -> None:
    """A host whose clock was a day ahead must not end the monitoring for a day."""
    ahead = NOW + timedelta(days=1)
    assert named_leases.acquire(connection, "monitor", "ahead", now=ahead, length=MINUTE)
    assert named_leases.acquire(connection, "monitor", "right", now=NOW, length=MINUTE)


def test_outages_are_those_of_processes_with_a_row(connection: Connection) -> None:
    found = Outage(Service.GRAPH, NOW, NOW, 3, Phrase("refused"))
    processes.beat(connection, Process("p", "host", ("processor",), "1", NOW), now=NOW, until=NOW + MINUTE)
    outages.note(connection, "p", [found])
    outages.note(connection, "p", [replace(found, accounts=4)])
    outages.note(connection, "killed", [found])
    assert [(each.process, each.host, each.accounts) for each in outages.every(connection)] == [("p", "host", 4)]
    outages.delete_orphans(connection)
    assert list(connection.scalars(select(service_outage.c.sProcess))) == ["p"]
    outages.note(connection, "p", [replace(found, service=Service.QUEUE)])
    assert [each.service for each in outages.every(connection)] == ["queue"]
    outages.note(connection, "p", [])
    assert outages.every(connection) == []
