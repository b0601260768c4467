"""`mail-importer trace`: the steps of an e-mail."""

import json
import shlex
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final

import click
from sqlalchemy import Connection

from console.invocation import Invocation, account_names, as_stored, example, pass_invocation
from console.messages.timeline import TimelineEvent, steps_of
from console.output import as_json, failure, printable, tell, wrong_value
from console.translation.help import Command
from console.translation.language import translated
from db.engine import run_reading
from db.queries import accounts, duplicates, filtered
from db.queries import trace as table
from db.queries.duplicates import Duplicate
from db.queries.filtered import FilteredMessage
from db.queries.trace import CommittedMessage, TracedMessage, TraceRow
from phrases import Phrase

_MAX_MESSAGES: Final = 20
_MAX_LENGTH: Final = 1000
_NOTHING: Final = Phrase(
    "No message fits. Mail that is not imported yet is known by its ids only, not by its subject: mail-importer queue "
    "list shows what waits in the queue (dead letters: --dead-letters), and mail-importer verify NAME shows messages "
    "that were never reported."
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

    @property
    def subject(self) -> str | None:
        """The subject; None until the message is fetched."""
        return self.committed.subject if self.committed is not None else self._last("subject")

    @property
    def internet_message_id(self) -> str | None:
        """The internet message id, where it is known."""
        found = self.committed or self.left_out
        return found.internet_message_id if found is not None else self._last("internet_message_id")

    @property
    def steps(self) -> list[TimelineEvent]:
        """Its events, in the order of time."""
        return steps_of(self.attempts, self.committed, self.copies, self.left_out)

    def data(self) -> dict[str, Any]:
        """The object in the JSON."""
        committed = self.committed
        return {
            "account_id": self.message.account_id,
            "account": self.account,
            "graph_id": self.message.graph_id,
            "internet_message_id": self.internet_message_id,
            "subject": self.subject,
            "received": found.received if (found := committed or self.left_out) is not None else None,
            "message_id": None if committed is None else committed.message_id,
            "imported": None if committed is None else committed.imported,
            "steps": [asdict(each) for each in self.steps],
        }

    def _last(self, name: str) -> str | None:
        known = [getattr(each, name) for each in self.attempts if getattr(each, name) is not None]
        return known[-1] if known else None


def _wanted(context: click.Context, parameter: click.Parameter, text: str) -> str:
    bare = (as_stored(context, parameter, text) or "").strip()
    if not bare:
        raise wrong_value(Phrase("It is empty."))
    if len(bare) > _MAX_LENGTH:
        raise wrong_value(
            Phrase("It has {count} characters; {longest} is the most.", count=len(bare), longest=_MAX_LENGTH)
        )
    return bare


@click.command(
    cls=Command,
    epilog=example('mail-importer trace "Prüfbericht 4711"', "mail-importer trace 1.AAkALg… --account laboratory"),
)
@click.argument("text", metavar="SUBJECT-OR-ID", callback=_wanted)
@click.option(
    "--account",
    "name",
    metavar="NAME",
    callback=as_stored,
    shell_complete=account_names,
    help="Only messages of this account.",
)
@click.option("--json", "in_json", is_flag=True, help="Print the same data as JSON.")
@pass_invocation
def trace(invocation: Invocation, text: str, name: str | None, in_json: bool) -> None:
    """Locate an e-mail: every step of it, with times and hosts.

    SUBJECT-OR-ID is part of the subject in any letter case, or the whole of a Graph id, an internet message id, the
    message id that `queue list` shows, or the correlation id of a log line. Steps are kept for the setting trace_days;
    the import of a message is shown for as long as it is in the database. Exit status 1 when nothing fits.
    """
    with invocation.gateway() as engine:
        found = run_reading(engine, lambda connection: _read(connection, text, name))
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


def _read(connection: Connection, text: str, name: str | None) -> list[_Found]:
    account_id = None if name is None else accounts.by_name(connection, name).account_id
    messages = table.find(connection, text, account_id=account_id, limit=_MAX_MESSAGES + 1)
    names = accounts.by_id(connection, sorted({each.account_id for each in messages if each.account_id is not None}))
    attempts = table.attempts(connection, messages)
    committed = {each.of: each for each in table.committed(connection, messages)}
    keys = [(each.account_id, each.graph_id) for each in messages if each.account_id is not None and each.graph_id]
    copied = duplicates.of_ids(connection, keys)
    copied += duplicates.of_messages(connection, [each.message_id for each in committed.values()])
    left_out = {each.key: each for each in filtered.of_ids(connection, keys)}
    return [
        _Found(
            each,
            names[each.account_id].settings.name if each.account_id in names else None,
            [row for row in attempts if row.of == each],
            committed.get(each),
            [copy for copy in copied if _is_of(copy, each, committed.get(each))],
            None if each.account_id is None else left_out.get((each.account_id, each.graph_id or "")),
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
    facts = (
        (Phrase("Account"), account),
        (Phrase("Graph id"), found.message.graph_id),
        (Phrase("Queue message"), found.message.queue_message_id),
        (Phrase("Internet message id"), found.internet_message_id),
    )
    width = max(len(translated(heading)) for heading, _ in facts)
    for heading, value in facts:
        if value is not None:
            yield Phrase.verbatim(f"  {translated(heading):<{width}}  {value}")
    for step in found.steps:
        yield _at(_time(step.time), step.text)
        if step.detail is not None:
            yield _at("", Phrase.of(step.detail))
        elif step.step == "waiting" and found.account is not None:
            yield _at("", Phrase("See: mail-importer accounts show {name}", name=found.account))
    if found.left_out is not None and found.committed is None and found.account is not None:
        command = (
            f"mail-importer import {shlex.join([found.account, '--id', found.left_out.graph_message_id, '--force'])}"
        )
        yield Phrase("  It is imported anyway by: {command}", command=command)
    if not found.attempts and found.committed is not None:
        yield Phrase("  Its steps before that are not kept (trace_days).")


def _at(time: str, text: Phrase) -> Phrase:
    return Phrase.joined(Phrase.verbatim(f"  {time:<29}"), text, by="")


def _time(time: datetime | None) -> str:
    if time is None:
        return ""
    return f"{time.astimezone(UTC).isoformat(sep=' ', timespec='milliseconds').removesuffix('+00:00')} UTC"
