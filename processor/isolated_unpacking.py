"""Unpacking in a worker process: what a stranger packed costs that process its time and memory, and its life at worst.

Contents travel beside the records: a few in the frames, the others in files of a folder that lives as long as the call.
"""

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import Hashable, Iterable, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import IO, Final, TypeAlias

import structlog

from db.messages import AttachmentRecord
from processor.mapping import Texts
from processor.process_pool import LimitExceeded, ProcessPool
from processor.spool import IN_MEMORY, section_of
from processor.unpacking import Unpacker, UnpackingBounds, is_packed

PRELOAD: Final = (__name__,)
"""Modules of a worker process that unpacks."""

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

_LISTED: Final = "listed"
_FOUND: Final = "found"


@dataclass(frozen=True, slots=True)
class _Extent:
    """Bytes of the file beside."""

    offset: int
    size: int


_Stowed: TypeAlias = list[tuple[AttachmentRecord, "bytes | _Extent | None"]]
"""Records without their content, and that."""


class IsolatedUnpacker:
    """Unpacks the attachments of messages, each message in a worker process."""

    def __init__(self, processes: ProcessPool, spooling: Executor, bounds: UnpackingBounds | None = None) -> None:
        """`spooling`: threads that write temporary files."""
        self._processes = processes
        self._spooling = spooling
        self._bounds = bounds or UnpackingBounds()

    async def unpacked(
        self, listed: Sequence[AttachmentRecord], files: ExitStack, texts: Texts, *, mailbox: Hashable
    ) -> list[AttachmentRecord]:
        """As `Unpacker.unpacked`. What takes too much time or memory stays as it is, and says so in `state_detail`.

        `mailbox`: whose message it is; one mailbox does not keep the others waiting.
        """
        loop = asyncio.get_running_loop()
        with ExitStack() as own:
            folder = await loop.run_in_executor(self._spooling, _new_folder, own)
            size = sum(record.size for record in listed if is_packed(record))
            stowed = await loop.run_in_executor(self._spooling, _stowed, _packed_only(listed), folder / _LISTED)
            try:
                found, replaced, shortened = await self._processes.run(
                    _unpack, stowed, folder, self._bounds, mailbox=mailbox, size=size, scratch=folder
                )
            except LimitExceeded as exc:
                log.warning("attachments_not_unpacked", detail=str(exc), size=size)
                return [
                    replace(each, state_detail=f"Not unpacked: {exc}") if is_packed(each) else each for each in listed
                ]
            rows = _restored(found, folder / _FOUND, own)
            files.push(own.pop_all())
        texts.replaced += replaced
        texts.shortened += shortened
        return [
            replace(row, content=listed[number].content) if number < len(listed) else row
            for number, row in enumerate(rows)
        ]


def _unpack(stowed: _Stowed, folder: Path, bounds: UnpackingBounds) -> tuple[_Stowed, int, int]:
    """In the worker process: all rows, those that were listed without content; characters replaced, texts shortened."""
    texts = Texts()
    with ExitStack() as files:
        listed = _restored(stowed, folder / _LISTED, files)
        rows = Unpacker(bounds).unpacked(listed, files, texts)
        unpacked = [replace(row, content=None) for row in rows[: len(listed)]] + rows[len(listed) :]
        return _stowed(unpacked, folder / _FOUND), texts.replaced, texts.shortened


def _new_folder(files: ExitStack) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="mail-importer-"))
    files.callback(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _packed_only(listed: Iterable[AttachmentRecord]) -> list[AttachmentRecord]:
    return [each if is_packed(each) else replace(each, content=None) for each in listed]


def _stowed(records: Iterable[AttachmentRecord], path: Path) -> _Stowed:
    """The records; contents that are more than a little together are in the file."""
    stowed: _Stowed = []
    left = IN_MEMORY
    with path.open("wb") as file:
        for record in records:
            content = record.content
            if isinstance(content, bytes) and len(content) <= left:
                left -= len(content)
                stowed.append((replace(record, content=None), content))
            elif content is None:
                stowed.append((record, None))
            else:
                offset = file.tell()
                source: IO[bytes] = BytesIO(content) if isinstance(content, bytes) else content
                source.seek(0)
                shutil.copyfileobj(source, file, IN_MEMORY)
                stowed.append((replace(record, content=None), _Extent(offset, file.tell() - offset)))
    return stowed


def _restored(stowed: _Stowed, path: Path, files: ExitStack) -> list[AttachmentRecord]:
    """The records with their contents, for as long as `files` are open."""
    file = files.enter_context(path.open("rb"))
    with contextlib.suppress(OSError):  # Windows: then it goes with its folder
        path.unlink()
    return [
        replace(
            record, content=section_of(file, content.offset, content.size) if isinstance(content, _Extent) else content
        )
        for record, content in stowed
    ]
