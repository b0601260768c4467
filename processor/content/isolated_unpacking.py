"""Unpacking in a worker process: untrusted content costs that process its time and memory, and its life at worst.

Contents are passed beside the records: a few in the frames, the others in files of a folder that exists as long as the
call.
"""

import shutil
from collections.abc import Hashable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import IO, Final, TypeAlias

import structlog

from db.queries.messages import AttachmentRecord
from longtext import LONG, PIECE_BYTES, LongText, LongTextFacts, LongTextWriter
from processor.content.mapping import Texts
from processor.content.spool import IN_MEMORY, scratch_folder, section_of, taken_from_scratch
from processor.content.unpacking import Unpacker, is_packed
from processor.process_pool import LimitExceeded, ProcessPool

PRELOAD: Final = (__name__,)
"""Modules of a worker process that unpacks."""

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

_LISTED: Final = "listed"
_FOUND: Final = "found"
_TEXT: Final = "text"
_AT: Final = "at"
_TRIES: Final = 3
"""Processes that one message may cost."""


@dataclass(frozen=True, slots=True)
class _Extent:
    """Bytes of the file beside."""

    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class _LongWrapped:
    """A text in the file beside that the attachment at `position` wraps."""

    position: int
    facts: LongTextFacts


_Written: TypeAlias = list[tuple[AttachmentRecord, "bytes | _Extent | None"]]
"""Records without their content, and the content of each."""


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
            folder, written = await scratch_folder(
                own, self._spooling, lambda folder: _written(records, folder / _LISTED)
            )
            try:
                found, text, replaced, shortened = await self._processes.run(
                    _unpack, written, folder, mailbox=mailbox, size=size, scratch=folder
                )
            except LimitExceeded as exc:
                raise _GivenUp(_begun_last(folder, packed), exc) from None
            rows = _read_back(found, folder / _FOUND, own)
            if text is not None:
                wrapped = LongText(taken_from_scratch(folder / _TEXT, own), text.facts)
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
    detail = given_up.get(row.position, row.state_detail)
    return replace(row, content=listed[row.position].content, state_detail=detail)


def _with_content_of(listed: Iterable[AttachmentRecord], packed: Iterable[AttachmentRecord]) -> list[AttachmentRecord]:
    wanted = {each.position for each in packed}
    return [each if each.position in wanted else replace(each, content=None) for each in listed]


def _begun_last(folder: Path, packed: Sequence[AttachmentRecord]) -> int:
    try:
        return int((folder / _AT).read_text("ascii"))
    except (OSError, ValueError):  # none was begun
        return packed[0].position


def _unpack(written: _Written, folder: Path) -> tuple[_Written, _LongWrapped | None, int, int]:
    """Unpack in the worker process; return all rows, those that were listed without content; the text that one of them
    wraps, where it is long; characters replaced, texts shortened.
    """
    texts = Texts()
    with ExitStack() as files:
        listed = _read_back(written, folder / _LISTED, files)
        rows = Unpacker().unpacked(listed, files, texts, on_begin=lambda position: _note(folder / _AT, position))
        unpacked = [replace(row, content=None) for row in rows[: len(listed)]] + rows[len(listed) :]
        text = _long_wrapped(unpacked, folder / _TEXT)
        return _written(unpacked, folder / _FOUND), text, texts.replaced, texts.shortened


def _long_wrapped(rows: list[AttachmentRecord], path: Path) -> _LongWrapped | None:
    """Leave the rows the first wrapped text, which alone is used; or write it to the file, where it is long."""
    wrapping = [each.position for each in rows if each.wrapped_text is not None]
    if not wrapping:
        return None
    first, *others = wrapping
    for position in others:
        rows[position] = replace(rows[position], wrapped_text=None)
    text = rows[first].wrapped_text
    if not isinstance(text, str) or len(text.encode()) <= LONG:
        return None
    rows[first] = replace(rows[first], wrapped_text=None)
    with path.open("wb") as file:
        writer = LongTextWriter(file)
        for start in range(0, len(text), PIECE_BYTES):
            writer.write(text[start : start + PIECE_BYTES])
        return _LongWrapped(first, writer.finish().facts)


def _note(path: Path, position: int) -> None:
    path.write_text(str(position), "ascii")


def _written(records: Iterable[AttachmentRecord], path: Path) -> _Written:
    """The records; contents that exceed `IN_MEMORY` together are in the file."""
    written: _Written = []
    left = IN_MEMORY
    with path.open("wb") as file:
        for record in records:
            content = record.content
            if isinstance(content, bytes) and len(content) <= left:
                left -= len(content)
                written.append((replace(record, content=None), content))
            elif content is None:
                written.append((record, None))
            else:
                offset = file.tell()
                source: IO[bytes] = BytesIO(content) if isinstance(content, bytes) else content
                source.seek(0)
                shutil.copyfileobj(source, file, IN_MEMORY)
                written.append((replace(record, content=None), _Extent(offset, file.tell() - offset)))
    return written


def _read_back(written: _Written, path: Path, files: ExitStack) -> list[AttachmentRecord]:
    """The records with their contents, for as long as `files` are open."""
    file = taken_from_scratch(path, files)
    return [
        replace(
            record, content=section_of(file, content.offset, content.size) if isinstance(content, _Extent) else content
        )
        for record, content in written
    ]
