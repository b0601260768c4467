"""The test of a mailbox's settings, as `accounts test` runs it: a job, one line for each check as it ends."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

from aiohttp import web
from sqlalchemy import Connection

from console.checks.account import Candidate, brief_test, for_candidate
from console.checks.runner import Check, Result, Step, count, run_checks
from console.checks.view import MARKS, summary
from console.web.jobs import Job, JobState
from console.web.pages.mailboxes import account_of, address_of, in_use
from console.web.rights import Role
from console.web.routes import Routes, action, page
from console.web.visit import Visit
from db.queries import accounts as table
from db.queries.accounts import Account
from db.queries.console_activity import ActivityKind
from phrases import Phrase

TEMPLATE: Final = "mailbox_test_lines.html"
_MAX_DENIED: Final = 10


@dataclass(frozen=True, slots=True)
class StepLine:
    """A check as the page shows it."""

    step: Step
    word: Phrase
    colour: str | None

    @classmethod
    def of(cls, step: Step) -> "StepLine":
        """The line of a step."""
        return cls(step, *MARKS[step.finding.result])

    @property
    def was_tried(self) -> bool:
        """True if the check ran."""
        return self.step.finding.result not in {Result.NOT_TRIED, Result.NOT_NEEDED}


async def start_test(
    visit: Visit, candidate: Candidate, *, back: str, denied: Sequence[str] = (), allow_shared: bool = False
) -> Job:
    """Start the test of an account, and record it.

    Raises:
        TooManyJobs
    """
    name = candidate.settings.name
    title = Phrase("Test of account {name!r}", name=name)
    work = partial(_run, visit, candidate, denied, allow_shared)
    job = visit.services.jobs.start(visit.user, title, work, back=back, template=TEMPLATE)
    await visit.note(ActivityKind.ACCOUNT_TESTED, account_id=candidate.account_id, detail=name)
    return job


async def _run(visit: Visit, candidate: Candidate, denied: Sequence[str], allow_shared: bool, job: Job) -> Phrase:
    services = visit.services

    @contextmanager
    def began(check: Check) -> Iterator[None]:
        job.facts["running"] = check.title
        job.touch()
        try:
            yield
        finally:
            del job.facts["running"]

    def ended(step: Step) -> None:
        job.done += 1
        job.add(StepLine.of(for_candidate(step, candidate)))

    async with brief_test(
        services.settings, candidate, denied=denied, allow_shared=allow_shared, clock=services.clock
    ) as opened:
        job.progress(0, len(opened.checks))
        steps = await run_checks(opened.checks, on_begin=began, on_end=ended)
    if count(steps, Result.FAILED):
        job.state = JobState.FAILED
    return summary(steps)


async def show(visit: Visit) -> web.StreamResponse:
    """The page with the choices of a test."""
    account = await in_use(visit)
    return visit.page(
        "mailbox_test.html", account=account, address=address_of(account.account_id, account.settings.name)
    )


async def run(visit: Visit) -> web.StreamResponse:
    """Test an account as it is saved."""
    key = visit.part("name")

    def read(connection: Connection) -> Account:
        return table.usable(connection, account_of(connection, key).settings.name)

    account = await visit.read(read)
    denied = tuple(dict.fromkeys(filter(None, map(str.strip, (await visit.text("denied")).splitlines()))))
    job = await start_test(
        visit,
        Candidate(account.account_id, account.settings),
        back=address_of(account.account_id, account.settings.name),
        denied=denied[:_MAX_DENIED],
        allow_shared=await visit.text("allow_shared") == "on",
    )
    return visit.redirect(f"/jobs/{job.job_id}")


ROUTES: Routes = (
    page("/mailboxes/{name}/test", show, needs=Role.OPERATOR),
    action("/mailboxes/{name}/test", run, needs=Role.OPERATOR),
)
