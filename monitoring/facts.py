"""The facts from which problems are found: read together, the same for a monitor and for `status`."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection

from availability import Service
from bus.queue import QueueStatus
from db.queries import after_import, alerts, deliveries, failures, installation, outages, processes
from db.queries.alerts import FailingTarget
from db.queries.deliveries import Deliveries
from db.queries.failures import FailingAgain
from db.queries.installation import ConditionFact
from db.queries.outages import KnownOutage
from db.queries.processes import KnownProcess
from monitoring.rule_faults import UnusableRule, unusable


@dataclass(frozen=True, slots=True)
class Disk:
    """The disk of an SQLite database: bytes that are free, and all."""

    free: int
    total: int


@dataclass(frozen=True, slots=True)
class StoredFacts:
    """The facts in the database.

    `failed_actions`: by account; `failing`: messages that are being retried, by account; `names`: of the accounts that
    any fact is about; `unusable_rules`: of those that are enabled. `removed`: accounts of dead letters that were
    removed: nothing is left to do for them.
    """

    accounts: int = 0
    processes: Sequence[KnownProcess] = ()
    outages: Sequence[KnownOutage] = ()
    conditions: Sequence[ConditionFact] = ()
    failed_actions: Mapping[int, int] = field(default_factory=dict)
    failing: Mapping[int, FailingAgain] = field(default_factory=dict)
    names: Mapping[int, str] = field(default_factory=dict)
    failing_targets: Sequence[FailingTarget] = ()
    removed: Collection[int] = ()
    deliveries: Deliveries = field(default_factory=Deliveries)
    unusable_rules: Sequence[UnusableRule] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """All facts of one moment.

    `alive`: names of the processes that are alive. `queue` is None where it could not be read;
    `queue_error` has the reason.
    `clocks`: by host, seconds that its clock is ahead of this one's. `disk`: None for a database on a server.
    """

    now: datetime
    stored: StoredFacts
    alive: Collection[str]
    queue: QueueStatus | None
    queue_error: str | None = None
    clocks: Mapping[str, float] = field(default_factory=dict)
    disk: Disk | None = None

    @property
    def living(self) -> list[KnownProcess]:
        """The processes that are alive."""
        return [each for each in self.stored.processes if each.process.name in self.alive]

    def has(self, role: str) -> bool:
        """True if a process with that role is alive."""
        return any(role in each.process.roles for each in self.living)

    def outages_of(self, *services: Service) -> list[KnownOutage]:
        """The outages of these services that live processes find."""
        return [each for each in self.stored.outages if each.service in services and each.process in self.alive]


def read(connection: Connection, queue: QueueStatus | None, *, now: datetime) -> StoredFacts:
    """Read the facts of the database; `queue`: its accounts get their names, too."""
    found = installation.conditions(connection)
    failed = {number: each.failed for number, each in after_import.counts(connection).items() if each.failed}
    failing = failures.failing_again(connection, now=now)
    concerned = {*failed, *failing, *(each.account_id for each in found)}
    if queue is not None:
        concerned |= {each.account_id for each in queue.accounts if each.dead and each.account_id is not None}
    removed = installation.removed(connection, concerned)
    found_deliveries = deliveries.read(connection, now=now)
    return StoredFacts(
        accounts=installation.enabled_accounts(connection),
        processes=processes.every(connection),
        outages=outages.every(connection),
        conditions=found,
        failed_actions={number: count for number, count in failed.items() if number not in removed},
        failing={number: each for number, each in failing.items() if number not in removed},
        names=installation.names(connection, concerned),
        failing_targets=alerts.failing(connection),
        removed=removed,
        deliveries=found_deliveries,
        unusable_rules=unusable(found_deliveries.enabled),
    )
