"""Bytes that come piece by piece: in memory while they are few, in a temporary file once they are not."""

import asyncio
import secrets
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Final, TypeVar

from hostfaults import temporary_file_fault
from processor.content.temporary_files import IN_MEMORY, open_file
from threads import DaemonThreads

T = TypeVar("T")

_WRITTEN_SIDE_BY_SIDE: Final = 4


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
        folder = Path(tempfile.gettempdir(), f"mail-importer-{secrets.token_hex(8)}")
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
