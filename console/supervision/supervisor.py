"""The supervisor: starts workers, restarts those that end, stops them, and answers for all of them."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from socket import socket
from typing import Any, Final

import click
import structlog
from prometheus_client.metrics_core import Metric

from background.readiness import STARTING, STOPPING
from console.settings import SettingsError
from console.supervision.aggregation import cumulative, merged
from console.supervision.channel import BEAT_SECONDS
from console.supervision.messages import Assignment, FailingWorkers
from console.supervision.process import WorkerProcess
from console.translation import language
from console.wiring.process import StopOverdue
from console.wiring.roles import Started
from phrases import Phrase

WORKER: Final = "worker"
"""The reason of an obstacle: a worker is missing, or does not answer."""
STOP_REASON: Final = "supervisor"
HUNG_REASON: Final = "worker_hung"
"""Reasons of a stop, for the worker's log."""
OVERDUE_STATUS: Final = 3
"""Exit status of a worker that did not end in time after a request."""

_ANSWER_SECONDS: Final = 12.0
"""More than a worker allows to its own probes."""

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class SupervisorLimits:
    """Times of a supervisor, in seconds.

    `start`: until a worker serves; systemd waits for 120. `stop`: until it has ended after the request; it ends itself
    by then, as a process without a supervisor does. `kill`: until the system has ended a process, or a process has
    written its stacks. `silent`: for which the event loop of a worker is stuck before it is killed; systemd would end
    all of them after 180 (`WatchdogSec=`). `stuck`: for which another loop of a worker is stuck before the worker is
    ended; longer than a round that waits for a slow database.
    `first_pause`, `longest_pause`: before a restart; they double, and begin anew after `steady`. `failed_starts`: in a
    row, of each worker, after which all ends.
    """

    start: float = 100.0
    stop: float = 13.0
    kill: float = 1.0
    silent: float = 90.0
    stuck: float = 180.0
    first_pause: float = 1.0
    longest_pause: float = 30.0
    steady: float = 60.0
    failed_starts: int = 5


class WorkerFailed(click.ClickException):
    """A worker cannot work. The text is its reason, for the operator."""


class WorkerState(Enum):
    """States of a worker. `WAITING`: it is to be restarted; `FAILING`: as well, after a start that failed."""

    STARTING = "starting"
    READY = "ready"
    WAITING = "waiting"
    FAILING = "failing"


@dataclass(slots=True)
class _Slot:
    """The place of one worker. `failed_starts`: in a row; `failure`: the reason of the last one of them."""

    number: int
    state: WorkerState = WorkerState.STARTING
    process: WorkerProcess | None = None
    failed_starts: int = 0
    failure: str | None = None


