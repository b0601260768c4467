"""Activity in the web console: sign-ins, openings of mail, changes of users (`tblConsoleActivity`).

Every function takes the connection of a transaction; see `db.engine`.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from sqlalchemy import Connection, delete, insert, select

from db.tables import console_activity as table
from longtext import fitting

_WHO_LENGTH: Final = 200
_ADDRESS_LENGTH: Final = 100
_DETAIL_LENGTH: Final = 400
_DELETED_AT_ONCE: Final = 1000
_row = table.c


class ActivityKind(StrEnum):
    """The words of `sAction`."""

    SIGNED_IN = "signed_in"
    SIGN_IN_FAILED = "sign_in_failed"
    SIGNED_OUT = "signed_out"
    SIGNED_OUT_EVERYWHERE = "signed_out_everywhere"
    BODY_OPENED = "body_opened"
    ATTACHMENT_DOWNLOADED = "attachment_downloaded"
    ORIGINAL_EXPORTED = "original_exported"
    LOG_EXPORTED = "log_exported"
    IMPORTED_AGAIN = "imported_again"
    RULES_APPLIED = "rules_applied"
    ACCOUNT_TESTED = "account_tested"
    ALERT_TESTED = "alert_tested"
    CERTIFICATE_MADE = "certificate_made"
    USER_ADDED = "user_added"
    USER_CHANGED = "user_changed"
    USER_REMOVED = "user_removed"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105  # a word, no password
    TOKEN_ADDED = "token_added"  # noqa: S105  # as above
    TOKEN_REMOVED = "token_removed"  # noqa: S105  # as above
    LINK_MADE = "link_made"


@dataclass(frozen=True, slots=True)
class Activity:
    """One row. `action`: an `ActivityKind`, or the word of a newer program."""

    activity_id: int
    at: datetime
    who: str
    address: str
    action: str
    account_id: int | None
    message_id: int | None
    detail: str | None


def note(
    connection: Connection,
    action: ActivityKind,
    *,
    who: str,
    address: str,
    now: datetime,
    account_id: int | None = None,
    message_id: int | None = None,
    detail: str | None = None,
) -> None:
    """Record an activity. `address`: of the browser, or the host of a command."""
    connection.execute(
        insert(table).values(
            dtAt=now,
            sWho=fitting(who, _WHO_LENGTH),
            sAddress=fitting(address, _ADDRESS_LENGTH),
            sAction=action.value,
            nAccountID=account_id,
            nMessageID=message_id,
            sDetail=fitting(detail, _DETAIL_LENGTH),
        )
    )


def latest(connection: Connection, *, limit: int, before: datetime | None = None) -> list[Activity]:
    """The newest activities, at most `limit`, and older than `before`."""
    query = select(table)
    if before is not None:
        query = query.where(_row.dtAt < before)
    rows = connection.execute(query.order_by(_row.dtAt.desc(), _row.nActivityID.desc()).limit(limit))
    return [Activity(*row) for row in rows]


def of_message(connection: Connection, message_id: int, *, limit: int) -> list[Activity]:
    """The newest activities at a message."""
    query = select(table).where(_row.nMessageID == message_id).order_by(_row.nActivityID.desc()).limit(limit)
    return [Activity(*row) for row in connection.execute(query)]


def delete_before(connection: Connection, time: datetime) -> int:
    """Delete some of the oldest rows from before that time; return their number, 0 when there are none left."""
    oldest = select(_row.nActivityID).where(_row.dtAt < time).order_by(_row.dtAt).limit(_DELETED_AT_ONCE)
    numbers = list(connection.scalars(oldest))
    if numbers:
        connection.execute(delete(table).where(_row.nActivityID.in_(numbers)))
    return len(numbers)
