"""What the queue cannot do.

QueueError
├── QueueUnavailable   the queue does not answer or takes nothing now; the same call may succeed later
└── LockLost           the delivery is another consumer's by now; what was to be settled is not
"""


class QueueError(Exception):
    """Base of the errors of this package."""


class QueueUnavailable(QueueError):
    """The queue cannot do this now; nothing was changed."""


class LockLost(QueueError):
    """The lock of this delivery expired or was settled before. The message may be delivered again: effects must be
    idempotent."""
