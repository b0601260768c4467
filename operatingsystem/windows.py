"""Windows."""

import contextlib
import ctypes
import errno
import getpass
import locale
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from io import TextIOWrapper
from typing import IO, Any, Final

ADDRESS_IN_USE: Final = frozenset({errno.EADDRINUSE, errno.EACCES})
"""Errors of a socket that another one keeps from its address: the second if it has the port at all addresses."""

ADDRESS_RELEASE_SECONDS: Final = 10.0
"""The time for which an address may be in use after its listening socket was closed.

An address that was claimed stays in use while a connection that was accepted there is active, and the system finishes
connections of a process that has ended. A client that acknowledges nothing can keep one for longer
(https://learn.microsoft.com/windows/win32/winsock/using-so-reuseaddr-and-so-exclusiveaddruse).
"""

OUT_OF_TIME_STATUS: Final = 1816
"""The exit status of a worker process that exceeded its computing time: ERROR_NOT_ENOUGH_QUOTA."""

_TICKS_A_SECOND: Final = 10_000_000

if sys.platform == "win32":
    # The C library raises SIGBREAK for Ctrl+Break, and where the console is closed, the user signs out or the system
    # shuts down (https://learn.microsoft.com/windows/console/handlerroutine).
    STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGBREAK)
    PROCESS_FLAGS: Final = subprocess.CREATE_NO_WINDOW | subprocess.BELOW_NORMAL_PRIORITY_CLASS

    def role_process_options(_listening: Sequence[socket.socket]) -> Mapping[str, Any]:
        """Options of `subprocess` for a process that runs roles; it gets its sockets once it runs."""
        return {"creationflags": subprocess.CREATE_NO_WINDOW}

    def exported_socket(listening: socket.socket, pid: int) -> int | bytes:
        """The socket for the process of that number; `imported_socket` makes it one there."""
        return listening.share(pid)

    def imported_socket(exported: int | bytes) -> socket.socket:
        """The socket that another process exported for this one."""
        assert isinstance(exported, bytes)  # noqa: S101  # made by the function above
        return socket.fromshare(exported)

    def claim_address(unbound: socket.socket) -> None:
        """Let no other socket be bound to the address that this one is bound to next.

        As a rule a program of the same user can bind a port that is bound at all addresses, at a single one of them.
        """
        unbound.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)

    def interface_language() -> str:
        """The language of the user's interface, such as `fr_FR`; empty for one that Python does not know."""
        return locale.windows_locale.get(ctypes.windll.kernel32.GetUserDefaultUILanguage(), "")

    def become_worker() -> None:
        """Leave the signals of a stop to the parent; the parent has set the priority (`PROCESS_FLAGS`)."""
        for number in STOP_SIGNALS:
            signal.signal(number, signal.SIG_IGN)


def user_name() -> str:
    """The user of this process, by the variables of its session."""
    return getpass.getuser()


def user_number() -> str:
    """No number: users of Windows have none."""
    return ""


def others_access(path: str) -> int:
    """Return 0: modes mean nothing here, the folder's own rights decide.

    Raises:
        OSError, ValueError: there is no such file.
    """
    os.stat(path)  # noqa: PTH116  # as on other systems
    return 0


def use_utf8(streams: Iterable[IO[Any]]) -> None:
    """Write UTF-8 to streams that are no terminal.

    Python takes the code page of the system otherwise, such as cp1252, which lacks most characters of mail: output to a
    file or to another program would end with an error. PYTHONIOENCODING has precedence.
    """
    if os.environ.get("PYTHONIOENCODING"):
        return
    for stream in streams:
        if isinstance(stream, TextIOWrapper) and not stream.isatty():
            stream.reconfigure(encoding="utf-8")


def deepen_backlog(_listening: socket.socket, _size: int) -> None:
    """Do nothing: the first `listen` of a socket decides.

    (https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-listen)
    """


def print_stacks_on_request() -> None:
    """Do nothing: a service has no standard error, and no signal that reaches a thread which hangs."""


def request_stacks(_pid: int) -> None:
    """Do nothing, as above."""


class ProcessLimits:
    """Limits of this process, which the system enforces: a job object that has it alone.

    It is nested in the job of the `python.exe` of a virtual environment, by which this process ends with that program,
    and so when the parent kills it. It has no KILL_ON_JOB_CLOSE by the parent: a process whose parent is gone notices
    the end of its input, and deletes its temporary files before it ends.
    """

    def __init__(self) -> None:
        self._job: int | None = None

    def set(self, cpu_seconds: float, memory_bytes: int) -> None:
        """Limit computing time from now on, and memory; where Windows refuses that, the parent's clock is the limit.

        Computing time is that of the job, without that of the kernel: Microsoft documents its exit status
        (`OUT_OF_TIME_STATUS`), which it does not for the limit of a process, and that it counts from this call on.
        https://learn.microsoft.com/windows/win32/api/winnt/ns-winnt-jobobject_basic_limit_information
        """
        import pywintypes  # noqa: PLC0415  # of worker processes
        import win32job  # noqa: PLC0415  # as above

        kind = win32job.JobObjectExtendedLimitInformation
        # Refused, for example, if this process is in a job with limits of the user interface.
        with contextlib.suppress(pywintypes.error):
            if self._job is None:
                self._job = _job_of_this_process()
            limits = win32job.QueryInformationJobObject(self._job, kind)
            limits["BasicLimitInformation"]["LimitFlags"] = (
                win32job.JOB_OBJECT_LIMIT_JOB_TIME
                | win32job.JOB_OBJECT_LIMIT_PROCESS_MEMORY
                | win32job.JOB_OBJECT_LIMIT_DIE_ON_UNHANDLED_EXCEPTION  # the report of a crash would be mail
            )
            limits["BasicLimitInformation"]["PerJobUserTimeLimit"] = int(cpu_seconds * _TICKS_A_SECOND) + 1
            limits["ProcessMemoryLimit"] = memory_bytes
            win32job.SetInformationJobObject(self._job, kind, limits)


def _job_of_this_process() -> int:
    import win32job  # noqa: PLC0415  # of worker processes
    import win32process  # noqa: PLC0415  # as above

    create: Callable[..., int] = win32job.CreateJobObject  # type: ignore[assignment]  # it returns the handle
    job = create(None, "")
    win32job.AssignProcessToJobObject(job, win32process.GetCurrentProcess())
    return job


def peak_memory_bytes() -> int:
    """The most memory that this process has committed, as its limit counts it."""
    import win32process  # noqa: PLC0415  # of worker processes

    used = win32process.GetProcessMemoryInfo(win32process.GetCurrentProcess())
    return int(used["PeakPagefileUsage"])
