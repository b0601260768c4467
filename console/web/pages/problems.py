"""Problems and alerts: what needs a person, what was over of late, and where it is alerted."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web
from sqlalchemy import Connection

from console.alerts.trial import chosen_targets, try_target
from console.alerts.views import failure_of, history_listing, targets_listing
from console.output import Column, Listing
from console.queue.groups import Wanted
from console.settings import SettingsError
from console.translation.labels import word
from console.web import links
from console.web.jobs import Job, JobState
from console.web.pages.failures import address_of
from console.web.rights import Role
from console.web.routes import Routes, action, page
from console.web.visit import Visit
from console.wiring.alerts import alert_writer
from db.keys import in_queries
from db.queries import accounts, problems
from db.queries import alerts as alert_rows
from db.queries.console_activity import ActivityKind
from db.queries.problems import NO_ACCOUNT, Problem, ProblemKind, StoredProblem
from phrases import Phrase

if TYPE_CHECKING:
    from alerts.services import Target

_ENDED_FOR: Final = timedelta(days=7)
_ENDED: Final = 50
_SHOWN: Final = 200
"""Open problems on the page."""
_ALERTS: Final = 50
_MAX_DIGITS: Final = 18
_ALERTS_PAGE: Final = "/problems/alerts"


def _failures(kind: ProblemKind) -> Callable[[Problem], str]:
    def address(problem: Problem) -> str:
        account = None if problem.account_id is None else str(problem.account_id)
        if account is None and problem.scope == NO_ACCOUNT:
            account = ""
        return address_of(Wanted(kind is ProblemKind.MESSAGES_FAILING, account))

    return address


_FAILURES: Final = Phrase("Failures")
_CERTIFICATES: Final = (Phrase("Certificates"), lambda _: "/certificates")
_FILES: Final = (Phrase("Files"), lambda _: "/files")
_LINKS: Final[Mapping[ProblemKind, tuple[Phrase, Callable[[Problem], str]]]] = {
    **{kind: (_FAILURES, _failures(kind)) for kind in (ProblemKind.DEAD_LETTERS, ProblemKind.MESSAGES_FAILING)},
    ProblemKind.CERTIFICATE_ENDS: _CERTIFICATES,
    ProblemKind.CERTIFICATE_ENDED: _CERTIFICATES,
    ProblemKind.CERTIFICATE_NOT_FOUND: _CERTIFICATES,
    ProblemKind.CERTIFICATE_KEY_UNREADABLE: _CERTIFICATES,
    ProblemKind.CERTIFICATE_UNUSABLE: _CERTIFICATES,
    ProblemKind.CERTIFICATE_REPLACED: _CERTIFICATES,
    ProblemKind.FILES_FAILED: _FILES,
    ProblemKind.FOLDER_UNAVAILABLE: _FILES,
    ProblemKind.DELIVERY_LATE: _FILES,
    ProblemKind.RULE_UNUSABLE: (Phrase("Rules"), lambda _: "/rules"),
    ProblemKind.ALERT_FAILING: (Phrase("Alerts"), lambda _: _ALERTS_PAGE),
}
"""The pages that show more of a problem, by its kind."""


async def show(visit: Visit) -> web.StreamResponse:
    """The open problems, and those that ended of late; for htmx the open ones alone."""
    snapshot = await visit.services.overview.get()
    overview = snapshot.overview
    data, names, now = overview.data(), overview.names, overview.facts.now
    rows = [
        {**row, "links": _links(problem, names)}
        for row, problem in zip(data["problems"][:_SHOWN], overview.problems, strict=False)
    ]
    opened: dict[str, Any] = {
        "failure": snapshot.failure,
        "outages": [each for each in data["services"] if each["reachable"] is False],
        "problems": rows,
        "left_out": len(data["problems"]) - len(rows),
        "made": now,
    }
    if visit.is_partial:
        return visit.page("problems.html#open", **opened)
    return visit.page("problems.html", ended=await _ended(visit), **opened)


def _links(problem: Problem, names: Mapping[int, str]) -> list[tuple[Phrase, str]]:
    found: list[tuple[Phrase, str]] = []
    name = None if problem.account_id is None else names.get(problem.account_id)
    if name is not None:
        found.append((Phrase.verbatim(name), links.mailbox(name)))
    if problem.kind in _LINKS:
        text, address = _LINKS[problem.kind]
        found.append((text, address(problem)))
    return found


async def _ended(visit: Visit) -> Listing:
    since = visit.now - _ENDED_FOR

    def read(connection: Connection) -> tuple[list[StoredProblem], dict[int, str]]:
        found = problems.ended(connection, since=since, limit=_ENDED)
        numbers = sorted({each.account_id for each in found if each.account_id is not None})
        names: dict[int, str] = {}
        for chunk in in_queries(numbers):
            names.update({number: each.settings.name for number, each in accounts.by_id(connection, chunk).items()})
        return found, names

    found, names = await visit.read(read)
    rows = [
        {
            "kind": each.kind,
            "account": None if each.account_id is None else names.get(each.account_id, str(each.account_id)),
            "since": each.first_seen,
            "ended": each.cleared,
            "count": each.count,
            "text": each.text,
        }
        for each in found
    ]
    columns = [
        Column("kind", Phrase("Problem"), word),
        Column("account", Phrase("Account")),
        Column("since", Phrase("Since")),
        Column("ended", Phrase("Ended")),
        Column("count", Phrase("Count"), right=True),
    ]
    empty = Phrase("No problem ended in the last 7 days.")
    return Listing(columns, rows, empty=empty, details=[Column("text", Phrase("Cause"))])


# Alerts.


async def show_alerts(visit: Visit) -> web.StreamResponse:
    """The targets, and what was sent to them."""
    targets: tuple[Target, ...] = ()
    failure = None
    try:
        targets = await visit.services.alert_targets.get()
    except SettingsError as exc:
        failure = exc.message
    before, fingerprints = _number(visit.query.get("before")), [each.fingerprint for each in targets]

    def read(connection: Connection) -> tuple[dict[str, alert_rows.TargetSummary], list[alert_rows.Alert]]:
        summaries = alert_rows.summaries(connection, fingerprints)
        return summaries, alert_rows.latest(connection, limit=_ALERTS + 1, before=before)

    summaries, sent = await visit.read(read)
    return visit.page(
        "alerts.html",
        failure=failure,
        targets=targets_listing(targets, summaries),
        history=history_listing(sent[:_ALERTS]),
        is_first=before is None,
        older=sent[_ALERTS - 1].number if len(sent) > _ALERTS else None,
        may_test=bool(targets) and visit.user.may(Role.ADMINISTRATOR),
    )


def _number(text: str | None) -> int | None:
    is_number = text is not None and text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS
    return int(text) if text is not None and is_number else None


async def send_test(visit: Visit) -> web.StreamResponse:
    """Send a test to the targets of the settings, or to the one of that number."""
    wanted = await visit.text("target")
    chosen = chosen_targets(await visit.services.alert_targets.get(), wanted or None)
    await visit.note(ActivityKind.ALERT_TESTED, detail=", ".join(each.name for each in chosen.values()))
    writer = alert_writer(visit.services.settings)

    async def work(job: Job) -> Phrase:
        async def one(number: int) -> dict[str, Any]:
            row = await try_target(number, chosen[number], writer)
            line = Phrase("{target}: {state}", target=row["target"], state=word(row["state"]))
            job.add(line if row["reason"] is None else Phrase("{what} – {why}", what=line, why=row["reason"]))
            job.progress(len(job.lines), len(chosen))
            return row

        rows = await asyncio.gather(*map(one, chosen))
        failure = failure_of(sum(row["state"] == "failed" for row in rows))
        if failure is not None:
            job.state = JobState.FAILED
            return failure
        return Phrase.counted("The test was sent to {n} target.", "The test was sent to {n} targets.", n=len(rows))

    job = visit.services.jobs.start(visit.user, Phrase("Test of alerts"), work, back=_ALERTS_PAGE)
    return visit.redirect(f"/jobs/{job.job_id}")


ROUTES: Routes = (
    page("/problems", show),
    page(_ALERTS_PAGE, show_alerts),
    action("/problems/alerts/test", send_test, needs=Role.ADMINISTRATOR),
)
