"""Rules against mail, as the delivery checks it: the verdicts, and the files that would be saved."""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any, Final

from console.output import failure, tell
from console.rules.views import problem_of
from db.engine import Database
from db.queries import rule_mail, rule_trials
from db.queries import rules as table
from db.queries.rule_trials import KnownFile, ReceivedMessage
from db.queries.rules import StoredRule
from delivery.checking import ArchiveLists, Members, with_lists
from phrases import Phrase
from rules.compiled import CompiledRule, CompiledRules, Verdict
from rules.mail import MailFacts
from rules.rule import Rule
from rules.selection import WantedFile, files_of

_BATCH: Final = 20
"""Messages whose texts are in memory at a time."""

NEW: Final = "new"
"""The state of a file that would be saved; others: `MISSING`, or those of `tblEmailFile`."""
MISSING: Final = "missing"

_CONDITIONS: Final = {
    "account": Phrase("the account"),
    "senders": Phrase("the senders"),
    "recipients": Phrase("the recipients"),
    "subject": Phrase("the subject"),
    "has_attachments": Phrase("whether it has attachments"),
    "attachments": Phrase("the attachments"),
    "body": Phrase("the body"),
}
_FILES: Final = {
    "pending": Phrase("waits to be saved"),
    "saved": Phrase("saved already"),
    "failed": Phrase("could not be saved"),
    "skipped": Phrase("skipped by an operator"),
}


@dataclass(frozen=True, slots=True)
class Trial:
    """One rule against one message: its verdict and, if it matches, its files."""

    facts: MailFacts
    verdict: Verdict
    files: Sequence[WantedFile]


async def chosen_rules(database: Database, names: Sequence[str], *, enabled: bool) -> list[Rule]:
    """The rules of these names, or without any all that can be used: only those that are `enabled`, if true.

    Raises:
        RuleNotFound: there is none of one of the names.
        click.ClickException: one of those that were named cannot be used.
    """
    every = await database.read(table.every)
    if names:
        found = [table.named(every, name) for name in dict.fromkeys(names)]
    else:
        found = [each for each in every if each.rule.enabled or not enabled]
    return [each.rule for each in found if _is_usable(each, named=bool(names))]


def _is_usable(stored: StoredRule, *, named: bool) -> bool:
    problem = problem_of(stored)
    if problem is None:
        return True
    if named:
        raise failure(problem)
    tell(problem)
    return False


def compiled(rules: Sequence[Rule]) -> CompiledRules:
    """The rules for any mail, also that imported before they were enabled."""
    return CompiledRules(CompiledRule(replace(each, active_since=None)) for each in rules)


def trials(rules: CompiledRules, facts: MailFacts, members: Members) -> list[Trial]:
    """Each rule against the message. Blocks: lists of archives are read."""
    verdicts = rules.check(facts)
    if any(each.needs_archives for each in verdicts):
        facts = with_lists(facts, members)
        verdicts = rules.check(facts)
    return [Trial(facts, each, files_of(each.rule, facts) if each.matches else ()) for each in verdicts]


async def messages_since(
    database: Database, since: datetime, *, without: Collection[int] = ()
) -> AsyncIterator[list[ReceivedMessage]]:
    """The messages received since then, but those of the accounts `without`, some at a time."""
    last: ReceivedMessage | None = None
    while True:
        read = partial(rule_trials.received_since, since=since, after=last, limit=_BATCH, without=without)
        page = await database.read(read)
        if not page:
            return
        yield page
        last = page[-1]


async def facts_of(database: Database, numbers: Sequence[int], *, with_body: bool = True) -> list[MailFacts]:
    """The facts of these messages. `with_body`: with their text, which may be long."""
    return await database.read(partial(rule_mail.facts_of, numbers=numbers, with_body=with_body))


async def known_files(database: Database, numbers: Sequence[int]) -> dict[tuple[int, int, str], KnownFile]:
    """The files that are known of these messages; see `rule_trials.known_files`."""
    return await database.read(partial(rule_trials.known_files, numbers=numbers))


async def in_thread(rules: CompiledRules, facts: MailFacts, members: Members) -> list[Trial]:
    """`trials`, off the event loop."""
    return await asyncio.to_thread(trials, rules, facts, members)


def row(trial: Trial, rule: Rule, known: dict[tuple[int, int, str], KnownFile]) -> dict[str, Any]:
    """The facts of a trial; `rule`: as stored."""
    facts = trial.facts
    since = rule.active_since
    return {
        "message_id": facts.message_id or None,
        "received": facts.received,
        "subject": facts.subject,
        "rule_id": rule.rule_id,
        "rule": rule.name,
        "matches": trial.verdict.matches,
        "failed": trial.verdict.failed,
        "active": rule.enabled and (facts.message_id == 0 or (since is not None and since <= facts.imported)),
        "files": [_file(each, rule, known.get((facts.message_id, rule.rule_id, each.key))) for each in trial.files],
    }


def _file(wanted: WantedFile, rule: Rule, known: KnownFile | None) -> dict[str, Any]:
    state = MISSING if wanted.problem is not None else NEW if known is None else known.state
    path = None if known is None else known.path
    return {
        "part": wanted.part.value,
        "path": path or joined(rule.folder, wanted.file_name),
        "size": wanted.size,
        "state": state,
        "reason": wanted.reason,
        "problem": wanted.problem,
    }


async def tried(
    database: Database, lists: ArchiveLists, rules: Sequence[Rule], numbers: Sequence[int]
) -> list[tuple[MailFacts, list[dict[str, Any]]]]:
    """The messages of these numbers, each with a row for each rule."""
    made, stored = compiled(rules), {each.rule_id: each for each in rules}
    known = await known_files(database, numbers)
    result = []
    needs_text = any(each.body_words for each in rules)
    for facts in await facts_of(database, numbers, with_body=needs_text):
        found = await in_thread(made, facts, partial(lists.members, facts.message_id))
        result.append((facts, [row(each, stored[each.verdict.rule.rule.rule_id], known) for each in found]))
    return result


def joined(folder: str, name: str) -> str:
    """The path of a file in a folder of another host."""
    separator = "/" if folder.startswith("/") else "\\"
    return f"{folder.rstrip('/' + separator)}{separator}{name}"


def failed_shown(failed: str | None) -> Phrase:
    """Format the condition that does not hold."""
    return Phrase("") if failed is None else _CONDITIONS.get(failed, Phrase.verbatim(failed))


def files_shown(files: Sequence[dict[str, Any]]) -> Phrase:
    """Format files, a line each."""
    return Phrase.joined(*map(file_shown, files), by="\n")


def file_shown(file: dict[str, Any]) -> Phrase:
    """Format a file."""
    note = file["problem"] or _FILES.get(file["state"])
    return Phrase.verbatim(file["path"]) if note is None else Phrase("{path}: {note}", path=file["path"], note=note)
