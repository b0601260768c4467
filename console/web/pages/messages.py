"""The e-mail log: all messages, newest first, by a filter that stands in the address; also as CSV."""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final
from urllib.parse import quote

import click
from aiohttp import web
from sqlalchemy import Connection

from console.messages.list import list_
from console.messages.log import COLUMNS, DETAILS, criteria_of, cursor_of, row_of
from console.translation.labels import RULE_COLOURS
from console.web.csv_export import CONTENT_TYPE, csv_lines, csv_pieces
from console.web.downloads import content_disposition
from console.web.forms import Form, read_form
from console.web.routes import Routes, page
from console.web.sending import send
from console.web.visit import Visit
from db.errors import AccountNotFound, RuleNotFound
from db.outcomes import MessageState
from db.queries import console_access, message_log, rules
from db.queries.console_activity import ActivityKind
from db.queries.message_log import MAX_COUNTED, Count, LogCriteria, Page, Position
from phrases import Phrase

MAX_EXPORTED: Final = 100_000
"""Messages in a CSV file."""

_PAGE: Final = 50
_SEARCH_SECONDS: Final = 0.05
_ONWARD_SECONDS: Final = 0.5
"""Of a search that goes on where the first one stopped: the browser asks for it by itself, or its user by a link."""
_COUNT_SECONDS: Final = 0.03
_EXPORT_PAGE: Final = 1000
_NAMED: Final = 500
"""Names of accounts that are suggested."""
_LABELS: Final[Mapping[str, Phrase]] = {
    "since": Phrase("Since"),
    "until": Phrase("Until"),
    "name": Phrase("Account"),
    "sender": Phrase("Sender"),
    "recipient": Phrase("Recipient"),
    "subject": Phrase("Subject"),
    "attachment": Phrase("Attachment"),
    "states": Phrase("State"),
    "rule_states": Phrase("Rule state"),
    "rule": Phrase("Rule"),
    "after": Phrase("Page"),
}
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d|\d{1,2}[./]\d{1,2}[./]\d{4}")
_LAST_DAY: Final = datetime.max.replace(tzinfo=UTC) - timedelta(days=1)
"""The last of which there is a next one."""
_CSV_COLUMNS: Final = (*COLUMNS, *DETAILS)
_MORE: Final = Phrase("Only the newest 100,000 e-mails are in this file. Filter by dates for the others.")


_Suggested = tuple[Sequence[str], Sequence[str]]


async def show(visit: Visit) -> web.StreamResponse:
    """A page of the log; for htmx the part that a search goes on with."""
    form, found, count = _form(visit), None, None
    hidden = await visit.hidden_accounts()
    if form.is_valid:
        try:
            criteria = await _criteria(visit, form, hidden)
            found = await visit.read(partial(_page, criteria=criteria, **_reading(visit, form)))
            if not visit.is_partial:
                count = await _count(visit, criteria, found, is_first=form.values["after"] is None)
        except (AccountNotFound, RuleNotFound) as exc:
            form.fail(exc)
    suggested: _Suggested = ((), ())
    if not visit.is_partial:
        suggested = await visit.read(partial(_suggested, hidden=hidden))
    return visit.page(
        "messages.html" if found is None or not visit.is_partial else "messages.html#found",
        status=200 if form.is_valid else 400,
        form=form,
        given=_given(form),
        columns=COLUMNS,
        details=DETAILS,
        rows=[] if found is None else [row_of(each) for each in found.messages],
        found=found,
        following=None if found is None or found.next is None else cursor_of(found.next),
        count=None if count is None else _counted(count),
        accounts=suggested[0],
        rules=suggested[1],
        address_of=address_of,
        rule_colours=RULE_COLOURS,
    )


def address_of(row: Mapping[str, Any]) -> str:
    """The address of the page of a message of the log."""
    if row["state"] == MessageState.IMPORTED:
        return f"/messages/{row['message_id']}"
    return address_of_unimported(row["account_id"], row["graph_id"])


def address_of_unimported(account_id: int, graph_id: str) -> str:
    """The address of the page of a message that is not imported."""
    return f"/messages/of/{account_id}?graph_id={quote(graph_id, safe='')}"


