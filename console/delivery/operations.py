"""Operations on many files of import rules: to try them again, and to give them up."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Final

from sqlalchemy import Connection

from console.audit import audited
from db.engine import Database
from db.outcomes import FileState
from db.queries import files
from db.queries.file_log import FileCriteria
from db.queries.history import Author
from phrases import Phrase

_AT_ONCE: Final = 200
"""Files of one transaction, whose messages are locked meanwhile."""
NO_FILES: Final = Phrase("No file matches: none failed, and none waits after a failed attempt.")


class Operation(StrEnum):
    """An operation, by its word in `tblQueueAudit`."""

    RETRY = "delivery retry"
    SKIP = "delivery skip"

    def criteria(self, selected: FileCriteria, *, is_narrow: bool) -> FileCriteria:
        """Those of the selected files that it is for. `is_narrow`: see `console.delivery.selection.Selection`."""
        if self is Operation.RETRY:
            return replace(selected, failing=True, given_up=is_narrow)
        if is_narrow:
            return replace(selected, states=(FileState.PENDING, FileState.FAILED))
        return replace(selected, failing=True)


async def change_files(
    database: Database,
    operation: Operation,
    numbers: Sequence[int],
    *,
    selection: str,
    why: str | None,
    clock: Callable[[], datetime],
    on_progress: Callable[[int, int], None],
    by: Author | None = None,
) -> int:
    """Change the files some at a time, on record, and return their number; interrupted, it can be run again.

    `by`: the author; None is the user of this command.

    Raises:
        DatabaseUnavailable: those before are changed.
    """
    done = 0
    recorded = audited(
        database, action=operation.value, selection=selection, done=lambda: done, clock=clock, why=why, by=by
    )
    async with recorded:
        for start in range(0, len(numbers), _AT_ONCE):
            done += await database.write(partial(_changed, operation, numbers[start : start + _AT_ONCE], clock()))
            on_progress(min(start + _AT_ONCE, len(numbers)), len(numbers))
    return done


def _changed(operation: Operation, numbers: Sequence[int], now: datetime, connection: Connection) -> int:
    if operation is Operation.RETRY:
        return files.retry(connection, numbers, now=now)
    return files.skip(connection, numbers, now=now)


def sentences_of(operation: Operation, found: int, done: int) -> list[Phrase]:
    """The result: of the files that were found, so many are changed."""
    if not found:
        return [NO_FILES]
    if operation is Operation.RETRY:
        told = [
            Phrase.counted(
                "{n} file is due again. A running delivery saves it within a minute.",
                "{n} files are due again. A running delivery saves them from now on.",
                n=done,
            )
        ]
        rest = Phrase.counted(
            "{n} file was left out: its bytes are not in the database, or it was saved meanwhile.",
            "{n} files were left out: their bytes are not in the database, or they were saved meanwhile.",
            n=found - done,
        )
    else:
        told = [Phrase.counted("{n} file is given up.", "{n} files are given up.", n=done)]
        rest = Phrase.counted(
            "{n} file was left out: it is being saved.",
            "{n} files were left out: they are being saved.",
            n=found - done,
        )
    return [*told, rest] if found > done else told


def skip_question(count: int) -> Phrase:
    """The question before so many files are given up."""
    return Phrase.counted(
        "Give up {n} file, so that it is not saved?", "Give up {n} files, so that they are not saved?", n=count
    )
