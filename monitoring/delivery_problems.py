"""Problems of import rules and of the files that they save; see `monitoring.evaluation`. Pure."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from db.leases import age
from db.queries.deliveries import LATE_AFTER, FailedFiles, WaitingFolder
from db.queries.problems import Problem, ProblemKind, Severity
from db.queries.processes import DELIVERY
from monitoring.enumeration import FEW, listed
from monitoring.facts import Facts
from phrases import Phrase
from phrases.commands import quoted

OF_DELIVERIES: Final = frozenset({ProblemKind.FOLDER_UNAVAILABLE, ProblemKind.DELIVERY_LATE})
"""The kinds that only a delivery shows: while none is alive, nothing is known of them."""


def problems_of_delivery(facts: Facts) -> Iterator[Problem]:
    """The problems of rules and files; without a live delivery, that is one of the roles."""
    yield from _unusable(facts)
    yield from _failed(facts)
    if facts.has(DELIVERY):
        unavailable = [each for each in facts.stored.deliveries.folders if _is_unavailable(each)]
        yield from _unavailable(unavailable)
        yield from _late_messages(facts)
        yield from _late_folders(facts)


# Rules.


def _unusable(facts: Facts) -> Iterator[Problem]:
    found = facts.stored.unusable_rules
    if len(found) > FEW:
        yield Problem(
            ProblemKind.RULE_UNUSABLE,
            Severity.ERROR,
            Phrase(
                "{n} rules cannot be used, among them {name!r}: {fault}",
                n=len(found),
                name=found[0].name,
                fault=found[0].fault,
            ),
            Phrase("Correct them, or disable them: mail-importer rules list"),
            count=len(found),
        )
        return
    for each in found:
        yield Problem(
            ProblemKind.RULE_UNUSABLE,
            Severity.ERROR,
            each.fault,
            Phrase(
                "Correct it: mail-importer rules update {name}; no mail is checked against it until then.",
                name=quoted(each.name),
            ),
            account_id=each.account_id,
            scope=_scope(each.rule_id),
        )


# Files.


def _failed(facts: Facts) -> Iterator[Problem]:
    """One problem for each rule, of the files that are not tried again, and of those that wait for their own reason."""
    deliveries = facts.stored.deliveries
    names = dict(deliveries.names)
    failed = {each.rule_id: each for each in deliveries.failed}
    refused = {each.rule_id: each for each in deliveries.refused}
    rules = list(dict.fromkeys([*failed, *refused]))
    if len(rules) > FEW:
        waiting = sum(each.files for each in deliveries.refused)
        number = deliveries.failed_files + waiting
        yield _failed_files(number, waiting, _failed_of_many(number, waiting, len(rules)), "--all", "")
        return
    for each in rules:
        yield _failed_of(each, names.get(each), failed.get(each), refused.get(each))


def _failed_of_many(number: int, waiting: int, rules: int) -> Phrase:
    if waiting:
        return Phrase(
            "{n} files of {rules} rules cannot be saved, and attempts go on for {waiting} of them.",
            n=number,
            rules=rules,
            waiting=waiting,
        )
    return Phrase.counted(
        "{n} file of {rules} rules could not be saved, and is not tried again.",
        "{n} files of {rules} rules could not be saved, and are not tried again.",
        n=number,
        rules=rules,
    )


def _failed_of(rule_id: int, name: str | None, failed: FailedFiles | None, refused: FailedFiles | None) -> Problem:
    waiting = 0 if refused is None else refused.files
    number = waiting + (0 if failed is None else failed.files)
    last = refused or failed
    why = (last and (last.detail or last.reason)) or Phrase("the reason is in the log")
    text = _refused_text(rule_id, name, number, waiting, why) if waiting else _failed_text(rule_id, name, number, why)
    selection = f"--rule {quoted(str(rule_id) if name is None else name)}"
    return _failed_files(number, waiting, text, selection, _scope(rule_id))


def _failed_text(rule_id: int, name: str | None, number: int, why: str) -> Phrase:
    if name is None:
        return Phrase.counted(
            "{n} file of a removed rule (number {number}) could not be saved, and is not tried again: {why}",
            "{n} files of a removed rule (number {number}) could not be saved, and are not tried again: {why}",
            n=number,
            number=rule_id,
            why=why,
        )
    return Phrase.counted(
        "{n} file of rule {name!r} could not be saved, and is not tried again: {why}",
        "{n} files of rule {name!r} could not be saved, and are not tried again: {why}",
        n=number,
        name=name,
        why=why,
    )


def _refused_text(rule_id: int, name: str | None, number: int, waiting: int, why: str) -> Phrase:
    if name is None:
        return Phrase.counted(
            "{n} file of a removed rule (number {number}) cannot be saved, and is tried again: {why}",
            "{n} files of a removed rule (number {number}) cannot be saved, and attempts go on for {waiting} of them: "
            "{why}",
            n=number,
            number=rule_id,
            waiting=waiting,
            why=why,
        )
    return Phrase.counted(
        "{n} file of rule {name!r} cannot be saved, and is tried again: {why}",
        "{n} files of rule {name!r} cannot be saved, and attempts go on for {waiting} of them: {why}",
        n=number,
        name=name,
        waiting=waiting,
        why=why,
    )


def _failed_files(number: int, waiting: int, text: Phrase, selection: str, scope: str) -> Problem:
    states = "--state failed --state pending" if waiting else "--state failed"
    return Problem(
        ProblemKind.FILES_FAILED,
        Severity.ERROR,
        text,
        Phrase(
            "See which, and why: mail-importer delivery list {states}. Once the cause is removed: mail-importer "
            "delivery retry {selection}; to give them up: mail-importer delivery skip {selection}",
            states=states,
            selection=selection,
        ),
        scope=scope,
        count=number,
    )


# Folders.


def _is_unavailable(folder: WaitingFolder) -> bool:
    return folder.reason is not None and not folder.works


def _unavailable(folders: Sequence[WaitingFolder]) -> Iterator[Problem]:
    for each in folders:
        yield Problem(
            ProblemKind.FOLDER_UNAVAILABLE,
            Severity.ERROR,
            Phrase.counted(
                "{n} file waits for the folder {path}: {why}",
                "{n} files wait for the folder {path}: {why}",
                n=each.waiting,
                path=each.path,
                why=each.detail or each.reason,
            ),
            Phrase(
                "Correct the folder: it is tried again by itself, within an hour. To try at once: mail-importer "
                "delivery retry --folder {path}",
                path=quoted(each.path),
            ),
            scope=each.key,
            since=each.attempted,
            count=each.waiting,
        )


# Lateness.


def _late_messages(facts: Facts) -> Iterator[Problem]:
    deliveries = facts.stored.deliveries
    since = _late_since(deliveries.unchecked_since, facts)
    if since is None:
        return
    yield Problem(
        ProblemKind.DELIVERY_LATE,
        Severity.ERROR,
        Phrase.counted(
            "{n} message was not checked against the rules within five minutes, although a delivery is alive.",
            "{n} messages were not checked against the rules within five minutes, although a delivery is alive.",
            n=deliveries.unchecked,
        ),
        Phrase(
            "Read the log of the delivery; if it works without errors, start more of them: mail-importer run delivery"
        ),
        scope="messages",
        since=since,
        count=deliveries.unchecked,
    )


def _late_folders(facts: Facts) -> Iterator[Problem]:
    late = [
        (each, since)
        for each in facts.stored.deliveries.folders
        if not each.works and not _is_unavailable(each) and (since := _late_since(each.due, facts)) is not None
    ]
    if not late:
        return
    number = sum(each.waiting for each, _ in late)
    yield Problem(
        ProblemKind.DELIVERY_LATE,
        Severity.ERROR,
        Phrase.counted(
            "{n} file is due for more than five minutes, and no delivery that is alive has tried to save it: {paths}.",
            "{n} files are due for more than five minutes, and no delivery that is alive has tried to save them: "
            "{paths}.",
            n=number,
            paths=listed(each.path for each, _ in late),
        ),
        Phrase(
            "Run a delivery on a host that reaches these folders and has them below its delivery_roots: mail-importer "
            "config show, mail-importer run delivery"
        ),
        scope="folders",
        since=min(since for _, since in late),
        count=number,
    )


def _late_since(due: datetime | None, facts: Facts) -> datetime | None:
    """The time since which it is late: a delivery that has just begun has five minutes of its own. None: it is not."""
    if due is None:
        return None
    began = min(each.process.started for each in facts.living if DELIVERY in each.process.roles)
    since = max(due, began)
    return since + LATE_AFTER if age(since, facts.now) >= LATE_AFTER else None


def _scope(rule_id: int) -> str:
    return f"rule {rule_id}"
