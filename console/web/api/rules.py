"""Import rules: list, show, enable, disable, remove."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from aiohttp import web
from sqlalchemy import Connection

from console.rules import views
from console.rules.editing import Edit, edited
from console.rules.settings import AccountNames
from console.web.api.cursors import cursor_of, text_of
from console.web.api.declarations import Answer, AnyOperation, Given, Name, Nothing, Operation, Paged, Refused
from console.web.api.models import Rule, RuleChange, Rules
from console.web.api.requests import answer_json
from console.web.rights import Role
from console.web.routes import GET, POST
from console.web.visit import Visit
from db.queries import rules
from db.queries.rules import RuleEditor, StoredRule

_MAX_DIGITS = 18


class OfRule(Given):
    """The rule of that name, in any letter case."""

    name: Name


def operations_of() -> list[AnyOperation]:
    """The operations."""
    return [
        Operation(
            "listRules",
            GET,
            "/rules",
            "List the import rules, in their order",
            Role.VIEWER,
            Paged,
            None,
            Answer(HTTPStatus.OK, Rules, "A page of rules"),
            _list,
        ),
        Operation(
            "getRule",
            GET,
            "/rules/{name}",
            "Show an import rule",
            Role.VIEWER,
            OfRule,
            None,
            Answer(HTTPStatus.OK, Rule, "The rule"),
            _show,
            (HTTPStatus.NOT_FOUND,),
        ),
        _change(
            "enable",
            POST,
            "/rules/{name}/enable",
            "Enable a rule: mail imported from now on is checked",
            "enabled",
            lambda name: lambda editor, _: editor.set_enabled(name, True),
        ),
        _change(
            "disable",
            POST,
            "/rules/{name}/disable",
            "Disable a rule: mail is no longer checked against it",
            "disabled",
            lambda name: lambda editor, _: editor.set_enabled(name, False),
        ),
        _change(
            "remove",
            "DELETE",
            "/rules/{name}",
            "Remove a rule; the files that it saved stay",
            "removed",
            lambda name: lambda editor, _: _removed(editor, name),
        ),
    ]


async def _list(visit: Visit, parameters: Paged, _body: Nothing) -> web.StreamResponse:
    after = (0, 0) if parameters.cursor is None else _place(text_of(parameters.cursor))

    def read(connection: Connection) -> list[dict[str, Any]]:
        names = AccountNames(connection)
        behind = [each for each in rules.every(connection) if _order(each) > after]
        return [views.row(each, names) for each in behind[: parameters.limit + 1]]

    rows = await visit.read(read)
    shown = rows[: parameters.limit]
    more = len(rows) > parameters.limit
    return answer_json(
        {"items": shown, "next": cursor_of(f"{shown[-1]['position']} {shown[-1]['rule_id']}") if more else None}
    )


def _order(stored: StoredRule) -> tuple[int, int]:
    return stored.rule.position, stored.rule.rule_id


def _place(text: str) -> tuple[int, int]:
    position, _, number = text.partition(" ")
    parts = (position, number)
    if not all(each.lstrip("-").isdecimal() and len(each) <= _MAX_DIGITS for each in parts):
        raise Refused.cursor()
    try:
        return int(position), int(number)
    except ValueError:
        raise Refused.cursor() from None


async def _show(visit: Visit, parameters: OfRule, _body: Nothing) -> web.StreamResponse:
    row = await visit.read(
        lambda connection: views.row(rules.by_name(connection, parameters.name), AccountNames(connection))
    )
    return answer_json(row)


def _removed(editor: RuleEditor, name: str) -> StoredRule:
    return editor.remove(editor.by_name(name).rule.name)


def _change(
    verb: str, method: str, path: str, summary: str, action: str, edit: Callable[[str], Edit[StoredRule]]
) -> AnyOperation:
    async def change(visit: Visit, parameters: OfRule, _body: Nothing) -> web.StreamResponse:
        work, now = edit(parameters.name), visit.now
        found = await visit.write(lambda connection: edited(connection, work, now=now, author=visit.author))
        return answer_json({"rule_id": found.rule.rule_id, "name": found.rule.name, "action": action})

    return Operation(
        f"{verb}Rule",
        method,
        path,
        summary,
        Role.ADMINISTRATOR,
        OfRule,
        None,
        Answer(HTTPStatus.OK, RuleChange, "What was done"),
        change,
        (HTTPStatus.NOT_FOUND,),
    )
