"""A socket on which several processes accept. The thread is for Windows, and runs anywhere."""

import asyncio
import socket
import threading

from operatingsystem.shared_listening import SharedServer


class _Watched(socket.socket):
    """A socket that reports the second check of its number by the thread."""

    def __init__(self) -> None:
        super().__init__()
        self.second_check = threading.Event()
        self._checks = 0

    def fileno(self) -> int:
        number = super().fileno()
        if threading.current_thread().name == "accept":
            self._checks += 1
            if self._checks == 2:
                self.second_check.set()
        return number


class _Answering(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(b"served")
        transport.close()


def _accepting() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name == "accept"]


async def test_the_thread_ends_with_the_server_while_the_event_loop_is_busy() -> None:
    """Nothing takes the connections that it has accepted already: it waits for room."""
    listening = _Watched()
    listening.bind(("127.0.0.1", 0))
    listening.listen()
    with socket.create_connection(listening.getsockname(), timeout=5) as client:
        server = SharedServer(listening, _Answering, 1)
        [thread] = _accepting()
        assert listening.second_check.wait(10)  # the loop is to be busy
        server.close()
        thread.join(10)
        assert not thread.is_alive()
        client.setblocking(False)
        assert await asyncio.get_running_loop().sock_recv(client, 10) == b"served"
