"""Messages of which Graph did not notify in time: found by a sweep, imported by it (`tblMissedNotification`)."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, delete, func, insert, literal, select, update

from db.keys import MessageKey, are_among, in_queries, named, of_accounts
from db.tables import missed_notification

_row = missed_notification.c
_SUSPECTED: Final = select(_row.nAccountID, _row.sGraphMessageID, _row.dtReceived).where(
    are_among(missed_notification), _row.dtTold.is_(None)
)


@dataclass(frozen=True, slots=True)
class MissedSummary:
    """Number of an account's missed notifications, and the time of receipt of the last of those messages."""

    count: int
    latest: datetime


def note(connection: Connection, key: MessageKey, *, received: datetime, found: datetime) -> None:
    """Record that the message, received then, was found without a notification."""
    account_id, graph_id = key
    known = select(literal(1)).where(_row.nAccountID == account_id, _row.sGraphMessageID == graph_id)
    if connection.scalar(known) is None:
        connection.execute(
            insert(missed_notification).values(
                nAccountID=account_id, sGraphMessageID=graph_id, dtReceived=received, dtFound=found
            )
        )


def suspected(connection: Connection, keys: Collection[MessageKey]) -> dict[MessageKey, datetime]:
    """Those of the messages that are recorded and not reported yet, with their times of receipt."""
    found: dict[MessageKey, datetime] = {}
    for chunk in in_queries(keys):
        rows = connection.execute(_SUSPECTED, named(chunk))
        found.update({(row[0], row[1]): row[2] for row in rows})
    return {key: received for key, received in found.items() if key in keys}


def retract(connection: Connection, keys: Collection[MessageKey]) -> None:
    """Delete these: their notifications had come in time and only waited in the queue."""
    for account_id, graph_id in keys:
        connection.execute(
            delete(missed_notification).where(
                _row.nAccountID == account_id, _row.sGraphMessageID == graph_id, _row.dtTold.is_(None)
            )
        )


def unreported(connection: Connection, account_id: int, *, before: datetime) -> list[datetime]:
    """Times of receipt of the messages that are not reported yet and that were found before that time."""
    return list(
        connection.scalars(
            select(_row.dtReceived)
            .where(_row.nAccountID == account_id, _row.dtTold.is_(None), _row.dtFound <= before)
            .order_by(_row.dtReceived)
        )
    )


def mark_reported(connection: Connection, account_id: int, *, before: datetime, now: datetime) -> None:
    """Mark those found before that time as reported."""
    connection.execute(
        update(missed_notification)
        .where(_row.nAccountID == account_id, _row.dtTold.is_(None), _row.dtFound <= before)
        .values(dtTold=now)
    )


def reported_since(connection: Connection, account_id: int, since: datetime) -> bool:
    """Check whether any was reported at that time or later."""
    found = select(literal(1)).where(_row.nAccountID == account_id, _row.dtTold >= since).limit(1)
    return connection.scalar(found) is not None


def forget(connection: Connection, account_id: int, *, before: datetime) -> None:
    """Delete records of before that time."""
    connection.execute(delete(missed_notification).where(_row.nAccountID == account_id, _row.dtFound < before))


def summaries(connection: Connection, account_ids: Collection[int] | None = None) -> dict[int, MissedSummary]:
    """Missed notifications that were reported, by account (None: all)."""
    statement = (
        select(_row.nAccountID, func.count(), func.max(_row.dtReceived))
        .where(_row.dtTold.is_not(None))
        .group_by(_row.nAccountID)
    )
    rows = connection.execute(of_accounts(statement, _row.nAccountID, account_ids))
    return {row[0]: MissedSummary(row[1], row[2]) for row in rows}
