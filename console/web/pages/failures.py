"""Failures: dead letters and what is tried again later, by account and reason; replay and purge of them."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlencode

import click
from aiohttp import web
from sqlalchemy import Connection

from bus.queue import Selection
from console.output import hearing
from console.queue.bulk import replay as replay_command
from console.queue.groups import FailedMessage, FailedMessages, Groups, Wanted
from console.queue.maintenance import BatchProgress, QueueMaintenance
from console.queue.selection import Criteria
from console.queue.session import on_record
from console.web import links
from console.web.forms import Form, form_of, read_form
from console.web.jobs import Job
from console.web.rights import Role
from console.web.routes import Routes, action, page
from console.web.visit import Visit
from db.keys import in_queries
from db.queries import accounts
from phrases import Phrase

_GROUPED: Final = 1000
"""Messages that are counted by account and reason."""
_ON_PAGE: Final = 50
_MAX_ENTRIES: Final = 500
_MAX_COUNTED: Final = 50_000
"""Messages that are counted before they are purged."""
_LARGEST_ENTRY: Final = 2**63 - 1
_MAX_DIGITS: Final = 18
_MAX_REASON: Final = 100
_DEAD: Final = "dead"
_SCHEDULED: Final = "scheduled"
_LABELS: Final = {"rate": Phrase("Rate"), "why": Phrase("Why")}
_NOTHING: Final = Phrase("Nothing was selected.")


@dataclass(frozen=True, slots=True)
class Group:
    """One line of the list: so many messages of an account that failed for a reason."""

    account: str | None
    reason: str | None
    count: int
    address: str


@dataclass(frozen=True, slots=True)
class Order:
    """The messages that an action is for. `text`: of the record. `total`: their number, where it is known."""

    wanted: Wanted
    selection: Selection
    text: str
    total: int | None = None


# The lists.


async def show(visit: Visit) -> web.StreamResponse:
    """All groups."""
    failed = FailedMessages(visit.services.queue, visit.services.database, clock=visit.services.clock)
    dead, later = await asyncio.gather(
        failed.groups(scheduled=False, limit=_GROUPED), failed.groups(scheduled=True, limit=_GROUPED)
    )
    names = await _names(visit, {account for found in (dead, later) for account, _ in found.counts})
    return visit.page(
        "failures.html",
        kinds=[(_DEAD, dead, _groups(dead, names, _DEAD)), (_SCHEDULED, later, _groups(later, names, _SCHEDULED))],
        all_of=lambda kind: address_of(Wanted(kind == _SCHEDULED)),
        grouped=_GROUPED,
    )


def _groups(found: Groups, names: Mapping[int, str], kind: str) -> list[Group]:
    rows = [
        Group(
            None if account is None else names.get(account, str(account)),
            reason,
            count,
            address_of(Wanted(kind == _SCHEDULED, "" if account is None else str(account), reason or "")),
        )
        for (account, reason), count in found.counts.items()
    ]
    return sorted(rows, key=lambda each: (-each.count, each.account or "", each.reason or ""))


def address_of(wanted: Wanted) -> str:
    """The address of the page of these messages."""
    return "/failures/list?" + urlencode(_fields(wanted))


def _fields(wanted: Wanted) -> dict[str, str]:
    fields = {"kind": _SCHEDULED if wanted.scheduled else _DEAD, "account": wanted.account, "reason": wanted.reason}
    return {name: value for name, value in fields.items() if value is not None}


async def show_list(visit: Visit) -> web.StreamResponse:
    """The messages of a group, a page of them."""
    form = form_of(_options(), visit.language, labels=_LABELS)
    return await _list(visit, _wanted(visit.query), _entry(visit.query.get("after")), form)


async def _list(
    visit: Visit, wanted: Wanted, after: str | None, form: Form, *, status: int = 200
) -> web.StreamResponse:
    failed = FailedMessages(visit.services.queue, visit.services.database, clock=visit.services.clock)
    found = await failed.page(wanted, after=after, limit=_ON_PAGE)
    numbers = {each.account_id for each in found.messages} | ({int(wanted.account)} if wanted.account else set())
    names, hidden = await _names(visit, numbers), await visit.hidden_accounts()
    return visit.page(
        "failures_list.html",
        status=status,
        wanted=wanted,
        kind=_SCHEDULED if wanted.scheduled else _DEAD,
        account=names.get(int(wanted.account), wanted.account) if wanted.account else wanted.account,
        rows=[_row(each, names, hidden) for each in found.messages],
        fields=_fields(wanted),
        is_first=after is None,
        older=None if found.after is None else address_of(wanted) + "&" + urlencode({"after": found.after}),
        may_act=visit.user.may(Role.OPERATOR),
        form=form,
        has_whole=wanted.selection is not None,
    )


def _row(each: FailedMessage, names: Mapping[int, str], hidden: frozenset[int]) -> dict[str, object]:
    number, failure = each.account_id, each.failure
    is_shown = failure is not None and failure.account_id not in hidden
    return {
        "entry": each.message.entry,
        "account": None if number is None else names.get(number, str(number)),
        "reason": each.reason,
        "detail": each.detail,
        "attempts": each.attempts,
        "failed": each.failed,
        "next": None if each.message.dead_lettered is not None else each.message.visible,
        "subject": failure.subject if failure is not None and is_shown else None,
        "sender": (failure.from_name or failure.from_address) if failure is not None and is_shown else None,
        "mail": None if each.key is None else links.mail(*each.key),
    }


async def _names(visit: Visit, numbers: Iterable[int | None]) -> dict[int, str]:
    wanted = sorted(each for each in set(numbers) if each is not None)

    def read(connection: Connection) -> dict[int, str]:
        found: dict[int, str] = {}
        for chunk in in_queries(wanted):
            found.update({number: each.settings.name for number, each in accounts.by_id(connection, chunk).items()})
        return found

    return await visit.read(read) if wanted else {}


# The actions.


async def try_out(visit: Visit) -> web.StreamResponse:
    """Count what a replay would do, without doing it."""
    form = await _read_options(visit)
    order = await _order(visit)
    if order is None:
        return await _not_selected(visit)
    if not form.is_valid:
        return await _list(visit, order.wanted, None, form, status=400)

    async def work(_job: Job) -> Phrase:
        counted = await _maintenance(visit).count_replay(order.selection, scheduled=order.wanted.scheduled)
        return Phrase.joined(Phrase("Would be replayed: {n}.", n=counted.selected), _known(counted))

    return _started(visit, Phrase("Dry run"), order, work)


async def replay(visit: Visit) -> web.StreamResponse:
    """Put dead letters back into the queue, or try at once what is scheduled."""
    form = await _read_options(visit)
    order = await _order(visit)
    if order is None:
        return await _not_selected(visit)
    if not form.is_valid:
        return await _list(visit, order.wanted, None, form, status=400)
    rate, why, scheduled = form.values["rate"], form.values["why"], order.wanted.scheduled
    maintenance, progress = _maintenance(visit), BatchProgress()

    async def work(job: Job) -> Phrase:
        def on_progress(done: int) -> None:
            job.progress(done, order.total)

        async with on_record(maintenance, visit.services.settings, "replay", order.text, progress, why):
            await maintenance.replay(
                order.selection, progress, scheduled=scheduled, rate=rate, why=why, on_progress=on_progress
            )
        return Phrase.joined(Phrase("Replayed: {n}.", n=progress.done), _known(progress), progress.left() or "")

    return _started(visit, Phrase("Replaying"), order, work)


async def purge(visit: Visit) -> web.StreamResponse:
    """Delete dead letters for good; first a page tells how many."""
    order = await _order(visit)
    if order is None:
        return await _not_selected(visit)
    if order.wanted.scheduled:
        raise web.HTTPBadRequest
    why = (await _read_options(visit)).values.get("why")
    counted_at = _moment(await visit.text("counted_at"))
    if counted_at is None:
        return await _confirm(visit, order)
    # What became a dead letter since the number was told is not deleted.
    selection = replace(order.selection, until=counted_at)
    maintenance, progress = _maintenance(visit), BatchProgress()

    async def work(job: Job) -> Phrase:
        def on_progress(done: int) -> None:
            job.progress(done, order.total)

        async with on_record(maintenance, visit.services.settings, "purge", order.text, progress, why):
            await maintenance.purge(selection, progress, dead_letters=True, why=why, on_progress=on_progress)
        return Phrase.joined(Phrase("Purged: {n}.", n=progress.done), progress.left() or "")

    return _started(visit, Phrase("Purging"), order, work)


async def _confirm(visit: Visit, order: Order) -> web.StreamResponse:
    now = visit.now
    counted = await _maintenance(visit).count(replace(order.selection, until=now), dead_letters=True, most=_MAX_COUNTED)
    return visit.page(
        "failures_purge.html",
        count=counted.selected,
        is_least=counted.selected >= _MAX_COUNTED,
        known=counted.known,
        text=order.text,
        fields=_fields(order.wanted),
        scope=await visit.text("scope"),
        entries=order.selection.entries or (),
        why=await visit.text("why"),
        counted_at=now.isoformat(),
        back=address_of(order.wanted),
    )


def _maintenance(visit: Visit) -> QueueMaintenance:
    services = visit.services
    return QueueMaintenance(services.queue, services.database, author=visit.author, clock=services.clock)


def _known(progress: BatchProgress) -> Phrase:
    return Phrase("Of these imported already: {n}.", n=progress.known)


def _started(visit: Visit, title: Phrase, order: Order, work: Callable[[Job], Awaitable[Phrase]]) -> web.StreamResponse:
    async def heard(job: Job) -> Phrase:
        with hearing() as told:
            try:
                return await work(job)
            finally:
                for each in told:
                    job.add(each)

    job = visit.services.jobs.start(visit.user, title, heard, back=address_of(order.wanted))
    return visit.redirect(f"/jobs/{job.job_id}")


async def _not_selected(visit: Visit) -> web.StreamResponse:
    return visit.redirect(address_of(_wanted(await _texts(visit))), _NOTHING, warns=True)


async def _order(visit: Visit) -> Order | None:
    """The messages that the form selects; None: nothing."""
    wanted = _wanted(await _texts(visit))
    if await visit.text("scope") == "all" and wanted.selection is not None:
        names = await _names(visit, {int(wanted.account)} if wanted.account else set())
        account = names.get(int(wanted.account), wanted.account) if wanted.account else None
        criteria = Criteria((), wanted.reason, account, None, None, wanted.scheduled)
        return Order(wanted, wanted.selection, str(criteria))
    given = [each for each in (await visit.form()).getall("entry", []) if isinstance(each, str)]
    entries = sorted({int(entry) for each in given if (entry := _entry(each)) is not None})
    if len(entries) > _MAX_ENTRIES:
        raise web.HTTPBadRequest
    if not entries:
        return None
    criteria = Criteria(tuple(entries), None, None, None, None, wanted.scheduled)
    return Order(wanted, Selection(entries=[str(each) for each in entries]), str(criteria), len(entries))


async def _texts(visit: Visit) -> dict[str, str]:
    return {name: value for name, value in (await visit.form()).items() if isinstance(value, str)}


def _wanted(fields: Mapping[str, str]) -> Wanted:
    account, reason = fields.get("account"), fields.get("reason")
    if account and not (account.isascii() and account.isdecimal() and len(account) <= _MAX_DIGITS):
        raise web.HTTPBadRequest
    kind = fields.get("kind", _DEAD)
    if kind not in {_DEAD, _SCHEDULED} or (reason is not None and len(reason) > _MAX_REASON):
        raise web.HTTPBadRequest
    return Wanted(kind == _SCHEDULED, str(int(account)) if account else account, reason)


def _entry(text: str | None) -> str | None:
    """An entry of the queue; those of Service Bus have up to 19 digits."""
    is_entry = text is not None and text.isascii() and text.isdecimal() and len(text) <= len(str(_LARGEST_ENTRY))
    return text if text is not None and is_entry and int(text) <= _LARGEST_ENTRY else None


def _moment(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
        return found.astimezone(UTC) if found.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def _options() -> Sequence[click.Option]:
    return [each for each in replay_command.params if isinstance(each, click.Option) and each.name in _LABELS]


async def _read_options(visit: Visit) -> Form:
    return read_form(
        _options(),
        await visit.form(),
        visit.language,
        labels=_LABELS,
        settings=visit.services.settings,
        clock=visit.services.clock,
    )


ROUTES: Routes = (
    page("/failures", show),
    page("/failures/list", show_list),
    action("/failures/dry-run", try_out, needs=Role.OPERATOR),
    action("/failures/replay", replay, needs=Role.OPERATOR),
    action("/failures/purge", purge, needs=Role.OPERATOR),
)
