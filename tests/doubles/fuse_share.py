"""A share that hangs while its server is stopped: a folder, passed on by a FUSE server that is a process of its own.

`python -m tests.doubles.fuse_share SOURCE MOUNTPOINT` serves until it is unmounted.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes.util import find_library
from pathlib import Path
from typing import Any

from tests.paths import ROOT

_START_SECONDS = 30.0


def missing() -> str:
    """What this machine lacks to mount one; empty: nothing."""
    if os.geteuid() != 0:
        return "mounting takes root"
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        return "there is no /dev/fuse"
    if find_library("fuse") is None and find_library("fuse3") is None:
        return "libfuse is not installed (tools/system-packages.sh)"
    return ""


class Share:
    """A mounted share."""

    def __init__(self, folder: Path, server: "subprocess.Popen[bytes]") -> None:
        self.folder = folder
        self._server = server

    def hang(self) -> None:
        """Have no call return from now on."""
        self._server.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Have calls return again."""
        self._server.send_signal(signal.SIGCONT)


@contextmanager
def mounted(source: Path, folder: Path) -> Iterator[Share]:
    """Mount a share with the content of `source`; both exist."""
    server = subprocess.Popen([sys.executable, "-m", __spec__.name, str(source), str(folder)], cwd=ROOT)
    try:
        deadline = time.monotonic() + _START_SECONDS
        while not os.path.ismount(folder):
            assert server.poll() is None, "the server of the share has ended"
            assert time.monotonic() < deadline, "the share was not mounted"
            time.sleep(0.05)
        yield Share(folder, server)
    finally:
        server.send_signal(signal.SIGCONT)
        subprocess.run(["umount", "--lazy", str(folder)], check=False)
        server.kill()
        server.wait()


class _Loopback:
    """Passes each call on to a folder: the operations of mfusepy, whose names and arguments are its own.

    It knows no renaming without overwriting, as some file servers.
    """

    use_ns = True

    def __init__(self, source: str) -> None:
        self._source = source

    def _at(self, path: str) -> str:
        return self._source + path

    def getattr(self, path: str, _: object = None) -> dict[str, Any]:
        found = os.lstat(self._at(path))
        names = ("st_atime_ns", "st_ctime_ns", "st_gid", "st_mode", "st_mtime_ns", "st_nlink", "st_size", "st_uid")
        return {name.removesuffix("_ns"): getattr(found, name) for name in names}

    def readdir(self, path: str, _: int) -> list[str]:
        return [".", "..", *(each.name for each in Path(self._at(path)).iterdir())]

    def create(self, path: str, mode: int, _: object = None) -> int:
        return os.open(self._at(path), os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)

    def open(self, path: str, flags: int) -> int:
        return os.open(self._at(path), flags)

    def read(self, _: str, size: int, offset: int, handle: int) -> bytes:
        return os.pread(handle, size, offset)

    def write(self, _: str, data: bytes, offset: int, handle: int) -> int:
        return os.pwrite(handle, data, offset)

    def fsync(self, _: str, __: int, handle: int) -> None:
        os.fsync(handle)

    def release(self, _: str, handle: int) -> None:
        os.close(handle)

    def unlink(self, path: str) -> None:
        Path(self._at(path)).unlink()

    def rename(self, old: str, new: str, *_: int) -> None:
        Path(self._at(old)).rename(self._at(new))

    def link(self, target: str, source: str) -> None:
        os.link(self._at(source), self._at(target))


def main() -> None:
    """Serve."""
    import mfusepy

    source, folder = sys.argv[1:]
    operations = type("Loopback", (_Loopback, mfusepy.Operations), {})(source)
    mfusepy.FUSE(operations, folder, foreground=True, nothreads=True, attr_timeout=0, entry_timeout=0)


if __name__ == "__main__":
    main()
