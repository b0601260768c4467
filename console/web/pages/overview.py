"""The overview: the state of the installation on one page, kept up to date."""

from typing import Any, Final

from aiohttp import web

from console.status.view import VERDICTS, roles_listing, summary
from console.web.chart import chart_of
from console.web.routes import Routes, page
from console.web.visit import Visit
from console.wiring.overview import Snapshot
from db.queries import installation
from monitoring.overview import Verdict

_TINTS: Final = {Verdict.OK: "good", Verdict.DEGRADED: "warn", Verdict.DOWN: "bad"}
_ACCOUNTS: Final = 25
_PROBLEMS: Final = 50


async def show(visit: Visit) -> web.StreamResponse:
    """The overview; for htmx its changing part alone."""
    after = visit.query.get("after")
    snapshot = await visit.services.overview.get()
    accounts = []
    if snapshot.failure is None:
        accounts = await visit.read(
            lambda connection: installation.account_page(connection, limit=_ACCOUNTS + 1, after=after)
        )
    values = _facts(snapshot)
    return visit.page(
        "overview.html#state" if visit.is_partial else "overview.html",
        accounts=accounts[:_ACCOUNTS],
        next_account=accounts[_ACCOUNTS - 1].name if len(accounts) > _ACCOUNTS else None,
        after=after,
        **values,
    )


def _facts(snapshot: Snapshot) -> dict[str, Any]:
    overview = snapshot.overview
    data, now = overview.data(), overview.facts.now
    verdict = overview.verdict if snapshot.failure is None else Verdict.DOWN
    roles = [each for each in data["roles"] if each["process"] not in overview.replaced]
    return {
        "made": now,
        "failure": snapshot.failure,
        "verdict": VERDICTS[verdict],
        "tint": _TINTS[verdict],
        "summary": summary(data, now, overview.totals),
        "problems": data["problems"][:_PROBLEMS],
        "more_problems": max(0, len(data["problems"]) - _PROBLEMS),
        "outages": [each for each in data["services"] if each["reachable"] is False],
        "roles": roles_listing(roles, now),
        "chart": chart_of(snapshot.hours),
    }


async def events(visit: Visit) -> web.StreamResponse:
    """Report each new state."""
    return await visit.services.streams.send(visit.request, visit.services.overview.changed, user=visit.user.key)


ROUTES: Routes = (page("/", show), page("/overview/events", events))
