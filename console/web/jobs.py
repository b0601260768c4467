"""Jobs: work that takes longer than a request, in this process: tests of accounts, replays, imports.

A job belongs to the user that started it. Its page shows its lines as they come; it stays for an hour after its end.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

import structlog

import background
from bus.errors import QueueError
from console.web.sessions import User
from console.web.tokens import RandomBytes, new_id
from db.errors import DatabaseError
from graph.errors import GraphError
from hostfaults import HostFault
from phrases import Phrase

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

_AT_ONCE: Final = 6
_AT_ONCE_OF_USER: Final = 3
_KEPT: Final = 200
_KEPT_FOR: Final = timedelta(hours=1)
_MAX_LINES: Final = 1000
_STOP_SECONDS: Final = 2.0
EXPECTED: Final = (DatabaseError, QueueError, GraphError, HostFault)
"""The roots of errors whose text is written for an operator."""


class TooManyJobs(Exception):
    """As many jobs run as may at once."""


class JobState(StrEnum):
    """The state of a job."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(slots=True)
class Job:
    """One job. `lines`: what it reported, the template of the subject shows them; `outcome`: the last sentence.

    `done` of `total` (None: not known) is its progress. `back`: the page to go on to.
    """

    job_id: str
    owner: str
    title: Phrase
    back: str
    template: str
    started: datetime
    state: JobState = JobState.RUNNING
    ended: datetime | None = None
    lines: list[Any] = field(default_factory=list)
    left_out: int = 0
    done: int = 0
    total: int | None = None
    outcome: Phrase | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    version: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event, repr=False)

    def add(self, line: object) -> None:
        """Report a line."""
        if len(self.lines) < _MAX_LINES:
            self.lines.append(line)
        else:
            self.left_out += 1
        self.touch()

    def progress(self, done: int, total: int | None = None) -> None:
        """Report the progress."""
        self.done, self.total = done, total if total is not None else self.total
        self.touch()

    def touch(self) -> None:
        """Have the pages that show it look again."""
        self.version += 1
        self.changed.set()
        self.changed = asyncio.Event()


class Jobs:
    """The jobs of this process."""

    def __init__(self, *, clock: Callable[[], datetime], random: RandomBytes) -> None:
        self._clock = clock
        self._random = random
        self._jobs: dict[str, Job] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def start(
        self,
        user: User,
        title: Phrase,
        work: Callable[[Job], Awaitable[Phrase]],
        *,
        back: str,
        template: str = "job_lines.html",
    ) -> Job:
        """Start a job. `work` returns the sentence of its end; its expected errors end it as failed.

        Raises:
            TooManyJobs
        """
        self._forget_old()
        running = [each for each in self._jobs.values() if each.state is JobState.RUNNING]
        mine = sum(each.owner == user.key for each in running)
        if len(running) >= _AT_ONCE or mine >= _AT_ONCE_OF_USER:
            raise TooManyJobs
        job = Job(new_id(self._random), user.key, title, back, template, self._clock())
        self._jobs[job.job_id] = job
        task = background.start(self._run(job, work), name="console job")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return job

    def find(self, user: User, job_id: str) -> Job | None:
        """A job of the user."""
        job = self._jobs.get(job_id)
        return job if job is not None and job.owner == user.key else None

    async def close(self) -> None:
        """End all jobs; each is recorded where it works as far as it came."""
        await background.cancel(*self._tasks, within=_STOP_SECONDS)

    async def _run(self, job: Job, work: Callable[[Job], Awaitable[Phrase]]) -> None:
        state, outcome = JobState.FAILED, Phrase("Internal error; see the log.")
        try:
            outcome = await work(job)
            # A job may have set itself to failed, with a sentence of its own.
            state = JobState.DONE if job.state is JobState.RUNNING else job.state
        except EXPECTED as exc:
            outcome = Phrase.of(exc)
        finally:
            job.state, job.outcome, job.ended = state, outcome, self._clock()
            job.touch()

    def _forget_old(self) -> None:
        now = self._clock()
        for each in list(self._jobs.values()):
            is_old = each.ended is not None and not timedelta(0) <= now - each.ended < _KEPT_FOR
            if is_old or (each.ended is not None and len(self._jobs) >= _KEPT):
                del self._jobs[each.job_id]
