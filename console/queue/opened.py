"""The queue opened for one command."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from bus.queue import NotificationQueue
from console.invocation import Invocation
from console.loop import run_async
from console.wiring.queue import open_queue
from db.engine import Database

T = TypeVar("T")


def at_queue(invocation: Invocation, work: Callable[[NotificationQueue, Database], Awaitable[T]]) -> T:
    """Run `work` with the queue that the settings name."""

    async def run() -> T:
        async with (
            invocation.database() as database,
            open_queue(invocation.settings, database, clock=invocation.clock) as opened,
        ):
            return await work(opened, database)

    return run_async(run())
