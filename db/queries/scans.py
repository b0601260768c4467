"""Messages whose attachments Defender still scans (`tblEmailScan`), until the files are stored.

Dynamic Delivery delivers a message at once with placeholders for its attachments; the scanned message takes its place,
with the same internet message id (https://learn.microsoft.com/defender-office-365/safe-attachments-about, and KB
4522769). A row is written when a placeholder is first met, and deleted when the scanned message is imported, or a day
later. A row also guarantees that the message is fetched again: a subscription manager queues it when it is `due`, so
that a sweep need not queue it, and a command may leave it to the processors.

Every function takes the connection of a transaction; see `db.engine`.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, Connection, and_, delete, exists, func, insert, literal, select, true, update

from db.keys import are_among, in_queries, listed, named, of_accounts, rounded
from db.leases import age, over
from db.locking import by_row, locking
from db.prepared import Prepared
from db.tables import account_settings, scan

KEPT_FOR: Final = timedelta(days=1)
"""Time after the first sight in which the scanned message still takes the place of one with placeholders."""

CHECK_GRACE: Final = timedelta(minutes=5)
"""Time after the end of the wait within which the waiting delivery should have led to an import."""

_MIN_CHECK_INTERVAL: Final = timedelta(minutes=15)

_row = scan.c
_columns = (_row.nAccountID, _row.sGraphMessageID, _row.sLetterDigest, _row.dtFirstSeen, _row.dtUntil, _row.nMessageID)
_ANY: Final = Prepared(select(literal(1)).where(_row.nAccountID.in_(listed("accounts", _row.nAccountID))).limit(1))
_INCOMPLETE: Final = Prepared(
    select(_row.nAccountID, _row.sGraphMessageID).where(are_among(scan), _row.nMessageID.is_not(None))
)


@dataclass(frozen=True, slots=True)
class Scan:
    """A row of `tblEmailScan`. `message_id`: the message that was imported without its files; None: it waits."""

    account_id: int
    graph_id: str
    message_digest: str
    first_seen: datetime
    until: datetime
    message_id: int | None = None

    @property
    def key(self) -> tuple[int, str]:
        """Account number and Graph id of the message."""
        return (self.account_id, self.graph_id)


def note(connection: Connection, found: Scan) -> Scan:
    """The row of the message; written now, unless there is one. The earlier end of the wait counts."""
    row = connection.execute(select(*_columns).where(_of(found.key))).first()
    if row is not None:
        stored = Scan(*row)
        return replace(stored, until=min(stored.until, found.until))
    connection.execute(
        insert(scan).inline(),
        {
            "nAccountID": found.account_id,
            "sGraphMessageID": found.graph_id,
            "sLetterDigest": found.message_digest,
            "dtFirstSeen": found.first_seen,
            "dtUntil": found.until,
            "dtNextCheck": found.until + CHECK_GRACE,
        },
    )
    return found


def lock(connection: Connection, keys: Collection[tuple[int, str]]) -> None:
    """Lock the rows of these messages against other writers: a scanned message may be replacing them."""
    for key in sorted(keys):
        connection.execute(locking(select(_row.nScanID).where(_of(key)), scan)).all()


def exist(connection: Connection, account_ids: Collection[int]) -> bool:
    """True if there is any row of these accounts: mostly there is none, and nothing to compare."""
    return bool(_ANY.rows(connection, {"accounts": rounded(sorted(account_ids))}))


def of_digests(connection: Connection, digests: Collection[tuple[int, str]], *, now: datetime) -> list[Scan]:
    """The rows, oldest first, by account and `db.queries.duplicates.message_digest`; locked against other writers."""
    found: list[Scan] = []
    for chunk in in_queries(digests):
        wanted = and_(
            _row.nAccountID.in_(rounded(sorted({account_id for account_id, _ in chunk}))),
            _row.sLetterDigest.in_(rounded([digest for _, digest in chunk])),
            _row.dtFirstSeen > now - KEPT_FOR,
        )
        found += [Scan(*row) for row in connection.execute(locking(select(*_columns).where(wanted), scan)).all()]
    those = (each for each in found if (each.account_id, each.message_digest) in digests)
    return sorted(those, key=lambda scan: scan.first_seen)


def imported(connection: Connection, key: tuple[int, str], message_id: int, *, now: datetime) -> None:
    """Record the import without its files."""
    values = {"nMessageID": message_id, "dtNextCheck": now + _MIN_CHECK_INTERVAL}
    connection.execute(by_row(update(scan).where(_of(key)).values(values)))


def forget(connection: Connection, key: tuple[int, str]) -> None:
    """Delete the row: the files are here."""
    connection.execute(by_row(delete(scan).where(_of(key))))


def is_waiting(connection: Connection, key: tuple[int, str]) -> bool:
    """True while the message waits to be imported with its files."""
    return connection.scalar(select(literal(1)).where(_of(key), _row.nMessageID.is_(None))) is not None


def waiting(connection: Connection, account_id: int, *, now: datetime) -> list[str]:
    """The Graph ids of messages of the account that wait for their files; none whose wait is long over."""
    in_time = _row.dtUntil.between(now - CHECK_GRACE, now + KEPT_FOR)
    waits = and_(_row.nAccountID == account_id, _row.nMessageID.is_(None), in_time)
    return list(connection.scalars(select(_row.sGraphMessageID).where(waits)))


def counts(connection: Connection, account_ids: Collection[int] | None = None) -> dict[int, int]:
    """The number of messages that wait for their files, by account (None: all)."""
    waits = select(_row.nAccountID, func.count()).where(_row.nMessageID.is_(None)).group_by(_row.nAccountID)
    return {row[0]: row[1] for row in connection.execute(of_accounts(waits, _row.nAccountID, account_ids))}


def incomplete(connection: Connection, keys: Collection[tuple[int, str]]) -> set[tuple[int, str]]:
    """Those of the messages that are imported without their files, which Defender may still release."""
    found: set[tuple[int, str]] = set()
    for chunk in in_queries(keys):
        found.update((row[0], row[1]) for row in _INCOMPLETE.rows(connection, named(chunk)))
    return found.intersection(keys)


# Repeated checks.


@dataclass(frozen=True, slots=True)
class Check:
    """A row whose message is to be fetched again."""

    number: int
    account_id: int
    graph_id: str
    first_seen: datetime


def due(connection: Connection, *, now: datetime, limit: int) -> list[Check]:
    """Up to `limit` rows of enabled accounts that are due, or further ahead than the maximum."""
    account = account_settings.c
    enabled = exists(
        select(literal(1))
        .select_from(account_settings)
        .where(account.nAccountID == _row.nAccountID, account.bEnabled == true(), account.dtRemoved.is_(None))
    )
    come = over(_row.dtNextCheck, now, longest=KEPT_FOR)
    columns = (_row.nScanID, _row.nAccountID, _row.sGraphMessageID, _row.dtFirstSeen)
    rows = connection.execute(select(*columns).where(come, enabled).order_by(_row.nScanID).limit(limit))
    return [Check(*row) for row in rows]


def reschedule(connection: Connection, checked: Collection[Check], *, now: datetime) -> None:
    """Set the next times of these, now queued: after half the age of each, and none after a day."""
    for each in sorted(checked, key=lambda check: check.number):
        here = _row.nScanID == each.number
        since = age(each.first_seen, now)
        if since >= KEPT_FOR:
            connection.execute(by_row(delete(scan).where(here)))
        else:
            pause = max(since / 2, _MIN_CHECK_INTERVAL)
            connection.execute(by_row(update(scan).where(here).values(dtNextCheck=now + pause)))


def delete_all(connection: Connection, account_id: int) -> None:
    """Delete the rows of an account."""
    connection.execute(delete(scan).where(_row.nAccountID == account_id))


def _of(key: tuple[int, str]) -> ColumnElement[bool]:
    return and_(_row.nAccountID == key[0], _row.sGraphMessageID == key[1])
