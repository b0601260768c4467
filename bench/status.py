"""The state of 10,000 accounts with a million messages on SQLite: how long `status` takes, and what finding it costs.

At the end, a million files of rules: the time in which the monitor finds what waits, what failed and what is late.

Each account has a subscription, a sweep, and a condition: an outage of Graph that all of them found. First the command
as a process, at rest and in that outage; its baseline is `mail-importer --version`, which reads nothing. Then the
statements of a minute: of the heartbeat, of the monitor with its alerts, and of the watch of outages, each counted on
connections of its own, beside a second process, which waits for the lease of the monitor.
"""

import asyncio
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Collection, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, Final

from pydantic import SecretStr
from sqlalchemy import Connection, Engine, delete, event, insert, text

from availability import Availability, Service
from background.pulse import Pulse
from bus.database.adapter import DatabaseQueue
from console import logs
from console.settings import Settings
from console.wiring.alerts import AlertObserver, alerter_of
from console.wiring.clock import utc_now
from console.wiring.monitoring import monitor_of
from db.engine import Database, make_engine, run_reading, run_writing
from db.heartbeat import Heartbeat
from db.queries import deliveries, problems
from db.queries.processes import PROCESSOR, SUBSCRIPTIONS, Process
from db.schema import migration
from db.tables import (
    account_condition,
    account_settings,
    email_file,
    folder_sync,
    graph_subscription,
    mailbox_address,
    service_outage,
    subscription_schedule,
)
from monitoring.monitor import Observer
from monitoring.outages import OutageWatch

_ACCOUNTS: Final = 10_000
_MESSAGES: Final = 1_000_000
_RUNS: Final = 5
_MINUTE: Final = 60.0
_WHY: Final = "no connection (Connection refused)"
_FILLED: Final = f"""
INSERT INTO "tblEmailMessage" ("nAccountID", "sGraphMessageID", "bHasAttachments", "dtReceived", "dtImported")
WITH RECURSIVE number(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM number WHERE n < {_MESSAGES - 1})
SELECT n % {_ACCOUNTS} + 1, printf('AAkALgAAAAAAHYQDEapmEc2byACqAC-EWg0A%0104d', n), 0,
  strftime('%Y-%m-%d %H:%M:%S', '2026-01-01', n || ' seconds') || '.000000',
  strftime('%Y-%m-%d %H:%M:%S', '2026-01-01', n || ' seconds') || '.500000'
FROM number
"""

_FILES: Final = _MESSAGES
_FILES_FILLED: Final = f"""
INSERT INTO "tblEmailFile" ("nMessageID", "nRuleID", "sKey", "sPart", "sFolder", "sFolderKey", "sFileName", "sState",
  "nAttempts", "sReason", "dtCreated", "dtDue", "dtRetryUntil", "dtSaved")
WITH RECURSIVE number(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM number WHERE n < {_FILES - 1})
SELECT n + 1, n % 20 + 1, printf('%064x', n), 'attachment', '/srv/import/' || (n % 20), printf('%064x', n % 20),
  'results.csv', iif(n < :waiting, 'pending', iif(n < :failed, 'failed', 'saved')), iif(n < :failed, 1, 0),
  iif(n < :failed, 'FolderMissing', NULL), :now, iif(n < :waiting, :now, NULL), :now,
  iif(n < :failed, NULL, '2026-01-01 00:00:00.000000')
FROM number
"""


def main() -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        logs.configure((folder / "log").open("w", encoding="utf-8"), "json")
        url = f"sqlite:///{folder / 'gateway.db'}"
        engine = make_engine(url)
        _fill(engine)
        print(f"{_ACCOUNTS:,} accounts, {_MESSAGES:,} messages, SQLite, median of {_RUNS} calls:")
        _show("mail-importer --version", _seconds(folder, url, "--version"))
        _show("status, at rest", _seconds(folder, url, "status"))
        _break(engine)
        _show("status, in an outage", _seconds(folder, url, "status"))
        _show("status --json, in an outage", _seconds(folder, url, "status", "--json"))
        run_writing(engine, lambda connection: connection.execute(delete(account_condition)))
        run_writing(engine, lambda connection: connection.execute(delete(service_outage)))
        asyncio.run(_statements(url))
        for title, waiting, failed in (
            ("of which 100 wait, 100 failed", 100, 100),
            ("half wait, half failed", 5e5, 5e5),
        ):
            run_writing(engine, partial(_fill_files, waiting=int(waiting), failed=int(failed)))
            print(f"  {_FILES:,} files, {title}: {_reading_deliveries(engine):.3f} s")
        engine.dispose()


