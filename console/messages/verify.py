"""`mail-importer verify`: the proof that nothing is missing."""

import sqlite3
from collections.abc import Iterator
from dataclasses import fields
from datetime import datetime
from typing import Any

import click

from console.invocation import Invocation, account_names, as_stored, example, pass_invocation, past_moment
from console.loop import run_async
from console.output import Column, Record, failure, print_object, printable, shown, tell
from console.progress import OnProgress, counting
from console.session import opened_account
from console.translation.help import Command
from console.translation.labels import word
from console.translation.language import translated
from console.wiring.queue import open_queue
from db.queries.accounts import Account
from phrases import Phrase
from subscriptions.folder_diff import FolderDiff, Item
from subscriptions.verification import Tally, Verification


@click.command(
    cls=Command,
    epilog=example("mail-importer verify laboratory", "mail-importer verify laboratory --since 2026-03-01 --repair"),
)
@click.argument("name", callback=as_stored, shell_complete=account_names)
@click.option(
    "--since",
    metavar="T",
    callback=past_moment,
    help="Only messages received at this time or later "
    "(2h, 3d, today, 29.11.2026, ISO 8601; UTC unless it has an offset).",
)
@click.option("--repair", is_flag=True, help="Queue the missing messages, for the processor to import.")
@click.option("--json", "in_json", is_flag=True, help="Print the same data as JSON.")
@pass_invocation
def verify(invocation: Invocation, name: str, since: datetime | None, repair: bool, in_json: bool) -> None:
    """Prove that every message of an account's folder is imported.

    Compares the messages in the folder with those in the database, as far as they were received since the account
    imports (--import-since). Prints how many there are on both sides, every message that is missing, where those are
    that are in the database but no longer in the folder, and every copy that was not imported, with the message that it
    equals. Exit status 1 while anything is missing.
    """
    with FolderDiff() as findings:
        try:
            with counting() as on_progress:
                account, tally = run_async(_verified(invocation, name, since, repair, findings, on_progress))
            if since is not None and tally.since is not None and tally.since > since:
                tell(
                    Phrase(
                        "The account imports mail received since {since}; what is older was left out.",
                        since=shown(tally.since),
                    )
                )
            _print(account, tally, findings, in_json=in_json)
        except sqlite3.Error as exc:
            raise failure(
                Phrase(
                    "The temporary file of the comparison cannot be used: {why}. Free some room where temporary files "
                    "are, or name another place in the variable SQLITE_TMPDIR.",
                    why=exc,
                )
            ) from exc
    if tally.missing:
        raise failure(Phrase.joined(_missing(tally.missing), _queued(tally.queued, repair)))


async def _verified(
    invocation: Invocation,
    name: str,
    since: datetime | None,
    repair: bool,
    findings: FolderDiff,
    on_progress: OnProgress,
) -> tuple[Account, Tally]:
    async with (
        opened_account(invocation, name) as opened,
        open_queue(invocation.settings, opened.database, clock=invocation.clock) as queue,
    ):
        verification = Verification(
            opened.database,
            opened.reader,
            queue,
            opened.folders,
            findings,
            clock=invocation.clock,
            on_progress=on_progress,
        )
        return opened.account, await verification.run(opened.account, since=since, repair=repair)


# Output.


def _print(account: Account, tally: Tally, findings: FolderDiff, *, in_json: bool) -> None:
    """Print the counts, and every message that is on one side only."""
    facts = {
        "account": account.settings.name,
        "folder": account.settings.folder,
        **{each.name: getattr(tally, each.name) for each in fields(tally) if each.name != "young_since"},
    }
    if in_json:
        print_object(facts, "differences", _differences(tally, findings))
        return
    Record(_columns(account, tally), facts).print()
    for number, each in enumerate(_differences(tally, findings)):
        # A line each, with the id unbroken at any terminal width.
        state, note = translated(word(each["state"])), translated(_note(each))
        line = f"{state:<8}  {shown(each['received']):<23}  {each['message_id']}  {note}"
        click.echo(("" if number else "\n") + printable(line.rstrip()))


def _differences(tally: Tally, findings: FolderDiff) -> Iterator[dict[str, Any]]:
    for item in findings.missing():
        yield _difference("missing", item, under_way=tally.is_under_way(item))
    for found in findings.elsewhere():
        state = "deleted" if found.folder_id is None else "moved"
        yield _difference(state, found.item, folder=found.folder_id, folder_name=found.folder_name)
    for copy in findings.copies():
        yield _difference(
            "copy", copy.item, copy_of=copy.of_message_id, copy_of_number=copy.of_number, reason=copy.reason
        )


def _difference(state: str, item: Item, **facts: object) -> dict[str, Any]:
    return {
        "state": state,
        "message_id": item.message_id,
        "received": item.received,
        "under_way": False,
        "folder": None,
        "folder_name": None,
        "copy_of": None,
        "copy_of_number": None,
        "reason": None,
        **facts,
    }


def _note(difference: dict[str, Any]) -> Phrase:
    if difference["state"] == "moved":
        return Phrase("now in {folder}", folder=difference["folder_name"] or difference["folder"])
    if difference["state"] == "copy":
        return Phrase(
            "of message {number}: {graph_id}", number=difference["copy_of_number"], graph_id=difference["copy_of"]
        )
    return Phrase("perhaps under way") if difference["under_way"] else Phrase("")


def _missing(count: int) -> Phrase:
    return Phrase.counted(
        "{n} message of the folder is not in the database.",
        "{n} messages of the folder are not in the database.",
        n=count,
    )


def _queued(count: int, repair: bool) -> Phrase:
    if not repair:
        return Phrase("Queue them with --repair.")
    return Phrase.counted(
        "{n} was queued; run it again once it is imported.",
        "{n} were queued; run it again once they are imported.",
        n=count,
    )


def _columns(account: Account, tally: Tally) -> list[Column]:
    columns = [
        Column("account", Phrase("Account")),
        Column("folder", Phrase("Folder"), lambda folder: tally.folder_name or folder),
        Column(
            "since", Phrase("Received since"), lambda since: Phrase("the beginning") if since is None else shown(since)
        ),
        Column("in_folder", Phrase("In the folder")),
        Column("in_database", Phrase("In the database")),
        Column("missing", Phrase("Missing"), lambda count: _of_which(count, tally.under_way)),
    ]
    if tally.copies:
        columns.append(
            Column("copies", Phrase("Copies"), lambda count: Phrase("{count}, not imported again", count=count))
        )
    if tally.seen:
        columns.append(Column("seen", Phrase("Left out by filters")))
    if tally.scanning:
        columns.append(Column("scanning", Phrase("Wait for Defender's scan")))
    if tally.moved is None:
        columns.append(
            Column(
                "elsewhere",
                Phrase("Left the folder"),
                lambda count: Phrase(
                    "{count}, as they should (--after-import {after_import}): not looked up",
                    count=count,
                    after_import=account.settings.after_import,
                ),
            )
        )
    else:
        columns += [Column("moved", Phrase("Changed folder")), Column("deleted", Phrase("Deleted"))]
    return [*columns, Column("queued", Phrase("Queued"))] if tally.queued else columns


def _of_which(count: int, part: int) -> Phrase:
    return Phrase("{count}, of which {part} perhaps under way", count=count, part=part) if part else Phrase.of(count)
