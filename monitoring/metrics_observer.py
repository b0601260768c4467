"""Keeps the metrics of the installation up to date, in the process that monitors."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Final

from bus.queue import AccountStatus, QueueStatus
from db.engine import Database
from db.outcomes import FileState
from db.queries import installation
from db.queries.installation import AccountState
from db.queries.problems import Problem, ProblemKind, Severity
from db.queries.processes import DELIVERY, PROCESSOR, SUBSCRIPTIONS
from monitoring.facts import Facts
from monitoring.metrics import AccountSnapshot, InstallationMetrics, InstallationSnapshot

_READ_EVERY_SECONDS: Final = 30.0
"""Interval of reads of all accounts and certificates; the rest is as recent as the monitor's facts."""
_STORE_SECONDS: Final = 10.0

CertificateEnds = Callable[[], Awaitable[Mapping[str, datetime]]]
"""Reads the ends of the certificates that enabled accounts sign in with, by thumbprint."""


class MetricsObserver:
    """Makes a snapshot of each round of the monitor."""

    def __init__(
        self,
        database: Database,
        metrics: InstallationMetrics,
        certificate_ends: CertificateEnds,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._metrics = metrics
        self._certificate_ends = certificate_ends
        self._monotonic = monotonic
        self._next_read = monotonic()
        self._accounts: Sequence[AccountState] = ()
        self._certificates: Mapping[str, datetime] = {}
        self._snapshot: InstallationSnapshot | None = None

    async def found(self, facts: Facts, found: Collection[Problem]) -> None:
        """See `monitor.Observer`."""
        if self._monotonic() >= self._next_read:
            states = await self._database.read(
                lambda connection: installation.account_states(connection, with_addresses=False)
            )
            self._accounts = [each for each in states if each.enabled]
            with suppress(TimeoutError):  # a store that hangs must not stop the monitor
                async with asyncio.timeout(_STORE_SECONDS):
                    self._certificates = await self._certificate_ends()
            self._next_read = self._monotonic() + _READ_EVERY_SECONDS
        deliveries = facts.stored.deliveries
        queues = {} if facts.queue is None else {each.account_id: each for each in facts.queue.accounts}
        self._serve(
            InstallationSnapshot(
                facts.now,
                [_account(each, queues.get(each.account_id)) for each in self._accounts],
                queue={} if facts.queue is None else _depths(facts.queue),
                waiting_since=None if facts.queue is None else facts.queue.waiting_since,
                problems=Counter((each.kind.value, each.severity.value) for each in found),
                certificates=self._certificates,
                processes=_processes(facts),
                unchecked=deliveries.unchecked if deliveries.is_used or facts.has(DELIVERY) else None,
                files={FileState.PENDING.value: deliveries.waiting, FileState.FAILED.value: deliveries.failed_files},
                file_due_since=deliveries.due_since,
            )
        )

    async def database_failed(self, since: datetime, why: str) -> None:  # noqa: ARG002  # the signature is the port's
        """See `monitor.Observer`. The last figures stay, with this problem added."""
        if self._snapshot is not None:
            trouble = (ProblemKind.DATABASE_TROUBLE.value, Severity.ERROR.value)
            self._serve(replace(self._snapshot, problems={**self._snapshot.problems, trouble: 1}))

    async def lost(self) -> None:
        """See `monitor.Observer`."""
        self._snapshot = None
        self._metrics.clear()

    def _serve(self, snapshot: InstallationSnapshot) -> None:
        self._snapshot = snapshot
        self._metrics.update(snapshot)


def _account(state: AccountState, queue: AccountStatus | None) -> AccountSnapshot:
    return AccountSnapshot(
        state.account_id,
        state.name,
        waiting=0 if queue is None else queue.outstanding,
        dead_letters=0 if queue is None else queue.dead,
        last_import=state.last_imported,
        last_sweep=state.last_swept,
        subscription_expires=state.subscription_expires,
    )


def _depths(queue: QueueStatus) -> dict[str, int]:
    locked = {"locked": queue.locked} if queue.reports_locked else {}
    return {"active": queue.active, **locked, "scheduled": queue.scheduled, "dead": queue.dead}


def _processes(facts: Facts) -> dict[str, int]:
    """By role; a receiver that has no row, as in front of Service Bus, is not counted as missing, nor a delivery
    without rules."""
    counts = {PROCESSOR: 0, SUBSCRIPTIONS: 0}
    if facts.stored.deliveries.is_used:
        counts[DELIVERY] = 0
    for each in facts.stored.processes:
        for role in each.process.roles:
            counts[role] = counts.get(role, 0) + (each.process.name in facts.alive)
    return counts
