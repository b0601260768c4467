"""`mail-importer trace`: the steps of an e-mail."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

import click
from sqlalchemy import Connection

from console.invocation import Invocation, all_account_names, as_stored, example, pass_invocation, search_text
from console.messages.traced import TracedMail, failure_facts, gathered, person
from console.output import as_json, failure, printable, shown, tell
from console.translation.help import Command
from console.translation.labels import word
from console.translation.language import translated
from db.engine import run_reading
from db.queries import accounts
from db.queries import trace as table
from db.queries.message_log import LoggedAttachment, LoggedRecipient
from phrases import Phrase
from phrases.commands import joined, quoted

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


def _read(connection: Connection, text: str, name: str | None, *, most_files: int) -> list[TracedMail]:
    account_id = None if name is None else accounts.with_removed(connection, name).account_id
    messages = table.find(connection, text, account_id=account_id, limit=_MAX_MESSAGES + 1)
    return gathered(connection, messages, most_files=most_files)


# Output.


def _lines(found: TracedMail) -> Iterator[Phrase]:
    """The lines, with the ids unbroken at any terminal width."""
    yield Phrase.verbatim(found.subject) if found.subject else Phrase("(subject not known)")
    account = found.account or found.message.account_id
    facts: list[tuple[Phrase, object]] = [
        (Phrase("Account"), account),
        (Phrase("Sender"), person(*found.author)),
        *((_KINDS[kind], people) for kind, people in _people(found.recipients).items()),
        (Phrase("Received"), None if found.received is None else shown(found.received)),
        *((Phrase("Attachment"), _file(each)) for each in found.attachments[:_MAX_LINES]),
        (Phrase("Attachments"), _more(len(found.attachments) - _MAX_LINES)),
        (Phrase("Graph id"), found.message.graph_id),
        (Phrase("Queue message"), found.message.queue_message_id),
        (Phrase("Internet message id"), found.internet_message_id),
        *failure_facts(found.failure),
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
            yield _at("", Phrase("See: mail-importer accounts show {name}", name=quoted(found.account)))
    more = _more(found.file_count - len(found.files))
    if more is not None and found.committed is not None:
        command = f"mail-importer delivery list --message {found.committed.message_id}"
        yield _at("", Phrase("{more} files; see: {command}", more=more, command=command))
    if found.left_out is not None and found.committed is None and found.account is not None:
        command = f"mail-importer import {joined([found.account, '--id', found.left_out.graph_message_id, '--force'])}"
        yield Phrase("  It is imported anyway by: {command}", command=command)
    if not found.attempts and found.committed is not None:
        yield Phrase("  Its steps before that are not kept (trace_days).")


def _people(recipients: Sequence[LoggedRecipient]) -> dict[str, Phrase]:
    """The recipients of each kind, the first of many."""
    found: dict[str, Phrase] = {}
    for kind in _KINDS:
        people = [person(each.name, each.address) or "–" for each in recipients if each.kind == kind]
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


def _at(time: str, text: Phrase) -> Phrase:
    return Phrase.joined(Phrase.verbatim(f"  {time:<29}"), text, by="")


def _time(time: datetime | None) -> str:
    if time is None:
        return ""
    return f"{time.astimezone(UTC).isoformat(sep=' ', timespec='milliseconds').removesuffix('+00:00')} UTC"
