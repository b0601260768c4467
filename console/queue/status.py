"""`queue status`: the numbers of messages in the queue."""

from contextlib import suppress
from datetime import datetime
from typing import Any, TypeAlias

import click

from bus.errors import QueueUnavailable
from bus.queue import AccountStatus, NotificationQueue, QueueStatus
from console.invocation import Invocation, example, pass_invocation
from console.output import Column, Listing, Record, prints_data, shown, span, tell
from console.queue.names import account_names
from console.queue.opened import at_queue
from console.translation.help import Command
from console.wiring.queue import open_queue
from db.engine import Database
from phrases import Phrase

_Found: TypeAlias = tuple[QueueStatus, QueueStatus | None]


@click.command(cls=Command, epilog=example("mail-importer queue status --json"))
@prints_data
@pass_invocation
def status(invocation: Invocation) -> Record:
    """Count the messages that wait, those in flight, and the dead letters."""
    found, before = at_queue(invocation, lambda opened, database: _status(invocation, opened, database))
    now = invocation.clock()
    names = account_names(invocation, {each.account_id for each in found.accounts if each.account_id is not None})
    row = {
        **_counts(found, now, reports_locked=found.reports_locked),
        "complete": found.complete,
        "accounts": [
            {
                "account_id": each.account_id,
                "account": None if each.account_id is None else names.get(each.account_id, str(each.account_id)),
                **_counts(each, now, reports_locked=found.reports_locked),
            }
            for each in found.accounts
        ],
    }
    if before is not None:
        left = {"waiting": before.active + before.locked + before.scheduled, "dead": before.dead}
        row["left_in_database"] = left
        if any(left.values()):
            tell(
                Phrase(
                    "The queue of the gateway database, which was used before, still holds messages: {waiting}, and "
                    "dead letters: {dead}. Keep a processor with MAIL_IMPORTER_QUEUE=database running until they are "
                    "gone, and replay the dead letters: MAIL_IMPORTER_QUEUE=database mail-importer queue replay --all",
                    **left,
                )
            )
    if not found.complete:
        counted = sum(each.active + each.scheduled + each.dead for each in found.accounts)
        tell(Phrase("Counting stopped at {count}; the queue holds more messages.", count=counted))
    below = Listing(
        [Column("account", Phrase("Account")), *_numbers(now, right=True)], row["accounts"], empty=Phrase("")
    )
    return Record(_numbers(now), row, below=below if row["accounts"] else None)


async def _status(invocation: Invocation, opened: NotificationQueue, database: Database) -> _Found:
    """The status, and where Service Bus is in use also that of the queue of the database, which may have been before.

    Its rights may be revoked then: None.
    """
    found = await opened.status()
    settings = invocation.settings
    if settings.queue != "database":
        before = settings.model_copy(update={"queue": "database"})
        with suppress(QueueUnavailable):
            async with open_queue(before, database, clock=invocation.clock) as other:
                return found, await other.status()
    return found, None


def _counts(found: QueueStatus | AccountStatus, now: datetime, *, reports_locked: bool) -> dict[str, Any]:
    return {
        "waiting": found.active,
        "locked": found.locked if reports_locked else None,
        "scheduled": found.scheduled,
        "dead": found.dead,
        "oldest": found.oldest,
        "oldest_age_seconds": None if found.oldest is None else round((now - found.oldest).total_seconds(), 3),
    }


def _numbers(now: datetime, *, right: bool = False) -> list[Column]:
    return [
        Column("waiting", Phrase("Waiting"), right=right),
        # Service Bus does not report it: what is in work counts as waiting.
        Column("locked", Phrase("In work"), right=right),
        Column("scheduled", Phrase("Scheduled"), right=right),
        Column("dead", Phrase("Dead letters"), right=right, colour=lambda row: "red" if row["dead"] else None),
        Column(
            "oldest",
            Phrase("Oldest"),
            lambda time: shown(None) if time is None else Phrase("{span} old", span=span(now - time)),
        ),
    ]
