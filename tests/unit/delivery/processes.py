"""Child processes of tests: forked, with mounts, rights and limits of their own, which end with them."""

import ctypes
import os
import signal
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

_NEW_MOUNTS = 0x0002_0000
_NEW_USERS = 0x1000_0000
_RECURSIVELY_PRIVATE = 0x4_4000
_REMOUNT_READ_ONLY = 0x21
_LAZILY = 2
_SKIPPED = 3

_library = ctypes.CDLL(None, use_errno=True)


def started(work: Callable[[], object], *, report: Callable[[str], None] | None = None) -> int:
    """The id of a child that does this work; its failure is reported, and is its exit code."""
    child = os.fork()
    if child:
        return child
    code, text = _done(work)
    if report is not None:
        report(text)
    else:
        os.write(2, text.encode())
    os._exit(code)


def ended(child: int) -> int:
    """The exit code of a child; negative: the signal that killed it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def in_child(work: Callable[[], object]) -> None:
    """Do this work in a child, and fail or skip as it does."""
    reading, writing = os.pipe()

    def report(text: str) -> None:
        os.write(writing, text[-60_000:].encode())

    child = started(work, report=report)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as file:
        told = file.read()
    code = ended(child)
    if code == _SKIPPED:
        pytest.skip(told)
    assert code == 0, told


def killed_at_call(work: Callable[[Callable[[], None]], object], number: int) -> bool:
    """True if a child was killed by SIGKILL at its call of this number; False: it had none, and ended well."""
    count = 0

    def call() -> None:
        nonlocal count
        count += 1
        if count == number:
            os.kill(os.getpid(), signal.SIGKILL)

    code = ended(started(lambda: work(call)))
    assert code in {0, -signal.SIGKILL}
    return code != 0


def with_own_mounts() -> None:
    """Give this process mounts of its own; skips where the system does not allow that."""
    user, group = os.getuid(), os.getgid()
    if _library.unshare(_NEW_MOUNTS if user == 0 else _NEW_MOUNTS | _NEW_USERS):
        pytest.skip("needs root, or user namespaces, to mount a file system")
    if user:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    _mount(b"none", b"/", None, _RECURSIVELY_PRIVATE, None)


def mount_tmpfs(folder: Path, options: str) -> None:
    """Mount an empty file system in memory."""
    _mount(b"none", os.fsencode(folder), b"tmpfs", 0, options.encode())


def remount_read_only(folder: Path) -> None:
    _mount(None, os.fsencode(folder), None, _REMOUNT_READ_ONLY, None)


def unmount(folder: Path) -> None:
    assert _library.umount2(os.fsencode(folder), _LAZILY) == 0


def _mount(source: bytes | None, target: bytes, kind: bytes | None, flags: int, options: bytes | None) -> None:
    if _library.mount(source, target, kind, ctypes.c_ulong(flags), options):
        pytest.skip(f"needs a mount that this system refuses: {os.strerror(ctypes.get_errno())}")


def _done(work: Callable[[], object]) -> tuple[int, str]:
    try:
        work()
    except pytest.skip.Exception as exc:
        return _SKIPPED, exc.msg or ""
    except BaseException:  # noqa: BLE001  # no exception may lead a child back into pytest
        return 1, traceback.format_exc()
    return 0, ""
