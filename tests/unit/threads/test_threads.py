"""Blocking calls: bounded in number, and abandoned when they hang."""

import asyncio
import gc
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Iterator

import pytest

from threads import DaemonThreads


@pytest.fixture
def release() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


async def _call(threads: DaemonThreads, event: threading.Event) -> None:
    await asyncio.get_running_loop().run_in_executor(threads, event.wait, 10)


async def test_no_more_calls_run_at_once_than_were_agreed(release: threading.Event) -> None:
    threads = DaemonThreads("counted", limit=3)
    calls = [asyncio.create_task(_call(threads, release)) for _ in range(10)]
    await asyncio.sleep(0)
    assert sum(each.name == "counted" for each in threading.enumerate()) == 3
    release.set()
    await asyncio.gather(*calls)


async def test_results_and_errors_come_back() -> None:
    threads = DaemonThreads("answering", limit=1)
    loop = asyncio.get_running_loop()
    assert await loop.run_in_executor(threads, sum, (1, 2)) == 3
    with pytest.raises(ZeroDivisionError):
        await loop.run_in_executor(threads, divmod, 1, 0)
    assert threads.submit(int, "7", base=8).result(10) == 7


async def test_a_caller_leaves_a_call_that_hangs_and_waiting_calls_are_dropped(release: threading.Event) -> None:
    """Callers that give up behind it, and come again, do not pile up."""
    threads = DaemonThreads("hanging", limit=1)
    async with asyncio.timeout(60):
        for _ in range(5):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await _call(threads, release)
    assert not threads._waiting
    release.set()
    assert await asyncio.get_running_loop().run_in_executor(threads, lambda: "served") == "served"


def test_a_call_that_hangs_does_not_keep_the_process_from_ending() -> None:
    """It holds for one awaited with `asyncio.run`, too, which waits for the threads of the default executor."""
    program = (
        "import asyncio, time\n"
        "from threads import DaemonThreads\n"
        "async def main():\n"
        "    call = asyncio.get_running_loop().run_in_executor(DaemonThreads('x', limit=1), time.sleep, 60)\n"
        "    await asyncio.wait([call], timeout=0.05)\n"
        "asyncio.run(main())\n"
    )
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", program], check=True, timeout=50)
    assert time.monotonic() - began < 40


async def test_a_call_that_is_over_is_held_by_nothing() -> None:
    """Its arguments and its result may be megabytes; they are freed without the garbage collector."""

    class Piece:
        pass

    threads = DaemonThreads("passing", limit=1)
    gc.disable()
    try:
        argument = Piece()
        met = weakref.ref(argument)

        def call(piece: Piece) -> Piece:
            time.sleep(0.02)  # longer than it takes to add a callback
            return piece

        future = threads.submit(call, argument)
        del argument
        assert isinstance(future.result(10), Piece)
        del future
        async with asyncio.timeout(60):
            while met() is not None:  # noqa: ASYNC110  # the thread releases it a moment later
                await asyncio.sleep(0.001)
    finally:
        gc.enable()
