"""The overview, gathered for one command: it needs no live role, and reports what it cannot read as a problem."""

import asyncio
import gc
from collections import Counter
from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection

from bus.errors import QueueUnavailable
from bus.queue import NotificationQueue, QueueStatus
from console.invocation import Invocation
from console.loop import run_async
from console.settings import SettingsError
from console.wiring.disk import disk_of
from console.wiring.queue import open_queue
from db.errors import DatabaseError, SchemaNotCurrent
from db.queries import accounts, installation, problems
from db.queries.installation import AccountState
from db.queries.problems import Problem, ProblemKind, Severity, StoredProblem
from db.schema import revisions
from monitoring import facts as stored_facts
from monitoring.evaluation import evaluate, hidden
from monitoring.facts import Facts, StoredFacts
from monitoring.overview import CertificateEnd, DeadLetterReason, Overview, merged
from phrases import Phrase

_QUEUE_SECONDS: Final = 5.0
_COUNTING_SECONDS: Final = 1.5
"""Less than half of it: a queue of 100,000 messages answers, too."""
_REASONS_OF: Final = 1000
"""Dead letters whose reasons are counted."""


def overview_of(invocation: Invocation) -> Overview:
    """The state of the installation now.

    Raises:
        SettingsError: the settings are wrong.
    """
    gc.freeze()  # rounds of the collector through what was loaded would take a tenth of the time, with 10,000 accounts
    try:
        return run_async(_gathered(invocation))
    except SchemaNotCurrent as exc:
        remedy = Phrase("Bring the schema up to date: mail-importer db upgrade")
        return _alone(invocation, Problem(ProblemKind.SCHEMA_OUTDATED, Severity.ERROR, Phrase.of(exc), remedy))
    except DatabaseError as exc:
        remedy = Phrase("Check the database: mail-importer db check")
        return _alone(invocation, Problem(ProblemKind.DATABASE_TROUBLE, Severity.ERROR, Phrase.of(exc), remedy))


def _alone(invocation: Invocation, problem: Problem) -> Overview:
    """The overview where the database cannot be read: nothing but the reason is known."""
    now = invocation.clock()
    facts = Facts(now, StoredFacts(), alive=(), queue=None)
    return Overview(facts, merged([problem], [], now), (), (), {"current": None, "head": revisions.HEAD}, ())


async def _gathered(invocation: Invocation) -> Overview:
    settings, now = invocation.settings, invocation.clock()
    async with (
        invocation.database() as database,
        open_queue(settings, database, clock=invocation.clock, counting_seconds=_COUNTING_SECONDS) as queue,
    ):
        status, reasons, error = await _queue(queue)

        def read(
            connection: Connection,
        ) -> tuple[str | None, StoredFacts, list[StoredProblem], list[AccountState], set[str]]:
            return (
                revisions.current_of(connection),
                stored_facts.read(connection, status, now=now),
                problems.open_problems(connection),
                installation.account_states(connection),
                {each for use in accounts.certificate_uses(connection) for each in use.thumbprints},
            )

        schema, stored, open_ones, states, thumbprints = await database.read(read)
    alive = {each.process.name for each in stored.processes if each.is_alive(now)}
    facts = Facts(now, stored, alive, status, error, disk=disk_of(settings)())
    found = merged(evaluate(facts), open_ones, now, kept=hidden(facts))
    certificates = _certificates(invocation, thumbprints)
    return Overview(facts, found, states, certificates, {"current": schema, "head": revisions.HEAD}, reasons)


async def _queue(
    queue: NotificationQueue,
) -> tuple[QueueStatus | None, Sequence[DeadLetterReason], str | None]:
    """The status of the queue and the reasons of its dead letters; or why it cannot be read in time."""
    try:
        async with asyncio.timeout(_QUEUE_SECONDS):
            status = await queue.status()
            dead = await queue.peek(limit=_REASONS_OF, dead_letters=True) if status.dead else []
    except QueueUnavailable as exc:
        return None, (), Phrase.of(exc)
    except TimeoutError:
        return None, (), Phrase("The queue did not answer within {seconds:g} seconds.", seconds=_QUEUE_SECONDS)
    counted = Counter((each.account_id, each.reason or "") for each in dead)
    return status, [DeadLetterReason(*key, number) for key, number in counted.most_common()], None


def _certificates(invocation: Invocation, thumbprints: set[str]) -> list[CertificateEnd]:
    """The ends of the accounts' certificates, as far as the store of this host has them."""
    if not thumbprints:
        return []
    from console.wiring.certificate_store import certificate_store  # noqa: PLC0415  # takes long to load, and is not always needed
    from graph.errors import CertificateError  # noqa: PLC0415  # as above

    ends: list[CertificateEnd] = []
    try:
        store = certificate_store(invocation.settings)
    except (SettingsError, CertificateError):
        return [CertificateEnd(each, None) for each in sorted(thumbprints)]
    for thumbprint in sorted(thumbprints):
        try:
            ends.append(CertificateEnd(thumbprint, store.expiry(thumbprint)))
        except CertificateError:  # the role that signs in reports it
            ends.append(CertificateEnd(thumbprint, None))
    return ends
