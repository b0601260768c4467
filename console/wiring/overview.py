"""The overview of the installation, gathered from what a process has opened: it needs no live role."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection

import background
from bus.errors import QueueUnavailable
from bus.queue import NotificationQueue, QueueStatus
from console.settings import Settings, SettingsError
from console.wiring.disk import disk_of
from db.engine import Database
from db.errors import DatabaseError, SchemaNotCurrent, no_answer
from db.queries import accounts, installation, problems
from db.queries.installation import ImportedInHour
from db.queries.problems import Problem, ProblemKind, Severity
from db.schema import revisions
from monitoring import facts as stored_facts
from monitoring.evaluation import evaluate, hidden
from monitoring.facts import Facts, StoredFacts
from monitoring.overview import CertificateEnd, DeadLetterReason, Overview, merged
from phrases import Phrase
from threads import DaemonThreads

_QUEUE_SECONDS: Final = 5.0
_REASONS_SECONDS: Final = 3.0
_STORE_SECONDS: Final = 5.0
_REASONS_OF: Final = 1000
"""Dead letters whose reasons are counted."""


class OverviewReader:
    """Reads the state of the installation, from what the process has opened."""

    def __init__(
        self, settings: Settings, database: Database, queue: NotificationQueue, *, clock: Callable[[], datetime]
    ) -> None:
        self._settings = settings
        self._database = database
        self._queue = queue
        self._clock = clock
        self._disk = disk_of(settings)
        # A certificate store on a network share, or of a device, may hang.
        self._threads = DaemonThreads("certificate ends", limit=1)

    async def read(self, *, with_accounts: bool = True, with_certificates: bool = True) -> Overview:
        """The state now; what cannot be read of the queue is reported as a problem.

        `with_accounts`: the state of each account, too, which takes most of the time where there are thousands.
        `with_certificates`: the ends of their certificates, too, whose libraries take long to load.

        Raises:
            DatabaseError
        """
        now = self._clock()
        status, reasons, error = await _queue(self._queue)

        def read(connection: Connection) -> dict[str, Any]:
            return {
                "schema": revisions.current_of(connection),
                "stored": stored_facts.read(connection, status, now=now),
                "problems": problems.open_problems(connection),
                "accounts": installation.account_states(connection) if with_accounts else (),
                "thumbprints": _thumbprints(connection) if with_certificates else set(),
                "totals": installation.account_totals(connection),
                "last_imported": installation.last_imported(connection),
            }

        found = await self._database.read(read)
        stored: StoredFacts = found["stored"]
        alive = {each.process.name for each in stored.processes if each.is_alive(now)}
        facts = Facts(now, stored, alive, status, error, disk=self._disk())
        return Overview(
            facts,
            merged(evaluate(facts), found["problems"], now, kept=hidden(facts)),
            found["accounts"],
            await self._certificates(found["thumbprints"]),
            {"current": found["schema"], "head": revisions.HEAD},
            reasons,
            found["totals"],
            found["last_imported"],
        )

    async def snapshot(self) -> "Snapshot":
        """The state without the accounts, with the mail of the last day.

        Raises:
            DatabaseError
        """
        overview = await self.read(with_accounts=False)
        now = overview.facts.now
        hours = await self._database.read(lambda connection: installation.imported_by_hour(connection, now=now))
        return Snapshot(overview, hours)

    async def _certificates(self, thumbprints: set[str]) -> list[CertificateEnd]:
        """The ends of the accounts' certificates, as far as the store of this host has them."""
        if not thumbprints or self._settings.graph_credential != "certificate":
            return []
        try:
            async with asyncio.timeout(_STORE_SECONDS):
                loop = asyncio.get_running_loop()
                return await loop.run_in_executor(self._threads, _ends, self._settings, thumbprints)
        except TimeoutError:
            return [CertificateEnd(each, None) for each in sorted(thumbprints)]


def trouble_of(error: DatabaseError) -> Problem:
    """The problem of a database that cannot be read."""
    if isinstance(error, SchemaNotCurrent):
        remedy = Phrase("Bring the schema up to date: mail-importer db upgrade")
        return Problem(ProblemKind.SCHEMA_OUTDATED, Severity.ERROR, Phrase.of(error), remedy)
    remedy = Phrase("Check the database: mail-importer db check")
    return Problem(ProblemKind.DATABASE_TROUBLE, Severity.ERROR, Phrase.of(error), remedy)


def without_database(problem: Problem, now: datetime) -> Overview:
    """The overview where the database cannot be read: nothing but the reason is known."""
    facts = Facts(now, StoredFacts(), alive=(), queue=None)
    return Overview(facts, merged([problem], [], now), (), (), {"current": None, "head": revisions.HEAD}, ())


async def _queue(
    queue: NotificationQueue,
) -> tuple[QueueStatus | None, Sequence[DeadLetterReason], str | None]:
    """The status of the queue and the reasons of its dead letters; or why it cannot be read in time."""
    try:
        async with asyncio.timeout(_QUEUE_SECONDS):
            status = await queue.status()
    except QueueUnavailable as exc:
        return None, (), Phrase.of(exc)
    except TimeoutError:
        return None, (), Phrase("The queue did not answer within {seconds:g} seconds.", seconds=_QUEUE_SECONDS)
    return status, await _reasons(queue) if status.dead else (), None


