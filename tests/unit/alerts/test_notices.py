"""The decision which problems are alerted now."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from alerts.notices import AlertPolicy, NoticeKind, due_notices
from db.queries.problems import NO_ACCOUNT, Severity, StoredProblem
from tests.unit.alerts.problems import HOUR, MINUTE, NOW, stored

EVERYTHING = AlertPolicy(repeat=24 * HOUR)


def due(
    opened: Sequence[StoredProblem] = (),
    ended: Sequence[StoredProblem] = (),
    *,
    now: datetime = NOW,
    policy: AlertPolicy = EVERYTHING,
) -> list[tuple[NoticeKind, int]]:
    return [(each.kind, each.problem.number) for each in due_notices(opened, ended, now=now, policy=policy)]


def test_a_problem_is_alerted_once_it_lasted_for_two_minutes() -> None:
    assert due([stored(age=2 * MINUTE - timedelta(seconds=1))]) == []
    assert due([stored(age=2 * MINUTE)]) == [(NoticeKind.NEW, 1)]


def test_an_alerted_problem_is_not_alerted_again_before_its_reminder() -> None:
    alerted = stored(age=48 * HOUR, alerted=NOW - 24 * HOUR + MINUTE)
    assert due([alerted]) == []
    assert due([alerted], now=NOW + MINUTE) == [(NoticeKind.REMINDER, 1)]
    assert due([alerted], now=NOW + 999 * HOUR, policy=AlertPolicy(repeat=None)) == []


def test_an_end_is_alerted_unless_the_cause_is_there_again() -> None:
    ended = stored(1, key="same", alerted=NOW - HOUR, cleared=NOW)
    again = stored(2, key="same", age=MINUTE)
    assert due([], [ended]) == [(NoticeKind.RECOVERY, 1)]
    assert due([again], [ended]) == []
    twice = stored(3, key="same", alerted=NOW - HOUR, cleared=NOW)
    assert due([], [ended, twice]) == [(NoticeKind.RECOVERY, 3)]


def test_all_that_are_due_come_together_errors_first_and_ends_last() -> None:
    ended = stored(1, alerted=NOW - HOUR, cleared=NOW)
    warning = stored(2, age=3 * HOUR, severity=Severity.WARNING)
    errors = [stored(3, age=2 * HOUR), stored(4, age=HOUR)]
    assert [number for _, number in due([warning, *reversed(errors)], [ended])] == [3, 4, 2, 1]


def test_problems_below_the_minimum_are_left_out_but_their_end_is_told_if_they_were_alerted() -> None:
    policy = AlertPolicy(minimum_severity=Severity.ERROR)
    warning = stored(severity=Severity.WARNING)
    assert due([warning], policy=policy) == []
    assert due([stored(severity=Severity.ERROR)], policy=policy) == [(NoticeKind.NEW, 1)]
    alerted_before = stored(severity=Severity.WARNING, alerted=NOW - HOUR, cleared=NOW)
    assert due([], [alerted_before], policy=policy) == [(NoticeKind.RECOVERY, 1)]


def test_in_quiet_times_errors_alone_are_alerted_and_warnings_afterwards() -> None:
    quiet = AlertPolicy(repeat=HOUR, is_quiet=lambda moment: moment < NOW + HOUR)
    opened = [stored(1), stored(2, severity=Severity.WARNING)]
    ended = [
        stored(3, alerted=NOW - HOUR, cleared=NOW),
        stored(4, alerted=NOW - HOUR, cleared=NOW, severity=Severity.WARNING),
    ]
    assert due(opened, ended, policy=quiet) == [(NoticeKind.NEW, 1), (NoticeKind.RECOVERY, 3)]
    later = due(opened[1:], ended[1:], now=NOW + HOUR, policy=quiet)
    assert later == [(NoticeKind.NEW, 2), (NoticeKind.RECOVERY, 4)]


def test_a_problem_that_a_wrong_clock_dated_into_the_future_is_alerted() -> None:
    assert due([stored(age=timedelta(days=-365))]) == [(NoticeKind.NEW, 1)]


def test_a_cause_that_is_older_than_its_finding_is_alerted_two_minutes_after_that() -> None:
    """After a start the monitor finds what processes of before left; most of it ends within seconds."""
    found = stored(age=HOUR, opened=NOW - timedelta(minutes=1))
    assert due_notices([found], [], now=NOW, policy=AlertPolicy()) == []
    later = NOW + timedelta(minutes=1)
    assert [each.problem for each in due_notices([found], [], now=later, policy=AlertPolicy())] == [found]


def test_accounts_that_are_alerted_together_from_now_on_are_not_over() -> None:
    """Nor is a problem of many accounts over when few are left; an account of many that was repaired is."""
    of_one = stored(1, account_id=7, alerted=NOW - HOUR, cleared=NOW)
    of_many = stored(2, age=MINUTE, count=11)
    assert due([of_many], [of_one]) == []
    assert due([], [of_one]) == [(NoticeKind.RECOVERY, 1)]
    assert due([stored(3, age=MINUTE, account_id=7)], [stored(2, alerted=NOW - HOUR, cleared=NOW)]) == []
    assert due([stored(3, age=MINUTE, account_id=8)], [of_one]) == [(NoticeKind.RECOVERY, 1)]
    of_none = stored(4, age=MINUTE, scope=NO_ACCOUNT)
    assert due([of_none], [of_one]) == [(NoticeKind.RECOVERY, 1)]
