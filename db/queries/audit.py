"""Bulk operations of operators: user, host, time, messages, reason (`tblQueueAudit`).

Every function takes the connection of a transaction; see `db.engine`.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, insert, select, update

from db.tables import queue_audit
from longtext import fitting

_HOST_LENGTH: Final = 100
_WHO_LENGTH: Final = 200
_QUEUE_LENGTH: Final = 400

_row = queue_audit.c


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One row. `ended` is None while it runs, or if it died midway; `messages` counts those done."""

    audit_id: int
    action: str
    who: str
    host: str
    queue: str
    selection: str
    why: str | None
    started: datetime
    ended: datetime | None
    messages: int


def begin(
    connection: Connection,
    *,
    action: str,
    who: str,
    host: str,
    selection: str,
    now: datetime,
    queue: str = "",
    why: str | None = None,
) -> int:
    """Record the start; return the number of the row, for `end`.

    `action`: a fixed word of at most 20 characters. `selection`: the messages, as readable text. `queue`: the queue,
    empty where none is concerned. Committed before the work, it shows a process that died midway.
    """
    key = connection.execute(
        insert(queue_audit).values(
            sAction=action,
            sWho=fitting(who, _WHO_LENGTH),
            sHost=fitting(host, _HOST_LENGTH),
            sQueue=fitting(queue, _QUEUE_LENGTH),
            sSelection=selection,
            sWhy=why,
            dtStarted=now,
        )
    ).inserted_primary_key
    assert key is not None  # noqa: S101  # a single insert always has its key
    return int(key[0])


def end(connection: Connection, audit_id: int, *, messages: int, now: datetime) -> None:
    """Record the end, and the number of messages done."""
    connection.execute(update(queue_audit).where(_row.nAuditID == audit_id).values(dtEnded=now, nMessages=messages))


def latest(connection: Connection, *, limit: int) -> list[AuditEntry]:
    """The last `limit` rows, newest first."""
    rows = connection.execute(select(queue_audit).order_by(_row.nAuditID.desc()).limit(limit))
    return [of_row(row) for row in rows]


def of_row(row: Row[Any]) -> AuditEntry:
    """The entry of a row of the table."""
    return AuditEntry(
        row.nAuditID,
        row.sAction,
        row.sWho,
        row.sHost,
        row.sQueue,
        row.sSelection,
        row.sWhy,
        row.dtStarted,
        row.dtEnded,
        row.nMessages,
    )
