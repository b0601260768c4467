"""Changes of rules, for commands and for pages of the web console."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Connection

from console.changes import Changes, changes_between
from console.rules.settings import AccountNames, changed, exported, require_valid
from db.errors import RuleNotFound
from db.queries import rules as table
from db.queries.history import Author
from db.queries.rules import RuleEditor, StoredRule
from phrases import Phrase
from rules.rule import Rule

T = TypeVar("T")
Edit = Callable[[RuleEditor, AccountNames], T]


def edited(connection: Connection, work: Edit[T], *, now: datetime, author: Author) -> T:
    """Change rules in this transaction."""
    names = AccountNames(connection)
    with table.editing(connection, now=now, author=author) as editor:
        return work(editor, names)


def added(
    editor: RuleEditor,
    names: AccountNames,
    name: str,
    given: Mapping[str, Any],
    *,
    enabled: bool,
    roots: Sequence[str],
) -> StoredRule:
    """Add a rule of that name; `given`: by the names of the options, each of them.

    Raises:
        AccountNotFound, RuleExists
        click.UsageError: with all that is wrong.
    """
    rule = replace(changed(Rule(name, ""), given, names), enabled=enabled)
    require_valid(rule, roots)
    return editor.add(rule, position=given["position"])


def updated(
    editor: RuleEditor, names: AccountNames, name: str, given: Mapping[str, Any], *, roots: Sequence[str]
) -> tuple[StoredRule, Changes]:
    """Change parts of the rule of that name; `given`: by the names of the options, those that change.

    Raises:
        RuleNotFound, AccountNotFound, RuleExists
        click.UsageError: with all that is wrong.
    """
    before = editor.by_name(name)
    rule = changed(before.rule, given, names)
    require_valid(rule, roots)
    after = editor.change(name, rule)
    if given.get("position"):
        editor.move({after.rule.name: given["position"]})
    return after, changes_between(exported(before.rule, names.name_of), exported(after.rule, names.name_of))


def moved(editor: RuleEditor, name: str, position: int) -> tuple[Rule, int]:
    """Move the rule to that position, from 1; return it, and the position that it has.

    Raises:
        RuleNotFound
    """
    rule = editor.by_name(name).rule
    editor.move({rule.name: position})
    return rule, place_of(editor, rule)


def numbered(stored: Sequence[StoredRule], number: int) -> StoredRule:
    """The rule of that number.

    Raises:
        RuleNotFound
    """
    for each in stored:
        if each.rule.rule_id == number:
            return each
    raise RuleNotFound(Phrase("There is no rule of number {number}; it may have been removed.", number=number))


def place_of(editor: RuleEditor, rule: Rule) -> int:
    """The place of the rule in the list, from 1."""
    return 1 + [each.rule.rule_id for each in editor.every()].index(rule.rule_id)


def version_of(rule: Rule) -> str:
    """A text that is another once someone changed what the rule is made of; enabling and moving it do not count."""
    parts = {name: value for name, value in exported(rule, str).items() if name != "enabled"}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]
