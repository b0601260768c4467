"""Windows."""

import asyncio
import ctypes
import getpass
import locale
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from io import TextIOWrapper
from typing import IO, Any, Final

_ACCEPT_PAUSE_SECONDS: Final = 0.05
"""After an error, which may last: of too many open sockets, for example."""

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

    async def serve_shared(
        listening: socket.socket, protocol_factory: Callable[[], asyncio.Protocol], backlog: int
    ) -> "SharedServer":
        """Accept connections of a socket on which other processes accept, too; `close` the returned server."""
        return SharedServer(listening, protocol_factory, backlog)

    def imported_socket(exported: int | bytes) -> socket.socket:
        """The socket that another process exported for this one."""
        assert isinstance(exported, bytes)  # noqa: S101  # made by the function above
        return socket.fromshare(exported)

    def interface_language() -> str:
        """The language of the user's interface, such as `fr_FR`; empty for one that Python does not know."""
        return locale.windows_locale.get(ctypes.windll.kernel32.GetUserDefaultUILanguage(), "")

    def become_worker() -> None:
        """Leave the signals of a stop to the parent; the parent has set the priority (`PROCESS_FLAGS`)."""
        for number in STOP_SIGNALS:
            signal.signal(number, signal.SIG_IGN)


class SharedServer:
    """Accepts connections of a socket on a thread: the completion port of asyncio cannot have one of several processes.

    (https://learn.microsoft.com/windows/win32/fileio/createiocompletionport: a file handle, and what shares it, belongs
    to one port.) A connection belongs to the process that accepted it, and is asyncio's.
    """

    def __init__(
        self, listening: socket.socket, protocol_factory: Callable[[], asyncio.Protocol], most_pending: int
    ) -> None:
        self.sockets = (listening,)
        self._listening = listening
        self._make_protocol = protocol_factory
        self._loop = asyncio.get_running_loop()
        self._room = threading.Semaphore(most_pending)
        self._entering: set[asyncio.Task[object]] = set()
        listening.setblocking(True)
        threading.Thread(target=self._accept, name="accept", daemon=True).start()

    def close(self) -> None:
        """Accept no more connections."""
        self._listening.close()

    def _accept(self) -> None:
        while self._listening.fileno() >= 0:
            self._room.acquire()
            try:
                connection, _ = self._listening.accept()
            except OSError:  # closed, or the client is gone already
                self._room.release()
                time.sleep(_ACCEPT_PAUSE_SECONDS)
                continue
            try:
                self._loop.call_soon_threadsafe(self._enter, connection)
            except RuntimeError:  # the loop has ended
                connection.close()
                return

    def _enter(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        task: asyncio.Task[object] = self._loop.create_task(
            self._loop.connect_accepted_socket(self._make_protocol, connection)
        )
        self._entering.add(task)
        task.add_done_callback(self._entered)

    def _entered(self, task: "asyncio.Task[object]") -> None:
        self._entering.discard(task)
        self._room.release()
        if not task.cancelled():
            task.exception()  # of a client that is gone; asyncio has closed the connection


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
