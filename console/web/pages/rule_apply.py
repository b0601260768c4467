"""A rule applied to mail that was imported before: counted first, and saved once that is confirmed."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from typing import Final

import click
from aiohttp import web

from console.output import hearing
from console.rules import apply as command
from console.rules import views
from console.rules.apply import ApplyNumbers, ApplyRequest
from console.translation.language import speaking
from console.web import forms
from console.web.forms import Form
from console.web.jobs import Job, JobState
from console.web.pages.rules import found_rule, path_of
from console.web.rights import Role
from console.web.routes import Routes, action, page
from console.web.visit import Visit
from phrases import Phrase
from rules.rule import Rule

_LABELS: Final = {"since": Phrase("Mail received since"), "again": Phrase("Once more")}


def _options() -> list[click.Option]:
    """Those of the command that a page has."""
    return [each for each in command.apply.params if isinstance(each, click.Option) and each.name in _LABELS]


async def ask(visit: Visit) -> web.StreamResponse:
    """The form."""
    stored = await found_rule(visit)
    form = forms.form_of(_options(), visit.language, labels=_LABELS, texts={"since": ("7d",)})
    return _page(visit, stored.rule, form, views.problem_of(stored))


def _page(visit: Visit, rule: Rule, form: Form, problem: Phrase | None = None) -> web.Response:
    return visit.page("rules_apply.html", status=200 if form.is_valid else 400, rule=rule, form=form, problem=problem)


async def start(visit: Visit) -> web.StreamResponse:
    """Count what would be saved, or save it: `do` is `apply` where the numbers were confirmed."""
    stored, services = await found_rule(visit), visit.services
    form = forms.read_form(
        _options(),
        await visit.form(),
        visit.language,
        labels=_LABELS,
        settings=services.settings,
        clock=services.clock,
    )
    rule, problem = stored.rule, views.problem_of(stored)
    if not form.is_valid or problem is not None:
        return _page(visit, rule, form, problem)
    hidden = await visit.hidden_accounts()
    since: datetime = form.values["since"]
    request = ApplyRequest(since, [rule.name], form.values["again"], hidden)
    if await visit.text("do") == "apply":
        title = Phrase("Rule {name!r} is applied", name=rule.name)
        work = partial(command.applied, services.settings, services.database, clock=services.clock, author=visit.author)
        end = Phrase("The files were recorded; a running delivery role saves them.")
    else:
        title = Phrase("What rule {name!r} would save", name=rule.name)
        work = partial(command.counted, services.settings, services.database)
        end = Phrase("Nothing was changed: this was a dry run.")
    facts = {
        "is_planned": await visit.text("do") != "apply",
        "rule": rule.rule_id,
        "since": since.astimezone(UTC).isoformat(),
        "again": request.again,
        "hidden": len(hidden),
    }

    async def run(job: Job) -> Phrase:
        job.facts = facts
        return await _run(job, partial(work, request, progress=job.progress), end, visit.language)

    job = services.jobs.start(visit.user, title, run, back=path_of(rule.rule_id), template="rules_apply_lines.html")
    return visit.redirect(f"/jobs/{job.job_id}")


async def _run(job: Job, work: Callable[[], Awaitable[ApplyNumbers]], end: Phrase, language: str) -> Phrase:
    with speaking(language), hearing() as heard:
        try:
            numbers = await work()
        except click.ClickException as exc:  # the rule was changed since
            job.state = JobState.FAILED
            return Phrase.verbatim(exc.message)
    job.facts["files"], job.facts["question"] = numbers.files, command.question(numbers)
    for each in (*command.sentences(numbers), *heard):
        job.add(each)
    return end


ROUTES: Routes = (
    page("/rules/{rule:[^/]+}/apply", ask, needs=Role.OPERATOR),
    action("/rules/{rule:[^/]+}/apply", start, needs=Role.OPERATOR),
)
