"""Jobs: how they end, whose they are, and how many there are."""

import asyncio
import os
from collections.abc import Callable
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from console.web.jobs import Job, Jobs, JobState, TooManyJobs
from console.web.rights import Role
from console.web.sessions import User
from db.errors import DatabaseUnavailable
from phrases import Phrase
from tests.doubles.clock import SettableClock

MARIE = User("local", "1", "marie", frozenset({Role.OPERATOR}), (), "127.0.0.1")
PAUL = User("local", "3", "paul", frozenset({Role.OPERATOR}), (), "127.0.0.1")
JEAN = User("local", "2", "jean", frozenset({Role.OPERATOR}), (), "127.0.0.1")


async def _ended(job: Job) -> None:
    async with asyncio.timeout(60):
        while job.state is JobState.RUNNING:
            await job.changed.wait()


def _jobs(clock: Callable[[], object] | None = None) -> Jobs:
    return Jobs(clock=clock or SettableClock(), random=os.urandom)  # type: ignore[arg-type]  # a clock of the test


async def test_a_job_reports_its_lines_and_its_end() -> None:
    async def work(job: Job) -> Phrase:
        job.add(Phrase("one"))
        job.progress(3, 7)
        return Phrase("done")

    jobs = _jobs()
    job = jobs.start(MARIE, Phrase("title"), work, back="/")
    await _ended(job)
    assert (job.state, job.lines, job.done, job.total, job.outcome) == (JobState.DONE, ["one"], 3, 7, "done")
    assert jobs.find(MARIE, job.job_id) is job
    assert jobs.find(JEAN, job.job_id) is None


async def test_an_expected_error_is_its_outcome_and_an_unexpected_one_is_logged() -> None:
    async def expected(_job: Job) -> Phrase:
        raise DatabaseUnavailable(Phrase("the database is away"))

    async def unexpected(_job: Job) -> Phrase:
        raise RuntimeError("a secret")

    jobs = _jobs()
    with capture_logs() as logs:
        first, second = (jobs.start(MARIE, Phrase("t"), each, back="/") for each in (expected, unexpected))
        await _ended(first)
        await _ended(second)
        await asyncio.sleep(0)
    assert (first.state, first.outcome) == (JobState.FAILED, "the database is away")
    assert (second.state, second.outcome) == (JobState.FAILED, "Internal error; see the log.")
    assert any(each["log_level"] == "error" for each in logs)


async def test_few_jobs_run_at_once_and_old_ones_are_forgotten() -> None:
    clock, stop = SettableClock(), asyncio.Event()

    async def work(_job: Job) -> Phrase:
        await stop.wait()
        return Phrase("done")

    jobs = _jobs(clock)
    running = [jobs.start(MARIE, Phrase("t"), work, back="/") for _ in range(3)]
    with pytest.raises(TooManyJobs):
        jobs.start(MARIE, Phrase("t"), work, back="/")
    running += [jobs.start(JEAN, Phrase("t"), work, back="/") for _ in range(3)]
    with pytest.raises(TooManyJobs):
        jobs.start(PAUL, Phrase("t"), work, back="/")
    stop.set()
    for each in running:
        await _ended(each)
    await asyncio.sleep(0)
    clock.advance(timedelta(hours=2))
    jobs.start(MARIE, Phrase("t"), work, back="/")
    assert jobs.find(MARIE, running[0].job_id) is None


async def test_the_end_of_the_process_ends_jobs() -> None:
    async def work(_job: Job) -> Phrase:
        await asyncio.Event().wait()
        return Phrase("never")

    jobs = _jobs()
    job = jobs.start(MARIE, Phrase("t"), work, back="/")
    await asyncio.sleep(0)
    await jobs.close()
    assert job.state is JobState.FAILED
