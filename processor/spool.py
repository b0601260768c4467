"""Bytes that come piece by piece: in memory while they are few, in a temporary file once they are not."""

import asyncio
import tempfile
from contextlib import ExitStack
from typing import IO, Final

from hostfaults import temporary_file_fault

IN_MEMORY: Final = 1024 * 1024
"""Bytes of a content that is held in memory; a larger one waits in a file."""


class Spool:
    """Takes pieces, one after the other. `size`: how many bytes it has."""

    def __init__(self, files: ExitStack) -> None:
        """`files` closes, and so deletes, the temporary file."""
        self._files = files
        self._file: IO[bytes] | None = None
        self._pending = bytearray()
        self.size = 0

    async def add(self, piece: bytes) -> None:
        """Take the next piece.

        Raises:
            HostFault: it cannot be written now.
        """
        self.size += len(piece)
        self._pending += piece
        if len(self._pending) > IN_MEMORY:
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
            await asyncio.to_thread(file.write, bytes(self._pending))
        except (OSError, MemoryError) as exc:
            raise temporary_file_fault(exc) from exc
        self._pending.clear()


def open_file(files: ExitStack) -> IO[bytes]:
    """An empty temporary file, which `files` closes and so deletes.

    Raises:
        HostFault: none can be made.
    """
    try:
        return files.enter_context(tempfile.TemporaryFile())
    except (OSError, MemoryError) as exc:
        raise temporary_file_fault(exc) from exc
