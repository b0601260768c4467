"""The page of a job: its lines as they come, and how it ended."""

from aiohttp import web

from console.web.jobs import Job, JobState
from console.web.routes import Routes, page
from console.web.visit import Visit


def _job(visit: Visit) -> Job:
    found = visit.services.jobs.find(visit.user, visit.part("job"))
    if found is None:
        raise web.HTTPNotFound
    return found


async def show(visit: Visit) -> web.StreamResponse:
    """The job; for htmx its changing part alone."""
    job = _job(visit)
    return visit.page("job.html#state" if visit.is_partial else "job.html", job=job, running=JobState.RUNNING)


async def events(visit: Visit) -> web.StreamResponse:
    """Report each change of the job."""
    job, seen = _job(visit), -1

    async def changed() -> None:
        nonlocal seen
        while job.version == seen:
            await job.changed.wait()
        seen = job.version

    return await visit.services.streams.send(
        visit.request,
        changed,
        user=visit.user.key,
        is_over=lambda: job.state is not JobState.RUNNING and job.version == seen,
    )


ROUTES: Routes = (page("/jobs/{job}", show), page("/jobs/{job}/events", events))
