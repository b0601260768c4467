"""The readiness of a process: what its roles must have to do their work."""

from collections.abc import Awaitable, Callable
from typing import Final

from background.pulse import Pulse
from background.readiness import Probe, Readiness
from bus.errors import QueueUnavailable
from bus.queue import NotificationQueue
from db.engine import Database
from db.errors import DatabaseUnavailable
from db.heartbeat import Heartbeat
from db.queries import processes

DATABASE: Final = "database"
QUEUE: Final = "queue"
HEARTBEAT: Final = "heartbeat"
LOOP: Final = "loop"


def watch_database(readiness: Readiness, database: Database) -> None:
    """Require that the gateway database answers."""
    # A small table that every role may read: without one SQLite would not touch its file.
    readiness.probe(DATABASE, probing(lambda: database.read(processes.every)))


def watch_queue(readiness: Readiness, queue: NotificationQueue, *, puts: bool, receives: bool) -> None:
    """Require that the queue takes messages, or gives them: on Service Bus each needs a right of its own."""

    async def ask() -> None:
        if puts:
            await queue.check()
        if receives:
            await queue.waiting(limit=1)

    readiness.probe(QUEUE, probing(ask))


def watch_loops(readiness: Readiness, pulse: Pulse) -> None:
    """Require that no loop of the process is stuck."""

    def stuck() -> str | None:
        loops = ", ".join(pulse.stuck())
        return f"Loops without a round for half a minute: {loops}." if loops else None

    readiness.add(LOOP, stuck)


def watch_heartbeat(readiness: Readiness, heartbeat: Heartbeat) -> None:
    """Require that the other processes count this one as alive: it begins nothing otherwise."""

    def late() -> str | None:
        if not heartbeat.is_late:
            return None
        return "The heartbeat of this process was not written in time; heartbeat_failed in its log has the reason."

    readiness.add(HEARTBEAT, late)


def probing(ask: Callable[[], Awaitable[object]]) -> Probe:
    """A probe that succeeds where `ask` does."""

    async def probe() -> str | None:
        try:
            await ask()
        except (DatabaseUnavailable, QueueUnavailable) as exc:
            return str(exc)
        return None

    return probe
