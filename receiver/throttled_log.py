"""Log lines for events that a stranger can cause: at once, then once a minute with the number since then."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import structlog

_INTERVAL_SECONDS: Final = 60.0

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


@dataclass(slots=True)
class _Pending:
    count: int = 0
    logged_at: float = float("-inf")
    facts: dict[str, object] = field(default_factory=dict)


class ThrottledLog:
    """Warnings, one a minute for each event, so that no stranger can fill the disk."""

    def __init__(self, monotonic: Callable[[], float], **context: object) -> None:
        """`monotonic`: a clock in seconds that never goes back. `context`: facts of every line."""
        self._monotonic = monotonic
        self._pending: dict[str, _Pending] = {}
        # Bound once: resolving the logger at every call costs as much as the rest of the line.
        self._log = log.bind(**context)

    def warning(self, event: str, count: int = 1, **facts: object) -> None:
        """Log the event with the number of times since its last line, or only count it until `flush`.

        Args:
            event: a fixed name; each has its own minute.
            count: occurrences to add.
            facts: of this occurrence; of those that are only counted, the last one's are logged.
        """
        pending = self._pending.setdefault(event, _Pending())
        pending.count += count
        pending.facts = facts
        now = self._monotonic()
        if now - pending.logged_at >= _INTERVAL_SECONDS:
            self._write(event, pending, now)

    def flush(self, *, at_end: bool = False) -> None:
        """Log what was counted and whose minute is over. `at_end`: all that was counted, at shutdown."""
        now = self._monotonic()
        for event, pending in self._pending.items():
            if pending.count and (at_end or now - pending.logged_at >= _INTERVAL_SECONDS):
                self._write(event, pending, now)

    def _write(self, event: str, pending: _Pending, now: float) -> None:
        self._log.warning(event, count=pending.count, **pending.facts)
        pending.count, pending.logged_at = 0, now
