"""The pulse of this process: its main loops report each round, so that one that hangs is found."""

import time
from collections.abc import Callable
from typing import Final

STUCK_SECONDS: Final = 30.0
"""A loop without a round for so long is stuck: each ends its rounds, and its waits, sooner."""


class Pulse:
    """The last round of each main loop, by the monotonic clock. Light: a beat costs less than a microsecond."""

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._beats: dict[str, float] = {}

    def beat(self, loop: str, *, pause: float = 0.0) -> None:
        """Report a round of the loop. `pause`: seconds that it will wait on purpose, which do not count."""
        self._beats[loop] = self._monotonic() + pause

    def ages(self) -> dict[str, float]:
        """Seconds since the last round of each loop, or since the pause after it. May be called on any thread."""
        now = self._monotonic()
        return {loop: max(0.0, now - beat) for loop, beat in list(self._beats.items())}

    def stuck(self) -> list[str]:
        """The loops that are stuck."""
        return [loop for loop, age in self.ages().items() if age > STUCK_SECONDS]
