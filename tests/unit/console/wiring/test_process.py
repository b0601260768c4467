"""The end of a process by signals, with a process."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.paths import ROOT

_PROGRAM = """
import asyncio, logging, sys, time
from concurrent.futures import ThreadPoolExecutor
from console import logs
from console.wiring.process import run_until_signalled

async def work(stop):
    print("ready", flush=True)
    {at_work}
    await stop.wait()
    {end}

logs.configure(sys.stderr, "json")
{begin}
run_until_signalled(work, stop_seconds=0.5)
"""


@contextmanager
def _working(*, begin: str = "", at_work: str = "", end: str = "") -> Iterator[subprocess.Popen[str]]:
    """A process that works, with its log on a pipe; it is gone at the end."""
    with subprocess.Popen(
        [sys.executable, "-c", _PROGRAM.format(begin=begin, at_work=at_work, end=end)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("end", "status"),
    [
        ("", 0),
        ("await asyncio.sleep(60)", 1),
        ("time.sleep(60)", 1),
        ("ThreadPoolExecutor().submit(time.sleep, 60)", 1),
    ],
    ids=["ends", "waits", "blocks", "leaves a thread"],
)
def test_a_process_ends_after_a_signal_whatever_hangs_in_it(end: str, status: int) -> None:
    """A clean end has exit status 0; another one comes within the bound, with status 1 and the reason in the log."""
    with _working(end=end) as process:
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=20)
    events = [json.loads(line) for line in log.splitlines()]
    assert process.returncode == status, log
    assert [each["event"] for each in events] == ["stop_requested", *(["stop_overdue"] * status)]


_FULL_PIPE = """
import os
os.set_blocking(2, False)
try:
    while True: os.write(2, b"x" * 512)
except BlockingIOError:
    os.set_blocking(2, True)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("begin", "at_work", "end", "status"),
    [
        ("", "", "", 0),
        ("", "", "time.sleep(60)", 1),
        (_FULL_PIPE, "", "", 1),
        (_FULL_PIPE, "", "time.sleep(60)", 1),
        (_FULL_PIPE, "logging.warning('No room.')", "", 1),
    ],
    ids=["gone, ends", "gone, blocks", "reads nothing, ends", "reads nothing, blocks", "reads nothing, is waited for"],
)
def test_a_process_ends_whatever_the_reader_of_its_log_does(begin: str, at_work: str, end: str, status: int) -> None:
    """It may be gone, or read no more: then the bound of the stop holds for the log as well."""
    with _working(begin=begin, at_work=at_work, end=end) as process:
        assert process.stderr is not None
        if not begin:
            process.stderr.close()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == status
