"""`mail-importer queue`: operation of the queue."""

from contextlib import suppress
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final, TypeAlias, TypeVar

import click

from bus.errors import QueueUnavailable
from bus.queue import AccountStatus, NotificationQueue, QueueStatus
from console.invocation import Invocation, all_account_names, as_stored, example, pass_invocation
from console.loop import run_async
from console.output import Column, Listing, Record, prints_data, shown, span, tell, wrong_usage
from console.queue.bulk import purge, replay
from console.queue.rows import row_of
from console.queue.selection import Criteria
from console.queue.session import at_queue, maintained, no_such_reason
from console.settings import Settings
from console.translation.help import Group
from console.translation.labels import word
from console.wiring.queue import open_queue, servicebus_address
from db.engine import Database, run_reading
from db.queries import accounts, audit
from phrases import Phrase

T = TypeVar("T")
_Found: TypeAlias = tuple[QueueStatus, QueueStatus | None]

_COLOURS: Final = {"wrong": "red", "unknown": "yellow"}
_MAX_LISTED: Final = 1000  # an account each, at worst: SQL Server allows 2,100 parameters


@click.group(cls=Group, epilog=example("mail-importer queue status"))
def queue() -> None:
    """Inspect the queue and replay dead letters.

    A dead letter is a notification that could not be processed and was set aside with its reason.
    """


@queue.command(epilog=example("mail-importer queue status --json"))
@prints_data
@pass_invocation
def status(invocation: Invocation) -> Record:
    """Count the messages that wait, those in flight, and the dead letters."""
    found, before = at_queue(invocation, lambda opened, database: _status(invocation, opened, database))
    now = invocation.clock()
    names = _account_names(invocation, {each.account_id for each in found.accounts if each.account_id is not None})
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


@queue.command(epilog=example("mail-importer queue check"))
@prints_data
@pass_invocation
def check(invocation: Invocation) -> Listing:
    """Check that the queue accepts messages, and that it has the required properties."""
    settings = invocation.settings
    columns = [
        Column("name", Phrase("What")),
        Column("state", Phrase("State"), word, priority=2, colour=lambda row: _COLOURS.get(row["state"])),
        Column("found", Phrase("Found"), priority=1),
        Column("wanted", Phrase("Wanted")),
    ]
    details = [Column("why", Phrase("Why"))]
    if settings.queue == "database":
        at_queue(invocation, lambda each, _: each.check())
        takes = Phrase("takes messages")
        row = {"name": Phrase("table"), "state": "ok", "found": takes, "wanted": takes, "why": ""}
        return Listing(columns, [row], empty=Phrase(""), details=details)
    findings = run_async(_examined(settings, invocation))
    wrong = sum(each["state"] == "wrong" for each in findings)
    failure = Phrase.counted("{n} property of the queue is wrong.", "{n} properties of the queue are wrong.", n=wrong)
    return Listing(columns, findings, empty=Phrase(""), failure=failure if wrong else None, details=details)


async def _examined(settings: Settings, invocation: Invocation) -> list[dict[str, Any]]:
    from bus.servicebus.errors import QueueRef  # noqa: PLC0415  # only where Service Bus is used
    from bus.servicebus.inspection import Finding, State, examine  # noqa: PLC0415  # only where Service Bus is used

    address = servicebus_address(settings)
    place = QueueRef(address.host, address.queue)
    async with open_queue(settings, None, clock=invocation.clock) as opened:
        await opened.check()
        works, sending, receiving = Phrase("works"), Phrase("sending"), Phrase("receiving")
        findings = [Finding(sending, works, works, State.OK, Phrase(""))]
        try:
            await opened.peek(limit=1)
        except QueueUnavailable as exc:
            wanted = Phrase("works, for processors")
            findings.append(Finding(receiving, Phrase.of(exc), wanted, State.UNKNOWN, Phrase("")))
        else:
            findings.append(Finding(receiving, works, works, State.OK, Phrase("")))
    async with address.administration() as administration:
        findings += await examine(administration, place)
    return [asdict(each) for each in findings]


