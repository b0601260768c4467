"""The subscription manager: gives every account that is due its turn. Any number of managers share the work.

All state is in the database: a manager that dies leaves leases that end by themselves, and another goes on. An account
is served by one manager at a time, so two never create two subscriptions for one account.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Final

import structlog
from sqlalchemy import Connection
from structlog.contextvars import bound_contextvars

from db import accounts, subscriptions
from db.accounts import Account, Condition
from db.engine import Database
from db.errors import DatabaseUnavailable
from db.subscriptions import Turn
from graph.errors import GraphError, GraphUnavailable
from subscriptions.keeper import Keeper, LeaseLost
from subscriptions.metrics import ManagerMetrics

ROLE: Final = "subscriptions"

_LEASE: Final = timedelta(seconds=60)
_TURN_SECONDS: Final = 50.0
"""Ends before the lease does: whatever a turn still does, it does as the only one."""

_LOOK_SECONDS: Final = 1.0
_SEED_EVERY: Final = timedelta(seconds=5)
_FIRST_RETRY: Final = timedelta(seconds=15)
_LONGEST_RETRY: Final = timedelta(minutes=15)
_QUIET_FAILURES: Final = 2
"""Failures of Microsoft's side before people are told: most pass by themselves."""

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ManagerLimits:
    """`turns`: accounts served at a time. `finish_seconds`: what those may take once the process is told to stop."""

    turns: int = 16
    finish_seconds: float = 4.0


class SubscriptionManager:
    """Serves accounts until it is told to stop."""

    def __init__(
        self,
        database: Database,
        keeper: Keeper,
        *,
        owner: str,
        clock: Callable[[], datetime],
        random: Random,
        metrics: ManagerMetrics,
        limits: ManagerLimits | None = None,
    ) -> None:
        """`owner` names this process among all managers; the keeper has the same."""
        self._database = database
        self._keeper = keeper
        self._owner = owner
        self._clock = clock
        self._random = random
        self._metrics = metrics
        self._limits = limits or ManagerLimits()
        self._turns: set[asyncio.Task[None]] = set()
        self._next_seed = clock()

    async def run(self, stop: asyncio.Event) -> None:
        """Serve what is due until `stop` is set; then finish what is under way, or leave it due for others."""
        try:
            while not stop.is_set():
                try:
                    await self._look()
                except DatabaseUnavailable as exc:
                    log.warning("manager_paused", error=str(exc))
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_SECONDS):
                        await stop.wait()
        finally:
            if self._turns:
                _, late = await asyncio.wait(self._turns, timeout=self._limits.finish_seconds)
                for task in late:
                    task.cancel()
                await asyncio.gather(*late, return_exceptions=True)

    async def _look(self) -> None:
        now = self._clock()
        if now >= self._next_seed:
            self._next_seed = now + _SEED_EVERY
            if await self._database.read(subscriptions.unscheduled):
                await self._database.write(lambda connection: subscriptions.seed(connection, now=now))
        room = self._limits.turns - len(self._turns)
        if room <= 0 or not await self._database.read(lambda c: subscriptions.anything_due(c, now=now)):
            return
        turns = await self._database.write(
            lambda connection: subscriptions.claim(connection, owner=self._owner, now=now, lease=_LEASE, most=room)
        )
        for turn in turns:
            task = asyncio.create_task(self._take(turn, started=now))
            self._turns.add(task)
            task.add_done_callback(self._turns.discard)

    # One turn.

    async def _take(self, turn: Turn, *, started: datetime) -> None:
        # What a cancelled turn leaves: due at once, for another manager.
        due, failures = started, turn.failures
        try:
            async with asyncio.timeout(_TURN_SECONDS):
                due = await self._serve(turn)
            failures = 0
        except LeaseLost:
            log.warning("lease_lost", account_id=turn.account_id)
        except (DatabaseUnavailable, TimeoutError) as exc:
            log.warning("turn_postponed", account_id=turn.account_id, error=str(exc) or "took too long")
            failures += 1
            due = self._retry_at(failures)
        except _Failed as exc:
            failures += 1
            due = max(self._retry_at(failures), self._clock() + exc.retry_after)
        finally:
            await self._release(turn, started=started, due=due, failures=failures)

    async def _release(self, turn: Turn, *, started: datetime, due: datetime, failures: int) -> None:
        try:
            await self._database.write(
                lambda connection: subscriptions.release(
                    connection, turn.account_id, owner=self._owner, started=started, due=due, failures=failures
                )
            )
        except DatabaseUnavailable as exc:
            # The lease ends by itself, and the account is still due.
            log.warning("lease_not_released", account_id=turn.account_id, error=str(exc))

    async def _serve(self, turn: Turn) -> datetime:
        found = await self._database.read(lambda connection: accounts.by_id(connection, [turn.account_id]))
        account = found.get(turn.account_id)
        if account is None:
            await self._database.write(lambda connection: accounts.purge(connection, turn.account_id))
            return self._clock()
        with bound_contextvars(account=account.settings.name):
            try:
                due = await self._keeper.serve(turn, account)
            except GraphError as exc:
                await self._tell(turn, account, exc)
                raise _Failed(getattr(exc, "retry_after", None) or 0.0) from exc
            except (DatabaseUnavailable, LeaseLost):
                raise
            except Exception as exc:
                # One account nobody foresaw must not stop the others: told with its traceback, and tried again.
                log.exception("turn_failed")
                await self._note(account, type(exc).__name__, "An error in mail-importer itself; see its log.", turn)
                raise _Failed from exc
            await self._database.write(lambda connection: _end(connection, account))
        return due

    async def _tell(self, turn: Turn, account: Account, exc: GraphError) -> None:
        self._metrics.actions.labels("failed").inc()
        if isinstance(exc, GraphUnavailable) and turn.failures < _QUIET_FAILURES:
            log.warning("subscription_postponed", error=str(exc))
            return
        log.error("subscription_failed", reason=type(exc).__name__, error=str(exc))
        await self._note(account, type(exc).__name__, str(exc), turn)

    async def _note(self, account: Account, reason: str, detail: str, turn: Turn) -> None:
        now = self._clock()
        next_attempt = now + _retry_delay(turn.failures + 1)
        condition = Condition(account.account_id, ROLE, reason, detail, since=now, next_attempt=next_attempt)
        await self._database.write(lambda connection: accounts.set_condition(connection, condition))

    def _retry_at(self, failures: int) -> datetime:
        return self._clock() + _retry_delay(failures) * self._random.uniform(0.8, 1.2)


class _Failed(Exception):
    """The turn failed, and people were told as far as they need to know."""

    def __init__(self, retry_after: float = 0.0) -> None:
        super().__init__()
        self.retry_after = timedelta(seconds=retry_after)


def _retry_delay(failures: int) -> timedelta:
    doublings = min(failures - 1, 10)
    return min(_FIRST_RETRY * (1 << doublings), _LONGEST_RETRY)


def _end(connection: Connection, account: Account) -> None:
    if account.removed:
        accounts.purge(connection, account.account_id)
    else:
        accounts.clear_condition(connection, account.account_id, ROLE)
