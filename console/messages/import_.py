"""`mail-importer import`: fetch now what a mailbox holds and the database lacks."""

import shlex
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

import click
from prometheus_client import CollectorRegistry

from console.audit import audited
from console.confirmation import confirm
from console.invocation import Invocation, account_names, as_stored, example, pass_invocation, past_moment
from console.loop import run_async
from console.output import (
    Column,
    Record,
    failure,
    print_object,
    printable,
    tell,
    wrong_usage,
    wrong_value,
)
from console.progress import counting_of
from console.session import OpenedAccount, opened_account
from console.translation.help import Command
from console.translation.labels import word
from console.translation.language import translated
from console.wiring.host import host_name
from console.wiring.processor import ImportOptions, importer_of
from db.keys import MessageKey
from db.queries import rules
from db.queries.accounts import Account
from db.tables import GRAPH_ID_LENGTH
from phrases import Phrase
from processor.accounts import mail_filter_of
from processor.importer import Importer, worker_processes
from processor.message_trace import TraceWriter
from processor.metrics import ProcessorMetrics
from processor.on_demand import MessageSelector, OnDemandImport, Selection, Tally

OnProgress = Callable[[int, int], None]

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


@dataclass(frozen=True, slots=True)
class _Request:
    """The operator's request."""

    name: str
    selection: Selection
    force: bool

    def __str__(self) -> str:
        """The request as typed, for the audit."""
        chosen = self.selection
        words = [self.name]
        for message_id in chosen.ids:
            words += ["--id", message_id]
        if chosen.internet_message_id is not None:
            words += ["--internet-message-id", chosen.internet_message_id]
        if chosen.since is not None:
            words += ["--since", chosen.since.astimezone(UTC).isoformat()]
        return shlex.join([*words, "--force"] if self.force else words)


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
    request = _Request(name, Selection(ids, internet_message_id, since), force)
    if force and not yes and len(set(ids)) != 1:
        _ask(invocation, request)
    with counting_of(Phrase("Importing")) as on_progress:
        account, tally = run_async(_imported(invocation, request, on_progress))
    _print(account, tally, in_json=in_json)
    reason = _failure(account, request, tally)
    if reason is not None:
        raise failure(reason)


def _ask(invocation: Invocation, request: _Request) -> None:
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


async def _known(invocation: Invocation, request: _Request) -> int:
    """Count the messages of the request that are imported already."""
    async with _importing(invocation, request.name) as (opened, importer, selector):
        account, found = opened.account, set[MessageKey]()
        selection = _without_purged(request.selection, account)
        async for ids in selector.pages(opened.mailbox, account.settings.folder, selection):
            keys = [(account.account_id, each) for each in ids]
            found |= await importer.store.known(keys, include_filtered=False)
        return len(found)


@asynccontextmanager
async def _importing(
    invocation: Invocation, name: str
) -> AsyncIterator[tuple[OpenedAccount, Importer, MessageSelector]]:
    async with opened_account(invocation, name) as opened, worker_processes() as processes:
        options = ImportOptions.of_settings(invocation.settings)
        wanting = await opened.database.read(rules.needs_original)
        importer = importer_of(
            opened.reader,
            opened.database,
            replace(options, keep_mime=options.keep_mime or bool(wanting & {opened.account.account_id, None})),
            clock=invocation.clock,
            processes=processes,
            sleep=invocation.calls.sleep,
        )
        try:
            yield opened, importer, MessageSelector(opened.reader, importer.store, opened.folders)
        finally:
            await importer.store.close()


async def _imported(invocation: Invocation, request: _Request, on_progress: OnProgress) -> tuple[Account, Tally]:
    clock, tally = invocation.clock, Tally()
    async with _importing(invocation, request.name) as (opened, importer, selector), AsyncExitStack() as resources:
        account, database = opened.account, opened.database
        if not account.enabled:
            tell(Phrase("The account {name!r} is disabled. This imports anyway.", name=request.name))
        trace = TraceWriter(database, host=host_name(), clock=clock, metrics=ProcessorMetrics(CollectorRegistry()))
        trace.start()
        resources.push_async_callback(trace.close)
        work = OnDemandImport(selector, importer.store, importer, trace, clock=clock, on_progress=on_progress)
        selection = _without_purged(request.selection, account)
        if selection != request.selection:
            tell(
                Phrase(
                    "Mail received before {since:%Y-%m-%d %H:%M:%S} UTC was purged, and is left out; --since brings it "
                    "back.",
                    since=selection.since,
                )
            )
        async with audited(database, action="import", selection=str(request), done=lambda: tally.written, clock=clock):
            await work.run(
                opened.mailbox,
                account.settings.folder,
                selection,
                tally,
                force=request.force,
                mail_filter=mail_filter_of(account.settings),
                then=account.settings.after_import,
            )
        return account, tally


def _without_purged(selection: Selection, account: Account) -> Selection:
    """Exclude purged mail from an empty selection; a message, or a time, that is named stays."""
    if selection != Selection() or account.purged_before is None:
        return selection
    return Selection(since=account.purged_before)


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


def _failure(account: Account, request: _Request, tally: Tally) -> Phrase | None:
    if tally.stopped is not None:
        left = tally.selected - tally.done
        not_tried = Phrase.counted("{n} message was not tried.", "{n} messages were not tried.", n=left)
        return Phrase.joined(Phrase.of(tally.stopped), not_tried if left else Phrase(""))
    if tally.failed:
        return Phrase(
            "{failed} of {selected} messages could not be imported.", failed=tally.failed, selected=tally.selected
        )
    if request.force and tally.gone:
        return Phrase.counted(
            "{n} message is not in the mailbox any more; what is stored of it stays as it is.",
            "{n} messages are not in the mailbox any more; what is stored of them is unchanged.",
            n=tally.gone,
        )
    if request.selection.internet_message_id is not None and not tally.selected:
        return Phrase(
            "The folder {folder!r} of account {name!r} has no message with that internet message id. One that was "
            "moved to another folder can be imported by its Graph id (--id).",
            folder=account.settings.folder,
            name=request.name,
        )
    return None
