"""Runs one task for every account that is due. Any number of managers share the work.

All state is in the database: a dead manager's leases end by themselves, and another continues. An account is served by
one manager at a time. No application may have all the runs: one tenant's outage delays no other.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Final, Protocol

import structlog
from sqlalchemy import Connection
from structlog.contextvars import bound_contextvars

import background
from bus.errors import QueueUnavailable
from db.engine import Database
from db.errors import DatabaseUnavailable
from db.leases import is_over
from db.queries import accounts
from db.queries.accounts import Account, Condition
from db.queries.schedule import MAX_RETRY, NEVER, ApplicationKey, DueAccount, Lease, Schedule
from graph.errors import GraphError, GraphUnavailable, trouble_before
from hostfaults import HostFault, host_fault_of
from phrases import Phrase
from subscriptions.metrics import ManagerMetrics

_CORRECTED_EVERY: Final = timedelta(seconds=30)
"""Interval between two corrections of due times that a wrong clock put off too far."""
_LEASE: Final = timedelta(seconds=55)
"""With a poll every second, a killed manager's accounts are served again within a minute."""
_TASK_SECONDS: Final = 45.0
"""Ends before the lease does: a run never overlaps another of the same account."""

_FIRST_RETRY: Final = timedelta(seconds=15)
_MAX_RETRY: Final = timedelta(minutes=15)
_STRETCHED: Final = MAX_RETRY / _MAX_RETRY
"""Largest factor by which jitter lengthens a wait."""
_QUIET_FAILURES: Final = 2
"""Failures on Microsoft's side before one is reported: most pass by themselves."""

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class LeaseLost(Exception):
    """Another manager serves the account by now; leave it to that manager."""


class StillFailing(Exception):
    """The turn went as far as it could, and the failure that an earlier one reported is not over.

    Attributes:
        due: the account's next due time.
    """

    def __init__(self, due: datetime) -> None:
        super().__init__()
        self.due = due


class AccountTask(Protocol):
    """One kind of work that every account needs from time to time."""

    @property
    def role(self) -> str:
        """The task's name in the conditions of accounts."""

    @property
    def schedule(self) -> Schedule:
        """The schedule of due accounts."""

    async def serve(self, lease: Lease, account: Account) -> datetime:
        """Do what is due; return the account's next due time.

        Raises:
            GraphError, DatabaseUnavailable, QueueUnavailable: a later run does the rest.
            LeaseLost, StillFailing
        """

    @property
    def longest_wait(self) -> timedelta:
        """The longest interval between two runs, by the clock, of an account without failures."""

    def end(self, connection: Connection, account: Account) -> None:
        """Note more in the transaction that ends a run, successful or not."""


@dataclass(frozen=True, slots=True)
class SchedulerLimits:
    """`tasks`: accounts served at a time; fewer of one application, and of one that does not answer.

    `finish_seconds`: their time limit once the process is signalled to stop.
    """

    tasks: int = 64
    tasks_per_application: int = 16
    tasks_in_trouble: int = 2
    finish_seconds: float = 4.0


