"""Files of import rules that failed or wait; to try them again, or to give them up."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

from aiohttp import web
from sqlalchemy import Connection

from console.delivery.operations import NO_FILES, Operation, change_files, sentences_of, skip_question
from console.delivery.selection import Selection
from console.delivery.views import file_columns, file_details, file_row
from console.output import hearing
from console.web import links
from console.web.jobs import Job
from console.web.rendering import query_of
from console.web.rights import Role
from console.web.routes import Routes, action, page
from console.web.visit import Visit
from db.outcomes import FileState
from db.queries import accounts, file_log
from db.queries.file_log import FileCriteria
from phrases import Phrase

_ON_PAGE: Final = 50
_MAX_IDS: Final = 500
_MAX_DIGITS: Final = 18
_MAX_TEXT: Final = 1000
_FAILING: Final = "failing"
_STATES: Final[Mapping[str, Phrase]] = {
    _FAILING: Phrase("failed or retried"),
    FileState.FAILED: Phrase("failed"),
    FileState.PENDING: Phrase("pending"),
    FileState.SKIPPED: Phrase("given up"),
    FileState.SAVED: Phrase("saved"),
}
_WHOLE: Final = frozenset({_FAILING, FileState.FAILED})
"""States of which all files, also those of other pages, can be tried again or given up at once."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Filters of the list, as the address has them."""

    state: str
    rule: str | None
    account: str | None
    folder: str | None

    @property
    def fields(self) -> dict[str, str]:
        """The fields of the address."""
        given = {"state": self.state, "rule": self.rule, "account": self.account, "folder": self.folder}
        return {name: value for name, value in given.items() if value}

    def __str__(self) -> str:
        """The text for the record of an operation on all of them."""
        return ", ".join(f"{name} {value}" for name, value in self.fields.items() if value != _FAILING) or "all"

    def criteria(self, connection: Connection, hidden: frozenset[int]) -> FileCriteria:
        """The files, none of accounts that are hidden from the user.

        Raises:
            RuleNotFound, AccountNotFound
        """
        return FileCriteria(
            states=None if self.state == _FAILING else (FileState(self.state),),
            failing=self.state == _FAILING,
            rule_id=None if self.rule is None else file_log.rule_number(connection, self.rule),
            account_id=None if self.account is None else accounts.with_removed(connection, self.account).account_id,
            folder=self.folder,
            but_accounts=hidden,
        )


def _filter(fields: Mapping[str, Any]) -> Filter:
    def text(name: str) -> str | None:
        value = fields.get(name)
        return value.strip()[:_MAX_TEXT] or None if isinstance(value, str) else None

    state = text("state") or _FAILING
    if state not in _STATES:
        raise web.HTTPBadRequest
    return Filter(state, text("rule"), text("account"), text("folder"))


def _number(text: object) -> int | None:
    if isinstance(text, str) and text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS:
        return int(text)
    return None


async def show(visit: Visit) -> web.StreamResponse:
    """A page of the list, newest first."""
    wanted, before, hidden = _filter(visit.query), _number(visit.query.get("before")), await visit.hidden_accounts()

    def read(connection: Connection) -> list[file_log.LoggedFile]:
        criteria = replace(wanted.criteria(connection, hidden), before=before)
        return file_log.page(connection, criteria, limit=_ON_PAGE + 1)

    found = await visit.read(read)
    shown = found[:_ON_PAGE]
    return visit.page(
        "files.html",
        filter=wanted,
        states=_STATES,
        columns=file_columns(visit.now),
        details=file_details(visit.now),
        rows=[file_row(each) for each in shown],
        message=links.message,
        fields=wanted.fields,
        is_first=before is None,
        older=shown[-1].file_id if len(found) > len(shown) else None,
        may_act=visit.user.may(Role.OPERATOR) and wanted.state != FileState.SAVED,
        may_skip=wanted.state != FileState.SKIPPED,
        has_whole=wanted.state in _WHOLE,
    )


@dataclass(frozen=True, slots=True)
class _Chosen:
    """The files of a form: their numbers, and the text for the record."""

    numbers: list[int]
    text: str


async def _chosen(visit: Visit, operation: Operation, wanted: Filter, up_to: int | None) -> _Chosen:
    hidden = await visit.hidden_accounts()
    if await visit.text("scope") == "all" and wanted.state in _WHOLE:

        def read_all(connection: Connection) -> list[int]:
            criteria = operation.criteria(wanted.criteria(connection, hidden), is_narrow=False)
            return file_log.numbers(connection, replace(criteria, before=None if up_to is None else up_to + 1))

        return _Chosen(await visit.read(read_all), str(wanted))
    given = {number for each in (await visit.form()).getall("file", []) if (number := _number(each)) is not None}
    if len(given) > _MAX_IDS:
        raise web.HTTPBadRequest
    selection = Selection(tuple(sorted(given)), None, None, None, False)
    criteria = operation.criteria(FileCriteria(file_ids=selection.file_ids, but_accounts=hidden), is_narrow=True)
    numbers = await visit.read(lambda connection: file_log.numbers(connection, criteria)) if given else []
    return _Chosen(numbers, str(selection))


async def retry(visit: Visit) -> web.StreamResponse:
    """Try again at once to save files."""
    wanted = _filter(await visit.form())
    chosen = await _chosen(visit, Operation.RETRY, wanted, None)
    return await _begin(visit, Operation.RETRY, wanted, chosen, Phrase("Retrying"))


async def skip(visit: Visit) -> web.StreamResponse:
    """Give up files; first a page tells how many."""
    wanted, up_to = _filter(await visit.form()), _number(await visit.text("up_to"))
    chosen = await _chosen(visit, Operation.SKIP, wanted, up_to)
    if up_to is not None or not chosen.numbers:
        return await _begin(visit, Operation.SKIP, wanted, chosen, Phrase("Giving up"))
    scope = await visit.text("scope")
    return visit.page(
        "files_skip.html",
        question=skip_question(len(chosen.numbers)),
        text=chosen.text,
        fields=wanted.fields,
        scope=scope,
        files=[] if scope == "all" else chosen.numbers,
        why=await visit.text("why"),
        up_to=chosen.numbers[-1],
        back="/files" + query_of(wanted.fields),
    )


async def _begin(
    visit: Visit, operation: Operation, wanted: Filter, chosen: _Chosen, title: Phrase
) -> web.StreamResponse:
    back = "/files" + query_of(wanted.fields)
    if not chosen.numbers:
        return visit.redirect(back, NO_FILES)
    services, author, why = visit.services, visit.author, (await visit.text("why")).strip() or None
    change = partial(change_files, services.database, operation, chosen.numbers, clock=services.clock, by=author)

    async def work(job: Job) -> Phrase:
        with hearing() as told:
            done = await change(selection=chosen.text, why=why, on_progress=job.progress)
        return Phrase.joined(*sentences_of(operation, len(chosen.numbers), done), *told)

    job = services.jobs.start(visit.user, title, work, back=back)
    return visit.redirect(f"/jobs/{job.job_id}")


ROUTES: Routes = (
    page("/files", show),
    action("/files/retry", retry, needs=Role.OPERATOR),
    action("/files/skip", skip, needs=Role.OPERATOR),
)
