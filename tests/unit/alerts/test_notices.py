"""The decision which problems are alerted now."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

import pytest

from alerts.notices import AlertPolicy, NoticeKind, SharedCauses, due_notices
from db.queries.problems import NO_ACCOUNT, ProblemKind, Severity, StoredProblem
from tests.unit.alerts.problems import HOUR, MINUTE, NOW, stored

EVERYTHING = AlertPolicy(repeat=24 * HOUR)


def due(
    opened: Sequence[StoredProblem] = (),
    ended: Sequence[StoredProblem] = (),
    *,
    now: datetime = NOW,
    policy: AlertPolicy = EVERYTHING,
    shared: SharedCauses = MappingProxyType({}),
) -> list[tuple[NoticeKind, int]]:
    notices = due_notices(opened, ended, now=now, policy=policy, shared=shared)
    return [(each.kind, each.problem.number) for each in notices]


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


def _ended(number: int, **facts: Any) -> StoredProblem:  # noqa: ANN401  # any field
    return stored(number, alerted=NOW - HOUR, cleared=NOW, **facts)


@pytest.mark.parametrize(
    ("of_one", "of_many"),
    [
        ({"account_id": 7}, {}),
        ({"account_id": 7, "scope": "messages"}, {"scope": "messages"}),
        ({"account_id": 7, "scope": "rule 3"}, {}),
        ({"scope": "rule 3"}, {}),
        ({"scope": NO_ACCOUNT}, {}),
    ],
    ids=["an account", "messages of an account", "a rule of an account", "a rule", "no account"],
)
def test_what_is_alerted_together_with_others_from_now_on_is_not_over(
    of_one: dict[str, Any], of_many: dict[str, Any]
) -> None:
    """Nor is a problem of many over when few are left. One that ended before the others began is."""
    assert due([stored(2, age=MINUTE, **of_many)], [_ended(1, **of_one)]) == []
    assert due([stored(1, age=MINUTE, **of_one)], [_ended(2, **of_many)]) == []
    later = stored(2, age=-MINUTE, **of_many)
    assert due([later], [_ended(1, **of_one)]) == [(NoticeKind.RECOVERY, 1)]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"account_id": 7}, {"account_id": 8}),
        ({"account_id": 7}, {"scope": NO_ACCOUNT}),
        ({"account_id": 7}, {"scope": "messages"}),
        ({"account_id": 7, "scope": "messages"}, {"scope": "tenant client"}),
        ({"account_id": 7, "scope": "rule 3"}, {"scope": "rule 5"}),
        ({"account_id": 7}, {"kind": ProblemKind.NO_PROCESSOR}),
        ({"scope": "rule 3"}, {"scope": "rule 5"}),
    ],
    ids=["accounts", "no account", "messages", "not messages", "rules", "kinds", "general rules"],
)
def test_the_end_of_a_problem_is_told_while_another_one_is_open(one: dict[str, Any], other: dict[str, Any]) -> None:
    for ended, opened in ((one, other), (other, one)):
        assert due([stored(2, age=MINUTE, **opened)], [_ended(1, **ended)]) == [(NoticeKind.RECOVERY, 1)]


def test_accounts_go_on_in_a_problem_of_their_own_application_alone() -> None:
    """That is what they are in trouble for now: an account that was repaired is over, whatever others are."""
    kind = ProblemKind.MAILBOX_REFUSED
    of_one: dict[str, Any] = {"kind": kind, "account_id": 7}
    of_many: dict[str, Any] = {"kind": kind, "scope": "tenant client", "count": 11}
    for shared, is_over in (
        ({7: [(kind, "tenant client")]}, False),
        ({7: [(kind, "tenant other")]}, True),
        ({7: [(ProblemKind.SWEEP_FAILING, "tenant client")]}, True),
        ({8: [(kind, "tenant client")]}, True),
    ):
        for ended, opened in ((of_one, of_many), (of_many, of_one)):
            found = due([stored(2, age=MINUTE, **opened)], [_ended(1, **ended)], shared=shared)
            assert found == ([(NoticeKind.RECOVERY, 1)] if is_over else [])
