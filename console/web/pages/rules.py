"""Import rules: their list and order, each rule with its files and history, switching on and off, removal."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from aiohttp import web
from sqlalchemy import Connection

from console.output import Listing, Record
from console.rules import history, views
from console.rules.editing import Edit, T, edited, moved, numbered, place_of
from console.rules.reports import enabled_sentence, moved_sentence, removed_sentence
from console.rules.settings import AccountNames
from console.web.rendering import query_of
from console.web.rights import Role
from console.web.routes import Routes, action, page
from console.web.visit import Visit
from db.errors import RuleNotFound
from db.queries import deliveries, file_log, rule_history
from db.queries import rules as table
from db.queries.rules import RuleEditor, StoredRule
from phrases import Phrase
from rules.rule import Rule

RULES: Final = "/rules"
PAGE: Final = 200
"""Rules of a page of the list."""
_COUNTED_FOR: Final = timedelta(hours=24)
_MAX_COUNTED: Final = 10_000
_LATELY: Final = timedelta(days=30)
_MAX_FILES: Final = 20
_MAX_CHANGES: Final = 200
_MAX_DIGITS: Final = 18
_NO_RULES: Final = Phrase("There are no rules. Add one: mail-importer rules add --help")


async def found_rule(visit: Visit) -> StoredRule:
    """The rule of the path: a number, or else a name.

    Raises:
        RuleNotFound
    """
    return found(await visit.read(table.every), visit.part("rule"))


def found(every: list[StoredRule], text: str) -> StoredRule:
    """The rule of that number, or else of that name.

    Raises:
        RuleNotFound
    """
    if text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS:
        try:
            return numbered(every, int(text))
        except RuleNotFound:
            pass  # a name may be made of digits
    return table.named(every, text)


def path_of(rule_id: int, *parts: str) -> str:
    """The address of a page of the rule: by number, which a new name leaves as it is."""
    return "/".join((RULES, str(rule_id), *parts))


async def change(visit: Visit, work: Edit[T]) -> T:
    """Change rules, in the name of the user."""
    now, author = visit.now, visit.author
    return await visit.write(lambda connection: edited(connection, work, now=now, author=author))


def _worded(row: Mapping[str, Any]) -> dict[str, Any]:
    return {**row, "conditions": views.conditions_in_words(row["conditions"])}


def list_at(place: int, part: str) -> str:
    """The address of that part of the list, on the page that has this place, from 1."""
    first = (place - 1) // PAGE * PAGE
    return f"{RULES}{query_of({}, first=first or None)}#{part}"


async def show_all(visit: Visit) -> web.StreamResponse:
    """A page of the list."""
    since = visit.now - _COUNTED_FOR
    given = visit.query.get("first", "")
    first = int(given) if given.isascii() and given.isdigit() and len(given) <= _MAX_DIGITS else 0

    def read(connection: Connection) -> tuple[list[dict[str, Any]], dict[int, int], dict[int, int]]:
        saved = file_log.saved_counts(connection, since, limit=_MAX_COUNTED)
        failed = {each.rule_id: each.files for each in deliveries.failed(connection)}
        return views.rows(connection, first=first, limit=PAGE + 1), saved, failed

    rows, saved, failed = await visit.read(read)
    return visit.page(
        "rules.html",
        rules=list(map(_worded, rows[:PAGE])),
        saved=saved,
        failed=failed,
        is_cut=sum(saved.values()) >= _MAX_COUNTED,
        first=first,
        before=max(0, first - PAGE) if first else None,
        behind=first + PAGE if len(rows) > PAGE else None,
    )


async def show(visit: Visit) -> web.StreamResponse:
    """One rule."""
    rule = (stored := await found_rule(visit)).rule
    hidden, now = await visit.hidden_accounts(), visit.now

    def read(connection: Connection) -> dict[str, Any]:
        return {
            "row": views.row(stored, AccountNames(connection)),
            "folder": deliveries.folder_of(connection, rule.folder, now=now),
            "failed": next((each for each in deliveries.failed(connection) if each.rule_id == rule.rule_id), None),
            "files": file_log.saved_lately(connection, rule, now - _LATELY, limit=_MAX_FILES, without=hidden),
            "changes": rule_history.latest(connection, limit=_MAX_CHANGES, rule_id=rule.rule_id),
        }

    facts = await visit.read(read)
    return visit.page(
        "rules_show.html",
        rule=rule,
        record=Record(_columns(), facts["row"]),
        problem=facts["row"]["problem"],
        history=_newest(facts.pop("changes")),
        hidden=len(hidden),
        days=_LATELY.days,
        **facts,
    )


def _columns() -> list[Any]:
    def words(conditions: Mapping[str, Any]) -> Phrase:
        return Phrase.joined(*views.conditions_in_words(conditions), by="; ") or Phrase("all mail")

    return [
        replace(each, show=words) if each.key == "conditions" else each
        for each in views.record_columns()
        if each.key != "problem"
    ]


def _newest(changes: list[Any]) -> Listing:
    return history.listing(changes[::-1], empty=Phrase("No change is recorded."))


async def show_history(visit: Visit) -> web.StreamResponse:
    """The changes of all rules, also of those that were removed."""
    changes = await visit.read(lambda connection: rule_history.latest(connection, limit=_MAX_CHANGES))
    return visit.page("rules_history.html", history=_newest(changes), most=_MAX_CHANGES)


async def move(visit: Visit) -> web.StreamResponse:
    """Move the rule up or down by one place."""
    number, is_up = (await found_rule(visit)).rule.rule_id, await visit.text("to") == "up"

    def work(editor: RuleEditor, _names: AccountNames) -> tuple[Rule, int, int]:
        rule = numbered(editor.every(), number).rule
        place = place_of(editor, rule) + (-1 if is_up else 1)
        return *moved(editor, rule.name, max(1, place)), len(editor.every())

    rule, place, last = await change(visit, work)
    # The button that was pressed has the focus again; at the end of the list, the other one.
    button = "up" if place > 1 and (is_up or place == last) else "down"
    return visit.redirect(list_at(place, f"{button}-{rule.rule_id}"), moved_sentence(rule, place))


async def enable(visit: Visit) -> web.StreamResponse:
    """Enable the rule."""
    return await _switch(visit, enabled=True)


async def disable(visit: Visit) -> web.StreamResponse:
    """Disable the rule."""
    return await _switch(visit, enabled=False)


async def _switch(visit: Visit, *, enabled: bool) -> web.StreamResponse:
    number = (await found_rule(visit)).rule.rule_id

    def work(editor: RuleEditor, _names: AccountNames) -> tuple[StoredRule, int]:
        switched = editor.set_enabled(numbered(editor.every(), number).rule.name, enabled)
        return switched, place_of(editor, switched.rule)

    stored, place = await change(visit, work)
    problem = views.problem_of(stored) if enabled else None
    notice = Phrase.joined(enabled_sentence(stored.rule), problem or Phrase(""))
    back = path_of(number) if await visit.text("back") == "rule" else list_at(place, f"switch-{number}")
    return visit.redirect(back, notice)


async def ask_removal(visit: Visit) -> web.StreamResponse:
    """The question before a rule is removed."""
    return visit.page("rules_remove.html", rule=(await found_rule(visit)).rule)


async def remove(visit: Visit) -> web.StreamResponse:
    """Remove the rule."""
    number = (await found_rule(visit)).rule.rule_id
    stored = await change(visit, lambda editor, _: editor.remove(numbered(editor.every(), number).rule.name))
    return visit.redirect(RULES, removed_sentence(stored.rule))


ROUTES: Routes = (
    page(RULES, show_all),
    page("/rules/history", show_history),
    page("/rules/{rule:[^/]+}", show),
    page("/rules/{rule:[^/]+}/remove", ask_removal, needs=Role.ADMINISTRATOR),
    action("/rules/{rule:[^/]+}/move", move, needs=Role.ADMINISTRATOR),
    action("/rules/{rule:[^/]+}/enable", enable, needs=Role.ADMINISTRATOR),
    action("/rules/{rule:[^/]+}/disable", disable, needs=Role.ADMINISTRATOR),
    action("/rules/{rule:[^/]+}/remove", remove, needs=Role.ADMINISTRATOR),
)
