"""Bytes that come piece by piece: in memory while they are few, in a temporary file once they are not."""

import asyncio
import contextlib
import io
import secrets
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, Final, TypeVar

from hostfaults import temporary_file_fault
from threads import DaemonThreads

T = TypeVar("T")

IN_MEMORY: Final = 1024 * 1024
"""Bytes of a content that is held in memory; a larger one waits in a file."""

_WRITTEN_SIDE_BY_SIDE: Final = 4


def spooling_threads() -> Executor:
    """Threads that write temporary files: a disk that hangs delays nothing else."""
    return DaemonThreads("spooling", limit=_WRITTEN_SIDE_BY_SIDE)


class _Section(io.RawIOBase):
    def __init__(self, file: IO[bytes], start: int, size: int) -> None:
        self._file = file
        self._start = start
        self._size = size
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401  # its type has no name before Python 3.12
        view = memoryview(buffer)
        self._file.seek(self._start + self._position)
        piece = self._file.read(max(0, min(len(view), self._size - self._position)))
        view[: len(piece)] = piece
        self._position += len(piece)
        return len(piece)


def section_of(file: IO[bytes], start: int, size: int) -> IO[bytes]:
    """`size` bytes of an open file, from `start` on, as a file of their own: many contents need one descriptor.

    To be read while the file is open, by one thread at a time.
    """
    return io.BufferedReader(_Section(file, start, size))


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


def open_file(files: ExitStack) -> IO[bytes]:
    """An empty temporary file, which `files` closes and so deletes.

    Raises:
        HostFault: none can be made.
    """
    try:
        return files.enter_context(tempfile.TemporaryFile())
    except OSError as exc:
        raise temporary_file_fault(exc) from exc


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


def taken_from_scratch(path: Path, files: ExitStack) -> IO[bytes]:
    """Open a file of a scratch folder, which `files` closes, and remove its name. Blocks.

    Raises:
        HostFault: it cannot be opened.
    """
    try:
        file = files.enter_context(path.open("rb"))
    except OSError as exc:
        raise temporary_file_fault(exc) from exc
    with contextlib.suppress(OSError):  # Windows: then it goes with its folder
        path.unlink()
    return file
