"""The event loop of the roles: a hanging thread delays neither look-ups nor the end."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from console.loop import run_async
from tests.paths import ROOT


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


_WITHOUT_HANDLES = """
import asyncio, os, resource, socket, sys
from console import logs
from console.loop import run_async
from tests.waiting import until

asyncio.constants.ACCEPT_RETRY_DELAY = 0.01
logs.configure(sys.stderr, "json")

async def answer(reader, writer):
    writer.write(b"here")
    writer.close()

async def work():
    loop = asyncio.get_running_loop()
    waiting = []  # other attempts that wait, at each
    accept_again = loop._start_serving
    server = await asyncio.start_server(answer, "127.0.0.1", 0)

    def count_and_accept(*given):
        waiting.append(sum(each._callback is count_and_accept for each in loop._scheduled))
        accept_again(*given)

    loop._start_serving = count_and_accept
    clients = [socket.socket() for _ in range(20)]
    for each in clients:
        each.setblocking(False)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (clients[-1].fileno() + 1, hard))
    for each in clients:
        await loop.sock_connect(each, server.sockets[0].getsockname())
    await until(lambda: len(waiting) >= 20)
    print(max(waiting))
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    for each in clients:
        print((await loop.sock_recv(each, 10)).decode())

run_async(work())
"""


def test_without_file_handles_it_tries_again_once_at_a_time_and_reports_it_once() -> None:
    """Python has each of a hundred failures reported, and each tried again. Then all clients are served."""
    ended = subprocess.run(
        [sys.executable, "-c", _WITHOUT_HANDLES],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert ended.stdout.split() == ["0"] + ["here"] * 20, ended.stderr
    [line] = [json.loads(each) for each in ended.stderr.splitlines()]
    assert line["event"] == "connections_not_accepted"
    assert "no file handles left" in line["error"]
