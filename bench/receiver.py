"""Notifications per second acknowledged after a durable write (SQLite, synchronous=FULL), 64 connections.

Baselines of the same run: (a) a bare aiohttp handler that parses the same JSON and answers 202; (b) the same handler
with a bare group commit of the items into one SQLite table.

What else the machine does affects the rates, but hardly the CPU time of the server's process.

Two shapes of Graph ids, because they affect the queue's index and Microsoft calls ids opaque: *neighbours* differ in a
counter at their end, *scattered* ones everywhere.
"""

import asyncio
import json
import multiprocessing
import re
import shutil
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection as Pipe
from pathlib import Path

from aiohttp import web
from prometheus_client import CollectorRegistry

from background.readiness import Readiness
from bench.figure import Figure
from bench.resources import cpu_seconds
from bus.database.adapter import DatabaseQueue
from bus.queue import NotificationSender
from console import logs
from console.wiring.clock import utc_now
from console.wiring.process import freeze_gc
from db.engine import Database, make_engine
from db.schema import migration
from graph.client_state import ClientStateKeys
from receiver.app import Receiver
from receiver.connections import ConnectionLimits
from receiver.metrics import ReceiverMetrics
from receiver.server import Listener
from receiver.throttled_log import ThrottledLog

SECRET = "bench-only-" * 4
_CONNECTIONS = 64
_SECONDS = 8
_LOADS = ((1, 0.85, "neighbours"), (20, 0.9, "neighbours"), (1, 0.75, "scattered"), (20, 0.6, "scattered"))
"""Items of a body, the ratio to reach, and the kind of their ids."""
_SCRIPT = Path(__file__).with_name("notifications.lua")


@dataclass(frozen=True)
class Load:
    """One load: requests per second, 99th percentile in milliseconds, and responses other than 2xx.

    `cpu`: seconds of computing time of the server, a request.
    """

    requests: float
    p99: float
    refused: int
    cpu: float


@dataclass(frozen=True)
class Server:
    """A server process."""

    port: int
    pid: int


def main() -> None:
    """Print the figures for bodies of 1 and of 20 items."""
    if shutil.which("wrk") is None:
        print("receiver: needs wrk (Debian: apt-get install wrk)")
        return
    state = ClientStateKeys(SECRET).sign(1)
    for items, goal, ids in _LOADS:
        bare = measure(_bare, state, items, ids)
        grouped = measure(_grouped, state, items, ids)
        ours = measure(_ours, state, items, ids)
        print(f"receiver, bodies of {items}, ids {ids}:")
        for name, load in (("bare handler (a)", bare), ("bare group commit (b)", grouped), ("receiver", ours)):
            print(
                f"  {name:22} {load.requests * items:9.0f} notifications/s  p99 {load.p99:6.1f} ms"
                f"  CPU {load.cpu / items * 1e6:6.1f} µs a notification"
                + (f"  refused {load.refused}" if load.refused else "")
            )
        ratio = ours.requests / grouped.requests
        print(f"  ratio to (b) {ratio:.2f} (to reach: {goal}), to (a) {ours.requests / bare.requests:.2f}")
        print(f"  of CPU time: (b) ÷ receiver {grouped.cpu / ours.cpu:.2f}")


def figures() -> Iterator[Figure]:
    """The receiver against a bare durable handler. Without `wrk` there are none."""
    if shutil.which("wrk") is None:
        return
    state = ClientStateKeys(SECRET).sign(1)
    for items, goal, ids in _LOADS:
        bare, ours = (measure(each, state, items, ids).requests for each in (_grouped, _ours))
        yield Figure(
            f"receiver, bodies of {items}, {ids} ÷ bare durable handler",
            ours / bare,
            "times",
            goal,
            f"{bare * items:.0f} notifications/s",
        )


def rate(items: int, ids: str) -> float | None:
    """Notifications per second that the receiver acknowledges; None where `wrk` is not installed."""
    if shutil.which("wrk") is None:
        return None
    return measure(_ours, ClientStateKeys(SECRET).sign(1), items, ids).requests * items


def measure(serve: Callable[[Pipe, Path], None], state: str, items: int, ids: str) -> Load:
    """Run `serve` in a process of its own, and load it."""
    with serving(serve) as server:
        _load(server, state, items, ids, seconds=2)
        return _load(server, state, items, ids, seconds=_SECONDS)


