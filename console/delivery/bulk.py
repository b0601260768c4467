"""`mail-importer delivery retry` and `skip`: operations on many files."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Final

import click
from sqlalchemy import Connection

from console.audit import audited
from console.confirmation import confirm
from console.delivery.selection import Selection, selecting
from console.invocation import Invocation, example, pass_invocation
from console.loop import run_async
from console.output import Report, prints_data
from console.progress import counting_of
from console.translation.help import Command
from db.engine import Database, run_reading
from db.outcomes import FileState
from db.queries import file_log, files
from db.queries.file_log import FileCriteria
from phrases import Phrase

_AT_ONCE: Final = 200
"""Files of one transaction, whose messages are locked meanwhile."""
_ASKED_FROM: Final = 2
_NONE: Final = Phrase("No file matches: none failed, and none waits after a failed attempt.")


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
    found = _found(
        invocation, lambda each: replace(selection.criteria(each), failing=True, given_up=selection.is_narrow)
    )
    if len(found) >= _ASKED_FROM:
        confirm(Phrase.counted("Save {n} file again?", "Try to save {n} files again?", n=len(found)), yes=yes)
    done = _done(
        invocation,
        found,
        "delivery retry",
        Phrase("Retrying"),
        str(selection),
        why,
        lambda connection, chunk: files.retry(connection, chunk, now=invocation.clock()),
    )
    again = Phrase.counted(
        "{n} file is due again. A running delivery saves it within a minute.",
        "{n} files are due again. A running delivery saves them from now on.",
        n=done,
    )
    sentences = [again if found else _NONE]
    left_out = len(found) - done
    if left_out:
        sentences.append(
            Phrase.counted(
                "{n} file was left out: its bytes are not in the database, or it was saved meanwhile.",
                "{n} files were left out: their bytes are not in the database, or they were saved meanwhile.",
                n=left_out,
            )
        )
    return Report(
        {"action": "delivery retry", "files": done, "left_out": left_out}, sentences, _nothing(selection, found)
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
    found = _found(
        invocation,
        lambda each: replace(
            selection.criteria(each),
            failing=not selection.is_narrow,
            states=(FileState.PENDING, FileState.FAILED) if selection.is_narrow else None,
        ),
    )
    if found:
        confirm(
            Phrase.counted(
                "Give up {n} file, so that it is not saved?",
                "Give up {n} files, so that they are not saved?",
                n=len(found),
            ),
            yes=yes,
        )
    done = _done(invocation, found, "delivery skip", Phrase("Giving up"), str(selection), why, files.skip)
    sentences = [Phrase.counted("{n} file is given up.", "{n} files are given up.", n=done) if found else _NONE]
    left_out = len(found) - done
    if left_out:
        sentences.append(
            Phrase.counted(
                "{n} file was left out: it is being saved.",
                "{n} files were left out: they are being saved.",
                n=left_out,
            )
        )
    return Report(
        {"action": "delivery skip", "files": done, "left_out": left_out}, sentences, _nothing(selection, found)
    )


def _found(invocation: Invocation, criteria_of: Callable[[Connection], FileCriteria]) -> list[int]:
    """The numbers of the files, oldest first: some megabytes for a million."""
    with invocation.gateway() as engine:
        return run_reading(engine, lambda connection: file_log.numbers(connection, criteria_of(connection)))


def _done(
    invocation: Invocation,
    numbers: list[int],
    action: str,
    activity: Phrase,
    selection: str,
    why: str | None,
    change: Callable[[Connection, list[int]], int],
) -> int:
    """Change the files some at a time, on record, and return their number; interrupted, it can be run again."""
    if not numbers:
        return 0
    done = 0

    async def work(database: Database) -> None:
        nonlocal done
        with counting_of(activity) as show:
            for start in range(0, len(numbers), _AT_ONCE):
                done += await database.write(partial(_changed, change, numbers[start : start + _AT_ONCE]))
                show(start, len(numbers))

    async def run() -> None:
        async with invocation.database() as database:
            recorded = audited(
                database, action=action, selection=selection, done=lambda: done, clock=invocation.clock, why=why
            )
            async with recorded:
                await work(database)

    run_async(run())
    return done


def _changed(change: Callable[[Connection, list[int]], int], numbers: list[int], connection: Connection) -> int:
    return change(connection, numbers)


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
