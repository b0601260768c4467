"""Transports of a test's event loop: they close a few turns of the loop after `close`, with TLS when the peer did, too.

A loop that ends before leaves them open, and one that nothing closes: the garbage collector would report either, in
whichever test it happens to run.
"""

import asyncio
import contextlib
from typing import Any, Final

_SECONDS: Final = 5.0


def open_transports(loop: asyncio.AbstractEventLoop) -> list[Any]:
    """Return the transports of sockets that are open."""
    # Only the loop knows them; that of Windows's completion ports keeps none.
    transports = getattr(loop, "_transports", {})
    return [each for each in list(transports.values()) if each._sock is not None]


async def _closed(loop: asyncio.AbstractEventLoop) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_SECONDS):
            while open_transports(loop):  # noqa: ASYNC110  # nothing announces it
                await asyncio.sleep(0.001)


def close_transports(runner: asyncio.Runner) -> None:
    """Wait until all transports of the runner's loop are closed; fail, naming those that nothing closes."""
    loop = runner.get_loop()
    if open_transports(loop):
        runner.run(_closed(loop))
    left = [f"{each!r} of {each.get_protocol()!r}" for each in open_transports(loop)]
    assert not left, f"the test leaves open: {', '.join(left)}"
