"""The readiness of a process."""

import asyncio

import pytest
from structlog.testing import capture_logs

from background.readiness import STARTING, STOPPING, Readiness
from tests.waiting import until


class _Probed:
    """A service that is probed, and counts how often."""

    def __init__(self) -> None:
        self.answer: str | None = None
        self.asked = 0
        self.answers = asyncio.Event()
        self.answers.set()

    async def __call__(self) -> str | None:
        self.asked += 1
        await self.answers.wait()
        return self.answer


async def test_without_obstacles_it_is_ready() -> None:
    """The condition and the answer of the probe decide, each by its reason."""
    readiness, queue = Readiness(remembered_seconds=0), _Probed()
    late: list[str | None] = [None]
    readiness.add("heartbeat", lambda: late[0])
    readiness.probe("queue", queue)
    assert await readiness.obstacles() == {}
    late[0], queue.answer = "it is late", "no disk space"
    assert await readiness.obstacles() == {"heartbeat": "it is late", "queue": "no disk space"}
    late[0], queue.answer = None, None
    assert await readiness.obstacles() == {}


async def test_an_answer_is_remembered_for_some_seconds() -> None:
    """A hundred requests of the page put one question."""
    now = [0.0]
    readiness, queue = Readiness(monotonic=lambda: now[0]), _Probed()
    readiness.probe("queue", queue)
    for _ in range(2):
        await asyncio.gather(*(readiness.obstacles() for _ in range(50)))
    assert queue.asked == 1
    queue.answer = "gone"
    now[0] += 4.9
    assert await readiness.obstacles() == {}
    now[0] += 0.2
    assert await readiness.obstacles() == {"queue": "gone"}


async def test_a_service_that_hangs_is_asked_once() -> None:
    """The page answers in time; the questions do not pile up, and the answer counts when it comes."""
    readiness, database = Readiness(remembered_seconds=0, answer_seconds=0.05), _Probed()
    database.answers.clear()
    readiness.probe("database", database)
    for _ in range(3):
        assert await readiness.obstacles() == {"database": "no answer"}
    assert database.asked == 1
    database.answers.set()

    async def ready() -> bool:
        return await readiness.obstacles() == {}

    await until(ready)


async def test_nothing_hangs_at_the_end() -> None:
    """An open question is cancelled."""
    readiness, database = Readiness(answer_seconds=0.01), _Probed()
    database.answers.clear()
    readiness.probe("database", database)
    assert await readiness.obstacles()
    await readiness.close()
    assert {task.get_name() for task in asyncio.all_tasks()} & {"readiness"} == set()


async def test_an_error_in_a_probe_is_no_readiness() -> None:
    """It is logged."""

    async def broken() -> str | None:
        raise LookupError

    readiness = Readiness()
    readiness.probe("queue", broken)
    with capture_logs() as logged:
        assert await readiness.obstacles() == {"queue": "no answer"}
    assert [line["error_type"] for line in logged] == ["LookupError"]


@pytest.mark.parametrize("reason", [STARTING, STOPPING])
async def test_a_process_that_starts_or_stops_probes_nothing(reason: str) -> None:
    """What it would ask may not be open yet, or closed already."""
    readiness, queue = Readiness(), _Probed()
    readiness.add(reason, lambda: "now")
    readiness.probe("queue", queue)
    assert await readiness.obstacles() == {reason: "now"}
    assert queue.asked == 0
