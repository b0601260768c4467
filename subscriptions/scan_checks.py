"""Periodic task: queues messages whose attachments Defender may have released (`db.queries.scans`)."""

import uuid
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

import structlog

from bus.errors import QueueUnavailable
from bus.notification import Notification, Source
from bus.queue import NotificationSender
from db.engine import Database
from db.queries import scans
from db.queries.scans import Check

_INTERVAL: Final = timedelta(minutes=1)
_BATCH_SIZE: Final = 500

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class ScanChecks:
    """Requeues messages that were imported without their files, and those that no delivery imported.

    With several managers some may be queued twice; the queue ignores that, or the processor finds it done.
    """

    def __init__(
        self,
        database: Database,
        queue: NotificationSender,
        *,
        clock: Callable[[], datetime],
        batch_size: int = _BATCH_SIZE,
    ) -> None:
        self._database = database
        self._queue = queue
        self._clock = clock
        self._batch_size = batch_size

    async def work(self) -> timedelta:
        """Queue what is due; return the time to wait until the next run.

        Raises:
            DatabaseUnavailable: some may be queued; they stay due.
        """
        now, queued = self._clock(), 0
        try:
            while due := await self._database.read(
                lambda connection: scans.due(connection, now=now, limit=self._batch_size)
            ):
                await self._queue.put([each.to_message() for each in _notifications(due, now)])
                await self._reschedule(due, now)
                queued += len(due)
        except QueueUnavailable as exc:
            log.warning("scan_checks_postponed", error=str(exc))
        if queued:
            log.info("scan_checks_queued", messages=queued)
        return _INTERVAL

    async def _reschedule(self, due: Sequence[Check], now: datetime) -> None:
        await self._database.write(lambda connection: scans.reschedule(connection, due, now=now))


def _notifications(due: Sequence[Check], now: datetime) -> list[Notification]:
    prefix = uuid.uuid4().hex[:16]
    return [
        Notification.of_found(
            each.account_id, each.graph_id, source=Source.CATCH_UP, found=now, correlation=f"{prefix}-{number}"
        )
        for number, each in enumerate(due)
    ]
