"""`mail-importer messages list`: the log of messages, newest first."""

from collections.abc import Sequence
from typing import Any

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
from console.messages.log import COLUMNS, DETAILS, NOTHING, criteria_of, cursor_of, position_of, row_of
from console.output import Listing, prints_data, tell, wrong_value
from console.translation.help import Command, Group
from db.engine import run_reading
from db.outcomes import MessageState, RuleState
from db.queries import message_log
from db.queries.message_log import LoggedAttachment, Page, Position
from phrases import Phrase


@click.group(cls=Group, epilog=example("mail-importer messages list --since today"))
def messages() -> None:
    """List messages by sender, recipient, subject, attachment and state."""


def _position(_context: click.Context, _parameter: click.Parameter, text: str | None) -> Position | None:
    if text is None:
        return None
    place = position_of(text)
    if place is None:
        raise wrong_value(Phrase("It is no CURSOR that this command printed."))
    return place


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
        criteria = criteria_of(connection, name=name, states=states, rule_states=rule_states, rule=rule, **texts)
        found = message_log.page(connection, criteria, limit=limit, after=after)
        numbers = {each.message_id for each in found.messages if each.message_id is not None} if named else set()
        return found, message_log.attachments_of(connection, numbers)

    with invocation.gateway() as engine:
        found, attachments = run_reading(engine, read)
    if found.next is not None:
        more = Phrase("There are more: add --after {cursor}", cursor=cursor_of(found.next))
        click.get_current_context().call_on_close(lambda: tell(more))  # below the list
    rows = [row_of(each, attachments.get(each.message_id or 0)) for each in found.messages]
    return Listing(COLUMNS, rows, empty=NOTHING, details=DETAILS)
