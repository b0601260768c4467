"""Accept connections of a socket on which other processes accept, too."""

import asyncio
import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import Final

_ACCEPT_PAUSE_SECONDS: Final = 0.05
"""After an error, which may last: of too many open sockets, for example."""
_ROOM_SECONDS: Final = 0.5

if sys.platform == "win32":

    async def serve_shared(
        listening: socket.socket, protocol_factory: Callable[[], asyncio.Protocol], backlog: int
    ) -> "SharedServer":
        """Accept connections; `close` the returned server."""
        return SharedServer(listening, protocol_factory, backlog)

else:

    async def serve_shared(
        listening: socket.socket, protocol_factory: Callable[[], asyncio.Protocol], backlog: int
    ) -> asyncio.Server:
        """Accept connections; `close` the returned server."""
        return await asyncio.get_running_loop().create_server(protocol_factory, sock=listening, backlog=backlog)


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
        """Accept no more connections. The thread ends within a second, even if the event loop does not run any more."""
        self._listening.close()

    def _accept(self) -> None:
        while self._listening.fileno() >= 0:
            if not self._room.acquire(timeout=_ROOM_SECONDS):
                continue  # closed meanwhile, perhaps
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
