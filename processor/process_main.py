"""A worker process: calls one function after the other for `processor.process_pool`, within limits.

It is started as `python -m processor.process_main MODULE...`, with the modules to preload. Standard input and output
carry frames: eight bytes of length, then a pickle. Both sides are one program of one user, so that nothing is read here
that could not be done anyway. It ends when its input does, however its parent ended.
"""

import contextlib
import os
import pickle
import shutil
import struct
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from queue import SimpleQueue
from typing import IO, Any, Final

from operatingsystem import ProcessLimits, become_worker, peak_memory_bytes

OUT_OF_MEMORY: Final = 77
"""The exit status of a process that needed more memory than its call may have."""

_LENGTH: Final = struct.Struct(">Q")
_TIRED_AFTER_BYTES: Final = 160 * 1024 * 1024
"""Bytes of memory once used: an allocator keeps much of it, and the next call is to have as much as any other."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call. `scratch`: a folder of temporary files, deleted here if the parent is gone."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    cpu_seconds: float
    memory_bytes: int
    scratch: Path | None


@dataclass(frozen=True, slots=True)
class Reply:
    """The result or the exception of the function. `is_last`: the process is to be replaced."""

    result: Any
    error: Exception | None
    is_last: bool


def write_frame(file: IO[bytes], content: bytes) -> None:
    """Write all of it; the file has no buffer."""
    for part in (_LENGTH.pack(len(content)), content):
        left = memoryview(part)
        while left:
            left = left[file.write(left) :]


def read_frame(file: IO[bytes]) -> bytes:
    """The content of the next frame.

    Raises:
        EOFError: there is no other, or no whole one.
    """
    [length] = _LENGTH.unpack(_read(file, _LENGTH.size))
    return _read(file, length)


def _read(file: IO[bytes], size: int) -> bytes:
    content = bytearray()
    while len(content) < size:
        piece = file.read(min(size - len(content), 1024 * 1024))
        if not piece:
            raise EOFError
        content += piece
    return bytes(content)


class _Process:
    def __init__(self, requests: IO[bytes], replies: IO[bytes]) -> None:
        self._requests = requests
        self._replies = replies
        self._calls: SimpleQueue[bytes] = SimpleQueue()
        self._scratch: Path | None = None
        self._limits = ProcessLimits()

    def serve(self) -> None:
        """Report readiness, then answer calls until the parent is gone."""
        threading.Thread(target=self._receive, daemon=True).start()
        write_frame(self._replies, b"")
        while True:
            call: Call = pickle.loads(self._calls.get())  # noqa: S301  # from the parent
            self._scratch = call.scratch
            write_frame(self._replies, _replied(call, self._limits))

    def _receive(self) -> None:
        # On a thread of its own, so that the end of the parent is noticed in the midst of a call.
        with contextlib.suppress(EOFError, OSError):
            while True:
                self._calls.put(read_frame(self._requests))
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)
        os._exit(0)


def _replied(call: Call, limits: ProcessLimits) -> bytes:
    try:
        limits.set(call.cpu_seconds, call.memory_bytes)
        try:
            reply = Reply(call.function(*call.arguments), None, is_last=peak_memory_bytes() > _TIRED_AFTER_BYTES)
        except MemoryError:
            raise
        except Exception as exc:  # noqa: BLE001  # raised again in the parent
            reply = Reply(None, exc, is_last=True)
        return pickle.dumps(reply)
    except MemoryError:
        os._exit(OUT_OF_MEMORY)


def main() -> None:
    """Serve the parent."""
    become_worker()
    requests, replies = os.fdopen(os.dup(0), "rb", 0), os.fdopen(os.dup(1), "wb", 0)
    # Output of a library must not get between the frames.
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    for module in sys.argv[1:]:
        import_module(module)
    _Process(requests, replies).serve()


if __name__ == "__main__":
    # The module by its name: objects pickled here must be found there.
    import_module("processor.process_main").main()
