"""The event loop of the roles: a hanging thread delays neither look-ups nor the end."""

import asyncio
import socket
import threading
from collections.abc import Iterator

import pytest

from console.loop import run_async


@pytest.fixture
def release() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def test_its_end_waits_for_no_thread(release: threading.Event) -> None:
    """`asyncio.run` would wait for the call, and for five minutes at most."""

    async def leave_a_call_behind() -> str:
        call = asyncio.ensure_future(asyncio.to_thread(release.wait))
        await asyncio.wait([call], timeout=0.01)
        return "ended"

    assert run_async(leave_a_call_behind()) == "ended"


def test_a_name_is_looked_up_while_other_calls_hang(release: threading.Event) -> None:
    async def look_up() -> bool:
        hanging = [asyncio.get_running_loop().run_in_executor(None, release.wait) for _ in range(50)]
        async with asyncio.timeout(60):
            found = await asyncio.get_running_loop().getaddrinfo("localhost", 80, type=socket.SOCK_STREAM)
        return bool(found) and not any(each.done() for each in hanging)

    assert run_async(look_up())


def test_calls_go_on_while_look_ups_hang(release: threading.Event, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name server that is silent delays its own look-ups only."""
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: release.wait())

    async def call() -> int:
        look_ups = [asyncio.ensure_future(asyncio.get_running_loop().getaddrinfo("x", 1)) for _ in range(50)]
        await asyncio.sleep(0)
        async with asyncio.timeout(60):
            result = await asyncio.to_thread(sum, (1, 2))
        for each in look_ups:
            each.cancel()
        return result

    assert run_async(call()) == 3