async def _reasons(queue: NotificationQueue) -> Sequence[DeadLetterReason]:
    """The reasons of dead letters; none where they are not read in time: their number is known all the same."""
    try:
        async with asyncio.timeout(_REASONS_SECONDS):
            dead = await queue.peek(limit=_REASONS_OF, dead_letters=True)
    except (QueueUnavailable, TimeoutError):
        return ()
    counted = Counter((each.account_id, each.reason or "") for each in dead)
    return [DeadLetterReason(*key, number) for key, number in counted.most_common()]


def _thumbprints(connection: Connection) -> set[str]:
    return {each for use in accounts.certificate_uses(connection) for each in use.thumbprints}


def _ends(settings: Settings, thumbprints: set[str]) -> list[CertificateEnd]:
    from console.wiring.certificate_store import certificate_store  # noqa: PLC0415  # takes long to load, and is not always needed
    from graph.errors import CertificateError, GraphUnavailable  # noqa: PLC0415  # as above

    ends: list[CertificateEnd] = []
    try:
        store = certificate_store(settings)
    except (SettingsError, CertificateError):
        return [CertificateEnd(each, None) for each in sorted(thumbprints)]
    for thumbprint in sorted(thumbprints):
        try:
            ends.append(CertificateEnd(thumbprint, store.expiry(thumbprint)))
        except (CertificateError, GraphUnavailable):  # the role that signs in reports it
            ends.append(CertificateEnd(thumbprint, None))
    return ends


# For many viewers.


@dataclass(frozen=True, slots=True, repr=False)
class Snapshot:
    """Last gathered state. `failure`: the reason for which it could not be gathered again; None: it could.

    `overview`: without the accounts; its `facts.now` is its time. `hours`: the mail of the last day.
    """

    overview: Overview
    hours: Sequence[ImportedInHour] = ()
    failure: Problem | None = None


@dataclass(frozen=True, slots=True)
class SnapshotLimits:
    """`fresh_seconds`: age from which a viewer has the snapshot made again; `idle_seconds`: without any viewer.

    `gather_seconds`: bound of making one.
    """

    fresh_seconds: float = 5.0
    idle_seconds: float = 60.0
    gather_seconds: float = 20.0


class OverviewCache:
    """The overview for all viewers of a process: one is made at a time, however many look at it."""

    def __init__(
        self,
        gathered: Callable[[], Awaitable[Snapshot]],
        *,
        clock: Callable[[], datetime],
        limits: SnapshotLimits | None = None,
    ) -> None:
        """`gathered`: makes a snapshot; it raises DatabaseError."""
        self._gathered = gathered
        self._clock = clock
        self._limits = limits or SnapshotLimits()
        self._snapshot: Snapshot | None = None
        self._made = asyncio.Event()
        self._wanted = asyncio.Event()
        self._changed = asyncio.Event()

    async def changed(self) -> None:
        """Wait for the next snapshot, and have it made."""
        self._wanted.set()
        await self._changed.wait()

    async def get(self) -> Snapshot:
        """The last snapshot, at once; only the first viewer of the process may have to wait for it.

        It asks for a new one: a page that is watched is as recent as `fresh_seconds` allow.
        """
        self._wanted.set()
        if self._snapshot is None:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._limits.gather_seconds):
                    await self._made.wait()
        return self._snapshot or self._without(no_answer(self._limits.gather_seconds))

    async def run(self, stop: asyncio.Event) -> None:
        """Make snapshots until `stop` is set."""
        stopping = asyncio.create_task(stop.wait())
        try:
            while not stop.is_set():
                self._wanted.clear()
                await background.unless(stopping, self._make())
                await asyncio.wait([stopping], timeout=self._limits.fresh_seconds)
                wanted = asyncio.create_task(self._wanted.wait())
                rest = self._limits.idle_seconds - self._limits.fresh_seconds
                await asyncio.wait([stopping, wanted], timeout=rest, return_when=asyncio.FIRST_COMPLETED)
                wanted.cancel()
        finally:
            stopping.cancel()

    async def _make(self) -> None:
        try:
            async with asyncio.timeout(self._limits.gather_seconds):
                self._snapshot = await self._gathered()
        except TimeoutError:
            self._failed(no_answer(self._limits.gather_seconds))
        except DatabaseError as exc:
            self._failed(exc)
        self._made.set()
        self._changed.set()
        self._changed = asyncio.Event()

    def _failed(self, error: DatabaseError) -> None:
        last = self._snapshot
        self._snapshot = self._without(error) if last is None else replace(last, failure=trouble_of(error))

    def _without(self, error: DatabaseError) -> Snapshot:
        failure = trouble_of(error)
        return Snapshot(without_database(failure, self._clock()), failure=failure)
