"""The monitor: one process of the installation finds problems, writes them, and sends alerts of them.

Managers compete for it by a lease; processors do while no manager is alive.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Coroutine
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Protocol, TypeVar

import structlog
from sqlalchemy import Connection

import background
from bus.errors import QueueUnavailable
from bus.queue import QueueStatus
from db.engine import Database
from db.errors import DatabaseUnavailable, no_answer
from db.heartbeat import Heartbeat
from db.queries import named_leases, outages, problems
from db.queries.problems import Changes, Problem
from db.queries.processes import SUBSCRIPTIONS
from monitoring import facts as stored_facts
from monitoring.evaluation import evaluate, hidden
from monitoring.facts import Disk, Facts
from phrases import Phrase

T = TypeVar("T")

LEASE: Final = timedelta(seconds=45)
_KEPT: Final = timedelta(days=90)
_DELETED_AT_ONCE: Final = 500
_LAST_WRITE_SECONDS: Final = 2.0

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class Queue(Protocol):
    """The part of the queue's port that the monitor needs."""

    async def status(self) -> QueueStatus:
        """See `bus.queue.NotificationQueue.status`."""
        ...


class Observer(Protocol):
    """A component that acts on what the monitor finds: alerts, metrics."""

    async def found(self, facts: Facts, found: Collection[Problem]) -> None:
        """Act on the problems of this moment, which are written.

        Raises:
            DatabaseUnavailable
        """

    async def database_failed(self, since: datetime, why: str) -> None:
        """Act on a database that does not answer; called again while it lasts. `why`: a phrase."""

    async def lost(self) -> None:
        """Stop acting: another process has the lease now."""


@dataclass(frozen=True, slots=True)
class MonitorLimits:
    """`every_seconds`: between two rounds; `queue_every_seconds`: between two counts of the queue.

    `queue_seconds`: bound of such a count. `database_seconds`: of a transaction, far below that of its statements: a
    server that hangs is reported by then.
    """

    every_seconds: float = 10.0
    queue_every_seconds: float = 10.0
    queue_seconds: float = 20.0
    database_seconds: float = 20.0