def _fill(engine: Engine) -> None:
    """Accounts that are served, and the messages of each."""
    migration.upgrade(engine, now=utc_now())
    now, numbers = utc_now(), range(1, _ACCOUNTS + 1)
    rows: dict[Any, list[dict[str, Any]]] = {
        account_settings: [
            {
                "nAccountID": number,
                "sAccountName": f"Station {number:05}",
                "sTenantID": "7f1f0000-0000-0000-0000-000000000001",
                "sClientID": "7f1f0000-0000-0000-0000-000000000002",
                "sUserID": f"7f1f0000-0000-0000-0000-{number:012}",
                "sCertificateThumbprint": "AB" * 20,
                "bSecureCertificateAccess": False,
                "sFolder": "inbox",
                "sAfterImport": "none",
                "bEnabled": True,
            }
            for number in numbers
        ],
        mailbox_address: [
            {
                "nAccountID": number,
                "sUserID": f"7f1f0000-0000-0000-0000-{number:012}",
                "sAddress": f"station{number}@riviere.example",
                "dtLearned": now,
            }
            for number in numbers
        ],
        graph_subscription: [
            {
                "sSubscriptionID": f"subscription {number}",
                "nAccountID": number,
                "dtExpires": now + timedelta(days=6),
                "sState": "active",
                "sResource": "resource",
                "sNotificationURL": "https://importer.example/notifications",
                "sKeyFingerprint": "key",
                "dtGranted": now,
            }
            for number in numbers
        ],
        subscription_schedule: [{"nAccountID": number, "dtDue": now + timedelta(days=4)} for number in numbers],
        folder_sync: [{"nAccountID": number, "dtDue": now + timedelta(hours=1), "dtSwept": now} for number in numbers],
    }
    for table, values in rows.items():
        run_writing(engine, lambda connection, table=table, values=values: connection.execute(insert(table), values))  # type: ignore[misc]  # mypy cannot infer a lambda with defaults
    run_writing(engine, lambda connection: connection.execute(text(_FILLED)))


def _fill_files(connection: Connection, *, waiting: int, failed: int) -> None:
    """A file of each message: the first wait, the next failed, the others are saved; of 20 rules and folders."""
    now = utc_now().strftime("%Y-%m-%d %H:%M:%S.000000")
    connection.execute(delete(email_file))
    connection.execute(text(_FILES_FILLED), {"waiting": waiting, "failed": waiting + failed, "now": now})


def _reading_deliveries(engine: Engine) -> float:
    """Median of the seconds in which the monitor reads the facts of rules and files."""
    times = []
    for _ in range(_RUNS):
        started = time.perf_counter()
        run_reading(engine, lambda connection: deliveries.read(connection, now=utc_now()))
        times.append(time.perf_counter() - started)
    return median(times)


def _break(engine: Engine) -> None:
    """An outage of Graph that all accounts met."""
    now = utc_now()
    conditions = [
        {
            "nAccountID": number,
            "sRole": "sweep",
            "sReason": "GraphUnavailable",
            "sDetail": f"Microsoft Graph cannot be reached for account {number}: {_WHY}.",
            "dtSince": now,
            "dtNextAttempt": now,
        }
        for number in range(1, _ACCOUNTS + 1)
    ]
    outage = {
        "sProcess": "bench",
        "sService": Service.GRAPH.value,
        "dtSince": now,
        "dtSeen": now,
        "nAccounts": _ACCOUNTS,
        "sDetail": _WHY,
    }
    run_writing(engine, lambda connection: connection.execute(insert(account_condition), conditions))
    run_writing(engine, lambda connection: connection.execute(insert(service_outage), [outage]))


