"""One worker process, as the supervisor sees it."""

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from socket import socket
from typing import Final, TypeVar

from prometheus_client.metrics_core import Metric

from console.supervision.channel import BEAT_SECONDS
from console.supervision.messages import (
    LENGTH,
    Assignment,
    Beat,
    FailingWorkers,
    FailureReport,
    Hello,
    LogLine,
    MetricsReport,
    MetricsRequest,
    ReadinessReport,
    ReadinessRequest,
    ReloadRequest,
    Report,
    Request,
    StartedReport,
    StopRequest,
    framed,
    unpacked,
)
from console.wiring.roles import Started
from operatingsystem import request_stacks, role_process_options
from phrases import Phrase

T = TypeVar("T")

_READ_BYTES: Final = 65_536
_SILENT_SECONDS: Final = 15 * BEAT_SECONDS
_NOT_FOR_WORKERS: Final = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
"""Variables by which systemd watches the supervisor."""


class WorkerProcess:
    """A running worker.

    Attributes:
        pid: its number; None before it answered.
        started: done once its roles serve; cancelled if it ends before.
        ended: its exit status, as `subprocess` has it.
        failure: the reason of its end that it reported.
        last_metrics: what it reported last.
    """

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        assign: Callable[[int], Assignment],
        write_log: Callable[[str], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`assign`: makes the assignment for the number of the process. `write_log`: takes lines of JSON."""
        self._process = process
        self._assign = assign
        self._write_log = write_log
        self._monotonic = monotonic
        self._beat = monotonic()
        self._stuck: tuple[str, ...] = ()
        self._metrics: asyncio.Future[Sequence[Metric]] | None = None
        self._obstacles: asyncio.Future[dict[str, str]] | None = None
        self.pid: int | None = None
        self.ended = asyncio.create_task(self._attend(), name="attendance of a worker")
        self.started: asyncio.Future[Started] = asyncio.get_running_loop().create_future()
        self.failure: FailureReport | None = None
        self.last_metrics: Sequence[Metric] = []

    @classmethod
    async def start(
        cls,
        program: Sequence[str],
        assign: Callable[[int], Assignment],
        listening: Sequence[socket],
        write_log: Callable[[str], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> "WorkerProcess":
        """Start a process. `program`: arguments of the interpreter. `listening`: the sockets that it will have.

        Raises:
            OSError: the system starts none.
        """
        # -P, and no relative paths: the current folder has no influence on imports.
        paths = [path for path in sys.path if Path(path).is_absolute()]
        environment = {name: value for name, value in os.environ.items() if name not in _NOT_FOR_WORKERS}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", *program),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL if sys.stderr is None else None,  # a service of Windows has none
            env={**environment, "PYTHONPATH": os.pathsep.join(paths)},
            **role_process_options(listening),
        )
        return cls(process, assign, write_log, monotonic)

    @property
    def is_started(self) -> bool:
        """True once its roles have served, also after its end."""
        return self.started.done() and not self.started.cancelled()

    @property
    def is_silent(self) -> bool:
        """True while its event loop is stuck; a start has a limit of its own."""
        return self.is_started and not self.ended.done() and self._monotonic() - self._beat > _SILENT_SECONDS

    def stuck(self) -> list[str]:
        """Its loops that are stuck; its event loop, if that one is silent."""
        return ["event loop"] if self.is_silent else list(self._stuck)

    def stop(self, reason: str) -> None:
        """Request its end."""
        self._request(StopRequest(reason))

    def reload(self) -> None:
        """Have it read its certificates again."""
        self._request(ReloadRequest())

    def report_failing(self, news: FailingWorkers) -> None:
        """Have it report that another worker cannot be started again, or that all are."""
        self._request(news)

    def print_stacks(self) -> None:
        """Have it write the stack of each of its threads to standard error, where the system can."""
        request_stacks(self._process.pid)

    def kill(self) -> None:
        """End it at once."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def metrics(self, seconds: float) -> Sequence[Metric] | None:
        """Its metrics; None if it does not answer within so many seconds. One question at a time, for all callers."""
        if self._metrics is None:
            self._metrics = asyncio.get_running_loop().create_future()
            self._request(MetricsRequest())
        return await _answered(self._metrics, seconds)

    async def obstacles(self, seconds: float) -> dict[str, str] | None:
        """Its obstacles; as `metrics`."""
        if self._obstacles is None:
            self._obstacles = asyncio.get_running_loop().create_future()
            self._request(ReadinessRequest())
        return await _answered(self._obstacles, seconds)

    def _request(self, request: Request) -> None:
        if self._process.stdin is not None and not self._process.stdin.is_closing():
            self._process.stdin.write(framed(request))

    async def _attend(self) -> int:
        try:
            await self._receive()
            return await self._process.wait()
        finally:
            for each in (self._metrics, self._obstacles, self.started):
                if each is not None and not each.done():
                    each.cancel()
            if self._process.stdin is not None:
                self._process.stdin.close()

    async def _receive(self) -> None:
        reports = self._process.stdout
        assert reports is not None  # noqa: S101  # a pipe was requested
        # Not frame by frame: under load most are short lines of the log, and many arrive at once.
        pending = bytearray()
        with contextlib.suppress(ConnectionError):
            while piece := await reports.read(_READ_BYTES):
                pending += piece
                while len(pending) >= LENGTH.size:
                    end = LENGTH.size + LENGTH.unpack_from(pending)[0]
                    if len(pending) < end:
                        break
                    content = bytes(pending[LENGTH.size : end])
                    del pending[:end]
                    self._take(unpacked(content))

    def _take(self, report: Report) -> None:
        match report:
            case LogLine():
                self._write_log(report.text)
            case Hello():
                self.pid = report.pid
                self._give_work(report.pid)
            case StartedReport():
                self._beat = self._monotonic()
                if not self.started.done():
                    self.started.set_result(Started(report.port, report.console_port))
            case Beat():
                self._beat, self._stuck = self._monotonic(), report.stuck
            case MetricsReport():
                self.last_metrics = report.families
                _answer(self._metrics, report.families)
                self._metrics = None
            case ReadinessReport():
                _answer(self._obstacles, report.obstacles)
                self._obstacles = None
            case FailureReport():
                self.failure = report

    def _give_work(self, pid: int) -> None:
        try:
            self._request(self._assign(pid))
        except OSError as exc:  # of a socket that Windows cannot duplicate, as for a process that has just ended
            self.failure = FailureReport(Phrase("The worker cannot have the port of the receiver: {why}.", why=exc))
            self.kill()


async def _answered(answer: "asyncio.Future[T]", seconds: float) -> T | None:
    await asyncio.wait([answer], timeout=seconds)
    return answer.result() if answer.done() and not answer.cancelled() else None


def _answer(question: "asyncio.Future[T] | None", answer: T) -> None:
    if question is not None and not question.done():
        question.set_result(answer)
