"""Temporary files of contents, for the processor and for worker processes, which do without an event loop."""

import contextlib
import io
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, Final

from hostfaults import temporary_file_fault

IN_MEMORY: Final = 1024 * 1024
"""Bytes of a content that is held in memory; a larger one waits in a file."""


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


def open_file(files: ExitStack) -> IO[bytes]:
    """An empty temporary file, which `files` closes and so deletes.

    Raises:
        HostFault: none can be made.
    """
    try:
        return files.enter_context(tempfile.TemporaryFile())
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
