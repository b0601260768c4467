"""Messages that the filters of their account left out (`tblEmailSeen`): known to every search for missing ones.

Every function takes the connection of a transaction; see `db.engine`.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, and_, delete, func, insert, or_, select

from db.keys import are_among, graph_ids, in_queries, named, of_accounts
from db.locking import by_row
from db.tables import seen

_row = seen.c
_AT_A_TIME: Final = 500
"""Rows that one statement deletes; over 5,000 locks SQL Server locks the whole table."""
_OF_IDS: Final = select(
    _row.nAccountID,
    _row.sGraphMessageID,
    _row.sInternetMessageID,
    _row.sFromAddress,
    _row.dtReceived,
    _row.nSize,
    _row.sReason,
    _row.sRule,
    _row.dtSeen,
).where(are_among(seen))


@dataclass(frozen=True, slots=True)
class FilteredMessage:
    """One row of `tblEmailSeen`: the record of a message that was not imported.

    `reason`: a fixed word; `rule`: the filter that decided; `seen`: the time.
    """

    account_id: int
    graph_message_id: str
    internet_message_id: str | None
    from_address: str | None = field(repr=False)
    received: datetime | None
    size: int | None
    reason: str
    rule: str | None
    seen: datetime

    @property
    def key(self) -> tuple[int, str]:
        """The unique key of the message."""
        return (self.account_id, self.graph_message_id)


def note(connection: Connection, records: Sequence[FilteredMessage]) -> None:
    """Record messages none of which is recorded yet."""
    if records:
        connection.execute(insert(seen).inline(), [_columns(each) for each in records])


def forget(connection: Connection, keys: Collection[tuple[int, str]]) -> None:
    """Delete the records of these: they are imported after all."""
    for account_id, graph_id in keys:
        connection.execute(delete(seen).where(_row.nAccountID == account_id, _row.sGraphMessageID == graph_id))


def of_ids(connection: Connection, keys: Collection[tuple[int, str]]) -> list[FilteredMessage]:
    """The records of those messages, by account and Graph id, that were left out."""
    found = [each for chunk in in_queries(keys) for each in _found(connection, chunk)]
    return [each for each in found if each.key in keys]


def ids_of_account(connection: Connection, account_id: int, *, after: str, limit: int) -> list[str]:
    """Up to `limit` Graph ids of the account, beginning after that one (`""`: with the first)."""
    return graph_ids(connection, seen, account_id, after=after, limit=limit)


def counts(connection: Connection, account_ids: Collection[int] | None = None) -> dict[int, int]:
    """The number of messages of each account (None: of all) that were left out."""
    statement = select(_row.nAccountID, func.count()).group_by(_row.nAccountID)
    rows = connection.execute(of_accounts(statement, _row.nAccountID, account_ids))
    return {row[0]: row[1] for row in rows}


def count_old(connection: Connection, account_id: int, *, before: datetime) -> int:
    """Count those of the account from before that time."""
    return connection.scalar(select(func.count()).select_from(seen).where(_is_old(account_id, before))) or 0


def delete_old(connection: Connection, account_id: int, *, before: datetime, limit: int = _AT_A_TIME) -> int:
    """Delete up to `limit` records of the account from before that time; return their number."""
    return _deleted(connection, _is_old(account_id, before), limit)


def delete_all(connection: Connection, account_id: int) -> None:
    """Delete the records of an account."""
    while _deleted(connection, _row.nAccountID == account_id, _AT_A_TIME):
        pass


def _is_old(account_id: int, before: datetime) -> ColumnElement[bool]:
    """Old by the time of receipt; where that is unknown, by the time of the record."""
    never_received = and_(_row.dtReceived.is_(None), _row.dtSeen < before)
    return and_(_row.nAccountID == account_id, or_(_row.dtReceived < before, never_received))


def _deleted(connection: Connection, condition: ColumnElement[bool], limit: int) -> int:
    # Selected first and then deleted by number: that is portable, and locks these rows only.
    numbers = list(connection.scalars(select(_row.nSeenID).where(condition).limit(limit)))
    if numbers:
        connection.execute(by_row(delete(seen).where(_row.nSeenID.in_(numbers))))
    return len(numbers)


def _found(connection: Connection, keys: Collection[tuple[int, str]]) -> Iterator[FilteredMessage]:
    yield from (FilteredMessage(*row) for row in connection.execute(_OF_IDS, named(keys)).all())


def _columns(record: FilteredMessage) -> dict[str, Any]:
    return {
        "nAccountID": record.account_id,
        "sGraphMessageID": record.graph_message_id,
        "sInternetMessageID": record.internet_message_id,
        "sFromAddress": record.from_address,
        "dtReceived": record.received,
        "nSize": record.size,
        "sReason": record.reason,
        "sRule": record.rule,
        "dtSeen": record.seen,
    }
