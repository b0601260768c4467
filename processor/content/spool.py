"""Bytes that come piece by piece: in memory while they are few, in a temporary file once they are not."""

import asyncio
import secrets
import shutil
import stat
import tempfile
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, Final, TypeVar

import structlog

from hostfaults import temporary_file_fault
from operatingsystem import user_number
from processor.content.temporary_files import IN_MEMORY, open_file
from threads import DaemonThreads

T = TypeVar("T")

_WRITTEN_SIDE_BY_SIDE: Final = 4
_SCRATCH: Final = "mail-importer-"
_SCRATCH_BYTES: Final = 8
_ABANDONED_AFTER: Final = timedelta(days=1)
"""More than the clock is ever set forward while a folder is in use, for some minutes at most."""
_REMOVE_EVERY_SECONDS: Final = 3600.0

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


def spooling_threads() -> Executor:
    """Threads that write temporary files: a disk that hangs delays nothing else."""
    return DaemonThreads("spooling", limit=_WRITTEN_SIDE_BY_SIDE)


class Spool:
    """Collects pieces, one after the other. `size`: number of bytes in it."""

    def __init__(self, files: ExitStack, threads: Executor, *, in_memory: int = IN_MEMORY) -> None:
        """`files` closes, and so deletes, the temporary file. `threads` write it.

        `in_memory`: bytes that are held without a file.
        """
        self._files = files
        self._threads = threads
        self._in_memory = in_memory
        self._file: IO[bytes] | None = None
        self._pending = bytearray()
        self.size = 0

    async def add(self, piece: bytes) -> None:
        """Add the next piece.

        Raises:
            HostFault: it cannot be written now.
        """
        self.size += len(piece)
        self._pending += piece
        if len(self._pending) > (self._in_memory if self._file is None else IN_MEMORY):
            if self._file is None:
                self._file = open_file(self._files)
            await self._write(self._file)

    async def held(self) -> bytes | IO[bytes]:
        """All of it, as bytes or in an open file; nothing is added any more."""
        if self._file is None:
            return bytes(self._pending)
        await self._write(self._file)
        return self._file

    async def _write(self, file: IO[bytes]) -> None:
        try:
            await asyncio.get_running_loop().run_in_executor(self._threads, file.write, bytes(self._pending))
        except OSError as exc:
            raise temporary_file_fault(exc) from exc
        self._pending.clear()


async def scratch_folder(files: ExitStack, threads: Executor, fill: Callable[[Path], T]) -> tuple[Path, T]:
    """Make a temporary folder for work of another process, call `fill` with it on a thread, and return its result.

    `files` deletes the folder with all that is in it. Cancelled, it is deleted as soon as the thread is done with it.

    Raises:
        HostFault: it cannot be made or written to.
    """
    try:
        folder = Path(tempfile.gettempdir(), f"{_SCRATCH}{secrets.token_hex(_SCRATCH_BYTES)}")
    except OSError as exc:
        raise temporary_file_fault(exc) from exc
    filled = threads.submit(_filled, folder, fill)
    try:
        result = await asyncio.wrap_future(filled)
    except BaseException:
        filled.add_done_callback(lambda _: shutil.rmtree(folder, ignore_errors=True))
        raise
    files.callback(shutil.rmtree, folder, ignore_errors=True)
    return folder, result


def _filled(folder: Path, fill: Callable[[Path], T]) -> T:
    try:
        folder.mkdir(mode=0o700)
        return fill(folder)
    except OSError as exc:
        raise temporary_file_fault(exc) from exc


async def remove_abandoned_folders(
    clock: Callable[[], datetime], *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
) -> None:
    """Delete, each hour, temporary folders that are a day old: a process that was killed left mail in them."""
    threads = DaemonThreads("abandoned folders", limit=1)
    while True:
        removed = await asyncio.get_running_loop().run_in_executor(threads, _remove_abandoned, clock())
        if removed:
            log.info("abandoned_folders_removed", folders=removed)
        await sleep(_REMOVE_EVERY_SECONDS)


def _remove_abandoned(now: datetime) -> int:
    removed = 0
    for folder in Path(tempfile.gettempdir()).glob(_SCRATCH + "[0-9a-f]" * 2 * _SCRATCH_BYTES):
        try:
            found = folder.lstat()
        except OSError:  # another process removed it
            continue
        own = user_number() in {"", str(found.st_uid)}
        if own and stat.S_ISDIR(found.st_mode) and now.timestamp() - found.st_mtime > _ABANDONED_AFTER.total_seconds():
            shutil.rmtree(folder, ignore_errors=True)
            removed += not folder.exists()
    return removed