async def export(visit: Visit) -> web.StreamResponse:
    """The log as CSV, with the same filter."""
    form = _form(visit)
    if not form.is_valid:
        raise web.HTTPBadRequest
    criteria = await _criteria(visit, form, await visit.hidden_accounts())
    await visit.note(ActivityKind.LOG_EXPORTED, detail=visit.request.query_string or None)
    headers = {"Content-Type": CONTENT_TYPE, "Content-Disposition": content_disposition("e-mail-log.csv", number=0)}
    return await send(visit, headers, _csv(visit, criteria))


async def _csv(visit: Visit, criteria: LogCriteria) -> AsyncIterator[bytes]:
    for piece in csv_pieces([visit.translated(each.heading) for each in _CSV_COLUMNS], ()):
        yield piece
    after: Position | None = None
    left = MAX_EXPORTED
    while True:
        found = await visit.read(
            partial(_page, criteria=criteria, after=after, limit=min(_EXPORT_PAGE, left), seconds=_ONWARD_SECONDS)
        )
        left -= len(found.messages)
        yield csv_lines(_cells(visit, row_of(each)) for each in found.messages)
        after = found.next
        if after is None:
            return
        if left <= 0:
            yield csv_lines([[visit.translated(_MORE)]])
            return


def _cells(visit: Visit, row: Mapping[str, Any]) -> list[object]:
    """Words in the language of the user, all other values as they are."""
    return [
        visit.translated(column.show(row[column.key]))
        if column.key in {"state", "rule_state"} and column.show is not None and row[column.key] is not None
        else row[column.key]
        for column in _CSV_COLUMNS
    ]


def _options() -> list[click.Option]:
    by_name = {each.name: each for each in list_.params if isinstance(each, click.Option)}
    return [by_name[name] for name in _LABELS]


def _form(visit: Visit) -> Form:
    """The filter of the address."""
    services = visit.services
    form = read_form(
        _options(),
        visit.request.query,
        visit.language,
        labels=_LABELS,
        settings=services.settings,
        clock=services.clock,
    )
    until = form.values.get("until")
    if until is not None and until < _LAST_DAY and _DAY.fullmatch(form.named("until").text.strip()):
        form.values["until"] = until + timedelta(days=1)  # of a day, all of it
    return form


def _given(form: Form) -> dict[str, object]:
    """The fields of the address that hold anything, but the page."""
    texts = {each.name: each.texts if each.kind == "lines" or each.choices else each.text for each in form.fields}
    return {name: value for name, value in texts.items() if value and name != "after"}


async def _criteria(visit: Visit, form: Form, hidden: frozenset[int]) -> LogCriteria:
    values = {name: value for name, value in form.values.items() if name != "after"}

    def read(connection: Connection) -> LogCriteria:
        return criteria_of(connection, account_ids=console_access.visible_accounts(connection, hidden), **values)

    return await visit.read(read)


def _reading(visit: Visit, form: Form) -> dict[str, Any]:
    """The page of the address, and the time to search for it."""
    seconds = _ONWARD_SECONDS if visit.query.get("search") == "on" else _SEARCH_SECONDS
    return {"after": form.values["after"], "limit": _PAGE, "seconds": seconds}


def _page(connection: Connection, *, criteria: LogCriteria, after: Position | None, limit: int, seconds: float) -> Page:
    return message_log.page(connection, criteria, limit=limit, after=after, seconds=seconds)


async def _count(visit: Visit, criteria: LogCriteria, found: Page, *, is_first: bool) -> Count:
    shown = len(found.messages)
    if is_first and found.next is None:
        return Count(shown, is_exact=True)
    if is_first and found.searched_to is not None:  # counting, with less time, would get no further
        return Count(shown, is_exact=False)
    count = await visit.read(partial(message_log.count, criteria=criteria, seconds=_COUNT_SECONDS))
    return count if count.is_exact else Count(max(count.number, shown), is_exact=False)


def _counted(count: Count) -> Phrase:
    if count.is_exact:
        return Phrase.counted("{n} e-mail", "{n} e-mails", n=count.number)
    if count.number >= MAX_COUNTED:
        return Phrase("More than 10,000 e-mails")
    return Phrase.counted("At least {n} e-mail", "At least {n} e-mails", n=count.number)


def _suggested(connection: Connection, *, hidden: frozenset[int]) -> _Suggested:
    """The names of accounts and rules; none of accounts if they are too many to choose from."""
    names = console_access.visible_names(connection, hidden, limit=_NAMED + 1)
    return names if len(names) <= _NAMED else (), [each.rule.name for each in rules.every(connection)]


ROUTES: Routes = (page("/messages", show), page("/messages.csv", export))
