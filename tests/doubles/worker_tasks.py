"""Work for worker processes: importable there, as functions of a test module need not be."""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

_KILL: Final = signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL


def process_id() -> int:
    return os.getpid()


def doubled(content: bytes) -> bytes:
    return 2 * content


def failing() -> None:
    raise ZeroDivisionError("as asked")


def computing() -> None:
    while True:
        pass


def sleeping(started: Path | None = None) -> None:
    if started is not None:
        started.write_text(str(os.getpid()), "ascii")
    time.sleep(600)


def hungry() -> int:
    return len(bytearray(3 * 1024 * 1024 * 1024))


def dying(marker: Path, *, times: int) -> str:
    """End the process so many times, then live."""
    count = int(marker.read_text("ascii")) if marker.exists() else 0
    if count < times:
        marker.write_text(str(count + 1), "ascii")
        os.kill(os.getpid(), _KILL)
    return "alive"


def talkative() -> str:
    print("between the frames")  # noqa: T201  # output that a library might produce
    os.write(1, b"and there")
    return sys.stdin.read() + "read"


def surroundings() -> tuple[dict[str, str], str, list[str]]:
    return dict(os.environ), str(Path.cwd()), list(sys.path)


def called(work: Callable[[], str]) -> str:
    return work()


def is_in_job() -> bool:
    """On Windows."""
    import win32job
    import win32process

    return bool(win32job.IsProcessInJob(win32process.GetCurrentProcess(), 0))
