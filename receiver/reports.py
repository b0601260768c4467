"""What the receiver tells of its deliveries: counted, and logged so that no stranger can fill the disk."""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from receiver.metrics import ReceiverMetrics
from receiver.notifications import Sorted

_SELDOM_SECONDS: Final = 60.0

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class Reports:
    """Counts and logs.

    What is genuine is logged in one line for all requests whose items were written together: a line a request would
    cost a quarter of the receiver's time (bench/receiver.py). What anybody can send is logged at once and then once a
    minute, with the number since.
    """

    def __init__(self, metrics: ReceiverMetrics, *, monotonic: Callable[[], float]) -> None:
        self._metrics = metrics
        self._monotonic = monotonic
        # Bound once: a logger that is looked up at every call costs as much as the rest of the line.
        self._log = log.bind()
        self._queued: list[str] = []
        self._queued_count = 0
        self._seldom: dict[str, _Seldom] = {}

    def accepted(self, found: Sorted, correlation: str, remote: str | None) -> None:
        """A delivery was answered 202."""
        if found.genuine:
            self._metrics.genuine.inc(len(found.genuine))
            self._note_queued(correlation, len(found.genuine))
        if found.malformed:
            self._metrics.malformed.inc(found.malformed)
            self._log.warning("notification_malformed", correlation=correlation, count=found.malformed)
        if found.forged:
            self._metrics.forged.inc(found.forged)
            self._log_seldom("notification_forged", found.forged, correlation=correlation, remote=remote)

    def refused(self, status: int, reason: str, remote: str | None) -> None:
        """A delivery was no notification collection, or broke a limit."""
        self._log_seldom("delivery_refused", 1, status=status, error=reason, remote=remote)

    def postponed(self, correlation: str, reason: str) -> None:
        """Graph was asked to come again."""
        self._log_seldom("delivery_postponed", 1, correlation=correlation, error=reason)

    def validated(self, path: str) -> None:
        """A validation token was echoed."""
        self._log_seldom("endpoint_validated", 1, path=path)

    def _note_queued(self, correlation: str, count: int) -> None:
        if not self._queued:
            asyncio.get_running_loop().call_soon(self._log_queued)
        self._queued.append(correlation)
        self._queued_count += count

    def _log_queued(self) -> None:
        self._log.info("notification_queued", count=self._queued_count, correlations=self._queued)
        self._queued = []
        self._queued_count = 0

    def _log_seldom(self, event: str, count: int, **facts: object) -> None:
        due = self._seldom.setdefault(event, _Seldom()).add(count, self._monotonic())
        if due:
            self._log.warning(event, count=due, **facts)


class _Seldom:
    def __init__(self) -> None:
        self._count = 0
        self._logged_at = float("-inf")

    def add(self, count: int, now: float) -> int:
        """How many there are to tell of; 0 when it is too early."""
        self._count += count
        if now - self._logged_at < _SELDOM_SECONDS:
            return 0
        due, self._count, self._logged_at = self._count, 0, now
        return due
