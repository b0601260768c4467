"""Sockets that listen: theirs alone, and free again once they are closed."""

import asyncio
import errno
import re
import socket

import pytest

from operatingsystem import ADDRESS_IN_USE
from operatingsystem.listening import listening_sockets
from tests.paths import ROOT, packages

_LOOPBACK = "127.0.0.1"


async def test_connections_wait_from_the_first_moment_on() -> None:
    """No connection is refused between the start of a process and its first look."""
    [listening] = await listening_sockets(_LOOPBACK, 0, 10)
    with listening, socket.create_connection(listening.getsockname(), timeout=5) as client:
        connection, address = await asyncio.get_running_loop().sock_accept(listening)
        connection.close()
        assert address == client.getsockname()


@pytest.mark.parametrize("host", ["", "0.0.0.0", _LOOPBACK])
@pytest.mark.parametrize("second", ["0.0.0.0", _LOOPBACK])
async def test_no_other_socket_listens_at_the_same_port(host: str, second: str) -> None:
    """Neither at all addresses nor at a single one, whatever its options are."""
    sockets = await listening_sockets(host, 0, 10)
    [port] = {each.getsockname()[1] for each in sockets if each.family == socket.AF_INET}
    try:
        with pytest.raises(OSError) as refused:  # noqa: PT011  # by its number, below
            await listening_sockets(second, port, 10)
        assert refused.value.errno in ADDRESS_IN_USE
        with socket.socket() as other, pytest.raises(OSError):  # noqa: PT011, PT012  # of either call
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            other.bind((second, port))
            other.listen()
    finally:
        for each in sockets:
            each.close()


async def test_a_port_is_free_again_at_once() -> None:
    """Also while the system keeps a connection that this side closed."""
    [listening] = await listening_sockets(_LOOPBACK, 0, 10)
    port = listening.getsockname()[1]
    with listening, socket.create_connection((_LOOPBACK, port), timeout=5) as client:
        (await asyncio.get_running_loop().sock_accept(listening))[0].close()
        assert client.recv(1) == b""
    [again] = await listening_sockets(_LOOPBACK, port, 10)
    again.close()


async def test_a_name_has_a_socket_for_each_of_its_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of them may not be of this host: then none is left open."""
    opened: list[socket.socket] = []

    class Noted(socket.socket):
        def __init__(self, *arguments: int) -> None:
            super().__init__(*arguments)
            opened.append(self)

    async def addresses(*_: object, **__: object) -> list[object]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", (address, 0)) for address in (_LOOPBACK, "192.0.2.1")]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", addresses)
    monkeypatch.setattr(socket, "socket", Noted)
    with pytest.raises(OSError) as refused:  # noqa: PT011  # by its number, below
        await listening_sockets("two.example", 0, 10)
    assert refused.value.errno == errno.EADDRNOTAVAIL
    assert [each.fileno() for each in opened] == [-1, -1]


async def test_a_system_without_ipv6_listens_at_the_other_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    class Socket(socket.socket):
        def __init__(self, family: int, *arguments: int) -> None:
            if family == socket.AF_INET6:
                raise OSError(97, "Address family not supported by protocol")
            super().__init__(family, *arguments)

    async def addresses(*_: object, **__: object) -> list[object]:
        return found

    ipv6: tuple[object, ...] = (socket.AF_INET6, socket.SOCK_STREAM, 0, "", ("::1", 0, 0, 0))
    found: list[object] = [ipv6, (socket.AF_INET, socket.SOCK_STREAM, 0, "", (_LOOPBACK, 0))]
    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", addresses)
    monkeypatch.setattr(socket, "socket", Socket)
    [listening] = await listening_sockets("localhost", 0, 10)
    assert listening.getsockname()[0] == _LOOPBACK
    listening.close()
    found = [ipv6]
    with pytest.raises(OSError, match="Address family"):
        await listening_sockets("localhost", 0, 10)


def test_every_role_listens_by_these() -> None:
    """A port of asyncio or aiohttp is not exclusive on Windows. The simulator imports nothing of the product."""
    opens = re.compile(r"\bTCPSite\(|\bstart_server\(|\bcreate_server\((?!.*sock=)")
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for package in packages()
        if package != "simulator"
        for path in (ROOT / package).rglob("*.py")
        for line in path.read_text("utf-8").splitlines()
        if opens.search(line)
    ]
    assert not found
