"""The log of messages as commands and pages show it: its criteria, its rows, and the cursor of a place in it."""

import base64
import binascii
from collections.abc import Collection, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Connection

from console.output import Column, shown
from console.translation.labels import RULE_COLOURS, word
from db.outcomes import MessageState, RuleState
from db.queries import accounts
from db.queries.file_log import rule_number
from db.queries.message_log import LogCriteria, LoggedAttachment, LoggedMessage, Position
from phrases import Phrase

_MAX_NUMBER: Final = 2**63 - 1
_COLOURS: Final = {MessageState.FAILED: "red", MessageState.WAITING: "yellow"}


def _where_known(value: object) -> str:
    return "" if value is None else shown(value)


def _short(time: datetime | None) -> str:
    return shown(None) if time is None else time.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


COLUMNS: Final = (
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
)
DETAILS: Final = (
    Column("next_attempt", Phrase("Next attempt"), _where_known),
    Column("reason", Phrase("Reason"), _where_known),
    Column("detail", Phrase("Cause"), _where_known),
)
NOTHING: Final = Phrase("No message fits.")


def criteria_of(
    connection: Connection,
    *,
    name: str | None,
    states: Sequence[str],
    rule_states: Sequence[str],
    rule: str | None,
    account_ids: Collection[int] | None = None,
    **texts: Any,  # noqa: ANN401  # the other criteria, by their names
) -> LogCriteria:
    """The criteria by the options of `messages list`. `account_ids`: the accounts that may be seen; None: all.

    Raises:
        AccountNotFound, AccountRemoved, RuleNotFound
    """
    return LogCriteria(
        account_id=None if name is None else accounts.with_removed(connection, name).account_id,
        states=[MessageState(each) for each in states] or None,
        rule_states=[RuleState(each) for each in rule_states] or None,
        rule_id=None if rule is None else rule_number(connection, rule),
        account_ids=account_ids,
        **texts,
    )


def row_of(found: LoggedMessage, attachments: Sequence[LoggedAttachment] | None = None) -> dict[str, Any]:
    """The row of a message, for the columns above and for JSON."""
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
        "attachments": None if attachments is None else [asdict(each) for each in attachments],
        "received": found.received,
        "imported": found.imported,
        "noted": found.noted,
        "attempts": found.attempts,
        "first_failed": found.first_failed,
        "last_failed": found.last_failed,
        "next_attempt": found.next_attempt,
        "reason": found.reason,
        "detail": found.detail,
        "cursor": cursor_of(found.position),
    }


def position_of(cursor: str) -> Position | None:
    """The place of a cursor; None: the text is none."""
    try:
        time, source, number = base64.urlsafe_b64decode(cursor.encode("ascii")).decode("ascii").split()
        place = Position(datetime.fromisoformat(time), int(source), int(number))
    except (ValueError, binascii.Error):
        return None
    is_one = place.time.tzinfo is UTC and max(map(abs, (place.source, place.number))) <= _MAX_NUMBER
    return place if is_one else None


def cursor_of(place: Position) -> str:
    """The cursor of a place."""
    return base64.urlsafe_b64encode(f"{place.time.isoformat()} {place.source} {place.number}".encode()).decode()
