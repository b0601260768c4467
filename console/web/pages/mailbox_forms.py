"""Adding and editing a mailbox: every setting with its explanation, a test before saving, folders to choose from."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final

import click
from aiohttp import web
from multidict import MultiMapping
from sqlalchemy import Connection

from console.accounts.actions import missing_certificates
from console.accounts.folders import tree_of
from console.accounts.settings import TakenUp, added, change, changed, settings_of
from console.checks.account import Candidate
from console.web import mailbox_form
from console.web.forms import Form, form_of, read_form, typed
from console.web.mailbox_form import FOLDERS, GROUPS, LABELS, Typed
from console.web.pages.mailbox_tests import start_test
from console.web.pages.mailboxes import address_of, in_use
from console.web.rights import Role
from console.web.routes import Routes, action, page
from console.web.visit import Visit
from db.errors import AccountExists
from db.queries import accounts as table
from db.queries.accounts import Account, AccountSettings
from graph.errors import GraphError
from graph.folders import FolderEntry
from phrases import Phrase

_MAX_FOLDERS: Final = 2000
_TREE_SECONDS: Final = 25.0
_STORE_SECONDS: Final = 10.0
_UNFIT: Final = 422
_CHANGED: Final = 409
_CHANGED_MEANWHILE: Final = Phrase(
    "Another user or program changed the account since this form was opened. Nothing was saved. Open the form again "
    "to see its present settings, and enter your changes there."
)


class _ChangedMeanwhileError(Exception):
    """The account is not as the form showed it."""


@dataclass(frozen=True, slots=True)
class _Page:
    """The form in progress. `account`: None is a new one; `shown`: the fingerprint of the settings that it showed."""

    account: Account | None
    shown: str

    @property
    def address(self) -> str:
        """The address of the form."""
        return "/mailboxes/add" if self.account is None else f"{self.back}/edit"

    @property
    def back(self) -> str:
        """The page to return to."""
        if self.account is None:
            return "/mailboxes"
        return address_of(self.account.account_id, self.account.settings.name)


async def _page_of(visit: Visit, shown: str | None = None) -> _Page:
    if "name" not in visit.request.match_info:
        return _Page(None, "")
    account = await in_use(visit)
    return _Page(account, mailbox_form.fingerprint(account) if shown is None else shown)


async def show(visit: Visit) -> web.StreamResponse:
    """The form; with `job` as it was when that test began."""
    kept = _kept(visit)
    of = await _page_of(visit, None if kept is None else str(kept["shown"]))
    texts: Typed | None = None if of.account is None else mailbox_form.texts_of(of.account.settings)
    form = form_of(
        mailbox_form.options(), visit.language, labels=LABELS, texts=texts if kept is None else kept["typed"]
    )
    return _show(visit, of, form)


def _kept(visit: Visit) -> dict[str, Any] | None:
    """Typed values of the form that a test was started from, if the address names one."""
    job = visit.services.jobs.find(visit.user, visit.query.get("job", ""))
    kept = None if job is None else job.facts.get("form")
    return kept if isinstance(kept, dict) and kept["address"] == visit.request.path else None


def _show(visit: Visit, of: _Page, form: Form, *, status: int = 200, is_stale: bool = False) -> web.Response:
    return visit.page(
        "mailbox_form.html",
        status=status,
        of=of,
        form=form,
        groups=[(heading, [form.named(each) for each in names]) for heading, names in GROUPS],
        folders=FOLDERS,
        is_stale=is_stale,
    )


async def submit(visit: Visit) -> web.StreamResponse:
    """Save, test, or choose a folder: what the button says."""
    given = await visit.form()
    of = await _page_of(visit, await visit.text("shown"))
    what, _, field = (await visit.text("do")).partition(":")
    if field and field not in FOLDERS:
        raise web.HTTPBadRequest
    if what == "choose":
        return await _choose(visit, of, given, field)
    if what in {"use", "back"}:
        return _used(visit, of, given, field)
    form = read_form(
        mailbox_form.options(),
        given,
        visit.language,
        labels=LABELS,
        settings=visit.services.settings,
        clock=visit.services.clock,
    )
    if not form.is_valid:
        return _show(visit, of, form, status=_UNFIT)
    if what == "test":
        return await _test(visit, of, form, typed(mailbox_form.options(), given))
    return await _save(visit, of, form, typed(mailbox_form.options(), given))


# Saving.


async def _save(visit: Visit, of: _Page, form: Form, texts: Typed) -> web.StreamResponse:
    try:
        saved = await (_add(visit, form) if of.account is None else _change(visit, of, form, texts))
    except (click.UsageError, AccountExists) as exc:
        form.fail(exc)
        return _show(visit, of, form, status=_UNFIT)
    except _ChangedMeanwhileError:
        form.error = visit.translated(_CHANGED_MEANWHILE)
        return _show(visit, of, form, status=_CHANGED, is_stale=True)
    account, sentence = saved
    warnings = list(form.warnings)
    with suppress(web.HTTPServiceUnavailable):  # it is saved, whatever the store does
        warnings += await visit.blocking(
            lambda: list(missing_certificates(visit.services.settings, account.settings)), seconds=_STORE_SECONDS
        )
    address = address_of(account.account_id, account.settings.name)
    return visit.redirect(address, Phrase.joined(sentence, *warnings), warns=bool(warnings))


async def _add(visit: Visit, form: Form) -> tuple[Account, Phrase]:
    now, author = visit.now, visit.author
    settings = settings_of(mailbox_form.to_add(form.values), now)
    since_given = form.values["import_since"] not in {None, "now"}

    def work(connection: Connection) -> tuple[Account, TakenUp | None]:
        _, taken_up = added(connection, settings, since_given=since_given, now=now, author=author)
        return table.by_name(connection, settings.name), taken_up

    account, taken_up = await visit.write(work)
    if taken_up is not None:
        return account, taken_up.sentence(settings.name)
    return account, Phrase("Account {name!r} is added and enabled.", name=settings.name)


async def _change(visit: Visit, of: _Page, form: Form, texts: Typed) -> tuple[Account, Phrase]:
    now, author = visit.now, visit.author
    before = _of(of).settings

    def work(connection: Connection) -> Account:
        table.lock(connection, before.name)
        present = table.by_name(connection, before.name)
        if mailbox_form.fingerprint(present) != of.shown:
            raise _ChangedMeanwhileError
        given = mailbox_form.to_change(form.values, texts, present.settings)
        settings = change(connection, before.name, given, now=now, author=author)
        return table.by_name(connection, settings.name)

    account = await visit.write(work)
    sentence = Phrase(
        "Account {name!r} is changed. A running subscription manager applies it within seconds.",
        name=account.settings.name,
    )
    return account, sentence


def _of(of: _Page) -> Account:
    if of.account is None:
        raise web.HTTPBadRequest
    return of.account


# Testing before saving.


async def _test(visit: Visit, of: _Page, form: Form, texts: Typed) -> web.StreamResponse:
    try:
        settings = _settings(visit, of, form, texts)
    except click.UsageError as exc:
        form.fail(exc)
        return _show(visit, of, form, status=_UNFIT)
    candidate = Candidate(None if of.account is None else of.account.account_id, settings)
    job = await start_test(visit, candidate, back=of.address)
    job.facts["form"] = {"typed": texts, "shown": of.shown, "address": of.address}
    job.back = f"{of.address}?job={job.job_id}"
    return visit.redirect(f"/jobs/{job.job_id}")


def _settings(visit: Visit, of: _Page, form: Form, texts: Typed) -> AccountSettings:
    if of.account is None:
        return settings_of(mailbox_form.to_add(form.values), visit.now)
    before = of.account.settings
    return changed(before, mailbox_form.to_change(form.values, texts, before), visit.now)


# Folders.


async def _choose(visit: Visit, of: _Page, given: MultiMapping[Any], field: str) -> web.StreamResponse:
    """The tree of the mailbox that the form names, to choose one of its folders."""
    texts = typed(mailbox_form.options(), given)
    entries, error, form = await _tree(visit, given)
    if form is not None and not visit.is_partial:
        return _show(visit, of, _with_errors(visit, texts, form), status=_UNFIT)
    template = "mailbox_folders.html#tree" if visit.is_partial else "mailbox_folders.html"
    return visit.page(
        template,
        of=of,
        field=field,
        label=LABELS[field],
        typed=texts,
        present=next(iter(texts[field]), ""),
        entries=entries,
        error=error,
        left_out=len(entries) >= _MAX_FOLDERS,
    )


async def _tree(visit: Visit, given: MultiMapping[Any]) -> tuple[list[FolderEntry], object, Form | None]:
    """The folders, or the error, or the fields that are wrong."""
    services = visit.services
    form = read_form(
        mailbox_form.credential_options(),
        given,
        visit.language,
        labels=LABELS,
        settings=services.settings,
        clock=services.clock,
    )
    if not form.is_valid:
        wrong = [Phrase("{name}: {reason}", name=each.label, reason=each.error) for each in form.fields if each.error]
        return [], Phrase.joined(*wrong), form
    calls = replace(
        services.calls, connect_seconds=5.0, sign_in_seconds=12.0, read_seconds=12.0, call_seconds=_TREE_SECONDS
    )
    try:
        async with asyncio.timeout(_TREE_SECONDS):
            found = await tree_of(services.settings, mailbox_form.to_open(form.values), calls=calls, limit=_MAX_FOLDERS)
    except TimeoutError:
        return (
            [],
            Phrase("The folders were not read within {seconds:.0f} seconds. Try again.", seconds=_TREE_SECONDS),
            None,
        )
    except GraphError as exc:
        return [], Phrase.of(exc), None
    except click.ClickException as exc:
        return [], exc.message, None
    return found, None, None


def _with_errors(visit: Visit, texts: Typed, checked: Form) -> Form:
    form = form_of(mailbox_form.options(), visit.language, labels=LABELS, texts=texts)
    for each in checked.fields:
        form.named(each.name).error = each.error
    return form


def _used(visit: Visit, of: _Page, given: MultiMapping[Any], field: str) -> web.StreamResponse:
    """The form with the chosen folder."""
    texts = typed(mailbox_form.options(), given)
    chosen = given.get(f"chosen-{field}") if field else None
    if isinstance(chosen, str) and chosen:
        texts[field] = (chosen,)
    return _show(visit, of, form_of(mailbox_form.options(), visit.language, labels=LABELS, texts=texts))


ROUTES: Routes = (
    page("/mailboxes/add", show, needs=Role.ADMINISTRATOR),
    action("/mailboxes/add", submit, needs=Role.ADMINISTRATOR),
    page("/mailboxes/{name}/edit", show, needs=Role.ADMINISTRATOR),
    action("/mailboxes/{name}/edit", submit, needs=Role.ADMINISTRATOR),
)
