"""`mail-importer messages list`: the log of messages, newest first."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Final

import click
from sqlalchemy import Connection

from console.invocation import (
    Invocation,
    all_account_names,
    as_stored,
    example,
    moment,
    pass_invocation,
    rule_names,
    search_text,
)
from console.output import Column, Listing, prints_data, shown, tell, wrong_value
from console.translation.help import Command, Group
from console.translation.labels import RULE_COLOURS, word
from db.engine import run_reading
from db.outcomes import MessageState, RuleState
from db.queries import accounts, message_log
from db.queries.file_log import rule_number
from db.queries.message_log import LogCriteria, LoggedAttachment, LoggedMessage, Page, Position
from phrases import Phrase

_MAX_NUMBER: Final = 2**63 - 1
_COLOURS: Final = {MessageState.FAILED: "red", MessageState.WAITING: "yellow"}


@click.group(cls=Group, epilog=example("mail-importer messages list --since today"))
def messages() -> None:
    """List messages by sender, recipient, subject, attachment and state."""


def _position(_context: click.Context, _parameter: click.Parameter, text: str | None) -> Position | None:
    if text is None:
        return None
    try:
        time, source, number = base64.urlsafe_b64decode(text.encode("ascii")).decode("ascii").split()
        place = Position(datetime.fromisoformat(time), int(source), int(number))
    except (ValueError, binascii.Error):
        place = None
    if place is None or place.time.tzinfo is not UTC or max(map(abs, (place.source, place.number))) > _MAX_NUMBER:
        raise wrong_value(Phrase("It is no CURSOR that this command printed."))
    return place


def _cursor(place: Position) -> str:
    return base64.urlsafe_b64encode(f"{place.time.isoformat()} {place.source} {place.number}".encode()).decode()


@messages.command(
    "list",
    epilog=example(
        "mail-importer messages list --since 2h",
        "mail-importer messages list --from @example.com --state failed",
        "mail-importer messages list --attachment .pdf --since 29.11.2026 --json",
    ),
    cls=Command,
)
@click.option(
    "--account",
    "name",
    metavar="NAME",
    callback=as_stored,
    shell_complete=all_account_names,
    help="Only messages of this account.",
)
@click.option(
    "--from", "sender", metavar="TEXT", callback=search_text, help="The author or sender: part of name or address."
)
@click.option(
    "--to",
    "recipient",
    metavar="TEXT",
    callback=search_text,
    help="A recipient (to, cc, bcc): part of name or address.",
)
@click.option("--subject", metavar="TEXT", callback=search_text, help="Part of the subject.")
@click.option("--attachment", metavar="TEXT", callback=search_text, help="Part of the file name of an attachment.")
@click.option(
    "--since",
    metavar="T",
    callback=moment,
    help="Received at this time or later (2h, 3d, today, 29.11.2026, ISO 8601; UTC unless it has an offset).",
)
@click.option("--until", metavar="T", callback=moment, help="Received before this time.")
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice([str(each) for each in MessageState]),
    help="In this state; may be repeated.",
)
@click.option(
    "--rule-state",
    "rule_states",
    multiple=True,
    type=click.Choice([str(each) for each in RuleState]),
    help="Of this state of the import rules; may be repeated.",
)
@click.option(
    "--rule",
    "rule",
    metavar="NAME",
    callback=as_stored,
    shell_complete=rule_names,
    help="Only messages of which this rule selected a file.",
)
@click.option("--attachments", "named", is_flag=True, help="Name the attachments, with their states, in the JSON.")
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="List at most so many, newest first."
)
@click.option(
    "--after", metavar="CURSOR", callback=_position, help="Continue behind an earlier list, by the cursor at its end."
)
@prints_data
@pass_invocation
def list_(
    invocation: Invocation,
    /,
    name: str | None,
    states: Sequence[str],
    rule_states: Sequence[str],
    rule: str | None,
    named: bool,
    limit: int,
    after: Position | None,
    **texts: Any,  # noqa: ANN401  # the other criteria, by their names
) -> Listing:
    """List messages, newest first by the time the mailbox received them.

    States: imported; waiting, to be tried again after a failure; failed, a dead letter; filtered, left out by the
    account's filters; duplicate, a copy of an imported one; removed, gone from the mailbox before the import.

    States of the import rules: white, not processed yet; green, a rule matched, and all files are saved; amber, no rule
    matched; red, a rule matched and a file could not be saved, or the import failed. Why: trace, delivery list.

    Texts match in any letter case. Of failed messages the sender and the subject are known once they were fetched, of
    filtered ones the sender, of removed ones at most the subject; recipients and attachments are those of imported
    messages. A message whose time of receipt is not known stands at that of its first failure, or of its end. What only
    waits in the queue is not listed: see queue status.
    """

    def read(connection: Connection) -> tuple[Page, dict[int, list[LoggedAttachment]]]:
        account_id = None if name is None else accounts.with_removed(connection, name).account_id
        criteria = LogCriteria(
            account_id=account_id,
            states=[MessageState(each) for each in states] or None,
            rule_states=[RuleState(each) for each in rule_states] or None,
            rule_id=None if rule is None else rule_number(connection, rule),
            **texts,
        )
        found = message_log.page(connection, criteria, limit=limit, after=after)
        numbers = {each.message_id for each in found.messages if each.message_id is not None} if named else set()
        return found, message_log.attachments_of(connection, numbers)

    with invocation.gateway() as engine:
        found, attachments = run_reading(engine, read)
    if found.next is not None:
        more = Phrase("There are more: add --after {cursor}", cursor=_cursor(found.next))
        click.get_current_context().call_on_close(lambda: tell(more))  # below the list
    columns = [
        Column("time", Phrase("Received (UTC)"), _short, whole=True),
        Column("account", Phrase("Account"), priority=2),
        Column("sender", Phrase("Sender"), priority=3),
        Column("subject", Phrase("Subject"), priority=4),
        Column("attachment_count", Phrase("Files"), right=True, priority=1),
        Column("state", Phrase("State"), word, priority=6, colour=lambda row: _COLOURS.get(row["state"])),
        Column("rules_matched", Phrase("Rules"), right=True),
        Column(
            "rule_state",
            Phrase("Rule state"),
            lambda state: shown(None) if state is None else word(state),
            priority=5,
            colour=lambda row: RULE_COLOURS.get(row["rule_state"]),
        ),
    ]
    details = [
        Column("next_attempt", Phrase("Next attempt"), _where_known),
        Column("reason", Phrase("Reason"), _where_known),
        Column("detail", Phrase("Cause"), _where_known),
    ]
    rows = [_row(each, attachments if named else None) for each in found.messages]
    return Listing(columns, rows, empty=Phrase("No message fits."), details=details)


def _where_known(value: object) -> str:
    return "" if value is None else shown(value)


def _short(time: datetime | None) -> str:
    return shown(None) if time is None else time.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def _row(found: LoggedMessage, attachments: dict[int, list[LoggedAttachment]] | None) -> dict[str, Any]:
    listed = attachments.get(found.message_id, []) if attachments is not None and found.message_id is not None else None
    return {
        "time": found.time,
        "state": found.state,
        "account_id": found.account_id,
        "account": found.account or str(found.account_id),
        "graph_id": found.graph_id,
        "message_id": found.message_id,
        "internet_message_id": found.internet_message_id,
        "sender": found.from_address or found.from_name,
        "from": {"name": found.from_name, "address": found.from_address},
        "subject": found.subject,
        "recipient_count": found.recipients,
        "attachment_count": found.attachments,
        "rules_matched": found.rules_matched,
        "rule_state": found.rule_state,
        "attachments": None if listed is None else [asdict(each) for each in listed],
        "received": found.received,
        "imported": found.imported,
        "noted": found.noted,
        "attempts": found.attempts,
        "first_failed": found.first_failed,
        "last_failed": found.last_failed,
        "next_attempt": found.next_attempt,
        "reason": found.reason,
        "detail": found.detail,
        "cursor": _cursor(found.position),
    }
