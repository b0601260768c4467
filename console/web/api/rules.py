"""Import rules: list, show, put, enable, disable, remove."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated, Any, Final

import click
from aiohttp import web
from pydantic import Field
from sqlalchemy import Connection

from console.option_checks import ANY, has_attachments_word
from console.rules import views
from console.rules.bulk import RuleImport, desired_rule
from console.rules.editing import Edit, edited
from console.rules.settings import NOTHING, AccountNames
from console.web.api.cursors import cursor_of, text_of
from console.web.api.declarations import (
    LARGEST_NUMBER,
    Answer,
    AnyOperation,
    Given,
    Name,
    Nothing,
    Nullable,
    Operation,
    Paged,
    Refused,
    Text,
)
from console.web.api.models import Rule, RuleChange, Rules
from console.web.api.requests import answer_json
from console.web.rights import Role
from console.web.routes import GET, POST
from console.web.visit import Visit
from db.queries import rules
from db.queries.rules import RuleEditor, StoredRule
from rules.rule import CONTAINERS, Container, SavedBody

_MAX_DIGITS: Final = 18
_MAX_ENTRIES: Final = 500


class OfRule(Given):
    """The rule of that name, in any letter case."""

    name: Name


_Texts = Annotated[list[Text], Field(max_length=_MAX_ENTRIES)]
_Size = Annotated[int, Field(ge=0, le=LARGEST_NUMBER)]


class GivenConditions(Nullable):
    """The conditions of a rule; those left out, null or empty: any. Of the three of the subject one is allowed."""

    senders: _Texts = Field(default_factory=list)
    recipients: _Texts = Field(default_factory=list)
    subjects: _Texts = Field(default_factory=list)
    subject_is: _Texts = Field(default_factory=list)
    subject_matches: _Texts = Field(default_factory=list)
    body_words: _Texts = Field(default_factory=list)
    attachment_names: _Texts = Field(default_factory=list)
    size_least: _Size | None = None
    size_most: _Size | None = None
    has_attachments: bool | None = None


class GivenRule(Nullable):
    """All of a rule: what is left out has its default; of a rule that exists, `enabled` and `position` stay then."""

    folder: Text
    account: Name | None = None
    enabled: bool | None = None
    position: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    conditions: GivenConditions = GivenConditions()
    file_name: Text | None = None
    save_attachments: bool = True
    unpack: Annotated[list[Container], Field(max_length=len(CONTAINERS))] = Field(default_factory=list)
    save_body: SavedBody | None = None
    save_original: bool = False
    save_metadata: bool = False

    def by_option(self) -> dict[str, object]:
        """The values by the names of options, as a file has them."""
        conditions = self.conditions.model_dump()
        has_attachments = has_attachments_word(self.conditions.has_attachments)
        kept = {"enabled": self.enabled, "position": self.position}
        return {
            **conditions,
            **{name: ANY if conditions[name] is None else conditions[name] for name in ("size_least", "size_most")},
            "has_attachments": has_attachments or ANY,
            "folder": self.folder,
            "account": self.account or "",
            "file_name": self.file_name or "",
            "save_attachments": self.save_attachments,
            "unpack": [each.value for each in self.unpack],
            "save_body": NOTHING if self.save_body is None else self.save_body.value,
            "save_original": self.save_original,
            "save_metadata": self.save_metadata,
            **{name: value for name, value in kept.items() if value is not None},
        }


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
        ),
        Operation(
            "putRule",
            "PUT",
            "/rules/{name}",
            "Add a rule, or replace the one of that name",
            Role.ADMINISTRATOR,
            OfRule,
            GivenRule,
            Answer(HTTPStatus.OK, RuleChange, "What was done: added, changed or unchanged"),
            _put,
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


async def _put(visit: Visit, parameters: OfRule, body: GivenRule) -> web.StreamResponse:
    try:
        desired = desired_rule(parameters.name, body.by_option())
        roots = visit.services.settings.delivery_folders
        importing = RuleImport(desired, roots, now=visit.now, author=visit.author)

        def work(connection: Connection) -> StoredRule:
            importing.work(connection)
            return rules.by_name(connection, desired[0].name)  # without blanks and invisible signs around it

        rule = (await visit.write(work)).rule
    except click.ClickException as exc:  # with all that is wrong, by the names of options
        raise Refused({"pointer": "", "detail": visit.translated(exc.message)}) from exc
    [row] = importing.listing().rows
    return answer_json({"rule_id": rule.rule_id, "name": rule.name, "action": row["action"]})


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
    )
