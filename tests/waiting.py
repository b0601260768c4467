"""Waits of tests: until a condition holds, never for a time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

PATIENCE_SECONDS: Final = 60.0
"""Several times as long as anything takes on a machine that has other work to do."""

_LONGEST_PAUSE: Final = 0.05


async def until(
    condition: Callable[[], Awaitable[object]] | Callable[[], object],
    what: str = "the condition",
    *,
    seconds: float = PATIENCE_SECONDS,
    pause: float = 0.005,
) -> None:
    """Return as soon as `condition` holds; fail, with `what`, when it does not in time.

    It is polled at intervals of `pause`, and less often, down to 20 times a second, the longer it takes: each look
    costs as much computing time as the work that it waits for.
    """
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if isinstance(found, Awaitable):
            found = await found
        if found:
            return
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        await asyncio.sleep(pause)
        pause = max(pause, min(1.2 * pause, _LONGEST_PAUSE))
