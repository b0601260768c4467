"""`queue list` and `queue audit`: the messages in the queue, and what operators did to them."""

from dataclasses import asdict
from typing import Final

import click

from console.invocation import Invocation, all_account_names, as_stored, example, pass_invocation
from console.output import Column, Listing, prints_data, span, tell, wrong_usage
from console.queue.names import account_names
from console.queue.rows import row_of
from console.queue.selection import Criteria
from console.queue.session import maintained, no_such_reason
from console.translation.help import Command
from console.translation.labels import word
from db.engine import run_reading
from db.queries import audit
from phrases import Phrase

_MAX_LISTED: Final = 1000  # an account each, at worst: SQL Server allows 2,100 parameters


@click.command(
    "list",
    cls=Command,
    epilog=example("mail-importer queue list", "mail-importer queue list --dead-letters --limit 10"),
)
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
    names = account_names(invocation, {each.account_id for each in found if each.account_id is not None})
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


@click.command(
    "audit", cls=Command, epilog=example("mail-importer queue audit", "mail-importer queue audit --limit 5 --json")
)
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
