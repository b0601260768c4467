"""The worker's side of its connection to the supervisor."""

import asyncio
import contextlib
import os
import sys
import threading
from collections.abc import Callable, Coroutine, Sequence
from socket import socket
from typing import IO, Any, Final

from prometheus_client import CollectorRegistry

import background
from availability import Availability, Service
from background.pulse import Pulse
from background.readiness import STARTING, Readiness
from console.supervision.messages import (
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
    StartedReport,
    StopRequest,
    framed,
    read_message,
)
from console.wiring.roles import Started
from operatingsystem import imported_socket
from threads import DaemonThreads

BEAT_SECONDS: Final = 2.0
SUPERVISOR_GONE: Final = "supervisor_gone"
"""The reason of a stop because the supervisor has ended, however it did."""


class SupervisorChannel:
    """The supervisor, as a worker reports to it. `write` and its like make it the stream of the worker's log.

    Reports are written by any thread. Once the supervisor is gone, log lines go to standard error.
    """

    def __init__(self, requests: IO[bytes], reports: IO[bytes]) -> None:
        self._requests = requests
        self._reports = reports
        self._lock = threading.Lock()
        self._is_broken = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._request_stop: Callable[[str], None] | None = None
        self._reload: asyncio.Event | None = None
        self._registry: CollectorRegistry | None = None
        self._readiness: Readiness | None = None
        self._availability: Availability | None = None
        self._threads = DaemonThreads("metrics", limit=1)
        self._answering: set[asyncio.Task[None]] = set()
        self.listening: Sequence[socket] = []

    @classmethod
    def of_process(cls) -> "SupervisorChannel":
        """The channel over standard input and output, which nothing else uses from here on."""
        requests, reports = os.fdopen(os.dup(0), "rb", 0), os.fdopen(os.dup(1), "wb", 0)
        nothing = os.open(os.devnull, os.O_RDWR)
        os.dup2(nothing, 0)
        os.dup2(nothing if sys.stderr is None else 2, 1)  # what a library prints must not get between the frames
        os.close(nothing)
        return cls(requests, reports)

    def assignment(self) -> Assignment | None:
        """Greet the supervisor, and wait for the work of this process; None: the supervisor ends it before.

        Raises:
            EOFError: the supervisor is gone.
        """
        self._report(Hello(os.getpid()))
        assignment = read_message(self._requests)
        while not isinstance(assignment, Assignment):
            if isinstance(assignment, StopRequest):
                return None
            # Another request needs a worker at work: the supervisor waits for its answer for a bounded time.
            assignment = read_message(self._requests)
        self.listening = [imported_socket(each) for each in assignment.listening]
        return assignment

    def listen(self, request_stop: Callable[[str], None], reload: asyncio.Event) -> None:
        """Obey the supervisor from now on; call it in the event loop. `request_stop` is called on another thread."""
        self._loop, self._request_stop, self._reload = asyncio.get_running_loop(), request_stop, reload
        threading.Thread(target=self._receive, name="supervisor", daemon=True).start()

    def expose(self, registry: CollectorRegistry, readiness: Readiness, availability: Availability) -> None:
        """Implement `Supervision.expose`."""
        self._registry, self._readiness, self._availability = registry, readiness, availability

    async def attend(self, pulse: Pulse, stop: asyncio.Event) -> None:
        """Implement `Supervision.attend`."""
        while True:
            self._report(Beat(tuple(pulse.stuck())))
            try:
                async with asyncio.timeout(BEAT_SECONDS):
                    await stop.wait()
            except TimeoutError:
                continue
            return

    def started(self, started: Started) -> None:
        """Report that the roles serve."""
        self._report(StartedReport(started.port, started.console_port))

    def failed(self, report: FailureReport) -> None:
        """Report the reason of the end."""
        self._report(report)

    def send_metrics(self) -> None:
        """Report all metrics: on request, and at the end, so that what was counted stays counted."""
        self._report(MetricsReport([] if self._registry is None else list(self._registry.collect())))

    def write(self, text: str, /) -> object:
        """Send lines of the log."""
        if not self._report(LogLine(text)) and sys.stderr is not None:
            sys.stderr.write(text)
        return len(text)

    def flush(self) -> None:
        """Do nothing: there is no buffer."""

    def isatty(self) -> bool:
        """False: the supervisor decides on the form."""
        return False

    def _report(self, report: Report) -> bool:
        """Send a report; False if the supervisor is gone."""
        left = memoryview(framed(report))
        with self._lock:
            while left and not self._is_broken:
                try:
                    left = left[self._reports.write(left) :]
                except OSError:
                    self._is_broken = True
            return not self._is_broken

    def _receive(self) -> None:
        assert self._request_stop is not None  # noqa: S101  # set before the thread starts
        try:
            with contextlib.suppress(EOFError, OSError):
                while True:
                    request = read_message(self._requests)
                    if isinstance(request, StopRequest):
                        self._request_stop(request.reason)  # not in the event loop, which may be blocked for ever
                    else:
                        self._in_loop(self._obey, request)
        finally:
            # Also after an error of this thread, which would hear of no end from then on.
            self._request_stop(SUPERVISOR_GONE)

    def _in_loop(self, function: Callable[[object], None], request: object) -> None:
        assert self._loop is not None  # noqa: S101  # set before the thread starts
        try:
            self._loop.call_soon_threadsafe(function, request)
        except RuntimeError:  # the loop has ended meanwhile
            return

    def _obey(self, request: object) -> None:
        match request:
            case ReloadRequest() if self._reload is not None:
                self._reload.set()
            case MetricsRequest():
                self._begin(self._send_metrics())
            case ReadinessRequest():
                self._begin(self._send_obstacles())
            case FailingWorkers() if self._availability is not None and request.why is None:
                self._availability.answered(Service.WORKER)
            case FailingWorkers() if self._availability is not None and request.why is not None:
                self._availability.failed(Service.WORKER, request.why)

    def _begin(self, answer: Coroutine[Any, Any, None]) -> None:
        task = background.start(answer, name="answer to the supervisor")
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    async def _send_metrics(self) -> None:
        # The metrics of 10,000 accounts take some 0.4 s, for which the event loop cannot wait.
        await asyncio.get_running_loop().run_in_executor(self._threads, self.send_metrics)

    async def _send_obstacles(self) -> None:
        if self._readiness is None:
            self._report(ReadinessReport({STARTING: "The roles of the process are not started yet."}))
        else:
            self._report(ReadinessReport(await self._readiness.obstacles()))
