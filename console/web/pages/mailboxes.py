"""Mailboxes: the list and its state, an account with all its facts, and what is done to it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from urllib.parse import quote

from aiohttp import web
from sqlalchemy import Connection

from console.accounts import views
from console.accounts.actions import (
    removal,
    removal_question,
    removed_sentence,
    retried,
    retried_sentences,
    switched_sentence,
)
from console.accounts.history import history_listing
from console.output import Listing, Record
from console.web.jobs import Job
from console.web.rights import Role
from console.web.routes import Routes, action, page
from console.web.visit import Visit
from db.errors import AccountNotFound, AccountRemoved
from db.queries import accounts as table
from db.queries import history
from db.queries.accounts import Account
from db.queries.history import Change
from phrases import Phrase

_PAGE: Final = 50
_CHANGES: Final = 50
_MAX_TEXT: Final = 320
"""Characters of a text to search for, and of the name behind which a page begins."""
_BELOW: Final = frozenset({"conditions", "problems"})
"""Facts that have a place of their own on the page of an account."""
_NO_NAMES: Final = frozenset({"add", "removed", ".", ".."})
"""Names that mean something else in an address."""


def address_of(account_id: int, name: str) -> str:
    """The address of an account's page: by its name, or by its number where the name cannot be in an address."""
    return f"/mailboxes/{account_id if name in _NO_NAMES or name == f'({account_id})' else quote(name, safe='')}"


def account_of(connection: Connection, key: str) -> Account:
    """The account that an address names, in use or removed.

    Raises:
        AccountNotFound, AccountRemoved
    """
    try:
        return table.with_removed(connection, key)
    except AccountRemoved:
        raise
    except AccountNotFound:
        number = int(key) if key.isascii() and key.isdecimal() and len(key) <= 18 else 0
        account = table.by_id(connection, [number]).get(number)
        if account is None:
            raise
        return account


async def in_use(visit: Visit) -> Account:
    """The account in use that the address names.

    Raises:
        AccountNotFound, AccountRemoved
    """
    key = visit.part("name")

    def read(connection: Connection) -> Account:
        return table.by_name(connection, account_of(connection, key).settings.name)

    return await visit.read(read)


def _asked(visit: Visit) -> tuple[str, str | None]:
    after = visit.query.get("after", "")[:_MAX_TEXT]
    return visit.query.get("search", "").strip()[:_MAX_TEXT], after or None


async def show_all(visit: Visit) -> web.StreamResponse:
    """The accounts in use."""
    search, after = _asked(visit)
    settings, overview = visit.services.settings, (await visit.services.overview.get()).overview

    def read(connection: Connection) -> list[dict[str, Any]]:
        found = table.page(connection, limit=_PAGE + 1, after=after, search=search)
        return views.rows(connection, found, settings, overview)

    rows = await visit.read(read)
    shared = [each.text for each in overview.problems if each.account_id is None]
    return _list(visit, views.list_columns(rows[:_PAGE], settings, visit.now), rows, removed=False, shared=shared)


async def show_removed(visit: Visit) -> web.StreamResponse:
    """The accounts that were removed."""
    search, after = _asked(visit)

    def read(connection: Connection) -> list[dict[str, Any]]:
        found = table.page(connection, limit=_PAGE + 1, after=after, search=search, removed=True)
        return views.removed_rows(connection, found)

    return _list(visit, views.removed_columns(), await visit.read(read), removed=True)


def _list(
    visit: Visit, columns: list[Any], rows: list[dict[str, Any]], *, removed: bool, shared: Sequence[str] = ()
) -> web.Response:
    search, after = _asked(visit)
    empty = Phrase("No account was removed.") if removed else Phrase("There are no accounts yet.")
    return visit.page(
        "mailboxes.html#list" if visit.is_partial else "mailboxes.html",
        view=Listing(columns, rows[:_PAGE], empty=Phrase("No account matches.") if search or after else empty),
        link=lambda row: address_of(row["account_id"], row["name"]),
        search=search,
        after=after,
        following=rows[_PAGE - 1]["name"] if len(rows) > _PAGE else None,
        removed=removed,
        shared=shared,
    )


