"""Bytes that come piece by piece: in memory while they are few, in a temporary file once they are not."""

import asyncio
import tempfile
from contextlib import ExitStack
from typing import IO, Final

IN_MEMORY: Final = 1024 * 1024
"""Bytes of a content that is held in memory; a larger one waits in a file."""


class Spool:
    """Takes pieces, one after the other. `size`: how many bytes it has."""

    def __init__(self, files: ExitStack, *, in_memory: int = IN_MEMORY) -> None:
        """`files` closes, and so deletes, the temporary file. `in_memory`: bytes for which there is none."""
        self._files = files
        self._in_memory = in_memory
        self._file: IO[bytes] | None = None
        self._pending = bytearray()
        self.size = 0

    async def add(self, piece: bytes) -> None:
        """Take the next piece."""
        self.size += len(piece)
        self._pending += piece
        if len(self._pending) > (self._in_memory if self._file is None else IN_MEMORY):
            if self._file is None:
                self._file = self._files.enter_context(tempfile.TemporaryFile())  # noqa: SIM115  # `files` closes it
            await self._write(self._file)

    async def held(self) -> bytes | IO[bytes]:
        """All of it, as bytes or in an open file; nothing is added any more."""
        if self._file is None:
            return bytes(self._pending)
        await self._write(self._file)
        return self._file

    async def _write(self, file: IO[bytes]) -> None:
        await asyncio.to_thread(file.write, bytes(self._pending))
        self._pending.clear()
