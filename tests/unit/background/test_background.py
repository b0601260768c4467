"""Background tasks that fail."""

import asyncio
import contextlib

import pytest
import structlog

import background


class Flaky:
    """Fails so many times, then does its work."""

    def __init__(self, failures: int) -> None:
        self.left = failures
        self.runs = 0

    async def __call__(self) -> None:
        self.runs += 1
        if self.left:
            self.left -= 1
            raise KeyError("what it choked on")


async def test_a_task_that_fails_is_started_again_after_growing_pauses() -> None:
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    work = Flaky(7)
    with structlog.testing.capture_logs() as logged:
        await background.restarted(work, name="keeping house", sleep=sleep)
    assert work.runs == 8
    assert pauses == [1, 2, 4, 8, 16, 30, 30]
    assert [each["event"] for each in logged] == ["background_task_failed"] * 7
    assert logged[0]["task"] == "keeping house"
    assert logged[0]["error_type"] == "KeyError"
    assert "choked" not in str(logged)  # its text may be mail


async def test_cancelling_ends_it() -> None:
    begun = asyncio.Event()

    async def work() -> None:
        begun.set()
        await asyncio.Event().wait()

    running = asyncio.create_task(background.restarted(work, name="waiting"))
    await begun.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_the_failure_of_a_task_that_nothing_awaits_is_logged() -> None:
    with structlog.testing.capture_logs() as logged:
        task = background.start(Flaky(1)(), name="once")
        await asyncio.wait([task])
    assert [(each["event"], each["task"]) for each in logged] == [("background_task_failed", "once")]


async def test_a_task_that_swallows_its_cancellation_is_reported_and_left() -> None:
    """The end of a process does not wait for it; the log names it."""
    release = asyncio.Event()

    async def stubborn() -> None:
        while not release.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await release.wait()

    async def obedient() -> None:
        await release.wait()

    tasks = [asyncio.create_task(stubborn(), name="stubborn"), asyncio.create_task(obedient(), name="obedient")]
    await asyncio.sleep(0)
    try:
        with structlog.testing.capture_logs() as logs:
            async with asyncio.timeout(60):
                await background.cancel(*tasks, within=0.05)
        found = [(each["event"], each["tasks"], each["count"]) for each in logs]
        assert found == [("tasks_not_ended", ["stubborn"], 1)]
        assert tasks[1].cancelled()
    finally:
        release.set()  # or the loop would never end
    await tasks[0]