@dataclass(frozen=True, slots=True)
class _Shown:
    """An account as its page shows it."""

    account: Account
    facts: Mapping[str, Any]
    changes: list[Change]


async def show(visit: Visit) -> web.StreamResponse:
    """All facts of an account."""
    key, settings = visit.part("name"), visit.services.settings
    overview = (await visit.services.overview.get()).overview

    def read(connection: Connection) -> _Shown:
        account = account_of(connection, key)
        [facts] = views.rows(connection, [account], settings, overview)
        return _Shown(account, facts, history.latest_changes(connection, account.account_id, limit=_CHANGES))

    shown = await visit.read(read)
    account = shown.account
    columns = [each for each in views.record_columns(settings, visit.now) if each.key not in _BELOW]
    return visit.page(
        "mailbox.html",
        account=account,
        address=address_of(account.account_id, account.settings.name),
        facts=shown.facts,
        view=Record(columns, shown.facts),
        history=history_listing(shown.changes, Phrase("No change of it is recorded.")),
        unreadable=account.unreadable_because,
    )


# Actions.


async def enable(visit: Visit) -> web.StreamResponse:
    """Enable an account."""
    return await _switch(visit, enabled=True)


async def disable(visit: Visit) -> web.StreamResponse:
    """Disable an account."""
    return await _switch(visit, enabled=False)


async def _switch(visit: Visit, *, enabled: bool) -> web.Response:
    account = await in_use(visit)
    name, now, author = account.settings.name, visit.now, visit.author
    await visit.write(lambda connection: table.set_enabled(connection, name, enabled, now=now, author=author))
    return visit.redirect(address_of(account.account_id, name), switched_sentence(name, enabled=enabled))


async def ask_to_remove(visit: Visit) -> web.StreamResponse:
    """The page that tells what a removal does, and asks."""
    account = await in_use(visit)
    messages = await visit.read(lambda connection: table.imported_count(connection, account.account_id))
    return visit.page(
        "mailbox_remove.html",
        account=account,
        address=address_of(account.account_id, account.settings.name),
        effects=removal(messages),
        question=removal_question(account),
    )


async def remove(visit: Visit) -> web.StreamResponse:
    """Remove an account; its messages stay."""
    account = await in_use(visit)
    name, now, author = account.settings.name, visit.now, visit.author

    def work(connection: Connection) -> tuple[str, int]:
        present = table.mark_removed(connection, name, now=now, author=author)
        return present, table.imported_count(connection, account.account_id)

    present, messages = await visit.write(work)
    return visit.redirect("/mailboxes", removed_sentence(name, present, messages))


async def retry_actions(visit: Visit) -> web.StreamResponse:
    """Have actions after imports that failed tried again."""
    account = await in_use(visit)
    name = account.settings.name
    even_incomplete = await visit.text("even_incomplete") == "on"
    work = partial(_retry, visit, name, even_incomplete)
    title = Phrase("Actions of account {name!r} that failed", name=name)
    job = visit.services.jobs.start(visit.user, title, work, back=address_of(account.account_id, name))
    return visit.redirect(f"/jobs/{job.job_id}")


async def _retry(visit: Visit, name: str, even_incomplete: bool, job: Job) -> Phrase:
    services = visit.services
    result = await retried(
        services.database, name, even_incomplete=even_incomplete, clock=services.clock, by=visit.author
    )
    job.progress(result.actions)
    return Phrase.joined(*retried_sentences(name, result))


ROUTES: Routes = (
    page("/mailboxes", show_all),
    page("/mailboxes/removed", show_removed),
    page("/mailboxes/{name}", show),
    action("/mailboxes/{name}/enable", enable, needs=Role.ADMINISTRATOR),
    action("/mailboxes/{name}/disable", disable, needs=Role.ADMINISTRATOR),
    page("/mailboxes/{name}/remove", ask_to_remove, needs=Role.ADMINISTRATOR),
    action("/mailboxes/{name}/remove", remove, needs=Role.ADMINISTRATOR),
    action("/mailboxes/{name}/retry-actions", retry_actions, needs=Role.OPERATOR),
)
