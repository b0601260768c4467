"""The supervisor, with real processes that do little: `tests.doubles.worker`."""

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from console.settings import Settings, SettingsError
from console.supervision.aggregation import merged
from console.supervision.messages import Assignment
from console.supervision.metrics import WorkerMetrics
from console.supervision.supervisor import Supervisor, SupervisorLimits, WorkerFailed
from console.wiring.process import StopOverdue
from console.wiring.roles import Started
from tests.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]  # each starts several processes

_LIMITS = SupervisorLimits(first_pause=0.05, longest_pause=0.2, failed_starts=3)


@dataclass
class Host:
    """A supervisor of two workers of that role, and what it was told."""

    role: str
    limits: SupervisorLimits = _LIMITS
    count: int = 2
    log: list[dict[str, Any]] = field(default_factory=list)
    started: list[Started] = field(default_factory=list)
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    clock_ahead: float = 0.0
    supervisor: Supervisor = field(init=False)

    def __post_init__(self) -> None:
        self.supervisor = Supervisor(
            self.count,
            self._assignment,
            lambda line: self.log.append(json.loads(line)),
            on_started=self.started.append,
            limits=self.limits,
            program=("-m", "tests.doubles.worker"),
            monotonic=lambda: time.monotonic() + self.clock_ahead,
        )

    def _assignment(self, number: int, _pid: int) -> Assignment:
        if Path(f"no-port-{number}").exists():
            raise OSError("it has ended")
        return Assignment(number, Settings(), (self.role,), "en")

    async def run(self) -> None:
        await self.supervisor.run(self.stop)

    @property
    def pids(self) -> list[int]:
        """The processes that served, in order."""
        return [line["process"] for line in self.log if line["event"] == "worker_at_work"]

    @property
    def serving(self) -> dict[int, int]:
        """The process of each worker that served last, by its number."""
        return {line["worker"]: line["process"] for line in self.log if line["event"] == "worker_at_work"}

    async def counted(self) -> dict[str, float]:
        """Each sample without labels."""
        families = merged(await self.supervisor.metrics(10))
        return {each.name: each.value for family in families for each in family.samples if not each.labels}


@asynccontextmanager
async def _serving(role: str = "serves", limits: SupervisorLimits = _LIMITS) -> AsyncIterator[Host]:
    """Two workers that serve; stopped at the end."""
    host = Host(role, limits)
    running = asyncio.create_task(host.run())
    try:
        await until(lambda: bool(host.started) or running.done(), "the start of all workers")
        yield host
    finally:
        host.stop.set()
        await running


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


async def test_all_serve_answer_together_and_stop() -> None:
    """Counters are summed, a gauge as its meaning demands; no process is left."""
    async with _serving() as host:
        assert await host.supervisor.obstacles() == {}
        counted = await host.counted()
        assert counted["mail_importer_things_total"] == 1 + 2
        assert counted["mail_importer_deliveries_in_hand"] == 20
        assert counted["mail_importer_held_accounts"] == 2
        assert host.supervisor.stuck() == []
        assert sorted(line["worker"] for line in host.log if line["event"] == "worker_at_work") == [1, 2]
    assert len(host.started) == 1
    assert len(set(host.pids)) == 2
    assert all(_is_gone(pid) for pid in host.pids)


async def test_a_killed_worker_is_restarted_and_what_it_counted_stays() -> None:
    async with _serving() as host:
        await host.counted()
        with capture_logs() as logged:
            os.kill(host.pids[0], signal.SIGKILL)
            await until(lambda: len(host.pids) == 3, "another worker")

            async def is_ready() -> bool:
                return await host.supervisor.obstacles() == {}

            await until(is_ready, "readiness")
        number = next(line["worker"] for line in host.log if line["event"] == "worker_at_work")
        assert (await host.counted())["mail_importer_things_total"] == 1 + 2 + number
        assert host.supervisor.restarts == 1
        assert host.supervisor.states() == {"starting": 0, "ready": 2, "waiting": 0, "failing": 0}
        [ended] = [line for line in logged if line["event"] == "worker_ended"]
        assert (ended["log_level"], ended["worker"], ended["status"]) == ("error", number, -signal.SIGKILL)


