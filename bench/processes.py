"""One host, `run processor --processes 2` against `run processor`: 50 mailboxes, 100 ms, PostgreSQL with the queue.

The command itself is measured, with its supervisor. Each process handles eight deliveries at a time, so that it waits
for Graph, and not for the machine's two cores, which simulator and database use as well; `--whole` leaves the product's
own bound of 64, where the cores decide. The baseline is the one process of the same round. BENCH_ROUNDS: rounds.
"""

import asyncio
import os
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from bench.processes_worker import IN_HAND
from bench.stage import Stage, notification, stage
from bus.database.adapter import DatabaseQueue
from console.wiring.clock import utc_now
from db.queries.processes import PROCESSOR, KnownProcess, every
from simulator.faults import Fault, FaultKind
from tests.databases import PostgreSQLServer

_MAILBOXES: Final = 50
_LATENCY_SECONDS: Final = 0.1
_IN_HAND: Final = 8
_BACKLOG_OF_ONE: Final = 500
_ROUNDS: Final = int(os.environ.get("BENCH_ROUNDS", "3"))
_SETTLE_SECONDS: Final = 2.0
"""For each process to learn of the other, and of what one before it had."""


@dataclass(frozen=True)
class _Round:
    """Figures of one backlog: messages a second, and milliseconds of computing time a message, supervisor included."""

    rate: float
    cpu_ms: float
    supervisor_ms: float


def main() -> None:
    """Print the figures."""
    asyncio.run(_measure(None if "--whole" in sys.argv else _IN_HAND))


async def _measure(in_hand: int | None) -> None:
    with tempfile.TemporaryDirectory() as name:
        server = PostgreSQLServer(Path(name), durable=True)
        try:
            server.execute('CREATE DATABASE "bench"')
            async with stage(_MAILBOXES, database_url=server.url("bench"), roles=()) as scene:
                await scene.control.add_fault(Fault(FaultKind.LATENCY, seconds=_LATENCY_SECONDS))
                rounds = [
                    [await _backlog(scene, server.url("bench"), processes, in_hand) for processes in (1, 2)]
                    for _ in range(_ROUNDS)
                ]
                found = await scene.control.statistics()
        finally:
            server.stop()
    bound = f"{in_hand or 64} deliveries at a time in each"
    print(f"run processor on PostgreSQL, {_MAILBOXES} mailboxes, {_LATENCY_SECONDS * 1000:.0f} ms, {bound}:")
    for title, several in zip(("--processes 1", "--processes 2"), zip(*rounds, strict=True), strict=True):
        rate, cpu, own = (
            median(getattr(each, name) for each in several) for name in ("rate", "cpu_ms", "supervisor_ms")
        )
        print(f"  {title}  {rate:6.1f} messages/s, {cpu:5.2f} ms of CPU time each, of it the supervisor {own:.2f}")
    ratios = [two.rate / one.rate for one, two in rounds]
    print(f"  ratio {min(ratios):.2f} to {max(ratios):.2f}, median {median(ratios):.2f} (to reach: 1.8)")
    print(f"  429s {found['throttled']}, most calls at once {max(found['concurrency_high_water'].values())}")


async def _backlog(scene: Stage, database_url: str, processes: int, in_hand: int | None) -> _Round:
    """Queue a backlog for all mailboxes while the processes idle, and import it."""
    before = await scene.imported()
    known = len(await scene.control.ledger())
    ledger = (await scene.deliver(processes * _BACKLOG_OF_ONE, seed=before + 1))[known:]
    with (scene.folder / f"log-{before}").open("wb") as log:
        running = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bench.processes_worker", "run", "processor", "--processes", str(processes)),
            env=_environment(scene, database_url, in_hand),
            stdout=log,
            stderr=log,
        )
    try:
        while len(_serving(await scene.database.read(every))) < processes:
            if running.returncode is not None:
                raise RuntimeError((scene.folder / f"log-{before}").read_text("utf-8"))
            await asyncio.sleep(0.1)
        await asyncio.sleep(_SETTLE_SECONDS)
        queue = DatabaseQueue(scene.database, clock=utc_now)
        await queue.put([notification(scene.account_of_user[each["user_id"]].account_id, each) for each in ledger])
        await queue.close()
        began, first = await _reached(scene, before + len(ledger) // 10), _cpu_seconds(running.pid)
        ended, last = await _reached(scene, before + len(ledger) * 9 // 10), _cpu_seconds(running.pid)
        await _reached(scene, before + len(ledger))
    finally:
        running.send_signal(signal.SIGTERM)
        await running.wait()
    measured = 0.8 * len(ledger)
    spent = {pid: seconds - first.get(pid, 0.0) for pid, seconds in last.items()}
    supervisor = spent[running.pid] if processes > 1 else 0.0
    return _Round(measured / (ended - began), sum(spent.values()) / measured * 1000, supervisor / measured * 1000)


def _environment(scene: Stage, database_url: str, in_hand: int | None) -> dict[str, str]:
    settings = {
        "DATABASE_URL": database_url,
        "GRAPH_URL": scene.url,
        "AUTHORITY_URL": scene.url,
        "CA_BUNDLE": str(scene.ca_file),
        "CERTIFICATE_STORE": str(scene.folder / "certificates"),
        "METRICS_PORT": "0",
    }
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("MAIL_IMPORTER_")},
        **{f"MAIL_IMPORTER_{name}": value for name, value in settings.items()},
        **({} if in_hand is None else {IN_HAND: str(in_hand)}),
    }


def _serving(known: Sequence[KnownProcess]) -> list[KnownProcess]:
    return [each for each in known if PROCESSOR in each.process.roles]


async def _reached(scene: Stage, count: int) -> float:
    while await scene.imported() < count:  # noqa: ASYNC110  # other processes
        await asyncio.sleep(0.02)
    return time.monotonic()


def _cpu_seconds(root: int) -> dict[int, float]:
    """The computing time of a process and of all below it (https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html)."""
    found: dict[int, tuple[int, float]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # ended meanwhile
            fields = path.read_text("ascii", "replace").rpartition(")")[2].split()
            ticks = int(fields[11]) + int(fields[12])
            found[int(path.parent.name)] = (int(fields[1]), ticks / os.sysconf("SC_CLK_TCK"))
    known = {root}
    while more := {pid for pid, (parent, _) in found.items() if parent in known} - known:
        known |= more
    return {pid: found[pid][1] for pid in known if pid in found}
