"""A worker for tests of the supervisor: `python -m tests.doubles.worker`. Its roles name what it does.

`fails`, `settings`, `exits`: it ends before it serves, with a reason, with wrong settings, without a reason.
`mute`: it never serves. `deaf`: it serves, and ignores the stop. `stops late`: its stop is overdue. `frail`: it serves,
except where a file of its number is in the working folder, `no-1` or, for wrong settings, `wrong-1`. `stuck`: it
serves, and one of its loops is stuck; `stuck and deaf`: it ignores the stop as well. Otherwise it serves until the
stop.
"""

import asyncio
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge

from availability import Availability, Service
from background.pulse import Pulse
from background.readiness import Readiness
from console import logs
from console.supervision.channel import SupervisorChannel
from console.supervision.messages import Assignment, FailureReport
from console.supervision.supervisor import OVERDUE_STATUS
from console.wiring.process import run_until_requested
from console.wiring.roles import Started
from operatingsystem import print_stacks_on_request
from phrases import Phrase


def main() -> int:
    print_stacks_on_request()
    channel = SupervisorChannel.of_process()
    try:
        assignment = channel.assignment()
        assert assignment is not None
    except EOFError:
        return 0
    [role] = assignment.roles
    if role == "fails" or (role == "frail" and Path(f"no-{assignment.number}").exists()):
        channel.failed(FailureReport("The table is round."))
        return 1
    if role == "settings" or (role == "frail" and Path(f"wrong-{assignment.number}").exists()):
        problem = Phrase("trace_days: it is round.")
        channel.failed(FailureReport(problem, (problem,)))
        return 1
    if role == "exits":
        return 4
    logs.configure(channel, "json", facts={"worker": assignment.number})
    reload = asyncio.Event()

    def listen(request_stop: Callable[[str], None]) -> None:
        channel.listen((lambda _reason: None) if role in {"deaf", "mute", "stuck and deaf"} else request_stop, reload)

    run_until_requested(
        lambda stop: _serve(channel, assignment, role, stop, reload), listen, on_overdue=lambda: None, stop_seconds=60
    )
    if role == "stops late":
        return OVERDUE_STATUS
    channel.send_metrics()
    return 0


async def _serve(
    channel: SupervisorChannel, assignment: Assignment, role: str, stop: asyncio.Event, reload: asyncio.Event
) -> None:
    registry, readiness = CollectorRegistry(), Readiness()
    Counter("mail_importer_things", "Things.", registry=registry).inc(assignment.number)
    Gauge("mail_importer_deliveries_in_hand", "Deliveries.", registry=registry).set(10)
    Gauge("mail_importer_held_accounts", "Accounts.", registry=registry).set(assignment.number)
    readiness.add("queue", lambda: "It is full." if Path("full").exists() else None)
    availability = Availability(clock=lambda: datetime.now(UTC))
    readiness.add("reported", lambda: "It is." if availability.is_failing(Service.WORKER) else None)
    channel.expose(registry, readiness, availability)
    if role == "mute":
        await stop.wait()
    times = iter([0.0])
    pulse = Pulse(monotonic=lambda: next(times, 40.0))
    if role in {"stuck", "stuck and deaf"}:
        pulse.beat("receiving")
    attending = asyncio.create_task(channel.attend(pulse, stop))
    structlog.get_logger().info("worker_at_work", process=os.getpid())
    channel.started(Started(None))
    await asyncio.wait(
        [asyncio.create_task(stop.wait()), asyncio.create_task(reload.wait())], return_when="FIRST_COMPLETED"
    )
    if reload.is_set():
        structlog.get_logger().info("reloaded")
        await stop.wait()
    await attending


if __name__ == "__main__":
    sys.exit(main())
