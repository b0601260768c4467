"""Faults of the host itself: no room on the temporary disk, no file handles, no memory, no threads.

No mail and no account causes them: work waits, as it does for the database, and no attempt is counted.
"""

import errno
import os
import tempfile
from collections.abc import Callable
from typing import Final

from phrases import Phrase

_PROBE_BYTES: Final = 2 * 1024 * 1024
"""More than a message holds in memory before it is written to a temporary file."""
_MAX_CHAIN: Final = 16
_NO_MEMORY: Final = Phrase("this process has no memory left; give it more, or raise its limit (MemoryMax of systemd)")
_NO_THREADS: Final = Phrase("no more threads can be started; raise TasksMax (systemd) or ulimit -u")
_NO_TEMPORARY_FOLDER: Final = Phrase(
    "no temporary folder can be written to; free some room there, correct its rights, or let TMPDIR name another"
)

_BY_NUMBER: Final[dict[int, Callable[[str], Phrase]]] = {
    errno.ENOSPC: lambda folder: Phrase(
        "the disk of the temporary folder ({folder}) is full; free some room, or let TMPDIR name another", folder=folder
    ),
    errno.EDQUOT: lambda folder: Phrase(
        "the disk quota for the temporary folder ({folder}) is used up; free some room, or raise it", folder=folder
    ),
    errno.EROFS: lambda folder: Phrase(
        "the disk of the temporary folder ({folder}) is read-only; correct that, or let TMPDIR name another",
        folder=folder,
    ),
    errno.EMFILE: lambda _: Phrase("this process has no file handles left; raise LimitNOFILE (systemd) or ulimit -n"),
    errno.ENFILE: lambda _: Phrase("this machine has no file handles left; raise fs.file-max, or find what holds them"),
    errno.EIO: lambda _: Phrase("a disk of this machine reported an input/output error; its kernel log has more"),
    errno.ENOMEM: lambda _: _NO_MEMORY,
    errno.ENOBUFS: lambda _: _NO_MEMORY,
}


class HostFault(Exception):
    """The host lacks a resource that all work needs. The text is for the operator; `what`: its part with the fault."""

    def __init__(self, what: Phrase) -> None:
        super().__init__(Phrase("This host cannot work on: {what}.", what=what))
        self.what = what

    def __reduce__(self) -> tuple[type["HostFault"], tuple[Phrase]]:
        # The text is built from `what`; the default would build it from the text. Worker processes pickle it.
        return type(self), (self.what,)


def host_fault_of(error: BaseException) -> HostFault | None:
    """The fault of this host that an error is or comes from: its causes are searched as well."""
    found: BaseException | None = error
    for _ in range(_MAX_CHAIN):
        if found is None:
            return None
        if isinstance(found, HostFault):
            return found
        if (what := _meaning(found)) is not None:
            return HostFault(what)
        found = found.__cause__ or found.__context__
    return None


def probe() -> None:
    """Write to a temporary file as an import does. Blocks.

    Raises:
        HostFault: writing fails now.
    """
    try:
        with tempfile.TemporaryFile() as file:
            file.write(bytes(_PROBE_BYTES))
            file.flush()
    except OSError as exc:
        raise temporary_file_fault(exc) from exc
    except MemoryError as exc:
        raise HostFault(_NO_MEMORY) from exc


def temporary_file_fault(error: OSError) -> HostFault:
    """The fault of this host that prevents creating, writing or reading a temporary file."""
    return host_fault_of(error) or HostFault(_NO_TEMPORARY_FOLDER)


def _meaning(error: BaseException) -> Phrase | None:
    if isinstance(error, MemoryError):
        return _NO_MEMORY
    if isinstance(error, RuntimeError) and "can't start new thread" in str(error):
        return _NO_THREADS
    if not isinstance(error, OSError) or error.errno is None:
        return None
    if isinstance(error, FileNotFoundError) and "No usable temporary directory" in str(error):
        return _NO_TEMPORARY_FOLDER
    what = _BY_NUMBER.get(error.errno)
    return None if what is None else what(tempfile.tempdir or os.environ.get("TMPDIR", "/tmp"))  # noqa: S108  # named only
