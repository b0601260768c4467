"""Retention of the trace of messages."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Final

import structlog

from db.engine import Database
from db.queries import trace

_EVERY: Final = timedelta(hours=1)
_ROWS_AT_A_TIME: Final = 500
_PAUSE_SECONDS: Final = 0.2

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class TraceRetention:
    """Deletes older rows, few at a time: no transaction is long, and imports come in between."""

    def __init__(
        self,
        database: Database,
        *,
        kept: timedelta,
        clock: Callable[[], datetime],
        rows_at_a_time: int = _ROWS_AT_A_TIME,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`kept`: time to keep an attempt after its end."""
        self._database = database
        self._kept = kept
        self._clock = clock
        self._most = rows_at_a_time
        self._sleep = sleep

    async def work(self) -> timedelta:
        """Delete all that is too old; return the time to wait until the next run.

        Raises:
            DatabaseUnavailable: some may be deleted.
        """
        before = self._clock() - self._kept
        deleted = 0
        while True:
            count = await self._database.write(
                lambda connection: trace.purge(connection, before=before, limit=self._most)
            )
            deleted += count
            if count < self._most:
                break
            await self._sleep(_PAUSE_SECONDS)
        if deleted:
            log.info("trace_purged", rows=deleted)
        return _EVERY
