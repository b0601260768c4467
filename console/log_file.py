"""The log file of a process: rotated by size, bounded in number, and never a reason for work to stop.

The library's `RotatingFileHandler` fails on each record while a program of Windows keeps the file open, and loses the
records meanwhile; it also lets two processes write to one file. Here each process has a file of its own, which a lock
of the operating system reserves.
"""

import errno
import json
import os
import re
import shutil
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

_IN_USE: Final = frozenset({errno.EAGAIN, errno.EACCES, errno.EDEADLK})
"""Errors of a lock that another process holds; the last two are those of Windows."""
_MAX_PROCESSES: Final = 32
"""Processes of one role on a host that write to one folder."""
_RETRY_SECONDS: Final = 5.0
"""Between two attempts to open the file after an error."""
_EXCESS: Final = 2
"""A file that cannot be rotated grows to that many times its size, and is emptied then."""
_TIME_FORMAT: Final = "%Y%m%dT%H%M%S%fZ"

if sys.platform == "win32":
    import msvcrt

    def _lock(number: int) -> None:
        msvcrt.locking(number, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(number: int) -> None:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)


class LogFileUnavailable(OSError):
    """Every name for the file is in use by a process."""


@dataclass(frozen=True, slots=True)
class LogFileLimits:
    """The bounds of the log files of one process. `count`: rotated files beside the current one."""

    max_bytes: int
    count: int