async def test_a_missing_worker_and_the_obstacles_of_each_are_obstacles_of_all() -> None:
    async with _serving(limits=SupervisorLimits(first_pause=60)) as host:
        _mark("full")
        assert list(await host.supervisor.obstacles()) == ["queue"]
        os.kill(host.pids[0], signal.SIGKILL)
        await until(lambda: host.supervisor.states()["waiting"] == 1, "the end of a worker")
        assert sorted(await host.supervisor.obstacles()) == ["queue", "worker"]


@pytest.mark.parametrize(
    ("role", "reason"),
    [
        ("fails", "The table is round."),
        ("exits", "Worker . ended before it served, with exit status 4; its log has the reason."),
    ],
)
async def test_a_first_start_that_fails_ends_all_with_its_reason(role: str, reason: str) -> None:
    host = Host(role)
    with pytest.raises(WorkerFailed, match=reason):
        await host.run()
    assert host.started == []


async def test_wrong_settings_keep_their_problems() -> None:
    with pytest.raises(SettingsError) as caught:
        await Host("settings").run()
    assert caught.value.problems == ("trace_days: it is round.",)


async def test_a_worker_that_never_serves_ends_all() -> None:
    with pytest.raises(WorkerFailed, match="did not start within 2 s"):
        await Host("mute", SupervisorLimits(start=2, stop=2)).run()


@pytest.mark.parametrize(
    ("cause", "error", "reason"),
    [("no", WorkerFailed, "The table is round."), ("wrong", SettingsError, "trace_days: it is round.")],
    ids=["any", "wrong settings"],
)
async def test_a_restart_that_fails_is_repeated_while_another_worker_serves(
    cause: str, error: type[Exception], reason: str
) -> None:
    """The reason is in the log each time; once no worker can be started any more, it ends all."""
    host = Host("frail")
    running = asyncio.create_task(host.run())
    await until(lambda: bool(host.started), "the start of all workers")
    with capture_logs() as logged:
        _mark(f"{cause}-1")
        os.kill(host.serving[1], signal.SIGKILL)

        def failures(number: int) -> list[str]:
            lines = [line for line in logged if line["event"] == "worker_not_started"]
            return [line["error"] for line in lines if line["worker"] == number]

        await until(lambda: len(failures(1)) > _LIMITS.failed_starts, "more attempts than end all")
        os.kill(host.serving[2], signal.SIGKILL)  # it can be started, and is
        await until(lambda: len(host.pids) == 3, "another worker")
        _mark(f"{cause}-2")
        os.kill(host.serving[2], signal.SIGKILL)
        with pytest.raises(error, match=reason):
            await asyncio.wait_for(running, 90)
    assert set(failures(1)) == {reason}
    assert len(failures(2)) == _LIMITS.failed_starts - 1


async def test_a_worker_that_cannot_have_the_port_again_ends_no_other() -> None:
    async with _serving() as host:
        with capture_logs() as logged:
            _mark("no-port-1")
            os.kill(host.serving[1], signal.SIGKILL)
            await until(lambda: any(line["event"] == "worker_not_started" for line in logged), "a start that failed")
            _unmark("no-port-1")
            await until(lambda: len(host.pids) == 3, "another worker")
    [reason, *_] = [line["error"] for line in logged if line["event"] == "worker_not_started"]
    assert reason == "The worker cannot have the port of the receiver: it has ended."


async def test_a_worker_that_cannot_be_restarted_is_shown_until_its_cause_is_corrected() -> None:
    """In the metrics, in the health, and by those that serve."""
    async with _serving("frail") as host:
        _mark("wrong-1")
        os.kill(host.serving[1], signal.SIGKILL)
        await until(lambda: host.supervisor.states()["failing"] == 1, "a start that failed")
        obstacles = await host.supervisor.obstacles()
        assert obstacles["worker"].endswith("Worker 1 cannot be started: trace_days: it is round.")
        assert "reported" in obstacles
        _unmark("wrong-1")

        async def is_ready() -> bool:
            return await host.supervisor.obstacles() == {}

        await until(is_ready, "readiness")
        assert host.supervisor.states() == {"starting": 0, "ready": 2, "waiting": 0, "failing": 0}


