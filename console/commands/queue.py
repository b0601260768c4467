"""`mail-importer queue`: operators at the queue."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Final, TypeVar

import click

from bus.queue import NotificationQueue, QueuedMessage, Selection
from console.commands import Invocation, as_stored, example, moment, pass_invocation
from console.output import Column, Listing, Record, prints_data, span, tell
from console.queues import open_queue
from db import accounts
from db.engine import Database, run_reading

T = TypeVar("T")

_LARGEST_ENTRY: Final = 2**63 - 1
_MOST_LISTED: Final = 1000  # an account each, at worst: SQL Server takes 2,100 parameters
_MOST_IDS: Final = 500


@click.group(epilog=example("mail-importer queue status"))
def queue() -> None:
    """Look into the queue and replay dead letters.

    A dead letter is a notification that could not be processed and was put aside with its reason.
    """


@queue.command(epilog=example("mail-importer queue status --json"))
@prints_data
@pass_invocation
def status(invocation: Invocation) -> Record:
    """Count what waits, what is in work, and the dead letters."""
    found = _at_queue(invocation, lambda each: each.status())
    age = None if found.oldest is None else invocation.clock() - found.oldest
    row = {
        "waiting": found.active,
        "locked": found.locked,
        "scheduled": found.scheduled,
        "dead": found.dead,
        "oldest": found.oldest,
        "oldest_age_seconds": None if age is None else round(age.total_seconds(), 3),
    }
    columns = [
        Column("waiting", "Waiting"),
        Column("locked", "In work"),
        Column("scheduled", "For later"),
        Column("dead", "Dead letters"),
        Column("oldest", "Oldest", lambda time: "–" if time is None else f"{span(invocation.clock() - time)} old"),
    ]
    return Record(columns, row)


@queue.command("list", epilog=example("mail-importer queue list", "mail-importer queue list --dead-letters --limit 10"))
@click.option("--dead-letters", is_flag=True, help="List the dead letters instead of what waits or is in work.")
@click.option(
    "--limit",
    type=click.IntRange(1, _MOST_LISTED),
    default=50,
    show_default=True,
    help="List at most so many, oldest first.",
)
@prints_data
@pass_invocation
def list_messages(invocation: Invocation, dead_letters: bool, limit: int) -> Listing:
    """List what is in the queue, oldest first.

    ENTRY is what `queue replay --id` takes.
    """
    found = _at_queue(invocation, lambda each: each.peek(most=limit, dead_letters=dead_letters))
    names = _account_names(invocation, {each.account_id for each in found if each.account_id is not None})
    now = invocation.clock()
    rows = [_row(each, names, now) for each in found]
    if len(rows) == limit:
        tell(f"These are the oldest {limit}; there may be more (--limit).")
    columns = [
        Column("entry", "Entry", right=True),
        Column("account", "Account"),
        Column("message_id", "Message id"),
        Column("attempts", "Attempts", right=True),
        Column("enqueued", "Age", lambda time: span(now - time)),
        Column("reason", "Reason") if dead_letters else Column("state", "State"),
    ]
    return Listing(columns, rows, empty="There are no dead letters." if dead_letters else "The queue is empty.")


def _row(message: QueuedMessage, names: dict[int, str], now: datetime) -> dict[str, Any]:
    state = "dead" if message.dead_lettered else "in work" if message.locked else "waiting"
    return {
        "entry": message.entry,
        "account_id": message.account_id,
        "account": None if message.account_id is None else names.get(message.account_id, str(message.account_id)),
        "message_id": message.message_id,
        "state": "scheduled" if state == "waiting" and message.visible > now else state,
        "attempts": message.delivery_count,
        "enqueued": message.enqueued,
        "visible": message.visible,
        "dead_lettered": message.dead_lettered,
        "reason": message.reason,
        "description": message.description,
        "body": _body(message.body),
    }


def _body(text: str) -> object:
    """The document, which holds ids only; the bare text when it is not JSON."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _account_names(invocation: Invocation, account_ids: set[int]) -> dict[int, str]:
    with invocation.gateway(current=False) as engine:
        found = run_reading(engine, lambda connection: accounts.by_id(connection, sorted(account_ids)))
    return {number: account.settings.name for number, account in found.items()}


@queue.command(
    epilog=example("mail-importer queue replay --id 17 --id 18", "mail-importer queue replay --reason ItemCorrupt")
)
@click.option("--all", "everything", is_flag=True, help="All dead letters.")
@click.option(
    "--id",
    "entries",
    metavar="ENTRY",
    type=click.IntRange(1, _LARGEST_ENTRY),
    multiple=True,
    help="The dead letter of this entry; may be repeated.",
)
@click.option("--reason", metavar="R", callback=as_stored, help="Those put aside for this reason, as `list` shows it.")
@click.option(
    "--since",
    metavar="T",
    callback=moment,
    help="Those put aside at this time or later (ISO 8601; UTC unless it says otherwise).",
)
@prints_data
@pass_invocation
def replay(
    invocation: Invocation, everything: bool, entries: tuple[int, ...], reason: str | None, since: datetime | None
) -> Record:
    """Put dead letters back into the queue, their attempts counted from 0.

    Say which: with --all, or with --id, --reason and --since, which narrow each other. Do it once their cause is gone.
    """
    chosen = bool(entries) or reason is not None or since is not None
    if everything == chosen:
        raise click.UsageError("Say which dead letters: either --all, or some of --id, --reason and --since.")
    numbers = sorted(set(entries))
    if len(numbers) > _MOST_IDS:
        raise click.UsageError(f"At most {_MOST_IDS} entries at a time; or choose them by --reason or --since.")
    selection = Selection(entries=[str(number) for number in numbers] or None, reason=reason, since=since)
    replayed = _at_queue(invocation, lambda each: _replay(each, selection))
    failure = None
    if replayed < len(numbers):
        failure = (
            f"{len(numbers) - replayed} of the entries named are no dead letters that fit. "
            "See: mail-importer queue list --dead-letters"
        )
    return Record([Column("replayed", "Replayed")], {"replayed": replayed}, failure)


async def _replay(queue: NotificationQueue, selection: Selection) -> int:
    found = await queue.peek(most=100_000, dead_letters=True, selection=selection)
    return sum([len(batch) async for batch in queue.replay([each.entry for each in found])])


def _at_queue(invocation: Invocation, work: Callable[[NotificationQueue], Awaitable[T]]) -> T:
    """Do something at the queue that the settings name."""

    async def run() -> T:
        with invocation.gateway() as engine:
            database = Database(engine)
            try:
                async with open_queue(invocation.settings, database, clock=invocation.clock) as opened:
                    return await work(opened)
            finally:
                await database.close()

    return asyncio.run(run())
