"""`mail-importer trace`: the steps of an e-mail."""

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import click
from sqlalchemy import Connection

from console.invocation import Invocation, all_account_names, as_stored, example, pass_invocation, search_text
from console.messages.timeline import TimelineEvent, steps_of
from console.output import as_json, failure, printable, shown, tell
from console.translation.help import Command
from console.translation.labels import word
from console.translation.language import translated
from db.engine import run_reading
from db.outcomes import RuleState
from db.queries import accounts, duplicates, failures, file_log, filtered, message_log
from db.queries import trace as table
from db.queries.duplicates import Duplicate
from db.queries.failures import Failure
from db.queries.file_log import LoggedFile
from db.queries.filtered import FilteredMessage
from db.queries.message_log import LoggedAttachment, LoggedRecipient
from db.queries.trace import CommittedMessage, TracedMessage, TraceRow
from phrases import Phrase

T = TypeVar("T")

_MAX_MESSAGES: Final = 20
_MAX_LINES: Final = 20
"""Recipients of a kind, attachments, and files of rules, that are named."""
_MAX_FILES: Final = 1000
"""Files of rules in the JSON of a message."""
_KINDS: Final[Mapping[str, Phrase]] = {"to": Phrase("To"), "cc": Phrase("Cc"), "bcc": Phrase("Bcc")}
_NOTHING: Final = Phrase(
    "No message fits. Mail that was not fetched yet is known by its ids only: mail-importer queue list shows what "
    "waits (dead letters: --dead-letters), and mail-importer verify NAME shows messages that were never reported."
)


@dataclass(frozen=True, slots=True)
class _Found:
    """A message, and all its records."""

    message: TracedMessage
    account: str | None
    attempts: list[TraceRow]
    committed: CommittedMessage | None
    copies: list[Duplicate]
    """Its duplicates that were not imported again; or, of such a duplicate, its own record."""
    left_out: FilteredMessage | None
    """The record of its exclusion by the account's filters."""
    failure: Failure | None
    """Of a message that is retried, or a dead letter."""
    recipients: list[LoggedRecipient]
    attachments: list[LoggedAttachment]
    files: list[LoggedFile]
    """Of import rules; the first of many."""
    file_count: int

    @property
    def subject(self) -> str | None:
        """The subject; None until the message is fetched."""
        found = self.committed or self.failure
        return found.subject if found is not None and found.subject is not None else self._last("subject")

    @property
    def author(self) -> tuple[str | None, str | None]:
        """Displayed name and address of the author, where they are known."""
        found = self.committed or self.failure
        if found is not None:
            return found.from_name, found.from_address
        return None, None if self.left_out is None else self.left_out.from_address

    @property
    def received(self) -> datetime | None:
        """The time at which the mailbox received it, where it is known."""
        found = self.committed or self.failure or self.left_out
        return None if found is None else found.received

    @property
    def internet_message_id(self) -> str | None:
        """The internet message id, where it is known."""
        found = self.committed or self.failure or self.left_out
        return found.internet_message_id if found is not None else self._last("internet_message_id")

    @property
    def steps(self) -> list[TimelineEvent]:
        """Its events, in the order of time."""
        return steps_of(self.attempts, self.committed, self.copies, self.left_out, self.files)

    def data(self) -> dict[str, Any]:
        """The object in the JSON."""
        committed = self.committed
        return {
            "account_id": self.message.account_id,
            "account": self.account,
            "graph_id": self.message.graph_id,
            "internet_message_id": self.internet_message_id,
            "subject": self.subject,
            "from": dict(zip(("name", "address"), self.author, strict=True)),
            "received": self.received,
            "recipients": [asdict(each) for each in self.recipients],
            "attachments": [asdict(each) for each in self.attachments],
            "message_id": None if committed is None else committed.message_id,
            "imported": None if committed is None else committed.imported,
            "rule_state": self._rule_state,
            "rules_matched": None if committed is None else committed.rules_matched,
            "files": [asdict(each) for each in self.files],
            "file_count": self.file_count,
            "failure": None if self.failure is None else _failure_data(self.failure),
            "steps": [_step_data(each) for each in self.steps],
        }

    @property
    def _rule_state(self) -> str | None:
        if self.committed is not None:
            return self.committed.rule_state
        if self.failure is None:
            return None
        return (RuleState.RED if self.failure.next_attempt is None else RuleState.WHITE).value

    def _last(self, name: str) -> str | None:
        known = [getattr(each, name) for each in self.attempts if getattr(each, name) is not None]
        return known[-1] if known else None


