"""The web console under the load of 50 browsers, with a page each 1 to 2 seconds of each, while mail is imported.

The processor empties a queue as fast as Graph allows: its calls take 100 ms, four at a time of each mailbox, and there
are as many mailboxes as the rate needs. So the machine has computing time left, and it shows what the console takes
from imports: the rate with the load is set beside the mean of the rates before and after it, in the same run.
"""

import asyncio
import os
import re
import shutil
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, select

from bench.console_gateway import fill_gateway
from bench.console_server import Server, Site, console_server
from bench.stage import Stage, stage
from console.wiring.process import freeze_gc
from db.tables import message
from simulator.faults import Fault, FaultKind
from tests.databases import Databases, Gateway

RATE: Final = 200
_BROWSERS: Final = 50
_PAUSE_MS: Final = (1000, 2000)
_SECONDS: Final = 10
"""Of each of the three runs, at the wanted rate."""
_LATENCY_SECONDS: Final = 0.1
_CALLS: Final = 1.8
"""Calls of Graph of a message, about; see `bench/processor.py`."""
_OF_MAILBOX: Final = 4
_MOST_SECONDS: Final = 600
_SETTLING_SECONDS: Final = 3
_SCRIPT: Final = Path(__file__).with_name("console.lua")


@dataclass(frozen=True, slots=True)
class _Load:
    """The answers of the console, times in ms. `others`: failed, or of another status than 200."""

    requests: int
    others: int
    p50: float
    p99: float
    longest: float


@dataclass(frozen=True, slots=True)
class _Run:
    """A run of imports. `busy`: the share of all cores that was in use; `console`: computing time of the console."""

    rate: float
    busy: float
    console: float


def show(title: str, databases: Databases, folder: Path, *, messages: int, rate: int) -> None:
    """Print the figures."""
    if shutil.which("wrk") is None:
        print("console --soak: needs wrk (Debian: apt-get install wrk)")
        return
    place = folder / f"{title} soak"
    place.mkdir()
    with databases.migrated(place) as gateway:
        engine = gateway.engine()
        fill_gateway(engine, messages=messages)
        engine.dispose()
        print(f"Web console under load, {title}, {messages:,} messages, {os.cpu_count()} cores;")
        print(f"  {_BROWSERS} browsers, a page each {_PAUSE_MS[0] / 1000:g} to {_PAUSE_MS[1] / 1000:g} s:")
        asyncio.run(_soak(gateway, place, messages, rate))


async def _soak(gateway: Gateway, folder: Path, messages: int, rate: int) -> None:
    mailboxes = max(1, round(rate * _CALLS * _LATENCY_SECONDS / _OF_MAILBOX))
    async with stage(mailboxes, database_url=gateway.url) as scene:
        ledger = await scene.deliver(3 * _SECONDS * rate)
        parts = [ledger[number::3] for number in range(3)]
        await scene.control.add_fault(Fault(FaultKind.LATENCY, seconds=_LATENCY_SECONDS))
        freeze_gc()
        with console_server(gateway.url, folder) as console:
            before = await _run(scene, console, parts[0])
            wrk = await _browsers(console.site, messages)
            await asyncio.sleep(_SETTLING_SECONDS)
            during = await _run(scene, console, parts[1])
            wrk.send_signal(signal.SIGINT)
            output, _ = await wrk.communicate()
            after = await _run(scene, console, parts[2])
        lost = await _lost(scene, ledger)
    _print(before, during, after, _load_of(output.decode()))
    print(f"  lost: {lost} of {len(ledger):,} messages (to reach: 0)")


def _print(before: _Run, during: _Run, after: _Run, load: _Load) -> None:
    for name, each in (("without", before), ("with the load", during), ("without", after)):
        print(
            f"  imports {name:13} {each.rate:6.1f} messages/s; cores in use {each.busy:4.0%}, "
            f"of that the console {each.console:4.0%} of a core"
        )
    ratio = during.rate / ((before.rate + after.rate) / 2)
    print(f"  ratio of the imports {ratio:.2f} (to reach: 0.95)")
    print(
        f"  {load.requests:,} pages, p50 {load.p50:.0f} ms, p99 {load.p99:.0f} ms (to reach: under 500), longest "
        f"{load.longest:.0f} ms, {load.others} without the page"
    )


async def _run(scene: Stage, console: Server, ledger: Sequence[dict[str, Any]]) -> _Run:
    cpu, cores = console.cpu_seconds(), _cores()
    async with asyncio.timeout(_MOST_SECONDS):
        seconds = await scene.import_all(list(ledger))
    used, total = (now - then for now, then in zip(_cores(), cores, strict=True))
    return _Run(len(ledger) / seconds, used / total, (console.cpu_seconds() - cpu) / seconds)


def _cores() -> tuple[float, float]:
    """Ticks in which the cores of the machine worked, and all ticks: `proc_stat(5)`."""
    ticks = [int(each) for each in Path("/proc/stat").read_text("ascii").splitlines()[0].split()[1:9]]
    return sum(ticks) - ticks[3] - ticks[4], sum(ticks)


async def _browsers(site: Site, messages: int) -> asyncio.subprocess.Process:
    """Start wrk; it goes on until it is interrupted."""
    return await asyncio.create_subprocess_exec(
        *(
            "wrk",
            "-t1",
            f"-c{_BROWSERS}",
            f"-d{_MOST_SECONDS}s",
            "--timeout",
            "30s",
            "-s",
            str(_SCRIPT),
            site.url,
            "--",
        ),
        *(site.cookie, *map(str, _PAUSE_MS), *_addresses(messages)),
        stdout=asyncio.subprocess.PIPE,
    )


def _addresses(messages: int) -> list[str]:
    """Each is as likely: the overview that keeps itself up to date, the log and its filters, e-mails, others."""
    mails = [f"/messages/{1 + number * 7919 % messages}" for number in range(4)]
    searches = [f"/messages?sender=sender{number * 997}@" for number in range(2)]
    return [
        *("/", "+/", "+/", "+/", "/messages", "/messages", "/messages", "/messages?rule_states=red"),
        *searches,
        *mails,
        *("/mailboxes", "/mailboxes", "/failures", "/rules"),
    ]


def _load_of(output: str) -> _Load:
    found = re.search(r"^console (\d+) (\d+) (\d+) (\d+) (\d+)$", output, re.MULTILINE)
    if found is None:
        raise RuntimeError(output)
    requests, others, *microseconds = map(int, found.groups())
    return _Load(requests, others, *(each / 1000 for each in microseconds))


async def _lost(scene: Stage, ledger: Sequence[dict[str, Any]]) -> int:
    """Messages of the ledger without a row."""
    users = {scene.account_of_user[each["user_id"]].account_id for each in ledger}

    def read(connection: Connection) -> set[str]:
        mine = select(message.c.sGraphMessageID).where(message.c.nAccountID.in_(users))
        return set(connection.scalars(mine))

    found = await scene.database.read(read)
    return sum(each["message_id"] not in found for each in ledger)
