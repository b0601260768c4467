"""Unpacking in a worker process: untrusted content costs that process its time and memory, and its life at worst."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Final

import structlog

from db.records import AttachmentRecord
from longtext import LongText
from processor.content import unpacking_process
from processor.content.spool import scratch_folder
from processor.content.temporary_files import taken_from_scratch
from processor.content.texts import Texts
from processor.content.unpacking import is_packed
from processor.content.unpacking_process import AT, FOUND, LISTED, TEXT, read_back, unpack, written
from processor.process_pool import LimitExceeded, ProcessPool

PRELOAD: Final = (unpacking_process.__name__,)
"""Modules of a worker process that unpacks."""

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

_TRIES: Final = 3
"""Processes that one message may cost."""


class IsolatedUnpacker:
    """Unpacks the attachments of messages, each message in a worker process."""

    def __init__(self, processes: ProcessPool, spooling: Executor) -> None:
        """`spooling`: threads that write temporary files."""
        self._processes = processes
        self._spooling = spooling

    async def unpacked(
        self, listed: Sequence[AttachmentRecord], files: ExitStack, texts: Texts, *, mailbox: Hashable
    ) -> list[AttachmentRecord]:
        """Like `Unpacker.unpacked`. One that takes too much time or memory stays as it is, stated in `state_detail`.

        Those beside it are still unpacked, unless several take too much. `mailbox`: the owner of the message;
        one mailbox does not keep the others waiting.
        """
        given_up: dict[int, str] = {}
        while len(given_up) < _TRIES:
            left = [each for each in listed if is_packed(each) and each.position not in given_up]
            if not left:
                break
            try:
                rows = await self._tried(listed, left, files, texts, mailbox)
            except _GivenUp as exc:
                log.warning("attachment_not_unpacked", position=exc.position, detail=str(exc))
                given_up[exc.position] = f"Not unpacked: {exc}"
            else:
                return [_as_listed(row, listed, given_up) for row in rows]
        details = {
            each.position: "Not unpacked: others of this message take too much." for each in listed if is_packed(each)
        }
        return [_as_listed(each, listed, {**details, **given_up}) for each in listed]

    async def _tried(
        self,
        listed: Sequence[AttachmentRecord],
        packed: Sequence[AttachmentRecord],
        files: ExitStack,
        texts: Texts,
        mailbox: Hashable,
    ) -> list[AttachmentRecord]:
        size = sum(each.size for each in packed)
        with ExitStack() as own:
            records = _with_content_of(listed, packed)
            folder, passed = await scratch_folder(own, self._spooling, lambda folder: written(records, folder / LISTED))
            try:
                found, text, replaced, shortened = await self._processes.run(
                    unpack, passed, folder, mailbox=mailbox, size=size, scratch=folder
                )
            except LimitExceeded as exc:
                raise _GivenUp(_begun_last(folder, packed), exc) from None
            rows = read_back(found, folder / FOUND, own)
            if text is not None:
                wrapped = LongText(taken_from_scratch(folder / TEXT, own), text.facts)
                rows[text.position] = replace(rows[text.position], wrapped_text=wrapped)
            files.push(own.pop_all())
        texts.replaced += replaced
        texts.shortened += shortened
        return rows


class _GivenUp(Exception):
    """The attachment at `position` exceeded a limit; the text names it."""

    def __init__(self, position: int, why: LimitExceeded) -> None:
        super().__init__(str(why))
        self.position = position


def _as_listed(
    row: AttachmentRecord, listed: Sequence[AttachmentRecord], given_up: Mapping[int, str]
) -> AttachmentRecord:
    """A row that Graph listed with its content again, and the reason it was given up; any other as it is."""
    if row.position >= len(listed):
        return row
    row = replace(row, content=listed[row.position].content)
    problem = given_up.get(row.position)
    return row if problem is None else row.with_problem(problem)


def _with_content_of(listed: Iterable[AttachmentRecord], packed: Iterable[AttachmentRecord]) -> list[AttachmentRecord]:
    wanted = {each.position for each in packed}
    return [each if each.position in wanted else replace(each, content=None) for each in listed]


def _begun_last(folder: Path, packed: Sequence[AttachmentRecord]) -> int:
    try:
        return int((folder / AT).read_text("ascii"))
    except (OSError, ValueError):  # none was begun
        return packed[0].position
