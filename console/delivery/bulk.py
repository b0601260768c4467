"""`mail-importer delivery retry` and `skip`: operations on many files."""

from typing import Final

import click
from sqlalchemy import Connection

from console.confirmation import confirm
from console.delivery.operations import Operation, change_files, sentences_of, skip_question
from console.delivery.selection import Selection, selecting
from console.invocation import Invocation, example, pass_invocation
from console.loop import run_async
from console.output import Report, prints_data
from console.progress import counting_of
from console.translation.help import Command
from db.engine import run_reading
from db.queries import file_log
from phrases import Phrase

_ASKED_FROM: Final = 2


@click.command(
    "retry",
    cls=Command,
    epilog=example(
        "mail-importer delivery retry --rule results",
        "mail-importer delivery retry --folder /srv/import/results --why 'ticket 7'",
        "mail-importer delivery retry --id 17 --id 18",
    ),
)
@prints_data
@selecting
@pass_invocation
def retry(invocation: Invocation, selection: Selection, yes: bool, why: str | None) -> Report:
    """Try again at once to save files that failed, or that wait after a failed attempt.

    Once their cause is corrected. They are tried again for seven days. --id and --message select also files that were
    given up. A file that lacks its bytes in the database is left out: import its message again (mail-importer import
    NAME --id ID --force). For more than one file it prompts first.
    """
    found = _found(invocation, Operation.RETRY, selection)
    if len(found) >= _ASKED_FROM:
        confirm(Phrase.counted("Save {n} file again?", "Try to save {n} files again?", n=len(found)), yes=yes)
    done = _done(invocation, found, Operation.RETRY, Phrase("Retrying"), str(selection), why)
    sentences = sentences_of(Operation.RETRY, len(found), done)
    return Report(
        {"action": "delivery retry", "files": done, "left_out": len(found) - done},
        sentences,
        _nothing(selection, found),
    )


@click.command(
    "skip",
    cls=Command,
    epilog=example(
        "mail-importer delivery skip --rule results",
        "mail-importer delivery skip --id 17 --yes --why 'saved by hand'",
    ),
)
@prints_data
@selecting
@pass_invocation
def skip(invocation: Invocation, selection: Selection, yes: bool, why: str | None) -> Report:
    """Give up files that failed, or that wait after a failed attempt: they are not saved.

    --id and --message select also files that were not attempted yet. Their messages no longer count as red for them.
    `delivery retry --id` saves them nevertheless. It prompts first.
    """
    found = _found(invocation, Operation.SKIP, selection)
    if found:
        confirm(skip_question(len(found)), yes=yes)
    done = _done(invocation, found, Operation.SKIP, Phrase("Giving up"), str(selection), why)
    sentences = sentences_of(Operation.SKIP, len(found), done)
    return Report(
        {"action": "delivery skip", "files": done, "left_out": len(found) - done}, sentences, _nothing(selection, found)
    )


def _found(invocation: Invocation, operation: Operation, selection: Selection) -> list[int]:
    """The numbers of the files, oldest first: some megabytes for a million."""

    def read(connection: Connection) -> list[int]:
        criteria = operation.criteria(selection.criteria(connection), is_narrow=selection.is_narrow)
        return file_log.numbers(connection, criteria)

    with invocation.gateway() as engine:
        return run_reading(engine, read)


def _done(
    invocation: Invocation, numbers: list[int], operation: Operation, activity: Phrase, selection: str, why: str | None
) -> int:
    """Change the files, with a progress bar, and return their number."""
    if not numbers:
        return 0

    async def run() -> int:
        async with invocation.database() as database:
            with counting_of(activity) as show:
                return await change_files(
                    database,
                    operation,
                    numbers,
                    selection=selection,
                    why=why,
                    clock=invocation.clock,
                    on_progress=show,
                )

    return run_async(run())


def _nothing(selection: Selection, found: list[int]) -> Phrase | None:
    """The failure for files that are named and do not fit."""
    missing = len(selection.file_ids) - len(found)
    if missing <= 0:
        return None
    return Phrase.counted(
        "{n} of the files named does not exist, or is in another state. See: mail-importer delivery list",
        "{n} of the files named do not exist, or are in other states. See: mail-importer delivery list",
        n=missing,
    )
