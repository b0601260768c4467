"""`mail-importer db purge`: deletes old messages, or only the contents of their attachments, from the database."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeVar

import click

from console.audit import audited
from console.confirmation import confirm
from console.db.purge_batches import Purged, PurgeSelection, Purging
from console.invocation import Invocation, all_account_names, as_stored, example, pass_invocation
from console.loop import run_async
from console.output import Column, Record, megabytes, prints_data, shown, tell, wrong_value
from console.progress import counting
from console.translation.help import Command
from db.queries import accounts
from phrases import Phrase
from phrases.commands import joined

T = TypeVar("T")

_AGE: Final = re.compile(r"([0-9]{1,9})([dh])")
_UNITS: Final = {"d": timedelta(days=1), "h": timedelta(hours=1)}
_LEAST: Final = timedelta(days=1)


def _before(context: click.Context, _parameter: click.Parameter, text: str) -> datetime:
    """Convert an age to the time before which mail is old."""
    found = _AGE.fullmatch(text.strip().lower())
    if found is None:
        raise wrong_value(Phrase("{text!r} is no age such as 400d (days) or 36h (hours).", text=text))
    now = context.ensure_object(Invocation).clock()
    try:
        age = int(found[1]) * _UNITS[found[2]]
        # Graph's times have whole seconds, and so have the times compared with `dtImportSince`.
        before = (now - age).replace(microsecond=0)
    except OverflowError as exc:
        raise wrong_value(Phrase("No mail is as old as {text}.", text=text)) from exc
    if age < _LEAST:
        raise wrong_value(Phrase("{text} is less than a day: that would be mail which is on its way still.", text=text))
    return before


@dataclass(frozen=True, slots=True)
class _Request:
    """The operator's request."""

    before: datetime
    account: str | None
    attachments_only: bool

    def __str__(self) -> str:
        """The form in the audit."""
        words = ["before", self.before.isoformat()]
        if self.account is not None:
            words += ["--account", self.account]
        return joined([*words, "--attachments-only"] if self.attachments_only else words)

    def question(self, found: Purged) -> Phrase:
        """The confirmation before the deletion."""
        facts: dict[str, object] = {
            "messages": found.messages,
            "attachments": found.attachments,
            "originals": found.originals,
            "seen": found.seen,
            "size": megabytes(found.size),
            "before": shown(self.before),
        }
        if self.attachments_only:
            return Phrase(
                "Delete the contents of {attachments} attachments and {originals} originals ({size}) of {messages} "
                "messages from before {before}?\nThis cannot be undone.",
                **facts,
            )
        return Phrase(
            "Delete {messages} messages from before {before} with {attachments} attachments and {originals} originals "
            "({size}), and the records of {seen} that filters left out?\nThis cannot be undone.\n"
            "Mail received before {before} will not be imported again.",
            **facts,
        )


@click.command(
    cls=Command,
    epilog=example(
        "mail-importer db purge --older-than 400d --dry-run",
        "mail-importer db purge --older-than 90d --attachments-only --yes",
    ),
)
@click.option(
    "--older-than",
    "before",
    metavar="AGE",
    required=True,
    callback=_before,
    help="How old at least: days (400d) or hours (36h); a day or more.",
)
@click.option("--attachments-only", is_flag=True, help="Only what is in attachments and originals; messages stay.")
@click.option(
    "--account",
    metavar="NAME",
    callback=as_stored,
    shell_complete=all_account_names,
    help="Only messages of this account.",
)
@click.option("--dry-run", is_flag=True, help="Only count what it would be.")
@click.option("--yes", is_flag=True, help="Do not prompt.")
@click.option("--why", metavar="TEXT", callback=as_stored, help="Why, for the record (tblQueueAudit).")
@prints_data
@pass_invocation
def purge(
    invocation: Invocation,
    before: datetime,
    attachments_only: bool,
    account: str | None,
    dry_run: bool,
    yes: bool,
    why: str | None,
) -> Record:
    """Delete old messages from the database for good.

    The age of a message is the time since it was received (dtReceived), or imported where that is not known; those of
    removed accounts are deleted, too. The command counts first, and prompts. It deletes in small batches, each message
    whole, so that other work continues meanwhile; interrupted (Ctrl-C), it can be run again and continues.

    Deleted mail does not come back while the mailbox still has it: mail that was received before then is no longer
    imported by the accounts concerned (--import-since), but on request: by `mail-importer import` with its id or an
    earlier --since, by `accounts update --import-since`, or by moving it into the folder again.

    With --attachments-only, messages and the rows of their attachments stay, with name, size, type and SHA-256; only
    biContent becomes null. Other programs recognise such an attachment by that: biContent is null, nSize is more than 0
    and sState is 'stored'; an attachment that never was in the database (too large, unreadable, gone, a link) has
    another sState. Originals (keep_mime) contain the attachments once more, so their contents are deleted with them.
    """
    request = _Request(before, account, attachments_only)
    with counting() as show:
        found = _at_database(
            invocation,
            request,
            lambda purging, selection: purging.count(selection, lambda done: show(Phrase("Counting"), done)),
        )
    if dry_run:
        return _record(found, request, purged=False)
    purged = Purged()
    if found.messages or found.seen:
        confirm(request.question(found), yes=yes)
        try:
            _at_database(
                invocation,
                request,
                lambda purging, selection: _purged(invocation, purging, selection, request, purged, why),
            )
        except KeyboardInterrupt:
            tell(
                Phrase("Broken off. {messages} messages are done; run it again for the rest.", messages=purged.messages)
            )
            raise
    return _record(purged, request, purged=True)


async def _purged(
    invocation: Invocation,
    purging: Purging,
    selection: PurgeSelection,
    request: _Request,
    purged: Purged,
    why: str | None,
) -> None:
    recorded = audited(
        purging.database,
        action="db purge",
        selection=str(request),
        done=lambda: purged.messages,
        clock=invocation.clock,
        why=why,
    )
    async with recorded:
        with counting() as show:
            await purging.purge(selection, purged, lambda done: show(Phrase("Purging"), done))


def _at_database(
    invocation: Invocation, request: _Request, work: Callable[[Purging, PurgeSelection], Awaitable[T]]
) -> T:
    async def run() -> T:
        async with invocation.database() as database:
            account_id = None
            if request.account is not None:
                name = request.account
                account_id = (
                    await database.read(lambda connection: accounts.with_removed(connection, name))
                ).account_id
            selection = PurgeSelection(request.before, account_id, request.attachments_only)
            return await work(Purging(database, clock=invocation.clock), selection)

    return run_async(run())


def _record(found: Purged, request: _Request, *, purged: bool) -> Record:
    row = {
        "before": request.before,
        "purged": purged,
        "messages": found.messages,
        "attachments": found.attachments,
        "originals": found.originals,
        "bytes": found.size,
        "seen": found.seen,
    }
    columns = [
        Column("before", Phrase("From before")),
        Column("messages", Phrase("Messages") if purged else Phrase("Messages, not purged yet")),
        Column("attachments", Phrase("Attachments")),
        Column("originals", Phrase("Originals")),
        Column("bytes", Phrase("Size of both"), megabytes),
        Column("seen", Phrase("Left out by filters")),
    ]
    return Record(columns, row)
