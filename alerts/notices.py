"""Decides which problems are alerted now. No I/O.

A problem is alerted once it has lasted for two minutes; a shorter one is not, and neither is its end. Then come
reminders, once that the warning became an error, and its end. In quiet times only errors are; the rest waits for their
end.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from db.leases import age
from db.queries.problems import Severity, StoredProblem

FIRST_AFTER: Final = timedelta(minutes=2)
"""A problem that ends sooner is not alerted."""
RECOVERY_WITHIN: Final = timedelta(days=7)
"""The end of a problem is no news any more when it could not be alerted for so long."""

SharedCauses = Mapping[int, Collection[tuple[str, str]]]
"""Of accounts in trouble, by number: kind and scope of the problem that each would be with many others."""


class NoticeKind(StrEnum):
    """`NEW`: the first alert of a problem, or of an error that was a warning. `RECOVERY`: of its end."""

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
    opened: Iterable[StoredProblem],
    ended: Iterable[StoredProblem],
    *,
    now: datetime,
    policy: AlertPolicy,
    shared: SharedCauses = MappingProxyType({}),
    severities: Mapping[int, str] = MappingProxyType({}),
) -> list[Notice]:
    """All notices that are due now, for one message: errors first.

    `opened`: the open problems. `ended`: those that were alerted, and whose end was not. `shared`: of their accounts.
    `severities`: with which open problems were alerted, by number, as far as it is known.
    """
    still_open = list(opened)
    notices = [
        Notice(kind, each)
        for each in still_open
        if (kind := _kind_of(each, now, policy, severities.get(each.number))) is not None
    ]
    # One that came and went more than once is over once.
    over = {each.key: each for each in ended if not any(_goes_on_as(each, other, shared) for other in still_open)}
    notices += [Notice(NoticeKind.RECOVERY, each) for each in over.values() if _is_allowed_end(each, now, policy)]
    return sorted(notices, key=_place)


def _goes_on_as(ended: StoredProblem, other: StoredProblem, shared: SharedCauses) -> bool:
    """True if the cause is there again; or if problems became one of many, or one of many became several."""
    return (
        ended.key == other.key
        or _contains(other, ended, shared, began=other.opened, ended=ended.cleared)
        or _contains(ended, other, shared, began=other.opened, ended=ended.cleared)
    )


def _contains(
    many: StoredProblem, one: StoredProblem, shared: SharedCauses, *, began: datetime, ended: datetime | None
) -> bool:
    """True if `many` is a problem that `one` is, or was, among, by the rules of grouping of `monitoring.evaluation`.

    `began`: of the one that is open, `ended`: of the other; those of one kind are regrouped at one moment.
    """
    if many.kind != one.kind or many.account_id is not None or (one.account_id, one.scope) == (None, many.scope):
        return False
    if one.account_id is not None and many.scope and not one.scope:
        # By what the account is in trouble for now: it may be repaired, or be in trouble for something else.
        return (many.kind, many.scope) in shared.get(one.account_id, ())
    # Without a scope it is of all of its kind.
    return many.scope in {"", one.scope} and ended is not None and began <= ended


def _kind_of(problem: StoredProblem, now: datetime, policy: AlertPolicy, alerted_as: str | None) -> NoticeKind | None:
    if not policy.allows(problem.severity, now):
        return None
    if problem.alerted is None:
        return NoticeKind.NEW if age(problem.opened, now) >= FIRST_AFTER else None
    if problem.severity == Severity.ERROR and alerted_as == Severity.WARNING:
        return NoticeKind.NEW
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
