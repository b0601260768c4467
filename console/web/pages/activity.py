"""Activity: who did what, from all records of it in one list."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, Final

import click
from aiohttp import web
from sqlalchemy import Connection

from console.accounts import history as account_history
from console.changes import ACTIONS
from console.invocation import as_stored, moment
from console.output import shown
from console.rules import history as rule_history
from console.translation.labels import word
from console.web import links
from console.web.forms import Form, read_form
from console.web.rights import Role
from console.web.routes import Routes, page
from console.web.visit import Visit
from db.keys import in_queries
from db.queries import accounts, activity_log
from db.queries.activity_log import Entry, Position, Source, Wanted
from db.queries.audit import AuditEntry
from db.queries.console_activity import Activity, ActivityKind
from db.queries.history import Change
from phrases import Phrase

_ON_PAGE: Final = 50
_MAX_DIGITS: Final = 18


class Kind(StrEnum):
    """Filters of the list."""

    OPERATIONS = "operations"
    ACCOUNTS = "accounts"
    RULES = "rules"
    USERS = "users"
    SIGN_INS = "sign-ins"
    MAIL = "mail"


_KINDS: Final[Mapping[Kind, Phrase]] = {
    Kind.OPERATIONS: Phrase("Operations"),
    Kind.ACCOUNTS: Phrase("Changes of accounts"),
    Kind.RULES: Phrase("Changes of rules"),
    Kind.USERS: Phrase("Changes of users"),
    Kind.SIGN_INS: Phrase("Sign-ins"),
    Kind.MAIL: Phrase("Openings of mail"),
}
_ACTIONS: Final[Mapping[Kind, tuple[ActivityKind, ...]]] = {
    Kind.OPERATIONS: (
        ActivityKind.IMPORTED_AGAIN,
        ActivityKind.RULES_APPLIED,
        ActivityKind.ACCOUNT_TESTED,
        ActivityKind.ALERT_TESTED,
        ActivityKind.CERTIFICATE_MADE,
    ),
    Kind.USERS: (
        ActivityKind.USER_ADDED,
        ActivityKind.USER_CHANGED,
        ActivityKind.USER_REMOVED,
        ActivityKind.PASSWORD_CHANGED,
        ActivityKind.TOKEN_ADDED,
        ActivityKind.TOKEN_REMOVED,
    ),
    Kind.SIGN_INS: (
        ActivityKind.SIGNED_IN,
        ActivityKind.SIGN_IN_FAILED,
        ActivityKind.SIGNED_OUT,
        ActivityKind.SIGNED_OUT_EVERYWHERE,
        ActivityKind.LINK_MADE,
    ),
    Kind.MAIL: (
        ActivityKind.BODY_OPENED,
        ActivityKind.ATTACHMENT_DOWNLOADED,
        ActivityKind.ORIGINAL_EXPORTED,
        ActivityKind.LOG_EXPORTED,
    ),
}
"""The activities in the console of each kind."""
_OF_ADMINISTRATORS: Final = frozenset({Kind.SIGN_INS, Kind.MAIL})
_SOURCES: Final[Mapping[Kind, frozenset[Source]]] = {
    Kind.OPERATIONS: frozenset({Source.CONSOLE, Source.OPERATIONS}),
    Kind.ACCOUNTS: frozenset({Source.ACCOUNTS}),
    Kind.RULES: frozenset({Source.RULES}),
}
_WORDS: Final[Mapping[str, Phrase]] = {
    ActivityKind.SIGNED_IN: Phrase("signed in"),
    ActivityKind.SIGN_IN_FAILED: Phrase("failed to sign in"),
    ActivityKind.SIGNED_OUT: Phrase("signed out"),
    ActivityKind.SIGNED_OUT_EVERYWHERE: Phrase("signed out everywhere"),
    ActivityKind.BODY_OPENED: Phrase("opened an e-mail"),
    ActivityKind.ATTACHMENT_DOWNLOADED: Phrase("downloaded an attachment"),
    ActivityKind.ORIGINAL_EXPORTED: Phrase("exported an e-mail"),
    ActivityKind.LOG_EXPORTED: Phrase("exported the e-mail log"),
    ActivityKind.IMPORTED_AGAIN: Phrase("imported an e-mail again"),
    ActivityKind.RULES_APPLIED: Phrase("applied rules to earlier mail"),
    ActivityKind.ACCOUNT_TESTED: Phrase("tested an account"),
    ActivityKind.ALERT_TESTED: Phrase("tested the alerts"),
    ActivityKind.CERTIFICATE_MADE: Phrase("made a certificate"),
    ActivityKind.USER_ADDED: Phrase("added a user"),
    ActivityKind.USER_CHANGED: Phrase("changed a user"),
    ActivityKind.USER_REMOVED: Phrase("removed a user"),
    ActivityKind.PASSWORD_CHANGED: Phrase("changed a password"),
    ActivityKind.TOKEN_ADDED: Phrase("added a token"),
    ActivityKind.TOKEN_REMOVED: Phrase("removed a token"),
    ActivityKind.LINK_MADE: Phrase("made a link to sign in"),
    "replay": Phrase("replayed messages of the queue"),
    "purge": Phrase("purged messages of the queue"),
    "import": Phrase("imported mail"),
    "db purge": Phrase("purged mail from the database"),
    "retry-actions": Phrase("repeated actions after import"),
    "rules apply": Phrase("applied rules to earlier mail"),
    "delivery retry": Phrase("retried files"),
    "delivery skip": Phrase("gave up files"),
    "subscriptions delete": Phrase("deleted subscriptions"),
}
_OPTIONS: Final = (
    click.Option(["--user"], callback=as_stored, help=""),
    click.Option(["--since"], callback=moment, help=""),
    click.Option(["--until"], callback=moment, help=""),
)


async def show(visit: Visit) -> web.StreamResponse:
    """The newest activity, or what is below a position."""
    filters = read_form(
        _OPTIONS,
        visit.request.query,
        visit.language,
        labels={},
        settings=visit.services.settings,
        clock=visit.services.clock,
    )
    kinds = [each for each in Kind if each not in _OF_ADMINISTRATORS or visit.user.may(Role.ADMINISTRATOR)]
    kind = next((each for each in kinds if each == visit.query.get("kind")), None)
    below = _position(visit.query.get("below", ""))
    found = activity_log.Page((), None)
    if filters.is_valid:
        wanted = _wanted(kinds, kind, filters)
        found = await visit.read(lambda connection: activity_log.page(connection, wanted, below=below, limit=_ON_PAGE))
    hidden = await visit.hidden_accounts()
    names = await _names(visit, found.entries)
    return visit.page(
        "activity.html#list" if visit.is_partial else "activity.html",
        status=200 if filters.is_valid else 400,
        kinds={each: _KINDS[each] for each in kinds},
        kind=kind,
        filters=filters,
        rows=[_row(each, names, hidden) for each in found.entries],
        is_first=not below,
        address={"kind": kind, **{each.name: each.text for each in filters.fields}},
        next=None if found.next is None else _text(found.next),
    )


def _wanted(kinds: Iterable[Kind], kind: Kind | None, filters: Form) -> Wanted:
    user, since, until = (filters.values[name] for name in ("user", "since", "until"))
    of = [kind] if kind is not None else list(kinds)
    sources = frozenset[Source]().union(*(_SOURCES.get(each, frozenset({Source.CONSOLE})) for each in of))
    actions = None if set(of) == set(Kind) else [word for each in of for word in _ACTIONS.get(each, ())]
    return Wanted(sources, actions, user, since, until)


def _position(text: str) -> Position:
    found: dict[Source, int] = {}
    for part in filter(None, text.split(".")[: len(Source)]):
        name, _, number = part.partition("-")
        if name not in set(Source) or not (number.isascii() and number.isdecimal() and len(number) <= _MAX_DIGITS):
            raise web.HTTPBadRequest
        found[Source(name)] = int(number)
    return found


def _text(position: Position) -> str:
    return ".".join(f"{source}-{number}" for source, number in position.items())


async def _names(visit: Visit, entries: Iterable[Entry]) -> dict[int, str]:
    """The names of accounts that activities are about."""
    facts = [each.fact for each in entries if isinstance(each.fact, Activity)]
    wanted = sorted({each.account_id for each in facts if each.account_id is not None})

    def read(connection: Connection) -> dict[int, str]:
        found: dict[int, str] = {}
        for chunk in in_queries(wanted):
            found.update({number: each.settings.name for number, each in accounts.by_id(connection, chunk).items()})
        return found

    return await visit.read(read) if wanted else {}


def _row(entry: Entry, names: Mapping[int, str], hidden: frozenset[int]) -> dict[str, Any]:
    if isinstance(entry.fact, Activity):
        facts = _of_activity(entry.fact, names, hidden)
    elif isinstance(entry.fact, AuditEntry):
        facts = _of_operation(entry.fact)
    else:
        facts = _of_change(entry.source, entry.fact)
    row = {"who": entry.who, "where": entry.where, "at": entry.at}
    return {**row, "of": None, "link": None, "lines": (), "is_bad": False, **facts}


def _of_activity(fact: Activity, names: Mapping[int, str], hidden: frozenset[int]) -> dict[str, Any]:
    account = None if fact.account_id is None else names.get(fact.account_id, str(fact.account_id))
    # The detail may be the name of an attachment.
    detail = None if fact.account_id in hidden else fact.detail
    lines = [] if detail is None else [Phrase.verbatim(detail)]
    number = fact.message_id
    if number is not None:
        of = Phrase("e-mail {number}", number=number)
        if account is not None:
            of = Phrase("e-mail {number} of {account}", number=number, account=account)
        return {"what": _word(fact.action), "of": of, "link": links.message(number), "lines": lines}
    return {
        "what": _word(fact.action),
        "of": account,
        "link": None if account is None or fact.account_id not in names else links.mailbox(account),
        "lines": [word(f"sign_in_{detail}")] if fact.action == ActivityKind.SIGNED_IN and detail else lines,
        "is_bad": fact.action == ActivityKind.SIGN_IN_FAILED,
    }


def _of_operation(fact: AuditEntry) -> dict[str, Any]:
    lines = [Phrase("Which: {selection}", selection=fact.selection)]
    if fact.why:
        lines.append(Phrase("Why: {why}", why=fact.why))
    done = Phrase("Done: {n}.", n=fact.messages)
    lines.append(done if fact.ended is not None else Phrase("Without an end: it still runs, or its process died."))
    return {"what": _word(fact.action), "of": fact.queue or None, "lines": lines}


def _of_change(source: Source, change: Change) -> dict[str, Any]:
    is_account = source is Source.ACCOUNTS
    row = account_history.history_row(change) if is_account else rule_history.history_row(change)
    name = row["account" if is_account else "rule"]
    done = ACTIONS.get(change.action, Phrase.verbatim(change.action))
    is_removed = change.action == "removed"
    is_new = "name" in row["changes"] and row["changes"]["name"]["before"] is None
    return {
        "what": Phrase("account: {action}", action=done) if is_account else Phrase("rule: {action}", action=done),
        "of": name,
        "link": None if name is None or is_removed else (links.mailbox if is_account else links.rule)(str(name)),
        "lines": []
        if is_new
        else [
            Phrase(
                "{name}: {before} → {after}", name=each, before=shown(values["before"]), after=shown(values["after"])
            )
            for each, values in row["changes"].items()
        ],
        **({} if change.author is not None else {"who": row["who"] or Phrase("another program")}),
    }


def _word(code: str) -> Phrase:
    return _WORDS.get(code) or Phrase.verbatim(code)


ROUTES: Routes = (page("/activity", show, needs=Role.OPERATOR),)