def _seconds(folder: Path, url: str, *arguments: str) -> tuple[float, float, int]:
    """Wall and CPU time of a call of the command, and the bytes that it printed."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAIL_IMPORTER_")}
    environment |= {"MAIL_IMPORTER_DATABASE_URL": url, "MAIL_IMPORTER_CERTIFICATE_STORE": str(folder)}
    walls, times, printed = list[float](), list[float](), 0
    for _ in range(_RUNS):
        before, started = _cpu(), time.perf_counter()
        called = subprocess.run(
            [sys.executable, "-m", "console", *arguments], env=environment, capture_output=True, check=True
        )
        walls.append(time.perf_counter() - started)
        times.append(_cpu() - before)
        printed = len(called.stdout)
    return median(walls), median(times), printed


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _show(title: str, found: tuple[float, float, int]) -> None:
    wall, cpu, printed = found
    print(f"  {title:30} {wall:5.2f} s, {cpu:5.2f} s of CPU time, {printed:,} bytes")


# Statements per minute.


class _Counted:
    """The statements and transactions of one component."""

    def __init__(self, url: str) -> None:
        engine = make_engine(url)
        self.database = Database(engine)
        self.counts: Counter[str] = Counter()
        event.listen(engine, "before_cursor_execute", self._executed)

    def _executed(self, _connection: Any, _cursor: Any, statement: str, *_: Any) -> None:  # noqa: ANN401  # SQLAlchemy's
        if statement.startswith("SELECT"):
            self.counts["reads"] += 1
        elif statement.startswith(("INSERT", "UPDATE", "DELETE")):
            self.counts["writes"] += 1


class _ProcessOf:
    """A process with both roles, each component on connections of its own."""

    def __init__(self, url: str, name: str, targets: str, availability: Availability) -> None:
        self.availability = availability
        self.counted = {each: _Counted(url) for each in ("heartbeat", "monitor and alerts", "watch of outages")}
        self.settings = Settings(database_url=SecretStr(url), alerts=SecretStr(targets))
        self.process = Process(name, name, (PROCESSOR, SUBSCRIPTIONS), "", utc_now())

    async def run(self, stop: asyncio.Event, stack: AsyncExitStack) -> list[asyncio.Task[None]]:
        """Start it."""
        of_monitor = self.counted["monitor and alerts"].database
        keeping = Heartbeat(self.counted["heartbeat"].database, self.process, clock=utc_now)
        heartbeat = await stack.enter_async_context(keeping.kept())
        alerter = alerter_of(self.settings, of_monitor, clock=utc_now)
        observers: Sequence[Observer] = [] if alerter is None else [AlertObserver(alerter)]
        queue = DatabaseQueue(of_monitor, clock=utc_now)
        stack.push_async_callback(queue.close)
        monitor = monitor_of(self.settings, of_monitor, queue, heartbeat, observers)
        watch = OutageWatch(
            self.counted["watch of outages"].database,
            self.process.name,
            self.availability,
            {},
            pulse=Pulse(),
            clock=utc_now,
        )
        return [asyncio.create_task(monitor.run(stop)), asyncio.create_task(watch.run(stop))]

    def clear(self) -> None:
        """Count from now."""
        for each in self.counted.values():
            each.counts.clear()


async def _statements(url: str) -> None:
    availability = Availability(clock=utc_now)
    first = _ProcessOf(url, "first", "json://127.0.0.1:9/unreachable", availability)
    second = _ProcessOf(url, "second", "json://127.0.0.1:9/unreachable", Availability(clock=utc_now))
    both = (first, second)
    stop = asyncio.Event()
    async with AsyncExitStack() as stack:
        running = [task for each in both for task in await each.run(stop, stack)]
        await asyncio.sleep(15)
        await _minute("at rest", both)
        failing = asyncio.create_task(_fail(availability))
        await asyncio.sleep(45)
        await _minute("in an outage of all accounts", both)
        opened = run_reading(first.counted["heartbeat"].database.engine, problems.open_problems)
        print("  problems:", ", ".join(f"{each.kind} of {each.count:,} accounts" for each in opened))
        failing.cancel()
        stop.set()
        await asyncio.gather(*running, failing, return_exceptions=True)
    for each in both:
        for counted in each.counted.values():
            await counted.database.close()


async def _fail(availability: Availability) -> None:
    """Calls of all accounts that are refused, again and again."""
    while True:
        for number in range(1, _ACCOUNTS + 1):
            availability.failed(Service.GRAPH, _WHY, account_id=number)
        await asyncio.sleep(1)


async def _minute(title: str, processes: Collection[_ProcessOf]) -> None:
    """Print the statements of a minute."""
    for each in processes:
        each.clear()
    used = time.process_time()
    await asyncio.sleep(_MINUTE)
    used = time.process_time() - used
    print(f"Statements of a minute {title} ({used:.2f} s of CPU time for both processes):")
    for each in processes:
        for component, counted in each.counted.items():
            name = f"{each.process.name}: {component}"
            print(f"  {name:30} {counted.counts['reads']:4} reads, {counted.counts['writes']:4} writes")


if __name__ == "__main__":
    main()