def _failure_data(found: Failure) -> dict[str, Any]:
    names = ("attempts", "first_failed", "failed", "next_attempt", "reason", "detail")
    return {"state": found.state, **{name: getattr(found, name) for name in names}}


def _step_data(step: TimelineEvent) -> dict[str, Any]:
    """The event, with the number of its file alone."""
    facts = asdict(replace(step, file=None))
    del facts["file"]
    return {**facts, "file_id": None if step.file is None else step.file.file_id}


@click.command(
    cls=Command,
    epilog=example('mail-importer trace "Prüfbericht 4711"', "mail-importer trace 1.AAkALg… --account laboratory"),
)
@click.argument("text", metavar="TEXT-OR-ID", callback=search_text)
@click.option(
    "--account",
    "name",
    metavar="NAME",
    callback=as_stored,
    shell_complete=all_account_names,
    help="Only messages of this account.",
)
@click.option("--json", "in_json", is_flag=True, help="Print the same data as JSON.")
@pass_invocation
def trace(invocation: Invocation, text: str, name: str | None, in_json: bool) -> None:
    """Locate an e-mail: every step of it, with times and hosts.

    TEXT-OR-ID is part, in any letter case, of the subject, of the sender's name or address or of an attachment's file
    name, or the whole of a Graph id, an internet message id, the message id that `queue list` shows, or the correlation
    id of a log line. Steps are kept for the setting trace_days; the import of a message, and what became of the files
    that import rules selected, is shown for as long as it is in the database. Exit status 1 when nothing fits.
    """
    with invocation.gateway() as engine:
        most = _MAX_FILES if in_json else _MAX_LINES
        found = run_reading(engine, lambda connection: _read(connection, text, name, most_files=most))
    if len(found) > _MAX_MESSAGES:
        found = found[:_MAX_MESSAGES]
        tell(
            Phrase(
                "These are the newest {most}; there are more. Give more of the subject, or an id.",
                most=_MAX_MESSAGES,
            )
        )
    if in_json:
        click.echo(json.dumps([each.data() for each in found], indent=2, default=as_json))
    else:
        click.echo(
            "\n\n".join("\n".join(printable(translated(line)) for line in _lines(each)) for each in found),
            nl=bool(found),
        )
    if not found:
        raise failure(_NOTHING)


def _read(connection: Connection, text: str, name: str | None, *, most_files: int) -> list[_Found]:
    account_id = None if name is None else accounts.with_removed(connection, name).account_id
    messages = table.find(connection, text, account_id=account_id, limit=_MAX_MESSAGES + 1)
    names = accounts.by_id(connection, sorted({each.account_id for each in messages if each.account_id is not None}))
    attempts = table.attempts(connection, messages)
    committed = {each.of: each for each in table.committed(connection, messages)}
    keys = [(each.account_id, each.graph_id) for each in messages if each.account_id is not None and each.graph_id]
    copied = duplicates.of_ids(connection, keys)
    numbers = [each.message_id for each in committed.values()]
    copied += duplicates.of_messages(connection, numbers)
    left_out = {each.key: each for each in filtered.of_ids(connection, keys)}
    failing = failures.of_ids(connection, keys)
    recipients = message_log.recipients_of(connection, numbers)
    attachments = message_log.attachments_of(connection, numbers)
    files = {number: file_log.of_message(connection, number, limit=most_files) for number in numbers}

    def below(each: TracedMessage, of: dict[int, list[T]]) -> list[T]:
        return of[committed[each].message_id] if each in committed else []

    return [
        _Found(
            each,
            names[each.account_id].settings.name if each.account_id in names else None,
            [row for row in attempts if row.of == each],
            committed.get(each),
            [copy for copy in copied if _is_of(copy, each, committed.get(each))],
            None if each.account_id is None else left_out.get((each.account_id, each.graph_id or "")),
            None if each.account_id is None else failing.get((each.account_id, each.graph_id or "")),
            below(each, recipients),
            below(each, attachments),
            *(files[committed[each].message_id] if each in committed else ([], 0)),
        )
        for each in messages
    ]