@queue.command("list", epilog=example("mail-importer queue list", "mail-importer queue list --dead-letters --limit 10"))
@click.option("--dead-letters", is_flag=True, help="List the dead letters instead of what waits or is in work.")
@click.option(
    "--limit",
    type=click.IntRange(1, _MAX_LISTED),
    default=50,
    show_default=True,
    help="List at most so many, oldest first.",
)
@click.option(
    "--account",
    metavar="NAME",
    callback=as_stored,
    shell_complete=all_account_names,
    help="Only those of this account.",
)
@click.option("--reason", metavar="R", callback=as_stored, help="Only dead letters with this reason.")
@prints_data
@pass_invocation
def list_messages(
    invocation: Invocation, dead_letters: bool, limit: int, account: str | None, reason: str | None
) -> Listing:
    """List the messages in the queue, oldest first.

    `queue replay --id` takes the value of ENTRY.
    """
    if reason is not None and not dead_letters:
        raise wrong_usage(Phrase("--reason is of dead letters: add --dead-letters."))
    criteria = Criteria((), reason, account, None, None)
    found = maintained(invocation, criteria, lambda queue, selection: queue.messages(selection, limit, dead_letters))
    names = _account_names(invocation, {each.account_id for each in found if each.account_id is not None})
    now = invocation.clock()
    rows = [row_of(each, names, now) for each in found]
    if len(rows) == limit:
        tell(Phrase("These are the oldest {limit}; there may be more (--limit).", limit=limit))
    columns = [
        Column("entry", Phrase("Entry"), right=True),
        Column("account", Phrase("Account"), priority=3),
        Column("message_id", Phrase("Message id")),
        Column("attempts", Phrase("Attempts"), right=True, priority=1),
        Column("enqueued", Phrase("Age"), lambda time: span(now - time), priority=2),
        Column("reason", Phrase("Reason"), priority=4, colour=lambda _: "red")
        if dead_letters
        else Column("state", Phrase("State"), word, priority=4),
    ]
    empty = Phrase("There are no dead letters.") if dead_letters else Phrase("The queue is empty.")
    failure = None if rows else no_such_reason(invocation, criteria)
    return Listing(columns, rows, empty=Phrase("Nothing fits.") if failure is not None else empty, failure=failure)


def _account_names(invocation: Invocation, account_ids: set[int]) -> dict[int, str]:
    with invocation.gateway(current=False) as engine:
        found = run_reading(engine, lambda connection: accounts.by_id(connection, sorted(account_ids)))
    return {number: account.settings.name for number, account in found.items()}


@queue.command("audit", epilog=example("mail-importer queue audit", "mail-importer queue audit --limit 5 --json"))
@click.option(
    "--limit",
    type=click.IntRange(1, _MAX_LISTED),
    default=50,
    show_default=True,
    help="List at most so many, newest first.",
)
@prints_data
@pass_invocation
def list_audit(invocation: Invocation, limit: int) -> Listing:
    """List the bulk operations of operators (tblQueueAudit).

    These are replays, purges (of the queue and, `db purge`, of the database), and imports. One without an end still
    runs, or its process died in the middle.
    """
    with invocation.gateway() as engine:
        found = run_reading(engine, lambda connection: audit.latest(connection, limit=limit))
    columns = [
        Column("started", Phrase("Started"), whole=True),
        Column("ended", Phrase("Ended"), whole=True),
        Column("who", Phrase("Who"), priority=3),
        Column("host", Phrase("Host")),
        Column("action", Phrase("What"), priority=4),
        Column("selection", Phrase("Which"), priority=3),
        Column("messages", Phrase("Messages"), right=True, priority=2),
        Column("why", Phrase("Why"), priority=1),
    ]
    return Listing(columns, [asdict(each) for each in found], empty=Phrase("Nothing is on record."))


queue.add_command(replay)
queue.add_command(purge)