@dataclass(slots=True, weakref_slot=True, eq=False)  # structlog keeps a lock for each stream
class LogFile:
    """The file of this process, in the form of a text stream. Safe for threads.

    `base` is the file of a process of all roles. A process of one role has the name of it in its file's
    (`mail-importer-receiver.log`), a second process of the role a number as well (`mail-importer-processor-2.log`).
    `path`: what was reserved so.

    An error of the disk does not reach the caller of `write`: the line is lost, and the count of lost lines
    (`log_lines_lost`) is the first line after the error. `on_fault` is called once an outage. Until the file was open
    for the first time, lines go to `meanwhile`.
    """

    base: Path
    role: str | None
    limits: LogFileLimits
    clock: Callable[[], datetime]
    monotonic: Callable[[], float]
    on_fault: Callable[[OSError], None] = lambda _error: None
    meanwhile: Callable[[str], object] = lambda _text: None
    path: Path = field(init=False)
    _lock_number: int | None = None
    _number: int | None = None
    _size: int = 0
    _rotate_at: int = 0
    _lost: int = 0
    _retry_at: float = 0.0
    _is_torn: bool = False
    _is_reported: bool = False
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def __post_init__(self) -> None:
        self.path = self.base

    def open(self) -> None:
        """Reserve and open the file; its folder is created.

        Raises:
            OSError: the folder or the file cannot be written.
            LogFileUnavailable: 32 processes write there already.
        """
        with self._lock:
            self._open()

    def open_later(self, fault: OSError) -> None:
        """Have `write` open the file, which failed for now."""
        with self._lock:
            self._fail()
        self.on_fault(fault)

    def write(self, text: str) -> int:
        """Append text, which ends with a line end. Never raises for an error of the disk."""
        fault = None
        with self._lock:
            try:
                is_written = self._append(text.encode("utf-8", "backslashreplace"))
            except OSError as exc:
                fault = None if self._is_reported else exc
                self._fail()
                is_written = False
            if not is_written:
                self._lose(text)
        if fault is not None:
            self.on_fault(fault)
        return len(text)

    def _fail(self) -> None:
        self._close()
        self._is_reported = True
        self._retry_at = self.monotonic() + _RETRY_SECONDS

    def _lose(self, text: str) -> None:
        if self._lock_number is None:
            self.meanwhile(text)
        else:
            self._lost += 1

    def flush(self) -> None:
        """Do nothing: there is no buffer."""

    def isatty(self) -> bool:
        """False: it is a file."""
        return False

    def close(self) -> None:
        """Close the file and release its name."""
        with self._lock:
            self._close()
            self._release()

    def _release(self) -> None:
        if self._lock_number is not None:
            os.close(self._lock_number)
            self._lock_number = None

    def _append(self, content: bytes) -> bool:
        """Write the content; False while the next attempt to open the file is not due."""
        if self._number is None:
            if self.monotonic() < self._retry_at:
                return False
            self._open()
        if self._size and self._size + len(content) > self._rotate_at:
            self._rotate()
        if self._lost or self._is_torn:
            content = self._gap() + content
        try:
            self._write_all(content)
        except OSError:
            self._is_torn = True
            raise
        self._lost, self._is_torn, self._is_reported = 0, False, False
        return True

    def _gap(self) -> bytes:
        """The end of a line that an error cut, and the count of lines that are missing."""
        line = b""
        if self._lost:
            facts = {"lost": self._lost, "event": "log_lines_lost", "level": "warning"}
            line = json.dumps({**facts, "timestamp": self.clock().astimezone(UTC).isoformat()}).encode() + b"\n"
        return b"\n" + line if self._is_torn else line

    def _write_all(self, content: bytes) -> None:
        left = memoryview(content)
        while left and self._number is not None:
            written = os.write(self._number, left)
            self._size += written
            left = left[written:]

    def _open(self) -> None:
        is_first = self._lock_number is None
        if is_first:
            self.path, self._lock_number = _reserved(self.base, self.role)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOINHERIT", 0)
        try:
            self._number = os.open(self.path, flags, 0o640)
        except OSError:
            if is_first:
                self._release()
            raise
        self._size = os.fstat(self._number).st_size
        self._rotate_at = self.limits.max_bytes

    def _close(self) -> None:
        number, self._number = self._number, None
        if number is not None:
            with suppress(OSError):  # what a full disk still owes
                os.close(number)

    def _rotate(self) -> None:
        """Put the contents under a name with the time, and begin anew; where neither works, continue in the file."""
        archive = self._free_name()
        self._close()  # Windows renames no file that this process has open
        try:
            self.path.rename(archive)
        except FileNotFoundError:
            pass  # an operator moved it
        except OSError:  # Windows: another program has it open
            self._copy_and_empty(archive)
        self._delete_oldest()
        self._open()
        if self._size >= self.limits.max_bytes:
            self._rotate_at = self._size + self.limits.max_bytes // 10

    def _copy_and_empty(self, archive: Path) -> None:
        try:
            shutil.copyfile(self.path, archive)
        except OSError:
            with suppress(OSError):
                archive.unlink(missing_ok=True)
            if self._size < self.limits.max_bytes * _EXCESS:
                return
        with suppress(OSError):
            os.truncate(self.path, 0)

    def _free_name(self) -> Path:
        name = f"{self.path.stem}.{self.clock().astimezone(UTC).strftime(_TIME_FORMAT)}"
        plain = self.path.with_name(f"{name}{self.path.suffix}")
        if not plain.exists():
            return plain
        numbered = (self.path.with_name(f"{name}-{number}{self.path.suffix}") for number in range(1, 1000))
        return next((each for each in numbered if not each.exists()), plain)

    def _delete_oldest(self) -> None:
        for archive in archives(self.path)[: -self.limits.count]:
            with suppress(OSError):  # Windows: open in another program; the next rotation tries again
                archive.unlink()


def archives(path: Path) -> list[Path]:
    """The rotated files of a log file, oldest first; none where the folder cannot be read."""
    form = re.compile(rf"{re.escape(path.stem)}\.\d{{8}}T\d{{12}}Z(?:-\d+)?{re.escape(path.suffix)}")
    try:
        return sorted(each for each in path.parent.iterdir() if form.fullmatch(each.name))
    except OSError:
        return []


def _reserved(path: Path, role: str | None) -> tuple[Path, int]:
    """Reserve the first name that no process has; return it, and the descriptor of its lock."""
    path = path.absolute()
    stem = path.stem if role is None else f"{path.stem}-{role}"
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    for number in range(1, _MAX_PROCESSES + 1):
        own = path.with_name(f"{stem}{'' if number == 1 else f'-{number}'}{path.suffix}")
        # Beside the file: the lock stays when the file is renamed.
        lock_number = os.open(own.with_name(f".{own.name}.lock"), os.O_RDWR | os.O_CREAT, 0o640)
        try:
            _lock(lock_number)
        except OSError as exc:
            os.close(lock_number)
            if exc.errno in _IN_USE:
                continue
            raise  # a file system without locks
        return own, lock_number
    raise LogFileUnavailable(str(path))
