"""`mail-importer verify`: does the database hold what the folder holds?"""

import asyncio
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, Final

import click
from rich.console import Console
from rich.status import Status

from bus.database import DatabaseQueue
from console.commands import Invocation, as_stored, example, moment, pass_invocation
from console.graph import open_graph
from console.output import Column, Record, as_json, print_table, printable, shown, tell
from console.settings import require_database_queue
from db import accounts
from db.engine import Database
from graph.messages import MailReader
from subscriptions.verification import Counts, Elsewhere, Missing, Verification

_UNDER_WAY: Final = timedelta(minutes=3)


@click.command(
    epilog=example(
        "mail-importer verify laboratory",
        "mail-importer verify laboratory --since 2026-03-01 --repair",
    )
)
@click.argument("name", callback=as_stored)
@click.option(
    "--since",
    metavar="T",
    callback=moment,
    help="Compare what was received then or later (ISO 8601; UTC unless it says otherwise).",
)
@click.option("--repair", is_flag=True, help="Queue what is missing, to be imported.")
@click.option("--json", "in_json", is_flag=True, help="Print the same data as JSON.")
@pass_invocation
def verify(invocation: Invocation, name: str, since: datetime | None, repair: bool, in_json: bool) -> None:
    """Compare the ids in an account's folder with the rows in the database.

    Names every message that is missing, or that is in the database and in another folder by now. Ends with exit status
    1 while anything is missing.
    """
    require_database_queue(invocation.settings)
    printer = _JsonPrinter() if in_json else _TextPrinter()
    counts = asyncio.run(_verify(invocation, name, since, repair, printer))
    if counts.missing:
        text = f"{counts.missing} messages of the folder are not in the database."
        after = f"{counts.queued} were queued; run it again once they are imported."
        raise click.ClickException(f"{text} {after if repair else 'Queue them with --repair.'}")


class _TextPrinter:
    """A line for each difference as it is found, however many there are; the counts at the end."""

    def found(self, difference: dict[str, Any]) -> None:
        """Print a difference."""
        where = f" to folder {difference['folder']}" if difference["folder"] else ""
        text = f"{difference['state']}{where}, received {shown(difference['received'])}: {difference['message_id']}"
        click.echo(printable(text))

    def end(self, summary: dict[str, Any]) -> None:
        """Print the counts."""
        columns = [
            Column("in_folder", "In the folder"),
            Column("in_database", "In the database"),
            Column("missing", "Missing"),
            Column("elsewhere", "Not in the folder any more"),
            Column("queued", "Queued"),
            Column("since", "Received since", lambda since: "always" if since is None else shown(since)),
        ]
        print_table(Record(columns, summary).table())


class _JsonPrinter:
    """One object, its list written as it is found."""

    def __init__(self) -> None:
        self._before = '{\n  "differences": [\n    '

    def found(self, difference: dict[str, Any]) -> None:
        """Print a difference."""
        click.echo(self._before + json.dumps(difference, default=as_json), nl=False)
        self._before = ",\n    "

    def end(self, summary: dict[str, Any]) -> None:
        """Print the counts."""
        begun = self._before.startswith(",")
        click.echo(("" if begun else '{\n  "differences": [') + "\n  ],", nl=False)
        click.echo(json.dumps(summary, indent=2, default=as_json).removeprefix("{"))


async def _verify(
    invocation: Invocation, name: str, since: datetime | None, repair: bool, printer: _TextPrinter | _JsonPrinter
) -> Counts:
    with invocation.gateway() as engine:
        database = Database(engine)
        queue = DatabaseQueue(database, clock=invocation.clock)
        try:
            account = await database.read(lambda connection: accounts.by_name(connection, name))
            async with open_graph(invocation.settings) as graph:
                verification = Verification(
                    database, MailReader(graph.client), account, since=since, clock=invocation.clock
                )
                young = invocation.clock() - _UNDER_WAY
                with _status() as status:
                    async for each in verification.run(repair=queue if repair else None):
                        printer.found(_difference(each, young))
                        status.update(_so_far(verification.counts))
        finally:
            await queue.close()
            await database.close()
    if verification.counts.elsewhere and not verification.looks_elsewhere:
        tell("Rows whose message is not in the folder are only counted: the account moves or deletes what it imported.")
    printer.end(_summary(verification))
    return verification.counts


def _difference(found: Missing | Elsewhere, young: datetime) -> dict[str, Any]:
    if isinstance(found, Elsewhere):
        state, folder = ("deleted", None) if found.folder is None else ("moved", found.folder)
    else:
        is_young = found.received is not None and found.received > young
        state, folder = "missing, perhaps under way" if is_young else "missing", None
    return {"message_id": found.message_id, "received": found.received, "state": state, "folder": folder}


def _summary(verification: Verification) -> dict[str, Any]:
    counts = verification.counts
    return {
        "in_folder": counts.in_folder,
        "in_database": counts.in_database,
        "missing": counts.missing,
        "elsewhere": counts.elsewhere,
        "queued": counts.queued,
        "since": verification.since,
    }


@contextmanager
def _status() -> Iterator[Status]:
    """How far it is, on standard error; rich shows nothing where that is no terminal."""
    with Console(file=sys.stderr).status("Reading the folder") as status:
        yield status


def _so_far(counts: Counts) -> str:
    return f"{counts.in_folder} in the folder, {counts.in_database} in the database, {counts.missing} missing"
