"""The state of the whole installation at one moment: what `status` shows, in the form that other programs rely on."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from availability import Service
from bus.queue import AccountStatus
from db.leases import age
from db.queries.installation import AccountState, AccountTotals
from db.queries.problems import Problem, ProblemKind, Severity, StoredProblem
from db.queries.processes import DELIVERY, PROCESSOR, SUBSCRIPTIONS
from monitoring.evaluation import is_replaced
from monitoring.facts import Facts

_STOPS_MAIL: Final = frozenset(
    {
        ProblemKind.CREDENTIALS_UNREACHABLE,
        ProblemKind.DATABASE_TROUBLE,
        ProblemKind.GRAPH_UNREACHABLE,
        ProblemKind.NO_PROCESSOR,
        ProblemKind.QUEUE_UNREACHABLE,
        ProblemKind.SCHEMA_OUTDATED,
        ProblemKind.SIGN_IN_UNREACHABLE,
    }
)
"""Problems while which no mail of any account is imported."""
_IN_MEMORY: Final = frozenset({ProblemKind.CLOCKS_APART, ProblemKind.DATABASE_TROUBLE})
"""Problems that a monitor finds from what is in its memory: another process knows them from the database alone."""


class Verdict(StrEnum):
    """The state in one word; OK only without problems."""

    OK = "ok"
    DEGRADED = "degraded"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class CertificateEnd:
    """The end of a certificate that accounts use; None: it is not in the store of this host."""

    thumbprint: str
    expires: datetime | None


@dataclass(frozen=True, slots=True)
class DeadLetterReason:
    """The number of dead letters of an account (None: of no known one) with one reason."""

    account_id: int | None
    reason: str
    count: int


@dataclass(frozen=True, slots=True, repr=False)
class Overview:
    """All of it. `problems`: the oldest first, those that only a monitor knows included. `accounts` may be left out.

    It has no `repr`: Python makes that of a task with its result as a loop ends, which takes 0.1 s of 10,000 accounts.
    """

    facts: Facts
    problems: Sequence[Problem]
    accounts: Sequence[AccountState]
    certificates: Sequence[CertificateEnd]
    schema: Mapping[str, str | None]
    """`current`: the revision of the database; `head`: that of this program."""
    dead_letter_reasons: Sequence[DeadLetterReason]
    totals: AccountTotals = field(default_factory=AccountTotals)
    last_imported: datetime | None = None
    """The time of the last import."""

    @property
    def verdict(self) -> Verdict:
        """The state in one word."""
        if not self.problems:
            return Verdict.OK
        return Verdict.DOWN if any(each.kind in _STOPS_MAIL for each in self.problems) else Verdict.DEGRADED

    @property
    def names(self) -> dict[int, str]:
        """The names of the accounts that are listed, or that any fact is about."""
        return {**self.facts.stored.names, **{each.account_id: each.name for each in self.accounts}}

    @property
    def replaced(self) -> set[str]:
        """The names of processes that ended unexpectedly, and whose roles another one of their host has."""
        living = self.facts.living
        ended = (each for each in self.facts.stored.processes if each.process.name not in self.facts.alive)
        return {each.process.name for each in ended if is_replaced(each, living)}

    def data(self) -> dict[str, Any]:
        """The object of `status --json`."""
        names = self.names
        queues = {} if self.facts.queue is None else {each.account_id: each for each in self.facts.queue.accounts}
        return {
            "verdict": self.verdict.value,
            "checked": self.facts.now,
            "schema": dict(self.schema),
            "roles": [
                {
                    "role": role,
                    "host": each.process.host,
                    "process": each.process.name,
                    "version": each.process.version,
                    "started": each.process.started,
                    "heartbeat": each.heartbeat,
                    "alive": each.process.name in self.facts.alive,
                }
                for each in self.facts.stored.processes
                for role in each.process.roles
            ],
            "services": [self._service(each) for each in (Service.GRAPH, Service.SIGN_IN)],
            "problems": [
                {
                    "kind": each.kind.value,
                    "severity": each.severity.value,
                    "account": None if each.account_id is None else names.get(each.account_id, str(each.account_id)),
                    "since": each.since,
                    "count": each.count,
                    "text": each.text,
                    "remedy": each.remedy,
                }
                for each in self.problems
            ],
            "accounts": [_account(each, queues.get(each.account_id)) for each in self.accounts],
            "queue": self.queue_data(),
            "delivery": self.delivery_data(),
            "last_imported": self.last_imported,
            "certificates": [{"thumbprint": each.thumbprint, "expires": each.expires} for each in self.certificates],
        }

    def _service(self, service: Service) -> dict[str, Any]:
        """The state of a service, as the live processes that call it find it; None: there is none."""
        callers = any({PROCESSOR, SUBSCRIPTIONS} & set(each.process.roles) for each in self.facts.living)
        outages = self.facts.outages_of(service)
        return {
            "service": service.value,
            "reachable": not outages if callers else None,
            "since": min((each.since for each in outages), default=None),
        }

    def queue_data(self) -> dict[str, Any]:
        """The part of `data` that is of the queue."""
        names = self.names
        queue = self.facts.queue
        oldest = None if queue is None else queue.oldest
        return {
            "waiting": None if queue is None else queue.active,
            "scheduled": None if queue is None else queue.scheduled,
            "in_work": None if queue is None or not queue.reports_locked else queue.locked,
            "dead_letters": None if queue is None else queue.dead,
            "oldest_age_seconds": None if oldest is None else round(age(oldest, self.facts.now).total_seconds(), 3),
            "dead_letter_reasons": [
                {
                    "account": None if each.account_id is None else names.get(each.account_id, str(each.account_id)),
                    "reason": each.reason,
                    "count": each.count,
                }
                for each in self.dead_letter_reasons
            ],
        }

    def delivery_data(self) -> dict[str, Any]:
        """The part of `data` that is of rules and files."""
        found = self.facts.stored.deliveries
        living = [each.process.host for each in self.facts.living if DELIVERY in each.process.roles]
        due = found.due_since
        return {
            "hosts": sorted(set(living)),
            "rules": len(found.enabled),
            "unchecked_messages": found.unchecked,
            "waiting_files": found.waiting,
            "failed_files": found.failed_files,
            "oldest_due_age_seconds": None if due is None else round(age(due, self.facts.now).total_seconds(), 3),
        }


def _account(state: AccountState, queue: AccountStatus | None) -> dict[str, Any]:
    subscription = None
    if state.subscription_state is not None:
        subscription = {"state": state.subscription_state, "expires": state.subscription_expires}
    return {
        "name": state.name,
        "address": state.address,
        "enabled": state.enabled,
        "subscription": subscription,
        "waiting": 0 if queue is None else queue.outstanding,
        "failed": 0 if queue is None else queue.dead,
        "last_imported": state.last_imported,
        "last_swept": state.last_swept,
    }


def merged(
    found: Collection[Problem], stored: Collection[StoredProblem], now: datetime, *, kept: Collection[ProblemKind] = ()
) -> list[Problem]:
    """The problems found, each since its stored begin, and those that only the monitor knows; the oldest first.

    `kept`: kinds of which the stored ones are not over, though they are not found.
    """
    by_key = {each.key: each for each in stored}
    problems = [replace(each, since=by_key[each.key].first_seen) if each.key in by_key else each for each in found]
    found_keys = {each.key for each in found}
    problems += [
        Problem(
            ProblemKind(each.kind),
            # Another program may write here, too.
            Severity.WARNING if each.severity == Severity.WARNING else Severity.ERROR,
            each.text,
            each.remedy,
            each.account_id,
            each.scope,
            each.first_seen,
            each.count,
        )
        for each in stored
        if (each.kind in _IN_MEMORY or each.kind in kept) and each.key not in found_keys
    ]
    return sorted(problems, key=lambda each: (each.since or now, each.kind, each.account_id or 0))
