"""Notifications to systemd, at a real socket."""

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from background.pulse import Pulse
from console.wiring.systemd import ServiceManager


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.setblocking(False)
        yield listening


async def _next(systemd: socket.socket) -> str:
    async with asyncio.timeout(60):
        return (await asyncio.get_running_loop().sock_recv(systemd, 100)).decode()


def _manager(systemd: socket.socket, **more: str) -> ServiceManager:
    return ServiceManager.of({"NOTIFY_SOCKET": systemd.getsockname(), **more}, process_id=7)


async def test_systemd_learns_that_the_roles_serve_live_and_stop(systemd: socket.socket) -> None:
    stop = asyncio.Event()
    attending = asyncio.create_task(_manager(systemd, WATCHDOG_USEC="30000", WATCHDOG_PID="7").attend(Pulse(), stop))
    assert [await _next(systemd) for _ in range(4)] == ["READY=1", *["WATCHDOG=1"] * 3]
    stop.set()
    await attending
    while (state := await _next(systemd)) == "WATCHDOG=1":
        pass
    assert state == "STOPPING=1"


async def test_the_watchdog_is_not_fed_while_a_loop_is_stuck(systemd: socket.socket) -> None:
    now, stop = [0.0], asyncio.Event()
    pulse = Pulse(monotonic=lambda: now[0])
    pulse.beat("manager")
    now[0] = 31.0
    attending = asyncio.create_task(_manager(systemd, WATCHDOG_USEC="30000").attend(pulse, stop))
    assert await _next(systemd) == "READY=1"
    with pytest.raises(BlockingIOError):
        systemd.recv(100)
    pulse.beat("manager")
    assert await _next(systemd) == "WATCHDOG=1"
    stop.set()
    await attending


async def test_without_systemd_nothing_is_sent_and_nothing_fails(tmp_path: Path) -> None:
    stop = asyncio.Event()
    stop.set()
    await ServiceManager.of({}, process_id=7).attend(Pulse(), stop)
    await ServiceManager.of({"NOTIFY_SOCKET": str(tmp_path / "gone")}, process_id=7).attend(Pulse(), stop)
