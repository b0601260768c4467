"""Metrics and log of the receiver's deliveries; the log is throttled so that no stranger can fill the disk."""

import asyncio
from typing import Final

import structlog

from receiver.metrics import ReceiverMetrics
from receiver.notifications import Classified
from receiver.throttled_log import ThrottledLog

_DROPPED: Final = (
    "None of the first 100 items is genuine, and the others were not read. If Microsoft Graph sent it, the key was "
    "changed: set client_state_secret_previous to the one before."
)

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class DeliveryLog:
    """Counts and logs.

    Genuine items are logged in one line for all requests whose items were written together: a line a request would
    cost a quarter of the receiver's time (bench/receiver.py). Events that a stranger can cause are logged at once and
    then once a minute (`ThrottledLog`).
    """

    def __init__(self, metrics: ReceiverMetrics, throttled: ThrottledLog) -> None:
        self._metrics = metrics
        self._throttled = throttled
        # Bound once: resolving the logger at every call costs as much as the rest of the line.
        self._log = log.bind()
        self._queued: list[str] = []
        self._queued_count = 0

    def accepted(self, found: Classified, correlation: str, remote: str | None) -> None:
        """Record a delivery that was answered 202."""
        if found.genuine:
            self._metrics.genuine.inc(len(found.genuine))
            self._note_queued(correlation, len(found.genuine))
        if found.malformed:
            self._metrics.malformed.inc(found.malformed)
            self._log.warning("notification_malformed", correlation=correlation, count=found.malformed)
        if found.forged:
            self._metrics.forged.inc(found.forged)
            self._throttled.warning("notification_forged", found.forged, correlation=correlation, remote=remote)
        if found.dropped:
            self._metrics.dropped.inc()
            self._throttled.warning("delivery_dropped", correlation=correlation, remote=remote, detail=_DROPPED)

    def refused(self, status: int, reason: str, remote: str | None) -> None:
        """Record a delivery that was no notification collection, or exceeded a limit."""
        self._throttled.warning("delivery_refused", status=status, error=reason, remote=remote)

    def postponed(self, correlation: str, reason: str) -> None:
        """Record that Graph was requested to deliver again."""
        self._throttled.warning("delivery_postponed", correlation=correlation, error=reason)

    def validated(self, path: str) -> None:
        """Record that a validation token was echoed."""
        self._throttled.warning("endpoint_validated", path=path)

    def not_ready(self, reason: str) -> None:
        """Log the reason; the public health page reports only that the receiver is not ready."""
        self._throttled.warning("receiver_not_ready", error=reason)

    def _note_queued(self, correlation: str, count: int) -> None:
        if not self._queued:
            asyncio.get_running_loop().call_soon(self._log_queued)
        self._queued.append(correlation)
        self._queued_count += count

    def _log_queued(self) -> None:
        self._log.info("notification_queued", count=self._queued_count, correlations=self._queued)
        self._queued = []
        self._queued_count = 0
