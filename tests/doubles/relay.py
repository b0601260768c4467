"""A relay before a server, so that its connections can be lost, refused and left without a response."""

import contextlib
import selectors
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_CHUNK: Final = 64 * 1024
Address = tuple[str, int] | str
"""Host and port, or the path of a Unix socket."""


class Relay:
    """Forward data between `address` and a server."""

    def __init__(self, server: Address, *, listen_at: Path | None = None, port: int = 0) -> None:
        """`listen_at`: the Unix socket to listen at; else this port of loopback, 0: a free one."""
        self._server = server
        self._listen_at = listen_at
        self._port = port
        self._listener = self._listen()
        self.address: Address = self._listener.getsockname()
        self._lock = threading.Lock()
        self._pairs: dict[socket.socket, socket.socket] = {}
        self._flowing = threading.Event()
        self._flowing.set()
        self._refusing = False
        self._stopped = False
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)
        self._thread.start()

    def lose_connections(self) -> None:
        """Break all connections; new ones are accepted."""
        with self._lock:
            for each in list(self._pairs):
                self._close(each)

    @contextlib.contextmanager
    def refusing(self) -> Iterator[None]:
        """Break all connections and accept no new ones meanwhile."""
        self._refusing = True
        self.lose_connections()
        try:
            yield
        finally:
            self._refusing = False

    @contextlib.contextmanager
    def mute(self) -> Iterator[None]:
        """Accept connections and data meanwhile, and forward nothing."""
        self._flowing.clear()
        try:
            yield
        finally:
            self._flowing.set()

    def stop(self) -> None:
        """Stop the relay."""
        self._stopped = True
        self._thread.join()
        self.lose_connections()
        self._listener.close()
        self._selector.close()
        if self._listen_at is not None:
            self._listen_at.unlink(missing_ok=True)

    def _listen(self) -> socket.socket:
        if self._listen_at is None:
            return socket.create_server(("127.0.0.1", self._port))
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self._listen_at))
        listener.listen()
        return listener

    def _run(self) -> None:
        while not self._stopped:
            if not self._flowing.wait(0.05):
                continue
            for key, _ in self._selector.select(0.05):
                with self._lock:
                    self._serve(key.fileobj)

    def _serve(self, ready: object) -> None:
        if ready is self._listener:
            self._accept()
        elif isinstance(ready, socket.socket) and ready in self._pairs:
            try:
                data = ready.recv(_CHUNK)
                if data:
                    self._pairs[ready].sendall(data)
            except OSError:
                data = b""
            if not data:
                self._close(ready)

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        if self._refusing:
            client.close()
            return
        if isinstance(self._server, str):
            server = socket.socket(socket.AF_UNIX)
            server.connect(self._server)
        else:
            server = socket.create_connection(self._server)
        self._pairs[client], self._pairs[server] = server, client
        for each in (client, server):
            self._selector.register(each, selectors.EVENT_READ)

    def _close(self, one: socket.socket) -> None:
        other = self._pairs.get(one)
        for each in (one, other):
            if each is not None and self._pairs.pop(each, None) is not None:
                self._selector.unregister(each)
                each.close()
