"""All records of a message, gathered: for `trace`, and for the page of an e-mail."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Connection

from console.messages.timeline import TimelineEvent, steps_of
from console.output import shown
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


@dataclass(frozen=True, slots=True)
class TracedMail:
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
            "rule_state": self.rule_state,
            "rules_matched": None if committed is None else committed.rules_matched,
            "files": [asdict(each) for each in self.files],
            "file_count": self.file_count,
            "failure": None if self.failure is None else _failure_data(self.failure),
            "steps": [_step_data(each) for each in self.steps],
        }

    @property
    def rule_state(self) -> str | None:
        """The state of the import rules; None: they are not checked against it."""
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


def gathered(connection: Connection, messages: Sequence[TracedMessage], *, most_files: int) -> list[TracedMail]:
    """All records of each of these messages; of the files of rules at most so many."""
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
        TracedMail(
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


def person(name: str | None, address: str | None) -> str | None:
    """A person as one text; None: nothing is known."""
    return f"{name} <{address}>" if name and address and name != address else address or name


def failure_facts(found: Failure | None) -> Iterator[tuple[Phrase, object]]:
    """Known facts of a failure, each with its heading."""
    if found is None:
        return
    dead = found.next_attempt is None
    yield Phrase("State"), Phrase("failed, a dead letter") if dead else Phrase("waiting for its next attempt")
    yield Phrase("Attempts"), found.attempts
    if not dead:
        yield Phrase("Next attempt"), shown(found.next_attempt)
    yield Phrase("Reason"), found.reason
    yield Phrase("Detail"), found.detail
