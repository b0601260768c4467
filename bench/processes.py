"""One host, `run processor --processes 2` against `run processor`: 50 mailboxes, 100 ms, PostgreSQL with the queue.

The command itself is measured, with its supervisor. Each process handles eight deliveries at a time, so that it waits
for Graph, and not for the machine's two cores, which simulator and database use as well; `--whole` leaves the product's
own bound of 64, where the cores decide. The baseline is the one process of the same round.
"""

import argparse
import asyncio
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import dropwhile
from pathlib import Path
from statistics import median
from typing import Final

from bench.figure import Figure
from bench.processes_worker import IN_HAND
from bench.stage import Stage, notification, stage
from bus.database.adapter import DatabaseQueue
from console.wiring.clock import utc_now
from db.queries.processes import PROCESSOR, KnownProcess, every
from processor.worker import WorkerLimits
from simulator.faults import Fault, FaultKind
from tests.databases import PostgreSQLServer

_MAILBOXES: Final = 50
_LATENCY_SECONDS: Final = 0.1
_IN_HAND: Final = 8
_BACKLOG_OF_ONE: Final = 500
_GOAL: Final = 1.8
_SETTLE_SECONDS: Final = 2.0
"""For each process to learn of the other, and of what one before it had."""


@dataclass(frozen=True, slots=True)
class _Round:
    """Figures of one backlog: messages a second, and milliseconds of computing time a message, supervisor included."""

    rate: float
    cpu_ms: float
    supervisor_ms: float


@dataclass(frozen=True, slots=True)
class _Pair:
    """One process, and two right after it."""

    one: _Round
    two: _Round

    @property
    def ratio(self) -> float:
        """Two against one."""
        return self.two.rate / self.one.rate


@dataclass(frozen=True, slots=True)
class _Found:
    """All rounds; refused calls, and calls of a mailbox at once at most."""

    pairs: list[_Pair]
    throttled: int
    at_once: int


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser("python -m bench processes")
    parser.add_argument("--whole", action="store_true", help="with the product's own bound of 64 deliveries at a time")
    parser.add_argument("--rounds", type=int, default=3, help="pairs of backlogs (default: 3)")
    given = parser.parse_args(list(dropwhile(lambda each: not each.startswith("-"), sys.argv[1:])))
    in_hand = None if given.whole else _IN_HAND
    found = asyncio.run(_measure(in_hand, given.rounds))
    bound = f"{in_hand or WorkerLimits().max_in_flight} deliveries at a time in each"
    print(f"run processor on PostgreSQL, {_MAILBOXES} mailboxes, {_LATENCY_SECONDS * 1000:.0f} ms, {bound}:")
    for processes, rounds in ((1, [each.one for each in found.pairs]), (2, [each.two for each in found.pairs])):
        rate, cpu, own = (
            median(getattr(each, name) for each in rounds) for name in ("rate", "cpu_ms", "supervisor_ms")
        )
        print(
            f"  --processes {processes}  {rate:6.1f} messages/s, {cpu:5.2f} ms of CPU time each, of it the supervisor "
            f"{own:.2f}"
        )
    ratios = [each.ratio for each in found.pairs]
    print(f"  ratio {min(ratios):.2f} to {max(ratios):.2f}, median {median(ratios):.2f} (to reach: {_GOAL})")
    print(f"  429s {found.throttled}, most calls at once {found.at_once}")


def figures() -> Iterator[Figure]:
    """Two processes of a host against one."""
    [pair] = asyncio.run(_measure(_IN_HAND, 1)).pairs
    yield Figure(
        f"one host, run processor --processes 2 ÷ 1, 100 ms, {_MAILBOXES} mailboxes",
        pair.ratio,
        "times",
        _GOAL,
        f"one process {pair.one.rate:.0f} messages/s",
    )


async def _measure(in_hand: int | None, rounds: int) -> _Found:
    with tempfile.TemporaryDirectory() as name:
        server = PostgreSQLServer(Path(name), durable=True)
        try:
            server.execute('CREATE DATABASE "bench"')
            url = server.url("bench")
            async with stage(_MAILBOXES, database_url=url, roles=()) as scene:
                await scene.control.add_fault(Fault(FaultKind.LATENCY, seconds=_LATENCY_SECONDS))
                pairs = [
                    _Pair(await _backlog(scene, url, 1, in_hand), await _backlog(scene, url, 2, in_hand))
                    for _ in range(rounds)
                ]
                found = await scene.control.statistics()
        finally:
            server.stop()
    return _Found(pairs, found["throttled"], max(found["concurrency_high_water"].values()))


async def _backlog(scene: Stage, database_url: str, processes: int, in_hand: int | None) -> _Round:
    """Queue a backlog for all mailboxes while the processes idle, and import it."""
    before = await scene.imported()
    known = len(await scene.control.ledger())
    arrived = (await scene.deliver(4 * processes * _BACKLOG_OF_ONE, seed=before + 1))[known:]
    ledger = [each for each in arrived if not each["attachments"]][: processes * _BACKLOG_OF_ONE]
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
