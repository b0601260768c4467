"""The outages that this process finds, written for the monitor; and calls that find them, and their end.

Calls of accounts show most outages. A process that has none to make, or that waits with all of them, probes: so an
outage is found within a minute of its begin, and its end within a minute, too.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog

import background
from availability import Availability, Outage, Service
from background.pulse import Pulse
from db.engine import Database
from db.errors import DatabaseUnavailable
from db.queries import outages
from graph.errors import GraphError
from phrases import Phrase

_LAST_WRITE_SECONDS: Final = 2.0

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class OutageLimits:
    """`every_seconds`: between two rounds; `unsure_seconds`: as well, while a service fails and is no outage yet.

    `probed_after`: silence after which a service is probed. `probe_seconds`: bound of a probe, a failure then.
    `written_again_after`: seconds between two writes of an outage that goes on.
    """

    every_seconds: float = 5.0
    unsure_seconds: float = 1.0
    probed_after: timedelta = timedelta(seconds=15)
    probe_seconds: float = 10.0
    written_again_after: float = 30.0


class OutageWatch:
    """Watches the services of one process."""

    def __init__(
        self,
        database: Database,
        owner: str,
        availability: Availability,
        probes: Mapping[Service, Callable[[], Awaitable[None]]],
        *,
        pulse: Pulse,
        clock: Callable[[], datetime],
        limits: OutageLimits | None = None,
    ) -> None:
        """`owner`: name of this process. `probes`: one request each, which reports to `availability` by itself.

        `pulse`: of the loops of this process.
        """
        self._database = database
        self._owner = owner
        self._availability = availability
        self._probes = probes
        self._pulse = pulse
        self._clock = clock
        self._limits = limits or OutageLimits()
        self._written: list[Outage] = []
        self._written_at = 0.0

    async def run(self, stop: asyncio.Event) -> None:
        """Watch until `stop` is set; then delete what was written. What hangs meanwhile is cut off then."""
        stopping = asyncio.create_task(stop.wait())
        try:
            while not stop.is_set():
                await background.unless(stopping, self._round())
                await asyncio.wait([stopping], timeout=self._pause())
        finally:
            stopping.cancel()
            if self._written:
                with contextlib.suppress(DatabaseUnavailable, TimeoutError):
                    async with asyncio.timeout(_LAST_WRITE_SECONDS):
                        await self._database.write(lambda connection: outages.delete_of(connection, self._owner))

    async def _round(self) -> None:
        await asyncio.gather(*(self._probe(service) for service in self._probes))
        with contextlib.suppress(DatabaseUnavailable):  # the heartbeat reports it
            await self._write()

    def _pause(self) -> float:
        """Seconds until the next round: also a service that hangs is to be an outage within a minute."""
        failing = {each for each in self._probes if self._availability.is_failing(each)}
        is_unsure = failing - _services(self._availability.outages())
        return min(self._limits.unsure_seconds, self._limits.every_seconds) if is_unsure else self._limits.every_seconds

    async def _probe(self, service: Service) -> None:
        silent = self._availability.silence(service) >= self._limits.probed_after
        if silent or self._availability.is_failing(service):
            try:
                async with asyncio.timeout(self._limits.probe_seconds):
                    await self._probes[service]()
            except TimeoutError:
                self._availability.failed(service, Phrase("it does not answer"))
            except GraphError:
                pass  # reported to `availability`

    async def _write(self) -> None:
        found = [*self._availability.outages(), *self._hanging()]
        before, after = _services(self._written), _services(found)
        moment = asyncio.get_running_loop().time()
        if before == after and (not found or moment < self._written_at + self._limits.written_again_after):
            return
        await self._database.write(lambda connection: outages.note(connection, self._owner, found))
        for each in found:
            if each.service not in before:
                log.warning("service_outage", service=each.service.value, accounts=each.accounts, why=each.why)
        for service in sorted(before - after):
            log.info("service_outage_over", service=service.value)
        self._written, self._written_at = found, moment

    def _hanging(self) -> Iterator[Outage]:
        """This process, if a loop of it is stuck: it looks alive to the others."""
        stuck = self._pulse.stuck()
        if stuck:
            now, ages = self._clock(), self._pulse.ages()
            since = now - timedelta(seconds=max(ages[each] for each in stuck))
            yield Outage(Service.LOOP, since, now, 0, ", ".join(stuck))


def _services(found: list[Outage]) -> set[Service]:
    return {each.service for each in found}
