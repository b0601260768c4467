"""Errors of the queue.

QueueError
├── QueueUnavailable   the queue does not answer or accepts nothing now; the same call may succeed later
└── LockLost           the delivery may belong to another consumer; it is not settled
"""

from phrases import Phrase


class QueueError(Exception):
    """Base of the errors of this package."""

    def __init__(self, text: Phrase) -> None:
        super().__init__(text)


class QueueUnavailable(QueueError):
    """The queue cannot do this now. `retry_after`: seconds to wait, requested by the queue or sensible."""

    def __init__(self, text: Phrase, *, retry_after: float | None = None) -> None:
        super().__init__(text)
        self.retry_after = retry_after


class LockLost(QueueError):
    """The lock of this delivery expired or was settled before. The message may be delivered again: effects must be
    idempotent."""
