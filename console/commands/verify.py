"""`mail-importer verify`: the proof that nothing is missing."""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import fields
from datetime import datetime
from typing import Any

import click

from console.commands import Invocation, as_stored, example, pass_invocation, past_moment
from console.graph import open_graph
from console.output import Column, Record, print_object, print_table, printable, shown, tell
from console.process import process_name
from console.progress import OnProgress, counting
from console.queues import open_queue
from db import accounts
from db.accounts import Account
from db.engine import Database
from db.mailbox_calls import MailboxCalls
from graph.messages import MailReader
from subscriptions.findings import Findings, Item
from subscriptions.verification import Tally, Verification


@click.command(
    epilog=example("mail-importer verify laboratory", "mail-importer verify laboratory --since 2026-03-01 --repair")
)
@click.argument("name", callback=as_stored)
@click.option(
    "--since",
    metavar="T",
    callback=past_moment,
    help="Only messages received at this time or later (ISO 8601; UTC unless it says otherwise).",
)
@click.option("--repair", is_flag=True, help="Queue the missing messages, for the processor to import.")
@click.option("--json", "in_json", is_flag=True, help="Print the same data as JSON.")
@pass_invocation
def verify(invocation: Invocation, name: str, since: datetime | None, repair: bool, in_json: bool) -> None:
    """Prove that every message of an account's folder is imported.

    Compares the messages in the folder with those in the database, as far as they were received since the account
    imports (--import-since). Prints how many there are on both sides, every message that is missing, and where those
    are that are in the database but no longer in the folder. Exit status 1 while anything is missing.
    """
    with Findings() as findings:
        try:
            with counting() as on_progress:
                account, tally = asyncio.run(_verified(invocation, name, since, repair, findings, on_progress))
            if since is not None and tally.since is not None and tally.since > since:
                tell(f"The account imports mail received since {shown(tally.since)}; what is older was left out.")
            _print(account, tally, findings, in_json=in_json)
        except sqlite3.Error as exc:
            raise click.ClickException(
                f"The temporary file of the comparison cannot be used: {exc}. Free some room where temporary files "
                "are, or name another place in the variable SQLITE_TMPDIR."
            ) from exc
    if tally.missing:
        text = f"{tally.missing} messages of the folder are not in the database."
        after = f"{tally.queued} were queued; run it again once they are imported."
        raise click.ClickException(f"{text} {after if repair else 'Queue them with --repair.'}")


async def _verified(
    invocation: Invocation,
    name: str,
    since: datetime | None,
    repair: bool,
    findings: Findings,
    on_progress: OnProgress,
) -> tuple[Account, Tally]:
    with invocation.gateway() as engine:
        async with AsyncExitStack() as resources:
            database = Database(engine)
            resources.push_async_callback(database.close)
            queue = await resources.enter_async_context(
                open_queue(invocation.settings, database, clock=invocation.clock)
            )
            account = await database.read(lambda connection: accounts.by_name(connection, name))
            calls = MailboxCalls(database, owner=process_name(), clock=invocation.clock)
            slots = await resources.enter_async_context(calls.kept())
            graph = await resources.enter_async_context(open_graph(invocation.settings, slots))
            verification = Verification(
                database,
                MailReader(graph.client),
                queue,
                findings,
                clock=invocation.clock,
                on_progress=on_progress,
            )
            return account, await verification.run(account, since=since, repair=repair)


# What is printed.


def _print(account: Account, tally: Tally, findings: Findings, *, in_json: bool) -> None:
    """The counts, and every message that is on one side only."""
    facts = {
        "account": account.settings.name,
        "folder": account.settings.folder,
        **{each.name: getattr(tally, each.name) for each in fields(tally) if each.name != "young_since"},
    }
    if in_json:
        print_object(facts, "differences", _differences(tally, findings))
        return
    print_table(Record(_columns(account, tally), facts).table())
    for number, each in enumerate(_differences(tally, findings)):
        # A line each, with the id whole, however wide the terminal is.
        line = f"{each['state']:<7}  {shown(each['received']):<23}  {each['message_id']}  {_note(each)}"
        click.echo(("" if number else "\n") + printable(line.rstrip()))


def _differences(tally: Tally, findings: Findings) -> Iterator[dict[str, Any]]:
    for item in findings.missing():
        yield _difference("missing", item, under_way=tally.is_under_way(item))
    for found in findings.elsewhere():
        state = "deleted" if found.folder_id is None else "moved"
        yield _difference(state, found.item, folder=found.folder_id, folder_name=found.folder_name)


def _difference(
    state: str, item: Item, *, under_way: bool = False, folder: str | None = None, folder_name: str | None = None
) -> dict[str, Any]:
    return {
        "state": state,
        "message_id": item.message_id,
        "received": item.received,
        "under_way": under_way,
        "folder": folder,
        "folder_name": folder_name,
    }


def _note(difference: dict[str, Any]) -> str:
    if difference["state"] == "moved":
        return f"now in {difference['folder_name'] or difference['folder']}"
    return "perhaps under way" if difference["under_way"] else ""


def _columns(account: Account, tally: Tally) -> list[Column]:
    columns = [
        Column("account", "Account"),
        Column("folder", "Folder", lambda folder: tally.folder_name or folder),
        Column("since", "Received since", lambda since: "the beginning" if since is None else shown(since)),
        Column("in_folder", "In the folder"),
        Column("in_database", "In the database"),
        Column("missing", "Missing", lambda count: _of_which(count, tally.under_way, "perhaps under way")),
    ]
    if tally.copies:
        columns.append(Column("copies", "Copies", lambda count: f"{count}, not imported again"))
    if tally.seen:
        columns.append(Column("seen", "Left out by filters"))
    if tally.moved is None:
        columns.append(
            Column(
                "elsewhere",
                "Left the folder",
                lambda count: (
                    f"{count}, as they should (--after-import {account.settings.after_import}): not looked up"
                ),
            )
        )
    else:
        columns += [Column("moved", "Changed folder"), Column("deleted", "Deleted")]
    return [*columns, Column("queued", "Queued")] if tally.queued else columns


def _of_which(count: int, part: int, what: str) -> str:
    return f"{count}, of which {part} {what}" if part else str(count)
