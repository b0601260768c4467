"""The stream that logs go to. Its failure is no failure of the work that is logged."""

import json
import threading
from collections.abc import Callable
from io import TextIOWrapper
from typing import Any, Protocol


class LogStream(Protocol):
    """The part of a text stream that logs need."""

    def write(self, text: str, /) -> object:
        """Write lines."""
        ...

    def flush(self) -> None:
        """Hand them to the system."""
        ...

    def isatty(self) -> bool:
        """Return True for a terminal."""
        ...


class TolerantStream:
    """Writes whole lines to a stream, at once, and never raises for what is wrong with it. Safe for threads.

    Where its reader is gone or its disk is full, lines are lost; their count, in the form that `lost_lines` gives it,
    is written before the first line after the fault, which begins a line of its own. Characters that the encoding of
    the stream lacks are written as JSON writes them in ASCII: `\\u2019`.
    """

    def __init__(self, stream: LogStream, lost_lines: Callable[[int], str]) -> None:
        self._stream = stream
        self._lost_lines = lost_lines
        self._lost = 0
        self._is_torn = False
        self._lock = threading.Lock()

    def write(self, text: str, /) -> int:
        """Write lines, and hand them to the system."""
        with self._lock:
            try:
                self._write(f"{self._lost_lines(self._lost)}{text}" if self._lost else text)
            except (OSError, ValueError):  # ValueError: the stream was closed
                self._lost += text.count("\n")
            else:
                self._lost = 0
        return len(text)

    def flush(self) -> None:
        """Do nothing: `write` does it, so that a fault of the disk belongs to a line."""

    def isatty(self) -> bool:
        """Return True for a terminal."""
        return self._stream.isatty()

    def _write(self, text: str) -> None:
        if isinstance(self._stream, TextIOWrapper):
            self._write_bytes(self._stream, text)
        else:
            self._stream.write(text)
            self._stream.flush()

    def _write_bytes(self, stream: TextIOWrapper, text: str) -> None:
        """Write past the buffers, which would keep what a full disk did not take, and write it with later lines."""
        stream.flush()
        raw: Any = getattr(stream.buffer, "raw", stream.buffer)
        left = memoryview(_encoded(f"\n{text}" if self._is_torn else text, stream.encoding))
        try:
            while left:
                written = raw.write(left)
                if not written:  # a pipe that does not block, and is full
                    raise BlockingIOError
                self._is_torn = True
                left = left[written:]
        finally:
            if not left:
                self._is_torn = False


def _encoded(text: str, encoding: str) -> bytes:
    try:
        return text.encode(encoding)
    except UnicodeEncodeError:
        return "".join(each if each.isascii() else json.dumps(each)[1:-1] for each in text).encode(encoding)
