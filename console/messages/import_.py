"""`mail-importer import`: fetch now what a mailbox holds and the database lacks."""

from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

import click

from console.audit import author
from console.confirmation import confirm
from console.invocation import Invocation, account_names, as_stored, example, pass_invocation, past_moment
from console.loop import run_async
from console.messages.importing import ImportRequest, OnProgress, failure_of, known_of, run_import
from console.output import (
    Column,
    Record,
    failure,
    print_object,
    printable,
    wrong_usage,
    wrong_value,
)
from console.progress import counting_of
from console.session import opened_account
from console.translation.help import Command
from console.translation.labels import word
from console.translation.language import translated
from db.queries.accounts import Account
from db.tables import GRAPH_ID_LENGTH
from phrases import Phrase
from processor.on_demand import Selection, Tally

_MAX_INTERNET_ID: Final = 998
_COLUMNS: Final = (
    Column("account", Phrase("Account")),
    Column("folder", Phrase("Folder")),
    Column("selected", Phrase("Selected")),
    Column("imported", Phrase("Imported")),
    Column("replaced", Phrase("Replaced")),
    Column("known", Phrase("Known already")),
    Column("duplicate", Phrase("Copies")),
    Column("seen", Phrase("Left out")),
    Column("gone", Phrase("Gone")),
    Column("scanning", Phrase("Waiting")),
    Column("failed", Phrase("Failed")),
)


def _ids(context: click.Context, parameter: click.Parameter, ids: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(_id(as_stored(context, parameter, each) or "", GRAPH_ID_LENGTH) for each in ids)


def _internet_id(context: click.Context, parameter: click.Parameter, text: str | None) -> str | None:
    stored = as_stored(context, parameter, text)
    return None if stored is None else _id(stored, _MAX_INTERNET_ID)


def _id(text: str, longest: int) -> str:
    bare = text.strip()
    if not bare:
        raise wrong_value(Phrase("It is empty."))
    if len(bare) > longest:
        raise wrong_value(Phrase("It has {count} characters; {longest} is the most.", count=len(bare), longest=longest))
    if not bare.isprintable():
        raise wrong_value(Phrase("It holds a character that cannot be seen, such as a line break."))
    return bare


@click.command(
    "import",
    cls=Command,
    epilog=example(
        "mail-importer import laboratory --since 2026-03-01", "mail-importer import laboratory --id AAkALg… --force"
    ),
)
@click.argument("name", callback=as_stored, shell_complete=account_names)
@click.option(
    "--id",
    "ids",
    metavar="GRAPH_ID",
    multiple=True,
    callback=_ids,
    help="The message of this id, whatever folder it is in; may be repeated.",
)
@click.option(
    "--internet-message-id",
    metavar="ID",
    callback=_internet_id,
    help="The message of the account's folder with this internet message id, with or without < >.",
)
@click.option(
    "--since",
    metavar="T",
    callback=past_moment,
    help="Messages of the folder received at this time or later "
    "(2h, 3d, today, 29.11.2026, ISO 8601; UTC unless it has an offset).",
)
@click.option("--force", is_flag=True, help="Fetch imported messages as well, and replace what is stored.")
@click.option("--yes", is_flag=True, help="Do not prompt, where --force is for more than one message.")
@click.option("--json", "in_json", is_flag=True, help="Print the same data as JSON.")
@pass_invocation
def import_(
    invocation: Invocation,
    name: str,
    ids: tuple[str, ...],
    internet_message_id: str | None,
    since: datetime | None,
    force: bool,
    yes: bool,
    in_json: bool,
) -> None:
    """Fetch now what a mailbox has and the database lacks.

    Without --id, --internet-message-id and --since that is everything in the account's folder, also what was received
    before the account imports (--import-since), but not what is so old that it was purged (db purge). This command
    imports by itself, without the queue; a processor may work at the same time. With --force each message keeps its
    nMessageID, and readers see the old message or the new one. Where the mailbox does not return something that is
    stored, the stored message is unchanged, and counts as failed. A copy of an imported message (the same internet
    message id, time of receipt and content under another Graph id) is imported only with --id and --force: then as a
    message of its own. The same holds for what the account's filters leave out; what they left out before they were
    changed is filtered again.

    A message whose attachments Defender still scans (Dynamic Delivery) waits for up to half an hour; then a running
    processor imports it. A running processor performs the action of --after-import, a few minutes later, on what is
    still in the folder.

    Exit status 1 when a message could not be imported.
    """
    if (bool(ids), internet_message_id is not None, since is not None).count(True) > 1:
        raise wrong_usage(Phrase("Select messages: by --id, --internet-message-id or --since."))
    request = ImportRequest(name, Selection(ids, internet_message_id, since), force)
    if force and not yes and len(set(ids)) != 1:
        _ask(invocation, request)
    with counting_of(Phrase("Importing")) as on_progress:
        account, tally = run_async(_imported(invocation, request, on_progress))
    _print(account, tally, in_json=in_json)
    reason = failure_of(account, request, tally)
    if reason is not None:
        raise failure(reason)


def _ask(invocation: Invocation, request: ImportRequest) -> None:
    """Request confirmation before more than one message is replaced."""
    count = run_async(_known(invocation, request))
    if count > 1:
        confirm(
            Phrase(
                "Fetch {count} imported messages of account {name!r} again, and replace each stored message?",
                count=count,
                name=request.name,
            ),
            yes=False,
        )


async def _known(invocation: Invocation, request: ImportRequest) -> int:
    """Count the messages of the request that are imported already."""
    async with opened_account(invocation, request.name) as opened:
        return await known_of(opened, request, invocation.settings, invocation.calls, clock=invocation.clock)


async def _imported(invocation: Invocation, request: ImportRequest, on_progress: OnProgress) -> tuple[Account, Tally]:
    async with opened_account(invocation, request.name) as opened:
        tally = await run_import(
            opened,
            request,
            invocation.settings,
            invocation.calls,
            clock=invocation.clock,
            author=author(),
            on_progress=on_progress,
        )
        return opened.account, tally


# Output.


def _print(account: Account, tally: Tally, *, in_json: bool) -> None:
    """Print the counts, and every message selected and not imported."""
    facts: dict[str, Any] = {"account": account.settings.name, "folder": account.settings.folder}
    facts |= {each.key: getattr(tally, each.key) for each in _COLUMNS[2:]}
    if in_json:
        print_object(facts, "not_imported", map(asdict, tally.not_imported))
        return
    Record(_COLUMNS, facts).print()
    for number, each in enumerate(tally.not_imported):
        # A line each, with the id unbroken at any terminal width.
        why = translated(Phrase.joined(Phrase.of(each.reason or ""), Phrase.of(each.detail or ""), by=": "))
        outcome = translated(word(each.outcome))
        click.echo(("" if number else "\n") + printable(f"{outcome:<6}  {each.message_id}  {why}".rstrip()))
