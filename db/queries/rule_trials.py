"""Stored messages that an operator has rules tested on, or applied to, and the files that are known of them.

Every function takes the connection of a transaction; see `db.engine`.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, or_, select

from db.keys import in_queries, many
from db.outcomes import RuleState
from db.queries import exports
from db.tables import account_settings, email_file, message

_row, _file = message.c, email_file.c


@dataclass(frozen=True, slots=True)
class ReceivedMessage:
    """A message of a time. `is_checked`: the delivery has checked the rules that were enabled at its import."""

    message_id: int
    received: datetime
    is_checked: bool


@dataclass(frozen=True, slots=True)
class KnownFile:
    """A file that a rule selected before."""

    state: str
    path: str | None = field(repr=False)


def received_since(
    connection: Connection,
    since: datetime,
    *,
    after: ReceivedMessage | None,
    limit: int,
    without: Collection[int] = (),
) -> list[ReceivedMessage]:
    """Up to `limit` messages received since then, in the order of receipt, those behind `after`.

    `without`: accounts whose messages are left out.
    """
    statement = _messages(without)
    if after is None:
        statement = statement.where(_row.dtReceived >= since)
    else:
        is_behind = or_(
            _row.dtReceived > after.received,
            and_(_row.dtReceived == after.received, _row.nMessageID > after.message_id),
        )
        statement = statement.where(_row.dtReceived >= after.received, is_behind)
    rows = connection.execute(statement.order_by(_row.dtReceived, _row.nMessageID).limit(limit))
    return list(map(_received, rows))


def latest(
    connection: Connection,
    *,
    account_id: int | None,
    before: ReceivedMessage | None,
    limit: int,
    without: Collection[int] = (),
) -> list[ReceivedMessage]:
    """Up to `limit` messages, the latest first, those behind `before`.

    `account_id`: of it alone. `without`: accounts whose messages are left out.
    """
    statement = _messages(without).where(_row.dtReceived.is_not(None))
    if account_id is not None:
        statement = statement.where(_row.nAccountID == account_id)
    if before is not None:
        is_behind = or_(_row.dtReceived < before.received, _row.nMessageID < before.message_id)
        statement = statement.where(_row.dtReceived <= before.received, is_behind)
    rows = connection.execute(statement.order_by(_row.dtReceived.desc(), _row.nMessageID.desc()).limit(limit))
    return list(map(_received, rows))


def received(connection: Connection, number: int) -> list[ReceivedMessage]:
    """The message of that number, if it is there."""
    return list(map(_received, connection.execute(_messages(()).where(_row.nMessageID == number))))


def _messages(without: Collection[int]) -> Select[Any]:
    statement = select(_row.nMessageID, _row.dtReceived, _row.sRuleState, _row.nRulesMatched)
    if without:
        statement = statement.where(_row.nAccountID.not_in(many("without", without)))
    return statement


def _received(row: Row[Any]) -> ReceivedMessage:
    is_checked = row.sRuleState != RuleState.WHITE or row.nRulesMatched is not None
    return ReceivedMessage(row.nMessageID, row.dtReceived, is_checked=is_checked)


def find(connection: Connection, text: str, *, limit: int) -> list[int]:
    """Up to `limit` messages of any account with this `nMessageID`, Graph id or internet message id."""
    accounts = connection.scalars(select(account_settings.c.nAccountID)).all()
    found = (each.message_id for account in accounts for each in exports.find(connection, account, text, limit=limit))
    return sorted(set(found))[:limit]


def known_files(connection: Connection, numbers: Collection[int]) -> dict[tuple[int, int, str], KnownFile]:
    """The last known file of these messages by message, rule and key."""
    found: dict[tuple[int, int, str], KnownFile] = {}
    for chunk in in_queries(sorted(numbers)):
        rows = connection.execute(
            select(_file.nMessageID, _file.nRuleID, _file.sKey, _file.sState, _file.sTargetPath)
            .where(_file.nMessageID.in_(chunk))
            .order_by(_file.nRun)
        )
        found |= {(number, rule, key): KnownFile(state, path) for number, rule, key, state, path in rows}
    return found
