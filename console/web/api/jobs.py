"""Jobs: work that goes on after its request. A program sees its own."""

from http import HTTPStatus
from typing import Annotated, Any

from aiohttp import web
from pydantic import StringConstraints

from console.web.api.declarations import ROOT, Answer, AnyOperation, Given, Nothing, Operation
from console.web.api.models import Job as JobModel
from console.web.api.requests import answer_json
from console.web.jobs import Job
from console.web.rights import Role
from console.web.routes import GET
from console.web.visit import Visit

ACCEPTED = Answer(HTTPStatus.ACCEPTED, JobModel, "The job was started; see Location", ("Location",))


class OfJob(Given):
    """The job of that id."""

    job_id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,100}$")]


def operations_of() -> list[AnyOperation]:
    """The operation."""
    return [
        Operation(
            "getJob",
            GET,
            "/jobs/{job_id}",
            "Show a job of the same caller; it is kept for an hour after its end, by the process that ran it",
            Role.VIEWER,
            OfJob,
            None,
            Answer(HTTPStatus.OK, JobModel, "The job"),
            _show,
        )
    ]


def accepted(job: Job) -> web.Response:
    """The answer that a job was started."""
    return answer_json(_data(job), status=HTTPStatus.ACCEPTED, Location=f"{ROOT}/jobs/{job.job_id}")


async def _show(visit: Visit, parameters: OfJob, _body: Nothing) -> web.StreamResponse:
    found = visit.services.jobs.find(visit.user, parameters.job_id)
    if found is None:
        raise web.HTTPNotFound
    return answer_json(_data(found))


def _data(job: Job) -> dict[str, Any]:
    return {
        "job_id": job.job_id,
        "title": job.title,
        "state": job.state,
        "started": job.started,
        "ended": job.ended,
        "done": job.done,
        "total": job.total,
        "outcome": job.outcome,
        "result": job.facts,
    }
