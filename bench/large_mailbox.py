"""Memory for a mailbox of 1,000,000 messages: its first pass by `run subscriptions`, and `verify`.

Each is a process of the product, on SQLite. The baseline is the same process with a mailbox of a few messages; what it
takes above that is the mailbox's. The simulator makes the messages only as it lists them, and the benchmark empties
the queue, which a processor would need hours for.

    python -m bench large_mailbox [--messages N]
"""

import argparse
import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import dropwhile
from typing import Any, Final

from sqlalchemy import delete, insert, update

from bench.figure import Figure
from bench.listed_mail import message_id
from bench.resources import cpu_seconds, forget_peak, peak, resident
from bench.stage import Stage, stage
from console.wiring.clock import utc_now
from db.queries import folders
from db.queries.accounts import Account
from db.queries.schedule import FOLDERS
from db.tables import account_settings, message, queue_message

_MESSAGES: Final = 1_000_000
_MESSAGES_IN_SHORT: Final = 100_000
_FEW: Final = 5
_ROWS_AT_ONCE: Final = 10_000
_REST_SECONDS: Final = 15
_GOAL: Final = 50
_SINCE: Final = datetime(1900, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class _Run:
    """Of a process with the large mailbox: megabytes at most, and what it had or has without it; seconds in all."""

    peak: float
    idle: float
    seconds: float
    cpu_seconds: float

    def show(self, title: str, messages: int) -> None:
        print(
            f"  {title:34} {self.peak - self.idle:6.1f} MB above {self.idle:.1f} (to reach: {_GOAL}); "
            f"{messages / self.seconds:,.0f} messages/s, {self.cpu_seconds / messages * 1e6:.0f} µs of CPU time each"
        )


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser("python -m bench large_mailbox")
    parser.add_argument("--messages", type=int, default=_MESSAGES, help="in the mailbox (default: 1000000)")
    given = parser.parse_args(list(dropwhile(lambda each: not each.startswith("-"), sys.argv[1:])))
    asyncio.run(_measure(given.messages))


def figures() -> Iterator[Figure]:
    """The first pass, and `verify` of what it queued, with fewer messages than `main`."""
    passed, missing = asyncio.run(_measure_few())
    for title, found in (("first pass", passed), ("verify", missing)):
        yield Figure(
            f"a mailbox of {_MESSAGES_IN_SHORT:,} messages: {title}, peak memory above idle",
            found.peak - found.idle,
            "MB",
            _GOAL,
            f"idle {found.idle:.0f} MB",
            is_most=True,
            shown=".1f",
        )


async def _measure_few() -> tuple[_Run, _Run]:
    async with _scene(_MESSAGES_IN_SHORT) as (scene, large, small):
        return await _first_pass(scene, large), await _verified(scene, large, small)


@asynccontextmanager
async def _scene(messages: int) -> AsyncIterator[tuple[Stage, Account, Account]]:
    """The stage, with the accounts of the large mailbox and of the small one."""
    async with stage(2, listed=(messages, _FEW), roles=()) as scene:
        large, small = sorted(scene.account_of_user.values(), key=lambda each: each.account_id)
        await scene.database.write(lambda c: c.execute(update(account_settings).values(dtImportSince=_SINCE)))
        yield scene, large, small


async def _measure(messages: int) -> None:
    async with _scene(messages) as (scene, large, small):
        print(f"a mailbox of {messages:,} messages, peak memory:")
        passed = await _first_pass(scene, large)
        passed.show("first pass", messages)
        missing = await _verified(scene, large, small)
        missing.show("verify, all of them missing", messages)
        await _import(scene, large, messages)
        proved = await _verified(scene, large, small)
        proved.show("verify, all of them imported", messages)


async def _first_pass(scene: Stage, large: Account) -> _Run:
    """Have the process sweep the small mailbox, then the large one as well."""
    enabled = update(account_settings).where(account_settings.c.nAccountID == large.account_id)
    await scene.database.write(lambda c: c.execute(enabled.values(bEnabled=False)))
    with _running(_command("run", "subscriptions"), scene) as process:
        await _until_swept(scene, 1)
        await asyncio.sleep(_REST_SECONDS)  # for what a process does at its start
        idle = resident(process.pid)
        forget_peak(process.pid)
        used, started = cpu_seconds(process.pid), time.perf_counter()
        await scene.database.write(lambda c: c.execute(enabled.values(bEnabled=True)))
        await scene.database.write(lambda c: FOLDERS.request(c, large.account_id, now=utc_now()))
        await _until_swept(scene, 2)
        seconds, used = time.perf_counter() - started, cpu_seconds(process.pid) - used
        return _Run(peak(process.pid), idle, seconds, used)


@contextmanager
def _running(command: list[str], scene: Stage) -> "Iterator[subprocess.Popen[bytes]]":
    with (scene.folder / "output").open("wb") as output:
        process = subprocess.Popen(command, env=_environment(scene), stdout=output)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()


async def _until_swept(scene: Stage, number: int) -> None:
    """Empty the queue until so many accounts were gone through."""
    while sum(each is not None for each in (await scene.database.read(folders.swept)).values()) < number:
        await scene.database.write(lambda c: c.execute(delete(queue_message)))
        await asyncio.sleep(0.2)


async def _verified(scene: Stage, large: Account, small: Account) -> _Run:
    environment = _environment(scene)
    few = await asyncio.to_thread(_call, small, environment)
    many = await asyncio.to_thread(_call, large, environment)
    return replace(many, idle=few.peak)


def _call(account: Account, environment: dict[str, str]) -> _Run:
    """Run the command for that account."""
    started, most, used = time.perf_counter(), 0.0, 0.0
    command = _command("verify", account.settings.name, "--json")
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None:
        with suppress(ProcessLookupError):
            most, used = peak(process.pid), cpu_seconds(process.pid)
        time.sleep(0.02)
    if process.returncode not in {0, 1}:
        raise RuntimeError(f"verify ended with {process.returncode}")
    return _Run(most, 0.0, time.perf_counter() - started, used)


async def _import(scene: Stage, account: Account, messages: int) -> None:
    """Store all messages of the folder."""
    statement = insert(message)
    for rows in _rows(account.account_id, messages):
        await scene.database.write(lambda connection, rows=rows: connection.execute(statement, rows))  # type: ignore[misc]  # mypy cannot infer a lambda with defaults


def _rows(account_id: int, messages: int) -> Iterator[list[dict[str, Any]]]:
    first = utc_now() - timedelta(days=1, seconds=messages)
    for start in range(0, messages, _ROWS_AT_ONCE):
        yield [
            {
                "nAccountID": account_id,
                "sGraphMessageID": message_id(number),
                "bHasAttachments": False,
                "dtReceived": first + timedelta(seconds=number),
                "dtImported": first,
            }
            for number in range(start, min(start + _ROWS_AT_ONCE, messages))
        ]


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "console", *arguments]


def _environment(scene: Stage) -> dict[str, str]:
    given = {name: value for name, value in os.environ.items() if not name.startswith("MAIL_IMPORTER_")}
    return given | {
        "MAIL_IMPORTER_DATABASE_URL": f"sqlite:///{scene.folder / 'gateway.db'}",
        "MAIL_IMPORTER_GRAPH_URL": scene.url,
        "MAIL_IMPORTER_AUTHORITY_URL": scene.url,
        "MAIL_IMPORTER_CA_BUNDLE": str(scene.ca_file),
        "MAIL_IMPORTER_CERTIFICATE_STORE": str(scene.folder / "certificates"),
        "MAIL_IMPORTER_METRICS_PORT": "0",
    }


if __name__ == "__main__":
    main()
