"""Sockets that listen: theirs alone, and free again once they are closed."""

import asyncio
import errno
import re
import socket
from typing import ClassVar

import pytest
from structlog.testing import capture_logs

from operatingsystem import ADDRESS_IN_USE
from operatingsystem.listening import listening_sockets
from tests.doubles.addresses import resolve
from tests.paths import ROOT, packages
from tests.ports import free_port
from tests.waiting import until

_LOOPBACK = "127.0.0.1"
_RELEASE_SECONDS = "operatingsystem.listening.ADDRESS_RELEASE_SECONDS"


async def test_connections_wait_from_the_first_moment_on() -> None:
    """No connection is refused between the start of a process and its first look."""
    [listening] = await listening_sockets(_LOOPBACK, 0, 10)
    with listening, socket.create_connection(listening.getsockname(), timeout=5) as client:
        connection, address = await asyncio.get_running_loop().sock_accept(listening)
        connection.close()
        assert address == client.getsockname()


@pytest.mark.parametrize("host", ["", "0.0.0.0", _LOOPBACK])
@pytest.mark.parametrize("second", ["0.0.0.0", _LOOPBACK])
async def test_no_other_socket_listens_at_the_same_port(
    host: str, second: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither at all addresses nor at a single one, whatever its options are."""
    monkeypatch.setattr(_RELEASE_SECONDS, 0.0)
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


class _Opened(socket.socket):
    """A socket that a test can look at after it was closed."""

    all: ClassVar[list[socket.socket]]

    def __init__(self, *arguments: int) -> None:
        super().__init__(*arguments)
        self.all.append(self)


class _WithoutIpv6(_Opened):
    """A socket of a system that does not know the family."""

    def __init__(self, family: int, *arguments: int) -> None:
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
        super().__init__(family, *arguments)


def _use(kind: type[_Opened], monkeypatch: pytest.MonkeyPatch) -> list[socket.socket]:
    kind.all = []
    monkeypatch.setattr(socket, "socket", kind)
    return kind.all


async def test_a_name_has_a_socket_for_each_of_its_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another socket may have one of them: then none is left open, and the error names it."""
    monkeypatch.setattr(_RELEASE_SECONDS, 0.0)
    [taken] = await listening_sockets("127.0.0.2", free_port(), 10)
    opened = _use(_Opened, monkeypatch)
    resolve(monkeypatch, _LOOPBACK, "127.0.0.2", port=taken.getsockname()[1])
    with taken:
        with pytest.raises(OSError) as refused:  # noqa: PT011  # by its number, below
            await listening_sockets("two.example", 0, 10)
        assert refused.value.errno in ADDRESS_IN_USE
        assert f"(127.0.0.2:{taken.getsockname()[1]})" in str(refused.value.strerror)
        assert [each.fileno() for each in opened] == [-1, -1]
    for each in await listening_sockets("two.example", 0, 10):
        each.close()
    assert len(opened) == 4


async def test_an_address_that_is_released_late_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows keeps that of a service that ended while one of its connections is active: the service can restart."""
    monkeypatch.setattr(_RELEASE_SECONDS, 60.0)
    [taken] = await listening_sockets(_LOOPBACK, 0, 10)
    port = taken.getsockname()[1]
    opened = _use(_Opened, monkeypatch)
    restarted = asyncio.create_task(listening_sockets(_LOOPBACK, port, 10))
    await until(lambda: opened, "the first attempt")
    taken.close()
    [again] = await restarted
    with again, socket.create_connection((_LOOPBACK, port), timeout=5):
        pass


async def test_an_address_that_is_not_released_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_RELEASE_SECONDS, 0.3)
    [taken] = await listening_sockets(_LOOPBACK, 0, 10)
    with taken, pytest.raises(OSError) as refused:  # noqa: PT011  # by its number, below
        await listening_sockets(_LOOPBACK, taken.getsockname()[1], 10)
    assert refused.value.errno in ADDRESS_IN_USE


@pytest.mark.parametrize(
    ("address", "system", "reasons"),
    [
        ("::1", _WithoutIpv6, {errno.EAFNOSUPPORT}),
        # As ::1 where IPv6 is off. The system of the test may have none of its own.
        ("2001:db8::1", _Opened, {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}),
    ],
)
async def test_a_system_without_ipv6_listens_at_the_other_addresses(
    address: str, system: type[_Opened], reasons: set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name such as localhost has addresses of both families in files that know nothing of the system."""
    opened = _use(system, monkeypatch)
    resolve(monkeypatch, address, _LOOPBACK)
    with capture_logs() as logged:
        [listening] = await listening_sockets("localhost", 0, 10)
    assert listening.getsockname()[0] == _LOOPBACK
    listening.close()
    [line] = logged
    assert (line["event"], line["host"]) == ("address_left_out", "localhost")
    assert line["detail"].endswith(f" ([{address}]:0)")
    resolve(monkeypatch, address)
    with pytest.raises(OSError) as refused:  # noqa: PT011  # by its number, below
        await listening_sockets("localhost", 0, 10)
    assert refused.value.errno in reasons
    assert str(refused.value.strerror).endswith(f" ([{address}]:0)")
    assert {each.fileno() for each in opened} == {-1}


class _WithoutHandles(_Opened):
    """A socket of a process whose file handles are used up by the first one."""

    def __init__(self, *arguments: int) -> None:
        if self.all:
            raise OSError(errno.EMFILE, "Too many open files")
        super().__init__(*arguments)


async def test_a_fault_of_the_host_is_no_missing_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """An address that cannot be listened at now is not left out: notifications would arrive there."""
    opened = _use(_WithoutHandles, monkeypatch)
    resolve(monkeypatch, _LOOPBACK, "127.0.0.2")
    with pytest.raises(OSError, match=r"Too many open files \(127\.0\.0\.2:0\)"):
        await listening_sockets("two.example", 0, 10)
    assert {each.fileno() for each in opened} == {-1}


async def test_an_address_of_another_host_is_an_error() -> None:
    """Left out is only what stands beside an address of this host."""
    with pytest.raises(OSError) as refused:  # noqa: PT011  # by its number, below
        await listening_sockets("192.0.2.1", 0, 10)
    assert refused.value.errno == errno.EADDRNOTAVAIL


@pytest.mark.parametrize("host", ["a..b", f"{'a' * 64}.example"])
async def test_what_cannot_be_the_name_of_a_host_is_an_error_of_the_system(host: str) -> None:
    """Python has an error of an encoding."""
    with pytest.raises(OSError, match="Not the name of a host"):
        await listening_sockets(host, 0, 1)


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