class Scheduler:
    """The runs of one task in this process."""

    def __init__(
        self,
        database: Database,
        task: AccountTask,
        *,
        owner: str,
        clock: Callable[[], datetime],
        random: Random,
        metrics: ManagerMetrics,
        limits: SchedulerLimits,
        on_room: Callable[[], None],
    ) -> None:
        """`owner`: unique name of this process. `on_room` is called when a run ended and more are waiting."""
        self._database = database
        self._task = task
        self._owner = owner
        self._clock = clock
        self._random = random
        self._metrics = metrics
        self._limits = limits
        self._on_room = on_room
        self._longest_wait = max(task.longest_wait, MAX_RETRY)
        self._running: dict[asyncio.Task[None], DueAccount] = {}
        self._more = False
        self._trouble: Counter[ApplicationKey] = Counter()
        """Consecutive runs of an application that failed on Microsoft's side."""
        self._host_fault: HostFault | None = None
        self._next_correction = clock()

    async def poll(self) -> None:
        """Start the runs that are due, as many as there is room for.

        Raises:
            DatabaseUnavailable
            HostFault: runs failed for it since the last poll.
        """
        if self._host_fault is not None:
            fault, self._host_fault = self._host_fault, None
            raise fault
        now = self._clock()
        self._more = False
        schedule = self._task.schedule
        if is_over(self._next_correction, now, longest=_CORRECTED_EVERY):
            await self._database.write(lambda connection: schedule.correct_due_times(connection, now=now))
            self._next_correction = now + _CORRECTED_EVERY
        if not await self._database.read(
            lambda connection: schedule.anything_due(connection, now=now, longest_wait=self._longest_wait)
        ):
            return
        chosen = await self._choose(now)
        if not chosen:
            return
        ids = [each.account_id for each in chosen.values()]
        leases = await self._database.write(
            lambda connection: schedule.claim(
                connection, ids, owner=self._owner, now=now, lease=_LEASE, longest_wait=self._longest_wait
            )
        )
        for lease in leases:
            task = background.start(self._run_task(lease, started=now), name=f"{self._task.role} of an account")
            self._running[task] = chosen[lease.account_id]
            task.add_done_callback(self._ended)

    async def finish(self) -> None:
        """Wait for the current runs; those that take too long are left due for other managers."""
        if not self._running:
            return
        _, late = await asyncio.wait(list(self._running), timeout=self._limits.finish_seconds)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def _choose(self, now: datetime) -> dict[int, DueAccount]:
        """Accounts to serve, each application's longest due first, none with more than its share."""
        chosen: dict[int, DueAccount] = {}
        # After a pause of this process a lease may have ended while its run continues.
        served = {each.account_id for each in self._running.values()}
        running = Counter(each.application for each in self._running.values())
        while (room := self._limits.tasks - len(self._running) - len(chosen)) > 0:
            full = [each for each, count in running.items() if count >= self._share(each)]
            found = await self._due_accounts(now, limit=room + len(chosen) + len(served), without=full)
            for each in found:
                fits = room > 0 and running[each.application] < self._share(each.application)
                if fits and each.account_id not in chosen and each.account_id not in served:
                    chosen[each.account_id] = each
                    running[each.application] += 1
                    room -= 1
            if all(count < self._share(each) for each, count in running.items() if each not in full):
                break
        self._more = room <= 0 or any(count >= self._share(each) for each, count in running.items())
        return chosen

    def _share(self, application: ApplicationKey) -> int:
        if self._trouble[application] >= self._limits.tasks_in_trouble:
            return self._limits.tasks_in_trouble
        return self._limits.tasks_per_application

    async def _due_accounts(self, now: datetime, *, limit: int, without: list[ApplicationKey]) -> list[DueAccount]:
        return await self._database.read(
            lambda connection: self._task.schedule.due_accounts(
                connection, now=now, limit=limit, without=without, longest_wait=self._longest_wait
            )
        )

    def _ended(self, task: "asyncio.Task[None]") -> None:
        del self._running[task]
        if self._more:
            self._on_room()

    # One run.

    async def _run_task(self, lease: Lease, *, started: datetime) -> None:
        # A cancelled run leaves the account due at once, for another manager.
        due, failures = started, lease.failures
        account: Account | None = None
        condition: Condition | None = None
        try:
            async with asyncio.timeout(_TASK_SECONDS):
                account = await self._account(lease)
                if account is not None:
                    due = await self._serve(lease, account)
            failures = 0
            self._note_health(account, None)
        except StillFailing as exc:
            # Neither a failure nor a success: the condition stays, and the next failure waits longer.
            due, failures = exc.due, max(1, failures)
            self._note_health(account, None)
        except LeaseLost:
            log.warning("lease_lost", account_id=lease.account_id, duty=self._task.role)
        except (DatabaseUnavailable, QueueUnavailable, HostFault, TimeoutError) as exc:
            failures += 1
            if isinstance(exc, HostFault):
                self._host_fault = exc
            due = self._retry_at(failures)
            self._note_health(account, exc)
            trouble = trouble_before(exc) if isinstance(exc, TimeoutError) else None
            error = str(trouble or exc) or (
                f"Not done within {_TASK_SECONDS:.0f} s: Microsoft Graph or the network is too slow."
            )
            log.warning("turn_postponed", account_id=lease.account_id, duty=self._task.role, error=error)
            if isinstance(exc, TimeoutError) and failures > _QUIET_FAILURES:
                reason = "TookTooLong" if trouble is None else trouble.reason
                condition = self._condition(lease.account_id, reason, error, due)
        except _Failed as exc:
            failures += 1
            self._note_health(account, exc.__cause__)
            due = max(self._retry_at(failures), self._clock() + exc.retry_after)
        except Exception:
            # Nothing awaits this task: an error that is not logged here is lost.
            failures += 1
            due = self._retry_at(failures)
            log.exception("turn_failed", account_id=lease.account_id, duty=self._task.role)
        finally:
            await self._release(lease, account, due=due, failures=failures, condition=condition)

    def _note_health(self, account: Account | None, exc: BaseException | None) -> None:
        if account is None:
            return
        application = (account.settings.tenant_id, account.settings.client_id)
        if isinstance(exc, GraphUnavailable | TimeoutError):
            self._trouble[application] += 1
        else:
            # Also an account that is refused: a service that refuses answers.
            self._trouble.pop(application, None)

    async def _account(self, lease: Lease) -> Account | None:
        """The account; None when there is nothing of it left to serve."""
        found = await self._database.read(lambda connection: accounts.by_id(connection, [lease.account_id]))
        account = found.get(lease.account_id)
        if account is None:
            await self._database.write(lambda connection: accounts.purge(connection, lease.account_id))
        return account

    async def _release(
        self, lease: Lease, account: Account | None, *, due: datetime, failures: int, condition: Condition | None
    ) -> None:
        if due != NEVER:  # a later time counts as put off by a wrong clock
            due = min(due, self._clock() + (MAX_RETRY if failures else self._longest_wait))

        def work(connection: Connection) -> None:
            if self._task.schedule.release(connection, lease, due=due, failures=failures) and account is not None:
                self._task.end(connection, account)
                if condition is not None:
                    accounts.set_condition(connection, condition)
                elif not failures:
                    accounts.clear_condition(connection, account.account_id, self._task.role)

        try:
            await self._database.write(work)
        except DatabaseUnavailable as exc:
            # The lease ends by itself, and the account is still due.
            log.warning("lease_not_released", account_id=lease.account_id, duty=self._task.role, error=str(exc))

    async def _serve(self, lease: Lease, account: Account) -> datetime:
        with bound_contextvars(account=account.settings.name):
            if (why := account.unreadable_because) is not None and not account.removed:
                log.error("duty_failed", duty=self._task.role, reason="AccountUnusable", error=str(why))
                await self._note(account, "AccountUnusable", why, lease)
                raise _Failed
            try:
                return await self._task.serve(lease, account)
            except GraphError as exc:
                if (fault := host_fault_of(exc)) is not None:
                    raise fault from exc
                await self._record_failure(lease, account, exc)
                raise _Failed(getattr(exc, "retry_after", None) or 0.0) from exc
            except (DatabaseUnavailable, QueueUnavailable, LeaseLost, StillFailing):
                raise
            except Exception as exc:
                if (fault := host_fault_of(exc)) is not None:
                    raise fault from exc
                # An unexpected error of one account must not stop the others: logged with its traceback, and retried.
                log.exception("turn_failed", duty=self._task.role)
                await self._note(account, type(exc).__name__, Phrase("Internal error; see the log."), lease)
                raise _Failed from exc

    async def _record_failure(self, lease: Lease, account: Account, exc: GraphError) -> None:
        self._metrics.failures.labels(self._task.role).inc()
        facts = {"duty": self._task.role, "reason": exc.reason, "error": str(exc)}
        quiet = isinstance(exc, GraphUnavailable) and not exc.asked_longer
        if quiet and lease.failures < _QUIET_FAILURES:
            log.warning("duty_postponed", **facts)
            return
        log.error("duty_failed", **facts)
        await self._note(account, exc.reason, str(exc), lease)

    async def _note(self, account: Account, reason: str, detail: str, lease: Lease) -> None:
        next_attempt = self._clock() + _retry_delay(lease.failures + 1)
        condition = self._condition(account.account_id, reason, detail, next_attempt)
        await self._database.write(lambda connection: accounts.set_condition(connection, condition))

    def _condition(self, account_id: int, reason: str, detail: str, next_attempt: datetime) -> Condition:
        return Condition(account_id, self._task.role, reason, detail, since=self._clock(), next_attempt=next_attempt)

    def _retry_at(self, failures: int) -> datetime:
        return self._clock() + _retry_delay(failures) * self._random.uniform(0.8, _STRETCHED)


class _Failed(Exception):
    """The run failed, and that was reported as far as necessary."""

    def __init__(self, retry_after: float = 0.0) -> None:
        super().__init__()
        self.retry_after = timedelta(seconds=retry_after)


def _retry_delay(failures: int) -> timedelta:
    doublings = min(failures - 1, 10)
    return min(_FIRST_RETRY * (1 << doublings), _MAX_RETRY)
