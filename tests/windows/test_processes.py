"""Several processes under one supervisor, on Windows: one port for all, and their end."""

import asyncio
import json
import os
import signal
import time
from collections.abc import Callable, MutableMapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from console.loop import run_async
from console.settings import Settings
from console.supervision.start import supervise
from console.wiring.roles import Started
from db.engine import make_engine
from db.schema import migration

_PATIENCE_SECONDS = 60.0


@pytest.mark.timeout(300)  # under Wine a process takes 20 s to start
def test_two_receivers_share_a_port_and_one_is_replaced(tmp_path: Path) -> None:
    """A connection is accepted by either of them; a killed one is restarted, and a stop ends both."""
    url = f"sqlite:///{tmp_path / 'gateway.db'}"
    engine = make_engine(url)
    migration.upgrade(engine, now=datetime(2026, 11, 30, tzinfo=UTC))
    engine.dispose()
    settings = Settings(database_url=SecretStr(url), receiver_port=0, metrics_port=0, processes=2)
    with capture_logs() as logged:
        run_async(_scenario(settings, logged))


async def _scenario(settings: Settings, logged: list[MutableMapping[str, Any]]) -> None:
    log: list[dict[str, Any]] = []
    started: list[Started] = []
    stop = asyncio.Event()
    running = asyncio.create_task(
        supervise(settings, ("receiver",), stop, lambda line: log.append(json.loads(line)), on_started=started.append)
    )

    async def until(condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not condition():
            if running.done():
                running.result()
            assert time.monotonic() < deadline, (what, log)
            await asyncio.sleep(0.05)

    def listening() -> list[int]:
        return [line["worker"] for line in log if line["event"] == "receiver_listening"]

    await until(lambda: bool(started), "both serve")
    [found] = started
    address = f"http://127.0.0.1:{found.port}/notifications?validationToken=a"
    await _answered_by(address, log, {1, 2})
    pids = {line["worker"]: line["process"] for line in logged if line["event"] == "worker_started"}
    del log[:]
    os.kill(pids[1], signal.SIGTERM)  # TerminateProcess
    await until(lambda: listening() == [1], "another worker")
    await _answered_by(address, log, {1, 2})
    stop.set()
    await asyncio.wait_for(running, 15)


async def _answered_by(address: str, log: list[dict[str, Any]], workers: set[int]) -> None:
    """Ask, each time over a connection of its own, until these have answered."""
    del log[:]
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not workers <= {line["worker"] for line in log if line["event"] == "endpoint_validated"}:
        assert time.monotonic() < deadline, log
        connector = aiohttp.TCPConnector(force_close=True)
        async with aiohttp.ClientSession(connector=connector) as session:
            answers = await asyncio.gather(*(session.get(address) for _ in range(8)))
            assert {each.status for each in answers} == {200}
