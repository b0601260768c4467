"""This process's row in `tblProcess`, kept alive while the process runs, and the other live processes."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog

import background
from db.engine import Database
from db.errors import DatabaseUnavailable, no_answer
from db.queries import processes
from db.queries.processes import KnownProcess, Process
from phrases import Phrase

LEASE: Final = timedelta(seconds=20)
"""Time for which a killed process counts as alive after its last heartbeat."""

_READ_SECONDS: Final = 1.0
"""Interval of polls of the other processes: a start or an end of one is noticed within it."""
_BEAT_SECONDS: Final = 4.0
_MARGIN_SECONDS: Final = 4.0
"""A process counts itself as dead so long before the others do: it then begins nothing that they would repeat."""
_REMOVED_AFTER_SECONDS: Final = 3600.0
_LAST_WRITE_SECONDS: Final = 2.0
_CANCEL_SECONDS: Final = 0.5
_ANSWER_SECONDS: Final = 8.0
"""A server that hangs holds every statement without an error: this detects it before the lease ends."""

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


@dataclass(slots=True)
class _Observed:
    """The last observed change of a row, and the end of its validity, by the monotonic clock here."""

    heartbeat: datetime
    alive_until: float


class Heartbeat:
    """Writes the row of this process every few seconds, and reads those of the others every second.

    Leases are measured by the monotonic clock here: another process is alive while its row changes, whatever time of
    day it writes there. So a host whose clock is wrong, or set while it runs, shares with the others like any other.
    """

    def __init__(
        self,
        database: Database,
        process: Process,
        *,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self.process = process
        self._clock = clock
        self._monotonic = monotonic
        self._next_beat = self._good_until = monotonic()
        self._seen: dict[str, _Observed] = {}
        self._alive: tuple[KnownProcess, ...] = ()
        self._clocks: dict[str, float] = {}
        self._trouble: DatabaseUnavailable | None = None

    @asynccontextmanager
    async def kept(self) -> AsyncIterator["Heartbeat"]:
        """Be known as alive as long as the context lasts; the row is removed at its end.

        Entered once the first row is written and the others are read. Without the database it is entered as well,
        and `alive` raises until it is back.
        """
        with contextlib.suppress(DatabaseUnavailable):
            await self._read_rows()
        keeping = asyncio.create_task(background.restarted(self._keep, name="heartbeat"), name="heartbeat")
        try:
            yield self
        finally:
            await background.cancel(keeping, within=_CANCEL_SECONDS)
            self._good_until = self._monotonic()
            with contextlib.suppress(DatabaseUnavailable, TimeoutError):  # then the lease ends by itself
                async with asyncio.timeout(_LAST_WRITE_SECONDS):
                    await self._remove([self.process.name])

    def alive(self) -> tuple[KnownProcess, ...]:
        """The live processes, this one included, as of a second ago. The same object until one changes.

        Raises:
            DatabaseUnavailable: the row of this process was not written for so long that to the others it may be dead.
        """
        if not self.is_late:
            return self._alive
        raise self._trouble or DatabaseUnavailable(
            Phrase(
                "The heartbeat of this process could not be written to the gateway database in time; it begins nothing "
                "until it can. See the log of this process for the cause."
            )
        )

    def clocks(self) -> Mapping[str, float]:
        """Seconds by which the clocks of the other hosts with live processes are ahead of the one here, about."""
        hosts = {each.process.host for each in self._alive}
        return {host: seconds for host, seconds in self._clocks.items() if host in hosts}

    @property
    def is_late(self) -> bool:
        """True while `alive` raises."""
        return self._monotonic() >= self._good_until

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(_READ_SECONDS)
            with contextlib.suppress(DatabaseUnavailable):  # logged, and written again in a second
                await self._read_rows()

    async def _read_rows(self) -> None:
        """Write if due, and read.

        In two transactions: processes that read while their own rows are locked could deadlock.
        """
        began, now = self._monotonic(), self._clock()
        beats = began >= self._next_beat
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                if beats:
                    await self._database.write(
                        lambda connection: processes.beat(connection, self.process, now=now, until=now + LEASE)
                    )
                found = await self._database.read(processes.every)
                self._observe(found, began, now)
                await self._remove_old(found, began)
        except (DatabaseUnavailable, TimeoutError) as exc:
            trouble = exc if isinstance(exc, DatabaseUnavailable) else no_answer(_ANSWER_SECONDS)
            if self._trouble is None:
                log.warning("heartbeat_failed", error=str(trouble))
            self._trouble = trouble
            raise trouble from exc
        if beats:
            self._next_beat = began + _BEAT_SECONDS
            self._good_until = began + LEASE.total_seconds() - _MARGIN_SECONDS
            if self._trouble is not None:
                log.info("heartbeat_resumed")
            self._trouble = None
        self._update(found, began, now)

    def _observe(self, found: list[KnownProcess], began: float, now: datetime) -> None:
        """Record which rows changed. A new one counts as long as its own lease."""
        before, self._seen = self._seen, {}
        for each in found:
            seen = before.get(each.process.name)
            if seen is None:
                left = min(each.lease_until - now, LEASE).total_seconds() if each.is_alive(now) else 0.0
                seen = _Observed(each.heartbeat, began + left)
            elif seen.heartbeat != each.heartbeat:
                seen = _Observed(each.heartbeat, began + LEASE.total_seconds())
                if each.process.host != self.process.host:
                    # Written since the last poll, a second ago.
                    self._clocks[each.process.host] = (each.heartbeat - now).total_seconds()
            self._seen[each.process.name] = seen

    def _update(self, found: list[KnownProcess], began: float, now: datetime) -> None:
        others = [each for each in found if each.process.name != self.process.name]
        alive = [each for each in others if began < self._seen[each.process.name].alive_until]
        alive.append(KnownProcess(self.process, heartbeat=now, lease_until=now + LEASE))
        before, after = _names(self._alive), _names(alive)
        if before != after:
            self._alive = tuple(sorted(alive, key=lambda each: each.process.name))
            log.info("processes_changed", came=sorted(after - before), gone=sorted(before - after), alive=len(after))

    async def _remove_old(self, found: list[KnownProcess], began: float) -> None:
        old = [
            each.process.name
            for each in found
            if each.process.name != self.process.name
            and self._seen[each.process.name].alive_until <= began - _REMOVED_AFTER_SECONDS
        ]
        if old:
            await self._remove(old)

    async def _remove(self, names: list[str]) -> None:
        await self._database.write(lambda connection: processes.remove(connection, names))


def _names(known: Iterable[KnownProcess]) -> set[str]:
    return {each.process.name for each in known}
