"""Builds consistent rules from values of an administrator, given as options or in a file."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from sqlalchemy import Connection

from console.option_checks import ANY, has_attachments_word, without_words
from console.output import wrong_usage
from console.rules.folders import folder_problem
from db.errors import AccountNotFound
from db.queries import accounts
from phrases import Phrase
from phrases.commands import joined
from rules.compiled import BadRule, CompiledRule
from rules.rule import CONTAINERS, Container, Rule, SavedBody, SubjectKind

NOTHING: Final = "none"
"""The word for nothing to unpack, and for no file of the body."""
SUBJECTS: Final = {
    SubjectKind.CONTAINS: "subjects",
    SubjectKind.IS: "subject_is",
    SubjectKind.MATCHES: "subject_matches",
}
"""The option of each comparison of subjects."""
CONDITIONS: Final = {
    "senders": (),
    "recipients": (),
    **dict.fromkeys(SUBJECTS.values(), ()),
    "body_words": (),
    "attachment_names": (),
    "size_least": ANY,
    "size_most": ANY,
    "has_attachments": ANY,
}
"""The options of conditions, as if none of them were given."""
_WORDS: Final = {
    "senders": "--sender",
    "recipients": "--recipient",
    "subjects": "--subject",
    "subject_is": "--subject-is",
    "subject_matches": "--subject-matches",
    "body_words": "--body",
    "attachment_names": "--attachment",
    "size_least": "--size-least",
    "size_most": "--size-most",
    "has_attachments": "--has-attachments",
    "folder": "--folder",
    "file_name": "--file-name",
}
"""The option of each part of a rule that may be wrong."""
_RIGHT: Final = Rule(name="rule", folder="/folder")
_CHECKED_ALONE: Final = ("senders", "recipients", "body_words", "attachment_names", "file_name")


class AccountNames:
    """The names of all accounts, and their numbers."""

    def __init__(self, connection: Connection) -> None:
        found = accounts.every(connection)
        self._names = {each.account_id: each.settings.name for each in found}
        self._numbers = {name.casefold(): number for number, name in self._names.items()}
        self._numbers |= {name: number for number, name in self._names.items()}

    def every(self) -> list[str]:
        """All names, sorted."""
        return sorted(self._names.values(), key=str.casefold)

    def number_of(self, name: str) -> int:
        """The number of the account.

        Raises:
            AccountNotFound: there is none of that name.
        """
        number = self._numbers.get(name, self._numbers.get(name.casefold()))
        if number is None:
            raise AccountNotFound(
                Phrase("There is no account named {name!r}. See: mail-importer accounts list", name=name)
            )
        return number

    def name_of(self, number: int) -> str:
        """The name of the account; of a removed one, which an account may not have, its number."""
        return self._names.get(number, f"(removed, {number})")


def changed(before: Rule, given: Mapping[str, Any], names: AccountNames) -> Rule:
    """The rule with `given`, by option name; the rest stays.

    Raises:
        AccountNotFound: there is none of that name.
        click.UsageError: the options do not go together.
    """
    changes = without_words(given)
    changes.pop("position", None)
    if "rename" in changes:
        changes["name"] = changes.pop("rename")
    if "account" in changes:
        account = changes.pop("account")
        changes["account_id"] = None if account is None else names.number_of(account)
    if "unpack" in changes:
        changes["unpack"] = frozenset(Container(each) for each in changes["unpack"] if each != NOTHING)
    if "save_body" in changes:
        word = changes["save_body"]
        changes["save_body"] = None if word in {None, NOTHING} else SavedBody(word)
    return replace(before, **_subject(changes), **changes)


def _subject(changes: dict[str, Any]) -> dict[str, Any]:
    """Remove the options of the subject from `changes`; return the fields that they set."""
    given = {kind: changes.pop(option) for kind, option in SUBJECTS.items() if option in changes}
    filled = [kind for kind, texts in given.items() if texts]
    if len(filled) > 1:
        raise wrong_usage(Phrase("--subject, --subject-is and --subject-matches exclude each other."))
    if not given:
        return {}
    return (
        {"subject_kind": filled[0], "subjects": given[filled[0]]} if filled else {"subject_kind": None, "subjects": ()}
    )


def problems_of(rule: Rule, roots: Sequence[str] = ()) -> list[tuple[str, Phrase]]:
    """All that is wrong with a rule: the option, and the reason.

    `roots`: the `delivery_roots` of this host, if it delivers.
    """
    whole = list(_problem(rule))
    # Of a rule with a problem, each part is checked alone; what only does not go together is in none of them.
    parts = list(_single_problems(rule)) if whole else []
    return [*(parts or whole), *_folder_problems(rule, roots)]


def _single_problems(rule: Rule) -> Iterator[tuple[str, Phrase]]:
    """The first problem of each part that can be checked alone."""
    for fields in (
        ("name",),
        ("folder",),
        ("subject_kind", "subjects"),
        ("size_least", "size_most"),
        *((name,) for name in _CHECKED_ALONE),
    ):
        part = {name: getattr(rule, name) for name in fields}
        yield from _problem(replace(_RIGHT, **part))


def _folder_problems(rule: Rule, roots: Sequence[str]) -> Iterator[tuple[str, Phrase]]:
    reason = folder_problem(rule.folder, roots)
    if reason is not None and not any(_problem(replace(_RIGHT, folder=rule.folder))):
        yield "folder", reason


def _problem(rule: Rule) -> Iterator[tuple[str, Phrase]]:
    try:
        CompiledRule(rule)
    except BadRule as exc:
        option = SUBJECTS[rule.subject_kind] if exc.field == "subjects" and rule.subject_kind else exc.field
        yield option, Phrase.of(exc.problem)


def require_valid(rule: Rule, roots: Sequence[str]) -> None:
    """Check a rule that was given as options.

    Raises:
        click.UsageError: with all that is wrong.
    """
    problems = [
        Phrase("{option}: {reason}", option=_WORDS.get(option, option), reason=reason)
        for option, reason in problems_of(rule, roots)
    ]
    if problems:
        raise wrong_usage(Phrase.joined(*problems, by="\n  "))


def conditions_of(rule: Rule) -> dict[str, Any]:
    """The conditions by option; None or empty: any."""
    subjects = {option: rule.subjects if rule.subject_kind is kind else () for kind, option in SUBJECTS.items()}
    return {name: subjects[name] if name in subjects else getattr(rule, name) for name in CONDITIONS}


def conditions_shown(conditions: Mapping[str, Any]) -> str:
    """Format conditions as the options that set them."""
    words: list[str] = []
    for name, value in conditions.items():
        entries = value if isinstance(value, tuple) else () if value is None else (_word(value),)
        words += [word for entry in entries for word in (_WORDS[name], entry)]
    return joined(words) if words else Phrase("all mail")


def _word(value: bool | int) -> str:
    return has_attachments_word(value) or "" if isinstance(value, bool) else str(value)


def exported(rule: Rule, account_name: Callable[[int], str]) -> dict[str, Any]:
    """The rule by option, as a file has it: also what it does without, so that a file sets all of it."""
    conditions = conditions_of(rule)
    for name in ("size_least", "size_most"):
        conditions[name] = ANY if conditions[name] is None else conditions[name]
    conditions["has_attachments"] = has_attachments_word(rule.has_attachments) or ANY
    used = SUBJECTS[rule.subject_kind or SubjectKind.CONTAINS]
    return {
        "name": rule.name,
        "enabled": rule.enabled,
        "folder": rule.folder,
        "account": "" if rule.account_id is None else account_name(rule.account_id),
        **{name: value for name, value in conditions.items() if name == used or name not in SUBJECTS.values()},
        "file_name": rule.file_name or "",
        "save_attachments": rule.save_attachments,
        "unpack": [each.value for each in CONTAINERS if each in rule.unpack],
        "save_body": NOTHING if rule.save_body is None else rule.save_body.value,
        "save_original": rule.save_original,
        "save_metadata": rule.save_metadata,
    }