class Supervisor:
    """Some workers, from `run` until its end.

    The first start of each has to succeed: a mistake in the settings ends all with its reason. Later a worker that
    ends is restarted, whatever a start of it fails for, as long as another one serves or its starts succeed.
    """

    def __init__(
        self,
        count: int,
        assignment: Callable[[int, int], Assignment],
        write_log: Callable[[str], None],
        *,
        on_started: Callable[[Started], None] = lambda _started: None,
        listening: Sequence[socket] = (),
        limits: SupervisorLimits | None = None,
        program: Sequence[str] = ("-m", "console.worker"),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`assignment`: makes that of a worker, by its number and that of its process. `write_log`: takes lines of
        JSON. `on_started`: called once all workers have served. `listening`: sockets of the receiver, for all.
        """
        self._slots = [_Slot(number) for number in range(1, count + 1)]
        self._assignment = assignment
        self._write_log = write_log
        self._on_started = on_started
        self._listening = listening
        self._limits = limits or SupervisorLimits()
        self._program = program
        self._monotonic = monotonic
        self._stopping = asyncio.Event()
        self._all_started = asyncio.Event()
        self._started = Started(None)
        self._counted: list[Metric] = []
        self.restarts = 0
        """Workers that ended and were started again."""

    async def run(self, stop: asyncio.Event) -> None:
        """Keep the workers at work until `stop` is set.

        Raises:
            WorkerFailed, SettingsError: a worker cannot work, with its reason.
            StopOverdue: one did not end in time; it was killed.
        """
        keeping = [asyncio.create_task(self._keep(slot), name=f"worker {slot.number}") for slot in self._slots]
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait([stopping, *keeping], return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._stopping.set()
            for each in self._listening:
                each.close()  # the workers have it, too; the last one that closes it refuses connections
            stopping.cancel()
            await asyncio.gather(stopping, *keeping, return_exceptions=True)
        failures = [failure for task in keeping if (failure := task.exception()) is not None]
        for failure in sorted(failures, key=lambda each: isinstance(each, StopOverdue)):
            raise failure

    def reload(self) -> None:
        """Have all workers read their certificates again."""
        for process in self._processes():
            process.reload()

    def stuck(self) -> list[str]:
        """The loops of workers that are stuck, with the worker."""
        return [
            f"worker {slot.number}: {loop}" for slot in self._slots if slot.process for loop in slot.process.stuck()
        ]

    def silent(self) -> list[int]:
        """The workers whose event loop is stuck."""
        return [slot.number for slot in self._slots if slot.process is not None and slot.process.is_silent]

    def states(self) -> dict[str, int]:
        """Number of workers in each state."""
        return {state.value: sum(slot.state is state for slot in self._slots) for state in WorkerState}

    async def obstacles(self) -> dict[str, str]:
        """The obstacles of all workers together, by reason."""
        if self._stopping.is_set():
            return {STOPPING: "The workers are being stopped."}
        if not self._all_started.is_set():
            return {STARTING: "Some workers are not started yet."}
        serving = self._serving()
        answers = await asyncio.gather(*(each.obstacles(_ANSWER_SECONDS) for each in serving.values()))
        answered = {number: answer for number, answer in zip(serving, answers, strict=True) if answer is not None}
        found: dict[str, str] = {}
        for answer in answered.values():
            found.update(answer)
        missing = [str(slot.number) for slot in self._slots if slot.number not in answered]
        if missing:
            failures = [f"Worker {slot.number} cannot be started: {slot.failure}" for slot in self._failing()]
            found[WORKER] = " ".join([f"Workers that do not serve, or do not answer: {', '.join(missing)}.", *failures])
        return found

    async def metrics(self, seconds: float) -> list[Sequence[Metric]]:
        """The metrics of the workers, to be merged. One that does not answer in time counts by what it reported last.

        What ended workers counted stays counted: a sum that decreased would look like a restart, and be counted twice.
        """
        asked = list(self._serving().values())
        answers = await asyncio.gather(*(each.metrics(seconds) for each in asked))
        found = dict(zip(asked, answers, strict=True))
        # Those of now: one that ended meanwhile is among what is counted.
        current = [found.get(each) or cumulative(each.last_metrics) for each in self._processes()]
        return [self._counted, *current]

    def _serving(self) -> dict[int, WorkerProcess]:
        """The workers that serve, by number."""
        ready = [slot for slot in self._slots if slot.state is WorkerState.READY]
        return {slot.number: slot.process for slot in ready if slot.process is not None}

    def _failing(self) -> list[_Slot]:
        """The places of workers whose last start failed."""
        return [slot for slot in self._slots if slot.failure is not None]

    def _processes(self) -> list[WorkerProcess]:
        return [slot.process for slot in self._slots if slot.process is not None]

    async def _keep(self, slot: _Slot) -> None:
        """Run the worker of a slot, again and again, until the stop."""
        pause = self._limits.first_pause
        while not self._stopping.is_set():
            served = await self._run_once(slot)
            if self._stopping.is_set():
                return
            if served > self._limits.steady:
                pause = self._limits.first_pause
            slot.state = WorkerState.WAITING if slot.failure is None else WorkerState.FAILING
            log.info("worker_restart_scheduled", worker=slot.number, seconds=pause)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)
            pause = min(2 * pause, self._limits.longest_pause)
            self.restarts += not self._stopping.is_set()

    async def _run_once(self, slot: _Slot) -> float:
        """Start the worker of a slot, and wait for its end; return the seconds for which it served.

        Raises:
            WorkerFailed, SettingsError, StopOverdue
        """
        slot.state = WorkerState.STARTING
        try:
            process = await WorkerProcess.start(
                [*self._program, f"worker-{slot.number}"],  # the last word is for lists of processes
                lambda pid: self._assignment(slot.number, pid),
                self._listening,
                self._write_log,
                self._monotonic,
            )
        except OSError as exc:
            self._judge_start(slot, Phrase("Worker {number} cannot be started: {why}.", number=slot.number, why=exc))
            return 0.0
        slot.process = process
        stopping = asyncio.create_task(self._stopping.wait())
        served = 0.0
        try:
            await _first_of(process.started, stopping, seconds=self._limits.start)
            if process.is_started:
                self._note_started(slot, process)
                began = self._monotonic()
                await self._attend(slot, process, stopping)
                served = self._monotonic() - began
            if self._stopping.is_set():
                await self._stop(slot, process)
            elif process.is_started:
                status = process.ended.result()
                # 0: a signal for all processes of a service, which the supervisor has not handled yet.
                level = logging.ERROR if status else logging.WARNING
                log.log(level, "worker_ended", worker=slot.number, process=process.pid, status=status)
            else:
                await self._report_failed_start(slot, process)
        finally:
            stopping.cancel()
            process.kill()
            slot.process = None
            self._counted = merged([self._counted, cumulative(process.last_metrics)])
        return served

    async def _attend(self, slot: _Slot, process: WorkerProcess, stopping: asyncio.Task[bool]) -> None:
        """Wait for the end of a worker, or for the stop. One that hangs is ended, and thereby restarted."""
        stuck_since: float | None = None
        is_hung = False
        while not (process.ended.done() or stopping.done()):
            await _first_of(process.ended, stopping, seconds=BEAT_SECONDS)
            now, stuck = self._monotonic(), process.stuck()
            bound = self._limits.silent if process.is_silent else self._limits.stuck
            if not stuck:
                stuck_since = None
            elif stuck_since is None:
                # Counted from here, not from the last beat: that may be long ago after a pause of this machine.
                stuck_since = now
                log.warning("worker_stuck", worker=slot.number, process=process.pid, loops=stuck)
            elif now - stuck_since > bound and not is_hung:
                is_hung = True
                log.error("worker_hung", worker=slot.number, process=process.pid, loops=stuck)
                await self._end_hung(process, stopping)

    async def _end_hung(self, process: WorkerProcess, stopping: asyncio.Task[bool]) -> None:
        """End a worker that hangs, after its stacks.

        If its event loop works it is requested to stop: so it hands its deliveries back, and they do not count as
        failed.
        """
        process.print_stacks()
        if not process.is_silent:
            process.stop(HUNG_REASON)
        await _first_of(process.ended, stopping, seconds=self._limits.kill if process.is_silent else self._limits.stop)
        if not stopping.done():  # then it has the time of a stop
            process.kill()

    def _note_started(self, slot: _Slot, process: WorkerProcess) -> None:
        slot.state, slot.failed_starts, slot.failure = WorkerState.READY, 0, None
        log.info("worker_started", worker=slot.number, process=process.pid)
        if not self._failing():
            self._notify(FailingWorkers(None))
        started = process.started.result()
        self._started = Started(
            self._started.port if started.port is None else started.port,
            self._started.console_port if started.console_port is None else started.console_port,
        )
        if all(each.state is WorkerState.READY for each in self._slots) and not self._all_started.is_set():
            self._all_started.set()
            self._on_started(self._started)

    async def _stop(self, slot: _Slot, process: WorkerProcess) -> None:
        process.stop(STOP_REASON)
        await _first_of(process.ended, seconds=self._limits.stop)
        if not process.ended.done():
            log.error("worker_killed", worker=slot.number, process=process.pid, after_seconds=self._limits.stop)
            process.kill()
            await _first_of(process.ended, seconds=self._limits.kill)
            raise StopOverdue
        if process.ended.result() == OVERDUE_STATUS:
            raise StopOverdue

    async def _report_failed_start(self, slot: _Slot, process: WorkerProcess) -> None:
        """Judge a worker that ended, or hangs, before it served."""
        if not process.ended.done():
            process.kill()
            await _first_of(process.ended, seconds=self._limits.kill)
            reason = Phrase(
                "Worker {number} did not start within {seconds:g} s.", number=slot.number, seconds=self._limits.start
            )
            self._judge_start(slot, reason)
            return
        status, failure = process.ended.result(), process.failure
        if failure is not None:
            self._judge_start(slot, failure.text, problems=failure.problems)
            return
        reason = Phrase(
            "Worker {number} ended before it served, with exit status {status}; its log has the reason.",
            number=slot.number,
            status=status,
        )
        # By a signal: that is no mistake of the settings.
        self._judge_start(slot, reason, is_final=status > 0)

    def _judge_start(self, slot: _Slot, reason: str, *, problems: Sequence[Phrase] = (), is_final: bool = True) -> None:
        """Count a start that failed. `problems`: of wrong settings: files that they name are read by each worker.

        Raises:
            WorkerFailed, SettingsError: it was the first one, or none succeeds any more.
        """
        slot.failed_starts += 1
        slot.failure = reason
        none_succeeds = all(each.failed_starts >= self._limits.failed_starts for each in self._slots)
        if none_succeeds or (is_final and not self._all_started.is_set()):
            raise SettingsError(*problems) if problems else WorkerFailed(language.translated(reason))
        log.error(
            "worker_not_started",
            worker=slot.number,
            failures=slot.failed_starts,
            error=str(reason),
            detail="Correct the cause: the start is tried again by itself. Settings are read at the start of all only: "
            "restart the service after a change of them.",
        )
        self._notify(FailingWorkers(reason))

    def _notify(self, news: FailingWorkers) -> None:
        """Have the workers that serve report it, as they report their own outages."""
        for process in self._serving().values():
            process.report_failing(news)


async def _first_of(*awaited: "asyncio.Future[Any]", seconds: float | None = None) -> None:
    await asyncio.wait(awaited, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
