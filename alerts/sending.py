"""The port of targets, and a send within a bound."""

import asyncio
from typing import Final, Protocol

from alerts.errors import SendFailed
from threads import DaemonThreads

SEND_SECONDS: Final = 30.0


class Target(Protocol):
    """A place that alerts are sent to."""

    @property
    def fingerprint(self) -> str:
        """The identity in the database."""
        ...

    @property
    def name(self) -> str:
        """The name as displayed, without secrets."""
        ...

    def send(self, title: str, body: str) -> None:
        """Send; blocks.

        Raises:
            SendFailed: with the reason.
        """
        ...


async def send_within(target: Target, threads: DaemonThreads, title: str, body: str, *, seconds: float) -> str | None:
    """Send on a thread, within so many seconds; return the reason of a failure, in English, None after a success."""
    try:
        async with asyncio.timeout(seconds):
            await asyncio.get_running_loop().run_in_executor(threads, target.send, title, body)
    except TimeoutError:
        return f"no answer within {seconds:g} s"
    except SendFailed as exc:
        return str(exc)
    return None
