"""Linux, and other systems with POSIX."""

import contextlib
import errno
import faulthandler
import os
import signal
import socket
import stat
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Final

if sys.platform == "win32":
    raise ImportError("operatingsystem.windows is for this system")

import pwd
import resource

STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
"""The signals that request a clean stop."""
PROCESS_FLAGS: Final = 0
"""`creationflags` of a worker process."""
OUT_OF_TIME_STATUS: Final = -signal.SIGXCPU
"""The exit status of a worker process that exceeded its computing time."""
ADDRESS_IN_USE: Final = frozenset({errno.EADDRINUSE})
"""Errors of a socket that another one keeps from its address."""
ADDRESS_RELEASE_SECONDS: Final = 0.0
"""The time for which an address may be in use after its listening socket was closed."""

_NICENESS: Final = 5
_STACKS_SIGNAL: Final = signal.SIGUSR2


def user_name() -> str:
    """The user of this process, or its number where it has no name, as in a container."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"


def user_number() -> str:
    """The number of the user of this process, which means nothing outside of this host."""
    return str(os.getuid())


def others_access(path: str) -> int:
    """The mode of a file that other users than its owner may read or write, such as 0o644; 0 where they may not.

    Raises:
        OSError, ValueError: there is no such file.
    """
    mode = stat.S_IMODE(os.stat(path).st_mode)  # noqa: PTH116  # a path of SQLite is not to be normalised
    return mode if mode & 0o077 else 0


def interface_language() -> str:
    """The language of the user's interface where no variable of the environment names one; none here."""
    return ""


def use_utf8(_streams: Iterable[IO[Any]]) -> None:
    """Write UTF-8 to streams that are no terminal: the locale decides here."""


def claim_address(unbound: socket.socket) -> None:
    """Let the socket be bound beside connections of the last process that listened there.

    None can listen beside it (https://man7.org/linux/man-pages/man7/socket.7.html).
    """
    unbound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)


def deepen_backlog(listening: socket.socket, size: int) -> None:
    """Let the kernel keep so many connections that asyncio has not accepted yet."""
    with listening.dup() as same:
        same.listen(size)


def role_process_options(listening: Sequence[socket.socket]) -> Mapping[str, Any]:
    """Options of `subprocess` for a process that runs roles. `listening`: the sockets that it will have."""
    return {"pass_fds": [each.fileno() for each in listening]}


def exported_socket(listening: socket.socket, _pid: int) -> int | bytes:
    """The socket for another process, which was started with it; `imported_socket` makes it one there."""
    return listening.fileno()


def imported_socket(exported: int | bytes) -> socket.socket:
    """The socket that another process exported for this one."""
    assert isinstance(exported, int)  # noqa: S101  # made by the function above
    return socket.socket(fileno=exported)


def become_worker() -> None:
    """Leave the signals of a stop to the parent, and the processor to other processes first."""
    # systemd signals all processes of a service to stop, and the parent may wait for this one.
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    os.nice(_NICENESS)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core would be mail


def print_stacks_on_request() -> None:
    """Write the stack of each thread to standard error when `request_stacks` asks for it, whatever Python does then."""
    faulthandler.register(_STACKS_SIGNAL, all_threads=True)


def request_stacks(pid: int) -> None:
    """Have that process, which is prepared for it, write its stacks."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, _STACKS_SIGNAL)


class ProcessLimits:
    """Limits of this process, which the system enforces. An object, as the limits of Windows are those of a handle."""

    def set(self, cpu_seconds: float, memory_bytes: int) -> None:
        """Limit computing time from now on, and memory (https://man7.org/linux/man-pages/man2/getrlimit.2.html)."""
        used = resource.getrusage(resource.RUSAGE_SELF)
        seconds = int(used.ru_utime + used.ru_stime + cpu_seconds) + 1
        for kind, wanted in ((resource.RLIMIT_CPU, seconds), (resource.RLIMIT_AS, memory_bytes)):
            hard = resource.getrlimit(kind)[1]
            with contextlib.suppress(ValueError, OSError):  # macOS has no RLIMIT_AS that holds
                resource.setrlimit(kind, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))


def peak_memory_bytes() -> int:
    """The most memory that this process has used."""
    if sys.platform == "linux":
        # ru_maxrss has the parent's memory in it, of the moment between fork and exec
        # (https://man7.org/linux/man-pages/man5/proc_pid_status.5.html, VmHWM).
        status = Path("/proc/self/status").read_text("ascii", "replace")
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
