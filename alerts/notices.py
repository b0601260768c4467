"""Decides which problems are alerted now. No I/O.

A problem is alerted once it has lasted for two minutes; a shorter one is not, and neither is its end. Then come
reminders, and its end. In quiet times only errors are; the rest waits for their end.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from db.leases import age
from db.queries.problems import NO_ACCOUNT, Severity, StoredProblem

FIRST_AFTER: Final = timedelta(minutes=2)
"""A problem that ends sooner is not alerted."""
RECOVERY_WITHIN: Final = timedelta(days=7)
"""The end of a problem is no news any more when it could not be alerted for so long."""


class NoticeKind(StrEnum):
    """`NEW`: the first alert of a problem. `RECOVERY`: of its end."""

    NEW = "new"
    REMINDER = "reminder"
    RECOVERY = "recovery"


@dataclass(frozen=True, slots=True)
class Notice:
    """One problem, and the reason to alert it now."""

    kind: NoticeKind
    problem: StoredProblem


@dataclass(frozen=True, slots=True)
class AlertPolicy:
    """The rules of the settings. `repeat` None: no reminders. `is_quiet`: True of a moment in quiet times."""

    minimum_severity: Severity = Severity.WARNING
    repeat: timedelta | None = timedelta(hours=24)
    is_quiet: Callable[[datetime], bool] = lambda _moment: False

    def allows(self, severity: str, now: datetime) -> bool:
        """Return True if a problem of this severity may be alerted now."""
        return severity == Severity.ERROR or (self.minimum_severity is Severity.WARNING and not self.is_quiet(now))


def due_notices(
    opened: Iterable[StoredProblem], ended: Iterable[StoredProblem], *, now: datetime, policy: AlertPolicy
) -> list[Notice]:
    """All notices that are due now, for one message: errors first.

    `opened`: the open problems. `ended`: those that were alerted, and whose end was not.
    """
    still_open = list(opened)
    notices = [Notice(kind, each) for each in still_open if (kind := _kind_of(each, now, policy)) is not None]
    # One that came and went more than once is over once.
    over = {each.key: each for each in ended if not any(_goes_on_as(each, other) for other in still_open)}
    notices += [Notice(NoticeKind.RECOVERY, each) for each in over.values() if _is_allowed_end(each, now, policy)]
    return sorted(notices, key=_place)


def _goes_on_as(ended: StoredProblem, other: StoredProblem) -> bool:
    """True if the cause is there again; or if problems of accounts became one of many accounts, or the reverse."""
    regrouped = (ended.account_id is None) != (other.account_id is None) and NO_ACCOUNT not in {
        ended.scope,
        other.scope,
    }
    return ended.key == other.key or (ended.kind == other.kind and regrouped)


def _kind_of(problem: StoredProblem, now: datetime, policy: AlertPolicy) -> NoticeKind | None:
    if not policy.allows(problem.severity, now):
        return None
    if problem.alerted is None:
        return NoticeKind.NEW if age(problem.opened, now) >= FIRST_AFTER else None
    repeated = policy.repeat is not None and age(problem.alerted, now) >= policy.repeat
    return NoticeKind.REMINDER if repeated else None


def _is_allowed_end(problem: StoredProblem, now: datetime, policy: AlertPolicy) -> bool:
    # The end of what was alerted as a problem is alerted, whatever the minimum is by now; quiet times delay it.
    return problem.severity == Severity.ERROR or not policy.is_quiet(now)


def _place(notice: Notice) -> tuple[bool, bool, datetime, int]:
    problem = notice.problem
    return (
        notice.kind is NoticeKind.RECOVERY,
        problem.severity != Severity.ERROR,
        problem.first_seen,
        problem.number,
    )
