"""The subscription manager: two tasks for every account, and periodic tasks for all accounts together.

A poll every second starts the runs that are due; changes by other programs in the accounts' rows are found every five
seconds.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Final, Protocol

import structlog
from sqlalchemy import Connection

import background
from background.pulse import Pulse
from db.engine import Database
from db.errors import DatabaseUnavailable
from db.leases import is_over
from db.queries import accounts, history
from hostfaults import HostFault, host_fault_of
from subscriptions.metrics import ManagerMetrics
from subscriptions.scheduler import AccountTask, Scheduler, SchedulerLimits

_COMPARE_EVERY: Final = timedelta(seconds=5)
_MAX_CHANGED: Final = 1000
_GATHER_SECONDS: Final = 0.02
_RETRY: Final = timedelta(minutes=1)
"""Pause of a periodic task after an error."""

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class PeriodicTask(Protocol):
    """Work for all accounts together, done from time to time."""

    async def work(self) -> timedelta:
        """Do it; return the time to wait until the next run.

        Raises:
            DatabaseUnavailable
        """


class _Poller(Protocol):
    async def poll(self) -> None: ...
    async def finish(self) -> None: ...


@dataclass(frozen=True, slots=True)
class ManagerLimits:
    """`poll_seconds`: between two polls; `scheduler`: limits of each task."""

    poll_seconds: float = 1.0
    scheduler: SchedulerLimits = field(default_factory=SchedulerLimits)


class SubscriptionManager:
    """Serves accounts until it is signalled to stop."""

    def __init__(
        self,
        database: Database,
        tasks: Sequence[AccountTask],
        periodic_tasks: Sequence[PeriodicTask],
        *,
        owner: str,
        served_with: str | None,
        clock: Callable[[], datetime],
        random: Random,
        metrics: ManagerMetrics,
        pulse: Pulse | None = None,
        limits: ManagerLimits | None = None,
    ) -> None:
        """`owner`: unique name of this process among all managers.

        `served_with`: the settings that accounts are served with; those served with others get a run at the start, and
        only then, so that two managers that differ do not undo each other's work for ever.
        """
        self._database = database
        self._served_with = served_with
        self._clock = clock
        self._pulse = pulse or Pulse()
        self._limits = limits or ManagerLimits()
        self._room = asyncio.Event()
        self._pollers: list[_Poller] = [
            Scheduler(
                database,
                task,
                owner=owner,
                clock=clock,
                random=random,
                metrics=metrics,
                limits=self._limits.scheduler,
                on_room=self._room.set,
            )
            for task in tasks
        ]
        self._pollers += [PeriodicRunner(task, clock, clock()) for task in periodic_tasks]
        self._next_comparison = clock()
        self._paused = False

    async def run(self, stop: asyncio.Event) -> None:
        """Serve what is due until `stop` is set; then finish what is under way, or leave it due for other managers."""
        stopping = asyncio.create_task(stop.wait())
        stopping.add_done_callback(lambda _: self._room.set())
        try:
            while not stop.is_set():
                self._pulse.beat("manager")
                self._note([await _trouble(poll) for poll in (self._compare, *(each.poll for each in self._pollers))])
                await self._rest(stop)
        finally:
            stopping.cancel()
            await asyncio.gather(*(each.finish() for each in self._pollers))

    def _note(self, troubles: Sequence[DatabaseUnavailable | HostFault | None]) -> None:
        """Log once that the database or a resource of this machine is unavailable, and once that it is back."""
        trouble = next((each for each in troubles if each is not None), None)
        if trouble is not None and not self._paused:
            log.warning("manager_paused", error=str(trouble))
        elif trouble is None and self._paused:
            log.info("manager_resumed")
        self._paused = trouble is not None

    async def _rest(self, stop: asyncio.Event) -> None:
        """Wait for the next poll: at once when runs ended and others wait, several of them together."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._limits.poll_seconds):
                await self._room.wait()
            if not stop.is_set():
                await asyncio.sleep(_GATHER_SECONDS)
        self._room.clear()

    async def _compare(self) -> None:
        """Make accounts due that other programs added or changed."""
        now = self._clock()
        if not is_over(self._next_comparison, now, longest=_COMPARE_EVERY):
            return
        self._next_comparison = now + _COMPARE_EVERY
        changed = await self._database.read(
            lambda connection: accounts.changed(connection, now=now, limit=_MAX_CHANGED, served_with=self._served_with)
        )
        if len(changed) < _MAX_CHANGED:
            self._served_with = None
        if not changed:
            return

        def work(connection: Connection) -> None:
            history.note_others(connection, changed, now=now)
            for account_id in changed:
                accounts.make_due(connection, account_id, now=now)

        await self._database.write(work)
        log.info("account_changes_found", count=len(changed))


class PeriodicRunner:
    """A periodic task and its next due time; one run at a time, beside everything else."""

    def __init__(self, chore: PeriodicTask, clock: Callable[[], datetime], due: datetime) -> None:
        self._chore = chore
        self._clock = clock
        self._due = due
        self._pause = timedelta()
        self._task: asyncio.Task[None] | None = None

    async def poll(self) -> None:
        """Start it if it is due."""
        if self._task is not None and self._task.done():
            task, self._task = self._task, None
            task.result()
        if self._task is None and is_over(self._due, self._clock(), longest=self._pause):
            self._task = asyncio.create_task(self._work())

    async def finish(self) -> None:
        """Cancel it: it leaves nothing half done that the next run would not do."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _work(self) -> None:
        try:
            self._pause = await self._chore.work()
        except DatabaseUnavailable as exc:
            log.warning("chore_postponed", error=str(exc))
            self._pause = _RETRY
        except Exception as exc:
            if host_fault_of(exc) is not None:
                raise
            # None of these tasks is worth the end of the manager; the next run finds what this one left.
            background.report_failure(type(self._chore).__name__, exc, restarted_in=_RETRY.total_seconds())
            self._pause = _RETRY
        self._due = self._clock() + self._pause


async def _trouble(poll: Callable[[], Awaitable[None]]) -> DatabaseUnavailable | HostFault | None:
    try:
        await poll()
    except DatabaseUnavailable as exc:
        return exc
    except Exception as exc:
        fault = host_fault_of(exc)
        if fault is None:
            raise
        return fault
    return None
