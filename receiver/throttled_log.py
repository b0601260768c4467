"""Log lines for events that a stranger can cause: at once, then once a minute with the number since then."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog

_INTERVAL_SECONDS: Final = 60.0

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


@dataclass(slots=True)
class _Pending:
    count: int = 0
    logged_at: float = float("-inf")


class ThrottledLog:
    """Warnings, one a minute for each event, so that no stranger can fill the disk."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        """`monotonic`: a clock in seconds that never goes back."""
        self._monotonic = monotonic
        self._pending: dict[str, _Pending] = {}
        # Bound once: resolving the logger at every call costs as much as the rest of the line.
        self._log = log.bind()

    def warning(self, event: str, count: int = 1, **facts: object) -> None:
        """Log the event with the number of times since its last line, or only count it.

        Args:
            event: a fixed name; each has its own minute.
            count: occurrences to add.
            facts: of this occurrence; those of occurrences only counted are dropped.
        """
        pending = self._pending.setdefault(event, _Pending())
        pending.count += count
        now = self._monotonic()
        if now - pending.logged_at < _INTERVAL_SECONDS:
            return
        self._log.warning(event, count=pending.count, **facts)
        pending.count, pending.logged_at = 0, now