@contextmanager
def serving(serve: Callable[[Pipe, Path], None] | None = None) -> Iterator[Server]:
    """Run a server process, by default the production receiver on SQLite."""
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = multiprocessing.Pipe()
        process = multiprocessing.get_context("spawn").Process(target=serve or _ours, args=(theirs, Path(folder)))
        process.start()
        try:
            yield Server(ours.recv(), process.pid or 0)
        finally:
            process.terminate()
            process.join()


def _load(server: Server, state: str, items: int, ids: str, *, seconds: int) -> Load:
    began = cpu_seconds(server.pid)
    output = subprocess.run(
        [
            *("wrk", "--latency", "-t1", f"-c{_CONNECTIONS}", f"-d{seconds}s", "-s", str(_SCRIPT)),
            *(f"http://127.0.0.1:{server.port}", "--", state, str(items), ids),
        ],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    rate = re.search(r"Requests/sec:\s+([\d.]+)", output)
    tail = re.search(r"99%\s+([\d.]+)(us|ms|s)", output)
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", output)
    if rate is None or tail is None:
        raise RuntimeError(output)
    spent = cpu_seconds(server.pid) - began
    unit = {"us": 0.001, "ms": 1.0, "s": 1000.0}[tail[2]]
    return Load(
        float(rate[1]), float(tail[1]) * unit, int(refused[1]) if refused else 0, spent / (float(rate[1]) * seconds)
    )


def _bare(pipe: Pipe, _folder: Path) -> None:
    async def handle(request: web.Request) -> web.Response:
        json.loads(await request.read())
        return web.Response(status=202)

    asyncio.run(_serve_bare(pipe, handle))


def _grouped(pipe: Pipe, folder: Path) -> None:
    connection = sqlite3.connect(folder / "bare.db", isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE item (id INTEGER PRIMARY KEY, body TEXT NOT NULL)")
    thread = ThreadPoolExecutor(1)
    waiting: list[tuple[list[str], asyncio.Future[None]]] = []
    writing = False

    def write(rows: list[tuple[str]]) -> None:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO item (body) VALUES (?)", rows)
        connection.execute("COMMIT")

    async def drain() -> None:
        nonlocal writing
        while waiting:
            group = waiting[:]
            waiting.clear()
            rows = [(body,) for bodies, _ in group for body in bodies]
            await asyncio.get_running_loop().run_in_executor(thread, write, rows)
            for _, done in group:
                if not done.done():
                    done.set_result(None)
        writing = False

    async def handle(request: web.Request) -> web.Response:
        nonlocal writing
        items = json.loads(await request.read())["value"]
        done = asyncio.get_running_loop().create_future()
        waiting.append(([json.dumps(item) for item in items], done))
        if not writing:
            writing = True
            tasks.add(asyncio.create_task(drain()))
        await done
        return web.Response(status=202)

    tasks: set[asyncio.Task[None]] = set()
    asyncio.run(_serve_bare(pipe, handle))


async def _serve_bare(pipe: Pipe, handle: Callable[[web.Request], Awaitable[web.Response]]) -> None:
    application = web.Application()
    application.router.add_post("/notifications", handle)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    pipe.send(runner.addresses[0][1])
    await asyncio.Event().wait()


def _ours(pipe: Pipe, folder: Path) -> None:
    with (folder / "log").open("w", encoding="utf-8") as log, suppress(KeyboardInterrupt):
        logs.configure(log, "json")
        asyncio.run(_serve_ours(pipe, folder))


async def _serve_ours(pipe: Pipe, folder: Path) -> None:
    engine = make_engine(f"sqlite:///{folder / 'gateway.db'}")
    migration.upgrade(engine, now=utc_now())
    await serve_receiver(pipe, DatabaseQueue(Database(engine), clock=utc_now))


async def serve_receiver(pipe: Pipe, queue: NotificationSender) -> None:
    """Run the production receiver in front of a queue, without end."""
    metrics, throttled = ReceiverMetrics(CollectorRegistry()), ThrottledLog(time.monotonic)
    receiver = Receiver(
        queue,
        account_of=ClientStateKeys(SECRET).verify,
        clock=utc_now,
        metrics=metrics,
        throttled=throttled,
        readiness=Readiness(),
    )
    listener = Listener(
        receiver.answer,
        host="127.0.0.1",
        port=0,
        tls=None,
        limits=ConnectionLimits(),
        metrics=metrics,
        throttled=throttled,
    )
    port = await listener.start()
    freeze_gc()
    pipe.send(port)
    await asyncio.Event().wait()
