"""Windows."""

import ctypes
import errno
import getpass
import locale
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from io import TextIOWrapper
from typing import IO, Any, Final

ADDRESS_IN_USE: Final = frozenset({errno.EADDRINUSE, errno.EACCES})
"""Errors of a socket that another one keeps from its address: the second if it has the port at all addresses."""

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
    """Do nothing: connections are accepted by the system ahead of time (AcceptEx)."""


def limit_process(_cpu_seconds: float, _memory_bytes: int) -> None:
    """Do nothing: the parent's clock is the only limit."""


def peak_memory_bytes() -> int:
    """Return 0: it is not asked for."""
    return 0