class Monitor:
    """Finds the problems of the installation while this process has the lease."""

    def __init__(
        self,
        database: Database,
        queue: Queue,
        heartbeat: Heartbeat,
        observers: Collection[Observer],
        *,
        clock: Callable[[], datetime],
        disk: Callable[[], Disk | None],
        limits: MonitorLimits | None = None,
    ) -> None:
        """`disk`: reads that of an SQLite database; None for a server."""
        self._database = database
        self._queue = queue
        self._heartbeat = heartbeat
        self._observers = observers
        self._clock = clock
        self._disk = disk
        self._limits = limits or MonitorLimits()
        self._leads = False
        self._down_since: datetime | None = None
        self._counted: tuple[float, QueueStatus | None, str | None] | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; what hangs meanwhile is cut off then."""
        stopping = asyncio.create_task(stop.wait())
        try:
            while not stop.is_set():
                await background.unless(stopping, self.round())
                await asyncio.wait([stopping], timeout=self._limits.every_seconds)
        finally:
            stopping.cancel()
            await self._leave()

    async def round(self) -> None:
        """Find and write the problems of this moment, if this process has or gets the lease."""
        try:
            alive = {each.process.name for each in self._heartbeat.alive()}
            await self._round(alive)
        except DatabaseUnavailable as exc:
            if self._leads:
                since = self._down_since = self._down_since or self._clock()
                await _all([each.database_failed(since, Phrase.of(exc)) for each in self._observers])
        else:
            self._down_since = None

    async def _round(self, alive: Collection[str]) -> None:
        if not await self._acquire():
            if self._leads:
                self._leads = False
                log.info("monitor_lease_lost")
                await _all([each.lost() for each in self._observers])
            return
        if not self._leads:
            self._leads = True
            log.info("monitor_lease_acquired")
        queue, queue_error = await self._count()
        now = self._clock()
        stored = await self._answer(
            self._database.read(lambda connection: stored_facts.read(connection, queue, now=now))
        )
        facts = Facts(
            now,
            stored,
            alive,
            queue,
            queue_error,
            clocks=self._heartbeat.clocks(),
            disk=self._disk(),
        )
        found = evaluate(facts)
        changes = await self._answer(self._database.write(lambda connection: self._write(connection, facts, found)))
        _log_changes(changes)
        await _all([each.found(facts, found) for each in self._observers])

    async def _acquire(self) -> bool:
        """Acquire the lease or renew it; a processor leaves it to managers."""
        me = self._heartbeat.process
        managers = [each for each in self._heartbeat.alive() if SUBSCRIPTIONS in each.process.roles]
        if managers and SUBSCRIPTIONS not in me.roles:
            await self._release()
            return False
        now = self._clock()
        return await self._answer(
            self._database.write(
                lambda connection: named_leases.acquire(
                    connection, named_leases.MONITOR, me.name, now=now, length=LEASE
                )
            )
        )

    async def _answer(self, transaction: Awaitable[T]) -> T:
        """The result of the transaction, within its bound.

        Raises:
            DatabaseUnavailable
        """
        try:
            async with asyncio.timeout(self._limits.database_seconds):
                return await transaction
        except TimeoutError as exc:
            raise no_answer(self._limits.database_seconds) from exc

    async def _count(self) -> tuple[QueueStatus | None, str | None]:
        """The status of the queue, or the reason for which it cannot be read; some seconds old at most."""
        moment = asyncio.get_running_loop().time()
        if self._counted is not None and moment < self._counted[0] + self._limits.queue_every_seconds:
            return self._counted[1:]
        status, error = None, None
        try:
            async with asyncio.timeout(self._limits.queue_seconds):
                status = await self._queue.status()
        except QueueUnavailable as exc:
            error = Phrase.of(exc)
        except TimeoutError:
            error = Phrase("The queue was not counted within {seconds:g} seconds.", seconds=self._limits.queue_seconds)
        self._counted = (moment, status, error)
        return status, error

    def _write(self, connection: Connection, facts: Facts, found: Collection[Problem]) -> Changes:
        outages.delete_orphans(connection)
        changes = problems.reconcile(connection, found, kept=hidden(facts), now=facts.now)
        if changes.cleared:
            problems.delete_old(connection, before=facts.now - _KEPT, limit=_DELETED_AT_ONCE)
        return changes

    async def _release(self) -> None:
        if self._leads:
            owner = self._heartbeat.process.name
            await self._database.write(lambda connection: named_leases.release(connection, named_leases.MONITOR, owner))

    async def _leave(self) -> None:
        """Let another process begin at once."""
        with contextlib.suppress(DatabaseUnavailable, TimeoutError):  # then the lease ends by itself
            async with asyncio.timeout(_LAST_WRITE_SECONDS):
                await self._release()
        if self._leads:
            self._leads = False
            with contextlib.suppress(DatabaseUnavailable, TimeoutError):
                async with asyncio.timeout(_LAST_WRITE_SECONDS):
                    await _all([each.lost() for each in self._observers])


async def _all(works: Collection[Coroutine[Any, Any, None]]) -> None:
    """Await the work of all observers: one that hangs or fails holds up no other, and an error of its own is logged.

    Raises:
        DatabaseUnavailable: of one of them.
    """
    tasks = [asyncio.create_task(each, name="observer of the monitor") for each in works]
    ends = await asyncio.gather(*tasks, return_exceptions=True)
    for task, end in zip(tasks, ends, strict=True):
        if not isinstance(end, DatabaseUnavailable):
            background.log_failure(task)
    for end in ends:
        if isinstance(end, DatabaseUnavailable):
            raise end


def _log_changes(changes: Changes) -> None:
    for each in changes.opened:
        log.warning(
            "problem_opened",
            kind=each.kind.value,
            severity=each.severity.value,
            account_id=each.account_id,
            count=each.count,
            text=each.text,
        )
    for cleared in changes.cleared:
        log.info("problem_cleared", kind=cleared.kind, account_id=cleared.account_id, scope=cleared.scope)
