"""The notice that Microsoft Graph does not answer, for the user who waits for a command."""

import time
from collections.abc import Callable
from datetime import datetime
from typing import Final

from console.output import tell
from graph.errors import GraphError, GraphUnavailable
from phrases import Phrase

_REPEATED_AFTER_SECONDS: Final = 15.0


class DelayNotice:
    """Prints the notice on standard error, the same at most every 15 seconds; a `graph.client.OnDelay`."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._due = {True: 0.0, False: 0.0}
        """The time of the next notice, of an error or without one."""

    def __call__(self, error: GraphError | None, until: datetime) -> None:
        """Print it; nothing if the fault is of one item."""
        if error is not None and not isinstance(error, GraphUnavailable):
            return
        now, failed = self._monotonic(), error is not None
        if now < self._due[failed]:
            return
        self._due[failed] = self._due[False] = now + _REPEATED_AFTER_SECONDS
        tell(_notice(error, f"{until:%H:%M:%S}"))


def _notice(error: GraphUnavailable | None, until: str) -> Phrase:
    if error is None:
        return Phrase("Microsoft Graph has not answered yet; waiting until {until} UTC.", until=until)
    if error.status is None:
        return Phrase(
            "Microsoft Graph does not answer; trying again until {until} UTC. {reason}", until=until, reason=error
        )
    return Phrase(
        "Microsoft Graph answers {status}; trying again until {until} UTC. {reason}",
        status=error.status,
        until=until,
        reason=error,
    )
