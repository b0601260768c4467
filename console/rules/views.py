"""Views of rules: the facts of each, and their display."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection

from console.output import Column, shown
from console.rules.settings import AccountNames, conditions_of, conditions_shown, problems_of
from db.queries import rules as table
from db.queries.rules import StoredRule
from phrases import Phrase
from phrases.commands import quoted
from rules.rule import CONTAINERS


def rows(connection: Connection, *, first: int = 0, limit: int | None = None) -> list[dict[str, Any]]:
    """Return all facts of all rules, in their order, or of `limit` of them from `first`, from 0."""
    names = AccountNames(connection)
    chosen = table.every(connection)[first:][:limit]
    return [row(each, names) for each in chosen]


def row(stored: StoredRule, names: AccountNames) -> dict[str, Any]:
    """Return all facts of a rule."""
    rule = stored.rule
    problem = problem_of(stored)
    return {
        "rule_id": rule.rule_id,
        "position": rule.position,
        "name": rule.name,
        "account_id": rule.account_id,
        "account": None if rule.account_id is None else names.name_of(rule.account_id),
        "enabled": rule.enabled,
        "conditions": conditions_of(rule),
        "folder": rule.folder,
        "file_name": rule.file_name,
        "save_attachments": rule.save_attachments,
        "unpack": [each.value for each in CONTAINERS if each in rule.unpack],
        "save_body": None if rule.save_body is None else rule.save_body.value,
        "save_original": rule.save_original,
        "save_metadata": rule.save_metadata,
        "active_since": rule.active_since,
        "problem": problem,
    }


def problem_of(stored: StoredRule) -> Phrase | None:
    """The reason why the rule cannot be applied; None: it can."""
    if stored.unreadable_because is not None:
        return stored.unreadable_because
    problems = [Phrase("{name}: {reason}", name=option, reason=reason) for option, reason in problems_of(stored.rule)]
    if not problems:
        return None
    return Phrase(
        "Rule {name!r} cannot be applied: {why} Correct it: mail-importer rules update {argument}",
        name=stored.rule.name,
        argument=quoted(stored.rule.name),
        why=Phrase.joined(*problems),
    )


def _account(name: str | None) -> str:
    return Phrase("all") if name is None else name


def conditions_in_words(conditions: Mapping[str, Any]) -> list[Phrase]:
    """Conditions by option, see `conditions_of`, as people say them; none: all mail."""
    return [_IN_WORDS[name](value) for name, value in conditions.items() if value not in {None, ()}]


def _some(entries: Sequence[str]) -> Phrase:
    """The entries, one of which must fit; of many, the first."""
    texts = [Phrase.verbatim(each) for each in entries[:_MAX_ENTRIES]]
    left = len(entries) - len(texts)
    if left:
        texts.append(Phrase.counted("{n} more", "{n} more", n=left))
    return Phrase.joined(*texts, by=", ")


_MAX_ENTRIES: Final = 8
_IN_WORDS: Final[Mapping[str, Callable[[Any], Phrase]]] = {
    "senders": lambda each: Phrase("from {entries}", entries=_some(each)),
    "recipients": lambda each: Phrase("to {entries}", entries=_some(each)),
    "subjects": lambda each: Phrase("subject contains {entries}", entries=_some(each)),
    "subject_is": lambda each: Phrase("subject is {entries}", entries=_some(each)),
    "subject_matches": lambda each: Phrase("subject matches {entries}", entries=_some(each)),
    "body_words": lambda each: Phrase("body has {entries}", entries=_some(each)),
    "attachment_names": lambda each: Phrase("attachment {entries}", entries=_some(each)),
    "size_least": lambda each: Phrase("attachment of {size} bytes or more", size=each),
    "size_most": lambda each: Phrase("attachment of {size} bytes or less", size=each),
    "has_attachments": lambda each: Phrase("with attachments") if each else Phrase("without attachments"),
}

LIST_COLUMNS: Final = (
    Column("name", Phrase("Rule")),
    Column("position", Phrase("Position"), right=True, priority=1),
    Column("account", Phrase("Account"), _account),
    Column("enabled", Phrase("Enabled"), priority=2),
    Column("conditions", Phrase("Conditions"), conditions_shown, priority=2),
    Column("folder", Phrase("Folder"), priority=1),
)
"""Columns for all rules, a row each."""
LIST_DETAILS: Final = (
    Column(
        "problem",
        Phrase("Problem"),
        lambda problem: problem or Phrase(""),
        colour=lambda row: "red" if row["problem"] else None,
    ),
)


def record_columns() -> list[Column]:
    """Columns for all facts of one rule."""
    return [
        Column("name", Phrase("Rule")),
        Column("rule_id", Phrase("Number")),
        Column("position", Phrase("Position")),
        Column("enabled", Phrase("Enabled")),
        Column("active_since", Phrase("Active since")),
        Column("account", Phrase("Account"), _account),
        Column("conditions", Phrase("Conditions"), conditions_shown),
        Column("folder", Phrase("Folder")),
        Column("file_name", Phrase("File name"), lambda name: name or Phrase("that of the attachment")),
        Column("save_attachments", Phrase("Saves attachments")),
        Column("unpack", Phrase("Unpacks"), lambda words: ", ".join(words) or Phrase("nothing")),
        Column("save_body", Phrase("Saves the body"), lambda word: word or shown(False)),
        Column("save_original", Phrase("Saves the original")),
        Column("save_metadata", Phrase("Saves metadata")),
        Column("problem", Phrase("Problem"), lambda problem: problem or Phrase("none")),
    ]
