"""Periodic tasks: an error of one ends neither the manager nor the task."""

import asyncio
from datetime import timedelta

import structlog

from subscriptions.manager import PeriodicRunner
from tests.doubles.clock import SettableClock


class Broken:
    """A task that fails as no task should."""

    def __init__(self) -> None:
        self.runs = 0

    async def work(self) -> timedelta:
        self.runs += 1
        raise KeyError("a text that may be of a mail")


async def test_a_task_that_fails_unexpectedly_is_reported_and_runs_again_a_minute_later() -> None:
    clock, task = SettableClock(), Broken()
    runner = PeriodicRunner(task, clock, clock())
    with structlog.testing.capture_logs() as logged:
        for number in (1, 2):
            await runner.poll()
            async with asyncio.timeout(60):
                while len(logged) < number:  # noqa: ASYNC110  # the log sets no event
                    await asyncio.sleep(0)
            await runner.poll()
            clock.advance(timedelta(seconds=61))
    await runner.finish()
    assert [(each["event"], each["task"], each["error_type"]) for each in logged] == [
        ("background_task_failed", "Broken", "KeyError")
    ] * 2
    assert "mail" not in str(logged)
