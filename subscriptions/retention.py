"""Retention of the trace of messages, and of the failures among them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import Connection

from bus.notification import id_prefixes
from db.engine import Database
from db.queries import failures, trace

_EVERY: Final = timedelta(hours=1)
_ROWS_AT_A_TIME: Final = 500
_PAUSE_SECONDS: Final = 0.2

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class TraceRetention:
    """Deletes older rows, few at a time: no transaction is long, and imports come in between.

    A failure is deleted when its message is known by now or its account removed, or like the trace; but not while its
    queue message is in the database: a dead letter stays known by its subject for as long as it waits for an operator.
    """

    def __init__(
        self,
        database: Database,
        *,
        kept: timedelta,
        clock: Callable[[], datetime],
        queue_is_table: bool = True,
        rows_at_a_time: int = _ROWS_AT_A_TIME,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`kept`: time to keep an attempt after its end. `queue_is_table`: the queue is in this database."""
        self._database = database
        self._kept = kept
        self._clock = clock
        self._queue_is_table = queue_is_table
        self._most = rows_at_a_time
        self._sleep = sleep

    async def work(self) -> timedelta:
        """Delete all that is too old; return the time to wait until the next run.

        Raises:
            DatabaseUnavailable: some may be deleted.
        """
        before = self._clock() - self._kept
        attempts = await self._purged(lambda connection: trace.purge(connection, before=before, limit=self._most))
        if attempts:
            log.info("trace_purged", rows=attempts)
        over = await self._purged(lambda connection: failures.purge_over(connection, limit=self._most))
        over += sum([count async for count in self._old_failures(before)])
        if over:
            log.info("failures_purged", rows=over)
        return _EVERY

    async def _purged(self, purge: Callable[[Connection], int]) -> int:
        """Run `purge` until it deletes fewer rows than it may; return the number of all."""
        deleted = 0
        while True:
            count = await self._database.write(purge)
            deleted += count
            if count < self._most:
                return deleted
            await self._sleep(_PAUSE_SECONDS)

    async def _old_failures(self, before: datetime) -> AsyncIterator[int]:
        last = 0

        def some(connection: Connection) -> tuple[int, int]:
            found = failures.older(connection, before=before, after=last, limit=self._most)
            deleted = failures.purge(
                connection, {number: id_prefixes(*key) if self._queue_is_table else () for number, key in found}
            )
            return found[-1][0] if len(found) == self._most else 0, deleted

        while True:
            last, deleted = await self._database.write(some)
            yield deleted
            if not last:
                return
            await self._sleep(_PAUSE_SECONDS)