async def test_a_worker_that_does_not_stop_is_killed() -> None:
    host = Host("deaf", SupervisorLimits(stop=0.5))
    running = asyncio.create_task(host.run())
    await until(lambda: bool(host.started), "the start of all workers")
    host.stop.set()
    with pytest.raises(StopOverdue):
        await running
    assert all(_is_gone(pid) for pid in host.pids)


async def test_a_worker_whose_stop_is_overdue_makes_that_of_all_overdue() -> None:
    host = Host("stops late")
    running = asyncio.create_task(host.run())
    await until(lambda: bool(host.started), "the start of all workers")
    host.stop.set()
    with pytest.raises(StopOverdue):
        await running


async def test_a_loop_that_is_stuck_is_known_with_its_worker() -> None:
    async with _serving("stuck") as host:
        both = ["worker 1: receiving", "worker 2: receiving"]
        await until(lambda: host.supervisor.stuck() == both, "both report it")
        assert host.supervisor.silent() == []


async def test_a_process_that_hangs_is_stuck_until_it_lives_again() -> None:
    """Counted as a stuck loop, and what it had counted stays on the page."""
    async with _serving() as host:
        before = await host.counted()
        os.kill(host.pids[0], signal.SIGSTOP)
        number = next(line["worker"] for line in host.log if line["event"] == "worker_at_work")
        host.clock_ahead = 60
        await until(lambda: host.supervisor.silent() == [number], "only that one is silent")
        assert host.supervisor.stuck() == [f"worker {number}: event loop"]
        families = merged([*await host.supervisor.metrics(0.2), list(WorkerMetrics(host.supervisor).collect())])
        found = {each.name: each.value for family in families for each in family.samples if not each.labels}
        assert found["mail_importer_things_total"] == before["mail_importer_things_total"]
        assert found["mail_importer_loops_stuck"] == 1
        os.kill(host.pids[0], signal.SIGCONT)
        await until(lambda: host.supervisor.stuck() == [], "it lives again")


@pytest.mark.parametrize(
    ("role", "is_stopped", "status"),
    [("serves", True, -signal.SIGKILL), ("stuck", False, 0), ("stuck and deaf", False, -signal.SIGKILL)],
    ids=["its process", "a loop", "a loop, and it ignores the stop"],
)
async def test_a_worker_that_goes_on_hanging_is_ended_and_restarted(
    role: str, is_stopped: bool, status: int, capfd: pytest.CaptureFixture[str]
) -> None:
    """The log names it, and what is stuck. Where its event loop works it stops in order, so that no delivery counts."""
    is_deaf = role == "stuck and deaf"
    limits = replace(_LIMITS, silent=8.0, stuck=3.0, stop=0.5 if is_deaf else _LIMITS.stop)
    end = pytest.raises(StopOverdue) if is_deaf else nullcontext()  # of the last workers, in the end
    with capture_logs() as logged, end:

        def seen(event: str) -> list[str]:
            """The loops, each with its worker."""
            lines = [line for line in logged if line["event"] == event]
            return [f"worker {line['worker']}: {loop}" for line in lines for loop in line["loops"]]

        async with _serving(role, limits) as host:
            hanging = host.log[0]
            if is_stopped:
                os.kill(hanging["process"], signal.SIGSTOP)
                host.clock_ahead = 60  # the other one reports before it counts as silent
            loop = f"worker {hanging['worker']}: {'event loop' if is_stopped else 'receiving'}"
            await until(lambda: loop in seen("worker_stuck"), "it is seen to be stuck")
            assert not seen("worker_hung")
            await until(lambda: loop in seen("worker_hung"), "it is given up")
            await until(lambda: _is_gone(hanging["process"]) and len(host.pids) > 2, "another worker")
    ends = [line for line in logged if line["event"] == "worker_ended" and line["process"] == hanging["process"]]
    assert [each["status"] for each in ends] == [status]
    if not is_stopped:  # such a process writes nothing
        assert "most recent call first" in capfd.readouterr().err


async def test_a_reload_reaches_all() -> None:
    async with _serving() as host:
        host.supervisor.reload()
        await until(lambda: sum(line["event"] == "reloaded" for line in host.log) == 2, "two reloads")


def _mark(name: str) -> None:
    """Make a file that the workers look for."""
    Path(name).touch()


def _unmark(name: str) -> None:
    Path(name).unlink()


def _is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False
