"""The maintenance of the queue for one command, alone or with the record of what the operator does to it."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import TypeVar

from bus.errors import QueueError
from bus.queue import NotificationQueue, Selection
from console.audit import audited, author
from console.invocation import Invocation
from console.output import tell
from console.progress import counting
from console.queue.maintenance import BatchProgress, OnProgress, QueueMaintenance
from console.queue.opened import at_queue
from console.queue.selection import Criteria
from console.settings import Settings
from db.engine import Database
from db.errors import DatabaseError
from db.queries import accounts
from phrases import Phrase

T = TypeVar("T")


def maintained(
    invocation: Invocation, criteria: Criteria, work: Callable[[QueueMaintenance, Selection], Awaitable[T]]
) -> T:
    """Run `work` with the maintenance of the queue and the selection that the order gives."""

    async def run(queue: NotificationQueue, database: Database) -> T:
        account_id = None
        if criteria.account is not None:
            name = criteria.account
            account_id = (await database.read(lambda connection: accounts.with_removed(connection, name))).account_id
        maintenance = QueueMaintenance(queue, database, author=author(), clock=invocation.clock)
        return await work(maintenance, criteria.selection(account_id))

    return at_queue(invocation, run)


def no_such_reason(invocation: Invocation, criteria: Criteria) -> Phrase | None:
    """The failure for a reason that no message has, with those that exist; None: no reason is given."""
    if criteria.reason is None:
        return None
    found = maintained(invocation, criteria, lambda queue, _: queue.reasons(scheduled=criteria.scheduled))
    known = ", ".join(f"{reason} ({count})" for reason, count in sorted(found.items()))
    if criteria.scheduled:
        text = Phrase("No scheduled message with the reason {reason!r} fits.", reason=criteria.reason)
    else:
        text = Phrase("No dead letter with the reason {reason!r} fits.", reason=criteria.reason)
    return Phrase.joined(text, Phrase("Their reasons: {known}", known=known) if known else Phrase("There are none."))


def maintained_on_record(
    invocation: Invocation,
    criteria: Criteria,
    progress: BatchProgress,
    action: str,
    activity: Phrase,
    why: str | None,
    work: Callable[[QueueMaintenance, Selection, OnProgress], Awaitable[None]],
) -> None:
    """As `maintained`, with a record in `tblQueueAudit` and a progress bar."""

    async def run(maintenance: QueueMaintenance, selection: Selection) -> None:
        record = on_record(maintenance, invocation.settings, action, str(criteria), progress, why)
        try:
            async with record:
                with counting() as show:
                    await work(maintenance, selection, lambda done: show(activity, done))
        except (QueueError, DatabaseError):
            tell(Phrase("Done before the error: {n}.", n=progress.done))
            raise

    maintained(invocation, criteria, run)


def on_record(
    maintenance: QueueMaintenance,
    settings: Settings,
    action: str,
    selection: str,
    progress: BatchProgress,
    why: str | None,
) -> AbstractAsyncContextManager[None]:
    """The record in `tblQueueAudit` of what is done meanwhile, under the name of the author of the maintenance."""
    return audited(
        maintenance.database,
        action=action,
        selection=selection,
        done=lambda: progress.done,
        clock=maintenance.clock,
        queue=settings.servicebus_queue if settings.queue == "servicebus" else settings.queue,
        why=why,
        by=maintenance.author,
    )
