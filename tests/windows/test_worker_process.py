"""Limits of worker processes by job objects, of which Wine 8 takes all and enforces none."""

import sys
from collections.abc import AsyncIterator, Callable

import pytest

from processor.process_pool import LimitExceeded, ProcessPool, WorkLimits
from tests.doubles import worker_tasks

if sys.platform != "win32":
    pytest.skip("needs Windows or Wine", allow_module_level=True)


@pytest.fixture
async def pool() -> AsyncIterator[ProcessPool]:
    async with ProcessPool(limits=WorkLimits(seconds=0.2, waiting_seconds=60)) as pool:
        yield pool


async def test_a_process_is_in_a_job_and_serves_on(pool: ProcessPool) -> None:
    """By the real calls of pywin32: limits are set anew for each call."""
    processes = {await pool.run(worker_tasks.process_id, mailbox="a", size=0) for _ in range(3)}
    assert len(processes) == 1
    assert await pool.run(worker_tasks.is_in_job, mailbox="a", size=0)


async def test_a_process_that_used_much_memory_is_replaced(pool: ProcessPool) -> None:
    before = await pool.run(worker_tasks.process_id, mailbox="a", size=0)
    large = bytes(60 * 1024 * 1024)
    assert await pool.run(worker_tasks.doubled, large, mailbox="a", size=len(large))
    assert await pool.run(worker_tasks.process_id, mailbox="a", size=0) != before


@pytest.mark.parametrize(
    ("work", "reported"),
    [(worker_tasks.computing, "0.2 s of computing time"), (worker_tasks.hungry, "256 MB of memory")],
)
async def test_work_that_takes_too_much_is_given_up(
    work: Callable[[], object], reported: str, pool: ProcessPool, wine: bool
) -> None:
    if wine:
        pytest.skip("Wine 8 enforces no limit of a job")
    before = await pool.run(worker_tasks.process_id, mailbox="a", size=0)
    with pytest.raises(LimitExceeded, match=reported):
        await pool.run(work, mailbox="a", size=0)
    assert await pool.run(worker_tasks.process_id, mailbox="a", size=0) != before