def _is_of(copy: Duplicate, traced: TracedMessage, committed: CommittedMessage | None) -> bool:
    if committed is not None:
        return copy.message_id == committed.message_id
    return (copy.account_id, copy.graph_id) == (traced.account_id, traced.graph_id)


# Output.


def _lines(found: _Found) -> Iterator[Phrase]:
    """The lines, with the ids unbroken at any terminal width."""
    yield Phrase.verbatim(found.subject) if found.subject else Phrase("(subject not known)")
    account = found.account or found.message.account_id
    facts: list[tuple[Phrase, object]] = [
        (Phrase("Account"), account),
        (Phrase("Sender"), _person(*found.author)),
        *((_KINDS[kind], people) for kind, people in _people(found.recipients).items()),
        (Phrase("Received"), None if found.received is None else shown(found.received)),
        *((Phrase("Attachment"), _file(each)) for each in found.attachments[:_MAX_LINES]),
        (Phrase("Attachments"), _more(len(found.attachments) - _MAX_LINES)),
        (Phrase("Graph id"), found.message.graph_id),
        (Phrase("Queue message"), found.message.queue_message_id),
        (Phrase("Internet message id"), found.internet_message_id),
        *_failure_facts(found.failure),
    ]
    known = [(translated(heading), value) for heading, value in facts if value is not None]
    width = max(len(heading) for heading, _ in known)
    for heading, value in known:
        yield Phrase.joined(Phrase.verbatim(f"  {heading:<{width}}  "), Phrase.of(value), by="")
    for step in found.steps:
        yield _at(_time(step.time), step.text)
        if step.detail is not None:
            yield _at("", Phrase.of(step.detail))
        elif step.step == "waiting" and found.account is not None:
            yield _at("", Phrase("See: mail-importer accounts show {name}", name=found.account))
    more = _more(found.file_count - len(found.files))
    if more is not None and found.committed is not None:
        command = f"mail-importer delivery list --message {found.committed.message_id}"
        yield _at("", Phrase("{more} files; see: {command}", more=more, command=command))
    if found.left_out is not None and found.committed is None and found.account is not None:
        command = (
            f"mail-importer import {shlex.join([found.account, '--id', found.left_out.graph_message_id, '--force'])}"
        )
        yield Phrase("  It is imported anyway by: {command}", command=command)
    if not found.attempts and found.committed is not None:
        yield Phrase("  Its steps before that are not kept (trace_days).")


def _person(name: str | None, address: str | None) -> str | None:
    return f"{name} <{address}>" if name and address and name != address else address or name


def _people(recipients: Sequence[LoggedRecipient]) -> dict[str, Phrase]:
    """The recipients of each kind, the first of many."""
    found: dict[str, Phrase] = {}
    for kind in _KINDS:
        people = [_person(each.name, each.address) or "–" for each in recipients if each.kind == kind]
        if people:
            first = Phrase.verbatim(", ".join(people[:_MAX_LINES]))
            found[kind] = Phrase.joined(first, _more(len(people) - _MAX_LINES) or "")
    return found


def _file(found: LoggedAttachment) -> Phrase:
    state = (
        word(found.state)
        if found.state_detail is None
        else Phrase("{state}: {detail}", state=word(found.state), detail=found.state_detail)
    )
    return Phrase("{name} ({state})", name=found.name or "–", state=state)


def _more(count: int) -> Phrase | None:
    return Phrase.counted("and {n} more", "and {n} more", n=count) if count > 0 else None


def _failure_facts(found: Failure | None) -> Iterator[tuple[Phrase, object]]:
    if found is None:
        return
    dead = found.next_attempt is None
    yield Phrase("State"), Phrase("failed, a dead letter") if dead else Phrase("waiting for its next attempt")
    yield Phrase("Attempts"), found.attempts
    if not dead:
        yield Phrase("Next attempt"), shown(found.next_attempt)
    yield Phrase("Reason"), found.reason
    yield Phrase("Detail"), found.detail


def _at(time: str, text: Phrase) -> Phrase:
    return Phrase.joined(Phrase.verbatim(f"  {time:<29}"), text, by="")


def _time(time: datetime | None) -> str:
    if time is None:
        return ""
    return f"{time.astimezone(UTC).isoformat(sep=' ', timespec='milliseconds').removesuffix('+00:00')} UTC"
